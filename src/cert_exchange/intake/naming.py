"""Which hosts, addresses, mailboxes and hashes a text for people names: to find out whether it tells what is not shared.

1. Rather one too many than one too few: what looks like a name is one, valid or not, in brackets or not. A file is none,
   unless its ending is a top-level domain too (`install.sh`).
2. Names come in one spelling, that of `intake.values` in lower case, so that they can be compared.
3. Every pattern is linear: runs are possessive, and a match may only begin where no such run goes on.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.scripts import parted
from cert_exchange.intake.top_level_domains import TOP_LEVEL_DOMAINS
from cert_exchange.intake.values import FILE_EXTENSIONS, normalise, refang

_DOT: Final = re.compile(
    r"[\[({<]\s?(?:\.|,|dot|punkt|point)\s?[\])}>]|\\\.|\s(?:dot|punkt)\s|[\u3002\uff61]",
    re.IGNORECASE,
)
_AT: Final = re.compile(r"[\[({<]\s?(?:@|at)\s?[\])}>]", re.IGNORECASE)
_URL: Final = re.compile(
    r"(?<![\w+.-])[a-z][a-z0-9+.-]{1,20}+://[^\s<>\"'`|\u201c\u201d]++", re.IGNORECASE
)
_BARE_URL: Final = re.compile(
    r"(?<![\w.@/-])[\w-]++(?:\.[\w-]++)++(?::[0-9]{1,5}+)?/[^\s<>\"'`|\u201c\u201d]++"
)
_SHARE: Final = re.compile(r"\\\\([\w.-]++)\\")
_MAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w.-]++")
_NUMBERS: Final = re.compile(r"(?<![0-9.])[0-9]++(?:\.[0-9]++){3,}+(?:/[0-9]{1,2}+)?")
_NAME: Final = re.compile(r"(?<![\w.-])[\w-]++(?:\.[\w-]++)++")
_SIX: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f:.]{3,64}+(?:/[0-9]{1,3}+)?(?![0-9A-Za-z])")
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{32,128}+(?![0-9A-Za-z])")
_CUT: Final = re.compile(r"(?<!\S)[^\s\u2026]*[.@:/0-9][^\s\u2026]*\u2026\Z")
_ENDING: Final = re.compile(r"[^\W\d_][\w-]++")
_INSIDE: Final = frozenset(
    """
    arpa corp domain example home host intern internal intra intranet invalid lan local localdomain localhost onion
    private test
    """.split()  # noqa: SIM905 - a list of words reads better without quotes
)
"""Endings of names that the DNS of IANA does not have, and networks do."""
_CLOSING: Final = ".,;:!?'\"*_~)]}>\u2019\u201d"


def named_in(text: str) -> frozenset[str]:
    """The names of a text of at most some thousand characters."""
    plain = unicodedata.normalize("NFKC", parted(text))
    plain = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    plain = _AT.sub("@", _DOT.sub(".", refang(plain)))
    found: set[str] = {match[0] for match in _CUT.finditer(plain)}
    found |= {_as(Kind.URL, match[0].rstrip(_CLOSING)) for match in _URL.finditer(plain)}
    for match in _URL.finditer(plain):
        host = match[0].partition("://")[2].partition("/")[0].rpartition("@")[2]
        if host and "." not in host and ":" not in host.rstrip(_CLOSING):
            found.add(host.rstrip(_CLOSING).lower())
    for match in _BARE_URL.finditer(plain):
        raw = match[0].rstrip(_CLOSING)
        if _is_name(raw.partition("/")[0].partition(":")[0], plain):
            found.add(_as(Kind.URL, raw))
    found |= {match[1].lower() for match in _SHARE.finditer(plain)}
    found |= {_as(Kind.EMAIL, match[0].rstrip(_CLOSING)) for match in _MAIL.finditer(plain)}
    plain = _MAIL.sub(" ", plain)
    found |= {_address(match[0]) for match in _NUMBERS.finditer(plain) if _numbers(match[0])}
    for match in _SIX.finditer(plain):
        six = normalise(Kind.IPV6, match[0].strip(".").removesuffix(":"))
        if match[0].count(":") > 1 and six is not None and any(sign in "123456789" for sign in six):
            found.add(six)
    found |= {match[0].lower() for match in _HEX.finditer(plain)}
    for match in _NAME.finditer(plain):
        name = match[0].rstrip("-_")
        if _is_name(name, text):
            found.add(_as(Kind.DOMAIN, name))
    return frozenset(found - {""})


def _as(kind: Kind, raw: str) -> str:
    return (normalise(kind, raw) or raw).casefold()


def _address(raw: str) -> str:
    return normalise(Kind.IPV4, raw) or raw


def _numbers(raw: str) -> bool:
    """Whether its numbers could be those of an address; a build of a program has longer ones."""
    return all(len(one) < 4 for one in raw.partition("/")[0].split("."))


def _is_name(name: str, text: str) -> bool:
    """Whether dotted words are a host, and no file, no name of malware, no numbers."""
    ending = name.rpartition(".")[2]
    if ending.isdigit():
        return False
    low = ending.lower()
    listed = low in TOP_LEVEL_DOMAINS or low in _INSIDE or not low.isascii()
    if listed or _ENDING.fullmatch(ending) is None:
        return listed
    if low in FILE_EXTENSIONS:
        return False
    # Trojan.Win32.Agent is written so; a host is not, or it is defanged and stands otherwise in the text.
    return name in {name.lower(), name.upper()} or name not in text
