"""Whether one trimmed content says more than another, by example."""

from __future__ import annotations

from typing import Any

import pytest

from cert_exchange.policy.redaction.comparing import parts_gone, says_no_more

FULL: dict[str, Any] = {
    "name": "seen by source Fox in the cellar",
    "labels": ["one", "two", "three"],
    "hashes": {"MD5": "aa", "SHA-1": "bb"},
    "confidence": 50,
    "external_references": [{"source_name": "x", "url": "https://x.example/"}],
    "granular_markings": [{"selectors": ["labels.[2]"]}],
}


@pytest.mark.parametrize(
    ("less", "gone"),
    [
        ({}, []),
        ({"name": "seen by source [withheld] in the cellar"}, ["parts of name"]),
        ({"name": "[withheld] Fox [withheld]"}, ["parts of name"]),
        ({"name": "[withheld]"}, ["parts of name"]),
        ({"labels": ["one", "three"]}, ["parts of labels"]),
        ({"hashes": {"MD5": "aa"}}, ["hashes.SHA-1"]),
        ({"external_references": [{"source_name": "x"}]}, ["parts of external_references"]),
        ({"granular_markings": [{"selectors": ["labels.[1]"]}]}, []),
        ({"confidence": None}, ["confidence"]),
    ],
)
def test_what_only_lost_something_says_no_more(less: dict[str, Any], gone: list[str]) -> None:
    """The other way round it does, wherever anything was lost at all. None stands for what is left out."""
    made = {name: value for name, value in {**FULL, **less}.items() if value is not None}
    assert says_no_more(made, FULL)
    assert says_no_more(FULL, made) is not bool(gone)
    assert parts_gone(made, FULL) == gone


@pytest.mark.parametrize(
    "other",
    [
        {"name": "seen by source [withheld] in the attic"},
        {"name": "the cellar [withheld] seen by"},
        {"name": "seen by source Fox[withheld]Fox in the cellar"},
        {"labels": ["three", "one"]},
        {"labels": ["one", "one"]},
        {"hashes": {"MD5": "bb"}},
        {"hashes": "aa"},
        {"labels": "one"},
        {"name": ["seen"]},
        {"confidence": 51},
        {"confidence": True},
        {"description": "new"},
    ],
)
def test_anything_else_says_more(other: dict[str, Any]) -> None:
    """Other values, another order, other pieces, other kinds of values, new properties."""
    assert not says_no_more({**FULL, **other}, FULL)
