"""The set-up of a channel as services see it: repeated, cut off, refused, and remembered in time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, Scene

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound
from cert_exchange.messages.introductions import read_letter
from cert_exchange.node import Node, make_home, open_node
from cert_exchange.services import doctoring, introducing, ledger, partners, syncing
from cert_exchange.store.tables import introductions, ledger_lines

CARD = {
    "organisation": "CERT",
    "desk": "+372 1",
    "backup": "+372 2",
    "languages": ["et"],
    "hours": "always",
}
URL = "https://localhost:8443/api/"


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def other(tmp_path: Path, wall: Wall):
    """CERT B's node."""
    home = make_home(tmp_path / "node-other", identity=B_IDENTITY, title="CERT B")
    node = open_node(home, clock=wall.clock())
    yield node
    node.close()


def with_card(*nodes: Node) -> None:
    for node in nodes:
        introducing.set_our_card(node, CARD | {"organisation": node.settings.title}, by="tester")


def spoken(invited) -> str:
    return " ".join(invited.words)


def accepted(a: Node, b: Node) -> None:
    """Letters go to and fro until both are ready."""
    with_card(a, b)
    first = introducing.invite(a, "cert-b", url=URL)
    back = introducing.accept(b, "cert-a", first.letter, heard=spoken(first), url=URL)
    more = introducing.accept(a, "cert-b", back.letter, heard=" ".join(back.words))
    assert more.ready
    assert introducing.accept(b, "cert-a", more.letter).ready


def kinds(node: Node) -> list[str]:
    from cert_exchange.messages.evidence import decode_line

    with node.database.reading() as tx:
        return [
            decode_line(row[0]).kind
            for row in tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id))
        ]


def test_three_letters_and_both_are_ready(node: Node, other: Node) -> None:
    """Each side has the other in stage test, with card, certificate and a source for tests; evidence of each step."""
    accepted(node, other)
    for one, name in ((node, "cert-b"), (other, "cert-a")):
        (progress,) = introducing.progress(one)
        assert (progress.name, progress.stage, progress.next) == (
            name,
            "test",
            f"partner check {name}",
        )
        card, _ = introducing.card_of(one, name)
        assert card.desk == "+372 1"
        (listed,) = partners.listing(one)
        assert (len(listed.credentials), listed.partner.country) == (1, None)
        ledger.seal(one)
        ledger.verify(one)
    assert not (
        node.settings.path(node.settings.secrets_directory) / "introductions" / "cert-b.key"
    ).exists()


def test_every_step_may_be_repeated(node: Node, other: Node) -> None:
    """The same letter again asks for no words, makes no second credential, and gives the same answer."""
    with_card(node, other)
    first = introducing.invite(node, "cert-b", url=URL)
    assert introducing.invite(node, "cert-b") == introducing.invite(node, "cert-b")
    assert introducing.invite(node, "cert-b").words == first.words
    back = introducing.accept(other, "cert-a", first.letter, heard=spoken(first), url=URL)
    again = introducing.accept(other, "cert-a", first.letter)
    assert again.letter == back.letter
    (listed,) = partners.listing(other)
    assert len(listed.credentials) == 1
    assert introducing.look(other, "cert-a", first.letter).known


def test_a_changed_card_makes_a_new_letter_until_theirs_is_accepted(
    node: Node, other: Node
) -> None:
    with_card(node, other)
    first = introducing.invite(node, "cert-b", url=URL)
    introducing.set_our_card(node, CARD | {"desk": "+372 5"}, by="tester")
    second = introducing.invite(node, "cert-b")
    assert second.words != first.words
    back = introducing.accept(other, "cert-a", second.letter, heard=spoken(second), url=URL)
    introducing.accept(node, "cert-b", back.letter, heard=" ".join(back.words))
    introducing.set_our_card(node, CARD | {"desk": "+372 6"}, by="tester")
    assert introducing.invite(node, "cert-b").words == second.words
    assert introducing.invite(node, "cert-b", anew=True).words != second.words


def test_words_that_differ_let_nobody_in(node: Node, other: Node) -> None:
    """Nothing is believed or added; that they differed stands in the ledger."""
    with_card(node, other)
    first = introducing.invite(other, "cert-a", url=URL)
    wrong = introducing.invite(other, "somebody", url=URL)
    for heard in (None, spoken(wrong), "abbey " * 12):
        with pytest.raises((ConfigurationInvalid, InputRefused)):
            introducing.accept(node, "cert-b", first.letter, heard=heard, url=URL)
    assert partners.listing(node) == []
    assert kinds(node).count("introduction.differs") == 2
    with node.database.reading() as tx:
        assert tx.execute(select(introductions.c.theirs)).scalars().all() == [None]


def test_an_answer_to_an_older_letter_is_not_used(node: Node, other: Node) -> None:
    """After `--anew` it waits for the answer to the new one."""
    with_card(node, other)
    first = introducing.invite(node, "cert-b", url=URL)
    back = introducing.accept(other, "cert-a", first.letter, heard=spoken(first), url=URL)
    introducing.invite(node, "cert-b", anew=True)
    done = introducing.accept(node, "cert-b", back.letter, heard=" ".join(back.words))
    assert not done.ready
    assert any("older letter" in told for told in done.told)
    newest = introducing.invite(node, "cert-b")
    once_more = introducing.accept(other, "cert-a", newest.letter, heard=spoken(newest))
    assert introducing.accept(node, "cert-b", once_more.letter).ready


def test_a_live_partner_stays_live(node: Node, other: Node) -> None:
    """Who exchanges already gets a channel of this kind without a pause; another's identity it cannot take."""
    Scene.set_up(node)
    with_card(node, other)
    first = introducing.invite(other, "cert-a", url=URL)
    with pytest.raises(ConfigurationInvalid, match="partner b speaks for"):
        introducing.accept(node, "stranger", first.letter, heard=spoken(first), url=URL)
    done = introducing.accept(node, "b", first.letter, heard=spoken(first), url=URL)
    assert any("policy names b already" in told for told in done.told)
    (progress,) = [one for one in introducing.progress(node) if one.name == "b"]
    assert progress.stage == "live"


def test_a_new_set_up_ends_nothing_and_says_what_is_left(node: Node, other: Node) -> None:
    """After a theft the old keys are what the thief holds: each is named with the command that ends it.

    All channels that logged in with the old credential log in with the new one, so that ending it stops nothing.
    """
    accepted(node, other)
    secret = node.secret_files
    test_file = "remote-pull-test-from-cert-b.secret"
    old = secret.read(test_file)
    with tempfile.NamedTemporaryFile() as held:
        held.write(old.strip())
        held.flush()
        syncing.add_source(
            node, "real", partner="cert-b", url="https://localhost:1/api/",
            remote_collection="indicators", collection="test", secret=Path(held.name),
        )  # fmt: skip
        held.write(b"x")
        held.flush()
        syncing.add_source(
            node, "other", partner="cert-b", url="https://localhost:1/api/",
            remote_collection="indicators", collection="test", secret=Path(held.name),
        )  # fmt: skip
    (was,) = partners.listing(node)
    anew = introducing.invite(other, "cert-a", anew=True)
    told = introducing.accept(node, "cert-b", anew.letter, heard=spoken(anew)).told
    assert any(one.startswith("what cert-b was given before is still in force.") for one in told)
    (old_id,) = was.credentials
    assert f"  cert-exchange partner revoke {old_id.id}" in told
    assert any(one.startswith("  cert-exchange pki revoke ") for one in told)
    assert not any("need not show" in one or "names cert-b already" in one for one in told)
    # The other direction: what A logs in with is renewed in every source that held it, and in no other.
    anew = introducing.invite(node, "cert-b", anew=True)
    back = introducing.accept(other, "cert-a", anew.letter, heard=spoken(anew))
    assert introducing.accept(node, "cert-b", back.letter, heard=" ".join(back.words)).ready
    assert secret.read(test_file) != old
    assert secret.read("remote-pull-real.secret").strip() == secret.read(test_file).strip()
    assert secret.read("remote-pull-other.secret").strip() == old.strip() + b"x"


def test_words_that_were_typed_are_compared_whether_needed_or_not(node: Node, other: Node) -> None:
    with_card(node, other)
    first = introducing.invite(node, "cert-b", url=URL)
    introducing.accept(other, "cert-a", first.letter, heard=spoken(first), url=URL)
    turned = " ".join(reversed(first.words))
    with pytest.raises(InputRefused, match="The words differ"):
        introducing.accept(other, "cert-a", first.letter, heard=turned)


def test_our_own_letter_and_no_letter_are_refused(node: Node, other: Node) -> None:
    with_card(node)
    ours = introducing.invite(node, "cert-b", url=URL)
    with pytest.raises(ConfigurationInvalid, match="our own"):
        introducing.accept(node, "cert-b", ours.letter, heard=spoken(ours))
    with pytest.raises(ConfigurationInvalid, match="no letter"):
        introducing.accept(node, "cert-b", b"dear colleague")
    with pytest.raises(ConfigurationInvalid, match="contact card"):
        introducing.invite(other, "cert-a", url=URL)
    with pytest.raises(ConfigurationInvalid, match="cannot name a channel"):
        introducing.invite(node, "cert.b", url=URL)
    assert read_letter(ours.letter).answer is None


def test_promotion_needs_a_check_in_time(node: Node, other: Node, wall: Wall) -> None:
    accepted(node, other)
    with pytest.raises(ConfigurationInvalid, match="was not checked"):
        introducing.promote(node, "cert-b", reason="agreed")
    checked = introducing.check(node, "cert-b")
    assert [one.right for one in checked] == [False]  # nobody serves there
    with pytest.raises(ConfigurationInvalid, match="open"):
        introducing.promote(node, "cert-b", reason="agreed")
    with pytest.raises(NotFound):
        introducing.promote(node, "nobody", reason="agreed", unchecked=True)
    introducing.promote(node, "cert-b", reason="agreed", unchecked=True)
    assert introducing.progress(node)[0].next == ""


def due(node: Node) -> list[tuple[str, str]]:
    return [
        (one.grade, one.finding.split(" was ")[0].split(" were ")[0])
        for one in introducing.due(node)
    ]


def test_cards_are_to_be_confirmed_each_quarter_and_words_each_year(
    sqlite_node: Node, other: Node, wall: Wall
) -> None:
    """A note when it is due, wrong a month later; a call ends the one, words read out end both."""
    accepted(sqlite_node, other)
    introducing.promote(sqlite_node, "cert-b", reason="agreed", unchecked=True)
    assert due(sqlite_node) == []
    wall.forward(timedelta(days=93))
    assert due(sqlite_node) == [("note", "its contact card")]
    assert introducing.remind(sqlite_node) == 1
    findings = doctoring.examine(sqlite_node, partner="cert-b")
    assert any("contact card was last confirmed" in one.finding for one in findings)
    wall.forward(timedelta(days=31))
    assert due(sqlite_node) == [("wrong", "its contact card")]
    introducing.confirm(sqlite_node, "cert-b", fresh=None, heard=None, by="anna")
    assert due(sqlite_node) == []
    wall.forward(timedelta(days=250))
    assert due(sqlite_node) == [("note", "the words")]
    with pytest.raises(InputRefused, match="not the words"):
        introducing.confirm(
            sqlite_node,
            "cert-b",
            fresh=None,
            heard=" ".join(introducing.words(sqlite_node)),
            by="anna",
        )
    assert due(sqlite_node) == [("note", "the words")]
    heard = " ".join(introducing.words(other))
    assert introducing.confirm(sqlite_node, "cert-b", fresh=None, heard=heard, by="anna").compared
    assert due(sqlite_node) == []
    assert kinds(sqlite_node).count("card.differs") == 1


def test_a_set_up_that_stands_still_is_noticed(sqlite_node: Node, wall: Wall) -> None:
    with_card(sqlite_node)
    introducing.invite(sqlite_node, "cert-b", url=URL)
    assert introducing.due(sqlite_node) == ()
    wall.forward(timedelta(days=8))
    (one,) = introducing.due(sqlite_node)
    assert "stands still" in one.finding
    assert "accept theirs" in one.step


def test_a_file_that_is_in_the_way_stops_before_anybody_is_let_in(
    node: Node, other: Node, new_node: Callable[..., Node]
) -> None:
    """A policy that a person wrote is not touched, and a collection's file with a mistake is named."""
    with_card(node, other)
    first = introducing.invite(other, "cert-a", url=URL)
    policy = node.settings.home / "policies" / "cert-b.yaml"
    policy.write_text("# mine\n")
    done = introducing.accept(node, "cert-b", first.letter, heard=spoken(first), url=URL)
    assert any("is there already" in told for told in done.told)
    assert policy.read_text() == "# mine\n"
    (listed,) = partners.listing(node)
    assert listed.audience is None
