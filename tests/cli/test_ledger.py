"""ledger head, key, export, disclosed, compare, breaks, settle, as an auditor and a duty officer use them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, bundle, indicator

PROGRAM = Path(__file__).parents[2] / "deploy" / "ledger-verifier" / "verify_ledger.py"


@pytest.fixture
def published(cli: Cli, node_with_b: Path, tmp_path: Path) -> str:
    """An object that cert-b may see; nobody fetched it."""
    file = tmp_path / "one.json"
    file.write_bytes(bundle(indicator(1, confidence=80)))
    assert cli("publish", file).code == 0
    return str(indicator(1)["id"])


def verified(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(PROGRAM), *(str(one) for one in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_auditor_takes_the_ledger_away(cli: Cli, published: str, tmp_path: Path) -> None:
    """Head, key and file are enough to verify it elsewhere; a file that is there is not overwritten."""
    head, key = cli("ledger", "head"), cli("ledger", "key")
    assert (head.code, key.code) == (0, 0)
    held, keys, file = (tmp_path / name for name in ("held", "keys", "ledger.jsonl"))
    held.write_text(head.out)
    keys.write_text(key.out)
    ran = cli("ledger", "export", file)
    assert ran.code == 0
    assert "0 of them opened" in ran.err
    assert file.stat().st_mode & 0o077 == 0
    done = verified(file, "--key", keys, "--held", held)
    assert done.returncode == 0, done.stderr
    assert published not in file.read_text()
    again = cli("ledger", "export", file)
    assert again.code == 1
    assert "cannot be made" in again.err
    opened = tmp_path / "opened.jsonl"
    assert cli("ledger", "export", opened, "--opened").code == 0
    assert published in opened.read_text()
    assert verified(opened, "--key", key.out.strip()).returncode == 0
    missing = tmp_path / "missing.jsonl"
    assert cli("ledger", "export", missing, "--opened-for", "nobody").code == 3
    assert not missing.exists()


def test_one_line_is_shown_to_somebody_else(cli: Cli, published: str, tmp_path: Path) -> None:
    """The line that proves a release, by the number that `disclosed` gives; the verifier says what it says."""
    cli("ledger", "head")
    (row,) = [
        one for one in cli("ledger", "disclosed", "--to", "cert-b").rows() if one["id"] == published
    ]
    key, file, held = cli("ledger", "key").out.strip(), tmp_path / "line.json", tmp_path / "held"
    ran = cli("ledger", "prove", row["line"], file)
    assert ran.code == 0, ran.err
    assert file.stat().st_mode & 0o077 == 0
    held.write_text(cli("ledger", "head").out)
    done = verified(file, "--key", key, "--held", held)
    assert done.returncode == 0, done.stderr
    assert f"line       {row['line']} of" in done.stdout
    assert '"kind":"publish"' in done.stdout
    assert "1 of 1 kept elsewhere" in done.stdout
    assert done.stdout.endswith("VERIFIED\n")
    file.write_text(file.read_text().replace("tester", "nobody", 1))
    assert "is not the one that was signed" in verified(file, "--key", key).stderr
    assert cli("ledger", "prove", row["line"], file).code == 1  # it is there
    missing = tmp_path / "missing.json"
    assert cli("ledger", "prove", "999999", missing).code == 3
    assert not missing.exists()


def test_what_was_disclosed_on_a_day(cli: Cli, published: str) -> None:
    """A day, an instant, now; only what was fetched; words that are no day are refused."""
    rows = cli("ledger", "disclosed", "--to", "cert-b").rows()
    assert [row["has it"] for row in rows if row["id"] == published] == ["not fetched"]
    assert cli("ledger", "disclosed", "--to", "cert-b", "--on", "2025-12-01").rows() == []
    assert cli("ledger", "disclosed", "--to", "cert-b", "--on", "2025-12-01T10:00:00Z").rows() == []
    assert cli("ledger", "disclosed", "--to", "cert-b", "--fetched", "--json").json() == []
    said = cli("ledger", "disclosed", "--to", "cert-b", "--json").json()
    assert {one["stix_id"] for one in said} >= {published}
    for text in ("yesterday", "2025-13-01", "2025-1-1"):
        ran = cli("ledger", "disclosed", "--to", "cert-b", "--on", text)
        assert ran.code == 1
        assert "is no day" in ran.err
    assert cli("ledger", "disclosed", "--to", "nobody").code == 3


def test_comparing_without_anybody_to_ask(cli: Cli, published: str) -> None:
    """No channel: that is said; nothing is broken, nothing is open, nothing to settle."""
    ran = cli("ledger", "compare")
    assert (ran.code, "neither a source nor a target" in ran.err) == (0, True)
    ran = cli("ledger", "compare", "cert-b")
    assert (ran.code, "nothing was told" in ran.err) == (0, True)
    assert cli("ledger", "compare", "nobody").code == 3
    assert cli("ledger", "breaks").rows() == []
    assert cli("ledger", "breaks", "--all", "--json").json() == []
    assert "0 breaks settled" in cli("ledger", "settle", "cert-b", "--reason", "r").err
    assert cli("ledger", "settle", "nobody", "--reason", "r").code == 3
    assert cli("ledger", "reconcile", "cert-b").code == 3
    assert published
