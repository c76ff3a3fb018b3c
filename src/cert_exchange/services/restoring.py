"""After a restore: what a partner's node is told, what it does then, and what comes back from it.

1. Whoever asks is told our epoch, and since when things may be lost here for who knew an older one; partners that we
   reach are told without being asked (`syncing.meeting`).
2. Who hears that a partner was restored sends it once more what it had pushed since then: its targets go back, and
   policy decides as always. An epoch counts when it is greater than the last; at most once in PAUSE, so that a partner
   that cries restore all day costs nobody anything but itself.
3. What of ours only the partner still holds it gives back on request: exactly what it received from the one who asks,
   as far as the credential that asks may read it there (`sighting`).
   Our own identity is never accepted from outside (DESIGN, invariant 4), so it comes into a file, and what becomes of
   it a person decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from cert_exchange.errors import QueryInvalid, SharingFrozen, TooManyRequests
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.notices import EXTENSION as NOTICE
from cert_exchange.node import HOUR, Node
from cert_exchange.policy.redaction import EXTENSION as DERIVATIVE
from cert_exchange.services import ledger
from cert_exchange.services.partners import Caller
from cert_exchange.services.sighting import sight_of
from cert_exchange.stix.instants import InstantInvalid, format_micros, parse_micros
from cert_exchange.store import epochs, freezes
from cert_exchange.store import partner_epochs as rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.partner_epochs import PartnerEpoch

PAUSE: Final = 3_600_000_000
"""Micros between two restores of a partner that count."""
RECOVERED: Final = "recovered"
"""The folder in the home for what partners give back."""
PAGE: Final = 500
PAGE_BYTES: Final = 2 * 1024 * 1024
_MOST_SKIPPED: Final = 10_000_000


def our_epoch(node: Node, known: int) -> dict[str, Any]:
    """Our epoch, and since when things may be lost here for who last knew the epoch `known`."""
    with node.database.reading() as tx:
        since = epochs.lost_since(tx, known)
        return {
            "epoch": epochs.current(tx),
            "lost_since": None if since is None else format_micros(max(since, 0)),
        }


def read_epoch(document: Mapping[str, Any]) -> tuple[int, int | None]:
    """What a partner says of its epoch: the number, and since when it may have lost things. Raises QueryInvalid."""
    epoch, since = document.get("epoch"), document.get("lost_since")
    if isinstance(epoch, bool) or not isinstance(epoch, int) or not 1 <= epoch <= epochs.LAST:
        raise QueryInvalid("`epoch` is a whole number from 1 to 4294967295.")
    if since is None:
        return epoch, None
    try:
        return epoch, parse_micros(since) if isinstance(since, str) else _no_instant()
    except InstantInvalid:
        return epoch, _no_instant()


def _no_instant() -> int:
    raise QueryInvalid("`lost_since` is an instant, such as 2026-11-25T00:00:00.000000Z, or null.")


def hear(node: Node, partner: int, document: Mapping[str, Any]) -> bool:
    """A partner says its epoch. True when it was restored since we last heard of it, and gets again what it may have lost.

    Raises QueryInvalid, TooManyRequests for a restore within PAUSE of the last.
    """
    epoch, since = read_epoch(document)
    now = node.now()

    def work(tx: Transaction) -> bool:
        known = rows.of_partner(tx, partner)
        if epoch <= known.theirs:
            return False
        if known.theirs == 0 or since is None:
            # The first that we hear of it: nothing is known to be lost.
            rows.put(tx, partner, theirs=epoch, heard_at=now)
            return False
        if known.kept_until is not None and known.heard_at is not None:
            wait = known.heard_at + PAUSE - now
            if wait > 0:
                raise TooManyRequests(wait // 1_000_000 + 1)
        rows.put(tx, partner, theirs=epoch, kept_until=since, heard_at=now)
        # An instant of its clock, which may differ from ours by so much: what is sent once more is a duplicate there.
        back = rows.go_back(tx, partner, max(since - HOUR, 0))
        facts: dict[str, str | int | list[str]] = {
            "partner": _name(tx, partner),
            "epoch": epoch,
            "lost_since": format_micros(since),
            "targets": back,
        }
        ledger.record(tx, Line("partner.restored", now, "node", facts=facts))
        return True

    return node.database.transact(work)


def give_back(node: Node, caller: Caller, since: str, skip: str) -> dict[str, Any]:
    """What the partner sent us since an instant, a page of it after the first `skip`. Raises QueryInvalid, SharingFrozen.

    `more`: whether there is another page.
    """
    try:
        after = parse_micros(since)
    except InstantInvalid:
        raise QueryInvalid("`since` is an instant, such as 2026-11-25T00:00:00.000000Z.") from None
    if not skip.isascii() or not skip.isdigit() or int(skip[:12]) > _MOST_SKIPPED:
        raise QueryInvalid("`skip` is a whole number.")
    sight, _ = sight_of(node, caller)
    with node.database.reading() as tx:
        if freezes.frozen(tx, caller.partner):
            raise SharingFrozen
        found = rows.sent_since(tx, sight, after, skip=int(skip), limit=PAGE + 1)
    page: list[orjson.Fragment] = []
    size = 0
    for one in found[:PAGE]:
        size += len(one.body)
        if page and size > PAGE_BYTES:
            break
        page.append(orjson.Fragment(one.body.encode("utf-8")))
    return {"objects": page, "more": len(found) > len(page)}


def lost_with(node: Node, partner: int) -> tuple[PartnerEpoch, int, int | None]:
    """What stands about a partner, our epoch, and since when (micros) we may have lost something of what passed between us."""
    with node.database.reading() as tx:
        known = rows.of_partner(tx, partner)
        since = epochs.lost_since(tx, known.asked)
        if since is not None and rows.added_at(tx, partner) > since:
            since = None  # added after the restore
        return known, epochs.current(tx), since


def not_held(node: Node, given: Iterable[Any]) -> list[dict[str, Any]]:
    """Of objects that a partner gives back, what we do not hold and could publish: no derivative, no notice."""
    named = [
        one
        for one in given
        if isinstance(one, dict)
        and isinstance(one.get("id"), str)
        and not {NOTICE, DERIVATIVE} & set(_extensions(one))
    ]
    with node.database.reading() as tx:
        held = rows.held(tx, [one["id"] for one in named])
    ids = {stix_id for stix_id, _ in held}
    return [
        one
        for one in named
        if (
            (one["id"], _version(one)) not in held
            if _version(one) is not None
            else one["id"] not in ids
        )
    ]


def _extensions(one: Mapping[str, Any]) -> Iterable[str]:
    found = one.get("extensions")
    return found if isinstance(found, dict) else ()


def _version(one: Mapping[str, Any]) -> str | None:
    found = one.get("modified") or one.get("created")
    return found if isinstance(found, str) else None


def note_told(node: Node, partner: int, epoch: int) -> None:
    """The partner knows our epoch now."""
    node.database.transact(lambda tx: rows.put(tx, partner, told=epoch, told_at=node.now()))


def note_met(node: Node, partner: int) -> None:
    """The partner was asked how it stands."""
    node.database.transact(lambda tx: rows.put(tx, partner, met_at=node.now()))


def note_returned(node: Node, partner: int, epoch: int, brought: int, file: str) -> None:
    """The partner gave back all that it received since the restore: `brought` of it we did not hold."""
    now = node.now()

    def work(tx: Transaction) -> None:
        rows.put(tx, partner, asked=epoch, asked_at=now, brought=brought)
        facts: dict[str, str | int | list[str]] = {
            "partner": _name(tx, partner), "epoch": epoch, "objects": brought, "file": file
        }  # fmt: skip
        ledger.record(tx, Line("restore.returned", now, "node", facts=facts))

    node.database.transact(work)


def encoded(one: Mapping[str, Any]) -> bytes:
    """One object as it stands in the file of what came back."""
    return json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _name(tx: Transaction, partner: int) -> str:
    return next((row.name for row in partner_rows.every_partner(tx) if row.id == partner), "")
