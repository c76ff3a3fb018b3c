"""What was not taken, or stands no more, is kept aside with its reason, for our own people (`quarantine`)."""

from __future__ import annotations

from collections.abc import Sequence

from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.services.publishing.rulings import Known, Outcome
from cert_exchange.stix.envelopes import Examined
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import objects, quarantine
from cert_exchange.store.tables import OWN


def keep_aside(intake: Intake, item: StixObject, kind: str, reason: str) -> None:
    """Keep a valid object that is not stored as a version. `kind`: rejected or conflict."""
    _keep(intake, kind, item.id, item.version, reason, item.body.decode("utf-8"))


def oust(intake: Intake, ident: int, item: StixObject, ousted: Sequence[Known]) -> None:
    """Take back what others brought in the way of the creator's version, and say so to our people."""
    numbers = [one.id for one in ousted]
    objects.take_back(intake.tx, numbers, collection=None, by=OWN, at=intake.now)
    for one in ousted:
        why = "revoked what is not its sender's" if one.revoked else "lay in the future"
        objects.keep_refused(
            intake.tx, origin=one.origin, collection=intake.collection, kind="conflict",
            stix_id=item.id, version=one.version,
            reason=f"taken back: its creator's own channel goes on without this version, which {why}",
            raw=None, at=intake.now,
        )  # fmt: skip
    intake.known[ident] = [
        one._replace(collections=dict.fromkeys(one.collections, OWN)) if one.id in numbers else one
        for one in intake.known[ident]
    ]
    intake.changed[ident] = None


def keep_invalid(intake: Intake, examined: Examined, reason: str) -> None:
    """Keep what is no valid object, byte for byte."""
    raw = examined.raw
    text = quarantine.as_text(raw) if raw else None
    _keep(intake, quarantine.REJECTED, examined.id[:300], examined.version, reason, text)


def _keep(
    intake: Intake, kind: str, stix_id: str, version: str | None, reason: str, raw: str | None
) -> None:
    """Keep it, once: what its sender sends again stays under its number, with the reason of now."""
    tx, origin, collection = intake.tx, intake.sender.origin, intake.collection
    before = quarantine.kept_before(
        tx, origin=origin, collection=collection, kind=kind, stix_id=stix_id, version=version, raw=raw
    )  # fmt: skip
    if before is None:
        objects.keep_refused(
            tx, origin=origin, collection=collection, kind=kind, stix_id=stix_id,
            version=version, reason=reason, raw=raw, at=intake.now,
        )  # fmt: skip
    elif before[1] != reason:
        quarantine.say(tx, before[0], reason=reason)


def refused(intake: Intake, examined: Examined) -> Outcome:
    """What became of an object that is not valid: kept aside, and its sender told why."""
    reason = examined.refusal or "refused"
    keep_invalid(intake, examined, reason)
    return Outcome(
        examined.index, examined.id, examined.version, "rejected", success=False, message=reason
    )
