"""The commands that answer: what they print, what they ask for, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import B_IDENTITY, POLICY, Cli, Homes, indicator

from cert_exchange.node import open_node
from cert_exchange.services import publishing

THEIRS = indicator(7, created_by_ref=B_IDENTITY, confidence=80)
ANSWERS = """\
id: 83661eee-ecb6-474c-9fa0-0ac57851d292
title: Answers
alias: answers
read: [cert-b]
write: [cert-b]
"""


def post(home: Path, *items: dict[str, Any]) -> None:
    """What cert-b sends."""
    node = open_node(home)
    try:
        number = publishing.sentences.collection_number(node, "indicators")
        body = json.dumps({"objects": items}).encode()
        done = publishing.receive(node, body, partner=1, collection=number)
        assert all(one.success for one in done.outcomes)
    finally:
        node.close()


@pytest.fixture
def answering(cli: Cli, node_with_b: Path, homes: Homes) -> Path:
    """cert-b sent an indicator, and may read our answers."""

    def make() -> None:
        (node_with_b / "collections" / "answers.yaml").write_text(ANSWERS)
        assert cli("collection", "load").code == 0
        file = node_with_b / "policies" / "cert-b.yaml"
        file.write_text(POLICY.replace("[indicators]", "[indicators, answers]"))
        assert cli("policy", "apply", file, "--reason", "test").code == 0
        post(node_with_b, THEIRS)

    homes.lay("answering", node_with_b, make)
    return node_with_b


def test_what_is_said_of_an_answer(cli: Cli, answering: Path) -> None:
    """Looked at first, then said, then shown with the object; an opinion that stands is not said twice."""
    looked = cli("opine", THEIRS["id"], "disagree", "--because", "our CDN", "--dry-run")
    assert looked.code == 0
    assert "only looked at; it would go to answers, TLP:AMBER" in looked.err
    assert "cert-b would see it by rule Ours" in looked.err
    assert '"opinion": "disagree"' in looked.out
    assert cli("answers", "list", "--given").rows() == []
    done = cli("opine", THEIRS["id"], "disagree", "--because", "our CDN")
    assert "cert-b sees it by rule Ours; it finds it when it polls answers" in done.err
    again = cli("opine", THEIRS["id"], "disagree", "--because", "our CDN")
    assert (again.out, again.code) == (done.out, 0)
    assert "stands already" in again.err
    (row,) = cli("answers", "list", "--given").rows()
    assert (row["id"], row["what"], row["says"]) == (
        done.out.strip(),
        "opinion",
        "disagree: our CDN",
    )
    assert (
        f"opinion of ours, accepted, {row['id']}: disagree: our CDN"
        in cli("show", THEIRS["id"]).out
    )
    unseen = cli("note", THEIRS["id"], "--text", "x", "--tlp", "red")
    assert unseen.code == 1
    assert "Nothing was stored: cert-b would not see it: denied by ceiling" in unseen.err
    assert len(cli("answers", "list", "--given").rows()) == 1


def test_a_proposal_is_made_of_settings(cli: Cli, answering: Path, tmp_path: Path) -> None:
    """JSON or plain text; the whole object from a file; what is wrong is said before anything is stored."""
    done = cli(
        "propose", THEIRS["id"], "--set", "confidence=20", "--set", "name=C2 of X", "--json"
    ).json()
    assert done["content"]["content"] == 'confidence: 80 -> 20\nname: "indicator 7" -> "C2 of X"'
    file = tmp_path / "whole.json"
    file.write_text(json.dumps({**THEIRS, "revoked": True}))
    assert "revoked: (not there) -> true" in cli(
        "propose", THEIRS["id"], "--file", file, "--json"
    ).json()["content"]["content"]  # fmt: skip
    for arguments in (
        ("--set", "confidence"),
        ("--set", "confidence=no"),
        ("--unset", "colour"),
        (),
    ):
        refused = cli("propose", THEIRS["id"], *arguments)
        assert refused.code == 1, arguments
    assert len(cli("answers", "list", "--given").rows()) == 2


def test_words_come_from_an_option_or_a_file(cli: Cli, answering: Path) -> None:
    asked = cli("ask", THEIRS["id"], "--file", "-", "--due", "3 days", stdin=b"Woher?\n")
    assert asked.code == 0, asked.err
    (row,) = cli("answers", "list", "--given", "--open").rows()
    assert (row["what"], row["says"], row["state"]) == ("question", "Woher?", "waits for a reply")
    assert row["reply by"]
    assert cli("note", THEIRS["id"]).code == 1
    assert cli("note", THEIRS["id"], "--file", "-", stdin=b"\xff").code == 1
    assert cli("answers", "list", "--given", "--from", "cert-b").code == 1
    assert cli("answers", "list", "--from", "cert-x").code == 3
    assert cli("sight", "indicator--00000000-0000-4000-8000-00000000ffff").code == 3


def test_what_a_partner_writes_does_nothing_to_the_terminal(cli: Cli, answering: Path) -> None:
    """Nor to a spreadsheet."""
    ours = indicator(8, confidence=80)
    assert (
        cli("publish", "-", "--collection", "indicators", stdin=json.dumps(ours).encode()).code == 0
    )
    evil = {
        "type": "note", "spec_version": "2.1", "id": "note--00000000-0000-4000-8000-000000000001",
        "created": ours["created"], "modified": ours["modified"], "created_by_ref": B_IDENTITY,
        "content": "=cmd|x\u001b[2J\u202e", "object_refs": [ours["id"]],
    }  # fmt: skip
    post(answering, evil)
    (row,) = cli("answers", "list").rows()
    assert row["says"] == "'=cmd|x\\x1b[2J\\u202e"
    assert "\x1b" not in cli("show", ours["id"]).out
    (document,) = cli("answers", "list", "--json").json()
    assert (document["from"], document["about"]) == ("cert-b", [ours["id"]])
