"""Attempts on the ledger: by who can write the database, and by a partner who shows another history than before."""

from __future__ import annotations

import os
from contextlib import suppress

from sqlalchemy import delete, select, update
from tests.attack import guards
from tests.attack.attempts import INSIDER, PARTNER, attempt
from tests.attack.world import World
from tests.foreign.test_compared_ledgers import connect, copied, grow, in_its_place
from tests.invariants.test_6_heads import Forger
from tests.scenes import indicator

from cert_exchange.errors import CertExchangeError
from cert_exchange.messages import checkpoints as notes
from cert_exchange.messages.keys import make_signing_key
from cert_exchange.services import ledger, reconciling, releasing
from cert_exchange.services.comparing import asking
from cert_exchange.services.ledger import checkpointing
from cert_exchange.store import checkpoints as heads
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store.tables import checkpoints, ledger_lines, partner_checkpoints

VERIFYING = "cert_exchange.services.ledger.verifying"
JUDGING = "cert_exchange.services.comparing.judging"

guards.add(
    "ledger: chain",
    "every line's hash is made of its text and of the line before",
    {f"{VERIFYING}._check_chain": lambda tx, _counter: ledger_rows.head(tx)},
)
guards.add(
    "ledger: signed heads",
    "what was signed is what the tree over the lines still says",
    {f"{VERIFYING}.check_tree": guards.answers((0, 0))},
)
guards.add(
    "ledger: one history",
    "our node signs a head only where it goes on from the last one",
    {
        "cert_exchange.services.ledger.checkpointing._proved_root": (
            lambda tx, _last, size: heads.root(tx, size)
        )
    },
)
guards.add(
    "ledger: head signed by its partner",
    "a partner's head is believed only under a key that is pinned to it",
    {f"{JUDGING}._verified": lambda _node, _partner, note: notes.read(note)},
)
guards.add(
    "ledger: proof of consistency",
    "a partner's head has to be proved to go on from the one that it showed before",
    {f"{JUDGING}.trees.consistent": guards.answers(True)},
)
guards.add(
    "ledger: never shorter",
    "a partner's head is not smaller than one that it showed before",
    {
        f"{JUDGING}._judged": guards.Wrapped(
            lambda real: (
                lambda tx, partner, held, head, path: (
                    (None, "")
                    if held is not None and head.size < held.size
                    else real(tx, partner, held, head, path)
                )
            )
        )
    },
)
guards.add(
    "ledger: two heads of one size",
    "two heads of one size with different roots are a fork",
    {f"{JUDGING}._other_of_size": guards.answers(None), f"{JUDGING}.trees.consistent": guards.answers(True)},
)  # fmt: skip
guards.add(
    "reconciling: only what stands",
    "what was taken back is in no list that a partner may ask for",
    {
        "cert_exchange.services.reconciling.rows.served_in": lambda tx, upto, *, after, limit=2000: [
            reconciling.Entry(one.position, one.stix_id, one.version, one.digest)
            for one in reconciling.rows.shown_to(tx, 1)
            if one.position > after
        ]
    },
)


def _victim(tx) -> int:
    wanted = select(ledger_lines.c.id).where(ledger_lines.c.body.contains('"partner.amend"'))
    return int(tx.execute(wanted.limit(1)).scalar_one())


def _verifies(world: World) -> bool:
    with suppress(CertExchangeError):
        ledger.verify(world.a.node)
        return True
    return False


@attempt("a line altered in the database", guard="ledger: chain", by=INSIDER)
def altered_line(world: World) -> bool:
    """An administrator with the database says that somebody else did it."""
    grow(world.a.node, lines=3)

    def forge(tx) -> None:
        number = _victim(tx)
        body = tx.execute(
            select(ledger_lines.c.body).where(ledger_lines.c.id == number)
        ).scalar_one()
        tx.execute(
            update(ledger_lines)
            .where(ledger_lines.c.id == number)
            .values(body=body.replace('"anna"', '"boris"'))
        )

    world.a.node.database.transact(forge)
    return _verifies(world)


def _without_a_line(tx) -> None:
    tx.execute(delete(ledger_lines).where(ledger_lines.c.id == _victim(tx)))
    forger = Forger(tx)
    forger.tree(forger.chain())


@attempt("a whole new chain", guard="ledger: signed heads", by=INSIDER)
def whole_new_chain(world: World) -> bool:
    """A line taken out, every hash and the tree made anew."""
    grow(world.a.node, lines=3)
    world.a.node.database.transact(_without_a_line)
    return _verifies(world)


@attempt("a second history signed by our own node", guard="ledger: one history", by=INSIDER)
def signed_twice(world: World) -> bool:
    """After such a forgery the node is left to sign it for the partners."""
    grow(world.a.node, lines=3)
    before = checkpointing.newest(world.a.node)
    world.a.node.database.transact(_without_a_line)
    with suppress(CertExchangeError):
        grow(world.a.node, lines=2)
    return checkpointing.newest(world.a.node) != before


def _met(world: World) -> None:
    connect(world, world.b, world.a)
    grow(world.a.node, lines=2)
    assert asking.compare(world.b.node, "a").trouble == ""


@attempt("a forked ledger shown", guard="ledger: proof of consistency", by=PARTNER)
def forked(world: World) -> bool:
    """A partner keeps two histories and shows one today, the other tomorrow."""
    _met(world)
    with copied(world, world.a, "fork") as fork:
        grow(world.a.node, lines=1)
        asking.compare(world.b.node, "a")
        grow(fork, lines=3)
        with in_its_place(world, fork):
            return asking.compare(world.b.node, "a").breaks == ()


@attempt("a ledger cut off", guard="ledger: never shorter", by=PARTNER)
def cut_off(world: World) -> bool:
    """A partner goes back to before what it would rather not have done."""
    _met(world)
    with copied(world, world.a, "before") as before:
        grow(world.a.node, lines=3)
        asking.compare(world.b.node, "a")
        with in_its_place(world, before):
            return asking.compare(world.b.node, "a").breaks == ()


@attempt("another ledger of the same length", guard="ledger: two heads of one size", by=PARTNER)
def same_length(world: World) -> bool:
    """A partner exchanges lines one for one."""
    _met(world)
    with copied(world, world.a, "twin") as twin:
        grow(world.a.node, lines=2)
        asking.compare(world.b.node, "a")
        grow(twin, lines=2)
        with in_its_place(world, twin):
            return asking.compare(world.b.node, "a").breaks == ()


@attempt("a head under a strange key", guard="ledger: head signed by its partner", by=PARTNER)
def strange_key(world: World) -> bool:
    """Somebody in the way of the connection shows a ledger of his own making."""
    connect(world, world.b, world.a)
    grow(world.a.node, lines=2)
    strange = make_signing_key(os.urandom(32), since=0)
    head = notes.Checkpoint(
        checkpointing.origin(world.a.node), 9, os.urandom(32), world.a.node.now()
    )
    world.a.node.database.transact(
        lambda tx: tx.execute(
            update(checkpoints).values(size=9, root=head.root, note=notes.signed(head, strange))
        )
    )
    asking.compare(world.b.node, "a")
    with world.b.node.database.reading() as tx:
        return tx.execute(select(partner_checkpoints.c.id)).first() is not None


@attempt(
    "the account asked for what was taken back", guard="reconciling: only what stands", by=PARTNER
)
def taken_back(world: World) -> bool:
    """A partner whose poll left an object out asks the account for it, after it was taken back."""
    wrong = indicator("wrong")
    world.a.scene.publish(wrong, indicator("right"))
    client = world.a.client("b")
    client.objects({"match[id]": indicator("right")["id"]})
    releasing.withdraw(
        world.a.node, wrong["id"], version=None, collection="indicators", by="desk", reason="wrong"
    )
    client.objects()
    return wrong["id"].encode() in client.get("/exchange/v1/served").raw
