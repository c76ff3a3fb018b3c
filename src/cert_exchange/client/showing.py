"""What a program shows of itself: its credential, from a text or a file, and files that must be there.

1. A file is read once, bounded, and must hold one word: a page of HTML or a whole table is no credential.
2. What cannot be used is said with the file's name, never with what it holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cert_exchange import errors
from cert_exchange.remote.identity import Credential

_SECRET_BYTES: Final = 8192


def shown_as(credential: str | Path, user: str = "") -> Credential:
    """The credential as it is sent: Basic where there is a user, else Bearer. Raises ConfigurationInvalid."""
    secret = _read(credential) if isinstance(credential, Path) else credential
    allowed = str.isprintable if user else _is_word  # a password may hold spaces
    if not secret or len(secret) > _SECRET_BYTES or not allowed(secret):
        where = f"{credential} holds" if isinstance(credential, Path) else "The text given is"
        raise errors.ConfigurationInvalid(f"{where} no credential: one word on one line.")
    if not user:
        return Credential("bearer", secret=secret)
    if ":" in user:
        raise errors.ConfigurationInvalid(
            "A user of Basic cannot hold a colon (RFC 7617); the password can."
        )
    return Credential("basic", user, secret)


def check_files(*files: Path | None) -> None:
    """Raise ConfigurationInvalid unless each that is named is a file."""
    for file in files:
        if file is not None and not file.is_file():
            raise errors.ConfigurationInvalid(f"There is no file {file}.")


def _is_word(text: str) -> bool:
    return text.isprintable() and not any(sign.isspace() for sign in text)


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(_SECRET_BYTES + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.ConfigurationInvalid(
            f"The credential cannot be read from {file}: {type(error).__name__}."
        ) from error
