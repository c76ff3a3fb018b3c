"""The parts of a MISP event: its attributes, with what holds for each of them.

1. An object's circle lies between the event's and the attribute's; each may only be stricter than the one around it.
2. What is deleted or only proposed is not the event's word: it is a loss and no part.
3. Local tags, sightings and the links between objects stay behind, and each is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Loss
from cert_exchange.intake.misp.events import (
    MOST_ATTRIBUTES,
    in_short,
    is_true,
    mappings,
    text_of,
    uuid_of,
)
from cert_exchange.intake.misp.marking import (
    Circle,
    circle_of,
    distribution_doubt,
    narrowed,
    narrower_distribution,
)
from cert_exchange.stix.markings import Tlp

_POINTS: Final = frozenset({"link", "url", "uri"})
LOCAL_TAGS: Final = "local tags are not for others"
_TECHNIQUE: Final = re.compile(
    r'misp-galaxy:mitre-[a-z-]*attack-pattern="([^"]{1,200}?) - (T[0-9]{4}(?:\.[0-9]{3})?)"'
)
_NAMED: Final = 3
_DELETED: Final = "deleted in MISP"
_UNDECIDED: Final = "a proposal that nobody has decided on"
_FILE_OBJECTS: Final = frozenset({"file", "pe", "elf", "macho", "malware-config"})


@dataclass(frozen=True, slots=True)
class Part:
    """One attribute with what holds for it."""

    raw: Mapping[str, Any]
    place: str
    circle: Circle
    group: str = ""  # of its object, where that is one thing
    within: str = ""  # the words of its object
    kept: str = ""  # why it is for fewer than the event, where MISP's distribution says so

    @property
    def type(self) -> str:
        """MISP's word for what the value is."""
        return text_of(self.raw, "type")

    @property
    def value(self) -> str:
        """The value as text, without the spaces around it."""
        value = self.raw.get("value")
        return value.strip() if isinstance(value, str) else "" if value is None else str(value)

    @property
    def detect(self) -> bool:
        """Whether it is flagged for detection; what does not say so is not."""
        return is_true(self.raw.get("to_ids"))


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around an attribute."""

    event: Mapping[str, Any]
    circle: Circle
    count: int = 0  # attributes of the event so far, this one among them
    group: str = ""
    within: str = ""


def parts_of(raw: Mapping[str, Any], circle: Circle, losses: list[Loss]) -> Iterator[Part]:
    """All attributes that are the event's word, those of its objects too; what is not goes to `losses`."""
    count = 0
    for attribute in mappings(raw, "Attribute"):
        count += 1
        yield from _part(attribute, _Around(raw, circle, count), losses)
    for number, owner in enumerate(mappings(raw, "Object")):
        held = _within(raw, owner, circle, number, losses)
        if held is None:
            continue
        for attribute in mappings(owner, "Attribute"):
            count += 1
            yield from _part(attribute, replace(held, count=count), losses)
    losses += [
        Loss(f"proposal {uuid_of(one)}", in_short(one.get("value", "")), _UNDECIDED)
        for one in mappings(raw, "ShadowAttribute")
    ]


def _part(attribute: Mapping[str, Any], around: _Around, losses: list[Loss]) -> Iterator[Part]:
    if around.count > MOST_ATTRIBUTES:
        raise InputRefused(f"An event holds more than {MOST_ATTRIBUTES} attributes: split it.")
    own = circle_of(attribute.get("Tag"))
    holds = narrowed(around.circle, own)
    kept = "" if holds.tlp is Tlp.RED else narrower_distribution(attribute, around.event)
    if kept:
        holds = replace(holds, tlp=Tlp.RED)
    uuid = uuid_of(attribute)
    part = Part(
        attribute,
        place=f"attribute {uuid}" if uuid else f"attribute no. {around.count}",
        circle=holds,
        # Parts of one file under different circles are different things to different readers.
        group="/".join((around.group, *holds.markings)) if around.group else "",
        within=around.within,
        kept=kept,
    )
    if is_true(attribute.get("deleted")):
        losses.append(lost(part, _DELETED))
        return
    if own.withheld:
        losses.append(lost(part, LOCAL_TAGS))
    if any(mappings(attribute, "Sighting")):
        losses.append(lost(part, "its sightings stay here: `sight` sends one"))
    losses += [lost(part, _UNDECIDED) for _ in mappings(attribute, "ShadowAttribute")]
    if around.group and text_of(attribute, "comment"):
        losses.append(lost(part, "its comment stands for its whole file, if it is the first"))
    yield part


def _within(
    raw: Mapping[str, Any],
    owner: Mapping[str, Any],
    circle: Circle,
    number: int,
    losses: list[Loss],
) -> _Around | None:
    """What an object says of its attributes; None where it is deleted."""
    place, name = f"object {uuid_of(owner) or number}", in_short(owner.get("name", ""))
    if is_true(owner.get("deleted")):
        losses.append(Loss(place, name, _DELETED))
        return None
    holds = narrowed(circle, circle_of(owner.get("Tag")))
    kept = "" if holds.tlp is Tlp.RED else narrower_distribution(owner, raw)
    if kept:
        holds = replace(holds, tlp=Tlp.RED)
        losses.append(Loss(place, name, f"{kept}: what is kept of it is TLP:RED"))
    is_file = text_of(owner, "name") in _FILE_OBJECTS
    if not is_file:
        losses.append(
            Loss(place, name, "its values are kept one by one, the object around them is not")
        )
    for pointing in mappings(owner, "ObjectReference"):
        kind = in_short(pointing.get("relationship_type", "related"))
        target = uuid_of({"uuid": pointing.get("referenced_uuid")})
        losses.append(Loss(place, f"{name} {kind} {target}", "a link between objects is not kept"))
    words, comment = text_of(owner, "name", limit=80), text_of(owner, "comment", limit=300)
    return _Around(
        raw,
        holds,
        group=f"object {uuid_of(owner) or number}" if is_file else "",
        within=comment if is_file else f"{words}: {comment}" if comment else words,
    )


def remarks_of(raw: Mapping[str, Any], circle: Circle, parts: list[Part]) -> Iterator[str]:
    """What a person should know of the whole event before it goes out."""
    doubt = distribution_doubt(raw)
    if doubt:
        yield doubt
    if parts and not any(part.detect for part in parts):
        yield (
            f"none of the {len(parts)} attributes is flagged for detection (to_ids), so that no indicator is made:"
            " flag in MISP what is to be looked for"
        )
    if circle.tlp is None:
        return
    stricter: dict[Tlp, list[str]] = {}
    for part in parts:
        tlp = part.circle.tlp
        if tlp is not None and tlp > circle.tlp:
            stricter.setdefault(tlp, []).append(part.place)
    for tlp, places in sorted(stricter.items()):
        others = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
        yield (
            f"{len(places)} of {len(parts)} attributes are marked TLP:{tlp.name.replace('_', '+')}, more strictly than"
            f" the event: {', '.join(places[:_NAMED])}{others}"
        )


def techniques_of(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Numbers and names of the ATT&CK techniques that tags and galaxies name."""
    for tag in mappings(raw, "Tag"):
        found = _TECHNIQUE.fullmatch(text_of(tag, "name"))
        if found is not None and not is_true(tag.get("local")):
            yield found[2], found[1]
    for galaxy in mappings(raw, "Galaxy"):
        for cluster in mappings(galaxy, "GalaxyCluster"):
            ids = next(mappings(cluster, "meta"), {}).get("external_id")
            if "attack-pattern" in text_of(cluster, "type") and not is_true(cluster.get("local")):
                for one in ids if isinstance(ids, list) else ():
                    yield str(one), text_of(cluster, "value").partition(" - ")[0]


def galaxies_of(raw: Mapping[str, Any]) -> Iterator[str]:
    """The tags that clusters stand for; exports repeat most of them among the tags."""
    for galaxy in mappings(raw, "Galaxy"):
        for cluster in mappings(galaxy, "GalaxyCluster"):
            tag = text_of(cluster, "tag_name", limit=250)
            if tag and not is_true(cluster.get("local")):
                yield tag


def is_reference(part: Part) -> bool:
    """A link to the author's sources, which is never looked for."""
    if part.type not in _POINTS or part.detect:
        return False
    return part.type == "link" or text_of(part.raw, "category") == "External analysis"


def lost(part: Part, reason: str) -> Loss:
    """A loss that names the attribute."""
    return Loss(part.place, in_short(part.value), reason)
