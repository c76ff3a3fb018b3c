"""Addresses of the web in running text, and what all that is spotted in a text is made of.

1. An address ends at a quotation mark, since most are around it. Where an address is all of what the author set apart, marks in
   it are its own; elsewhere what was cut off is told.
2. Every pattern is linear, as in `spotting`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.top_level_domains import TOP_LEVEL_DOMAINS
from cert_exchange.intake.values import FILE_EXTENSIONS, normalise, read, refang


@dataclass(frozen=True, slots=True)
class Spotted:
    """Something in a text that looks like a value."""

    kind: Kind
    raw: str
    start: int
    end: int
    value: str | None  # normalised; None where `fault` says why it is none
    defanged: bool = False
    fault: str = ""
    ambiguous: bool = False  # its ending is that of files too
    cut: str = ""  # all that stands there, where the value ends at a quotation mark before its end


DOT: Final = r"(?:\ ?[\[({]\ ?(?:\.|dot|punkt|point)\ ?[\])}]\ ?|\[\.|\.\]|\\\.|\.)"
AT: Final = r"(?:\ ?[\[({]\ ?(?:@|at)\ ?[\])}]\ ?|@)"
COLON: Final = r"(?:\[:\]|:)"
_LABEL: Final = r"[\w-]{1,63}+"
HOST: Final = rf"{_LABEL}(?:{DOT}{_LABEL}){{1,20}}+"
_SCHEME: Final = r"(?:h(?:tt|xx|\*\*|tx|xt|__)ps?|f[tx]ps?|sftp|tftp|wss?|tcp|udp|ldaps?|ircs?|smb|ssh|stratum\+[a-z]{3}|socks[45])"
FLAGS: Final = re.IGNORECASE | re.VERBOSE

URL: Final = re.compile(
    rf"(?<![\w+.-]){_SCHEME}\ ?(?:[\[({{]?:[\])}}]?[\[({{]?//[\])}}]?|[\[({{]://[\])}}]|:[\[({{]//[\])}}])\ ?"
    rf"(?:{_LABEL}{DOT})*+[^\s<>\"'`|\\^\u201c\u201d\u2018\u2019]++",
    FLAGS,
)
BARE_URL: Final = re.compile(
    rf"(?<![\w@.\\/%$&~-]){HOST}(?:{COLON}[0-9]{{1,5}})?/[^\s<>\"'`|\\^,;\u201c\u201d\u2018\u2019]*+",
    FLAGS,
)
_QUOTES: Final = "'\"\u201c\u201d\u2018\u2019"
_MARKS: Final = (*_QUOTES, "|")
_WHOLE: Final = re.compile(r"[^\s<>`\\]++")
_BEHIND_QUOTE: Final = re.compile(
    rf"[{_QUOTES}](?!s\b)(?=[\w/&=?%#+-])[^\s<>`|]{{1,300}}+", re.IGNORECASE
)
_TEMPLATE: Final = re.compile(r"[{}<>*]|\[(?:redacted|removed|\.\.\.)|\u2026|%s", re.IGNORECASE)
_OTHER_ROOTS: Final = frozenset({"onion", "bit", "i2p", "bazar"})
"""Endings of names that malware uses outside the DNS of IANA."""

_FAULTS: Final = {
    Kind.IPV4: "it is no address, and no network whose host bits are zero",
    Kind.URL: "it is no address as a whole",
    Kind.EMAIL: "it is no mail address",
}

TRAILING: Final = ".,;:!?'\"*_~\u2019\u201d"
_CLOSERS: Final = {")": "(", "]": "[", "}": "{"}


def whole_address(text: str) -> Spotted | None:
    """An address with quotation marks or bars in it that is the whole text."""
    plain = text.strip()
    if not any(mark in plain for mark in _MARKS) or _WHOLE.fullmatch(plain) is None:
        return None
    if "|" in plain and any(read(piece) is not None for piece in plain.split("|")[1:]):
        return None  # several values between bars
    start = len(text) - len(text.lstrip())
    for pattern, judge in ((URL, as_url), (BARE_URL, as_bare_url)):
        found = pattern.match(text, start)
        if found is None:
            continue
        first = judge(found, text)
        rest = text[found.end() :].strip().rstrip(_QUOTES + ".,;:")
        if first is None or first.value is None or not rest or "://" in refang(rest):
            return None  # several, each between its marks
        raw = text[start : found.end()].replace("\\.", ".") + rest
        return as_spotted(Kind.URL, raw, start, ambiguous=first.ambiguous)
    return None


def _cut(found: re.Match[str], text: str) -> str:
    """All of an address that a quotation mark cuts, where the mark is not one around it; else empty."""
    rest = _BEHIND_QUOTE.match(text, found.end())
    if rest is None or text[max(0, found.start() - 1) : found.start()] in {*_QUOTES}:
        return ""
    return found[0] + rest[0]


def trimmed(raw: str) -> str:
    """Without the punctuation of the sentence around it."""
    while raw:
        last = raw[-1]
        closes = last in _CLOSERS and raw.count(last) > raw.count(_CLOSERS[last])
        if not closes and last not in TRAILING:
            break
        raw = raw[:-1]
    return raw


def as_spotted(
    kind: Kind, raw: str, start: int, *, ambiguous: bool = False, fault: str = ""
) -> Spotted:
    """A value as it stands, normalised, or why it is none."""
    value = None if fault else normalise(kind, raw)
    return Spotted(
        kind=kind,
        raw=raw,
        start=start,
        end=start + len(raw),
        value=value,
        defanged=refang(raw) != raw or "\\." in raw,
        fault=fault or ("" if value is not None else _FAULTS.get(kind, "it cannot be read as one")),
        ambiguous=ambiguous,
    )


def _raw(found: re.Match[str], text: str) -> str:
    """An address without the punctuation around it; the "?" of one that is alone on its line is its own."""
    alone = is_alone(text, found.start(), found.end())
    return found[0].rstrip(".,;:'\"*_") if alone else trimmed(found[0])


def as_url(found: re.Match[str], text: str) -> Spotted | None:
    """An address with a scheme; a match of `URL`."""
    raw = _raw(found, text)
    after = text[found.end() : found.end() + 40]
    hole = _TEMPLATE.search(refang(raw)) or re.match(r"<[\w ]{1,30}>", after)
    fault = "it has a hole in it: a template, no single address" if hole else ""
    spotted = as_spotted(Kind.URL, raw.replace("\\.", "."), found.start(), fault=fault)
    return replace(spotted, cut=_cut(found, text))


def as_bare_url(found: re.Match[str], text: str) -> Spotted | None:
    """An address without a scheme, a match of `BARE_URL`; None where it is something else."""
    raw = _raw(found, text)
    host = refang(raw).replace("\\.", ".").partition("/")[0].partition(":")[0]
    path = raw.partition("/")[2]
    if (path.isdigit() and len(path) < 3) or not path:
        return None  # a network, or a name with a slash behind it
    if normalise(Kind.IPV4, host) is None and not is_listed(host):
        return None
    if host.rpartition(".")[2].lower() in FILE_EXTENSIONS and "[" not in raw.partition("/")[0]:
        return None  # program.py/part
    fault = "it has a hole in it: a template, no single address" if _TEMPLATE.search(path) else ""
    spotted = as_spotted(Kind.URL, raw, found.start(), ambiguous=True, fault=fault)
    return replace(spotted, cut=_cut(found, text))


def is_listed(name: str) -> bool:
    """Whether a name ends in a top-level domain that there is."""
    ending = name.rstrip(".").rpartition(".")[2].lower()
    if not ending.isascii():
        value = normalise(Kind.DOMAIN, name)
        return value is not None and value.rpartition(".")[2] in TOP_LEVEL_DOMAINS
    return ending in TOP_LEVEL_DOMAINS or ending in _OTHER_ROOTS


def is_alone(text: str, start: int, end: int) -> bool:
    """Whether nothing but bullets and marks stands beside a part of a text."""
    return not text[:start].strip(" -*+\u2022\t\u2018\u2019'\"`") and not text[end:].strip(
        TRAILING + " `"
    )
