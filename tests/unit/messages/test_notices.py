"""Notices and answers: what is written is read back, is STIX 2.1, and says ids only; nothing of a stranger's can raise."""

from __future__ import annotations

import json
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.messages import notices
from cert_exchange.messages.notices import Action, Answer, Notice, Reason, Reply
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import examine

NOTE = "note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c11"
US = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
ONE = "indicator--3b0d3c55-9a4b-4c8e-8d3c-1f0f6a6e7a01"
TWO = "ipv4-addr--7e5f1b6c-7a0c-5d2e-8f43-2b6b8a0d9c02"
NOW = 1_764_100_000_000_000


@pytest.mark.parametrize("reason", list(Reason))
def test_what_is_written_is_valid_and_read_back(reason: Reason) -> None:
    notice = notices.notice_of([ONE, TWO], reason, now=NOW)
    content = notices.write_notice(notice, stix_id=NOTE, creator=US, now=NOW)
    (examined,) = examine(json.dumps({"objects": [content]}).encode(), limits=Limits()).items
    assert examined.refusal is None
    assert examined.item is not None
    assert notices.read(examined.item.content) == notice
    assert notice.due is not None
    assert notice.due > NOW


@pytest.mark.parametrize("reason", list(Reason))
def test_a_notice_of_one_object_speaks_of_one(reason: Reason) -> None:
    """Several are `they`."""
    for ids, words in (([ONE], {"It", "Its"}), ([ONE, TWO], {"They", "Their"})):
        notice = notices.notice_of(ids, reason, now=NOW)
        content = notices.write_notice(notice, stix_id=NOTE, creator=US, now=NOW)["content"]
        said = content.partition("fetched from us. ")[2]
        assert said.split()[0] in words
        assert ("them" in said) is (len(ids) > 1)


def test_a_mistake_asks_to_delete() -> None:
    assert notices.notice_of([ONE], Reason.MISTAKE, now=NOW).action is Action.DELETE


def test_an_answer_is_valid_and_read_back() -> None:
    answer = Answer((NOTE,), Reply.DONE)
    content = notices.write_answer(
        answer, text="Gone since noon.", stix_id=NOTE, creator=US, now=NOW
    )
    (examined,) = examine(json.dumps({"objects": [content]}).encode(), limits=Limits()).items
    assert examined.item is not None
    assert notices.read(content) == answer
    assert content["content"] == "Gone since noon."


def test_a_notice_names_some_ids_at_least_and_not_too_many() -> None:
    for wrong in ([], [ONE] * (notices.SUBJECTS + 1)):
        with pytest.raises(ValueError, match="a notice names"):
            notices.notice_of(wrong, Reason.MISTAKE, now=NOW)


def test_the_extension_is_what_its_name_gives() -> None:
    expected = uuid5(NAMESPACE_OID, "cert-exchange:withdrawal-notice")
    assert f"extension-definition--{expected}" == notices.EXTENSION
    body = json.dumps({"objects": [dict(notices.EXTENSION_DEFINITION)]}).encode()
    (examined,) = examine(body, limits=Limits()).items
    assert examined.refusal is None


def note(**declared: Any) -> dict[str, Any]:
    return {
        "type": "note",
        "object_refs": [ONE, ONE, "no id", 5],
        "extensions": {notices.EXTENSION: declared},
    }


def test_unknown_words_count_as_the_mildest() -> None:
    found = notices.read(note(what="withdrawal", reason="new", action=7, due="tomorrow"))
    assert found == Notice((ONE,), Reason.NO_LONGER_SHARED, Action.STOP_USING, None)
    assert notices.read(note(what="answer", answer="perhaps")) == Answer((ONE,), Reply.NOTED)


def test_what_is_no_notice_says_nothing() -> None:
    assert notices.read(note(what="greeting")) is None
    assert notices.read(note(what="withdrawal") | {"revoked": True}) is None
    assert notices.read(note(what="withdrawal") | {"object_refs": []}) is None
    assert notices.read(note(what="withdrawal") | {"type": "report"}) is None
    assert notices.read({"type": "note", "object_refs": [ONE]}) is None


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_anything, _anything, _anything)
def test_nothing_of_a_stranger_raises(declared: Any, refs: Any, extensions: Any) -> None:
    for content in (
        {"type": "note", "object_refs": refs, "extensions": {notices.EXTENSION: declared}},
        {"type": "note", "object_refs": refs, "extensions": extensions},
    ):
        found = notices.read(content)
        assert found is None or isinstance(found, Notice | Answer)
