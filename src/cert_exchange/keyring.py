"""The node's own keys, each in a file of the secrets directory.

1. A key that another process changed is used from the next request on: a look at the file's stamp costs one call of
   the system. What cannot be read meanwhile is answered with what is held, and said in the log once.
2. Keys of `next` tokens are only ever added: all verify as long as the log lives (DECISIONS 8), the first one signs.
3. The key of derivatives names what is newly named. What has a name keeps it (DECISIONS 12); so a new key renames
   nothing, and whoever learned the old one can confirm no guess about what is named from then on.
4. A key is never made anew over a database that needs the old one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.messages.keys import SigningKey
from cert_exchange.signing_keys import SIGNING_KEYS, make_signing_keys, read_signing_keys
from cert_exchange.vault.files import SecretFiles, Stamp

log = structlog.get_logger(__name__)

CREDENTIAL_KEY: Final = "credential.key"
TOKEN_KEYS: Final = "token-keys.json"  # noqa: S105 - the name of a file
DERIVATIVE_KEY: Final = "derivative.key"
_BYTES: Final = 32
T = TypeVar("T")


@dataclass(slots=True)
class _Held(Generic[T]):
    """What was read from one file, and when it was written."""

    name: str
    read: Callable[[], T]
    stamp: Stamp | None
    value: T
    troubled: bool = False


class Secrets:
    """The node's keys. Never in a log, never in `repr`."""

    def __init__(self, files: SecretFiles) -> None:
        """Read them. Raises ConfigurationInvalid when one is missing, damaged, open to others or cannot be opened."""
        self._files = files
        self._credential = self._hold(CREDENTIAL_KEY, lambda: _key(files, CREDENTIAL_KEY))
        self._tokens = self._hold(TOKEN_KEYS, lambda: _token_keys(files))
        self._derivatives = self._hold(DERIVATIVE_KEY, self._read_derivative_key)
        self._signing = self._hold(SIGNING_KEYS, lambda: read_signing_keys(files))

    def __repr__(self) -> str:
        return f"Secrets(token_key_id={self.token_key_id!r})"

    @property
    def credential_key(self) -> bytes:
        """Keys the digests of partners' credentials."""
        return self._credential.value

    @property
    def token_keys(self) -> Mapping[str, bytes]:
        """Key id -> key of `next` tokens, the one that signs first."""
        return self._now(self._tokens)

    @property
    def token_key_id(self) -> str:
        """The one that signs."""
        return next(iter(self.token_keys))

    @property
    def derivative_key(self) -> bytes:
        """Names what stands for originals."""
        return self._now(self._derivatives)

    @property
    def signing_keys(self) -> tuple[SigningKey, ...]:
        """What statements and receipts are signed with: the newest first, which signs; older ones vouch for newer ones."""
        return self._now(self._signing)

    def _read_derivative_key(self) -> bytes:
        if self._files.exists(DERIVATIVE_KEY):
            return _key(self._files, DERIVATIVE_KEY)
        # Until it is changed for the first time.
        return hmac.digest(self._credential.value, b"cert-exchange derivatives", hashlib.sha256)

    def _hold(self, name: str, read: Callable[[], T]) -> _Held[T]:
        return _Held(name, read, self._files.stamp(name), read())

    def _now(self, held: _Held[T]) -> T:
        stamp = self._files.stamp(held.name)
        if stamp != held.stamp:
            try:
                # The value before its stamp: whoever sees the new stamp in another thread finds the new value.
                held.value = held.read()
                held.stamp = stamp
            except ConfigurationInvalid as error:
                trouble = error.public
            else:
                trouble = ""
            if trouble and not held.troubled:
                log.error("a key was changed and cannot be read", reason=trouble)
            held.troubled = bool(trouble)
        return held.value


def make_secrets(files: SecretFiles, *, now: int) -> None:
    """Make the keys that a new home lacks. Any number of processes may call this at once."""
    files.create(CREDENTIAL_KEY, f"{secrets.token_hex(_BYTES)}\n".encode())
    files.create(TOKEN_KEYS, _encoded([_new_token_key()]))
    make_newer_secrets(files, now=now)


def make_newer_secrets(files: SecretFiles, *, now: int) -> None:
    """Make the keys that a home of an earlier release lacks, and over which nothing can depend on an older one."""
    make_signing_keys(files, now=now)


def add_token_key(files: SecretFiles) -> str:
    """A new key signs `next` from now on; returns its id. Raises ConfigurationInvalid."""
    entries = _token_entries(files)
    fresh = _new_token_key()
    while fresh["id"] in {entry["id"] for entry in entries}:
        fresh = _new_token_key()
    files.write(TOKEN_KEYS, _encoded([fresh, *entries]))
    return fresh["id"]


def change_derivative_key(files: SecretFiles) -> None:
    """What is named from now on is named with a new key."""
    files.write(DERIVATIVE_KEY, f"{secrets.token_hex(_BYTES)}\n".encode())


def _key(files: SecretFiles, name: str) -> bytes:
    try:
        key = bytes.fromhex(files.read(name).decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise ConfigurationInvalid(f"{files.folder / name} is damaged; restore the backup.")
    return key


def _token_entries(files: SecretFiles) -> list[dict[str, str]]:
    _token_keys(files)
    found: list[dict[str, str]] = json.loads(files.read(TOKEN_KEYS))
    return found


def _token_keys(files: SecretFiles) -> Mapping[str, bytes]:
    try:
        keys = {
            str(entry["id"]): bytes.fromhex(entry["key"])
            for entry in json.loads(files.read(TOKEN_KEYS))
        }
    except (ValueError, KeyError, TypeError):
        keys = {}
    if not keys:
        raise ConfigurationInvalid(f"{files.folder / TOKEN_KEYS} is damaged; restore the backup.")
    return keys


def _encoded(entries: list[dict[str, str]]) -> bytes:
    return json.dumps(entries, indent=1).encode()


def _new_token_key() -> dict[str, str]:
    name = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(6))
    return {"id": name, "key": secrets.token_hex(_BYTES)}
