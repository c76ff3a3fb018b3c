"""The switch: new versions of one or more policies come into force in one transaction (`applying`, step 2).

1. Whoever leaves a policy leaves before anybody joins another. In between, within the transaction, nobody governs them; who
   polls sees the state before it or after it, what the one policy shows or what the other does, and never both.
2. All that is lost is withdrawn in it, and what arrived since it was looked for is decided again.
3. Where another version came into force since these were weighed, nothing is changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cert_exchange.errors import PolicyReplaced
from cert_exchange.node import Node
from cert_exchange.policy.binding import Promise
from cert_exchange.policy.companions import digest_of
from cert_exchange.policy.document import Policy
from cert_exchange.services import retention
from cert_exchange.services.policies.checking import Checked
from cert_exchange.services.policies.counting import taken_back
from cert_exchange.services.policies.weighing import number_of
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.bindings import promises_of
from cert_exchange.services.releasing.orders import in_one_line, reconsider_many
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import releases, seating
from cert_exchange.store.database import Transaction
from cert_exchange.store.policies import PolicyVersion


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be switched: the policies, and what was looked for before."""

    policies: Sequence[Checked]
    over: Mapping[str, int]
    """by name: the version that it replaces, 0 for none"""
    run: str
    """under which the losses are staged"""
    seen: Mapping[int, int]
    """view -> its head before it was looked through"""
    author: str
    reason: str


@dataclass(frozen=True, slots=True)
class Switched:
    """A version that came into force, and what its audiences lost or are shown otherwise by that at once."""

    version: PolicyVersion
    lost: int
    otherwise: int


def switch(tx: Transaction, node: Node, order: Order) -> tuple[list[Switched], list[int]]:
    """Bring all of them into force; and the partners about whose objects something else is agreed now.

    Raises PolicyReplaced.
    """
    policies = [one.policy for one in order.policies]
    agreed_otherwise: list[int] = []

    def work(releasing: Releasing) -> list[PolicyVersion]:
        for policy in policies:
            # Heads are locked: whoever was first has committed, and what this one was weighed against is gone.
            if number_of(policy_rows.active(tx, policy.name)) != order.over[policy.name]:
                raise PolicyReplaced(policy.name)
        agreed = promises_of(releasing.plans)
        for policy in policies:
            seating.unseat(tx, policy.name, policy.partners, at=releasing.now)
        versions = [_replace(tx, one, order, at=releasing.now) for one in order.policies]
        for policy in policies:
            for view, start in seating.seat(
                tx, policy.name, policy.partners, policy.collections, at=releasing.now
            ):
                releasing.start_view(view, start)
        releasing.reload()
        _decide_again(releasing, order, {policy.name for policy in policies})
        for partner in _agreed_otherwise(agreed, promises_of(releasing.plans), releasing):
            retention.look_again_at_once(releasing, partner)
            agreed_otherwise.append(partner)
        return versions

    versions, releasing = in_one_line(
        tx, node, "policy", order.author, work, reason=order.reason,
        policy=_said([one.name for one in policies]),
        digest=_said([_digest(one).hexdigest() for one in policies]),
        companions=_said([(digest_of(one.companions) or b"").hex() for one in order.policies]),
    )  # fmt: skip
    told = []
    for version in versions:
        audiences = {
            plan.audience.name for plan in releasing.plans if plan.audience.policy == version.name
        }
        told.append(Switched(version, *taken_back(releasing, audiences)))
    return told, agreed_otherwise


def _replace(tx: Transaction, checked: Checked, order: Order, *, at: int) -> PolicyVersion:
    policy = checked.policy
    return policy_rows.replace(
        tx,
        name=policy.name,
        text=policy.text,
        digest=_digest(policy).digest(),
        author=order.author,
        reason=order.reason,
        at=at,
        companions=checked.companions,
    )


def _decide_again(releasing: Releasing, order: Order, names: set[str]) -> None:
    tx = releasing.tx
    audiences = {plan.audience.id for plan in releasing.plans if plan.audience.policy in names}
    for plan in releasing.plans:
        if plan.audience.id in audiences and not plan.holding:
            hold_rows.forget_open(tx, plan.audience.id)
    idents = policy_rows.staged_idents(tx, order.run)
    idents |= releases.idents_released_since(tx, order.seen)
    reconsider_many(releasing, sorted(idents), audiences=audiences)
    policy_rows.forget_run(tx, order.run)


def _said(values: Sequence[str]) -> str | list[str]:
    """What the ledger line says of them: a text where it is one policy, a list in their order where they are several."""
    return values[0] if len(values) == 1 else list(values)


def _digest(policy: Policy) -> hashlib._Hash:
    return hashlib.sha256(policy.text.encode("utf-8"))


def _agreed_otherwise(
    before: Mapping[str, Promise], after: Mapping[str, Promise], releasing: Releasing
) -> list[int]:
    """The partners about whose objects something else is agreed now: that binds in every audience."""
    return [
        number
        for number, name in releasing.pool.names.items()
        if before.get(name) != after.get(name)
    ]
