"""The commands that say why: `policy explain`, `sees`, `who`, `withheld`, `agreements`, and what `status` adds."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import B_IDENTITY, POLICY, Cli, bundle, indicator

AGREEMENT = """\
partner: cert-b
title: Exchange with CERT B
parties:
  - {name: CERT A, contacts: [duty@cert-a.example]}
  - {name: CERT B, contacts: [duty@cert-b.example]}
review: 2020-01-01
profile: {required: {indicator: [description]}}
"""


def agree(cli: Cli, home: Path) -> None:
    """Bring an agreement into force, beside the policy's file."""
    (home / "policies" / "agreements").mkdir()
    (home / "policies" / "agreements" / "cert-b.yaml").write_text(AGREEMENT)
    file = home / "policies" / "cert-b.yaml"
    file.write_text(POLICY.replace("rules:", "agreement: agreements/cert-b.yaml\nrules:"))
    ran = cli("policy", "apply", file, "--reason", "signed")
    assert ran.code == 0, ran.err


def test_explain_draws_the_tree(cli: Cli, node_with_b: Path) -> None:
    """Each question below the other; --brief leaves them out."""
    cli("publish", "-", stdin=bundle(indicator(2, confidence=3)))
    told = cli("policy", "explain", indicator(2)["id"], "cert-b")
    lines = told.out.splitlines()
    assert lines[0] == f"{indicator(2)['id']} before cert-b (policy cert-b version 1)"
    assert "  version 2026-01-01T00:00:00.000Z in indicators: held" in lines
    assert "    ├ origin: passed (it is ours)" in lines
    assert any(line.endswith("hold Weak evidence (until a person releases it): matches (The duty officer looks first)")
               for line in lines)  # fmt: skip
    assert any(line.endswith("└ confidence: matches (3)") for line in lines)
    brief = cli("policy", "explain", indicator(2)["id"], "cert-b", "--brief").out.splitlines()
    assert brief == lines[: len(brief)]
    assert len(brief) == 3


def test_explain_as_a_document_holds_the_whole_tree(cli: Cli, node_with_b: Path) -> None:
    """With what is served: digest, size, since when, by which version."""
    cli("publish", "-", stdin=bundle(indicator(1)))
    (version,) = cli("policy", "explain", indicator(1)["id"], "cert-b", "--json").json()["versions"]
    assert version["answer"] == "visible"
    assert version["policy_version"] == 1
    assert len(version["digest"]) == 64
    asked = [step["asked"] for step in version["steps"]]
    assert asked == ["audience", "origin", "ceiling", "rules", "references", "rendition"]
    rules = next(step for step in version["steps"] if step["asked"] == "rules")
    assert rules["steps"][2]["steps"] == [
        {"asked": "origin", "answer": "matches", "found": "own", "steps": []}
    ]


def test_sees_and_who(cli: Cli, node_with_b: Path) -> None:
    """Counts, one object with what stands around it, and who sees it."""
    cli("publish", "-", stdin=bundle(indicator(1), indicator(2, confidence=3)))
    rows = cli("policy", "sees", "cert-b").rows()
    assert [(row["collection"], row["type"], row["objects"]) for row in rows] == [
        ("indicators", "indicator", "1")
    ]
    (around,) = cli("policy", "sees", "cert-b", indicator(2)["id"]).rows()
    assert (around["relation"], around["answer"], around["rule"]) == (
        "itself",
        "held",
        "Weak evidence",
    )
    who = cli("policy", "who", indicator(1)["id"])
    assert [(row["audience"], row["answer"]) for row in who.rows()] == [("cert-b", "visible")]
    said, unreached = who.err.strip().splitlines()
    assert said == "1 audience sees it, 0 do not"
    assert unreached.startswith("no channel to cert-b: ")
    assert cli("partner", "issue", "cert-b", "--to", node_with_b / "secret.txt").code == 0
    assert "no channel" not in cli("policy", "who", indicator(1)["id"]).err
    assert cli("policy", "who", indicator(2)["id"], "--json").json()[0]["answer"] == "held"
    assert cli("policy", "who", indicator(3)["id"]).code == 3
    assert cli("policy", "sees", "nobody").code == 3


def test_an_agreement_is_found_beside_the_policy(cli: Cli, node_with_b: Path) -> None:
    """It binds, is listed, and `status` and `doctor` say that its review is due."""
    agree(cli, node_with_b)
    cli("publish", "-", stdin=bundle(indicator(1), indicator(2, description="seen in our logs")))
    assert [row["objects"] for row in cli("policy", "sees", "cert-b").rows()] == ["1"]
    told = cli("policy", "explain", indicator(1)["id"], "cert-b").out
    assert "    by agreement: profile.required: indicator needs description" in told
    (row,) = cli("policy", "agreements").rows()
    assert (row["partner"], row["review"], row["file"]) == (
        "cert-b",
        "2020-01-01 overdue",
        "agreements/cert-b.yaml",
    )
    assert "cert-b: its agreement was to be reviewed by 2020-01-01" in cli("status").err
    assert cli("status", "--json").json()["overdue_agreements"] == [
        {"partner": "cert-b", "review": "2020-01-01"}
    ]
    assert "its agreement was to be reviewed by 2020-01-01" in cli("doctor", "cert-b").out
    assert B_IDENTITY not in told


def test_a_mistake_in_the_agreement_is_named_in_its_own_file(cli: Cli, node_with_b: Path) -> None:
    """`check` shows it with its line and column."""
    agree(cli, node_with_b)
    folder = node_with_b / "policies"
    (folder / "agreements" / "cert-b.yaml").write_text(AGREEMENT.replace("2020-01-01", "soon"))
    ran = cli("policy", "check", folder / "cert-b.yaml")
    assert ran.code == 1
    assert f"{folder}/agreements/cert-b.yaml:6:9: " in ran.out


def test_what_we_took_back_is_said_with_its_instant(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """`who` and `explain` tell a withdrawal from an object that never stood there; a block says since when."""
    assert node_with_b.exists()
    file = tmp_path / "one.json"
    file.write_bytes(bundle(indicator(1, confidence=80), indicator(2, confidence=80)))
    assert cli("publish", file).code == 0
    one, two = indicator(1)["id"], indicator(2)["id"]
    assert cli("withdraw", one, "--reason", "wrong").code == 0
    (place,) = cli("show", one, "--json").json()[0]["collections"]
    said = f"our desk took it back from indicators {place['taken_back_at']}"
    assert said in cli("policy", "who", one).out
    assert said in cli("policy", "explain", one, "cert-b").out
    assert cli("recall", two, "--reason", "wrong", "--partner", "cert-b").code == 0
    for asked in (("who", two), ("explain", two, "cert-b", "--brief"), ("sees", "cert-b", two)):
        told = cli("policy", *asked).out
        assert "our desk blocked this id; since 20" in told
        assert "Z, until `free`" in told
    assert cli("recall", two, "--reason", "wrong").code == 0
    assert (
        "our desk blocked this id in every view 20" in cli("policy", "explain", two, "cert-b").out
    )


def test_an_order_that_changes_nothing_prints_no_empty_table(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """No heading without rows, and no `0 lines`."""
    assert node_with_b.exists()
    file = tmp_path / "one.json"
    file.write_bytes(bundle(indicator(1, confidence=80)))
    assert cli("publish", file).code == 0
    one = indicator(1)["id"]
    ran = cli("mark", one, "--tlp", "green", "--reason", "x")
    assert (ran.code, ran.out) == (0, "")
    assert cli("mark", one, "--tlp", "red", "--reason", "x").rows()[0]["line"] == "withdrawal"
    assert cli("recall", one, "--reason", "x").code == 0
    freed = cli("free", one, "--reason", "x")
    assert (freed.code, freed.out) == (0, "")
    assert freed.err.strip() == "free again: no audience sees more or less by it"
