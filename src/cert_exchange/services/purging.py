"""All that came from a partner goes: at the end of an agreement, or when it was kept as long as was agreed.

1. Given back are the bytes as they came, every version, proposals included; the digest of the file stands in the ledger.
2. Erased is in parts, each one transaction and one ledger line under one order. Killed in between, repeating it goes on.
3. What stands under a legal hold stays, out of every view, and is counted.
4. What was erased so does not come in again in the same version until its order is lifted: who sends everything every
   night must not bring back what was kept long enough. A cyber-observable has no version, and may come again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, Final

from cert_exchange.errors import InputRefused
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.services import erasing, ledger, partners
from cert_exchange.services.erasing import number_of
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.bindings import promises_of
from cert_exchange.services.releasing.evaluating import plans_for
from cert_exchange.store import erasable as rows
from cert_exchange.store import erasing as writing
from cert_exchange.store import erasures, legal_holds, releases
from cert_exchange.store.database import Transaction
from cert_exchange.store.erasable import Erasable
from cert_exchange.store.erasures import Kind

PART: Final = 500
RETENTION: Final = "kept as long as the agreement lets us"
_CLOCK: Final = "clock"
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Purged:
    """What was erased of a partner's."""

    order: int | None
    """None: there was nothing to erase"""
    versions: int
    derivatives: int
    held: int
    """versions that a legal hold keeps"""
    audiences: tuple[str, ...]
    """who lost a line by it"""
    notices: int


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What was written for a partner."""

    versions: int
    digest: str
    """SHA-256 of the file, hexadecimal"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What the end of an agreement did."""

    given_back: GivenBack | None
    purged: Purged | None


@dataclass(slots=True)
class _Run:
    """One order as it is carried out, part by part."""

    kind: Kind
    partner: int
    by: str
    reason: str
    stored_before: int | None = None
    order: int | None = None
    after: int = 0
    versions: int = 0
    derivatives: int = 0
    held: int = 0
    audiences: set[str] = field(default_factory=set)


def purge(
    node: Node, partner: str, *, by: str, reason: str, progress: Progress | None = None
) -> Purged:
    """Erase all that came from a partner, legal holds aside. Raises NotFound for an unknown partner."""
    with node.database.reading() as tx:
        number = number_of(tx, partner)
        total = rows.count_of_origin(tx, number)
    run = _Run("partner", number, by, reason)
    done = _carry_out(node, run, progress, total)
    node.database.transact(lambda tx: writing.wipe_refused(tx, number))
    return done


def purge_passed(
    node: Node, *, partner: str | None = None, by: str = _CLOCK, progress: Progress | None = None
) -> Mapping[str, Purged]:
    """Erase what was kept as long as agreements let us, by partner; only where there was something."""
    found: dict[str, Purged] = {}
    for name, (number, before) in _passed(node).items():
        if partner not in (None, name):
            continue
        with node.database.reading() as tx:
            total = rows.count_of_origin(tx, number, stored_before=before)
        if total:
            run = _Run("retention", number, by, RETENTION, stored_before=before)
            found[name] = _carry_out(node, run, progress, total)
    return found


def count(node: Node, partner: str) -> int:
    """How many versions came from a partner and are held. Raises NotFound for an unknown partner."""
    with node.database.reading() as tx:
        return rows.count_of_origin(tx, number_of(tx, partner))


def give_back(node: Node, partner: str, out: IO[bytes], *, by: str) -> GivenBack:
    """Write all that came from a partner and is held as one bundle: every version, the bytes as they came.

    Raises NotFound for an unknown partner.
    """
    digest = sha256()

    def write(raw: bytes) -> None:
        digest.update(raw)
        out.write(raw)

    written, after = 0, 0
    head = f'{{"id":"bundle--{uuid.uuid4()}","type":"bundle"'.encode()
    with node.database.reading() as tx:
        number = number_of(tx, partner)
        write(head)
        while found := rows.bodies_of_origin(tx, number, after=after, limit=PART):
            write(
                (b',"objects":[\n' if not written else b",\n")
                + ",\n".join(body for _, body in found).encode()
            )
            written += len(found)
            after = found[-1][0]
        write(b"\n]}\n" if written else b"}\n")
    facts: dict[str, Fact] = {
        "partner": partner, "versions": written, "digest": digest.hexdigest(),
    }  # fmt: skip
    line = Line("give-back", node.now(), by, facts=facts)
    node.database.transact(lambda tx: ledger.record(tx, line))
    return GivenBack(written, digest.hexdigest())


def end(
    node: Node,
    partner: str,
    *,
    by: str,
    reason: str,
    return_to: IO[bytes] | None,
    erase: bool,
    progress: Progress | None = None,
) -> Ended:
    """The end of an agreement: nothing goes in or out, what came is given back, erased, or both.

    Raises NotFound for an unknown partner, InputRefused where neither is wanted.
    """
    if return_to is None and not erase:
        raise InputRefused("what came from it is given back, erased, or both: say which.")
    partners.suspend(node, partner, by=by)
    given = None if return_to is None else give_back(node, partner, return_to, by=by)
    purged = purge(node, partner, by=by, reason=reason, progress=progress) if erase else None
    facts: dict[str, Fact] = {
        "partner": partner, "reason": reason,
        "given_back": given.versions if given is not None else 0,
        "digest": given.digest if given is not None else "",
        "erased": purged.versions if purged is not None else 0,
        "held": purged.held if purged is not None else 0,
    }  # fmt: skip
    line = Line("partner.end", node.now(), by, facts=facts)
    node.database.transact(lambda tx: ledger.record(tx, line))
    return Ended(given, purged)


def _passed(node: Node) -> dict[str, tuple[int, int]]:
    """Partner -> (its number, the instant before which what it sent was kept long enough)."""
    with node.database.reading() as tx:
        sharing = releases.read_sharing(tx)
        numbers = {name: number for number, name in sharing.partners.items()}
        now = node.now()
        return {
            name: (numbers[name], now - promise.retention)
            for name, promise in sorted(promises_of(plans_for(tx, sharing)).items())
            if promise.retention is not None and name in numbers
        }


def _carry_out(node: Node, run: _Run, progress: Progress | None, total: int) -> Purged:
    ledger.note_fetches(node)  # what was fetched until now was fetched before it went
    while node.database.transact(lambda tx: _Part(tx, node, run)).carried_out(run):
        if progress is not None:
            progress(min(run.versions + run.held, total), total)
    told = erasing.finish(node, run.order) if run.order is not None else 0
    return Purged(
        run.order, run.versions, run.derivatives, run.held, tuple(sorted(run.audiences)), told
    )


class _Part:
    """One transaction of a run; what it did counts when it has committed."""

    def __init__(self, tx: Transaction, node: Node, run: _Run) -> None:
        self._order: int | None = run.order
        self._done: writing.Wiped | None = None
        self._audiences: set[str] = set()
        self._found = rows.of_origin(
            tx, run.partner, after=run.after, limit=PART, stored_before=run.stored_before
        )
        standing = legal_holds.standing_over(tx, {one.ident for one in self._found})
        chosen = [
            one
            for one in self._found
            if not any(hold.covers(one.ident, one.origin) for hold in standing)
        ]
        self._held = len(self._found) - len(chosen)
        if not chosen:
            return

        def choose(releasing: Releasing) -> tuple[int, list[Erasable]]:
            if self._order is None:
                self._order = erasures.order(
                    tx,
                    run.kind,
                    partner=run.partner,
                    reason=run.reason,
                    at=releasing.now,
                    by=run.by,
                )
            return self._order, chosen

        _, self._done, lines = erasing.erase_in_one_line(
            tx, node, choose, by=run.by, reason=run.reason
        )
        self._audiences = {line.audience for line in lines if line.kind == "withdrawal"}

    def carried_out(self, run: _Run) -> bool:
        """Add what it did to the run; whether there may be more."""
        if not self._found:
            return False
        run.order = self._order
        run.after = self._found[-1].object
        run.held += self._held
        run.audiences |= self._audiences
        if self._done is not None:
            run.versions += self._done.versions
            run.derivatives += self._done.derivatives
        return True
