"""TLS of the server: what it shows, whom it asks for a certificate, and how both change while it runs.

1. A connection gets the context of its moment (`Renewable.wrap_bio`): certificate, authorities and revocation lists
   are swapped without a restart, all at once, and what cannot be loaded changes nothing.
2. No tickets: a TLS 1.3 connection always shows its certificate anew. What TLS 1.2 resumes by its session id shows the
   certificate of then, which our own look and every request judge as of now.
3. A refused handshake leaves a line in the log, with address and reason; asyncio itself says nothing. A flood of them
   leaves few lines and a number.
4. Keys are handed to OpenSSL through memory: what the vault opened is on no disk.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from typing import Any, Final, Self

import structlog

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.remote.held_files import HeldFile
from cert_exchange.remote.pki import Trust
from cert_exchange.services.pki import Material

log = structlog.get_logger(__name__)

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; none of them is in RFC 7540 appendix A (TAXII 2.1 section 8.2.2)."""
CHECKS: Final = ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_X509_PARTIAL_CHAIN
"""A list must be there and in time; an authority that is believed need not be a root."""
LINES_A_MINUTE: Final = 60


class Refusals:
    """Refused handshakes, as many as a log can bear (rule 3)."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since = monotonic()
        self._told = 0
        self._silent = 0

    def note(self, address: str, reason: str) -> None:
        """Write one down."""
        now = self._monotonic()
        if now - self._since >= 60:
            if self._silent:
                log.warning("more handshakes refused", count=self._silent)
            self._since, self._told, self._silent = now, 0, 0
        if self._told >= LINES_A_MINUTE:
            self._silent += 1
            return
        self._told += 1
        log.warning("handshake refused", address=address, reason=reason)


class Handshaken(ssl.SSLObject):
    """One connection's TLS, which says when it is refused."""

    refusals: Refusals | None = None

    def do_handshake(self) -> None:
        """Shake hands. Raises ssl.SSLError."""
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if self.refusals is not None:
                # asyncio tells nobody whose connection it is; its protocol, which calls us, knows.
                caller = sys._getframe(1).f_locals.get("self")  # noqa: SLF001 - the only way to the address of a handshake that fails
                transport = getattr(caller, "_transport", None)
                name = None if transport is None else transport.get_extra_info("peername")
                self.refusals.note(str(name[0]) if name else "unknown", _reason(error))
            raise


class Renewable(ssl.SSLContext):
    """The context that a server listens with: it hands every new connection to the newest one (rule 1)."""

    newest: ssl.SSLContext
    refusals: Refusals

    def __new__(cls, newest: ssl.SSLContext, refusals: Refusals) -> Self:
        """Begin with `newest`."""
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made.newest = newest
        made.refusals = refusals
        return made

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Begin a connection's TLS under the newest context."""
        made = self.newest.wrap_bio(*args, **kwargs)
        if isinstance(made, Handshaken):
            made.refusals = self.refusals
        return made


def make_context(material: Material, trust: Trust, *, required: bool) -> ssl.SSLContext:
    """Make a server's context. Raises ConfigurationInvalid: the certificate or key cannot be used.

    A client is asked for its certificate once there is an authority to believe, or always if it is `required`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0
    context.sslobject_class = Handshaken
    try:
        certificate, key = HeldFile(material.certificate), HeldFile(material.key)
        # An empty password: OpenSSL would ask the terminal for the password of a key that has one.
        context.load_cert_chain(certificate.name, key.name, password="")
        if trust or required:
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
            context.verify_flags |= CHECKS
        if trust:
            bundle = HeldFile(trust.bundle().encode("ascii"))
            context.load_verify_locations(cafile=bundle.name)
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
        raise ConfigurationInvalid(
            f"tls_certificate and tls_key cannot be used for TLS ({reason or type(error).__name__}); give a"
            " PEM certificate with its chain and the key that belongs to it, without a password."
        ) from None
    return context


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return (error.reason or type(error).__name__).lower().replace("_", " ")
