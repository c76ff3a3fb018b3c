"""What the columns of a table hold, told from its header and its first rows.

1. A header that we know states what its column holds. A header of victims, links and numbers states that it is left out.
2. A column without a known header is taken by the look of its values only where no header states a column of values:
   else it is left out and says what it looks like. What it held might be the victims.
3. Columns of a log that say who asked are left out, and with one of them those that may be either side of a connection.
4. A header is a first row of which no cell looks like a value, and that knows a word or stands above a column of values;
   or a last comment before the rows, with as many fields as they have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.spoken_words import speaks_of_victims
from cert_exchange.intake.tables.cells import read_by_look, unneutralised
from cert_exchange.intake.tables.profiles import Column
from cert_exchange.intake.tables.words import (
    EITHER_SIDE,
    HEADERS,
    KINDS,
    OUR_SIDE,
    TYPES,
    UNTAKEN,
    Meaning,
    Role,
    squeeze,
)

Rows = Sequence[Sequence[str]]
LONGEST_HEADER: Final = 100
_SAMPLES: Final = 3
_ROWS: Final = 200
"""Rows that are looked at."""
_WORDS: Final = re.compile(r"[^\W_]+|[\W_]+")
_MANY: Final = 0.6


def is_header(first: Sequence[str], rest: Rows) -> bool:
    """Whether the first row names the columns of the others."""
    cells = [cell for cell in first if cell]
    if not cells or any(len(cell) > LONGEST_HEADER for cell in cells):
        return False
    if any(read_by_look(cell).values for cell in cells):
        return False
    if any(holds_of_header(cell) is not None for cell in cells):
        return True
    return len(cells) > 1 and any(
        look_of(_column(rest, place)) is not None for place, cell in enumerate(first) if cell
    )


def holds_of_header(name: str) -> Meaning | None:
    """What a header states, or None: `C2 IP address` ends in words that we know, `Victim IP` begins with one."""
    whole = HEADERS.get(squeeze(name))
    if whole is not None:
        return whole
    words = [squeeze(word) for word in _WORDS.findall(name)[:20] if squeeze(word)]
    if any(word in UNTAKEN for word in words) or speaks_of_victims(name):
        return Role.IGNORE
    for start in range(1, len(words)):
        holds = HEADERS.get("".join(words[start:]))
        if holds in KINDS:
            return holds
    return None


def look_of(cells: Sequence[str]) -> Meaning | None:
    """What the values of a column look like: a kind, ANY for several, TYPE for words of kinds, or None."""
    filled = [unneutralised(cell) for cell in cells[:_ROWS] if cell]
    if not filled:
        return None
    kinds: Counter[Kind] = Counter()
    good = 0
    for cell in filled:
        values = read_by_look(cell).values
        good += bool(values)
        kinds.update({value.kind for value in values})
    if good >= len(filled) * _MANY:
        kind, count = kinds.most_common(1)[0]
        return kind if count == good and len(kinds) == 1 else Role.ANY
    words = sum(squeeze(cell) in TYPES for cell in filled)
    return Role.TYPE if good == 0 and words >= len(filled) * 0.3 else None


def told(names: Sequence[str], rows: Rows) -> tuple[Column, ...]:
    """The columns of a table. `names` are those of its header; empty where it has none."""
    # A header says how many there are; a row with more is reported when it is read.
    width = len(names) or max((len(row) for row in rows), default=0)
    found = [_told(place, names, rows) for place in range(width)]
    if any(squeeze(name) in OUR_SIDE for name in names):
        found = [_of_a_log(column) for column in found]
    if any(column.holds is Role.TYPE for column in found) and not any(c.has_values for c in found):
        found = _beside_types(found, rows)
    if any(column.stated and column.has_values for column in found):
        found = [
            _left_out(column) if column.has_values and not column.stated else column
            for column in found
        ]
    return _types_settled(found)


def _of_a_log(column: Column) -> Column:
    """A column of a log, left out where the other side of a connection may be ours as well."""
    if not column.has_values or (column.stated and squeeze(column.name) not in EITHER_SIDE):
        return column
    aside = f"left out: looks like {column.holds}, and in a log it may be our own side; name it in a profile to take it"
    return Column(
        column.place, column.name, Role.IGNORE, stated=True, samples=column.samples, aside=aside
    )


def named(holds: Meaning, place: int, name: str, rows: Rows) -> Column:
    """A column of which a person says what it holds."""
    return Column(place, name, holds, stated=True, samples=_samples(_column(rows, place)))


def _told(place: int, names: Sequence[str], rows: Rows) -> Column:
    cells = _column(rows, place)
    samples = _samples(cells)
    header = names[place] if place < len(names) else ""
    name = header or f"column {place + 1}"
    stated = holds_of_header(header) if header else None
    look = look_of(cells) if stated in {None, Role.IGNORE} else None
    if stated is not None:
        aside = (
            f"left out: looks like {look}, its name says otherwise"
            if look in {*KINDS, Role.ANY}
            else ""
        )
        return Column(place, name, stated, stated=True, samples=samples, aside=aside)
    if look is None:
        # Words beside values in a table without a header are about them.
        holds = Role.IGNORE if names else Role.DESCRIPTION
        return Column(place, name, holds, stated=False, samples=samples)
    return Column(place, name, look, stated=False, samples=samples)


def _beside_types(columns: Sequence[Column], rows: Rows) -> list[Column]:
    """Rows such as `md5,B774...` and `cpu,32-bit`: words of kinds beside a column in which only some are values."""
    good = {
        column.place: sum(
            bool(read_by_look(cell).values) for cell in _column(rows, column.place)[:_ROWS]
        )
        for column in columns
    }
    best = max(columns, key=lambda column: good[column.place])
    if good[best.place] < 2:
        return list(columns)
    anything = Column(best.place, best.name, Role.ANY, stated=False, samples=best.samples)
    return [anything if column is best else column for column in columns]


def _left_out(column: Column) -> Column:
    aside = f"left out: looks like {column.holds}; name it in a profile to take it"
    return Column(
        column.place, column.name, Role.IGNORE, stated=False, samples=column.samples, aside=aside
    )


def _types_settled(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Words of kinds mean something beside one column of values only: the first of any kind."""
    if not any(column.holds is Role.TYPE for column in columns):
        return tuple(columns)
    if not any(column.holds is Role.ANY for column in columns):
        values = [column for column in columns if column.has_values]
        if len(values) == 1 and not values[0].stated:
            only = values[0]
            anything = Column(only.place, only.name, Role.ANY, stated=False, samples=only.samples)
            return tuple(anything if column is only else column for column in columns)
        return tuple(
            Column(
                column.place, column.name, Role.IGNORE, stated=column.stated, samples=column.samples
            )
            if column.holds is Role.TYPE
            else column
            for column in columns
        )
    return tuple(columns)


def _column(rows: Rows, place: int) -> list[str]:
    return [row[place] for row in rows if place < len(row)]


def _samples(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cell[:80] for cell in cells if cell))[:_SAMPLES]
