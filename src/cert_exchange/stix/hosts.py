"""Hosts as programs read them: odd spellings of IPv4 addresses, hosts of URLs that readers disagree on, IPv4 inside of IPv6.

1. What one program takes for a name is an address to another: 0x0a000001, 167772161, 012.1 and 10.0.0.1 are one host to
   browsers, curl and ping. Whoever protects hosts must know every reading; nobody here chooses one.
2. A leading zero means octal to some and nothing to others, so that such a number has two readings.
3. Every function is linear in the text and never raises.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address
from itertools import product
from typing import Final
from urllib.parse import unquote

LONGEST: Final = 4_096
"""Characters of a URL that are looked at."""
_ALL: Final = 0xFFFF_FFFF
_DOTS: Final = str.maketrans(
    "\u3002\uff0e\uff61", "..."
)  # what IDNA takes for a dot (RFC 3490, 3.1)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+-]{0,31}+):(?![0-9])|(https?|wss?|ftp):", re.IGNORECASE)
_NO_HOST: Final = frozenset({"about", "data", "javascript", "mailto", "urn"})
_ENDS: Final = (re.compile(r"[/\\?#]"), re.compile(r"[/?#]"))
"""Browsers end an authority at a backslash, RFC 3986 does not."""
_PORT: Final = re.compile(r":[0-9]*\Z")
_HEX: Final = re.compile(r"0x[0-9a-f]{0,16}")
_OCTAL: Final = re.compile(r"0[0-7]{1,16}")
_DECIMAL: Final = re.compile(r"[0-9]{1,16}")


def plain_host(text: str) -> str:
    """A host without what hides it: percent-encoding, full-width signs, brackets, a zone, dots at the end. Small letters."""
    host = unquote(text[:LONGEST]) if "%" in text else text[:LONGEST]
    if not host.isascii():
        host = unicodedata.normalize("NFKC", host).translate(_DOTS)
    return host.strip().removeprefix("[").removesuffix("]").rstrip(".").casefold()


def ipv4_readings(text: str) -> tuple[int, ...]:
    """Every IPv4 address, as a number, that some program takes a host for; none where it is none to all of them."""
    parts = plain_host(text).split(".")
    if len(parts) > 4:
        return ()
    read = [_numbers(part) for part in parts]
    if not all(read):
        return ()
    found: dict[int, None] = {}
    for *first, last in product(*read):
        # The last part fills all that is left: 10.1 is 10.0.0.1.
        if all(one < 256 for one in first) and last < 256 ** (5 - len(parts)):
            number = last
            for place, one in enumerate(first):
                number |= one << 8 * (3 - place)
            found[number] = None
    return tuple(found)


@lru_cache(maxsize=1_024)
def hosts_of(url: str) -> tuple[str, ...]:
    """Every host that some program goes to for a URL, each as `plain_host` writes it; with or without a scheme."""
    text = "".join(url[:LONGEST].split())
    scheme = _SCHEME.match(text)
    if scheme is not None:
        if (scheme[1] or scheme[2]).casefold() in _NO_HOST:
            return ()
        text = text[scheme.end() :]
    text = text.lstrip("/\\")
    found: dict[str, None] = {}
    for end in _ENDS:
        authority = end.split(text, maxsplit=1)[0]
        for host in _after_the_user(authority):
            plain = plain_host(_PORT.sub("", host) if "]" in host or host.count(":") == 1 else host)
            if plain:
                found[plain] = None
    return tuple(found)


def ipv4_inside(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The IPv4 addresses, from and to, for which IPv6 addresses from `first` to `last` stand.

    Of NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380: server and client), ISATAP (RFC 5214), and of the translated and
    compatible forms of RFC 2765 and 4291.
    """
    for prefix, size, shift in _CARRYING:
        rest = 128 - size
        if first >> rest == last >> rest == prefix >> rest:
            yield _part(first, last, shift)
    if first >> 96 == last >> 96 == _TEREDO >> 96:
        low, high = _part(first, last, 0)
        yield _ALL - high, _ALL - low
    if first >> 32 == last >> 32 and (
        first >> 32 & _ISATAP_BITS == 0x0000_5EFE or 0xFF_FFFF < first <= _ALL
    ):
        yield _part(first, last, 0)


def _part(first: int, last: int, shift: int) -> tuple[int, int]:
    """32 bits of both ends; all of them where what stands before differs already."""
    if first >> shift + 32 != last >> shift + 32:
        return 0, _ALL
    return first >> shift & _ALL, last >> shift & _ALL


def _numbers(part: str) -> tuple[int, ...]:
    """What one part of an address may be: hexadecimal, octal, decimal."""
    if _HEX.fullmatch(part):
        return (int(part[2:] or "0", 16),)
    if not _DECIMAL.fullmatch(part):
        return ()
    decimal = int(part)
    return (decimal, int(part, 8)) if _OCTAL.fullmatch(part) else (decimal,)


def _after_the_user(authority: str) -> Iterator[str]:
    """The host behind user and password; where @ stands twice, readers disagree."""
    pieces = authority.split("@")
    yield pieces[-1]
    if len(pieces) > 2:
        yield pieces[1]


_ISATAP_BITS: Final = _ALL ^ 0x0200_0000  # but the one that says whether the address is unique
_TEREDO: Final = int(IPv6Address("2001::"))
_CARRYING: Final = (
    (int(IPv6Address("64:ff9b::")), 96, 0),
    (int(IPv6Address("2002::")), 16, 80),
    (int(IPv6Address("::ffff:0:0:0")), 96, 0),
    (_TEREDO, 32, 64),
)
"""Prefix, its length, and how many bits stand behind the IPv4 address."""

__all__ = ["LONGEST", "hosts_of", "ipv4_inside", "ipv4_readings", "plain_host"]
