"""Pages: order, `more`, `next`, dates; each object once, whatever happens between two pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.conftest import Wall, reopen
from tests.scenes import ALLOW_ALL, at, indicator
from tests.taxii.conftest import ROOT, Got, Served, objects_path, served, serving

from cert_exchange.keyring import add_token_key
from cert_exchange.node import Node
from cert_exchange.services import partners, releasing

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
MANIFEST = f"{ROOT}collections/indicators/manifest/"
EPOCH = "1970-01-01T00:00:00.000000Z"


def joined(pages: list[Got]) -> list[str]:
    return [one for page in pages for one in page.ids]


@pytest.mark.checklist(26)
@pytest.mark.case("P08")
def test_order_is_that_of_addition_not_of_the_objects_own_dates(server: Served) -> None:
    """Ascending by date added, the oldest first without `added_after`, whatever `modified` says."""
    made = []
    for n, year in enumerate((2035, 2015, 2026)):
        one = indicator(
            f"i{n}", created=f"{year}-01-01T00:00:00.000Z", modified=f"{year}-01-01T00:00:00.000Z"
        )
        server.scene.publish(one)
        made.append(one["id"])
    got = server.client().objects({"match[type]": "indicator"})
    assert got.ids == made
    dates = [one["date_added"] for one in server.client().get(MANIFEST).objects]
    assert dates == sorted(dates)
    assert len(set(dates)) == len(dates)


@pytest.mark.checklist(27)
@pytest.mark.checklist(19)
@pytest.mark.case("W15")
def test_nothing_is_more_false_and_no_list(server: Served) -> None:
    """Empty: `{"more":false}` everywhere; a partner with the switch gets `objects: []` in envelopes."""
    far = {"added_after": "9999-01-01T00:00:00Z"}
    client = server.client()
    for path in (
        objects_path(),
        MANIFEST,
        objects_path("reports"),
        f"{ROOT}collections/reports/manifest/",
    ):
        assert client.get(path, far).raw == b'{"more":false}'
    from sqlalchemy import update

    from cert_exchange.store.tables import partners as partner_table

    server.node.database.transact(
        lambda tx: tx.execute(update(partner_table).values(empty_objects_list=True)).rowcount
    )
    assert client.objects(far).json == {"more": False, "objects": []}
    assert client.get(MANIFEST, far).json == {"more": False}


@pytest.mark.checklist(28)
@pytest.mark.checklist(30)
@pytest.mark.case("P29")
def test_more_is_true_exactly_when_there_is_more(server: Served) -> None:
    """All of them when they fit, at most `limit`, `more` from a look-ahead; always together with `next`."""
    server.publish_many(6)
    client = server.client()
    everything = client.objects().ids
    assert client.objects().json["more"] is False
    for limit in range(1, len(everything) + 3):
        pages = client.drain(limit=limit)
        assert joined(pages) == everything
        assert all(len(page.objects) == limit for page in pages[:-1])
        for n, page in enumerate(pages):
            more = n < len(pages) - 1
            assert page.json["more"] is more
            assert ("next" in page.json) is more


@pytest.mark.checklist(30)
@pytest.mark.case("P10")
def test_manifest_and_versions_page_too(server: Served) -> None:
    """`more` and `next` on manifest and versions, and both date headers, so that either way of paging works."""
    for version in range(9):
        server.scene.publish(indicator("i", version=version))
    client = server.client()
    one = indicator("i")["id"]
    manifest = client.drain(what="manifest", limit=2, **{"match[version]": "all"})
    records = [record for page in manifest for record in page.objects]
    assert records == client.get(MANIFEST, {"match[version]": "all"}).objects
    path = objects_path(stix_id=one, tail="versions/")
    pages = [client.get(path, {"limit": 4})]
    while pages[-1].next:
        pages.append(client.get(path, {"limit": 4, "next": pages[-1].next}))
    assert [len(page.json["versions"]) for page in pages] == [4, 4, 1]
    assert [v for page in pages for v in page.json["versions"]] == [at(n) for n in range(9)]
    by_date: list[str] = []
    last = EPOCH
    while len(by_date) < 9:
        page = client.get(path, {"limit": 2, "added_after": last})
        by_date += page.json["versions"]
        last = page.last
    assert by_date == [at(n) for n in range(9)]
    assert client.get(path, {"added_after": last}).json == {"more": False}


@pytest.mark.checklist(31)
@pytest.mark.case("P22")
@pytest.mark.case("P23")
def test_next_repeats_also_after_a_restart_and_with_another_limit(
    new_node: Callable[..., Node], wall: Wall
) -> None:
    """The same `next` gives the same page any number of times, from another process, with other keys in front."""
    made = new_node("sqlite")
    with served(made, wall) as server:
        server.publish_many(9)
        client = server.client()
        first = client.objects({"limit": 3})
        token = first.next
        again = [client.objects({"limit": 3, "next": token}) for _ in range(3)]
        assert len({got.raw for got in again}) == 1
        wider = client.objects({"limit": 5, "next": token})
        assert wider.ids[:3] == again[0].ids
        assert client.objects({"next": token}).ids[:5] == wider.ids
        add_token_key(made.secret_files)
        other = reopen(made, wall)
        with serving(other) as port:
            moved = client.with_(port=port)
            wall.forward(timedelta(days=400))
            later = moved.objects({"limit": 3, "next": token})
            assert later.ids == again[0].ids
            assert later.next is not None
            assert later.next.partition(".")[0] != token.partition(".")[0]
            assert client.objects({"limit": 3, "next": again[0].next}).status == 200
            # The process that was there before takes the new key without a restart.
            assert client.objects({"limit": 3, "next": later.next}).status == 200
        other.close()


@pytest.mark.checklist(31)
@pytest.mark.case("P22")
def test_a_foreign_or_changed_next_is_400(server: Served) -> None:
    """Of another partner, collection, resource or object, with a changed letter, of 10 kB, nonsense: 400, no data."""
    server.publish_many(6)
    server.publish_many(6, start=10, to="reports")
    b, c = server.client("b"), server.client("c")
    token = b.objects({"limit": 2}).next
    assert token is not None
    name, _, body = token.partition(".")
    wrong = [
        "abc", "%00", "1", "a.b", ".", f"{name}.", f".{body}", f"{name}.{body}=", f"{name}.{body}A",
        "x" * 10_000, f"{name}.{'A' * 10_000}", f"other.{body}", f"{name}.{body[::-1]}", token.upper(),
        f"{name}.ü",
    ]  # fmt: skip
    wrong += [
        f"{name}.{body[:n]}{'A' if body[n] != 'A' else 'B'}{body[n + 1 :]}"
        for n in range(len(body))
    ]
    for text in wrong:
        got = b.objects({"next": text}) if text != "%00" else b.objects("next=%00")
        assert got.status == 400, text
        assert "next" in got.json["description"]
    assert c.objects({"next": token}).status == 400
    assert b.objects({"next": token}, alias="reports").status == 400
    assert b.get(MANIFEST, {"next": token}).status == 400
    one = indicator("many 1")["id"]
    assert b.get(objects_path(stix_id=one), {"next": token}).status == 400
    manifest = b.get(MANIFEST, {"limit": 2}).next
    assert b.objects({"next": manifest}).status == 400


@pytest.mark.checklist(31)
def test_next_reveals_no_number_of_ours(server: Served) -> None:
    """The text holds position and filters only: equal positions of two partners differ in the digest alone."""
    server.publish_many(4)
    token = server.client().objects({"limit": 2}).next
    assert token is not None
    raw = base64.urlsafe_b64decode(token.partition(".")[2] + "==")
    assert len(raw) == 1 + 4 + 8 + 16  # format, epoch, position, digest


@pytest.mark.checklist(32)
@pytest.mark.case("P04")
@pytest.mark.case("P14")
def test_next_carries_its_filters(server: Served) -> None:
    """Valid alone, with the same filters, beside another `added_after`; other filters beside it are 400."""
    server.scene.publish(*[indicator(f"a{n}") for n in range(4)])
    cursor = server.client().objects().last
    server.scene.publish(*[indicator(f"b{n}") for n in range(5)])
    for n in range(5):
        server.scene.publish(indicator(f"b{n}", version=1))
    client = server.client()
    filters = {"match[type]": "indicator,malware", "match[version]": "all", "added_after": cursor}
    page = client.objects({**filters, "limit": 4})
    whole = client.objects(filters).ids
    assert len(whole) == 10
    token = page.next
    rest = client.objects({"next": token})
    assert page.ids + rest.ids == whole
    same = {"match[type]": "malware,indicator", "match[version]": "all"}
    for beside in (
        {}, same, filters, {"added_after": "2000-01-01T00:00:00Z"}, {"added_after": "9000-01-01T00:00:00Z"},
        {"limit": "100"},
    ):  # fmt: skip
        assert client.objects({**beside, "next": token}).raw == rest.raw
    for other in (
        {"match[type]": "indicator"}, {"match[version]": "all"}, {"match[type]": "indicator,malware"},
        {"match[id]": whole[0]}, {**same, "match[version]": "last"}, {"match[spec_version]": "2.1"},
    ):  # fmt: skip
        got = client.objects({**other, "next": token})
        assert (got.status, "filters" in got.json["description"]) == (400, True)
    plain = client.objects({"limit": 3})
    assert (
        client.objects(
            {"next": plain.next, "match[version]": "last", "match[spec_version]": "2.1"}
        ).status
        == 200
    )
    by_id = client.objects({"limit": 2, "match[id]": ",".join(whole)})
    assert client.objects({"limit": 1, "next": by_id.next}).ids == whole[2:3] or by_id.next is None


@pytest.mark.checklist(32)
def test_next_carries_two_hundred_ids(server: Served) -> None:
    """The longest filter comes back in full."""
    ids = server.publish_many(200)
    client = server.client()
    pages = [client.objects({"match[id]": ",".join(ids), "limit": 90})]
    while pages[-1].next:
        pages.append(client.objects({"next": pages[-1].next, "limit": 90}))
    assert [len(page.objects) for page in pages] == [90, 90, 20]
    assert joined(pages) == ids


@pytest.mark.checklist(32)
def test_an_empty_next_counts_as_absent(server: Served) -> None:
    """Elastic sends it so; it starts at the beginning, or at `added_after`."""
    server.publish_many(3)
    client = server.client()
    assert client.objects("next=").raw == client.objects().raw


@pytest.mark.checklist(34)
@pytest.mark.case("P01")
@pytest.mark.case("P19")
def test_a_poll_by_the_last_date_sees_each_object_once(server: Served) -> None:
    """Hundreds in one transaction have as many instants; the last header as `added_after` skips and repeats nothing."""
    ids = server.publish_many(300)
    client = server.client()
    seen: list[str] = []
    cursor = None
    while True:
        got = client.objects({"limit": 7, **({"added_after": cursor} if cursor else {})})
        if not got.objects:
            break
        seen += got.ids
        cursor = got.last
    assert len(seen) == len(set(seen)) == len(ids) + 2
    assert client.objects({"added_after": cursor}).json == {"more": False}
    more = server.publish_many(3, start=300)
    assert client.objects({"added_after": cursor}).ids == more


@pytest.mark.checklist(35)
@pytest.mark.case("P07")
@pytest.mark.case("P16")
def test_both_date_headers_are_on_every_answer(server: Served) -> None:
    """Six digits and Z, of the first and last object of this answer, on all four endpoints, in line with the manifest."""
    server.publish_many(5)
    client = server.client()
    records = client.get(MANIFEST).objects
    one = records[3]
    for path in (objects_path(), MANIFEST):
        page = client.get(path, {"limit": 3})
        assert (page.first, page.last) == (records[0]["date_added"], records[2]["date_added"])
    for path in (
        objects_path(stix_id=one["id"]),
        objects_path(stix_id=one["id"], tail="versions/"),
    ):
        got = client.get(path)
        assert got.first == got.last == one["date_added"]
        assert DATE.fullmatch(got.first)
    again = client.objects({"added_after": records[-1]["date_added"]})
    assert (again.objects, again.last) == ([], records[-1]["date_added"])


@pytest.mark.checklist(35)
def test_an_empty_answer_leaves_a_client_where_it_was(server: Served) -> None:
    """Both headers: the instant of `next`, else `added_after`, else 1970."""
    client = server.client()
    empty = client.objects(alias="reports")
    assert (empty.first, empty.last) == (EPOCH, EPOCH)
    asked = client.objects({"added_after": "2031-02-03T04:05:06.7Z"})
    assert asked.first == asked.last == "2031-02-03T04:05:06.700000Z"
    for year in ("0001", "9999"):
        got = client.objects({"added_after": f"{year}-01-01T00:00:00Z"}, alias="reports")
        assert got.last == f"{year}-01-01T00:00:00.000000Z"
    ids = server.publish_many(4, to="reports")
    page = client.objects({"limit": 4}, alias="reports")
    assert page.json["more"] is True
    for stix_id in ids:
        releasing.withdraw(
            server.node, stix_id, version=None, collection="reports", by="analyst", reason="wrong"
        )
    rest = client.objects({"next": page.next}, alias="reports")
    assert rest.json == {"more": False}
    assert rest.first == rest.last == page.last


@pytest.mark.case("P20")
@pytest.mark.case("P28")
def test_the_date_is_that_of_the_collection_and_set_once(server: Served) -> None:
    """An object that joins another collection later has another date there; what happens to it here moves nothing."""
    (one,) = server.publish_many(1)
    client = server.client()
    before = client.get(MANIFEST, {"match[id]": one}).objects[0]["date_added"]
    server.wall.forward(timedelta(days=1))
    server.publish_many(1)
    server.publish_many(1, to="reports")
    there = client.get(f"{ROOT}collections/reports/manifest/", {"match[id]": one}).objects[0][
        "date_added"
    ]
    assert there > before
    assert client.get(MANIFEST, {"match[id]": one}).objects[0]["date_added"] == before
    assert client.objects({"added_after": before}).objects == []


@pytest.mark.checklist(34)
def test_what_is_taken_back_between_pages_is_neither_repeated_nor_makes_others_missed(
    server: Served,
) -> None:
    """Withdrawals and arrivals while a client pages: what stays is seen exactly once."""
    ids = server.publish_many(20)
    client = server.client()
    pages = [client.objects({"limit": 4})]
    for n in (0, 5, 6, 7, 8, 19):
        releasing.withdraw(
            server.node, ids[n], version=None, collection=None, by="analyst", reason="wrong"
        )
        pages.append(client.objects({"limit": 4, "next": pages[-1].next}))
        if pages[-1].next is None:
            break
    while pages[-1].next is not None:
        pages.append(client.objects({"limit": 4, "next": pages[-1].next}))
    seen = joined(pages)
    standing = set(client.objects().ids)
    assert standing <= set(seen)
    assert len([one for one in seen if one in standing]) == len(standing)


@pytest.mark.checklist(31)
def test_a_next_of_a_former_audience_starts_the_new_log(server: Served) -> None:
    """A partner that changes its audience goes on with its old `next` and misses nothing of its new log."""
    server.publish_many(6)
    client = server.client()
    token = client.objects({"limit": 3}).next
    cursor = client.objects().last
    server.scene.apply("b", ALLOW_ALL.format(partner="").replace("[]", "[]"))
    assert client.objects({"next": token}).json == {"more": False}
    server.scene.apply("wide", ALLOW_ALL.format(partner="b"))
    whole = client.objects()
    assert len(whole.objects) == 8
    assert client.objects({"next": token}).ids == whole.ids
    assert client.objects({"added_after": cursor}).ids == whole.ids
    assert server.client("c").objects({"next": token}).status == 400


@pytest.mark.checklist(31)
def test_an_authentic_next_from_before_a_restored_backup_answers_from_its_safe_position(
    server: Served,
) -> None:
    """The log is below what was handed out: it starts a new epoch above it; old tokens repeat, and lose nothing."""
    from sqlalchemy import delete, update

    from cert_exchange.store.tables import live, release_log, views

    server.publish_many(4)
    view = server.scene.view("b")
    client = server.client()
    first = client.objects()
    server.publish_many(6, start=4)
    page = client.objects({"added_after": first.last, "limit": 3})
    lost = client.objects({"added_after": first.last, "limit": 6})
    token = page.next
    kept = [line[0] for line in server.scene.log("b")][:6]

    def back(tx: object) -> None:
        for table in (live, release_log):
            tx.execute(delete(table).where(table.c.view == view, table.c.position > kept[-1]))
        tx.execute(update(views).where(views.c.id == view).values(head=kept[-1]))

    server.node.database.transact(back)
    assert client.objects({"next": token}).json == {"more": False}
    fresh = server.publish_many(3, start=50)
    assert client.objects({"added_after": lost.last}).ids == fresh
    assert client.objects({"next": token}).ids == fresh
    newer = client.objects({"limit": 2, "added_after": lost.last})
    assert client.objects({"next": newer.next}).ids == fresh[2:]


@pytest.mark.case("P31")
def test_a_page_ends_at_eight_mebibytes_with_at_least_one_object(
    sqlite_server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of large objects is shorter than its limit, says `more`, and the rest follows; none is too large to come."""
    from cert_exchange.store.pages import reading as store_pages

    monkeypatch.setattr(store_pages, "BYTES_OF_A_PAGE", 5_000)
    sqlite_server.scene.publish(
        *[
            indicator(f"i{n}", description="x" * size)
            for n, size in enumerate((2_000, 2_000, 9_000, 100, 2_000))
        ]
    )
    client = sqlite_server.client()
    pages = client.drain(limit=1_000, **{"match[type]": "indicator"})
    assert [[len(one["description"]) for one in page.objects] for page in pages] == [
        [2_000, 2_000], [9_000], [100, 2_000],
    ]  # fmt: skip
    (records,) = client.drain(
        limit=1_000, what="manifest"
    )  # which are small whatever the objects are
    assert len(records.objects) == 7


@pytest.mark.case("P17")
@pytest.mark.case("D11")
def test_a_page_is_a_fixed_number_of_statements_through_an_index(server: Served) -> None:
    """Early and late pages: the same few statements, each a search in an index."""
    server.publish_many(60)
    client = server.client()
    pages = client.drain(limit=5)
    counts = set()
    for token in (pages[0].next, pages[5].next, pages[10].next):
        client.objects({"next": token, "limit": 5})  # the mark is there now
        seen: list[str] = []
        with server.node.database.raw.observed(seen.append):
            client.objects({"next": token, "limit": 5})
        counts.add(len([text for text in seen if "PRAGMA" not in text.upper()]))
    assert counts == {4}  # credential, rights, bounds, page


@pytest.mark.case("D01")
@pytest.mark.case("D16")
def test_polls_go_on_while_others_post(server: Served) -> None:
    """Writers and a poller at once: no error, and at the end the poller holds each object once."""
    from concurrent.futures import ThreadPoolExecutor

    from tests.scenes import B_IDENTITY

    server.scene.apply("c", "partners: [c]\ncollections: [indicators]\nceiling: {tlp: amber, unmarked: green}\n"
                            "rules:\n  - {name: theirs, match: {origin: b}, allow: true}\n")  # fmt: skip
    b, c = server.client("b"), server.client("c")

    def push(number: int) -> list[int]:
        return [
            b.post(objects_path(), {"objects": [
                indicator(f"w{number} {n} {k}", by=B_IDENTITY) for k in range(20)
            ]}).json["success_count"]
            for n in range(3)
        ]  # fmt: skip

    seen: list[str] = []
    cursor = EPOCH
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(push, number) for number in range(4)]
        while True:
            ended = all(one.done() for one in running)
            got = c.objects({"added_after": cursor, "limit": 50, "match[type]": "indicator"})
            assert got.status == 200
            seen += got.ids
            if got.objects:
                cursor = got.last
            elif ended:
                break
        assert {count for one in running for count in one.result()} == {20}
    assert len(seen) == len(set(seen)) == 4 * 3 * 20


@pytest.mark.case("T34")
def test_a_stored_row_that_is_no_stix_spoils_no_page(server: Served) -> None:
    """Bytes are not looked at when they are served: a row of an older release cannot make a page fail."""
    from sqlalchemy import select, update

    from cert_exchange.store.tables import live, renditions

    ids = server.publish_many(3)
    view = server.scene.view("b")

    def spoil(tx: object) -> None:
        row = (
            select(live.c.rendition)
            .where(live.c.view == view)
            .order_by(live.c.position.desc())
            .limit(1)
        )
        number = tx.execute(row).scalar_one()
        tx.execute(update(renditions).where(renditions.c.id == number).values(body='{"old": 1}'))

    server.node.database.transact(spoil)
    got = server.client().objects()
    assert got.status == 200
    assert {one.get("id") for one in got.objects} >= set(ids[:2])
    assert partners.listing(server.node)
