"""Values in running text: where they stand, how they are written, and what they are.

1. Every pattern is linear: runs are possessive, and a match may only begin where no such run goes on.
2. A character belongs to one value: what an earlier kind took (a URL) is not looked at by a later one (a domain in it).
3. `defanged` says whether the author made the value unclickable; that is the surest sign that it is meant.
4. What looks like a value and is none (a hash of 63 digits, an address with a hole in it) is handed on with its fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.reports.addresses import (
    AT,
    BARE_URL,
    COLON,
    DOT,
    FLAGS,
    HOST,
    URL,
    Spotted,
    as_bare_url,
    as_spotted,
    as_url,
    is_alone,
    is_listed,
    trimmed,
    whole_address,
)
from cert_exchange.intake.reports.half_written import BEFORE_ADDRESSES, BEHIND_ALL
from cert_exchange.intake.scripts import LETTERS
from cert_exchange.intake.values import FILE_EXTENSIONS, normalise, refang

_EMAIL: Final = re.compile(rf"(?<![\w.+%-])[\w.+%-]{{1,64}}+{AT}{HOST}(?![\w@])", FLAGS)
_DOMAIN: Final = re.compile(rf"(?<![\w@.\\/%$&~-]){HOST}(?![\w@\\])", FLAGS)
_WILDCARD: Final = re.compile(rf"(?<![\w*./])\*{DOT}{HOST}(?![\w@\\])", FLAGS)
_HOLE_BEFORE: Final = re.compile(rf"[}}>\])]{DOT}\Z", FLAGS)
_IPV4: Final = re.compile(
    rf"(?<![\w.])[0-9]{{1,3}}(?:{DOT}[0-9]{{1,3}}){{3}}(?:/[0-9]{{1,2}}+)?(?!\w|{DOT}[0-9])",
    FLAGS,
)
_IPV6: Final = re.compile(
    rf"(?<![\w:.\]])(?:[0-9a-f]{{0,4}}{COLON}){{2,7}}[0-9a-f.]{{0,15}}(?:/[0-9]{{1,3}}+)?(?![\w:])",
    FLAGS,
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
    r"(?<![\w/.-])T(?:1[0-9]{3}|0[89][0-9]{2})(?:[./][0-9]{3})?+(?!\w|\.\w)"
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
_PROGRAM_END: Final = re.compile(
    r"\.(?:exe|dll|sys|bat|cmd|ps1|vbs|lnk|scr|cpl|ocx|msi|tmp)(?=[\s,;])", re.IGNORECASE
)
"""Words behind the path of a program are no part of it."""
_DOUBLED: Final = re.compile(r"[A-Z]:(?:\\\\[^\\]++)++(?:\\\\)?", re.IGNORECASE)
"""A path as programs and YAML write it in quotation marks."""
_FILE: Final = re.compile(r"(?<![\w/\\.%-])[\w-]{1,100}+(?:\.[\w-]{1,40}+){1,4}+(?![\w@/\\(])")
_VERSION_BEFORE: Final = re.compile(
    r"(?:[A-Za-z][/_-]|\b(?:version|ver|build|release|v)\W{0,3})\Z", re.IGNORECASE
)
TELLING_ENDINGS: Final = frozenset(
    """
    apk aspx bat bin cab chm class cmd cpl dat dll dmg doc docm docx dotm elf exe hta iso jar
    js jse jsp lnk msi msix ocx pdf php pif pkg ps1 py rar rtf scr sct sh so sys vbe vbs wsf
    xls xlsb xlsm xlsx zip 7z
    """.split()  # noqa: SIM905 - a list of words reads better without quotes
)
"""Endings of which a file in a list of a report is worth to be told of."""

_ANY: Final = re.compile(
    r"[.:\\/@]|[0-9a-f]{30}|AS[0-9]|TA[0-9]|dot|punkt|point|CVE|T[01][0-9]", re.IGNORECASE
)
"""What every value has some of; most cells and lines have none."""

_HASHES: Final = {32: Kind.MD5, 40: Kind.SHA1, 64: Kind.SHA256, 128: Kind.SHA512}


def spot(text: str, *, apart: bool = False) -> Iterator[Spotted]:
    """All values in a text of at most `passages.LONGEST_LINE` characters, kind by kind. `apart`: its author set it apart."""
    if _ANY.search(text) is None:
        return
    if apart and (whole := whole_address(text)) is not None:
        yield whole
        return
    taken = bytearray(len(text) + 1)
    for pattern, judge in _LOOKING:
        at = 0
        while (found := pattern.search(text, at)) is not None:
            start, at = found.span()
            at = max(at, start + 1)
            if 1 in taken[start:at]:
                continue
            spotted = judge(found, text)
            if spotted is not None:
                at = max(start + 1, min(at, spotted.end))  # a path may end long before its pattern
                taken[spotted.start : spotted.end] = b"\x01" * (spotted.end - spotted.start)
                yield spotted


def _email(found: re.Match[str], _text: str) -> Spotted | None:
    spotted = as_spotted(Kind.EMAIL, trimmed(found[0]), found.start())
    return spotted if spotted.value and is_listed(spotted.value) else None


def _wildcard(found: re.Match[str], _text: str) -> Spotted | None:
    """`*.example.org` is all names below the domain, and not the domain."""
    plain = refang(found[0])
    domain = normalise(Kind.DOMAIN, plain[2:])
    if domain is None or "_" in domain or not is_listed(domain):  # "_" is a sign of its own in LIKE
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
    if LETTERS.search(plain) and not is_alone(text, found.start(), found.end()):
        fault = (
            "nobody can say where it begins in words without blanks; alone on its line it is taken"
        )
        return Spotted(Kind.DOMAIN, raw, found.start(), found.end(), None, fault=fault)
    if not is_listed(plain):
        if not defanged:
            return None
        if plain.replace(".", "").isdigit():
            fault = "it is no whole address"
            return Spotted(Kind.IPV4, raw, found.start(), found.end(), None, fault=fault)
        if plain.rpartition(".")[2].lower() in TELLING_ENDINGS:
            return Spotted(
                Kind.FILE_NAME, raw, found.start(), found.end(), normalise(Kind.FILE_NAME, plain)
            )
        fault = "it ends in no top-level domain"
        return Spotted(Kind.DOMAIN, raw, found.start(), found.end(), None, fault=fault)
    spotted = as_spotted(Kind.DOMAIN, plain, found.start())
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


def _ipv4(found: re.Match[str], text: str) -> Spotted | None:
    if _VERSION_BEFORE.search(text, max(0, found.start() - 12), found.start()):
        return None
    return as_spotted(Kind.IPV4, found[0], found.start())


def _ipv6(found: re.Match[str], _text: str) -> Spotted | None:
    plain = refang(found[0])
    if ("::" not in plain and plain.count(":") < 7) or sum(c in "0123456789" for c in plain) < 2:
        return None  # a time, a name of a program
    spotted = as_spotted(Kind.IPV6, found[0], found.start())
    return spotted if spotted.value else None


def _hex(found: re.Match[str], _text: str) -> Spotted | None:
    raw = found[0]
    kind = _HASHES.get(len(raw))
    if kind is not None:
        fault = "it is no hash: too few different digits" if len(set(raw)) < 5 else ""
        return as_spotted(kind, raw, found.start(), fault=fault)
    nearest = min(_HASHES, key=lambda length: abs(length - len(raw)))
    if abs(nearest - len(raw)) > 1:
        return None
    fault = f"{len(raw)} hexadecimal digits: no kind of hash has that length"
    return as_spotted(_HASHES[nearest], raw, found.start(), fault=fault)


def _cve(found: re.Match[str], _text: str) -> Spotted | None:
    spotted = as_spotted(Kind.VULNERABILITY, f"CVE-{found[1]}-{found[2]}", found.start())
    return spotted if spotted.value else None


def _key(found: re.Match[str], _text: str) -> Spotted | None:
    raw = re.split(r"\s+[/=]|\s{2}|\s\(|\s[\u2013-]\s", found[0], maxsplit=1)[0]
    return as_spotted(Kind.REGISTRY_KEY, trimmed(raw), found.start())


def _path(found: re.Match[str], text: str) -> Spotted | None:
    before = text[max(0, found.start() - 1) : found.start()]
    after = text[found.end() : found.end() + 1]
    raw = found[0]
    if after and after in "*?<":  # many files: their folder is told of
        raw = raw[: max(raw.rfind("\\"), raw.rfind("/")) + 1]
    elif is_alone(text, found.start(), found.end()):
        program = _PROGRAM_END.search(raw)
        raw = raw[: program.end()] if program is not None else raw
        raw = raw.rstrip(" \t.,;:!?'*\u2019\u201d")  # a name may end in "_" or "]"
    elif before in {'"', "\u201c"} and after in {'"', "\u201d"}:
        raw = re.split(r"\s+[-/]", raw, maxsplit=1)[0]  # options of a command
    else:
        raw = trimmed(_in_sentence(raw))
    if "/" not in raw.lstrip("~/") and "\\" not in raw:
        return None
    single = raw.replace("\\\\", "\\") if _DOUBLED.fullmatch(raw) else raw
    return replace(as_spotted(Kind.FILE_PATH, single, found.start()), end=found.start() + len(raw))


def _in_sentence(raw: str) -> str:
    r"""A path up to its first blank, but for those inside its folders: `C:\\Users\\A B\\c.exe`."""
    words = re.split(r"[\s,;]", raw)
    end = 1
    for at, word in enumerate(words[1:6], 1):
        if "." in words[end - 1].rpartition("\\")[2] or word[:1] in {"\\", "%"} or ":" in word[:2]:
            break
        if "\\" in word:
            end = at + 1
    return raw[: len(" ".join(words[:end]))]


def _file(found: re.Match[str], _text: str) -> Spotted | None:
    raw = found[0]
    return (
        as_spotted(Kind.FILE_NAME, raw, found.start())
        if raw.rpartition(".")[2].lower() in TELLING_ENDINGS
        else None
    )


def _plain(kind: Kind) -> Callable[[re.Match[str], str], Spotted | None]:
    def judge(found: re.Match[str], _text: str) -> Spotted | None:
        return as_spotted(kind, found[0], found.start())

    return judge


_LOOKING: Final[
    tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], Spotted | None]], ...]
] = (
    (URL, as_url),
    (_KEY, _key),
    (_PATH, _path),
    (_SSDEEP, _plain(Kind.SSDEEP)),
    (_TLSH, _plain(Kind.TLSH)),
    (_HEX, _hex),
    (_EMAIL, _email),
    (_CVE, _cve),
    (_TECHNIQUE, _plain(Kind.TECHNIQUE)),
    (_WILDCARD, _wildcard),
    *BEFORE_ADDRESSES,
    (BARE_URL, as_bare_url),
    (_IPV4, _ipv4),
    (_IPV6, _ipv6),
    (_DOMAIN, _domain),
    (_FILE, _file),
    *BEHIND_ALL,
)
