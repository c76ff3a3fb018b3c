"""The two questions of a page, and the one behind a 404."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.store.database import Dialect
from cert_exchange.store.pages.shapes import Filters, Part, rounded, shape_of
from cert_exchange.store.pages.statements import known_statement, page_statement

BYTES_OF_A_PAGE: Final = 8 * 1024 * 1024
"""A page ends at the object that would exceed this, but has at least one (DECISIONS 7)."""
FOREVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a page ends."""

    count: int
    end: int
    """position of its last row; the given `after` when there is none"""
    more: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """A page's text and what is known of it without reading the text."""

    text: bytes
    count: int
    first: int
    last: int


def bounds(
    dialect: Dialect,
    connection: Any,
    view: int,
    filters: Filters,
    *,
    part: Part,
    after: int,
    limit: int,
) -> Bounds:
    """Say where the page of at most `limit` rows after the position `after` (micros) ends.

    The size of the objects counts for BODY only.
    """
    prepared = page_statement(dialect, None, shape_of(filters))
    row = prepared.one(connection, _values(view, filters, after, FOREVER, limit + 1))
    if row is None or not row[0]:
        return Bounds(0, after, more=False)
    found, size, positions, sizes = row
    if part is not Part.BODY or size <= BYTES_OF_A_PAGE:
        if found <= limit:
            return Bounds(found, int(positions.rpartition(",")[2]), more=False)
        return Bounds(limit, int(positions.rsplit(",", 2)[-2]), more=True)
    fits = 0
    room = BYTES_OF_A_PAGE
    for each in sizes.split(","):
        room -= int(each)
        if fits == limit or (room < 0 and fits):
            break
        fits += 1
    return Bounds(fits, int(positions.split(",", fits)[fits - 1]), more=fits < found)


def joined(
    dialect: Dialect,
    connection: Any,
    view: int,
    filters: Filters,
    *,
    part: Part,
    after: int,
    end: int,
    limit: int,
) -> Joined:
    """Join the rows after `after` up to `end` (micros, inclusive), at most `limit`, oldest first, to one text.

    BODY: the stored bytes joined by commas. RECORD: id, version and position of each row, divided by UNIT and
    RECORD. VERSION: versions divided by RECORD.
    """
    prepared = page_statement(dialect, part, shape_of(filters))
    row = prepared.one(connection, _values(view, filters, after, end, limit))
    if row is None or not row[3]:
        return Joined(b"", 0, after, after)
    text = row[0]
    return Joined(text.encode() if isinstance(text, str) else text, row[3], row[1], row[2])


def is_known(dialect: Dialect, connection: Any, view: int, stix_id: str) -> bool:
    """Tell whether any version of the id is in force in the view."""
    row = known_statement(dialect).one(connection, {"view": view, "id_0": stix_id})
    return row is not None


def _values(view: int, filters: Filters, after: int, end: int, limit: int) -> dict[str, Any]:
    values: dict[str, Any] = {"view": view, "after": after, "end": end, "limit": limit}
    if filters.ids is not None:
        values.update(_numbered("id", filters.ids, rounded(len(filters.ids))))
    if filters.types is not None:
        values.update(_numbered("type", filters.types, len(filters.types)))
    if filters.versions.keys:
        keys = filters.versions.keys
        values.update(_numbered("key", keys, rounded(len(keys))))
    return values


def _numbered(name: str, values: tuple[str, ...], count: int) -> dict[str, str]:
    """Parameters `name_0` ...; the last value is repeated, which changes nothing in a set."""
    return {f"{name}_{n}": values[min(n, len(values) - 1)] for n in range(count)}
