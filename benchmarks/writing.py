"""What changes the store: POSTs of 1,000, polls beside them, and the full pull by the stock client."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks import cases, load, own_node, policies, processes
from benchmarks.measuring import Row


def measure(
    home: Path, server: processes.Server, target: cases.OwnTarget, *, posts: int
) -> list[Row]:
    """POSTs of 1,000 alone, then one connection polling pages of 100 while another posts."""
    folder = home / "posts"
    quiet, quiet_bodies = own_node.posts(posts, home=home, folder=folder, series="alone")
    alone = load.run(
        load.Job(
            port=server.port,
            connections=1,
            seconds=0,
            requests=quiet,
            bodies=quiet_bodies,
            once=True,
            expect=202,
        )
    )
    _accepted(alone)
    busy, busy_bodies = own_node.posts(posts, home=home, folder=folder, series="beside")
    stop = home / "stop-polling"
    stop.unlink(missing_ok=True)
    polling = load.begin(
        load.Job(
            port=server.port,
            connections=1,
            seconds=0,
            requests=target.plan(cases.PAGE100) or [],
            warmup=50,
            stop_file=str(stop),
        )
    )
    beside = load.run(
        load.Job(
            port=server.port,
            connections=1,
            seconds=0,
            requests=busy,
            bodies=busy_bodies,
            once=True,
            expect=202,
        )
    )
    stop.touch()
    polls = load.finish(polling)
    _accepted(beside)
    for path in (*quiet_bodies, *busy_bodies):
        Path(path).unlink()
    rows = [
        _row(target, "POST of 1,000", alone, alone.rate * own_node.BATCH),
        _row(target, "POST of 1,000 beside polls", beside, beside.rate * own_node.BATCH),
        _row(target, "polls during POST", polls, None),
    ]
    rows[2].more["notes"] = {"worst ms": f"{polls.worst_ms:.1f}"}
    return rows


def _accepted(result: load.Result) -> None:
    if result.errors:
        raise RuntimeError(f"a POST failed: {result.first_error}")
    status = json.loads(result.last_body)
    if status["success_count"] != own_node.BATCH:
        raise RuntimeError(f"a POST was not taken: {str(status.get('failures'))[:500]}")


def _row(
    target: cases.OwnTarget, case: str, result: load.Result, objects_per_second: float | None
) -> Row:
    row = Row(
        server=target.name,
        engine=target.engine,
        objects=target.objects,
        case=case,
        connections=1,
        rate=result.rate,
        p99_ms=result.p99_ms,
        errors=result.errors,
        more={"p50_ms": round(result.p50_ms, 3), "requests": result.done},
    )
    if objects_per_second is not None:
        row.more["objects_per_second"] = round(objects_per_second)
        row.more["notes"] = {"objects/s": f"{objects_per_second:,.0f}"}
    return row


def full_pull(home: Path, server: processes.Server, target: cases.OwnTarget) -> Row:
    """All pages by taxii2-client; how much of the time is the client's own."""
    secrets = own_node.secrets_of(home)
    name, _ = policies.pollers()[0]
    user, _, secret = secrets[name].partition(".")
    url = f"http://127.0.0.1:{server.port}{own_node.API_ROOT}collections/{policies.COLLECTION_ID}/"
    walls, shares, found = [], [], {}
    for _ in range(2):
        before = server.cpu_seconds()
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.pull", url, user, secret],
            cwd=own_node.ROOT,
            check=True,
            capture_output=True,
        )
        found = json.loads(answer.stdout)
        found["server_cpu"] = server.cpu_seconds() - before
        walls.append(found["wall"])
        shares.append(1 - found["waited"] / found["wall"])
    wall, share = statistics.median(walls), statistics.median(shares)
    return Row(
        server=target.name,
        engine=target.engine,
        objects=target.objects,
        case="full pull, taxii2-client",
        connections=1,
        rate=found["pages"] / wall,
        p99_ms=wall * 1000,
        more={
            **found,
            "client_share": round(share, 3),
            "notes": {
                "objects/s": f"{found['objects'] / wall:,.0f}",
                "client's share": f"{share:.0%}",
                "server CPU s": f"{found['server_cpu']:.2f}",
            },
        },
    )
