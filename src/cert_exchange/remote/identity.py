"""Who we are towards one remote, and whom we believe there.

1. User and password are kept apart and sent as UTF-8; a secret stands in a file of its own (`vault/`) and is never printed.
2. A certificate is always verified: against the CA file of this remote, else against the public authorities.
3. Nothing of this comes from the environment: no proxy, no `.netrc`, no CA bundle of somebody else.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import requests
import requests.auth

from cert_exchange import errors
from cert_exchange.remote.held_files import HeldFile

AuthKind = Literal["none", "basic", "bearer", "token", "api_key"]
AUTH_KINDS: Final[tuple[AuthKind, ...]] = ("none", "basic", "bearer", "token", "api_key")
_SECRET_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class Credential:
    """What we show a remote. `secret` is masked wherever the value is printed."""

    kind: AuthKind
    user: str = ""
    secret: str = field(default="", repr=False)
    header: str = ""

    def header_line(self) -> tuple[str, str] | None:
        """Return name and value of the header that proves who we are; None when nobody asks."""
        match self.kind:
            case "none":
                return None
            case "basic":
                pair = f"{self.user}:{self.secret}".encode()
                return "Authorization", "Basic " + base64.b64encode(pair).decode("ascii")
            case "bearer":
                return "Authorization", f"Bearer {self.secret}"
            case "token":
                return "Authorization", f"Token {self.secret}"
            case "api_key":
                return self.header, self.secret


class CredentialAuth(requests.auth.AuthBase):
    """Puts the credential on each request of a session that is bound to one remote."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header; `requests` calls this for each request that it prepares."""
        line = self._credential.header_line()
        if line is not None:
            request.headers[line[0]] = line[1]
        return request


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom we believe: a CA file of this remote (None: the public ones), and our own certificate if it asks."""

    ca_file: Path | None = None
    certificate: Path | HeldFile | None = None
    key: Path | HeldFile | None = None

    def verify(self) -> bool | str:
        """Return what `requests` calls `verify`: never False."""
        return True if self.ca_file is None else str(self.ca_file)

    def certificate_pair(self) -> str | tuple[str, str] | None:
        """Return our certificate, with its key when that is a file of its own. They last as long as this value."""
        if self.certificate is None:
            return None
        certificate = _named(self.certificate)
        return certificate if self.key is None else (certificate, _named(self.key))


def _named(file: Path | HeldFile) -> str:
    return file.name if isinstance(file, HeldFile) else str(file)


def secret_of(raw: bytes, *, name: str) -> str:
    """Return the secret in a file's bytes, without the final line end. Raises ConfigurationInvalid."""
    if len(raw) > _SECRET_BYTES:
        raise errors.ConfigurationInvalid(
            f"The secret file {name} holds {len(raw)} bytes; at most {_SECRET_BYTES} are a secret."
        )
    try:
        secret = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.ConfigurationInvalid(f"The secret file {name} is not UTF-8.") from error
    secret = secret.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise errors.ConfigurationInvalid(f"The secret file {name} is empty.")
    if any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in secret):
        raise errors.ConfigurationInvalid(
            f"The secret file {name} holds a control character; a secret is one line of text."
        )
    return secret
