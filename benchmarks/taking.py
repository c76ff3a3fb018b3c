"""`make bench-taking`: what it costs to take in a long table.

    (1) write a CSV of LINES lines (1,000,000)   (2) `publish --dry-run` it   (3) publish it for real   (4) publish it again

1. Every step is the program as a person starts it, on a node with one partner whose policy lets everything of ours go.
2. Memory is the anonymous memory of the process, sampled while it works: pages of the database that are mapped from its file
   belong to the kernel. The bar is 500 MB, at any number of lines.
3. The second publish must add nothing.

STORED in the environment makes steps 3 and 4 shorter than step 2, OBSERVABLES=no leaves observables out.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.own_node import WORK
from benchmarks.processes import rss_anon

LINES: Final = int(os.environ.get("LINES", "1000000"))
STORED: Final = int(os.environ.get("STORED", str(LINES)))
BAR_MB: Final = 500
_COLLECTION: Final = "id: 7d0c2c0e-3c5b-4b6e-8f0e-9b7d3e1a2c44\ntitle: Indicators\nalias: indicators\nread: [b]\nwrite: [b]\n"
_POLICY: Final = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: amber}
rules:
  - name: Ours
    match: {origin: own}
    allow: true
"""


def line(number: int) -> str:
    """One row: a domain, an address, a URL or a hash, with words beside it; no two rows name one value."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    kind = number % 10
    if kind < 4:
        value = f"{digest[:12]}.{digest[12:20]}.com"
    elif kind < 7:
        value = f"{11 + (number >> 24)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    elif kind == 7:
        value = f"https://{digest[:14]}.net/{digest[20:30]}/login.php?id={number}"
    else:
        value = digest
    return f"{value},seen in campaign {number % 97},{50 + number % 50}\n"


def write(file: Path, lines: int) -> None:
    """The table with its header."""
    with file.open("w") as out:
        out.write("indicator,description,confidence\n")
        out.writelines(line(number) for number in range(lines))


def run(home: Path, *arguments: str) -> tuple[float, float, float, dict[str, Any]]:
    """Run the program: seconds, seconds of processor, peak MB, and the document that it printed."""
    environment = {**os.environ, "CERT_EXCHANGE_HOME": str(home), "CERT_EXCHANGE_OPERATOR": "bench"}
    out = home.parent / "out.json"
    began = time.perf_counter()
    with out.open("wb") as kept:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("cert-exchange")), *arguments],
            env=environment,
            stdout=kept,
        )
        peak = 0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = max(peak, rss_anon(process.pid))
            time.sleep(0.1)
        _, status, usage = ended
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(arguments)} failed")
    text = out.read_text()
    processor = usage.ru_utime + usage.ru_stime
    document = json.loads(text) if text.startswith("{") else {}
    return seconds, processor, peak / 1_000_000, document


def prepare(home: Path) -> None:
    """A node with a partner, a collection and a policy."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    run(home, "init", "--title", "CERT A")
    identity = "identity--b0000000-0000-4000-8000-00000000000b"
    run(home, "partner", "add", "b", "--title", "CERT B", "--speaks-for", identity)
    (home / "collections" / "indicators.yaml").write_text(_COLLECTION)
    (home / "policies" / "b.yaml").write_text(_POLICY)
    run(home, "collection", "load")
    run(home, "policy", "apply", str(home / "policies" / "b.yaml"), "--reason", "bench")


def told(
    what: str, lines: int, seconds: float, processor: float, peak: float, document: dict[str, Any]
) -> bool:
    """Print one step's figures; whether it kept to the bar."""
    [one] = document["inputs"]
    print(
        f"{what}: {lines:,} lines in {seconds:,.1f} s = {lines / seconds:,.0f} rows/s"
        f" ({lines / processor:,.0f} a second of processor), peak {peak:,.0f} MB,"
        f" objects {one['objects']}, results {one.get('results', {})}",
        flush=True,
    )
    return peak < BAR_MB


def main(_: Sequence[str] = ()) -> None:
    """Run the steps and print their figures. Exits with 1 over the bar."""
    folder = WORK / "taking"
    home = folder / "node"
    prepare(home)
    options = ["--format", "csv", "--tlp", "green", "--name", "bench", "--json"]
    if os.environ.get("OBSERVABLES") == "no":
        options.append("--no-observables")
    table, stored = folder / "long.csv", folder / "stored.csv"
    write(table, LINES)
    write(stored, STORED)
    good = told("looked at", LINES, *run(home, "publish", str(table), "--dry-run", *options))
    for what in ("published", "published again"):
        measured = run(home, "publish", str(stored), *options)
        good &= told(what, STORED, *measured)
    document = measured[-1]
    if set(document["inputs"][0]["results"]) - {"duplicate"}:
        sys.exit("the second publish added something")
    if not good:
        sys.exit(f"over {BAR_MB} MB")


if __name__ == "__main__":
    main()
