"""Attempts on files that carry the channel by hand: found, forged, changed, passed on, made around a freeze."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import select
from tests.attack import guards
from tests.attack.attempts import FILES, INSIDER, OUTSIDER, PARTNER, attempt
from tests.attack.attempts_s import STRANGER, _unverified
from tests.attack.world import Side, World
from tests.conftest import OUR_IDENTITY
from tests.scenes import B_IDENTITY, C_IDENTITY, indicator, uid
from tests.unit.syncing.peers import public_key

from cert_exchange.messages.carried import Carried, opening_key, read_head, write_carried
from cert_exchange.messages.deliveries import NOTHING_BEFORE
from cert_exchange.messages.keys import SigningKey, VerifyingKey, public_text
from cert_exchange.services import carrying, freezing, signing, syncing
from cert_exchange.services.carrying import Wanted
from cert_exchange.services.carrying.writing import drafting
from cert_exchange.store.tables import objects, renditions
from cert_exchange.vault.sealing import UnsealingReader

BRINGING = "cert_exchange.services.carrying.bringing_in"
GOOD, BAD = "198.51.100.7", "203.0.113.66"


class _InTheClear(io.RawIOBase):
    """A stream that is not sealed."""

    def __init__(self, target: Any, _key: bytes) -> None:
        self._target = target

    def write(self, data: Any) -> int:
        return int(self._target.write(data))


guards.add(
    "file: sealed",
    "what is carried is sealed to its reader while it is written",
    {"cert_exchange.services.carrying.writing.SealingWriter": _InTheClear},
)
guards.add(
    "file: signed",
    "a carried file counts only where a pinned key of its sender signed it",
    {f"{BRINGING}.verify": guards.Wrapped(_unverified)},
)
guards.add(
    "file: as signed",
    "a carried file is signed to its last byte, and counts whole or not at all",
    {f"{BRINGING}._check_content": guards.answers(None)},
)
guards.add(
    "file: for us",
    "a carried file says whom it is for, and nobody else takes it",
    {f"{BRINGING}._check_recipient": guards.answers(None)},
)
guards.add(
    "file: freeze",
    "while what goes out is frozen, no file is made either",
    {"cert_exchange.store.freezes.frozen": guards.answers(False)},
)


def _pinned(world: World) -> None:
    """A and B know each other's key, and B takes A's indicators."""
    signing.pin(world.a.node, "b", public_key(world.b.node), by="x")
    signing.pin(world.b.node, "a", public_key(world.a.node), by="x")
    syncing.add_source(
        world.b.node, "from-a", partner="a", url="http://127.0.0.1:9/api/", remote_collection="indicators",
        collection="indicators", options={"insecure": True},
    )  # fmt: skip


def _file(world: World, partner: str = "b") -> Path:
    path = world.folder / f"{partner}.cxc"
    assert carrying.take_out(world.a.node, partner, path, Wanted(), by="x") is not None
    return path


def _records(file: Path, key: SigningKey) -> list[bytes]:
    """What is in a file, for who has the key that it is closed to."""
    with file.open("rb") as source:
        head = source.readline() + source.readline()
        _, shown = read_head(head)
        return UnsealingReader(source, opening_key(key, head, shown)).read().splitlines()


def _closed(world: World, to: Side, lines: list[bytes], end: str) -> Path:
    """These records in a file that is closed to a node's key, which is no secret."""
    key = to.node.secrets.signing_keys[0]
    path = world.folder / f"forged-{to.name}.cxc"
    with drafting(path, VerifyingKey(key.kid, key.public), form=1) as draft:
        for line in lines:
            draft.records._line(line)
        draft.records.end(end)
        draft.close()
        draft.keep()
    return path


def _brings(world: World, file: Path) -> None:
    assert world.run("carry", "in", str(file), side=world.b).code is not None


def _holds(world: World, pattern: str) -> bool:
    with world.b.node.database.reading() as tx:
        bodies = tx.execute(
            select(renditions.c.body)
            .join(objects, objects.c.rendition == renditions.c.id)
            .where(objects.c.origin == world.b.scene.partner("a"))
        ).scalars()
        return any(pattern in str(body) for body in bodies)


@attempt("carried file found", guard="file: sealed", by=OUTSIDER)
def carried_file_found(world: World) -> bool:
    """Who finds the stick on which a file lies looks for an indicator in it."""
    _pinned(world)
    world.a.scene.publish(indicator("x"))
    return GOOD.encode() in _file(world).read_bytes()


@attempt("carried file of a stranger", guard="file: signed", by=OUTSIDER)
def carried_file_of_a_stranger(world: World) -> bool:
    """A stranger makes a file in A's name, closed to B's key, under the name of A's key."""
    _pinned(world)
    bad = indicator("x", pattern=f"[ipv4-addr:value = '{BAD}']")
    uuid, now = uid("collection indicators"), world.a.node.now()
    lines = [
        json.dumps({"record": "head"}).encode(),
        json.dumps(
            {
                "record": "collection",
                "collection": uuid,
                "alias": "indicators",
                "after": 0,
                "upto": now,
            }
        ).encode(),
        json.dumps(
            {
                "record": "page",
                "collection": uuid,
                "first": now,
                "last": now,
                "count": 1,
                "lines": 1,
            }
        ).encode(),
        json.dumps(bad).encode(),
    ]
    content = _digest(lines)
    carried = Carried(OUR_IDENTITY, (B_IDENTITY,), 1, 0, NOTHING_BEFORE, now, 1, content)
    forged = replace(STRANGER, kid=world.a.node.secrets.signing_keys[0].kid)
    _brings(world, _closed(world, world.b, lines, write_carried(carried, forged)))
    return _holds(world, BAD)


@attempt("carried file changed", guard="file: as signed", by=FILES)
def carried_file_changed(world: World) -> bool:
    """Who has B's keys from a stolen backup opens a file on its way, changes a pattern, and closes it again."""
    _pinned(world)
    world.a.scene.publish(indicator("x"))
    *lines, end = _records(_file(world), world.b.node.secrets.signing_keys[0])
    statements = [at for at, line in enumerate(lines) if b'"record":"statement"' in line]
    kept = [
        line.replace(GOOD.encode(), BAD.encode())
        for at, line in enumerate(lines)
        if at not in statements and at - 1 not in statements
    ]
    _brings(world, _closed(world, world.b, kept, json.loads(end)["signed"]))
    return _holds(world, BAD)


@attempt("carried file passed on", guard="file: for us", by=PARTNER)
def carried_file_passed_on(world: World) -> bool:
    """Partner c closes the file that A made for it to B's key: B has A's number 1, and takes the true one for a fork."""
    _pinned(world)
    signing.pin(world.a.node, "c", public_text(STRANGER.public), by="x")
    asks = [b'{"record":"head"}', b'{"record":"receipt","receipt":"none"}']
    now = world.a.node.now()
    carried = Carried(C_IDENTITY, (OUR_IDENTITY,), 1, 0, NOTHING_BEFORE, now, 0, _digest(asks))
    world.run("carry", "in", str(_closed(world, world.a, asks, write_carried(carried, STRANGER))))
    *lines, end = _records(_file(world, "c"), STRANGER)
    _brings(world, _closed(world, world.b, lines, json.loads(end)["signed"]))
    world.a.scene.publish(indicator("x"))
    _brings(world, _file(world))
    return not _holds(world, GOOD)


@attempt("file around a freeze", guard="file: freeze", by=INSIDER)
def file_around_a_freeze(world: World) -> bool:
    """Somebody at our desk carries out by hand what a freeze keeps back."""
    _pinned(world)
    world.a.scene.publish(indicator("x"))
    freezing.freeze(world.a.node, "b", by="x", reason="a leak")
    path = world.folder / "out.cxc"
    return world.run("carry", "out", "--to", "b", "--file", str(path)).code == 0 and path.exists()


def _digest(lines: list[bytes]) -> bytes:
    return sha256(b"".join(line + b"\n" for line in lines)).digest()
