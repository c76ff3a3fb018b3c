"""A partner's share is one, however many `serve` processes its node has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.conftest import Wall, reopen
from tests.taxii.conftest import Client, Served, serving

from cert_exchange.errors import TooManyRequests
from cert_exchange.store.tables import partners as partner_table
from cert_exchange.taxii.allowance import MEGABYTE, Allowance
from cert_exchange.taxii.buckets import PLACES, Buckets


@pytest.fixture
def second(server: Served, wall: Wall) -> Iterator[Client]:
    """Partner b at another server of the same node, opened as another process opens it."""
    node = reopen(server.node, wall)
    try:
        with serving(node) as port:
            yield Client(port, f"Bearer {server.credential('b').token}")
    finally:
        node.close()


def test_two_servers_of_a_node_give_a_partner_one_share(server: Served, second: Client) -> None:
    """Whichever it asks; a restart of one of them gives nothing back."""
    server.node.database.transact(
        lambda tx: tx.execute(update(partner_table).values(requests_per_minute=6))
    )
    first = server.client("b")
    got = [client.get("/taxii2/").status for _ in range(4) for client in (first, second)]
    assert got == [200] * 6 + [429] * 2
    node = reopen(server.node, server.wall)
    with serving(node) as port:
        again = Client(port, f"Bearer {server.credential('b').token}")
        assert again.get("/taxii2/").status == 429
    node.close()
    assert server.client("c").get("/taxii2/").status == 200


def test_what_may_be_posted_in_an_hour_is_counted_together(tmp_path: Path) -> None:
    """Bytes are counted as requests are."""
    one, other = (Allowance(1, Buckets(tmp_path / "bytes")) for _ in range(2))
    one.take(7, MEGABYTE // 2, 10.0)
    other.check(7, 10.0)
    other.take(7, MEGABYTE // 2, 10.0)
    with pytest.raises(TooManyRequests):
        one.check(7, 10.0)
    one.check(8, 10.0)
    one.check(7, 10.0 + 3_600)


def test_a_bucket_of_before_the_machines_start_is_full(tmp_path: Path) -> None:
    """Its instants count from another beginning."""
    buckets = Buckets(tmp_path / "shares")
    buckets.put(3, 0.0, 5_000.0)
    assert Buckets(tmp_path / "shares").level(3, full=9.0, per_second=1.0, now=5_002.0) == 2.0
    assert buckets.level(3, full=9.0, per_second=1.0, now=17.0) == 9.0


def test_a_home_that_cannot_be_written_counts_for_each_process(tmp_path: Path) -> None:
    """So does a partner whose number has no place; nobody is refused or let through for it."""
    for path, partner in ((tmp_path / "not there" / "shares", 3), (tmp_path / "shares", PLACES)):
        buckets = Buckets(path)
        buckets.put(partner, 4.0, 1.0)
        assert buckets.level(partner, full=9.0, per_second=1.0, now=1.0) == 4.0
        assert Buckets(path).level(partner, full=9.0, per_second=1.0, now=1.0) == 9.0


def test_the_file_is_ours_alone_and_lies_whole_on_the_disk(tmp_path: Path) -> None:
    """No link is followed, nobody else reads it, and no page of it waits for a disk that may be full by then."""
    Buckets(tmp_path / "shares").put(PLACES - 1, 1.0, 1.0)
    found = (tmp_path / "shares").stat()
    assert found.st_mode & 0o777 == 0o600
    assert found.st_blocks * 512 >= found.st_size
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    Buckets(tmp_path / "link").put(1, 1.0, 1.0)
    assert not os.path.lexists(tmp_path / "elsewhere")
