"""What a policy version in force lets go, found without locks and released a part a commit (`applying`, step 3).

1. `gains_after` in the policy's row says how far it is; killed on its way, the worker goes on from there.
2. It only adds: whatever is lost went with the switch.
3. Several may do it at once, an `apply` and the worker; what a version gained is read from the log, whoever released it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cert_exchange.node import Node
from cert_exchange.services.policies.staging import unsettled
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.orders import in_one_line, reconsider_many
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import releases
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction

GAIN_PART: Final = 1_000
Progress = Callable[[int, int | None], None]


def continue_gains(
    node: Node,
    *,
    policy: int | None = None,
    progress: Progress | None = None,
    parts: int | None = None,
) -> int:
    """Go on with the gains of every policy that is not done, or of this version (policies.id) alone.

    Returns how many lines were released here. `parts` limits how many commits are made, for a worker that has other work.
    """
    with node.database.reading() as conn:
        if policy_rows.gaining(conn, policy) is None:
            return 0
    gained = 0
    left = parts
    while left is None or left > 0:
        step = _gain_part(node, policy)
        if step is None:
            return gained
        count, done, total = step
        gained += count
        if progress is not None:
            progress(done, total)
        if left is not None:
            left -= 1
    return gained


def _gain_part(node: Node, policy: int | None) -> tuple[int, int, int] | None:
    """One part of one policy's gains: (lines, objects considered so far, objects in all); None: all done."""
    with node.database.reading() as conn:
        pending = policy_rows.gaining(conn, policy)
        if pending is None or pending.gains_after is None:
            return None
        after = pending.gains_after
        idents, reached = version_rows.idents_between(conn, after=after, limit=GAIN_PART)
        left = version_rows.count_after(conn, reached) if reached is not None else 0
        total = version_rows.count_after(conn, 0)
        sharing = releases.read_sharing(conn)
        audiences, candidates = unsettled(conn, sharing, pending.name, idents, now=node.now())

    def move(tx: Transaction) -> None:
        policy_rows.move_gains(tx, pending.id, after=after, to=reached)

    def work(releasing: Releasing) -> None:
        reconsider_many(releasing, sorted(candidates), audiences=audiences)
        move(releasing.tx)

    if not candidates:
        node.database.transact(move)
        return 0, total - left, total
    _, releasing = node.database.transact(
        lambda tx: in_one_line(
            tx, node, policy_rows.GAINS, "worker", work, only_if_released=True, policy=pending.name
        )
    )
    return len(releasing.lines), total - left, total
