"""The scene of 72 hours with B's node as it was: the code, the schema and the tests of an earlier commit, in a process of its own.

There is no release of this program yet. "One release older" is OLDER, the first commit whose `carry` was complete: its
own source on its own path, its own migrations, its own words of the format. What lies between it and this version is
what `git log OLDER..` says. Needs the repository's history; without it the scene fails, and says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Wall
from tests.foreign.test_carried_scene import Everything, drifted
from tests.scenes import Scene, indicator
from tests.taxii.conftest import serving
from tests.unit.syncing.peers import Relay, relaying

from cert_exchange.messages.deliveries import Way
from cert_exchange.node import Node
from cert_exchange.services import carrying, ledger, partners, reconciling, signing, syncing
from cert_exchange.services.carrying import Wanted
from cert_exchange.store import deliveries as rows
from cert_exchange.store import migrations

OLDER = "123221fce9fcad3e771c20ab757101261002c2bd"
ROOT = Path(__file__).parents[2]
SLOW = 11 * 60
OUT = timedelta(hours=72)
FILES, EACH = 4, 100


class Older:
    """B's process, spoken to by lines."""

    def __init__(self, code: Path, home: Path, log: Any) -> None:
        path = os.pathsep.join((str(code / "src"), str(code)))
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "foreign" / "older_side.py"), str(home)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=code,
            env={**os.environ, "PYTHONPATH": path, "SHIFT": str(-SLOW), "PYTHONSAFEPATH": "1"},
        )  # fmt: skip

    def __getattr__(self, command: str) -> Any:
        def ask(*arguments: Any) -> Any:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps([command, *map(str_or_int, arguments)]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            assert line, f"B ended at {command}; see its log"
            return json.loads(line)

        return ask

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()


def str_or_int(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Older]:
    packed = subprocess.run(
        ["git", "archive", OLDER, "src", "tests", "pyproject.toml"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if packed.returncode:
        pytest.fail(f"this needs the history of the repository: commit {OLDER[:12]} is missing")
    code = tmp_path / "older"
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(code, filter="data")
    with (tmp_path / "b.log").open("w") as log:
        side = Older(code, tmp_path / "node-b", log)
        try:
            about = side.about()
            assert about["code"] == str(code / "src" / "cert_exchange")
            assert about["schema"] <= migrations.HEAD
            yield side
        finally:
            side.end()


@pytest.mark.soak
def test_72_hours_with_an_older_node(
    older: Older, sqlite_node: Node, wall: Wall, tmp_path: Path
) -> None:
    """0 lost, 0 doubled, receipts back before the link is, and the accounts of both agree."""
    a = Scene.set_up(sqlite_node)
    signing.pin(a.node, "b", older.key(), by="tester")
    older.pin(signing.our_keys(a.node)[0].public)
    token = partners.issue(a.node, "b", lifetime=None).token
    with serving(a.node) as port, relaying(port) as link:
        link.now = wall.read
        older.source(link.url, token)
        _play(a, older, link, wall, tmp_path)


def _play(a: Scene, older: Older, link: Relay, wall: Wall, tmp_path: Path) -> None:
    a.publish(*(indicator(f"before {n}") for n in range(20)))
    assert older.pull()["ok"]
    link.lose = Everything()
    assert not older.pull()["ok"]
    published: list[str] = [indicator(f"before {n}")["id"] for n in range(20)]
    for number in range(FILES):
        made = [indicator(f"out {number} {n}") for n in range(EACH)]
        a.publish(*made)
        published += [one["id"] for one in made]
        out = carrying.take_out(a.node, "b", tmp_path / f"a{number}", Wanted(), by="courier")
        assert out is not None
        told = older.carry_in(out.path)
        assert (told["ok"], told["new"]) == (True, EACH), told
        # The older version passes over what it does not know (`stand`), and says so.
        assert told["notes"] == [
            "1 record is of a kind that this version does not know, and passed over"
        ]
        assert older.carry_out(tmp_path / f"b{number}")["receipts"] == 1
        answered = carrying.bring_in(
            a.node, tmp_path / f"b{number}", by="desk", progress=lambda _done, _all: None
        )
        assert (answered.receipts, answered.answered) == (1, (number + 1,))
        wall.forward(OUT / FILES)
        older.forward(int((OUT / FILES).total_seconds()))
    with a.node.database.reading() as tx:
        assert not rows.without_receipt(tx, a.partner("b"), ours=True, way=Way.SERVED)
    assert Counter(older.held()) == Counter(published)
    assert not older.pull()["ok"]
    # It returns.
    link.lose = set()
    port_b = older.serve()
    secret = tmp_path / "secret-a"
    secret.write_text(older.credential())
    syncing.add_target(
        a.node, "to-b", partner="b", url=f"http://127.0.0.1:{port_b}/api/", remote_collection="indicators",
        collection="indicators", secret=secret,
        options={"insecure": True, "auth": "bearer", "server": "cert-exchange", "read_seconds": 60.0},
    )  # fmt: skip
    told = older.pull()
    assert (told["ok"], told["received"]) == (True, 0), told
    a.publish(indicator("after"))
    assert older.pull()["accepted"] == 1
    (pushed,) = syncing.sync_once(a.node, only="to-b")
    assert pushed.counts["confirmed"] == pushed.counts["sent"] > len(published)
    assert Counter(older.held()) == Counter([*published, indicator("after")["id"]])
    account = older.reconcile()
    assert account["differences"] == 0
    assert account["agreed"] > len(published)
    found = reconciling.reconcile(a.node, "b")
    assert (found.differences, found.odd) == ((), ())
    assert drifted(a, "b") == {}
    older.verify()
    ledger.note_fetches(a.node)
    ledger.seal(a.node)
    ledger.verify(a.node)
