"""One run: all servers on the same data, each in its own process, the load from another.

`make bench` runs everything on both engines; `make bench-quick` runs the page cases on SQLite in under
four minutes and ends with one line of figures. Rows go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from sqlalchemy.engine import URL

from benchmarks import cases, corpus, own_node, peers, postgres, processes, report, writing
from benchmarks.measuring import Effort, Row, measure

SIZES: Final = (1_000, 20_000, 100_000)
LARGE: Final = 1_000_000
"""Measured beside them on SQLite in a whole run; filling it takes minutes, and no peer answers at that size."""
MEDALLION_SIZES: Final = (100, 1_000)
PAGE_CASES: Final = (cases.ADVANCING, cases.PAGE100, cases.PAGE1000)
OTHER_CASES: Final = (cases.INCREMENTAL, cases.FILTERED, cases.DEEP, cases.OBJECT)
ALL_CASES: Final = (*PAGE_CASES, *OTHER_CASES)
WORK: Final = own_node.WORK


@dataclass(slots=True)
class Running:
    """Our node as it runs for one size."""

    home: Path
    server: processes.Server
    target: cases.OwnTarget
    url: str | None


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="page cases only, SQLite only")
    parser.add_argument("--engines", default="", help="sqlite,postgresql")
    parser.add_argument("--sizes", default="", help="1000,20000,100000,1000000")
    parser.add_argument("--seconds", type=float, default=0.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--no-peers", action="store_true", help="leave medallion and OpenTAXII out")
    parser.add_argument("--keep", action="store_true", help="do not write benchmarks/results/")
    given = parser.parse_args()
    quick: bool = given.quick
    sizes = tuple(int(word) for word in given.sizes.split(",") if word)
    engines = tuple(word for word in given.engines.split(",") if word) or (
        ("sqlite",) if quick else ("sqlite", "postgresql")
    )
    effort = Effort(
        seconds=given.seconds or (0.5 if quick else 1.0),
        rounds=given.rounds or (5 if quick else 9),
        peer_seconds=2.0 if quick else 4.0,
        peer_rounds=1 if quick else 2,
    )
    run = Run(quick=quick, sizes=sizes, effort=effort, peers=not given.no_peers)
    began = time.perf_counter()
    facts = {"machine": report.machine(), "quick": quick}
    for engine in engines:
        run.engine(engine)
    facts["seconds"] = round(time.perf_counter() - began, 1)
    if not given.keep:
        path = report.write(run.rows, facts, quick=quick)
        print(f"written: {path}")
    report.show(run.rows, Console(width=None if sys.stdout.isatty() else 150))
    print(f"took {facts['seconds']:.0f} s")
    print(last_line(run.rows))


class Run:
    """What a run collects."""

    def __init__(self, *, quick: bool, sizes: Sequence[int], effort: Effort, peers: bool) -> None:
        self.quick = quick
        self.wanted = sizes
        self.sizes: Sequence[int] = sizes or SIZES
        self.effort = effort
        self.with_peers = peers
        self.rows: list[Row] = []
        self._peers_done = False

    def engine(self, engine: str) -> None:
        """All cases of our node on one engine, the peers beside it the first time."""
        if not self.wanted:
            self.sizes = (*SIZES, LARGE) if engine == "sqlite" and not self.quick else SIZES
        with ExitStack() as stack:
            at = stack.enter_context(postgres.server()) if engine == "postgresql" else None
            python, kept = self._prepare(engine, at)
            running = {size: self._start(stack, engine, size, at, kept) for size in self.sizes}
            middle = running[20_000 if 20_000 in running else self.sizes[-1]]
            measured = PAGE_CASES if self.quick else ALL_CASES
            files = cases.typical_bodies(middle.target, measured, WORK / "bodies")
            bare = stack.enter_context(_yardstick(list(files.values())))
            yardstick = cases.YardstickTarget(
                bare.port, {name: number for number, name in enumerate(files)}
            )
            ours: list[cases.Target] = [one.target for one in running.values()]
            others: list[cases.Target] = []
            if python and not self._peers_done:
                others = [self._opentaxii(stack, python, size) for size in self._peer_sizes()]
            processes.settle([one.server for one in running.values()])
            self._advancing(yardstick, running)
            for one in running.values():
                _settle(one.target)
            for case in measured:
                if case.advances:
                    continue
                for connections in (1, 4):
                    say(f"{engine}: {case.name}, {connections} connection(s)")
                    alone = self.quick and case is not cases.PAGE100
                    found = measure(
                        case,
                        [yardstick, *ours, *([] if alone else others)],
                        connections=connections,
                        effort=self.effort,
                    )
                    self._keep(found)
            if self.with_peers and not self._peers_done:
                self._medallion(yardstick)
            self._peers_done = True
            self._memory(engine, running)
            self._writing(engine, running)
            if not self.quick:
                self._starting(stack, engine, running)

    def _keep(self, found: list[Row]) -> None:
        self.rows += found
        for row in found:
            ratio = "" if row.ratio is None else f", ratio {row.ratio:.3f}"
            trouble = f", {row.errors} errors: {row.more.get('first_error')}" if row.errors else ""
            say(
                f"    {row.server} {row.objects}: {row.rate:.1f}/s,"
                f" p99 {row.p99_ms:.2f} ms{ratio}{trouble}"
            )

    def _peer_sizes(self) -> list[int]:
        return [size for size in self.sizes if size == 20_000 or (not self.quick and size < LARGE)]

    def _prepare(self, engine: str, at: URL | None) -> tuple[Path | None, dict[int, URL]]:
        """Fill what is not kept, two processes at a time; install and fill OpenTAXII beside them."""
        kept: dict[int, URL] = {}
        began: list[subprocess.Popen[bytes]] = []
        if at is not None:
            # The server is new in each run, so nothing on it is kept.
            for size in self.sizes:
                kept[size] = postgres.database(at)
        say(f"{engine}: filling stores of {', '.join(f'{size:,}' for size in self.sizes)} objects")
        for size in sorted(self.sizes, reverse=True):
            if at is not None:
                own_node.forget(size, engine)
            url = postgres.text(kept[size]) if at is not None else None
            child = own_node.make(size, engine, url)
            if child:
                began.append(child)
            if len(began) == 2:
                _await(began.pop(1))
        python = None
        if self.with_peers and not self._peers_done:
            python = peers.install_opentaxii(WORK)
        for child in began:
            _await(child)
        return python, kept

    def _start(
        self, stack: ExitStack, engine: str, size: int, at: URL | None, kept: dict[int, URL]
    ) -> Running:
        home = own_node.copy(size, engine, f"{engine}-{size}")
        url = postgres.text(postgres.database(at, kept[size])) if at is not None else None
        server = own_node.serve(home, database_url=url)
        running = Running(home, server, None, url)  # type: ignore[arg-type]  # set in the next lines
        stack.callback(_stop, running)
        running.target = own_node.target_of(home, server, objects=size, engine=engine)
        return running

    def _opentaxii(self, stack: ExitStack, python: Path, size: int) -> cases.Target:
        folder = WORK / f"opentaxii-{size}-{own_node.schema_digest()}"
        items = _items(size)
        config = peers.fill_opentaxii(python, items, folder)
        server = peers.start_opentaxii(python, config, folder)
        stack.callback(server.stop)
        target = cases.PeerTarget(
            "opentaxii",
            server.port,
            f"/taxii2/{peers.API_ROOT}/",
            items,
            peers.opentaxii_token(server.port),
        )
        target.objects = size
        return target

    def _medallion(self, yardstick: cases.Target) -> None:
        for size in MEDALLION_SIZES:
            say(f"medallion with {size} objects")
            items = list(corpus.objects(size, creator=own_node.OWNER["id"]))
            server = peers.start_medallion(items, WORK / f"medallion-{size}")
            try:
                target = cases.PeerTarget("medallion", server.port, "/root/", items, peers.BASIC)
                found = measure(
                    cases.PAGE100, [yardstick, target], connections=1, effort=self.effort
                )
                self._keep([row for row in found if row.server == "medallion"])
            finally:
                server.stop()

    def _advancing(self, yardstick: cases.Target, running: dict[int, Running]) -> None:
        """First of all, while every mark is still at the start of its log."""
        for connections in (1, 4):
            targets = [yardstick, *(one.target for one in running.values())]
            say(f"polls that advance a mark, {connections} connection(s)")
            # A log of 1,000 is soon read to its end: shorter rounds, the same number for all.
            effort = Effort(0.5, 5)
            found = measure(cases.ADVANCING, targets, connections=connections, effort=effort)
            for row in found:
                if row.server == "cert-exchange":
                    row.more["notes"] = {"advancing": "100 %"}
            self._keep(found)

    def _memory(self, engine: str, running: dict[int, Running]) -> None:
        for size, one in running.items():
            megabytes = one.server.anonymous_memory() / 1_000_000
            parts = {
                name: round(value / 1_000_000, 1)
                for name, value in one.server.memory_by_process().items()
            }
            self.rows.append(
                Row(
                    "cert-exchange", engine, size, "memory after polls", 0, 0.0, 0.0,
                    more={"rss_anon_mb": round(megabytes, 1), "processes": parts,
                          "notes": {"RssAnon MB": f"{megabytes:.0f}", "processes": len(parts)}},
                )
            )  # fmt: skip
            say(f"{engine} {size}: RssAnon {megabytes:.0f} MB {parts}")

    def _writing(self, engine: str, running: dict[int, Running]) -> None:
        """POSTs change the store, so they come last."""
        sizes = [20_000] if self.quick else sorted(running)
        for size in sizes:
            if size not in running:
                continue
            one = running[size]
            say(f"{engine} {size}: polls beside POSTs, POSTs alone")
            self._keep(
                writing.measure(one.home, one.server, one.target, posts=6 if self.quick else 12)
            )
            if not self.quick:
                self._keep([writing.full_pull(one.home, one.server, one.target)])
        self._memory(engine, {size: running[size] for size in sizes if size in running})

    def _starting(self, stack: ExitStack, engine: str, running: dict[int, Running]) -> None:
        for size, one in running.items():
            starts, firsts = [], []
            for turn in range(3):
                one.server.stop()
                one.server = own_node.serve(one.home, database_url=one.url)
                starts.append(one.server.ready_after)
                one.target.port = one.server.port
                processes.settle([one.server])
                request = (one.target.plan(cases.PAGE100) or [])[turn]
                began = time.perf_counter()
                cases.fetch(one.server.port, request)
                firsts.append((time.perf_counter() - began) * 1000)
            start, first = statistics.median(starts), statistics.median(firsts)
            self.rows.append(
                Row("cert-exchange", engine, size, "start-up", 0, 0.0, start * 1000,
                    more={"notes": {"seconds": f"{start:.2f}"}})
            )  # fmt: skip
            self.rows.append(
                Row("cert-exchange", engine, size, "first page after restart", 1, 0.0, first)
            )
            say(f"{engine} {size}: start-up {start:.2f} s, first page {first:.1f} ms")


@contextmanager
def _yardstick(files: Sequence[Path]) -> Iterator[processes.Server]:
    port = processes.free_port()
    command = [sys.executable, "-m", "benchmarks.yardstick", str(port), *map(str, files)]
    server = processes.start(
        "yardstick", command, port=port, log=WORK / "yardstick.log", cwd=own_node.ROOT
    )
    try:
        yield server
    finally:
        server.stop()


def _stop(running: Running) -> None:
    # Whichever server runs by then: a restart exchanges it.
    running.server.stop()


def _settle(target: cases.OwnTarget) -> None:
    for request in target.to_the_end():
        cases.fetch(target.port, request)


def _items(size: int) -> list[dict[str, Any]]:
    return [
        own_node.OWNER,
        *(
            item
            for number, item in enumerate(corpus.objects(size, creator=own_node.OWNER["id"]))
            if not corpus.withdrawn(number)
        ),
    ]


def _await(child: subprocess.Popen[bytes]) -> None:
    if child.wait() != 0:
        raise RuntimeError("a store could not be filled; the reason is above")


def last_line(rows: Sequence[Row]) -> str:
    """The figures of page100 at 20,000 objects, one connection, SQLite; growth is from 1,000 to the largest store."""

    def find(server: str, size: int, case: str) -> Row | None:
        return next(
            (
                row
                for row in rows
                if (row.server, row.objects, row.case) == (server, size, case)
                and row.connections == 1
                and row.engine in {"sqlite", "none"}
            ),
            None,
        )

    def number(row: Row | None, value: Callable[[Row], float | None]) -> float:
        return (value(row) or 0.0) if row else 0.0

    own = find("cert-exchange", 20_000, "page100")
    peer = find("opentaxii", 20_000, "page100")
    small = number(find("cert-exchange", 1_000, "page100"), lambda row: row.ratio)
    largest = max((row.objects for row in rows if row.server == "cert-exchange"), default=0)
    large = number(find("cert-exchange", largest, "page100"), lambda row: row.ratio)
    advancing = number(find("cert-exchange", 20_000, "page100_advancing"), lambda row: row.ratio)
    beside = number(find("cert-exchange", 20_000, "polls during POST"), lambda row: row.p99_ms)
    return (
        f"page100 yardstick_ratio={number(own, lambda row: row.ratio):.3f}"
        f" yardstick_ratio_advancing={advancing:.3f}"
        f" opentaxii_ratio={own.rate / peer.rate if own and peer else 0:.1f}"
        f" growth={small / large if large else 0:.2f}"
        f" p99_during_post_ms={beside:.1f}"
    )


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)
