"""What is left to do after an erasure: old backups, unused places of the database's files, and backups that are put back.

1. A backup holds what was erased after it was made. Those that this node made are removed when they are as old as
   `backups_keep_days` says; of copies that lie elsewhere it only knows that there may be some.
2. Only a folder that is a backup of ours is removed: one that the node wrote down itself, and that still has its list.
3. The journal stands outside of every backup. Whoever puts an older backup back erases again what it says
   (`redo`), before partners read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from cert_exchange.errors import InputRefused
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.services import erasing, ledger
from cert_exchange.services.releasing import Releasing
from cert_exchange.store import erasable as rows
from cert_exchange.store import erasures, legal_holds, objects, residues
from cert_exchange.store.database import Transaction
from cert_exchange.store.erasable import Erasable
from cert_exchange.store.facts import fact, put_fact
from cert_exchange.store.residues import BackupMade

_log = structlog.get_logger(__name__)

LIST: Final = "backup.json"
"""What makes a folder a backup (`safekeeping`)."""
DAY: Final = 86_400 * 1_000_000
REWRITTEN: Final = "files rewritten at"
EMPTIED: Final = "log emptied at"
PART: Final = 500
MANY: Final = 1_000_000
_BY: Final = "clock"
_WORDS: Final = ("id", "version", "from", "kind", "whole", "of", "reason")
"""What a line of the journal must say."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Where what was erased may still be read."""

    backups: tuple[BackupMade, ...]
    """copies from before the last erasure that are not known to be gone"""
    unused_places: bool
    """whether the database's files were not made anew since"""
    unknown: tuple[tuple[int, int], ...] = ()
    """spans (after, until) of which we do not know what copies were made, since the node was restored. Micros"""


@dataclass(frozen=True, slots=True)
class Redone:
    """What a journal was good for."""

    erased: int
    """versions that an older backup had brought back"""
    held: int
    """versions that a legal hold keeps"""
    orders: int
    """read in the journal"""


def leftovers(node: Node) -> Leftovers:
    """Where what was erased may still be read."""
    with node.database.reading() as tx:
        last = residues.last_erased_at(tx)
        if last is None:
            return Leftovers((), unused_places=False)
        older = [one for one in residues.backups(tx, standing_only=True) if one.made_at <= last]
        rewritten = fact(tx, REWRITTEN)
        unknown = tuple(residues.unknown_copies(tx))
    unused = rewritten is None or int(rewritten) < last
    return Leftovers(tuple(older), unused_places=unused, unknown=unknown)


def remove_old_backups(node: Node) -> int:
    """Remove the backups whose days are over, and note those that are gone; how many were removed."""
    with node.database.reading() as tx:
        standing = residues.backups(tx, standing_only=True)
    days = node.settings.backups_keep_days
    removed = 0
    for one in standing:
        folder, now = Path(one.folder), node.now()
        if not folder.exists():
            _note_gone(node, one, removed=False)
        elif days is not None and one.made_at + days * DAY <= now and (folder / LIST).is_file():
            shutil.rmtree(folder)
            _note_gone(node, one, removed=True)
            removed += 1
    return removed


def empty_log(node: Node) -> bool:
    """Empty SQLite's log file after an erasure, where readers were in the way before; whether it was done now."""
    with node.database.reading() as tx:
        last, emptied = residues.last_erased_at(tx), fact(tx, EMPTIED)
    if last is None or (emptied is not None and int(emptied) > last):
        return False
    begun = node.now()
    if not residues.forget_freed(node.database):
        return False
    node.database.transact(lambda tx: put_fact(tx, EMPTIED, str(begun)))
    return True


def rewrite(node: Node) -> None:
    """Make the database's files anew: nothing of what was erased is left in them. Writers wait meanwhile.

    Raises StoreUnavailable when others do not let go of the database in time.
    """
    begun = node.now()
    residues.rewrite(node.database)

    def work(tx: Transaction) -> None:
        put_fact(tx, REWRITTEN, str(begun))
        ledger.record(tx, Line("erase.rewrite", begun, "node"))

    node.database.transact(work)


def complete_journal(node: Node) -> int:
    """Write orders into the journal that are not in it, such as of a process that was killed; how many."""
    journal = node.settings.home / erasing.JOURNAL
    known = set()
    if journal.exists():
        for line in journal.read_text("utf-8").splitlines():
            row = json.loads(line)
            known.add((row["order"], row["at"], bool(row.get("lifted"))))
    with node.database.reading() as tx:
        orders = erasures.listing(tx, limit=MANY)
    missing = [one for one in orders if (one.id, one.ordered_at, False) not in known]
    erasing.note_in_journal(node, *(one.id for one in reversed(missing)))
    lifted = [
        {"order": one.id, "at": one.ordered_at, "lifted": True}
        for one in orders
        if one.lifted_at is not None and (one.id, one.ordered_at, True) not in known
    ]
    erasing.write_in_journal(node, lifted)
    return len(missing)


def redo(node: Node, journal: Path, *, by: str) -> Redone:
    """Erase again what a journal says was erased and an older backup brought back.

    Raises InputRefused when the file is no journal.
    """
    orders = _read(journal)
    erased = held = 0
    for (_, at), wanted in sorted(orders.items(), key=lambda item: item[0][1]):
        reason = f"{wanted[0]['reason']} (again: order of {at})"
        for start in range(0, len(wanted), PART):
            part = wanted[start : start + PART]
            found = node.database.transact(
                lambda tx, part=part, reason=reason: _again(tx, node, part, by, reason)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            )
            erased += found[1]
            held += found[2]
            if found[0] is not None:
                erasing.finish(node, found[0])
    return Redone(erased, held, len(orders))


def _again(
    tx: Transaction, node: Node, wanted: Sequence[Mapping[str, Any]], by: str, reason: str
) -> tuple[int | None, int, int]:
    """(order, versions erased, versions held) of one part of a journal's order."""
    origins = {name: erasing.number_of(tx, name) for name in _known(tx, wanted)}
    idents = objects.idents_of(tx, {str(one["id"]) for one in wanted})
    keys = {
        (idents[one["id"]], one["version"], origins[one["from"]])
        for one in wanted
        if one["id"] in idents and one["from"] in origins
    }
    found = [
        row
        for ident in sorted({key[0] for key in keys})
        for row in rows.of_ident(tx, ident)
        if (row.ident, row.version, row.origin) in keys
    ]
    standing = legal_holds.standing_over(tx, {row.ident for row in found})
    chosen = [
        row for row in found if not any(hold.covers(row.ident, row.origin) for hold in standing)
    ]
    if not chosen:
        return None, 0, len(found)
    whole = bool(wanted[0]["whole"]) and len({row.ident for row in chosen}) == 1

    def choose(releasing: Releasing) -> tuple[int, list[Erasable]]:
        order = erasures.order(
            tx, wanted[0]["kind"], ident=chosen[0].ident if whole else None,
            partner=origins.get(wanted[0]["of"]) if wanted[0]["of"] else None,
            reason=reason, at=releasing.now, by=by,
        )  # fmt: skip
        return order, chosen

    order, wiped, _ = erasing.erase_in_one_line(tx, node, choose, by=by, reason=reason)
    return order, wiped.versions, len(found) - len(chosen)


def _known(tx: Transaction, wanted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The senders in a journal that this node knows."""
    known = residues.names(tx)
    yield from sorted({str(one["from"]) for one in wanted} & known)


def _read(journal: Path) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """(number, instant) of each order that was not lifted -> what it erased."""
    orders: dict[tuple[int, int], list[dict[str, Any]]] = {}
    try:
        for line in journal.read_text("utf-8").splitlines():
            row = json.loads(line)
            key = (int(row["order"]), int(row["at"]))
            if row.get("lifted"):
                orders.pop(key, None)
            else:
                orders.setdefault(key, []).append({name: row[name] for name in _WORDS})
    except OSError as error:
        raise InputRefused(f"{journal} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputRefused(f"{journal} is no journal of erasures.") from error
    return orders


def _note_gone(node: Node, one: BackupMade, *, removed: bool) -> None:
    now = node.now()

    def work(tx: Transaction) -> None:
        residues.note_gone(tx, one.id, at=now)
        if removed:
            facts: dict[str, Fact] = {"made": one.made_at}
            ledger.record(tx, Line("backup.remove", now, _BY, facts=facts))

    node.database.transact(work)
    _log.info("backup removed" if removed else "backup is gone", made_at=one.made_at)
