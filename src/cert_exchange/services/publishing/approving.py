"""What comes from a source or a partner is kept and not used until a person approves it, where our people said so.

1. It is held at the way in as what is listed is (`screening`): stored with its bytes and its evidence, released to nobody,
   in no export, until `intake release`; `intake refuse` keeps it out for good.
2. Each version is asked about: what was approved says nothing of what the next version says.
3. What takes back is never held: a notice is obeyed all the same, and a revocation of what counts goes on. What revokes
   something that itself still waits, waits with it.
4. What is there already stays in use, also when it comes again or into another collection.
5. The sender is answered as if nothing were held, and its evidence (statement, receipt) is the same.
"""

from __future__ import annotations

from typing import Final

from cert_exchange.policy.screening import Finding
from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.services.publishing.rulings import Ruling, Step
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import screening as rows
from cert_exchange.store.screening import State
from cert_exchange.store.tables import OWN

_NEW: Final = (Step.STORE, Step.COPY, Step.PROMOTE)
_LONGEST: Final = 500


def with_approval(
    intake: Intake, ruling: Ruling, item: StixObject, listed: Finding | None
) -> Finding | None:
    """What an object is held for: what is listed was found in it, and its sender's approval besides."""
    approval = intake.approval
    if approval is None or intake.sender.origin == OWN or not _waits(intake, ruling, item):
        return listed
    if listed is None:
        return Finding("hold", (approval.what,), approval.said)
    said = f"{approval.said}; {listed.said}"
    return Finding(
        listed.action,
        (approval.what, *listed.what),
        said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…",
    )


def _waits(intake: Intake, ruling: Ruling, item: StixObject) -> bool:
    if ruling.step not in _NEW or ruling.aside:
        return False
    if ruling.step is Step.PROMOTE and ruling.about is not None:
        before = rows.why(intake.tx, ruling.about)
        # What waits or was refused does so already; what was approved, undone since and brought again is new.
        return before is None or before[1] is State.LET_IN
    return not (item.revoked and _counts(intake, item))


def _counts(intake: Intake, item: StixObject) -> bool:
    """Whether a version of the object that came from its sender is in use."""
    for one in intake.known.get(intake.nums[item.id], ()):
        if one.accepted and one.origin == intake.sender.origin and one.in_use:
            why = rows.why(intake.tx, one.id)
            if (why is None and one.id not in intake.caught) or (
                why is not None and why[1] is State.LET_IN
            ):
                return True
    return False
