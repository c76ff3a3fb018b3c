"""What is said to a sender whose object is not taken: kept as a proposal of a partner, refused to our desk.

`mine` is what the sender brought under this id and version before; then nothing is stored once more.
"""

from __future__ import annotations

from cert_exchange.services.publishing.rulings import Known, Ruling, Sender, Step
from cert_exchange.store.tables import OWN


def not_yours(owner: str | None, mine: Known | None, sender: Sender) -> Ruling:
    """Its owner is one for whom the sender may not speak."""
    if sender.origin == OWN:
        return Ruling(
            Step.REFUSE, success=False,
            message=f"this is of {owner}, for whom a partner speaks; only its own channel can bring this",
        )  # fmt: skip
    return Ruling(
        Step.PROPOSE if mine is None else Step.NOTHING, success=False,
        message=f"kept as a proposal: it is of {owner}, for whom you may not speak here; "
        "send a note or an opinion, or an object of your own",
    )  # fmt: skip


def other_owner(first: Known, mine: Known | None, sender: Sender) -> Ruling:
    """The id was first brought under another owner."""
    if sender.origin == OWN:
        return Ruling(
            Step.REFUSE, success=False, about=first.id,
            message="this id is held from another creator; publish an object with an id of its own",
        )  # fmt: skip
    return Ruling(
        Step.PROPOSE if mine is None else Step.NOTHING, success=False, about=first.id,
        message="kept as a proposal: this id belongs to another creator",
    )  # fmt: skip


def in_the_future(mine: Known | None) -> Ruling:
    """A relay's version lies ahead of our clock."""
    return Ruling(
        Step.PROPOSE if mine is None else Step.NOTHING, success=False,
        message="kept as a proposal: its version lies in the future, which only its creator's own channel may bring",
    )  # fmt: skip


def after_revocation(mine: Known | None, sender: Sender) -> Ruling:
    """What revoked the object is final (STIX 2.1, 3.6)."""
    if sender.origin == OWN:
        return Ruling(
            Step.REFUSE, success=False,
            message="a version before this one revoked the object, which is final (STIX 2.1, 3.6); "
            "publish an object with an id of its own",
        )  # fmt: skip
    return Ruling(
        Step.PROPOSE if mine is None else Step.NOTHING, success=False,
        message="kept as a proposal: a version before this one revoked the object, which is final (STIX 2.1, 3.6); "
        "send an object with an id of its own",
    )  # fmt: skip
