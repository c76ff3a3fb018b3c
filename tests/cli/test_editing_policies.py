"""Editing a policy as an administrator does: preview, confirm, history, restore, drift, expectations."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import POLICY, Cli, indicator

WIDER = POLICY.replace("at_most: 29", "at_most: 1")
EXPECTED = """\
expectations:
  - name: weak evidence waits
    object: {type: indicator, confidence: 10, labels: ["TLP:GREEN"]}
    expect: hold
    rule: Weak evidence
"""


def publish_weak(cli: Cli, count: int) -> None:
    """Indicators that the first policy holds and the wider one lets go."""
    weak = [indicator(number, confidence=5) for number in range(count)]
    text = json.dumps({"objects": weak}).encode()
    assert cli("publish", "-", stdin=text).code == 0


def test_preview_shows_what_apply_then_does(cli: Cli, node_with_b: Path) -> None:
    """Counts, rule and ids, and the command that comes next; nothing changes before that."""
    publish_weak(cli, 3)
    file = node_with_b / "policies" / "cert-b.yaml"
    file.write_text(WIDER)
    told = cli("policy", "preview", file)
    assert told.code == 0
    assert "Ours" in told.out
    assert indicator(1)["id"] in told.out
    assert "3 gained, 0 lost, 0 changed" in told.err
    assert "--confirm 3" in told.err
    (found,) = cli("policy", "preview", file, "--json", "--samples", "1").json()
    (prospect,) = found["prospects"]
    assert (prospect["gained"], prospect["held"], prospect["collection"]) == (3, 0, "indicators")
    assert [len(change["samples"]) for change in prospect["changes"]] == [1]
    assert len(cli("policy", "history", "cert-b", "--json").json()) == 1
    applied = cli("policy", "apply", file, "--reason", "agreed", "--json").json()[0]
    assert applied["gained"] == 3
    assert "0 gained, 0 lost, 0 changed" in cli("policy", "preview", file).err


def test_apply_wants_the_number_when_much_would_be_shown(cli: Cli, node_with_b: Path) -> None:
    """More than the setting is refused with the number to give; a wrong number is refused as well."""
    publish_weak(cli, 120)
    file = node_with_b / "policies" / "cert-b.yaml"
    file.write_text(WIDER)
    refused = cli("policy", "apply", file, "--reason", "agreed")
    assert refused.code == 1
    assert "would newly show 120 objects" in refused.err
    assert "--confirm 120" in refused.err
    wrong = cli("policy", "apply", file, "--reason", "agreed", "--confirm", "12")
    assert wrong.code == 1
    assert "--confirm says 12. What is shared changed last at" in wrong.err
    assert (
        "(publish by tester). If you looked at `policy preview` after that, the number is mistyped"
        in wrong.err
    )
    done = cli("policy", "apply", file, "--reason", "agreed", "--confirm", "115", "--json")
    assert done.json()[0]["gained"] == 120


def test_the_threshold_is_a_setting(cli: Cli, node_with_b: Path) -> None:
    """`policy_widening: 0` asks for every object."""
    settings = node_with_b / "node.yaml"
    settings.write_text(settings.read_text() + "policy_widening: 0\n")
    publish_weak(cli, 1)
    file = node_with_b / "policies" / "cert-b.yaml"
    file.write_text(WIDER)
    assert cli("policy", "apply", file, "--reason", "agreed").code == 1
    assert cli("policy", "apply", file, "--reason", "agreed", "--confirm", "1").code == 0


def test_nothing_is_applied_when_one_of_several_widens(cli: Cli, node_with_b: Path) -> None:
    """All are looked at before the first comes into force."""
    publish_weak(cli, 120)
    cli(
        "partner",
        "add",
        "cert-c",
        "--title",
        "CERT C",
        "--speaks-for",
        indicator(1)["id"].replace("indicator", "identity"),
    )
    folder = node_with_b / "policies"
    (folder / "a.yaml").write_text(POLICY.replace("cert-b", "cert-c"))
    (folder / "cert-b.yaml").write_text(WIDER)
    assert (
        cli("policy", "apply", folder / "a.yaml", folder / "cert-b.yaml", "--reason", "x").code == 1
    )
    assert cli("policy", "history", "cert-c").code == 3


def test_a_partner_changes_policy_in_one_step(cli: Cli, node_with_b: Path) -> None:
    """Looked at, confirmed by the sum and applied with the same two files; one alone says that both are needed."""
    publish_weak(cli, 120)
    folder = node_with_b / "policies"
    old, new = folder / "cert-b.yaml", folder / "others.yaml"
    new.write_text(WIDER.replace("name: cert-b", "name: others"))
    assert "apply both files with one command" in cli("policy", "check", new).out
    old.write_text(POLICY.replace("partners: [cert-b]", "partners: []"))
    assert cli("policy", "check", old, new).code == 0
    told = cli("policy", "preview", old, new)
    assert told.code == 0, told.err
    assert (
        "cert-b changes from cert-b to others: compared with what it sees by cert-b now" in told.err
    )
    assert f"next: cert-exchange policy apply {old} {new} --reason ... --confirm 120" in told.err
    for given in ((), ("--confirm", "12")):
        assert "--confirm 120" in cli("policy", "apply", old, new, "--reason", "x", *given).err
    done = cli("policy", "apply", old, new, "--reason", "agreed", "--confirm", "120")
    assert done.code == 0, done.err
    assert "others: version 1 in force" in done.err
    assert "120 released" in done.err


def test_history_diff_and_the_way_back(cli: Cli, node_with_b: Path) -> None:
    """Who, when and why; the lines between two versions; an old one again, and the file that has drifted from it."""
    file = node_with_b / "policies" / "cert-b.yaml"
    file.write_text(WIDER)
    assert cli("policy", "apply", file, "--reason", "less to look at").code == 0
    rows = cli("policy", "history", "cert-b").rows()
    assert [(r["version"], r["author"], r["lines"], r["reason"]) for r in rows] == [
        ("2", "tester", "+1 -1", "less to look at"),
        ("1", "tester", f"+{len(POLICY.splitlines())} -0", "test"),
    ]
    assert rows[0]["replaced"] == "in force"
    changed = cli("policy", "diff", "cert-b").out
    assert "-      confidence: {at_most: 29}\n+      confidence: {at_most: 1}" in changed
    assert cli("policy", "drift").code == 0
    back = cli("policy", "restore", "cert-b", "1", "--reason", "too much got out")
    assert back.code == 0
    assert "version 3 in force with the text of version 1" in back.err
    assert cli("policy", "show", "cert-b").out == POLICY
    drifted = cli("policy", "drift")
    assert drifted.code == 1
    assert [(r["policy"], r["state"]) for r in drifted.rows()] == [("cert-b", "differs")]
    file.write_text(cli("policy", "show", "cert-b").out)
    assert cli("policy", "drift").code == 0
    assert cli("policy", "restore", "cert-b", "9", "--reason", "x").code == 3


def test_expectations_are_asked_before_anything_is_applied(cli: Cli, node_with_b: Path) -> None:
    """`policy test` names the broken one with its line; `apply` is refused by the same words."""
    file = node_with_b / "policies" / "cert-b.yaml"
    (node_with_b / "policies" / "cert-b.expect.yaml").write_text(EXPECTED)
    good = cli("policy", "test")
    assert good.code == 0
    assert "1 expectation of 1 file: all are met" in good.err
    file.write_text(WIDER)
    broken = cli("policy", "test", file)
    assert broken.code == 1
    assert (
        "cert-b.expect.yaml:4:13: weak evidence waits: expected hold, and the policy allows it"
        in broken.out
    )
    looked = cli("policy", "preview", file)
    assert looked.code == 1
    assert "weak evidence waits: expected hold, and the policy allows it" in looked.out
    assert (
        "1 of 1 expectation broken\n`policy apply` refuses what breaks an expectation" in looked.err
    )
    (told,) = cli("policy", "preview", file, "--json").json()
    assert (told["expectations"], [one["line"] for one in told["broken"]]) == (1, [4])
    refused = cli("policy", "apply", file, "--reason", "x")
    assert refused.code == 1
    assert "weak evidence waits" in refused.err
    assert len(cli("policy", "history", "cert-b", "--json").json()) == 1


def test_files_of_expectations_among_policies_are_passed_over(cli: Cli, node_with_b: Path) -> None:
    """`policy check policies/*.yaml` means the policies."""
    folder = node_with_b / "policies"
    (folder / "cert-b.expect.yaml").write_text(EXPECTED)
    files = sorted(folder.glob("*.yaml"))
    assert len(files) == 2
    for command in (("check",), ("test",), ("preview",), ("apply", "--reason", "x")):
        assert cli("policy", command[0], *files, *command[1:]).code == 0


def test_doctor_notes_a_file_that_has_drifted(cli: Cli, node_with_b: Path) -> None:
    """What is edited and not applied is told; expectations are no policy."""
    folder = node_with_b / "policies"
    (folder / "cert-b.expect.yaml").write_text(EXPECTED)
    assert "is not what is in force" not in cli("doctor").out
    (folder / "cert-b.yaml").write_text(WIDER)
    told = cli("doctor").out
    assert "cert-b.yaml is not what is in force: lines of the file that are not in force: 1" in told
    assert "expect.yaml" not in told


def test_a_test_of_nothing_fails(cli: Cli, node_with_b: Path) -> None:
    """No file in the folder, or nothing but expectations named: nobody is told that all are met."""
    folder = node_with_b / "policies"
    (folder / "cert-b.expect.yaml").write_text(EXPECTED)
    for command in ("test", "check", "preview"):
        told = cli("policy", command, folder / "cert-b.expect.yaml")
        assert told.code == 2
        assert "cert-b.yaml" in told.err
    assert cli("policy", "test").code == 0
    (folder / "cert-b.yaml").unlink()
    told = cli("policy", "test")
    assert told.code == 3
    assert "There is no policy file in" in told.err


def test_drift_of_a_folder_that_is_not_there_is_told(cli: Cli, node_with_b: Path) -> None:
    """It is not that every policy lost its file."""
    told = cli("policy", "drift", node_with_b / "nowhere")
    assert told.code == 3
    assert "There is no folder" in told.err
