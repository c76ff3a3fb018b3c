"""Freezing what goes out: to one audience, or to everyone.

1. While a freeze stands, a partner's GET that would show objects answers 503, no target is pushed to and no file for the
   partner is exported (`bundling.export`). It is read from the database with each request, so that it counts in every
   process as soon as this returns. A file for our own people is not outbound: who exports it has to say so.
2. Receiving goes on: what partners POST and what we pull is taken as always, and policy goes on deciding. What becomes
   visible meanwhile is there when the freeze is lifted; no cursor moves, so nobody misses it.
3. It needs no sound clock and no policy: it works when releasing has stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

from cert_exchange.errors import NotFound
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.store import freezes as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.freezes import EVERYONE, Freeze

__all__ = ["Freeze", "Frozen", "freeze", "freeze_everyone", "frozen", "unfreeze"]


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a freeze or its end changed: names of audiences; `everyone` stands for all of them."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    """these were so already"""


def freeze(node: Node, *names: str, by: str, reason: str) -> Frozen:
    """Stop what goes out to these: names of audiences, of policies (all their audiences) or of partners.

    Raises NotFound for a name that is none of them, and then freezes nothing.
    """
    return _change(node, "freeze", names, by=by, reason=reason)


def freeze_everyone(node: Node, *, by: str, reason: str) -> Frozen:
    """Stop what goes out to anybody, also to audiences that are made later."""
    return _change(node, "freeze", None, by=by, reason=reason)


def unfreeze(node: Node, *names: str, by: str, reason: str) -> Frozen:
    """Lift the freezes of these (as in `freeze`); without a name that of everyone. Others that stand go on standing.

    Raises NotFound for a name that is none of them.
    """
    return _change(node, "unfreeze", names or None, by=by, reason=reason)


def frozen(node: Node) -> tuple[Freeze, ...]:
    """The freezes that stand, the oldest first."""
    with node.database.reading() as tx:
        return tuple(rows.standing(tx))


def _change(
    node: Node, kind: str, names: tuple[str, ...] | None, *, by: str, reason: str
) -> Frozen:
    def work(tx: Transaction) -> Frozen:
        wanted = {EVERYONE: "everyone"} if names is None else _named(tx, names)
        now = node.now()
        if kind == "freeze":
            numbers = rows.freeze(tx, wanted, at=now, by=by, reason=reason)
        else:
            numbers = rows.lift(tx, wanted, at=now, by=by)
        changed = [wanted[number] for number in numbers]
        if changed:
            line = Line(kind, now, by, facts={"audiences": changed, "reason": reason})
            ledger.record(tx, line)
        return Frozen(
            tuple(changed), tuple(wanted[one] for one in sorted(wanted.keys() - set(numbers)))
        )

    return node.database.transact(work)


def _named(tx: Transaction, names: tuple[str, ...]) -> dict[int, str]:
    wanted: dict[int, str] = {}
    for name in names:
        found = rows.audiences_named(tx, name)
        if not found:
            known = ", ".join(rows.audience_names(tx))
            raise NotFound(
                f"{name!r} is no audience, no policy and no partner that a policy names; there are:"
                f" {known or 'none'}."
            )
        wanted.update(found)
    return wanted
