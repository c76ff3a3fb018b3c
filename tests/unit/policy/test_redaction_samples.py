"""Public objects under every kind of recipe: what is shown is valid, holds nothing of what went, and most is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from tests.unit.stix.samples import SAMPLES, read

from cert_exchange.errors import InputRefused
from cert_exchange.policy.redaction import EXTENSION, Naming, Rendered, Unredactable, render, trim
from cert_exchange.policy.rules import Ceiling, Recipe
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import examine
from cert_exchange.stix.markings import Tlp, read_markings

RECIPES = {
    "custom": Recipe(custom=True),
    "external references": Recipe(external_references=True),
    "source": Recipe(source=True),
    "descriptions": Recipe(remove=frozenset({"description"})),
    "all": Recipe(custom=True, external_references=True, source=True, above_ceiling=True),
}
NEW = "11111111-2222-5333-8444-555555555555"


@cache
def objects() -> tuple[Mapping[str, Any], ...]:
    """The small public files, each object once; of larger ones every fourth or twelfth."""
    found: dict[str, Mapping[str, Any]] = {}
    attack = SAMPLES / "attack" / "enterprise-attack-18.1-subset.json.gz"
    for path in (attack, *sorted(one for one in (SAMPLES / "stix").iterdir() if one.is_file())):
        try:
            items = examine(read(path), limits=Limits()).items
        except InputRefused:
            continue  # STIX 2.0, and others that the door refuses
        for item in items[:: 1 if len(items) < 60 else 4 if len(items) < 1_000 else 12]:
            if item.item is not None and item.item.type not in (
                "marking-definition",
                "extension-definition",
            ):
                found[item.item.id] = item.item.content
    return tuple(found.values())


def shown(content: Mapping[str, Any], recipe: Recipe) -> Rendered | Unredactable | None:
    """The rendition; None where the recipe takes nothing."""
    trimmed = trim(content, recipe, Ceiling(Tlp.GREEN))
    if isinstance(trimmed, Unredactable):
        return trimmed
    if not trimmed.changed:
        assert trimmed.content == content
        return None
    now = "2026-11-25T12:00:00.000000Z"
    return render(trimmed, Naming(f"{content['type']}--{NEW}", now, now, None))


def _values(node: Any) -> set[str]:
    if isinstance(node, dict):
        return {one for child in node.values() for one in _values(child)}
    if isinstance(node, list):
        return {one for child in node for one in _values(child)}
    return {node} if isinstance(node, str) else set()


@pytest.mark.parametrize("kind", RECIPES)
def test_public_objects_are_shown_without_what_a_recipe_takes(kind: str) -> None:
    """Long texts that went are nowhere, properties that went neither; the level is kept; the whole is not all refused."""
    refused = changed = 0
    for content in objects():
        made = shown(content, RECIPES[kind])
        if made is None:
            continue
        changed += 1
        if isinstance(made, Unredactable):
            refused += "define the type" not in made.reason
            continue
        text = made.body.decode()
        assert content["id"] not in text
        before = read_markings({k: v for k, v in content.items() if k != "granular_markings"}).tlp
        assert (read_markings(made.content).tlp or Tlp.CLEAR) >= (before or Tlp.CLEAR)
        gone = {
            "custom": {name for name in content if name.startswith("x_")},
            "external references": {"external_references"},
            "source": {"created_by_ref", "authors"},
            "descriptions": {"description"},
        }
        names = gone[kind] if kind in gone else set[str]().union(*gone.values()) - {"description"}
        assert not names & made.content.keys()
        lost = _values([content[name] for name in names if name in content])
        lower = json.dumps(made.content, ensure_ascii=False).casefold()
        assert not {
            one
            for one in lost
            if len(one) > 20
            and one.casefold() in lower
            and one not in (content.get("created"), content.get("modified"))
        }
    assert changed > 50
    assert refused < changed * 0.2, f"{refused} of {changed}"


def test_the_oracle_finds_renditions_valid() -> None:
    """stix2-validator, which our own validation is compared with, finds no more to say of a derivative than of its original."""
    # Here, for loading it takes seconds, which every process of a test run would pay.
    from stix2validator import ValidationOptions, validate_instance

    options = ValidationOptions(version="2.1", strict=False, disabled="all")
    compared = 0
    for content in objects()[::3]:
        made = shown(content, RECIPES["all"])
        if not isinstance(made, Rendered):
            continue
        if not validate_instance(json.loads(json.dumps(dict(content))), options).is_valid:
            continue
        compared += 1
        verdict = validate_instance(json.loads(made.body), options)
        assert verdict.is_valid, (content["id"], verdict.errors)
        assert EXTENSION in made.content["extensions"]
    assert compared > 20
