"""The file of the way in, version by version, and what was held by it.

1. At most one version is in force; texts of files that it names are kept once, as those of policies are.
2. `objects.kept_out` says for every reader whether a version is held; `kept_out` says why, since when, and what a
   person answered. The two change together, here and nowhere else.
3. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, delete, func, insert, select, update

from cert_exchange.policy.companions import digest_of
from cert_exchange.store.companions import keep_texts
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    companion_texts,
    identifiers,
    kept_out,
    objects,
    partners,
    screen_companions,
    screens,
)


class State(StrEnum):
    """What became of a version that was held at the way in."""

    HELD = "held"
    REFUSED = "refused"
    LET_IN = "let in"


@dataclass(frozen=True, slots=True)
class ScreenVersion:
    """One version of the file, with the texts that it names. Instants in micros."""

    id: int
    version: int
    text: str
    digest: bytes
    companions: Mapping[str, str] | None
    """None: they are not those that were applied"""
    applied_at: int
    author: str
    reason: str


@dataclass(frozen=True, slots=True)
class Caught:
    """A version to hold: what was found in it, in short and in words."""

    object: int
    what: str
    said: str
    state: State


@dataclass(frozen=True, slots=True)
class KeptOut:
    """A version that was held at the way in. Instants in micros."""

    object: int
    ident: int
    stix_id: str
    version: str
    origin: str
    """own, or the partner's name"""
    what: str
    said: str
    state: State
    held_at: int
    ended_at: int | None
    ended_by: str | None
    remark: str | None


def in_force(conn: Transaction) -> ScreenVersion | None:
    """The version in force, or None."""
    row = conn.execute(
        select(screens).where(screens.c.replaced_at.is_(None)).order_by(screens.c.id.desc())
    ).first()
    if row is None:
        return None
    texts = {
        one[0]: one[1]
        for one in conn.execute(
            select(screen_companions.c.name, companion_texts.c.text)
            .join(companion_texts, companion_texts.c.digest == screen_companions.c.digest)
            .where(screen_companions.c.screen == row.id)
        )
    }
    wanted = None if row.companions is None else bytes(row.companions)
    return ScreenVersion(
        row.id, row.version, row.text, bytes(row.digest),
        texts if digest_of(texts) == wanted else None, row.applied_at, row.author, row.reason,
    )  # fmt: skip


def digest_in_force(conn: Transaction) -> bytes | None:
    """The digest of the version in force, or None."""
    found = conn.execute(
        select(screens.c.digest)
        .where(screens.c.replaced_at.is_(None))
        .order_by(screens.c.id.desc())
    ).scalar()
    return None if found is None else bytes(found)


def bring_into_force(
    tx: Transaction,
    text: str,
    companions: Mapping[str, str],
    digest: bytes,
    *,
    at: int,
    by: str,
    reason: str,
) -> int:
    """A new version takes the place of the one in force; its version."""
    version = int(tx.execute(select(func.coalesce(func.max(screens.c.version), 0))).scalar_one())
    lift(tx, at=at)
    number = tx.execute(
        insert(screens)
        .values(
            version=version + 1, text=text, digest=digest, companions=digest_of(companions),
            applied_at=at, author=by, reason=reason,
        )
        .returning(screens.c.id)
    ).scalar_one()  # fmt: skip
    digests = keep_texts(tx, companions)
    if digests:
        tx.execute(
            insert(screen_companions),
            [{"screen": number, "name": name, "digest": one} for name, one in digests.items()],
        )
    return version + 1


def lift(tx: Transaction, *, at: int) -> bool:
    """No version is in force any more; whether one was."""
    done = tx.execute(update(screens).where(screens.c.replaced_at.is_(None)).values(replaced_at=at))
    return bool(done.rowcount)


def keep_out(tx: Transaction, found: Sequence[Caught], *, at: int) -> None:
    """Hold versions that came in with this transaction; what was answered of them before counts no more."""
    if not found:
        return
    for part in parts([one.object for one in found]):
        tx.execute(delete(kept_out).where(kept_out.c.object.in_(part)))
    tx.execute(
        insert(kept_out),
        [
            {"object": one.object, "what": one.what, "said": one.said, "state": one.state.value, "held_at": at}
            for one in found
        ],
    )  # fmt: skip
    _mark(tx, [one.object for one in found], kept=True)


def let_in_before(tx: Transaction, ident: int, origin: int) -> set[str]:
    """With what was found in them, versions of an id from this origin were let in by a person."""
    return set(
        tx.execute(
            select(kept_out.c.said)
            .join(objects, objects.c.id == kept_out.c.object)
            .where(
                objects.c.ident == ident,
                objects.c.origin == origin,
                kept_out.c.state == State.LET_IN.value,
            )
        ).scalars()
    )


def why(conn: Transaction, number: int) -> tuple[str, State] | None:
    """What was found in a version (objects.id), and what became of it; None: it was never held."""
    row = conn.execute(
        select(kept_out.c.said, kept_out.c.state).where(kept_out.c.object == number)
    ).first()
    return None if row is None else (row[0], State(row[1]))


def end(
    tx: Transaction, found: Collection[KeptOut], state: State, *, at: int, by: str, remark: str
) -> None:
    """A person answered: let in, or refused."""
    numbers = [one.object for one in found]
    for part in parts(numbers):
        tx.execute(
            update(kept_out)
            .where(kept_out.c.object.in_(part))
            .values(state=state.value, ended_at=at, ended_by=by, remark=remark)
        )
    _mark(tx, numbers, kept=state is not State.LET_IN)


_KEPT: Final[Select[Any]] = (
    select(
        kept_out.c.object,
        objects.c.ident,
        identifiers.c.stix_id,
        objects.c.version,
        objects.c.origin,
        partners.c.name,
        kept_out.c.what,
        kept_out.c.said,
        kept_out.c.state,
        kept_out.c.held_at,
        kept_out.c.ended_at,
        kept_out.c.ended_by,
        kept_out.c.remark,
    )
    .join(objects, objects.c.id == kept_out.c.object)
    .join(identifiers, identifiers.c.num == objects.c.ident)
    .outerjoin(partners, partners.c.id == objects.c.origin)
    .where(objects.c.status == ObjectStatus.ACCEPTED.value)
    .order_by(kept_out.c.held_at, kept_out.c.object)
)


def count_let_in(conn: Transaction) -> int:
    """How many versions a person let in; it only rises, but for what is purged."""
    counted = select(func.count()).where(kept_out.c.state == State.LET_IN.value)
    return int(conn.execute(counted).scalar_one())


def listed(
    conn: Transaction,
    *,
    states: Iterable[State],
    what: str | None = None,
    idents: Collection[int] | None = None,
    limit: int | None = None,
) -> list[KeptOut]:
    """What was held, the oldest first, proposals aside. `what` is one finding, such as `listed keep-out`."""
    statement = _KEPT.where(kept_out.c.state.in_([one.value for one in states]))
    if idents is not None:
        statement = statement.where(objects.c.ident.in_(list(idents)))
    found = []
    for row in conn.execute(statement):
        if what is not None and what not in row[6].split(", "):
            continue
        origin = "own" if row[4] == OWN else str(row[5])
        found.append(
            KeptOut(
                row[0], row[1], row[2], row[3], origin, row[6], row[7], State(row[8]),
                row[9], row[10], row[11], row[12],
            )
        )  # fmt: skip
        if limit is not None and len(found) >= limit:
            break
    return found


def count_held(conn: Transaction) -> int:
    """How many versions wait for a person."""
    return int(
        conn.execute(
            select(func.count())
            .select_from(kept_out)
            .join(objects, objects.c.id == kept_out.c.object)
            .where(
                kept_out.c.state == State.HELD.value,
                objects.c.status == ObjectStatus.ACCEPTED.value,
            )
        ).scalar_one()
    )


def count_states(conn: Transaction, origin: int) -> dict[State, int]:
    """Of what was held of one partner's: how many versions are in each state; those of none are left out."""
    found = conn.execute(
        select(kept_out.c.state, func.count())
        .join(objects, objects.c.id == kept_out.c.object)
        .where(objects.c.origin == origin, objects.c.status == ObjectStatus.ACCEPTED.value)
        .group_by(kept_out.c.state)
    )
    return {State(state): number for state, number in found}


def _mark(tx: Transaction, numbers: Sequence[int], *, kept: bool) -> None:
    for part in parts(numbers):
        tx.execute(update(objects).where(objects.c.id.in_(part)).values(kept_out=kept))
