"""Every attempt is refused, and succeeds once its guard is off (`make attack` prints the same as a list)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attack import guards
from tests.attack.attempts import Attempt, every
from tests.attack.running import tried
from tests.attack.table import PAGE, page_with
from tests.attack.world import Worlds

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    with Worlds() as made:
        yield made


@pytest.mark.attack
@pytest.mark.parametrize("attempt", every(), ids=lambda one: one.name)
def test_refused_and_real(attempt: Attempt, worlds: Worlds):
    result = tried(attempt, worlds)
    assert result.good, result.line


def test_every_guard_is_attacked():
    """A guard that nobody attacks says nothing."""
    assert set(guards.GUARDS) <= {one.guard for one in every()}


def test_a_guard_that_moved_is_found():
    """Switching off what is not there would make an attempt look refused for ever."""
    with (
        pytest.raises(AssertionError, match="moved"),
        guards.off("cert_exchange.node.no_such_check"),
    ):
        pass


def test_guards_come_back():
    from cert_exchange.services.partners import recognising

    before = recognising._reason_against
    with guards.off("login: secret"):
        assert recognising._reason_against is not before
    assert recognising._reason_against is before


def test_src_knows_nothing_of_guards():
    """No switch in the program: only the test process can open a guard."""
    root = Path(__file__).parents[2] / "src"
    assert not [path for path in root.rglob("*.py") if "tests.attack" in path.read_text()]


def test_the_table_is_that_of_the_page():
    """`python -m tests.attack --table` writes it anew."""
    text = PAGE.read_text("utf-8")
    assert page_with(text, every()) == text


def test_what_a_threat_names_is_there():
    """Each row of the threat model names attempts and tests, and all of them exist."""
    threats = PAGE.read_text("utf-8").partition("## Threats")[2].partition("## Attempts")[0]
    rows = [row for row in threats.splitlines() if row.startswith("| ") and "`" in row]
    names = {one.name for one in every()}
    for row in rows:
        shown = row.rstrip("| ").rpartition(" | ")[2]
        named = re.findall(r"attempt `([^`]+)`", shown)
        tests = re.findall(r"`([^`]+)`", re.sub(r"attempt `[^`]+`", "", shown))
        assert named or tests, row
        assert set(named) <= names, set(named) - names
        for one in tests:
            assert (TESTS / one.partition("::")[0]).exists(), one
