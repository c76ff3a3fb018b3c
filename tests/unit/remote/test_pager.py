"""Paging through a neighbour's collection: what advances, what ends, what is survived."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.neighbour import Asked, Collection, Neighbour, Reply, page, scripted
from tests.unit.remote.conftest import NOW, pager

from cert_exchange import errors
from cert_exchange.remote.envelope import cut, read_envelope
from cert_exchange.remote.pager import End, Note, manifest_cursor
from cert_exchange.stix.instants import format_micros, parse_micros

T1, T2, T3 = (f"2026-05-0{day}T00:00:00.000000Z" for day in (1, 2, 3))


def things(*numbers: int) -> list[dict[str, str]]:
    return [
        {"type": "x", "id": f"x--{number}", "modified": "2015-01-01T00:00:00Z"}
        for number in numbers
    ]


def ids(run: Any) -> list[str]:
    return [mark[0] for one in run for mark in one.envelope.marks]


@pytest.mark.case("P11")
@pytest.mark.parametrize("server", ["foreign", "cert-exchange"])
@pytest.mark.parametrize("with_next", [True, False])
def test_one_run_drains_the_collection(neighbour, server, with_next):
    """All pages until `more` is false, by `next` or by date."""
    rows = [(format_micros(NOW - 1000 + n), things(n)[0]) for n in range(57)]
    peer = neighbour(Collection(rows, with_next=with_next))
    run = pager(peer, server=server, limit=10)
    got = ids(run)
    assert list(dict.fromkeys(got)) == [f"x--{n}" for n in range(57)]
    assert run.end is End.DRAINED
    assert run.cursor == rows[-1][0]
    if server == "cert-exchange" or with_next:
        assert len(got) == 57


@pytest.mark.case("P02")
@pytest.mark.case("P04")
@pytest.mark.case("P14")
def test_next_is_opaque_and_goes_with_the_same_options(neighbour):
    """Sent back unchanged, beside the options of the first request and no others."""
    token = "5c8f-opaque/+ %26=&é"
    peer = neighbour(
        scripted(
            page(things(1), more=True, next=token, last=T2), page(things(2), more=False, last=T3)
        )
    )
    run = pager(peer, cursor=T1, server="cert-exchange", match={"type": "indicator"}, limit=50)
    assert ids(run) == ["x--1", "x--2"]
    first, second = (one.query for one in peer.gets())
    assert first == {"added_after": T1, "limit": "50", "match[type]": "indicator"}
    assert second == first | {"next": token}


@pytest.mark.case("P08")
@pytest.mark.checklist(66)
@pytest.mark.parametrize("modified", ["2015-01-01T00:00:00Z", "2035-01-01T00:00:00Z"])
def test_the_cursor_is_the_header_as_received(neighbour, modified):
    """Neither `modified` nor our clock: the text of X-TAXII-Date-Added-Last."""
    peer = neighbour(
        scripted(
            page(
                [{"id": "x--1", "modified": modified}],
                first="2026-05-02T00:00:00Z",
                last="2026-05-02T01:00:00.1+01:00",
            )
        )
    )
    run = pager(peer)
    assert [one.cursor for one in run] == ["2026-05-02T01:00:00.1+01:00"]


@pytest.mark.case("P01")
@pytest.mark.parametrize("server", ["foreign", "cert-exchange"])
def test_an_inclusive_server_does_not_hold_us_for_ever(neighbour, server):
    """Five objects of one instant, added_after inclusive, more until an empty page: a visible error, objects kept."""

    def behaviour(asked: Asked) -> Reply:
        after = parse_micros(asked.query.get("added_after", "1970-01-01T00:00:00Z"))
        rows = [(T1, 1), (T2, 2), *((T3, n) for n in range(3, 8))]
        some = [row for row in rows if parse_micros(row[0]) >= after][: int(asked.query["limit"])]
        return page(
            things(*(row[1] for row in some)), more=bool(some), first=some[0][0], last=some[-1][0]
        )

    peer = neighbour(behaviour)
    run = pager(peer, server=server, limit=5)
    kept: list[str] = []
    with pytest.raises(errors.RemoteAnswerInvalid, match="does not advance"):  # noqa: PT012 - pages count too
        for one in run:
            kept += [mark[0] for mark in one.envelope.marks]
    assert {f"x--{n}" for n in range(1, 8)} <= set(kept)
    assert len(peer.requests) < 20


@pytest.mark.checklist(67)
@pytest.mark.parametrize("limit", [2, 3, 5])
def test_one_instant_across_a_page_border(neighbour, limit):
    """Without `next`, and with several objects on one instant: none is lost, also when they are more than a page."""
    dates = [T1, T2, T2, T2, T2, T2, T3, T3]
    peer = neighbour(
        Collection([(date, things(n)[0]) for n, date in enumerate(dates)], with_next=False)
    )
    assert set(ids(pager(peer, limit=limit))) == {f"x--{n}" for n in range(8)}


@pytest.mark.checklist(67)
def test_overlap_below_the_cursor(neighbour):
    """A foreign server is asked again for ten minutes below the cursor, with six digits; ours is not."""
    peer = neighbour(scripted(page([])))
    list(pager(peer, cursor="2026-05-01T00:00:00Z"))
    list(pager(peer, cursor=T1, server="cert-exchange"))
    list(pager(peer, cursor="2026-05-01T00:00:00Z", overlap_seconds=0))
    assert [one.query["added_after"] for one in peer.gets()] == [
        "2026-04-30T23:50:00.000000Z",
        T1,
        "2026-04-30T23:59:59.999999Z",
    ]


@pytest.mark.case("P13")
def test_an_ignored_filter_is_noticed(neighbour):
    """The first date lies before what was asked: noted once, the pages are still given."""
    peer = neighbour(scripted(page(things(1), first=T1, last=T2)))
    run = pager(peer, cursor=T3)
    assert ids(run) == ["x--1"]
    assert run.notes == {Note.FILTER_IGNORED}
    assert run.cursor == T3  # never falls


@pytest.mark.case("P16")
def test_without_date_headers_the_manifest_tells(neighbour):
    """The cursor is the manifest's date up to the first record that this run did not bring."""

    def behaviour(asked: Asked) -> Reply:
        if asked.path.endswith("/manifest/"):
            records = [
                {"id": f"x--{n}", "date_added": date} for n, date in ((1, T1), (2, T2), (9, T3))
            ]
            return page(records, more=False)
        return page(things(1, 2), more=False)

    peer = neighbour(behaviour)
    run = pager(peer)
    seen = set(ids(run))
    assert run.notes == {Note.NO_DATES}
    assert run.cursor is None
    walk = pager(peer)
    walk.resource = "manifest"
    assert manifest_cursor(walk, seen) == T2


def test_dates_in_the_future_are_no_cursor(neighbour):
    """A date of the year 9999 would silence the source for ever."""
    peer = neighbour(
        scripted(page(things(1), first="9999-12-31T00:00:00Z", last="9999-12-31T00:00:00Z"))
    )
    run = pager(peer, cursor=T1)
    assert ids(run) == ["x--1"]
    assert run.cursor == T1
    assert Note.FUTURE_DATES in run.notes


@pytest.mark.parametrize("text", ["yesterday", "", "2026-02-30T00:00:00Z", "Mon Jan 01 2024"])
def test_nonsense_dates_count_as_missing(neighbour, text):
    """What is no RFC 3339 timestamp is no cursor."""
    peer = neighbour(scripted(page(things(1), first=text or None, last=text or None)))
    run = pager(peer)
    list(run)
    assert (run.cursor, run.notes) == (None, {Note.NO_DATES})


@pytest.mark.checklist(65)
def test_two_empty_pages_that_promise_more(neighbour):
    """End with a reason of their own."""
    peer = neighbour(scripted(page([], more=True, next="a"), page([], more=True, next="b")))
    run = pager(peer)
    assert len(list(run)) == 2
    assert run.end is End.EMPTY_TWICE


@pytest.mark.checklist(65)
def test_an_empty_page_in_the_middle_is_survived(neighbour):
    """One empty page with more: the run goes on."""
    peer = neighbour(
        scripted(
            page(things(1), more=True, next="a", last=T1),
            page([], more=True, next="b"),
            page(things(2), last=T2),
        )
    )
    assert ids(pager(peer)) == ["x--1", "x--2"]


@pytest.mark.checklist(65)
@pytest.mark.parametrize("fresh_tokens", [True, False])
@pytest.mark.parametrize("dated", [True, False])
def test_a_circle_of_pages_ends(neighbour, fresh_tokens, dated):
    """Pages that come again, under one `next` or ever new ones, are an error and not a life's work."""
    count = [0]

    def behaviour(_: Asked) -> Reply:
        count[0] += 1
        number = count[0] % 2
        token = f"t{count[0]}" if fresh_tokens else f"t{number}"
        return page(things(number), more=True, next=token, last=(T1, T2)[number] if dated else None)

    run = pager(neighbour(behaviour))
    with pytest.raises(errors.RemoteAnswerInvalid, match="circle"):
        list(run)
    assert count[0] < 12


def test_one_next_for_all_pages(neighbour):
    """medallion repeats one `next` while it moves on: that is no circle."""
    peer = neighbour(
        scripted(
            page(things(1), more=True, next="same", last=T1),
            page(things(2), more=True, next="same", last=T1),
            page(things(3), more=False, last=T1),
        )
    )
    assert ids(pager(peer)) == ["x--1", "x--2", "x--3"]


@pytest.mark.case("P23")
@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_forgotten_next_begins_again_at_the_safe_instant(neighbour, status):
    """`next` expired: the same range is asked again without it, and only so often."""
    forgets = [1]

    def behaviour(asked: Asked) -> Reply:
        if "next" in asked.query and forgets[0]:
            forgets[0] -= 1
            return Reply(status)
        return Collection([(T1, things(1)[0]), (T2, things(2)[0]), (T3, things(3)[0])])(asked)

    run = pager(neighbour(behaviour), limit=1)
    assert set(ids(run)) == {"x--1", "x--2", "x--3"}
    assert Note.TOKEN_LOST in run.notes
    forgets[0] = 10**6
    with pytest.raises(errors.RemoteRefused, match=str(status)):
        list(pager(neighbour(behaviour), limit=1))


def test_a_refused_first_page_is_no_lost_token(neighbour):
    """404 without `next` is the collection's: it is raised at once."""
    peer = neighbour(scripted(Reply(404)))
    with pytest.raises(errors.RemoteRefused, match="404"):
        list(pager(peer))
    assert len(peer.requests) == 1


@pytest.mark.case("W10")
def test_too_large_pages_are_halved(neighbour):
    """Smaller pages until they fit; one object that does not fit is an error that names the bytes."""
    rows = [(format_micros(NOW - 100 + n), things(n)[0] | {"pad": "p" * 300}) for n in range(20)]
    run = pager(neighbour(Collection(rows)), limit=16, max_answer_bytes=2000)
    assert set(ids(run)) == {f"x--{n}" for n in range(20)}
    assert run.limit == 4
    assert Note.PAGES_HALVED in run.notes
    with pytest.raises(errors.RemoteAnswerInvalid, match="larger than 200 bytes"):
        list(pager(neighbour(Collection(rows)), limit=16, max_answer_bytes=200))


@pytest.mark.checklist(65)
def test_page_cap_time_and_stop(neighbour):
    """Each end has its own reason, and what was given stays."""
    rows = [(format_micros(NOW - 100 + n), things(n)[0]) for n in range(20)]
    peer = neighbour(Collection(rows))
    capped = pager(peer, limit=5, page_cap=2)
    assert (len(list(capped)), capped.end) == (2, End.PAGE_CAP)
    stopped = pager(peer, limit=5)
    stopped.stop = lambda: len(peer.requests) >= 5
    assert (len(list(stopped)), stopped.end) == (3, End.STOPPED)
    clock = iter(range(0, 10**6, 100))
    timed = pager(peer, limit=5, run_seconds=150)
    timed.monotonic = lambda: next(clock)
    assert (len(list(timed)), timed.end) == (2, End.TIME)


@pytest.mark.case("W15")
@pytest.mark.case("W18")
@pytest.mark.checklist(69)
@pytest.mark.parametrize("body", [b"{}", b'{"objects": null}', b'{"objects": []}', b"", b" \n"])
def test_all_forms_of_nothing(neighbour, body):
    """{}, null, [], an empty body and 204 mean empty; absent `more` means false."""
    for reply in (Reply(body=body), Reply(204, b"")):
        run = pager(neighbour(scripted(reply)))
        assert ids(run) == []
        assert run.end is End.DRAINED


@pytest.mark.case("W18")
def test_more_that_is_absent_or_no_boolean_is_false(neighbour):
    """Only `true` promises more."""
    for envelope in ({"objects": things(1)}, {"objects": things(1), "more": "yes", "next": "t"}):
        peer = neighbour(scripted(Reply(body=json.dumps(envelope).encode())))
        assert ids(pager(peer)) == ["x--1"]
        assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "body", [b"[]", b"17", b'{"objects": {}}', b'{"objects": [', b"{]", b"\xff\xfe"]
)
def test_no_envelope(neighbour, body):
    """What is no envelope is an error of the remote."""
    with pytest.raises(errors.RemoteAnswerInvalid):
        list(pager(neighbour(scripted(Reply(body=body)))))


@pytest.mark.case("S12")
@pytest.mark.parametrize(
    "poison",
    [
        b'{"id": "x--2", "name": "\\ud800"}',
        b'{"id": "x--2", "a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"id": "x--2", "n": NaN}',
        b'{"id": "x--2", "n": "\xff"}',
    ],
)
def test_one_poisonous_object_does_not_hide_its_page(neighbour, poison):
    """The page's `more` and `next` are still found, and the objects are cut out as they came."""
    body = (
        b'{"more": true, "objects": [{"id": "x--1", "a": "],}"}, '
        + poison
        + b' , {"id": "x--3"}], "next": "t"}'
    )
    peer = neighbour(scripted(Reply(body=body), page(things(4))))
    pages = list(pager(peer))
    assert pages[0].envelope.count == 3
    assert peer.gets()[1].query["next"] == "t"
    assert cut(body)[1] == (b'{"id": "x--1", "a": "],}"}', poison, b'{"id": "x--3"}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(), json_values, max_size=4), max_size=6),
    st.dictionaries(st.text(max_size=8), json_values, max_size=3),
    st.sampled_from([None, 1]),
)
def test_cut_agrees_with_a_parser(objects, around, indent):
    """Whatever stands in and around the objects, the pieces are the objects and the shell is the rest."""
    around.pop("objects", None)
    document = {**around, "objects": objects, "more": True}
    shell, pieces = cut(json.dumps(document, indent=indent).encode())
    assert [json.loads(piece) for piece in pieces] == objects
    assert json.loads(shell) == document | {"objects": []}
    assert read_envelope(json.dumps(document).encode()).count == len(objects)


def test_cut_is_linear():
    """Ten megabytes of hostile text take no longer than ten megabytes do."""
    cut(b'{"objects": [' + b'"' + b"\\\\" * 5_000_000 + b'"' + b"]}")
    with pytest.raises(errors.RemoteAnswerInvalid):
        cut(b'{"objects": [' + b'"' * 1_000_001)


def test_neighbour_can_tell(neighbour: Any) -> None:
    """The collection itself is exclusive unless told otherwise, so that these tests can fail."""
    peer: Neighbour = neighbour(Collection([(T1, things(1)[0])]))
    assert ids(pager(peer, cursor=T1, server="cert-exchange")) == []
    peer.behaviour = Collection([(T1, things(1)[0])], inclusive=True)
    assert ids(pager(peer, cursor=T1, server="cert-exchange")) == ["x--1"]


@pytest.mark.case("T06")
@pytest.mark.parametrize("mend", [False, True])
def test_a_type_in_the_place_of_spec_version_is_mended_where_that_is_asked_for(neighbour, mend):
    """As OpenTAXII up to 0.9.3 writes it; in texts, and where another version stands, nothing is touched."""
    text = 'says "spec_version": "indicator"'
    objects = [
        {"type": "indicator", "spec_version": "indicator", "id": "a", "name": text},
        {"type": "tool", "spec_version": "2.0", "id": "b", "x_spec": {"spec_version": "none"}},
    ]
    peer = neighbour(scripted(page(objects)))
    walk = pager(peer, mend_spec_version=mend)
    (got,) = list(walk)
    if mend:
        objects[0]["spec_version"] = "2.1"
    assert json.loads(got.body)["objects"] == objects
    assert (Note.SPEC_VERSION_MENDED in walk.notes) is mend
