"""The text of a PDF as passages: its pages, without what is on every page, and with broken values made whole.

1. Limits before work: bytes of the file, pages, bytes of the drawing instructions of a page, characters in all. What is beyond
   one is a loss that says so; nothing is read half without a word.
2. `pypdf` may fail on a page in any way: that page is a loss, the others go on.
3. A hash that a page breaks over two lines is made whole where both parts together have the length of a hash; a key of the
   registry or a path where the next line goes on with a backslash; an address where its line is full and the next holds one
   word only, which does not look like a word, or where it breaks behind a hyphen or a dot in brackets; the number of a technique
   or of a CVE. What looks like an address behind a word that a hyphen broke is a loss: it may be the half of another.
4. A line that stands at the top or the foot of most pages is a FOOTER.
5. Nothing is executed, fetched or drawn: text and the addresses of links only.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pypdf
from pypdf.generic import DictionaryObject

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Loss
from cert_exchange.intake.reports.passages import (
    Passage,
    Role,
    Sections,
    aside_of,
    label_of,
    lines_of,
)
from cert_exchange.intake.reports.written_rules import with_rules

MOST_BYTES: Final = 32 * 1024 * 1024
MOST_PAGES: Final = 500
MOST_DRAWING: Final = 4 * 1024 * 1024
MOST_TEXT: Final = 8_000_000
MOST_LINKS: Final = 200  # on one page

_HEX_END: Final = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{8,127}+\Z")
_HEX_START: Final = re.compile(r"[0-9a-fA-F]{1,120}+(?![0-9A-Za-z])")
_URL_END: Final = re.compile(r"(?:https?|hxxps?|ftp)\S{0,2000}\Z", re.IGNORECASE)
_FOLDED_END: Final = re.compile(
    r"(?:\bHK(?:LM|CU|CR|U|CC|EY_[A-Z_]{5,20})|\b[A-Z]:|%[A-Z_()]{2,40}%)\\[^\n,;\"<>|]{0,1000}+\Z",
    re.IGNORECASE,
)
_FOLDED_START: Final = re.compile(r"[\w.()-]{1,60}+(?: [\w.()-]{1,60}+){0,3}\\")
_NUMBER_END: Final = re.compile(r"(?<![^\s(\[,;])(?:T[01][0-9]{3}\.|CVE-(?:[0-9]{4}-)?)\Z")
_NUMBER_START: Final = re.compile(r"[0-9]{3,7}(?![0-9])(?:-[0-9]{4,7})?")
_DOT: Final = r"(?:\.|[\[({]\ ?(?:\.|dot)\ ?[\])}])"
_BROKEN: Final = re.compile(r"(?:\w-|[\[({](?:\.|dot)[\])}])\Z", re.IGNORECASE)
_HAS_DOT: Final = re.compile(rf"\w{_DOT}|://", re.IGNORECASE)
_WORD_END: Final = re.compile(r"(?<!\S)[^\W\d_]{2,40}-\Z")
_ADDRESS_START: Final = re.compile(
    rf"[\w-]{{1,63}}+(?:{_DOT}[\w-]{{1,63}}+){{1,20}}(?:/\S{{0,400}})?", re.IGNORECASE
)
_HALF: Final = (
    "it begins a line behind a word that ends in a hyphen: it may be the half of a broken address"
)
_LENGTHS: Final = frozenset({32, 40, 64, 128})
_NUMBERED: Final = re.compile(r"\A(?:\d{1,2}(?:\.\d{1,2}){0,3}\.?\s+)?(?=\S)(.{1,80})\Z")


def read_pdf(content: bytes) -> Iterator[Passage | Loss]:
    """The passages of a PDF; losses for pages that could not be read. InputRefused: no PDF, or encrypted, or too large."""
    if len(content) > MOST_BYTES:
        raise InputRefused(
            f"The PDF has {len(content):,} bytes; at most {MOST_BYTES:,} are read. Give the pages with the indicators only."
        )
    pages, losses = _pages(content)
    yield from losses
    halves: list[Loss] = []
    yield from with_rules(_passages(pages, halves))
    yield from halves


def _passages(
    pages: Sequence[tuple[list[str], list[str]]], halves: list[Loss]
) -> Iterator[Passage]:
    """Lines and links of all pages; what may be half of an address goes to `halves`."""
    repeated = _repeated([lines for lines, _ in pages])
    sections = Sections()
    row = 0
    before = ""
    for number, (lines, links) in enumerate(pages, 1):
        for link in links:
            yield Passage(link, f"page {number}", Role.LINK, sections.title)
        for at, line in _whole(lines):
            row += 1
            place = f"page {number}, line {at}"
            if line in repeated or re.fullmatch(
                r"(?:page\s*)?\d{1,4}(?:\s*(?:/|of)\s*\d{1,4})?", line, re.IGNORECASE
            ):
                yield Passage(line, place, Role.FOOTER, row=row)
                continue
            half = _ADDRESS_START.match(line) if _WORD_END.search(before) else None
            before = line
            if half is not None:
                halves.append(Loss(place, half[0][:120], _HALF))
                line = line[half.end() :]  # noqa: PLW2901 - the same line, without its beginning
            title = _NUMBERED.match(line)
            if title is not None and aside_of(title[1]) is not None and len(title[1].split()) < 6:
                sections.enter(2, title[1])
            elif sections.aside is not None and _ends_aside(line):
                sections.enter(2, line)
            label = label_of(line)
            role = sections.role(Role.LISTED if label else Role.PROSE)
            yield Passage(line, place, role, "", "", label, row)


def _ends_aside(line: str) -> bool:
    """A heading that leads back to indicators: a page has no mark for headings, so that only the clear ones count."""
    return (
        len(line) < 60
        and re.search(r"\b(?:indicators?|iocs?|appendix|annex)\b", line, re.IGNORECASE) is not None
    )


def _pages(content: bytes) -> tuple[list[tuple[list[str], list[str]]], list[Loss]]:
    """Lines and links of each page."""
    try:
        reader = pypdf.PdfReader(io.BytesIO(content), strict=False)
        encrypted = reader.is_encrypted and not reader.decrypt("")
        count = 0 if encrypted else len(reader.pages)
    except Exception as e:
        raise InputRefused(
            "The file cannot be read as a PDF. Is it whole? Try to save it again, or give its text.",
            detail=type(e).__name__,
        ) from e
    if encrypted:
        raise InputRefused(
            "The PDF is protected by a password. Save it without one, or give its text."
        )
    losses = []
    if count > MOST_PAGES:
        losses.append(
            Loss(
                f"page {MOST_PAGES + 1}",
                f"pages {MOST_PAGES + 1} to {count}",
                f"at most {MOST_PAGES} pages are read",
            )
        )
    pages: list[tuple[list[str], list[str]]] = []
    left = MOST_TEXT
    for number in range(1, min(count, MOST_PAGES) + 1):
        text, links, fault = _page(reader, number - 1)
        if len(text) > left:
            fault, text = f"at most {MOST_TEXT:,} characters are read", ""
        left -= len(text)
        if fault:
            losses.append(Loss(f"page {number}", "the page", fault))
        pages.append(([line.strip() for _, line in lines_of(text) if line.strip()], links))
    if count and not any(lines for lines, _ in pages):
        losses.append(
            Loss(
                "page 1",
                "all pages",
                "they hold no text; is it a scan? Text is not recognised in pictures",
            )
        )
    return pages, losses


def _page(reader: pypdf.PdfReader, at: int) -> tuple[str, list[str], str]:
    try:
        page = reader.pages[at]
        drawing = page.get_contents()
        if drawing is not None and len(drawing.get_data()) > MOST_DRAWING:
            return "", [], f"its drawing has more than {MOST_DRAWING:,} bytes"
        return page.extract_text(), _links(page), ""
    except Exception as e:  # noqa: BLE001 - as above: a page that pypdf cannot read is a loss
        return "", [], f"it cannot be read ({type(e).__name__})"


def _links(page: Any) -> list[str]:
    links = []
    for reference in list(page.get("/Annots") or ())[:MOST_LINKS]:
        annotation = reference.get_object()
        action = annotation.get("/A") if isinstance(annotation, DictionaryObject) else None
        action = action.get_object() if action is not None else None
        if isinstance(action, DictionaryObject) and (target := action.get("/URI")) is not None:
            links.append(str(target)[:2_000])
    return links


def _repeated(pages: Sequence[Sequence[str]]) -> frozenset[str]:
    """Lines that stand among the first or last three of more than half of the pages."""
    if len(pages) < 3:
        return frozenset()
    seen = Counter(line for lines in pages for line in {*lines[:3], *lines[-3:]})
    return frozenset(
        line for line, count in seen.items() if count > len(pages) / 2 and len(line) > 3
    )


def _whole(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Numbered lines, those joined that break a value."""
    widest = max((len(line) for line in lines), default=0)
    at = 0
    while at < len(lines):
        line, first = lines[at], at + 1
        while at + 1 < len(lines) and _goes_on(line, len(lines[at]), lines[at + 1], widest):
            at += 1
            folded = _FOLDED_END.search(line) is not None and not line.endswith("\\")
            line += (" " if folded else "") + lines[at]
        at += 1
        yield first, line


def _goes_on(line: str, width: int, following: str, widest: int) -> bool:
    if len(line) > 4_000:
        return False
    begun, rest = _HEX_END.search(line), _HEX_START.match(following)
    if begun is not None and rest is not None and len(begun[0]) + len(rest[0]) in _LENGTHS:
        whole_already = len(begun[0]) in _LENGTHS and (
            len(rest[0]) in _LENGTHS or rest[0] != following
        )
        if not whole_already:
            return True
    if _FOLDED_END.search(line) is not None and _FOLDED_START.match(following) is not None:
        return True
    if _NUMBER_END.search(line) is not None and _NUMBER_START.match(following) is not None:
        return True
    last = line[-500:].rpartition(" ")[2]
    if _BROKEN.search(last) and _HAS_DOT.search(last) and re.match(r"[\w\[(]", following):
        return True
    return (
        width >= 0.9 * widest
        and _URL_END.search(line) is not None
        and " " not in following
        and not re.fullmatch(r"[A-Z]?[a-z]+:?", following)
        and not re.match(r"(?:https?|hxxps?|ftp):?", following, re.IGNORECASE)
    )
