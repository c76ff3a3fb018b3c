"""Our desk asks a partner, or says something to a request.

1. A note goes to the one partner that it is for, whatever the policies of others say: terms beside it name nobody else, and
   stand in it too, with `onward: none`, so that the partner's node passes it on to nobody.
   What the partner's own policy does not let go is refused before anything is stored, with the rule and what to do.
2. Each side may say what its side may say (`threads`, 3), about a request that stands between the two.
3. Permission is asked for what the partner itself sent, and for recipients that we name in words it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import orjson

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
from cert_exchange.policy.sharing_terms import ANYONE, Onward, SharingTerms
from cert_exchange.policy.spellings import tlp_named
from cert_exchange.services import publishing, terms
from cert_exchange.services.reaching import way
from cert_exchange.services.requesting.reading import find
from cert_exchange.services.requesting.threads import Thread
from cert_exchange.stix.markings import TLP_DEFINITIONS
from cert_exchange.stix.references import is_identifier
from cert_exchange.store import objects, releases
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction

REQUESTS: Final = "requests"
"""The collection by its usual alias."""
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """A note of ours, and what its partner sees of it. `due` in micros, None where nothing is expected."""

    stix_id: str
    partner: str
    answer: str
    """released, or held: a person of ours has to let it go first"""
    why: str
    way: str
    """by which way it gets there, in words"""
    due: int | None
    stored: bool


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
    return _publish(
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
) -> Sent:
    """Say something to a request (`reading.find`): as its state, or as a remark.

    `refs`: objects that are given with it; `until` shortens a permission. Raises as `send` does.
    """
    thread = find(node, named)
    may = _may_say(thread)
    if state not in may:
        raise InputRefused(
            f"Request {thread.short} is {'ours' if thread.ours else 'of ' + thread.partner}, so our desk says"
            f" {', '.join(sorted(may))}; {state.value} is said by "
            f"{'the desk that is asked' if thread.ours else 'the desk that asks'}."
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
    at = max(now, max(one.at for one in thread.lines) + 1 if _recent(thread, now) else now)
    content = write_statement(
        Statement(
            state, _text(text, needed=False), (thread.stix_id, *refs), _ticket(ticket),
            None if until is None else terms.instant(until, now=now),
        ),
        stix_id=stix_id, creator=node.identity, marking=_marking(tlp), now=at,
    )  # fmt: skip
    return _publish(
        node, content, thread.partner, collection=collection, by=by, due=None, test=thread.test
    )


def _may_say(thread: Thread) -> set[State]:
    return {State.REMARK, *((State.WITHDRAWN,) if thread.ours else OF_ASKED)}


def _recent(thread: Thread, now: int) -> bool:
    """Whether no line lies further ahead than two clocks may differ."""
    return max(one.at for one in thread.lines) < now + 3600 * 1_000_000


def _publish(
    node: Node,
    content: dict[str, Any],
    partner: str,
    *,
    collection: str,
    by: str,
    due: int | None,
    test: bool,
    look_only: bool = False,
) -> Sent:
    body = publishing.carry_terms(
        node, orjson.dumps({"objects": [content]}), _carried(node, partner, test=test)
    )
    only = SharingTerms(only_to=(frozenset({partner}),), test=test)
    stix_id = str(content["id"])
    audience = _audience(node, partner)
    seen = publishing.preview_publish(node, body, collection=collection, by=by, terms=only)
    (outcome,) = seen.outcomes
    if not outcome.success:
        raise InputRefused(f"It cannot be sent: {outcome.message}")
    said = [
        one for one in seen.sighted if (one.audience, one.stix_id) == (audience, stix_id)
    ]  # none where the audience has no view of the collection
    stands = next((one for one in said if one.answer in ("released", "held")), None)
    if stands is None:
        why = (
            f"{said[0].reason} (rule {said[0].rule})"
            if said
            else f"its policy does not name {collection}"
        )
        raise InputRefused(
            f"{partner} would not see it, so nothing was stored: {why}. Let its policy allow notes in {collection}, and name"
            " only objects that it sees or sent."
        )
    by_way = way(node, partner, collection)
    if not by_way.there:
        raise InputRefused(f"{partner} would not get it, so nothing was stored: {by_way.words}.")
    if not look_only:
        report = publishing.publish(node, body, collection=collection, by=by, terms=only)
        (outcome,) = report.outcomes
        if not outcome.success:
            raise InputRefused(f"It could not be sent: {outcome.message}")
    return Sent(
        stix_id, partner, stands.answer, stands.reason, by_way.words, due, stored=not look_only
    )


def _carried(node: Node, partner: str, *, test: bool) -> SharingTerms:
    """What a note tells its reader's node. A partner without an identity cannot be named there: `onward` binds it anyway."""
    with node.database.reading() as tx:
        named = bool(releases.read_sharing(tx).said.spoken.get(partner))
    only = (frozenset({partner}),) if named else ()
    return SharingTerms(only_to=only, onward=Onward.NONE, test=test)


def _audience(node: Node, partner: str) -> str:
    """The name of the audience that the partner is alone in. Raises InputRefused where there is none."""
    with node.database.reading() as tx:
        audiences = releases.read_sharing(tx).audiences
    for one in audiences:
        members = set(one.members.values())
        if members == {partner}:
            return one.name
        if partner in members:
            others = ", ".join(sorted(members - {partner}))
            raise InputRefused(
                f"{partner} shares its policy's view with {others}, who would see it too; give it a policy of its own."
            )
    raise InputRefused(f"No policy names {partner}, so it would see nothing; apply one first.")


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
