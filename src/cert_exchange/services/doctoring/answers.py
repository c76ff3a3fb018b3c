"""What `doctor` says of answers: who waits for our reply, whose reply to us is overdue, who speaks of what it was never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cert_exchange.services import answering
from cert_exchange.services.doctoring.findings import Finding

if TYPE_CHECKING:
    from cert_exchange.node import Node

MOST: Final = 1_000


def examine(node: Node, *, partner: str | None = None) -> list[Finding]:
    """Look at what all partners said, or one; at our own questions with all, for they name nobody."""
    by_partner: dict[str, list[bool]] = {}
    for one in answering.heard(node, partner=partner, only_open=True, limit=MOST):
        by_partner.setdefault(one.hit.origin, []).append(one.overdue)
    found = [
        Finding(
            "wrong" if any(late) else "note",
            f"partner {name}",
            f"questions that wait for our reply: {len(late):,}, {sum(late):,} of them overdue",
            f"cert-exchange answers list --from {name} --open",
        )
        for name, late in sorted(by_partner.items())
    ]
    unshown: dict[str, set[str]] = {}
    for one in answering.heard(node, partner=partner, never_shown=True, limit=MOST):
        unshown.setdefault(one.hit.origin, set()).update(one.unshown)
    found += [
        Finding(
            "note", f"partner {name}",
            f"it speaks of {len(ids):,} of our objects that we never showed it: somebody passed them on, or it guesses ids",
            f"cert-exchange answers list --from {name} --never-shown",
        )
        for name, ids in sorted(unshown.items())
    ]  # fmt: skip
    if partner is None:
        ours = answering.heard(node, given=True, only_open=True, limit=MOST)
        if late := sum(one.overdue for one in ours):
            found.append(
                Finding(
                    "note", "answers", f"questions of ours without a reply in time: {late:,}",
                    "cert-exchange answers list --given --open; then call the partner's desk",
                )
            )  # fmt: skip
    return found
