"""What a partner's server shows is compared with what is here: two nodes of ours on both engines, and medallion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select
from tests.attack.world import Side, World, Worlds
from tests.foreign.conftest import COLLECTION, PASSWORD, USER
from tests.foreign.test_compared_ledgers import connect
from tests.foreign.test_sender_restored import pushes, restored, statements
from tests.scenes import B_IDENTITY, Scene, address, envelope, indicator, malware, relationship
from tests.taxii.conftest import Client
from tests.unit.syncing.conftest import sync

from cert_exchange.node import Node
from cert_exchange.services import drift, freezing, partners, releasing, safekeeping, syncing
from cert_exchange.services.drift import Compared, Kind
from cert_exchange.store.tables import identifiers, objects, sources, targets
from cert_exchange.store.tables.schema import metadata


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest) -> Iterator[Worlds]:
    server = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
    with Worlds(server) as made:
        yield made


@pytest.fixture
def world(both: Worlds) -> Iterator[World]:
    with both.world() as made:
        yield made


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    with Worlds() as made:
        yield made


@pytest.fixture
def on_files(worlds: Worlds) -> Iterator[World]:
    """Both on SQLite: what is tested is what is answered and said, and no SQL of its own. B pulls from A and pushes to it."""
    with worlds.world() as made:
        connect(made, made.b, made.a)
        pushes(made, made.b, made.a)
        made.a.scene.publish(indicator("one"), malware("two"))
        made.b.scene.publish(indicator("theirs", by=B_IDENTITY))
        assert made.b.syncs("from-a").ok
        assert made.b.syncs("to-a").ok
        yield made


def forget(side: Side, stix_id: str) -> None:
    """Lose an object, as a fault of ours or a person in the database would."""

    def work(tx: Any) -> None:
        numbers = list(
            tx.execute(
                select(objects.c.id)
                .join(identifiers, identifiers.c.num == objects.c.ident)
                .where(identifiers.c.stix_id == stix_id)
            ).scalars()
        )
        for table in reversed(metadata.sorted_tables):
            for column in table.c:
                if any(key.column is objects.c.id for key in column.foreign_keys):
                    tx.execute(delete(table).where(column.in_(numbers)))
        tx.execute(delete(objects).where(objects.c.id.in_(numbers)))

    side.node.database.transact(work)


def named(compared: Compared) -> set[tuple[str, str]]:
    return {(each.what, each.stix_id) for each in compared.examples}


def places(node: Node) -> list[Any]:
    """Where each channel stands."""
    with node.database.reading() as tx:
        rows = [*tx.execute(select(sources.c.cursor, sources.c.next_token))]
        return [
            tuple(row) for row in [*rows, *tx.execute(select(targets.c.cursor, targets.c.view))]
        ]


def test_two_nodes_of_ours_find_and_mend_what_is_missing_both_ways(world: World) -> None:
    """At rest by digests alone; what one of them lost is named, fetched or sent again, and then nothing is left."""
    a, b = world.a, world.b
    connect(world, b, a)
    pushes(world, b, a)
    first, second = indicator("one"), malware("two")
    many = [indicator(f"n{number}") for number in range(20)]
    a.scene.publish(first, second, relationship(first, second), address("192.0.2.1"), *many)
    lost = indicator("theirs", by=B_IDENTITY)
    b.scene.publish(lost, malware("tool", by=B_IDENTITY), address("192.0.2.9"))
    assert b.syncs("from-a").ok
    assert b.syncs("to-a").ok

    rest = drift.reconcile(b.node, "a")
    assert rest.whole
    pulled, pushed = rest.parts
    assert (pulled.direction, pulled.there, pulled.here, pulled.agreed) == ("pull", 25, 25, 25)
    assert (pushed.direction, pushed.there, pushed.here, pushed.agreed) == ("push", 4, 4, 4)
    assert pulled.how == pushed.how == "digests, 0 of 256 buckets differ"

    before = places(b.node)
    forget(b, second["id"])
    forget(a, lost["id"])
    found = drift.reconcile(b.node, "a")
    assert not found.whole
    pulled, pushed = found.parts
    assert named(pulled) == {(Kind.NEVER_SEEN, second["id"])}
    assert named(pushed) == {(Kind.MISSING_THERE, lost["id"])}
    assert (pulled.there, pulled.agreed, pulled.how) == (25, 24, "digests, 1 of 256 buckets differ")

    mended = drift.reconcile(b.node, "a", repair=True)
    pulled, pushed = mended.parts
    assert pulled.repaired is not None
    assert (pulled.repaired["new"], pulled.repaired["gone"]) == (1, 0)
    assert pushed.repaired is not None
    assert (pushed.repaired["sent"], pushed.repaired["confirmed"]) == (1, 1)
    assert drift.reconcile(b.node, "a").whole
    assert places(b.node) == before
    assert b.syncs("from-a").counts["received"] == 0


def test_why_something_is_not_in_use_here_is_said(world: World) -> None:
    """Taken out of use by our desk, newer there, taken back there with a notice: each under its own word, and it adds up."""
    a, b = world.a, world.b
    connect(world, b, a)
    a.scene.publish(indicator("wrong"), indicator("changed"), indicator("gone"), indicator("fine"))
    assert b.syncs("from-a").ok
    releasing.withdraw(b.node, indicator("wrong")["id"], by="desk", reason="a test address")
    a.scene.publish(indicator("changed", version=2))
    releasing.withdraw(a.node, indicator("gone")["id"], by="desk", reason="wrong")
    (pulled,) = drift.reconcile(b.node, "a").parts
    said = named(pulled)
    assert (Kind.WITHDRAWN, indicator("wrong")["id"]) in said or pulled.counts[Kind.WITHDRAWN] == 1
    assert (Kind.NEWER_THERE, indicator("changed")["id"]) in said
    assert (Kind.NOT_SHOWN, indicator("gone")["id"]) in said
    assert (
        pulled.there
        == pulled.agreed + pulled.counts[Kind.WITHDRAWN] + pulled.counts[Kind.NEWER_THERE]
    )
    (mended,) = drift.reconcile(b.node, "a", repair=True).parts
    assert mended.repaired is not None
    assert mended.repaired["updated"] == 1
    (again,) = drift.reconcile(b.node, "a").parts
    assert set(again.counts) == {Kind.WITHDRAWN, Kind.NOT_SHOWN}
    # What was fetched ahead of the cursor is covered by the statement that comes with the next pull.
    report = b.syncs("from-a")
    assert report.ok, report.outcome
    assert not [note for note in report.notes if "did not come as signed" in note]
    assert [one.wrong for one in statements(b.node, ours=False)] == [0] * len(
        statements(b.node, ours=False)
    )


def test_a_restored_node_is_noticed(on_files: World) -> None:
    """It says so itself; what it lost of ours is missing there, what it lost of its own is not shown."""
    a, b, world = on_files.a, on_files.b, on_files
    safekeeping.backup(a.node, world.folder / "backup")
    assert drift.reconcile(b.node, "a").whole
    world.wall.forward(timedelta(minutes=10))
    a.scene.publish(indicator("lost"))
    b.scene.publish(indicator("also lost", by=B_IDENTITY))
    assert b.syncs("from-a").ok
    assert b.syncs("to-a").ok
    with ExitStack() as stack:
        restored(world, stack, found_by=b)
        pulled, pushed = drift.reconcile(b.node, "a").parts
        assert "it says that it was restored" in pulled.went_back[0]
        assert named(pulled) == {(Kind.NOT_SHOWN, indicator("lost")["id"])}
        assert named(pushed) == {(Kind.MISSING_THERE, indicator("also lost", by=B_IDENTITY)["id"])}
        ran = world.run("sync", "reconcile", "a", "to-a", "--repair", side=b)
        assert ran.code == 1
        assert "IT WENT BACK IN TIME" in ran.err
        assert "to-a: repaired: 1 sent, 1 confirmed" in ran.err
        (pushed,) = drift.reconcile(b.node, "a", channel="to-a").parts
        assert pushed.counts == {}


def test_the_command_prints_what_differs(on_files: World) -> None:
    """A row for each collection each way, a row for each difference, and a sentence with the next step; exit code 0 or 1."""
    ran = on_files.run("sync", "reconcile", "a", side=on_files.b)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0].startswith("name\tdoes\tcollection\tthere\there\tagreed\tdrift")
    assert "from-a: no drift" in ran.err
    forget(on_files.b, malware("two")["id"])
    ran = on_files.run("sync", "reconcile", "a", "from-a", side=on_files.b)
    assert ran.code == 1
    assert f"from-a\tnever seen\t{malware('two')['id']}" in ran.out
    assert "never seen: 1 (it shows them" in ran.err
    ran = on_files.run("sync", "reconcile", "a", "from-a", "--repair", "--json", side=on_files.b)
    assert ran.code == 1
    assert '"new": 1' in ran.out
    assert on_files.run("sync", "reconcile", "a", "nothing", side=on_files.b).code == 3
    assert on_files.run("sync", "reconcile", "nobody", side=on_files.b).code == 3
    freezing.freeze_everyone(on_files.a.node, by="desk", reason="test")
    ran = on_files.run("sync", "reconcile", "a", side=on_files.b)
    assert ran.code == 4
    assert "NOT COMPARED" in ran.err


# What a partner's node may ask of ours.


def test_nothing_is_compared_that_could_not_be_polled(on_files: World) -> None:
    """Hidden and absent alike; only what a poll shows; nothing while frozen; not who else sent what."""
    a = on_files.a
    a.scene.publish(indicator("red", tlp="red"))
    a.scene.post("c", indicator("of c", by="identity--c0000000-0000-4000-8000-00000000000c"))
    client = a.client("b")
    polled = set(client.objects().ids)
    asked = "/exchange/v1/compared?collection=indicators"
    listed = client.get(f"{asked}&of=shown&part=all")
    assert {one[0] for one in listed.json["entries"]} == polled
    assert indicator("red")["id"].encode() not in listed.raw
    sums = client.get(f"{asked}&of=shown").json["buckets"]
    assert sum(count for count, _ in sums) == len(polled) - 1  # a definition of TLP
    mine = client.get(f"{asked}&of=received&part=all").json["entries"]
    assert indicator("theirs", by=B_IDENTITY)["id"] in {one[0] for one in mine}
    assert indicator("of c", by="x")["id"] not in {one[0] for one in mine}
    for wrong, status in (
        ("collection=nothing&of=shown", 404),
        ("of=shown", 404),
        ("collection=indicators&of=everything", 400),
        ("collection=indicators&of=shown&part=%25", 400),
        ("collection=indicators&of=shown&part=zz", 400),
        ("collection=indicators&of=shown&part=all&after=-1", 400),
    ):
        assert client.get(f"/exchange/v1/compared?{wrong}").status == status, wrong
    assert a.stranger().get(f"{asked}&of=shown").status == 401
    freezing.freeze_everyone(a.node, by="desk", reason="test")
    for of in ("shown", "received"):
        assert client.get(f"{asked}&of={of}").status == 503


def test_a_credential_that_may_only_write_compares_nothing(on_files: World) -> None:
    """Not what is shown, nor what was handed in there: the secret of a sensor reads nothing back (403); elsewhere it is 404."""
    limits = partners.Limits(scope={"indicators": partners.Reach(may_read=False, may_write=True)})
    issued = partners.issue(on_files.a.node, "b", lifetime=None, limits=limits)
    client = Client(on_files.a.port, f"Bearer {issued.token}")
    for of in ("shown", "received"):
        for more in ("", "&part=all"):
            path = f"/exchange/v1/compared?of={of}{more}&collection="
            assert client.get(f"{path}indicators").status == 403
            assert client.get(f"{path}reports").status == client.get(f"{path}none").status == 404


def test_a_derivative_is_compared_as_what_is_shown(on_files: World) -> None:
    """Two nodes agree on what one of them redacts for the other; the original is told in no entry."""
    a, b = on_files.a, on_files.b
    a.scene.apply("b", REDACTS)
    a.scene.publish(indicator("with a note", description="our source in the ministry"))
    assert b.syncs("from-a").ok
    (pulled,) = drift.reconcile(b.node, "a", channel="from-a").parts
    assert pulled.how == "digests, 0 of 256 buckets differ"
    assert pulled.whole
    assert pulled.agreed == 4  # with A's identity
    listed = a.client("b").get("/exchange/v1/compared?collection=indicators&of=shown&part=all")
    assert indicator("with a note")["id"].encode() not in listed.raw


REDACTS = """\
partners: [b]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: no notes
    match: {origin: own}
    redact: {remove: [description]}
"""


def test_what_is_compared_counts_as_fetched(on_files: World) -> None:
    """As a page of the manifest does: the mark stands above all that was told."""
    a = on_files.a
    a.scene.publish(indicator("unfetched"))
    view = a.scene.view("b")
    client = a.client("b")
    client.get("/exchange/v1/compared?collection=indicators&of=shown&part=00")
    mark = next(one for one in a.node.marks.everything() if one.view == view)
    listed = client.get("/exchange/v1/compared?collection=indicators&of=shown&part=all").json
    assert mark.position >= listed["next"]


# Stock servers.


def add_medallion(node: Node, url: str, folder: Path, *, push: bool = False) -> None:
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    (syncing.add_target if push else syncing.add_source)(
        node, "to-m" if push else "from-m", partner="b", url=url, remote_collection=COLLECTION,
        collection="indicators", secret=secret,
        options={"insecure": True, "auth": "basic", "user": USER},
    )  # fmt: skip


@pytest.mark.case("U02")
def test_totals_are_compared_with_the_manifest_of_medallion(
    sqlite_node: Node, medallion: Any, tmp_path: Path
) -> None:
    """The remote shows more than we use: each of it is accounted for, with its reason; what never came is fetched by id."""
    scene = Scene.set_up(sqlite_node)
    date = "2026-05-01T00:00:00.000000Z"
    bad = {**indicator("bad", by=B_IDENTITY), "pattern": "[not a pattern"}
    rows = [(date, indicator(f"i{number}", by=B_IDENTITY)) for number in range(6)]
    peer = medallion([*rows, (date, bad), (date, indicator("of another", by=None, tlp="green"))])
    add_medallion(sqlite_node, peer.url, tmp_path)
    add_medallion(sqlite_node, peer.url, tmp_path, push=True)
    scene.publish(indicator("ours"), address("198.51.100.7"))
    assert all(one.ok for one in syncing.sync_once(sqlite_node))
    releasing.withdraw(sqlite_node, rows[0][1]["id"], by="desk", reason="wrong")
    # One is left out by a clock that ran ahead for a while: its date lies below our cursor.
    sqlite_node.database.transact(
        lambda tx: tx.execute(sources.update().values(cursor="2026-11-30T00:00:00.000000Z"))
    )
    peer.post(f"collections/{COLLECTION}/objects/", envelope(indicator("missed", by=B_IDENTITY)))

    pulled, pushed = drift.reconcile(sqlite_node, "b").parts
    assert pulled.there == pulled.agreed + sum(
        number for kind, number in pulled.counts.items() if kind is not Kind.NOT_SHOWN
    )
    assert (Kind.NEVER_SEEN, indicator("missed", by=B_IDENTITY)["id"]) in named(pulled)
    assert (Kind.WITHDRAWN, rows[0][1]["id"]) in named(pulled)
    refused = next(one for one in pulled.examples if one.what == Kind.REFUSED)
    assert refused.stix_id == bad["id"]
    assert "pattern" in refused.why
    assert pushed.whole
    mended, _ = drift.reconcile(sqlite_node, "b", repair=True).parts
    assert mended.repaired is not None
    assert mended.repaired["new"] == 1
    again, _ = drift.reconcile(sqlite_node, "b").parts
    assert again.drifted == 0
    assert sync(sqlite_node, "to-m").outcome == "Nothing new to push."
