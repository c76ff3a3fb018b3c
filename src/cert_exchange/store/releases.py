"""The release log and what it leaves in force.

1. Instants of a view strictly increase, in commit order.
2. `lock_sharing` locks every view's head until commit, in id order; nothing is appended without it. On SQLite the
   write transaction itself is the lock.
3. A line is never changed; taking back is a line of its own.
4. `live` has at most one row per (view, object version); of an id's rows in a view one is last and one is first.
5. No object is parsed and no policy asked here.

`in_force` reads what is live.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    LargeBinary,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    literal,
    null,
    select,
    union_all,
    update,
)

from cert_exchange.store import terms
from cert_exchange.store.bulk import insert_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.in_force import (
    Live,
    ask_live,
    idents_released_since,
    live_dependants,
    live_idents_after,
    live_of,
    live_rows,
    visible_idents,
)
from cert_exchange.store.statements import Asked, Kept
from cert_exchange.store.tables import (
    audience_members,
    audiences,
    collections,
    derived_ids,
    live,
    partners,
    policies,
    release_log,
    screens,
    views,
)
from cert_exchange.store.terms import Said

__all__ = [
    "Audience",
    "Head",
    "Live",
    "LiveLine",
    "LogLine",
    "Sharing",
    "append",
    "ask_live",
    "idents_released_since",
    "live_dependants",
    "live_idents_after",
    "live_of",
    "live_rows",
    "lock_sharing",
    "mark",
    "read_sharing",
    "visible_idents",
]


@dataclass(frozen=True, slots=True)
class Head:
    """A view and the last instant of its log."""

    view: int
    audience: int
    collection: int
    position: int


@dataclass(frozen=True, slots=True)
class Audience:
    """The partners who share one set of logs, and the policy in force for them."""

    id: int
    name: str
    policy: str
    members: Mapping[int, str]
    """partner id -> name, of those who are members now"""
    policy_id: int | None
    policy_text: str | None
    companions: bytes | None
    """digest over the files that the policy names; `store.companions` gives their texts"""


class LogLine(NamedTuple):
    """A line to append, in the order of its columns.

    Thousands are made in one transaction, and a tuple is what the driver takes.
    """

    view: int
    position: int
    kind: str
    """a LineKind's value"""
    object: int
    rendition: int
    policy: int | None
    rule: str
    salt: bytes
    ledger_line: int


class LiveLine(NamedTuple):
    """A row that `live` gains with a line of kind release, in the order of its columns; flags are 1 or 0."""

    view: int
    position: int
    object: int
    ident: int
    type: str
    version: str
    version_key: str
    origin: int
    is_last: int
    is_first: int
    carried: int
    rendition: int
    size: int


_LOG_COLUMNS: Final = tuple(release_log.c[name] for name in LogLine._fields)
_LIVE_COLUMNS: Final = tuple(live.c[name] for name in LiveLine._fields)
_HEADS = select(views.c.id, views.c.audience, views.c.collection, views.c.head).order_by(views.c.id)
_READ_HEADS: Final = Kept(_HEADS)
_LOCKED_HEADS: Final = Kept(_HEADS.with_for_update())
_NUMBER: Final = cast(null(), BigInteger)
_TEXT: Final = cast(null(), Text)
_BYTES: Final = cast(null(), LargeBinary)
_PARTNER, _COLLECTION, _AUDIENCE, _MEMBER, _DERIVING, _SCREEN = range(6)
# One statement for seven tables: it runs in every transaction that publishes, behind the heads' locks.
_SHARING: Final = Kept(
    union_all(
        select(literal(_PARTNER), partners.c.id, _NUMBER, partners.c.name, _TEXT, _TEXT, _BYTES),
        select(
            literal(_COLLECTION), collections.c.id, _NUMBER, collections.c.uuid,
            collections.c.alias, _TEXT, _BYTES,
        ),
        select(
            literal(_AUDIENCE), audiences.c.id, policies.c.id, audiences.c.name,
            audiences.c.policy, policies.c.text, policies.c.companions,
        ).outerjoin(
            policies, and_(policies.c.name == audiences.c.policy, policies.c.replaced_at.is_(None))
        ),
        select(
            literal(_MEMBER), audience_members.c.audience, partners.c.id, partners.c.name,
            _TEXT, _TEXT, _BYTES,
        )
        .join(partners, partners.c.id == audience_members.c.partner)
        .where(audience_members.c.until.is_(None)),
        select(
            literal(_DERIVING), audiences.c.id, _NUMBER, _TEXT, _TEXT, _TEXT, _BYTES,
        ).where(exists(select(derived_ids.c.ident).where(derived_ids.c.audience == audiences.c.id))),
        select(
            literal(_SCREEN), screens.c.id, _NUMBER, _TEXT, _TEXT, _TEXT, screens.c.digest
        ).where(screens.c.replaced_at.is_(None)),
        *terms.BRANCHES,
    )
)  # fmt: skip
_MOVE_HEAD: Final = Kept(
    update(views).where(views.c.id == bindparam("v")).values(head=bindparam("h"))
)
_AT_POSITION = and_(live.c.view == bindparam("v"), live.c.position == bindparam("p"))
_LEAVE: Final = Kept(delete(live).where(_AT_POSITION))
_MARK: Final = Kept(
    update(live)
    .where(_AT_POSITION)
    .values(is_last=bindparam("last"), is_first=bindparam("first"), carried=bindparam("c"))
)


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who shares what with whom, as one transaction sees it."""

    heads: Sequence[Head]
    """of all views, in id order"""
    audiences: Sequence[Audience]
    """every audience with its present members and the active version of its policy, by id"""
    collections: Mapping[int, tuple[str, str | None]]
    """collection id -> (uuid, alias)"""
    partners: Mapping[int, str]
    """partner id -> name, suspended ones included"""
    deriving: frozenset[int] = frozenset()
    """the audiences for which anything was ever derived"""
    screen: bytes | None = None
    """digest of what is looked for at the way in; `store.screening` gives the texts"""
    said: Said = field(default_factory=Said)
    """what is known of terms before any object is read"""


def lock_sharing(tx: Transaction) -> Callable[[], Sharing]:
    """Lock the heads of all views, in id order, until the transaction ends (DECISIONS 3); read the rest behind them.

    What is asked between this and the call for the value is behind the locks too: statements that are asked together
    still run one after the other, and each sees what the one before it waited for.
    """
    return partial(_sharing, _LOCKED_HEADS.ask(tx), _SHARING.ask(tx))


def read_sharing(conn: Transaction) -> Sharing:
    """The same without locks: for looking only."""
    return _sharing(_READ_HEADS.ask(conn), _SHARING.ask(conn))


def _sharing(asked_heads: Asked, asked_rows: Asked) -> Sharing:
    head_rows = asked_heads()
    kinds: tuple[list[Any], ...] = ([], [], [], [], [], [])
    said: list[Sequence[Any]] = []
    for one in asked_rows():
        kind, *row = one
        if kind < len(kinds):
            kinds[kind].append(row)
        else:
            said.append(one)
    members: dict[int, dict[int, str]] = {}
    for audience, partner, name, *_ in sorted(kinds[_MEMBER]):
        members.setdefault(audience, {})[partner] = name
    return Sharing(
        [Head(*row) for row in head_rows],
        [
            Audience(number, name, policy, members.get(number, {}), policy_id, text, companions)
            for number, policy_id, name, policy, text, companions in sorted(
                kinds[_AUDIENCE], key=itemgetter(0)
            )
        ],
        {number: (uuid, alias) for number, _, uuid, alias, *_ in kinds[_COLLECTION]},
        {number: name for number, _, name, *_ in kinds[_PARTNER]},
        frozenset(row[0] for row in kinds[_DERIVING]),
        max(((row[0], bytes(row[-1])) for row in kinds[_SCREEN]), default=(0, None))[1],
        terms.said_of(said),
    )


def append(
    tx: Transaction,
    lines: Sequence[LogLine],
    gained: Sequence[LiveLine],
    lost: Sequence[tuple[int, int]],
    heads: Mapping[int, int],
) -> None:
    """Append lines and keep `live` and the heads; the caller holds the heads' locks.

    `lost` are (view, position) rows that leave `live`; `heads` the new last instant of each view.
    Rows that stay but are no longer last or first are the caller's to `mark`.
    """
    _LEAVE.run_each(tx, [{"v": view, "p": position} for view, position in lost])
    insert_rows(tx, _LOG_COLUMNS, lines)
    insert_rows(tx, _LIVE_COLUMNS, gained)
    _MOVE_HEAD.run_each(tx, [{"v": view, "h": head} for view, head in heads.items()])


def mark(tx: Transaction, rows: Sequence[tuple[int, int, bool, bool, bool]]) -> None:
    """Write (view, position, is_last, is_first, carried) where they changed."""
    _MARK.run_each(
        tx,
        [
            {"v": view, "p": position, "last": int(last), "first": int(first), "c": int(carried)}
            for view, position, last, first, carried in rows
        ],
    )
