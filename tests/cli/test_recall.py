"""recall, fetched, freeze and hold by rule, as a person at night uses them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import POLICY, Cli, bundle, indicator
from tests.scenes import malware, relationship

from cert_exchange.services.recalling import Has, Holder


@pytest.fixture
def published(cli: Cli, node_with_b: Path, tmp_path: Path) -> str:
    """An object that cert-b may see; nobody fetched it."""
    file = tmp_path / "one.json"
    file.write_bytes(bundle(indicator(1, confidence=80)))
    assert cli("publish", file).code == 0
    return str(indicator(1)["id"])


def test_a_recall_says_who_has_it_and_what_to_do(cli: Cli, published: str) -> None:
    """Before, after, frozen, next; a second one finds it taken back."""
    ran = cli("recall", published, "--reason", "names a victim")
    assert ran.code == 0
    (row,) = ran.rows()
    assert (row["partner"], row["has it"]) == ("cert-b", "not fetched")
    assert row["taken back"]
    assert "before: 1 partner could fetch it and did not\n" in ran.err
    assert "nobody fetched it" in ran.err
    assert "taken back from cert-b" in ran.err
    assert "frozen: cert-b; receiving goes on" in ran.err
    assert (
        f"next: watch who has it and what they answer: cert-exchange fetched {published}" in ran.err
    )
    assert "cert-exchange unfreeze cert-b --reason" in ran.err
    repeated = cli("recall", published, "--reason", "once more", "--json")
    assert "nothing was left to take back: it was taken back 20" in repeated.err
    assert "taken back from" not in repeated.err
    again = repeated.json()
    assert again["versions"] == 0
    assert again["frozen"] == ["cert-b"]
    assert again["holders"][0]["has"] == "not fetched"
    assert cli("fetched", published, "--json").json()[0]["until"]


def holder(partner: str, has: Has, collection: str = "indicators") -> Holder:
    return Holder(
        partner, partner, collection, 1, "indicator--1", "v", "00", 1, "r", 1, None, has, None, "", None
    )  # fmt: skip


def test_a_recall_counts_partners_not_lines() -> None:
    """Who stands in several collections, or had several versions, is one partner, told by the worst of them."""
    from cert_exchange.cli.recall import counted

    several = (
        holder("b", Has.FETCHED), holder("b", Has.NOT_FETCHED, "reports"), holder("b", Has.FETCHED),
        holder("c", Has.NOT_FETCHED), holder("c", Has.MAYBE), holder("d", Has.NOT_FETCHED),
        holder("d", Has.NOT_FETCHED, "reports"), holder("e", Has.NOT_FETCHED),
    )  # fmt: skip
    assert counted(several) == (
        "1 partner fetched it, 1 partner may have fetched it, 2 partners could fetch it and did not"
    )
    assert counted(()) == "nobody could see it"


def test_what_is_only_shown_anew_is_not_said_to_be_gone(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """With the address goes the relationship; the malware that may do without its sample is shown anew without it."""
    policy = node_with_b / "policies" / "cert-b.yaml"
    rule = "  - name: cut\n    match: {type: malware}\n    redact: {references: cut}\n"
    policy.write_text(POLICY + rule)
    assert cli("policy", "apply", policy, "--reason", "x").code == 0
    sample = {
        "type": "file", "spec_version": "2.1", "name": "dropper.exe",
        "id": "file--f0000000-0000-4000-8000-000000000001",
    }  # fmt: skip
    kind, there = malware("kind", tlp=None, sample_refs=[sample["id"]], by=None), indicator(3)
    link = relationship(there, sample, tlp=None, by=None)
    file = tmp_path / "all.json"
    file.write_bytes(bundle(sample, kind, there, link))
    assert cli("publish", file).code == 0
    ran = cli("recall", sample["id"], "--reason", "a client's file")
    assert ran.code == 0
    said = dict(line.partition(": ")[::2] for line in ran.err.splitlines())
    assert said["with it went what needs it"] == link["id"]
    (one,) = cli("show", kind["id"], "--json").json()
    assert said["shown anew, without it"] == one["shown_as"][0]["id"]  # as the audience knows it


def test_what_was_fetched_is_said_plainly(cli: Cli, published: str, node_with_b: Path) -> None:
    """The mark says so; the sentence promises nothing that cannot be done."""
    from cert_exchange.node import open_node
    from cert_exchange.store.tables import live

    node = open_node(node_with_b)
    with node.database.reading() as tx:
        view, position = tx.execute(live.select().order_by(live.c.position.desc())).first()[:2]
    node.marks.advance(1, view, position)
    node.close()
    ran = cli("recall", published, "--reason", "r", "--freeze", "all", "--partner", "cert-b")
    assert "cert-b: already fetched, cannot be recalled" in ran.err
    assert f"next: call cert-b and ask it to delete {published}" in ran.err
    assert "cert-exchange unfreeze --all --reason" in ran.err
    assert "1 notice made, which the freeze keeps back until it is lifted" in ran.err
    (row,) = ran.rows()
    assert (row["has it"], len(row["sha-256"])) == ("fetched", 64)
    assert int(row["bytes"]) > 100
    assert row["fetched before"] <= row["taken back"]


def test_a_frozen_partner_gets_no_file_either(
    cli: Cli, published: str, node_with_b: Path, tmp_path: Path
) -> None:
    """`export` is outbound as a poll is; what our own people load is not, and who exports it has to say so."""
    assert node_with_b.exists()
    file = tmp_path / "out.json"
    for freeze in (("cert-b",), ("--all",)):
        assert cli("freeze", *freeze, "--reason", "wrong release").code == 0
        ran = cli("export", "cert-b/indicators", file)
        assert (ran.code, ran.out, file.exists()) == (1, "", False)
        assert "What goes out to cert-b is frozen" in ran.err
        assert cli("export", "cert-b/indicators", "-").out == ""
        ran = cli("export", "cert-b/indicators", file, "--own-use")
        assert ran.code == 0
        assert "not to be passed on: what goes out to cert-b is frozen" in ran.err
        assert published in file.read_text()
        file.unlink()
        assert cli("unfreeze", *freeze, "--reason", "over").code == 0
    assert cli("partner", "suspend", "cert-b", "--sending").code == 0
    assert cli("export", "cert-b/indicators", file).code == 1
    assert cli("partner", "resume", "cert-b", "--yes").code == 0
    ran = cli("export", "cert-b/indicators", file)
    assert (ran.code, file.exists()) == (0, True)
    assert "passed on" not in ran.err


def test_freezing_and_unfreezing(cli: Cli, node_with_b: Path) -> None:
    """By name or --all; a name that is none, and both or neither, are refused with a next step."""
    assert node_with_b.exists()
    assert cli("freeze", "cert-b", "--reason", "why").err.strip() == "cert-b: frozen"
    assert cli("freeze", "cert-b", "--reason", "x").err.strip() == "cert-b: was frozen already"
    assert cli("freeze", "--all", "--reason", "x").err.strip() == "everyone: frozen"
    found = cli("frozen", "--json").json()
    assert [(one["audience"], one["frozen_by"], one["reason"]) for one in found] == [
        ("cert-b", "tester", "why"),
        (None, "tester", "x"),
    ]
    doctor = cli("doctor", "--json").json()
    assert any("is frozen since" in one["finding"] for one in doctor)
    kept = cli("unfreeze", "cert-b", "--reason", "x")  # the freeze of everyone still keeps it back
    assert (kept.code, kept.err.splitlines()[:2]) == (
        1,
        ["cert-b: goes out again", "still frozen: everyone"],
    )
    assert cli("freeze", "cert-b", "--reason", "why").code == 0
    lifted = cli("unfreeze", "--all", "--reason", "x")
    assert (lifted.code, lifted.err.splitlines()) == (
        1,
        [
            "everyone: goes out again",
            "still frozen: cert-b",
            "next: cert-exchange unfreeze cert-b --reason ...",
        ],
    )
    assert cli("unfreeze", "cert-b", "--reason", "x").err.strip() == "cert-b: goes out again"
    assert cli("frozen").rows() == []
    assert cli("freeze", "nobody", "--reason", "x").code == 3
    assert cli("freeze", "--reason", "x").code == 1
    assert cli("freeze", "cert-b", "--all", "--reason", "x").code == 1


def test_an_id_that_we_do_not_hold_changes_nothing(cli: Cli, node_with_b: Path) -> None:
    assert node_with_b.exists()
    ran = cli("recall", indicator(9)["id"], "--reason", "r", "--freeze", "all")
    assert ran.code == 3
    assert cli("frozen").rows() == []
    assert cli("fetched", indicator(9)["id"]).code == 3


def test_holds_by_rule(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """Counted by reason, looked at without a change, then let go together."""
    assert node_with_b.exists()
    file = tmp_path / "weak.json"
    file.write_bytes(bundle(*[indicator(n, confidence=10) for n in range(1, 4)]))
    assert cli("publish", file).code == 0
    ran = cli("hold", "list", "--by-reason")
    assert [(row["rule"], row["held"], row["today"]) for row in ran.rows()] == [
        ("Weak evidence", "3", "3")
    ]
    assert ran.err.strip() == "3 holds, 3 since midnight UTC"
    dry = cli("hold", "release", "--rule", "Weak evidence", "--dry-run", "--reason", "x")
    assert "3 holds would be let go; nothing was changed" in dry.err
    assert len(cli("hold", "list").rows()) == 3
    assert cli("hold", "release", "--reason", "x").code == 1
    ran = cli("hold", "release", "--rule", "Weak evidence", "--audience", "cert-b", "--reason", "x")
    assert (ran.code, ran.err.strip()) == (0, "3 holds released")
    assert cli("hold", "list").rows() == []
    (day,) = cli("hold", "list", "--daily").rows()
    assert (day["held"], day["let go"], day["denied"]) == ("3", "3", "0")
    assert cli("hold", "release", "--rule", "Weak evidence", "--reason", "x").code == 3
