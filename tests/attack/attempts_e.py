"""Attempts on what was erased, on what may not be erased, and on what was undone."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select, update
from tests.attack import guards
from tests.attack.attempts import FILES, INSIDER, PARTNER, THIEF, attempt
from tests.attack.world import World
from tests.scenes import B_IDENTITY, address, envelope, indicator
from tests.taxii.conftest import objects_path

from cert_exchange.services import erasing, undoing
from cert_exchange.store.tables import objects, renditions

CANARY = "canary-7f3a91"
ONWARD = """\
partners: [c]
collections: [indicators, reports]
ceiling: {tlp: amber, unmarked: green}
rules:
  - name: all of b
    match: {origin: b}
    allow: true
"""

guards.add(
    "erasure: it stays out",
    "what was erased is not taken in again, from nobody",
    {"cert_exchange.services.publishing.knowing._gone": guards.answers(frozenset())},
)
guards.add(
    "erasure: bytes go",
    "the bytes of what was erased are overwritten",
    {"cert_exchange.store.erasing._empty": guards.answers(None)},
)
guards.add(
    "erasure: what it is compared by goes",
    "no bare digest of content is left by which a guess could be told right",
    {
        "cert_exchange.store.erasing.os": guards.Wrapped(lambda _real: _Remembering()),
    },
)
guards.add(
    "erasure: only by an order",
    "a salt or bytes that are gone without an order are found",
    {"cert_exchange.services.ledger.verifying.check_erased": guards.answers(0)},
)
guards.add(
    "legal hold",
    "nothing is erased over which a legal hold stands",
    {"cert_exchange.store.legal_holds.standing_over": guards.answers([])},
)
guards.add(
    "undo: set aside",
    "what was undone is in no view any more",
    {"cert_exchange.services.undoing._set_aside": guards.answers(None)},
)
guards.add(
    "undo: put back",
    "what a thief took back stands again when it is undone",
    {"cert_exchange.services.undoing._put_back": guards.answers(None)},
)


class _Remembering:
    """A source of randomness that gives the last sameness instead: nothing is made unlike what it was."""

    @staticmethod
    def urandom(count: int) -> bytes:
        return SAMENESS[-1][:count]


SAMENESS: list[bytes] = []


def _erased(world: World, **more: str) -> dict[str, object]:
    """An object that partner b sent and that our desk erased."""
    item = indicator("theirs", by=B_IDENTITY, description=CANARY, **more)
    world.a.scene.post("b", item)
    erasing.erase(world.a.node, str(item["id"]), by="anna", reason="on request")
    return item


def _stored(world: World, words: str = CANARY) -> bool:
    with world.a.node.database.reading() as tx:
        wanted = select(renditions.c.id).where(renditions.c.body.contains(words))
        return tx.execute(wanted).first() is not None


@attempt("an erased address sent again", guard="erasure: it stays out", by=PARTNER)
def sent_again(world: World) -> bool:
    """Its sender posts what was erased once more."""
    item = address("203.0.113.77")
    client = world.a.client("b")
    client.post(objects_path(), envelope(item))
    erasing.erase(world.a.node, str(item["id"]), by="anna", reason="on request")
    client.post(objects_path(), envelope(item))
    return _stored(world, "203.0.113.77")


@attempt("an erased object in a newer version", guard="erasure: it stays out", by=PARTNER)
def newer_version(world: World) -> bool:
    """Its sender posts it under a later instant."""
    _erased(world)
    newer = indicator("theirs", version=9, by=B_IDENTITY, description=CANARY)
    world.a.client("b").post(objects_path(), envelope(newer))
    return _stored(world)


@attempt("an erased object by another partner", guard="erasure: it stays out", by=PARTNER)
def by_another(world: World) -> bool:
    """A third side that has a copy brings it back, be it as a proposal only."""
    item = _erased(world)
    world.a.client("c").post(objects_path(), envelope(item))
    return _stored(world)


@attempt("erased bytes in the stolen files", guard="erasure: bytes go", by=FILES)
def in_the_files(world: World) -> bool:
    """Who has the database, or its file, looks for the words."""
    _erased(world)
    if _stored(world):
        return True
    path = world.a.node.database.path
    return path is not None and CANARY.encode() in _raw(path)


@attempt("a guess at erased content", guard="erasure: what it is compared by goes", by=FILES)
def a_guess(world: World) -> bool:
    """Who has the database computes what a guess would be compared by, and looks whether it stands there."""
    item = indicator("theirs", by=B_IDENTITY, description=CANARY)
    world.a.scene.post("b", item)
    with world.a.node.database.reading() as tx:
        guess = tx.execute(
            select(objects.c.sameness)
            .join(renditions, renditions.c.id == objects.c.rendition)
            .where(renditions.c.body.contains(CANARY))
        ).scalar_one()
    SAMENESS.append(bytes(guess))
    erasing.erase(world.a.node, str(item["id"]), by="anna", reason="on request")
    with world.a.node.database.reading() as tx:
        wanted = select(objects.c.id).where(objects.c.sameness == guess)
        return tx.execute(wanted).first() is not None


@attempt("a change dressed up as an erasure", guard="erasure: only by an order", by=INSIDER)
def dressed_up(world: World) -> bool:
    """Who can write the database swaps an object's origin, takes its salt and leaves its commitment."""
    world.a.scene.publish(indicator("mine"))
    assert world.run("ledger", "verify").code == 0
    with world.a.node.database.reading() as tx:
        number = tx.execute(select(objects.c.id).where(objects.c.type == "indicator")).scalar_one()
    commitment = _commitment(world, number)
    world.a.node.database.transact(
        lambda tx: tx.execute(
            update(objects)
            .where(objects.c.id == number)
            .values(salt=None, commitment=commitment, revoked=True)
        )
    )
    return world.run("ledger", "verify").code == 0


@attempt("erasing what the court needs", guard="legal hold", by=INSIDER)
def what_the_court_needs(world: World) -> bool:
    """Somebody at the desk erases what stands under a legal hold."""
    world.a.scene.publish(indicator("mine", description=CANARY))
    stix_id = indicator("mine")["id"]
    assert world.run("legal-hold", "place", stix_id, "--reason", "case 17").code == 0
    world.run("erase", stix_id, "--reason", "none of your business")
    return not _stored(world)


@attempt("ending an agreement over a legal hold", guard="legal hold", by=INSIDER)
def ended_over_a_hold(world: World) -> bool:
    """Somebody ends the agreement, to be rid of what stands under a legal hold."""
    world.a.scene.post("b", indicator("theirs", by=B_IDENTITY, description=CANARY))
    assert world.run("legal-hold", "place", "--from", "b", "--reason", "case 17").code == 0
    world.run("partner", "end", "b", "--purge", "--yes", "--reason", "none of your business")
    return not _stored(world)


@attempt("living on after the undoing", guard="undo: set aside", by=THIEF)
def living_on(world: World) -> bool:
    """What a stolen credential sent is still served to others after our desk undid the night."""
    world.a.scene.apply("c", ONWARD)
    since = world.a.node.now()
    planted = address("8.8.8.8")
    world.a.client("b").post(objects_path(), envelope(planted))
    undoing.undo(world.a.node, "b", since, by="anna", reason="stolen")
    return planted["id"] in world.a.client("c").objects().ids


@attempt("deleting what the partner sent before", guard="undo: put back", by=THIEF)
def deleted_before(world: World) -> bool:
    """A stolen credential deletes the partner's true objects, and they stay away after the undoing."""
    world.a.scene.apply("c", ONWARD)
    true = indicator("true", by=B_IDENTITY)
    client = world.a.client("b")
    client.post(objects_path(), envelope(true))
    since = world.a.node.now()
    assert client.delete(objects_path(stix_id=str(true["id"]))).status == 200
    undoing.undo(world.a.node, "b", since, by="anna", reason="stolen")
    return true["id"] not in world.a.client("c").objects().ids


def _raw(path: Path) -> bytes:
    return b"".join(
        file.read_bytes() for file in path.parent.iterdir() if file.name.startswith(path.stem)
    )


def _commitment(world: World, number: int) -> bytes:
    """What the forger finds out: the commitment of the row as it was."""
    from cert_exchange.messages.evidence import object_commitment
    from cert_exchange.store import versions

    with world.a.node.database.reading() as tx:
        row = versions.numbered(tx, [number])[number]
        salt = tx.execute(select(objects.c.salt).where(objects.c.id == number)).scalar_one()
    return object_commitment(bytes(salt), row.stix_id, row.version, row.origin, row.digest)
