"""The node's secret files: the one place that reads and writes them, sealed where the folder has a lock.

1. A secret file is its owner's alone (mode 0600); one that others may read is refused.
2. With a lock in the folder every file in it is sealed. A plain one is refused there, since whoever can write into the
   folder but does not hold the key could else put a key of his own in place of ours.
3. A file is replaced as a whole: whoever reads meanwhile sees the one or the other, and a kill loses neither.
   What a kill leaves beside it is sealed with the rest, and swept away at the next start.
4. Sealing a folder, and opening it again, is repeated until it is done: the lock states which is under way, and
   meanwhile both kinds are read.
5. What opens the lock is asked for when it is first needed, and never kept: the key inside is, in memory. Another
   passphrase wraps the same key: whoever holds that goes on with it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cert_exchange.vault.locks import Lock

LOCK_FILE: Final = "lock.json"
SEALED: Final = b"cert-exchange sealed 1\n"
"""The first bytes of a sealed file."""
State = Literal["sealing", "sealed", "opening"]
Stamp = tuple[int, int, int]


_FRESH: Final = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}")
"""How a file is called while it is written."""
_WRITING_SECONDS: Final = 600


def _meant_by(leftover: str) -> str:
    """The name that a leftover was to have."""
    folder, slash, name = leftover.rpartition("/")
    found = _FRESH.fullmatch(name)
    return f"{folder}{slash}{found['name'] if found else name}"


def _nothing() -> str | None:
    return None


def _refuses_plain(state: State) -> bool:
    return state == "sealed"


class SecretFiles:
    """The secret files in one folder. `opens_with` gives the passphrase or key of its lock, None where nobody did."""

    def __init__(self, folder: Path, opens_with: Callable[[], str | None] = _nothing) -> None:
        self.folder = folder
        self._opens_with = opens_with
        self._known: tuple[Stamp, Lock, State, bytes | None] | None = None
        self._held: bytes | None = None
        """the key inside a lock that was read before this one"""

    def __repr__(self) -> str:
        return f"SecretFiles({str(self.folder)!r})"

    @property
    def locked(self) -> bool:
        """Whether what is in the folder is sealed."""
        return self._lock() is not None

    @property
    def opens_with(self) -> str | None:
        """What opens the lock, `passphrase` or `key`; None where there is no lock."""
        found = self._lock()
        return None if found is None else found[0].kind

    def lock_document(self) -> dict[str, Any] | None:
        """The lock as JSON, for a backup that the same passphrase or key shall open."""
        found = self._lock()
        return None if found is None else found[0].document()

    def key(self) -> bytes:
        """The key that seals. Raises ConfigurationInvalid where there is no lock or nothing opens it."""
        found = self._lock()
        if found is None:
            raise ConfigurationInvalid(f"{self.folder} has no lock.")
        lock, state, key = found
        if key is None and self._held is not None and self._opens(self._held):
            key = self._held
        elif key is None:
            secret = self._opens_with()
            if secret is None:
                raise ConfigurationInvalid(
                    f"the secrets in {self.folder} are encrypted; set unlock_file to the file that holds the"
                    f" {lock.kind}, or CERT_EXCHANGE_PASSPHRASE, or type it where you are asked."
                )
            from cert_exchange.vault.locks import open_lock  # noqa: PLC0415 - seldom needed

            try:
                key = open_lock(lock, secret)
            except ConfigurationInvalid as error:
                raise ConfigurationInvalid(f"{self.folder / LOCK_FILE}: {error.public}") from None
        assert self._known is not None  # `_lock` has just read it
        self._known = (self._known[0], lock, state, key)
        return key

    def _opens(self, key: bytes) -> bool:
        """Whether what is sealed here is sealed under this key."""
        from cert_exchange.vault.sealing import unseal  # noqa: PLC0415 - seldom needed

        name = next((one for one in self.names() if not self.open_to_plain(one)), None)
        if name is None:
            return False
        try:
            unseal(key, name, (self.folder / name).read_bytes())
        except ConfigurationInvalid:
            return False
        return True

    def derived_key(self, purpose: str) -> bytes:
        """A key of its own for one purpose, for what cannot be sealed by us, such as a PEM file with a password."""
        from cert_exchange.vault.sealing import derived  # noqa: PLC0415 - seldom needed

        return derived(self.key(), purpose)

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.folder / name).is_file()

    def stamp(self, name: str) -> Stamp | None:
        """Something that changes with the file; None where it is missing. Costs one call of the system."""
        try:
            found = os.stat(f"{self.folder}/{name}")  # noqa: PTH116 - on the way of every poll
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def read(self, name: str) -> bytes:
        """What the file holds. Raises ConfigurationInvalid when it is missing, open to others, or does not open."""
        path = self.folder / name
        try:
            mode = path.stat().st_mode
            raw = path.read_bytes()
        except FileNotFoundError:
            raise ConfigurationInvalid(f"{path} is missing; restore it from the backup.") from None
        except OSError as error:
            raise ConfigurationInvalid(f"{path} cannot be read: {error.strerror}.") from None
        if mode & 0o077:
            raise ConfigurationInvalid(f"{path} can be read by others; run `chmod 600 {path}`.")
        found = self._lock()
        if raw.startswith(SEALED):
            if found is None:
                raise ConfigurationInvalid(
                    f"{path} is encrypted, but {self.folder / LOCK_FILE} is missing; take it from the backup."
                )
            from cert_exchange.vault.sealing import unseal  # noqa: PLC0415 - seldom needed

            return unseal(self.key(), name, raw)
        if found is not None and _refuses_plain(found[1]):
            raise ConfigurationInvalid(
                f"{path} is not encrypted, and all that is here should be; if you put it there, run"
                " `cert-exchange secrets lock`."
            )
        return raw

    def write(self, name: str, raw: bytes) -> None:
        """Store a file, in place of an older one of that name."""
        self._put(name, self._closed(name, raw))

    def create(self, name: str, raw: bytes) -> bool:
        """Store a file where none of that name is; False where one is."""
        if self.exists(name):
            return False
        fresh = self._fresh(name, self._closed(name, raw))
        try:
            os.link(fresh, self.folder / name)
        except FileExistsError:
            return False
        finally:
            fresh.unlink()
        return True

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        (self.folder / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """The secret files that there are."""
        return sorted(
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if path.is_file() and path.name != LOCK_FILE and not path.name.startswith(".")
        )

    def leftovers(self) -> list[str]:
        """What a writer that was killed left: whole copies of secret files, by the names that they have now."""
        return sorted(
            str(path.relative_to(self.folder))
            for path in self.folder.rglob(".*")
            if path.is_file() and _FRESH.fullmatch(path.name)
        )

    def sweep(self, *, now: int) -> int:
        """Remove leftovers that nobody can be writing any more; returns how many. `now` in micros."""
        removed = 0
        for name in self.leftovers():
            with suppress(FileNotFoundError):
                path = self.folder / name
                if now / 1_000_000 - path.stat().st_mtime > _WRITING_SECONDS:
                    path.unlink()
                    removed += 1
        return removed

    def open_to_plain(self, name: str) -> bool:
        """Whether a file is not sealed."""
        return not (self.folder / name).read_bytes().startswith(SEALED)

    def lock(self, secret: str, *, cost: int | None = None) -> int:
        """Seal all files, from now on under a lock that `secret` opens; returns how many were sealed now.

        Where there is a lock already it must be the one that opens it, and what is plain is sealed too. Raises
        ConfigurationInvalid.
        """
        from cert_exchange.vault.locks import make_lock, open_lock  # noqa: PLC0415 - seldom needed
        from cert_exchange.vault.sealing import seal  # noqa: PLC0415 - seldom needed

        found = self._lock()
        if found is None:
            made, key = make_lock(secret, cost=cost)
        else:
            made, key = found[0], open_lock(found[0], secret)
        self._put_lock(made, "sealing", key)
        sealed = 0
        for name in self.names():
            raw = (self.folder / name).read_bytes()
            if not raw.startswith(SEALED):
                self._put(name, seal(key, name, raw))
                sealed += 1
        for name in self.leftovers():
            # Sealed where they lie: whoever still writes one puts a sealed file into its place.
            with suppress(FileNotFoundError):
                raw = (self.folder / name).read_bytes()
                if not raw.startswith(SEALED) and not name.startswith(f".{LOCK_FILE}."):
                    self._put(name, seal(key, _meant_by(name), raw))
                    sealed += 1
        self._put_lock(made, "sealed", key)
        return sealed

    def unlock(self) -> int:
        """Open all files for good and remove the lock; returns how many. Raises ConfigurationInvalid."""
        from cert_exchange.vault.sealing import unseal  # noqa: PLC0415 - seldom needed

        found, key = self._lock(), self.key()
        assert found is not None  # there was a key
        self._put_lock(found[0], "opening", key)
        names = [name for name in self.names() if not self.open_to_plain(name)]
        for name in names:
            self._put(name, unseal(key, name, (self.folder / name).read_bytes()))
        (self.folder / LOCK_FILE).unlink()
        self._known = None
        return len(names)

    def change_lock(self, secret: str, *, cost: int | None = None) -> None:
        """From now on another passphrase or key opens the same lock. Raises ConfigurationInvalid."""
        from cert_exchange.vault.locks import make_lock  # noqa: PLC0415 - seldom needed

        found, key = self._lock(), self.key()
        assert found is not None  # there was a key
        made, _ = make_lock(secret, key=key, cost=cost)
        self._put_lock(made, found[1], key)

    def _lock(self) -> tuple[Lock, State, bytes | None] | None:
        stamp = self.stamp(LOCK_FILE)
        if stamp is None:
            self._known = None
            return None
        if self._known is None or self._known[0] != stamp:
            from cert_exchange.vault.locks import Lock  # noqa: PLC0415 - seldom needed

            try:
                document = json.loads((self.folder / LOCK_FILE).read_text("utf-8"))
                lock, state = Lock.of(document["lock"]), document["state"]
            except (OSError, ValueError, KeyError, TypeError):
                raise ConfigurationInvalid(
                    f"{self.folder / LOCK_FILE} is damaged; take it from the backup."
                ) from None
            if self._known is not None and self._known[3] is not None:
                self._held = self._known[3]
            self._known = (stamp, lock, state, None)
        return self._known[1:]

    def _put_lock(self, lock: Lock, state: State, key: bytes) -> None:
        text = json.dumps({"lock": lock.document(), "state": state}, indent=1)
        self._put(LOCK_FILE, text.encode())
        stamp = self.stamp(LOCK_FILE)
        assert stamp is not None  # we have just written it
        self._known = (stamp, lock, state, key)

    def _closed(self, name: str, raw: bytes) -> bytes:
        if not self.locked:
            return raw
        from cert_exchange.vault.sealing import seal  # noqa: PLC0415 - seldom needed

        return seal(self.key(), name, raw)

    def _fresh(self, name: str, raw: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(number, "wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            with suppress(OSError):
                fresh.unlink()
            raise
        return fresh

    def _put(self, name: str, raw: bytes) -> None:
        self._fresh(name, raw).replace(self.folder / name)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
