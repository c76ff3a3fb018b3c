"""Objects of STIX as MISP events: one for each report or grouping, and one for what no report names.

1. Who may see something is said of everything: each attribute bears all markings of what it is made of, of several the
   strictest TLP, and an event the strictest of what it holds; what its report says itself stands beside that. A marking that
   MISP has no word for goes as a tag that names it, and what bears no TLP is `UNMARKED`.
2. UUIDs follow from what is said: the same objects make the same events, byte for byte, and MISP updates what it has.
   What came from MISP keeps the UUID of its event and attributes.
3. `distribution` is 0: whoever imports decides who else gets it. What is not said is listed by id (CASES I23, I27).
4. What its creator revoked stands there as deleted: an attribute that is only missing stays in MISP for ever (CASES O06).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid5

from cert_exchange.intake.misp.events import UNNAMED
from cert_exchange.intake.misp.marking import is_level
from cert_exchange.outputs.entries import Level
from cert_exchange.outputs.expressing import Unsaid
from cert_exchange.outputs.misp.attributes import (
    LINKS,
    REFERENCE,
    Attribute,
    Said,
    of_indicator,
    of_observable,
    of_vulnerability,
    values_of_observable,
)
from cert_exchange.outputs.misp.gathering import SILENT, Draft, Owners, beside, external_ids, gather
from cert_exchange.outputs.misp.levels import Levels
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.stix.markings import Tlp
from cert_exchange.stix.references import OBSERVABLE_TYPES

MOST_BYTES: Final = 128 * 1024 * 1024
"""of all events together, about: an object stands in each report that names it"""
_FRAME: Final = 300
_NAMESPACE: Final = UUID("0b6d5c3a-3f0e-5c0f-8e55-2f6d8a9b7c10")
_LEVEL: Final = re.compile(r'misp:(threat-level-id|analysis)="([0-4])"')


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who made an event."""

    name: str
    uuid: str


@dataclass(frozen=True, slots=True)
class Event:
    """A whole event. `content` is what stands under `Event`."""

    uuid: str
    content: Mapping[str, Any] = field(repr=False)
    attributes: int

    @property
    def body(self) -> bytes:
        """The file of this event in a feed, and what `Import` of MISP takes."""
        return _bytes({"Event": self.content})


@dataclass(frozen=True, slots=True)
class Events:
    """All events of some objects, and what could not be said of them, by id."""

    events: tuple[Event, ...]
    unsaid: tuple[Unsaid, ...]

    @property
    def manifest(self) -> bytes:
        """`manifest.json` of a feed: what MISP reads to know which events are new."""
        keys = ("info", "date", "analysis", "threat_level_id", "timestamp", "Orgc", "Tag")
        return _bytes({one.uuid: {key: one.content[key] for key in keys} for one in self.events})


def write_events(
    objects: Iterable[Mapping[str, Any]],
    *,
    organisation: Organisation,
    title: str,
    levels: Mapping[str, Level] = MappingProxyType({}),
) -> Events:
    """All events of validated objects, which the caller has chosen: what is over or held is not among them.

    `title` names the event of what no report names; `levels` are what counts of some besides, by id. Never raises for what an object says.
    """
    held: dict[str, Mapping[str, Any]] = {}
    for content in objects:
        held[str(content.get("id"))] = content
    return _Writer(held, organisation, title, levels).events()


class _Writer:
    def __init__(
        self,
        held: Mapping[str, Mapping[str, Any]],
        organisation: Organisation,
        title: str,
        levels: Mapping[str, Level],
    ) -> None:
        self._held = held
        self._organisation = organisation
        self._title = title
        self._unsaid: dict[str, Unsaid] = {}
        self._folders = {
            stix_id: str(one.get("path"))
            for stix_id, one in held.items()
            if one.get("type") == "directory"
        }
        self._beside = beside(held)
        self._levels = Levels(held, self._beside, levels)
        self._owners = Owners(held, f"identity--{organisation.uuid}")
        self._room = MOST_BYTES
        self._used: set[str] = set()

    def events(self) -> Events:
        """All events; what is not said is known once they are made."""
        spare = str(uuid5(_NAMESPACE, f"{self._organisation.uuid}/{self._title}"))
        loose = f"{self._title}: what no report names"
        made = [self._event(one) for one in gather(self._held, self._owners, spare, loose)]
        return Events(
            tuple(one for one in made if one.attributes or one.content.get("EventReport")),
            tuple(self._unsaid.values()),
        )

    def _event(self, draft: Draft) -> Event:
        report = draft.report
        said_itself = self._levels.marks(report)
        levels, labels = {"threat-level-id": "4", "analysis": "2"}, []
        for label in report.get("labels", ()):
            found = _LEVEL.fullmatch(label)
            if found is not None:
                levels[found[1]] = found[2]
            elif not is_level(label):
                labels.append(label)
        attributes, files, techniques, strictness = self._members(draft, {*said_itself, *labels})
        attributes += self._links(draft)
        changed = [_second(self._held[one]) for one in draft.members] + [_second(report)]
        begun = [str(self._held[one].get("created") or "") for one in draft.members]
        oldest = min(filter(None, begun), default="1970-01-01")
        published = str(report.get("published") or report.get("created") or oldest)
        creator = self._held.get(str(report.get("created_by_ref")), {})
        maker = self._organisation
        if creator.get("name"):
            maker = Organisation(str(creator["name"]), str(creator["id"]).rpartition("--")[2])
        tags = self._levels.of_event(report, strictness)
        tags = list(dict.fromkeys([*tags, *said_itself, *labels, *techniques]))
        content = {
            "uuid": draft.uuid,
            "info": draft.title,
            "date": published[:10],
            "timestamp": str(max(changed)),
            "publish_timestamp": str(max(changed)),
            "published": True,
            "analysis": levels["analysis"],
            "threat_level_id": levels["threat-level-id"],
            "distribution": "0",
            "Orgc": {"name": maker.name, "uuid": maker.uuid},
            "Tag": [{"name": one} for one in tags],
            "Attribute": attributes,
            "Object": files,
        }
        if draft.text:
            content["EventReport"] = [self._text(draft, draft.text)]
        return Event(draft.uuid, content, len(attributes) + sum(len(f["Attribute"]) for f in files))

    def _members(
        self, draft: Draft, around: set[str]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str], list[Tlp]]:
        """Attributes, `file` objects, tags of techniques, and the levels of all these."""
        attributes: list[dict[str, Any]] = []
        files: list[dict[str, Any]] = []
        techniques: list[str] = []
        levels: list[Tlp] = []
        for stix_id in draft.members:
            content = self._held[stix_id]
            if content.get("type") == "attack-pattern":
                named = list(_technique(content, around))
                techniques += named
                # What names a technique of public knowledge is not made stricter for want of a marking.
                if named and self._levels.is_marked(content):
                    levels.append(self._levels.level(content))
                continue
            said = self._said(stix_id, content)
            self._room -= _size(said)
            if self._room < 0:
                said = Said((), unsaid=Unsaid(stix_id, f"more than {MOST_BYTES} bytes of events"))
            if said.unsaid is not None:
                self._unsaid[stix_id] = said.unsaid
            parts = list(self._levels.parts(stix_id, content))
            labels = [one for one in said.labels if one not in around]
            tags = list(dict.fromkeys([*self._levels.tags(*parts), *labels]))
            sought = said.attributes
            if not self._levels.is_flagged(content, parts):
                sought = tuple(replace(one, to_ids=False) for one in sought)
            made = [self._attribute(draft, one, content, tags) for one in sought]
            if made:
                levels.append(max(map(self._levels.level, parts)))
            if said.as_file:
                files.append(_file(draft, stix_id, content, made))
            else:
                attributes += made
        return attributes, files, techniques, levels

    def _said(self, stix_id: str, content: Mapping[str, Any]) -> Said:
        stix_type = content.get("type")
        if stix_type == "indicator":
            values = [
                value
                for seen in self._beside.get(stix_id, ())
                if seen in self._held
                for value in values_of_observable(self._held[seen], self._folders)
            ]
            return of_indicator(content, values)
        if stix_type == "vulnerability":
            return of_vulnerability(content)
        if stix_type in SILENT:
            return Said(())
        if stix_type in OBSERVABLE_TYPES:
            return of_observable(content, self._folders)
        return Said((), unsaid=Unsaid(stix_id, f"MISP has no attribute for the type {stix_type}"))

    def _attribute(
        self, draft: Draft, one: Attribute, content: Mapping[str, Any], tags: Sequence[str]
    ) -> dict[str, Any]:
        uuid = one.uuid
        if not uuid or uuid in self._used or not self._owners.may(content, uuid):
            # One UUID stands in one event only, and an object may be named by several reports.
            uuid = str(
                uuid5(_NAMESPACE, f"{draft.uuid}/{content.get('id')}/{one.type}/{one.value}")
            )
        self._used.add(uuid)
        made: dict[str, Any] = {
            "uuid": uuid,
            "type": one.type,
            "category": one.category,
            "value": one.value,
            "to_ids": one.to_ids,
            "comment": one.comment,
            "timestamp": str(_second(content)),
            "distribution": "5",
        }
        if one.first_seen:
            made["first_seen"] = one.first_seen
        if content.get("revoked") is True:
            made["deleted"] = True
        if tags:
            made["Tag"] = [{"name": tag} for tag in tags]
        return made

    def _links(self, draft: Draft) -> list[dict[str, Any]]:
        """Where a report points to, as links; what has no address is not said."""
        report, made = draft.report, []
        for one in report.get("external_references", ()):
            if one.get("url"):
                misp_type = str(one.get("source_name")).removeprefix(REFERENCE)
                kept = misp_type in LINKS
                link = Attribute(
                    misp_type if kept else "link",
                    "External analysis",
                    str(one["url"]),
                    to_ids=False,
                    uuid=str(one.get("external_id", "")) if kept else "",
                    comment=str(one.get("description", "")),
                )
                made.append(self._attribute(draft, link, report, self._levels.tags(report)))
            elif one.get("source_name") != "misp":
                reason = "a reference without an address"
                stix_id = str(report.get("id"))
                self._unsaid[stix_id] = Unsaid(stix_id, reason, in_part=True)
        return made

    def _text(self, draft: Draft, text: str) -> dict[str, Any]:
        """The text of a report; what `intake.misp` made a heading of is the name again."""
        first, apart, rest = text.partition("\n\n")
        headed = apart and first.startswith("# ") and "\n" not in first
        return {
            "uuid": str(uuid5(_NAMESPACE, f"{draft.uuid}/text")),
            "name": first[2:] if headed else UNNAMED,
            "content": rest if headed else text,
            "distribution": "5",
            "timestamp": str(_second(draft.report)),
        }


def _size(said: Said) -> int:
    labels = sum(map(len, said.labels))
    return sum(_FRAME + labels + len(one.value) + len(one.comment) for one in said.attributes)


def _file(
    draft: Draft, stix_id: str, content: Mapping[str, Any], made: list[dict[str, Any]]
) -> dict[str, Any]:
    comment = next((one["comment"] for one in made if one["comment"]), "")
    made = [{**one, "object_relation": one["type"], "comment": ""} for one in made]
    return {
        "uuid": str(uuid5(_NAMESPACE, f"{draft.uuid}/{stix_id}")),
        "name": "file",
        "meta-category": "file",
        "template_uuid": "688c46fb-5edb-40a3-8273-1af7923e2215",
        "template_version": "24",
        "distribution": "5",
        "comment": comment,
        "timestamp": str(_second(content)),
        "Attribute": made,
    }


def _technique(content: Mapping[str, Any], around: set[str]) -> Iterator[str]:
    """The tag of a technique, unless one of the event names it already."""
    numbers = list(external_ids(content, "mitre-attack"))
    if not numbers or any(f' - {numbers[0]}"' in tag for tag in around):
        return
    name = str(content.get("name"))
    if name == numbers[0]:
        name = str(content.get("description") or name)[:200]
    yield f'misp-galaxy:mitre-attack-pattern="{name} - {numbers[0]}"'


def _second(content: Mapping[str, Any]) -> int:
    """Seconds since 1970 of its last change; 0 where it does not say."""
    try:
        return (
            max(parse_micros(str(content.get("modified") or content.get("created"))), 0)
            // 1_000_000
        )
    except InstantInvalid:
        return 0


def _bytes(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, indent=1).encode()
