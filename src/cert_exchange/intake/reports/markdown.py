"""Markdown and plain text as passages.

1. A block between fences is LISTED, or PROGRAM where its language is one of programming, or a RULE (YARA, Sigma).
   A whole rule, and what begins like one of Snort, is a RULE in a block or not (`written_rules`).
2. A cell of a table is LISTED; a live address in it is a LINK unless the head of its column speaks of indicators.
3. A line that is only bold, or ends in a colon and names a kind, is a heading below all others.
4. A line `-- ` begins the signature (RFC 3676), in Markdown only with its blank; near the end a farewell does.
5. Plain text is Markdown in which nothing can be clicked: its live addresses stay in their line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from cert_exchange.intake.reports.inline import markdown_parts, plain
from cert_exchange.intake.reports.passages import (
    Passage,
    Role,
    Sections,
    indicates,
    label_of,
    lines_of,
    one_line,
)
from cert_exchange.intake.reports.written_rules import Line, gathered

PROGRAMMING: Final = frozenset(
    """
    js javascript ts typescript jsx tsx html xml svg css scss python py python3 c h cpp c++ cc
    cs csharp c# java kotlin go golang rust rs php ruby rb perl pl lua sql swift objc
    objective-c asm nasm x86asm diff patch vb vba vbs vbscript vbnet jsx scala r dockerfile
    makefile cmake graphql proto regex mermaid
    """.split()  # noqa: SIM905 - a list of words reads better without quotes
)
MOST_SIGNATURE: Final = 15
"""So many lines from the end a farewell may stand."""

_FAREWELL: Final = re.compile(
    r"\s*+(?:(?:with )?(?:kind|best|warm)(?:est)? (?:regards|wishes)|regards|sincerely(?: yours)?|yours (?:sincerely|faithfully|truly)"
    r"|cheers|mit freundlichen gr(?:ü|ue)(?:ß|ss)en|viele gr(?:ü|ue)(?:ß|ss)e|cordialement|bien à vous|saludos(?: cordiales)?"
    r"|cordiali saluti|met vriendelijke groet(?:en)?|com os melhores cumprimentos|atenciosamente|atentamente|sayg\u0131lar\u0131m(?:\u0131z)?la"
    r"|\u6b64\u81f4|\u656c\u5177|\uac10\uc0ac\ud569\ub2c8\ub2e4|\u0645\u0639 \u0627\u0644\u062a\u062d\u064a\u0629|\u0628\u0627 \u0627\u062d\u062a\u0631\u0627\u0645|\u05d1\u05d1\u05e8\u05db\u05d4|\u0441 уважением|з повагою|z poważaniem)[,.!\uff0c\u3002]?\s*+",
    re.IGNORECASE,
)
_RULES: Final = frozenset({"yara", "yar", "sigma"})
_FENCE: Final = re.compile(r"\s{0,12}(`{3,}|~{3,})\s*([\w#+.-]*)")
_HEADING: Final = re.compile(r"\s{0,3}(#{1,6})\s*(?=[^\s#])(.*)")
_SETEXT: Final = re.compile(r"\s{0,3}(=+|-{2,})\s*\Z")
_DELIMITERS: Final = re.compile(r"(?=[^-]*+-)(?=[^|]*+\|)[\s|:-]++\Z")
_BOLD: Final = re.compile(r"\s*+(?:[-*]\s++)?(?:\*\*|__)([^*_]{1,100})(?:\*\*|__)\s*+:?\s*+\Z")
_LABEL: Final = re.compile(r"\s*+([^\W\d_][^\n:\uff1a|.;\"<>\[\]]{1,60})[:\uff1a]\s*+\Z")
_DEFINITION: Final = re.compile(r"\s{0,3}\[\^?[^\]]{1,60}\]:\s*(\S.*)")
_RULE_BEGINS: Final = re.compile(
    r"\s*(?:(?:private|global)\s+)*rule\s+\w+\s*(?::[\w\s]*)?\{?|\s*import\s+\"\w+\""
)
_CELL: Final = re.compile(r"((?:`[^`|]*+`|\\.|[^|`\\]|`)*+)(?:\||\Z)")


@dataclass(slots=True)
class _Table:
    head: tuple[str, ...] = ()


@dataclass(slots=True)
class _Block:
    """What stands between two fences."""

    mark: str
    role: Role
    begun: int
    lines: list[Line] = field(default_factory=list)


def read_markdown(text: str) -> Iterator[Passage]:
    """The passages of a text in Markdown."""
    yield from _read(text, clickable=True)


def read_plain(text: str) -> Iterator[Passage]:
    """The passages of a text without markup."""
    yield from _read(text, clickable=False)


def _read(text: str, *, clickable: bool) -> Iterator[Passage]:
    lines = list(gathered(lines_of(text), bounds=lambda line: _FENCE.match(line) is not None))
    begins_signature = {at for at, line in enumerate(text.splitlines(), 1) if line == "-- "}
    sections = Sections()
    table: _Table | None = None
    block: _Block | None = None
    signature = False
    for at, read in enumerate(lines):
        number, line, is_rule, _ = read
        place = f"line {number}"
        following = lines[at + 1].text if at + 1 < len(lines) else ""
        if block is not None:
            fence = _FENCE.match(line)
            if fence is not None and fence[1].startswith(block.mark) and not fence[2]:
                yield from _closed(block, sections)
                block = None
            else:
                block.lines.append(read)
            continue
        if not line.strip():
            table = None
            continue
        if (
            number in begins_signature
            or (line == "--" and not clickable)
            or (len(lines) - at <= MOST_SIGNATURE and _FAREWELL.fullmatch(line))
        ):
            signature = True
        if signature:
            yield Passage(line, place, Role.FOOTER, row=number)
            continue
        if is_rule:  # before its bars are taken for cells and its stars for emphasis
            yield Passage(
                line.strip(), place, sections.role(Role.RULE), sections.titles, row=number
            )
            continue
        fence = _FENCE.match(line)
        if fence is not None:
            block = _Block(fence[1][:3], _role_of(fence[2], following), number)
            continue
        heading = _heading(line, following, clickable=clickable)
        if heading is not None:
            level, title = heading
            shown = plain(title)
            sections.enter(level, shown)
            parts = markdown_parts(title) if clickable else ((title, Role.PROSE),)
            for part, role in parts:
                kept = role if role is Role.LINK else Role.HEADING
                yield Passage(part, place, sections.role(kept), sections.title, "", row=number)
            continue
        if _SETEXT.match(line) and not line.strip("= -"):
            continue
        if "|" in line and (
            table is not None or line.lstrip().startswith("|") or _DELIMITERS.match(following)
        ):
            if _DELIMITERS.match(line):
                table = table or _Table()
                continue
            cells = _cells(line)
            if table is None:
                table = _Table(
                    tuple(plain(cell).strip().lower() for cell in cells)
                    if _DELIMITERS.match(following)
                    else ()
                )
            yield from _row(cells, table, sections, place, number)
            continue
        table = None
        yield from _sentence(line, sections, place, number, clickable=clickable)
    if block is not None:  # never closed: the rest of the text
        yield from _closed(block, sections)


def _heading(line: str, following: str, *, clickable: bool) -> tuple[int, str] | None:
    found = _HEADING.match(line)
    if found is not None:
        return len(found[1]), found[2].rstrip("# ")
    underlined = following.strip() if _SETEXT.match(following) else ""
    least = (
        1 if clickable else max(4, len(line.strip()) // 2)
    )  # `--` begins a signature in plain text
    if (
        len(underlined) >= least
        and len(line) <= 120
        and "|" not in line
        and not _SETEXT.match(line)
    ):
        return (1 if "=" in following else 2), line.strip()
    bold = _BOLD.match(line) or _LABEL.match(line)
    return (7, bold[1]) if bold is not None else None


def _role_of(language: str, first: str) -> Role:
    language = language.lower()
    if language in _RULES or (_RULE_BEGINS.match(first) and language not in PROGRAMMING):
        return Role.RULE
    return Role.PROGRAM if language in PROGRAMMING else Role.LISTED


def _closed(block: _Block, sections: Sections) -> Iterator[Passage]:
    role = sections.role(block.role)
    if role is Role.RULE:
        text = "\n".join(line for read in block.lines for line in read.raw)
        yield Passage(text, f"line {block.begun + 1}", role, sections.titles)
        return
    for number, line, is_rule, _ in block.lines:
        if line.strip():
            kept = sections.role(Role.RULE) if is_rule else role
            yield Passage(line.strip(), f"line {number}", kept, sections.titles, row=number)


def _cells(line: str) -> list[str]:
    line = line.strip().removeprefix("|")
    cells = (found for found in _CELL.finditer(line.removesuffix("|")) if found[0] or found[1])
    return [found[1].strip().replace("\\|", "|") for found in cells]


def _row(
    cells: Sequence[str], table: _Table, sections: Sections, place: str, number: int
) -> Iterator[Passage]:
    context = one_line(" | ".join(cells), 500)
    for at, cell in enumerate(cells):
        column = table.head[at] if at < len(table.head) else ""
        for part, role in markdown_parts(cell):
            meant = role is Role.PROSE or (role is Role.LINK and part in cell and indicates(column))
            kept = sections.role(Role.LISTED if meant else role)
            yield Passage(part, place, kept, sections.titles, context, column, number)


def _sentence(
    line: str, sections: Sections, place: str, number: int, *, clickable: bool
) -> Iterator[Passage]:
    definition = _DEFINITION.match(line) if clickable else None
    if definition is not None:
        yield Passage(definition[1], place, Role.REFERENCE, sections.titles, row=number)
        return
    label = label_of(line)
    if not clickable:
        role = sections.role(Role.LISTED if label else Role.PROSE)
        yield Passage(line.strip(), place, role, sections.titles, "", label, number)
        return
    context = one_line(line, 500)
    for part, role in markdown_parts(line):
        meant = label and (role is Role.PROSE or (role is Role.LINK and f"({part}" not in line))
        kept = sections.role(Role.LISTED if meant else role)
        yield Passage(part.strip(), place, kept, sections.titles, context, label, number)
