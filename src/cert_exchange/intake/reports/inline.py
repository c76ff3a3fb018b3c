"""What stands inside one line of Markdown or AsciiDoc: code, links, tags and the text between.

1. What a reader of the report could click is a link: a live address in a sentence too. It becomes a passage of its own.
2. The text of a link stays text, its target becomes a LINK.
3. Code in a sentence is LISTED: the author set it apart.
4. Every pattern is linear, on lines of at most `passages.LONGEST_LINE` characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

from cert_exchange.intake.reports.passages import Role

_TAG: Final = re.compile(
    r"</?(?:a|b|br|code|div|em|i|img|kbd|li|ol|p|pre|s|small|span|strong|sub|sup|table|tbody|td|th|thead|tr|u|ul|center|font"
    r"|details|summary|hr|h[1-6])(?:\s[^<>]{0,1000})?/?>",
    re.IGNORECASE,
)
_COMMENT: Final = re.compile(r"<!--(?:[^-<]|-(?!->)|<(?!!--))*+-->")
_BRACKETED: Final = r"[^\[\]]*+(?:\[[^\[\]]*+\][^\[\]]*+)*+"
_DEFANGING: Final = r"\[(?:\.|dot|:|/|://)\]"
_LIVE: Final = rf"(?:https?|ftp)://[^\s<>\"`|\\^\[\]]*+(?!{_DEFANGING})"

_MARKDOWN: Final = re.compile(
    rf"""
    (?P<code>``[^`]++``|`[^`]++`)
    | !\[(?P<image>{_BRACKETED})\]\((?P<picture>[^()]*+)\)
    | \[(?P<text>{_BRACKETED})\]\(\s*+(?P<target><[^<>]*+>|[^()]*+(?:\([^()]*+\)[^()]*+)*+)\)
    | \[(?P<named>{_BRACKETED})\]\[[^\[\]]*+\]
    | <(?P<auto>[a-zA-Z][a-zA-Z0-9+.-]{{1,31}}:[^\s<>]*+|[^\s<>@]{{1,64}}@[^\s<>]*+)>
    | (?P<live>(?<![\w'"/=]){_LIVE})
    """,
    re.VERBOSE,
)
_ASCIIDOC: Final = re.compile(
    rf"""
    (?P<code>`\+{{0,2}}[^`]++`|\+\+[^+]++\+\+|(?<!\w)\+[^+\s][^+]*+\+(?!\w))
    | (?P<image>image::?)(?P<picture>[^\s\[]*+)\[[^\]]*+\]
    | (?:link:)?(?P<target>(?<![\w/.])(?:https?|ftp|mailto)://?[^\s<>"`|\\^\[\]]*+|(?<=link:)[^\s\[]++)(?!{_DEFANGING})\[(?P<text>{_BRACKETED})\]
    | (?P<auto>(?!))
    | (?P<named>(?!))
    | (?<!\\)(?P<live>(?<![\w'"/=]){_LIVE})
    """,
    re.VERBOSE,
)
_EMPHASIS: Final = re.compile(
    r"(?<![\w*])\*{1,3}(?=[^\s.\[])|(?<=\S)\*{1,3}(?![\w*])|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)"
)
_ESCAPED: Final = re.compile(r"\\([\[\](){}.:_*/#+!@|-])")
_ESCAPED_LINK: Final = re.compile(r"\\(?=(?:https?|ftp|hxxps?)://)")


def markdown_parts(line: str) -> Iterator[tuple[str, Role]]:
    """The parts of a line of Markdown, in their order."""
    yield from _parts(line, _MARKDOWN)


def asciidoc_parts(line: str) -> Iterator[tuple[str, Role]]:
    """The parts of a line of AsciiDoc, in their order."""
    yield from _parts(line, _ASCIIDOC)


def plain(line: str) -> str:
    """A line as a person reads it: without tags and emphasis; addresses of links are left away."""
    return " ".join(text for text, role in _parts(line, _MARKDOWN) if role is not Role.LINK)


def _parts(line: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, Role]]:
    if "<" in line:
        line = _TAG.sub(" ", _COMMENT.sub(" ", line))
    sentence: list[str] = []
    at = 0
    aside: list[tuple[str, Role]] = []
    for found in pattern.finditer(line):
        sentence.append(line[at : found.start()])
        at = found.end()
        code, text, named = found["code"], found["text"], found["named"]
        if code is not None:
            aside.append((_uncoded(code), Role.LISTED))
            sentence.append(" ")
        elif text is not None:
            target = found["target"].strip().strip("<>").partition(" ")[0]
            aside.append((target, Role.LINK))
            inner = text.strip()
            if inner.startswith("`"):
                aside.append((_uncoded(inner), Role.PROSE))
            else:
                sentence.append(inner)
        elif named is not None:
            sentence.append(named)
        elif found["image"] is None:
            aside.append((_trimmed(found["auto"] or found["live"]), Role.LINK))
            sentence.append(" ")
    sentence.append(line[at:])
    words = "".join(sentence)
    if "&" in words:
        words = unescape(words)
    words = _ESCAPED_LINK.sub("", words)
    words = _ESCAPED.sub(r"\1", _EMPHASIS.sub("", words))
    if words.strip():
        yield words, Role.PROSE
    yield from aside


def _uncoded(code: str) -> str:
    inner = code.strip("`").strip()
    for mark in ("++", "+"):
        if inner.startswith(mark) and inner.endswith(mark) and len(inner) > 2 * len(mark):
            inner = inner[len(mark) : -len(mark)]
            break
    return _ESCAPED_LINK.sub("", inner)


def _trimmed(address: str) -> str:
    address = address.rstrip(".,;:!?'\"*_")
    return address[:-1] if address.endswith(")") and "(" not in address else address
