"""One request and its answer, as an operator looks at them later to see why nothing arrives.

1. No secret: the address goes without a user, and what proves who we are is masked wherever the remote repeats it.
2. No content of objects: of an answer that is no error nothing of the body is kept, of an error its first characters, and
   none of them where it repeats what we sent.
3. Few headers, by name, each cut and on one line.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from cert_exchange.remote import identity
from cert_exchange.remote.connection.answers import cleaned

HEADERS: Final = (
    "Date", "Content-Type", "Content-Length", "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last", "Retry-After",
    "WWW-Authenticate", "Location", "Server",
)  # fmt: skip
SHOWN: Final = 200
"""Characters of an error's body."""
MASK: Final = "[secret]"
REPEATS: Final = "[it repeats what was sent]"
_HEADER_LENGTH: Final = 120
_TOKEN_LENGTH: Final = 16
_LEAST_SECRET: Final = 6
"""Shorter texts are masked nowhere: they occur in words, and a secret of that length is none."""
_ECHO: Final = 16
_LOOKED_AT: Final = 4 * 1024 * 1024
_ID: Final = re.compile(r"[a-z0-9-]+--[0-9a-fA-F-]{36}")


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A request and what came of it. Sizes are bytes, `seconds` from the first byte sent to the last one read.

    `status` is None where no answer came; `trouble` says why, or what was wrong with the answer that did.
    """

    method: str
    address: str
    request: str
    """the X-Request-Id, which a cert-exchange at the other end has in its access log"""
    sent: int
    seconds: float
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    trouble: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


@dataclass(slots=True)
class Exchanging:
    """A request that is under way; `end` makes the value of it."""

    credential: identity.Credential
    method: str
    url: str
    params: Mapping[str, str] | None
    body: bytes | None
    request: str
    began: float
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    error: str = ""

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Keep what stands above the body of an answer."""
        self.status = status
        self.headers = {
            name: self._masked(cleaned(_without_query(name, headers[name]), _HEADER_LENGTH))
            for name in HEADERS
            if name in headers
        }

    def failed(self, body: bytes) -> None:
        """Keep the beginning of an error's body, in which secrets are masked already."""
        text = cleaned(body, SHOWN)
        self.error = REPEATS if self.body is not None and repeats(text, self.body) else text

    def end(self, now: float, trouble: str) -> Exchanged:
        """Return what is kept of it. `now`: seconds, of the clock that `began` is of."""
        return Exchanged(
            method=self.method,
            address=self._masked(_address(self.url, self.params)),
            request=self.request,
            sent=len(self.body or b""),
            seconds=round(max(now - self.began, 0.0), 3),
            status=self.status,
            headers=self.headers,
            error=self.error,
            trouble=self._masked(trouble),
        )

    def _masked(self, text: str) -> str:
        return masked(text, self.credential)


def masked(text: str, credential: identity.Credential) -> str:
    """Return a text of a remote without what we show it to prove who we are."""
    line = credential.header_line()
    if line is None:
        return text
    shown = {credential.secret, line[1].partition(" ")[2]}
    shown.add(base64.b64encode(credential.secret.encode()).decode("ascii"))
    for secret in sorted(shown, key=len, reverse=True):
        if len(secret) >= _LEAST_SECRET:
            text = text.replace(secret, MASK)
    return text


def repeats(text: str, sent: bytes) -> bool:
    """Whether a remote's words hold a piece of what was sent to it, ids aside: they may be named."""
    words = _ID.sub(" ", text).encode("utf-8", "replace")
    looked = sent[:_LOOKED_AT]
    return any(
        words[at : at + _ECHO] in looked for at in range(0, len(words) - _ECHO + 1, _ECHO // 2)
    )


def _address(url: str, params: Mapping[str, str] | None) -> str:
    parts = urlsplit(url)
    asked = [*parse_qsl(parts.query, keep_blank_values=True), *(params or {}).items()]
    shown = [
        (name, f"{value[:_TOKEN_LENGTH]}..." if name == "next" and len(value) > _TOKEN_LENGTH else value)
        for name, value in asked
    ]  # fmt: skip
    plain = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return cleaned(f"{plain}?{urlencode(shown, safe=':[],')}" if shown else plain, 500)


def _without_query(name: str, value: str) -> str:
    return value.partition("?")[0] if name == "Location" else value
