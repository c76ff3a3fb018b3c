"""Invariant 7: no clock is read outside `node.py`. And what that one clock promises (DECISIONS 9)."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path

import pytest
from tests.conftest import Wall, reopen
from tests.scenes import Scene, indicator

from cert_exchange.errors import ClockDoubtful
from cert_exchange.node import Clock, Node, open_node
from cert_exchange.services import timekeeping
from cert_exchange.store.tables import views

SOURCE = Path(__file__).parents[2] / "src" / "cert_exchange"
MINUTE = 60_000_000

READERS = {
    "time": {
        "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
        "clock_gettime", "clock_gettime_ns", "localtime", "gmtime", "ctime", "asctime", "strftime",
    },
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "uuid": {"uuid1", "uuid6", "uuid7"},
    "func": {"now", "current_timestamp", "current_date", "current_time", "localtime", "clock_timestamp", "unixepoch"},
    "loop": {"time"},
}  # fmt: skip
IN_SQL = ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "CLOCK_TIMESTAMP(", "STATEMENT_TIMESTAMP(", "NOW()", "'NOW'")  # fmt: skip


def reads_clock(source: str) -> bool:
    """Whether a module calls, imports or hands on something that reads a clock."""
    tree = ast.parse(source)
    aliases = {
        "time": "time",
        "datetime": "datetime",
        "date": "date",
        "uuid": "uuid",
        "func": "func",
        "loop": "loop",
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {
                one.asname or one.name: one.name.rsplit(".", 1)[-1]
                for one in node.names
                if one.name in READERS
            }
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                if node.module in ("time", "uuid") and one.name in READERS[node.module]:
                    return True
                if one.name in READERS and one.asname:
                    aliases[one.asname] = one.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = (
                owner.id
                if isinstance(owner, ast.Name)
                else owner.attr
                if isinstance(owner, ast.Attribute)
                else None
            )
            if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute):
                name = {"get_running_loop": "loop", "get_event_loop": "loop"}.get(owner.func.attr)
            if node.attr in READERS.get(aliases.get(name or "", ""), ()):
                return True
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            text = node.value.upper()
            if any(word in text for word in IN_SQL) and any(
                verb in text for verb in ("SELECT ", "INSERT ", "UPDATE ", "DEFAULT ")
            ):
                return True
    return False


def test_only_node_reads_the_clock() -> None:
    """Of all modules of the package, node.py alone."""
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if reads_clock(path.read_text())
    }
    assert found == {"node.py"}


@pytest.mark.parametrize(
    "source",
    [
        "from time import time as t; t()",
        "import time\ntime.monotonic()",
        "import time as clock\nread = clock.time_ns",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as dt\ndt.now(tz=None)",
        "from datetime import date\ndate.today()",
        "import asyncio\nasyncio.get_running_loop().time()",
        "loop.time()",
        "from sqlalchemy import func\nselect(func.now())",
        "text('SELECT * FROM t WHERE at < CURRENT_TIMESTAMP')",
        "from uuid import uuid1",
        "import uuid\nuuid.uuid1()",
    ],
)
def test_the_rule_can_fail(source: str) -> None:
    """Each way to read a clock is seen."""
    assert reads_clock(source)


@pytest.mark.parametrize(
    "source",
    [
        "node.now()", "now = clock.now()", "import time\ntime.sleep(1)", "from uuid import uuid4",
        "from datetime import datetime\ndatetime.fromisoformat(x)", "clock.monotonic()",
        "x = 'try again now'",
    ],
)  # fmt: skip
def test_the_rule_lets_through_what_reads_none(source: str) -> None:
    """Passing time on, sleeping and parsing are no reading."""
    assert not reads_clock(source)


def test_time_that_passes_raises_no_doubt(sqlite_node: Node, wall: Wall) -> None:
    """A year of uptime, also asleep, is no jump."""
    wall.forward(timedelta(days=400))
    assert sqlite_node.clock.releasing_now() > 0
    assert sqlite_node.clock.doubt is None


@pytest.mark.parametrize("jump", [timedelta(hours=2), timedelta(hours=-2)])
def test_a_jump_stops_releasing_until_a_person_accepts_it(
    sqlite_node: Node, wall: Wall, jump: timedelta
) -> None:
    """Nothing is released after a jump, in this process, the next, and another one, until the clock is accepted."""
    node = sqlite_node
    scene = Scene.set_up(node)
    scene.publish(indicator("before"))
    other = reopen(node, wall)
    wall.jump(jump)
    with pytest.raises(ClockDoubtful):
        scene.publish(indicator("after"))
    assert scene.names("b") == ["before"]
    wall.jump(-jump)
    for one in (node, other, reopen(node, wall)):
        with pytest.raises(ClockDoubtful):
            one.clock.releasing_now()
        assert "jumped" in (one.clock.doubt or "")
    wall.jump(jump)
    assert "jumped" in (timekeeping.accept_clock(other) or "")
    assert other.clock.doubt is None
    scene.publish(indicator("after"))
    assert scene.names("b") == ["before", "after"]
    other.close()


def test_a_small_step_is_fine(sqlite_node: Node, wall: Wall) -> None:
    """Half an hour of correction, either way."""
    for minutes in (30, -60, 40):
        wall.jump(timedelta(minutes=minutes))
        sqlite_node.clock.releasing_now()


def test_a_start_with_a_clock_behind_the_store_is_doubtful(node: Node, wall: Wall) -> None:
    """The last release lies two hours in the future: either it was wrong, or the clock is now."""
    Scene.set_up(node).publish(indicator("one"))
    late = Wall(passed=-2 * 3_600_000_000)
    again = reopen(node, late)
    with pytest.raises(ClockDoubtful, match="behind"):
        again.clock.releasing_now()
    timekeeping.accept_clock(again)
    again.close()
    once_more = reopen(node, late)
    assert once_more.clock.releasing_now() > 0
    once_more.close()


def test_a_clock_that_was_never_set_releases_nothing(sqlite_node: Node) -> None:
    """1970, on a machine without a battery."""
    node = open_node(sqlite_node.settings.home, clock=Clock(lambda: 5_000_000))
    with pytest.raises(ClockDoubtful):
        node.clock.releasing_now()
    node.close()


def test_partners_who_agree_with_each_other_are_right(sqlite_node: Node) -> None:
    """One far clock among three says nothing; most of them stop releasing."""
    clock = sqlite_node.clock
    clock.compare(clock.now(), source="b")
    clock.compare(clock.now() + 2 * 60 * MINUTE, source="c")
    assert clock.releasing_now() > 0
    clock.compare(clock.now() + 2 * 60 * MINUTE, source="d")
    with pytest.raises(ClockDoubtful, match="partners"):
        clock.releasing_now()


def test_an_accepted_skew_stays_accepted(sqlite_node: Node, wall: Wall) -> None:
    """With one partner whose clock is wrong, a person says so once, not after every start."""
    clock = sqlite_node.clock
    clock.compare(clock.now() - 3 * 60 * MINUTE, source="b")
    assert clock.doubt is not None
    timekeeping.accept_clock(sqlite_node)
    again = reopen(sqlite_node, wall)
    again.clock.compare(again.clock.now() - 3 * 60 * MINUTE, source="b")
    assert again.clock.doubt is None
    again.clock.compare(again.clock.now() + 3 * 60 * MINUTE, source="b")
    assert again.clock.doubt is not None
    again.close()


def test_heads_never_rise_by_a_doubtful_clock(sqlite_node: Node, wall: Wall) -> None:
    """A jump of ten years forward leaves every head where it was: clients with cursors repeat nothing."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("one"))

    def heads() -> list[int]:
        with sqlite_node.database.reading() as tx:
            return [row.head for row in tx.execute(views.select())]

    before = heads()
    wall.jump(timedelta(days=3650))
    with pytest.raises(ClockDoubtful):
        scene.publish(indicator("two"))
    assert heads() == before
