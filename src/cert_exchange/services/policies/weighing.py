"""How much more policies would show, and whether a person said that it may be so much.

1. Of several that come into force together the sum counts: `--confirm` gives one number for one command.
2. What is in force already is not looked at.
3. Whether a number is mistyped or old cannot be known here: who gave it is told when something changed last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from cert_exchange.errors import EvidenceBroken, PolicyWidens
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.policy.companions import digest_of
from cert_exchange.services.policies.checking import Checked
from cert_exchange.services.policies.previewing import Preview, previews
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import ledger as ledger_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store.policies import PolicyVersion

Progress = Callable[[int, int | None], None]
LOOKED_BACK: Final = 200
"""Lines of the ledger."""
_CHANGES: Final = ("policy", "terms", "consent", "consent-ended", "free", "hold-released")


def weigh(
    node: Node,
    checked: Checked,
    *,
    most: int,
    confirmed: int | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> int:
    """The same of one policy. Returns the version that it was weighed against, 0 for none."""
    found = weigh_together(
        node, [checked], most=most, confirmed=confirmed, processes=processes, progress=progress
    )
    return found[checked.policy.name]


def weigh_together(
    node: Node,
    policies: Sequence[Checked],
    *,
    most: int,
    confirmed: int | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> Mapping[str, int]:
    """Refuse policies that would newly show, or show more of, more than `most` objects, unless so many were `confirmed`.

    What was confirmed may be off by a tenth: others publish between a preview and this. `processes` as for `previews`.
    Returns by name the versions that they were weighed against, 0 for none: `apply_together` is told.
    Raises PolicyWidens, StoreError.
    """
    with node.database.reading() as conn:
        active = {one.policy.name: policy_rows.active(conn, one.policy.name) for one in policies}
    over = {name: number_of(version) for name, version in active.items()}
    wanted = [
        (one.policy, one.companions)
        for one in policies
        if not is_in_force(active[one.policy.name], one)
    ]
    found = previews(node, wanted, samples=0, processes=processes, progress=progress)
    gained = sum(one.widens for one in found)
    if gained <= most or (confirmed is not None and 10 * abs(gained - confirmed) <= confirmed):
        return over
    told = "; ".join(f"policy {one.name} would {_widening(one)}" for one in found if one.widens)
    if len(found) > 1:
        told = f"{told}: together {gained:,}"
    if confirmed is not None:
        raise PolicyWidens(
            f"{told}, and --confirm says {confirmed:,}. {_last_change(node)} If you looked at `policy preview` after"
            f" that, the number is mistyped; else look again. Then apply with --confirm {gained}.",
            gained=gained,
        )
    raise PolicyWidens(
        f"{told}; more than {most:,} need a word. Look at `policy preview`, then apply with"
        f" --confirm {gained}.",
        gained=gained,
    )


def number_of(active: PolicyVersion | None) -> int:
    """The number of a version, 0 where none is in force."""
    return active.version if active is not None else 0


def is_in_force(active: PolicyVersion | None, checked: Checked) -> bool:
    """Whether this very text, with these files, is in force."""
    return (
        active is not None
        and active.text == checked.policy.text
        and active.companions == digest_of(checked.companions)
    )


def _widening(found: Preview) -> str:
    """What a policy shows newly, and what it shows more of; `--confirm` means both together."""
    kinds = (("newly show", found.gained), ("show more of", found.uncovered))
    return " and ".join(
        f"{verb} {number:,} object{'' if number == 1 else 's'}" for verb, number in kinds if number
    )


def _last_change(node: Node) -> str:
    """When what is shared changed last, and by whom: what was stored or released, or an order about it."""
    with node.database.reading() as conn:
        bodies = ledger_rows.last_bodies(conn, LOOKED_BACK)
    for body in bodies:
        try:
            line = decode_line(body)
        except EvidenceBroken:
            continue
        if line.stored or line.released or line.kind in _CHANGES:
            return f"What is shared changed last at {format_micros(line.at)} ({line.kind} by {line.by})."
    return "What is shared did not change lately."
