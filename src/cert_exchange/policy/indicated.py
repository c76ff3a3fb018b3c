"""What an object is about: the addresses, names, systems, countries and other values that it states.

1. Values are read from cyber-observables (also those inside an old observed-data), from STIX patterns and from
   locations. Free text and custom properties are not looked at: what stands there is for people.
2. What may state a value and cannot be read wholly is said in `unread`, never passed over: a pattern in another
   language, a regular expression, a negation, an address that has two readings, a custom type.
3. What stands in another object is not guessed: an object that states nothing itself and names others is `elsewhere`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.policy.lookups import (
    AddressRange,
    Name,
    address_range,
    addresses_of_host,
    domain_name,
)
from cert_exchange.stix.hosts import hosts_of, plain_host
from cert_exchange.stix.instants import shown
from cert_exchange.stix.patterns import Comparison, PatternInvalid, comparisons
from cert_exchange.stix.references import OBSERVABLE_TYPES

_OTHERS: Final = frozenset(
    {
        "attack-pattern", "campaign", "course-of-action", "extension-definition", "grouping", "identity", "incident",
        "indicator", "infrastructure", "intrusion-set", "language-content", "location", "malware", "malware-analysis",
        "marking-definition", "note", "observed-data", "opinion", "relationship", "report", "sighting",
        "threat-actor", "tool", "vulnerability",
    }
)  # fmt: skip
_STATED: Final = frozenset({"ipv4-addr", "ipv6-addr", "domain-name", "email-addr", "url"})
_REFERENCES: Final = frozenset({"created_by_ref", "object_marking_refs"})
_HOST: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]*+:)?//(?:[^/?#@\\]*@)?(\[[0-9a-f:.]+\]|[^/?#@\\:\[\]]+)(?::[0-9]*)?(?=[/?#]|$)",
    re.IGNORECASE,
)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*+:(?![0-9])|(?:https?|wss?|ftp):", re.IGNORECASE)
_NO_HOST: Final = re.compile(r"(?:file:///|data:|urn:|javascript:|about:)", re.IGNORECASE)
_LITERAL: Final = re.compile(r"\^((?:[A-Za-z0-9_:@/-]|\\[./@:-])++)\$")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "file": ("name",),
    "mac-addr": ("value",),
    "mutex": ("name",),
    "software": ("name", "cpe"),
    "directory": ("path",),
    "windows-registry-key": ("key",),
    "user-account": ("account_login", "user_id"),
}


@dataclass(frozen=True, slots=True)
class Indicated:
    """The values of one object. `words` holds every value as text, case-folded, for lists of plain entries."""

    addresses: tuple[AddressRange, ...] = ()
    names: tuple[Name, ...] = ()
    systems: tuple[int, ...] = ()
    countries: tuple[str, ...] = ()  # ISO 3166-1 alpha-2, in capitals
    words: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()  # what could not be read and may lie in a territory, for people
    unread_words: tuple[
        str, ...
    ] = ()  # what could not be read otherwise: file names by a regular expression
    elsewhere: bool = False  # it states nothing itself and refers to what does
    readings: tuple[AddressRange | Name, ...] = ()
    """what some programs read in an odd spelling that is `unread`: to warn and to hold by, never to allow"""


_NOTHING: Final = Indicated()
_ELSEWHERE: Final = Indicated(elsewhere=True)
_SILENT: Final = _OTHERS - {"indicator", "location", "observed-data"}


def indicated_by(content: Mapping[str, Any]) -> Indicated:
    """Read what a validated object is about. Never raises: what is odd is unread."""
    if content.get("type") in _SILENT:
        return _ELSEWHERE if _refers(content) else _NOTHING
    reading = _Reading()
    try:
        reading.object(content)
    except Exception as error:  # noqa: BLE001 - custom content of any shape: what fails here is unread, and so not shared
        reading.unread.append(f"reading it failed with {type(error).__name__}")
    return reading.result(content)


class _Reading:
    """The values found so far; dictionaries keep their order and each value once."""

    __slots__ = (
        "addresses",
        "countries",
        "names",
        "readings",
        "systems",
        "unread",
        "unread_words",
        "words",
    )

    def __init__(self) -> None:
        self.addresses: dict[AddressRange, None] = {}
        self.names: dict[Name, None] = {}
        self.systems: dict[int, None] = {}
        self.countries: dict[str, None] = {}
        self.words: dict[str, None] = {}
        self.readings: dict[AddressRange | Name, None] = {}
        self.unread: list[str] = []
        self.unread_words: list[str] = []

    def result(self, content: Mapping[str, Any]) -> Indicated:
        return Indicated(
            tuple(self.addresses), tuple(self.names), tuple(self.systems), tuple(self.countries),
            tuple(self.words), tuple(dict.fromkeys(self.unread)), tuple(dict.fromkeys(self.unread_words)),
            elsewhere=not (self.addresses or self.names or self.systems or self.countries or self.unread)
            and _refers(content), readings=tuple(self.readings),
        )  # fmt: skip

    def object(self, content: Mapping[str, Any]) -> None:
        stix_type = content.get("type")
        if stix_type == "indicator":
            self._indicator(content)
        elif stix_type == "location":
            self._location(content)
        elif stix_type in OBSERVABLE_TYPES:
            self._observable(str(stix_type), content)
        elif stix_type == "observed-data":
            embedded = content.get("objects")
            for inner in embedded.values() if isinstance(embedded, Mapping) else ():
                self.object(inner)
        elif stix_type not in _OTHERS:
            self.unread.append(f"the type {shown(str(stix_type))} is not of STIX 2.1")

    def _indicator(self, content: Mapping[str, Any]) -> None:
        language = content.get("pattern_type", "stix")
        if language != "stix":
            self.unread.append(f"a pattern in {shown(str(language))}")
            return
        # As it was validated: whoever names no version of the language is read by both.
        version = content.get("pattern_version", "any")
        try:
            compared = comparisons(str(content.get("pattern")), version=str(version))
        except PatternInvalid as error:
            self.unread.append(f"the pattern {error}")
            return
        for comparison in compared:
            self._compared(comparison)

    def _location(self, content: Mapping[str, Any]) -> None:
        country = content.get("country")
        if isinstance(country, str) and re.fullmatch("[A-Za-z]{2}", country):
            self.countries[country.upper()] = None
        else:
            self.unread.append("a location without the two letters of its country")

    def _observable(self, stix_type: str, content: Mapping[str, Any]) -> None:
        value = content.get("value")
        if stix_type == "autonomous-system":
            self._system(content.get("number"))
        elif stix_type in _STATED:
            self._value(stix_type, value)
        if stix_type == "artifact" and content.get("url") is not None:
            self._value("url", content["url"])
        hashes = content.get("hashes")
        for digest in hashes.values() if isinstance(hashes, Mapping) else ():
            self._word(digest)
        for name in _WORDS.get(stix_type, ()):
            self._word(content.get(name))
        if stix_type == "network-traffic":
            for name, host in _hosts_asked(content):
                if name.casefold() == "host":
                    self._host(str(host).rpartition(":")[0] or str(host))

    def _compared(self, comparison: Comparison) -> None:
        stix_type, path, operator, negated, values = comparison
        kind = _kind_of(stix_type, path)
        if kind is None:
            if stix_type not in OBSERVABLE_TYPES:
                self.unread.append(f"a comparison of {shown(stix_type)}, which is not of STIX 2.1")
            return
        where = f"{stix_type}:{'.'.join(path)}"
        unread = self.unread_words if kind == "word" else self.unread
        if negated or operator == "!=":
            unread.append(f"a negated comparison of {where}")
        if operator == "EXISTS":
            unread.append(f"any {where}")
        for value in values:
            if operator in {"=", "!=", "IN"}:
                self._of_kind(kind, value)
            elif operator in {"ISSUBSET", "ISSUPERSET"} and kind != "word":
                self._of_kind("any", value)
                if operator == "ISSUPERSET":
                    unread.append(f"networks around {shown(value)}")
            elif operator == "LIKE" and (plain := _liked(value)) is not None:
                self._of_kind(kind, plain)
            elif operator == "MATCHES" and (literal := _LITERAL.fullmatch(value)) is not None:
                self._of_kind(kind, literal[1].replace("\\", ""))
            else:
                unread.append(f"{where} {operator} {shown(value, limit=40)}")

    def _of_kind(self, kind: str, value: str) -> None:
        if kind == "system":
            self._system(value)
        elif kind == "word":
            self._word(value)
        else:
            self._value(kind, value)

    def _value(self, kind: str, value: Any) -> None:
        """Read a value of a known kind; `any` is what a reference leads to: address, name, URL or mailbox."""
        if not isinstance(value, str):
            self.unread.append(f"a value of {kind} that is no text")
            return
        if kind == "url" or (kind == "any" and "://" in value):
            self._url(value)
        elif kind == "email-addr" or (kind == "any" and "@" in value):
            # Without an @ it is no mailbox: nothing is left of it, and that is no name.
            self._host(value[value.rfind("@") + 1 or len(value) :].strip(" >"), value)
        else:
            self._host(value)
        self._word(value)

    def _url(self, value: str) -> None:
        plain = value.strip()
        if _NO_HOST.match(plain):
            return
        if plain[:7].casefold() == "mailto:":
            self._host(plain[7:].partition("?")[0].rpartition("@")[2], value)
            return
        if "://" in plain:
            found = _HOST.match(plain)
        else:  # without a scheme, as many write it; but http:example.org has a scheme and two readings
            found = None if _SCHEME.match(plain) else _HOST.match(f"//{plain}")
        if found is None:
            self.unread.append(f"the host of {shown(value, limit=60)}")
            self._readings(hosts_of(value))
        else:
            self._host(found[1], value)

    def _host(self, host: str, value: str | None = None) -> None:
        plain = host.removeprefix("[").removesuffix("]")
        try:
            if ":" in plain or "/" in plain or plain[-1:].isdigit():
                self.addresses[address_range(plain)] = None
                self._word(plain)
                return
        except ValueError:
            pass  # it may be a name yet, such as one that ends in a digit
        try:
            name = domain_name(host)
        except (ValueError, UnicodeError):
            self.unread.append(f"the address or name {shown(value or host, limit=60)}")
            self._readings((host,))
            return
        self.names[name] = None
        for form in name.forms:
            self._word(form)

    def _readings(self, hosts: Iterable[str]) -> None:
        """What some programs read in an odd spelling; it stays unread all the same."""
        for host in hosts:
            found = addresses_of_host(host)
            self.readings |= dict.fromkeys(found)
            try:
                if not found:
                    self.readings[domain_name(plain_host(host))] = None
            except (ValueError, UnicodeError):
                continue

    def _system(self, value: Any) -> None:
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch("[0-9]{1,10}", text):
            self.unread.append(f"the autonomous system {shown(text, limit=20)}")
        else:
            self.systems[int(text)] = None

    def _word(self, value: Any) -> None:
        if isinstance(value, str):
            self.words[value.strip().casefold()] = None


def _kind_of(stix_type: str, path: tuple[str, ...]) -> str | None:
    """What a pattern's path leads to: a kind of `_value`, `system` or `word`; None for what says no place."""
    if stix_type not in OBSERVABLE_TYPES:
        return None
    if path == ("value",):
        return "word" if stix_type == "mac-addr" else stix_type
    if path[-1] == "value":
        return "any"
    if path[-1] == "number":
        return "system"
    if stix_type == "artifact" and path == ("url",):
        return "url"
    if "request_header" in path and path[-1].casefold() == "host":
        return "any"
    if "hashes" in path or (len(path) == 1 and path[0] in _WORDS.get(stix_type, ())):
        return "word"
    return None


def _liked(value: str) -> str | None:
    """What a LIKE stands for where it has no wildcard, or one in front of a dot; else None."""
    if "%" not in value and "_" not in value:
        return value
    rest = value.removeprefix("%.")
    return f"*.{rest}" if rest != value and "%" not in rest and "_" not in rest else None


def _hosts_asked(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    extensions = content.get("extensions")
    asked = extensions.get("http-request-ext") if isinstance(extensions, Mapping) else None
    header = asked.get("request_header") if isinstance(asked, Mapping) else None
    for name, values in header.items() if isinstance(header, Mapping) else ():
        for value in values if isinstance(values, list) else (values,):
            yield str(name), value


def _refers(content: Mapping[str, Any]) -> bool:
    """Whether the object refers to others than its creator and its markings."""
    return any(name.endswith(("_ref", "_refs")) and name not in _REFERENCES for name in content)
