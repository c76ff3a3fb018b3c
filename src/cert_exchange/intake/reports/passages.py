"""The pieces that a report is cut into, whatever its format: what each says, where it stands, and what part it plays.

1. A reader of a format (`markdown`, `asciidoc`, `hypertext`, `pdf`) knows the format and nothing about indicators. It hands
   on passages; `choosing` alone decides what in them is an indicator.
2. The part that a passage plays is what makes the difference: the same name is an indicator in a list, the name of an
   organisation in a sentence, and a reference in a link.
3. A section on references or about the authors ends where a heading of its own level or above begins.
4. Lines are bounded (`LONGEST_LINE`); a longer one is cut where it has a blank. Long runs of blanks are made short, so that no
   pattern can be made to walk them again and again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from cert_exchange.intake.spoken_words import speaks_of_authors, speaks_of_sources

LONGEST_LINE: Final = 20_000
LONGEST_CONTEXT: Final = 500
MOST_HEADING: Final = 200


class Role(StrEnum):
    """What part a passage plays in its report."""

    PROSE = "prose"  # a sentence, a line of plain text
    HEADING = "heading"
    LISTED = "listed"  # set apart by the author: a cell of a table, code in a sentence, a block without a language
    PROGRAM = "program"  # source code that is quoted
    RULE = "rule"  # a whole YARA or Sigma rule
    LINK = "link"  # where a link leads
    REFERENCE = "reference"  # a list of sources
    HIDDEN = "hidden"  # on a page, and not to be seen there
    FOOTER = "footer"  # who wrote it, how to reach them, what the law says


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of a report."""

    text: str
    place: str  # "line 12", "page 3, line 4"
    role: Role
    heading: str = ""  # that of the section it stands in
    context: str = ""  # the line or row around it, where that is more than the text
    column: str = ""  # what the head of its column says, in lower case
    row: int = 0
    """Passages of one row or line have one number."""


_REFERENCES: Final = re.compile(
    r"\b(?:references|referenced reporting|sources|bibliography|further reading|see also|footnotes|citations|related links"
    r"|additional (?:\w+ )?resources|read more|related posts|related articles|external links)\W*\Z",
    re.IGNORECASE,
)
_FOOTER: Final = re.compile(
    r"\A\W*(?:about (?:us|the authors?|[\w. -]{1,40})|contacts?(?: us| information)?|connect with us|how to reach us|authors?"
    r"|acknowledge?ments?|credits|disclaimer|legal(?: notice)?|licen[cs]e|imprint|copyright|table of contents|contents"
    r"|change ?log|feedback|share this|follow us|subscribe|newsletter)\b.{0,40}\Z",
    re.IGNORECASE,
)
_BLANKS: Final = re.compile(r"\s{9,}+")
_INDICATING: Final = re.compile(
    r"\b(?:iocs?|indicators?|urls?|domains?|hosts?|hostnames?|ips?|addresses|c2|c&c|cnc|servers?|values?|hash(?:es)?|md5|sha-?1|sha-?256)\b",
    re.IGNORECASE,
)
_REFERRING: Final = re.compile(
    r"\b(?:links?|references?|sources?|reports?|more info(?:rmation)?|publishers?|analysis|blog(?: ?posts?)?|details)\b",
    re.IGNORECASE,
)
_WORDS: Final = (
    r"[\w\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u0670\u0900-\u0eff &/().#\u2019'-]"
)
"""Letters of all scripts with their marks, which `\\w` leaves out."""
_LINE_LABEL: Final = re.compile(
    rf"[\s>*+\u2022-]*+([^\W\d_]{_WORDS}{{0,39}})(?<=[^\s*_])[*_ ]{{0,3}}(?::[*_]{{0,2}}\s|[*_]{{0,2}}\uff1a)"
)
_INNER_LABEL: Final = re.compile(rf"([^\W\d_]{_WORDS}{{1,39}})\s{{0,2}}(?::(?=\s)|\uff1a)")
_MID_LABEL: Final = re.compile(r"(?<=[.;!?)] )([A-Z][\w &/()#-]{0,38}[\w)]): ")
_INVISIBLE: Final = dict.fromkeys(
    map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff")
)  # soft hyphen, zero width, byte order mark


def aside_of(title: str) -> Role | None:
    """Whether a section with this heading is none that names indicators: REFERENCE, FOOTER, or None."""
    if len(title) > MOST_HEADING:
        return None
    if _REFERENCES.search(title) or speaks_of_sources(title):
        return Role.REFERENCE
    return Role.FOOTER if _FOOTER.match(title) or speaks_of_authors(title) else None


def indicates(column: str) -> bool:
    """Whether the head of a column says that what stands below it are indicators."""
    return _INDICATING.search(column) is not None and _REFERRING.search(column) is None


def label_of(line: str) -> str:
    """What a line says before a colon that it lists, in lower case, such as "c2 servers"; empty where it says nothing of the kind."""
    found = _LINE_LABEL.match(line)
    return found[1].lower() if found is not None and indicates(found[1]) else ""


def beginning_of(line: str) -> str:
    """What a line says before a colon and a blank, whatever it is; empty where it says nothing so."""
    found = _LINE_LABEL.match(line)
    return found[1] if found is not None else ""


def label_before(text: str, at: int) -> str:
    """The last words before a place of a line that end in a colon; empty where there are none near."""
    labels = _INNER_LABEL.findall(text[max(0, at - 200) : at])
    return labels[-1] if labels else ""


def split_at_label(passage: Passage) -> tuple[Passage, ...]:
    """A sentence that ends in a list (`... was seen. C2 servers: a, b`) as two passages; else the passage as it is."""
    if passage.role is not Role.PROSE:
        return (passage,)
    for found in _MID_LABEL.finditer(passage.text):
        if indicates(found[1]):
            context = passage.context or passage.text
            return (
                replace(passage, text=passage.text[: found.start()], context=context),
                replace(
                    passage,
                    text=passage.text[found.end() :],
                    role=Role.LISTED,
                    context=context,
                    column=found[1].lower(),
                ),
            )
    return (passage,)


class Sections:
    """Where in its outline a reader stands."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str, Role | None]] = []

    def enter(self, level: int, title: str) -> None:
        """A heading: it closes those of its level and below."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        title = title.strip()[:MOST_HEADING]
        aside = self.aside or aside_of(title)
        self._open.append((level, title, aside))

    @property
    def title(self) -> str:
        """The nearest heading."""
        return self._open[-1][1] if self._open else ""

    @property
    def titles(self) -> str:
        """The two nearest headings."""
        return " / ".join(title for _, title, _ in self._open[-2:] if title)

    @property
    def aside(self) -> Role | None:
        """REFERENCE or FOOTER inside such a section."""
        return self._open[-1][2] if self._open else None

    def role(self, role: Role) -> Role:
        """A role, or that of the section where it speaks of no indicators."""
        return self.aside or role


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines without invisible characters, the long ones cut."""
    number = 0
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.translate(_INVISIBLE) if not line.isascii() else line
        plain = _BLANKS.sub("        ", plain)
        if len(plain) <= LONGEST_LINE:
            yield number, plain.rstrip()
            continue
        start = 0
        while start < len(plain):
            end = start + LONGEST_LINE
            if end < len(plain):
                blank = plain.rfind(" ", start + LONGEST_LINE // 2, end)
                end = blank + 1 if blank > 0 else end
            yield number, plain[start:end].rstrip()
            start = end


def one_line(text: str, longest: int) -> str:
    """A text as one line, and cut."""
    return " ".join(text[: longest * 2].split())[:longest]
