"""Media types, by RFC 9110 section 12.5.1 and TAXII 2.1 sections 1.6.8, 3.1.

1. Every answer is `application/taxii+json;version=2.1`, so only one question is open: may the client read that?
2. An Accept that a real client sends for TAXII 2.1 never gets 406 (`interop.md` C1); what asks for something else only
   (TAXII 2.0, HTML) does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from cert_exchange.errors import MediaTypeRefused, NotAcceptable

TAXII: Final = "application/taxii+json;version=2.1"
STIX: Final = "application/stix+json;version=2.1"
_EXACT: Final = frozenset({b"", TAXII.encode(), b"application/taxii+json", b"*/*"})
_FALSE_ZEROS: Final = frozenset({"0", "0.", "0.0", "0.00", "0.000"})
_TAXII_TYPE: Final = "application/taxii+json"
_STIX_TYPE: Final = "application/stix+json"


def check_accept(accept: bytes, *, objects: bool) -> None:
    """Raise NotAcceptable unless the client can read TAXII 2.1.

    `objects`: at objects and manifest, STIX 2.1 is read as TAXII 2.1 too (section 5.3 lists it there). All Accept
    headers of a request, joined by commas; none at all counts as `*/*`.
    """
    if accept not in _EXACT and not _accepted(accept, objects):
        raise NotAcceptable


def check_content_type(content_type: bytes) -> None:
    """Raise MediaTypeRefused unless a POST says TAXII or STIX 2.1; parameters in any order, a charset of utf-8."""
    if not _posted(content_type):
        raise MediaTypeRefused


@lru_cache(maxsize=256)
def _accepted(accept: bytes, objects: bool) -> bool:  # noqa: FBT001 - lru_cache keys by position
    best = (-1, -1)
    quality = False
    for media, parameters in _ranges(accept.decode("latin-1")):
        weight = parameters.pop("q", "1")
        specific = _match(media, parameters, objects=objects)
        if specific is None:
            continue
        # RFC 9110 12.5.1: the most specific range decides. Between the types that stand for one answer any yes does.
        wanted = weight not in _FALSE_ZEROS
        if specific > best:
            best, quality = specific, wanted
        elif specific == best:
            quality = quality or wanted
    return quality


def _match(media: str, parameters: dict[str, str], *, objects: bool) -> tuple[int, int] | None:
    """Rank how specifically a range names what we answer; None when it does not."""
    if media == "*/*":
        return (0, 0)
    if media == "application/*":
        return (1, 0)
    if media != _TAXII_TYPE and not (objects and media == _STIX_TYPE):
        return None
    version = parameters.get("version")
    if version is None:
        return (2, 0)
    return (2, 1) if version == "2.1" else None


@lru_cache(maxsize=256)
def _posted(content_type: bytes) -> bool:
    found = list(_ranges(content_type.decode("latin-1")))
    if len(found) != 1:
        return False
    media, parameters = found[0]
    if media not in (_TAXII_TYPE, _STIX_TYPE) or parameters.get("version", "2.1") != "2.1":
        return False
    return parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")


def _ranges(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Split a list of media ranges; names in lower case, quoted values unquoted."""
    for part in _outside_quotes(text, ","):
        pieces = [piece.strip(" \t") for piece in _outside_quotes(part, ";")]
        if not pieces[0]:
            continue
        parameters: dict[str, str] = {}
        for piece in pieces[1:]:
            name, _, value = piece.partition("=")
            parameters.setdefault(name.strip(" \t").lower(), _unquoted(value.strip(" \t")))
        yield pieces[0].lower(), parameters


def _outside_quotes(text: str, mark: str) -> Iterator[str]:
    if '"' not in text:
        yield from text.split(mark)
        return
    start, quoted, escaped = 0, False, False
    for index, letter in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == mark and not quoted:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace("\\\\", "\0").replace("\\", "").replace("\0", "\\")
    return value
