"""Nodes of ours in a ring or round a foreign hub, each served on loopback and asked by the next, by real sync.

`Party` is one CERT; `told(after)` lets `after` pull from it. `settled` runs everybody's channels until nothing moves and
says how many cycles it took: what a ring must show is that there is such an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from tests.conftest import OUR_IDENTITY, Wall, reopen
from tests.neighbour import COLLECTION, Neighbour
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, uid
from tests.taxii.conftest import serving

from cert_exchange.node import Node
from cert_exchange.services import collections, partners, publishing, syncing
from cert_exchange.store.tables import (
    identifiers,
    objects,
    quarantine,
    release_log,
    renditions,
)

IDENTITIES = {"a": OUR_IDENTITY, "b": B_IDENTITY, "c": C_IDENTITY}
WHOLE = """\
partners: [{partner}]
collections: [indicators]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - name: everything
    match: {{origin: any}}
    allow: true
"""
REDACTED = (
    WHOLE
    + """\
  - name: less
    match: {{origin: any, type: [indicator, malware, report]}}
    redact: {{remove: [{removed}]}}
    reason: ours alone
"""
)


@dataclass
class Party:
    """A CERT: its node, the port at which it serves, and words for what it holds."""

    name: str
    scene: Scene
    port: int
    folder: Path

    @property
    def node(self) -> Node:
        return self.scene.node

    @property
    def identity(self) -> str:
        return IDENTITIES[self.name]

    def count(self) -> tuple[int, ...]:
        """Versions, bytes, lines of the logs and what is kept aside: what no idle exchange may add to."""
        with self.node.database.reading() as tx:
            return tuple(
                int(tx.execute(select(func.count()).select_from(table)).scalar_one())
                for table in (objects, renditions, release_log, quarantine)
            )

    def told(self, after: Party, *, port: int = 0, **options: Any) -> None:
        """`after` pulls what our policy shows it, at our port or at that of what stands between."""
        syncing.add_source(
            after.node, f"from-{self.name}", partner=self.name,
            url=f"http://127.0.0.1:{port or self.port}/api/", remote_collection=uid("collection indicators"),
            collection="indicators", secret=self.credential(after.name),
            options={"insecure": True, "auth": "bearer", "server": "cert-exchange", **options},
        )  # fmt: skip

    def credential(self, partner: str) -> Path:
        secret = self.folder / f"{self.name}-for-{partner}"
        secret.write_text(partners.issue(self.node, partner, lifetime=None).token)
        return secret

    def meets(self, hub: Neighbour) -> None:
        """Both ways with a foreign collection: what it holds comes in, what our policy shows it goes out."""
        for add in (syncing.add_source, syncing.add_target):
            add(
                self.node, "hub", partner="hub", url=hub.url, remote_collection=COLLECTION,
                collection="indicators", options={"insecure": True},
            )  # fmt: skip

    def held(self, stix_id: str) -> dict[str, set[str]]:
        """The versions of an id that are stored here, by what became of them."""
        statement = (
            select(objects.c.status, objects.c.version)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .where(identifiers.c.stix_id == stix_id)
        )
        found: dict[str, set[str]] = {}
        with self.node.database.reading() as tx:
            for status, version in tx.execute(statement):
                found.setdefault(status, set()).add(version)
        return found


def begun(node: Node, name: str, known: Sequence[str], *, wall: Wall, named: bool) -> Scene:
    """A node as CERT `name`, with partners who may bring whatever no other partner speaks for.

    Unless they are `named`, it does not know which identities are theirs: then everything goes on as far as it can.
    """
    file = node.settings.home / "node.yaml"
    node.close()
    file.write_text(file.read_text().replace(OUR_IDENTITY, IDENTITIES[name]))
    node = reopen(node, wall)
    publishing.seed(node)
    for other in known:
        speaks = [IDENTITIES[other]] if named and other in IDENTITIES else []
        partners.add(node, other, title=other, speaks_for=speaks, relays_any=True)
    directory = node.settings.home / "collections"
    directory.mkdir(exist_ok=True)
    (directory / "indicators.yaml").write_text(
        f"id: {uid('collection indicators')}\ntitle: indicators\nalias: indicators\n"
        f"read: [{', '.join(known)}]\nwrite: [{', '.join(known)}]\n"
    )
    collections.load_collections(node, directory)
    return Scene(node)


@contextmanager
def parties(
    new_node: Callable[..., Node],
    wall: Wall,
    folder: Path,
    known: dict[str, Sequence[str]],
    *,
    engine: str = "sqlite",
    named: bool = False,
) -> Iterator[dict[str, Party]]:
    """`known`: who takes part, and whom each has as partners."""
    with ExitStack() as ends:
        made = {}
        for name, others in known.items():
            scene = begun(new_node(engine, name), name, others, wall=wall, named=named)
            ends.callback(scene.node.close)
            made[name] = Party(name, scene, ends.enter_context(serving(scene.node)), folder)
        yield made


def cycle(taking_part: Sequence[Party]) -> list[syncing.RunReport]:
    """Everybody's channels once."""
    found = [report for one in taking_part for report in syncing.sync_once(one.node)]
    for report in found:
        assert report.ok, (report.name, report.outcome)
    return found


def settled(taking_part: Sequence[Party], *, most: int = 6) -> int:
    """Run cycles until one moves nothing; how many moved something. More than `most`: it never ends."""
    for number in range(most + 1):
        before = [one.count() for one in taking_part]
        cycle(taking_part)
        if [one.count() for one in taking_part] == before:
            return number
    raise AssertionError(f"still moving after {most} cycles: {before}")


def at_rest(taking_part: Sequence[Party], *, cycles: int = 3) -> None:
    """Nothing is written any more, not even to a report's counters but as what is known."""
    before = [one.count() for one in taking_part]
    for _ in range(cycles):
        for report in cycle(taking_part):
            moved = {name: report.fates.get(name, 0) for name in ("new", "updated")}
            assert not any(moved.values()), (report.name, report.outcome)
    assert [one.count() for one in taking_part] == before
