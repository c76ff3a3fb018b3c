"""What a partner permits on our request becomes a consent, and ends when the partner takes the permission back.

1. Only the partner that was asked permits, only what we asked for, and at most as long as we asked: a shorter time that it
   names counts.
2. A consent bears the number of the note that granted it, so that nothing is recorded twice, and what a person of ours
   ended stays ended.
3. Where the request no longer counts as done (another word, a revocation, the request withdrawn), its consents end.
4. Each is one transaction; killed in between, the rest is done the next time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import structlog

from cert_exchange.errors import CertExchangeError, CursorMoved, InputRefused
from cert_exchange.messages.requests import Kind
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import ANYONE, recipient_word
from cert_exchange.services import consenting
from cert_exchange.services.requesting.reading import threads
from cert_exchange.services.requesting.time_lines import Line, Thread
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import consents as rows
from cert_exchange.store import requests as request_rows

_log = structlog.get_logger(__name__)

BY: Final = "requests"
"""Who records and ends these consents, in the ledger."""


@dataclass(frozen=True, slots=True)
class _Grant:
    """One consent that is due."""

    thread: Thread
    line: Line
    stix_id: str
    recipient: str
    until: int


def settle(node: Node, *, since: int | None = None) -> int:
    """Record and end what is due; the number of the newest note there is. Where it is `since`, nothing is looked at."""
    with node.database.reading() as tx:
        newest = request_rows.newest(tx)
        granted = rows.granted(tx) if newest != since else ()
    if newest == since:
        return newest
    known = {(one.granted_by, one.stix_id, one.recipient) for one in granted}
    asked = [
        one
        for one in threads(node)
        if one.ours and not one.test and one.request.kind is Kind.RE_SHARE
    ]
    due = [grant for thread in asked for grant in _grants(thread, node.now())]
    for grant in due:
        if (grant.line.number, grant.stix_id, grant.recipient) not in known:
            _record(node, grant)
    counting = {grant.line.number for grant in due}
    for one in granted:
        if one.open and one.granted_by not in counting:
            _end(node, one.consent)
    return newest


def _grants(thread: Thread, now: int) -> Iterator[_Grant]:
    line, request = thread.granting, thread.request
    if line is None or request.until is None:
        return
    until = min(request.until, line.until) if line.until is not None else request.until
    if until <= now:
        return
    for stix_id in request.about:
        for word in request.recipients:
            recipient = ANYONE if word == ANYONE else recipient_word(word)
            if recipient is not None:
                yield _Grant(thread, line, stix_id, recipient, until)


def _record(node: Node, grant: _Grant) -> None:
    thread = grant.thread
    try:
        consenting.give(
            node, thread.partner, to=grant.recipient, until=format_micros(grant.until),
            said_by=f"desk of {thread.partner}", stix_id=grant.stix_id, by=BY,
            note=f"request {thread.stix_id}, answer {grant.line.stix_id}",
            granted_by=grant.line.number,
        )  # fmt: skip
    except CursorMoved:
        return  # another worker was first
    except CertExchangeError as error:
        _log.warning(
            "a permission is not recorded", request=thread.stix_id, error=type(error).__name__
        )


def _end(node: Node, number: int) -> None:
    try:
        consenting.end(node, number, by=BY, reason="the partner's permission no longer stands")
    except InputRefused:
        return  # it ended meanwhile, by a person or by its own time
