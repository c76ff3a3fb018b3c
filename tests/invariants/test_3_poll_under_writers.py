"""Invariant 3: a poll loop sees each released line exactly once, under concurrent writers, on both engines.

For some seconds two processes and one thread publish, post, withdraw, bring late old versions and edit policies, while
clients poll over HTTP, by `next` and by `added_after`. The long form, with rates, is `tests/soak/`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.soak import exchange
from tests.soak.test_poll_under_writers import (
    Client,
    Follower,
    _as_held,
    _check_holdings,
    _check_lines,
    _live,
    _log,
)
from tests.taxii.conftest import serving

from cert_exchange.node import Node
from cert_exchange.services import ledger, policies

SECONDS = 2.5
PROCESSES = 2
FORMS = {
    "by next": ("objects", "", True, 7),
    "by date": ("manifest", "all", False, 3),
}


@pytest.mark.long
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_each_line_once_and_at_rest_what_is_in_force(
    engine: str, new_node: Callable[..., Node]
) -> None:
    """No line twice, none skipped, whatever the page size; nothing that a writer did failed."""
    node = new_node(engine)
    secrets = exchange.set_up(node)
    with serving(node) as port:
        followers = {
            (audience, name): Follower(
                Client(port, secrets[f"reader-{audience}"]), form[0], form[1], form[2], form[3]
            )
            for audience in exchange.AUDIENCES
            for name, form in FORMS.items()
        }
        stop = threading.Event()
        threads = [threading.Thread(target=f.follow, args=(stop,)) for f in followers.values()]
        for thread in threads:
            thread.start()
        try:
            reports = _write(node)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        for follower in followers.values():
            assert follower.error is None, follower.error
        assert [failure for report in reports for failure in report["failures"]] == []
        assert all(sum(report["done"].values()) > 0 for report in reports)
        policies.continue_gains(node)
        for (audience, name), follower in followers.items():
            while follower.round():
                pass
            follower.client.link.close()
            check = _check_holdings if name == "by next" else _check_lines
            check(follower.got, _log(node, audience), _live(node, audience))
        for audience in exchange.AUDIENCES:
            fresh = Follower(
                Client(port, secrets[f"reader-{audience}"]), "objects", "", with_next=True
            )
            fresh.round()
            fresh.client.link.close()
            in_force = {key[0]: body for key, (body, last) in _live(node, audience).items() if last}
            assert _as_held(fresh.got) == in_force
            assert len(fresh.got) == len(in_force)
    ledger.verify(node)


def _write(node: Node) -> list[dict[str, Any]]:
    """Two processes, and one writer in the serving process itself, beside one that edits policies."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.soak.exchange", str(node.settings.home), str(n), str(SECONDS)],
            stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )
        for n in range(1, PROCESSES + 1)
    ]  # fmt: skip
    stop = threading.Event()
    edits = threading.Thread(target=_edit, args=(node, stop))
    edits.start()
    try:
        reports: list[dict[str, Any]] = [exchange.Writer(node, 0).run(SECONDS + 1.5)]
    finally:
        stop.set()
        edits.join()
    reports += [json.loads(writer.communicate()[0]) for writer in writers]
    assert all(writer.returncode == 0 for writer in writers)
    return reports


def _edit(node: Node, stop: threading.Event) -> None:
    turn = 0
    while not stop.wait(0.1) or turn < 2:
        exchange.apply(node, exchange.AUDIENCES[turn % 2], narrow=turn % 4 < 2)
        turn += 1
    for audience in exchange.AUDIENCES:
        exchange.apply(node, audience, narrow=False)
