"""What a partner posts: taken in with an outcome per object, and a status resource it can read for 24 hours.

1. Objects and status are one commit: a 202 that counts successes has stored them (TAXII 2.1, 5.5).
2. One bad object never spoils its batch.
3. Only the submitter reads a status; for everyone else, and after 24 hours, there is none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from cert_exchange.errors import NotFound, ReceivingSuspended
from cert_exchange.node import Node
from cert_exchange.services.partners import Caller
from cert_exchange.services.publishing.limiting import PostedTooMuchError, shut
from cert_exchange.services.publishing.taking_in import Outcome, take_in
from cert_exchange.services.publishing.withholding import strike_off
from cert_exchange.stix.envelopes import examine
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import submissions
from cert_exchange.store.database import Transaction

KEPT_MICROS: Final = 24 * 3600 * 1_000_000
"""A status can be read for 24 hours (TAXII 2.1, 4.3)."""
MESSAGE_CHARACTERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Submission:
    """An answered POST: the status resource as bytes, and our own view of each object."""

    id: str
    status: bytes
    outcomes: tuple[Outcome, ...]


def receive(node: Node, body: bytes, *, partner: int, collection: int) -> Submission:
    """Take in a partner's envelope or bundle.

    Raises NotJson (400), EnvelopeInvalid (422), ReceivingSuspended (503, also where its gate is shut), StoreError and
    ClockDoubtful (503); rights were checked by the face.
    """
    batch = examine(body, limits=node.limits)
    submission_id = str(uuid4())

    def work(tx: Transaction) -> Submission:
        now = node.clock.releasing_now()
        outcomes = take_in(
            tx, node, batch, origin=partner, collection=collection, now=now,
            facts={"submission": submission_id}, posted=True,
        )  # fmt: skip
        status = status_resource(submission_id, outcomes, now=now)
        submissions.keep(
            tx, submission_id, partner=partner, collection=collection, at=now, body=status
        )
        return Submission(submission_id, status.encode("utf-8"), outcomes)

    try:
        done = node.database.transact(work)
    except PostedTooMuchError as much:
        shut(node, much)
        raise ReceivingSuspended(detail=f"partner {much.sender.name}: {much.shut.words}") from None
    strike_off(node, done.outcomes)
    return done


def submission(node: Node, caller: Caller, submission_id: str) -> bytes:
    """The status resource of a submission. Raises NotFound for all but its submitter, and after 24 hours."""
    try:
        wanted = str(UUID(submission_id))
    except ValueError:
        wanted = ""
    with node.database.reading() as conn:
        body = submissions.find(
            conn, wanted, partner=caller.partner, since=node.now() - KEPT_MICROS
        )
    if body is None:
        raise NotFound(
            detail=f"no submission {wanted or 'of that form'} of partner {caller.partner}"
        )
    return body.encode("utf-8")


def forget_submissions(node: Node) -> int:
    """Delete the status resources that nobody can read any more; how many."""
    before = node.now() - KEPT_MICROS
    return node.database.transact(lambda tx: submissions.forget(tx, before=before))


def status_resource(submission_id: str, outcomes: Sequence[Outcome], *, now: int) -> str:
    """The status resource of TAXII 2.1 section 4.3.1: counts add up, empty lists are left out."""
    successes = [_detail(one, now) for one in outcomes if one.success]
    failures = [_detail(one, now) for one in outcomes if not one.success]
    resource: dict[str, Any] = {
        "id": submission_id,
        "status": "complete",
        "request_timestamp": format_micros(now),
        "total_count": len(outcomes),
        "success_count": len(successes),
        "failure_count": len(failures),
        "pending_count": 0,
    }
    if successes:
        resource["successes"] = successes
    if failures:
        resource["failures"] = failures
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":"))


def _detail(outcome: Outcome, now: int) -> dict[str, str]:
    detail = {"id": outcome.id, "version": outcome.version or format_micros(now)}
    if outcome.message:
        detail["message"] = outcome.message[:MESSAGE_CHARACTERS]
    return detail
