"""What a document calls itself: the name of the report that is made of it.

1. A title is what the author set as one: the first heading of Markdown or AsciiDoc, `<h1>` or `<title>`, the title in the front
   matter or in the properties of a PDF; of plain text a short first line that stands apart. Else the document has none.
2. A level of the traffic light, a date, a number, the name of a file or of a program that wrote it is no title.
3. One line of at most `LONGEST` characters, without marks. Nothing is guessed from the middle of a text.
4. Only the beginning is looked at (of a PDF its properties), linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Final

from cert_exchange.intake.own_words import OwnWords, own_words
from cert_exchange.intake.reports.inline import asciidoc_parts, plain
from cert_exchange.intake.reports.passages import Role
from cert_exchange.intake.reports.reading import Form
from cert_exchange.intake.values import FILE_EXTENSIONS, read, refang

LONGEST: Final = 200
HEAD: Final = 65_536
"""Characters of a text that are looked at."""

_FRONT: Final = re.compile(r"(?:\A---\n(?:[^\n]{0,500}\n){0,30}?)title:[ \t]*([^\n]{1,300})")
_ATX: Final = re.compile(r"[ ]{0,3}#{1,3}[ \t]+(\S[^\n]{0,400})")
_UNDERLINE: Final = re.compile(r"[ ]{0,3}(?:={3,}|-{3,})[ \t]*\Z")
_ADOC: Final = re.compile(r"={1,2}[ \t]+(\S[^\n]{0,400})")
_H1: Final = re.compile(r"<(h1|title)\b[^>]{0,200}>(.{0,600}?)</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]{0,500}>")
_OPENIOC: Final = re.compile(r"<short_description>([^<]{1,400})</short_description>")
_PDF: Final = re.compile(
    rb"/Title\s{0,3}(?:\(((?:[^()\\]|\\[^\r\n]){1,600})\)|<([0-9A-Fa-f\s]{4,2400})>)"
)
_OF_FILE: Final = re.compile(rb"/(?:Producer|Creator|CreationDate|ModDate|Author)\b")
_XMP: Final = re.compile(
    rb"<dc:title>.{0,200}?<rdf:li[^>]{0,100}>([^<]{1,600})</rdf:li>", re.DOTALL
)
_WRITTEN_BY: Final = re.compile(
    r"(?:microsoft (?:word|powerpoint|excel)|libreoffice \w+|openoffice[\w. ]*) ?[-:] ?",
    re.IGNORECASE,
)
_NONE: Final = re.compile(
    r"(?:\(?(?:anonymous|untitled|unspecified)\)?|unbenannt|document\d*|dokument\d*|report|readme|home|index|indicators?(?: of compromise)?|iocs?|\W*[\d\W_]*)",
    re.IGNORECASE,
)
_ESCAPED: Final = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)


def title_of(text: str, form: Form) -> str:
    """The title of a report, or an empty text."""
    return next((one for raw in _TITLES[form](text[:HEAD]) if (one := _usable(raw))), "")


def title_of_openioc(data: bytes) -> str:
    """What an OpenIOC file calls itself, or an empty text."""
    found = _OPENIOC.search(data[:HEAD].decode("utf-8", "replace"))
    return _usable(unescape(found[1])) if found is not None else ""


def title_of_pdf(data: bytes) -> str:
    """The title in the properties of a PDF, where they are not packed; else an empty text."""
    for found in _PDF.finditer(data):
        around = data[max(0, found.start() - 600) : found.end() + 600]
        if _OF_FILE.search(around) is not None and (title := _usable(_pdf_text(found))):
            return title
    xmp = _XMP.search(data)
    return _usable(unescape(xmp[1].decode("utf-8", "replace"))) if xmp is not None else ""


def _pdf_text(found: re.Match[bytes]) -> str:
    if found[2] is not None:
        digits = re.sub(rb"\s", b"", found[2])
        raw = bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())
    else:
        raw = _ESCAPED.sub(_unescaped, found[1])
    if raw.startswith(b"\xfe\xff"):
        return raw[2:].decode("utf-16-be", "replace")
    return raw.decode("utf-8" if raw.startswith(b"\xef\xbb\xbf") else "latin-1", "replace")


def _unescaped(found: re.Match[bytes]) -> bytes:
    sign = found[1]
    return bytes([int(sign, 8) & 255]) if sign[:1].isdigit() and sign[:1] < b"8" else sign


def _of_markdown(text: str) -> Iterator[str]:
    if (front := _FRONT.match(text)) is not None:
        yield front[1].strip("\"' ")
    lines = text.splitlines()[:200]
    for at, line in enumerate(lines):
        if (found := _ATX.match(line)) is not None:
            yield plain(found[1].rstrip("# "))
        elif (
            line.strip()
            and at + 1 < len(lines)
            and _UNDERLINE.match(lines[at + 1])
            and "|" not in line
        ):
            yield plain(line)


def _of_asciidoc(text: str) -> Iterator[str]:
    for line in text.splitlines()[:200]:
        if (found := _ADOC.match(line)) is not None:
            yield " ".join(part for part, role in asciidoc_parts(found[1]) if role is not Role.LINK)


def _of_hypertext(text: str) -> Iterator[str]:
    found = {one[1].lower(): one[2] for one in reversed(list(_H1.finditer(text)))}
    for tag in ("h1", "title"):
        if tag in found:
            yield unescape(_TAG.sub(" ", found[tag]))


def _of_text(text: str) -> Iterator[str]:
    lines = [line.strip() for line in text.splitlines()[:40]]
    first = next((at for at, line in enumerate(lines) if line and not _says_level(line)), None)
    if first is None:
        return
    line = lines[first]
    apart = first + 1 >= len(lines) or not lines[first + 1] or _UNDERLINE.match(lines[first + 1])
    if apart and 2 <= len(line.split()) <= 20 and line[-1] not in ".,;:?!" and line[0] not in "-*#":
        yield line


def _says_level(line: str) -> bool:
    return len(line) < 40 and own_words(line) != OwnWords()


def _usable(raw: str) -> str:
    """A title as it may be shown; empty where it is none (rule 2)."""
    title = " ".join("".join(sign if sign.isprintable() else " " for sign in raw).split())
    title = _WRITTEN_BY.sub("", title).strip(" \t*_`#:-\u2013\u2014|")
    ending = title.rpartition(".")[2].lower()
    if (
        len(title) < 4
        or _NONE.fullmatch(title) is not None
        or _says_level(title)
        or (" " not in title and (ending in FILE_EXTENSIONS or read(title) is not None))
    ):
        return ""
    if refang(title) != title:
        return ""  # an address of the attack, not the name of a report
    return title if len(title) <= LONGEST else title[:LONGEST].rpartition(" ")[0] + "\u2026"


_TITLES: Final[dict[Form, Callable[[str], Iterator[str]]]] = {
    Form.MARKDOWN: _of_markdown,
    Form.ASCIIDOC: _of_asciidoc,
    Form.HTML: _of_hypertext,
    Form.TEXT: _of_text,
}
