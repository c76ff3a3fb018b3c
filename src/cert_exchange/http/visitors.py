"""Who stands at the other end of a request: its address, and the client certificate that came with it.

1. A certificate comes from our own TLS, or from a trusted proxy as RFC 9440 says (`Client-Cert`); from nobody else. A
   request that carries the header from elsewhere is refused, so that neither a liar nor a mistake goes on.
2. What a trusted proxy says stands in place of its own connection: its own certificate is nobody's here.
3. A certificate is believed by `Trust`; one that is not believed refuses the request, however it came.
4. Behind trusted proxies the address is the last one in `X-Forwarded-For` that is none of theirs.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote_to_bytes

from cert_exchange.errors import NotAuthenticated
from cert_exchange.remote.pki import NotBelieved, Trust
from cert_exchange.taxii.wire import Request

HEADER: Final = b"client-cert"
MOST_HEADER_BYTES: Final = 16 * 1024
_PEM_BEGINS: Final = b"-----BEGIN CERTIFICATE-----"
_PEM_ENDS: Final = b"-----END CERTIFICATE-----"


class Visitors:
    """Recognises the other end. `trust` is replaced when what is believed changes."""

    def __init__(self, proxies: Sequence[str] = (), trust: Trust | None = None) -> None:
        self._proxies = tuple(ip_network(one) for one in proxies)
        self._known: dict[str, bool] = {}
        self.trust = trust or Trust()

    def meet(self, request: Request, certificate: bytes | None, *, now: int) -> Request:
        """Give the request with its address and certificate as they are to be believed.

        `certificate`: what the connection showed, DER. Raises NotAuthenticated (rules 1 and 3).
        """
        header = request.headers.get(HEADER)
        if self._trusted(request.host):
            certificate = None if not header else certificate_in(header)
            request = replace(request, host=self._behind(request))
        elif header is not None:
            raise NotAuthenticated(detail="Client-Cert from an address that is no trusted proxy")
        if certificate is None:
            return request
        found = self.trust.recognise(certificate, now=now)
        if isinstance(found, NotBelieved):
            raise NotAuthenticated(detail=f"a certificate that is not believed: {found.reason}")
        return replace(request, peer=found)

    def _trusted(self, address: str) -> bool:
        if not self._proxies:
            return False
        known = self._known.get(address)
        if known is None:
            try:
                parsed = ip_address(address.partition("%")[0])
            except ValueError:
                return False
            mapped = getattr(parsed, "ipv4_mapped", None)
            known = any((mapped or parsed) in network for network in self._proxies)
            if len(self._known) < 4096:
                self._known[address] = known
        return known

    def _behind(self, request: Request) -> str:
        named = request.headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for one in reversed(named):
            address = one.strip().removeprefix("[").partition("]")[0]
            try:
                ip_address(address)
            except ValueError:
                break
            if not self._trusted(address):
                return address
        return request.host


def certificate_in(header: bytes) -> bytes:
    """The DER in a `Client-Cert` header: RFC 9440's byte sequence, or nginx's escaped PEM. Raises NotAuthenticated."""
    text = header.strip()
    unreadable = NotAuthenticated(detail="a Client-Cert header that cannot be read")
    if len(text) > MOST_HEADER_BYTES:
        raise unreadable
    if text.startswith(b":") and text.endswith(b":"):
        inner = text[1:-1]
    else:
        pem = unquote_to_bytes(text).strip()
        if not (pem.startswith(_PEM_BEGINS) and pem.endswith(_PEM_ENDS)):
            raise unreadable
        inner = b"".join(pem.removeprefix(_PEM_BEGINS).removesuffix(_PEM_ENDS).split())
    try:
        return b64decode(inner, validate=True)
    except (ValueError, binascii.Error):
        raise unreadable from None
