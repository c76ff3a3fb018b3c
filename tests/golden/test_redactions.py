"""Granular markings: what each reader gets of an object, kept in files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.golden.deciding import LEVELS
from tests.golden.redacting import EXAMPLES, FACTS, HERE, contents, kept, renditions, written

from cert_exchange.stix.markings import TLP_BY_ID, Tlp
from cert_exchange.stix.rules.marked import select

ALL = ("facts", *EXAMPLES)


@pytest.mark.parametrize("name", ALL)
def test_an_example_is_shown_as_kept(name: str) -> None:
    """Object by object and ceiling by ceiling; `tests.golden.redacting` says how a file is written anew."""
    assert written(renditions(name)) == kept(name).read_text()


def test_every_file_belongs_to_an_example() -> None:
    assert {path.name for path in HERE.iterdir()} == {kept(one).name for one in ALL}


def _values(node: Any) -> set[str]:
    if isinstance(node, dict):
        return {one for child in node.values() for one in _values(child)}
    if isinstance(node, list):
        return {one for child in node for one in _values(child)}
    return {str(node)}


@pytest.mark.parametrize("name", ALL)
def test_no_file_shows_what_is_marked_above_its_reader(name: str) -> None:
    """Read with other eyes than the engine's: every value under a marking above the ceiling is nowhere in the file."""
    found = json.loads(kept(name).read_text())
    hidden = 0
    for what, content in contents(name):
        for entry in content.get("granular_markings", ()):
            level = (
                TLP_BY_ID.get(entry.get("marking_ref"), Tlp.RED) if "marking_ref" in entry else None
            )
            for selector in entry["selectors"]:
                values = _values(select(content, selector)) - {content["id"]}
                for ceiling in LEVELS:
                    shown = _shown(found[what], ceiling)
                    if (
                        level is None
                        or level <= Tlp[ceiling.upper().replace("+", "_")]
                        or shown == "as it is"
                    ):
                        continue
                    hidden += 1
                    text = json.dumps(shown).casefold()
                    inside = {one for one in values if len(one) > 3 and one.casefold() in text}
                    assert not inside | (values & _values(shown))
    assert hidden or "campaign" in name  # which has a language only


def test_a_wider_ceiling_takes_nothing_more_away() -> None:
    """What is shown grows with the ceiling, from nothing to the whole."""
    found = json.loads(kept("facts").read_text())
    assert found.keys() == FACTS.keys()
    for what, answers in found.items():
        sizes = [_size(_shown(answers, one)) for one in LEVELS]
        assert sizes == sorted(sizes), what


def _shown(answers: dict[str, Any], level: str) -> Any:
    answer = answers[level]
    return answers[answer.removeprefix("as at ")] if str(answer).startswith("as at ") else answer


def _size(answer: Any) -> int:
    if isinstance(answer, str):
        return 0 if answer.startswith("not at all") else 1 << 30
    return len(json.dumps(answer))
