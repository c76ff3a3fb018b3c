"""Fixtures: a node on both engines, a clock that tests move.

`node` is a fresh home and database for each test, run once on SQLite and once on PostgreSQL. `sqlite_node` and
`postgresql_node` are the one or the other, `either_node` is one of them. `wall` moves the nodes' clock; it starts at the real time and runs on.

What tests write lies in memory where the machine has room for it (`in_memory`), unless TMPDIR says where.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy.engine import URL
from tests import engines, staging

from cert_exchange.node import Clock, Node, make_home, open_node

# How long an example takes is the machine's load, not a fault: no test here is timed.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

MEMORY = Path("/dev/shm")
ROOM = 3 * 1024**3


def in_memory(folder: Path = MEMORY, room: int = ROOM) -> bool:
    """Whether that file system in memory is there for us and has so many bytes left."""
    try:
        return os.access(folder, os.W_OK | os.X_OK) and shutil.disk_usage(folder).free >= room
    except OSError:
        return False


# A node syncs each transaction to its disk, and a PostgreSQL database is some hundred files: on a disk the tests wait
# for that more than for all else. They pull no plug, so that nothing they look at differs.
if "TMPDIR" not in os.environ and in_memory():
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None

ROOT = Path(__file__).parents[1]


def pytest_collection(session: pytest.Session) -> None:
    """Of several processes each begins with other modules, and finds what the others rewrote meanwhile.

    Where nothing is kept from an earlier run, rewriting the asserts of all is half of what collecting costs.
    """
    given = getattr(session.config, "workerinput", None)
    if given is None or [Path(one).resolve() for one in session.config.args] != [ROOT / "tests"]:
        return
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py"))
    first = int(given["workerid"].removeprefix("gw")) * len(files) // given["workercount"]
    for file in (*files[first:], *files[:first]):
        # What cannot be loaded, or not here, is told by the collection itself.
        with contextlib.suppress(Exception):
            importlib.import_module(".".join(file.with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first; all others stay in their order."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


ENGINES = os.environ.get("CERT_EXCHANGE_TEST_ENGINES", "")

OUR_IDENTITY = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
TITLE = "CERT A"


@dataclass
class Wall:
    """The real clock, moved. `forward` is time that passes; `jump` moves the wall clock alone."""

    passed: int = 0
    jumped: int = 0

    def forward(self, by: timedelta) -> None:
        self.passed += int(by.total_seconds() * 1_000_000)

    def jump(self, by: timedelta) -> None:
        self.jumped += int(by.total_seconds() * 1_000_000)

    def read(self) -> int:
        return time.time_ns() // 1_000 + self.passed + self.jumped

    def steady(self) -> float:
        return time.monotonic() + self.passed / 1_000_000

    def clock(self) -> Clock:
        return Clock(self.read, steady=self.steady)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """The address of a PostgreSQL server of this run."""
    try:
        with engines.postgresql() as url:
            yield url
    except engines.NoServerError as missing:
        # Never passed over where results count: without CI=true only the developer is told.
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs PostgreSQL: {missing}")
        pytest.fail(
            f"{missing}; or set CERT_EXCHANGE_TEST_PG_URL, or deselect with -k 'not postgresql'"
        )


@pytest.fixture(scope="session")
def _postgresql_original(
    postgresql_server: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[staging.Original]:
    url = engines.make_database(postgresql_server)
    text = url.render_as_string(hide_password=False)
    home = tmp_path_factory.mktemp("postgresql") / "home"
    make_home(home, identity=OUR_IDENTITY, title=TITLE, database_url=text)
    original = staging.Original(home, postgresql_server, str(url.database))
    yield original
    for one in (original, *original.scenes.values()):
        engines.drop_database(postgresql_server, url.set(database=one.database))


@pytest.fixture(scope="session")
def _sqlite_original(tmp_path_factory: pytest.TempPathFactory) -> staging.Original:
    home = tmp_path_factory.mktemp("sqlite") / "home"
    return staging.Original(make_home(home, identity=OUR_IDENTITY, title=TITLE))


@pytest.fixture
def postgresql_url(postgresql_server: URL, _postgresql_original: staging.Original) -> Iterator[str]:
    """A fresh, migrated database."""
    url = engines.make_database(postgresql_server, _postgresql_original.database)
    yield url.render_as_string(hide_password=False)
    engines.drop_database(postgresql_server, url)


@pytest.fixture
def empty_postgresql_url(postgresql_server: URL) -> Iterator[str]:
    """A fresh database without any table."""
    url = engines.make_database(postgresql_server)
    yield url.render_as_string(hide_password=False)
    engines.drop_database(postgresql_server, url)


@pytest.fixture
def new_node(
    tmp_path: Path, wall: Wall, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Node]]:
    """`new_node("sqlite" | "postgresql", name="b")`: another node; all are closed at the end."""
    made: list[Node] = []
    copies: list[staging.Original] = []

    def make(engine: str, name: str = "a") -> Node:
        original: staging.Original = request.getfixturevalue(f"_{engine}_original")
        home = tmp_path / f"node-{name}"
        copies.append(original.copy(home))
        node = open_node(home, clock=wall.clock())
        staging.untouched[home] = original
        made.append(node)
        return node

    yield make
    for node in made:
        node.close()
    for copy in copies:
        staging.untouched.pop(copy.home, None)
        if copy.server is not None:
            engines.drop_database(copy.server, copy.server.set(database=copy.database))


@pytest.fixture(params=["sqlite", "postgresql"])
def node(request: pytest.FixtureRequest, new_node: Callable[..., Node]) -> Node:
    """A fresh node, once on each engine."""
    return new_node(request.param)


@pytest.fixture(params=["sqlite", "postgresql"] if ENGINES == "both" else ["either"])
def either_node(request: pytest.FixtureRequest, new_node: Callable[..., Node]) -> Node:
    """A fresh node on one engine, for what is not about SQL: one test of four is PostgreSQL's, always the same ones.

    With ENGINES=both each of them runs on both. A module takes it by naming its own fixture `node` after it.
    """
    if request.param != "either":
        return new_node(request.param)
    return new_node("sqlite" if zlib.crc32(request.node.name.encode()) % 4 else "postgresql")


@pytest.fixture
def sqlite_node(new_node: Callable[..., Node]) -> Node:
    return new_node("sqlite")


@pytest.fixture
def postgresql_node(new_node: Callable[..., Node]) -> Node:
    return new_node("postgresql")


def reopen(node: Node, wall: Wall | None = None) -> Node:
    """The same node as a new process would open it. The caller closes it."""
    clock = wall.clock() if wall is not None else node.clock
    return open_node(node.settings.home, clock=clock)
