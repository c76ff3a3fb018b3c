"""What the commands print.

1. Results go to standard output, verdicts and progress to standard error.
2. On a terminal a table is drawn; elsewhere it is one line a row, cells separated by tabs, with a heading line.
3. Text that a partner may have written never reaches the terminal raw: control characters, escape sequences and
   characters that turn the direction of writing are shown as escapes (`plain`).
4. A cell that a spreadsheet would run as a formula has an apostrophe before it, where no terminal reads the table. A
   number, a difference and a telephone number are none.
5. `--json` prints one document, UTF-8, in which the same characters are JSON escapes.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from cert_exchange.stix.instants import format_micros

if TYPE_CHECKING:
    from cert_exchange.services.releasing import Line as LogLine

Progress = Callable[[int, int | None], None]
"""Called with what is done and what there is to do in all (None: not known)."""

_DANGEROUS: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_DANGEROUS_IN_JSON: Final = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_FORMULA: Final = re.compile(
    r"[=@](?=.)|[+-](?=.)(?!\d+(?:[.,]\d+)*(?: [+-]\d+)*$)(?!(?<=\+)\d+(?: \d+)+$)"
)
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d+Z")
_CELL_WIDTH: Final = 100
_WHOLE: Final = ("id", "example", "version")


def plain(text: str, *, lines: bool = False) -> str:
    """Text that can do nothing to a terminal. With `lines`, line ends and tabs stay."""

    def shown(match: re.Match[str]) -> str:
        char = match.group()
        if lines and char in "\n\t":
            return char
        return (
            char.encode("unicode_escape").decode("ascii")
            if ord(char) < 0xD800
            else f"\\u{ord(char):04x}"
        )

    return _DANGEROUS.sub(shown, text)


def prepare_streams() -> None:
    """Let no locale turn a name in another script into a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def result(text: str) -> None:
    """One line, or several, of what was asked for."""
    sys.stdout.write(plain(text, lines=True) + "\n")


def verdict(text: str) -> None:
    """One sentence about how it went."""
    sys.stdout.flush()
    sys.stderr.write(plain(text, lines=True) + "\n")
    sys.stderr.flush()


def instant(micros: int | None) -> str:
    """Write an instant for people and for JSON; empty where there is none."""
    return "" if micros is None else format_micros(micros)


def named(stix_id: str, called: Mapping[str, str]) -> str:
    """An id with what our people call it before it, where there is such a word."""
    return f"{called[stix_id]} ({stix_id})" if stix_id in called else stix_id


def count(number: int, noun: str) -> str:
    """`1 object`, `2,000 objects`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def written(lines: int) -> str:
    """How many lines an order wrote into the release log, for the end of a verdict."""
    return f"{count(lines, 'line')} written" if lines else "no audience sees more or less by it"


def changes(lines: Sequence[LogLine]) -> None:
    """Print what an order changed for audiences, a row for each line of the release log; nothing where it wrote none."""
    if lines:
        table(
            ["audience", "id", "version", "line", "rule"],
            [(one.audience, one.stix_id, one.version, str(one.kind), one.rule) for one in lines],
        )


def document(value: Any) -> None:
    """One JSON document on standard output."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write(
        _DANGEROUS_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n"
    )


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
    empty: str = "none",
) -> None:
    """Print rows under their columns, for a person on a terminal, for programs elsewhere."""
    if not sys.stdout.isatty():
        sys.stdout.write("\t".join(columns) + "\n")
        for row in rows:
            sys.stdout.write("\t".join(_written(cell) for cell in row) + "\n")
        return
    if not rows:
        result(f"{title}: {empty}" if title else empty)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        numeric = all(
            isinstance(row[index], int) and not isinstance(row[index], bool) for row in rows
        )
        # An id that is broken over lines cannot be copied.
        drawn.add_column(
            name,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=name in _WHOLE,
        )
    for row in rows:
        drawn.add_row(
            *(
                Text(_cell(value, exact=name in _WHOLE))
                for name, value in zip(columns, row, strict=True)
            )
        )
    Console(highlight=False).print(drawn)


def facts(pairs: Mapping[str, object]) -> None:
    """Names and values, one a line."""
    width = max((len(name) for name in pairs), default=0)
    separator = "  " if sys.stdout.isatty() else "\t"
    for name, value in pairs.items():
        name_shown = name.ljust(width) if sys.stdout.isatty() else name
        result(f"{name_shown}{separator}{plain('' if value is None else str(value))}")


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Draw a bar on standard error while it is a terminal; silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    shown = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*shown, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(plain(label), total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _written(cell: object) -> str:
    text = plain("" if cell is None else str(cell))
    return f"'{text}" if _FORMULA.match(text) else text


def _cell(value: object, *, exact: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = unicodedata.normalize("NFC", plain(str(value)))
    if exact:
        return text
    # A person at a terminal needs no microseconds; a pipe and JSON get them.
    text = _INSTANT.sub(r"\1 \2Z", text)
    return text if len(text) <= _CELL_WIDTH else text[: _CELL_WIDTH - 1] + "…"
