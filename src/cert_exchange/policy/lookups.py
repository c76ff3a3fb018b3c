"""Look-ups of addresses, domain names and texts in large sets: what lies in which network, under which domain.

1. A look-up costs the same in ten entries and in 100,000: a bisection, a few set probes, never a walk over entries.
2. A set is built once, when a policy is parsed, and never changes.
3. What is written in several ways is one thing here: letter case, a dot at the end, Unicode and xn-- labels, IPv4
   inside IPv6. What has no single meaning is refused with ValueError, so that its owner can call it unread.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, NamedTuple

from cert_exchange.stix.hosts import ipv4_inside, ipv4_readings, plain_host

_BITS: Final = {4: 32, 6: 128}
_MAPPED: Final = 0xFFFF << 32  # ::ffff:0:0/96, IPv4 inside IPv6 (RFC 4291 section 2.5.5.2)
_LABELS: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*+")
_DOTS: Final = re.compile(
    "[\u3002\uff0e\uff61]"
)  # what IDNA takes for a dot (RFC 3490 section 3.1)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_GRAM: Final = 6


class AddressRange(NamedTuple):
    """Addresses from `first` to `last` as whole numbers, both included, and how the value was written."""

    version: int  # 4 or 6
    first: int
    last: int
    text: str


class Name(NamedTuple):
    """A domain name. `forms` are its spellings in ASCII; `below`: all names under it are meant, as in *.example."""

    forms: tuple[str, ...]
    below: bool
    text: str


def address_range(text: str) -> AddressRange:
    """Read an address or a network in CIDR form; bits behind the prefix are taken as cleared.

    Raises ValueError for anything else, also for octal-looking and shortened IPv4.
    """
    plain = text.strip()
    host, slash, length = plain.partition("/")
    if slash and not (length.isascii() and length.isdigit()):
        raise ValueError(f"{text!r} is no network")
    if ":" not in host:
        number = int(IPv4Address(host))
        return _cut(4, number, int(length) if slash else 32, plain)
    number = int(IPv6Address(host.partition("%")[0]))
    size = int(length) if slash else 128
    if number >> 32 == _MAPPED >> 32 and size >= 96:
        return _cut(4, number - _MAPPED, size - 96, plain)
    return _cut(6, number, size, plain)


def addresses_of_host(text: str) -> tuple[AddressRange, ...]:
    """Every address that some program takes a host for, in whatever spelling (`stix.hosts`); none for a name."""
    try:
        return (address_range(plain_host(text)),)
    except ValueError:
        numbers = ipv4_readings(text)
    return tuple(AddressRange(4, number, number, str(IPv4Address(number))) for number in numbers)


def inside(value: AddressRange) -> tuple[AddressRange, ...]:
    """The IPv4 addresses for which IPv6 addresses stand (NAT64, 6to4, Teredo and the like), spelled as IPv4."""
    if value.version != 6:
        return ()
    found = []
    for first, last in ipv4_inside(value.first, value.last):
        network = IPv4Network(
            (first & ~((1 << (first ^ last).bit_length()) - 1), 32 - (first ^ last).bit_length())
        )
        text = str(network.network_address if first == last else network)
        found.append(AddressRange(4, first, last, text))
    return tuple(dict.fromkeys(found))


def _cut(version: int, number: int, length: int, text: str) -> AddressRange:
    bits = _BITS[version]
    if length > bits:
        raise ValueError(f"{text!r} is no network")
    rest = (1 << (bits - length)) - 1
    return AddressRange(version, number & ~rest, number | rest, text)


def domain_name(text: str) -> Name:
    """Read a domain name, or *.name for all below it. Raises ValueError for an address or anything else."""
    plain = text.strip()
    name = _DOTS.sub(".", unicodedata.normalize("NFKC", plain)).casefold().removesuffix(".")
    below = name.startswith("*.")
    if below:
        name = name[2:]
    if plain.isascii():
        forms: tuple[str, ...] = (name,)
    else:
        # Two readings of a Unicode label are in use (RFC 3490 maps, RFC 5891 does not): a name is known by both.
        unmapped = _DOTS.sub(".", unicodedata.normalize("NFC", plain.lower())).removesuffix(".")
        forms = tuple({_in_ascii(name), _in_ascii(unmapped.removeprefix("*."))})
    for form in forms:
        if len(form) > 253 or _LABELS.fullmatch(form) is None:
            raise ValueError(f"{text!r} is no domain name")
        if _NUMBER.fullmatch(form.rpartition(".")[2]):  # some readers take it for an IPv4 address
            raise ValueError(f"{text!r} is an address or a number, no domain name")
    return Name(forms, below, plain)


def _in_ascii(name: str) -> str:
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"
        for label in name.split(".")
    )


class Networks:
    """Networks, IPv4 and IPv6, reduced to those that lie in no other one of them."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[AddressRange]) -> None:
        self._firsts: dict[int, list[int]] = {4: [], 6: []}
        self._lasts: dict[int, list[int]] = {4: [], 6: []}
        # Two networks lie apart or one in the other; sorted, the outer one stands before all that it holds.
        for version, first, last, _ in sorted(ranges, key=lambda one: (one[0], one[1], -one[2])):
            firsts, lasts = self._firsts[version], self._lasts[version]
            if not lasts or first > lasts[-1]:
                firsts.append(first)
                lasts.append(last)

    def __bool__(self) -> bool:
        return any(self._firsts.values())

    def find(self, value: AddressRange) -> tuple[str, bool] | None:
        """A network that shares addresses with the value, and whether the whole value lies in it."""
        version, first, last, _ = value
        firsts, lasts = self._firsts[version], self._lasts[version]
        index = bisect_right(firsts, last) - 1
        if index < 0 or lasts[index] < first:
            return None
        wholly = firsts[index] <= first and last <= lasts[index]
        return _network_text(version, firsts[index], lasts[index]), wholly


def _network_text(version: int, first: int, last: int) -> str:
    length = _BITS[version] - (last - first).bit_length()
    kind = IPv4Network if version == 4 else IPv6Network
    network = kind((first, length))
    return str(network.network_address) if first == last else str(network)


class Domains:
    """Domains: each stands for itself and all names below it."""

    __slots__ = ("_above", "_names")

    def __init__(self, names: Iterable[Name]) -> None:
        self._names = frozenset(form for name in names for form in name.forms)
        self._above = frozenset(above for name in self._names for above in _parents(name))

    def __bool__(self) -> bool:
        return bool(self._names)

    def find(self, value: Name) -> tuple[str, bool] | None:
        """A domain that the value is or lies under; for a value that means all below it, also one that lies there.

        With it: whether the whole value lies in the domain.
        """
        for form in value.forms:
            if form in self._names:
                return form, True
            for parent in _parents(form):
                if parent in self._names:
                    return parent, True
        if value.below:
            for form in value.forms:
                if form in self._above:
                    return f"a domain below {form}", False
        return None


def _parents(name: str) -> Iterator[str]:
    """The names above a name, nearest first."""
    dot = name.find(".")
    while dot >= 0:
        name = name[dot + 1 :]
        yield name
        dot = name.find(".")


class Fragments:
    """Texts that are looked for anywhere inside a value, letter case aside."""

    __slots__ = ("_by_start", "_sizes")

    def __init__(self, texts: Iterable[str]) -> None:
        self._by_start: dict[str, list[str]] = {}
        for text in {text.casefold() for text in texts} - {""}:
            self._by_start.setdefault(text[:_GRAM], []).append(text)
        self._sizes = sorted({len(start) for start in self._by_start})

    def __bool__(self) -> bool:
        return bool(self._by_start)

    def find(self, value: str) -> str | None:
        """A text that stands in the value, or None."""
        folded = value.casefold()
        for place in range(len(folded)):
            for size in self._sizes:
                for text in self._by_start.get(folded[place : place + size], ()):
                    if folded.startswith(text, place):
                        return text
        return None
