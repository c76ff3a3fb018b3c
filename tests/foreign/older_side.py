"""CERT B as a program of an older version: run with that version's `src` and `tests` before all others on the path.

It reads a JSON list a line, `[command, argument ...]`, and answers a JSON value a line. Its clock is the machine's, moved by
what `SHIFT` says in seconds and by `forward`. Nothing of the newer version is imported here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cert_exchange
from cert_exchange.messages.keys import public_text
from cert_exchange.node import Clock, Node, make_home, open_node
from cert_exchange.services import (
    carrying,
    holdings,
    ledger,
    partners,
    reconciling,
    signing,
    syncing,
)
from cert_exchange.services.carrying import Wanted
from cert_exchange.store import migrations

A = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
B = "identity--b0000000-0000-4000-8000-00000000000b"
SECOND = 1_000_000


class Side:
    def __init__(self, home: Path, stack: ExitStack) -> None:
        from tests.scenes import ALLOW_ALL, Scene

        self.shift = int(os.environ["SHIFT"]) * SECOND
        self.passed = 0
        self.folder = home
        make_home(home, identity=B, title="CERT B")
        clock = Clock(
            lambda: time.time_ns() // 1_000 + self.shift + self.passed,
            steady=lambda: time.monotonic() + self.passed / SECOND,
        )
        self.node: Node = open_node(home, clock=clock)
        self.stack = stack
        self.scene = Scene.set_up(self.node, partners_named=("a",), policies_for=())
        partners.amend(self.node, "a", speaks_for=[A], relays=[])
        self.scene.apply("a", ALLOW_ALL.format(partner="a"))

    def about(self) -> dict[str, str]:
        return {"code": str(Path(cert_exchange.__file__).parent), "schema": migrations.HEAD}

    def key(self) -> str:
        return public_text(self.node.secrets.signing_keys[0].public)

    def pin(self, key: str) -> None:
        signing.pin(self.node, "a", key, by="tester")

    def serve(self) -> int:
        from tests.taxii.conftest import serving

        return int(self.stack.enter_context(serving(self.node)))

    def credential(self) -> str:
        return partners.issue(self.node, "a", lifetime=None).token

    def source(self, url: str, secret: str) -> None:
        file = self.folder / "secret"
        file.write_text(secret)
        syncing.add_source(
            self.node, "from-a", partner="a", url=url, remote_collection="indicators",
            collection="indicators", secret=file,
            options={
                "insecure": True, "auth": "bearer", "server": "cert-exchange", "read_seconds": 60.0
            },
        )  # fmt: skip

    def forward(self, seconds: int) -> None:
        self.passed += seconds * SECOND

    def pull(self) -> dict[str, Any]:
        (report,) = syncing.sync_once(self.node, only="from-a")
        return {"ok": report.ok, "outcome": report.outcome, **report.counts}

    def carry_in(self, file: str) -> dict[str, Any]:
        brought = carrying.bring_in(
            self.node, Path(file), by="desk", progress=lambda _done, _all: None
        )
        new = sum(run.fates["new"] for run in brought.runs)
        return {"ok": brought.ok, "new": new, "notes": brought.notes}

    def carry_out(self, file: str) -> dict[str, Any]:
        made = carrying.take_out(self.node, "a", Path(file), Wanted(), by="desk")
        return {"receipts": 0 if made is None else made.receipts}

    def held(self) -> list[str]:
        hits, _ = holdings.received(self.node, "a", limit=10_000)
        return [hit.stix_id for hit in hits if hit.stix_id.startswith("indicator--")]

    def reconcile(self) -> dict[str, Any]:
        account = reconciling.reconcile(self.node, "a")
        return {
            "differences": len(account.differences) + len(account.odd),
            "agreed": account.agreed_in,
        }

    def verify(self) -> None:
        ledger.note_fetches(self.node)
        ledger.seal(self.node)
        ledger.verify(self.node)


def main() -> None:
    with ExitStack() as stack:
        side = Side(Path(sys.argv[1]), stack)
        for line in sys.stdin:
            command, *arguments = json.loads(line)
            sys.stderr.write(f"{command}\n")
            sys.__stdout__.write(json.dumps(getattr(side, command)(*arguments)) + "\n")
            sys.__stdout__.flush()


if __name__ == "__main__":
    # What the node logs to standard output is none of the answers.
    sys.stdout = sys.stderr
    main()
