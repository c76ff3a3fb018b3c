"""The night of the stolen credential, whole: 20,000 objects are posted, and nothing of others is changed.

CERT B's credential is in wrong hands. Over HTTP comes what would hurt most: indicators against our own addresses, a root
server of the DNS, revocations of 150 objects of ours and 150 of CERT C, and 19,000 objects more. CERT C gets what B sends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.conftest import Wall
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    C_IDENTITY,
    Scene,
    address,
    envelope,
    indicator,
)
from tests.taxii.conftest import Served, objects_path, served

from cert_exchange.node import Node
from cert_exchange.services import screening
from cert_exchange.stix.instants import format_micros
from cert_exchange.store.tables import ObjectStatus, objects

ALL = 20_000
REVOKED_OF_EACH = 150
OURS = [f"203.0.113.{n}" for n in range(100)]
ROOT_SERVER = "198.41.0.4"
BATCH = 2_000
SCREEN = """\
lists: [lists/keep-out.txt]
listed: {keep-out: hold}
"""
OF_B = """\
  - name: of b
    match: {origin: b}
    allow: true
"""


def night() -> list[dict[str, Any]]:
    """What the thief posts."""
    found: list[dict[str, Any]] = [
        indicator(f"ours {n}", version=9, revoked=True) for n in range(REVOKED_OF_EACH)
    ]
    found += [
        indicator(f"of c {n}", by=C_IDENTITY, version=9, revoked=True)
        for n in range(REVOKED_OF_EACH)
    ]
    found += [
        indicator(f"against {host}", by=B_IDENTITY, pattern=f"[ipv4-addr:value = '{host}']")
        for host in OURS
    ]
    found.append(address(ROOT_SERVER))
    found += [indicator(f"false {n}", by=B_IDENTITY) for n in range(ALL - len(found))]
    return found


@pytest.fixture
def exchange(node: Node, wall: Wall):
    """A's node, served, with what stood before the night."""
    with served(node, wall) as made:
        folder = node.settings.home / "policies"
        (folder / "lists").mkdir(parents=True)
        (folder / "lists" / "keep-out.txt").write_text("\n".join([*OURS, ROOT_SERVER]) + "\n")
        found = screening.check(node, SCREEN, file="intake.yaml", folder=folder)
        screening.apply(node, found, by="anna", reason="ours")
        made.scene.apply("c", ALLOW_ALL.format(partner="c") + OF_B)
        made.scene.publish(*(indicator(f"ours {n}") for n in range(REVOKED_OF_EACH)))
        made.scene.post("b", *(indicator(f"good {n}", by=B_IDENTITY) for n in range(10)))
        made.scene.post(
            "c", *(indicator(f"of c {n}", by=C_IDENTITY) for n in range(REVOKED_OF_EACH))
        )
        yield made


def others(scene: Scene) -> list[tuple[Any, ...]]:
    """Every version that counts of everybody but b: what must not change."""
    with scene.node.database.reading() as tx:
        rows = tx.execute(
            select(objects.c.ident, objects.c.version, objects.c.rendition, objects.c.revoked)
            .where(
                objects.c.origin != scene.partner("b"),
                objects.c.status == ObjectStatus.ACCEPTED.value,
            )
            .order_by(objects.c.id)
        )
        return [tuple(row) for row in rows]


def proposals(scene: Scene) -> int:
    with scene.node.database.reading() as tx:
        return int(
            tx.execute(
                select(func.count())
                .select_from(objects)
                .where(
                    objects.c.origin == scene.partner("b"),
                    objects.c.status == ObjectStatus.PROPOSAL.value,
                )
            ).scalar_one()
        )


def post(exchange: Served, items: list[dict[str, Any]]) -> int:
    """Post in batches; how many were answered as taken."""
    client = exchange.client("b")
    taken = 0
    for start in range(0, len(items), BATCH):
        got = client.post(objects_path(), envelope(*items[start : start + BATCH]))
        assert got.status == 202, got.raw
        taken += got.json["success_count"]
    return taken


def ordered(scene: Scene, *arguments: str) -> str:
    """What a command prints, run as a person runs it."""
    program = "from cert_exchange.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "CERT_EXCHANGE_HOME": str(scene.node.settings.home)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.attack
@pytest.mark.timeout(300)
def test_the_night_changes_nothing_of_others_and_is_undone(exchange: Served) -> None:
    """0 changes of others' objects, 300 proposals, nothing of the listed goes on, sending to b goes on, one order undoes it."""
    scene = exchange.scene
    before = others(scene)
    sent_to_b = set(scene.ids("b"))
    had_c = set(scene.ids("c"))
    since = format_micros(scene.node.now())
    items = night()
    assert len(items) == ALL

    post(exchange, items)

    assert others(scene) == before
    assert proposals(scene) == 2 * REVOKED_OF_EACH
    # Nothing that is listed went on to c, though c gets what b sends.
    c_has = set(scene.ids("c"))
    against = {one["id"] for one in items if one.get("name", "").startswith("against")}
    assert not c_has & (against | {address(ROOT_SERVER)["id"]})
    assert len(c_has - had_c) == ALL - 2 * REVOKED_OF_EACH - len(OURS) - 1
    # Sending back is as it was: b has what it had, nothing of its own, and what we publish next.
    assert set(scene.ids("b")) == sent_to_b
    scene.publish(indicator("next"))
    assert (
        indicator("next")["id"]
        in exchange.client("b").objects({"match[id]": indicator("next")["id"]}).ids
    )

    listed = ordered(scene, "undo", "--from", "b", "--since", since, "--json")
    assert json.loads(listed)["found"]["accepted"] == ALL - 2 * REVOKED_OF_EACH
    assert json.loads(listed)["found"]["proposals"] == 2 * REVOKED_OF_EACH
    ordered(
        scene, "undo", "--from", "b", "--since", since, "--reason", "stolen credential", "--yes"
    )

    assert set(scene.ids("c")) == had_c | {indicator("next")["id"]}
    assert set(scene.ids("b")) == sent_to_b | {indicator("next")["id"]}
    assert [row for row in others(scene) if row in before] == before
