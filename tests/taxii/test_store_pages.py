"""The page that SQL joined, compared with one joined in Python; its plans; the order of mark and page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.scenes import Scene, address, indicator, malware

from cert_exchange.node import Node
from cert_exchange.services import polling, releasing
from cert_exchange.services.polling import PageQuery, Resource
from cert_exchange.store import pages
from cert_exchange.store.pages import FOREVER, Filters, Part, Versions, reading
from cert_exchange.store.pages.statements import page_statement
from cert_exchange.store.tables import identifiers, live, renditions

TYPES = ("indicator", "malware", "ipv4-addr", "identity", "x-none")


@pytest.fixture
def scene(node: Node) -> Scene:
    """Forty objects of four types, up to four versions each, some taken back."""
    made = Scene.set_up(node)
    for version in range(4):
        made.publish(
            *[indicator(f"i{n}", version=version, description="ü" * n) for n in range(version, 12)],
            *[malware(f"m{n}", version=version) for n in range(0, 12, version + 1)],
        )
    made.publish(*[address(f"198.51.100.{n}") for n in range(8)])
    for name in ("i3", "i11"):
        releasing.withdraw(
            node, indicator(name)["id"], version=None, collection=None, by="analyst", reason="x"
        )
    return made


def rows_of(scene: Scene) -> list[Any]:
    """The view in order, as rows, read without the code under test."""
    with scene.node.database.reading() as tx:
        statement = (
            select(live, identifiers.c.stix_id, renditions.c.body)
            .join(identifiers, identifiers.c.num == live.c.ident)
            .join(renditions, renditions.c.id == live.c.rendition)
            .where(live.c.view == scene.view("b"))
            .order_by(live.c.position)
        )
        return list(tx.execute(statement).mappings())


def chosen(rows: Sequence[Any], filters: Filters) -> list[Any]:
    """What the filters choose, in Python."""
    versions = filters.versions
    return [
        row
        for row in rows
        if (filters.ids is None or row["stix_id"] in filters.ids)
        and (filters.types is None or row["type"] in filters.types)
        and (
            versions.every
            or (versions.last and row["is_last"])
            or (versions.first and row["is_first"])
            or row["version_key"] in versions.keys
        )
    ]


def filters_from(data: st.DataObject, rows: Sequence[Any]) -> Filters:
    def some(values: Sequence[str], most: int) -> tuple[str, ...] | None:
        drawn = data.draw(
            st.one_of(
                st.none(),
                st.lists(st.sampled_from(list(values)), min_size=1, max_size=most, unique=True),
            )
        )
        return None if drawn is None else tuple(sorted(drawn))

    keys = some(sorted({row["version_key"] for row in rows}), 3) or ()
    last, first = data.draw(st.booleans()), data.draw(st.booleans())
    every = data.draw(st.booleans()) or not (last or first or keys)
    versions = (
        Versions(every=True, last=False) if every else Versions(last, first, every=False, keys=keys)
    )
    return Filters(some(sorted({row["stix_id"] for row in rows}), 9), some(TYPES, 4), versions)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_the_page_joined_in_sql_is_the_page_joined_in_python(
    scene: Scene, data: st.DataObject
) -> None:
    """Any filters, any start, any limit: bounds, bytes, records, versions, `more`."""
    rows = rows_of(scene)
    filters = filters_from(data, rows)
    after = data.draw(st.sampled_from([0, *[row["position"] for row in rows]]))
    limit = data.draw(st.integers(1, 60))
    wanted = [row for row in chosen(rows, filters) if row["position"] > after]
    page = wanted[:limit]
    dialect, view = scene.node.database.dialect, scene.view("b")
    with scene.node.database.raw_reader() as connection:
        bounds = pages.bounds(
            dialect, connection, view, filters, part=Part.BODY, after=after, limit=limit
        )
        assert bounds.count == len(page)
        assert bounds.more is (len(wanted) > limit)
        assert bounds.end == (page[-1]["position"] if page else after)
        texts = {}
        for part in Part:
            joined = pages.joined(
                dialect,
                connection,
                view,
                filters,
                part=part,
                after=after,
                end=bounds.end,
                limit=limit,
            )
            assert joined.count == len(page)
            if page:
                assert (joined.first, joined.last) == (page[0]["position"], page[-1]["position"])
            texts[part] = joined.text.decode()
    assert texts[Part.BODY] == ",".join(row["body"] for row in page)
    assert texts[Part.RECORD] == pages.RECORD.join(
        pages.UNIT.join((row["stix_id"], row["version"], str(row["position"]))) for row in page
    )
    assert texts[Part.VERSION] == pages.RECORD.join(row["version"] for row in page)


@pytest.mark.case("P17")
@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(versions=Versions(every=True, last=False)),
        Filters(types=("indicator",)),
        Filters(types=("indicator", "malware", "tool")),
        Filters(types=("indicator", "malware"), versions=Versions(every=True, last=False)),
        Filters(ids=("indicator--a", "indicator--b", "indicator--c")),
        Filters(ids=("indicator--a",), types=("indicator",)),
    ],
)
def test_every_page_walks_an_index_from_where_it_starts(
    sqlite_node: Node, filters: Filters
) -> None:
    """SQLite's plan has no scan of a table and no sort of the view: only searches, and sorts of what was limited."""
    shape = pages.shape_of(filters)
    assert not shape.scans
    with sqlite_node.database.raw_reader() as connection:
        for part in (None, *Part):
            prepared = page_statement("sqlite", part, shape)
            values = {**prepared.fixed, **reading._values(1, filters, 0, FOREVER, 100)}
            plan = connection.execute(f"EXPLAIN QUERY PLAN {prepared.text}", values).fetchall()
            lines = [row[3] for row in plan]
            assert any("live" in line for line in lines)
            for line in lines:
                if "SCAN live" in line or "SCAN identifiers" in line or "SCAN renditions" in line:
                    pytest.fail(line)
            searches = [line for line in lines if "SEARCH live" in line]
            assert all(
                "view=?" in line and ("position>?" in line or "ident=?" in line)
                for line in searches
            )


def test_a_filter_that_must_walk_says_so() -> None:
    """Versions by instant, or first ones, without ids: no index leads there, and the event loop is spared."""
    assert pages.shape_of(Filters(versions=Versions(first=True, last=False))).scans
    assert pages.shape_of(Filters(versions=Versions(keys=("2026-01-01T00:00:00.",)))).scans
    assert not pages.shape_of(Filters(ids=("a",), versions=Versions(first=True, last=False))).scans


def query(**more: Any) -> PageQuery:
    return PageQuery(Resource.OBJECTS, **more)


def poll(scene: Scene, asked: PageQuery, name: str = "b") -> polling.Page:
    with scene.node.database.raw_reader() as connection:
        caller = scene.caller(name)
        grant = polling.find_collection(scene.node, connection, caller, "indicators")
        return polling.poll(scene.node, connection, caller, grant, asked, inline=False)


def test_the_mark_is_durable_before_the_page_is_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever a page's bytes are read, the mark already covers them; a page that fails leaves it overstated."""
    marks, b, view = scene.node.marks, scene.partner("b"), scene.view("b")
    joined = pages.joined
    seen: list[tuple[int, int]] = []

    def watched(*args: Any, **kwargs: Any) -> pages.Joined:
        found = joined(*args, **kwargs)
        durable = {(one.partner, one.view): one.position for one in marks.everything()}
        seen.append((found.last, durable[b, view]))
        return found

    monkeypatch.setattr(pages, "joined", watched)
    after = 0
    while (page := poll(scene, query(added_after=after, limit=7))).count:
        after = page.last
    assert all(last <= mark for last, mark in seen)
    assert marks.reached(b, view) == after

    def fails(*_: Any, **__: Any) -> pages.Joined:
        raise RuntimeError("the process ends here")

    scene.publish(indicator("new"))
    monkeypatch.setattr(pages, "joined", fails)
    with pytest.raises(RuntimeError):
        poll(scene, query(added_after=after))
    assert marks.highest(view) > after


def test_a_poll_that_advances_nothing_writes_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same page again, and an empty one: no mark is written."""
    page = poll(scene, query(limit=7))

    def advance(*_: Any) -> None:
        pytest.fail("a mark was written")

    monkeypatch.setattr(scene.node.marks, "advance", advance)
    assert poll(scene, query(limit=7)).text == page.text
    assert poll(scene, query(added_after=2**62)).count == 0


@pytest.mark.parametrize("resource", list(Resource))
def test_every_resource_that_shows_ids_advances_the_mark(scene: Scene, resource: Resource) -> None:
    """Manifest, one object and versions tell of objects as the objects do."""
    stix_id = indicator("i5")["id"] if resource in (Resource.OBJECT, Resource.VERSIONS) else ""
    filters = Filters(versions=Versions(every=True, last=False))
    page = poll(scene, PageQuery(resource, stix_id, filters=filters))
    assert page.count
    assert scene.node.marks.reached(scene.partner("b"), scene.view("b")) == page.last
    assert scene.node.marks.reached(scene.partner("c"), scene.view("c")) == 0


def test_what_is_taken_back_between_bounds_and_page_is_not_shown(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's snapshot is newer than the mark: a withdrawal that was committed in between is obeyed, no page is empty
    while more is to come."""
    first = poll(scene, query(limit=4))
    gone = [row["stix_id"] for row in rows_of(scene) if row["is_last"]][4:8]
    advance = scene.node.marks.advance

    def taken_back(partner: int, view: int, position: int) -> None:
        advance(partner, view, position)
        while gone:
            releasing.withdraw(
                scene.node, gone.pop(), version=None, collection=None, by="analyst", reason="x"
            )

    names = set(gone)
    monkeypatch.setattr(scene.node.marks, "advance", taken_back)
    page = poll(scene, query(next=first.next, limit=4))
    shown = {row["stix_id"] for row in rows_of(scene) if row["body"] in page.text.decode()}
    assert page.count == 4
    assert not shown & names
