"""A page of any number of objects: read part by part, with a limit in bytes, and its cursor moves with its last part."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from tests.neighbour import Reply
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source, quarantined, received, row, sync

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote import envelope as envelopes
from cert_exchange.remote.envelope import pieces, read_envelope
from cert_exchange.remote.pager import Page
from cert_exchange.services.syncing import reading

LAST = "2026-05-01T00:00:00.000000Z"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large is a matter of numbers: here four objects are."""
    monkeypatch.setattr(reading, "PART_OBJECTS", 4)
    for module in (reading, envelopes):
        monkeypatch.setattr(module, "WHOLE_BYTES", 256)


def body_of(*objects: Any, more: bool = False) -> bytes:
    return json.dumps({"more": more, "objects": list(objects)}).encode()


def test_pieces_are_what_the_whole_is() -> None:
    """Strings with brackets, commas and quotes inside; white space; nothing, and no list."""
    odd = 'a "quoted" ], {'
    objects = [{"id": f"x--{n}", "a": odd, "b": [1, {"c": []}]} for n in range(5)]
    body = b' { "more" : true , "objects" : [ ' + b" , ".join(
        json.dumps(one).encode() for one in objects
    ) + b' ], "next": "t" } '  # fmt: skip
    assert [json.loads(one) for one in pieces(body)] == objects
    assert list(pieces(b'{"objects": []}')) == []
    assert list(pieces(b'{"more": false}')) == []
    with pytest.raises(errors.RemoteAnswerInvalid, match="broke off"):
        list(pieces(b'{"objects": [{"a": 1}, {"b"'))


@pytest.mark.usefixtures("small_parts")
def test_an_envelope_is_read_the_same_by_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks, digest, `more` and `next`; a broken object costs its own mark only."""
    body = body_of(*(indicator(f"i{n}") for n in range(9)), more=True)
    by_pieces = read_envelope(body)
    monkeypatch.setattr(envelopes, "WHOLE_BYTES", len(body))
    assert read_envelope(body) == by_pieces
    monkeypatch.setattr(envelopes, "WHOLE_BYTES", 16)
    for wrong in (b'[{"objects": []}, 1, 2]', b'{"objects": {"a": [1, 2]}}', b'{"objects": [1, 2'):
        with pytest.raises(errors.RemoteAnswerInvalid):
            read_envelope(wrong)


@pytest.mark.case("W12")
@pytest.mark.usefixtures("small_parts")
def test_a_large_page_comes_whole_and_its_bad_objects_are_refused(
    node: Node, neighbour: Any
) -> None:
    """Ten objects in parts of four: two are bad, eight are here, each counted once, and the cursor stands."""
    scene = Scene.set_up(node)
    good = [indicator(f"i{n}", by=B_IDENTITY) for n in range(8)]
    broken = indicator("broken", by=B_IDENTITY) | {"pattern": 7}
    body = body_of(*good[:3], broken, *good[3:], {"id": "nothing"})
    add_source(node, neighbour(lambda _: Reply(200, body, {"X-TAXII-Date-Added-Last": LAST})))
    report = sync(node)
    assert (report.fates["new"], report.fates["failed"]) == (8, 2)
    assert (report.counts["received"], report.counts["pages"]) == (10, 1)
    assert received(scene) == [f"i{n}" for n in range(8)]
    assert len(quarantined(node)) == 2
    assert row(node)["cursor"] == LAST


@pytest.mark.case("W12")
@pytest.mark.usefixtures("small_parts")
def test_killed_between_two_parts_nothing_is_lost_or_doubled(
    node: Node, neighbour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first part is here and the cursor is not: the page is fetched again, and its first part comes as unchanged."""
    scene = Scene.set_up(node)
    body = body_of(*(indicator(f"i{n}", by=B_IDENTITY) for n in range(10)))
    add_source(node, neighbour(lambda _: Reply(200, body, {"X-TAXII-Date-Added-Last": LAST})))
    original = type(node.database).transact
    parts = [0]

    def transact(self: Any, work: Any) -> Any:
        if work.__qualname__.startswith("_store_part."):
            parts[0] += 1
            if parts[0] == 2:
                raise errors.StoreUnavailable(detail="injected")
        return original(self, work)

    with monkeypatch.context() as patch:
        patch.setattr(type(node.database), "transact", transact)
        assert not sync(node).ok
    assert len(received(scene)) == 4
    assert row(node)["cursor"] is None
    report = sync(node)
    assert (report.fates["new"], report.fates["unchanged"]) == (6, 4)
    assert received(scene) == [f"i{n}" for n in range(10)]


def test_memory_is_that_of_the_bytes_and_one_part(
    sqlite_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page costs little beside its bytes; parsed whole it is several times as much."""
    monkeypatch.setattr(reading, "PART_OBJECTS", 50)
    for module in (reading, envelopes):
        monkeypatch.setattr(module, "WHOLE_BYTES", 64 * 1024)
    one = json.dumps(indicator("x", by=B_IDENTITY)).encode()
    body = b'{"objects":[' + b",".join([one] * 1_500) + b"]}"
    limits = sqlite_node.limits
    list(reading.parts_of(Page(1, body_of({}), read_envelope(body_of({})), None, None, 0), limits))

    def cost(of: bytes) -> int:
        tracemalloc.start()
        try:
            page = Page(1, of, read_envelope(of), None, None, 0)
            parts: Iterator[Any] = reading.parts_of(page, limits)
            assert len(next(parts).items) >= reading.PART_OBJECTS
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    by_parts = cost(body)
    for module in (reading, envelopes):
        monkeypatch.setattr(module, "WHOLE_BYTES", len(body))
    assert by_parts < len(body)
    assert cost(body) > 3 * by_parts
