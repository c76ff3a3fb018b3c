"""What a text says in base64 or in hexadecimal digits: its runs of such characters, decoded.

1. Whatever looks like such a run is decoded, a longer one from each of its first characters on: it may be glued to a
   word. Mostly that gives no text; then it holds no value either.
2. Runs are decoded many in one step: each longer word of a description is one.
3. In base64 letter case counts, so runs are taken from the text as it was written, never from a folded one.
4. A run is taken or left as a whole: what stays of it could be decoded.
Time is linear in the length of the text.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from cert_exchange.policy.redaction.folding import plain_text

_SIXES: Final = "[0-9A-Za-z+/_-]"
# Long ones may go on in the next line, as in mails. Padding may be percent-encoded.
_BASE64: Final = re.compile(
    rf"({_SIXES}{{60,}}(?:\r?\n{_SIXES}+)*|{_SIXES}{{6,}})(?:=|%(?:25)*3[dD]){{0,2}}"
)
_HEXADECIMAL: Final = re.compile(
    r"[0-9A-Fa-f]{8,}"
    r"|(?<![0-9A-Za-z])(?:0[xX])?[0-9A-Fa-f]{2}(?:(?:[ :-]|, ?)(?:0[xX])?[0-9A-Fa-f]{2}){3,}"
)
_BETWEEN: Final = re.compile(r"0[xX]|[^0-9A-Fa-f]+")
_SHORT: Final = 12  # characters; a run that is shorter is decoded from its first character only
_RUN: Final = re.compile(r"[0-9a-z+/_-]{8,}(?:=|%3d){0,2}")
_SAFE_TO_USUAL: Final = bytes.maketrans(b"-_", b"+/")
_APART: Final = b"\n\0\n\0\n\0"  # reads as line breaks in UTF-8 and in UTF-16
_APART_IN_BASE64: Final = "CgAKAAoA"
_EIGHT: Final = len(_APART_IN_BASE64)  # characters, six bytes: a whole number of UTF-16 units

_CONTROLS: Final = bytes(
    byte for byte in (*range(0x20), 0x7F) if byte not in b"\t\n"
)  # with them the zeros of UTF-16
_PLAIN: Final = bytes(
    ord("?") if byte >= 0x80 else ord(" ") if byte in b"\t\n" else ord(chr(byte).lower())
    for byte in range(0x100)
)
_SEPARATORS: Final = bytes(
    byte for byte in range(0x80) if not chr(byte).isalnum() and byte != ord("\n")
)


class Run(NamedTuple):
    """A run of characters that may be coded: from where to where in the text, and the bare characters."""

    start: int
    end: int
    bare: str
    hexadecimal: bool


def runs_in(text: str) -> list[Run]:
    """Every run long enough to say four characters."""
    found = [
        Run(one.start(), one.end(), "".join(one[1].split()), hexadecimal=False)
        for one in _BASE64.finditer(text)
    ]
    found += [
        Run(one.start(), one.end(), _BETWEEN.sub("", one[0]), hexadecimal=True)
        for one in _HEXADECIMAL.finditer(text)
    ]
    return found


def decoded(runs: Iterable[Run]) -> bytes:
    """All that the runs may say, with line breaks in between."""
    groups: list[str] = []
    said: list[bytes] = []
    for run in runs:
        if run.hexadecimal:
            for digits in (run.bare, run.bare[1:]):
                raw = bytes.fromhex(digits[: len(digits) // 2 * 2])
                said.append(raw + b"\0" * (len(raw) % 2))
            continue
        for first in range(4 if len(run.bare) >= _SHORT or not run.bare.isalnum() else 1):
            piece = run.bare[first:]
            groups.append(piece + "A" * (-len(piece) % _EIGHT))
    if groups:
        joined = _APART_IN_BASE64.join(groups).encode("ascii")
        said.append(a2b_base64(joined.translate(_SAFE_TO_USUAL)))
    return _APART.join(said)


def readings(said: bytes, *, foreign: bool) -> Iterator[str]:
    """The texts that these bytes may be, in small letters; `foreign`: also in letters that ASCII lacks."""
    yield said.translate(_PLAIN, _CONTROLS).decode("ascii")
    if foreign:
        yield plain_text(said.decode("utf-8", "replace"))
        yield plain_text(said.decode("utf-16-le", "replace"))


def squeezed_reading(said: bytes) -> str:
    """Letters and digits of it, in small letters."""
    return said.translate(_PLAIN, _SEPARATORS).decode("ascii")


def whole_runs(text: str, places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Places in a folded text, widened to the runs that they lie in; each run once."""
    spans: list[tuple[int, int]] | None = None
    widened: set[tuple[int, int]] = set()
    for place in places:
        if spans is None:
            spans = [one.span() for one in _RUN.finditer(text)]
        index = bisect_right(spans, place[0], key=lambda span: span[0]) - 1
        span = spans[index] if index >= 0 and place[1] <= spans[index][1] else place
        if span not in widened:
            widened.add(span)
            yield span
