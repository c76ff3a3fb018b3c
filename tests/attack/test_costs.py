"""What one object may cost: twice as much of it costs about twice the time, whatever it is made of.

Measured is this process's own time, the best of three, at a size and at four times that size: linear work costs four times,
quadratic sixteen. What stands below was found by trying; a check that grows faster than its input is a partner's lever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from tests.scenes import B_IDENTITY, TLP, Scene, envelope, indicator, report, uid

from cert_exchange.errors import NotAcceptable
from cert_exchange.node import Node
from cert_exchange.remote.connection import cleaned
from cert_exchange.services import publishing
from cert_exchange.services.polling import Resource
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import examine
from cert_exchange.taxii.negotiation import check_accept
from cert_exchange.taxii.queries import page_query
from cert_exchange.taxii.wire import request_of

TOO_FAST = 0.02
"""Seconds; below that nothing can be said, and nothing need be."""
MOST = 9.0
COMPARISON = "ipv4-addr:value = '1.2.3.4'"
Shape = Callable[[int], Mapping[str, Any]]


def of(**more: Any) -> dict[str, Any]:
    return {**indicator("x", by=B_IDENTITY), **more}


SHAPES: dict[str, Shape] = {
    "zeros after a point": lambda n: of(description="0." + "0" * 4 * n),
    "many comparisons": lambda n: of(pattern=f"[{' AND '.join([COMPARISON] * n)}]"),
    "nested parentheses": lambda n: of(pattern="[" + "(" * n + COMPARISON + ")" * n + "]"),
    "many observations": lambda n: of(pattern=" FOLLOWEDBY ".join([f"[{COMPARISON}]"] * n)),
    "a long set": lambda n: of(pattern="[a:b IN (" + ",".join(["'a'"] * n) + ")]"),
    "a long path": lambda n: of(pattern="[a:" + ".".join(["b"] * n) + " = 1]"),
    "qualifiers": lambda n: of(pattern=f"[{COMPARISON}]" + " WITHIN 5 SECONDS" * n),
    "a pattern that never ends": lambda n: of(pattern="[" * n),
    "quotes": lambda n: of(pattern="[a:b = '" + "\\'" * n),
    "selectors": lambda n: of(
        labels=["l"] * n,
        granular_markings=[
            {"selectors": [f"labels.[{one}]" for one in range(n)], "marking_ref": TLP["red"]}
        ],
    ),
    "granular markings": lambda n: of(
        granular_markings=[{"selectors": ["name"], "marking_ref": TLP["red"]}] * n
    ),
    "properties": lambda n: of(**{f"x_{one}": 1 for one in range(n)}),
    "numbers": lambda n: of(x_a=[1.5] * n),
    "instants": lambda n: of(x_a=["2026-01-01T00:00:00.0000Z"] * n),
    "external references": lambda n: of(
        external_references=[{"source_name": f"a{one}", "external_id": "1"} for one in range(n)]
    ),
}
STORED: dict[str, Shape] = {
    "markings that nobody knows": lambda n: of(
        object_marking_refs=[f"marking-definition--{uid(str(one))}" for one in range(n)]
    ),
    "references to what nobody knows": lambda n: report(
        "r", [f"indicator--{uid(str(one))}" for one in range(n)], by=B_IDENTITY
    ),
    "labels": lambda n: of(labels=[f"l{one}" for one in range(n)]),
}


def seconds(work: Callable[[int], object], size: int) -> float:
    """The least time of three that `work` takes with this size."""
    found = []
    for _ in range(3):
        begun = time.process_time()
        work(size)
        found.append(time.process_time() - begun)
    return min(found)


def growth(work: Callable[[int], object], size: int) -> float:
    """How many times more four times as much costs; 1 where it is nothing either way."""
    large = seconds(work, 4 * size)
    return 1.0 if large < TOO_FAST else large / max(seconds(work, size), TOO_FAST / 10)


def test_the_measure_can_tell() -> None:
    """A quadratic piece of work is found."""
    assert growth(lambda n: [1 for _ in range(n) for _ in range(n)], 600) > MOST


@pytest.mark.parametrize("name", SHAPES)
def test_an_object_is_read_in_linear_time(name: str) -> None:
    """JSON, schema, rules, pattern and digest."""
    bodies = {size: envelope(SHAPES[name](size)) for size in (2_000, 8_000)}
    assert growth(lambda n: examine(bodies[n], limits=Limits()), 2_000) < MOST


@pytest.mark.parametrize("name", STORED)
def test_an_object_is_stored_and_decided_in_linear_time(sqlite_node: Node, name: str) -> None:
    """References, markings, policies and logs, in the transaction that keeps other writers waiting."""
    scene = Scene.set_up(sqlite_node)
    partner, collection = scene.partner("b"), scene.collection("indicators")
    number = 0

    def post(size: int) -> None:
        nonlocal number
        number += 1
        made = dict(STORED[name](size))
        made["id"] = f"{made['type']}--{uid(f'{name} {number}')}"
        publishing.receive(sqlite_node, envelope(made), partner=partner, collection=collection)

    assert growth(post, 1_000) < MOST


@pytest.mark.parametrize("text", ["<", "<script", "<script>", "</", "\x1b", " "])
def test_a_strangers_words_are_cleaned_in_linear_time(text: str) -> None:
    """However long they are: an error of a remote server, a title in its discovery."""
    assert growth(lambda n: cleaned(text * n, 200), 20_000) < MOST
    assert seconds(lambda n: cleaned(text * n, 200), 1_000_000) < 1


def test_a_request_is_read_in_linear_time() -> None:
    """Thousands of headers of one name, of media types, of parameters."""

    def head(n: int) -> None:
        scope = {
            "method": "GET", "raw_path": b"/api/", "query_string": b"", "client": None,
            "headers": [(b"x", b"y")] * n,
        }  # fmt: skip
        request_of(scope, None)

    def accepted(n: int) -> None:
        with suppress(NotAcceptable):
            # The size in it: what was read once is remembered.
            check_accept(b"a/b;q=0.5," * n + b'"' * n + b"%f" % time.time(), objects=True)

    assert growth(head, 20_000) < MOST
    assert growth(accepted, 2_000) < MOST
    assert (
        growth(
            lambda n: page_query(b"&".join(b"a%d=1" % one for one in range(n)), Resource.OBJECTS),
            20_000,
        )
        < MOST
    )
