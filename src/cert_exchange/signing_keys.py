"""The node's own signing keys, in `secrets/signing-keys.json`: a list, the newest first.

1. The newest signs; older ones stay, so that a partner who knows only them can be led on to the newest.
2. The file appears whole or not at all, and only one process makes it.
3. Nobody but the node's own user may read it.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.messages.keys import KEY_BYTES, SigningKey, make_signing_key, public_text

SIGNING_KEYS: Final = "signing-keys.json"


def make_signing_keys(folder: Path, *, now: int) -> None:
    """Make the first key where there is no file yet. Any number of processes may call this at once."""
    path = folder / SIGNING_KEYS
    if path.exists():
        return
    fresh = _write_beside(path, [make_signing_key(secrets.token_bytes(KEY_BYTES), since=now)])
    try:
        os.link(fresh, path)  # unlike a replacement this fails where another process was first
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def read_signing_keys(folder: Path) -> tuple[SigningKey, ...]:
    """Read the keys, the newest first. Raises ConfigurationInvalid when they are missing, damaged or open to others."""
    path = folder / SIGNING_KEYS
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8")
    except OSError:
        raise ConfigurationInvalid(f"{path} is missing; restore it from the backup.") from None
    if mode & 0o077:
        raise ConfigurationInvalid(f"{path} can be read by others; run `chmod 600 {path}`.")
    try:
        keys = tuple(
            SigningKey(entry["kid"], bytes.fromhex(entry["private"]), int(entry["since"]))
            for entry in json.loads(text)
        )
    except (ValueError, KeyError, TypeError):
        raise ConfigurationInvalid(f"{path} is damaged; restore the backup.") from None
    if not keys:
        raise ConfigurationInvalid(f"{path} holds no key; restore the backup.")
    return keys


def add_signing_key(folder: Path, *, now: int) -> SigningKey:
    """Make a new key that signs from now on, before the ones that there are. Raises ConfigurationInvalid.

    For one person at a time: of two that rotate at once one key is lost, which no partner has seen yet.
    """
    key = make_signing_key(secrets.token_bytes(KEY_BYTES), since=now)
    path = folder / SIGNING_KEYS
    _write_beside(path, [key, *read_signing_keys(folder)]).replace(path)
    return key


def _write_beside(path: Path, keys: list[SigningKey]) -> Path:
    entries: list[dict[str, Any]] = [
        {
            "kid": key.kid,
            "private": key.private.hex(),
            "public": public_text(key.public),
            "since": key.since,
        }
        for key in keys
    ]
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(entries, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    return fresh
