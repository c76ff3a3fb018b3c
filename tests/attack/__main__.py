"""`make attack`: every attempt, one line each; the last line says how many were made and how many refused.

    python -m tests.attack [--engine sqlite|postgresql] [--only WORDS] [--table]

Exit 0 when each was refused and is a real attack without its guard. `--table`: writes attempts and guards into
docs/threat-model.md without attacking.
"""

from __future__ import annotations

import argparse
import contextlib
import sys

from tests import engines
from tests.attack.attempts import every
from tests.attack.running import tried
from tests.attack.table import PAGE, page_with
from tests.attack.world import Worlds


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.attack")
    asked.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    asked.add_argument("--only", default="", help="attempts whose name, guard or file holds this")
    asked.add_argument("--table", action="store_true", help="write the table and end")
    given = asked.parse_args()
    if given.table:
        PAGE.write_text(page_with(PAGE.read_text("utf-8"), every()), "utf-8")
        return 0
    chosen = [
        one for one in every() if given.only in f"{one.name} {one.guard} {one.run.__module__}"
    ]
    results = []
    with contextlib.ExitStack() as stack:
        server = None
        if given.engine == "postgresql":
            server = stack.enter_context(engines.postgresql())
        worlds = stack.enter_context(Worlds(server))
        for one in chosen:
            results.append(tried(one, worlds))
            print(results[-1].line, flush=True)
    bad = [one for one in results if not one.good]
    if bad:
        print(f"{len(bad)} of {len(results)} are not as they must be", flush=True)
    print(f"attempts={len(results)} refused={sum(one.refused for one in results)}", flush=True)
    return 1 if bad or not results else 0


if __name__ == "__main__":
    sys.exit(main())
