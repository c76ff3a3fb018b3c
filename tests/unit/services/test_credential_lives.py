"""The life of credentials, on both engines: replaced with an overlap, limited, and what is known of their use."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.conftest import Wall
from tests.scenes import Scene

from cert_exchange.errors import ConfigurationInvalid, NotAuthenticated, NotFound
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.services import doctoring, partners, polling
from cert_exchange.services.partners import Caller, IssuedSecret, Limits, Reach, Uses
from cert_exchange.store import ledger as ledger_rows

HOME = "192.0.2.7"
DAY = 24 * 3600 * 1_000_000


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


def ask(node: Node, issued: IssuedSecret, address: str = HOME) -> Caller:
    with node.database.raw_reader() as connection:
        return partners.authenticate(
            node, connection, issued.credential_id, issued.secret, network=address
        )


def lives(node: Node, name: str = "b") -> dict[str, partners.Life]:
    (row,) = [row for row in partners.listing(node) if row.partner.name == name]
    return {one.id: one for one in row.credentials}


def used(node: Node, issued: IssuedSecret, *, address: str = HOME, elsewhere: bool = False) -> None:
    with ThreadPoolExecutor(1) as threads:
        Uses(node, threads).note(
            issued.credential_id, address, now=node.clock.monotonic(), elsewhere=elsewhere
        )


def lines(node: Node, kind: str) -> list[dict[str, object]]:
    with node.database.reading() as tx:
        found = [decode_line(row.body) for row in ledger_rows.unsealed_lines(tx)]
    return [dict(one.facts) for one in found if one.kind == kind]


def grants(node: Node, caller: Caller) -> dict[str | None, tuple[bool, bool]]:
    with node.database.raw_reader() as connection:
        found = polling.list_collections(node, connection, caller)
    return {one.alias: (one.can_read, one.can_write) for one in found}


def test_a_rotation_overlaps_and_ends(node: Node, wall: Wall) -> None:
    """Both are valid for the overlap; then only the new one is, for as long as the old one was to live."""
    Scene.set_up(node)
    old = partners.issue(node, "b", lifetime=timedelta(days=90))
    ask(node, old)
    done = partners.rotate(node, "b", overlap=timedelta(days=7), by="anna")
    assert done.replaces == old.credential_id
    assert done.ends_at is not None
    assert done.issued.expires_at is not None
    assert 0 <= node.now() + 7 * DAY - done.ends_at < DAY
    assert 0 <= node.now() + 90 * DAY - done.issued.expires_at < DAY
    for one in (old, done.issued):
        assert ask(node, one).name == "b"
    wall.forward(timedelta(days=8))
    with pytest.raises(NotAuthenticated, match="expired"):
        ask(node, old)
    assert ask(node, done.issued).name == "b"
    assert set(lives(node)) == {done.issued.credential_id}
    (fact,) = lines(node, "credential.rotate")
    assert (fact["replaces"], fact["replaced_until"]) == (old.credential_id, done.ends_at)


def test_two_are_in_force_at_most(node: Node) -> None:
    """Who rotates again ends the one before the last, once its successor is in use."""
    Scene.set_up(node)
    first = partners.issue(node, "b", lifetime=None)
    second = partners.rotate(node, "b").issued
    used(node, second)
    third = partners.rotate(node, "b")
    assert third.ended == (first.credential_id,)
    with pytest.raises(NotAuthenticated, match="revoked"):
        ask(node, first)
    assert ask(node, second).name == ask(node, third.issued).name == "b"
    assert set(lives(node)) == {second.credential_id, third.issued.credential_id}


def test_a_new_one_that_was_lost_is_replaced_and_the_old_one_goes_on(
    node: Node, wall: Wall
) -> None:
    """Nobody is shut out by a letter that never came: the unused one is revoked, the other keeps its end."""
    Scene.set_up(node)
    old = partners.issue(node, "b", lifetime=None)
    lost = partners.rotate(node, "b", overlap=timedelta(days=7))
    wall.forward(timedelta(days=3))
    again = partners.rotate(node, "b", overlap=timedelta(days=7))
    assert (again.replaces, again.ends_at) == (lost.issued.credential_id, None)
    assert again.still == (old.credential_id, lost.ends_at)
    with pytest.raises(NotAuthenticated, match="revoked"):
        ask(node, lost.issued)
    assert ask(node, old).name == ask(node, again.issued).name == "b"
    assert lives(node)[again.issued.credential_id].replaces == old.credential_id


def test_which_of_several_is_said(node: Node) -> None:
    """Two that do not replace each other: the command asks which; an overlap of nothing ends the old one now."""
    Scene.set_up(node)
    reader = partners.issue(node, "b", lifetime=None, limits=Limits(label="poller"))
    writer = partners.issue(node, "b", lifetime=None, limits=Limits(label="pusher"))
    with pytest.raises(ConfigurationInvalid, match="poller"):
        partners.rotate(node, "b")
    with pytest.raises(NotFound):
        partners.rotate(node, "b", credential="aaaaaaaaaaaa")
    done = partners.rotate(
        node, "b", credential=reader.credential_id, overlap=timedelta(0), lifetime=None
    )
    with pytest.raises(NotAuthenticated, match="expired"):
        ask(node, reader)
    assert ask(node, writer).name == "b"
    assert lives(node)[done.issued.credential_id].label == "poller"


@pytest.mark.parametrize(
    ("networks", "inside", "outside"),
    [
        (("192.0.2.0/28",), ["192.0.2.7", "::ffff:192.0.2.9"], ["192.0.2.99", "2001:db8::1"]),
        (
            ("2001:db8:1::/48", "203.0.113.9"),
            ["2001:db8:1::5%eth0", "203.0.113.9"],
            ["203.0.113.8", "2001:db8:2::5", "unknown", "", "203.0.113.0/24"],
        ),
    ],
)
def test_a_credential_is_for_its_networks(
    node: Node, networks: tuple[str, ...], inside: list[str], outside: list[str]
) -> None:
    """From elsewhere it is a stranger's, in the same words; where it may come from is inherited by what replaces it."""
    Scene.set_up(node)
    issued = partners.issue(node, "b", lifetime=None, limits=Limits(networks=networks))
    after = partners.rotate(node, "b").issued
    for address in inside:
        assert ask(node, issued, address).name == ask(node, after, address).name == "b"
    for address in outside:
        with pytest.raises(NotAuthenticated, match="not its own") as refused:
            ask(node, issued, address)
        assert refused.value.public == NotAuthenticated.public
        with pytest.raises(NotAuthenticated):
            ask(node, after, address)


@pytest.mark.parametrize("wrong", ["192.0.2.7/24", "everywhere", "", "192.0.2.0/33"])
def test_networks_that_mean_nothing_are_refused(node: Node, wrong: str) -> None:
    """A host part behind a prefix is a mistake, not a larger network."""
    Scene.set_up(node)
    with pytest.raises(ConfigurationInvalid, match="network"):
        partners.issue(node, "b", lifetime=None, limits=Limits(networks=(wrong,)))


def test_a_scope_takes_away_and_never_gives(node: Node) -> None:
    """A credential may what it names as far as its partner may; the others of the partner are as before."""
    scene = Scene.set_up(node)
    directory = node.settings.home / "collections"
    (directory / "reports.yaml").write_text(
        (directory / "reports.yaml").read_text().replace("write: [b, c]", "write: [c]")
    )
    from cert_exchange.services import collections

    collections.load_collections(node, directory)
    whole = partners.issue(node, "b", lifetime=None)
    reader = partners.issue(
        node, "b", lifetime=None,
        limits=Limits(scope={"indicators": Reach(may_read=True, may_write=False)}),
    )  # fmt: skip
    writer = partners.issue(
        node, "b", lifetime=None,
        limits=Limits(scope={"reports": Reach(may_read=False, may_write=True)}),
    )  # fmt: skip
    assert grants(node, ask(node, whole)) == {"indicators": (True, True), "reports": (True, False)}
    assert grants(node, ask(node, reader)) == {"indicators": (True, False)}
    assert grants(node, ask(node, writer)) == {}  # its partner may not write there
    assert scene.caller("b").scope == ""
    # What comes later is out of reach, and a successor may no more.
    (directory / "later.yaml").write_text(
        "id: 11111111-2222-4333-8444-555555555555\ntitle: later\nalias: later\nread: [b]\nwrite: [b]\n"
    )
    collections.load_collections(node, directory)
    assert "later" in grants(node, ask(node, whole))
    after = partners.rotate(node, "b", credential=reader.credential_id).issued
    assert grants(node, ask(node, after)) == {"indicators": (True, False)}
    with pytest.raises(ConfigurationInvalid, match="nowhere"):
        partners.issue(
            node, "b", lifetime=None, limits=Limits(scope={"nowhere": Reach(True, True)})
        )


def test_the_last_use_rises_and_is_written_once_a_minute(node: Node, wall: Wall) -> None:
    """A hundred requests are one write; a later one shows a later instant and where it came from."""
    Scene.set_up(node)
    issued = partners.issue(node, "b", lifetime=None)
    assert lives(node)[issued.credential_id].last_used_at is None
    with ThreadPoolExecutor(1) as threads:
        uses = Uses(node, threads)
        begun = node.now()
        for _ in range(100):
            uses.note(issued.credential_id, HOME, now=node.clock.monotonic())
        wall.forward(timedelta(seconds=30))
        uses.note(issued.credential_id, "198.51.100.1", now=node.clock.monotonic())
    first = lives(node)[issued.credential_id]
    assert first.last_used_at is not None
    assert begun <= first.last_used_at < begun + 20_000_000
    assert first.last_network == "192.0.2.0/24"
    with ThreadPoolExecutor(1) as threads:
        Uses(node, threads).note(issued.credential_id, "198.51.100.1", now=node.clock.monotonic())
    second = lives(node)[issued.credential_id]
    assert second.last_used_at is not None
    assert second.last_used_at > first.last_used_at + 29_000_000
    assert second.last_network == "198.51.100.0/24"


def test_doctor_says_what_an_administrator_forgets(node: Node, wall: Wall) -> None:
    """Ends soon, with or without a successor in use; lies idle; came from elsewhere."""
    Scene.set_up(node)
    ends = partners.issue(node, "b", lifetime=timedelta(days=10))
    limited = partners.issue(node, "c", lifetime=None, limits=Limits(networks=("192.0.2.0/24",)))

    def said(name: str) -> str:
        return json.dumps(
            [(one.grade, one.finding) for one in doctoring.examine(node, partner=name)]
        )

    assert f"credential {ends.credential_id} ends" in said("b")
    after = partners.rotate(node, "b", lifetime=timedelta(days=400)).issued
    assert f"{after.credential_id}, which replaces it, was not used yet" in said("b")
    used(node, after)
    assert "ends" not in said("b")
    assert "none of its networks" not in said("c")
    used(node, limited, address="203.0.113.5", elsewhere=True)
    assert '["wrong", "its credential' in said("c")
    assert "203.0.113.0/24" in said("c")
    wall.forward(timedelta(days=91))
    assert f"{limited.credential_id} was not used since" in said("c")
