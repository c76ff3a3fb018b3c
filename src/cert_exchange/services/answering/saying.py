"""What our desk says about an object: sight, opine, note, ask, reply. Each is one STIX object of ours, and one sentence here.

1. A sighting tells that, and nothing else, unless a person gives more: a count, a time or a place may expose a victim.
2. Of one object our desk has one opinion towards the same readers: another word is a new version of it, and goes out only
   where those who have the one before may see it.
3. A reply names the question; the question's object it names where it is not a derivative, whose id is for others to use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import orjson

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages import answers as messages
from cert_exchange.messages.answers import MOST_COUNTED, MOST_WORDS, Opinion, Question, Seen
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION as TERMS
from cert_exchange.policy.sharing_terms import country_code
from cert_exchange.services.answering.fetching import readers
from cert_exchange.services.answering.giving import (
    Given,
    Manner,
    dress,
    give,
    recipients,
    repeated,
)
from cert_exchange.services.answering.subjects import names_it, subject_of
from cert_exchange.services.terms import instant as instant_ahead
from cert_exchange.stix.instants import InstantInvalid, format_micros, parse_micros
from cert_exchange.store import answers as rows
from cert_exchange.store import objects

US: Final = "us"
"""As a place: our own organisation."""
_COUNTRY: Final = "country:"
_MOST_PLACES: Final = 100
_LOOKED_AT: Final = 1_000


def sight(
    node: Node,
    stix_id: str,
    *,
    by: str,
    manner: Manner = Manner(),  # noqa: B008 - a frozen value
    count: int | None = None,
    first: str | None = None,
    last: str | None = None,
    where: Sequence[str] = (),
    words: str = "",
) -> Given:
    """Say that we saw what an object describes. `first` and `last` as written in UTC; `where` as `us`, country:XX or an id.

    Raises NotFound, InputRefused with what to write, ConfigurationInvalid where there is no return collection.
    """
    subject = subject_of(node, stix_id)
    to = recipients(node, subject, manner)
    now = node.now()
    if count is not None and not 0 <= count <= MOST_COUNTED:
        raise InputRefused(f"A count is 0 to {MOST_COUNTED:,}; leave it out to tell none.")
    since, until = (_moment(one, now) for one in (first, last))
    if since is not None and until is not None and until < since:
        raise InputRefused(f"It cannot be seen last at {last} and first at {first}.")
    if len(where) > _MOST_PLACES:
        raise InputRefused(f"More than {_MOST_PLACES} places; name the country.")
    places, made = _places(node, where, now)
    seen = Seen(count, since, until, tuple(places), _words(words, needed=False))
    content = messages.write_sighting(
        subject.stix_id, seen, stix_id=f"sighting--{uuid4()}", creator=node.identity, now=now
    )
    answer, said = dress(node, subject, content, manner, to)
    alike = {
        "object_marking_refs": answer["object_marking_refs"],
        "extensions": {TERMS: answer["extensions"][TERMS]},
    }
    return give(node, [*({**one, **alike} for one in made), answer], said, manner, to, by=by)


def opine(
    node: Node,
    stix_id: str,
    opinion: Opinion,
    *,
    because: str,
    by: str,
    manner: Manner = Manner(),  # noqa: B008 - a frozen value
) -> Given:
    """Say what we think of an object. Raises as `sight`."""
    subject = subject_of(node, stix_id)
    to = recipients(node, subject, manner)
    now = node.now()
    content = messages.write_opinion(
        subject.stix_id, opinion, _words(because, needed=False),
        stix_id=f"opinion--{uuid4()}", creator=node.identity, now=now,
    )  # fmt: skip
    answer, said = dress(node, subject, content, manner, to)
    said_before = _opinion_before(node, subject.stix_id, answer)
    had: frozenset[str] = frozenset()
    if said_before is not None:
        before, had = said_before
        if _without_time(before) == _without_time(answer | {"id": before["id"]}):
            return repeated(before)
        later = max(now, parse_micros(str(before["modified"])) + 1)
        answer |= {
            "id": before["id"],
            "created": before["created"],
            "modified": format_micros(later),
        }
    return give(node, [answer], said, manner, to, by=by, had=had)


def note(
    node: Node,
    stix_id: str,
    words: str,
    *,
    by: str,
    manner: Manner = Manner(),  # noqa: B008 - a frozen value
) -> Given:
    """Say something about an object. Raises as `sight`."""
    subject = subject_of(node, stix_id)
    to = recipients(node, subject, manner)
    content = messages.write_note(
        [subject.stix_id], _words(words), stix_id=f"note--{uuid4()}",
        creator=node.identity, now=node.now(),
    )  # fmt: skip
    answer, said = dress(node, subject, content, manner, to)
    return give(node, [answer], said, manner, to, by=by)


def ask(
    node: Node,
    stix_id: str,
    words: str,
    *,
    by: str,
    due: str | None = None,
    manner: Manner = Manner(),  # noqa: B008 - a frozen value
) -> Given:
    """Ask about an object; `due` is an instant, or a duration from now. Raises as `sight`."""
    subject = subject_of(node, stix_id)
    to = recipients(node, subject, manner)
    now = node.now()
    until = None if due is None else instant_ahead(due, now=now)
    content = messages.write_question(
        subject.stix_id, _words(words), due=until, stix_id=f"note--{uuid4()}",
        creator=node.identity, now=now,
    )  # fmt: skip
    answer, said = dress(node, subject, content, manner, to)
    return give(node, [answer], said, manner, to, by=by)


def reply(
    node: Node,
    question: str,
    words: str,
    *,
    by: str,
    manner: Manner = Manner(),  # noqa: B008 - a frozen value
) -> Given:
    """Answer a partner's question. Raises as `sight`, InputRefused for what is no question of a partner."""
    subject = subject_of(node, question)
    asked = messages.read(subject.content)
    if not isinstance(asked, Question) or not subject.senders:
        raise InputRefused(
            f"{question} is no question of a partner; `cert-exchange answers list --open` shows those that wait."
        )
    to = recipients(node, subject, manner)
    with node.database.reading() as tx:
        plain = [
            one
            for one in asked.about
            if rows.original_of(tx, one) is None and all(names_it(tx, one, name) for name in to)
        ]
    content = messages.write_reply(
        [subject.stix_id, *plain], subject.stix_id, _words(words),
        stix_id=f"note--{uuid4()}", creator=node.identity, now=node.now(),
    )  # fmt: skip
    answer, said = dress(node, subject, content, manner, to)
    return give(node, [answer], said, manner, to, by=by)


def _words(words: str, *, needed: bool = True) -> str:
    said = words.strip()
    if len(said) > MOST_WORDS or (needed and not said):
        raise InputRefused(f"An answer has {1 if needed else 0} to {MOST_WORDS:,} characters.")
    return said


def _moment(text: str | None, now: int) -> int | None:
    if text is None:
        return None
    try:
        found = parse_micros(text.strip())
    except InstantInvalid as error:
        raise InputRefused(f"{text!r} is no instant; write 2026-11-26T08:00:00Z.") from error
    if found > now:
        raise InputRefused(f"{text} is still to come; nothing was seen then.")
    return found


def _places(node: Node, where: Sequence[str], now: int) -> tuple[list[str], list[dict[str, Any]]]:
    """The ids of places, and the locations that have to be made for them: of one answer, so that none tells of another."""
    ids: list[str] = []
    made: list[dict[str, Any]] = []
    for word in dict.fromkeys(where):
        if word == US:
            ids.append(node.identity)
        elif word.startswith(_COUNTRY):
            code = country_code(word.removeprefix(_COUNTRY))
            if code is None:
                raise InputRefused(f"{word!r} names no country; write country: and two letters.")
            at = format_micros(now)
            made.append(
                {
                    "type": "location", "spec_version": "2.1", "id": f"location--{uuid4()}",
                    "created_by_ref": node.identity, "created": at, "modified": at,
                    "name": code, "country": code,
                }
            )  # fmt: skip
            ids.append(made[-1]["id"])
        elif word.startswith(("identity--", "location--")):
            with node.database.reading() as tx:
                known = objects.idents_of(tx, [word])
            if word not in known:
                raise NotFound(f"This node holds no {word}; publish it first, or name a country.")
            ids.append(word)
        else:
            raise InputRefused(
                f"{word!r} is no place; write {US}, country: and two letters, or the id of an identity or a location."
            )
    return ids, made


def _opinion_before(
    node: Node, about: str, answer: Mapping[str, Any]
) -> tuple[dict[str, Any], frozenset[str]] | None:
    """Our opinion of an object that stands towards the same readers, and the partners who see it."""
    with node.database.reading() as tx:
        ident = objects.idents_of(tx, [about])[about]
        for one in rows.given_about(tx, ident, limit=_LOOKED_AT):
            if one.type != "opinion" or one.revoked:
                continue
            content: dict[str, Any] = orjson.loads(one.body)
            if content.get("extensions", {}).get(TERMS) == answer["extensions"][TERMS]:
                return content, readers(tx, one)
    return None


def _without_time(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in content.items() if name not in ("created", "modified")}
