"""The door for JSON: I-JSON or nothing, lexemes kept, sameness by RFC 8785."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stix.samples import SAMPLES

from cert_exchange.errors import NotJson
from cert_exchange.stix.canonical import Number, canonical_bytes, parse_json, sameness_digest

JCS = sorted((SAMPLES / "hard" / "jcs").glob("*-input.json"))
SUITE = sorted((SAMPLES / "hard" / "json").iterdir())

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def read(raw: bytes) -> Any:
    return parse_json(raw, depth=64)


@given(values)
def test_canonical_bytes_are_stable_and_clean(value: Any) -> None:
    """Reading canonical bytes and writing them again changes nothing; no control character is ever raw."""
    written = canonical_bytes(read(json.dumps(value).encode()))
    assert canonical_bytes(read(written)) == written
    assert not any(byte < 0x20 for byte in written)
    assert json.loads(written) == json.loads(json.dumps(value))


@given(st.dictionaries(texts, values, max_size=6))
def test_sameness_looks_at_content_only(value: dict[str, Any]) -> None:
    """Order of keys, spaces, escapes and the spelling of numbers do not make another content."""
    plain = read(json.dumps(value).encode())
    turned = read(json.dumps(dict(reversed(value.items())), indent=2, ensure_ascii=False).encode())
    assert sameness_digest(plain) == sameness_digest(turned)


@given(st.dictionaries(texts, values, max_size=6), st.dictionaries(texts, values, max_size=6))
def test_other_content_has_another_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two contents have one digest exactly when their RFC 8785 forms are equal."""
    left, right = (read(json.dumps(value).encode()) for value in (one, other))
    assert (sameness_digest(left) == sameness_digest(right)) == (
        rfc8785.dumps(left) == rfc8785.dumps(right)
    )


@pytest.mark.parametrize("path", JCS, ids=lambda path: path.stem)
def test_vectors_of_rfc_8785(path: Path) -> None:
    """The published vectors: our reading of the input has the digest of the published output."""
    given_, wanted = read(path.read_bytes()), path.with_name(path.name.replace("-input", "-output"))
    published = read(wanted.read_bytes())
    assert rfc8785.dumps(given_) == wanted.read_bytes().rstrip(b"\n")
    assert sameness_digest({"v": given_}) == sameness_digest({"v": published})


@pytest.mark.case("H10")
@pytest.mark.checklist(3)
@pytest.mark.parametrize("path", SUITE, ids=lambda path: path.name)
def test_json_test_suite(path: Path) -> None:
    """n_ and i_ files are refused (all of these break I-JSON), y_ files are read but for a key twice."""
    if path.name.startswith("y_") and "duplicated" not in path.name:
        read(path.read_bytes())
        return
    with pytest.raises(NotJson):
        read(path.read_bytes())


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Whatever bytes come, they are read or refused as NotJson."""
    with contextlib.suppress(NotJson):
        read(raw)


@pytest.mark.case("H10")
def test_a_nul_is_kept_as_an_escape() -> None:
    """NUL in text is legal JSON: kept, and never raw in the bytes that a database stores."""
    written = canonical_bytes(read(b'{"description":"a\\u0000b"}'))
    assert written == b'{"description":"a\\u0000b"}'


@pytest.mark.case("H10")
def test_half_a_pair_is_named_by_its_property() -> None:
    """The refusal of a lone surrogate says where it is; a whole pair passes."""
    with pytest.raises(NotJson, match=r"objects\[0\]\.description"):
        read(b'{"objects":[{"description":"\\ud800"}]}')
    assert read(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}
    assert read(b'{"a":"\\\\ud800"}') == {"a": "\\ud800"}


@pytest.mark.parametrize(
    "lexeme", ["1.50", "1E3", "1e-7", "-0", "-0.0", "0.1", "9007199254740991", "5e-324"]
)
def test_numbers_keep_their_lexeme(lexeme: str) -> None:
    """What is served is written as it came."""
    raw = f'{{"n":{lexeme}}}'.encode()
    value = read(raw)
    assert canonical_bytes(value) == raw
    assert value["n"] == float(lexeme)
    assert canonical_bytes(pickle.loads(pickle.dumps(value))) == raw
    assert canonical_bytes(copy.deepcopy(value)) == raw


@pytest.mark.parametrize(
    ("lexeme", "public"),
    [
        ("9007199254740992", "2^53"),
        ("-9007199254740992", "2^53"),
        ("1" * 5000, "2^53"),
        ("1e400", "IEEE 754"),
        ("-1e400", "IEEE 754"),
    ],
)
def test_numbers_that_others_would_change(lexeme: str, public: str) -> None:
    """Numbers that a double cannot hold are refused before anybody rounds them."""
    with pytest.raises(NotJson, match=public.replace("^", r"\^")):
        read(f'{{"n":{lexeme}}}'.encode())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2020-01-01T00:00:00.500Z", "2020-01-01T00:00:00.5Z", True),
        ("2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00Z", True),
        ("2020-01-01T00:00:00.001Z", "2020-01-01T00:00:00.01Z", False),
        ('"2020-01-01T00:00:00.50Z', '"2020-01-01T00:00:00.5Z', False),
        ("on 2020-01-01T00:00:00.50Z", "on 2020-01-01T00:00:00.5Z", False),
        ("2020-01-01T00:00:00.50Z ", "2020-01-01T00:00:00.5Z ", False),
        ("1.50Z", "1.5Z", False),
    ],
)
def test_instants_are_compared_as_instants(one: str, other: str, same: bool) -> None:
    """Trailing zeros of an instant are no difference; those inside a sentence are one."""
    assert (sameness_digest({"a": one}) == sameness_digest({"a": other})) is same
    assert (sameness_digest({"a": [one, 1]}) == sameness_digest({"a": [other, 1]})) is same
    assert sameness_digest({one + "x": 1}) != sameness_digest({other + "x": 1}) or one == other


def test_plain_floats_of_our_own_code_are_the_same_content() -> None:
    """48.0 written by our code and 48.00 read from a partner are one content; so are 1e16 and 10000000000000000.0."""
    for number, lexeme in ((48.0, "48.00"), (1e16, "10000000000000000.0"), (1e-7, "0.0000001")):
        read_value = read(f'{{"n":[{lexeme}],"m":{lexeme}}}'.encode())
        assert sameness_digest({"n": [number], "m": number}) == sameness_digest(read_value)


def test_keys_are_ordered_by_utf_16_for_sameness() -> None:
    """The fast way is left where code points and UTF-16 units order keys differently."""
    value = {"\U0001f600": 1, "\ufb33": 2}
    assert rfc8785.dumps(value) != canonical_bytes(value)
    assert sameness_digest(value) == sameness_digest(dict(reversed(value.items())))


def test_depth_is_counted() -> None:
    """As many levels as the limit pass, one more is refused, and the stack never overflows."""
    assert parse_json(b"[" * 5 + b"]" * 5, depth=5) == [[[[[]]]]]
    for levels in (6, 900, 5_000, 200_000):
        with pytest.raises(NotJson, match="deeper than 5"):
            parse_json(b"[" * levels + b"]" * levels, depth=5)


def test_infinity_cannot_be_made() -> None:
    """A Number is always finite."""
    with pytest.raises(NotJson):
        Number("1e999")
