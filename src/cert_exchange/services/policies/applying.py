"""Policy versions come into force (DECISIONS 2).

    (1) stage what would be lost, without locks   (2) switch the versions, withdraw all that is lost and decide again
    what arrived in between, in one transaction   (3) look for gains without locks and release them, a part a commit

1. No request that starts after (2) gets a lost object, also with an older `next`: polls read `live` alone.
2. Killed before (2): nothing changed. Killed in (3): `gains_after` stands in the policy's row, the worker goes on.
3. Who joins later, or changes policy, gets an audience of its own, whose log starts above what its partner polled.
4. A partner is governed by one policy at a time. Several policies that are applied together are one switch: who changes from
   one to another never sees what both show together.
5. (3) may look without locks because whatever changes after (2) is decided under the new policy by its own transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from cert_exchange.errors import PolicyInvalid
from cert_exchange.node import Node
from cert_exchange.policy.companions import Companions, digest_of
from cert_exchange.services import retention
from cert_exchange.services.policies.checking import Checked, check
from cert_exchange.services.policies.expecting import try_policy
from cert_exchange.services.policies.gaining import continue_gains
from cert_exchange.services.policies.staging import stage
from cert_exchange.services.policies.switching import Order, Switched, switch
from cert_exchange.services.policies.weighing import is_in_force, number_of, weigh_together
from cert_exchange.services.releasing.in_force import remember
from cert_exchange.store import policies as policy_rows
from cert_exchange.store.policies import PolicyVersion

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Applied:
    """What came into force, and what the audiences lost and gained by it."""

    name: str
    version: int
    changed: bool
    """False: this very text was in force already"""
    lost: int
    gained: int
    otherwise: int = 0
    """shown otherwise than before at once: as a derivative, as another one, or another version of it"""
    replaced_by: int | None = None
    """the version that came into force before this one had released all that it gains"""


def apply(
    node: Node,
    text: str,
    *,
    file: str,
    folder: Path | None = None,
    companions: Companions | None = None,
    author: str,
    reason: str = "",
    widening: int | None = None,
    confirmed: int | None = None,
    over: int | None = None,
    progress: Progress | None = None,
) -> Applied:
    """Bring one policy into force and wait until all it gains is visible; `folder` and `companions` as for `check`.

    With `folder`, what is expected of the policy there is asked first. The rest is as for `apply_together`.
    Raises PolicyInvalid, PolicyWidens, PolicyReplaced, InputRefused, StoreError, ClockDoubtful.
    """
    checked = check(node, text, file=file, folder=folder, companions=companions)
    if folder is not None:
        tried = try_policy(checked.policy, folder / Path(file).name, now=node.now())
        if tried.broken:
            raise PolicyInvalid(tried.broken)
    (done,) = apply_together(
        node,
        [checked],
        author=author,
        reason=reason,
        widening=widening,
        confirmed=confirmed,
        over=None if over is None else {checked.policy.name: over},
        progress=progress,
    )
    return done


def apply_together(
    node: Node,
    policies: Sequence[Checked],
    *,
    author: str,
    reason: str = "",
    widening: int | None = None,
    confirmed: int | None = None,
    over: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> tuple[Applied, ...]:
    """Bring checked policies into force in one switch, and wait until all they gain is visible.

    With `widening`, more than so many objects are not newly shown unless `confirmed` says how many (`weigh_together`).
    `over` are the versions that they replace, as that gave them: where another came into force meanwhile, nothing is
    changed. Raises PolicyWidens, PolicyReplaced, StoreError, ClockDoubtful. When it returns, no request gets a lost
    object any more.
    """
    with node.database.reading() as conn:
        active = {one.policy.name: policy_rows.active(conn, one.policy.name) for one in policies}
    wanted = [one for one in policies if not is_in_force(active[one.policy.name], one)]
    if widening is not None and wanted:
        over = weigh_together(node, policies, most=widening, confirmed=confirmed, progress=progress)
    if over is None:
        over = {name: number_of(version) for name, version in active.items()}
    done = _switched(node, wanted, over, author, reason, progress) if wanted else {}
    return tuple(
        _told(node, done.get(one.policy.name), active[one.policy.name], author, progress)
        for one in policies
    )


@dataclass(frozen=True, slots=True)
class _Done:
    """A switched policy, and the partners about whose objects its agreement says something else now."""

    switched: Switched
    agreed_otherwise: Sequence[int]


def _switched(
    node: Node,
    wanted: Sequence[Checked],
    over: Mapping[str, int],
    author: str,
    reason: str,
    progress: Progress | None,
) -> dict[str, _Done]:
    run = str(uuid4())
    seen: dict[int, int] = {}
    for one in wanted:
        seen |= stage(node, one.policy, run, progress)
    for one in wanted:
        remember(one.policy, digest_of(one.companions))
    order = Order(wanted, over, run, seen, author, reason)
    told, otherwise = node.database.transact(lambda tx: switch(tx, node, order))
    # Commit: from here on nothing lost is served. What follows only adds, and can be repeated.
    return {
        one.version.name: _Done(one, otherwise if place == len(told) - 1 else ())
        for place, one in enumerate(told)
    }


def _told(
    node: Node,
    done: _Done | None,
    active: PolicyVersion | None,
    author: str,
    progress: Progress | None,
) -> Applied:
    """Release what a policy gains, and say what became of it."""
    if done is None:
        assert active is not None  # what is in force needs no switch
        gained = continue_gains(node, policy=active.id, progress=progress)
        return Applied(active.name, active.version, changed=False, lost=0, gained=gained)
    version = done.switched.version
    continue_gains(node, policy=version.id, progress=progress)
    with node.database.reading() as conn:
        gained = policy_rows.gains_of(conn, version)
        successor = number_of(policy_rows.active(conn, version.name))
    for partner in done.agreed_otherwise:
        gained += retention.look_again(node, partner, kind=policy_rows.GAINS, by=author)
    return Applied(
        version.name,
        version.version,
        changed=True,
        lost=done.switched.lost,
        gained=gained,
        otherwise=done.switched.otherwise,
        replaced_by=successor if successor != version.version else None,
    )
