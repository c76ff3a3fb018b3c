"""Whatever is taken away is nowhere in the rendition: not as text, key, id, digest, number, in no writing of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.policy.hiding import (
    CREATOR,
    WRITINGS,
    Case,
    Secret,
    hidden_objects,
    secrets,
    shows,
)

from cert_exchange.policy.redaction import Naming, Rendered, Unredactable, render, trim
from cert_exchange.policy.rules import Ceiling
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.markings import Tlp
from cert_exchange.stix.validation import validate

NEW = "11111111-2222-5333-8444-555555555555"
NOW = "2026-11-25T12:00:00.000000Z"
CEILING = Ceiling(Tlp.GREEN, unmarked=Tlp.CLEAR)
OURS = "identity--9d1a3f6f-0a4f-4b11-8a2d-0a2d8a4e6f1b"


def naming(content: dict[str, Any], **given: Any) -> Naming:
    return Naming(
        **{
            "id": f"{content['type']}--{NEW}",
            "created": NOW,
            "modified": NOW,
            "creator": OURS,
            "pseudonym": "source-0123456789",
            **given,
        }
    )


def rendition(case: Case) -> Rendered | Unredactable:
    validate(case.content, limits=Limits())  # what the door lets in
    trimmed = trim(case.content, case.recipe, CEILING)
    if isinstance(trimmed, Unredactable):
        return trimmed
    assert trimmed.changed
    return render(trimmed, naming(case.content))


def check(case: Case) -> None:
    made = rendition(case)
    if isinstance(made, Unredactable):
        assert shows(case.secret, made.reason.encode()) is None, made
        return
    leak = shows(case.secret, made.body)
    assert leak is None, f"{case.told}\n{case.recipe}\n{leak}"
    assert case.content["id"].encode() not in made.body
    if case.recipe.source:
        assert CREATOR.encode() not in made.body


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(hidden_objects())
def test_nothing_of_what_is_taken_away_is_in_the_rendition(case: Case) -> None:
    check(case)
    assert rendition(case) == rendition(case)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(hidden_objects())
def test_nothing_of_what_is_taken_away_is_in_100_000_renditions(case: Case) -> None:
    check(case)


@settings(max_examples=400, deadline=None)
@given(secrets(), st.sampled_from(sorted(WRITINGS)))
def test_the_eyes_see_every_writing(secret: Secret, writing: str) -> None:
    """The test can fail: what is written in any of the ways, without redaction, is seen."""
    assert shows(secret, orjson.dumps({"name": WRITINGS[writing](secret.value)})) is not None
    assert shows(secret, orjson.dumps({"x": secret.id()})) is not None


def test_most_objects_can_be_redacted() -> None:
    """The test is not empty: what is only refused shows nothing either."""
    found: list[bool] = []

    @settings(
        max_examples=300,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(hidden_objects())
    def look(case: Case) -> None:
        found.append(isinstance(rendition(case), Rendered))

    look()
    assert sum(found) > len(found) * 0.4, f"{sum(found)} of {len(found)}"
