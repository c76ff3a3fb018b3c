"""Which proposals there are, and who could accept each (DESIGN invariant 4, DECISIONS 27).

1. A proposal is accepted by who owns the object: what our desk brought is ours to change. Of another partner's object
   we are no judge: it is declined or answered, and goes on waiting for its own channel.
2. Where two name different creators of one id, the first stands until a person says that it took what is not its own.
3. Reading only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.stix.canonical import parse_json
from cert_exchange.store import answers as answer_rows
from cert_exchange.store import objects
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import proposals as rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Version
from cert_exchange.store.proposals import Proposed, Said
from cert_exchange.store.tables import OWN, ObjectStatus

IDENTITY = "identity"


class Standing(StrEnum):
    """What our desk may do with a proposal besides declining and answering it."""

    OURS = "ours"
    """it is of an object that our desk brought: accepted, it becomes our next version"""
    CONTESTED = "contested"
    """its sender speaks for the creator that it names, but another brought the id first: accepted, the id is its"""
    OTHERS = "another's"
    """it is of an object that another brought: its own channel decides"""
    UNHELD = "not held"
    """we hold nothing else of it: its sender may not speak for its creator (`partner amend`), or copied an observable"""
    STANDS_FOR = "a derivative"
    """the id stands for an object of ours in somebody's view: nobody brings it"""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal as our people see it."""

    row: Proposed
    standing: Standing
    owner: str | None
    """the creator of the object as it stands, None where nobody is named or nothing is held"""
    brought_by: str | None
    """who brought it: `own`, or a partner's name; None where nothing is held"""
    newest: str | None
    """the newest version that counts"""
    said: tuple[Said, ...]
    undone: bool
    original: str | None = None
    """of an id that stands for an object of ours: that object's"""

    @property
    def open(self) -> bool:
        """Whether it waits for a person."""
        return not self.undone and all(one.answer == rows.ANSWERED for one in self.said)


@dataclass(frozen=True, slots=True)
class Change:
    """One property as it stands and as it would be; None: not there."""

    name: str
    before: Any
    after: Any


def proposals(
    node: Node,
    *,
    partner: str | None = None,
    stix_id: str | None = None,
    ended: bool = False,
    limit: int = 100,
) -> list[Proposal]:
    """The proposals that wait, the newest first; with `ended` also the others. Raises NotFound for an unknown name or id."""
    with node.database.reading() as tx:
        number = ident = None
        if partner is not None:
            found = partner_rows.find_partner(tx, partner)
            if found is None:
                names = ", ".join(one.name for one in partner_rows.every_partner(tx))
                raise NotFound(f"there is no partner {partner!r}; there are: {names or 'none'}.")
            number = found.id
        if stix_id is not None:
            ident = objects.idents_of(tx, [stix_id]).get(stix_id)
            if ident is None:
                raise NotFound(f"nothing of {stix_id} ever came here.")
        return told(tx, rows.listed(tx, partner=number, ident=ident, ended=ended, limit=limit))


def find(node: Node, number: int) -> Proposal:
    """One proposal by its number. Raises NotFound."""
    with node.database.reading() as tx:
        return found_in(tx, number)


def compared(node: Node, number: int) -> tuple[Change, ...]:
    """What a proposal says otherwise than the newest version that its sender can have seen: of a derivative, that.

    Whoever may accept it. Empty where we hold nothing of it. Raises NotFound.
    """
    with node.database.reading() as tx:
        one = found_in(tx, number)
        every = list(version_rows.versions(tx, [one.row.ident]))
        if one.standing is Standing.STANDS_FOR:
            known = [each for each in every if each.status == ObjectStatus.DERIVATIVE.value]
        else:
            known = counting_of(every)
        if not known:
            return ()
        newest = max(known, key=lambda each: (each.version_key, -each.id))
        return changes_of(content_of(tx, newest.rendition), content_of(tx, one.row.rendition))


def content_of(tx: Transaction, rendition: int) -> dict[str, Any]:
    """A stored version as JSON."""
    content = parse_json(rows.body_of(tx, rendition).encode("utf-8"), depth=1_000)
    assert isinstance(content, dict)
    return content


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What another version says otherwise, `modified` aside."""
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and name != "modified"
    )


def found_in(tx: Transaction, number: int) -> Proposal:
    """One proposal by its number, in a transaction. Raises NotFound."""
    row = rows.find(tx, number)
    if row is None:
        raise NotFound(
            f"there is no proposal {number}; `cert-exchange proposals list --ended` shows all."
        )
    return told(tx, [row])[0]


def told(tx: Transaction, found: Sequence[Proposed]) -> list[Proposal]:
    """These rows with what we hold beside them."""
    held: dict[int, list[Version]] = {}
    for version in version_rows.versions(tx, sorted({one.ident for one in found})):
        held.setdefault(version.ident, []).append(version)
    creators = version_rows.stix_ids(
        tx, {one.creator for many in held.values() for one in many if one.creator is not None}
    )
    spoken = {row[0]: row[1] for row in partner_rows.ask_spoken(tx)()}
    names = {row.id: row.name for row in partner_rows.every_partner(tx)} | {OWN: "own"}
    said = rows.said(tx, [one.number for one in found])
    undone = rows.undone(tx, [one.number for one in found])
    listed = []
    for one in found:
        many = held.get(one.ident, [])
        counting = counting_of(many)
        first = min(counting, key=lambda version: version.id, default=None)
        owner = None if first is None else owner_of(first, creators)
        listed.append(
            Proposal(
                one,
                _standing(one, many, first, owner, spoken),
                owner,
                None if first is None else names.get(first.origin),
                max(counting, key=lambda version: version.version_key).version
                if counting
                else None,
                tuple(said.get(one.number, ())),
                one.number in undone,
                answer_rows.original_of(tx, one.stix_id),
            )
        )
    return listed


def counting_of(versions: Sequence[Version]) -> list[Version]:
    """Those that count."""
    return [one for one in versions if one.status == ObjectStatus.ACCEPTED.value]


def owner_of(version: Version, creators: dict[int, str]) -> str | None:
    """The STIX id of who owns a version; an identity without a creator owns itself."""
    if version.creator is not None:
        return creators.get(version.creator)
    return version.stix_id if version.type == IDENTITY else None


def _standing(
    one: Proposed,
    versions: Sequence[Version],
    first: Version | None,
    owner: str | None,
    spoken: dict[str, int],
) -> Standing:
    if any(version.status == ObjectStatus.DERIVATIVE.value for version in versions):
        return Standing.STANDS_FOR
    if first is None or one.observable:
        return Standing.UNHELD
    if first.origin == OWN:
        return Standing.OURS
    claimed = one.creator or (one.stix_id if one.type == IDENTITY else None)
    if claimed is not None and claimed != owner and spoken.get(claimed) == one.partner:
        return Standing.CONTESTED
    return Standing.OTHERS
