"""What became here of one object that a partner's server shows: held, or why not.

1. What we hold is told by id and version; the bytes are compared where a node of ours says their digest.
2. Of a cyber-observable any copy from that partner counts: its version is each node's own.
3. Why something is not here is read from what was kept of it: the quarantine, the orders to erase, what was held, taken back
   or kept as a proposal. Where nothing speaks of it, it never came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cert_exchange.services.drift.bucketing import Entry
from cert_exchange.services.drift.kinds import Kind
from cert_exchange.stix.instants import InstantInvalid, order_key
from cert_exchange.stix.references import is_observable_id
from cert_exchange.store import drift as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.drift import Held, Refusal
from cert_exchange.store.tables import OWN, ObjectStatus


@dataclass(frozen=True, slots=True)
class Known:
    """What we know of some ids, from one partner and in one collection."""

    partner: int
    held: Mapping[str, Sequence[Held]]
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    barred: Collection[str] = ()

    @classmethod
    def read(cls, tx: Transaction, partner: int, collection: int, stix_ids: Sequence[str]) -> Known:
        """What is held of these ids."""
        held: dict[str, list[Held]] = {}
        for one in rows.held_of(tx, collection, stix_ids):
            held.setdefault(one.stix_id, []).append(one)
        return cls(partner, held)

    def explained(self, tx: Transaction, stix_ids: Sequence[str]) -> Known:
        """With what was kept of these ids instead of them (rule 3)."""
        return replace(
            self,
            refused=rows.refusals(tx, self.partner, stix_ids),
            barred=rows.barred_ids(tx, stix_ids),
        )


def state_of(held: Held, partner: int) -> Kind | None:
    """How a version that we hold from a partner stands: None where it is in use, NOT_SHOWN where its sender took it back."""
    if held.status == ObjectStatus.PROPOSAL.value:
        return Kind.PROPOSAL
    if held.kept_out:
        return Kind.HELD
    if held.taken_back_by == partner and held.taken_back_by is not None:
        return Kind.NOT_SHOWN
    if held.blocked or held.taken_back_by == OWN:
        return Kind.WITHDRAWN
    return None


def fate_of(shown: Entry, known: Known) -> tuple[Kind | None, str]:
    """What became of what is shown, and why in words; None: it is held and in use."""
    every = known.held.get(shown.stix_id, ())
    mine = [one for one in every if one.origin == known.partner and not one.erased]
    key = _key(shown.version)
    # Without a version (of a cyber-observable, or from a server that says none) the id alone tells.
    same = [one for one in mine if not shown.version or one.version_key == key]
    if same:
        return _held(shown, same, known.partner)
    if any(one.erased and one.version_key == key for one in every) or (
        shown.stix_id in known.barred and not mine
    ):
        return Kind.ERASED, "something of it was erased here"
    standing = [one for one in mine if state_of(one, known.partner) is not Kind.NOT_SHOWN]
    newest = max(standing, key=lambda one: one.version_key, default=None)
    if newest is not None and key is not None and key < newest.version_key:
        return Kind.OLDER_THERE, f"we hold {newest.version}"
    others = [one for one in every if one.origin != known.partner and not one.erased]
    if not mine and any(_alike(shown, one, key) for one in others):
        return Kind.ELSEWHERE, ""
    own = [one for one in others if one.origin == OWN and not is_observable_id(one.stix_id)]
    if own and not mine:
        return (
            Kind.ELSEWHERE,
            f"it is ours: we hold {max(own, key=lambda one: one.version_key).version}",
        )
    refused = known.refused.get(shown.stix_id)
    if refused is not None and _speaks_of(refused, shown, key):
        return Kind.REFUSED, f"quarantine {refused.number}, {refused.kind}: {refused.reason}"
    if newest is not None:
        return Kind.NEWER_THERE, f"we hold {newest.version}"
    return (
        Kind.NEVER_SEEN,
        "" if key is not None or not shown.version else "its version is no instant",
    )


def _held(shown: Entry, same: Sequence[Held], partner: int) -> tuple[Kind | None, str]:
    if shown.digest and all(one.digest != shown.digest for one in same):
        if is_observable_id(shown.stix_id):
            return Kind.NEWER_THERE, "it shows another content of this cyber-observable"
        return Kind.OTHER_CONTENT, ""
    if shown.digest:
        same = [one for one in same if one.digest == shown.digest]
    newest = max(same, key=lambda one: one.version_key)
    state = state_of(newest, partner)
    if state is Kind.NOT_SHOWN:
        return Kind.NEVER_SEEN, "its sender had taken it back, and shows it again"
    if state is None and not newest.here:
        return Kind.OTHER_COLLECTION, ""
    return state, ""


def _speaks_of(refused: Refusal, shown: Entry, key: str | None) -> bool:
    """Whether what was refused is what is shown now, and no other version of it."""
    return refused.version is None or not shown.version or _key(refused.version) == key


def _alike(shown: Entry, held: Held, key: str | None) -> bool:
    if held.status != ObjectStatus.ACCEPTED.value:
        return False
    if shown.digest and held.digest != shown.digest:
        return False
    return not shown.version or held.version_key == key


def _key(version: str) -> str | None:
    try:
        return order_key(version)
    except InstantInvalid:
        return None
