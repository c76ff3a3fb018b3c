"""What became of our notices: who has fetched them, what they answered, and which are open; and what partners sent us.

1. A receipt is open until the partner answers: with any object that refers to the notice. What it says in our own
   extension is shown as its word, anything else as that it answered.
2. That a notice was fetched is told from the marks, as exactly as anything else (`recalling`).
3. An answer obliges nobody and proves nothing; it is what the partner says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import uuid4

import orjson

from cert_exchange.errors import NotFound
from cert_exchange.messages.notices import Answer, Reply, read, write_answer
from cert_exchange.node import Node
from cert_exchange.services.publishing import PublishReport, publish
from cert_exchange.store import notices, objects
from cert_exchange.store import receipts as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.receipts import NoticeRow, Received

ANSWERED = "answered"
"""What an answer without one of our words counts as."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How one of our notices stands with one partner that it was made for. Instants are micros."""

    notice: str
    partner: str
    audience: str
    reason: str
    action: str
    made_at: int
    due_at: int | None
    subjects: tuple[str, ...]
    fetched: bool
    """whether it may have fetched the notice"""
    answer: str
    """done, noted, refused or `answered`; empty while it is open"""
    answered_by: str
    """the id of the object that answers; empty while it is open"""

    @property
    def is_open(self) -> bool:
        """Whether the partner has not answered."""
        return not self.answer


@dataclass(frozen=True, slots=True)
class Told:
    """A notice that a partner sent, and what of ours it ended. Instants are micros."""

    notice: str
    partner: str
    reason: str
    action: str
    received_at: int
    due_at: int | None
    subjects: tuple[str, ...]
    answered: bool
    """whether our desk published an object that refers to it"""


def receipts(
    node: Node, *, about: str | None = None, only_open: bool = False, limit: int = 1_000
) -> tuple[Receipt, ...]:
    """Our notices, one row for each partner of their audience that may have fetched what they name, the newest first.

    `about`: only those that name this id, or that of a derivative of it. Raises NotFound for an id that we do not know.
    """
    with node.database.reading() as tx:
        if about is None:
            found = rows.every_notice(tx, received=False, limit=limit)
        else:
            found = [one for one in rows.about(tx, _ident(tx, about)) if one.audience is not None]
        subjects = rows.subjects_of(tx, [one.id for one in found])
        members = notices.members(tx, {one.audience for one in found if one.audience is not None})
        places = rows.places_of(tx, [one.stix_id for one in found])
        answers = rows.referring(tx, [one.stix_id for one in found])
        asked = rows.readers_of(tx, [one.id for one in found])
    marks = {(mark.partner, mark.view): mark.position for mark in node.marks.everything()}
    made: list[Receipt] = []
    for notice in found:
        for member in members:
            if member.audience != notice.audience or not member.now:
                continue
            if member.partner not in asked.get(notice.id, {member.partner}):
                continue  # it sees the notice with its audience, and never fetched what that names
            said = [one for one in answers.get(notice.stix_id, ()) if one.origin == member.partner]
            fetched = any(
                marks.get((member.partner, view), 0) >= position
                for view, position in places.get(notice.stix_id, ())
            )
            made.append(
                _receipt(
                    notice, member.name, tuple(subjects[notice.id]), fetched=fetched, said=said
                )
            )
    return tuple(one for one in made if one.is_open or not only_open)


def _receipt(
    notice: NoticeRow,
    partner: str,
    subjects: tuple[str, ...],
    *,
    fetched: bool,
    said: Iterable[Received],
) -> Receipt:
    answer, by = "", ""
    for one in said:  # the newest last: what a partner said last counts
        content = read(orjson.loads(one.body))
        answer = content.reply.value if isinstance(content, Answer) else ANSWERED
        by = one.stix_id
    return Receipt(
        notice.stix_id, partner, notice.audience_name or "", notice.reason, notice.action,
        notice.made_at, notice.due_at, subjects, fetched, answer, by,
    )  # fmt: skip


def _ident(tx: Transaction, stix_id: str) -> int:
    ident = objects.idents_of(tx, [stix_id]).get(stix_id)
    if ident is None:
        raise NotFound(f"we hold no object {stix_id}; see `search`")
    return ident


def told(node: Node, *, about: str | None = None, limit: int = 1_000) -> tuple[Told, ...]:
    """The notices that partners sent us, the newest first; `about`: only those that name this id."""
    with node.database.reading() as tx:
        if about is None:
            found = rows.every_notice(tx, received=True, limit=limit)
        else:
            found = [one for one in rows.about(tx, _ident(tx, about)) if one.partner is not None]
        subjects = rows.subjects_of(tx, [one.id for one in found])
        answers = rows.referring(tx, [one.stix_id for one in found])
    return tuple(
        Told(
            one.stix_id, one.partner or "", one.reason, one.action, one.made_at, one.due_at,
            tuple(subjects[one.id]),
            answered=any(answer.ours for answer in answers.get(one.stix_id, ())),
        )
        for one in found
    )  # fmt: skip


def answer(
    node: Node, notice: str, reply: Reply, *, text: str, collection: str, by: str
) -> tuple[str, PublishReport]:
    """Answer a partner's notice by a note of ours in a collection, as policy lets it go; the note's id, and its outcome.

    Raises NotFound where no partner sent such a notice, and what `publish` raises.
    """
    with node.database.reading() as tx:
        found = rows.find(tx, notice)
    if found is None or found.partner is None:
        raise NotFound(f"no partner sent a notice {notice}; see `notices list --received`")
    stix_id = f"note--{uuid4()}"
    content = write_answer(
        Answer((notice,), reply), text=text, stix_id=stix_id, creator=node.identity, now=node.now()
    )
    body = orjson.dumps({"objects": [content]})
    return stix_id, publish(node, body, collection=collection, by=by)
