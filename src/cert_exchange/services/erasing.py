"""Erasure: bytes and salts go for good, and the ledger goes on proving what it proved (DECISIONS 22).

    (1) the object leaves every view, by withdrawals as any other  (2) bytes, digests, salts and what was read out of the
    bytes go from its rows, commitments stay  (3) one ledger line says how many, with the root over those commitments, and
    why  (4) who fetched it is asked to delete it

1. Steps 1 to 3 are one transaction: there is no moment at which a view serves what is gone, and killed in between
   nothing happened. Many versions are erased in parts, each of them whole; repeating the order goes on.
2. What stands under a legal hold is not erased by anybody, and an order that meets one says so and changes nothing.
3. An id that was erased by name is not taken in again, from nobody, until a person lifts the order (CASES S24). Its sender
   is answered as ever.
4. Erased are: the store, what is searched and exported from it, derivatives, what is kept aside of refused input. Not
   erased are ids (the ledger, notices and other objects name them), copies at partners, and backups until they are gone
   too (`backups_of`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages.evidence import Fact, commitments_root
from cert_exchange.messages.evidence import Line as LedgerLine
from cert_exchange.messages.notices import Reason
from cert_exchange.node import Node
from cert_exchange.services import ledger, noticing
from cert_exchange.services.releasing import Line, Releasing, issuer_of
from cert_exchange.services.releasing.orders import reconsider_many
from cert_exchange.stix.instants import format_micros, order_key
from cert_exchange.stix.markings import TLP_DEFINITIONS
from cert_exchange.store import (
    answers,
    erasable,
    erasing,
    erasures,
    legal_holds,
    objects,
    releases,
    residues,
)
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.erasable import Erasable
from cert_exchange.store.erasing import Wiped
from cert_exchange.store.erasures import Erasure, Kind
from cert_exchange.store.residues import BackupMade
from cert_exchange.store.tables import OWN, LineKind, ObjectStatus

T = TypeVar("T")
JOURNAL: Final = "erasures.jsonl"
"""In the home, outside of every backup: what has to be erased again after an older backup was put back."""
SHOWN: Final = 50
_PREDEFINED: Final = frozenset(str(one["id"]) for one in TLP_DEFINITIONS)


@dataclass(frozen=True, slots=True)
class Erased:
    """What an order erased."""

    order: int
    versions: int
    derivatives: int
    log_lines: int
    """lines of the release logs whose salts are gone"""
    lines: tuple[Line, ...]
    """what the audiences lost by it"""
    notices: int
    named_by: tuple[str, ...]
    """ids of objects whose bytes still name the id, at most SHOWN"""
    backups: tuple[BackupMade, ...]
    """copies of this node that still hold it"""

    @property
    def audiences(self) -> tuple[str, ...]:
        """Who lost a line by it."""
        return tuple(
            sorted({line.audience for line in self.lines if line.kind == LineKind.WITHDRAWAL})
        )


def erase(
    node: Node,
    stix_id: str,
    *,
    by: str,
    reason: str,
    version: str | None = None,
    origin: str | None = None,
) -> Erased:
    """Erase an object: all of it, or one version, or one sender's copies (`own` or a partner's name).

    Raises NotFound for what we do not hold, InputRefused where a legal hold stands or the node itself needs it.
    """
    if stix_id in _PREDEFINED or stix_id == node.identity:
        raise InputRefused(
            f"{stix_id} is not erased: the node itself stands on it, and it says nothing of anybody else."
        )

    def work(tx: Transaction) -> tuple[int, Wiped, tuple[Line, ...], int]:
        original = answers.original_of(tx, stix_id) or stix_id
        ident = objects.idents_of(tx, [original]).get(original)
        sender = None if origin is None else number_of(tx, origin)

        def choose(releasing: Releasing) -> tuple[int, list[Erasable]]:
            found = [] if ident is None else erasable.of_ident(tx, ident)
            chosen = [
                one
                for one in found
                if sender in (None, one.origin)
                and (version is None or one.version_key == _key(version))
            ]
            if ident is None or not chosen:
                raise NotFound(_nothing(tx, original, version))
            refuse_if_held(tx, chosen)
            whole = version is None
            number = erasures.order(
                tx, "object", ident=ident if whole else None, partner=sender,
                reason=reason, at=releasing.now, by=by,
            )  # fmt: skip
            return number, chosen

        number, wiped, lines = erase_in_one_line(tx, node, choose, by=by, reason=reason)
        assert ident is not None
        return number, wiped, lines, ident

    ledger.note_fetches(node)  # what was fetched until now was fetched before it went
    number, wiped, lines, ident = node.database.transact(work)
    # Commit. Nobody reads it here from now on; who fetched it before is told.
    told = finish(node, number)
    with node.database.reading() as tx:
        named = tuple(erasable.naming(tx, ident, limit=SHOWN))
        copies = tuple(residues.backups(tx, standing_only=True))
    return Erased(
        number, wiped.versions, wiped.derivatives, wiped.lines, lines, told, named, copies
    )


def finish(node: Node, order: int) -> int:
    """What follows the commits of an order: notices, bytes that nothing names, the journal; how many notices."""
    told = noticing.tell_now(node)

    def work(tx: Transaction) -> None:
        releases.lock_sharing(
            tx
        )()  # whoever takes in now has named what it needs, or stores it anew
        erasing.sweep(tx)

    node.database.transact(work)
    residues.forget_freed(node.database)
    note_in_journal(node, order)
    return told


def erase_in_one_line(
    tx: Transaction,
    node: Node,
    choose: Callable[[Releasing], tuple[int, Sequence[Erasable]]],
    *,
    by: str,
    reason: str,
) -> tuple[int, Wiped, tuple[Line, ...]]:
    """Take what `choose` gives (under which order, which versions) out of every view and erase it, in one ledger line."""
    line_id = ledger_rows.reserve_line(tx)
    releasing = Releasing(
        tx, node.clock.releasing_now(), line_id, owing=Reason.ERASED, issuer=issuer_of(node)
    )
    number, chosen = choose(releasing)
    idents = sorted({one.ident for one in chosen})
    counted = [one.object for one in chosen if one.status == ObjectStatus.ACCEPTED.value]
    objects.take_back(tx, counted, collection=None, by=OWN, at=releasing.now)
    releasing.reconsider(idents)
    if erasable.in_force(tx, idents, [one.object for one in chosen]):
        raise InputRefused("a view still needs it; withdraw what refers to it, then erase it")
    wiped = erasing.wipe(
        tx, chosen, erasure=number, ledger_line=line_id, at=releasing.now
    )  # fmt: skip
    erasures.bar(tx, idents, at=releasing.now)
    # What named it waited for something that was hidden; for what is not held the rules are others (DECISIONS 4).
    if dependants := erasable.naming_idents(tx, idents):
        releasing.reload()
        reconsider_many(releasing, dependants)
    facts: dict[str, Fact] = {
        "order": number,
        "versions": wiped.versions + wiped.derivatives,
        "log_lines": wiped.lines,
        "root": commitments_root(wiped.commitments).hex(),
        "reason": reason,
    }
    record(tx, releasing, "erase", by, facts, line_id=line_id)
    return number, wiped, tuple(releasing.lines)


def record(
    tx: Transaction,
    releasing: Releasing,
    kind: str,
    by: str,
    facts: dict[str, Fact],
    *,
    line_id: int,
) -> None:
    """Write the ledger line of a transaction whose facts are known at its end."""
    ledger.record(
        tx,
        LedgerLine(
            kind=kind,
            at=releasing.now,
            by=by,
            stored=len(releasing.stored),
            stored_root=commitments_root(releasing.stored),
            released=releasing.released,
            released_root=commitments_root(releasing.commitments),
            ranges=releasing.ranges,
            facts=facts,
        ),
        line_id=line_id,
    )


def refuse_if_held(tx: Transaction, chosen: Sequence[Erasable]) -> None:
    """Raise InputRefused where a legal hold stands over any of these."""
    for hold in legal_holds.standing_over(tx, {one.ident for one in chosen}):
        if any(hold.covers(one.ident, one.origin) for one in chosen):
            raise InputRefused(
                f"legal hold {hold.id} stands over it since {format_micros(hold.placed_at)}, placed by"
                f" {hold.placed_by}; `legal-hold lift {hold.id}` ends it."
            )


def list_erasures(node: Node, *, limit: int = 1_000) -> list[Erasure]:
    """All orders to erase, the newest first."""
    with node.database.reading() as tx:
        return erasures.listing(tx, limit=limit)


def lift(node: Node, number: int, *, by: str, reason: str) -> int:
    """Let what an order keeps out come in again; of how many ids. What is erased stays so.

    Raises NotFound for an unknown order, InputRefused for one that was lifted.
    """

    def work(tx: Transaction) -> tuple[int, dict[str, object]]:
        found = erasures.find(tx, number)
        if found is None:
            raise NotFound(f"there is no order {number}; see `erasures list`")
        if found.lifted_at is not None:
            raise InputRefused(f"order {number} was lifted already, by {found.lifted_by}")
        now = node.now()
        count = erasures.lift(tx, number, at=now, by=by)
        facts: dict[str, Fact] = {"order": number, "reason": reason}
        ledger.record(tx, LedgerLine("erase.lift", now, by, facts=facts))
        return count, {"order": number, "at": found.ordered_at, "lifted": True}

    count, row = node.database.transact(work)
    write_in_journal(node, [row])
    return count


def number_of(tx: Transaction, origin: str) -> int:
    """The number of `own` or of a partner. Raises NotFound."""
    if origin == "own":
        return OWN
    found = partner_rows.find_partner(tx, origin)
    if found is None:
        raise NotFound(f"there is no partner {origin!r}; see `partner list`")
    return int(found.id)


def note_in_journal(node: Node, *numbers: int) -> None:
    """Write orders into the journal outside of the database, after they were carried out."""
    with node.database.reading() as tx:
        rows = [row for number in numbers for row in residues.erased_by(tx, number)]
    write_in_journal(node, rows)


def write_in_journal(node: Node, rows: Sequence[Mapping[str, object]]) -> None:
    """Add lines to the journal."""
    if not rows:
        return
    with (node.settings.home / JOURNAL).open("a", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")
    (node.settings.home / JOURNAL).chmod(0o600)


def _nothing(tx: Transaction, stix_id: str, version: str | None) -> str:
    told = [one.sentence() for one in erasures.of_id(tx, stix_id)]
    if told:
        return f"nothing is left of {stix_id}: {'; '.join(told)}"
    named = "" if version is None else f"version {version} of "
    return f"we hold no {named}object {stix_id}; see `search`"


def _key(version: str) -> str:
    try:
        return order_key(version)
    except ValueError:
        return ""


__all__ = ["BackupMade", "Erased", "Erasure", "Kind", "erase", "lift", "list_erasures"]
