"""What refers to what, and who waits for whom.

1. A reference is stored once per (version, target), in its strictest role. Those of a derivative are the originals that
   it needs, whatever stands for them in its bytes.
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
from cert_exchange.store.tables import (
    OWN,
    ObjectStatus,
    identifiers,
    live,
    objects,
    references,
    waiting,
)

_REFERENCES_OF: Final = Kept(
    select(references.c.source, references.c.target, references.c.role).where(
        among(references.c.source, "sources")
    ),
    "sources",
)


def ask_references(tx: Transaction, object_ids: Iterable[int]) -> Asked:
    """What each version refers to: (version, target ident, role)."""
    return _REFERENCES_OF.ask_among(tx, "sources", object_ids)


def ask_made_for(tx: Transaction, observables: Iterable[int]) -> Asked:
    """Our relationships between observables and indicators: (observable, relationship, its creator, indicator, its STIX id)."""
    return _MADE_FOR.ask_among(tx, "observables", observables)


def _dependants(target: Any) -> Any:
    """Rows of `live` whose object refers to `target`."""
    return (
        select(references.c.source)
        .join(objects, objects.c.id == references.c.source)
        .join(live, and_(live.c.ident == objects.c.ident, live.c.object == objects.c.id))
        .where(target)
    )


# EXISTS, which stops at the first: our own identity is what every object of ours refers to.
_NEEDED: Final = Kept(
    select(identifiers.c.num).where(
        among(identifiers.c.num, "targets"),
        exists(
            _dependants(references.c.target == identifiers.c.num)
            .where(
                among(references.c.role, "roles"),
                live.c.view == bindparam("v"),
                live.c.ident != identifiers.c.num,
                not_(among(live.c.ident, "besides")),
            )
            .correlate(identifiers)
        ),
    ),
    "targets",
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
_SOURCES: Final = Kept(
    select(objects.c.ident)
    .join(references, references.c.source == objects.c.id)
    .where(
        among(references.c.target, "targets"),
        among(references.c.role, "roles"),
        objects.c.status != ObjectStatus.DERIVATIVE.value,
    )
    .distinct(),
    "targets",
    "roles",
)
_relation, _indicator, _maker = (
    identifiers.alias("relation"), identifiers.alias("indicator"), identifiers.alias("maker"),
)  # fmt: skip
_other_end: Final = references.alias("other_end")
_MADE_FOR: Final = Kept(
    select(
        references.c.target, _relation.c.stix_id, _maker.c.stix_id, _indicator.c.num,
        _indicator.c.stix_id,
    )
    .join(objects, objects.c.id == references.c.source)
    .join(_relation, _relation.c.num == objects.c.ident)
    .join(_maker, _maker.c.num == objects.c.creator)
    .join(_other_end, _other_end.c.source == objects.c.id)
    .join(_indicator, _indicator.c.num == _other_end.c.target)
    .where(
        among(references.c.target, "observables"),
        objects.c.type == "relationship",
        objects.c.origin == OWN,
        objects.c.status == ObjectStatus.ACCEPTED.value,
        _indicator.c.stix_id.startswith("indicator--"),
    )
    .distinct(),
    "observables",
)  # fmt: skip
_WAITING_ON: Final = Kept(
    select(waiting.c.target, waiting.c.audience, objects.c.ident)
    .join(objects, objects.c.id == waiting.c.object)
    .where(among(waiting.c.audience, "audiences"), among(waiting.c.target, "targets"))
    .distinct(),
    "audiences",
    "targets",
)
_WAITERS: Final = Kept(
    select(objects.c.ident)
    .join(waiting, waiting.c.object == objects.c.id)
    .where(among(objects.c.ident, "idents"), among(waiting.c.audience, "audiences"))
    .distinct(),
    "idents",
    "audiences",
)
_FORGET: Final = Kept(
    delete(waiting).where(
        waiting.c.audience == bindparam("audience"), among(waiting.c.object, "objects")
    ),
    "objects",
)
_WAIT: Final = Kept(insert(waiting))


def needed_in(
    tx: Transaction,
    targets: Collection[int],
    view: int,
    roles: Collection[int],
    *,
    besides: Collection[int],
) -> set[int]:
    """Those targets that another object's version in force in the view refers to; those `besides` do not count."""
    found = _NEEDED.among(tx, "targets", targets, v=view, roles=roles, besides=besides)
    return {row[0] for row in found}


def views_with_dependants(
    tx: Transaction, targets: Iterable[int], views: Collection[int]
) -> list[tuple[int, int]]:
    """(target, view) where a version in force refers to the target, extension keys aside."""
    if not views:
        return []
    return sorted(_DEPENDANT_VIEWS.among(tx, "targets", targets, views=views))


def sources_of(tx: Transaction, targets: Iterable[int]) -> set[int]:
    """The ids of versions, of any state, that name one of the targets as a marking or need it; no derivatives."""
    roles = (Role.MARKING.value, Role.REQUIRED.value)
    return {row[0] for row in _SOURCES.among(tx, "targets", targets, roles=roles)}


def waiting_of(tx: Transaction, audiences: Collection[int], idents: Iterable[int]) -> set[int]:
    """Which of these ids have a version that waits for something in one of the audiences."""
    if not audiences:
        return set()
    return {row[0] for row in _WAITERS.among(tx, "idents", idents, audiences=audiences)}


def ask_waiting(tx: Transaction, targets: Iterable[int], audiences: Collection[int]) -> Asked:
    """(target, audience, id) of allowed versions that wait, in these audiences, for one of the targets."""
    return _WAITING_ON.ask_among(tx, "targets", targets if audiences else (), audiences=audiences)


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
