"""Hosts that an object names in what is written for people: titles, descriptions, notes, custom properties.

1. Nobody can read text wholly, so a mention never lets anything out: only rules that deny or hold ask for it.
2. Every text of the object is searched, whatever its property is called, also those that `indicated` has read; ids and
   references are none.
3. What is written so that nobody clicks on it is read as what it means: 192.0.2[.]7, a(dot)example; so are full-width signs
   and hosts of URLs in odd spellings (`stix.hosts`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cert_exchange.policy.lookups import (
    AddressRange,
    Name,
    address_range,
    addresses_of_host,
    domain_name,
)
from cert_exchange.policy.subject import Subject
from cert_exchange.policy.territories import NO_TERRITORIES, Hit, Territories
from cert_exchange.stix.hosts import hosts_of
from cert_exchange.stix.references import is_identifier

Mention = AddressRange | Name

_DEFANGED: Final = re.compile(r"\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?", re.IGNORECASE)
_COLONS: Final = re.compile(r"\[:\]")
_DOTTED: Final = re.compile(r"\.\w")
_LENGTH: Final = r"(?:/[0-9]{1,3}(?![\w/.]))?"
# Possessive where they can be, so that a long text costs its length.
_FOUR: Final = re.compile(rf"(?<![0-9])(?:[0-9]{{1,3}}\.){{3}}[0-9]{{1,3}}(?![0-9]){_LENGTH}")
_SIX: Final = re.compile(
    rf"(?<![0-9A-Za-z:])[0-9A-Fa-f]{{0,4}}+:(?:[0-9A-Fa-f]{{0,4}}+:)++[0-9A-Fa-f.]*+{_LENGTH}"
)
_NAME: Final = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]++)++")
_ODD_URL: Final = re.compile(
    r"(?<![\w+.-])[a-z][a-z0-9+.-]{1,20}+://(?=[0-9]|[^\s/?#<>\"'`]{0,200}[%@\\])[^\s<>\"'`]{1,2000}+",
    re.IGNORECASE,
)
"""Those whose host may be no name: the names of all others are found as such."""
_DOTS: Final = str.maketrans("\u3002\uff61", "..")
_SAID: Final = 8
_SKIPPED: Final = frozenset(
    {"id", "type", "spec_version", "created", "modified", "pattern_type", "pattern_version", "extension_type"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mentions:
    """The match key `mentions`, bound to the territories of its policy by `bound`."""

    kinds: frozenset[str]
    territories: Territories = NO_TERRITORIES

    @property
    def key(self) -> str:
        """Its name in a policy."""
        return "mentions"

    def bound(self, territories: Territories) -> Mentions:
        """The key of a rule of the policy with these territories."""
        return replace(self, territories=territories)

    def matches(self, subject: Subject) -> bool:
        """Whether a text of the object names a host in a territory of these kinds."""
        return any(kind in self.kinds for kind, _ in self._hits(subject))

    def said(self, subject: Subject) -> tuple[str, ...]:
        """Sentences for `policy explain`."""
        found = tuple(str(hit) for _, hit in self._hits(subject))
        return found[:_SAID] or ("no text of it names a host in a territory",)

    def _hits(self, subject: Subject) -> tuple[tuple[str, Hit], ...]:
        def find() -> tuple[tuple[str, Hit], ...]:
            return tuple(
                hit
                for mention in mentioned_in(subject.content)
                for hit in self.territories.holding(mention)
            )

        hits: tuple[tuple[str, Hit], ...] = subject.noted((self.territories, "mentions"), find)
        return hits


def mentioned_in(content: Mapping[str, Any]) -> tuple[Mention, ...]:
    """Every address, network and domain name in the texts of an object, each once. Never raises for JSON values."""
    found: dict[Mention, None] = {}
    for text in _texts(content):
        if "://" in text:
            _note_hosts(found, text)
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text).translate(_DOTS)  # noqa: PLW2901 - the same text, as it is meant
        if "[" in text or "(" in text or "{" in text:
            text = _COLONS.sub(":", _DEFANGED.sub(".", text))  # noqa: PLW2901 - the same text, as it is meant
        if ":" in text:
            for candidate in _SIX.findall(text):
                _note(found, candidate.rstrip("."))
        if _DOTTED.search(text) is not None:
            for candidate in _FOUR.findall(text):
                _note(found, candidate)
            for candidate in _NAME.findall(text):
                _note(found, candidate.strip("-"))
    return tuple(found)


def _note_hosts(found: dict[Mention, None], text: str) -> None:
    """Hosts of addresses of pages, in every way in which some program reads them."""
    for url in _ODD_URL.findall(text):
        for host in hosts_of(url):
            addresses = addresses_of_host(host)
            found |= dict.fromkeys(addresses)
            if not addresses:
                _note(found, host)


def _note(found: dict[Mention, None], candidate: str) -> None:
    numeric = ":" in candidate or candidate.replace(".", "").replace("/", "").isdigit()
    try:
        found[address_range(candidate) if numeric else domain_name(candidate)] = None
    except (ValueError, UnicodeError):
        return  # a word with a dot that is no host


def _texts(content: Mapping[str, Any]) -> Iterator[str]:
    """The texts of an object, without recursion: custom content nests as deep as validation lets it."""
    waiting: list[Any] = [value for name, value in content.items() if name not in _SKIPPED]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if not is_identifier(value):
                yield value
        elif isinstance(value, Mapping):
            waiting.extend(value.values())
            waiting.extend(name for name in value if isinstance(name, str))
        elif isinstance(value, list | tuple):
            waiting.extend(value)
