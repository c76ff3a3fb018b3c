"""What a remote answered, and how a stranger's words are read and shown.

1. A stranger's text is shown cut, on one line, without tags and control characters.
2. Nothing that a stranger sent can raise anything but errors.RemoteAnswerInvalid here.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from cert_exchange import errors

RETRY_AFTER_CAP: Final = 3600.0
TAXII_2_0: Final = (
    "it is a TAXII 2.0 server, and we speak TAXII 2.1: ask its operator for the address of a 2.1 API root, which many servers"
    " have beside that of 2.0; `source look URL` lists what is at an address"
)
_OF_2_0: Final = frozenset({"application/vnd.oasis.taxii+json", "application/vnd.oasis.stix+json"})
_TAG: Final = re.compile(r"(?s)<(?:script|style)\b.*?</(?:script|style)>|<[^<>]*>")
_READ: Final = 40
"""Characters of a stranger's text that are looked at for each that is shown: a text of megabytes costs no more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a remote answered: a success; every error status has been raised."""

    status: int
    headers: Mapping[str, str]  # names match in any case
    body: bytes
    wire_bytes: int

    def document(self) -> dict[str, Any]:
        """Return the body as a JSON object; {} when there is none. Raises RemoteAnswerInvalid."""
        if not self.body.strip():
            return {}
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise errors.RemoteAnswerInvalid("The answer is no JSON.") from error
        if not isinstance(value, dict):
            raise errors.RemoteAnswerInvalid("The answer is no JSON object.")
        return value


def media_of(text: str) -> tuple[str, frozenset[str]]:
    """A Content-Type's kind and the versions that it names, in small letters."""
    kind, *rest = (part.strip().lower() for part in text.split(";"))
    return kind, frozenset(
        part.split("=", 1)[1].strip('" ') for part in rest if part.startswith("version=")
    )


def speaks_2_0(text: str) -> bool:
    """Whether a Content-Type is that of a TAXII 2.0 server (TAXII 2.0, section 1.6.8.2)."""
    kind, versions = media_of(text)
    return kind in _OF_2_0 or (kind == "application/taxii+json" and versions == {"2.0"})


def no_taxii(media: str, text: str) -> str:
    """What an answer that is no TAXII 2.1 looks like; nothing of one that is JSON: it may hold objects."""
    if speaks_2_0(media):
        return TAXII_2_0
    words = f"the answer did not come from a TAXII server: Content-Type {cleaned(media, 80)!r}"
    if text.lstrip()[:1] in ("{", "["):
        return f"{words}, and JSON; where its objects are to be taken all the same: --option accept_types"
    return f"{words}, beginning {cleaned(text, 200)!r}"


def cleaned(text: str | bytes, length: int) -> str:
    """Return the beginning of a stranger's text: no tags, no control characters, one line."""
    text = text[: _READ * length]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = _TAG.sub(" ", text)
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(text.split())[:length]


def said(body: bytes) -> str | None:
    """Return title and description of a TAXII error message (3.6.1), None when it is none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    words = [
        said if isinstance(said, str) else orjson.dumps(said).decode()
        for said in (value.get(key) for key in ("title", "name", "description"))
        if isinstance(
            said, str | dict
        )  # OpenTAXII says in an object which parameter it does not take
    ]
    return cleaned(": ".join(words), 200) or None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return Retry-After in seconds, capped at an hour. A date is read against the answer's own Date."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_CAP)
    try:
        then = email.utils.parsedate_to_datetime(text)
        sent = email.utils.parsedate_to_datetime(headers.get("Date", ""))
        return min(max((then - sent).total_seconds(), 0.0), RETRY_AFTER_CAP)
    except (ValueError, TypeError):
        return None  # no date, or one with and one without a zone: our own back-off decides
