"""A policy version comes into force (DECISIONS 2).

    (1) stage what would be lost, without locks   (2) switch the version, withdraw all that is lost and decide again
    what arrived in between, in one transaction   (3) look for gains without locks and release them, a part a commit

1. No request that starts after (2) gets a lost object, also with an older `next`: polls read `live` alone.
2. Killed before (2): nothing changed. Killed in (3): `gains_after` stands in the policy's row, the worker goes on.
3. Who joins later, or changes policy, gets an audience of its own, whose log starts above what its partner polled.
4. A partner is governed by one policy at a time.
5. (3) may look without locks because whatever changes after (2) is decided under the new policy by its own transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from cert_exchange.errors import PolicyInvalid, PolicyReplaced, PolicyWidens, Problem
from cert_exchange.node import Node
from cert_exchange.policy.binding import Promise
from cert_exchange.policy.companions import Companions, digest_of
from cert_exchange.policy.document import (
    Policy,
    parse_policy,
    problems_of_names,
)
from cert_exchange.policy.doubts import warnings_of_policy
from cert_exchange.services import retention
from cert_exchange.services.policies.agreeing import warnings_of_agreements
from cert_exchange.services.policies.companions import read_companions
from cert_exchange.services.policies.counting import taken_back
from cert_exchange.services.policies.expecting import try_policy
from cert_exchange.services.policies.gaining import continue_gains
from cert_exchange.services.policies.previewing import Preview, previews
from cert_exchange.services.policies.staging import stage
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.bindings import promises_of
from cert_exchange.services.releasing.in_force import remember
from cert_exchange.services.releasing.orders import in_one_line, reconsider_many
from cert_exchange.store import holds as hold_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import releases
from cert_exchange.store.database import Transaction

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Checked:
    """A policy that can be applied, and what in it may not be meant."""

    policy: Policy
    warnings: tuple[Problem, ...]
    companions: Companions
    """the texts of the files that it names, by name"""


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


def check(
    node: Node,
    text: str,
    *,
    file: str,
    folder: Path | None = None,
    companions: Companions | None = None,
) -> Checked:
    """Parse a policy and look up its names. Raises PolicyInvalid with every problem at once.

    The files that it names are read from `folder`, or given as `companions`, as an earlier version had them.
    Raises InputRefused where one of them cannot be read.
    """
    if companions is None:
        companions = read_companions(text, folder)
    policy = parse_policy(text, file=file, companions=companions)
    with node.database.reading() as conn:
        known_partners = policy_rows.partner_ids(conn)
        names = list(releases.read_sharing(conn).collections.values())
        rivals = policy_rows.rival_policies(conn, policy.name, policy.partners)
    names_of = {name: uuid for uuid, alias in names for name in (uuid, alias) if name is not None}
    problems = list(problems_of_names(policy, known_partners, names_of.keys(), file))
    problems += [
        Problem(
            file, *policy.places.get(("partners",), (0, 0)),
            f"partner '{partner}' is governed by policy '{rival}'; take it out there first",
        )
        for partner, rival in rivals
    ]  # fmt: skip
    first: dict[str, str] = {}
    for index, name in enumerate(policy.collections):
        other = first.setdefault(names_of.get(name, name), name)
        if (
            other != name
        ):  # a rule that names the one spelling would silently not count for the other
            place = policy.places.get(("collections", index), (0, 0))
            problems.append(
                Problem(file, *place, f"'{name}' is the collection '{other}' again; name it once")
            )
    if problems:
        raise PolicyInvalid(tuple(problems))
    warnings = warnings_of_policy(
        policy, file, now=node.now(), partners=known_partners
    ) + warnings_of_agreements(node, policy, file)
    return Checked(policy, warnings, companions)


def weigh(
    node: Node,
    checked: Checked,
    *,
    most: int,
    confirmed: int | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> int:
    """Refuse a policy that would newly show, or show more of, more than `most` objects, unless so many were `confirmed`.

    What was confirmed may be off by a tenth: others publish between a preview and this. What is in force already is not
    looked at. `processes` as for `previews`. Returns the version that it was weighed against, 0 for none: `apply` is told.
    Raises PolicyWidens, StoreError.
    """
    with node.database.reading() as conn:
        active = policy_rows.active(conn, checked.policy.name)
    over = _number(active)
    if _is_in_force(active, checked):
        return over
    wanted = [(checked.policy, checked.companions)]
    (found,) = previews(node, wanted, samples=0, processes=processes, progress=progress)
    gained = found.widens
    if gained <= most or (confirmed is not None and 10 * abs(gained - confirmed) <= confirmed):
        return over
    told = f"policy {checked.policy.name} would {_widening(found)}"
    if confirmed is not None:
        raise PolicyWidens(
            f"{told}, and {confirmed:,} were confirmed. Something changed since; look at"
            f" `policy preview` again, then apply with --confirm {gained}.",
            gained=gained,
        )
    raise PolicyWidens(
        f"{told}; more than {most:,} need a word. Look at `policy preview`, then apply with"
        f" --confirm {gained}.",
        gained=gained,
    )


def _widening(found: Preview) -> str:
    """What a policy shows newly, and what it shows more of; `--confirm` means both together."""
    kinds = (("newly show", found.gained), ("show more of", found.uncovered))
    return " and ".join(
        f"{verb} {number:,} object{'' if number == 1 else 's'}" for verb, number in kinds if number
    )


def _number(active: policy_rows.PolicyVersion | None) -> int:
    return active.version if active is not None else 0


def _is_in_force(active: policy_rows.PolicyVersion | None, checked: Checked) -> bool:
    return (
        active is not None
        and active.text == checked.policy.text
        and active.companions == digest_of(checked.companions)
    )


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
    """Bring a policy into force and wait until all it gains is visible; `folder` and `companions` as for `check`.

    With `folder`, what is expected of the policy there is asked first. With `widening`, more than so many objects are not
    newly shown unless `confirmed` says how many (`weigh`). `over` is the version that it replaces, as `weigh` gave it:
    where another came into force meanwhile, nothing is changed.
    Raises PolicyInvalid, PolicyWidens, PolicyReplaced, InputRefused, StoreError, ClockDoubtful. When it returns, no request gets a lost
    object any more.
    """
    checked = check(node, text, file=file, folder=folder, companions=companions)
    policy = checked.policy
    if folder is not None:
        tried = try_policy(policy, folder / Path(file).name, now=node.now())
        if tried.broken:
            raise PolicyInvalid(tried.broken)
    with node.database.reading() as conn:
        active = policy_rows.active(conn, policy.name)
    if active is not None and _is_in_force(active, checked):
        return Applied(
            policy.name,
            active.version,
            changed=False,
            lost=0,
            gained=continue_gains(node, policy=active.id, progress=progress),
        )
    if widening is not None:
        over = weigh(node, checked, most=widening, confirmed=confirmed, progress=progress)
    if over is None:
        over = _number(active)
    run = str(uuid4())
    seen = stage(node, policy, run, progress)
    remember(policy, digest_of(checked.companions))
    version, (lost, replaced), otherwise = node.database.transact(
        lambda tx: _switch(tx, node, checked, run, seen, over=over, author=author, reason=reason)
    )
    # Commit: from here on nothing lost is served. What follows only adds, and can be repeated.
    continue_gains(node, policy=version.id, progress=progress)
    with node.database.reading() as conn:
        gained = policy_rows.gains_of(conn, version)
        successor = _number(policy_rows.active(conn, policy.name))
    for partner in otherwise:
        gained += retention.look_again(node, partner, kind=policy_rows.GAINS, by=author)
    return Applied(
        policy.name,
        version.version,
        changed=True,
        lost=lost,
        gained=gained,
        otherwise=replaced,
        replaced_by=successor if successor != version.version else None,
    )


def _switch(
    tx: Transaction,
    node: Node,
    checked: Checked,
    run: str,
    seen: dict[int, int],
    *,
    over: int,
    author: str,
    reason: str,
) -> tuple[policy_rows.PolicyVersion, tuple[int, int], list[int]]:
    policy = checked.policy
    otherwise: list[int] = []

    def work(releasing: Releasing) -> policy_rows.PolicyVersion:
        if _number(policy_rows.active(tx, policy.name)) != over:
            # Heads are locked: whoever was first has committed, and what this one was weighed against is gone.
            raise PolicyReplaced(policy.name)
        agreed = promises_of(releasing.plans)
        version = policy_rows.replace(
            tx,
            name=policy.name,
            text=policy.text,
            digest=hashlib.sha256(policy.text.encode("utf-8")).digest(),
            author=author,
            reason=reason,
            at=releasing.now,
            companions=checked.companions,
        )
        for view, start in policy_rows.seat(
            tx, policy.name, policy.partners, policy.collections, at=releasing.now
        ):
            releasing.start_view(view, start)
        releasing.reload()
        audiences = {
            plan.audience.id for plan in releasing.plans if plan.audience.policy == policy.name
        }
        for plan in releasing.plans:
            if plan.audience.id in audiences and not plan.holding:
                hold_rows.forget_open(tx, plan.audience.id)
        idents = policy_rows.staged_idents(tx, run) | releases.idents_released_since(tx, seen)
        reconsider_many(releasing, sorted(idents), audiences=audiences)
        policy_rows.forget_run(tx, run)
        for partner in _agreed_otherwise(agreed, promises_of(releasing.plans), releasing):
            retention.look_again_at_once(releasing, partner)
            otherwise.append(partner)
        return version

    version, releasing = in_one_line(
        tx, node, "policy", author, work, policy=policy.name, reason=reason,
        digest=hashlib.sha256(policy.text.encode("utf-8")).hexdigest(),
        companions=(digest_of(checked.companions) or b"").hex(),
    )  # fmt: skip
    return version, taken_back(releasing), otherwise


def _agreed_otherwise(
    before: Mapping[str, Promise], after: Mapping[str, Promise], releasing: Releasing
) -> list[int]:
    """The partners about whose objects something else is agreed now: that binds in every audience."""
    return [
        number
        for number, name in releasing.pool.names.items()
        if before.get(name) != after.get(name)
    ]
