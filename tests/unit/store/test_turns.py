"""Writers of one SQLite file wait in line: fairly, boundedly, and not for the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cert_exchange.errors import StoreUnavailable
from cert_exchange.store.turns import Turns

HOLDER = """
import sys, time
from pathlib import Path
from cert_exchange.store.turns import Turns
with Turns(Path(sys.argv[1]), seconds=10).one():
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(path: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.stdout.close()
    return process


def test_one_at_a_time_over_threads(tmp_path: Path) -> None:
    """Nobody is inside with another."""
    turns = Turns(tmp_path / "turn", seconds=10)
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with turns.one():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 80
    turns.close()


def test_the_turn_comes_when_another_process_is_done(tmp_path: Path) -> None:
    """Waiting ends with the other's turn, not with the time limit."""
    process = holder(tmp_path / "turn", 0.3)
    turns = Turns(tmp_path / "turn", seconds=30)
    begun = time.monotonic()
    with turns.one():
        assert time.monotonic() - begun < 10
    process.wait()
    turns.close()


def test_a_killed_holder_holds_up_nobody(tmp_path: Path) -> None:
    """The kernel frees its turn."""
    process = holder(tmp_path / "turn", 60)
    process.kill()
    process.wait()
    turns = Turns(tmp_path / "turn", seconds=5)
    with turns.one():
        pass
    turns.close()


def test_waiting_is_bounded_and_starts_again(tmp_path: Path) -> None:
    """A holder that hangs: StoreUnavailable after the limit, every time; once it is gone, the turn comes."""
    process = holder(tmp_path / "turn", 60)
    process.send_signal(signal.SIGSTOP)
    turns = Turns(tmp_path / "turn", seconds=0.2)
    for _ in range(2):
        with pytest.raises(StoreUnavailable), turns.one():
            pass
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while True:
        try:
            with turns.one():
                break
        except StoreUnavailable:
            assert time.monotonic() < deadline
    # And it was passed on: another may have it.
    assert holder(tmp_path / "turn", 0).wait() == 0
    turns.close()


def test_a_turn_that_comes_too_late_is_passed_on(tmp_path: Path) -> None:
    """Who waited in vain may not write again for hours: meanwhile the others do."""
    process = holder(tmp_path / "turn", 60)
    gave_up, other = (Turns(tmp_path / "turn", seconds=seconds) for seconds in (0.05, 10))
    with pytest.raises(StoreUnavailable), gave_up.one():
        pass
    process.kill()
    process.wait()
    for turns in (other, gave_up, other):
        with turns.one():
            pass
    gave_up.close()
    other.close()


def test_a_forked_child_neither_has_nor_frees_its_parents_turn(tmp_path: Path) -> None:
    """The child waits like everybody else."""
    turns = Turns(tmp_path / "turn", seconds=0.2)
    with turns.one():
        child = os.fork()
        if child == 0:
            try:
                with turns.one():
                    os._exit(1)
            except StoreUnavailable:
                os._exit(0)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    with turns.one():
        pass
    turns.close()


def test_a_deleted_file_costs_time_only(tmp_path: Path) -> None:
    """Who finds no file makes one; SQLite's own lock still guards the data."""
    turns = Turns(tmp_path / "turn", seconds=1)
    with turns.one():
        (tmp_path / "turn").unlink()
        with Turns(tmp_path / "turn", seconds=1).one():
            pass
    with pytest.raises(StoreUnavailable), Turns(tmp_path / "no" / "turn", seconds=1).one():
        pass
    turns.close()
