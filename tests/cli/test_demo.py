"""`make demo` as a newcomer runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_the_demo_ends_by_itself_and_every_check_agrees(tmp_path: Path) -> None:
    """Two nodes exchange real data, three answers about one view agree, and the policy change arrives."""
    ran = subprocess.run(
        [sys.executable, ROOT / "deploy" / "demo" / "demo.py", "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "FAIL" not in ran.stdout
    assert "every check agreed" in ran.stdout
