"""Three seeds of `make chaos`, and each guard off once: then the harness finds it.

SQLite and PostgreSQL side by side in one of the seeds: the statements themselves are tested elsewhere on both.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.chaos.checking import Findings, pushed_twice
from tests.chaos.link import Link
from tests.chaos.running import Grounds, Plan, Result, run, summed

CALM = Plan(
    seed=0, steps=12, engines=("sqlite", "sqlite"), weather=(), troubles=(), settle_seconds=6
)


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def grounds() -> Iterator[Grounds]:
    made = Grounds()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("seed", "engines"),
    [(1, ("sqlite", "sqlite")), (2, ("sqlite", "sqlite")), (3, ("postgresql", "sqlite"))],
)
def test_nothing_is_lost_repeated_or_leaked(
    grounds: Grounds, seed: int, engines: tuple[str, str]
) -> None:
    result = run(grounds, Plan(seed=seed, steps=24, engines=engines))
    assert not result.broken, result.broken
    assert result.findings == Findings(), (result.words, result.channels)
    assert result.faults_of_ours == []
    assert result.hits.total() > 3


def found_by(grounds: Grounds, plan: Plan, kind: str, *, tries: int = 4) -> bool:
    """Whether one of a few seeds finds it: where a process dies is not in our hands alone."""
    for seed in range(plan.seed, plan.seed + tries):
        result = run(grounds, replace(plan, seed=seed))
        assert not result.broken, result.broken
        if getattr(result.findings, kind):
            return True
    return False


def test_a_cursor_that_moves_before_its_page_is_stored_is_found(grounds: Grounds) -> None:
    """Killed between the two, the page is never asked for again."""
    plan = replace(CALM, seed=7, without="cursor", crash_at_first_pages=True, steps=8)
    assert found_by(grounds, plan, "lost")


def test_what_is_stored_again_is_found(grounds: Grounds) -> None:
    """Requests that are sent twice, and answers that are lost: the sender asks or sends again."""
    weather = ("sent twice", "answer lost")
    plan = replace(CALM, seed=5, without="dedupe", weather=weather, steps=16)
    assert found_by(grounds, plan, "repeated")


def test_two_workers_in_one_channel_are_found(grounds: Grounds) -> None:
    plan = replace(CALM, seed=6, without="lease", weather=("delayed",), second_worker=True)
    assert found_by(grounds, plan, "repeated")


def test_a_request_that_is_held_back_arrives_after_a_later_one(grounds: Grounds) -> None:
    order: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            order.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    papers = grounds.papers
    server.socket = papers.serving(papers.server).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    link = Link(papers, 1)
    link.upstream, link.kinds, link.storm = server.server_port, ("reordered",), 1.0

    def ask(path: str) -> None:
        with contextlib.closing(
            HTTPSConnection("localhost", link.port, context=grounds.asking(), timeout=5)
        ) as connection:
            connection.request("GET", path)
            assert connection.getresponse().status == 204

    first = threading.Thread(target=ask, args=("/first",))
    try:
        first.start()
        while not link.held:
            time.sleep(0.01)
        link.storm = 0.0
        ask("/second")
        first.join(5)
    finally:
        link.close()
        server.shutdown()
        server.server_close()
    assert order == ["/second", "/first"]
    assert link.hits == Counter({"reordered": 1})


def test_pushes_that_overlap_are_told_from_those_that_follow() -> None:
    def line(after: int, to: int) -> dict[str, object]:
        return {
            "kind": "push",
            "by": "to-b",
            "facts": {"partner": "b", "view": 1, "after": after, "to": to},
        }

    assert pushed_twice("a", [line(0, 3), line(3, 5), line(7, 9)]) == []
    assert len(pushed_twice("a", [line(0, 3), line(2, 5)])) == 1


def test_the_last_line_says_it_all() -> None:
    hits = Counter({"hung": 2, "slow": 1})
    made = [
        Result(1, "", hits, Findings(lost=["one"]), 1.0),
        Result(2, "", Counter({"hung": 1}), Findings(repeated=["two", "three"]), 1.0),
    ]
    assert summed(made) == [
        f"  {'hung':<24} 3",
        f"  {'slow':<24} 1",
        "runs=2 faults=4 lost=1 repeated=2 leaked=0",
    ]
