"""What people write in place of a value, and what is nearly one: networks by their mask, ranges, spaced numbers, odd schemes.

1. What says one value for certain is taken: an address with a netmask is a network, numbers with a blank on both sides of each
   dot are an address, a hash in groups behind the name of its kind is a hash.
2. What says several, or none for certain, is handed on with its fault, and neither of its parts is a value: a range is not its ends.
3. Every pattern is linear, as in `spotting`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.reports.addresses import DOT, FLAGS, HOST, Spotted, is_listed
from cert_exchange.intake.values import normalise, refang

_FOUR: Final = rf"[0-9]{{1,3}}(?:{DOT}[0-9]{{1,3}}){{3}}"
_RANGE: Final = re.compile(
    rf"(?<![\w.]){_FOUR}\s{{0,2}}(?:-|\u2013|\u2014|\.\.\.?|\bto\b|\bbis\b|\u0434\u043e)\s{{0,2}}(?:{_FOUR}|[0-9]{{1,3}})(?!\w|{DOT}[0-9])",
    FLAGS,
)
_MASKED: Final = re.compile(
    rf"(?<![\w.])({_FOUR})(?:\s{{0,2}}/\s{{0,2}}|\s(?:mask\s|netmask\s)?)(255(?:\.[0-9]{{1,3}}){{3}})(?![\w.])",
    FLAGS,
)
_SPACED: Final = re.compile(r"(?<![\w.])[0-9]{1,3}(?: \. [0-9]{1,3}){3}(?! ?\.| \d|\w)")
_STARRED: Final = re.compile(
    rf"(?<![\w.])[0-9]{{1,3}}(?:{DOT}(?:[0-9]{{1,3}}|[*x])){{0,2}}{DOT}[*x](?![\w*])", FLAGS
)
_SPOKEN: Final = re.compile(
    r"(?<![\w.-])[\w-]{1,63}+(?:\ DOT\ [\w-]{1,63}+){1,6}(?![\w.-])", re.VERBOSE
)
_SCHEME: Final = re.compile(
    rf"(?<![\w+.-])[a-z*]{{2,12}}(?:://|\[:\]//|\[://\]){HOST}[^\s<>\"'`|\\]{{0,400}}+", FLAGS
)
_GROUPED: Final = re.compile(
    r"(?i:\b(?:md5|sha-?1|sha-?256|sha-?512)\b[^0-9A-Za-z\n]{0,5})((?:[0-9A-Fa-f]{8} ){3,15}[0-9A-Fa-f]{8}|(?:[0-9A-Fa-f]{4} ){7,31}[0-9A-Fa-f]{4})(?![0-9A-Za-z])"
)
_SHORT_CVE: Final = re.compile(r"(?<![\w/.-])CVE-[0-9]{4}-[0-9]{1,3}(?!\w)", re.IGNORECASE)
_TACTIC: Final = re.compile(r"(?<![\w/.-])TA[0-9]{4}(?!\w)")
_NETWORK: Final = re.compile(r"(?<![\w/.-])AS[0-9]{2,10}(?!\w)")
_HASHES: Final = {32: Kind.MD5, 40: Kind.SHA1, 64: Kind.SHA256, 128: Kind.SHA512}

Judge = Callable[[re.Match[str], str], Spotted | None]


def _masked(found: re.Match[str], _text: str) -> Spotted | None:
    try:
        network = ipaddress.IPv4Network(f"{refang(found[1])}/{found[2]}")
    except ValueError:
        return _fault(
            Kind.IPV4, found, "it is no network whose host bits are zero, and no mask of one"
        )
    value = normalise(Kind.IPV4, str(network))
    return Spotted(Kind.IPV4, found[0], *found.span(), value, defanged=refang(found[1]) != found[1])


def _spaced(found: re.Match[str], _text: str) -> Spotted | None:
    value = normalise(Kind.IPV4, found[0].replace(" ", ""))
    return (
        None if value is None else Spotted(Kind.IPV4, found[0], *found.span(), value, defanged=True)
    )


def _grouped(found: re.Match[str], _text: str) -> Spotted | None:
    digits = found[1].replace(" ", "")
    kind = _HASHES.get(len(digits))
    if kind is None:
        return None
    return Spotted(kind, found[1], *found.span(1), normalise(kind, digits))


def _spoken(found: re.Match[str], _text: str) -> Spotted | None:
    if not is_listed(found[0].replace(" DOT ", ".")):
        return None
    return _fault(Kind.DOMAIN, found, "its dots are words; written as [.] it is taken")


def _scheme(found: re.Match[str], _text: str) -> Spotted | None:
    if refang(found[0]) == found[0] and "*" not in found[0]:
        return None  # live, and of a program's own: steam://, vscode://
    return _fault(Kind.URL, found, "its scheme is none that we know")


def _fault(kind: Kind, found: re.Match[str], why: str) -> Spotted:
    return Spotted(kind, found[0], *found.span(), None, fault=why)


def _always(kind: Kind, why: str) -> Judge:
    def judge(found: re.Match[str], _text: str) -> Spotted | None:
        return _fault(kind, found, why)

    return judge


BEFORE_ADDRESSES: Final[tuple[tuple[re.Pattern[str], Judge], ...]] = (
    (_GROUPED, _grouped),
    (_MASKED, _masked),
    (_RANGE, _always(Kind.IPV4, "a range is not its ends: write it as networks (CIDR)")),
    (_SPACED, _spaced),
    (_STARRED, _always(Kind.IPV4, "it has a hole in it: write it as a network (CIDR)")),
)
"""What an address would be cut out of."""
BEHIND_ALL: Final[tuple[tuple[re.Pattern[str], Judge], ...]] = (
    (_SCHEME, _scheme),
    (_SPOKEN, _spoken),
    (_SHORT_CVE, _always(Kind.VULNERABILITY, "no CVE has so short a number")),
    (_TACTIC, _always(Kind.TECHNIQUE, "a tactic of ATT&CK, no technique")),
    (_NETWORK, _always(Kind.ASN, "the number of a network, no indicator by itself")),
)
"""What is told where nothing else was found."""
