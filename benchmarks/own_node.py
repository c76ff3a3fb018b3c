"""Our node as it is measured: made once for each size and engine, kept, and copied for each run.

1. Everything goes the way of daily work: partners and credentials by `services.partners`, files by
   `services.collections` and `services.policies`, objects by `services.publishing` in batches of 1,000.
2. A made home is kept under benchmarks/work, named by a digest of the schema and of what fills it. A
   run works on a copy, so that its marks and POSTs change nothing.
3. On PostgreSQL the kept thing is a database, and the copy is made from it as a template.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks import corpus, policies, processes
from benchmarks.cases import Listing, OwnTarget, basic, fetch
from benchmarks.peers import request

ROOT: Final = Path(__file__).resolve().parent.parent
WORK: Final = ROOT / "benchmarks" / "work"
OWNER: Final = corpus.identity("CERT Alpha, benchmark")
FEEDER_IDENTITY: Final = corpus.identity("CERT Feeder, benchmark")
API_ROOT: Final = "/api/"
BATCH: Final = 1000
FILL: Final = 2
"""Raised when `fill` leaves something else behind than before: kept homes are then made anew."""


def schema_digest() -> str:
    """Names a kept home: changes with the tables, the data and `FILL`."""
    digest = hashlib.sha256(f"fill {FILL}".encode())
    for path in (
        *sorted((ROOT / "src/cert_exchange/store/tables").glob("*.py")),
        ROOT / "benchmarks/corpus.py",
        ROOT / "benchmarks/policies.py",
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def kept_home(objects: int, engine: str) -> Path:
    """Where the filled home of this size is kept."""
    return WORK / f"own-{engine}-{objects}-{schema_digest()}"


def make(objects: int, engine: str, database_url: str | None) -> subprocess.Popen[bytes] | None:
    """Start filling a home in a process of its own; None where one is kept already."""
    home = kept_home(objects, engine)
    if (home / "filled.json").exists():
        return None
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    given = {"CERT_EXCHANGE_DATABASE_URL": database_url} if database_url else {}
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.own_node", str(objects), str(home)],
        cwd=ROOT,
        env=os.environ | given,
    )


def forget(objects: int, engine: str) -> None:
    """Drop a kept home."""
    shutil.rmtree(kept_home(objects, engine), ignore_errors=True)


def copy(objects: int, engine: str, name: str) -> Path:
    """A copy of a kept home for one run (its database too, on SQLite)."""
    target = WORK / f"run-{name}"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(kept_home(objects, engine), target)
    return target


def serve(home: Path, *, database_url: str | None = None) -> processes.Server:
    """`cert-exchange serve`, with its worker, as an operator starts it; waits for /health/ready."""
    port = processes.free_port()
    given = {"CERT_EXCHANGE_DATABASE_URL": database_url} if database_url else {}
    return processes.start(
        "cert-exchange",
        [str(Path(sys.executable).with_name("cert-exchange")), "serve", "--home", str(home)],
        port=port,
        log=home / "serve.log",
        environment={"CERT_EXCHANGE_PORT": str(port), **given},
        probe=request("/health/ready").encode(),
        only_success=True,
    )


def secrets_of(home: Path) -> dict[str, str]:
    """Partner -> `id.secret`, as the fill noted them in the throw-away home."""
    kept: dict[str, str] = json.loads((home / "filled.json").read_text())["secrets"]
    return kept


def target_of(home: Path, server: processes.Server, *, objects: int, engine: str) -> OwnTarget:
    """What the load generator needs to know of a running node; lists every log through the manifest."""
    secrets = secrets_of(home)
    cache = home / "listings.json"
    if not cache.exists():
        listed = [
            _list(server.port, secrets[f"scout-{number}"]) for number in range(policies.AUDIENCES)
        ]
        cache.write_text(json.dumps(listed))
        # The kept home gets it too: the logs are the same in every copy.
        (kept_home(objects, engine) / "listings.json").write_text(cache.read_text())
    listings = [Listing(ids, added) for ids, added in json.loads(cache.read_text())]
    # Half of the partners authenticate by Bearer and half by Basic: both cost the same look-up.
    tokens = [
        (f"Bearer {secrets[name]}" if number % 2 else basic(secrets[name]), audience)
        for number, (name, audience) in enumerate(policies.pollers())
    ]
    return OwnTarget(
        server.port,
        engine=engine,
        objects=objects,
        root=API_ROOT,
        collection=policies.COLLECTION_ID,
        tokens=tokens,
        listings=listings,
    )


def _list(port: int, secret: str) -> tuple[list[str], list[str]]:
    base = f"{API_ROOT}collections/{policies.COLLECTION_ID}/manifest/?limit=1000"
    ids: list[str] = []
    added: list[str] = []
    query = ""
    while True:
        page = json.loads(fetch(port, request(base + query, f"Bearer {secret}")))
        entries = page.get("objects", [])
        ids += [entry["id"] for entry in entries]
        added += [entry["date_added"] for entry in entries]
        if not page.get("more"):
            return ids, added
        query = f"&next={page['next']}"


def posts(count: int, *, home: Path, folder: Path, series: str) -> tuple[list[str], list[str]]:
    """`count` requests that POST 1,000 new objects each, and the files of their bodies."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = secrets_of(home)[policies.FEEDER]
    requests: list[str] = []
    bodies: list[str] = []
    batch: list[dict[str, Any]] = []
    for item in corpus.objects(count * BATCH, creator=FEEDER_IDENTITY["id"], series=series):
        batch.append(item)
        if len(batch) == BATCH:
            body = corpus.envelope(batch)
            path = folder / f"{series}-{len(bodies)}.json"
            path.write_bytes(body)
            bodies.append(str(path))
            requests.append(
                f"POST {API_ROOT}collections/{policies.COLLECTION_ID}/objects/ HTTP/1.1\r\n"
                "Host: 127.0.0.1\r\nAccept: application/taxii+json;version=2.1\r\n"
                "Content-Type: application/taxii+json;version=2.1\r\n"
                f"Content-Length: {len(body)}\r\nAuthorization: Bearer {secret}\r\n\r\n"
            )
            batch = []
    return requests, bodies


def fill(objects: int, home: Path) -> None:
    """Make a home and fill it; runs in a process of its own."""
    from cert_exchange.node import make_home, open_node
    from cert_exchange.services import collections, partners, publishing
    from cert_exchange.services import policies as policy_service

    began = time.perf_counter()
    make_home(home, identity=OWNER["id"], title=OWNER["name"], requests_per_minute=1_000_000)
    node = open_node(home)
    secrets: dict[str, str] = {}
    try:
        publishing.seed(node)
        names = [name for number in range(policies.AUDIENCES) for name in policies.members(number)]
        for name in [*names, policies.FEEDER]:
            partners.add(
                node,
                name,
                title=name,
                speaks_for=[FEEDER_IDENTITY["id"]] if name == policies.FEEDER else [],
                relays=[],
            )
            secrets[name] = partners.issue(node, name, lifetime=timedelta(days=365)).token
        files = node.settings.path(node.settings.collections_directory)
        (files / "bench.yaml").write_text(policies.collection())
        collections.load_collections(node, files)
        _apply(node, policy_service)
        batch: list[dict[str, Any]] = [OWNER]
        for item in corpus.objects(objects, creator=OWNER["id"]):
            batch.append(item)
            if len(batch) >= BATCH:
                _publish(node, publishing, batch)
                batch = []
        if batch:
            _publish(node, publishing, batch)
        published = time.perf_counter()
        _withdraw(node, objects)
    finally:
        node.close()
    facts = {
        "secrets": secrets,
        "publish_seconds": round(published - began, 2),
        "withdraw_seconds": round(time.perf_counter() - published, 2),
    }
    (home / "filled.json").write_text(json.dumps(facts))


def _apply(node: Any, service: Any) -> None:
    for number in range(policies.AUDIENCES):
        service.apply(
            node,
            policies.policy(number),
            file=f"audience-{number}.yaml",
            author="benchmark",
            reason="benchmark",
        )


def _withdraw(node: Any, count: int) -> None:
    """Take a tenth back as `services.releasing.withdraw` does, 500 ids a transaction instead of one."""
    from cert_exchange.services.releasing.orders import in_one_line
    from cert_exchange.store import objects as rows
    from cert_exchange.store import versions
    from cert_exchange.store.tables import OWN

    chosen = [corpus.object_id(number) for number in range(count) if corpus.withdrawn(number)]
    for start in range(0, len(chosen), 500):
        part = chosen[start : start + 500]

        def work(tx: Any, part: list[str] = part) -> None:
            idents = list(rows.idents_of(tx, part).values())
            ids = [version.id for version in versions.versions(tx, idents)]

            def order(releasing: Any) -> None:
                rows.take_back(tx, ids, collection=None, by=OWN, at=releasing.now)
                releasing.reconsider(idents)

            in_one_line(tx, node, "withdraw", "benchmark", order, reason="benchmark")

        node.database.transact(work)


def _publish(node: Any, publishing: Any, batch: list[dict[str, Any]]) -> None:
    report = publishing.publish(
        node, corpus.envelope(batch), collection=policies.COLLECTION_ALIAS, by="benchmark"
    )
    refused = [one for one in report.outcomes if one.result not in {"accepted", "duplicate"}]
    if refused:
        raise RuntimeError(f"the node refused {len(refused)} objects: {refused[0]}")


if __name__ == "__main__":
    fill(int(sys.argv[1]), Path(sys.argv[2]))
