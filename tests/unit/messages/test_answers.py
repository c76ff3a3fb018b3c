"""Answers as STIX: what is written is valid and read back, tells no more than was given; nothing of a stranger's can raise."""

from __future__ import annotations

import json
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.messages import answers
from cert_exchange.messages.answers import Opinion, Proposal, Question, Reply, Seen
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import examine

NOTE = "note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c11"
QUESTION = "note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c12"
US = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
ONE = "indicator--3b0d3c55-9a4b-4c8e-8d3c-1f0f6a6e7a01"
TWO = "indicator--3b0d3c55-9a4b-4c8e-8d3c-1f0f6a6e7a02"
NOW = 1_764_100_000_000_000
MADE = {"stix_id": NOTE, "creator": US, "now": NOW}
PROPOSAL = Proposal(ONE, "2026-01-01T00:00:00.000Z", json.dumps({"id": ONE}))


def taken(content: dict[str, Any]) -> dict[str, Any]:
    """An answer as a partner's node has it."""
    (examined,) = examine(json.dumps({"objects": [content]}).encode(), limits=Limits()).items
    assert examined.refusal is None
    assert examined.item is not None
    return dict(examined.item.content)


def test_the_extension_is_named_by_what_it_is_for() -> None:
    assert (
        f"extension-definition--{uuid5(NAMESPACE_OID, 'cert-exchange:answer')}" == answers.EXTENSION
    )
    taken(dict(answers.EXTENSION_DEFINITION))


def test_a_sighting_tells_that_something_was_seen_and_no_more() -> None:
    """A count, a time or a place may expose a victim."""
    stix_id = NOTE.replace("note", "sighting")
    made = taken(answers.write_sighting(ONE, Seen(), **MADE | {"stix_id": stix_id}))
    assert made.keys() == {
        "type", "spec_version", "id", "created_by_ref", "created", "modified", "sighting_of_ref",
    }  # fmt: skip
    assert answers.counted(made) == 1
    assert answers.last_seen(made) is None
    seen = Seen(3, NOW - 2, NOW - 1, (US,), "in a mail")
    told = taken(answers.write_sighting(ONE, seen, **MADE | {"stix_id": stix_id}))
    assert (answers.counted(told), answers.last_seen(told)) == (3, NOW - 1)
    assert answers.told(told).startswith("seen 3 times from 2025-")
    assert answers.told(told).endswith(" at 1 place: in a mail")


@pytest.mark.parametrize("opinion", list(Opinion))
def test_an_opinion_is_the_standards(opinion: Opinion) -> None:
    made = answers.write_opinion(
        ONE, opinion, "our CDN", **MADE | {"stix_id": NOTE.replace("note", "opinion")}
    )
    assert answers.told(taken(made)) == f"{opinion.value}: our CDN"
    assert answers.what_of(made) == "opinion"


def test_notes_are_read_back_for_what_they_are() -> None:
    found = {
        "note": answers.write_note([ONE], "words", **MADE),
        "question": answers.write_question(ONE, "why?", due=NOW + 1, **MADE),
        "reply": answers.write_reply([QUESTION, ONE], QUESTION, "so", **MADE),
        "proposal": answers.write_proposal(PROPOSAL, ["confidence: 80 -> 20"], "weak", **MADE),
    }
    said = {
        "note": None,
        "question": Question((ONE,), NOW + 1),
        "reply": Reply(QUESTION),
        "proposal": PROPOSAL,
    }
    for what, content in found.items():
        assert answers.read(taken(content)) == said[what]
        assert answers.what_of(content) == what
    assert answers.told(found["proposal"]) == "weak; confidence: 80 -> 20"
    assert answers.read({**found["question"], "revoked": True}) is None


def test_no_id_in_a_proposed_object_is_a_reference_of_its_note() -> None:
    """Else the note would wait for what the object refers to."""
    proposed = json.dumps({"id": ONE, "created_by_ref": US, "object_refs": [TWO]})
    made = answers.write_proposal(Proposal(ONE, "v", proposed), [], "x", **MADE)
    (examined,) = examine(json.dumps({"objects": [made]}).encode(), limits=Limits()).items
    assert examined.item is not None
    targets = {one.target for one in examined.item.references}
    assert targets == {ONE, US, answers.EXTENSION}


@pytest.mark.parametrize(
    "change",
    [
        {"what": "reply", "question": TWO},
        {"what": "proposal", "base": "v"},
        {"what": "proposal", "base": 1, "proposed": "{}"},
        {"what": "proposal", "base": "v", "proposed": "x" * (answers.LONGEST + 1)},
        {"what": "command"},
        {},
    ],
    ids=str,
)
def test_what_says_nothing_that_we_know_is_a_plain_note(change: dict[str, Any]) -> None:
    content = answers.write_note([ONE], "words", **MADE)
    content["extensions"] = {answers.EXTENSION: {"extension_type": "property-extension", **change}}
    assert answers.read(content) is None
    assert answers.what_of(content) == "note"


def test_a_proposal_is_about_one_object() -> None:
    content = answers.write_proposal(PROPOSAL, [], "x", **MADE)
    assert answers.read(content | {"object_refs": [ONE, TWO]}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just(ONE),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(["note", "sighting", "opinion", "relationship", "x"]),
    refs=JSON, declared=JSON, what=st.sampled_from(["question", "reply", "proposal", None]), value=JSON,
)  # fmt: skip
def test_nothing_that_a_stranger_writes_can_raise(
    kind: str, refs: Any, declared: Any, what: Any, value: Any
) -> None:
    if isinstance(declared, dict):
        declared = {**declared, "what": what, "question": value, "base": value, "proposed": value}
    content = {
        "type": kind, "object_refs": refs, "extensions": {answers.EXTENSION: declared},
        **dict.fromkeys(
            ("content", "abstract", "opinion", "explanation", "count", "first_seen", "last_seen", "due"),
            value,
        ),
    }  # fmt: skip
    assert answers.what_of(content)
    assert len(answers.told(content)) <= answers.SENTENCE
    assert answers.counted(content) >= 0
    answers.last_seen(content)
