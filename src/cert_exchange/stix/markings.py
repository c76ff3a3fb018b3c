"""Markings: what an object says about who may see it.

1. One ladder for TLP 1 and TLP 2: clear (white) < green < amber < amber+strict < red. The strictest that is found
   anywhere in the object counts: object markings, granular markings, labels, OpenCTI's fields (CASES M27).
2. A TLP is recognised by the id of its definition, never by a name, which may lie (policy-facts 1). An id that is no
   definition we know is returned among `ids`, and it is for the policy to be closed to it.
3. Text is compared case-folded and without separators: `tlp:amber+strict`, `TLP:AMBER-STRICT` and `tlp_amber_strict`
   are one.
4. `lang` in a granular marking says a language and restricts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

from cert_exchange.stix.references import marking_ids


class Tlp(IntEnum):
    """The traffic light protocol as one scale; a greater number is a narrower circle."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4


@dataclass(frozen=True, slots=True)
class Markings:
    """What was read: the strictest TLP (None: no TLP at all) and the ids of all other marking definitions."""

    tlp: Tlp | None
    ids: frozenset[str]


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
_TLP_TEXT: Final = re.compile(r"\s*tlp\s*[:=_\-. ]\s*(.*)", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


def fixed_definition(stix_id: str) -> Mapping[str, Any] | None:
    """The one content that a predefined TLP id stands for, or None when the id is no such definition."""
    return _DEFINITION_BY_ID.get(stix_id)


def tlp_of_text(text: str) -> Tlp | None:
    """The TLP that a label such as `tlp:amber+strict` names; None when the text does not begin with `tlp`.

    What begins so and names no level we know (`tlp:purple`) is RED: somebody meant a restriction. `tlp:ex:chr` is a
    rule beside a colour and no colour (policy-facts 1).
    """
    found = _TLP_TEXT.fullmatch(text)
    if found is None:
        return None
    level = _SEPARATORS.sub("", found[1].strip().casefold().strip('"'))
    if level == "exchr":
        return None
    return _BY_TEXT.get(level, Tlp.RED)


def read_markings(content: Mapping[str, Any]) -> Markings:
    """The strictest TLP anywhere in the object, and the ids of marking definitions that are no TLP.

    Of a marking definition that OpenCTI wrote, `x_opencti_definition` counts as a label does. Ids match exactly: one in
    other letter case is an id that we do not know.
    """
    strictest: Tlp | None = None
    others: set[str] = set()
    for stix_id in marking_ids(content):
        tlp = TLP_BY_ID.get(stix_id)
        if tlp is None:
            others.add(stix_id)
        elif strictest is None or tlp > strictest:
            strictest = tlp
    for text in _texts(content):
        tlp = tlp_of_text(text)
        if tlp is not None and (strictest is None or tlp > strictest):
            strictest = tlp
    return Markings(strictest, frozenset(others))


def _texts(content: Mapping[str, Any]) -> Iterator[str]:
    labels = content.get("labels")
    if isinstance(labels, list):
        for label in labels:
            if isinstance(label, str):
                yield label
    if isinstance(content.get("x_opencti_definition"), str):
        yield content["x_opencti_definition"]
