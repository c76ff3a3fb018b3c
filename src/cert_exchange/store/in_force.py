"""What is in force in the views, read by the ids that it stands for.

1. A line of a derivative is given under its original: `object` and `ident` are those of the version that it was made
   of, `served` and `shown` those of the row that the view serves.
2. The last version of a derivative that has ended only revokes it; it stands for nothing any more and is not given.
3. Nothing here decides or changes anything; `releases` appends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, exists, func, literal, or_, select, union_all

from cert_exchange.stix.references import Role
from cert_exchange.store.database import Transaction
from cert_exchange.store.statements import Asked, Kept, among
from cert_exchange.store.tables import derivatives, derived_ids, live, objects, references

ENDED: Final = bytes(32)
"""In `derivatives.trimmed` of a version that only revokes: nothing of its source is in it."""


@dataclass(frozen=True, slots=True)
class Live:
    """A line in force."""

    view: int
    position: int
    object: int
    """the version that it stands for"""
    ident: int
    version_key: str
    origin: int
    is_last: bool
    is_first: bool
    carried: bool
    rendition: int
    served: int
    """the row of `objects` that the view serves: the version itself, or a derivative of it"""
    shown: int
    """the number of the id under which it is served"""

    @property
    def derived(self) -> bool:
        """Whether a derivative is served."""
        return self.served != self.object


_FLAGS = (live.c.is_last, live.c.is_first, live.c.carried, live.c.rendition)
_WHOLE = select(
    live.c.view, live.c.position, live.c.object, live.c.ident, live.c.version_key, live.c.origin,
    *_FLAGS, live.c.object.label("served"), live.c.ident.label("shown"),
).where(among(live.c.view, "views"), among(live.c.ident, "idents"))  # fmt: skip
_source = objects.alias("source")
_DERIVED = (
    select(
        live.c.view, live.c.position, derivatives.c.source, derivatives.c.original,
        _source.c.version_key, _source.c.origin, *_FLAGS, live.c.object, live.c.ident,
    )
    .select_from(derived_ids)
    .join(live, live.c.ident == derived_ids.c.ident)
    .join(derivatives, derivatives.c.object == live.c.object)
    .join(_source, _source.c.id == derivatives.c.source)
    .where(
        among(live.c.view, "views"),
        among(derived_ids.c.original, "idents"),
        derivatives.c.trimmed != bindparam("ended", ENDED),
    )
)  # fmt: skip
_LIVE_OF: Final = Kept(_WHOLE, "views", "idents")
# The id of a derivative stands for nothing itself: whoever sends us an object under it changes nothing in force.
_NAMED = exists(select(literal(1)).where(derived_ids.c.ident == live.c.ident))
_STANDING_FOR: Final = Kept(union_all(_WHOLE.where(~_NAMED), _DERIVED), "views", "idents")
_ENDED_OF: Final = Kept(
    select(
        live.c.view, live.c.position, derivatives.c.source, derivatives.c.original,
        live.c.version_key, live.c.origin, *_FLAGS, live.c.object, live.c.ident,
    )
    .select_from(derived_ids)
    .join(live, live.c.ident == derived_ids.c.ident)
    .join(derivatives, derivatives.c.object == live.c.object)
    .where(
        among(live.c.view, "views"),
        among(derived_ids.c.original, "idents"),
        derivatives.c.trimmed == bindparam("ended", ENDED),
    ),
    "views",
    "idents",
)  # fmt: skip
_VISIBLE: Final = Kept(
    select(live.c.ident, live.c.view).where(
        among(live.c.view, "views"), among(live.c.ident, "idents")
    ),
    "views",
    "idents",
)
_DEPENDANTS: Final = Kept(
    select(
        references.c.target,
        references.c.source,
        func.coalesce(derivatives.c.original, objects.c.ident),
    )
    .join(objects, objects.c.id == references.c.source)
    .outerjoin(derivatives, derivatives.c.object == references.c.source)
    .where(among(references.c.target, "targets"), references.c.role != Role.EXTENSION.value),
    "targets",
)


def live_of(row: Sequence[Any]) -> Live:
    """A row that `ask_live` gives as a value."""
    return Live(
        row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6]), bool(row[7]), bool(row[8]),
        row[9], row[10], row[11],
    )  # fmt: skip


def ask_live(
    tx: Transaction, views_: Collection[int], idents: Iterable[int], *, deriving: bool = True
) -> Asked:
    """The rows of `live_rows`, for `live_of`, when they are called for.

    Without `deriving` derivatives are not looked for: where there can be none.
    """
    statement = _STANDING_FOR if deriving else _LIVE_OF
    return statement.ask_among(tx, "idents", idents if views_ else (), views=views_)


def live_rows(
    tx: Transaction, views_: Collection[int], idents: Iterable[int], *, deriving: bool = True
) -> list[Live]:
    """The lines in force in these views that stand for these ids."""
    return [live_of(row) for row in ask_live(tx, views_, idents, deriving=deriving)()]


def ended_rows(tx: Transaction, views_: Collection[int], idents: Iterable[int]) -> list[Live]:
    """The lines in force that revoke what stood for these ids; `version_key` and `origin` are their own."""
    if not views_:
        return []
    return [live_of(row) for row in _ENDED_OF.among(tx, "idents", idents, views=list(views_))]


def live_idents_after(
    tx: Transaction, views_: Collection[int], *, after: int, limit: int
) -> list[int]:
    """The next distinct ids, in number order, that a line in force in one of the views stands for."""
    if not views_:
        return []
    named = exists(select(literal(1)).where(derived_ids.c.ident == live.c.ident))
    whole = (
        select(live.c.ident)
        .where(live.c.view.in_(list(views_)), live.c.ident > after, ~named)
        .distinct()
        .order_by(live.c.ident)
        .limit(limit)
    )
    # EXISTS, so that no planner walks the views: they are long, and derivatives are few.
    served = exists(
        select(literal(1)).where(live.c.view.in_(list(views_)), live.c.ident == derived_ids.c.ident)
    )
    derived = (
        select(derived_ids.c.original)
        .where(derived_ids.c.original > after, served)
        .distinct()
        .order_by(derived_ids.c.original)
        .limit(limit)
    )
    found = {row[0] for row in tx.execute(whole)} | {row[0] for row in tx.execute(derived)}
    return sorted(found)[:limit]


def idents_released_since(tx: Transaction, heads: Mapping[int, int]) -> set[int]:
    """The ids for which lines in force stand that are newer than these positions, by view."""
    found: set[int] = set()
    for view, position in heads.items():
        rows = tx.execute(
            select(func.coalesce(derivatives.c.original, live.c.ident))
            .outerjoin(derivatives, derivatives.c.object == live.c.object)
            .where(live.c.view == view, live.c.position > position)
        )
        found.update(row[0] for row in rows)
    return found


def live_dependants(
    tx: Transaction,
    targets: Iterable[int],
    views_: Collection[int],
    *,
    deriving: bool = True,
) -> list[tuple[int, Live]]:
    """The lines in force that need one of these ids, each with the id that it needs (extension keys aside)."""
    # In two steps, so that no planner can choose to walk the view instead: it is long, and what refers to one object
    # is short.
    needs: dict[int, list[int]] = {}
    idents: set[int] = set()
    for target, source, ident in _DEPENDANTS.among(tx, "targets", targets):
        needs.setdefault(source, []).append(target)
        idents.add(ident)
    return [
        (target, line)
        for line in live_rows(tx, views_, idents, deriving=deriving)
        for target in needs.get(line.served, ())
    ]


def visible_idents(
    tx: Transaction, views_: Collection[int], idents: Iterable[int]
) -> dict[int, set[int]]:
    """Which of these ids are in force under their own name, and in which of the views."""
    found: dict[int, set[int]] = {}
    if views_:
        for ident, view in _VISIBLE.among(tx, "idents", idents, views=list(views_)):
            found.setdefault(ident, set()).add(view)
    return found


def seen_in(tx: Transaction, view: int) -> tuple[frozenset[int], frozenset[int]]:
    """The ids that a view shows as they are, and those in whose place it shows a derivative."""
    rows = tx.execute(
        select(live.c.ident, derivatives.c.original)
        .outerjoin(derivatives, derivatives.c.object == live.c.object)
        .where(
            live.c.view == view,
            live.c.is_last == 1,
            or_(derivatives.c.trimmed.is_(None), derivatives.c.trimmed != ENDED),
        )
    )
    whole, derived = set(), set()
    for ident, original in rows:
        if original is None:
            whole.add(ident)
        else:
            derived.add(original)
    return frozenset(whole), frozenset(derived)
