"""What was not taken is kept aside with its reason, for our own people (`quarantine`)."""

from __future__ import annotations

from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.stix.envelopes import Examined
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import objects


def keep_aside(intake: Intake, item: StixObject, kind: str, reason: str) -> None:
    """Keep a valid object that is not stored as a version. `kind`: rejected or conflict."""
    objects.keep_refused(
        intake.tx, origin=intake.sender.origin, collection=intake.collection, kind=kind,
        stix_id=item.id, version=item.version, reason=reason, raw=item.body.decode("utf-8"),
        at=intake.now,
    )  # fmt: skip


def keep_invalid(intake: Intake, examined: Examined, reason: str) -> None:
    """Keep what is no valid object, as far as it can be told as text."""
    raw = examined.raw
    objects.keep_refused(
        intake.tx, origin=intake.sender.origin, collection=intake.collection, kind="rejected",
        stix_id=examined.id[:300], version=examined.version, reason=reason,
        raw=raw.decode("utf-8", "replace").replace("\x00", "\ufffd") if raw else None,
        at=intake.now,
    )  # fmt: skip
