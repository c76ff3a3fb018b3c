"""What a backup consists of, plain or sealed, and whether it is whole.

1. Plain: the node's files under their names, and a list of their digests, written last: a folder without it is no
   backup. Sealed: one file that holds all of that as a sealed stream, and a list that says only what opens it.
2. Nothing of a sealed backup is readable, not even the names of its files; nothing that was changed, cut off or added
   is ever taken, since each byte is authenticated before it is used.
3. A list may not lead outside of its folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.vault.locks import Lock, open_lock
from cert_exchange.vault.sealing import SealingWriter, UnsealingReader, derived

LIST: Final = "backup.json"
SEALED_FILE: Final = "node.sealed"
PURPOSE: Final = "backup"
"""What the key under the lock is made into, so that no backup shares a key with a secret file."""
_PLAIN: Final = 1
_SEALED: Final = 2
_PORTION: Final = 1 << 20
_LARGEST_LIST: Final = 16 * 1024 * 1024

OpensWith = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a backup says of itself. Instants in micros."""

    begun: int
    """whatever came after this instant may not be in it"""
    at: int
    engine: str
    epoch: int
    files: Mapping[str, str]
    """name -> SHA-256"""
    sealed: bool = False


def write_list(folder: Path, document: Mapping[str, Any]) -> None:
    """Write a backup's list, which makes it one."""
    fresh = folder / f".{LIST}"
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=1, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.rename(folder / LIST)


def pack(staged: Path, folder: Path, key: bytes, lock: Mapping[str, Any], *, at: int) -> None:
    """Seal the plain backup in `staged` into `folder`."""
    target = folder / SEALED_FILE
    number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as stream:
        writer = SealingWriter(stream, derived(key, PURPOSE))
        with tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            names = [path for path in sorted(staged.rglob("*")) if path.is_file()]
            for path in sorted(names, key=lambda one: one.name != LIST):  # the list first
                archive.add(path, str(path.relative_to(staged)), recursive=False)
        writer.close()
        stream.flush()
        os.fsync(stream.fileno())
    write_list(folder, {"format": _SEALED, "at": at, "lock": dict(lock)})


def read_list(folder: Path) -> tuple[dict[str, Any], bool]:
    """A backup's list and whether it is sealed. Raises ConfigurationInvalid."""
    try:
        listed = json.loads((folder / LIST).read_text("utf-8"))
        sealed = {_PLAIN: False, _SEALED: True}[listed["format"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationInvalid(
            f"{folder} is no finished backup: {LIST} is missing or damaged."
        ) from None
    return listed, sealed


def check(folder: Path, opens_with: OpensWith) -> Listing:
    """Read all of a backup and compare it with its list; changes nothing. Raises ConfigurationInvalid."""
    listed, sealed = read_list(folder)
    if not sealed:
        return _check_plain(folder, _listing(listed, folder))
    return check_sealed(folder, _key_of(folder, listed, opens_with))


def check_sealed(folder: Path, key: bytes) -> Listing:
    """Read all of a sealed backup with the key under its lock. Raises ConfigurationInvalid."""
    with _opened(folder) as stream:
        return _read_sealed(stream, key, folder, None)


def unpack(folder: Path, opens_with: OpensWith, into: Path) -> Listing:
    """Open a sealed backup into a new folder, comparing all of it with its list. Raises ConfigurationInvalid."""
    listed, _ = read_list(folder)
    key = _key_of(folder, listed, opens_with)
    into.mkdir(mode=0o700)
    with _opened(folder) as stream:
        return _read_sealed(stream, key, folder, into)


def digest_of(stream: BinaryIO) -> str:
    """SHA-256 of what is left of a stream, in hex."""
    found = hashlib.sha256()
    while portion := stream.read(_PORTION):
        found.update(portion)
    return found.hexdigest()


def _check_plain(folder: Path, listing: Listing) -> Listing:
    for name, digest in listing.files.items():
        path = folder / name
        if path.is_file():
            with path.open("rb") as stream:
                if digest_of(stream) == digest:
                    continue
        raise ConfigurationInvalid(f"{path} is missing or was changed since the backup.")
    return listing


def _key_of(folder: Path, listed: Mapping[str, Any], opens_with: OpensWith) -> bytes:
    lock = Lock.of(listed.get("lock"))
    secret = opens_with()
    if secret is None:
        raise ConfigurationInvalid(
            f"{folder} is encrypted; give --unlock-file FILE with the {lock.kind} that opens it, or set"
            " CERT_EXCHANGE_PASSPHRASE."
        )
    try:
        return open_lock(lock, secret)
    except ConfigurationInvalid as error:
        raise ConfigurationInvalid(f"{folder / LIST}: {error.public}") from None


def _opened(folder: Path) -> BinaryIO:
    try:
        return (folder / SEALED_FILE).open("rb")
    except OSError as error:
        raise ConfigurationInvalid(
            f"{folder / SEALED_FILE} cannot be read: {error.strerror}."
        ) from None


def _read_sealed(stream: BinaryIO, key: bytes, folder: Path, into: Path | None) -> Listing:
    reader = UnsealingReader(stream, derived(key, PURPOSE))
    wrong = ConfigurationInvalid(f"{folder / SEALED_FILE} is no backup that this program made.")
    try:
        with tarfile.open(fileobj=reader, mode="r|", bufsize=_PORTION) as archive:
            members = _members(archive)
            name, content = next(members)
            raw = content.read(_LARGEST_LIST)
            listing = _listing(json.loads(raw), folder, sealed=True)
            if name != LIST:
                raise wrong
            missing = dict(listing.files)
            for name, content in members:
                digest = missing.pop(name, None)
                if digest is None or _taken(content, name, into) != digest:
                    raise wrong
    except (tarfile.TarError, StopIteration, ValueError, KeyError):
        raise wrong from None
    while reader.read(_PORTION):
        pass  # to its authenticated end
    if missing:
        raise wrong
    if into is not None:
        (into / LIST).write_bytes(raw)
    return listing


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, BinaryIO]]:
    for member in archive:
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            raise tarfile.TarError
        yield member.name, content  # type: ignore[misc]  # a file object of bytes, whatever tarfile calls it


def _taken(content: BinaryIO, name: str, into: Path | None) -> str:
    if into is None:
        return digest_of(content)
    path = into / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = hashlib.sha256()
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as target:
        while portion := content.read(_PORTION):
            found.update(portion)
            target.write(portion)
    return found.hexdigest()


def _outside(folder: Path, name: str) -> bool:
    return not (folder / name).resolve().is_relative_to(folder.resolve())


def _listing(listed: Mapping[str, Any], folder: Path, *, sealed: bool = False) -> Listing:
    try:
        files = {str(name): str(digest) for name, digest in listed["files"].items()}
        at, epoch = int(listed["at"]), int(listed["epoch"])
        found = Listing(
            int(listed.get("begun", at)), at, str(listed["engine"]), epoch, files, sealed
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ConfigurationInvalid(
            f"{folder} is no finished backup: {LIST} is missing or damaged."
        ) from None
    for name in files:
        if _outside(folder, name):
            raise ConfigurationInvalid(f"{LIST} names {name}, which is outside of the backup.")
    return found
