"""The one door at which foreign exceptions stop.

1. Whatever `requests`, `urllib3` or `taxii2-client` raises leaves `remote/` as an `errors.RemoteError`.
2. `TRANSLATED` names every exception class of the three; a test walks their subclasses and finds one that is new.
3. The sentence says what happened and what to look at; the foreign text goes to the detail only.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import requests.exceptions as rq
import taxii2client.exceptions as tx
import urllib3.exceptions as u3

from cert_exchange import errors

UNREACHABLE: Final = "no connection; look at the host's name, the port and the route"
SILENT: Final = "the partner was silent for too long"
TLS: Final = "TLS failed: its certificate does not verify against the CA of this remote, or is for another name"
PLAIN: Final = (
    "that port does not speak TLS; look at the port, or whether its server offers https at all"
)
REFUSED_OURS: Final = (
    "TLS failed: it refused our certificate, which has expired, was revoked there, or is of an authority that it does not"
    " know; `pki show` says until when ours holds, the rest only its people know"
)
HUNG_UP: Final = "it closed the connection before it answered; where it asks for certificates, it may have refused ours (`pki show`)"
BROKEN: Final = "the answer broke off or is no HTTP"
ADDRESS: Final = "the address cannot be used"
PROXY: Final = "the proxy refused or cannot be reached"
MISUSED: Final = "the request could not be built"

_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""OpenSSL's reasons when the first answer is no TLS record, such as plain HTTP."""

_OF_OURS: Final = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
"""What is in OpenSSL's reason when the other side sent an alert (RFC 8446, 6.2) about the certificate that we showed."""

Door = tuple[type[errors.RemoteError], str]

TRANSLATED: Final[Mapping[type[BaseException], Door]] = {
    # requests
    rq.RequestException: (errors.RemoteUnreachable, UNREACHABLE),
    rq.InvalidJSONError: (errors.RemoteAnswerInvalid, BROKEN),
    rq.JSONDecodeError: (errors.RemoteAnswerInvalid, BROKEN),
    rq.HTTPError: (errors.RemoteAnswerInvalid, BROKEN),
    rq.ConnectionError: (errors.RemoteUnreachable, UNREACHABLE),
    rq.ProxyError: (errors.RemoteUnreachable, PROXY),
    rq.SSLError: (errors.RemoteTlsFailed, TLS),
    rq.Timeout: (errors.RemoteTimeout, SILENT),
    rq.ConnectTimeout: (errors.RemoteTimeout, SILENT),
    rq.ReadTimeout: (errors.RemoteTimeout, SILENT),
    rq.URLRequired: (errors.RemoteUnreachable, ADDRESS),
    rq.TooManyRedirects: (errors.RemoteAnswerInvalid, "it redirects in a circle"),
    rq.MissingSchema: (errors.RemoteUnreachable, ADDRESS),
    rq.InvalidSchema: (errors.RemoteUnreachable, ADDRESS),
    rq.InvalidURL: (errors.RemoteUnreachable, ADDRESS),
    rq.InvalidProxyURL: (errors.RemoteUnreachable, PROXY),
    rq.InvalidHeader: (errors.RemoteUnreachable, MISUSED),
    rq.ChunkedEncodingError: (errors.RemoteAnswerInvalid, BROKEN),
    rq.ContentDecodingError: (errors.RemoteAnswerInvalid, BROKEN),
    rq.StreamConsumedError: (errors.RemoteAnswerInvalid, BROKEN),
    rq.RetryError: (errors.RemoteUnreachable, UNREACHABLE),
    rq.UnrewindableBodyError: (errors.RemoteUnreachable, MISUSED),
    # urllib3
    u3.HTTPError: (errors.RemoteUnreachable, UNREACHABLE),
    u3.PoolError: (errors.RemoteUnreachable, UNREACHABLE),
    u3.RequestError: (errors.RemoteUnreachable, UNREACHABLE),
    u3.SSLError: (errors.RemoteTlsFailed, TLS),
    u3.ProxyError: (errors.RemoteUnreachable, PROXY),
    u3.DecodeError: (errors.RemoteAnswerInvalid, BROKEN),
    u3.ProtocolError: (errors.RemoteAnswerInvalid, BROKEN),
    u3.MaxRetryError: (errors.RemoteUnreachable, UNREACHABLE),
    u3.HostChangedError: (errors.RemoteAnswerInvalid, "it sends us to another host"),
    u3.TimeoutStateError: (errors.RemoteTimeout, SILENT),
    u3.TimeoutError: (errors.RemoteTimeout, SILENT),
    u3.ReadTimeoutError: (errors.RemoteTimeout, SILENT),
    u3.ConnectTimeoutError: (errors.RemoteTimeout, SILENT),
    u3.NewConnectionError: (errors.RemoteUnreachable, UNREACHABLE),
    u3.NameResolutionError: (errors.RemoteUnreachable, UNREACHABLE),
    u3.EmptyPoolError: (errors.RemoteUnreachable, UNREACHABLE),
    u3.FullPoolError: (errors.RemoteUnreachable, UNREACHABLE),
    u3.ClosedPoolError: (errors.RemoteUnreachable, UNREACHABLE),
    u3.LocationValueError: (errors.RemoteUnreachable, ADDRESS),
    u3.LocationParseError: (errors.RemoteUnreachable, ADDRESS),
    u3.URLSchemeUnknown: (errors.RemoteUnreachable, ADDRESS),
    u3.ResponseError: (errors.RemoteAnswerInvalid, BROKEN),
    u3.ResponseNotChunked: (errors.RemoteAnswerInvalid, BROKEN),
    u3.BodyNotHttplibCompatible: (errors.RemoteAnswerInvalid, BROKEN),
    u3.IncompleteRead: (errors.RemoteAnswerInvalid, BROKEN),
    u3.InvalidChunkLength: (errors.RemoteAnswerInvalid, BROKEN),
    u3.InvalidHeader: (errors.RemoteAnswerInvalid, BROKEN),
    u3.ProxySchemeUnknown: (errors.RemoteUnreachable, PROXY),
    u3.ProxySchemeUnsupported: (errors.RemoteUnreachable, PROXY),
    u3.HeaderParsingError: (errors.RemoteAnswerInvalid, BROKEN),
    u3.UnrewindableBodyError: (errors.RemoteUnreachable, MISUSED),
    # taxii2-client
    tx.TAXIIServiceException: (errors.RemoteAnswerInvalid, "the answer is no TAXII 2.1"),
    tx.InvalidArgumentsError: (errors.RemoteUnreachable, MISUSED),
    tx.AccessError: (errors.RemoteAnswerInvalid, "the collection does not allow that"),
    tx.ValidationError: (errors.RemoteAnswerInvalid, "the answer is no TAXII 2.1"),
    tx.InvalidJSONError: (errors.RemoteAnswerInvalid, "the answer is no JSON"),
    # what the three let through from below
    http.client.HTTPException: (errors.RemoteAnswerInvalid, BROKEN),
    ssl.SSLError: (errors.RemoteTlsFailed, TLS),
    TimeoutError: (errors.RemoteTimeout, SILENT),
    OSError: (errors.RemoteUnreachable, UNREACHABLE),
    ValueError: (errors.RemoteAnswerInvalid, "it names an address that cannot be used"),
    UnicodeError: (errors.RemoteUnreachable, ADDRESS),
}


class AnswerTooLarge(errors.RemoteAnswerInvalid):
    """The answer passed its byte limit: the pager asks for smaller pages (W10)."""


class Moved(errors.RemoteAnswerInvalid):
    """The remote sends us to an address that we may not follow; `public` says which (W16)."""


def door_of(kind: type[BaseException]) -> Door | None:
    """Return what an exception class is turned into: the entry of its nearest ancestor, None if it has none."""
    return next((TRANSLATED[step] for step in kind.__mro__ if step in TRANSLATED), None)


@contextmanager
def translated(what: str, *, read_seconds: float) -> Iterator[None]:
    """Turn every foreign exception of the block into an errors.RemoteError that names `what` was asked."""
    try:
        yield
    except errors.CertExchangeError:
        raise
    except tuple(TRANSLATED) as error:
        door = door_of(type(error)) or TRANSLATED[OSError]
        kind, sentence = _inner(error) or door
        if kind is errors.RemoteTimeout:
            sentence = f"{sentence} (limit {read_seconds:g} s)"
        raise kind(
            f"{what}: {sentence}.", detail=f"{type(error).__name__}: {error}"[:500]
        ) from error


def _inner(error: BaseException) -> Door | None:
    """Look below a wrapper: a reset or a time-out while reading comes as ConnectionError or ProtocolError."""
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        if isinstance(step, u3.NewConnectionError):  # a ConnectTimeoutError by descent only
            return None
        if isinstance(step, u3.ReadTimeoutError | u3.ConnectTimeoutError | TimeoutError):
            return errors.RemoteTimeout, SILENT
        if isinstance(step, ssl.SSLError):
            if step.reason in _NO_TLS:
                return errors.RemoteUnreachable, PLAIN
            alert = step.reason or ""
            if "_ALERT_" in alert and any(word in alert for word in _OF_OURS):
                return errors.RemoteTlsFailed, REFUSED_OURS
            return errors.RemoteTlsFailed, TLS
        if isinstance(
            step, ConnectionResetError | BrokenPipeError | http.client.RemoteDisconnected
        ):
            return errors.RemoteUnreachable, HUNG_UP
        reason = getattr(step, "reason", None)
        first = next((one for one in step.args if isinstance(one, BaseException)), None)
        step = reason if isinstance(reason, BaseException) else first
    return None
