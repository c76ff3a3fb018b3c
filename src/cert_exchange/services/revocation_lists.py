"""How long the revocation lists of authorities still hold: an expired one refuses everybody whom its authority certified.

It reads rows alone, so that `status` says it as fast as all else; `services.pki` examines certificates themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from cert_exchange.node import Node
from cert_exchange.policy.wording import lasting
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import pki as rows
from cert_exchange.store.pki import AuthorityRow

DAY: Final = 86_400_000_000
THEIRS_NOTE: Final = 2 * DAY


@dataclass(frozen=True, slots=True)
class Findable:
    """What an examination of certificates finds. `partner`: whom it concerns, None: this node."""

    grade: Literal["ok", "note", "wrong"]
    partner: str | None
    finding: str
    step: str = ""


def alarms(node: Node) -> list[Findable]:
    """The lists of authorities in force that are missing, have expired or soon will."""
    with node.database.reading() as tx:
        found = rows.in_force(tx)
        names = {row.id: row.name for row in partner_rows.every_partner(tx)} if found else {}
    now = node.now()
    told = (about(node, one, names.get(one.partner or 0), now) for one in found)
    return [one for those in told for one in those if one.grade != "ok"]


def about(node: Node, row: AuthorityRow, partner: str | None, now: int) -> Iterator[Findable]:
    """How long one authority's list holds; of our own the alarm comes at a third of its life. `now` in micros."""
    named = f"{'our' if partner is None else 'its'} authority {row.fingerprint[:16]}"
    step = (
        "start the worker, or run `cert-exchange pki renew`"
        if partner is None
        else f"get its newest list, then cert-exchange pki pin {partner} --crl FILE"
    )
    early = node.settings.crl_days * DAY // 3 if partner is None else THEIRS_NOTE
    if row.crl_ends_at is None:
        said = f"{named} has no revocation list here: nothing of it is accepted"
        yield Findable("wrong", partner, said, step)
        return
    left = row.crl_ends_at - now
    list_of = f"the revocation list of {named}"
    if left <= 0:
        said = f"{list_of} has expired: everybody whom it certified is refused"
        yield Findable("wrong", partner, said, step)
    elif left < early:
        said = f"{list_of} expires in {lasting(left)}; then everybody whom it certified is refused"
        yield Findable("wrong" if partner is None else "note", partner, said, step)
    else:
        yield Findable("ok", partner, f"{list_of} holds for {lasting(left)}")
