"""`make bench-sync`: two nodes, one with 100,000 objects: the first full sync, and how late a publication arrives.

    (1) A serves a filled store  (2) B pulls all of it for the first time, with statements and receipts and without
    (3) the same pages are read from A by a client that keeps nothing, and taken in by a B whose pages come from memory
    (4) A pushes to B what is published, and B pulls it

1. Both are whole programs on loopback: A is `cert-exchange serve` with its worker, B's pull is `sync now`, as a person runs
   it, its start included. B has an audience of its own, which is decided for as objects come in.
2. `share` is the rate of the whole to the slower of its two halves, each alone: what waiting for each other costs.
3. `serve` alone is one connection that asks for the pages that B asked for, one after the other. `receive` alone is B
   fed by a server that answers what A answered before.
4. Lag counts from the start of the publication at A to the first look at which B's own store has the object; publications come
   singly, each a second or so after the one before. A target waits for nothing but the worker's next look; a source comes when
   its pause is over, which is a second here.

In the environment: OBJECTS makes the store of another size, LAGS the number of publications than 100.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from benchmarks import corpus, own_node, policies, processes

OBJECTS: Final = int(os.environ.get("OBJECTS", "100000"))
LAGS: Final = int(os.environ.get("LAGS", "100"))
PARTNER: Final = "partner-0-0"
"""What A calls B."""
B_IDENTITY: Final = corpus.identity("CERT Beta, benchmark")
_MOST: Final = 10_000_000
_PATIENCE: Final = 120.0
_KEPT: Final = (
    "content-type",
    "content-encoding",
    "x-taxii-date-added-first",
    "x-taxii-date-added-last",
)


def make_receiver(name: str) -> Path:
    """B's home: A is its partner, and an audience of five is decided for."""
    from cert_exchange.node import make_home, open_node
    from cert_exchange.services import collections, partners, publishing
    from cert_exchange.services import policies as policy_service

    home = own_node.WORK / f"run-{name}"
    shutil.rmtree(home, ignore_errors=True)
    make_home(
        home, identity=B_IDENTITY["id"], title=B_IDENTITY["name"], requests_per_minute=1_000_000
    )
    node = open_node(home)
    try:
        publishing.seed(node)
        for one in policies.members(0):
            partners.add(node, one, title=one, speaks_for=[], relays=[])
        partners.add(
            node, "a", title="A", speaks_for=[own_node.OWNER["id"]],
            relays=[own_node.FEEDER_IDENTITY["id"]],
        )  # fmt: skip
        files = node.settings.path(node.settings.collections_directory)
        readers = ", ".join(policies.members(0))
        (files / "bench.yaml").write_text(
            f"id: {policies.COLLECTION_ID}\ntitle: Benchmark\nalias: {policies.COLLECTION_ALIAS}\n"
            f"read: [{readers}]\nwrite: [a]\n"
        )
        collections.load_collections(node, files)
        policy_service.apply(
            node, policies.policy(0), file="audience-0.yaml", author="b", reason="benchmark"
        )
    finally:
        node.close()
    return home


def add_source(home: Path, port: int, token: str, **options: Any) -> None:
    """Let B pull from what listens at a port."""
    from cert_exchange.node import open_node
    from cert_exchange.services import syncing

    node = open_node(home)
    try:
        syncing.add_source(
            node, "from-a", partner="a", url=f"http://127.0.0.1:{port}{own_node.API_ROOT}",
            remote_collection=policies.COLLECTION_ID, collection=policies.COLLECTION_ALIAS,
            secret=token.encode(),
            options={"insecure": True, "server": "cert-exchange", "auth": "bearer", "most_objects": _MOST, **options},
        )  # fmt: skip
    finally:
        node.close()


def pin_each_other(a: Path, b: Path) -> None:
    """Let each know the other's signing key, so that what goes over is signed and receipted."""
    from cert_exchange.messages.keys import public_text
    from cert_exchange.node import open_node
    from cert_exchange.services import deliveries, partners, signing

    one, other = open_node(a), open_node(b)
    try:
        signing.pin(one, PARTNER, public_text(other.secrets.signing_keys[0].public), by="benchmark")
        signing.pin(other, "a", public_text(one.secrets.signing_keys[0].public), by="benchmark")
        partners.amend(one, PARTNER, speaks_for=[B_IDENTITY["id"]], relays=[])
        while deliveries.make_ahead(one):
            pass
    finally:
        one.close()
        other.close()


def pull(home: Path) -> tuple[int, float]:
    """Run B's source once as a person does; objects that came in, and seconds."""
    began = time.perf_counter()
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cert-exchange")), "sync", "now", "from-a", "--json", "--home", str(home)],
        capture_output=True, check=False,
    )  # fmt: skip
    took = time.perf_counter() - began
    if done.returncode:
        said = [one["outcome"] for one in json.loads(done.stdout or b"[]")]
        raise RuntimeError(f"{said} {done.stderr.decode()[-1000:]}")
    [report] = json.loads(done.stdout)
    return int(report["counts"]["received"]), took


Answers = dict[tuple[str, str], tuple[int, dict[str, str], bytes]]


@contextmanager
def between(answers: Answers, upstream: int | None, asked: list[str]) -> Iterator[int]:
    """A server that hands requests on and remembers the answers; without `upstream` it gives those of before."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if upstream is not None:
                link = http.client.HTTPConnection("127.0.0.1", upstream, timeout=120)
                headers = {name: value for name, value in self.headers.items() if name != "Host"}
                link.request("GET", self.path, headers=headers)
                got = link.getresponse()
                kept = {one: value for one in _KEPT if (value := got.headers.get(one))}
                answers["GET", self.path] = got.status, kept, got.read()
                link.close()
                asked.append(self.path)
            status, kept, body = answers.get(
                ("GET", self.path),
                (404, {"content-type": "application/taxii+json;version=2.1"}, b"{}"),
            )
            self.send_response(status)
            for name, value in kept.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read_pages(port: int, token: str, paths: list[str]) -> float:
    """Seconds in which one client reads these pages and keeps nothing."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Accept": "application/taxii+json;version=2.1", "Authorization": f"Bearer {token}"}
    began = time.perf_counter()
    for path in paths:
        link.request("GET", path, headers=headers)
        answer = link.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
    link.close()
    return time.perf_counter() - began


def lags(a: Path, b: Path, series: str) -> list[float]:
    """Seconds from the start of each publication at A to the look at which B has it."""
    from cert_exchange.node import open_node
    from cert_exchange.services import publishing

    node = open_node(a)
    rng = random.Random(7)
    look = sqlite3.connect(f"file:{b / 'exchange.db'}?mode=ro", uri=True)
    waiting: dict[str, float] = {}
    found: list[float] = []
    wanted = (
        one for one in corpus.objects(50 * LAGS, creator=own_node.OWNER["id"], series=series)
        if one["type"] == "malware"
    )  # fmt: skip
    published, due = 0, time.perf_counter()
    try:
        while len(found) < LAGS:
            now = time.perf_counter()
            if published < LAGS and now >= due:
                item = next(wanted)
                item["labels"] = ["benchmark"]
                waiting[item["id"]] = time.perf_counter()
                publishing.publish(
                    node, corpus.envelope([item]), collection=policies.COLLECTION_ALIAS, by="b"
                )
                published += 1
                due = now + rng.uniform(0.5, 1.5)
            for one in list(waiting):
                row = look.execute(
                    "SELECT 1 FROM objects JOIN identifiers ON num = ident WHERE stix_id = ?",
                    (one,),
                ).fetchone()
                if row is not None:
                    found.append(time.perf_counter() - waiting.pop(one))
            if waiting and time.perf_counter() - min(waiting.values()) > _PATIENCE:
                raise RuntimeError(f"{len(waiting)} publications of {published} did not arrive")
            time.sleep(0.005)
    finally:
        look.close()
        node.close()
    return found


def full_sync(a: Path, server: processes.Server, token: str) -> dict[str, float]:
    """The first full sync and its halves, objects a second."""
    answers: Answers = {}
    asked: list[str] = []
    warm = make_receiver("sync-warm")
    with between(answers, server.port, asked) as port:
        add_source(warm, port, token)
        received, _ = pull(warm)
    pages = [path for path in asked if "/objects/" in path]
    print(f"  {received:,} objects in {len(pages)} pages are what this partner may see", flush=True)
    found: dict[str, float] = {}
    best: dict[str, list[float]] = {"full": [], "receive": [], "serve": [], "signed": []}
    for number in range(3):
        direct = make_receiver("sync-full")
        add_source(direct, server.port, token)
        best["full"].append(_rate(pull(direct), received))
        fed = make_receiver("sync-fed")
        with between(answers, None, []) as port:
            add_source(fed, port, token)
            best["receive"].append(_rate(pull(fed), received))
        best["serve"].append(received / read_pages(server.port, token, pages))
        print(
            f"  round {number + 1}: "
            + ", ".join(f"{name} {rates[-1]:,.0f}/s" for name, rates in best.items() if rates),
            flush=True,
        )
    signed = make_receiver("sync-signed")
    pin_each_other(a, signed)
    add_source(signed, server.port, token, every_seconds=1)
    best["signed"].append(_rate(pull(signed), received))
    for name, rates in best.items():
        found[name] = statistics.median(rates)
    return found


def _rate(done: tuple[int, float], wanted: int) -> float:
    count, seconds = done
    if count < wanted:
        raise RuntimeError(f"{count} objects came of {wanted}")
    return count / seconds


def late(name: str, measure: Callable[[], list[float]]) -> str:
    """Measure, and say the figures in milliseconds."""
    every = sorted(measure())
    p50, p99 = every[len(every) // 2], every[min(int(len(every) * 0.99), len(every) - 1)]
    return f"{name}_p50_ms={p50 * 1000:.0f} {name}_p99_ms={p99 * 1000:.0f}"


def push_to(a: Path, b: Path, port: int) -> None:
    """Let A push to B; what B holds already comes to it as duplicates, once."""
    from cert_exchange.node import open_node
    from cert_exchange.services import partners, syncing

    one, other = open_node(a), open_node(b)
    try:
        token = partners.issue(other, "a", lifetime=timedelta(days=1)).token
        syncing.add_target(
            one, "to-b", partner=PARTNER, url=f"http://127.0.0.1:{port}{own_node.API_ROOT}",
            remote_collection=policies.COLLECTION_ID, collection=policies.COLLECTION_ALIAS,
            secret=token.encode(), options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
        )  # fmt: skip
    finally:
        one.close()
        other.close()


def main() -> None:
    """Run it all and print the line of figures last."""
    print(f"sync: a store of {OBJECTS:,} objects", flush=True)
    child = own_node.make(OBJECTS, "sqlite", None)
    if child is not None and child.wait() != 0:
        raise SystemExit("the store could not be filled; the reason is above")
    a = own_node.copy(OBJECTS, "sqlite", "sync-a")
    token = own_node.secrets_of(a)[PARTNER]
    servers = [own_node.serve(a)]
    try:
        processes.settle(servers)
        rates = full_sync(a, servers[0], token)
        b = own_node.WORK / "run-sync-signed"
        servers.append(own_node.serve(b))
        pulled = late("pulled", lambda: lags(a, b, "pulled"))
        print(f"  {pulled}", flush=True)
        fresh = make_receiver("sync-pushed")
        servers.append(own_node.serve(fresh))
        began = time.perf_counter()
        push_to(a, fresh, servers[-1].port)
        count, ended = _arrived(fresh)
        push_rate = count / (ended - began)
        print(f"  first full push: {push_rate:,.0f} objects/s", flush=True)
        pushed = late("pushed", lambda: lags(a, fresh, "pushed"))
    finally:
        for one in servers:
            one.stop()
    share = rates["full"] / min(rates["serve"], rates["receive"])
    print(
        f"full_sync_per_s={rates['full']:.0f} serve_per_s={rates['serve']:.0f} receive_per_s={rates['receive']:.0f}"
        f" share={share:.3f} signed_per_s={rates['signed']:.0f} push_per_s={push_rate:.0f} {pushed} {pulled}"
    )


def _arrived(home: Path) -> tuple[int, float]:
    """Wait until nothing more comes; how many objects a store holds from its partner, and when the last came."""
    look = sqlite3.connect(f"file:{home / 'exchange.db'}?mode=ro", uri=True)
    try:
        before, still = 0, time.perf_counter()
        while time.perf_counter() - still < 10 or not before:
            [(now,)] = look.execute("SELECT count(*) FROM objects WHERE origin <> 0").fetchall()
            if now != before:
                before, still = now, time.perf_counter()
            time.sleep(0.2)
        return before, still
    finally:
        look.close()


if __name__ == "__main__":
    main()
