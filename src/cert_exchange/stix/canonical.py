"""JSON at the door: I-JSON in, canonical bytes and a digest of sameness out.

1. What is no I-JSON (RFC 7493) is refused as a whole: not UTF-8, a key twice in one object, a lone surrogate, NaN or
   Infinity, a whole number beyond 2^53, nesting deeper than the limit.
2. Canonical bytes: keys sorted by code point, no spaces, UTF-8, the lexeme of every number as it came. They never hold
   a raw control character, so no NUL. They are what is stored and served.
3. Two contents are the same when their RFC 8785 forms are equal after instants lost trailing zeros of their fraction
   (DECISIONS 25). A digest of that form is kept beside the bytes.
4. Time and memory grow linearly with the input.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import orjson
import rfc8785

from cert_exchange.errors import NotJson

JsonValue: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None

_SAFE_INTEGER: Final = 2**53 - 1
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_BEYOND_D7FF: Final = re.compile(rb"[\xee-\xff]")
# A number with a fraction or exponent, after a key, a comma or a bracket; three searches for a fixed first byte are
# faster than one for any of them. In text they may match too, which only costs the slower way.
_FLOAT_OF_KEY, _FLOAT_AFTER, _FLOAT_FIRST = (
    re.compile(rb"%s-?[0-9]++[.eE]" % before) for before in (rb'":', rb",", rb"\[")
)
# A fraction of a timestamp that ends in zeros; `(?=[,}\]])` because a key is followed by a colon. Digits are looked at once
# (`++`): a text of a point and a million zeros must not cost hours.
_TRAILING_ZEROS: Final = re.compile(rb'\.([0-9]++)(?<=0)Z"(?=[,}\]])')
_BEFORE_FRACTION: Final = re.compile(
    rb'(?<!\\)"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}'
)
_BEFORE_LENGTH: Final = len('"2024-05-06T07:08:09')


@dataclass(frozen=True, slots=True)
class Limits:
    """What one object and one body may cost. Sizes are bytes of UTF-8, after decompression."""

    object_bytes: int = 1_048_576
    depth: int = 64
    body_bytes: int = 10_485_760
    objects: int = 100_000


class Number(float):
    """A number with a fraction, an exponent or a minus zero, that remembers how it was written."""

    __slots__ = ("lexeme",)

    lexeme: str

    def __new__(cls, lexeme: str) -> Self:
        """Read the lexeme. Raises NotJson when it is beyond an IEEE double."""
        made = super().__new__(cls, lexeme)
        if made in (float("inf"), float("-inf")):
            raise NotJson(f"The number {lexeme[:40]} is larger than an IEEE 754 double (RFC 7493).")
        made.lexeme = lexeme
        return made

    def __reduce__(self) -> tuple[type[Number], tuple[str]]:
        """Copy and pickle by the lexeme."""
        return Number, (self.lexeme,)


class _KeyTwiceError(ValueError):
    """A key stands twice in one JSON object."""


def parse_json(raw: bytes, *, depth: int) -> JsonValue:
    """Read one I-JSON text; numbers with a fraction or exponent become `Number`.

    `depth` is how many arrays and objects may stand inside each other. Raises NotJson, which names what is wrong and
    where.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in raw[:4]:
        raise NotJson("The body is UTF-16 or UTF-32 or holds a NUL byte; send JSON in UTF-8.")
    if raw[:3] == b"\xef\xbb\xbf":
        raise NotJson("The body begins with a byte order mark; send JSON in UTF-8 without one.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise NotJson(f"The body is not UTF-8: byte {wrong.start} cannot be decoded.") from wrong
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as wrong:
        raise NotJson(
            f"The body is not JSON: {wrong.msg.removesuffix(' at')} at line {wrong.lineno}, column {wrong.colno}."
        ) from wrong
    except _KeyTwiceError as wrong:
        raise NotJson(
            f"The body has the key {wrong} twice in one object; send each key once."
        ) from wrong
    except RecursionError as wrong:
        raise NotJson(_too_deep(depth)) from wrong
    _check_depth(value, depth)
    if _SURROGATE_ESCAPE.search(raw) is not None:
        _check_surrogates(value, "")
    return value


def canonical_bytes(value: JsonValue | Mapping[str, Any]) -> bytes:
    """Sorted keys, no spaces, UTF-8, number lexemes kept; never a raw control character."""
    return orjson.dumps(value, default=_lexeme, option=orjson.OPT_SORT_KEYS)


def sameness_digest(content: Mapping[str, Any]) -> bytes:
    """SHA-256 over the RFC 8785 form in which instants have no trailing zeros (DECISIONS 25)."""
    try:
        body = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        body = None  # a Number: its lexeme may differ from the form of RFC 8785
    return sameness_of_body(content, body)


def sameness_of_body(content: Mapping[str, Any], body: bytes | None) -> bytes:
    """The same, where `body` is `canonical_bytes(content)`, or None when the content holds a `Number`."""
    # orjson writes strings and whole numbers as RFC 8785 does, but sorts keys by code point and not by UTF-16 unit.
    # The two orders differ only when there is a character from U+E000 on, whose UTF-8 begins with 0xEE or more.
    if (
        body is None
        or _FLOAT_OF_KEY.search(body) is not None
        or _FLOAT_AFTER.search(body) is not None
        or _FLOAT_FIRST.search(body) is not None
        or (not body.isascii() and _BEYOND_D7FF.search(body) is not None)
    ):
        body = rfc8785.dumps(content)
    if b'0Z"' not in body:
        return hashlib.sha256(body).digest()
    return hashlib.sha256(_TRAILING_ZEROS.sub(_without_zeros, body)).digest()


def _without_zeros(found: re.Match[bytes]) -> bytes:
    start = found.start()
    before = found.string[max(0, start - _BEFORE_LENGTH - 1) : start]
    # One byte more than the timestamp, for the look-behind: a quote with a backslash before it begins no string.
    if _BEFORE_FRACTION.search(before) is None:
        return found[0]
    fraction = found[1].rstrip(b"0")
    return b"." + fraction + b'Z"' if fraction else b'Z"'


def _lexeme(value: Any) -> Any:
    if isinstance(value, Number):
        return orjson.Fragment(value.lexeme)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise _KeyTwiceError(json.dumps(key[:80]))
            seen.add(key)
    return made


def _integer(lexeme: str) -> int | Number:
    if len(lexeme) > 17:
        raise NotJson(_too_large(lexeme))
    number = int(lexeme)
    if not -_SAFE_INTEGER <= number <= _SAFE_INTEGER:
        raise NotJson(_too_large(lexeme))
    return Number(lexeme) if lexeme == "-0" else number


def _constant(name: str) -> Any:
    raise NotJson(f"The body holds {name}, which is no JSON; leave the property out.")


def _too_large(lexeme: str) -> str:
    return f"The whole number {lexeme[:40]} is beyond 2^53 (RFC 7493); send it as a string."


def _too_deep(depth: int) -> str:
    return f"The body is nested deeper than {depth} levels; flatten it."


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=_integer, parse_constant=_constant
)


def _check_depth(value: JsonValue, depth: int) -> None:
    """Level by level, so that no recursion of our own can overflow."""
    level: list[Any] = [value] if isinstance(value, (dict, list)) else []
    reached = 0
    while level:
        reached += 1
        if reached > depth:
            raise NotJson(_too_deep(depth))
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]


def _check_surrogates(value: JsonValue, path: str) -> None:
    """An escape for half a pair makes a string that no UTF-8 can hold; the refusal names the property."""
    if isinstance(value, str):
        if not _encodes(value):
            raise NotJson(
                f"{path or 'The body'} holds half of a surrogate pair, which is no Unicode text; "
                "replace it by the character that was meant or by U+FFFD."
            )
    elif isinstance(value, dict):
        for key, child in value.items():
            if not _encodes(key):
                raise NotJson(f"A key of {path or 'the body'} holds half of a surrogate pair.")
            _check_surrogates(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _check_surrogates(child, f"{path}[{index}]")


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
