"""What we hold already of the values that our desk is about to publish: known from a partner, or said otherwise.

1. Values are compared, not ids: a partner's indicator on the same address has an id of its own.
2. Of a partner's object its name, its id and the value are told, to our own people only.
3. Contradicted is what somebody revoked, calls benign, or is far more or less sure of; and what a partner disagrees with
   of ours. A person judges who is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cert_exchange.node import Node
from cert_exchange.policy.cautions import Caution, Of
from cert_exchange.policy.stating import values_of
from cert_exchange.store import doubts
from cert_exchange.store import stated as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.stated import Stating

FAR: Final = 40
"""So much apart, of 100, two confidences contradict each other."""
PARTS: Final = 10
_FRESH: Final = 1_000
"""So many objects of partners are compared before it is written down what they state."""
_DISPUTED: Final = 1_000
_TOLD: Final = 3
"""So many warnings of each kind are told of one object."""


def note_values(node: Node, *, most: int = PARTS) -> int:
    """Write down what objects state that came since the last time, in parts; how many objects were looked at."""
    with node.database.reading() as conn:
        if rows.fresh(conn, limit=0) is not None:
            return 0
    done = 0
    for _ in range(most):
        looked = node.database.transact(lambda tx: rows.note_part(tx, values_of, now=node.now()))
        done += looked
        if not looked:
            break
    return done


def catch_up(node: Node) -> None:
    """Write down what partners' objects state where too many wait for the worker to do it."""
    with node.database.reading() as conn:
        behind = rows.fresh(conn, limit=_FRESH) is None
    if behind:
        note_values(node)


def met(conn: Transaction, contents: Sequence[Mapping[str, Any]]) -> dict[str, list[Caution]]:
    """STIX id -> what is known of the values of these objects of ours, `known` and `contradicted`."""
    ours = {
        str(content.get("id")): (content, values_of(content))
        for content in contents
        if content.get("revoked") is not True
    }
    keys = {key for _, values in ours.values() for key in values}
    if not keys:
        return {}
    disputed = doubts.open_against(conn)
    held = {
        **rows.stating(conn, keys),
        **(rows.fresh(conn, limit=_FRESH) or {}),
        **rows.newest_of(conn, sorted(disputed)[:_DISPUTED]),
    }
    by_key: dict[bytes, list[Stating]] = {}
    for one in held.values():
        for key in values_of(one.content):
            if key in keys:
                by_key.setdefault(key, []).append(one)
    found: dict[str, list[Caution]] = {}
    for stix_id, (content, values) in ours.items():
        told = [
            caution
            for key, value in values.items()
            for other in by_key.get(key, ())
            if other.stix_id != stix_id or other.ident in disputed
            for caution in _compared(content, other, value, disputed)
        ]
        if told:
            found[stix_id] = _few(told)
    return found


def _compared(
    content: Mapping[str, Any],
    other: Stating,
    value: str,
    disputed: Mapping[int, Sequence[str]],
) -> list[Caution]:
    who = "we" if other.partner is None else other.partner
    where = f"{value} in {other.stix_id}"
    if other.ident in disputed:
        return [
            Caution(
                Of.CONTRADICTED, value,
                f"{', '.join(disputed[other.ident])} disagrees with {where}, see `review list`",
            )
        ]  # fmt: skip
    if content.get("type") != "indicator" and other.content.get("type") == "indicator":
        return []  # told of the indicator on it
    found: list[Caution] = []
    if other.revoked:
        found.append(Caution(Of.CONTRADICTED, value, f"{who} revoked {where}"))
    elif _benign(other.content) != _benign(content):
        found.append(
            Caution(
                Of.CONTRADICTED, value,
                f"{who} {'calls' if other.partner else 'call'} {where}"
                f" {'benign' if _benign(other.content) else 'malicious'}",
            )
        )  # fmt: skip
    elif _apart(content, other.content):
        found.append(
            Caution(
                Of.CONTRADICTED, value,
                f"{who} said {where} with a confidence of {other.content['confidence']}, not {content['confidence']}",
            )
        )  # fmt: skip
    if other.partner is not None and not other.revoked:
        found.append(Caution(Of.KNOWN, value, f"{value} is known from {who}: {other.stix_id}"))
    return found


def _benign(content: Mapping[str, Any]) -> bool:
    types = content.get("indicator_types")
    return isinstance(types, list) and "benign" in types


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    first, second = one.get("confidence"), other.get("confidence")
    return isinstance(first, int) and isinstance(second, int) and abs(first - second) >= FAR


def _few(told: Sequence[Caution]) -> list[Caution]:
    kept: list[Caution] = []
    for one in dict.fromkeys(told):
        if sum(other.of is one.of for other in kept) < _TOLD:
            kept.append(one)
    return kept
