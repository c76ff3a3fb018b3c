"""Values in running text: where they stand, how they are written, and what they are.

1. Every pattern is linear: runs are possessive, and a match may only begin where no such run goes on.
2. A character belongs to one value: what an earlier kind took (a URL) is not looked at by a later one (a domain in it).
3. `defanged` says whether the author made the value unclickable; that is the surest sign that it is meant.
4. An address ends at a quotation mark, since most are around it. Where an address is all of what the author set apart, marks in it
   are its own; elsewhere what was cut off is told.
5. What looks like a value and is none (a hash of 63 digits, an address with a hole in it) is handed on with its fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.top_level_domains import TOP_LEVEL_DOMAINS
from cert_exchange.intake.values import FILE_EXTENSIONS, normalise, refang


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


_DOT: Final = r"(?:\ ?[\[({]\ ?(?:\.|dot|punkt|point)\ ?[\])}]\ ?|\[\.|\.\]|\\\.|\.)"
_AT: Final = r"(?:\ ?[\[({]\ ?(?:@|at)\ ?[\])}]\ ?|@)"
_COLON: Final = r"(?:\[:\]|:)"
_LABEL: Final = r"[\w-]{1,63}+"
_HOST: Final = rf"{_LABEL}(?:{_DOT}{_LABEL}){{1,20}}+"
_SCHEME: Final = r"(?:h(?:tt|xx|\*\*|tx|xt|__)ps?|f[tx]ps?|sftp|tftp|wss?|tcp|udp|ldaps?|ircs?|smb|ssh|stratum\+[a-z]{3}|socks[45])"
_FLAGS: Final = re.IGNORECASE | re.VERBOSE

_URL: Final = re.compile(
    rf"(?<![\w+.-]){_SCHEME}\ ?(?:[\[({{]?:[\])}}]?[\[({{]?//[\])}}]?|[\[({{]://[\])}}]|:[\[({{]//[\])}}])\ ?"
    rf"(?:{_LABEL}{_DOT})*+[^\s<>\"'`|\\^\u201c\u201d\u2018\u2019]++",
    _FLAGS,
)
_QUOTES: Final = "'\"\u201c\u201d\u2018\u2019"
_WHOLE: Final = re.compile(r"[^\s<>`|\\]++")
_BEHIND_QUOTE: Final = re.compile(rf"[{_QUOTES}](?!s\b)(?=[\w/&=?%#+-])[^\s<>`|]*+", re.IGNORECASE)
_EMAIL: Final = re.compile(rf"(?<![\w.+%-])[\w.+%-]{{1,64}}+{_AT}{_HOST}(?![\w@])", _FLAGS)
_BARE_URL: Final = re.compile(
    rf"(?<![\w@.\\/%$&~-]){_HOST}(?:{_COLON}[0-9]{{1,5}})?/[^\s<>\"'`|\\^,;\u201c\u201d\u2018\u2019]*+",
    _FLAGS,
)
_DOMAIN: Final = re.compile(rf"(?<![\w@.\\/%$&~-]){_HOST}(?![\w@\\])", _FLAGS)
_WILDCARD: Final = re.compile(rf"(?<![\w*./])\*{_DOT}{_HOST}(?![\w@\\])", _FLAGS)
_HOLE_BEFORE: Final = re.compile(rf"[}}>\])]{_DOT}\Z", _FLAGS)
_IPV4: Final = re.compile(
    rf"(?<![\w.])[0-9]{{1,3}}(?:{_DOT}[0-9]{{1,3}}){{3}}(?:/[0-9]{{1,2}}+)?(?!\w|{_DOT}[0-9])",
    _FLAGS,
)
_IPV6: Final = re.compile(
    rf"(?<![\w:.\]])(?:[0-9a-f]{{0,4}}{_COLON}){{2,7}}[0-9a-f.]{{0,15}}(?:/[0-9]{{1,3}}+)?(?![\w:])",
    _FLAGS,
)
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{30,130}+(?![0-9A-Za-z])")
_SSDEEP: Final = re.compile(
    r"(?<![\w:])[0-9]{1,7}+:[A-Za-z0-9+/]{16,64}+:[A-Za-z0-9+/]{8,64}+(?![\w:])"
)
_TLSH: Final = re.compile(r"(?<!\w)T1[0-9A-Fa-f]{70}+(?!\w)")
_CVE: Final = re.compile(
    r"(?<![\w/.-])CVE[-\u2010-\u2013\ ]?((?:19|20)[0-9]{2})[-\u2010-\u2013]([0-9]{4,7}+)(?!\w)",
    re.IGNORECASE,
)
_TECHNIQUE: Final = re.compile(
    r"(?<![\w/.-])T(?:1[0-9]{3}|0[89][0-9]{2})(?:\.[0-9]{3})?+(?!\w|\.\w)"
)
_KEY: Final = re.compile(
    r"(?<!\w)(?:HKLM|HKCU|HKCR|HKU|HKCC|HKEY_[A-Z_]{5,20}):?(?:\\[^\\\n\"'`|<>,;]{1,255}+)++",
    re.IGNORECASE,
)
_PATH: Final = re.compile(
    r"(?<![\w/\\.])(?:[A-Z]:\\|%[A-Z_()0-9]{2,40}%\\)[^\n\"`|<>*?]{1,400}+"
    r"|(?<![\w/\\.:)\]])~?/(?:Applications|Library|System|Users|Volumes|bin|data|dev|etc|home|opt|private|root|sbin|tmp|usr|var)"
    r"/[^\s\"'`|<>,;()]{1,400}+",
    re.IGNORECASE,
)
_FILE: Final = re.compile(r"(?<![\w/\\.%-])[\w-]{1,100}+(?:\.[\w-]{1,40}+){1,4}+(?![\w@/\\(])")
_VERSION_BEFORE: Final = re.compile(
    r"(?:[A-Za-z][/_-]|\b(?:version|ver|build|release|v)\W{0,3})\Z", re.IGNORECASE
)
_TEMPLATE: Final = re.compile(r"[{}<>*]|\[(?:redacted|removed|\.\.\.)|\u2026|%s", re.IGNORECASE)
TELLING_ENDINGS: Final = frozenset(
    """
    apk aspx bat bin cab chm class cmd cpl dat dll dmg doc docm docx dotm elf exe hta iso jar
    js jse jsp lnk msi msix ocx pdf php pif pkg ps1 py rar rtf scr sct sh so sys vbe vbs wsf
    xls xlsb xlsm xlsx zip 7z
    """.split()  # noqa: SIM905 - a list of words reads better without quotes
)
"""Endings of which a file in a list of a report is worth to be told of."""

_OTHER_ROOTS: Final = frozenset({"onion", "bit", "i2p", "bazar"})
"""Endings of names that malware uses outside the DNS of IANA."""

_ANY: Final = re.compile(r"[.:\\/@]|[0-9a-f]{30}|dot|punkt|point|CVE|T[01][0-9]", re.IGNORECASE)
"""What every value has some of; most cells and lines have none."""

_FAULTS: Final = {
    Kind.IPV4: "it is no address, and no network whose host bits are zero",
    Kind.URL: "it is no address as a whole",
    Kind.EMAIL: "it is no mail address",
}

_HASHES: Final = {32: Kind.MD5, 40: Kind.SHA1, 64: Kind.SHA256, 128: Kind.SHA512}
_TRAILING: Final = ".,;:!?'\"*_~\u2019\u201d"
_CLOSERS: Final = {")": "(", "]": "[", "}": "{"}


def spot(text: str, *, apart: bool = False) -> Iterator[Spotted]:
    """All values in a text of at most `passages.LONGEST_LINE` characters, kind by kind. `apart`: its author set it apart."""
    if _ANY.search(text) is None:
        return
    if apart and (whole := _whole_address(text)) is not None:
        yield whole
        return
    taken = bytearray(len(text) + 1)
    for pattern, judge in _LOOKING:
        for found in pattern.finditer(text):
            start, end = found.span()
            if 1 in taken[start:end]:
                continue
            spotted = judge(found, text)
            if spotted is not None:
                taken[spotted.start : spotted.end] = b"\x01" * (spotted.end - spotted.start)
                yield spotted


def _whole_address(text: str) -> Spotted | None:
    """An address with quotation marks in it that is the whole text."""
    plain = text.strip()
    if not any(mark in plain for mark in _QUOTES) or _WHOLE.fullmatch(plain) is None:
        return None
    start = len(text) - len(text.lstrip())
    for pattern, judge in ((_URL, _url), (_BARE_URL, _bare_url)):
        found = pattern.match(text, start)
        if found is None:
            continue
        first = judge(found, text)
        rest = text[found.end() :].strip().rstrip(_QUOTES + ".,;:")
        if first is None or first.value is None or not rest or "://" in refang(rest):
            return None  # several, each between its marks
        raw = text[start : found.end()].replace("\\.", ".") + rest
        return _spotted(Kind.URL, raw, start, ambiguous=first.ambiguous)
    return None


def _cut(found: re.Match[str], text: str) -> str:
    """All of an address that a quotation mark cuts, where the mark is not one around it; else empty."""
    rest = _BEHIND_QUOTE.match(text, found.end())
    if rest is None or text[max(0, found.start() - 1) : found.start()] in {*_QUOTES}:
        return ""
    return found[0] + rest[0]


def _trimmed(raw: str) -> str:
    """Without the punctuation of the sentence around it."""
    while raw:
        last = raw[-1]
        closes = last in _CLOSERS and raw.count(last) > raw.count(_CLOSERS[last])
        if not closes and last not in _TRAILING:
            break
        raw = raw[:-1]
    return raw


def _spotted(
    kind: Kind, raw: str, start: int, *, ambiguous: bool = False, fault: str = ""
) -> Spotted:
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


def _url(found: re.Match[str], text: str) -> Spotted | None:
    whole = _alone(text, found.start(), found.end())
    raw = (
        found[0].rstrip(".,;:'\"*_") if whole else _trimmed(found[0])
    )  # a "?" of its own line is its own
    after = text[found.end() : found.end() + 40]
    hole = _TEMPLATE.search(refang(raw)) or re.match(r"<[\w ]{1,30}>", after)
    fault = "it has a hole in it: a template, no single address" if hole else ""
    spotted = _spotted(Kind.URL, raw.replace("\\.", "."), found.start(), fault=fault)
    return replace(spotted, cut=_cut(found, text))


def _email(found: re.Match[str], _text: str) -> Spotted | None:
    spotted = _spotted(Kind.EMAIL, _trimmed(found[0]), found.start())
    return spotted if spotted.value and _listed(spotted.value) else None


def _bare_url(found: re.Match[str], text: str) -> Spotted | None:
    raw = _trimmed(found[0])
    host = refang(raw).replace("\\.", ".").partition("/")[0].partition(":")[0]
    path = raw.partition("/")[2]
    if (path.isdigit() and len(path) < 3) or not path:
        return None  # a network, or a name with a slash behind it
    if normalise(Kind.IPV4, host) is None and not _listed(host):
        return None
    if host.rpartition(".")[2].lower() in FILE_EXTENSIONS and "[" not in raw.partition("/")[0]:
        return None  # program.py/part
    fault = "it has a hole in it: a template, no single address" if _TEMPLATE.search(path) else ""
    spotted = _spotted(Kind.URL, raw, found.start(), ambiguous=True, fault=fault)
    return replace(spotted, cut=_cut(found, text))


def _wildcard(found: re.Match[str], _text: str) -> Spotted | None:
    """`*.example.org` is all names below the domain, and not the domain."""
    plain = refang(found[0])
    domain = normalise(Kind.DOMAIN, plain[2:])
    if domain is None or "_" in domain or not _listed(domain):  # "_" is a sign of its own in LIKE
        return None
    pattern = normalise(Kind.PATTERN, f"[domain-name:value LIKE '%.{domain}']")
    return Spotted(Kind.PATTERN, found[0], *found.span(), pattern, defanged=plain != found[0])


def _domain(found: re.Match[str], text: str) -> Spotted | None:
    raw = found[0].rstrip("-_")
    plain = refang(raw).replace("\\.", ".")
    defanged = plain != raw
    if text[found.end() : found.end() + 1] == "(" and not defanged:
        return None  # a call in a program
    if _HOLE_BEFORE.search(text, max(0, found.start() - 12), found.start()):
        fault = "it has a hole in it: a template, no single name"
        return Spotted(Kind.DOMAIN, raw, found.start(), found.end(), None, fault=fault)
    if not _listed(plain):
        if not defanged or plain.replace(".", "").isdigit():
            return None
        if plain.rpartition(".")[2].lower() in TELLING_ENDINGS:
            return Spotted(
                Kind.FILE_NAME, raw, found.start(), found.end(), normalise(Kind.FILE_NAME, plain)
            )
        fault = "it ends in no top-level domain"
        return Spotted(Kind.DOMAIN, raw, found.start(), found.end(), None, fault=fault)
    spotted = _spotted(Kind.DOMAIN, plain, found.start())
    if spotted.value is None:
        return None
    ending = plain.rpartition(".")[2].lower()
    return Spotted(
        kind=Kind.DOMAIN,
        raw=raw,
        start=found.start(),
        end=found.end(),
        value=spotted.value,
        defanged=defanged,
        ambiguous=ending in FILE_EXTENSIONS and not defanged,
    )


def _listed(name: str) -> bool:
    """Whether a name ends in a top-level domain that there is."""
    ending = name.rstrip(".").rpartition(".")[2].lower()
    if not ending.isascii():
        value = normalise(Kind.DOMAIN, name)
        return value is not None and value.rpartition(".")[2] in TOP_LEVEL_DOMAINS
    return ending in TOP_LEVEL_DOMAINS or ending in _OTHER_ROOTS


def _ipv4(found: re.Match[str], text: str) -> Spotted | None:
    if _VERSION_BEFORE.search(text, max(0, found.start() - 12), found.start()):
        return None
    return _spotted(Kind.IPV4, found[0], found.start())


def _ipv6(found: re.Match[str], _text: str) -> Spotted | None:
    plain = refang(found[0])
    if ("::" not in plain and plain.count(":") < 7) or sum(c in "0123456789" for c in plain) < 2:
        return None  # a time, a name of a program
    spotted = _spotted(Kind.IPV6, found[0], found.start())
    return spotted if spotted.value else None


def _hex(found: re.Match[str], _text: str) -> Spotted | None:
    raw = found[0]
    kind = _HASHES.get(len(raw))
    if kind is not None:
        fault = "it is no hash: too few different digits" if len(set(raw)) < 5 else ""
        return _spotted(kind, raw, found.start(), fault=fault)
    nearest = min(_HASHES, key=lambda length: abs(length - len(raw)))
    if abs(nearest - len(raw)) > 1:
        return None
    fault = f"{len(raw)} hexadecimal digits: no kind of hash has that length"
    return _spotted(_HASHES[nearest], raw, found.start(), fault=fault)


def _cve(found: re.Match[str], _text: str) -> Spotted | None:
    spotted = _spotted(Kind.VULNERABILITY, f"CVE-{found[1]}-{found[2]}", found.start())
    return spotted if spotted.value else None


def _key(found: re.Match[str], _text: str) -> Spotted | None:
    raw = re.split(r"\s+[/=]|\s{2}|\s\(|\s[\u2013-]\s", found[0], maxsplit=1)[0]
    return _spotted(Kind.REGISTRY_KEY, _trimmed(raw), found.start())


def _path(found: re.Match[str], text: str) -> Spotted | None:
    raw = found[0]
    if not _alone(text, found.start(), found.end()):
        raw = re.split(r"[\s,;]", raw, maxsplit=1)[0]
    raw = _trimmed(raw.rstrip())
    if "/" not in raw.lstrip("~/") and "\\" not in raw:
        return None
    return _spotted(Kind.FILE_PATH, raw, found.start())


def _file(found: re.Match[str], _text: str) -> Spotted | None:
    raw = found[0]
    return (
        _spotted(Kind.FILE_NAME, raw, found.start())
        if raw.rpartition(".")[2].lower() in TELLING_ENDINGS
        else None
    )


def _alone(text: str, start: int, end: int) -> bool:
    return not text[:start].strip(" -*+\u2022\t\u2018\u2019'\"`") and not text[end:].strip(
        _TRAILING + " `"
    )


def _plain(kind: Kind) -> Callable[[re.Match[str], str], Spotted | None]:
    def judge(found: re.Match[str], _text: str) -> Spotted | None:
        return _spotted(kind, found[0], found.start())

    return judge


_LOOKING: Final[
    tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], Spotted | None]], ...]
] = (
    (_URL, _url),
    (_KEY, _key),
    (_PATH, _path),
    (_SSDEEP, _plain(Kind.SSDEEP)),
    (_TLSH, _plain(Kind.TLSH)),
    (_HEX, _hex),
    (_EMAIL, _email),
    (_CVE, _cve),
    (_TECHNIQUE, _plain(Kind.TECHNIQUE)),
    (_WILDCARD, _wildcard),
    (_BARE_URL, _bare_url),
    (_IPV4, _ipv4),
    (_IPV6, _ipv6),
    (_DOMAIN, _domain),
    (_FILE, _file),
)
