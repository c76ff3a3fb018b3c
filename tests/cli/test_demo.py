"""`make demo` as a newcomer runs it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

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


@pytest.mark.long
@pytest.mark.timeout(120)
def test_the_node_of_make_run_is_private_and_its_partners_speak_for_someone(
    tmp_path: Path,
) -> None:
    """Its own doctor finds no file open to others, and each partner may publish as an identity of its own."""
    home = tmp_path / "home"
    code = "import sys; from pathlib import Path; import run_node; run_node.make(Path(sys.argv[1]), 18443)"
    made = subprocess.run(
        [sys.executable, "-c", code, home],
        cwd=ROOT / "deploy" / "demo", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    assert stat.S_IMODE(home.stat().st_mode) == 0o700

    def said(*words: str) -> list[dict[str, Any]]:
        ran = subprocess.run(
            [sys.executable, "-c", "from cert_exchange.cli.main import run; run()", *words, "--json", "--home", home],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found: list[dict[str, Any]] = json.loads(ran.stdout)
        return found

    assert [one for one in said("doctor") if one["grade"] == "wrong"] == []
    spoken = [partner["speaks_for"] for partner in said("partner", "list")]
    assert spoken
    assert all(len(one) == 1 for one in spoken)
