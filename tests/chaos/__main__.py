"""`make chaos RUNS=n SEED=s`: many runs, a line for each that found something, and the line that says it all."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing.util import Finalize

import structlog
from tests.chaos.running import Grounds, Plan, Result, run, summed


@cache
def _grounds() -> Grounds:
    # What the harness's own nodes say, as people's commands would; the processes write into files.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    made = Grounds()
    Finalize(None, made.close, exitpriority=1)  # unlike atexit, it runs in the pool's processes too
    return made


def _one(plan: Plan) -> Result:
    return run(_grounds(), plan)


def _made(plans: Sequence[Plan], jobs: int) -> Generator[Result]:
    """The runs, so many at a time; their processes have ended when this has, so that the last line is the last."""
    if jobs == 1:
        yield from map(_one, plans)
        return
    pool = ProcessPoolExecutor(jobs)
    try:
        yield from pool.map(_one, plans)
    finally:
        pool.shutdown(cancel_futures=True)


def main() -> int:
    """Make the runs; 0 where nothing was lost, repeated or leaked."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others count on")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--without", default="", help="a guard that is off: cursor, dedupe, lease")
    parser.add_argument("--keep", action="store_true", help="leave the folders of every run")
    parser.add_argument(
        "--signed", action="store_true", default=None, help="with keys pinned in every run"
    )
    given = parser.parse_args()
    keep = "always" if given.keep else "found"
    plans = [
        Plan(seed, without=given.without, keep=keep, signed=given.signed)
        for seed in range(given.seed, given.seed + given.runs)
    ]
    results = []
    made = _made(plans, given.jobs)
    try:
        for one in made:
            results.append(one)
            _tell(one)
    except KeyboardInterrupt:
        print("interrupted")
    made.close()
    for line in summed(results):
        print(line, flush=True)
    return int(not all(one.clean for one in results))


def _tell(one: Result) -> None:
    found = one.findings
    verdict = "ok" if one.clean else "BROKEN" if one.broken else "FOUND"
    print(
        f"seed {one.seed}: {verdict} {one.hits.total()} faults, {one.seconds:.1f} s, {one.words}",
        flush=True,
    )
    for kind, sentences in (
        ("lost", found.lost),
        ("repeated", found.repeated),
        ("leaked", found.leaked),
    ):
        for sentence in sentences[:6]:
            print(f"    {kind}: {sentence}", flush=True)
    if not one.clean and one.folder:
        print(f"    kept: {one.folder}", flush=True)
    if one.broken:
        print(one.broken, flush=True)
    for line in one.channels:
        print(f"    {line}", flush=True)
    for line in one.faults_of_ours:
        print(f"    logged: {line[:300]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
