"""Lists of values to protect or to leave alone: MISP warning lists and plain text, looked up by the match key `listed`.

1. A list is known by its file's name without the ending: lists/url-shorteners.json is `url-shorteners`.
2. Addresses are compared by containment, host names with all names below them, everything else as text, letter case
   aside. A MISP list says by its `type` which of these it means; a plain list means whatever its line can be.
3. A list of regular expressions is refused: nobody can bound what one costs, or see which values it takes in.
4. What cannot be read wholly matches in rules that deny or hold, and never in one that allows; see `territories`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from cert_exchange.errors import PolicyInvalid, Problem
from cert_exchange.policy.indicated import Indicated
from cert_exchange.policy.lookups import (
    AddressRange,
    Domains,
    Fragments,
    Name,
    Networks,
    address_range,
    domain_name,
    inside,
)
from cert_exchange.policy.reading import shown
from cert_exchange.policy.subject import Subject

ANY_LIST: Final = "any"
_SHORTEST_FRAGMENT: Final = 3
_TYPES: Final = "cidr, hostname, string or substring"


@dataclass(frozen=True, slots=True, eq=False)
class NamedList:
    """One list, ready for look-ups."""

    name: str
    title: str  # what its author calls it
    networks: Networks
    domains: Domains
    texts: frozenset[str]  # case-folded
    fragments: Fragments

    def find(self, about: Indicated) -> tuple[str, str] | None:
        """A value of the object and the entry that it lies in, or None."""
        for value in (*about.addresses, *about.names, *about.readings):
            if (entry := self._of(value)) is not None:
                return value.text, entry
        for word in about.words:
            if word in self.texts:
                return word, word
            if self.fragments and (fragment := self.fragments.find(word)) is not None:
                return word, fragment
        return None

    def _of(self, value: AddressRange | Name) -> str | None:
        """The network or domain that one value lies in, itself or what it stands for."""
        if isinstance(value, Name):
            found = self.domains.find(value)
            return None if found is None else found[0]
        for one in (value, *inside(value)):
            if (found := self.networks.find(one)) is not None:
                return found[0]
        return None


class Listing(NamedTuple):
    """What the lists of a policy say of an object: list name -> sentence."""

    found: dict[str, str]
    doubtful: tuple[str, ...]  # what could not be read
    elsewhere: bool


class Lists:
    """The lists that one policy names."""

    __slots__ = ("all",)

    def __init__(self, lists: Iterable[NamedList]) -> None:
        self.all = tuple(lists)

    def of(self, subject: Subject) -> Listing:
        """Which lists hold a value of the object; looked up once per object version."""
        found: Listing = subject.noted(self, lambda: self.listing(subject.indicated))
        return found

    def listing(self, about: Indicated) -> Listing:
        """Look up all values of an object in all lists."""
        found = {}
        for one in self.all:
            if (hit := one.find(about)) is not None:
                value, entry = hit
                where = "" if entry.casefold() == value.casefold() else f" as {entry}"
                found[one.name] = f"{shown(value)} is listed in {one.name}{where} ({one.title})"
        return Listing(found, (*about.unread, *about.unread_words), about.elsewhere)


_NO_LISTS: Final = Lists(())


@dataclass(frozen=True, slots=True)
class Listed:
    """The match key `listed`, bound to the lists of its policy by `bound`."""

    names: frozenset[str]
    lists: Lists = _NO_LISTS
    doubt: bool = False
    doubt_elsewhere: bool = False

    @property
    def key(self) -> str:
        """Its name in a policy."""
        return "listed"

    def bound(self, lists: Lists, *, doubt: bool, doubt_elsewhere: bool) -> Listed:
        """The key of a rule of the policy with these lists."""
        return replace(self, lists=lists, doubt=doubt, doubt_elsewhere=doubt_elsewhere)

    def matches(self, subject: Subject) -> bool:
        """Whether the rule is about the object."""
        listing = self.lists.of(subject)
        if listing.doubtful or (listing.elsewhere and self.doubt_elsewhere):
            return self.doubt
        return bool(self._among(listing))

    def said(self, subject: Subject) -> tuple[str, ...]:
        """Sentences for `policy explain`."""
        listing = self.lists.of(subject)
        found = [listing.found[name] for name in self._among(listing)]
        found.extend(f"cannot be read: {what}" for what in listing.doubtful[:8])
        return tuple(found) or ("none of its values is listed",)

    def _among(self, listing: Listing) -> list[str]:
        return [name for name in listing.found if ANY_LIST in self.names or name in self.names]


def list_name(file: str) -> str:
    """By which name a list is known."""
    return PurePosixPath(file).stem


def parse_list(text: str, *, file: str) -> NamedList:
    """Read a MISP warning list (JSON) or a plain list, one entry a line, where # at the start is a remark.

    Raises PolicyInvalid with every mistake.
    """
    problems: list[Problem] = []

    def complain(line: int, column: int, message: str) -> None:
        problems.append(Problem(file, line, column, message))

    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        title, kind, entries = _warning_list(text, complain)
    else:
        title, kind = "a plain list", "plain"
        lines = enumerate(text.removeprefix("\ufeff").splitlines(), start=1)
        entries = [(number, line.strip()) for number, line in lines if line.strip()]
        entries = [(number, entry) for number, entry in entries if not entry.startswith("#")]
    if not entries and not problems:
        complain(1, 1, "the list is empty")
    found = _Entries()
    for number, entry in entries:
        try:
            found.take(kind, entry)
        except (ValueError, UnicodeError) as error:
            place = f"entry {number}: " if kind != "plain" else ""
            complain(number if kind == "plain" else 1, 1, f"{place}{error}")
    if problems:
        raise PolicyInvalid(tuple(problems))
    return NamedList(
        name=list_name(file),
        title=title,
        networks=Networks(found.networks),
        domains=Domains(found.domains),
        texts=frozenset(found.texts),
        fragments=Fragments(found.fragments),
    )


def _warning_list(
    text: str, complain: Callable[[int, int, str], None]
) -> tuple[str, str, list[tuple[int, str]]]:
    """Title, type and numbered entries of a MISP warning list."""
    nothing: list[tuple[int, str]] = []
    try:
        whole = json.loads(text.removeprefix("\ufeff"))
    except (json.JSONDecodeError, RecursionError) as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        complain(line, column, f"not JSON: {getattr(error, 'msg', 'nested too deep')}")
        return "", "", nothing
    title, kind, entries = whole.get("name"), whole.get("type", "string"), whole.get("list")
    if kind == "regex":
        complain(
            1, 1,
            "the list holds regular expressions: nobody can bound what one costs or see what it takes in;"
            f" turn it into a list of type {_TYPES}",
        )  # fmt: skip
    elif kind not in ("cidr", "hostname", "string", "substring"):
        complain(1, 1, f"the type {shown(kind)} is not known; write {_TYPES}")
    elif not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        complain(1, 1, "a warning list has its entries under `list`, all of them texts")
    else:
        numbered = [(number, entry.strip()) for number, entry in enumerate(entries, start=1)]
        return str(title or "no name"), str(kind), [one for one in numbered if one[1]]
    return "", "", nothing


class _Entries:
    """Entries by how they are compared."""

    __slots__ = ("domains", "fragments", "networks", "texts")

    def __init__(self) -> None:
        self.networks: list[AddressRange] = []
        self.domains: list[Name] = []
        self.texts: set[str] = set()
        self.fragments: list[str] = []

    def take(self, kind: str, entry: str) -> None:
        """Sort one entry in. Raises ValueError where its list's type does not allow it."""
        if kind == "substring":
            if len(entry) < _SHORTEST_FRAGMENT:
                raise ValueError(f"{shown(entry)} stands in almost any text; give 3 characters")
            self.fragments.append(entry)
            return
        if kind == "cidr":
            self.networks.append(address_range(entry))
            return
        self.texts.add(entry.casefold())
        self.networks.extend(_as_network(entry))
        if kind == "hostname" or (kind == "plain" and "." in entry):
            self.domains.extend(_as_domain(entry.removeprefix(".")))


def _as_network(entry: str) -> Iterator[AddressRange]:
    if re.match(r"[0-9a-fA-F.:]+(?:/[0-9]+)?$", entry):
        try:
            yield address_range(entry)
        except ValueError:
            return


def _as_domain(entry: str) -> Iterator[Name]:
    try:
        yield domain_name(entry)
    except (ValueError, UnicodeError):
        return
