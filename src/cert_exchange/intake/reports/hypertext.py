"""HTML as passages: what a person reads of a page, without scripts, styles, menus and footers.

1. The page is never drawn, run or fetched: tags are cut out with one pass forward, so that its cost is its length.
2. Text inside `<a>` is the text of a link, and where it is a live address it is the LINK itself. `<code>`, `<pre>` and
   cells are LISTED. `nav`, `header`, `footer` and `aside` are FOOTER, and what its own tag hides is HIDDEN: nobody
   who looks at the page sees it, so that it must not become an indicator.
3. `<br>` and every tag of a block end a line. `<wbr>` and invisible characters inside a value do not.
4. What a tag never closed is read as if it were closed at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Final

from cert_exchange.intake.reports.markdown import PROGRAMMING
from cert_exchange.intake.reports.passages import (
    LONGEST_LINE,
    Passage,
    Role,
    Sections,
    indicates,
    label_of,
    lines_of,
    one_line,
)
from cert_exchange.intake.reports.written_rules import gathered, with_rules

LONGEST_TAG: Final = 20_000
DEEPEST: Final = 1_000

_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]{0,40}+)")
_HREF: Final = re.compile(
    r"\bhref\s*=\s*(?:\"([^\"]{0,4000})\"|'([^']{0,4000})'|([^\s>\"']{1,4000}))", re.IGNORECASE
)
_LANGUAGE: Final = re.compile(r"\b(?:language|lang|brush)[-:\s]{1,2}([\w#+]{1,20})", re.IGNORECASE)
_SKIPPED: Final = frozenset(
    {
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "math",
        "iframe",
        "object",
        "select",
        "textarea",
    }
)
_ASIDE: Final = frozenset({"nav", "footer", "aside", "form", "header"})
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_CODE: Final = frozenset({"code", "pre", "samp", "kbd", "tt", "listing", "xmp"})
_BLOCKS: Final = (
    frozenset(
        """
    address article blockquote body br caption center dd div dl dt fieldset figcaption figure
    head hr html legend li main ol p pre section summary details table tbody tfoot thead title
    tr td th ul option
    """.split()  # noqa: SIM905 - a list of words reads better without quotes
    )
    | _HEADINGS.keys()
    | _ASIDE
)
_VOID: Final = frozenset(
    "br hr img input link meta wbr base col source area embed param track".split()  # noqa: SIM905 - a list of words reads better without quotes
)
_HIDES: Final = re.compile(
    r"(?:^|\s)hidden(?=[\s=/]|$)|display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0",
    re.IGNORECASE,
)
_UNREAD: Final = frozenset({Role.FOOTER, Role.HIDDEN})
_LIVE: Final = re.compile(r"\s*(?:https?|ftp)://\S+\s*\Z", re.IGNORECASE)


@dataclass(slots=True)
class _Page:
    """Where in a page the reader stands."""

    sections: Sections = field(default_factory=Sections)
    pieces: list[tuple[str, Role]] = field(default_factory=list)
    code: int = 0
    program: int = 0
    aside: int = 0
    hidden: tuple[str, int] = ("", 0)  # the tag that hides, and how many of its name are open
    link: bool = False
    heading: int = 0
    cell: bool = False
    row: list[tuple[str, Role, int]] = field(default_factory=list)  # part, role, number of its cell
    heads: list[str] = field(default_factory=list)
    head_cells: int = 0
    at_cell: int = 0
    number: int = 0  # of the row or line, for what stands together

    @property
    def role(self) -> Role:
        """What text that stands here is."""
        if self.hidden[1]:
            return Role.HIDDEN
        if self.aside:
            return Role.FOOTER
        if self.program:
            return Role.PROGRAM
        if self.code or self.cell:
            return Role.LISTED
        return Role.PROSE


def read_hypertext(text: str) -> Iterator[Passage]:
    """The passages of a page in HTML."""
    yield from with_rules(_read(text))


def _read(text: str) -> Iterator[Passage]:
    page = _Page()
    line = 1
    for tag, closing, attributes, words, line in _pieces(text):
        if words:
            _say(page, words)
            continue
        ends = tag in _BLOCKS
        if ends and page.code and tag == "br":
            page.pieces.append(("\n", page.role))
            continue
        if ends:
            yield from _flush(page, line)
        yield from _turn(page, tag, attributes, line, closing=closing)
    yield from _flush(page, line)
    yield from _row_done(page, line)


def _pieces(text: str) -> Iterator[tuple[str, bool, str, str, int]]:
    """Tags and the text between: tag, whether it closes, its attributes, words, the line it stands on."""
    at, line, length = 0, 1, len(text)
    close = -1  # the next ">"; looked for once, however many "<" stand before it
    while at < length:
        begin = text.find("<", at)
        begin = length if begin < 0 else begin
        if begin > at:
            yield "", False, "", text[at:begin], line
            line += text.count("\n", at, begin)
            at = begin
            continue
        if text.startswith("<!--", at):
            end = text.find("-->", at)
            end = length if end < 0 else end + 3
            line += text.count("\n", at, end)
            at = end
            continue
        if close < at:
            close = text.find(">", at)
            close = length if close < 0 else close
        found = _TAG.match(text, at) if close < min(length, at + LONGEST_TAG) else None
        if found is None:
            declared = text.startswith(("<!", "<?"), at)
            if not declared:
                yield "", False, "", "<", line
            at = close + 1 if declared and close < at + LONGEST_TAG else at + 1
            continue
        name, attributes = found[2].lower(), text[found.end() : close]
        end = close + 1
        if name in _SKIPPED and not found[1] and not attributes.endswith("/"):
            end = _after(text, name, end)
        else:
            yield name, bool(found[1]), attributes, "", line
        line += text.count("\n", at, end)
        at = end


def _after(text: str, name: str, start: int) -> int:
    """Where an element ends whose content is not read."""
    closing = re.compile(rf"</{name}\s*>", re.IGNORECASE)
    found = closing.search(text, start)
    return len(text) if found is None else found.end()


def _say(page: _Page, words: str) -> None:
    plain = unescape(words)
    if not page.code:
        plain = re.sub(r"\s+", " ", plain)
    role = page.role
    if page.link and role not in _UNREAD and _LIVE.match(plain):
        role = Role.LINK
    page.pieces.append((plain, role))


def _turn(page: _Page, tag: str, attributes: str, line: int, *, closing: bool) -> Iterator[Passage]:
    """What a tag changes."""
    step = -1 if closing else 1
    by, depth = page.hidden
    if depth and tag == by:
        page.hidden = (by, depth + step)
    elif not depth and not closing and tag not in _VOID and _HIDES.search(attributes):
        page.hidden = (tag, 1)
    if tag in _CODE:
        page.code = max(0, min(DEEPEST, page.code + step))
        if closing:
            page.program = min(page.program, page.code)
        elif (found := _LANGUAGE.search(attributes)) and found[1].lower() in PROGRAMMING:
            page.program = page.code
    elif tag in _ASIDE and not (tag == "header" and page.heading):
        page.aside = max(0, min(DEEPEST, page.aside + step))
    elif tag in _HEADINGS:
        page.heading = 0 if closing else _HEADINGS[tag]
    elif tag == "a":
        page.link = not closing
        found = None if closing else _HREF.search(attributes)
        if found is not None:
            target = unescape(found[1] or found[2] or found[3] or "").strip()
            if ":" in target[:12]:
                role = page.role if page.role in _UNREAD else page.sections.role(Role.LINK)
                yield Passage(target[:LONGEST_LINE], f"line {line}", role, page.sections.titles)
    elif tag in {"td", "th"}:
        page.cell = not closing
        if not closing:
            page.at_cell += 1
            page.head_cells += tag == "th"
    elif tag == "tr":
        yield from _row_done(page, line)
    elif tag == "table":
        page.cell = False
        page.heads = []


def _flush(page: _Page, line: int) -> Iterator[Passage]:
    """The text of a block that ends."""
    pieces, page.pieces = page.pieces, []
    whole = "".join(piece for piece, _ in pieces)
    if not whole.strip():
        return
    if page.cell:
        page.row.extend((words, role, page.at_cell) for words, role in _joined(pieces))
        return
    page.number += 1
    if page.heading:
        page.sections.enter(page.heading, one_line(whole, 200))
    context = one_line(whole, 500)
    label = label_of(whole.strip())
    for words, role in _joined(pieces):
        for _, part, is_rule, _ in gathered(lines_of(words), indented="\n" in words):
            if part.strip():
                if role in {Role.LISTED, Role.PROGRAM}:
                    page.number += 1
                meant = Role.LISTED if label and role is Role.PROSE else role
                meant = Role.RULE if is_rule and "\n" in words else meant
                if page.heading and role is not Role.LINK:
                    meant = Role.HEADING
                kept = role if role in _UNREAD else page.sections.role(meant)
                around = context if part.strip() != whole.strip() and "\n" not in whole else ""
                yield Passage(
                    part.strip(),
                    f"line {line}",
                    kept,
                    page.sections.titles,
                    around,
                    label,
                    page.number,
                )


def _joined(pieces: list[tuple[str, Role]]) -> Iterator[tuple[str, Role]]:
    """Neighbours of one role as one text."""
    text, last = "", None
    for words, role in pieces:
        if last is not None and role is not last and words.strip():
            yield text, last
            text = ""
        if words.strip() or last is None:
            last = role
        text += words
    if last is not None:
        yield text, last


def _row_done(page: _Page, line: int) -> Iterator[Passage]:
    """A row of a table that ends."""
    row, page.row = page.row, []
    heads, cells = page.head_cells, page.at_cell
    page.head_cells = page.at_cell = 0
    if not row:
        return
    page.number += 1
    context = one_line(" | ".join(words for words, _, _ in row), 500)
    if heads == cells:
        page.heads = [one_line(words, 100).lower() for words, _, _ in row]
    for words, role, at in row:
        column = page.heads[at - 1] if 0 < at <= len(page.heads) else ""
        kept = Role.LISTED if role is Role.LINK and indicates(column) else role
        kept = kept if kept in _UNREAD else page.sections.role(kept)
        for _, part in lines_of(words):
            if part.strip():
                yield Passage(
                    part.strip(),
                    f"line {line}",
                    kept,
                    page.sections.titles,
                    context,
                    column,
                    page.number,
                )
