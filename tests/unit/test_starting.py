"""What is born by fork is a process like one of the interpreter's: code, signal, arguments, streams, environment."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests import starting


def test_it_has_its_own_arguments_environment_and_code(tmp_path: Path) -> None:
    """As `python -c` would give them; what it wrote and how it ended come back."""
    program = "import os, sys; print(sys.argv[1:], os.environ['ONLY'], os.getpid()); sys.exit(3)"
    ran = starting.run(program, tmp_path, 7, env={"ONLY": "here"})
    words = ran.stdout.decode().rsplit(maxsplit=1)
    assert (ran.returncode, words[0]) == (3, f"['{tmp_path}', '7'] here")
    assert int(words[1]) != os.getpid()
    assert starting.run("import os; print(os.environ.get('ONLY'))").stdout == b"None\n"


def test_an_error_is_told_and_a_kill_is_its_signal() -> None:
    """1 with a traceback on its standard error; minus the signal's number; nothing for who waits too short."""
    ran = starting.run("1 / 0", stderr=subprocess.STDOUT)
    assert ran.returncode == 1
    assert b"ZeroDivisionError" in ran.stdout
    process = starting.start("import time; time.sleep(60)")
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    process.kill()
    assert process.wait(20) == process.poll() == -signal.SIGKILL
