"""What the free words of a MISP event name: texts that would tell of a part which their readers may not see.

1. An event report goes to all who see anything of the event. It goes out only if it names no value: none of any attribute in
   plain or defanged spelling, and none that a reader of reports sees. What is held (our own hosts, public name servers) is
   known only later, so that an indicator of the event is no exception. CVE numbers, techniques and links that the event
   publishes are.
2. Nor may it point to a part by its UUID or by a reference of MISP's (`@[attribute](...)`).
3. A comment stays with its attribute, a link and the title with the event. Each is left out where it names a value that is
   marked more strictly than this, or that goes to nobody.
4. Values are looked for as `intake.needles` does it, whatever stands between their letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.misp import types
from cert_exchange.intake.misp.events import mappings, uuid_of
from cert_exchange.intake.misp.marking import Circle, narrowed
from cert_exchange.intake.misp.parts import Part, is_reference
from cert_exchange.intake.needles import Needles, needles_of
from cert_exchange.intake.refanging import refang
from cert_exchange.intake.reports.passages import LONGEST_LINE
from cert_exchange.intake.reports.spotting import spot
from cert_exchange.stix.markings import Tlp

NAMES_A_VALUE: Final = (
    "it names values, some of which may be kept back from its readers: it is left out"
)
POINTS_TO_A_PART: Final = "it points to parts of the event by their UUID: it is left out"
NAMES_WHAT_IS_KEPT_BACK: Final = "names a value that is kept back from its readers: it is left out"

_POINTER: Final = re.compile(r"@!?\[[^\]\n]{1,40}\]\(")
_UUID: Final = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE
)
_SAID_WHOLLY: Final = frozenset({Kind.VULNERABILITY, Kind.TECHNIQUE})
_VALUES: Final = frozenset({*types.KINDS, *types.COMPOSITES, *types.NAMED_FILES})


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who may know a value: what its attribute says of it."""

    circle: Circle
    published: bool  # as an indicator or the like, whoever sees that
    group: str = ""
    is_value: bool = False  # and no word like a port
    is_victim: bool = False

    def hides_from(self, circle: Circle, group: str) -> bool:
        """Whether some of a circle may not see this value; in its own group it is told of beside the others."""
        if not self.published and not (self.group and self.group == group):
            return True
        return narrower(self.circle, circle)


def narrower(one: Circle, than: Circle) -> bool:
    """Whether one circle forbids what another does not: a level, a PAP or a rule."""
    both = narrowed(than, one)
    return (both.tlp or Tlp.CLEAR, both.pap, frozenset(both.rules)) != (
        than.tlp or Tlp.CLEAR,
        than.pap,
        frozenset(than.rules),
    )


class Named:
    """The values of an event, to be looked for in its words."""

    def __init__(self, raw: Mapping[str, Any], parts: Iterable[Part], circle: Circle) -> None:
        """Of a whole event; `parts`: all that are its word."""
        self._uuid = uuid_of(raw)
        self._links: set[str] = set()
        self._found: dict[str, dict[str, set[_Owner]]] = {}
        self._all = Needles[_Owner]()
        self._hidden = Needles[_Owner]()
        told: set[int] = set()
        self._circle = circle
        hides_sources = names_no_source(circle)
        for part in parts:
            told.add(id(part.raw))
            victim = part.type.startswith("target-")
            owner = _Owner(
                part.circle,
                _is_published(part),
                part.group,
                is_value=part.type in _VALUES,
                is_victim=victim,
            )
            link = is_reference(part) and not hides_sources and not narrower(part.circle, circle)
            if link:
                self._links.update(needles_of(part.value))
            words = part.type in types.UNUSED and not victim
            for needle in _needles_of(part):
                if not link and not _is_common(part, circle):
                    self._all.add(needle, owner)
                # What only the event's own circle limits and is words alone is no secret of a comment.
                if narrower(part.circle, circle) or not (owner.published or words or link):
                    self._hidden.add(needle, owner)
        nobody = _Owner(circle, published=False)
        for gone in _raw_parts(raw):
            value = gone.get("value")
            if id(gone) not in told and isinstance(value, str):
                for needle in needles_of(value):
                    self._all.add(needle, nobody)
                    self._hidden.add(needle, nobody)

    def why_not(self, text: str) -> str:
        """Why a text may not go to all who see the event; empty where it may (rules 1 and 2)."""
        uuids = {found.lower() for found in _UUID.findall(text)} - {self._uuid}
        if uuids or _POINTER.search(text) is not None:
            return POINTS_TO_A_PART
        plain = refang(unicodedata.normalize("NFKC", text))
        if next(self._all.within(text), None) is not None or any(
            spotted.kind not in _SAID_WHOLLY
            and not self._links.issuperset(needles_of(spotted.value or spotted.raw))
            for form in (text, plain)
            for line in _lines(form)
            for spotted in spot(line)
        ):
            return NAMES_A_VALUE
        return ""

    def tells_too_much(self, part: Part, words: str) -> bool:
        """Whether words on a part name what some who see the part may not see (rule 3)."""
        return self._tells(words, part.circle, part.group, part)

    def has_inside(self, part: Part) -> bool:
        """Whether a part's value has one inside that is marked more strictly, or a victim."""
        own = _needles_of(part)
        return any(
            owner.is_victim or (owner.is_value and narrower(owner.circle, part.circle))
            for needle, owners in self._hidden.within(unquote(part.value))
            if needle not in own
            for owner in owners
        )

    def titles_too_much(self, title: str) -> bool:
        """Whether the event's title names what some who see the event may not see (rule 3)."""
        return self._tells(title, self._circle, "", None)

    def _tells(self, words: str, circle: Circle, group: str, on: Part | None) -> bool:
        found = self._found.get(words)
        if found is None:  # many attributes have the same comment
            found = self._found[words] = dict(self._hidden.within(words))
        own = _needles_of(on) if found and on is not None else ()
        return any(
            needle not in own and any(owner.hides_from(circle, group) for owner in owners)
            for needle, owners in found.items()
        )


def names_no_source(circle: Circle) -> bool:
    """Whether the source must not be named (`tlp:ex:chr`)."""
    return any("chr" in rule.lower() for rule in circle.rules)


def _is_published(part: Part) -> bool:
    """Whether something goes out that names the value."""
    return _is_cve(part) or (part.detect and part.type in _VALUES)


def _is_cve(part: Part) -> bool:
    return part.type == "vulnerability"


def _is_common(part: Part, circle: Circle) -> bool:
    """A vulnerability that the event itself publishes: everybody knows its number."""
    return _is_cve(part) and not narrower(part.circle, circle)


def _raw_parts(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Attributes and proposals as they stand there, deleted ones too."""
    for owner in (raw, *mappings(raw, "Object")):
        yield from mappings(owner, "ShadowAttribute")
        for attribute in mappings(owner, "Attribute"):
            yield attribute
            yield from mappings(attribute, "ShadowAttribute")


def _needles_of(part: Part) -> set[str]:
    return {*needles_of(part.value), uuid_of(part.raw).replace("-", "")} - {""}


def _lines(text: str) -> Iterator[str]:
    """Lines of a length that `spot` takes."""
    for line in text.splitlines():
        for at in range(0, len(line), LONGEST_LINE):
            yield line[at : at + LONGEST_LINE]
