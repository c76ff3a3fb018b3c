"""Markings: what an object says about who may see it.

1. One ladder for TLP 1 and TLP 2: clear (white) < green < amber < amber+strict < red. The strictest that is found
   anywhere in the object counts, at any depth: object markings, granular markings, markings of embedded objects, labels
   and tags, properties named after TLP, OpenCTI's fields, a title that begins with `TLP:` and a level (CASES M27).
2. A TLP is recognised by the id of its definition, never by the definition's name, which may lie (policy-facts 1). An
   id that is no definition we know is returned among `ids`, and it is for the policy to be closed to it.
3. Text is compared case-folded and without separators: `tlp:amber+strict`, `TLP:AMBER-STRICT` and `tlp_amber_strict`
   are one. All of this only ever restricts: where a text could mean two levels, it means the stricter.
4. `lang` in a granular marking says a language and restricts nothing.
5. An id under `object_refs` or `object_ref` names a definition that is talked about, and marks nothing.
6. The cost is linear in the size of the object.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

from cert_exchange.stix.references import is_identifier, marking_ids


class Tlp(IntEnum):
    """The traffic light protocol as one scale; a greater number is a narrower circle."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4


@dataclass(frozen=True, slots=True)
class Markings:
    """What was read: the strictest TLP (None: no TLP at all), the ids of all other marking definitions, and tags.

    `tags` are labels that say more than a TLP, as they were written, for `handling`.
    """

    tlp: Tlp | None
    ids: frozenset[str]
    tags: tuple[str, ...] = ()


_TLP1: Final = (
    ("613f2e26-407d-48c7-9eca-b8e91df99dc9", "TLP:WHITE", "white", Tlp.CLEAR),
    ("34098fce-860f-48ae-8e50-ebd3cc5e41da", "TLP:GREEN", "green", Tlp.GREEN),
    ("f88d31f6-486f-44da-b317-01333bde0b82", "TLP:AMBER", "amber", Tlp.AMBER),
    ("5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "TLP:RED", "red", Tlp.RED),
)
_TLP2: Final = (
    ("94868c89-83c2-464b-929b-a1a8aa3c8487", "TLP:CLEAR", "clear", Tlp.CLEAR),
    ("bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "TLP:GREEN", "green", Tlp.GREEN),
    ("55d920b0-5e8b-4f79-9ee9-91f868d9b421", "TLP:AMBER", "amber", Tlp.AMBER),
    ("939a9414-2ddd-4d32-a0cd-375ea402b003", "TLP:AMBER+STRICT", "amber+strict", Tlp.AMBER_STRICT),
    ("e828b379-4e03-4974-9ac4-e53a884c97c1", "TLP:RED", "red", Tlp.RED),
)
TLP2_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"

TLP_DEFINITIONS: Final[tuple[Mapping[str, Any], ...]] = (
    *(
        MappingProxyType(
            {
                "type": "marking-definition",
                "spec_version": "2.1",
                "id": f"marking-definition--{uuid}",
                "created": "2017-01-20T00:00:00.000Z",
                "definition_type": "tlp",
                "name": name,
                "definition": {"tlp": colour},
            }
        )
        for uuid, name, colour, _ in _TLP1
    ),
    *(
        MappingProxyType(
            {
                "type": "marking-definition",
                "spec_version": "2.1",
                "id": f"marking-definition--{uuid}",
                "created": "2022-10-01T00:00:00.000Z",
                "name": name,
                "extensions": {
                    TLP2_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": level}
                },
            }
        )
        for uuid, name, level, _ in _TLP2
    ),
)
"""The nine fixed definitions: STIX 2.1 section 7.2.1.4, then the TLP 2.0 extension of OASIS."""

# OpenCTI writes an id of its own for AMBER+STRICT (policy-facts 1).
_OPENCTI_AMBER_STRICT: Final = "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37"
TLP_BY_ID: Final[Mapping[str, Tlp]] = MappingProxyType(
    {f"marking-definition--{uuid}": tlp for uuid, _, _, tlp in (*_TLP1, *_TLP2)}
    | {_OPENCTI_AMBER_STRICT: Tlp.AMBER_STRICT}
)
_DEFINITION_BY_ID: Final = {item["id"]: item for item in TLP_DEFINITIONS}
_BY_TEXT: Final = {
    "clear": Tlp.CLEAR,
    "white": Tlp.CLEAR,
    "green": Tlp.GREEN,
    "amber": Tlp.AMBER,
    "amberstrict": Tlp.AMBER_STRICT,
    "red": Tlp.RED,
    # MISP: nobody decided yet (policy-facts 1).
    "unclear": Tlp.RED,
}
FOREIGN_SCHEMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce": "ACS",
        "extension-definition--dff17fb3-edcb-4f99-ad1b-4b751c95738a": "CUI",
    }
)
"""Marking schemes that nobody here understands; as an extension of an object itself they restrict it all the same."""

_MARKING: Final = "marking-definition--"
# "tlp" as a word, perhaps with the version of the protocol, or run together with its level.
_TLP_WORD: Final = re.compile(
    r"(?<![a-z0-9])tlp(?:(?![a-z0-9])|v?[12](?:[._]?0)?(?![a-z0-9])|(?=white|clear|green|amber|red))"
)
_VERSION: Final = re.compile(r"[\s_.:-]*v?[12](?:[._]?0)?(?![a-z0-9])")
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")
_TITLE: Final = re.compile(
    r"[^a-z0-9]*tlp\s*[:=]\s*(white|clear|green|amber[^a-z0-9]{0,3}strict|amber|red)(?![a-z0-9])"
)
_TITLES: Final = frozenset({"name", "description", "abstract", "content"})
_READ_ALREADY: Final = frozenset({"id", "object_marking_refs", "granular_markings"})
_TITLE_LENGTH: Final = 40
_LONGEST_TAG: Final = 250
_HANDLING: Final = re.compile(r"(?<![a-z0-9])(?:pap|iep2?)(?![a-z0-9])|chr")


# What the texts under a property may be; what stands below takes the greater of its own and its parent's. Plain numbers:
# every property of every object is asked.
_OTHER: Final = 0
_TAG: Final = 1  # one of many, and it marks when it says so
_IS_MARKING: Final = 2  # as a tag, and a bare level marks too
_LEVEL: Final = 3  # it names a level, or it means a restriction that we do not know
_SKIPPED: Final = 4
_LEVEL_KEY: Final = re.compile(r"(?:^|[^a-z])tlp|traffic_?light")
_MARKING_KEY: Final = re.compile(r"marking|^x_opencti_definition$")
_TAG_KEY: Final = re.compile(r"(?:labels?|tags?)$")


_KINDS: Final[dict[str, int]] = {}
_MOST_KINDS: Final = 4096


def _kind_of(key: str) -> int:
    kind = _KINDS.get(key)
    if kind is None:
        kind = _kind_read(key.casefold())
        if len(_KINDS) < _MOST_KINDS:  # a sender may make up as many names as it likes
            _KINDS[key] = kind
    return kind


def _kind_read(name: str) -> int:
    if name in ("selectors", "lang", "object_refs", "object_ref"):
        return _SKIPPED
    if _LEVEL_KEY.search(name):
        return _LEVEL
    if _MARKING_KEY.search(name):
        return _IS_MARKING
    return _TAG if _TAG_KEY.search(name) else _OTHER


def fixed_definition(stix_id: str) -> Mapping[str, Any] | None:
    """The one content that a predefined TLP id stands for, or None when the id is no such definition."""
    return _DEFINITION_BY_ID.get(stix_id)


def folded(text: str) -> str:
    """A tag as it is compared: compatibility forms and letter case folded, invisible characters gone."""
    if text.isascii():
        return text.lower()
    normal = unicodedata.normalize("NFKC", text)
    return "".join(c for c in normal if unicodedata.category(c) != "Cf").casefold()


def squeezed(text: str) -> str:
    """What is left of a folded text without separators: small letters and digits."""
    return _SEPARATORS.sub("", text)


def tlp_of_text(text: str) -> Tlp | None:
    """The TLP that a label such as `tlp:amber+strict` names; None when `tlp` is no word of it.

    What has the word and no level we know (`tlp:purple`) is RED: somebody meant a restriction. `tlp:ex:chr` is a
    rule beside a colour and no colour (policy-facts 1); see `hides_source`.
    """
    said = _after_tlp(text)
    if said is None or said == "exchr":
        return None
    return _BY_TEXT.get(said.replace("exchr", ""), Tlp.RED)


def hides_source(text: str) -> bool:
    """Whether a label is MISP's `tlp:ex:chr`: the source must not be disclosed."""
    return "exchr" in (_after_tlp(text) or "")


def _after_tlp(text: str) -> str | None:
    """What stands after the word `tlp`, squeezed; None when there is no such word."""
    lower = folded(text)
    if "tlp" not in lower:
        return None
    found = _TLP_WORD.search(lower)
    if found is None:
        return None
    return squeezed(_VERSION.sub("", lower[found.end() :], count=1))


def read_markings(content: Mapping[str, Any]) -> Markings:
    """The strictest TLP anywhere in the object, and the ids of marking definitions that are no TLP.

    Ids match exactly: one in other letter case is an id that we do not know. What a marking definition defines does
    not mark itself: of one, only its markings, labels and OpenCTI's `x_opencti_definition` count.
    """
    found = _Found()
    for stix_id in marking_ids(content):
        found.marking(stix_id)
    defines = content.get("type") == "marking-definition"
    for key, value in content.items():
        if key in _READ_ALREADY or (defines and key not in ("labels", "x_opencti_definition")):
            continue
        kind = _kind_of(key)
        if type(value) is str:
            if kind or value.startswith(_MARKING):
                found.text(value, kind)
            if key in _TITLES:
                found.title(value)
        elif kind == _LEVEL or isinstance(value, dict | list):
            found.walk(value, kind)
    extensions = content.get("extensions")
    if isinstance(extensions, dict) and not defines:
        found.ids.update(extensions.keys() & FOREIGN_SCHEMES.keys())
    return Markings(found.tlp, frozenset(found.ids), tuple(found.tags))


class _Found:
    """What has been found so far in one object."""

    __slots__ = ("ids", "tags", "tlp")

    def __init__(self) -> None:
        self.tlp: Tlp | None = None
        self.ids: set[str] = set()
        self.tags: list[str] = []

    def level(self, tlp: Tlp | None) -> None:
        if tlp is not None and (self.tlp is None or tlp > self.tlp):
            self.tlp = tlp

    def marking(self, stix_id: str) -> None:
        tlp = TLP_BY_ID.get(stix_id)
        if tlp is None:
            self.ids.add(stix_id)
        else:
            self.level(tlp)

    def title(self, text: str) -> None:
        """Read a title that begins with a level; what else stands in prose is for people."""
        start = folded(text[:_TITLE_LENGTH])
        if "tlp" in start and (named := _TITLE.match(start)) is not None:
            self.level(_BY_TEXT[squeezed(named[1])])

    def text(self, text: str, kind: int) -> None:
        if text.startswith(_MARKING):
            if kind != _SKIPPED and is_identifier(text):
                self.marking(text)
        elif kind not in (_OTHER, _SKIPPED):
            # What is too long for a tag is read as far as a tag goes: work stays linear, whatever a sender writes.
            tag = folded(text[:_LONGEST_TAG])
            named = tlp_of_text(tag)
            if named is None and kind != _TAG:
                bare = _BY_TEXT.get(squeezed(tag))
                named = Tlp.RED if bare is None and kind == _LEVEL else bare
            self.level(named)
            if _HANDLING.search(tag) is not None:
                self.tags.append(text[:_LONGEST_TAG])

    def walk(self, value: Any, kind: int) -> None:
        """Read everything below; what stands under a tag or a level is one, however deep."""
        pending: list[tuple[Any, int]] = [(value, kind)]
        while pending:
            node, kind = pending.pop()
            if isinstance(node, dict):
                children = [(child, max(kind, _kind_of(key))) for key, child in node.items()]
            elif isinstance(node, list) and kind != _SKIPPED:
                children = [(child, kind) for child in node]
            else:
                if kind == _LEVEL and node is not None:
                    self.level(Tlp.RED)
                continue
            for child, own in children:
                if type(child) is str:
                    if own or child.startswith(_MARKING):
                        self.text(child, own)
                elif own == _LEVEL or isinstance(child, dict | list):
                    pending.append((child, own))
