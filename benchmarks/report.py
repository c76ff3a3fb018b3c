"""What a run leaves behind: a table for people, and results/latest.json with the machine described."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Row

RESULTS: Final = Path(__file__).resolve().parent / "results"
_PACKAGES: Final = (
    "cert-exchange",
    "httptools",
    "medallion",
    "psycopg",
    "sqlalchemy",
    "taxii2-client",
    "uvicorn",
)


def machine() -> dict[str, Any]:
    """What the figures were measured on, with the load that was there before the run began."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = Path("/proc/meminfo").read_text().split(None, 2)[1]
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int(memory) // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "commit": _commit(),
        "load_before": [round(value, 2) for value in os.getloadavg()],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write(rows: Sequence[Row], facts: dict[str, Any], *, quick: bool) -> Path:
    """Write results/latest.json (or quick.json) and results/latest.txt beside it; return the JSON's path."""
    RESULTS.mkdir(exist_ok=True)
    stem = "quick" if quick else "latest"
    path = RESULTS / f"{stem}.json"
    listed = []
    for row in rows:
        entry = asdict(row)
        entry["median_requests_per_second"] = round(entry.pop("rate"), 3)
        entry["p99_ms"] = round(entry["p99_ms"], 3)
        entry["ratio_to_yardstick"] = None if row.ratio is None else round(entry["ratio"], 4)
        del entry["ratio"]
        entry |= entry.pop("more")
        listed.append(entry)
    path.write_text(json.dumps({**facts, "rows": listed}, indent=1) + "\n")
    with (RESULTS / f"{stem}.txt").open("w") as text:
        show(rows, Console(file=text, width=150))
    return path


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table."""
    table = Table(title="medians; ratio to the bare ASGI yardstick of the same round")
    for name in ("case", "server", "engine"):
        table.add_column(name)
    for name in ("objects", "connections", "requests/s", "p50 ms", "p99 ms", "ratio", "errors"):
        table.add_column(name, justify="right")
    table.add_column("notes")
    for row in sorted(rows, key=_order):
        table.add_row(
            row.case,
            row.server,
            row.engine,
            f"{row.objects:,}" if row.objects else "-",
            str(row.connections),
            f"{row.rate:,.1f}" if row.rate < 100 else f"{row.rate:,.0f}",
            f"{row.more['p50_ms']:,.2f}" if "p50_ms" in row.more else "-",
            f"{row.p99_ms:,.2f}",
            "-" if row.ratio is None else f"{row.ratio:.3g}",
            str(row.errors or "-"),
            "; ".join(f"{key} {value}" for key, value in row.more.get("notes", {}).items()),
        )
    console.print(table)


def _order(row: Row) -> tuple[str, int, int, str, str]:
    return (row.case, row.connections, row.objects, row.server, row.engine)


def _commit() -> str:
    root = Path(__file__).resolve().parent
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # the developer's own git
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"
