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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

import structlog
from ruamel.yaml import YAML

from cert_exchange.errors import ClockDoubtful, ConfigurationInvalid
from cert_exchange.keyring import (
    CREDENTIAL_KEY,
    TOKEN_KEYS,
    Secrets,
    make_newer_secrets,
    make_secrets,
)
from cert_exchange.settings import FILE, Settings, load_settings
from cert_exchange.stix.canonical import Limits
from cert_exchange.store import recovery
from cert_exchange.store.database import Database
from cert_exchange.store.marks import Marks
from cert_exchange.vault.files import SecretFiles

__all__ = [
    "CREDENTIAL_KEY", "TOKEN_KEYS", "Clock", "Node", "Secrets", "make_home", "open_node", "secret_files_of"
]  # fmt: skip

log = structlog.get_logger(__name__)

HOUR: Final = 3_600_000_000
RELEASED: Final = 1_763_000_000_000_000
"""No node runs before this program was written (November 2025): an earlier clock was never set."""
CLOCK_FILE: Final = "clock.json"
DESK_BYTES: Final = 512 * 1024 * 1024


def _wall() -> int:
    return time.time_ns() // 1_000


def _steady() -> float:
    # BOOTTIME goes on while the machine sleeps: waking up is no jump of the wall clock.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Clock:
    """The wall clock, checked against the monotonic one, the store's last instant and partners' clocks.

    1. A doubt is kept in a file of the node's home, so that all processes on this machine stop releasing, also after
       a restart, until a person accepts the clock.
    2. Accepting counts up in that file; a process that sees the count rise measures jumps from there, and skews of
       partners that were looked at then raise no doubt again.
    3. Of the partners that were heard, most must disagree with us: one with a wrong clock stops nobody who has two.
    """

    def __init__(
        self,
        read: Callable[[], int] = _wall,
        *,
        steady: Callable[[], float] = _steady,
        file: Path | None = None,
    ) -> None:
        self._read = read
        self._steady = steady
        self._file = file
        self._lock = threading.Lock()
        self._start = (read(), steady())
        self._heard: dict[str, int] = {}
        self._state: dict[str, Any] = {}
        self._stamp: object = None
        if file is not None:
            self.keep_in(file)

    def keep_in(self, file: Path) -> None:
        """Keep doubts in this file from now on."""
        self._file = file
        self._load()

    def now(self) -> int:
        """The wall clock, micros since 1970 UTC."""
        return self._read()

    def monotonic(self) -> float:
        """Seconds that only rise, from no particular point."""
        return self._steady()

    @property
    def doubt(self) -> str | None:
        """Why releasing stops, for operators; None while all is well."""
        self._load()
        return self._state.get("doubt")

    def releasing_now(self) -> int:
        """`now`, for what may raise heads. Raises ClockDoubtful."""
        now = self._read()
        self._load()
        wall, steady = self._start
        jump = now - wall - int((self._steady() - steady) * 1_000_000)
        if abs(jump) > HOUR:
            self._raise_doubt(f"the wall clock jumped by {jump // 1_000_000} s")
        elif now < RELEASED:
            self._raise_doubt("the wall clock was never set")
        doubt = self._state.get("doubt")
        if doubt is not None:
            raise ClockDoubtful(detail=doubt)
        return now

    def check_start(self, last: int) -> None:
        """Compare with the greatest instant in the store, when a node is opened."""
        behind = last - self._read()
        if behind > HOUR and behind - self._state.get("behind", 0) > HOUR:
            self._raise_doubt(
                f"the wall clock is {behind // 1_000_000} s behind the last release", behind=behind
            )

    def compare(self, remote_micros: int, *, source: str = "partner") -> None:
        """Note the clock of a partner, from its Date header."""
        self._load()
        accepted = self._state.get("skews", {}).get(source, 0)
        with self._lock:
            self._heard[source] = self._read() - remote_micros - accepted
            far = {name: skew for name, skew in self._heard.items() if abs(skew) > HOUR}
            most = len(far) * 2 > len(self._heard)
        if most:
            name, skew = max(far.items(), key=lambda item: abs(item[1]))
            skews = {
                other: by + self._state.get("skews", {}).get(other, 0) for other, by in far.items()
            }
            self._raise_doubt(
                f"the clocks of most partners differ, that of {name} by {skew // 1_000_000} s",
                skews=skews,
            )

    def accept(self) -> str | None:
        """A person looked at the clock: releasing goes on from here. Returns the doubt there was."""
        self._load()
        doubt: str | None = self._state.get("doubt")
        pending = self._state.get("pending", {})
        self._save(
            {
                "accepted": self._state.get("accepted", 0) + 1,
                "skews": {**self._state.get("skews", {}), **pending.get("skews", {})},
                "behind": pending.get("behind", self._state.get("behind", 0)),
            }
        )
        return doubt

    def _raise_doubt(self, reason: str, **seen: Any) -> None:
        if self._state.get("doubt") is not None:
            return
        log.error("clock doubtful, releasing stops until --clock-ok", reason=reason)
        self._save({**self._state, "doubt": reason, "pending": seen})

    def _load(self) -> None:
        """Read the file if another process wrote it."""
        if self._file is None:
            return
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return
        stamp = (found.st_ino, found.st_mtime_ns)
        if stamp != self._stamp:
            self._stamp = stamp
            self._adopt(json.loads(self._file.read_text("utf-8")))

    def _adopt(self, state: dict[str, Any]) -> None:
        with self._lock:
            if state.get("accepted", 0) != self._state.get("accepted", 0):
                self._start = (self._read(), self._steady())
                self._heard.clear()
            self._state = state

    def _save(self, state: dict[str, Any]) -> None:
        if self._file is not None:
            # Replaced as a whole: whoever reads meanwhile sees the one or the other.
            fresh = self._file.with_name(f".{self._file.name}.{os.getpid()}.{secrets.token_hex(4)}")
            with _private(fresh) as stream:
                json.dump(state, stream)
            found = fresh.stat()
            fresh.replace(self._file)
            self._stamp = (found.st_ino, found.st_mtime_ns)
        self._adopt(state)


@dataclass(frozen=True, slots=True)
class Node:
    """One CERT's node. Made by `open_node`."""

    settings: Settings
    database: Database
    marks: Marks
    clock: Clock
    secrets: Secrets
    secret_files: SecretFiles
    """the one way to files of the secrets directory"""
    limits: Limits
    """of what partners send"""
    publish_limits: Limits
    """of what our own desk publishes, in one piece"""

    @property
    def identity(self) -> str:
        """The STIX identity of this node's organisation."""
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
    make_secrets(secret_files_of(checked), now=_wall())
    file = home / FILE
    if not file.exists():
        written = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in settings.items()
            if value is not None
        }
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        with _private(file) as stream:
            yaml.dump(written, stream)
    database = Database.open(checked.database_url)
    marks = Marks(database)
    try:
        database.migrate()
        recovery.recover(database, marks, now=_wall())
    finally:
        database.dispose()
        marks.close()
    return home


def open_node(
    home: Path,
    *,
    clock: Clock | None = None,
    opens_with: Callable[[], str | None] | None = None,
    **given: Any,
) -> Node:
    """Open the node at `home`, migrating its database when a new release asks for it.

    `given` are settings that stand over the file. `opens_with` gives the passphrase or key that its secrets open with,
    in place of the setting and the environment. Raises ConfigurationInvalid with what to do, StoreUnavailable.
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
    clock = clock or Clock()
    files = secret_files_of(settings, opens_with)
    files.sweep(now=clock.now())
    make_newer_secrets(files, now=clock.now())
    keys = Secrets(files)
    clock.keep_in(settings.home / CLOCK_FILE)
    database = Database.open(settings.database_url)
    database.waits.start(clock.monotonic)
    database.migrate()
    marks = Marks(database)
    last = recovery.recover(database, marks, now=clock.now())
    clock.check_start(last)
    return Node(
        settings=settings,
        database=database,
        marks=marks,
        clock=clock,
        secrets=keys,
        secret_files=files,
        limits=Limits(body_bytes=settings.max_content_length),
        publish_limits=Limits(body_bytes=max(DESK_BYTES, settings.max_content_length)),
    )


def secret_files_of(
    settings: Settings, opens_with: Callable[[], str | None] | None = None
) -> SecretFiles:
    """The secret files of a node, opened with what its settings or the environment say."""
    return SecretFiles(
        settings.path(settings.secrets_directory), opens_with or settings.opening_secret
    )


def _private(path: Path) -> TextIO:
    """Open a new file that only its owner may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
