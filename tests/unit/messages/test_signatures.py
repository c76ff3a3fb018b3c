"""Signed texts: what verifies, and that nothing else does."""

from __future__ import annotations

import base64
import json

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.keys import (
    VerifyingKey,
    kid_of,
    make_signing_key,
    public_text,
    read_public,
)
from cert_exchange.messages.signatures import (
    canonical,
    sign,
    sign_bytes,
    verify,
    verify_bytes,
)

KEY = make_signing_key(bytes(range(32)), since=5)
OTHER = make_signing_key(bytes(range(1, 33)), since=5)
PINNED = VerifyingKey(KEY.kid, KEY.public)
CONTENT = {"kind": "delivery", "seq": 7, "to": "ž"}
NOW = 1_764_086_400_000_000


def text_of(content: dict[str, object]) -> str:
    return sign(canonical(content), KEY)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_golden_signature() -> None:
    """Key, name and text of a signature never change: RFC 8032 is deterministic, and old evidence must verify."""
    assert KEY.kid == "56475aa75463474c"
    assert public_text(KEY.public) == "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
    assert text_of(CONTENT) == (
        "eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoiNTY0NzVhYTc1NDYzNDc0YyJ9"
        ".eyJraW5kIjoiZGVsaXZlcnkiLCJzZXEiOjcsInRvIjoixb4ifQ"
        ".Elq23hbbZp5Lc4G9AxGzwPCVdj9lEnYUB3d--dSxb9GqmOHeJ82uiAKuHpzRBd7NlJLRxN6rPnO3tPKJXLUzCw"
    )


def test_what_is_signed_verifies() -> None:
    """The content comes back as it was, with the key's name."""
    verified = verify(text_of(CONTENT), [PINNED], NOW)
    assert (verified.kid, dict(verified.content)) == (KEY.kid, CONTENT)
    assert verified.of_kind("delivery")["seq"] == 7


def test_one_kind_is_never_read_as_another() -> None:
    """A receipt is no statement, though the same key signed it."""
    with pytest.raises(SignatureBroken, match="is no receipt"):
        verify(text_of(CONTENT), [PINNED], NOW).of_kind("receipt")


@settings(max_examples=300)
@given(st.data())
def test_no_bit_can_be_changed(data: st.DataObject) -> None:
    """Any other character anywhere breaks the text, also one that decodes to the same bytes."""
    text = text_of(CONTENT)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("ABCxyz019-_.=+/ é"))
    changed = text[:place] + letter + text[place + 1 :]
    if changed == text:
        return
    with pytest.raises(SignatureBroken):
        verify(changed, [PINNED], NOW)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": KEY.kid},
        {"alg": "HS256", "kid": KEY.kid},
        {"alg": "EdDSA", "kid": KEY.kid},
        {"alg": "Ed25519"},
        {"alg": "Ed25519", "kid": 7},
        {"alg": "Ed25519", "kid": KEY.kid, "crit": ["b64"], "b64": False},
        {"alg": "Ed25519", "kid": KEY.kid, "jwk": {"kty": "OKP"}},
        ["Ed25519"],
    ],
)
def test_no_other_header_is_taken(header: object) -> None:
    """Also not with a true signature over it: one algorithm, no key from the text itself, no extension."""
    body = b64(json.dumps(header).encode()) + "." + b64(canonical(CONTENT))
    forged = body + "." + b64(sign_bytes(body.encode(), KEY))
    with pytest.raises(SignatureBroken):
        verify(forged, [PINNED], NOW)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"seq":7,"kind":"delivery"}',
        b'{"kind": "delivery"}',
        b'{"kind":"delivery","kind":"delivery"}',
        b'["delivery"]',
        b'{"kind":"delivery","n":1.0}',
        b"\xff",
        b"",
    ],
)
def test_only_the_canonical_form_is_taken(payload: bytes) -> None:
    """Two spellings of one content would have two digests; the owner of the key cannot make that either."""
    body = b64(json.dumps({"alg": "Ed25519", "kid": KEY.kid}).encode()) + "." + b64(payload)
    with pytest.raises(SignatureBroken):
        verify(body + "." + b64(sign_bytes(body.encode(), KEY)), [PINNED], NOW)


_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300)
@given(content=st.dictionaries(_ANY_TEXT, _JSON, max_size=5))
def test_the_quick_form_is_that_of_rfc_8785(content: dict[str, object]) -> None:
    """Whatever is signed, controls, other scripts, fractions and long numbers among it."""
    assert canonical(content) == rfc8785.dumps(content)


def test_what_is_nested_without_end_does_not_verify() -> None:
    """It is no signed text of ours, and no fault of the program."""
    deep = b'{"kind":' + b"[" * 1_000 + b"]" * 1_000 + b"}"
    with pytest.raises(ValueError, match="deep"):
        sign(deep, KEY)


def test_a_key_counts_in_its_time_only() -> None:
    """From its beginning on, and not at its end."""
    key = VerifyingKey(KEY.kid, KEY.public, since=NOW, until=NOW + 10)
    text = text_of(CONTENT)
    assert verify(text, [key], NOW).kid == KEY.kid
    assert verify(text, [key], NOW + 9).kid == KEY.kid
    for late in (NOW - 1, NOW + 10):
        with pytest.raises(SignatureBroken, match="does not count now"):
            verify(text, [key], late)


def test_another_key_under_this_name_does_not_verify() -> None:
    """A text that names a pinned key but is signed by another one is broken; so is an unknown key."""
    stranger = VerifyingKey(OTHER.kid, OTHER.public)
    with pytest.raises(SignatureBroken, match="not pinned"):
        verify(text_of(CONTENT), [stranger], NOW)
    signed = sign(canonical(CONTENT), OTHER).split(".")
    named = text_of(CONTENT).split(".")
    with pytest.raises(SignatureBroken, match="does not fit"):
        verify(".".join([named[0], signed[1], signed[2]]), [PINNED], NOW)


def test_a_name_is_that_of_its_bytes() -> None:
    """Nobody can give his key the name of another one."""
    with pytest.raises(ValueError, match="not the name"):
        VerifyingKey(KEY.kid, OTHER.public)
    assert kid_of(KEY.public) == KEY.kid


def test_a_private_key_is_in_no_repr() -> None:
    """Neither as bytes nor as hex."""
    assert "private" not in repr(KEY)
    assert KEY.private.hex() not in repr(KEY)


@pytest.mark.parametrize("text", ["", "x", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "B"])
def test_a_public_key_is_written_in_one_way(text: str) -> None:
    """43 characters of base64url whose spare bits are empty."""
    with pytest.raises(SignatureBroken):
        read_public(text)
    assert read_public(public_text(KEY.public)) == KEY.public


def test_what_says_no_kind_is_not_signed() -> None:
    """And neither are bytes in another form: both would be refused by every reader."""
    for payload in (b'{"seq":1}', b'{ "kind":"x"}'):
        with pytest.raises(ValueError):
            sign(payload, KEY)


def test_plain_bytes() -> None:
    """A text of a form of its own is signed as it is, and verifies only so."""
    signature = sign_bytes(b"a checkpoint\n", KEY)
    verify_bytes(signature, b"a checkpoint\n", KEY.public)
    for other in ((b"a checkpoint", KEY.public), (b"a checkpoint\n", OTHER.public)):
        with pytest.raises(SignatureBroken):
            verify_bytes(signature, *other)
