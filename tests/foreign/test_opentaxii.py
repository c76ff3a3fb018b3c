"""OpenTAXII, a server of another maker, as a foreign peer: pulled from, pushed to, and both at once.

It lives in an environment of its own (`benchmarks.peers` installs it from the package index and repairs the one line that
it needs), which takes minutes the first time: `make soak` runs this, and what is only said of it is `test_servers.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from benchmarks import peers, processes
from tests.scenes import B_IDENTITY, Scene, address, indicator, malware, relationship
from tests.unit.syncing.conftest import quarantined, received, sync

from cert_exchange.node import Node
from cert_exchange.services import syncing

pytestmark = pytest.mark.soak

WORK = Path(peers.__file__).parent / "work"
Start = Callable[[Sequence[dict[str, Any]]], str]


@pytest.fixture
def opentaxii(tmp_path: Path) -> Iterator[Start]:
    """`opentaxii(objects)`: one that holds them; its API root."""
    python = peers.install_opentaxii(WORK)
    assert python is not None, "it is not installed here, and no package index gives it"
    running: list[processes.Server] = []

    def start(items: Sequence[dict[str, Any]]) -> str:
        work = tmp_path / "opentaxii"
        config = peers.fill_opentaxii(python, items, work)
        running.append(peers.start_opentaxii(python, config, work))
        return f"http://127.0.0.1:{running[-1].port}/taxii2/{peers.API_ROOT}/"

    yield start
    for one in running:
        one.stop()


def add(node: Node, url: str, tmp_path: Path, *, push: bool = False, **options: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("bench")
    (syncing.add_target if push else syncing.add_source)(
        node, "opentaxii", partner="b", url=url, remote_collection=peers.COLLECTION,
        collection="indicators", secret=secret,
        options={"insecure": True, "auth": "basic", "user": "bench", **options},
    )  # fmt: skip


def theirs(name: str, **more: Any) -> dict[str, Any]:
    return indicator(name, by=B_IDENTITY, **more)


def test_pull(sqlite_node: Node, opentaxii: Start, tmp_path: Path) -> None:
    """Several pages by its keyset `next`, and later runs from the cursor: everything once.

    It writes an object's type as `spec_version`: refused object by object, until that is mended by the source's option.
    """
    scene = Scene.set_up(sqlite_node)
    url = opentaxii([theirs(f"i{n:03d}") for n in range(250)])
    add(sqlite_node, url, tmp_path, limit=100)
    refused = sync(sqlite_node)
    assert refused.ok
    assert refused.counts["rejected"] == 250
    assert "spec_version" in refused.refusals[0].reason
    syncing.remove(sqlite_node, "pull", "opentaxii", by="anna")
    add(sqlite_node, url, tmp_path, limit=100, mend_spec_version=True)
    report = sync(sqlite_node)
    assert report.ok, report.outcome
    assert report.counts["accepted"] == 250
    assert received(scene) == [f"i{n:03d}" for n in range(250)]
    for _ in range(2):
        again = sync(sqlite_node)
        assert again.ok, again.outcome
        assert again.counts.get("accepted", 0) == 0


def test_push_and_pull_come_to_rest(sqlite_node: Node, opentaxii: Start, tmp_path: Path) -> None:
    """What has no `modified` breaks it (500), and is put aside at the third run; the rest is there, and comes back as ours."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(
        *(indicator(f"i{n:03d}", x_case=str(n)) for n in range(30)),
        indicator("v", version=1), malware("m"), relationship(indicator("i000"), malware("m")),
        address("198.51.100.7"),
    )  # fmt: skip
    url = opentaxii([theirs("a"), theirs("b")])
    add(sqlite_node, url, tmp_path, push=True, batch_objects=20)
    for _ in range(2):
        broken = sync(sqlite_node)
        assert not broken.ok
        assert "500" in broken.outcome
    report = sync(sqlite_node)
    assert report.ok, report.outcome
    without = [one["id"] for one in scene.sees("b") if "modified" not in one]
    assert [one[1] for one in quarantined(sqlite_node)] == without
    assert report.counts["refused"] == len(without) > 1
    assert report.counts["confirmed"] == len(scene.ids("b")) - len(without)
    assert report.counts["unconfirmed"] == 0
    assert sync(sqlite_node).outcome == "Nothing new to push."
    add(sqlite_node, url, tmp_path, mend_spec_version=True)
    for one in syncing.sync_once(sqlite_node):
        assert one.ok, one.outcome
    assert received(scene) == ["a", "b"]
    before = (scene.log("b"), quarantined(sqlite_node))
    for _ in range(3):
        for one in syncing.sync_once(sqlite_node):
            assert one.ok, one.outcome
            assert one.counts.get("accepted", 0) + one.counts.get("sent", 0) == 0
    assert (scene.log("b"), quarantined(sqlite_node)) == before


def test_a_wrong_password_is_said(sqlite_node: Node, opentaxii: Start, tmp_path: Path) -> None:
    """Its 401, with its words."""
    Scene.set_up(sqlite_node)
    add(sqlite_node, opentaxii([]), tmp_path, user="nobody")
    report = sync(sqlite_node)
    assert not report.ok
    assert "401" in report.outcome
