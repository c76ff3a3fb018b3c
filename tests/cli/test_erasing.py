"""Erasing and undoing as a person types it: what is said, what is asked first, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import B_IDENTITY, Cli
from tests.scenes import Scene, indicator

from cert_exchange.node import open_node

CANARY = "canary-7f3a91"


@pytest.fixture
def desk(cli: Cli, node_with_b: Path) -> Cli:
    """A node with partner cert-b, who sent two objects, and one of ours."""
    node = open_node(node_with_b)
    try:
        scene = Scene(node)
        scene.post(
            "cert-b",
            indicator("theirs", by=B_IDENTITY, description=CANARY),
            indicator("more", by=B_IDENTITY),
        )
        scene.publish(indicator("ours", by=None, description=CANARY))
    finally:
        node.close()
    return cli


def test_erase_list_lift(desk: Cli) -> None:
    """What went, where it may still be, who ordered it, and how it may come again."""
    stix_id = indicator("ours")["id"]
    ran = desk("erase", stix_id, "--reason", "on request")
    assert ran.code == 0
    assert "order 1: 1 version erased" in ran.err
    assert "erasures rewrite" in ran.err
    (row,) = desk("erasures", "list").rows()
    assert (row["what"], row["by"], row["may come again"]) == (stix_id, "tester", "no")
    ran = desk("show", stix_id)
    assert ran.code == 3
    assert "erased" in ran.err
    assert desk("erase", stix_id, "--reason", "twice").code == 3
    assert desk("erasures", "leftovers").code == 1
    assert desk("erasures", "rewrite").code == 0
    assert desk("erasures", "leftovers").code == 0
    assert desk("erasures", "lift", "1", "--reason", "a mistake").code == 0
    (row,) = desk("erasures", "list").rows()
    assert row["may come again"] != "no"
    assert desk("ledger", "verify").code == 0


def test_a_legal_hold_by_hand(desk: Cli) -> None:
    """Placed, listed, in the way of erasing, lifted."""
    stix_id = indicator("ours")["id"]
    assert desk("legal-hold", "place", stix_id, "--reason", "case 17").code == 0
    (row,) = desk("legal-hold", "list").rows()
    assert (row["over"], row["reason"]) == (stix_id, "case 17")
    ran = desk("erase", stix_id, "--reason", "on request")
    assert ran.code == 1
    assert "legal hold 1" in ran.err
    assert desk("legal-hold", "lift", "1", "--reason", "closed").code == 0
    assert desk("legal-hold", "list").rows() == []
    assert len(desk("legal-hold", "list", "--all").rows()) == 1
    assert desk("legal-hold", "place", "--reason", "over what?").code == 1


def test_undo_lists_first_and_does_it_with_a_word(desk: Cli) -> None:
    """Nothing changes without --yes and a reason."""
    asked = ("undo", "--from", "cert-b", "--since", "2026-01-01T00:00:00Z")
    ran = desk(*asked)
    assert ran.code == 0
    assert "2 versions taken in" in ran.err
    assert "nothing was changed" in ran.err
    assert desk(*asked, "--yes").code == 1
    done = desk(*asked, "--yes", "--reason", "stolen", "--json").json()
    assert done["found"]["accepted"] == 2
    assert done["done"]["accepted"] == 2
    assert "0 versions taken in" in desk(*asked).err
    assert len(desk("search", "--proposals").rows()) == 2


def test_the_end_of_an_agreement(desk: Cli, tmp_path: Path) -> None:
    """Said first; then given back and erased."""
    file = tmp_path / "theirs.json"
    asked = ("partner", "end", "cert-b", "--reason", "over")
    assert desk(*asked).code == 1
    ran = desk(*asked, "--return", str(file), "--purge")
    assert ran.code == 0
    assert "2 versions came from cert-b; nothing was changed" in ran.err
    assert not file.exists()
    ran = desk(*asked, "--return", str(file), "--purge", "--yes")
    assert ran.code == 0
    assert "2 versions written" in ran.err
    assert len(json.loads(file.read_text())["objects"]) == 2
    assert desk("search", "--from", "cert-b").rows() == []
    assert desk(*asked, "--return", str(file), "--yes").code == 1  # it is there already
    assert desk("erasures", "passed").code == 0
    assert desk("ledger", "verify").code == 0


def test_a_journal_by_hand(desk: Cli, tmp_path: Path) -> None:
    """Redoing what is done already erases nothing."""
    desk("erase", indicator("ours")["id"], "--reason", "on request")
    ran = desk("erasures", "redo", str(tmp_path / "node" / "erasures.jsonl"))
    assert ran.code == 0
    assert "0 versions erased again" in ran.err
    assert desk("erasures", "redo", str(tmp_path / "none")).code == 1
