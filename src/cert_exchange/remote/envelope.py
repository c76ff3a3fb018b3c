"""What paging must know of an envelope, read without judging its objects.

1. A page is never refused for one object: where a fast parser stumbles (a lone surrogate, endless nesting), the
   envelope's own members are still found and each object is cut out as the bytes that came (S12).
2. A large page is never parsed whole: its objects are looked at one after the other, so that a page of any number of
   them costs little more memory than its bytes (W12).
3. Nothing here recurses, so no depth of nesting can end the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from cert_exchange import errors

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]', re.DOTALL)
WHOLE_BYTES: Final = 8 * 1024 * 1024
"""A page of more bytes is read piece by piece."""
# No string of JSON holds either: there a quotation mark has a backslash before it.
_TYPE: Final = re.compile(rb'"type"\s*+:\s*+"([a-z][a-z0-9-]++)"')
_SPEC_VERSION: Final = re.compile(rb'("spec_version"\s*+:\s*+)"([a-z][a-z0-9-]++)"')
_OPEN: Final = b"[{"
_CLOSE: Final = b"]}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The members that paging needs. `marks` are (id, modified) of each object, `digest` is theirs together."""

    more: bool
    next: str | None
    count: int
    marks: tuple[tuple[str, str], ...]
    digest: bytes


def with_spec_version(body: bytes) -> bytes:
    """A page whose objects say their own type as `spec_version`, with 2.1 there; the very same bytes where none does."""
    types = set(_TYPE.findall(body))

    def mend(found: re.Match[bytes]) -> bytes:
        return found[1] + b'"2.1"' if found[2] in types else found[0]

    mended = _SPEC_VERSION.sub(mend, body)
    return body if mended == body else mended


def read_envelope(body: bytes) -> Envelope:
    """Read `more`, `next` and what identifies each object (TAXII 2.1 section 3.7).

    `{}`, no `objects`, `objects: null`, an empty body: all mean nothing (taxii21 69). Raises RemoteAnswerInvalid
    when it is no JSON object at all.
    """
    if not body.strip():
        return _envelope({}, [])
    if len(body) > WHOLE_BYTES:
        return _by_pieces(body)
    objects: Any
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value, objects = _salvage(body)
    else:
        if not isinstance(value, dict):
            raise errors.RemoteAnswerInvalid("The answer is JSON, but no envelope.")
        objects = value.get("objects")
    if objects is None:
        objects = []
    if not isinstance(objects, list):
        raise errors.RemoteAnswerInvalid("The envelope's `objects` is no list.")
    return _envelope(value, objects)


def _by_pieces(body: bytes) -> Envelope:
    start = end = -1
    marks: list[tuple[str, str]] = []
    for kind, begun, at in _spans(body):
        if kind == "list":
            start = at
        elif kind == "end":
            end = at
        elif piece := body[begun:at].strip():
            marks.append(_mark(piece))
    try:
        value = orjson.loads(body if start < 0 else body[:start] + body[end:])
    except orjson.JSONDecodeError as error:
        raise errors.RemoteAnswerInvalid(
            "The answer is no JSON, or it broke off.", detail=str(error)
        ) from error
    if not isinstance(value, dict):
        raise errors.RemoteAnswerInvalid("The answer is JSON, but no envelope.")
    if start < 0 and value.get("objects") is not None:
        raise errors.RemoteAnswerInvalid("The envelope's `objects` is no list.")
    return _sealed(value, tuple(marks))


def _envelope(value: dict[str, Any], objects: list[Any]) -> Envelope:
    return _sealed(value, tuple(_mark(one) for one in objects))


def _sealed(value: dict[str, Any], marks: tuple[tuple[str, str], ...]) -> Envelope:
    hashed = sha256()
    for stix_id, version in marks:
        hashed.update(f"{stix_id}\n{version}\n".encode("utf-8", "surrogatepass"))
    token = value.get("next")
    return Envelope(
        more=value.get("more") is True,
        next=token if isinstance(token, str) and token else None,
        count=len(marks),
        marks=marks,
        digest=hashed.digest(),
    )


def _mark(one: Any) -> tuple[str, str]:
    if isinstance(one, dict):
        return str(one.get("id", "")), str(one.get("modified", one.get("version", "")))
    if isinstance(one, bytes):  # cut out of a page that no parser reads whole
        try:
            return _mark(orjson.loads(one))
        except orjson.JSONDecodeError:
            return "", sha256(one).hexdigest()
    return "", repr(one)


def _salvage(body: bytes) -> tuple[dict[str, Any], list[Any]]:
    shell, pieces = cut(body)
    try:
        value = orjson.loads(shell)
    except orjson.JSONDecodeError as error:
        raise errors.RemoteAnswerInvalid(
            "The answer is no JSON, or it broke off.", detail=str(error)
        ) from error
    if not isinstance(value, dict):
        raise errors.RemoteAnswerInvalid("The answer is JSON, but no envelope.")
    return value, list(pieces)


def cut(body: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Cut an envelope into its shell, with `objects` emptied, and the bytes of each object.

    Only brackets and strings are looked at, in one pass. A body that has no such list comes back whole with no
    pieces. Raises RemoteAnswerInvalid when its brackets do not match.
    """
    start = end = -1
    found: list[bytes] = []
    for kind, begun, at in _spans(body):
        if kind == "list":
            start = at
        elif kind == "end":
            end = at
        elif piece := body[begun:at].strip():
            found.append(piece)
    if start < 0:
        return body, ()
    return body[:start] + body[end:], tuple(found)


def pieces(body: bytes) -> Iterator[bytes]:
    """Yield the bytes of each object of an envelope, one after the other. Raises RemoteAnswerInvalid as `cut` does."""
    for kind, begun, at in _spans(body):
        if kind == "piece" and (piece := body[begun:at].strip()):
            yield piece


def _spans(body: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield the events with where the piece before them began."""
    begun = 0
    for kind, at in _events(body):
        yield kind, begun, at
        begun = at if kind == "list" else at + 1


def _events(body: bytes) -> Iterator[tuple[str, int]]:
    """Yield ("list", first byte after `[`), ("piece", its end) ..., ("end", at `]`) of the outermost `objects`."""
    stack = bytearray()
    key: bytes | None = None
    found = inside = False
    for token in _TOKEN.finditer(body):
        sign = token[0]
        if sign[0] in _OPEN:
            stack.append(sign[0])
            if len(stack) == 2 and sign == b"[" and key == b'"objects"' and not found:
                found = inside = True
                yield "list", token.end()
        elif sign[0] in _CLOSE:
            if not stack or _OPEN.index(stack.pop()) != _CLOSE.index(sign[0]):
                raise errors.RemoteAnswerInvalid("The answer's brackets do not match.")
            if inside and len(stack) == 1:
                inside = False
                yield "piece", token.start()
                yield "end", token.start()
        elif sign == b",":
            if inside and len(stack) == 2:
                yield "piece", token.start()
        elif sign[0] == ord('"') and len(stack) == 1:
            key = sign
    if stack:
        raise errors.RemoteAnswerInvalid("The answer broke off: its brackets do not close.")
