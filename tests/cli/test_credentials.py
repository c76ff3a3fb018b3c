"""partner issue, rotate, credentials, suspend and resume one way, and proposals, as an administrator types them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Cli, bundle, indicator

from cert_exchange.node import open_node
from cert_exchange.services import publishing


def posted(home: Path, *objects: dict[str, object]) -> None:
    """As if cert-b had sent it."""
    node = open_node(home)
    try:
        with node.database.reading() as tx:
            from cert_exchange.store import collections
            from cert_exchange.store.partners import find_partner

            partner = find_partner(tx, "cert-b")
            place = collections.find_collection(tx, "indicators")
        assert partner is not None
        assert place is not None
        publishing.receive(
            node, json.dumps({"objects": objects}).encode(), partner=partner.id, collection=place.id
        )
    finally:
        node.close()


def test_a_credential_is_limited_replaced_and_shown(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """What it may, from where and until when stands in the list; a rotation keeps it and names both ends."""
    ran = cli(
        "partner", "issue", "cert-b", "--label", "poller", "--read", "indicators",
        "--network", "192.0.2.0/24", "--lifetime", "90d",
    )  # fmt: skip
    assert ran.code == 0
    old = ran.out.partition(".")[0]
    (row,) = cli("partner", "credentials", "cert-b").rows()
    assert (row["id"], row["label"], row["may"], row["from"], row["last used"]) == (
        old, "poller", "read indicators", "192.0.2.0/24", "never",
    )  # fmt: skip
    file = tmp_path / "next"
    ran = cli("partner", "rotate", "cert-b", "--overlap", "3d", "--to", file)
    assert ran.code == 0
    new = file.read_text().partition(".")[0]
    assert f"{old} is valid until" in ran.err
    assert file.read_text().strip().partition(".")[2] not in ran.out + ran.err
    found = {one["id"]: one for one in cli("partner", "credentials", "--json").json()}
    assert found[new]["replaces"] == old
    assert found[new]["collections"] == {"indicators": {"read": True, "write": False}}
    assert found[new]["networks"] == ["192.0.2.0/24"]
    assert found[old]["expires_at"] is not None
    again = cli("partner", "rotate", "cert-b", "--overlap", "0")
    assert f"{new} was never used, and is not valid any more" in again.err
    assert f"{old} goes on until" in again.err


def test_what_cannot_be_meant_is_refused_in_a_sentence(cli: Cli, node_with_b: Path) -> None:
    """No such network, span, collection or credential: a code and the next step, and nothing was issued."""
    for arguments, code, said in (
        (("issue", "cert-b", "--network", "everywhere"), 1, "no network"),
        (("issue", "cert-b", "--read", "nowhere"), 1, "no collection"),
        (("issue", "cert-b", "--lifetime", "soon"), 1, "no span"),
        (("rotate", "cert-b"), 1, "partner issue cert-b"),
        (("rotate", "cert-b", "aaaaaaaaaaaa"), 3, "no credential"),
        (("suspend", "cert-b", "--sending", "--receiving"), 1, "one of"),
    ):
        ran = cli("partner", *arguments)
        assert (ran.code, said in ran.err) == (code, True), (arguments, ran.err)
    assert cli("partner", "credentials").rows() == []


def test_stop_sending_and_see_what_would_go_out(cli: Cli, node_with_b: Path) -> None:
    """The state in the list says which way; resume lists by collection and changes nothing until --yes."""
    assert cli("partner", "suspend", "cert-b", "--sending").code == 0
    assert cli("partner", "list").rows()[0]["state"].startswith("sending suspended")
    cli("publish", "-", "--collection", "indicators", stdin=bundle(indicator(1), indicator(2)))
    ran = cli("partner", "resume", "cert-b", "--sending")
    row = ran.out.splitlines()[1].split("\t")
    assert row[:4] == ["indicators", "polls", "2", "2"]
    assert indicator(1)["id"] in ran.out
    assert "resume cert-b --sending --yes" in ran.err
    said = cli("partner", "resume", "cert-b", "--sending", "--json").json()
    assert said["would_go_out"][0]["types"] == {"indicator": 2}
    assert said["done"] is False
    assert "sending is suspended" in cli("doctor", "cert-b").out
    assert cli("partner", "resume", "cert-b", "--sending", "--yes").code == 0
    assert cli("partner", "list").rows()[0]["state"] == "active"
    assert "is not suspended" in cli("partner", "resume", "cert-b").err


def test_proposals_are_listed_shown_accepted_declined_and_answered(
    cli: Cli, node_with_b: Path
) -> None:
    """From a foreign version of ours to our own next one, each step in a command."""
    cli("publish", "-", "--collection", "indicators", stdin=bundle(indicator(1), indicator(2)))
    later = {"modified": "2026-02-01T00:00:00.000Z"}
    posted(
        node_with_b,
        indicator(1, name="better \x1b[2J", **later),
        indicator(2, name="worse", **later),
        indicator(3, created_by_ref="identity--d0000000-0000-4000-8000-00000000000d"),
    )
    rows = {row["id"]: row for row in cli("proposals", "list").rows()}
    assert {row["stands"] for row in rows.values()} == {"ours", "not held"}
    better = rows[indicator(1)["id"]]["number"]
    worse = rows[indicator(2)["id"]]["number"]
    foreign = rows[indicator(3)["id"]]["number"]
    shown = cli("proposals", "show", better)
    assert "better" in shown.out
    assert "\x1b" not in shown.out + shown.err
    assert "nothing was changed" in cli("proposals", "accept", better).err
    assert cli("proposals", "accept", foreign, "--yes").code == 1
    assert "amend" in cli("proposals", "show", foreign).err
    assert cli("proposals", "show", better, "--json").json()["changes"].keys() >= {"name"}
    done = cli("proposals", "accept", better, "--yes", "--words", "right")
    assert (done.code, "cert-b" in done.err) == (0, True)
    answered = cli("proposals", "answer", worse, "--text", "Why?")
    assert (answered.code, answered.out.startswith("note--")) == (0, True)
    assert cli("proposals", "decline", worse, foreign, "--reason", "no").code == 0
    assert cli("proposals", "list").rows() == []
    states = {row["id"]: row["state"] for row in cli("proposals", "list", "--ended").rows()}
    assert states[indicator(1)["id"]] == "accepted by tester"
    assert states[indicator(2)["id"]] == "declined by tester"
    assert cli("proposals", "decline", worse, "--reason", "again").code == 1
    assert cli("ledger", "verify").code == 0
