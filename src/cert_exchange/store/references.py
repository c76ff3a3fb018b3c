"""What refers to what, and who waits for whom.

1. A reference is stored once per (version, target), in its strictest role.
2. `waiting` holds, per audience, allowed versions that a required reference keeps out; it is rewritten whenever they
   are considered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, exists, insert, not_, select

from cert_exchange.stix.references import Role
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Asked, Kept, among
from cert_exchange.store.tables import live, objects, references, waiting

_REFERENCES_OF: Final = Kept(
    select(references.c.source, references.c.target, references.c.role).where(
        among(references.c.source, "sources")
    ),
    "sources",
)


def ask_references(tx: Transaction, object_ids: Iterable[int]) -> Asked:
    """What each version refers to: (version, target ident, role)."""
    return _REFERENCES_OF.ask_among(tx, "sources", object_ids)


def _dependants(target: Any) -> Any:
    """Rows of `live` whose object refers to `target`."""
    return (
        select(references.c.source)
        .join(objects, objects.c.id == references.c.source)
        .join(live, and_(live.c.ident == objects.c.ident, live.c.object == objects.c.id))
        .where(target)
    )


_NEEDED_BY: Final = Kept(
    select(
        exists(
            _dependants(references.c.target == bindparam("target")).where(
                among(references.c.role, "roles"),
                live.c.view == bindparam("v"),
                not_(among(live.c.ident, "besides")),
            )
        )
    ),
    "roles",
    "besides",
)
_DEPENDANT_VIEWS: Final = Kept(
    _dependants(among(references.c.target, "targets"))
    .with_only_columns(references.c.target, live.c.view)
    .where(
        references.c.role != Role.EXTENSION.value,
        among(live.c.view, "views"),
        live.c.ident != references.c.target,
    )
    .distinct(),
    "targets",
    "views",
)
_WAITING_ON: Final = Kept(
    select(objects.c.ident)
    .join(waiting, waiting.c.object == objects.c.id)
    .where(waiting.c.audience == bindparam("audience"), among(waiting.c.target, "targets"))
    .distinct(),
    "targets",
)
_FORGET: Final = Kept(
    delete(waiting).where(
        waiting.c.audience == bindparam("audience"), among(waiting.c.object, "objects")
    ),
    "objects",
)
_WAIT: Final = Kept(insert(waiting))


def has_live_dependant(
    tx: Transaction,
    target: int,
    view: int,
    roles: Collection[int],
    *,
    besides: Collection[int] = (),
) -> bool:
    """Whether another object's version in force in the view refers to `target`; those `besides` do not count."""
    [(answer,)] = _NEEDED_BY.rows(
        tx, {"target": target, "v": view, "roles": list(roles), "besides": [target, *besides]}
    )
    return bool(answer)


def views_with_dependants(
    tx: Transaction, targets: Iterable[int], views: Collection[int]
) -> list[tuple[int, int]]:
    """(target, view) where a version in force refers to the target, extension keys aside."""
    if not views:
        return []
    return sorted(_DEPENDANT_VIEWS.among(tx, "targets", targets, views=views))


def waiting_on(tx: Transaction, idents: Iterable[int], audience: int) -> set[int]:
    """The ids whose allowed versions wait, in this audience, for one of these."""
    return {row[0] for row in _WAITING_ON.among(tx, "targets", idents, audience=audience)}


def replace_waiting(
    tx: Transaction,
    audience: int,
    considered: Collection[int],
    missing: Sequence[tuple[int, int]],
) -> None:
    """Forget what these versions waited for and write down what they wait for now: (object, target)."""
    _FORGET.run_among(tx, "objects", considered, audience=audience)
    _WAIT.run_each(
        tx, [{"audience": audience, "object": obj, "target": target} for obj, target in missing]
    )
