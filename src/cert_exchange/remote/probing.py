"""The first steps towards a remote, each alone: its name, its port, its TLS.

1. Nothing is said there: no request and no credential, but our certificate where it asks for one.
2. TLS is verified as `connection` does it, against the CA file of this remote, else against the public authorities.
3. Where requests go through a proxy, it is the proxy that is looked at, and TLS is left to the first request.
4. Foreign exceptions end here: what goes wrong is an errors.RemoteError whose sentence says what to look at.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import requests.utils

from cert_exchange import errors
from cert_exchange.remote.connection import Connection

_SHOWN: Final = 4
_VERIFIED: Final = {
    9: "its certificate is not valid yet; compare the clocks of both machines",
    10: "its certificate has expired: its people must renew it",
    18: "it shows a certificate that only it signed itself; give its CA with --ca-file",
    19: "its chain ends in an authority that we do not believe; give its CA with --ca-file",
    20: "we do not believe the authority that signed its certificate; give its CA with --ca-file",
    21: "it does not send the certificates between its own and the authority; its people must add them",
    62: "its certificate is for another name than the one in our address; compare the two",
    64: "its certificate is for another address than ours; compare the two",
}
"""What OpenSSL's verify codes mean for whoever has to mend it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go first: the remote itself, or the proxy before it."""

    host: str
    port: int
    tls: bool
    proxy: bool


@dataclass(frozen=True, slots=True)
class Shaken:
    """What TLS agreed on. `ends_at`: the end of its certificate, micros since 1970 UTC."""

    protocol: str
    names: tuple[str, ...]
    ends_at: int


def place_of(url: str, proxy: str = "") -> Place:
    """Where a request for `url`, which was checked, goes first."""
    parts = urlsplit(proxy or url)
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    return Place(parts.hostname or "", port, tls and not proxy, bool(proxy))


def resolve(place: Place) -> tuple[str, ...]:
    """The addresses of its name. Raises RemoteUnreachable."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise errors.RemoteUnreachable(
            f"{place.host} has no address here ({_words(error)})."
        ) from error
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


def reach(place: Place, *, seconds: float) -> str:
    """Connect and hang up; the address that answered. Raises RemoteUnreachable, RemoteTimeout."""
    try:
        with socket.create_connection((place.host, place.port), timeout=seconds) as line:
            return str(line.getpeername()[0])
    except TimeoutError as error:
        raise errors.RemoteTimeout(
            f"port {place.port} of {place.host} does not answer within {seconds:g} s."
        ) from error
    except OSError as error:
        raise errors.RemoteUnreachable(
            f"port {place.port} of {place.host} is not open to us ({_words(error)})."
        ) from error


def shake(place: Place, connection: Connection, *, seconds: float) -> Shaken:
    """Agree on TLS as this connection does, and hang up. Raises RemoteTlsFailed, RemoteUnreachable, RemoteTimeout."""
    session = connection.session
    believed = (
        session.verify if isinstance(session.verify, str) else requests.utils.DEFAULT_CA_BUNDLE_PATH
    )
    try:
        context = ssl.create_default_context(cafile=believed)
        if session.cert is not None:
            context.load_cert_chain(
                *((session.cert,) if isinstance(session.cert, str) else session.cert)
            )
        with (
            socket.create_connection((place.host, place.port), timeout=seconds) as line,
            context.wrap_socket(line, server_hostname=place.host) as shaken,
        ):
            return _read(shaken.version() or "", shaken.getpeercert() or {})
    except ssl.SSLCertVerificationError as error:
        said = _VERIFIED.get(error.verify_code, error.verify_message)
        raise errors.RemoteTlsFailed(f"TLS failed: {said}.") from error
    except TimeoutError as error:
        raise errors.RemoteTimeout(f"TLS was not agreed on within {seconds:g} s.") from error
    except ssl.SSLError as error:
        raise errors.RemoteTlsFailed(f"TLS failed ({error.reason or _words(error)}).") from error
    except OSError as error:
        raise errors.RemoteUnreachable(f"it hung up during TLS ({_words(error)}).") from error


def _read(protocol: str, certificate: Any) -> Shaken:
    names = [value for kind, value in _pairs(certificate.get("subjectAltName", ()))]
    ends = ssl.cert_time_to_seconds(certificate["notAfter"])
    return Shaken(protocol, tuple(names[:_SHOWN]), int(ends) * 1_000_000)


def _pairs(value: Iterable[Any]) -> Iterable[tuple[str, str]]:
    return ((str(kind), str(name)) for kind, name in value)


def _words(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:120]
