"""The policies in force, each read once a process, and not while others wait.

1. What cannot be read is no policy: its audience sees nothing.
2. Under the heads' locks a text that this process has not read yet is not read: the transaction is given up, the text
   read, and the transaction repeated. A long territory takes seconds, in which no other writer should wait.
3. A text that cannot be read so, as one that only the transaction itself can see, is read in it.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import structlog

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.document import Policy, parse_policy
from cert_exchange.store import companions as companion_rows
from cert_exchange.store.database import Transaction, Unprepared
from cert_exchange.store.releases import Audience

_log = structlog.get_logger(__name__)

_Version = tuple[str, str, bytes | None]
"""text, name, digest of companions: what a parsed policy depends on"""
_read: Final[dict[_Version, Policy]] = {}
_in_place: Final[set[_Version]] = set()
"""what reading before a transaction did not help with"""
_KEPT: Final = 200


def policy_in_force(
    conn: Transaction, audience: Audience, *, locked: bool = False
) -> Policy | None:
    """The policy in force for an audience; None where there is none that can be read.

    Raises Unprepared under locks, for a text that was not read yet.
    """
    if audience.policy_id is None or audience.policy_text is None:
        return None
    key = (audience.policy_text, audience.policy, audience.companions)
    found = _read.get(key)
    if found is not None:
        return found
    # Where the room for what was read is full, giving up again and again would never end.
    if locked and key not in _in_place and len(_read) < _KEPT:
        raise Unprepared(partial(_read_before, audience=audience, key=key))
    companions = companion_rows.read(conn, audience.policy_id, audience.companions)
    if companions is None:
        _log.error("policy-companions-unreadable", policy=audience.policy, id=audience.policy_id)
        return None
    try:
        found = parse_policy(
            audience.policy_text, file=f"{audience.policy}.yaml", companions=companions
        )
    except PolicyInvalid as error:
        # It was valid when it was applied: another release's, or a row that somebody changed.
        _log.error("policy-unreadable", policy=audience.policy, problems=len(error.problems))
        return None
    _keep(key, found)
    return found


def remember(policy: Policy, companions: bytes | None) -> None:
    """A policy that was read to be applied need not be read again. `companions` is the digest of its files."""
    _keep((policy.text, policy.name, companions), policy)


def forget() -> None:
    """As a process that has read nothing yet."""
    _read.clear()
    _in_place.clear()


def _read_before(conn: Transaction, *, audience: Audience, key: _Version) -> None:
    if policy_in_force(conn, audience) is None:
        _in_place.add(key)


def _keep(key: _Version, policy: Policy) -> None:
    for oldest in list(_read)[: len(_read) - _KEPT + 1]:
        _read.pop(oldest, None)
    _read[key] = policy
