"""The node's own signing keys, in `secrets/signing-keys.json`: a list, the newest first.

1. The newest signs; older ones stay, so that a partner who knows only them can be led on to the newest.
2. The file appears whole or not at all, and only one process makes it.
3. It is kept as all secret files are (`vault/`): its owner's alone, sealed where the folder has a lock.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.messages.keys import KEY_BYTES, SigningKey, make_signing_key, public_text
from cert_exchange.vault.files import SecretFiles

SIGNING_KEYS: Final = "signing-keys.json"


def make_signing_keys(files: SecretFiles, *, now: int) -> None:
    """Make the first key where there is no file yet. Any number of processes may call this at once."""
    if not files.exists(SIGNING_KEYS):
        files.create(SIGNING_KEYS, _encoded([_new(now)]))


def read_signing_keys(files: SecretFiles) -> tuple[SigningKey, ...]:
    """Read the keys, the newest first. Raises ConfigurationInvalid when they are missing, damaged or open to others."""
    path = files.folder / SIGNING_KEYS
    try:
        keys = tuple(
            SigningKey(entry["kid"], bytes.fromhex(entry["private"]), int(entry["since"]))
            for entry in json.loads(files.read(SIGNING_KEYS))
        )
    except (ValueError, KeyError, TypeError):
        raise ConfigurationInvalid(f"{path} is damaged; restore the backup.") from None
    if not keys:
        raise ConfigurationInvalid(f"{path} holds no key; restore the backup.")
    return keys


def add_signing_key(files: SecretFiles, *, now: int) -> SigningKey:
    """Make a new key that signs from now on, before the ones that there are. Raises ConfigurationInvalid.

    For one person at a time: of two that rotate at once one key is lost, which no partner has seen yet.
    """
    key = _new(now)
    files.write(SIGNING_KEYS, _encoded([key, *read_signing_keys(files)]))
    return key


def _new(now: int) -> SigningKey:
    """A new key whose public text no command line takes for an option."""
    while True:
        key = make_signing_key(secrets.token_bytes(KEY_BYTES), since=now)
        if public_text(key.public)[0] not in "-_":
            return key


def _encoded(keys: list[SigningKey]) -> bytes:
    entries: list[dict[str, Any]] = [
        {
            "kid": key.kid,
            "private": key.private.hex(),
            "public": public_text(key.public),
            "since": key.since,
        }
        for key in keys
    ]
    return json.dumps(entries, indent=1).encode()
