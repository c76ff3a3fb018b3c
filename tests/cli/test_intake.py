"""The way in at the command line: apply a file, see what is held, let it in or refuse it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Cli, indicator


def publish(cli: Cli, *objects: dict[str, object]) -> str:
    told = cli("publish", "-", stdin=json.dumps({"objects": list(objects)}).encode())
    assert told.code == 0
    return told.out + told.err


def test_what_is_held_is_listed_and_answered(cli: Cli, node_with_b: Path) -> None:
    """Our desk is told, `list` says why, a person's answer is kept; policy commands leave the file out."""
    folder = node_with_b / "policies"
    (folder / "out.txt").write_text("198.51.100.0/24\n")
    file = folder / "intake.yaml"
    file.write_text("lists: [out.txt]\nlisted: maybe\n")
    assert "write hold, refuse or pass" in cli("intake", "check", file).err
    file.write_text("lists: [out.txt]\n")
    assert "can be applied" in cli("intake", "check", file).err
    assert "nothing is looked for" in cli("intake", "show").err
    assert "version 1 in force" in cli("intake", "apply", file, "--reason", "agreed").err
    assert cli("intake", "show").out == "lists: [out.txt]\n"
    held = indicator(1, pattern="[ipv4-addr:value = '198.51.100.7']", confidence=90)
    other = indicator(2, pattern="[ipv4-addr:value = '203.0.113.7']", confidence=90)
    told = publish(cli, held, other)
    assert "held at the way in" in told
    assert "198.51.100.7" in told
    (row,) = cli("intake", "list").rows()
    assert (row["id"], row["from"], row["found"]) == (held["id"], "own", "listed out")
    assert "from own, kept out at the way in" in cli("show", str(held["id"])).out
    (one,) = cli("intake", "list", "--json", "--found", "listed out").json()
    assert one["state"] == "held"
    assert cli("intake", "list", "--found", "listed nothing", "--json").json() == []
    assert cli("intake", "release", "--reason", "x").code == 1
    assert cli("intake", "refuse", str(other["id"]), "--reason", "x").code == 3
    assert "1 version refused" in cli("intake", "refuse", str(held["id"]), "--reason", "ours").err
    (row,) = cli("intake", "list", "--state", "refused").rows()
    assert row["answer"] == "tester: ours"
    done = cli("intake", "release", str(held["id"]), "--reason", "after all")
    assert "1 version let in, 1 released" in done.err
    assert "from own, accepted" in cli("show", str(held["id"])).out
    assert cli("policy", "check", *sorted(folder.glob("*.yaml"))).code == 0
    assert cli("policy", "check", file).code == 2
    assert cli("policy", "drift").code == 0
    assert cli("intake", "off", "--reason", "enough").code == 0
    assert cli("intake", "off", "--reason", "enough").code == 3
