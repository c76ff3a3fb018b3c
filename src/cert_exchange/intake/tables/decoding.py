"""Bytes of a table or list to numbered lines of text, whatever wrote them.

1. A byte order mark decides; else UTF-8 where the head is UTF-8; else UTF-16 where every second byte is zero; else what
   `charset-normalizer` finds among the charsets that people keep lists in.
2. A line that does not fit its encoding is read as Windows-1252 and says so: its ASCII is good, its other characters are not.
3. A line is at most `LONGEST_LINE` characters; a longer one is passed over to its end, and is reported, not kept.
4. Lines end with LF, CR LF, or CR alone where the head has no LF. A chunk may end anywhere, also inside a character.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from charset_normalizer import from_bytes

HEAD: Final = 256 * 1024
"""Bytes of a file from which its encoding and its columns are told."""
LONGEST_LINE: Final = 64 * 1024

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CHARSETS: Final = (
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("iso8859_2", "iso8859_5", "iso8859_9", "iso8859_15", "koi8_r", "koi8_u", "cp852", "cp866"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
)
_WRITTEN: Final = {
    *CHARSETS,
    *(name for _, name in _MARKS),
    "ascii",
    "latin_1",
    "cp437",
    "cp850",
    "cp932",
}
_ENOUGH: Final = 16
"""Bytes outside ASCII below which no charset is guessed: too little to tell one from another."""
_SAMPLE: Final = 32 * 1024
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")


class Encoding(NamedTuple):
    """How bytes are read. `guessed`: by their look, not by a mark, by a person or by being valid UTF-8."""

    name: str  # Python's
    guessed: bool = False
    cr_only: bool = False


class Line(NamedTuple):
    """One line without its end. `doubt` says why it cannot be wholly trusted, as the rest of a sentence."""

    number: int  # from 1
    text: str
    doubt: str = ""


def known_encoding(name: str) -> str | None:
    """Python's name of an encoding that a person wrote, or None where it is none that we read."""
    word = name.strip().lower().removesuffix("-sig")
    word = {"utf-16": "utf-16-le", "utf16": "utf-16-le"}.get(word, word)
    try:
        found = codecs.lookup(word).name
    except LookupError:
        return None
    known = {codecs.lookup(one).name for one in _WRITTEN}
    return found if found in known else None


def encoding_of(head: bytes, *, stated: str | None = None) -> Encoding:
    """How to read a file that begins with `head`, at most HEAD bytes of it. `stated` is a name that we know."""
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if marked is not None:
        return _with_ends(head, Encoding(marked))
    if stated is not None:
        return _with_ends(head, Encoding(stated))
    for name, zero in (("utf-16-le", head[1:2_000:2]), ("utf-16-be", head[0:2_000:2])):
        if len(zero) > 1 and zero.count(0) > len(zero) * 0.6:
            return _with_ends(head, Encoding(name, guessed=True))
    if _is_utf8(head) or len(_NOT_ASCII.findall(head)) < _ENOUGH:
        return _with_ends(head, Encoding("utf-8"))
    return _with_ends(head, _by_look(head))


def read_lines(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[Line]:
    """The lines of a file that comes in chunks of any size; memory is bounded by one chunk and LONGEST_LINE."""
    number = 0
    rest, passed_over = "", False
    for text in _texts(chunks, encoding):
        pieces = (rest + text).split("\n")
        rest = pieces.pop()
        for piece in pieces:
            number += 1
            yield _line(number, piece, passed_over=passed_over)
            passed_over = False
        if len(rest) > LONGEST_LINE:
            rest, passed_over = "", True
    if rest or passed_over:
        yield _line(number + 1, rest, passed_over=passed_over)


def _texts(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[str]:
    # What does not decode stays as surrogates, so that `_line` can look at the bytes of that line alone.
    errors = "surrogateescape" if encoding.name in {"utf-8", "ascii"} else "replace"
    decoder = codecs.getincrementaldecoder(encoding.name)(errors)
    first = True
    for chunk in chunks:
        text = decoder.decode(chunk)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        yield text.replace("\r", "\n") if encoding.cr_only else text
    yield decoder.decode(b"", final=True)


def _line(number: int, text: str, *, passed_over: bool) -> Line:
    text = text.removesuffix("\r")
    if passed_over or len(text) > LONGEST_LINE:
        return Line(number, "", f"is longer than {LONGEST_LINE} characters and was passed over")
    if "\x00" in text:
        return Line(number, "", "holds a NUL character and was passed over")
    if text.isascii():
        return Line(number, text)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
        return Line(number, text, "is not UTF-8; its words were read as Windows-1252")
    if "\ufffd" in text:
        return Line(number, text, "has characters that do not fit the file's encoding")
    return Line(number, text)


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # not final: the head may be cut
    except UnicodeDecodeError:
        return False
    return True


def _by_look(head: bytes) -> Encoding:
    telling = b"\n".join(line for line in head.split(b"\n") if not line.isascii())[:_SAMPLE]
    if _mostly_utf8(telling):
        return Encoding("utf-8")
    best = from_bytes(telling, cp_isolation=list(CHARSETS), preemptive_behaviour=False).best()
    return Encoding("cp1252" if best is None else best.encoding, guessed=True)


def _mostly_utf8(telling: bytes) -> bool:
    """Whether at most one line in ten is not UTF-8: a file of two writers, read line by line."""
    lines = telling.split(b"\n")
    return sum(_is_utf8(line) for line in lines) >= len(lines) * 0.9


def _with_ends(head: bytes, encoding: Encoding) -> Encoding:
    return encoding._replace(cr_only=b"\r" in head and b"\n" not in head)
