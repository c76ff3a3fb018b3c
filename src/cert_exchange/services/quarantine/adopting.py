"""Making an object of our own of what stands in the quarantine. Another's object is never edited: this is a new one.

1. New id, our identity as its creator, now as its instants; a cyber-observable is a copy of ours, for it belongs to nobody.
   A person may give the content anew (`content`), to mend what made the other one invalid.
2. It is marked as strictly as what it was made of, and where nothing there says a TLP, TLP:AMBER+STRICT. Terms of sharing
   that it carries stay.
3. By adopting alone nobody gets it: terms beside it say `only to nobody` until a person sets others, or says `share`; and it
   never goes back to whom it came from.
4. A `derived-from` relationship leads to the original where we hold that one, under the same markings and terms: policy
   shows it to those alone who see both. Where we do not hold it, its id is in our ledger and goes to nobody.
5. The new object, the ledger line and the end of the row are one transaction; a preview rolls it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from cert_exchange.errors import InputRefused
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import ledger
from cert_exchange.services.publishing.sentences import Sighted, collection_number, sighted
from cert_exchange.services.publishing.taking_in import take_in_watched
from cert_exchange.services.quarantine.keeping import find
from cert_exchange.stix.canonical import canonical_bytes, parse_json
from cert_exchange.stix.envelopes import examine
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import read_markings
from cert_exchange.stix.observables import observable_id
from cert_exchange.stix.references import OBSERVABLE_TYPES, is_identifier
from cert_exchange.store import objects
from cert_exchange.store import quarantine as rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.quarantine import EVIDENCE, REFUSED_BY_TARGET, Kept
from cert_exchange.store.tables import OWN, ObjectStatus

_AMBER_STRICT: Final = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
_NEVER: Final = frozenset(
    {"marking-definition", "extension-definition", "identity", "language-content", "bundle"}
)
"""What is said of others, or of what all share: a copy under another id would say it of something else."""
_TIES: Final = frozenset({"relationship", "sighting"})
NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Adoption:
    """What adopting did, or would do."""

    number: int
    stix_id: str
    """of the new object"""
    content: dict[str, Any]
    relationship: str | None
    """the id of the `derived-from`, where the original is held"""
    sighted: tuple[Sighted, ...]
    """who would see it, or why not"""


class _LookedAt(Exception):
    """Ends a preview's transaction without a commit."""


def adoption(
    node: Node,
    number: int,
    *,
    collection: str,
    share: bool = False,
    content: bytes | None = None,
    by: str,
) -> Adoption:
    """What `adopt` would do; nothing is changed. Raises as `adopt`."""
    place = collection_number(node, collection)
    seen: list[Adoption] = []

    def work(tx: Transaction) -> None:
        seen.clear()
        seen.append(_adopt(tx, node, number, place, share=share, content=content, by=by, why=""))
        raise _LookedAt

    try:
        node.database.transact(work)
    except _LookedAt:
        return seen[0]
    raise AssertionError("a preview always rolls back")


def adopt(
    node: Node,
    number: int,
    *,
    collection: str,
    share: bool = False,
    content: bytes | None = None,
    by: str,
    reason: str,
) -> Adoption:
    """Publish an object of our own that is made of a row, and end the row.

    `content`: one JSON object in place of what came. Raises NotFound, ConfigurationInvalid for an unknown collection,
    InputRefused where nothing of ours can be made of it.
    """
    place = collection_number(node, collection)
    return node.database.transact(
        lambda tx: _adopt(tx, node, number, place, share=share, content=content, by=by, why=reason)
    )


def _adopt(
    tx: Transaction,
    node: Node,
    number: int,
    place: int,
    *,
    share: bool,
    content: bytes | None,
    by: str,
    why: str,
) -> Adoption:
    now = node.clock.releasing_now()
    one = find(tx, number)
    if one.kind in (EVIDENCE, REFUSED_BY_TARGET):
        raise InputRefused(
            "That is a statement." if one.kind == EVIDENCE else "That is ours already."
        )
    made = _ours(tx, node, one, content, now)
    related = _derived_from(tx, node, one, made, now)
    terms = SharingTerms(
        only_to=() if share else (NOBODY,),
        not_to=frozenset({one.sender}) if one.sender else NOBODY,
    )
    body = canonical_bytes({"objects": [made, *([related] if related else [])]})
    outcomes, releasing = take_in_watched(
        tx, node, examine(body, limits=node.limits), origin=OWN, collection=place, now=now, by=by,
        terms=terms, keep_verdicts=True, facts={"quarantine": number},
    )  # fmt: skip
    for outcome in outcomes:
        if not outcome.success:
            raise InputRefused(
                f"Nothing of ours can be made of it: {outcome.message} Mend it: `quarantine show {number} --out FILE`,"
                " edit the file, and give it with --content FILE."
            )
    facts: dict[str, Fact] = {
        "number": number,
        "id": one.stix_id or "",
        "partner": one.sender or "",
        "made": made["id"],
        "reason": why,
    }
    ledger.record(tx, Line("quarantine.adopt", now, by, facts=facts))
    rows.remove(tx, [number])
    return Adoption(
        number, made["id"], made, None if related is None else related["id"],
        tuple(one for one in sighted([releasing]) if one.stix_id == made["id"]),
    )  # fmt: skip


def _ours(
    tx: Transaction, node: Node, one: Kept, content: bytes | None, now: int
) -> dict[str, Any]:
    """Rules 1 and 2."""
    raw = rows.raw_of(tx, one.number)
    came = _object(raw, node) if raw is not None else None
    made = came if content is None else _object(content, node)
    if made is None:
        raise InputRefused(
            "What is kept of it is no JSON object; give one that you wrote, with --content FILE."
        )
    made = dict(made)
    kind = made.get("type")
    if not isinstance(kind, str) or kind in _NEVER:
        raise InputRefused(f"A {kind} is not made ours: it speaks of others, or of what all share.")
    made.pop("revoked", None)
    if kind in OBSERVABLE_TYPES:
        made["id"] = observable_id(made)
    else:
        made |= {
            "id": f"{kind}--{uuid4()}",
            "created": format_micros(now),
            "modified": format_micros(now),
            "created_by_ref": node.identity,
        }
    markings = [*_listed(made, "object_marking_refs")]
    if came is not None and content is not None:
        markings += _listed(came, "object_marking_refs")
        markings += [
            granular["marking_ref"]
            for granular in _listed(came, "granular_markings")
            if isinstance(granular, dict) and isinstance(granular.get("marking_ref"), str)
        ]
    if all(read_markings(each).tlp is None for each in (made, came or {})):
        markings.append(_AMBER_STRICT)
    if markings:
        made["object_marking_refs"] = list(dict.fromkeys(map(str, markings)))
    return made


def _object(raw: bytes, node: Node) -> dict[str, Any] | None:
    try:
        value = parse_json(raw, depth=node.limits.depth)
    except InputRefused:
        return None
    return value if isinstance(value, dict) else None


def _listed(content: dict[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    return value if isinstance(value, list) else []


def _derived_from(
    tx: Transaction, node: Node, one: Kept, made: dict[str, Any], now: int
) -> dict[str, Any] | None:
    """Rule 4."""
    original = one.stix_id or ""
    kind = str(made["type"])
    if (
        kind in OBSERVABLE_TYPES | _TIES
        or not is_identifier(original)
        or not original.startswith(f"{kind}--")
    ):
        return None
    ident = objects.idents_of(tx, [original]).get(original)
    if ident is None or not any(
        version.status == ObjectStatus.ACCEPTED.value
        for version in version_rows.versions(tx, [ident])
    ):
        return None
    related = {
        "type": "relationship",
        "spec_version": "2.1",
        "id": f"relationship--{uuid4()}",
        "created": format_micros(now),
        "modified": format_micros(now),
        "created_by_ref": node.identity,
        "relationship_type": "derived-from",
        "source_ref": made["id"],
        "target_ref": original,
    }
    if "object_marking_refs" in made:
        related["object_marking_refs"] = made["object_marking_refs"]
    return related
