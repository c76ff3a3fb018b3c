"""The channel by hand: what goes out, what comes in, and that link and file together lose and double nothing."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Wall
from tests.scenes import Scene, address, indicator
from tests.unit.syncing.peers import Channel, as_b, channel_between

from cert_exchange.messages.deliveries import Ended, read_receipt
from cert_exchange.messages.signatures import verify
from cert_exchange.node import Node
from cert_exchange.services import carrying, ledger
from cert_exchange.services.carrying import Brought, Made, Wanted
from cert_exchange.store import deliveries as rows
from cert_exchange.store import partner_keys


def nothing(_done: int, _total: int | None) -> None:
    """Show no progress."""


@pytest.fixture
def channel(node: Node, new_node: Any, wall: Wall, tmp_path: Path) -> Iterator[Channel]:
    """A on both engines, B on the same one, each knowing the other's key; B has a source at A."""
    other = as_b(new_node(node.database.dialect, "b"), wall)
    try:
        with channel_between(node, other, tmp_path) as made:
            made.source()
            yield made
    finally:
        other.close()


def out(scene: Scene, to: str, folder: Path, **wanted: Any) -> Made | None:
    number = carrying.next_number(scene.node, to)
    path = folder / f"to-{to}-{number}.cxc"
    return carrying.take_out(scene.node, to, path, Wanted(**wanted), by="courier")


def made(scene: Scene, to: str, folder: Path, **wanted: Any) -> Made:
    found = out(scene, to, folder, **wanted)
    assert found is not None
    return found


def bring(scene: Scene, file: Path) -> Brought:
    return carrying.bring_in(scene.node, file, by="desk", progress=nothing)


def test_what_a_partner_would_poll_goes_by_file_and_its_receipts_come_back(
    channel: Channel, tmp_path: Path
) -> None:
    """Signed as over the link, receipted by a file back; the link then brings nothing new, and both ledgers verify."""
    channel.a.publish(*(indicator(f"n{n}") for n in range(5)), address("198.51.100.9"))
    file = made(channel.a, "b", tmp_path)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert b"indicator" not in file.path.read_bytes()
    brought = bring(channel.b, file.path)
    (run,) = brought.runs
    assert run.ok, run.outcome
    assert run.counts["signed"] == run.counts["received"] == file.objects > 5
    assert run.counts["unsigned"] == 0
    assert not run.notes
    back = made(channel.b, "a", tmp_path)
    assert back.receipts == 1
    answered = bring(channel.a, back.path)
    assert (answered.receipts, answered.answered) == (1, (1,))
    with channel.a.node.database.reading() as tx:
        (row,) = rows.listing(tx, partner=channel.a.partner("b"), ours=True)
        keys = partner_keys.keys_of(tx, channel.a.partner("b"))
    receipt = read_receipt(verify(str(row.receipt), keys, channel.a.node.now()))
    assert receipt.outcomes == ((file.objects, Ended.RECEIVED),)
    over_link = channel.pull()
    assert over_link.ok, over_link
    assert over_link.counts["received"] == 0
    for scene in (channel.a, channel.b):
        ledger.note_fetches(scene.node)
        ledger.seal(scene.node)
        ledger.verify(scene.node)
    assert out(channel.a, "b", tmp_path) is not None  # it says that B's file came
    assert out(channel.a, "b", tmp_path) is None
