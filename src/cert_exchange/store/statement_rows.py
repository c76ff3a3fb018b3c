"""What rows of signed statements are read as: with their commitments, which are large, or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Integer, func, select

from cert_exchange.messages.deliveries import Way
from cert_exchange.messages.evidence import DIGEST_BYTES
from cert_exchange.store.tables import delivery_blocks, delivery_statements

_C: Final = delivery_statements.c
_BRANCH: Final = "\x1f"
"""Between the name of a stream and the number of a branch: no statement can spell it."""
_BLOCK: Final = delivery_blocks.c.id == _C.block
_LEAVES: Final = func.coalesce(
    select(delivery_blocks.c.leaves).where(_BLOCK).scalar_subquery(), _C.leaves
)
"""Commitments stand with the statement, or in a block that was put together ahead (`delivery_blocks`)."""
OBJECTS: Final = func.coalesce(
    select(delivery_blocks.c.lines).where(_BLOCK).scalar_subquery(),
    func.length(_C.leaves, type_=Integer) // DIGEST_BYTES,
)
HEAD: Final = (
    _C.id, _C.partner, _C.way, _C.ours, _C.stream, _C.seq, _C.view, _C.collection, _C.after,
    _C.upto, _C.digest, _C.text, _C.at, _C.receipt, _C.receipt_at, _C.handed_over_at,
    _C.wrong, _C.block, OBJECTS,
)  # fmt: skip
"""Columns of a statement without its commitments."""
WHOLE: Final = (*HEAD, _LEAVES)
"""Columns of a statement."""


@dataclass(frozen=True, slots=True)
class StatementHead:
    """A statement as it is kept, without its commitments. Positions and instants are micros."""

    id: int
    partner: int
    way: Way
    ours: bool
    stream: str
    branch: int
    seq: int
    view: int | None
    collection: int
    after: int
    upto: int
    digest: bytes
    text: str
    at: int
    receipt: str | None
    receipt_at: int | None
    handed_over_at: int | None
    wrong: int
    block: int | None
    """of ours: where its commitments stand, if not with it"""
    objects: int


@dataclass(frozen=True, slots=True)
class StatementRow(StatementHead):
    """A statement as it is kept, with its commitments."""

    leaves: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """What is numbered and chained together. `ours`: we sign it. `branch`: 0 until its history forked."""

    partner: int
    ours: bool
    way: Way
    name: str
    branch: int = 0

    @property
    def stored(self) -> str:
        """The name in the table."""
        return f"{self.name}{_BRANCH}{self.branch}" if self.branch else self.name


def named(stored: str) -> tuple[str, int]:
    """The name of a stream and its branch, from the name in the table."""
    name, _, branch = stored.partition(_BRANCH)
    return name, int(branch or 0)


def head_of(row: Any) -> StatementHead:
    """Read a row of HEAD."""
    return StatementHead(*_values(row))


def whole_of(row: Any) -> StatementRow:
    """Read a row of WHOLE."""
    values = (*_values(row), bytes(row[len(HEAD)]))
    return StatementRow(*values)


def _values(row: Any) -> tuple[Any, ...]:
    number, partner, way, ours, stored, *middle, digest, text = row[:12]
    name, branch = named(stored)
    return (
        number, partner, Way(way), bool(ours), name, branch, *middle, bytes(digest), text,
        *row[12:len(HEAD)],
    )  # fmt: skip
