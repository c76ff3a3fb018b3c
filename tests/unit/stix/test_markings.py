"""Markings: one ladder, the strictest counts, what is unknown is handed on as unknown."""

from __future__ import annotations

from typing import Any

import pytest
import stix2
from tests.unit.stix.placements import ANYWHERE
from tests.unit.stix.samples import SAMPLES, indicator

from cert_exchange.stix.canonical import Limits, parse_json
from cert_exchange.stix.markings import (
    TLP_BY_ID,
    TLP_DEFINITIONS,
    Markings,
    Tlp,
    read_markings,
    tlp_of_text,
)
from cert_exchange.stix.validation import validate

GREEN1 = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
GREEN2 = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
STRICT = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
OTHER = "marking-definition--11111111-1111-4111-8111-111111111111"


def read(**properties: Any) -> Markings:
    return read_markings(indicator(**properties))


def test_the_ladder() -> None:
    """Clear < green < amber < amber+strict < red."""
    assert sorted(Tlp) == [Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED]


def test_unmarked_is_not_clear() -> None:
    """No marking is None: what that means is for the policy."""
    assert read() == Markings(None, frozenset())


@pytest.mark.case("M27")
@pytest.mark.parametrize(
    ("properties", "tlp"),
    [
        ({"object_marking_refs": [GREEN1]}, Tlp.GREEN),
        ({"object_marking_refs": [GREEN2]}, Tlp.GREEN),
        ({"object_marking_refs": [GREEN1, STRICT]}, Tlp.AMBER_STRICT),
        (
            {
                "object_marking_refs": [GREEN1],
                "granular_markings": [{"selectors": ["name"], "marking_ref": RED}],
            },
            Tlp.RED,
        ),
        (
            {
                "object_marking_refs": [STRICT],
                "granular_markings": [{"selectors": ["name"], "marking_ref": GREEN2}],
            },
            Tlp.AMBER_STRICT,
        ),
        ({"object_marking_refs": [GREEN1], "labels": ["TLP:RED"]}, Tlp.RED),
        ({"object_marking_refs": [RED], "labels": ["tlp:clear"]}, Tlp.RED),
        ({"labels": ["tlp:amber+strict"]}, Tlp.AMBER_STRICT),
        ({"x_opencti_definition": "TLP:AMBER+STRICT"}, Tlp.AMBER_STRICT),
        (
            {"object_marking_refs": ["marking-definition--826578e1-40ad-459f-bc73-ede076f81f37"]},
            Tlp.AMBER_STRICT,
        ),
        ({"granular_markings": [{"selectors": ["name"], "lang": "de"}]}, None),
    ],
)
def test_the_strictest_anywhere_counts(properties: dict[str, Any], tlp: Tlp | None) -> None:
    """Object, granular, label or OpenCTI's field: the strictest decides for the whole object."""
    assert read(**properties).tlp is tlp


def test_unknown_ids_are_handed_on() -> None:
    """Ids that are no TLP definition are returned, also those that only differ in letter case."""
    mistyped = RED.replace("5e57", "5E57")
    found = read(
        object_marking_refs=[OTHER, GREEN1, mistyped],
        granular_markings=[{"selectors": ["name"], "marking_ref": OTHER}],
    )
    assert found == Markings(Tlp.GREEN, frozenset({OTHER, mistyped}))


@pytest.mark.case("M27")
@pytest.mark.parametrize(
    ("properties", "tlp"), [pytest.param(p, tlp, id=name) for name, p, tlp in ANYWHERE]
)
def test_every_way_to_write_a_level(properties: dict[str, Any], tlp: Tlp | None) -> None:
    """Wherever it stands it restricts, also beside a looser object marking."""
    assert read_markings({"type": "x-any", **properties}).tlp is tlp
    beside = read_markings({"type": "x-any", "object_marking_refs": [GREEN1], **properties})
    assert beside.tlp is max(Tlp.GREEN, tlp or Tlp.CLEAR)


def test_foreign_schemes_on_an_object_are_not_understood() -> None:
    """ACS and CUI as an extension of the object itself: a restriction that nobody here can read."""
    cui = "extension-definition--dff17fb3-edcb-4f99-ad1b-4b751c95738a"
    assert read(extensions={cui: {"control": "CUI"}}).ids == {cui}


def test_what_a_definition_defines_does_not_mark_it() -> None:
    """A RED definition may be seen by who gets something that bears it; its own markings count."""
    for definition in TLP_DEFINITIONS:
        assert read_markings(definition) == Markings(None, frozenset())
    own = {"type": "marking-definition", "name": "TLP:RED", "object_marking_refs": [GREEN1]}
    assert read_markings(own).tlp is Tlp.GREEN


def test_unknown_ids_anywhere_are_handed_on() -> None:
    """A marking that nobody knows denies where it stands on an embedded object too."""
    assert read_markings({"type": "x-any", "x": [{"marking_ref": OTHER}]}).ids == {OTHER}


def test_reading_is_linear() -> None:
    """Deep and long content is read without recursion, and a tag of a million characters as far as a tag goes."""
    deep: Any = "tlp:red"
    for _ in range(20_000):
        deep = [deep]
    assert read_markings({"type": "x-any", "x_tags": deep}).tlp is Tlp.RED
    assert read_markings({"type": "x-any", "x_tags": ["tlp" * 400_000]}).tlp is None


@pytest.mark.parametrize(
    ("text", "tlp"),
    [
        ("tlp:white", Tlp.CLEAR),
        ("TLP:CLEAR", Tlp.CLEAR),
        ("Tlp-Green", Tlp.GREEN),
        ("tlp:amber", Tlp.AMBER),
        ("TLP:AMBER-STRICT", Tlp.AMBER_STRICT),
        ("tlp:amber_strict", Tlp.AMBER_STRICT),
        ('tlp="amber+strict"', Tlp.AMBER_STRICT),
        ("tlp:unclear", Tlp.RED),
        ("tlp:purple", Tlp.RED),
        ("tlp:", Tlp.RED),
        ("tlp:ex:chr", None),
        ("tlp:amber+ex:chr", Tlp.AMBER),
        ("TLPv2:RED", Tlp.RED),
        ("TLP 2.0: AMBER+STRICT", Tlp.AMBER_STRICT),
        ("tlp_2_0:green", Tlp.GREEN),
        ("TLPRED", Tlp.RED),
        ("TLP", Tlp.RED),
        ("tlp amber", Tlp.AMBER),
        ("[TLP:GREEN]", Tlp.GREEN),
        ("#tlp:red", Tlp.RED),
        ('misp:tlp="amber"', Tlp.AMBER),
        ('iep2-policy:tlp="white"', Tlp.CLEAR),
        ("\uff34\uff2c\uff30\uff1a\uff32\uff25\uff24", Tlp.RED),
        ("T\u200bLP:\u00adAMBER", Tlp.AMBER),
        ("tlp\u00a0:\u00a0amber", Tlp.AMBER),
        ("TLP:GREEN or AMBER", Tlp.RED),
        ("ransomware", None),
        ("red", None),
        ("stlp:red", None),
        ("tlpa", None),
        ("outlpost", None),
    ],
)
def test_labels(text: str, tlp: Tlp | None) -> None:
    """Labels of MISP and others are read whatever their case and separators; an unknown level is RED."""
    assert tlp_of_text(text) is tlp


@pytest.mark.case("M24")
def test_the_nine_definitions() -> None:
    """They are valid, are those that python-stix2 and OASIS publish, and each has its level."""
    assert len(TLP_DEFINITIONS) == 9
    for definition in TLP_DEFINITIONS:
        item = validate(dict(definition), limits=Limits())
        assert item.id in TLP_BY_ID
        assert item.version == definition["created"]
    published = {
        stix2.TLP_WHITE.id,
        stix2.TLP_GREEN.id,
        stix2.TLP_AMBER.id,
        stix2.TLP_RED.id,
    }
    for path in (SAMPLES / "stix").glob("tlp2-*.json"):
        if "extension" not in path.name:
            value = parse_json(path.read_bytes(), depth=64)
            assert isinstance(value, dict)
            objects = value.get("objects", [value])
            for definition in objects:
                if definition["type"] == "marking-definition":
                    assert dict(definition) in [dict(known) for known in TLP_DEFINITIONS]
                    published.add(definition["id"])
    assert published <= TLP_BY_ID.keys()
