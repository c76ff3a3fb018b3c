"""What each partner should see, said again in plain Python: DECISIONS 1, 4, 5, 6 and 27 for a small world.

Written from the decisions' text and not from the engine: no increments, no indexes, no database. A world is asked anew
after every step and answers for every audience and collection which versions are in force, which is last and first.
One thing has a memory: nothing older than a revocation is released anew, so what was in force before is handed in.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

OWN = "own"
LADDER = ("clear", "green", "amber", "amber+strict", "red")
CARRIED = ("identity--", "marking-definition--")
OBSERVABLE = "ipv4-addr--"


@dataclass(frozen=True)
class Terms:
    """One partner's policy; every variant allows by type and names `own` or `any` origin."""

    collections: tuple[str, ...] = ("indicators", "reports")
    types: tuple[str, ...] | None = None
    origin: str = "any"
    ceiling: str = "amber"
    deny: bool = False
    hold: bool = False
    unresolved: str = "wait"
    understands: tuple[str, ...] = ()

    def text(self, partner: str) -> str:
        """The policy document that says so."""
        lines = [
            f"name: {partner}", f"partners: [{partner}]", f"collections: [{', '.join(self.collections)}]",
            f"ceiling: {{tlp: {self.ceiling}, unmarked: green, statements: [{', '.join(self.understands)}]}}",
            f"unresolved: {self.unresolved}", "rules:",
        ]  # fmt: skip
        if self.deny:
            lines.append("  - {name: denied, match: {origin: any, labels: [deny]}, deny: true}")
        if self.hold:
            lines.append("  - {name: held, match: {origin: any, labels: [hold]}, hold: approval}")
        kinds = f", type: [{', '.join(self.types)}]" if self.types is not None else ""
        lines.append(f"  - {{name: allowed, match: {{origin: {self.origin}{kinds}}}, allow: true}}")
        return "\n".join(lines) + "\n"


@dataclass(eq=False)
class Copy:
    """One version of one origin."""

    number: int
    id: str
    key: str
    """`modified`, else `created`; for a cyber-observable a rising text"""
    origin: str
    content: Mapping[str, Any]
    accepted: bool = True
    places: dict[str, str | None] = field(default_factory=dict)
    """collection -> who took it back"""

    @property
    def observable(self) -> bool:
        return self.id.startswith(OBSERVABLE)

    @property
    def in_use(self) -> bool:
        return not self.places or any(by is None for by in self.places.values())


@dataclass
class Seen:
    """One view: the versions in force."""

    live: set[Copy]
    last: set[Copy]
    first: set[Copy]
    carried: set[Copy]


@dataclass
class World:
    """Everything that was taken in, and what was ordered."""

    own_identity: str
    speaks: Mapping[str, str]
    """partner -> its identity"""
    tlp_of: Mapping[str, str]
    """marking definition -> level"""
    copies: list[Copy] = field(default_factory=list)
    terms: dict[str, Terms] = field(default_factory=dict)
    approved: set[tuple[str, int, str]] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    collections: tuple[str, ...] = ("indicators", "reports")

    # -- what comes in ---------------------------------------------------------------------------------------------

    def seed(self, contents: Iterable[Mapping[str, Any]]) -> None:
        for content in contents:
            self._store(content, OWN, accepted=True)

    def take(self, content: Mapping[str, Any], origin: str, collection: str) -> None:
        """One object from our desk or a partner."""
        stix_id = content["id"]
        observable = stix_id.startswith(OBSERVABLE)
        key = content.get("modified") or content.get("created") or ""
        mine = [
            c for c in self.copies
            if c.id == stix_id and c.origin == origin
            and (_same(c.content, content) if observable else c.key == key)
        ]  # fmt: skip
        if mine and mine[-1].accepted:
            copy = mine[-1]
            if _same(copy.content, content):
                self._again(copy, origin, collection)
            return
        over = any(
            c.id == stix_id and c.accepted and c.content.get("revoked") and c.key < key
            for c in self.copies
        )
        if observable or (self._may_bring(content, origin) and not over):
            if not mine:
                self._store(content, origin, accepted=True).places[collection] = None
        elif origin != OWN and not mine and not self._shown(content, origin):
            self._store(content, origin, accepted=False)

    def _again(self, copy: Copy, origin: str, collection: str) -> None:
        if collection not in copy.places or copy.places[collection] == origin:
            copy.places[collection] = None

    def _may_bring(self, content: Mapping[str, Any], origin: str) -> bool:
        owner = content.get("created_by_ref") or content["id"]
        if origin == OWN:
            return owner not in self.speaks.values()
        return owner == self.speaks[origin]

    def _shown(self, content: Mapping[str, Any], partner: str) -> bool:
        """Whether the partner sees this very version, so that sending it says nothing new."""
        return any(_same(c.content, content) for seen in self._seen_by(partner) for c in seen.live)

    def _seen_by(self, partner: str) -> list[Seen]:
        return [seen for (audience, _), seen in self.seen.items() if audience == partner]

    def _store(self, content: Mapping[str, Any], origin: str, *, accepted: bool) -> Copy:
        number = len(self.copies)
        key = content.get("modified") or content.get("created") or f"{number:06d}"
        copy = Copy(number, content["id"], key, origin, content, accepted)
        self.copies.append(copy)
        return copy

    # -- orders ----------------------------------------------------------------------------------------------------

    def withdraw(self, stix_id: str, key: str | None, collection: str | None, by: str) -> None:
        """Our desk takes back from anyone, a partner what it sent."""
        chosen = [
            c for c in self.copies
            if c.id == stix_id and c.accepted and (key is None or c.key == key) and by in (OWN, c.origin)
        ]  # fmt: skip
        if by == OWN and stix_id.startswith(OBSERVABLE) and key is None and collection is None:
            self.blocked.add(stix_id)
            return
        for copy in chosen:
            for place in list(copy.places):
                if collection in (None, place) and copy.places[place] is None:
                    copy.places[place] = by

    def let_go(self) -> None:
        """A person ends every hold that stands."""
        self.approved |= {
            (audience, copy.number, collection)
            for audience in self.terms
            for collection in self.terms[audience].collections
            for copy in self._candidates(audience, collection)
            if self._answer(audience, copy, collection) == "held"
        }

    # -- what is visible -------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """See anew, for everybody."""
        self.seen = {
            key: seen for audience in self.terms for key, seen in self._settled(audience).items()
        }

    def _decide(self, audience: str, copy: Copy, collection: str, *, carried: bool = False) -> str:
        terms = self.terms[audience]
        content = copy.content
        if collection not in terms.collections:
            return "denied"
        markings = content.get("object_marking_refs", [])
        if any(m not in self.tlp_of and m not in terms.understands for m in markings):
            return "denied"
        levels = [LADDER.index(self.tlp_of[m]) for m in markings if m in self.tlp_of]
        free = content["type"] == "marking-definition" and not markings
        free = free or (carried and content["type"] == "identity" and not levels)
        if not free:
            level = max(levels, default=LADDER.index("green"))
            if level > LADDER.index(terms.ceiling):
                return "denied"
            if copy.origin != OWN and level > LADDER.index("green"):
                return "denied"
        labels = content.get("labels", [])
        if terms.deny and "deny" in labels:
            return "denied"
        if carried:
            return "allowed"
        if (
            terms.hold
            and "hold" in labels
            and (audience, copy.number, collection) not in self.approved
        ):
            return "held"
        if terms.types is not None and content["type"] not in terms.types:
            return "denied"
        return "allowed" if terms.origin == "any" or copy.origin == OWN else "denied"

    def _foreign(self, audience: str, stix_id: str, origin: str | None = None) -> list[Copy]:
        """The accepted versions of an id that this audience did not send, oldest first."""
        return sorted(
            (
                c for c in self.copies
                if c.id == stix_id and c.accepted and c.origin != audience
                and origin in (None, c.origin)
            ),
            key=lambda c: (c.key, c.number),
        )  # fmt: skip

    def _candidates(self, audience: str, collection: str) -> list[Copy]:
        return [
            c for c in self.copies
            if c.accepted and c.origin != audience and c.places.get(collection, "nowhere") is None
        ]  # fmt: skip

    def _answer(self, audience: str, copy: Copy, collection: str) -> str:
        """Policy's answer with the rules about versions: the newest governs, nothing older than a revocation."""
        if copy.id in self.blocked:
            return "denied"
        family = self._foreign(audience, copy.id, copy.origin if copy.observable else None)
        newest = [c for c in family if c.in_use][-1]
        if newest is not copy and self._decide(audience, newest, collection) == "denied":
            return "denied"
        before = self.seen.get((audience, collection))
        for later in family:
            if later.content.get("revoked") and later.key > copy.key:
                if before is None or copy not in before.live:
                    return "denied"  # nothing older than a revocation is released anew
                if later.places.get(collection) is not None:
                    return "denied"  # it was taken back from here: what it ended does not come back
        return self._decide(audience, copy, collection)

    def _settled(self, audience: str) -> dict[tuple[str, str], Seen]:
        inside = {
            (copy, collection)
            for collection in self.terms[audience].collections
            for copy in self._candidates(audience, collection)
            if self._answer(audience, copy, collection) == "allowed"
        }
        while True:
            ids = {copy.id for copy, _ in inside}
            out = {
                (copy, collection)
                for copy, collection in inside
                if not self._complete(audience, copy, collection, ids, frozenset({copy.id}))
            }
            if not out:
                break
            inside -= out
        found = {}
        for collection in self.terms[audience].collections:
            allowed = {copy for copy, where in inside if where == collection}
            carried = self._carried(audience, collection, allowed)
            live = allowed | carried
            last, first = set(), set()
            for stix_id in {copy.id for copy in live}:
                rows = sorted((c for c in live if c.id == stix_id), key=lambda c: (c.key, c.number))
                first.add(rows[0])
                if rows[0].observable:
                    mine = [c for c in rows if c.origin == OWN]
                    whose = mine or [
                        c for c in rows if c.origin == min(rows, key=lambda r: r.number).origin
                    ]
                    last.add(whose[-1])
                else:
                    last.add(rows[-1])
            found[audience, collection] = Seen(live, last, first, carried)
        return found

    def _complete(
        self,
        audience: str,
        copy: Copy,
        collection: str,
        ids: Collection[str],
        above: frozenset[str],
    ) -> bool:
        """Whether all that a version refers to is visible to the audience, may dangle, or can be carried along."""
        for target in references(copy.content):
            if target in above or target in ids or self._sent(audience, target):
                continue
            held = any(c.id == target and c.accepted for c in self.copies)
            if not held:
                if target == copy.content.get("created_by_ref"):
                    continue
                if self.terms[audience].unresolved == "allow" and not target.startswith(OBSERVABLE):
                    continue
                return False
            newest = self._carriable(audience, target, collection)
            if newest is None or not self._complete(
                audience, newest, collection, ids, above | {target}
            ):
                return False
        return True

    def _sent(self, audience: str, stix_id: str) -> bool:
        """A member's accepted copy; of a cyber-observable only where nobody else's is there and policy keeps none back."""
        known = [c for c in self.copies if c.id == stix_id]
        mine = [c for c in known if c.origin == audience and c.accepted]
        if not mine or not stix_id.startswith(OBSERVABLE):
            return bool(mine)
        return all(c.origin == audience for c in known) and not any(
            self._kept_back(audience, c) for c in mine
        )

    def _kept_back(self, audience: str, copy: Copy) -> bool:
        """Whether the ceiling or a rule would deny or hold it, were it ours."""
        terms, labels = self.terms[audience], copy.content.get("labels", [])
        ours = replace(copy, origin=OWN, number=-1)
        open_ = replace(terms, types=None, origin="any")
        self.terms[audience] = open_
        try:
            below = any(
                self._decide(audience, ours, where) == "allowed" for where in terms.collections
            )
        finally:
            self.terms[audience] = terms
        return not below or (terms.hold and "hold" in labels)

    def _carriable(self, audience: str, stix_id: str, collection: str) -> Copy | None:
        if not stix_id.startswith(CARRIED):
            return None
        family = [c for c in self._foreign(audience, stix_id) if c.in_use]
        if not family or self._decide(audience, family[-1], collection, carried=True) != "allowed":
            return None
        return family[-1]

    def _carried(self, audience: str, collection: str, allowed: set[Copy]) -> set[Copy]:
        """What the allowed ones need, and that in turn; an older version that was carried stays beside the newest."""
        before = self.seen.get((audience, collection))
        carried: set[Copy] = set()
        done: set[str] = set()
        queue = list(allowed)
        while queue:
            for target in references(queue.pop().content):
                if target in done or not target.startswith(CARRIED):
                    continue
                done.add(target)
                newest = self._carriable(audience, target, collection)
                if newest is None:
                    continue
                joining = {
                    copy
                    for copy in (before.carried if before is not None else ())
                    if copy.id == target and copy.in_use and copy not in allowed
                    and self._decide(audience, copy, collection, carried=True) == "allowed"
                }  # fmt: skip
                if not any(copy.id == target for copy in allowed):
                    joining.add(newest)
                carried |= joining
                queue += joining
        return carried


def references(content: Mapping[str, Any]) -> list[str]:
    """Every id that this world's objects name."""
    named = [content.get(key) for key in ("created_by_ref", "source_ref", "target_ref")]
    named += [*content.get("object_refs", []), *content.get("object_marking_refs", [])]
    return [one for one in named if one and one != content["id"]]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return json.dumps(one, sort_keys=True, default=dict) == json.dumps(
        other, sort_keys=True, default=dict
    )
