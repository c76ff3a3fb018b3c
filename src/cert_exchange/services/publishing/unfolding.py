"""A version that a partner proposes in a note of its own (docs/answers.md) becomes a proposal of ours to look at.

1. Nothing comes in by a note that could not be proposed otherwise: only of an object that our desk brought, or of what
   stands for one, and never what its sender may bring by itself. That it sends as it is, by its own channel.
2. What cannot be read, is about another object than the note names, or is no valid object stays a note that people read.
3. It is ruled on and kept as what partners send always is, after the note itself; its sender is told of the note alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from cert_exchange.errors import CertExchangeError
from cert_exchange.messages.answers import Proposal, read
from cert_exchange.node import Node
from cert_exchange.services.publishing.admitting import may_bring, owner_of
from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.stix.envelopes import Batch, examine
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import objects
from cert_exchange.store import versions as version_rows
from cert_exchange.store.tables import OWN, ObjectStatus


def unfolded(intake: Intake, node: Node) -> Iterator[Batch]:
    """The versions that notes of this batch propose, each to be taken in from the notes' sender."""
    if intake.sender.origin == OWN:
        return
    for new in intake.news:
        if new.type != "note" or new.status is not ObjectStatus.ACCEPTED:
            continue
        said = read(intake.contents.get(new.rendition, {}))
        if isinstance(said, Proposal) and (batch := _whole(intake, said, node)) is not None:
            yield batch


def _whole(intake: Intake, said: Proposal, node: Node) -> Batch | None:
    """The proposed version; None where it stays a note (rules 1 and 2)."""
    try:
        batch = examine(said.proposed.encode("utf-8"), limits=node.limits)
    except (CertExchangeError, UnicodeEncodeError):
        return None
    item = batch.items[0].item if len(batch.items) == 1 else None
    if item is None or item.id != said.about or item.observable:
        return None
    return batch if _is_to_be_proposed(intake, item) else None


def _is_to_be_proposed(intake: Intake, item: StixObject) -> bool:
    ident = objects.idents_of(intake.tx, [item.id]).get(item.id)
    if ident is None:
        return False
    found = list(version_rows.versions(intake.tx, [ident]))
    if any(one.status == ObjectStatus.DERIVATIVE.value for one in found):
        return True
    counting = [one for one in found if one.status == ObjectStatus.ACCEPTED.value]
    first = min(counting, key=lambda one: one.id, default=None)
    if first is None or first.origin != OWN:
        return False
    owner = owner_of(item)
    return owner is None or not may_bring(intake.sender, owner, intake.identities)
