"""The gate as a person uses it: looked through before, shut, looked at, opened with a reason, and approval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.conftest import B_IDENTITY, Cli, indicator
from tests.neighbour import Collection, Neighbour


def dated(*numbers: int, minute: int = 0) -> list[tuple[str | None, dict[str, Any]]]:
    return [
        (
            f"2026-06-01T00:{minute:02d}:{n % 60:02d}.000000Z",
            indicator(n, created_by_ref=B_IDENTITY),
        )
        for n in numbers
    ]


def test_from_a_preview_to_an_approval(cli: Cli, node_with_b: Path) -> None:
    """Preview, limits, a flood that shuts it, opening with and without taking in, and what waits for a person."""
    collection = Collection(dated(1, 2))
    with Neighbour(collection) as peer:
        added = cli(
            "source", "add", "feed", "--partner", "cert-b", "--url", peer.url, "--remote-collection", "x",
            "--collection", "indicators", "--auth", "none", "--option", "insecure=true",
        )  # fmt: skip
        assert "sync preview feed" in added.err
        seen = cli("sync", "preview", "feed")
        assert [(row["would be"], row["place"]) for row in seen.rows()] == [("new", "in use")] * 2
        assert "nothing was stored here and no cursor moved" in seen.err
        assert "answered 1 request with our credential and gave 2 objects" in seen.err
        assert "indicator--" not in cli("received", "cert-b").out
        assert cli("sync", "now", "feed").code == 0

        refused = cli("source", "gate", "feed", "--set", "most_objects=3")
        assert (refused.code, "--reason" in refused.err) == (1, True)
        low = cli("source", "gate", "feed", "--set", "most_objects=1", "--reason", "small")
        assert (
            "objects\t2 of 1 within 24 hours; over its limit by what came in the first" in low.out
        )
        limited = cli("source", "gate", "feed", "--set", "most_objects=3", "--reason", "small")
        assert "objects\t2 of 3 within 24 hours" in limited.out
        collection.rows += dated(3, 4, 5, minute=1)
        shown = cli("sync", "preview", "feed", "--json")
        look = shown.json()
        assert look["objects"]["new"] == 3
        assert (shown.code, look["ok"], look["gate"]["shut"]) == (4, False, False)
        assert look["gate"]["words"] == "5 new objects within 24 hours, more than 3"
        assert (
            "a pull of feed now does not take in all: its gate would shut after 0 of" in shown.err
        )
        assert any("its gate would shut" in note for note in look["notes"])
        assert cli("sync", "now", "feed").code == 4
        kept_out = cli("sync", "preview", "feed")
        assert "a pull of feed now takes in nothing: its gate is shut: 5 new" in kept_out.err
        shut = cli("source", "gate", "feed")
        assert shut.code == 1
        assert "because\t5 new objects within 24 hours, more than 3" in shut.out
        assert "--take-in" in shut.err
        assert "feed is shut by its gate" in cli("status").err
        assert cli("doctor").code == 1
        assert "it shuts again if as much comes" in cli("source", "resume", "feed").err
        assert cli("sync", "now", "feed").code == 4
        assert cli("source", "resume", "feed", "--take-in").code == 1
        assert cli("source", "resume", "feed", "--take-in", "--reason", "announced").code == 0
        assert cli("sync", "now", "feed").code == 0
        assert cli("source", "gate", "feed", "--json").json()["shut"] is None

        cli("source", "gate", "feed", "--set", "approval=true", "--reason", "new people there")
        collection.rows += dated(6, 7, minute=2)
        assert cli("sync", "now", "feed").code == 0
        waiting = cli("intake", "list", "--found", "approval feed").rows()
        assert [row["from"] for row in waiting] == ["cert-b", "cert-b"]
        assert cli("intake", "release", waiting[0]["id"], "--reason", "checked").code == 0
        assert cli("intake", "refuse", waiting[1]["id"], "--reason", "noise").code == 0
        assert "waiting for approval\t0 versions" in cli("source", "gate", "feed").out
        assert cli("partner", "suspend", "cert-b").code == 0
        left = cli("sync", "now", "feed")
        assert (left.code, "1 run, 0 failed, 1 left out" in left.err) == (0, True)
        assert cli("sync", "now", "feed", "--json").json()[0]["suspended"] is True


def test_the_gate_of_a_partner(cli: Cli, node_with_b: Path) -> None:
    """Shown, set with a reason, and taken away again."""
    assert "objects posted\tno limit" in cli("partner", "gate", "cert-b").out
    assert cli("partner", "gate", "cert-b", "--set", "most_objects=9").code == 1
    done = cli(
        "partner", "gate", "cert-b", "--set", "most_objects=9", "--set", "approval=true",
        "--reason", "agreed",
    )  # fmt: skip
    assert "objects posted\t0 of 9 within 24 hours" in done.out
    assert "approval\tall that comes waits for a person" in done.out
    assert "give a whole number above 0" in cli(
        "partner", "gate", "cert-b", "--set", "most_objects=many", "--reason", "x"
    ).err  # fmt: skip
    gone = cli("partner", "gate", "cert-b", "--set", "most_objects=null", "--reason", "no more")
    assert "objects posted\tno limit" in gone.out
    assert cli("partner", "gate", "nobody").code == 3
