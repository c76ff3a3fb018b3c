"""The ledger's permanent format: golden bytes that may never change, and what the format refuses."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.errors import EvidenceBroken
from cert_exchange.messages.evidence import (
    EMPTY_ROOT,
    GENESIS,
    Line,
    Range,
    chain_hash,
    commitments_root,
    decode_line,
    encode_line,
    merkle_root,
    object_commitment,
    release_commitment,
)

SALT = bytes(range(16))
DIGEST = bytes(range(32))


def test_golden_release_commitment() -> None:
    """Tag, salt, view, position, object, policy, kind, rendition, rule: exactly these bytes."""
    spelled = (
        b"cert-exchange release 1\x00" + SALT
        + (7).to_bytes(8, "big") + (1_764_086_400_000_000).to_bytes(8, "big")
        + (42).to_bytes(8, "big") + (3).to_bytes(8, "big")
        + b"\x00\x00\x00\x07release" + DIGEST + b"\x00\x00\x00\x05gr\xc3\xbcn"
    )  # fmt: skip
    made = release_commitment(
        SALT, 7, 1_764_086_400_000_000, "release", DIGEST, object_id=42, policy=3, rule="grün"
    )
    assert made == sha256(spelled).digest()
    assert made.hex() == "efc147bbc6cbe5b7d01fccb0c3050e388729b94c4024db47d86456e6ebea2583"


def test_golden_object_commitment() -> None:
    """Tag, salt, origin, id, version, rendition."""
    spelled = (
        b"cert-exchange object 1\x00" + SALT + (2).to_bytes(8, "big")
        + b"\x00\x00\x00\x04a--b" + b"\x00\x00\x00\x0a2025-01-01" + DIGEST
    )  # fmt: skip
    made = object_commitment(SALT, "a--b", "2025-01-01", 2, DIGEST)
    assert made == sha256(spelled).digest()
    assert made.hex() == "bf60408a4c01c18064162ad0b83921a425689a94a5f3090e53c275ca25f3bf95"


def golden_line() -> Line:
    return Line(
        kind="publish", at=1_764_086_400_000_000, by="desk: Žofie",
        stored=1, stored_root=merkle_root([DIGEST]),
        released=3, released_root=merkle_root([DIGEST, DIGEST, DIGEST]),
        ranges=(Range(1, 0, 10, 2), Range(4, 5, 6, 1)),
        facts={"collection": 2, "names": ["b", "a"], "why": 'x"y'},
    )  # fmt: skip


def test_golden_line_and_chain() -> None:
    """A line's text and the hashes that seal it."""
    text = (
        '{"at":1764086400000000,"by":"desk: Žofie","facts":{"collection":2,"names":["b","a"],'
        '"why":"x\\"y"},"kind":"publish","ranges":[[1,0,10,2],[4,5,6,1]],"released":[3,'
        f'"{merkle_root([DIGEST] * 3).hex()}"],"stored":[1,"{merkle_root([DIGEST]).hex()}"],"v":1}}'
    )
    assert encode_line(golden_line()) == text
    assert decode_line(text) == golden_line()
    assert GENESIS.hex() == "eb8532726211bcadaa3a0a34d9d8bc4da938ca74ad31c1b69c2517131e4aa63f"
    first = chain_hash(GENESIS, 1, text)
    assert first == sha256(
        b"cert-exchange line 1\x00" + GENESIS + (1).to_bytes(8, "big") + text.encode()
    ).digest()  # fmt: skip
    assert first.hex() == "5d1073ed819e8cbaecf1726ee457025ad75b3e356969ce0da3c8bfdd75571baf"
    assert (
        chain_hash(first, 2, '{"at":1,"by":"node","kind":"x","v":1}').hex()
        == "f9af49c1be736dda2243cbbeb617416d1ea81bd38e1375268b530f9fff2a89c8"
    )


def rfc9162(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + rfc9162(leaves[:split]) + rfc9162(leaves[split:])).digest()


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_the_tree_is_that_of_the_rfc(leaves: list[bytes]) -> None:
    """The loop that pairs neighbours gives the RFC's recursive hash."""
    assert merkle_root(leaves) == rfc9162(leaves)


@given(st.permutations([bytes([n]) * 32 for n in range(9)]))
def test_a_lines_root_knows_no_order(leaves: list[bytes]) -> None:
    """Whoever writes a line need not keep the order of its commitments."""
    assert commitments_root(leaves) == rfc9162(sorted(leaves))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**53) + 1, 2**53 - 1)


@given(
    texts,
    numbers,
    st.dictionaries(texts, st.one_of(texts, numbers, st.lists(texts, max_size=3)), max_size=4),
)
def test_what_is_written_is_read_back(
    by: str, at: int, facts: dict[str, str | int | list[str]]
) -> None:
    """Any line comes back as it was."""
    line = Line("x.y", at, by, facts=facts)
    assert decode_line(encode_line(line)) == line


@pytest.mark.parametrize(
    "body",
    [
        "", "null", "[]", "{}", '{"v":2}', '{"v":1,"kind":"x"}',
        '{"at":1,"by":"n","kind":"x","v":1} ',
        '{"v":1,"at":1,"by":"n","kind":"x"}',
        '{"at":1,"by":"n","extra":0,"kind":"x","v":1}',
        '{"at":1,"at":2,"by":"n","kind":"x","v":1}',
        '{"at":1,"by":"n","kind":"x","stored":[1,"00"],"v":1}',
        '{"at":1,"by":"n","kind":"x","stored":[0,"' + EMPTY_ROOT.hex() + '"],"v":1}',
        '{"at":1,"by":"n","kind":"X","v":1}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_what_no_release_wrote_is_refused(body: str) -> None:
    """Unknown formats, other spellings of a line and nonsense are EvidenceBroken, never another error."""
    with pytest.raises(EvidenceBroken):
        decode_line(body)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Range(1, 5, 5, 0),
        lambda: Range(0, 0, 5, 0),
        lambda: Range(1, 6, 5, 1),
        lambda: Line("x", 1, "n", stored=1),
        lambda: Line("x", 1, "n", stored_root=DIGEST),
        lambda: Line("x", 1, "n", released=1, released_root=DIGEST),
        lambda: Line("x", 1, "n", ranges=(Range(2, 0, 1, 0), Range(1, 0, 1, 0))),
        lambda: Line("x", 2**53, "n"),
        lambda: Line("no kind", 1, "n"),
        lambda: object_commitment(b"short", "a", "b", 0, DIGEST),
        lambda: object_commitment(SALT, "a", "b", 0, b"short"),
    ],
)
def test_what_would_not_verify_cannot_be_made(make: Callable[[], object]) -> None:
    """What exists is valid."""
    with pytest.raises(ValueError):
        make()


def test_every_part_of_a_commitment_counts() -> None:
    """No two different releases have one commitment, also where texts could run into each other."""
    base = {"object_id": 1, "policy": 1, "rule": "r"}
    made = {
        release_commitment(SALT, 1, 2, "release", DIGEST, **base),
        release_commitment(SALT[::-1], 1, 2, "release", DIGEST, **base),
        release_commitment(SALT, 2, 2, "release", DIGEST, **base),
        release_commitment(SALT, 1, 3, "release", DIGEST, **base),
        release_commitment(SALT, 1, 2, "releas", DIGEST, **{**base, "rule": "er"}),
        release_commitment(SALT, 1, 2, "release", DIGEST[::-1], **base),
        release_commitment(SALT, 1, 2, "release", DIGEST, **{**base, "object_id": 2}),
        release_commitment(SALT, 1, 2, "release", DIGEST, **{**base, "policy": None}),
        release_commitment(SALT, 1, 2, "release", DIGEST, **{**base, "rule": "s"}),
    }
    assert len(made) == 9
