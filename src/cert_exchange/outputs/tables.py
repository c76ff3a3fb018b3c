"""CSV, for machines or for people: the choice is the caller's, never ours (CASES I14).

1. RFC 4180: CRLF between rows, quotes where they are needed, doubled inside; a line end inside a cell stays in its cell
   (CASES I11).
2. For machines every cell is exact: read again by `intake.tables`, it gives the same rows.
3. For people a cell that a spreadsheet would run as a formula begins with an apostrophe, and what turns the direction of
   writing or moves a cursor is not written. Such a file is to be looked at, not to be read by a machine.
4. Each row says what binds it and who the file is for: a row that is cut out and handed on takes that along (CASES M19).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from typing import Final, Literal

from cert_exchange.outputs.entries import Entry, Written, in_order

COLUMNS: Final = (
    "type", "value", "confidence", "valid_from", "valid_until", "tlp", "pap", "markings", "audience", "name",
    "description", "labels", "source", "modified", "id",
)  # fmt: skip
"""The names of the columns, which `intake.tables` knows."""

_RUNS: Final = re.compile(r"[\s\x00-\x1f\u200b-\u200f\ufeff]*+[=+\-@|%\uff1d\uff0b\uff0d\uff20]")
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_UNREADABLE: Final = re.compile("[\x00\ud800-\udfff]")


def for_machines(entries: Iterable[Entry]) -> Written:
    """Every cell as it is; only what no CSV can hold, a NUL, becomes U+FFFD."""
    return _write(entries, lambda cell: _UNREADABLE.sub("\ufffd", cell), csv.QUOTE_MINIMAL)


def for_people(entries: Iterable[Entry]) -> Written:
    """Cells that do nothing in a spreadsheet."""
    return _write(entries, neutral, csv.QUOTE_ALL)


def neutral(cell: str) -> str:
    """A cell that no spreadsheet runs, and that shows all that it holds."""
    seen = _UNSEEN.sub("\ufffd", cell)
    return f"'{seen}" if _RUNS.match(cell) or _RUNS.match(seen) else seen


def _write(entries: Iterable[Entry], cell: Callable[[str], str], quoting: Literal[0, 1]) -> Written:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=quoting)
    writer.writerow(COLUMNS)
    held = 0
    for one in in_order(entries):
        writer.writerow([cell(text) for text in _row(one)])
        held += 1
    return Written(out.getvalue().encode("utf-8"), held)


def _row(one: Entry) -> tuple[str, ...]:
    return (
        str(one.value.kind), one.value.text, "" if one.confidence is None else str(one.confidence), one.valid_from,
        one.valid_until, one.tlp, one.pap, "|".join(one.markings), one.audience, one.name, one.description,
        "|".join(one.labels), one.source, one.modified, one.stix_id,
    )  # fmt: skip
