"""What a MISP event says about who may see it and what may be done with it: tags, distribution, sharing groups.

1. Tags are read by the functions that policy reads labels with (`stix.markings`, `stix.handling`): no level means less
   here than it would there.
2. What an event says holds for everything in it; an attribute or object may say more, and then that counts. It never
   says less: a GREEN attribute of an AMBER event is AMBER.
3. "Your organisation only" and a sharing group, said of a part of an event whose own circle is wider, are TLP:RED: whom
   a sharing group of another system means, nobody here can tell.
4. A local tag is not for others and goes no further; one that restricts does both.
5. Nothing said at all is left to the person who publishes: `Circle.tlp` is None.
6. An event that we wrote bears the strictest TLP of what it holds, and beside it what it says itself (`report_level`). That
   counts only where its parts explain the rest: each has a TLP of its own, the strictest of them is the event's, and nobody
   added another to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid5

from cert_exchange.intake.misp.events import mappings
from cert_exchange.stix.handling import Pap, pap_of_text, read_handling
from cert_exchange.stix.markings import Tlp, read_markings

_MARKING: Final = "marking-definition--"
TLP_IDS: Final[Mapping[Tlp, str]] = MappingProxyType(
    {
        Tlp.CLEAR: f"{_MARKING}94868c89-83c2-464b-929b-a1a8aa3c8487",
        Tlp.GREEN: f"{_MARKING}bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
        Tlp.AMBER: f"{_MARKING}55d920b0-5e8b-4f79-9ee9-91f868d9b421",
        Tlp.AMBER_STRICT: f"{_MARKING}939a9414-2ddd-4d32-a0cd-375ea402b003",
        Tlp.RED: f"{_MARKING}e828b379-4e03-4974-9ac4-e53a884c97c1",
    }
)
"""The definitions of TLP 2.0 (policy-facts 1)."""

_NAMESPACE: Final = UUID("6f7a3a0e-0f0c-5a53-9d0b-6a8a5b1f2c41")
_PAP_SINCE: Final = "2026-11-26T00:00:00.000Z"
PAP_DEFINITIONS: Final[Mapping[Pap, Mapping[str, Any]]] = MappingProxyType(
    {
        pap: MappingProxyType(
            {
                "type": "marking-definition",
                "spec_version": "2.1",
                "id": f"{_MARKING}{uuid5(_NAMESPACE, f'PAP:{pap.name}')}",
                "created": _PAP_SINCE,
                "name": f"PAP:{pap.name}",
                "definition_type": "statement",
                "definition": {"statement": f"PAP:{pap.name}"},
            }
        )
        for pap in Pap
    }
)
"""PAP has no definitions of its own; a cyber-observable has no labels, so that only a definition can say it of one.

One content for each id, for ever: these bytes never change.
"""
_PAP_BY_ID: Final = {str(made["id"]): pap for pap, made in PAP_DEFINITIONS.items()}
_TLP_BY_OWN_ID: Final = {stix_id: tlp for tlp, stix_id in TLP_IDS.items()}

_REPORT_LEVEL: Final = re.compile(r'cert-exchange:report-tlp="([a-z+]{3,12})"')
_LEVELS: Final = {tlp.name.lower().replace("_", "+"): tlp for tlp in Tlp}
_LONGEST: Final = 250
"""Characters of a tag; MISP's own have at most 255."""
_CONFIDENCE: Final[Mapping[str, int]] = {
    "completely-confident": 100,
    "usually-confident": 75,
    "fairly-confident": 50,
    "rarely-confident": 25,
    "unconfident": 0,
}
_ORGANISATION_ONLY, _SHARING_GROUP, _INHERITED = "0", "4", "5"
_WIDTH: Final = {"0": 0, "4": 1, "1": 2, "2": 3, "3": 4}


@dataclass(frozen=True, slots=True)
class Circle:
    """Who may see something, and what its tags say besides. `labels` are the tags that go along."""

    tlp: Tlp | None = None
    pap: Pap | None = None
    labels: tuple[str, ...] = ()
    confidence: int | None = None
    rules: tuple[str, ...] = ()  # those of the labels that bind and are no level, such as an IEP's
    withheld: int = 0  # how many local tags were left out

    @property
    def markings(self) -> tuple[str, ...]:
        """Ids of marking definitions, the TLP first."""
        tlp = () if self.tlp is None else (TLP_IDS[self.tlp],)
        pap = () if self.pap is None else (str(PAP_DEFINITIONS[self.pap]["id"]),)
        return tlp + pap


def circle_of(tags: object) -> Circle:
    """What the tags of an event, object or attribute say. `tags`: MISP's `Tag`, whatever it is."""
    names = list(_names(tags))
    said = [name for name, _ in names]
    content = {"type": "indicator", "labels": said}
    marks = read_markings(content)
    handling = read_handling(content, marks, _nothing_held)
    # What is restricted in a way that cannot be read must not go out as if it were not.
    unreadable = Tlp.RED if handling.unreadable else None
    return Circle(
        tlp=strictest(marks.tlp, handling.tlp, unreadable),
        pap=handling.pap,
        labels=tuple(
            dict.fromkeys(
                n for n, local in names if not is_level(n) and not (local and n not in marks.tags)
            )
        ),
        confidence=next((c for n in said if (c := _confidence(n)) is not None), None),
        rules=tuple(tag for tag in marks.tags if pap_of_text(tag) is None),
        withheld=sum(local and n not in marks.tags and not is_level(n) for n, local in names),
    )


def circle_of_event(event: Mapping[str, Any]) -> Circle:
    """What an event says of itself, and so of everything in it (rule 6)."""
    circle = circle_of(event.get("Tag"))
    stated: list[Tlp] = []
    others = 0
    for name, _ in _names(event.get("Tag")):
        found = _REPORT_LEVEL.fullmatch(name)
        if found is not None and found[1] in _LEVELS:
            stated.append(_LEVELS[found[1]])
        else:
            others += circle_of({"name": name}).tlp is not None
    if (len(stated), others) != (1, 1) or circle.tlp is None:
        return circle
    levels = [circle_of(one.get("Tag")).tlp for one in _attributes(event)]
    if None in levels or strictest(*levels) != circle.tlp:
        return circle
    return replace(circle, tlp=min(stated[0], circle.tlp))


def _attributes(event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every attribute of an event, wherever it stands in it."""
    for owner in (event, *mappings(event, "Object")):
        yield from mappings(owner, "Attribute")


def narrowed(outer: Circle, inner: Circle) -> Circle:
    """What holds for a part: its own circle where that is stricter, else that of the whole (rule 2)."""
    paps = [pap for pap in (outer.pap, inner.pap) if pap is not None]
    return Circle(
        tlp=strictest(outer.tlp, inner.tlp),
        pap=max(paps, default=None),
        labels=tuple(dict.fromkeys((*outer.rules, *inner.labels))),
        confidence=inner.confidence if inner.confidence is not None else outer.confidence,
        rules=tuple(dict.fromkeys((*outer.rules, *inner.rules))),
        withheld=inner.withheld,
    )


def narrower_distribution(part: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """Why a part of an event may not go where the event goes, in words; empty when it may (rule 3)."""
    own = _distribution(part)
    if own in (None, _INHERITED) or own not in (_ORGANISATION_ONLY, _SHARING_GROUP):
        return ""
    event = _distribution(whole)
    if event == own == _SHARING_GROUP and part.get("sharing_group_id") == whole.get(
        "sharing_group_id"
    ):
        return ""
    if event is not None and _WIDTH.get(event, 4) <= _WIDTH[own] and own == _ORGANISATION_ONLY:
        return ""
    if own == _ORGANISATION_ONLY:
        return "its distribution is `your organisation only`"
    return "it is for a sharing group of MISP's, whose members nobody here knows"


def distribution_doubt(event: Mapping[str, Any]) -> str:
    """What to tell a person of an event's own distribution, or nothing: the tags and the person decide, not MISP's circle."""
    own = _distribution(event)
    if own == _ORGANISATION_ONLY:
        return "MISP keeps this event to your organisation (distribution 0): its TLP says here who gets it"
    if own == _SHARING_GROUP:
        return "MISP keeps this event to a sharing group (distribution 4): its TLP says here who gets it"
    return ""


def tags_of(markings: Iterable[str]) -> Iterator[str]:
    """The tags of MISP's taxonomies that marking definitions of ours stand for: the way back."""
    for stix_id in markings:
        if stix_id in _TLP_BY_OWN_ID:
            yield f"tlp:{_TLP_BY_OWN_ID[stix_id].name.lower().replace('_', '+')}"
        elif stix_id in _PAP_BY_ID:
            yield f"PAP:{_PAP_BY_ID[stix_id].name}"


def report_level(tlp: Tlp) -> str:
    """The tag that says what a report says itself, where its event bears the stricter level of its parts (rule 6)."""
    return f'cert-exchange:report-tlp="{tlp.name.lower().replace("_", "+")}"'


def strictest(*levels: Tlp | None) -> Tlp | None:
    """The narrowest circle of several; None where nothing says one."""
    return max((level for level in levels if level is not None), default=None)


def is_level(name: str) -> bool:
    """Whether a tag says nothing but a TLP or PAP, which markings say in its place."""
    if _REPORT_LEVEL.fullmatch(name) is not None:
        return True
    marks = read_markings({"type": "indicator", "labels": [name]})
    return (marks.tlp is not None and not marks.tags) or pap_of_text(name) is not None


def _names(tags: object) -> Iterator[tuple[str, bool]]:
    """Names of tags, and whether each is local."""
    for tag in tags if isinstance(tags, list) else (tags,):
        if isinstance(tag, Mapping) and isinstance(tag.get("name"), str) and tag["name"].strip():
            yield tag["name"].strip()[:_LONGEST], tag.get("local") in (True, 1, "1")


def _confidence(name: str) -> int | None:
    head, equals, value = name.partition("=")
    return _CONFIDENCE.get(value.strip('"')) if equals and head == "misp:confidence-level" else None


def _distribution(of: Mapping[str, Any]) -> str | None:
    said = of.get("distribution")
    return None if said is None else str(said)


def _nothing_held(_: str) -> Sequence[Any]:
    return ()
