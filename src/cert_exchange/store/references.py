"""What refers to what, and who waits for whom.

1. A reference is stored once per (version, target), in its strictest role.
2. `waiting` holds, per audience, allowed versions that a required reference keeps out; it is rewritten whenever they
   are considered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, insert, select

from cert_exchange.stix.references import Role
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import parts
from cert_exchange.store.tables import live, objects, references, waiting


def references_of(tx: Transaction, object_ids: Iterable[int]) -> dict[int, list[tuple[int, int]]]:
    """What each version refers to: (target ident, role)."""
    statement = select(references.c.source, references.c.target, references.c.role).where(
        references.c.source.in_(bindparam("sources", expanding=True))
    )
    found: dict[int, list[tuple[int, int]]] = {}
    for part in parts(object_ids):
        for row in tx.execute(statement, {"sources": part}):
            found.setdefault(row[0], []).append((row[1], row[2]))
    return found


def _dependants(target: Any) -> Any:
    """Rows of `live` whose object refers to `target`."""
    return (
        select(references.c.source)
        .join(objects, objects.c.id == references.c.source)
        .join(live, and_(live.c.ident == objects.c.ident, live.c.object == objects.c.id))
        .where(target)
    )


def has_live_dependant(
    tx: Transaction,
    target: int,
    view: int,
    roles: Collection[int],
    *,
    besides: Collection[int] = (),
) -> bool:
    """Whether another object's version in force in the view refers to `target`; those `besides` do not count."""
    condition = _dependants(references.c.target == target).where(
        references.c.role.in_(list(roles)),
        live.c.view == view,
        live.c.ident.not_in([target, *besides]),
    )
    return bool(tx.execute(select(exists(condition))).scalar_one())


def views_with_dependants(
    tx: Transaction, targets: Iterable[int], views: Collection[int]
) -> list[tuple[int, int]]:
    """(target, view) where a version in force refers to the target, extension keys aside."""
    found: list[tuple[int, int]] = []
    for part in parts(targets):
        rows = tx.execute(
            _dependants(references.c.target.in_(part))
            .with_only_columns(references.c.target, live.c.view)
            .where(
                references.c.role != Role.EXTENSION.value,
                live.c.view.in_(list(views)),
                live.c.ident != references.c.target,
            )
            .distinct()
        )
        found.extend((row[0], row[1]) for row in rows)
    return sorted(found)


def waiting_on(tx: Transaction, idents: Iterable[int], audience: int) -> set[int]:
    """The ids whose allowed versions wait, in this audience, for one of these."""
    found: set[int] = set()
    for part in parts(idents):
        rows = tx.execute(
            select(objects.c.ident)
            .join(waiting, waiting.c.object == objects.c.id)
            .where(waiting.c.audience == audience, waiting.c.target.in_(part))
            .distinct()
        )
        found.update(row[0] for row in rows)
    return found


def replace_waiting(
    tx: Transaction,
    audience: int,
    considered: Collection[int],
    missing: Sequence[tuple[int, int]],
) -> None:
    """Forget what these versions waited for and write down what they wait for now: (object, target)."""
    for part in parts(considered):
        tx.execute(
            delete(waiting).where(waiting.c.audience == audience, waiting.c.object.in_(part))
        )
    if missing:
        tx.execute(
            insert(waiting),
            [{"audience": audience, "object": obj, "target": target} for obj, target in missing],
        )
