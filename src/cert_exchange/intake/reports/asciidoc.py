r"""AsciiDoc as passages, as far as reports of indicators use it.

1. A listing (`----`) or literal (`....`) block is LISTED, or PROGRAM where `[source,LANGUAGE]` before it names a language of
   programming; comments are left away.
2. A row of a table may go over several lines: the first line with cells says how many columns there are. Cells are LISTED;
   a live address in one is a LINK unless it is in code, or the head of its column speaks of indicators.
3. A title of a block (`.name`) is a heading below all others, for the block or list that follows it.
4. A whole rule, and what begins like one of Snort, is a RULE in a block or not (`written_rules`).
5. `\http://` is an address that its author kept from becoming a link: it counts as code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cert_exchange.intake.reports.inline import asciidoc_parts
from cert_exchange.intake.reports.markdown import PROGRAMMING
from cert_exchange.intake.reports.passages import (
    Passage,
    Role,
    Sections,
    indicates,
    label_of,
    lines_of,
    one_line,
)
from cert_exchange.intake.reports.written_rules import gathered

_HEADING: Final = re.compile(r"(={1,6})\s+(\S.*)")
_ATTRIBUTE: Final = re.compile(r":[\w!-]{1,60}:")
_BLOCK: Final = re.compile(r"(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--)\s*\Z")
_BLOCK_ATTRIBUTES: Final = re.compile(r"\[([^\[\]]{0,200})\]\s*\Z")
_TITLE: Final = re.compile(r"\.(?=[^\s.])(.{1,200})")
_ITEM: Final = re.compile(r"\s*(?:[-*]+|\.{1,5})\s+(?=\S)")
_TABLE: Final = re.compile(r"[|,:!]={3,}\s*\Z")
_CELL: Final = re.compile(
    r"(?:(?:\d{1,3}(?:\.\d{1,3})?[+*])?[<^>.]{0,4}[adehlmsv]?)\|((?:`[^`]*+`|[^|`]|`)*+)"
)
_VERBATIM: Final = frozenset("-.+/")
TITLE_LEVEL: Final = 9


@dataclass(slots=True)
class _Table:
    """A table that is being read: its cells since the last whole row."""

    columns: int = 0
    head: tuple[str, ...] = ()
    cells: list[tuple[str, int]] = field(default_factory=list)
    begun: bool = False


def read_asciidoc(text: str) -> Iterator[Passage]:
    """The passages of a text in AsciiDoc."""
    sections = Sections()
    table: _Table | None = None
    verbatim = ""
    role = Role.LISTED
    attributes = ""
    for number, line, is_rule, _ in gathered(lines_of(text), bounds=_is_bound):
        place = f"line {number}"
        block = None if is_rule else _BLOCK.match(line)
        if is_rule and verbatim[:1] != "/":
            yield Passage(
                line.strip(), place, sections.role(Role.RULE), sections.titles, row=number
            )
            continue
        if verbatim:
            if block is not None and block[1] == verbatim:
                verbatim = ""
            elif verbatim[0] != "/" and line.strip():
                yield Passage(line.strip(), place, sections.role(role), sections.titles, row=number)
            continue
        if table is not None:
            if _TABLE.match(line):
                yield from _rows(table, sections, last=True)
                table = None
            else:
                yield from _add(table, line, number, sections)
            continue
        if not line.strip() or line.startswith("//") or _ATTRIBUTE.match(line):
            continue
        if _TABLE.match(line):
            table = _Table()
        elif block is not None:
            if block[1][0] in _VERBATIM and block[1] != "--":
                verbatim = block[1]
                role = _role_of(attributes)
            attributes = ""
        elif found := _BLOCK_ATTRIBUTES.match(line):
            attributes = found[1]
        elif found := _HEADING.match(line):
            sections.enter(len(found[1]), _shown(found[2]))
            for part, part_role in asciidoc_parts(found[2]):
                kept = part_role if part_role is Role.LINK else Role.HEADING
                yield Passage(part, place, sections.role(kept), sections.title, row=number)
        elif (found := _TITLE.match(line)) and not _ITEM.match(line):
            sections.enter(TITLE_LEVEL, _shown(found[1]))
            title = sections.title
            yield Passage(title, place, sections.role(Role.HEADING), title, row=number)
        else:
            yield from _sentence(_ITEM.sub("", line), one_line(line, 500), place, number, sections)
    if table is not None:
        yield from _rows(table, sections, last=True)


def _is_bound(line: str) -> bool:
    return _BLOCK.match(line) is not None or _TABLE.match(line) is not None


def _role_of(attributes: str) -> Role:
    language = attributes.partition(",")[2].partition(",")[0].strip().lower()
    return Role.PROGRAM if language in PROGRAMMING else Role.LISTED


def _shown(text: str) -> str:
    return " ".join(part for part, role in asciidoc_parts(text) if role is not Role.LINK).strip()


def _sentence(
    text: str, context: str, place: str, number: int, sections: Sections
) -> Iterator[Passage]:
    escaped = "\\http" in text
    label = label_of(text)
    for part, role in asciidoc_parts(text):
        if role is Role.PROSE:
            meant = bool(label) or (escaped and "://" in part)
        else:
            meant = role is Role.LINK and bool(label) and f"{part}[" not in text
        kept = sections.role(Role.LISTED if meant else role)
        yield Passage(part.strip(), place, kept, sections.titles, context, label, number)


def _add(table: _Table, line: str, number: int, sections: Sections) -> Iterator[Passage]:
    """One line of a table; the rows that it completes."""
    if not line.strip():
        return
    cells = [found[1].strip() for found in _CELL.finditer(line)] if "|" in line else []
    if not cells:  # goes on in the cell before
        if table.cells:
            text, begun = table.cells[-1]
            if len(text) < 10_000:
                table.cells[-1] = (f"{text} {line.strip()}", begun)
        return
    if not table.columns:
        table.columns = len(cells)
    yield from _rows(table, sections)
    table.cells.extend((cell, number) for cell in cells)


def _rows(table: _Table, sections: Sections, *, last: bool = False) -> Iterator[Passage]:
    """The whole rows that are there, and at the end of the table what is left."""
    while table.cells and (len(table.cells) >= table.columns or last):
        row, table.cells = table.cells[: table.columns], table.cells[table.columns :]
        if not table.begun:
            table.begun = True
            table.head = tuple(_shown(cell).lower() for cell, _ in row)
        first = row[0][1]
        context = one_line(" | ".join(_shown(cell) for cell, _ in row), 500)
        for at, (cell, number) in enumerate(row):
            column = table.head[at] if at < len(table.head) else ""
            for part, role in asciidoc_parts(cell):
                kept = role
                if role is Role.PROSE or (role is Role.LINK and part in cell and indicates(column)):
                    kept = Role.LISTED
                yield Passage(
                    part.strip(),
                    f"line {number}",
                    sections.role(kept),
                    sections.titles,
                    context,
                    column,
                    first,
                )
