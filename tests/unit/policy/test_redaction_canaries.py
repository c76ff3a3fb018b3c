"""Whatever is taken away is nowhere in the rendition: not as text, key, id, digest, number, in no writing of it."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, unquote

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
from tests.unit.stix.samples import indicator

from cert_exchange.policy.redaction import Naming, Rendered, Trimmed, Unredactable, render, trim
from cert_exchange.policy.redaction.vocabulary import WORDS
from cert_exchange.policy.rules import Ceiling, Recipe
from cert_exchange.stix.canonical import Limits, canonical_bytes
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


@pytest.mark.long
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(hidden_objects())
def test_nothing_of_what_is_taken_away_is_in_the_rendition(case: Case) -> None:
    check(case)
    assert rendition(case) == rendition(case)


@settings(max_examples=400, deadline=None)
@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=6, max_size=14).map(str.strip), st.text(max_size=6),
    st.text(max_size=6), st.sampled_from(["description", "labels", "x_more", "key"]),
)  # fmt: skip
def test_a_value_of_any_characters_goes(value: str, before: str, after: str, where: str) -> None:
    """Whatever script, mark or symbol it is made of, and whatever stands around it."""
    if sum(map(str.isalnum, value)) < 6:
        return  # marks and accents alone are nothing that anybody could read
    if value.casefold() in WORDS:
        return  # looked for as a whole value only
    told = f"{before}{value}{after}"
    more = {
        "description": {"description": told}, "labels": {"labels": [told, "kept"]}, "x_more": {"x_more": {"k": [told]}},
        "key": {"x_more": {"other": 1, told: 2}},
    }[where]  # fmt: skip
    trimmed = trim(indicator(x_value=value, **more), Recipe(remove=frozenset({"x_value"})), CEILING)
    if isinstance(trimmed, Trimmed):
        made = {name: one for name, one in trimmed.content.items() if name not in indicator()}
        assert value not in canonical_bytes(made).decode().replace("\\\\", "\\").replace('\\"', '"')


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(hidden_objects())
def test_trimming_leaves_nothing_to_trim(case: Case) -> None:
    """The same recipe finds nothing more in what it left, which is a valid object that needs nothing new."""
    once = trim(case.content, case.recipe, CEILING)
    if isinstance(once, Unredactable):
        return
    twice = trim(once.content, case.recipe, CEILING)
    assert isinstance(twice, Trimmed)
    assert (twice.changed, twice.content, twice.needs) == (False, once.content, once.needs)
    validate(once.content, limits=Limits())
    body = canonical_bytes(dict(once.content))
    assert b"[]" not in body
    assert b"{}" not in body


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(hidden_objects())
def test_nothing_of_what_is_taken_away_is_in_100_000_renditions(case: Case) -> None:
    check(case)


IDS = [
    f"{kind}--{n:08x}-5a6f-{v}b8c-8d9e-0f1a2b3c4d5e"
    for n, kind in enumerate(("indicator", "malware", "ipv4-addr", "file"))
    for v in (4, 5)
]
ID_WRITINGS = {
    "as it is": lambda i: i, "in capitals": str.upper, "in a text": lambda i: f"see {i}, again", "bare": lambda i: i[-36:],
    "without hyphens": lambda i: i[-36:].replace("-", ""), "percent-encoded": lambda i: f"x?ref={quote(i).replace('-', '%2D')}",
    "with invisible characters": lambda i: i.replace("-", "-\u200b"), "as JSON": lambda i: json.dumps({"ref": [i]}),
}  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_id_of_an_original_is_seen(data: st.DataObject) -> None:
    """References and ids in any text, key and writing: rewritten, cut, or the whole is not shown."""
    content = {
        "type": "report", "spec_version": "2.1", "id": "report--7b1d2c3e-5a6f-4b8c-8d9e-0f1a2b3c4d5e", "published": "2024-05-06T07:08:09Z",
        "created": "2024-05-06T07:08:09.123Z", "modified": "2024-05-06T07:08:09.123Z", "name": "A report", "object_refs": [OURS, *IDS],
    }  # fmt: skip
    for place in data.draw(
        st.lists(
            st.sampled_from(["name", "description", "labels", "x_key", "x_deep", "external"]),
            max_size=4,
        )
    ):
        written = data.draw(st.sampled_from(sorted(ID_WRITINGS)))
        text = ID_WRITINGS[written](data.draw(st.sampled_from([*IDS, content["id"]])))
        match place:
            case "name" | "description":
                content[place] = f"On {text}"
            case "labels":
                content["labels"] = [text, "kept"]
            case "x_key":
                content["x_key"] = {"a": {text: 1}}
            case "x_deep":
                content["x_deep"] = [{"k": [text]}]
            case _:
                content["external_references"] = [{"source_name": "s", "external_id": text}]
    gone = data.draw(st.lists(st.sampled_from(IDS), unique=True, min_size=1))
    replace = {one: data.draw(st.sampled_from([None, f"{one[:-36]}{NEW}"])) for one in gone}
    trimmed = trim(content, Recipe(cut=True), CEILING)
    assert isinstance(trimmed, Trimmed)
    assert set(trimmed.needs) == {OURS, *IDS}
    made = render(trimmed, naming(content, replace=replace))
    assert isinstance(made, Rendered), made
    bare = re.sub(
        r"[^0-9a-z]", "", unquote(made.body.decode()).lower().encode("ascii", "ignore").decode()
    )
    for one in (*gone, content["id"]):
        assert re.sub("[^0-9a-z]", "", one) not in bare
        # What is made from a value must not stand without its type either; others may share a UUID with what is seen.
        if one[-22] == "5":
            assert one[-36:].replace("-", "") not in bare
    assert {*IDS} - {*gone} <= {*made.content["object_refs"]}


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
