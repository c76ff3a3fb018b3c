"""B says "that is our CDN": nothing more of it goes out at once; A revokes, and whoever has it drops it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from taxii2client.common import TokenAuth
from taxii2client.v21 import Collection, as_pages
from tests.conftest import Wall
from tests.scenes import ALLOW_ALL, B_IDENTITY, C_IDENTITY, OWN_IDENTITY, Scene, indicator, uid
from tests.unit.syncing.conftest import sync

from cert_exchange.messages.answers import Opinion
from cert_exchange.node import Node, make_home, open_node
from cert_exchange.services import (
    answering,
    collections,
    feeding,
    holdings,
    partners,
    publishing,
    reviewing,
    syncing,
)
from cert_exchange.services.feeding import Format

PLACES = ("indicators", "reports", "answers")
OPEN = ALLOW_ALL.replace("indicators, reports", ", ".join(PLACES))
CDN = indicator("cdn", pattern="[ipv4-addr:value = '45.9.1.7']")
BAD = indicator("bad", pattern="[ipv4-addr:value = '45.9.1.8']")


def lay(node: Node, readers: str) -> None:
    folder = node.settings.home / "collections"
    folder.mkdir(exist_ok=True)
    for alias in PLACES:
        (folder / f"{alias}.yaml").write_text(
            f"id: {uid('collection ' + alias)}\ntitle: {alias}\nalias: {alias}\n"
            f"read: [{readers}]\nwrite: [{readers}]\n"
        )
    collections.load_collections(node, folder)


def other(tmp_path: Path, wall: Wall, identity: str, name: str) -> Scene:
    """Another partner's node, which knows A."""
    home = make_home(tmp_path / f"node-{name}", identity=identity, title=f"CERT {name}")
    node = open_node(home, clock=wall.clock())
    publishing.seed(node)
    partners.add(node, "a", title="CERT A", speaks_for=[OWN_IDENTITY])
    lay(node, "a")
    scene = Scene(node)
    scene.apply("a", OPEN.format(partner="a"))
    return scene


def pull(scene: Scene, url: str, secret: Path) -> None:
    syncing.add_source(
        scene.node, "from-a", partner="a", url=url, remote_collection="indicators",
        collection="indicators", secret=secret,
        options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
    )  # fmt: skip


def fed(node: Node) -> list[str]:
    """The addresses in what this node's own tools read."""
    output = feeding.preview(node, feeding.choose(Format.LIST))
    return b"".join(output.files.values()).decode().split()


def test_b_says_that_is_our_cdn(
    sqlite_node: Node, served: Callable[..., str], tmp_path: Path, wall: Wall
) -> None:
    """B, a third partner, a stock client and every feed hold it, and drop it; a fourth partner never gets it."""
    a = Scene.set_up(sqlite_node, partners_named=("b", "c", "stock", "late"), policies_for=())
    lay(a.node, "b, c, stock, late")
    for name in ("b", "c", "stock"):
        a.apply(name, OPEN.format(partner=name))
    a.publish(CDN, BAD)
    url = served(a.node.settings.home)
    secrets = {}
    for name in ("b", "c", "stock"):
        secrets[name] = tmp_path / f"secret-{name}"
        secrets[name].write_text(partners.issue(a.node, name, lifetime=timedelta(days=1)).token)
    b, c = other(tmp_path, wall, B_IDENTITY, "b"), other(tmp_path, wall, C_IDENTITY, "c")
    stock = Collection(
        f"{url}collections/{uid('collection indicators')}/",
        auth=TokenAuth(secrets["stock"].read_text()), verify=False,
    )  # fmt: skip

    def polled() -> dict[str, dict[str, Any]]:
        pages = as_pages(stock.get_objects, per_request=50)
        return {one["id"]: one for page in pages for one in page.get("objects", [])}

    try:
        for scene, name in ((b, "b"), (c, "c")):
            pull(scene, url, secrets[name])
            assert sync(scene.node).ok
        assert {CDN["id"], BAD["id"]} <= polled().keys()
        nodes = (a.node, b.node, c.node)
        assert [fed(node) for node in nodes] == [["45.9.1.7", "45.9.1.8"]] * 3

        answering.opine(
            b.node, CDN["id"], Opinion.STRONGLY_DISAGREE, because="that is our CDN", by="bert"
        )
        syncing.add_target(
            b.node, "to-a", partner="a", url=url, remote_collection="answers", collection="answers",
            secret=secrets["b"], options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
        )  # fmt: skip
        assert sync(b.node, "to-a").ok
        (row,) = reviewing.list_disputed(a.node)
        assert (row.stix_id, row.partner, row.because) == (CDN["id"], "b", "that is our CDN")
        a.apply("late", OPEN.format(partner="late"))
        assert a.names("late") == ["bad"]
        assert "45.9.1.7" in fed(a.node)  # a partner's word alone ends nobody's detection
        assert "disputed" not in str(polled())

        reviewing.revoke(a.node, CDN["id"], by="anna", reason="it is their CDN")
        assert fed(a.node) == ["45.9.1.8"]
        assert polled()[CDN["id"]]["revoked"] is True
        for scene in (b, c):
            assert sync(scene.node, "from-a").ok
            assert holdings.show(scene.node, CDN["id"])[0].content["revoked"] is True
            assert fed(scene.node) == ["45.9.1.8"]
        assert [
            one["name"] for one in a.sees("late") if one.get("revoked") is None and "pattern" in one
        ] == ["bad"]
        assert reviewing.list_disputed(a.node) == []
    finally:
        b.node.close()
        c.node.close()
