"""The quarantine as an administrator types it: list, show, replay, discard and adopt; one engine, for SQL is not the subject."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import B_IDENTITY, Cli, indicator
from tests.cli.test_credentials import posted


@pytest.fixture
def refused(node_with_b: Path, cli: Cli) -> list[str]:
    """Two rows from cert-b: no pattern type; a name that would turn a terminal's writing. Their numbers, the newest first."""
    bad = {key: value for key, value in indicator(1).items() if key != "pattern_type"}
    evil = indicator(2, name="\x1b[2J\u202ereversed", created_by_ref=B_IDENTITY, pattern=7)
    posted(node_with_b, bad, evil)
    return [row["number"] for row in cli("quarantine", "list").rows()]


def test_it_is_listed_and_shown_and_no_terminal_obeys_it(
    cli: Cli, refused: list[str], tmp_path: Path
) -> None:
    """Filters leave what they name; content is escaped everywhere but in the file that was asked for."""
    evil, bad = refused
    rows = cli("quarantine", "list", "--from", "cert-b", "--about", "pattern_type").rows()
    assert [row["number"] for row in rows] == [bad]
    assert cli("quarantine", "list", "--since", "2999-01-01T00:00:00Z").rows() == []
    assert [one["number"] for one in cli("quarantine", "list", "--json").json()] == [
        int(evil),
        int(bad),
    ]
    for ran in (cli("quarantine", "show", evil), cli("quarantine", "show", evil, "--json")):
        assert "reversed" in ran.out
        assert not {"\x1b", "\u202e"} & set(ran.out + ran.err)
    out = tmp_path / "evil.json"
    assert cli("quarantine", "show", evil, "--out", out).code == 0
    assert json.loads(out.read_bytes())["name"] == "\x1b[2J\u202ereversed"
    assert cli("quarantine", "show", evil, "--out", out).code != 0
    assert cli("quarantine", "show", "999").code != 0


def test_nothing_is_done_without_yes(cli: Cli, refused: list[str]) -> None:
    """Replay, discard and adopt say what they would do; without a choice they ask for one."""
    evil, bad = refused
    said = cli("quarantine", "replay", "--from", "cert-b")
    assert said.code == 0
    assert [row["result"] for row in said.rows()] == ["rejected", "rejected"]
    assert "nothing was changed" in said.err
    assert "would go" in cli("quarantine", "discard", bad, "--reason", "noise").err
    assert cli("quarantine", "replay").code != 0
    assert cli("quarantine", "discard", "--reason", "noise", "--yes").code != 0
    assert cli("quarantine", "adopt", bad, "--collection", "indicators", "--yes").code != 0
    assert len(cli("quarantine", "list").rows()) == 2
    ran = cli("quarantine", "replay", evil, "--yes", "--json")
    assert ran.code == 1
    assert ran.json()[0]["result"] == "rejected"


def test_discarded_and_made_ours(cli: Cli, refused: list[str], tmp_path: Path) -> None:
    """The one goes; of the other a person makes an object of ours, mended, which nobody gets yet."""
    evil, bad = refused
    assert "1 row discarded" in cli("quarantine", "discard", evil, "--reason", "noise", "--yes").err
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(indicator(1)))
    arguments = ("quarantine", "adopt", bad, "--collection", "indicators", "--content", mended)
    said = cli(*arguments)
    assert "nothing was made" in said.err
    made = cli(*arguments, "--yes", "--reason", "true all the same", "--json").json()
    assert made["done"]
    assert {one["answer"] for one in made["sighted"]} == {"denied"}
    assert cli("show", made["id"]).code == 0
    assert cli("quarantine", "list").rows() == []
