"""revoke, notices and open receipts, as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import B_IDENTITY, Cli, bundle, indicator

from cert_exchange.messages import notices
from cert_exchange.messages.notices import Reason
from cert_exchange.node import open_node
from cert_exchange.services import publishing
from cert_exchange.store.tables import live


@pytest.fixture
def fetched(cli: Cli, node_with_b: Path, tmp_path: Path) -> str:
    """An object that cert-b has fetched."""
    file = tmp_path / "one.json"
    file.write_bytes(bundle(indicator(1, confidence=80)))
    assert cli("publish", file).code == 0
    poll(node_with_b)
    return str(indicator(1)["id"])


def poll(home: Path) -> None:
    """cert-b's client fetches to the end."""
    node = open_node(home)
    with node.database.reading() as tx:
        row = tx.execute(live.select().order_by(live.c.position.desc())).first()
        assert row is not None
    node.marks.advance(1, row.view, row.position)
    node.close()


def post(home: Path, *objects: dict[str, object]) -> None:
    """cert-b posts to its only collection."""
    node = open_node(home)
    body = json.dumps({"objects": objects}).encode()
    made = publishing.receive(node, body, partner=1, collection=1)
    assert [one.success for one in made.outcomes] == [True] * len(objects)
    node.close()


def test_a_revocation_and_its_receipt(cli: Cli, node_with_b: Path, fetched: str) -> None:
    """Told at once, open until the partner answers, and then settled."""
    ran = cli("revoke", fetched, "--reason", "false positive")
    assert ran.code == 0
    assert "revoked by its version" in ran.err
    assert "which goes to cert-b" in ran.err
    assert "1 notice to who fetched it" in ran.err
    (row,) = cli("notices", "list").rows()
    assert (row["partner"], row["about"], row["reason"]) == ("cert-b", fetched, "revoked")
    assert (row["notice fetched"], row["answer"]) == ("not yet", "open")
    poll(node_with_b)
    (receipt,) = cli("notices", "list", fetched, "--json").json()
    assert receipt["fetched"] is True
    assert receipt["due_at"] > receipt["made_at"]
    assert len(cli("fetched", "--open").rows()) == 1
    said = notices.write_answer(
        notices.Answer((row["notice"],), notices.Reply.DONE),
        text="Gone.", stix_id="note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c11", creator=B_IDENTITY,
        now=1_800_000_000_000_000,
    )  # fmt: skip
    post(node_with_b, said)
    assert cli("notices", "list", "--open").rows() == []
    assert "answer: done" in cli("fetched", fetched).err
    assert cli("fetched", "--open").rows() == []
    again = cli("revoke", fetched, "--reason", "x")
    assert (again.code, "revoked already" in again.err) == (1, True)


def test_a_withdrawal_says_how_many_are_told(cli: Cli, fetched: str) -> None:
    ran = cli("withdraw", fetched, "--reason", "r")
    assert "1 notice to who fetched it" in ran.err
    assert cli("notices", "list", "--json").json()[0]["reason"] == "withdrawn"


def test_taking_back_from_one_audience(cli: Cli, fetched: str) -> None:
    """`show` says from whom it is kept, and `free` lifts it."""
    assert (
        cli("recall", fetched, "--reason", "r", "--partner", "cert-b", "--freeze", "none").code == 0
    )
    assert "kept from cert-b by our desk" in cli("show", fetched).out
    assert cli("free", fetched, "--reason", "r").code == 0
    assert cli("show", fetched, "--json").json()[0]["visible_to"][0]["audience"] == "cert-b"
    assert cli("free", fetched, "--reason", "r").code == 1


def test_what_a_partner_took_back_is_shown_and_answered(cli: Cli, node_with_b: Path) -> None:
    theirs = indicator(7, created_by_ref=B_IDENTITY)
    post(node_with_b, theirs)
    note_id = "note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c12"
    about = notices.notice_of([theirs["id"]], Reason.MISTAKE, now=1_800_000_000_000_000)
    post(
        node_with_b,
        notices.write_notice(about, stix_id=note_id, creator=B_IDENTITY, now=1_800_000_000_000_000),
    )
    (hit,) = cli("search", theirs["id"], "--json").json()
    assert hit["status"] == "withdrawn by its sender"
    shown = cli("show", theirs["id"]).out
    assert "withdrawn by its sender" in shown
    assert "taken back by its sender" in shown
    (row,) = cli("notices", "list", "--received").rows()
    assert (row["notice"], row["about"], row["asked"]) == (note_id, theirs["id"], "delete")
    ran = cli("notices", "answer", note_id, "done", "--collection", "indicators", "--text", "Gone.")
    assert (ran.code, "answered; seen by cert-b" in ran.err) == (0, True)
    assert cli("notices", "list", "--received", "--open").rows() == []
    assert cli("notices", "answer", theirs["id"], "done", "--collection", "indicators").code == 3


def test_fetched_needs_an_object_or_open(cli: Cli, node_with_b: Path) -> None:
    assert node_with_b.exists()
    assert cli("fetched").code == 1
    assert cli("notices", "list").rows() == []
