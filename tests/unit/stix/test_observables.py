"""Ids that follow from content: the quick way gives what the standard's words give."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.stix.observables import NAMESPACE, deterministic_id, uuid_of_name

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def _by_the_words(stix_type: str, named: dict[str, Any]) -> str:
    """STIX 2.9: UUIDv5 over the RFC 8785 form of the contributing properties."""
    return f"{stix_type}--{uuid.uuid5(NAMESPACE, rfc8785.dumps(named).decode())}"


@given(texts)
def test_a_name_gives_the_uuid_of_rfc_4122(name: str) -> None:
    """Byte for byte what Python's own function makes."""
    assert uuid_of_name(NAMESPACE, name.encode()) == str(uuid.uuid5(NAMESPACE, name))


@given(texts, texts)
def test_texts_give_the_id_of_the_standard(one: str, other: str) -> None:
    """Whatever stands in a value, a name, a path, a hash under a foreign word."""
    assert deterministic_id({"type": "url", "value": one}) == _by_the_words("url", {"value": one})
    file = {"name": one, "hashes": {other: one}, "parent_directory_ref": other}
    assert deterministic_id({"type": "file", **file}) == _by_the_words("file", file)


@pytest.mark.parametrize("sign", ["\x00", "\x1f", "\b\f\n\r\t", '"\\/', "\x7f\x80", "\u2028\ue000\uffff", "\U0001f600"])  # fmt: skip
def test_every_kind_of_sign_is_written_as_rfc_8785_does(sign: str) -> None:
    """Controls, quotes, separators, what lies beyond the first plane."""
    assert deterministic_id({"type": "url", "value": sign}) == _by_the_words("url", {"value": sign})


@pytest.mark.parametrize(
    ("stix_type", "named"),
    [
        ("autonomous-system", {"number": 64496}),
        ("artifact", {"hashes": {"SHA-256": "ab"}, "payload_bin": "AA=="}),
        ("software", {"name": "a", "version": "1", "vendor": "b"}),
        ("network-traffic", {"src_port": 1, "protocols": ["tcp"], "src_ref": "ipv4-addr--1"}),
        ("file", {"name": "a", "extensions": {"\ue000": 1.5, "\U0001f600": {"b": 1, "a": "c"}}}),
        ("file", {"extensions": {"\ue000": "x", "\U0001f600": "y"}}),
        ("windows-registry-key", {"key": "HKLM", "values": [{"name": "b", "data": "1"}]}),
    ],
)
def test_other_values_do_so_too(stix_type: str, named: dict[str, Any]) -> None:
    """Numbers, lists, several foreign keys, whose order is that of UTF-16."""
    assert deterministic_id({"type": stix_type, **named}) == _by_the_words(stix_type, named)
