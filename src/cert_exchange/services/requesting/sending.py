"""Our desk asks a partner, or says something to a request.

1. A note goes to the one partner that it is for, or nothing is stored (`delivering`).
2. Each side may say what its side may say (`threads`, 3), about a request that stands between the two. To one that was
   withdrawn only remarks are said, unless a person wants it otherwise.
3. Permission is asked for what the partner itself sent, and for recipients that we name in words it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages.requests import (
    OF_ASKED,
    RECIPIENTS,
    REFERENCES,
    TEXT_CHARACTERS,
    TICKET_CHARACTERS,
    WITHIN,
    Kind,
    Request,
    State,
    Statement,
    write_request,
    write_statement,
)
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import ANYONE
from cert_exchange.policy.spellings import tlp_named
from cert_exchange.services import terms
from cert_exchange.services.requesting.delivering import Sent, deliver
from cert_exchange.services.requesting.reading import find
from cert_exchange.services.requesting.time_lines import Thread
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import TLP_DEFINITIONS
from cert_exchange.stix.references import is_identifier
from cert_exchange.store import objects
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction

REQUESTS: Final = "requests"
"""The collection by its usual alias."""
_MICROSECOND: Final = timedelta(microseconds=1)
_CLOCKS_DIFFER: Final = timedelta(hours=1) // _MICROSECOND


def send(
    node: Node,
    kind: Kind,
    partner: str,
    *,
    text: str,
    about: Sequence[str] = (),
    answer_expected: bool = True,
    due: str | None = None,
    ticket: str = "",
    share_to: Sequence[str] = (),
    until: str | None = None,
    tlp: str = "amber",
    test: bool = False,
    collection: str = REQUESTS,
    by: str,
    look_only: bool = False,
) -> Sent:
    """Ask a partner for something. `due` and `until` are instants or durations from now; without `due` the kind's usual one.

    Raises NotFound for an unknown partner or object, InputRefused for what cannot be asked so, or what the partner's policy
    would not let go: then nothing is stored. `look_only`: nothing is stored in any case.
    """
    now = node.now()
    with node.database.reading() as tx:
        asked = _identity(tx, partner)
        _check_about(tx, about, partner if kind is Kind.RE_SHARE else None)
        recipients = _recipients(tx, share_to, partner)
    if (kind is Kind.RE_SHARE) is not bool(recipients):
        raise InputRefused(
            "Permission for whom? Name recipients with the request, as a partner, country:XX, an identity's id or any."
            if kind is Kind.RE_SHARE
            else "Recipients are named with a request to re-share only."
        )
    if kind is Kind.RE_SHARE and (not about or until is None):
        raise InputRefused(
            "Permission for what, and until when? Name the objects, and an instant or a duration."
        )
    if kind is not Kind.RE_SHARE and until is not None:
        raise InputRefused("Until when permission is asked goes with a request to re-share only.")
    if not answer_expected and due is not None:
        raise InputRefused("What expects no answer is never due; leave out the one or the other.")
    ends = None
    if answer_expected:
        ends = now + WITHIN[kind] // _MICROSECOND if due is None else terms.instant(due, now=now)
    request = Request(
        kind, _text(text), tuple(about), answer_expected, ends, asked, _ticket(ticket), recipients,
        None if until is None else terms.instant(until, now=now),
    )  # fmt: skip
    stix_id = f"note--{uuid4()}"
    content = write_request(
        request, stix_id=stix_id, creator=node.identity, marking=_marking(tlp), now=now
    )
    return deliver(
        node, content, partner, collection=collection, by=by, due=ends, test=test,
        look_only=look_only,
    )  # fmt: skip


def answer(
    node: Node,
    named: str,
    state: State,
    *,
    text: str = "",
    ticket: str = "",
    refs: Sequence[str] = (),
    until: str | None = None,
    tlp: str = "amber",
    collection: str = REQUESTS,
    by: str,
    anyway: bool = False,
) -> Sent:
    """Say something to a request (`reading.find`): as its state, or as a remark.

    `refs`: objects that are given with it; `until` shortens a permission. Raises as `send` does, and InputRefused where the
    request was withdrawn, unless it is to be said `anyway`.
    """
    thread = find(node, named)
    may = _may_say(thread)
    if state not in may:
        raise InputRefused(
            f"Request {thread.short} is {'ours' if thread.ours else 'of ' + thread.partner}, so our desk says"
            f" {', '.join(sorted(may))}; {state.value} is said by "
            f"{'the desk that is asked' if thread.ours else 'the desk that asks'}."
        )
    if thread.state == State.WITHDRAWN and state is not State.REMARK and not anyway:
        who = "our desk" if thread.ours else thread.partner
        raise InputRefused(
            f"{who} withdrew request {thread.short} at {format_micros(thread.state_at)}: nothing is waited for. Say a remark,"
            " or say it all the same with --yes."
        )
    if state is State.NOT_POSSIBLE and not text.strip():
        raise InputRefused("Not possible, and why? Give the reason: the partner reads it.")
    if state is State.REMARK and not text.strip():
        raise InputRefused("A remark says something; give its text.")
    granted = thread.request.kind is Kind.RE_SHARE and state is State.DONE
    if until is not None and not granted:
        raise InputRefused("Until when goes with `done` to a request to re-share only.")
    now = node.now()
    with node.database.reading() as tx:
        _check_about(tx, refs, None)
    stix_id = f"note--{uuid4()}"
    # Never dated before what it answers: a partner's clock may be ahead of ours.
    at = max([now, *(one.at + 1 for one in thread.lines if one.at < now + _CLOCKS_DIFFER)])
    content = write_statement(
        Statement(
            state, _text(text, needed=False), (thread.stix_id, *refs), _ticket(ticket),
            None if until is None else terms.instant(until, now=now),
        ),
        stix_id=stix_id, creator=node.identity, marking=_marking(tlp), now=at,
    )  # fmt: skip
    done = deliver(
        node, content, thread.partner, collection=collection, by=by, due=None, test=thread.test
    )
    after = find(node, thread.stix_id)
    counts = state is State.REMARK or after.state == state
    return replace(done, counts=counts, state=after.state)


def _may_say(thread: Thread) -> set[State]:
    return {State.REMARK, *((State.WITHDRAWN,) if thread.ours else OF_ASKED)}


def _identity(tx: Transaction, partner: str) -> str:
    row = partner_rows.find_partner(tx, partner)
    if row is None:
        raise NotFound(f"there is no partner {partner!r}; see `partner list`")
    spoken, _ = partner_rows.identities(tx).get(row.id, ([], []))
    if not spoken:
        raise InputRefused(
            f"{partner} speaks for no identity, so that nobody could tell who is asked; see `partner amend --speaks-for`."
        )
    return spoken[0]


def _check_about(tx: Transaction, about: Sequence[str], sent_by: str | None) -> None:
    if len(about) > REFERENCES - 1:
        raise InputRefused(f"That is about {len(about)} objects; one note names {REFERENCES - 1}.")
    numbers = objects.idents_of(tx, list(about))
    held = version_rows.held(tx, numbers.values())
    for one in about:
        if not is_identifier(one) or numbers.get(one) not in held:
            raise NotFound(f"we hold no object {one}; see `search`")
    if sent_by is not None:
        row = partner_rows.find_partner(tx, sent_by)
        assert row is not None
        theirs = version_rows.sent_by(tx, numbers.values(), [row.id])
        for one in about:
            if numbers[one] not in theirs:
                raise InputRefused(f"{one} did not come from {sent_by}, who cannot permit it.")


def _recipients(tx: Transaction, words: Sequence[str], partner: str) -> tuple[str, ...]:
    """As the partner understands them: of a partner of ours the identities that it speaks for."""
    spoken = {
        row.name: partner_rows.identities(tx).get(row.id, ([], []))[0]
        for row in partner_rows.every_partner(tx)
    }
    found: list[str] = []
    for word in words:
        if word.strip().casefold() == ANYONE:
            found.append(ANYONE)
            continue
        named = terms.recipient(word, spoken)
        if named == partner:
            raise InputRefused(f"{partner} has it from itself; name who it may go to.")
        if named in spoken and not spoken[named]:
            raise InputRefused(
                f"{named} speaks for no identity, so {partner} does not know who is meant."
            )
        found += spoken.get(named, [named])
    if len(found) > RECIPIENTS:
        raise InputRefused(f"That is for {len(found)} recipients; one request names {RECIPIENTS}.")
    return tuple(dict.fromkeys(found))


def _text(text: str, *, needed: bool = True) -> str:
    said = text.strip()
    if needed and not said:
        raise InputRefused("What is asked? Give a text: the partner reads it.")
    if len(said) > TEXT_CHARACTERS:
        raise InputRefused(
            f"The text has {len(said):,} characters; at most {TEXT_CHARACTERS:,} go into one note."
        )
    return said


def _ticket(text: str) -> str:
    said = " ".join(text.split())
    if len(said) > TICKET_CHARACTERS:
        raise InputRefused(f"A ticket number has at most {TICKET_CHARACTERS} characters.")
    return said


def _marking(level: str) -> str:
    """The TLP 2.0 definition of a level."""
    tlp = tlp_named(level)
    if tlp is None:
        raise InputRefused(
            f"{level!r} is no TLP level; write clear, green, amber, amber+strict or red."
        )
    name = f"TLP:{tlp.name.replace('_', '+')}"
    return next(
        str(one["id"])
        for one in reversed(TLP_DEFINITIONS)
        if one["name"] == name and "definition_type" not in one
    )
