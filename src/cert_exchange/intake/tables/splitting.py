"""Lines to records: fields by RFC 4180 with any delimiter, forgiving where that costs no value.

1. A field in quotes may hold delimiters, doubled quotes and line ends; blanks around the quotes do not count.
2. A quote inside a quoted field that nothing ends is text; the record is taken, and says so.
3. A quote that is not closed by the rules within `MOST_LINES` lines and `LONGEST_RECORD` characters spoils its own line and no other:
   the lines behind it are read again. After `MOST_RETRIES` such lines, no record may span lines any more.
4. A line that begins with # is a comment, outside of quotes; so is the first line `sep=;` by which a spreadsheet is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from cert_exchange.intake.tables.decoding import Line

MOST_LINES: Final = 100
LONGEST_RECORD: Final = 64 * 1024
MOST_RETRIES: Final = 20
MOST_FIELDS: Final = 500
_QUOTE: Final = '"'


class Record(NamedTuple):
    """One row, or one comment (`fields` is empty then). `doubt` and `flaw` say what is wrong with it, if anything."""

    number: int  # of its first line
    text: str
    fields: list[str]
    doubt: str = ""  # its other characters than ASCII cannot be trusted
    flaw: str = ""  # how its quotes break the rules
    spoilt: bool = False  # nothing of it can be used

    @property
    def is_comment(self) -> bool:
        """Whether it is talk, not a row."""
        return not self.fields and not self.spoilt


class Split(NamedTuple):
    """The fields of a text; `is_open`: a quote was not closed; `flawed`: a quote stands where none may."""

    fields: list[str]
    is_open: bool = False
    flawed: bool = False


def separator_of(line: Line) -> str | None:
    """The sign that a first line `sep=;` names, or None."""
    text = line.text.strip('" ')
    return text[4] if len(text) == 5 and text[:4].lower() == "sep=" else None


def split_fields(text: str, delimiter: str) -> Split:
    """Cut one record into fields; an empty delimiter makes one field of it."""
    if not delimiter:
        return Split([text.strip()])
    if _QUOTE not in text:
        return Split([field.strip() for field in text.split(delimiter)])
    fields: list[str] = []
    flawed = False
    at, end = 0, len(text)
    while at <= end:
        at = _after_blanks(text, at, delimiter)
        if at < end and text[at] == _QUOTE:
            field, at, odd = _quoted(text, at + 1, delimiter)
            flawed = flawed or odd
            fields.append(field)
            if at < 0:
                return Split(fields, is_open=True, flawed=flawed)
            at += 1
            continue
        stop = text.find(delimiter, at)
        stop = end if stop < 0 else stop
        fields.append(text[at:stop].strip())
        at = stop + 1
    return Split(fields, flawed=flawed)


def _after_blanks(text: str, at: int, delimiter: str) -> int:
    while at < len(text) and text[at].isspace() and text[at] != delimiter:
        at += 1
    return at


def _quoted(text: str, start: int, delimiter: str) -> tuple[str, int, bool]:
    """A quoted field from behind its quote: its text, where its delimiter stands (-1: no end), whether it has odd quotes."""
    pieces: list[str] = []
    odd = False
    at = start
    while True:
        stop = text.find(_QUOTE, at)
        if stop < 0:
            return "".join((*pieces, text[at:])), -1, odd
        pieces.append(text[at:stop])
        if text.startswith(_QUOTE, stop + 1):
            pieces.append(_QUOTE)
            at = stop + 2
            continue
        behind = _after_blanks(text, stop + 1, delimiter)
        if behind == len(text) or text[behind] == delimiter:
            return "".join(pieces).strip(), behind, odd
        pieces.append(_QUOTE)
        odd = True
        at = stop + 1


def read_records(lines: Iterable[Line], delimiter: str) -> Iterator[Record]:
    """The records of a file, comments among them, blank lines left out. Memory is bounded by one record."""
    source = iter(lines)
    waiting: deque[Line] = deque()
    retries = 0
    while True:
        line = waiting.popleft() if waiting else next(source, None)
        if line is None:
            return
        if not line.text:
            if line.doubt:
                yield Record(line.number, "", [], doubt=line.doubt, spoilt=True)
            continue
        if (bare := line.text.strip()) == "":
            continue
        if bare.startswith("#") or (line.number == 1 and separator_of(line) is not None):
            yield Record(line.number, line.text, [], doubt=line.doubt)
            continue
        split = split_fields(line.text, delimiter)
        if not split.is_open:
            yield _record(line, line.text, split, line.doubt)
            continue
        taken = _gathered(line, source, waiting, delimiter) if retries < MOST_RETRIES else None
        if taken is None:
            retries += 1
            flaw = "a quote is opened and not closed"
            yield Record(line.number, line.text, split.fields, flaw=flaw, spoilt=True)
            continue
        yield taken


def _gathered(
    first: Line, source: Iterator[Line], waiting: deque[Line], delimiter: str
) -> Record | None:
    """The record that begins in `first` and ends in a later line; None leaves those lines in `waiting`."""
    used = [first]
    length = len(first.text)
    while len(used) < MOST_LINES and length < LONGEST_RECORD:
        line = waiting.popleft() if waiting else next(source, None)
        if line is None:
            break
        used.append(line)
        length += len(line.text) + 1
        if _QUOTE not in line.text:
            continue
        text = "\n".join(one.text for one in used)
        split = split_fields(text, delimiter)
        if split.flawed:
            break  # this quote opens a field of a later row; the one before it was never closed
        if not split.is_open:
            doubt = next((one.doubt for one in used if one.doubt), "")
            return _record(first, text, split, doubt)
    waiting.extendleft(reversed(used[1:]))
    return None


def _record(line: Line, text: str, split: Split, doubt: str) -> Record:
    if len(split.fields) > MOST_FIELDS:
        flaw = f"more than {MOST_FIELDS} fields"
        return Record(line.number, text, [], doubt=doubt, flaw=flaw, spoilt=True)
    flaw = "quotes inside a quoted field are not doubled" if split.flawed else ""
    return Record(line.number, text, split.fields, doubt=doubt, flaw=flaw)
