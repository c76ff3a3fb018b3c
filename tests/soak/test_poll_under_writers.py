"""A poll loop under four writers, for a minute on each engine: invariant 3 as a partner meets it.

Started by `make soak` only. CERT_EXCHANGE_SOAK_SECONDS shortens it while one works on it.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from benchmarks import processes
from sqlalchemy import and_, select
from tests.soak import exchange

from cert_exchange.node import Node
from cert_exchange.services import ledger, noticing, policies
from cert_exchange.stix.instants import format_micros
from cert_exchange.store.tables import (
    audience_members,
    collections,
    identifiers,
    live,
    partners,
    release_log,
    renditions,
    views,
)
from cert_exchange.store.tables import objects as object_rows

SECONDS = float(os.environ.get("CERT_EXCHANGE_SOAK_SECONDS", "60"))
WRITERS = 4
AIMED_RATE = 200  # shown, not asserted: how fast a machine is, is no promise of the code
ACCEPT = "application/taxii+json;version=2.1"
Line = tuple[str, str, str]  # id, version, date_added


class Client:
    """The least that a TAXII client is: pages until there is no more, the last date kept."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.headers = {"Accept": ACCEPT, "Authorization": f"Bearer {token}"}
        self.link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.slowest = 0.0

    def page(self, resource: str, **query: str) -> tuple[dict[str, Any], str]:
        """One page and its X-TAXII-Date-Added-Last."""
        words = "&".join(f"{key}={value}" for key, value in query.items())
        path = f"/api/collections/{exchange.COLLECTION_ID}/{resource}/?{words}"
        self.link.request("GET", path, headers=self.headers)
        answer = self.link.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:500])
        return json.loads(body), answer.headers["X-TAXII-Date-Added-Last"]


@dataclass
class Follower:
    """A poll loop. `next` is followed while there is more, else the last date is the cursor."""

    client: Client
    resource: str
    versions: str
    with_next: bool
    limit: int = 50
    cursor: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    polls: int = 0
    error: BaseException | None = None

    def round(self) -> int:
        """Poll until nothing more is there; how many entries came."""
        came, token = 0, ""
        while True:
            query = {"limit": str(self.limit)}
            if self.versions:
                query["match[version]"] = self.versions
            if token:
                query["next"] = token
            elif self.cursor:
                query["added_after"] = self.cursor
            page, last = self.client.page(self.resource, **query)
            self.polls += 1
            entries = page.get("objects", [])
            self.got += entries
            came += len(entries)
            if entries:
                self.cursor = last
            if not page["more"]:
                return came
            assert entries, "more without objects"
            token = page["next"] if self.with_next else ""

    def follow(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                if not self.round():
                    stop.wait(0.1)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            self.error = error


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_poll_loop_sees_each_line_once_while_four_processes_write(
    engine: str,
    new_node: Callable[..., Node],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No line twice, none skipped; at rest a default client holds exactly `live`; no deadlock reaches a caller."""
    node = new_node(engine)
    secrets = exchange.set_up(node)
    home = node.settings.home
    port = processes.free_port()
    server = processes.start(
        "cert-exchange",
        [str(Path(sys.executable).with_name("cert-exchange")), "serve", "--home", str(home)],
        port=port,
        log=tmp_path / "serve.log",
        environment={"CERT_EXCHANGE_PORT": str(port)},
        probe=b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n",
        only_success=True,
    )
    try:
        with capsys.disabled():  # the figures are what one runs it for
            _run(node, home, port, secrets, engine)
    finally:
        server.stop()


def _run(node: Node, home: Path, port: int, secrets: dict[str, str], engine: str) -> None:
    followers = {
        (audience, kind): Follower(Client(port, secrets[f"reader-{audience}"]), *form)
        for audience in exchange.AUDIENCES
        for kind, form in {
            "default by next": ("objects", "", True),
            "all lines by date": ("manifest", "all", False),
        }.items()
    }
    try:
        _exchange(node, home, port, secrets, engine, followers)
    finally:
        for follower in followers.values():
            follower.client.link.close()


def _exchange(
    node: Node,
    home: Path,
    port: int,
    secrets: dict[str, str],
    engine: str,
    followers: dict[tuple[str, str], Follower],
) -> None:
    stop = threading.Event()
    threads = [
        threading.Thread(target=follower.follow, args=(stop,)) for follower in followers.values()
    ]
    for thread in threads:
        thread.start()
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.soak.exchange", str(home), str(number), str(SECONDS)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent.parent,
        )
        for number in range(WRITERS)
    ]
    reports = [json.loads(writer.communicate()[0]) for writer in writers]
    stop.set()
    for thread in threads:
        thread.join()
    done = sum((Counter(report["done"]) for report in reports), Counter())
    failures = [failure for report in reports for failure in report["failures"]]
    rate = sum(sum(report["done"].values()) / report["seconds"] for report in reports)
    for follower in followers.values():
        assert follower.error is None, follower.error
    print(
        f"\n{engine}: {rate:.0f} write transactions/s (aim {AIMED_RATE}) over {SECONDS:.0f} s by {WRITERS} processes: "
        f"{dict(done)}; {len(failures)} failures"
    )
    assert not failures, failures[:5]
    # Rest: what a worker still owes is done, its notices too, and everyone polls until nothing comes.
    policies.continue_gains(node)
    while noticing.tell(node) or any(follower.round() for follower in followers.values()):
        pass
    for audience in exchange.AUDIENCES:
        log = _log(node, audience)
        rows = _live(node, audience)
        print(
            f"{engine} {audience}: {len(log)} lines, {sum(kind == 'withdrawal' for _, kind in log)}"
            f" withdrawals, {len(rows)} in force, polls "
            + ", ".join(
                f"{kind} {follower.polls} ({len(follower.got)} entries)"
                for (name, kind), follower in followers.items()
                if name == audience
            )
        )
        _check_lines(followers[audience, "all lines by date"].got, log, rows)
        _check_holdings(followers[audience, "default by next"].got, log, rows)
        fresh = Follower(Client(port, secrets[f"reader-{audience}"]), "objects", "", with_next=True)
        fresh.round()
        fresh.client.link.close()
        assert _as_held(fresh.got) == {
            stix_id: body for (stix_id, _, _), (body, last) in rows.items() if last
        }
        assert len(fresh.got) == len(_as_held(fresh.got))
    checked = ledger.verify(node)
    print(f"{engine}: ledger verified, {checked}")


def _check_lines(
    got: list[dict[str, Any]], log: list[tuple[Line, str]], rows: dict[Line, tuple[Any, bool]]
) -> None:
    """Of the log's lines: none twice, in order, none that is in force skipped, none that is not there."""
    seen = [(entry["id"], entry["version"], entry["date_added"]) for entry in got]
    dates = [date for _, _, date in seen]
    assert dates == sorted(set(dates))
    released = {line for line, kind in log if kind == "release"}
    assert set(seen) <= released
    assert rows.keys() <= set(seen)


def _check_holdings(
    got: list[dict[str, Any]], log: list[tuple[Line, str]], rows: dict[Line, tuple[Any, bool]]
) -> None:
    """What a client holds that polled all the time: `live`, and beside it only what was taken back since."""
    held = _as_held(got)
    should = {stix_id: body for (stix_id, _, _), (body, last) in rows.items() if last}
    assert {stix_id: held.get(stix_id) for stix_id in should} == should
    withdrawn = {line[0] for line, kind in log if kind == "withdrawal"}
    assert held.keys() - should.keys() <= withdrawn


def _as_held(got: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["id"]: item for item in got}


def _view(audience: str) -> Any:
    return (
        select(views.c.id)
        .join(collections, collections.c.id == views.c.collection)
        .join(
            audience_members,
            and_(
                audience_members.c.audience == views.c.audience, audience_members.c.until.is_(None)
            ),
        )
        .join(partners, partners.c.id == audience_members.c.partner)
        .where(partners.c.name == f"reader-{audience}", collections.c.alias == exchange.COLLECTION)
        .scalar_subquery()
    )


def _log(node: Node, audience: str) -> list[tuple[Line, str]]:
    with node.database.reading() as tx:
        found = tx.execute(
            select(
                identifiers.c.stix_id,
                object_rows.c.version,
                release_log.c.position,
                release_log.c.kind,
            )
            .join(object_rows, object_rows.c.id == release_log.c.object)
            .join(identifiers, identifiers.c.num == object_rows.c.ident)
            .where(release_log.c.view == _view(audience))
            .order_by(release_log.c.position)
        ).all()
    return [((row[0], row[1], format_micros(row[2])), row[3]) for row in found]


def _live(node: Node, audience: str) -> dict[Line, tuple[Any, bool]]:
    with node.database.reading() as tx:
        found = tx.execute(
            select(
                identifiers.c.stix_id,
                live.c.version,
                live.c.position,
                renditions.c.body,
                live.c.is_last,
            )
            .join(identifiers, identifiers.c.num == live.c.ident)
            .join(renditions, renditions.c.id == live.c.rendition)
            .where(live.c.view == _view(audience))
        ).all()
    return {
        (row[0], row[1], format_micros(row[2])): (json.loads(row[3]), bool(row[4])) for row in found
    }
