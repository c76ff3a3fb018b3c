"""How a table or list would be read, from its first bytes and what a person says: shown before anything is taken.

1. What is no table is refused by what it is: HTML that a server sent for a CSV (CASES I12), JSON, PDF, XML, an archive.
2. The delimiter is the one that makes a header of words that we know, else the one that cuts most lines into the same
   number of fields; none makes a list of one value a line.
3. What a person states in a profile or an option is never overruled (CASES I15).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

from cert_exchange.errors import InputRefused
from cert_exchange.intake.tables.cells import read_by_look
from cert_exchange.intake.tables.columns import is_header, named, told
from cert_exchange.intake.tables.decoding import HEAD, Line, encoding_of, read_lines
from cert_exchange.intake.tables.profiles import Column, Layout, Profile
from cert_exchange.intake.tables.sayings import DateOrder, date_order
from cert_exchange.intake.tables.splitting import Record, read_records, separator_of, split_fields
from cert_exchange.intake.tables.words import HEADERS, Role, squeeze
from cert_exchange.policy.reading import shown

_TITLES: Final = 10
_LINES: Final = 1_000
"""Lines of the head that are looked at."""
_CUT: Final = 16 * 1024
"""Bytes from which on a head may be one, and not all of the file."""
_SIGNS: Final = ("\t", ";", ",", "|")
_ALIKE: Final = 0.8
_FOREIGN: Final = (
    (re.compile(r"<(?:!doctype\s+html|html|head|body|script|meta)\b", re.IGNORECASE), "HTML"),
    (re.compile(r"<\?xml|<[a-z]+[\s>:]", re.IGNORECASE), "XML"),
    (re.compile(r"\{\s*[\"}]|\[\s*[{\"]"), "JSON"),
    (re.compile(r"%PDF-"), "PDF"),
    (re.compile(r"PK\x03\x04"), "a ZIP archive or a workbook of a spreadsheet"),
    (re.compile(r"\x1f\ufffd|\x1f\x8b"), "a compressed file"),
)


def propose(head: bytes, *, profile: Profile | None = None, delimiter: str | None = None) -> Layout:
    """The layout of a file that begins with `head`, at most its first HEAD bytes, or all of it.

    `delimiter` is a person's choice (`--format tsv`); "" reads one value a line. Raises InputRefused where the file is no
    table, or holds no column of values that we know, with what to do next.
    """
    profile = profile or Profile(name="")
    head = head[:HEAD]
    refuse_foreign(head)
    encoding = encoding_of(head, stated=profile.encoding)
    lines = list(islice(read_lines([head], encoding), _LINES))
    if len(lines) > 1 and len(head) >= _CUT and not head.endswith((b"\n", b"\r", b"\x00")):
        lines.pop()  # the head may be cut anywhere
    if not any(line.text.strip() for line in lines):
        raise InputRefused(
            "The file is empty. If a list of its name is to be emptied, leave its header, or a remark (# none today)."
        )
    sign = profile.delimiter if profile.delimiter is not None else delimiter
    if sign is None:
        sign = delimiter_of(lines)
    records = list(read_records(lines, sign))
    rows = [record for record in records if record.fields and not record.spoilt]
    header = _header(records, rows, sign, profile)
    names = () if header is None else _names(header, sign)
    below = [row.fields for row in rows if header is None or row.number != header.number]
    columns = _columns(names, below, profile, sign)
    if not any(column.has_values for column in columns):
        raise _nothing(columns)
    return Layout(
        delimiter=sign,
        encoding=encoding,
        columns=columns,
        header_line=0 if header is None else header.number,
        dates=profile.dates or _dates(columns, below),
        types=profile.types,
        profile=profile.name,
    )


def refuse_foreign(head: bytes) -> None:
    """Raises InputRefused where the bytes begin like another format."""
    text = head[:2_000].decode("utf-8-sig", "replace").lstrip()
    for pattern, name in _FOREIGN:
        if pattern.match(text) is not None:
            raise InputRefused(
                f"This is {name}, not a table or a list: look at the file, or at what the address answered."
            )


def delimiter_of(lines: Sequence[Line]) -> str:
    """The sign between fields, or "" for one value a line."""
    texts = [
        line.text for line in lines if line.text.strip() and not line.text.lstrip().startswith("#")
    ]
    if lines and (stated := separator_of(lines[0])) in _SIGNS:
        return stated
    best, most = "", 0.0
    for text in texts[:_TITLES]:
        for sign in _SIGNS:
            names = split_fields(text, sign).fields
            if len(names) > 1 and sum(squeeze(name) in HEADERS for name in names) > 1:
                return sign  # two words of a header, however the rows below it look
    for sign in _SIGNS:
        counts = Counter(len(split_fields(text, sign).fields) for text in texts)
        if not counts:
            continue
        width, alike = counts.most_common(1)[0]
        share = alike / len(texts)
        # Among signs that cut all lines alike, the one that makes more fields; several hashes in a cell cut few lines.
        if width > 1 and share >= _ALIKE and share * min(width, 8) > most:
            best, most = sign, share * min(width, 8)
    return best


def _header(
    records: Sequence[Record], rows: Sequence[Record], sign: str, profile: Profile
) -> Record | None:
    if profile.header is False or not rows:
        return None
    named_there = {squeeze(key) for key in profile.columns if not key.isdigit()} - {""}
    before = [record for record in records if record.is_comment and record.number < rows[0].number]
    if named_there:
        # Where most of the columns that a person names stand.
        best = max(
            (*rows[:_TITLES], *before[-1:]),
            key=lambda record: len(named_there & {squeeze(name) for name in _names(record, sign)}),
        )
        if named_there & {squeeze(name) for name in _names(best, sign)}:
            return best
    found = _told_header(rows, before, sign)
    return rows[0] if found is None and (profile.header or named_there) else found


def _told_header(rows: Sequence[Record], before: Sequence[Record], sign: str) -> Record | None:
    """The header by its look; `before` are the comments above the rows."""
    first = rows[0]
    if not sign:
        return first if squeeze(first.text) in HEADERS else None
    fields = [row.fields for row in rows]
    if is_header(first.fields, fields[1:]):
        return first
    for at, row in enumerate(rows[:_TITLES]):
        # A spreadsheet may have titles above its header; no value stands above it.
        if any(read_by_look(cell).values for cell in row.fields):
            break
        if sum(squeeze(name) in HEADERS for name in row.fields) > 1 and is_header(
            row.fields, fields[at + 1 :]
        ):
            return row
    if before:
        names = _names(before[-1], sign)
        if len(names) == len(first.fields) > 1 and is_header(names, [row.fields for row in rows]):
            return before[-1]
    return None


def _names(header: Record, sign: str) -> tuple[str, ...]:
    fields = header.fields
    if header.is_comment:
        fields = split_fields(header.text.strip().lstrip("#"), sign).fields
    return tuple(name.strip("\ufeff \xa0") for name in fields)


def _columns(
    names: Sequence[str], rows: Sequence[Sequence[str]], profile: Profile, sign: str
) -> tuple[Column, ...]:
    if not profile.columns:
        if not sign:
            return (
                named(
                    HEADERS.get(squeeze(names[0]), Role.ANY) if names else Role.ANY, 0, "line", rows
                ),
            )
        return told(names, rows)
    width = len(names) or max((len(row) for row in rows), default=1)
    found: dict[int, Column] = {}
    for key, holds in profile.columns.items():
        place = _place(key, names, width)
        if place is None:
            there = (
                ", ".join(shown(name) for name in names[:30]) or f"{width} columns without a header"
            )
            raise InputRefused(
                f"The profile {profile.name} names a column {shown(key)} that is not in this file; it has {there}."
            )
        name = names[place] if place < len(names) and names[place] else f"column {place + 1}"
        found[place] = named(holds, place, name, rows)
    for place in range(width):
        if place not in found:
            name = names[place] if place < len(names) and names[place] else f"column {place + 1}"
            found[place] = named(Role.IGNORE, place, name, rows)
    return tuple(found[place] for place in sorted(found))


def _place(key: str, names: Sequence[str], width: int) -> int | None:
    wanted = squeeze(key)
    matching = [place for place, name in enumerate(names) if squeeze(name) == wanted and wanted]
    if len(matching) == 1:
        return matching[0]
    if key.isascii() and key.isdigit() and 0 < int(key[:6]) <= width:
        return int(key) - 1
    return None


def _dates(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> DateOrder | None:
    dated = [c.place for c in columns if c.holds in {Role.VALID_FROM, Role.VALID_UNTIL}]
    return date_order(row[place] for row in rows for place in dated if place < len(row))


def _nothing(columns: Sequence[Column]) -> InputRefused:
    there = ", ".join(shown(column.name) for column in columns[:30]) or "none"
    asides = "".join(f" {shown(one.name)}: {one.aside}." for one in columns[:30] if one.aside)
    return InputRefused(
        f"No column of this table holds values that we know; its columns are {there}.{asides} "
        "Say in a profile what they hold (--profile), or give the format (--format)."
    )
