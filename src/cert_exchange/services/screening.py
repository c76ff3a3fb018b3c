"""The way in: what is looked for in whatever comes, what was held for it, and what persons answer.

1. What is in force is the text in the database with the files that it named, never the file.
2. It is asked of what comes from then on; what is there already is not held by it.
3. A person's answer is about versions: what is let in is decided by policy as any other object is, what is refused
   stays stored and goes to nobody. Either answer can be changed.
4. Many are answered in parts, a transaction and a ledger line each. Cut off in between, the rest is still held.
5. Who answers for an indicator of ours answers for the observables beside it that are held for the same; others are named
   (`pairing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.policy.recalls import partners_named
from cert_exchange.policy.screening import FILE_NAME, Screen, parse_screen
from cert_exchange.services.pairing import held_beside
from cert_exchange.services.policies.companions import read_companions
from cert_exchange.services.publishing.screening import remember
from cert_exchange.services.publishing.sentences import collection_number
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.store import objects
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import screening as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.screening import KeptOut, ScreenVersion, State

__all__ = [
    "FILE_NAME",
    "Answered",
    "KeptOut",
    "Read",
    "ScreenVersion",
    "State",
    "apply",
    "check",
    "count_held",
    "in_force",
    "is_in_force",
    "let_in",
    "lift",
    "list_kept",
    "refuse",
]

SHOWN: Final = 10_000
PART: Final = 1_000


@dataclass(frozen=True, slots=True)
class Read:
    """A file of the way in that has no mistake, with the texts that it names."""

    screen: Screen
    companions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a person's answer did: how many versions, and how many lines the audiences gained."""

    versions: int
    released: int
    beside: tuple[str, ...] = ()
    """STIX ids of observables that were answered with their indicators"""
    left: tuple[KeptOut, ...] = ()
    """observables of theirs that were not: something else was found in them"""


def check(node: Node, text: str, *, file: str, folder: Path | None = None) -> Read:
    """Read a file of the way in.

    Raises PolicyInvalid with every mistake, ConfigurationInvalid for an unknown collection or partner.
    """
    companions = read_companions(text, folder)
    screen = parse_screen(text, file=file, companions=companions)
    for name in sorted(screen.collections or ()):
        collection_number(node, name)
    with node.database.reading() as conn:
        known = policy_rows.partner_ids(conn)
    for name in partners_named(screen.recalls):
        if name not in known:
            raise ConfigurationInvalid(
                f"recalled names {name[:80]!r}, and there is no such partner; there are: {', '.join(sorted(known))}."
            )
    return Read(screen, companions)


def apply(node: Node, found: Read, *, by: str, reason: str) -> int:
    """Bring it into force for what comes from now on; its version, that of the one in force if it says the same."""

    def work(tx: Transaction) -> int:
        def order(releasing: Releasing) -> int:
            return rows.bring_into_force(
                tx, found.screen.text, found.companions, found.screen.digest,
                at=releasing.now, by=by, reason=reason,
            )  # fmt: skip

        version, _ = in_one_line(
            tx, node, "intake-applied", by, order, digest=found.screen.digest.hex(), reason=reason
        )
        return version

    remember(found.screen)
    present = in_force(node)
    if present is not None and present.digest == found.screen.digest:
        return present.version
    return node.database.transact(work)


def lift(node: Node, *, by: str, reason: str) -> None:
    """Look for nothing any more; what is held stays so. Raises NotFound where nothing is in force."""

    def work(tx: Transaction) -> None:
        done, _ = in_one_line(
            tx, node, "intake-lifted", by, lambda r: rows.lift(tx, at=r.now), reason=reason
        )
        if not done:
            raise NotFound("nothing is looked for at the way in; see `intake apply`")

    node.database.transact(work)


def in_force(node: Node) -> ScreenVersion | None:
    """What is looked for now."""
    with node.database.reading() as conn:
        return rows.in_force(conn)


def is_in_force(node: Node, file: Path) -> bool:
    """Whether a file says what is in force; where there is no file, nothing is to be compared."""
    try:
        text = file.read_text(encoding="utf-8")
        companions = read_companions(text, file.parent)
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError, InputRefused):
        return False
    present = in_force(node)
    return present is not None and present.text == text and (present.companions or {}) == companions


def list_kept(
    node: Node, *, state: State = State.HELD, what: str | None = None, limit: int = SHOWN
) -> list[KeptOut]:
    """What is held (or was refused, or let in), the oldest first. `what`: only where this was found."""
    with node.database.reading() as conn:
        return rows.listed(conn, states=[state], what=what, limit=limit)


def count_held(node: Node) -> int:
    """How many versions wait for a person at the way in."""
    with node.database.reading() as conn:
        return rows.count_held(conn)


def let_in(
    node: Node, stix_ids: Iterable[str] = (), *, what: str | None = None, by: str, reason: str
) -> Answered:
    """A person lets versions in: these ids, also refused ones, or all that are held for one finding.

    Policy decides on them from then on. Raises NotFound where none of them is held.
    """
    return _answer(node, list(stix_ids), what, State.LET_IN, by=by, reason=reason)


def refuse(
    node: Node, stix_ids: Iterable[str] = (), *, what: str | None = None, by: str, reason: str
) -> Answered:
    """A person refuses what is held: it stays stored and goes to nobody. Raises NotFound as `let_in` does."""
    return _answer(node, list(stix_ids), what, State.REFUSED, by=by, reason=reason)


def _answer(
    node: Node, ids: Sequence[str], what: str | None, state: State, *, by: str, reason: str
) -> Answered:
    asked = [State.HELD] if state is State.REFUSED or not ids else [State.HELD, State.REFUSED]
    with node.database.reading() as conn:
        idents = sorted(objects.idents_of(conn, ids).values()) if ids else None
        found = rows.listed(conn, states=asked, what=what, idents=idents)
        theirs, others = held_beside(conn, found, asked) if ids else ([], [])
    if not found:
        raise NotFound("nothing of this is held at the way in; see `intake list`")
    found += theirs
    versions = released = 0
    for start in range(0, len(found), PART):
        part = {one.object for one in found[start : start + PART]}
        touched = {one.ident for one in found[start : start + PART]}

        def work(tx: Transaction, part: set[int] = part, touched: set[int] = touched) -> Answered:
            def order(releasing: Releasing) -> int:
                # Asked again under the heads' locks: somebody else may have been first.
                still = [
                    one
                    for one in rows.listed(tx, states=asked, what=what, idents=sorted(touched))
                    if one.object in part
                ]
                rows.end(tx, still, state, at=releasing.now, by=by, remark=reason)
                releasing.reconsider(sorted({one.ident for one in still}))
                return len(still)

            kind = "intake-let-in" if state is State.LET_IN else "intake-refused"
            done, releasing = in_one_line(
                tx, node, kind, by, order, ids=list(ids), what=what or "", reason=reason
            )
            return Answered(done, releasing.released)

        done = node.database.transact(work)
        versions += done.versions
        released += done.released
    return Answered(versions, released, tuple(one.stix_id for one in theirs), tuple(others))
