"""`request` as a person uses it: ask, see, answer, and what status, doctor and exit codes say."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import B_IDENTITY, POLICY, Cli, bundle, indicator
from tests.conftest import Wall

from cert_exchange.cli import printing
from cert_exchange.messages import requests
from cert_exchange.messages.requests import Kind, Request, State, Statement
from cert_exchange.node import open_node
from cert_exchange.services import publishing
from cert_exchange.stix.instants import EARLIEST, format_micros, parse_micros

AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
THEIRS = "note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c11"
OURS = "note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c12"
WORDS = "Host 192.0.2.7\x1b[2J\nand =its logs"


def post(home: Path, content: dict[str, Any], *, ago: timedelta = timedelta()) -> None:
    """cert-b posts to the first collection, now or so long ago."""
    wall = Wall()
    wall.jump(-ago)
    node = open_node(home, clock=wall.clock())
    body = json.dumps({"objects": [content]}).encode()
    made = publishing.receive(node, body, partner=1, collection=1)
    assert [one.success for one in made.outcomes] == [True]
    node.close()


@pytest.fixture
def asked(node_with_b: Path) -> str:
    """cert-b asked us to keep logs, until a day that has passed."""
    request = Request(Kind.LOG_PRESERVATION, WORDS, due=1_780_000_000_000_000, ticket="B-9")
    post(
        node_with_b,
        requests.write_request(
            request, stix_id=THEIRS, creator=B_IDENTITY, marking=AMBER, now=1_779_000_000_000_000
        ),
        ago=timedelta(hours=2),
    )
    return "5f8b2c1e"


def test_asking_and_what_the_partner_says(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """A look stores nothing; what is sent is listed, and shown with the partner's words and ticket."""
    about = indicator(1)
    cli("publish", "-", "--collection", "indicators", stdin=bundle(about))
    words = tmp_path / "words.txt"
    words.write_text("Take down\nhttp://login.bank.example/")
    send = ("request", "send", "takedown", "--to", "cert-b", "--text-file", words, "--ticket", "A-7",
            "--due", "2 hours", "--collection", "indicators", "--about", about["id"])  # fmt: skip
    look = cli(*send, "--dry-run")
    assert (
        look.code,
        "not sent, this was a look: to cert-b: it finds it when it polls" in look.err,
    ) == (0, True)
    assert cli("request", "list").rows() == []
    ran = cli(*send)
    assert (ran.code, "an answer is expected by" in ran.err) == (0, True)
    stix_id = ran.out.strip()
    (row,) = cli("request", "list", "--ours", "--open").rows()
    assert (row["to"], row["for"], row["state"], row["our ticket"]) == (
        "cert-b",
        "takedown",
        "open",
        "A-7",
    )
    (made,) = cli("request", "list", "--json").json()
    at = parse_micros(made["timeline"][0]["at"]) + 1_000_000
    said = Statement(State.PASSED_ON, "To the provider.", (stix_id,), "B-1")
    post(
        node_with_b,
        requests.write_statement(said, stix_id=OURS, creator=B_IDENTITY, marking=AMBER, now=at),
    )
    shown = cli("request", "show", "A-7").out
    assert "cert-b: passed-on; ticket B-1; came " in shown
    assert "    To the provider." in shown
    assert f"{about['name']} ({about['id']})" in shown
    assert "we: request; ticket A-7; not fetched yet" in shown
    assert cli("request", "show", "B-1", "--json").json()["state"] == "passed-on"
    gone = cli("request", "answer", "A-7", "withdrawn", "--collection", "indicators")
    assert (gone.code, cli("request", "list", "--open").rows()) == (0, [])


def test_what_is_asked_of_us_is_shown_until_it_is_answered(cli: Cli, asked: str) -> None:
    """In status, doctor and the list; what a partner wrote does nothing to a terminal."""
    status = cli("status")
    assert "1 request of partners waits for our answer" in status.err
    assert (
        f"cert-b: our answer to its request {asked} (log-preservation), ticket B-9, is overdue for"
        in status.err
    )
    assert cli("status", "--json").json()["overdue_requests"][0]["owed_by"] == "us"
    doctor = cli("doctor")
    assert (doctor.code, "our answer to its request" in doctor.out) == (1, True)
    shown = cli("request", "show", asked)
    assert "\x1b" not in shown.out
    assert "    and =its logs" in shown.out
    assert "OVERDUE" in shown.out
    assert f"next: cert-exchange request answer {asked} received --ticket OURS" in shown.err
    place = ("--collection", "indicators")
    assert cli("request", "answer", asked, "received", "--ticket", "A-1", *place).code == 0
    left = cli("request", "show", asked)
    assert f"next: cert-exchange request answer {asked} passed-on (or done, not-" in left.err
    assert cli("request", "answer", asked, "passed-on", *place).code == 0
    assert f"answer {asked} done (or not-possible)" in cli("request", "show", asked).err
    (row,) = cli("request", "list", "--overdue", "--theirs", "--partner", "cert-b").rows()
    assert (row["from"], row["theirs"], row["state"]) == ("cert-b", "B-9", "passed-on, OVERDUE")
    ran = cli(
        "request",
        "answer",
        "B-9",
        "done",
        "--ticket",
        "A-1",
        "--collection",
        "indicators",
        "--json",
    )
    assert (ran.code, ran.json()["answer"]) == (0, "released")
    assert cli("status", "--json").json()["requests_to_answer"] == 0
    assert cli("request", "list", "--overdue").rows() == []


def test_a_time_that_cannot_be_meant_is_shown_as_said(cli: Cli, node_with_b: Path) -> None:
    """Before the asking, or gone when it came: with what counts here, and nothing is wrong with us yet."""
    for number, (due, words) in enumerate(
        ((EARLIEST, "before it was asked: no time counts"), (1_779_000_000_000_001, "counts here from 2"))
    ):  # fmt: skip
        request = Request(Kind.SAMPLE, "x", due=due)
        made = requests.write_request(
            request, stix_id=f"{OURS[:-1]}{number}", creator=B_IDENTITY, marking=AMBER,
            now=1_779_000_000_000_000,
        )  # fmt: skip
        post(node_with_b, made)
        shown = cli("request", "show", f"{OURS[:-1]}{number}").out
        assert f"{printing.instant(due)}, {words}" in shown
        assert "OVERDUE" not in shown
    assert "overdue" not in cli("doctor").out
    assert cli("request", "list", "--overdue").rows() == []


def test_what_a_partner_changes_is_named_and_what_it_withdrew_is_left_alone(
    cli: Cli, node_with_b: Path, asked: str
) -> None:
    """Old and new beside each other; a word that is dated ahead says from when it counts; an answer asks for --yes."""
    request = Request(Kind.INFORMATION, "Whose is it?", due=1_780_000_000_000_000, ticket="B-9")
    changed = requests.write_request(
        request, stix_id=THEIRS, creator=B_IDENTITY, marking=AMBER, now=1_779_000_000_500_000
    )
    first = {"created": format_micros(1_779_000_000_000_000)}
    post(node_with_b, changed | first)
    shown = cli("request", "show", asked)
    assert "cert-b: changed; ticket B-9; kind: log-preservation -> information; came" in shown.out
    (change,) = cli("request", "show", asked, "--json").json()["timeline"][1]["changes"]
    assert change == {"what": "kind", "was": "log-preservation", "is": "information"}
    said = Statement(State.WITHDRAWN, "No more.", (THEIRS,))
    ahead = requests.write_statement(
        said, stix_id=OURS, creator=B_IDENTITY, marking=AMBER, now=4_000_000_000_000_000
    )
    post(node_with_b, ahead)
    assert "dated ahead of its coming: counts from 2" in cli("request", "show", asked).out
    answer = ("request", "answer", asked, "received", "--collection", "indicators")
    refused = cli(*answer)
    assert (refused.code, "cert-b withdrew request" in refused.err) == (1, True)
    assert cli(*answer, "--yes").code == 0
    assert cli("request", "show", asked, "--json").json()["state"] == "received"


def test_what_cannot_be_is_said_with_its_exit_code(cli: Cli, asked: str, home: Path) -> None:
    text = ("--text", "x", "--collection", "indicators")
    for code, why, words in (
        (
            1,
            "Not possible, and why?",
            ("answer", asked, "not-possible", "--collection", "indicators"),
        ),
        (1, "withdrawn is said by the desk that asks", ("answer", asked, "withdrawn", *text)),
        (1, "not both", ("answer", asked, "done", "--text-file", "x", *text)),
        (3, "there is no request", ("show", "nothing")),
        (3, "There is no file", ("answer", asked, "done", "--text-file", home / "none")),
        (3, "there is no partner", ("list", "--partner", "cert-x")),
        (1, "no collection 'requests'", ("send", "sample", "--to", "cert-b", "--text", "x")),
        (2, "Invalid value", ("send", "money", "--to", "cert-b", "--text", "x")),
    ):
        ran = cli("request", *words)
        assert (ran.code, why in ran.err) == (code, True), ran.err
    collection = home / "collections" / "indicators.yaml"
    collection.write_text(collection.read_text().replace("read: [cert-b]", "read: []"))
    cli("collection", "load")
    ran = cli("request", "send", "sample", "--to", "cert-b", *text)
    assert (ran.code, "may not read indicators and no target pushes it" in ran.err) == (1, True)
    collection.write_text(collection.read_text().replace("read: []", "read: [cert-b]"))
    cli("collection", "load")
    policy = home / "policies" / "cert-b.yaml"
    policy.write_text(
        POLICY.replace(
            "match: {origin: own}",
            "match: {origin: own, type: note}\n    hold: approval\n  - name: n\n    match: {origin: own}",
        )
    )
    cli("policy", "apply", policy, "--reason", "test")
    held = cli("request", "send", "sample", "--to", "cert-b", *text)
    assert "sees it when a person lets it go" in held.err, held.err
