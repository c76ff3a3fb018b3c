"""Requests and what is said to them: what is written is read back, is STIX 2.1 and needs no identity; nothing can raise."""

from __future__ import annotations

import json
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cert_exchange.messages import requests
from cert_exchange.messages.requests import Kind, Request, State, Statement
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import Examined, examine
from cert_exchange.stix.references import Role

NOTE = "note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c11"
OTHER = "note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c12"
US = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
THEM = "identity--b0000000-0000-4000-8000-00000000000b"
ONE = "indicator--3b0d3c55-9a4b-4c8e-8d3c-1f0f6a6e7a01"
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
NOW = 1_764_100_000_000_000


def examined(content: dict[str, Any]) -> Examined:
    (one,) = examine(json.dumps({"objects": [content]}).encode(), limits=Limits()).items
    assert one.refusal is None
    return one


@pytest.mark.parametrize("kind", list(Kind))
def test_a_request_is_valid_and_read_back(kind: Kind) -> None:
    """It needs what it is about, and neither the identity that is asked nor those for whom permission is asked."""
    request = Request(
        kind, "Please.", (ONE,), due=NOW + 5, asked=THEM, ticket="A 17", recipients=(THEM, "country:EE", "any"),
        until=NOW + 9,
    )  # fmt: skip
    content = requests.write_request(request, stix_id=NOTE, creator=US, marking=AMBER, now=NOW)
    item = examined(content).item
    assert item is not None
    assert requests.read(item.content) == request
    needed = {one.target for one in item.references if one.role is Role.REQUIRED}
    assert needed == {ONE}
    assert "an answer is expected by 2025-11-25" in content["abstract"]


def test_a_request_about_no_object_is_about_its_sender() -> None:
    request = Request(Kind.INFORMATION, "Who is it?", answer_expected=False)
    content = requests.write_request(request, stix_id=NOTE, creator=US, marking=AMBER, now=NOW)
    assert content["object_refs"] == [US]
    assert requests.read(content) == request
    assert "for your information" in content["abstract"]
    examined(content)


@pytest.mark.parametrize("state", list(State))
def test_a_statement_is_valid_and_read_back(state: State) -> None:
    """With words and without: a note must say something, so that its state stands there."""
    for text in ("Since noon.", ""):
        said = Statement(state, text, (NOTE, ONE), "B-1", NOW + 5)
        content = requests.write_statement(said, stix_id=OTHER, creator=US, marking=AMBER, now=NOW)
        examined(content)
        assert requests.read(content) == said
        assert content["content"] == (text or state.value)


def test_the_extension_is_permanent_and_described() -> None:
    assert requests.EXTENSION.partition("--")[2] == str(
        uuid5(NAMESPACE_OID, "cert-exchange:desk-request")
    )
    examined(dict(requests.EXTENSION_DEFINITION))


def test_any_note_is_a_remark_and_nothing_else_is_anything() -> None:
    plain = {"type": "note", "content": "We look.", "object_refs": [NOTE, 5, "x"]}
    assert requests.read(plain) == Statement(State.REMARK, "We look.", (NOTE,))
    assert requests.read({**plain, "type": "opinion"}) is None


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from([NOTE, "request", "state", "answer"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
NAMES = ["what", "kind", "state", "expects", "due", "asked", "ticket", "recipients", "until"]


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(NAMES), ODD), ODD, ODD)
def test_nothing_of_a_stranger_raises(declared: dict[str, Any], content: Any, refs: Any) -> None:
    made = {
        "type": "note", "content": content, "object_refs": refs,
        "extensions": {requests.EXTENSION: declared},
    }  # fmt: skip
    assert requests.read(made) is not None
    assert requests.read({**made, "extensions": {requests.EXTENSION: content}}) is not None


def test_what_is_too_long_is_cut() -> None:
    made = {
        "type": "note", "content": "x" * 100_000, "object_refs": [NOTE],
        "extensions": {
            requests.EXTENSION: {
                "what": "request", "ticket": "7 " * 500, "recipients": ["any"] * 500 + ["y" * 999],
            }
        },
    }  # fmt: skip
    found = requests.read(made)
    assert isinstance(found, Request)
    assert len(found.text) == requests.TEXT_CHARACTERS
    assert len(found.ticket) < requests.TICKET_CHARACTERS
    assert len(found.recipients) == requests.RECIPIENTS
