"""What format a file is in, from its name and its first bytes.

1. The content decides; the name only breaks ties. Where the two contradict each other, `clash` says so in a sentence and
   nothing is taken: a feed address that answers with a page of HTML is the usual case (CASES I12).
2. `sure` is what only this format looks like. Whatever was weighed is a guess, and a person looks first.
3. Linear in the head, which is at most `HEAD` bytes.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Final

from cert_exchange.intake.values import read

HEAD: Final = 65_536
"""So many bytes of an input are looked at."""
_LINES: Final = 200


class Format(StrEnum):
    """What `publish` can read. The words are those of --format."""

    STIX = "stix"
    STIX_LINES = "stix-lines"  # one STIX object a line
    MISP = "misp"
    CSV = "csv"
    TSV = "tsv"
    LIST = "list"  # one value a line
    TEXT = "text"
    MARKDOWN = "markdown"
    ASCIIDOC = "asciidoc"
    HTML = "html"
    PDF = "pdf"
    OPENIOC = "openioc"


@dataclass(frozen=True, slots=True)
class Recognised:
    """A format and why we think so; `format` is None where it is none of ours."""

    format: Format | None
    sure: bool
    why: str
    clash: str = ""
    """Why nothing should be taken unless a person states the format."""


_BY_NAME: Final[Mapping[str, Format]] = {
    "csv": Format.CSV,
    "tsv": Format.TSV,
    "tab": Format.TSV,
    "md": Format.MARKDOWN,
    "markdown": Format.MARKDOWN,
    "adoc": Format.ASCIIDOC,
    "asciidoc": Format.ASCIIDOC,
    "html": Format.HTML,
    "htm": Format.HTML,
    "xhtml": Format.HTML,
    "pdf": Format.PDF,
    "json": Format.STIX,
    "stix": Format.STIX,
    "jsonl": Format.STIX_LINES,
    "ndjson": Format.STIX_LINES,
    "ioc": Format.OPENIOC,
    "yml": Format.TEXT,
    "yaml": Format.TEXT,
    "yar": Format.TEXT,
    "yara": Format.TEXT,
    "rules": Format.TEXT,
}
_BINARY: Final[Mapping[bytes, str]] = {
    b"PK\x03\x04": "a ZIP archive or an Office document; unpack it, or save it as CSV or PDF",
    b"\xd0\xcf\x11\xe0": "an old Office document; save it as CSV or PDF",
    b"Rar!": "a RAR archive; unpack it",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"BZh": "a bzip2 file; unpack it",
    b"\xfd7zXZ": "an xz file; unpack it",
    b"\x28\xb5\x2f\xfd": "a zstd file; unpack it",
}
_HTML: Final = re.compile(
    r"\s*+(?:<\?xml[^>]{0,200}>\s*+)?(?:<!--.{0,2000}?-->\s*+)?<(?:!doctype html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_TAGS: Final = re.compile(
    r"<(?:p|div|span|table|tr|td|a|h[1-6]|ul|li|br|script|meta)\b", re.IGNORECASE
)
_STIX_1: Final = re.compile(r"<(?:\w{1,20}:)?STIX_Package\b")
_OPENIOC: Final = re.compile(r"<(?:ioc|OpenIOC)\b[^>]{0,500}(?:openioc|mandiant)", re.IGNORECASE)
_MISP: Final = re.compile(r'"(?:Event|Attribute|attribute_count|orgc_id|threat_level_id)"\s*+:')
_OF_MISP: Final[Mapping[str, str]] = {
    '"misp-attribute"': "the template of an object of MISP: it says how such objects look, and holds no values",
    '"GalaxyCluster"': "a galaxy of MISP: it names what is known, and holds no values to look for",
    '"SharingGroup"': "a list of sharing groups of MISP",
}
"""What MISP writes besides events, by a word of it."""
_STIX: Final = re.compile(
    r'"type"\s*+:\s*+"(?:bundle|[a-z0-9-]{3,60})"|"spec_version"\s*+:|"objects"\s*+:\s*+\['
)
_LINE_OBJECT: Final = re.compile(r'\{[^\n]*"type"\s*+:\s*+"[a-z0-9-]{3,60}"[^\n]*\}\s*+$')
_HEADING: Final = re.compile(
    r"#{1,6} \S|```|\|[-: |]{3,}\||\* \S|- \S|\[[^\]\n]{1,200}\]\([^)\n]{1,500}\)"
)
_ASCIIDOC: Final = re.compile(
    r"={1,5} \S|\|===|:[a-z-]{2,30}:|\[(?:source|options|cols|quote)\b|----$"
)


def recognise(name: str, head: bytes) -> Recognised:
    """What a file of this name that begins with these bytes is. Never raises."""
    head = head[:HEAD]
    by_name = _BY_NAME.get(PurePath(name).suffix.lower().removeprefix("."))
    if not head.strip(b"\x00\t\r\n \xef\xbb\xbf"):
        return Recognised(None, sure=True, why="it is empty")
    if head.lstrip().startswith(b"%PDF-"):
        return _against(by_name, Format.PDF, "it begins with %PDF")
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            return Recognised(None, sure=True, why=f"it is {what}")
    text = _text(head)
    if text is None:
        return Recognised(None, sure=True, why="it is neither text nor PDF")
    found = _of_markup(text, by_name) or _of_json(text)
    if found is not None:
        return found
    if by_name in {Format.STIX, Format.STIX_LINES}:
        return Recognised(None, sure=True, why="its name says JSON, and it is none")
    return _of_lines(text, by_name)


def _text(head: bytes) -> str | None:
    """The head as text, well enough to see its form; None for what is no text."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(mark):
            return head.removeprefix(mark).decode(encoding, errors="replace")
    if b"\x00" in head:
        zeros = head.count(b"\x00")
        if zeros * 3 < len(head):
            return None
        little = head[1:200:2].count(b"\x00") > head[0:200:2].count(b"\x00")
        return head.decode("utf-16-le" if little else "utf-16-be", errors="replace")
    odd = sum(byte < 9 or 13 < byte < 32 for byte in head[:4_096])
    return None if odd * 50 > len(head[:4_096]) else head.decode("utf-8", errors="replace")


def _against(by_name: Format | None, found: Format, why: str) -> Recognised:
    """What the content certainly is, against what the name says."""
    clash = ""
    if by_name is not None and by_name is not found:
        clash = (
            f"This is {_SPOKEN[found]}, not {_SPOKEN[by_name]} as the name says: nothing was taken. Look at the file;"
            f" if it is meant, say --format {found}."
        )
    return Recognised(found, sure=True, why=why, clash=clash)


def _of_markup(text: str, by_name: Format | None) -> Recognised | None:
    start = text.lstrip("\ufeff \t\r\n")
    if not start.startswith("<"):
        return None
    if _STIX_1.search(start, 0, 4_096):
        return Recognised(
            None,
            sure=True,
            why="it is STIX 1 in XML; convert it to STIX 2.1, for example with stix2-elevator",
        )
    if _OPENIOC.search(start, 0, 4_096):
        return _against(by_name, Format.OPENIOC, "it is OpenIOC in XML")
    if _HTML.match(start) or len(_TAGS.findall(start, 0, 8_192)) >= 3:
        return _against(by_name, Format.HTML, "it is a page of HTML")
    return None


def _of_json(text: str) -> Recognised | None:
    start = text.lstrip("\ufeff \t\r\n")
    if start[:1] not in {"{", "["} or (start[0] == "[" and not re.match(r"\[\s*+[\]{]", start)):
        return None
    lines = start.splitlines()
    whole = [line for line in lines[:_LINES] if line.strip()]
    if len(whole) > 1 and _LINE_OBJECT.match(whole[0]) and _LINE_OBJECT.match(whole[1]):
        return Recognised(Format.STIX_LINES, sure=True, why="each line is a STIX object")
    if _MISP.search(start) and not re.match(r'\{\s*+"type"\s*+:\s*+"bundle"', start):
        return Recognised(Format.MISP, sure=True, why="it has what an event of MISP has")
    for mark, what in _OF_MISP.items():
        if mark in start:
            return Recognised(None, sure=True, why=f"it is {what}")
    if _STIX.search(start) is None:
        return Recognised(None, sure=True, why="it is JSON, and neither STIX nor an event of MISP")
    return Recognised(Format.STIX, sure=True, why="it is JSON with STIX objects")


def _of_lines(text: str, by_name: Format | None) -> Recognised:
    lines = [line for line in text.splitlines()[:_LINES] if line.strip()]
    if len(lines) > 1 and len(text) >= HEAD // 2:
        lines = lines[:-1]  # the last may be cut off
    said = [line for line in lines if not line.lstrip().startswith(("#", "//", ";"))] or lines
    separated = _separated(said)
    if by_name in {Format.CSV, Format.TSV}:
        word = _SPOKEN[by_name]
        if separated is by_name:
            return Recognised(by_name, sure=True, why=f"its name and its lines say {word}")
        return Recognised(
            by_name, sure=False, why=f"its name says {word}, and nothing speaks against it"
        )
    if by_name in {Format.MARKDOWN, Format.ASCIIDOC, Format.HTML}:
        return Recognised(by_name, sure=False, why=f"its name says {_SPOKEN[by_name]}")
    if by_name is Format.TEXT:
        return Recognised(
            Format.TEXT, sure=False, why="its name says YAML or rules: that is read as text"
        )
    singles = sum(_is_single(line) for line in said)
    if singles * 10 >= len(said) * 7:
        return Recognised(
            Format.LIST,
            sure=False,
            why=f"{singles} of its first {len(said)} lines are one value each",
        )
    if separated is not None:
        what = "tabs" if separated is Format.TSV else "commas or semicolons"
        return Recognised(separated, sure=False, why=f"its lines have as many {what} each")
    for found, form in ((Format.ASCIIDOC, _ASCIIDOC), (Format.MARKDOWN, _HEADING)):
        if sum(form.match(line) is not None for line in lines) >= max(2, len(lines) // 20):
            return Recognised(
                found, sure=False, why=f"its lines begin as those of {_SPOKEN[found]}"
            )
    if len(_TAGS.findall(text, 0, 16_384)) >= 5:
        return Recognised(Format.HTML, sure=False, why="it has tags of HTML")
    return Recognised(Format.TEXT, sure=False, why="it is text")


def _separated(lines: list[str]) -> Format | None:
    """Whether most lines have the same number of one separator, at least one."""
    if len(lines) < 2:
        return None
    for mark, found in (
        ("\t", Format.TSV),
        (",", Format.CSV),
        (";", Format.CSV),
        ("|", Format.CSV),
    ):
        counts = Counter(line.count(mark) for line in lines)
        number, often = counts.most_common(1)[0]
        if number and often * 10 >= len(lines) * 8:
            return found
    return None


def _is_single(line: str) -> bool:
    """Whether a line is one value, perhaps with a remark behind it."""
    value = re.split(r"\s+[#;]|\s*//", line.strip(), maxsplit=1)[0].strip(" \t\"',;")
    return bool(value) and read(value[:4_096]) is not None


_SPOKEN: Final[Mapping[Format, str]] = {
    Format.STIX: "STIX or other JSON",
    Format.STIX_LINES: "lines of JSON",
    Format.MISP: "MISP",
    Format.CSV: "CSV",
    Format.TSV: "TSV",
    Format.LIST: "a list",
    Format.TEXT: "text",
    Format.MARKDOWN: "Markdown",
    Format.ASCIIDOC: "AsciiDoc",
    Format.HTML: "HTML",
    Format.PDF: "PDF",
    Format.OPENIOC: "OpenIOC",
}
