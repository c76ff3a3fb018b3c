"""What was pushed, taken in, and then turns out to be other than its sender signed: out of use until a person looks.

1. It leaves every view, and who fetched it is told, as with anything that is taken back. It stays stored.
2. What an earlier statement covers is left as it is: there its sender contradicts itself, and the receipt says so.
3. One transaction with its ledger line; repeated, nothing changes.
"""

from __future__ import annotations

from collections import defaultdict

from cert_exchange.node import Node
from cert_exchange.services.deliveries.checking import Taken
from cert_exchange.services.deliveries.settling import OTHER_CONTENT
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.store import delivered, objects, partners
from cert_exchange.store.database import Transaction
from cert_exchange.store.delivered import Held
from cert_exchange.store.tables import OWN


def set_aside_differing(node: Node, taken: Taken) -> int:
    """Take out of use what does not fit its commitment; how many versions. Raises StoreError, ClockDoubtful."""
    with node.database.reading() as tx:
        if not _differing(tx, taken):
            return 0

    def work(tx: Transaction) -> int:
        found = _differing(tx, taken)
        if not found:
            return 0
        partner = taken.row.partner

        def order(releasing: Releasing) -> None:
            numbers = [one.object for one in found]
            objects.take_back(tx, numbers, collection=None, by=OWN, at=releasing.now)
            releasing.reconsider(sorted({one.ident for one in found}))

        _, releasing = in_one_line(
            tx, node, "statement.differs", partners.authority(tx, partner).name, order,
            statement=taken.row.digest.hex(), objects=len(found),
        )  # fmt: skip
        for one in found:
            objects.keep_refused(
                tx, origin=partner, collection=taken.row.collection, kind="rejected",
                stix_id=one.stix_id, version=one.version, reason=OTHER_CONTENT, raw=None,
                at=releasing.now,
            )  # fmt: skip
        return len(found)

    return node.database.transact(work)


def _differing(tx: Transaction, taken: Taken) -> list[Held]:
    """Versions that we hold under a signed id and version with other content, and that nothing covers or names yet."""
    entries = [one for one in taken.entries if one is not None and one.version]
    held = defaultdict(list)
    for version in delivered.held(tx, taken.row.partner, {one.stix_id for one in entries}):
        held[version.stix_id, version.version].append(version)
    found = [
        version
        for entry in entries
        for version in held.get((entry.stix_id, entry.version), [])
        if not version.erased and not entry.fits(version.content)
    ]
    if not found:
        return []
    covered = delivered.covered(tx, [one.object for one in found])
    named = delivered.refusals(tx, taken.row.partner, [one.stix_id for one in found])
    return [
        one
        for one in found
        if one.object not in covered
        and named.get((one.stix_id, one.version), ("", ""))[1] != OTHER_CONTENT
    ]
