"""Commands about keys, statements and receipts, as people run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Ran
from tests.conftest import Wall
from tests.scenes import indicator
from tests.unit.syncing.peers import Channel, altered, as_b, channel_between

from cert_exchange.messages.deliveries import text_digest
from cert_exchange.node import Node
from cert_exchange.services import signing

Run = Callable[..., Ran]


@pytest.fixture
def channel(
    sqlite_node: Node, new_node: Callable[..., Node], wall: Wall, tmp_path: Path
) -> Iterator[Channel]:
    other = as_b(new_node("sqlite", "b"), wall)
    try:
        with channel_between(sqlite_node, other, tmp_path, pinned=False) as made:
            yield made
    finally:
        other.close()


@pytest.fixture
def on(cli: Cli) -> Run:
    """`on(node, "keys", "show")` runs the program on that node's home."""

    def run(node: Node, *words: str) -> Ran:
        return cli(*words, "--home", str(node.settings.home))

    return run


def introduced(channel: Channel, on: Run) -> str:
    """Each side pins what the other one's `keys show` prints; A's key."""
    a, b = channel.a.node, channel.b.node
    ours, theirs = (on(node, "keys", "show").rows()[0] for node in (a, b))
    assert on(a, "keys", "pin", "b", theirs["public"]).code == 0
    done = on(b, "keys", "pin", "a", ours["public"])
    assert (done.code, ours["key"] in done.err) == (0, True), done.err
    return ours["key"]


def test_keys_are_shown_pinned_and_listed(channel: Channel, on: Run) -> None:
    """From one side's `keys show` to the other's `keys list`; a second time changes nothing."""
    key = introduced(channel, on)
    introduced(channel, on)
    (row,) = on(channel.b.node, "keys", "list").rows()
    assert (row["partner"], row["key"], row["counts"], row["vouched for by"]) == (
        "a", key, "yes", "a person"
    )  # fmt: skip
    assert on(channel.b.node, "keys", "list", "--json").json()[0]["until"] is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("pin", "nobody", "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"), 3),
        (("pin", "a", "x"), 1),
        (("end", "a", "0123456789abcdef"), 3),
    ],
)
def test_what_is_no_key_is_refused(
    channel: Channel, on: Run, words: tuple[str, ...], code: int
) -> None:
    """With the exit code of its kind, and nothing pinned."""
    assert on(channel.b.node, "keys", *words).code == code
    assert on(channel.b.node, "keys", "list").rows() == []


def test_our_own_key_is_no_partners(channel: Channel, on: Run) -> None:
    """A person who copies the wrong line is told so."""
    own = on(channel.b.node, "keys", "show").rows()[0]["public"]
    done = on(channel.b.node, "keys", "pin", "a", own)
    assert done.code == 1
    assert "our own key" in done.err


def test_a_statement_is_listed_shown_and_found_by_id(channel: Channel, on: Run) -> None:
    """Both sides list it with its receipt; what `show` prints is what was signed; `of` names the key."""
    key = introduced(channel, on)
    channel.a.publish(indicator("x"))
    channel.source()
    assert channel.pull().ok
    (sent,) = on(channel.a.node, "statements", "list", "b").rows()
    (got,) = on(channel.b.node, "statements", "list", "--theirs").rows()
    assert (sent["signed by"], got["signed by"]) == ("us", "a")
    assert sent["receipt"] == got["receipt"] == f"{sent['objects']} received"
    shown = on(channel.a.node, "statements", "show", sent["number"]).json()
    assert shown == on(channel.b.node, "statements", "show", got["number"]).json()
    assert len(shown["commitments"]) == int(sent["objects"])
    assert text_digest(shown["statement"]).hex() != text_digest(shown["receipt"]).hex()
    (of,) = on(channel.b.node, "statements", "of", indicator("x")["id"]).rows()
    assert (of["partner"], of["signed with"], of["statement"]) == ("a", key, got["number"])
    assert on(channel.b.node, "statements", "list", "--open").rows() == []
    assert on(channel.b.node, "statements", "show", "99").code == 3
    assert on(channel.b.node, "statements", "of", indicator("none")["id"]).code == 3


def test_unsigned_and_served_are_told_apart(channel: Channel, on: Run) -> None:
    """Without keys: what came is unsigned, and of what went out there is our own record alone."""
    channel.a.publish(indicator("x"))
    channel.source()
    assert channel.pull().ok
    (of,) = on(channel.b.node, "statements", "of", indicator("x")["id"]).rows()
    assert of["signed with"] == "unsigned"
    listed = on(channel.a.node, "statements", "list")
    assert listed.rows() == []
    assert "b: its client signs nothing; served up to" in listed.err
    (served,) = on(channel.a.node, "statements", "list", "--json").json()["served_without_receipt"]
    assert served["partner"] == "b"


def test_an_open_statement_becomes_an_alarm(channel: Channel, on: Run, wall: Wall) -> None:
    """`status` counts it at once, `doctor` calls it wrong after a day, and both are quiet once the receipt is there."""
    introduced(channel, on)
    channel.a.publish(indicator("x"))
    channel.source()
    channel.pull()
    channel.a.node.database.transact(_forget_receipts)
    assert on(channel.a.node, "status", "--json").json()["open_statements"] == 1
    assert "without a receipt" in on(channel.a.node, "status").err
    assert not _wrong(channel.a.node)
    wall.forward(timedelta(days=1, minutes=1))
    assert _wrong(channel.a.node) == ["1 statements have had no receipt for more than a day"]


def _forget_receipts(tx) -> None:
    """As A would stand if the receipt had never come."""
    from sqlalchemy import update

    from cert_exchange.store.tables import delivery_statements

    tx.execute(
        update(delivery_statements).values(receipt=None, receipt_at=None, handed_over_at=None)
    )


def _wrong(node: Node) -> list[str]:
    from cert_exchange.services.doctoring import signed

    return [one.finding for one in signed.examine(node) if one.grade == "wrong"]


def test_what_differs_or_is_broken_becomes_an_alarm(channel: Channel, on: Run) -> None:
    """Of both sides' doctors, with the command that shows it."""
    introduced(channel, on)
    channel.a.publish(indicator("x"))
    channel.source()
    channel.to_a.answers["objects"] = altered(
        lambda page: [
            one.update(pattern="[ipv4-addr:value = '203.0.113.1']")
            for one in page.get("objects", [])
            if one["type"] == "indicator"
        ]
    )
    channel.pull()
    for node in (channel.a.node, channel.b.node):
        assert any("did not end as they were signed" in said for said in _wrong(node))
    channel.a.publish(indicator("y"))
    channel.to_a.answers["statements"] = altered(lambda d: d.update(leaves="", salts=""))
    channel.pull()
    assert any("were broken in the last 7 days" in said for said in _wrong(channel.b.node))


def test_an_ended_key_is_called_out(channel: Channel, on: Run) -> None:
    """After `keys end` doctor says that nothing of the partner's counts; a new key that was pinned ends that."""
    key = introduced(channel, on)
    assert on(channel.b.node, "keys", "end", "a", key).code == 0
    assert any("no key of it counts" in said for said in _wrong(channel.b.node))
    done = on(channel.a.node, "keys", "rotate")
    assert done.code == 0
    fresh = signing.our_keys(channel.a.node)[0]
    assert fresh.kid in done.err
    assert on(channel.b.node, "keys", "pin", "a", fresh.public).code == 0
    assert not _wrong(channel.b.node)
