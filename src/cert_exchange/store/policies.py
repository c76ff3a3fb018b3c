"""Policy versions, the audiences they decide for, and what a change would take."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, and_, delete, func, insert, select, update

from cert_exchange.policy.companions import NO_COMPANIONS, Companions, digest_of
from cert_exchange.store import companions as companion_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import parts
from cert_exchange.store.tables import (
    LineKind,
    audience_members,
    audiences,
    derivatives,
    ledger_lines,
    live,
    partners,
    policies,
    release_log,
    staged_losses,
    views,
    waiting,
)

GAINS: Final = "policy-gains"
"""The kind of the ledger lines under which a version's gains are released."""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a policy."""

    id: int
    name: str
    version: int
    text: str
    author: str
    reason: str
    applied_at: int
    gains_after: int | None
    replaced_at: int | None
    companions: bytes | None
    """digest over the files that it names; None: it names none"""


@dataclass(frozen=True, slots=True)
class StagedLoss:
    """A line in force that a policy would take."""

    view: int
    position: int
    rule: str


_POLICY: Select[Any] = select(
    policies.c.id, policies.c.name, policies.c.version, policies.c.text, policies.c.author,
    policies.c.reason, policies.c.applied_at, policies.c.gains_after, policies.c.replaced_at,
    policies.c.companions,
)  # fmt: skip


def active(conn: Transaction, name: str) -> PolicyVersion | None:
    """The version in force of a policy."""
    row = conn.execute(
        _POLICY.where(policies.c.name == name, policies.c.replaced_at.is_(None))
    ).one_or_none()
    return None if row is None else PolicyVersion(*row)


def in_force(conn: Transaction) -> list[PolicyVersion]:
    """All policies in force, by name."""
    rows = conn.execute(_POLICY.where(policies.c.replaced_at.is_(None)).order_by(policies.c.name))
    return [PolicyVersion(*row) for row in rows]


def versions_of(conn: Transaction, name: str) -> list[PolicyVersion]:
    """All versions of a policy, the oldest first."""
    rows = conn.execute(_POLICY.where(policies.c.name == name).order_by(policies.c.version))
    return [PolicyVersion(*row) for row in rows]


def replace(
    tx: Transaction,
    *,
    name: str,
    text: str,
    digest: bytes,
    author: str,
    reason: str,
    at: int,
    companions: Companions = NO_COMPANIONS,
) -> PolicyVersion:
    """Put a new version of a policy into force. Its gains are still to come.

    `companions` are the texts of the files that it names, by name.
    """
    version = 1 + (
        tx.execute(select(func.max(policies.c.version)).where(policies.c.name == name)).scalar()
        or 0
    )
    tx.execute(
        update(policies)
        .where(policies.c.name == name, policies.c.replaced_at.is_(None))
        .values(replaced_at=at, gains_after=None)
    )
    number = tx.execute(
        insert(policies)
        .values(
            name=name, version=version, text=text, digest=digest, author=author, reason=reason,
            applied_at=at, gains_after=0, companions=digest_of(companions),
        )
        .returning(policies.c.id)
    ).scalar_one()  # fmt: skip
    companion_rows.keep(tx, number, companions)
    return PolicyVersion(
        number, name, version, text, author, reason, at, 0, None, digest_of(companions)
    )


def gaining(tx: Transaction, policy: int | None = None) -> PolicyVersion | None:
    """A policy version in force whose gains are not all released yet: this one (policies.id), or any."""
    statement = _POLICY.where(policies.c.replaced_at.is_(None), policies.c.gains_after.is_not(None))
    if policy is not None:
        statement = statement.where(policies.c.id == policy)
    row = tx.execute(statement.order_by(policies.c.id).limit(1)).one_or_none()
    return None if row is None else PolicyVersion(*row)


def gains_of(tx: Transaction, version: PolicyVersion) -> int:
    """How many lines were released because this version came into force, by whomever: its `apply` or the worker.

    What was published under it meanwhile is not counted.
    """
    by_line = (
        select(release_log.c.ledger_line, func.count().label("lines"))
        .join(views, views.c.id == release_log.c.view)
        .join(audiences, audiences.c.id == views.c.audience)
        .where(
            audiences.c.policy == version.name,
            release_log.c.position > version.applied_at,
            release_log.c.kind == LineKind.RELEASE.value,
            release_log.c.policy == version.id,
        )
        .group_by(release_log.c.ledger_line)
        .subquery()
    )
    return int(
        tx.execute(
            select(func.coalesce(func.sum(by_line.c.lines), 0))
            .join(ledger_lines, ledger_lines.c.id == by_line.c.ledger_line)
            .where(ledger_lines.c.body.contains(f'"kind":"{GAINS}"', autoescape=True))
        ).scalar_one()
    )


def move_gains(tx: Transaction, policy: int, *, after: int, to: int | None) -> None:
    """Write how far the gains have come, None at the end; unless another worker has moved them on from `after`."""
    tx.execute(
        update(policies)
        .where(policies.c.id == policy, policies.c.gains_after == after)
        .values(gains_after=to)
    )


def partner_ids(conn: Transaction) -> dict[str, int]:
    """Partner name -> id, suspended ones included."""
    return {row[0]: row[1] for row in conn.execute(select(partners.c.name, partners.c.id))}


def rival_policies(
    conn: Transaction, name: str, partner_names: Collection[str]
) -> list[tuple[str, str]]:
    """(partner, policy) where another policy governs one of these partners now."""
    if not partner_names:
        return []
    rows = conn.execute(
        select(partners.c.name, audiences.c.policy)
        .join(audience_members, audience_members.c.partner == partners.c.id)
        .join(audiences, audiences.c.id == audience_members.c.audience)
        .where(
            audience_members.c.until.is_(None),
            partners.c.name.in_(list(partner_names)),
            audiences.c.policy != name,
        )
        .order_by(partners.c.name)
    )
    return [(row[0], row[1]) for row in rows]


def stage(tx: Transaction, *, run: str, losses: Iterable[StagedLoss], at: int) -> None:
    """Write down what a run would take."""
    tx.execute(
        insert(staged_losses),
        [
            {
                "run": run,
                "view": one.view,
                "position": one.position,
                "rule": one.rule,
                "staged_at": at,
            }
            for one in losses
        ],
    )


def staged_idents(tx: Transaction, run: str) -> set[int]:
    """The ids for which the lines in force stand that a run would take."""
    rows = tx.execute(
        select(func.coalesce(derivatives.c.original, live.c.ident))
        .select_from(live)
        .outerjoin(derivatives, derivatives.c.object == live.c.object)
        .join(
            staged_losses,
            and_(staged_losses.c.view == live.c.view, staged_losses.c.position == live.c.position),
        )
        .where(staged_losses.c.run == run)
        .distinct()
    )
    return {row[0] for row in rows}


def forget_run(tx: Transaction, run: str) -> None:
    """Drop a run's staging rows."""
    tx.execute(delete(staged_losses).where(staged_losses.c.run == run))


def waits_of(conn: Transaction, audience: int, object_ids: Iterable[int]) -> dict[int, list[int]]:
    """Object -> the ids it waits for in this audience."""
    found: dict[int, list[int]] = {}
    for part in parts(object_ids):
        for row in conn.execute(
            select(waiting.c.object, waiting.c.target).where(
                waiting.c.audience == audience, waiting.c.object.in_(part)
            )
        ):
            found.setdefault(row[0], []).append(row[1])
    return found
