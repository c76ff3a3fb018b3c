"""What is doubtful in one value that an object states: benign, local, too broad, too generic. No object is asked here.

1. A network is compared both ways: what lies in a range, and what a range takes in.
   So are the IPv4 addresses for which those of NAT64, 6to4 and Teredo stand, and what some programs read an odd spelling as.
2. A whole service is benign by its exact name; what lies below it, or behind a path of it, may be bad.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cert_exchange.policy.cautions import Caution, Of
from cert_exchange.policy.commonplace import (
    BENIGN_ADDRESSES,
    BENIGN_HASHES,
    BENIGN_NAMES,
    COMMON_FILES,
    DOCUMENTATION,
    DOCUMENTATION_NAMES,
    PRIVATE,
    PRIVATE_NAMES,
    SECOND_LEVEL,
)
from cert_exchange.policy.lookups import (
    AddressRange,
    Name,
    address_range,
    addresses_of_host,
    domain_name,
    inside,
)
from cert_exchange.stix.hosts import hosts_of, plain_host
from cert_exchange.stix.instants import shown

_SHORTEST_LIKE: Final = 4
_SHORTEST_MATCH: Final = 6
_SHORTEST_NAME: Final = 3
_BROAD: Final = {4: 1 << 20, 6: 1 << 96}
"""More addresses than this are too many to look for: IPv4 above /12, IPv6 above /32. Reports do name networks of /15."""
_META: Final = re.compile(r"\\[wWdDsSbB]|[\\^$.|?*+()\[\]{}]")
_ROOT_URL: Final = re.compile(
    r"[a-z][a-z0-9+.-]{0,20}+://([^/?#@:\s]{1,253}+)(?::[0-9]{1,5}+)?/?", re.IGNORECASE
)
_ADDRESSES: Final = frozenset({"ipv4-addr", "ipv6-addr"})


@dataclass(frozen=True, slots=True)
class Stated:
    """One value that an object states: what is compared, and how."""

    type: str
    path: tuple[str, ...]
    operator: str
    negated: bool
    value: str


def of_value(one: Stated) -> Iterator[Caution]:
    """What is known of a value wherever it stands."""
    if one.operator not in {"=", "IN", "ISSUBSET", "ISSUPERSET", "LIKE"} or one.negated:
        return
    if "hashes" in one.path:
        what = BENIGN_HASHES.get(one.value.casefold())
        if what is not None:
            yield Caution(Of.BENIGN, one.value, f"{one.value} is the hash of {what}")
        return
    if one.path[-1:] != ("value",):
        return
    if one.type in _ADDRESSES or (one.type == "network-traffic" and ":" not in one.value[:2]):
        yield from _of_address(one.value)
    if one.type == "domain-name":
        yield from _of_name(one.value.removeprefix("%.") if one.operator == "LIKE" else one.value)
    elif one.type == "url":
        yield from _of_url(one.value)


def _of_address(text: str) -> Iterator[Caution]:
    try:
        value = address_range(text)
    except ValueError:
        yield from _of_odd_address(text)
        return
    yield from _of_range(value)
    for inner in inside(value):
        for one in _of_range(inner):
            yield Caution(one.of, value.text, f"{value.text} stands for {one.said}")


def _of_odd_address(text: str) -> Iterator[Caution]:
    """What is no address to the letter, and one to some programs: octal, hexadecimal, one number, full-width."""
    for value in addresses_of_host(text):
        for one in _of_range(value):
            said = (
                one.said if value.text in text else f"{short(text)} is read by some as {one.said}"
            )
            yield Caution(one.of, short(text), said)


def _of_range(value: AddressRange) -> Iterator[Caution]:
    size = value.last - value.first + 1
    local = PRIVATE.find(value)
    if size > _BROAD[value.version] and not (local is not None and local[1]):
        yield Caution(
            Of.BROAD,
            value.text,
            f"{value.text} takes in {size:,} addresses, among them everybody's",
        )
        return
    yield from _within(value)


def _within(value: AddressRange) -> Iterator[Caution]:
    for of, networks, what in (
        (Of.PRIVATE, PRIVATE, "where every network has hosts of its own"),
        (Of.DOCUMENTATION, DOCUMENTATION, "which is set aside for examples and tests"),
    ):
        if (network := networks.find(value)) is not None:
            where = "lies in" if network[1] else "takes in"
            yield Caution(of, value.text, f"{value.text} {where} {network[0]}, {what}")
    if (benign := BENIGN_ADDRESSES.find(value)) is not None:
        yield Caution(
            Of.BENIGN, value.text,
            f"{value.text} {'is' if benign[0] == value.text else 'takes in ' + benign[0] + ','}"
            " a public name server that everybody asks",
        )  # fmt: skip


def _of_name(text: str, *, exact: bool = True) -> Iterator[Caution]:
    try:
        name = domain_name(plain_host(text) if "%" in text else text)
    except (ValueError, UnicodeError):
        yield from _of_odd_address(text)
        return
    form = name.forms[0]
    if PRIVATE_NAMES.find(name) is not None:
        yield Caution(Of.PRIVATE, text, f"{text} is a name of local networks, another host in each")
    elif DOCUMENTATION_NAMES.find(name) is not None:
        yield Caution(
            Of.DOCUMENTATION, text, f"{text} is a name that is set aside for examples and tests"
        )
    elif _is_suffix(form):
        yield Caution(Of.BROAD, text, f"{text} takes in every domain that is registered below it")
    elif exact and _benign(name):
        yield Caution(
            Of.BENIGN, text, f"{text} is a service that a great many people use without harm"
        )


def _benign(name: Name) -> bool:
    return any(
        form in BENIGN_NAMES or form.removeprefix("www.") in BENIGN_NAMES for form in name.forms
    )


def _is_suffix(form: str) -> bool:
    labels = form.split(".")
    return len(labels) == 1 or (
        len(labels) == 2 and labels[0] in SECOND_LEVEL and len(labels[1]) == 2
    )


def _of_url(text: str) -> Iterator[Caution]:
    # A path below a well-known service may be bad though the service is not.
    root = _ROOT_URL.fullmatch(text.strip()) is not None
    for host in hosts_of(text):
        found = _of_address(host) if addresses_of_host(host) else _of_name(host, exact=root)
        yield from (Caution(one.of, short(text), one.said) for one in found)


def generic(one: Stated) -> str | None:
    """Why a comparison alone finds far more than what is meant, or None."""
    where = f"{one.type}:{'.'.join(one.path)}"
    if one.negated or one.operator == "!=":
        return f"{where} is asked not to be {shown(one.value, limit=40)}: nearly everything is so"
    if one.operator == "EXISTS":
        return f"any {where} is found"
    if one.operator in {"<", ">", "<=", ">="}:
        return f"{where} {one.operator} {shown(one.value, limit=40)} alone finds very many"
    if one.operator == "LIKE" and len(re.sub(r"[%_.]", "", one.value)) < _SHORTEST_LIKE:
        return f"{where} LIKE {shown(one.value, limit=40)} leaves fewer than {_SHORTEST_LIKE} letters to tell it by"
    if one.operator == "MATCHES" and len(_META.sub("", one.value)) < _SHORTEST_MATCH:
        return f"{where} MATCHES {shown(one.value, limit=40)} leaves fewer than {_SHORTEST_MATCH} letters to tell it by"
    if one.operator not in {"=", "IN"}:
        return None
    if one.type == "network-traffic" and one.path[-1] in {"dst_port", "src_port", "protocols"}:
        return f"{where} = {shown(one.value, limit=40)} is in everybody's traffic"
    if one.type == "file" and one.path == ("size",):
        return f"a file of {shown(one.value, limit=20)} bytes may be any"
    last = one.path[-1].casefold() if one.path else ""
    if last in {"name", "path", "key"} and one.type in {"file", "mutex", "process", "directory"}:
        text = one.value.casefold()
        if text in COMMON_FILES:
            return f"{shown(one.value, limit=40)} is a file of every such system"
        if len(text.rpartition(".")[0] or text) < _SHORTEST_NAME:
            return f"{shown(one.value, limit=40)} is so short that it is met by chance"
    if last == "user-agent" and len(one.value) < len("Mozilla/5.0 (X)"):
        return f"the user agent {shown(one.value, limit=40)} is that of very many programs"
    return None


def short(text: str) -> str:
    """A text as far as one line shows it."""
    return text if len(text) <= 120 else text[:119] + "…"


__all__ = ["Stated", "generic", "of_value", "short"]
