"""What a service is given: settings, database, marks, secrets and the only clock.

1. No other module reads a clock (DESIGN invariant 7); time is passed on as whole micros since 1970 UTC.
2. `releasing_now` is the only instant that heads may rise to: it is refused while the clock is doubtful (DECISIONS 9).
3. A home is made once, by `make_home`; `open_node` makes nothing but migrations and never wipes.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from ruamel.yaml import YAML

from cert_exchange.errors import ClockDoubtful, ConfigurationInvalid
from cert_exchange.settings import FILE, Settings, load_settings
from cert_exchange.stix.canonical import Limits
from cert_exchange.store.database import Database
from cert_exchange.store.marks import Marks

HOUR: Final = 3_600_000_000
CREDENTIAL_KEY: Final = "credential.key"
TOKEN_KEYS: Final = "token-keys.json"


def _wall() -> int:
    return time.time_ns() // 1_000


def _steady() -> float:
    # BOOTTIME goes on while the machine sleeps: waking up is no jump of the wall clock.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Clock:
    """The wall clock, checked against the monotonic one and against partners."""

    def __init__(
        self, read: Callable[[], int] = _wall, *, steady: Callable[[], float] = _steady
    ) -> None:
        self._read = read
        self._steady = steady
        self._lock = threading.Lock()
        self._start = (read(), steady())
        self._skews: dict[str, int] = {}
        self.doubt: str | None = None
        """Why releasing stops, for operators; None while all is well."""

    @property
    def identity(self) -> str:
        """The STIX identity of this node; `open_node` refuses to go on without one."""
        assert self.settings.identity is not None
        return self.settings.identity

    def now(self) -> int:
        """The wall clock, micros since 1970 UTC."""
        return self._read()

    def monotonic(self) -> float:
        """Seconds that only rise, from no particular point."""
        return self._steady()

    def releasing_now(self) -> int:
        """`now`, for what may raise heads. Raises ClockDoubtful."""
        now = self._read()
        wall, steady = self._start
        jump = now - wall - int((self._steady() - steady) * 1_000_000)
        if abs(jump) > HOUR:
            self.doubt = f"the wall clock jumped by {jump // 1_000_000} s"
        if self.doubt is not None:
            raise ClockDoubtful(detail=self.doubt)
        return now

    def compare(self, remote_micros: int, *, source: str = "partner") -> None:
        """Note the clock of a partner, from its Date header."""
        with self._lock:
            self._skews[source] = self._read() - remote_micros
            far = [skew for skew in self._skews.values() if abs(skew) > HOUR]
            if len(far) * 2 > len(self._skews):
                self.doubt = f"most partners' clocks differ, by {far[0] // 1_000_000} s"

    def accept(self) -> None:
        """A person looked at the clock: releasing goes on from here."""
        with self._lock:
            self._start = (self._read(), self._steady())
            self._skews.clear()
            self.doubt = None


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The node's keys. Never in a log, never in `repr`."""

    credential_key: bytes
    """Keys the digests of partners' credentials."""
    token_keys: Mapping[str, bytes]
    """Key id -> key of `next` tokens: all verify, as long as the log lives (DECISIONS 8)."""
    token_key_id: str
    """The one that signs."""

    def __repr__(self) -> str:
        return f"Secrets(token_key_id={self.token_key_id!r})"


@dataclass(frozen=True, slots=True)
class Node:
    """One CERT's node. Made by `open_node`."""

    settings: Settings
    database: Database
    marks: Marks
    clock: Clock
    secrets: Secrets
    limits: Limits

    @property
    def identity(self) -> str:
        """The STIX identity of this node; `open_node` refuses to go on without one."""
        assert self.settings.identity is not None
        return self.settings.identity

    def now(self) -> int:
        """The wall clock, micros since 1970 UTC."""
        return self.clock.now()

    def close(self) -> None:
        """Close all connections."""
        self.database.dispose()
        self.marks.close()


def make_home(home: Path, **settings: Any) -> Path:
    """Make a node's home: folders, secrets, `node.yaml`, a migrated database. Returns the home.

    Goes on where an earlier run was cut off and changes nothing that is there. The caller then opens the node and
    seeds its first objects. Raises ConfigurationInvalid.
    """
    home = home.absolute()
    checked = load_settings(home, **settings)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (
        checked.collections_directory, checked.policies_directory, checked.secrets_directory
    ):  # fmt: skip
        checked.path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_secrets(checked.path(checked.secrets_directory))
    file = home / FILE
    if not file.exists():
        written = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in settings.items()
            if value is not None
        }
        with _private(file) as stream:
            YAML(typ="safe", pure=True).dump(written, stream)
    database = Database.open(checked.database_url)
    try:
        database.migrate()
        Marks(database).create()
    finally:
        database.dispose()
    return home


def open_node(home: Path, *, clock: Clock | None = None, **given: Any) -> Node:
    """Open the node at `home`, migrating its database when a new release asks for it.

    `given` are settings that stand over the file. Raises ConfigurationInvalid with what to do, StoreUnavailable.
    """
    home = home.absolute()
    if not (home / FILE).exists():
        raise ConfigurationInvalid(
            f"{home} is no home of a node; run `cert-exchange init` to make one."
        )
    settings = load_settings(home, **given)
    if not settings.loopback and settings.tls_certificate is None:
        raise ConfigurationInvalid(
            f"host is {settings.host!r}, which other machines reach; set tls_certificate and"
            " tls_key, or listen on 127.0.0.1."
        )
    keys = read_secrets(settings.path(settings.secrets_directory))
    database = Database.open(settings.database_url)
    database.migrate()
    marks = Marks(database)
    marks.create()
    return Node(
        settings=settings,
        database=database,
        marks=marks,
        clock=clock or Clock(),
        secrets=keys,
        limits=Limits(body_bytes=settings.max_content_length),
    )


def _private(path: Path) -> TextIO:
    """Open a new file that only its owner may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")


def _make_secrets(folder: Path) -> None:
    if not (folder / CREDENTIAL_KEY).exists():
        with _private(folder / CREDENTIAL_KEY) as stream:
            stream.write(secrets.token_hex(32) + "\n")
    if not (folder / TOKEN_KEYS).exists():
        with _private(folder / TOKEN_KEYS) as stream:
            json.dump([_new_token_key()], stream)


def _new_token_key() -> dict[str, str]:
    name = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(6))
    return {"id": name, "key": secrets.token_hex(32)}


def read_secrets(folder: Path) -> Secrets:
    """Read the node's keys. Raises ConfigurationInvalid when one is missing or others may read it."""
    texts = []
    for name in (CREDENTIAL_KEY, TOKEN_KEYS):
        path = folder / name
        try:
            mode = path.stat().st_mode
            texts.append(path.read_text("utf-8"))
        except OSError:
            raise ConfigurationInvalid(
                f"{path} is missing; restore it from the backup (without it no partner can log in)."
            ) from None
        if mode & 0o077:
            raise ConfigurationInvalid(f"{path} can be read by others; run `chmod 600 {path}`.")
    try:
        keys = {entry["id"]: bytes.fromhex(entry["key"]) for entry in json.loads(texts[1])}
        return Secrets(bytes.fromhex(texts[0]), keys, next(iter(keys)))
    except (ValueError, KeyError, TypeError, StopIteration):
        raise ConfigurationInvalid(f"{folder} holds a damaged key; restore the backup.") from None
