"""Territories: whose hosts, names, systems and countries are whose, and which of them an object concerns.

1. Every value that an object states is looked up alone: it concerns each territory that holds a part of it, and
   `third` when none does, or none wholly. An object that states nothing concerns `third`.
2. What cannot be read wholly, or stands in another object, makes `unknown`. A rule that allows never matches that
   unless it says so; a rule that denies or holds matches what cannot be read, whatever it asks for.
3. What stands in another object is left to that object: who refers to it waits until it is visible. Where the policy
   says `unresolved: allow`, nobody waits, and it counts as unread.
4. `partner` means a partner of the policy; the territory of another partner is `third`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_interface
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from cert_exchange.policy.indicated import Indicated
from cert_exchange.policy.lookups import AddressRange, Domains, Name, Networks, inside
from cert_exchange.policy.lookups import address_range as read_range
from cert_exchange.policy.lookups import domain_name as read_name
from cert_exchange.policy.reading import Document, fill_form, read_document, shown
from cert_exchange.policy.spellings import partner_name, refuse, text
from cert_exchange.policy.subject import Subject

OWN: Final = "own"
PARTNER: Final = "partner"
THIRD: Final = "third"
PROTECTED: Final = "protected"
UNKNOWN: Final = "unknown"
KINDS: Final = (OWN, PARTNER, THIRD, PROTECTED)
CONCERNS: Final = (*KINDS, UNKNOWN)
"""Words of `concerns:`."""

TERRITORY_LIMIT: Final = 8 * 1024 * 1024
"""Characters of one territory file."""
_SAID: Final = 8
_Read = TypeVar("_Read")

_ADVICE: Final = {
    "name": "write what people call it, on one line",
    "kind": f"write one of {', '.join(KINDS)}",
    "partner": "write the partner's name, as in a policy's `partners`",
    "networks": "write a list such as [198.51.100.0/24, 2001:db8::/32], or | and one a line",
    "domains": "write a list such as [example.org], each with all names below it, or | and one a line",
    "autonomous_systems": "write a list of numbers such as [64496]",
    "countries": "write a list of two letters each, such as [AA]",
}


@dataclass(frozen=True, slots=True, eq=False)
class Territory:
    """One territory file."""

    name: str
    kind: str  # one of KINDS
    partner: str | None  # given exactly when the kind is partner
    networks: Networks
    domains: Domains
    systems: frozenset[int]
    countries: frozenset[str]  # in capitals

    @property
    def called(self) -> str:
        """How it is called in an explanation."""
        whose = f"the territory of {self.partner}" if self.partner else f"{self.kind} territory"
        return f"{whose} ({self.name})"


class Hit(NamedTuple):
    """Where one value of an object lies: in a part of a territory, or in none."""

    value: str
    within: str
    territory: Territory | None

    def __str__(self) -> str:
        if self.territory is None:
            return f"{self.value} lies in no territory"
        where = self.territory.called
        same = self.within.casefold() == self.value.casefold()
        return (
            f"{self.value} lies in {where}"
            if same
            else f"{self.value} lies in {self.within} of {where}"
        )


@dataclass(frozen=True, slots=True)
class Concern:
    """What an object concerns: kinds (with `unknown`), where each value lies, and what could not be read."""

    kinds: frozenset[str]
    hits: tuple[Hit, ...]
    unread: tuple[str, ...]
    elsewhere: bool

    def said(self) -> tuple[str, ...]:
        """Sentences for `policy explain`."""
        found = [str(hit) for hit in self.hits[:_SAID]]
        if len(self.hits) > _SAID:
            found.append(f"and {len(self.hits) - _SAID} values more")
        found.extend(f"cannot be read: {what}" for what in self.unread[:_SAID])
        if self.elsewhere:
            found.append("it states no host, name or country itself: what it refers to decides")
        return tuple(found) or ("it states no host, name or country",)


_NOWHERE: Final = Concern(frozenset({THIRD}), (), (), elsewhere=False)
_ELSEWHERE: Final = Concern(frozenset({UNKNOWN}), (), (), elsewhere=True)


class Territories:
    """The territories that one policy names, as its partners see them."""

    __slots__ = ("_partners", "all")

    def __init__(self, territories: Iterable[Territory], partners: Collection[str]) -> None:
        self.all = tuple(territories)
        self._partners = frozenset(partners)

    def kinds(self) -> frozenset[str]:
        """Which kinds an object can concern at all, `third` and `unknown` always among them."""
        return frozenset({THIRD, UNKNOWN, *map(self._kind_of, self.all)})

    def of(self, subject: Subject) -> Concern:
        """What an object concerns; looked up once per object version."""
        found: Concern = subject.noted(self, lambda: self.concern(subject.indicated))
        return found

    def concern(self, about: Indicated) -> Concern:
        """Look up every value that an object states."""
        if not (about.addresses or about.names or about.systems or about.countries or about.unread):
            return _ELSEWHERE if about.elsewhere else _NOWHERE
        hits = (
            *self._hits_of_addresses(about.addresses),
            *self._hits(about.names, lambda one, value: one.domains.find(value)),
            *self._hits(
                about.systems, lambda one, value: _whole(f"AS{value}", value in one.systems)
            ),
            *self._hits(about.countries, lambda one, value: _whole(value, value in one.countries)),
        )
        kinds = {THIRD if hit.territory is None else self._kind_of(hit.territory) for hit in hits}
        if about.unread:
            kinds.add(UNKNOWN)
        # What some read in it is told, and makes it of no kind: unread it is, and that decides.
        hits += tuple(hit for one in about.readings for _, hit in self.holding(one))
        return Concern(frozenset(kinds), hits, about.unread, about.elsewhere)

    def holding(self, value: AddressRange | Name) -> Iterator[tuple[str, Hit]]:
        """Each territory that holds a part of one value, with its kind."""
        if isinstance(value, Name):
            hits = self._hits((value,), lambda one, name: one.domains.find(name))
        else:
            hits = self._hits_of_addresses((value,))
        for hit in hits:
            if hit.territory is not None:
                yield self._kind_of(hit.territory), hit

    def _kind_of(self, territory: Territory) -> str:
        if territory.kind == PARTNER and territory.partner not in self._partners:
            return THIRD
        return territory.kind

    def _hits_of_addresses(self, addresses: Iterable[AddressRange]) -> Iterator[Hit]:
        """Where addresses lie; what stands for an IPv4 address lies where that does, besides where it is named itself."""
        for address in addresses:
            hits = self._hits((address,), lambda one, value: one.networks.find(value))
            within = [one._replace(text=address.text) for one in inside(address)]
            yield from (hit for hit in hits if hit.territory is not None or not within)
            yield from self._hits(within, lambda one, value: one.networks.find(value))

    def _hits(
        self, values: Iterable[Any], find: Callable[[Territory, Any], tuple[str, bool] | None]
    ) -> Iterator[Hit]:
        for value in values:
            spelled = value.text if isinstance(value, AddressRange | Name) else str(value)
            wholly = False
            for territory in self.all:
                found = find(territory, value)
                if found is not None:
                    wholly |= found[1]
                    yield Hit(spelled, found[0], territory)
            if not wholly:
                yield Hit(spelled, "", None)


def _whole(within: str, found: bool) -> tuple[str, bool] | None:  # noqa: FBT001 - the answer of an `in`
    return (within, True) if found else None


NO_TERRITORIES: Final = Territories((), ())


@dataclass(frozen=True, slots=True)
class Concerns:
    """The match key `concerns` (`only`: `concerns_only`), bound to the territories of its policy by `bound`."""

    kinds: frozenset[str]
    only: bool = False
    territories: Territories = NO_TERRITORIES
    doubt: bool = False  # whether what cannot be read matches: in rules that deny or hold
    doubt_elsewhere: bool = False  # whether what stands in other objects counts as unread

    @property
    def key(self) -> str:
        """Its name in a policy."""
        return "concerns_only" if self.only else "concerns"

    def bound(self, territories: Territories, *, doubt: bool, doubt_elsewhere: bool) -> Concerns:
        """The key of a rule of the policy with these territories."""
        return replace(self, territories=territories, doubt=doubt, doubt_elsewhere=doubt_elsewhere)

    def matches(self, subject: Subject) -> bool:
        """Whether the rule is about the object."""
        concern = self.territories.of(subject)
        if UNKNOWN in concern.kinds and UNKNOWN not in self.kinds:
            return self.doubt and (bool(concern.unread) or self.doubt_elsewhere)
        if self.only:
            return concern.kinds <= self.kinds
        return not self.kinds.isdisjoint(concern.kinds)

    def said(self, subject: Subject) -> tuple[str, ...]:
        """Sentences for `policy explain`."""
        return self.territories.of(subject).said()


def concern_word(value: Any) -> str:
    """Check a word of `concerns`; for pydantic."""
    if value not in CONCERNS:
        refuse(f"{shown(value)} is no kind of territory; write one of: {', '.join(CONCERNS)}")
    return str(value)


def territory_kind(value: Any) -> str:
    """Check a word of `mentions`; for pydantic."""
    if value not in KINDS:
        refuse(f"{shown(value)} is no kind of territory; write one of: {', '.join(KINDS)}")
    return str(value)


class TerritoryForm(BaseModel):
    """A territory file, key by key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, BeforeValidator(lambda value: text(value, most=100, what="name"))]
    kind: Literal["own", "partner", "third", "protected"]
    partner: Annotated[str, BeforeValidator(partner_name)] | None = None
    networks: Any = None
    domains: Any = None
    autonomous_systems: Any = None
    countries: Any = None


def parse_territory(text_: str, *, file: str) -> Territory:
    """Read one territory file. Raises PolicyInvalid with every mistake."""
    document = read_document(text_, file=file, limit=TERRITORY_LIMIT)
    form = fill_form(document, TerritoryForm, advice=_ADVICE)
    if (form.kind == PARTNER) != (form.partner is not None):
        document.complain(
            ("partner",), "partner is given exactly when kind is partner; add it or take it out"
        )
    networks = list(_entries(document, "networks", _network))
    domains = list(_entries(document, "domains", _domain))
    systems = list(_entries(document, "autonomous_systems", _system))
    countries = list(_entries(document, "countries", _country))
    if not (networks or domains or systems or countries or document.problems):
        document.complain(
            (), "the territory is empty; give networks, domains, countries or the like"
        )
    if document.problems:
        raise document.refuse()
    return Territory(
        name=form.name,
        kind=form.kind,
        partner=form.partner,
        networks=Networks(networks),
        domains=Domains(domains),
        systems=frozenset(systems),
        countries=frozenset(countries),
    )


def _entries(document: Document, key: str, read: Callable[[str], _Read]) -> Iterator[_Read]:
    """The entries at a key: a list, or a text with one a line, where # begins a remark."""
    value = document.value.get(key)
    if isinstance(value, str):
        line, column = document.place_of((key,))
        block = "\n" in value
        for number, words in enumerate(value.splitlines(), start=1):
            entry = words.partition("#")[0].strip()
            if entry:
                document.places[key, number] = (line + number, 1) if block else (line, column)
                yield from _entry(document, (key, number), entry, read)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _entry(document, (key, index), entry, read)
    elif value is not None:
        document.complain((key,), f"{key} is {shown(value)}; {_ADVICE[key]}")


def _entry(
    document: Document, path: tuple[str | int, ...], entry: Any, read: Callable[[str], _Read]
) -> Iterator[_Read]:
    if not isinstance(entry, str | int) or isinstance(entry, bool):
        document.complain(path, f"{shown(entry)} does not do; {_ADVICE[str(path[0])]}")
        return
    try:
        found = read(str(entry))
    except (ValueError, UnicodeError) as error:
        document.complain(path, f"{error}; {_ADVICE[str(path[0])]}")
    else:
        yield found


def _network(entry: str) -> AddressRange:
    found = read_range(entry)
    if read_range(entry.partition("/")[0]).first != found.first:
        cleared = ip_interface(entry).network
        raise ValueError(f"{shown(entry)} has bits behind its prefix, as {cleared} has not")
    return found


def _domain(entry: str) -> Name:
    found = read_name(entry)
    if found.below:
        raise ValueError(f"{shown(entry)} stands for less than {found.forms[0]} does")
    return found


def _system(entry: str) -> int:
    digits = entry.casefold().removeprefix("as")
    if not re.fullmatch("[0-9]{1,10}", digits) or not 0 < int(digits) < 2**32:
        raise ValueError(f"{shown(entry)} is no autonomous system")
    return int(digits)


def _country(entry: str) -> str:
    if not re.fullmatch("[A-Za-z]{2}", entry):
        raise ValueError(f"{shown(entry)} is no country")
    return entry.upper()
