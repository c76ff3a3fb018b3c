"""Two administrators set up a channel: two real nodes over TLS on loopback, every step a command that they type.

Files travel by any way; words are read out on the telephone. Nothing else passes between the two.
"""

from __future__ import annotations

import io
import json
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests import starting
from tests.cli.conftest import Ran, bundle, indicator
from tests.foreign.conftest import free_port

from cert_exchange.cli import main
from cert_exchange.node import open_node
from cert_exchange.services import ledger

COLLECTION = """\
id: {uuid}
title: Indicators
alias: indicators
read: [{who}]
write: []
"""
POLICY = """\
name: {who}
partners: [{who}]
collections: [test, indicators]
ceiling: {{tlp: green, unmarked: green}}
rules:
  - name: Tests of the channel
    match: {{origin: own, test: true}}
    allow: true
  - name: Ours
    match: {{origin: own}}
    allow: true
"""


@dataclass
class Admin:
    """One administrator: a node's home, what was typed, and the process that serves it."""

    home: Path
    port: int
    stack: ExitStack
    monkeypatch: pytest.MonkeyPatch
    capture: Any
    typed: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, *arguments: object, ends: int = 0) -> Ran:
        """Type a command; it must end with that exit code."""
        given = tuple(str(one) for one in arguments)
        self.typed.append(given)
        self.monkeypatch.setenv("CERT_EXCHANGE_HOME", str(self.home))
        self.monkeypatch.setenv("CERT_EXCHANGE_OPERATOR", "admin")
        self.monkeypatch.setattr(sys, "argv", ["cert-exchange", *given])
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        out, err = (text.decode() for text in self.capture.readouterr())
        assert int(ended.value.code or 0) == ends, f"{given}: {out}{err}"
        return Ran(ends, out, err)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/api/"

    def serve(self) -> None:
        """What the verdict of `partner invite` asks for: the settings, then `serve`."""
        with (self.home / "node.yaml").open("a") as stream:
            stream.write("tls_certificate: secrets/pki/server.pem\n")
            stream.write("tls_key: secrets/pki/server.pem\n")
        log = self.stack.enter_context((self.home.parent / f"{self.home.name}.log").open("wb"))
        process = starting.start(starting.SERVE, self.home, stdout=log, stderr=log)
        self.stack.callback(process.wait, 20)
        self.stack.callback(process.terminate)
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        for _ in range(400):
            assert process.poll() is None
            try:
                urlopen(
                    f"https://localhost:{self.port}/health/ready", timeout=5, context=unverified
                ).close()
            except (URLError, ConnectionError):
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the node does not answer")

    def answers(self, *arguments: object, ends: int = 0) -> dict[str, str]:
        """Question -> answer of a self-check."""
        return {row["question"]: row["answer"] for row in self(*arguments, ends=ends).rows()}


@pytest.fixture
def admins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any
) -> Iterator[tuple[Admin, Admin]]:
    """A and B, each with a fresh node that has nothing but its name."""
    with ExitStack() as stack:
        made = []
        for name in ("a", "b"):
            port = free_port()
            admin = Admin(tmp_path / name, port, stack, monkeypatch, capsysbinary)
            admin("init", "--title", f"CERT {name.upper()}", "--port", port)
            admin(
                "partner", "card", "--desk", f"+372 600 000{port}", "--backup", "+372 600 0099",
                "--language", "en", "--hours", "always, UTC+2", "--country", "EE",
            )  # fmt: skip
            made.append(admin)
        yield made[0], made[1]


def told(ran: Ran) -> str:
    """The words that a command shows to be read out."""
    return ran.out.strip().splitlines()[-1]


def set_up(a: Admin, b: Admin, folder: Path) -> None:
    """From two bare nodes to a channel for tests: three letters, one call."""
    words_a = told(a("partner", "invite", "cert-b", "--url", a.url, "--to", folder / "a1"))
    a.serve()
    words_b = told(b("partner", "invite", "cert-a", "--url", b.url, "--to", folder / "b0"))
    b.serve()
    b("partner", "accept", "cert-a", folder / "a1", "--words", words_a, "--to", folder / "b1")
    a("partner", "accept", "cert-b", folder / "b1", "--words", words_b, "--to", folder / "a2")
    b("partner", "accept", "cert-a", folder / "a2", "--to", folder / "b2")


@pytest.mark.long
def test_from_two_bare_nodes_to_real_objects(admins: tuple[Admin, Admin], tmp_path: Path) -> None:
    """Invite, accept, check, promote, pull: a real indicator arrives; before, nothing but tests could."""
    a, b = admins
    set_up(a, b, tmp_path)
    for admin, other in ((a, "cert-b"), (b, "cert-a")):
        (row,) = admin("partner", "channels").rows()
        assert (row["name"], row["stage"], row["next"]) == (other, "test", f"partner check {other}")

    first = a.answers("partner", "check", "cert-b", ends=1)
    assert {first["their tests arrive here"], first["they fetched a test of ours"]} == {"not yet"}
    assert set(first.values()) == {"yes", "not yet"}
    b("partner", "check", "cert-a", ends=1)
    assert set(a.answers("partner", "check", "cert-b").values()) == {"yes"}
    assert set(b.answers("partner", "check", "cert-a").values()) == {"yes"}

    # What A's files and policies give B counts from its promotion on.
    uuid = "1fb3569d-497f-48ac-a1b9-50c29e9c31ee"
    for admin, other in ((a, "cert-b"), (b, "cert-a")):
        (admin.home / "collections" / "indicators.yaml").write_text(
            COLLECTION.format(uuid=uuid, who=other)
        )
        admin("collection", "load")
        policy = admin.home / "policies" / f"{other}.yaml"
        policy.write_text(POLICY.format(who=other))
        admin("policy", "apply", policy, "--reason", "the agreement")
    b("partner", "promote", "cert-a", "--reason", "the agreement")
    (tmp_path / "real.json").write_bytes(bundle(indicator(1)))
    a("publish", tmp_path / "real.json", "--collection", "indicators")
    b("partner", "pull", "cert-a", "indicators", "--into", "indicators")
    failed = b("sync", "now", "indicators-from-cert-a", ends=4)
    assert "404" in failed.out + failed.err
    a("partner", "promote", "cert-b", "--reason", "the agreement")
    b("sync", "now", "indicators-from-cert-a")
    (found,) = b("search", "--json", indicator(1)["id"]).json()
    assert found["id"] == indicator(1)["id"]

    assert max(len(a.typed), len(b.typed)) <= 20  # within the hour
    for admin in (a, b):
        node = open_node(admin.home)
        ledger.seal(node)
        ledger.verify(node)
        node.close()


def test_a_letter_that_was_changed_on_its_way_is_refused(
    admins: tuple[Admin, Admin], tmp_path: Path
) -> None:
    """M sits between the two and puts its own letters in place of theirs: the words differ, and nothing is let in."""
    a, b = admins
    words_a = told(a("partner", "invite", "cert-b", "--url", a.url, "--to", tmp_path / "a1"))
    forged = tmp_path / "forged"
    # M has a node of its own, with A's card and A's identity in it.
    told_by_m = b("partner", "invite", "victim", "--url", b.url, "--to", forged)
    c = Admin(tmp_path / "c", free_port(), a.stack, a.monkeypatch, a.capture)
    c("init", "--title", "CERT C", "--port", c.port)
    c(
        "partner",
        "card",
        "--desk",
        "+1 1",
        "--backup",
        "+1 2",
        "--language",
        "en",
        "--hours",
        "always",
    )
    refused = c(
        "partner", "accept", "cert-a", forged, "--words", words_a, "--url", c.url, "--to", tmp_path / "c1", ends=1
    )  # fmt: skip
    assert "words differ" in refused.err
    assert not (tmp_path / "c1").exists()
    assert c("partner", "list").rows() == []
    assert told(told_by_m) != words_a
    # The right letter goes through, also with words cut to four letters.
    short = " ".join(word[:4] for word in words_a.replace("-", " ").split())
    c(
        "partner",
        "accept",
        "cert-a",
        tmp_path / "a1",
        "--words",
        short,
        "--url",
        c.url,
        "--to",
        tmp_path / "c1",
    )
    assert [row["name"] for row in c("partner", "list").rows()] == ["cert-a"]


def test_without_words_nothing_is_accepted(admins: tuple[Admin, Admin], tmp_path: Path) -> None:
    a, b = admins
    a("partner", "invite", "cert-b", "--url", a.url, "--to", tmp_path / "a1")
    refused = b(
        "partner",
        "accept",
        "cert-a",
        tmp_path / "a1",
        "--url",
        b.url,
        "--to",
        tmp_path / "b1",
        ends=1,
    )
    assert "read out the words" in refused.err
    assert b("partner", "list").rows() == []


def test_no_secret_travels_in_the_open(admins: tuple[Admin, Admin], tmp_path: Path) -> None:
    """Neither the credentials nor any private key stand in a letter; a letter does not open at another node."""
    a, b = admins
    set_up(a, b, tmp_path)
    letters = [
        path.read_bytes()
        for path in tmp_path.iterdir()
        if path.name in ("a1", "a2", "b0", "b1", "b2")
    ]
    assert len(letters) == 5
    for admin in (a, b):
        kept = [path.read_bytes() for path in (admin.home / "secrets").rglob("*") if path.is_file()]
        (secret,) = [one for one in kept if b"." in one and len(one) < 80 and one.count(b"\n") == 1]
        assert all(secret.strip() not in letter for letter in letters)
        assert all(b"PRIVATE" not in letter for letter in letters)
    c = Admin(tmp_path / "c", free_port(), a.stack, a.monkeypatch, a.capture)
    c("init", "--title", "CERT C", "--port", c.port)
    c(
        "partner",
        "card",
        "--desk",
        "+1 1",
        "--backup",
        "+1 2",
        "--language",
        "en",
        "--hours",
        "always",
    )
    # C gets hold of A's letter to B, and even of A's words: what it holds for B opens for B alone.
    words_a = told(a("partner", "invite", "cert-b", "--to", tmp_path / "again"))
    again = c(
        "partner",
        "accept",
        "cert-a",
        tmp_path / "a2",
        "--words",
        words_a,
        "--url",
        c.url,
        "--to",
        tmp_path / "c1",
        ends=5,
    )
    assert "not from them to us" in again.err


def test_the_words_are_compared_anew_each_year(admins: tuple[Admin, Admin], tmp_path: Path) -> None:
    """The card is fetched as it is now; a changed key, or another voice, is found by the words."""
    a, b = admins
    set_up(a, b, tmp_path)
    verified = b("partner", "verify", "cert-a", "--words", told(a("partner", "words")))
    assert "the words compared" in verified.err
    a("partner", "card", "--desk", "+372 700 0000")
    changed = b.answers("partner", "check", "cert-a", ends=1)
    assert changed["their contact card is as we hold it"] == "no"
    assert "+372 700 0000" in b("partner", "verify", "cert-a").err
    assert (
        b.answers("partner", "check", "cert-a", ends=1)["their contact card is as we hold it"]
        == "yes"
    )
    wrong = b("partner", "verify", "cert-a", "--words", told(b("partner", "words")), ends=1)
    assert "not the words" in wrong.err
    assert json.loads(b("partner", "card", "cert-a", "--json").out)["desk"] == "+372 700 0000"
