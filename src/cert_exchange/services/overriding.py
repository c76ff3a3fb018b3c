"""What our own desk does with an object, whoever made it: it is not shared on, or we do not detect by it (S33).

1. It stands beside the id, with our terms (`terms`): never a new version of a received object, never in a byte of it, and
   no later version of it takes it away.
2. Not shared on: every audience loses it at once, and what refers to it follows; policies are not asked. Files for
   partners, polls and pushes read what is in force, so all of them hold to it.
3. Not for detection: left out of what is written for our own use. Partners see what they saw.
4. Each has its reason, and each order its line in the ledger. `policy explain` and `terms show` tell of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from cert_exchange.errors import InputRefused
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms, from_text
from cert_exchange.services.terms import Changed, say
from cert_exchange.store import terms as rows
from cert_exchange.store.database import Transaction

Kind = Literal["no-share", "no-detect"]
KINDS: Final[tuple[Kind, ...]] = ("no-share", "no-detect")
_LONGEST: Final = 500
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class Override:
    """One override. Instants are micros; `set_at` and `set_by` are those of the last order about the id."""

    stix_id: str
    kind: Kind
    reason: str
    set_at: int
    set_by: str


def override(node: Node, stix_id: str, kind: Kind, *, by: str, reason: str) -> Changed:
    """Set an override beside an object; set again, its reason is replaced.

    Raises NotFound when we hold no such object, InputRefused for a marking definition or a reason that is too long.
    """
    if len(reason) > _LONGEST:
        raise InputRefused(f"The reason is longer than {_LONGEST} characters; say it shorter.")
    return say(
        node, stix_id, lambda before: _with(before, kind, reason), by=by, reason=reason, alone=False
    )


def lift(node: Node, stix_id: str, kind: Kind, *, by: str, reason: str) -> Changed:
    """Take an override away; what policies allow comes back. Raises NotFound, InputRefused where there is none."""

    def change(before: SharingTerms) -> SharingTerms:
        if not _reason_of(before, kind):
            raise InputRefused(
                f"There is no {kind} beside {stix_id}; `override list` shows what there is."
            )
        return _with(before, kind, "")

    return say(node, stix_id, change, by=by, reason=reason, alone=False)


def overrides(node: Node) -> list[Override]:
    """Every override that stands, the newest first."""
    with node.database.reading() as tx:
        found = rows.listing(tx, limit=1_000_000)
    listed = []
    for row in found:
        try:
            said = from_text(row.terms)
        except ValueError:
            continue  # it denies, and `terms list` says that it cannot be read
        listed += [
            Override(row.stix_id, kind, why, row.set_at, row.set_by)
            for kind in KINDS
            if (why := _reason_of(said, kind))
        ]
    return listed


def not_for_detection(tx: Transaction) -> frozenset[str]:
    """The ids that our own detection leaves out, those of derivatives among them; what cannot be read is left out as well."""
    found: set[str] = set()
    shown: dict[str, set[str]] = {}
    for stix_id, derivative in rows.shown_for(tx, holding="not_detected"):
        shown.setdefault(stix_id, set()).add(derivative)
    for stix_id, _, text in rows.texts(tx, holding="not_detected"):
        try:
            unwanted = bool(from_text(text).not_detected)
        except ValueError:
            unwanted = True
        if unwanted:
            found |= {stix_id, *shown.get(stix_id, ())}
    return frozenset(found)


def _with(terms: SharingTerms, kind: Kind, reason: str) -> SharingTerms:
    if kind == "no-share":
        return replace(terms, kept_here=reason)
    return replace(terms, not_detected=reason)


def _reason_of(terms: SharingTerms, kind: Kind) -> str:
    return terms.kept_here if kind == "no-share" else terms.not_detected
