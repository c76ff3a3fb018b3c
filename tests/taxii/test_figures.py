"""`/metrics`: off by default, for named networks alone, and without a word that a stranger chose."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import update
from tests.conftest import Wall
from tests.neighbour import Collection, Neighbour
from tests.scenes import ALLOW_ALL, B_IDENTITY, THIRD_IDENTITY, Scene, indicator
from tests.taxii.conftest import Client, Served, served, serving
from tests.unit.syncing.conftest import add_source, add_target, sync
from tests.unit.test_monitoring import expressions, named_in, rules

from cert_exchange.http.scraping import written
from cert_exchange.node import Node
from cert_exchange.services import feeding, freezing, partners, pki
from cert_exchange.services.metering import METRICS, Sample, measure
from cert_exchange.store import heartbeats
from cert_exchange.store.tables import partners as partner_table

DAY = 86_400 * 1_000_000
RARE = {"cert_exchange_partner_shut"}
"""What is measured only of partners whose posts have limits of their own."""
KIND = {one.name: one.kind for one in METRICS}
_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)+)\})? (-?[0-9.e+-]+)')


def scraped(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values ...) -> value; fails on a line that is no exposition format."""
    found: dict[tuple[str, ...], float] = {}
    told: set[str] = set()
    for line in text.splitlines():
        if line.startswith("#"):
            _, kind, name, *_ = line.split(" ")
            assert kind in ("HELP", "TYPE")
            told.add(name)
            continue
        matched = _SAMPLE.fullmatch(line)
        assert matched, line
        name, labels, value = matched.groups()
        assert name in told
        values = re.findall(r'="((?:[^"\\]|\\.)*)"', labels or "")
        found[name, *values] = float(value)
    return found


def as_seen(node: Node, networks: tuple[str, ...]) -> Node:
    return replace(node, settings=node.settings.model_copy(update={"metrics_from": networks}))


@pytest.fixture
def open_server(sqlite_node: Node, wall: Wall) -> Iterator[Served]:
    """A server that answers figures to this machine."""
    with served(as_seen(sqlite_node, ("127.0.0.0/8",)), wall) as one:
        yield one


def test_off_it_is_as_any_path_that_is_not_there(sqlite_server: Served) -> None:
    """404 with the same words as for an unknown path, with and without a credential."""
    for client in (sqlite_server.client(), sqlite_server.stranger()):
        hidden, absent = client.get("/metrics"), client.get("/nothing")
        assert hidden.status == absent.status == 404
        assert hidden.json["title"] == absent.json["title"]
        assert hidden.json.get("description") == absent.json.get("description")


def test_only_who_asks_directly_from_a_named_network_gets_it(
    sqlite_node: Node, wall: Wall, open_server: Served
) -> None:
    """Another network, or a request that came through a proxy: as if there were nothing. No other method."""
    client = open_server.stranger()
    got = client.get("/metrics")
    assert got.status == 200
    assert got.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert client.get("/metrics", headers={header: "127.0.0.1"}).status == 404
    assert client.ask("/metrics", method="POST", body=b"{}").status == 405
    with serving(as_seen(sqlite_node, ("192.0.2.0/24",))) as port:
        assert Client(port).get("/metrics").status == 404


def test_requests_are_counted_by_route_and_status(open_server: Served) -> None:
    """What a stranger writes into a path is no label."""
    client = open_server.client()
    client.get("/api/collections/")
    client.get("/api/no-such-thing-as-this/")
    text = client.get("/metrics").raw.decode()
    found = scraped(text)
    assert "no-such-thing" not in text
    served_ = {key[1:]: value for key, value in found.items() if key[0].endswith("requests_total")}
    assert any(status == "200" for _, status in served_)
    assert any(status == "404" for _, status in served_)
    assert any(key[0] == "cert_exchange_http_request_seconds_total" for key in found)


@pytest.mark.case("D14")
def test_partners_are_counted_apart(open_server: Served) -> None:
    """Who asks too much stands there with its 429, who does not with what it got, and a stranger not at all."""
    open_server.node.database.transact(
        lambda tx: (
            tx.execute(
                update(partner_table)
                .where(partner_table.c.name == "b")
                .values(requests_per_minute=3)
            ).rowcount
        )
    )
    b, c, stranger = open_server.client("b"), open_server.client("c"), open_server.stranger()
    assert [b.get("/taxii2/").status for _ in range(5)] == [200] * 3 + [429] * 2
    assert [c.get("/taxii2/").status for _ in range(2)] == [200] * 2
    assert stranger.get("/taxii2/").status == 401
    found = scraped(stranger.get("/metrics").raw.decode())
    assert {key[1:]: value for key, value in found.items() if "http_partner" in key[0]} == {
        ("b", "200"): 3, ("b", "429"): 2, ("c", "200"): 2,
    }  # fmt: skip


def test_the_figures_say_how_the_node_is(node: Node) -> None:
    """Lag, what was refused, held, frozen and not fetched, on both engines; each is in the table of metrics."""
    scene = Scene.set_up(node)
    collection = Collection(
        [
            ("2026-06-01T00:00:00.000000Z", indicator("good", by=B_IDENTITY)),
            ("2026-06-01T00:00:01.000000Z", indicator("bad", by=B_IDENTITY) | {"pattern": 7}),
        ]
    )
    remote = Collection()
    scene.publish(indicator("a"), indicator("b"))
    with Neighbour(collection) as theirs, Neighbour(remote) as target:
        add_source(node, theirs)
        add_target(node, target)
        sync(node, "from-b")
        sync(node, "to-b")
    scene.publish(indicator("later"))
    freezing.freeze(node, "c", by="anna", reason="alarm")
    found = scraped(written(measure(node)).decode())
    assert found["cert_exchange_channel_objects_total", "from-b", "pull", "b", "new"] == 1
    assert found["cert_exchange_channel_objects_total", "from-b", "pull", "b", "failed"] == 1
    assert found["cert_exchange_quarantine_objects", "b", "rejected"] == 1
    assert found["cert_exchange_channel_behind_objects", "to-b", "push", "b"] == 1
    assert found["cert_exchange_reader_behind_objects", "c", "indicators"] == len(scene.ids("c"))
    assert 0 <= found["cert_exchange_channel_lag_seconds", "from-b", "pull", "b"] < 600
    assert found["cert_exchange_freezes",] == 1
    assert found["cert_exchange_clock_doubtful",] == 0
    assert found["cert_exchange_ledger_unsealed_lines",] > 0
    assert {key[0] for key in found} <= KIND.keys()


def test_what_counts_under_one_name_adds_up(node: Node) -> None:
    """Objects pulled and pushed count once each; pages, bytes and what else is counted have metrics of their own."""
    scene = Scene.set_up(node)
    scene.publish(indicator("a"), indicator("b"))
    theirs = [indicator("good", by=B_IDENTITY), indicator("bad", by=B_IDENTITY) | {"pattern": 7}]
    remote = Collection()
    with (
        Neighbour(Collection([(f"2026-06-01T00:00:0{n}.000000Z", one) for n, one in enumerate(theirs)])) as peer,
        Neighbour(remote) as target,
    ):  # fmt: skip
        add_source(node, peer)
        add_target(node, target)
        sync(node, "from-b")
        sync(node, "to-b")
    found = scraped(written(measure(node)).decode())
    sums = {
        name: sum(value for key, value in found.items()
                  if key[:2] == ("cert_exchange_channel_objects_total", name))
        for name in ("from-b", "to-b")
    }  # fmt: skip
    assert sums == {"from-b": 2, "to-b": sum(len(post) for post in remote.posts)}
    assert found["cert_exchange_channel_pages_total", "from-b", "pull", "b"] == 1
    assert found["cert_exchange_channel_bytes_total", "from-b", "pull", "b"] > 500
    assert found["cert_exchange_channel_details_total", "from-b", "pull", "b", "received"] == 2


def test_a_source_that_never_ran_pages_nobody(sqlite_node: Node) -> None:
    """It has no lag yet, and one whose partner we suspended has none either; the alarm waits besides."""
    lag = ("cert_exchange_channel_lag_seconds", "from-b", "pull", "b")
    Scene.set_up(sqlite_node)
    with Neighbour(Collection()) as peer:
        add_source(sqlite_node, peer)
        assert lag not in scraped(written(measure(sqlite_node)).decode())
        sync(sqlite_node, "from-b")
    assert lag in scraped(written(measure(sqlite_node)).decode())
    partners.suspend(sqlite_node, "b")
    assert lag not in scraped(written(measure(sqlite_node)).decode())
    (alarm,) = [one for one in rules() if one["alert"] == "NothingMovesForHours"]
    assert alarm["for"]


@pytest.mark.case("D16")
def test_connections_to_the_database_are_counted(node: Node) -> None:
    """Those in use, idle and kept of each pool; one pool for both on PostgreSQL."""
    name = "cert_exchange_database_connections"
    pool = "reading" if node.database.dialect == "sqlite" else "writing"
    before = scraped(written(measure(node)).decode())
    with node.database.reading():
        found = scraped(written(measure(node)).decode())
    assert found[name, pool, "in use"] == before[name, pool, "in use"] + 1
    assert (name, pool, "idle") in found
    assert found[f"{name}_kept", pool] >= 4
    assert ((f"{name}_kept", "reading") in found) == (pool == "reading")


@pytest.mark.case("D16")
def test_how_long_a_connection_is_waited_for_is_counted(node: Node) -> None:
    """Of each pool how often it was asked and how long that took; a writer that waits for another's end shows it."""

    def read() -> dict[str, tuple[float, float]]:
        found = scraped(written(measure(node)).decode())
        name = "cert_exchange_database_wait"
        return {
            key[1]: (found[f"{name}s_total", key[1]], found[f"{name}_seconds_total", key[1]])
            for key in found
            if key[0] == f"{name}s_total"
        }

    node.database.transact(lambda _: None)
    before = read()
    assert set(before) == ({"reading", "writing"} if node.database.dialect == "sqlite" else {"writing"})  # fmt: skip
    waits = 0.05 if node.database.dialect == "sqlite" else 0.0
    inside = threading.Event()

    def hold(_: object) -> None:
        inside.set()
        time.sleep(waits)

    holder = threading.Thread(target=node.database.transact, args=(hold,))
    holder.start()
    assert inside.wait(10)
    node.database.transact(lambda _: None)
    holder.join()
    after = read()
    assert after["writing"][0] >= before["writing"][0] + 2
    assert after["writing"][1] - before["writing"][1] >= waits * 0.5


def test_each_metric_that_dashboard_and_alarms_name_is_in_a_real_scrape(
    open_server: Served, sqlite_node: Node
) -> None:
    """A node on which everything has happened once: no panel and no alarm looks at what is never there."""
    scene = Scene(sqlite_node)
    held = "  - {name: look, match: {origin: own, labels: [ask]}, hold: approval, reason: look}\n"
    scene.apply("b", ALLOW_ALL.format(partner="b").replace("rules:\n", "rules:\n" + held))
    scene.publish(indicator("waits", labels=["ask"]))
    scene.post("b", indicator("strange", by=THIRD_IDENTITY))
    scene.post("b", indicator("bad", by=B_IDENTITY) | {"pattern": 7})
    pki.init(sqlite_node)
    now = sqlite_node.now()
    troubled = {"trouble": "it does not arrive", "troubled_at": now - DAY, "skew": 1_000_000}
    sqlite_node.database.transact(lambda tx: heartbeats.put(tx, scene.partner("b"), **troubled))
    with Neighbour(
        Collection([("2026-06-01T00:00:00.000000Z", indicator("good", by=B_IDENTITY))])
    ) as peer:
        add_source(sqlite_node, peer)
        sync(sqlite_node, "from-b")
    feeding.add(sqlite_node, "all", feeding.choose(feeding.Format.LIST), by="anna")
    feeding.issue(sqlite_node, "all", by="anna")
    client = open_server.stranger()
    client.get("/taxii2/")
    open_server.client("b").get("/taxii2/")
    names = {key[0] for key in scraped(client.get("/metrics").raw.decode())}
    named = {one for text in expressions() for one in named_in(text)}
    assert len(named) >= len(METRICS) - 1
    assert named - names <= RARE
    assert names - KIND.keys() == set()


def test_a_label_cannot_break_its_line() -> None:
    """Quotes, backslashes and line ends are escaped, and a metric that is not in the table is a fault of ours."""
    evil = Sample("cert_exchange_holds", 1.5, (("audience", 'a"b\\c\nd'),))
    text = written([evil]).decode()
    assert scraped(text) == {("cert_exchange_holds", 'a\\"b\\\\c\\nd'): 1.5}
    with pytest.raises(AssertionError):
        written([Sample("cert_exchange_strange", 1)])
