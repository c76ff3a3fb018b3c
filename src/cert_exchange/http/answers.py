"""Errors become answers, and answers become bytes on the wire."""

from __future__ import annotations

import zlib
from functools import lru_cache
from http import HTTPStatus
from secrets import token_hex
from typing import Final

import structlog

from cert_exchange.errors import (
    CertExchangeError,
    MethodRefused,
    NotAuthenticated,
    ReceivingSuspended,
    SharingFrozen,
    StoreError,
    TooManyRequests,
)
from cert_exchange.logs import place_of
from cert_exchange.taxii.access import CHALLENGES
from cert_exchange.taxii.resources import error as error_resource
from cert_exchange.taxii.wire import Answer, Header, Noted

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 5
"""What a 503 says: the store is expected back soon."""
WORTH_PACKING: Final = 1_400
"""Bytes; a smaller answer fits one network packet anyway."""
_FAST: Final = 1
_GZIP: Final = 16 + zlib.MAX_WBITS
_ALWAYS: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_REFUSAL: Final = 500


def refused(error: CertExchangeError, noted: Noted) -> Answer:
    """Answer an error: its fixed words for the client, its detail for the log."""
    error_id = token_hex(16)
    extra: list[Header] = []
    match error:
        case NotAuthenticated():
            extra.extend(CHALLENGES)
        case TooManyRequests() | SharingFrozen() | ReceivingSuspended():
            extra.append((b"retry-after", str(error.retry_after).encode("ascii")))
        case MethodRefused():
            extra.append((b"allow", ", ".join(error.allow).encode("ascii")))
        case StoreError():
            extra.append((b"retry-after", str(RETRY_SECONDS).encode("ascii")))
        case _ if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
            extra.append((b"retry-after", str(RETRY_SECONDS).encode("ascii")))
    # Of what is neither the client's doing nor the store's, the words are for our operator: they may name a file.
    ours = error.status >= _REFUSAL and not extra
    shown = CertExchangeError if ours else error
    meant = error.status < _REFUSAL or isinstance(error, (SharingFrozen, ReceivingSuspended))
    say = log.info if meant else log.error
    say(
        "refused",
        error_id=error_id,
        status=error.status,
        reason=type(error).__name__,
        detail=f"{error.public} {error.detail}".strip() if ours else error.detail,
        partner=noted.partner,
        route=noted.route,
        collection=noted.collection,
        request_id=noted.request_id,
    )
    body = error_resource(
        title=shown.title, description=shown.public, error_id=error_id, status=error.status
    )
    return Answer(error.status, body, tuple(extra))


def failed(error: Exception, noted: Noted) -> Answer:
    """Answer a fault of ours: 500, and not a word of it."""
    detail = f"{type(error).__name__} at {place_of(error)}"
    return refused(CertExchangeError(detail=detail), noted)


def headers_of(answer: Answer, length: int, *, packed: bool, method: str) -> list[Header]:
    """Write all headers of an answer."""
    own = {name for name, _ in answer.headers}
    headers = [*(one for one in _ALWAYS if one[0] not in own), *answer.headers]
    if answer.media is not None:
        headers.append((b"content-type", answer.media))
        headers.append((b"content-length", b"%d" % length))
        headers.append((b"vary", b"accept-encoding"))
        if packed:
            headers.append((b"content-encoding", b"gzip"))
    if method == "POST" and answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # What is left of the body is not worth reading.
        headers.append((b"connection", b"close"))
    return headers


def pack(body: bytes) -> bytes:
    """Compress with gzip, quickly; without a time in its header."""
    packer = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()


@lru_cache(maxsize=256)
def wants_gzip(accept_encoding: bytes) -> bool:
    """Tell whether the client takes gzip (RFC 9110 section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accept_encoding.decode("latin-1").lower().split(","):
        name, _, rest = part.partition(";")
        quality = rest.strip().removeprefix("q=").strip() if rest else "1"
        try:
            weights[name.strip()] = float(quality)
        except ValueError:
            weights[name.strip()] = 0.0
    named = weights.get("gzip", weights.get("x-gzip"))
    return (weights.get("*", 0.0) if named is None else named) > 0
