"""What a write transaction reads of audiences and versions: in bulk, and once for all audiences.

1. An audience whose policy cannot be read shows nothing.
2. Only accepted versions are loaded; who may see them is `judging`'s to say.
3. What the transaction itself has just stored is fed in, not read back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import structlog

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.decide import Subject
from cert_exchange.policy.document import Policy, Verb, parse_policy
from cert_exchange.services.releasing import marked
from cert_exchange.store import companions as companion_rows
from cert_exchange.store import objects, releases
from cert_exchange.store import references as reference_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Membership, Version
from cert_exchange.store.releases import Audience, Live, Sharing, live_of
from cert_exchange.store.tables import OWN, ObjectStatus

_log = structlog.get_logger(__name__)

CARRIED_TYPES = ("identity--", "marking-definition--")
"""Ids of objects that are carried along with what needs them (DECISIONS 4)."""


_Version = tuple[str, str, bytes | None]
"""text, name, digest of companions: what a parsed policy depends on"""
_parsed_policies: Final[dict[_Version, Policy]] = {}
_KEPT: Final = 64


def _parsed(conn: Transaction, audience: Audience) -> Policy | None:
    """The policy in force for an audience, parsed once a process; None where there is none that can be read."""
    if audience.policy_id is None or audience.policy_text is None:
        return None
    key = (audience.policy_text, audience.policy, audience.companions)
    found = _parsed_policies.get(key)
    if found is not None:
        return found
    companions = companion_rows.read(conn, audience.policy_id, audience.companions)
    if companions is None:
        _log.error("policy-companions-unreadable", policy=audience.policy, id=audience.policy_id)
        return None
    try:
        found = parse_policy(
            audience.policy_text, file=f"{audience.policy}.yaml", companions=companions
        )
    except PolicyInvalid as error:
        # It was valid when it was applied: another release's, or a row that somebody changed.
        _log.error("policy-unreadable", policy=audience.policy, problems=len(error.problems))
        return None
    for oldest in list(_parsed_policies)[: len(_parsed_policies) - _KEPT + 1]:
        _parsed_policies.pop(oldest, None)
    _parsed_policies[key] = found
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """One audience as its transaction sees it: policy, open views, members."""

    audience: Audience
    policy: Policy | None
    views: Mapping[int, int]
    """collection id -> view id"""
    labels: Mapping[int, str]
    """collection id -> how the policy names it"""
    holding: bool
    """whether any rule holds"""
    member_names: frozenset[str]

    @property
    def view_ids(self) -> tuple[int, ...]:
        """All open views of the audience."""
        return tuple(self.views.values())


def plans_for(conn: Transaction, sharing: Sharing) -> list[Plan]:
    """A plan for every audience, whatever its policy; one whose policy cannot be read shows nothing."""
    return [plan_of(audience, _parsed(conn, audience), sharing) for audience in sharing.audiences]


def plan_of(audience: Audience, policy: Policy | None, sharing: Sharing) -> Plan:
    """The plan of one audience under a given policy (the active one, or one that is only looked at)."""
    named = set(policy.collections) if policy else set()
    labels = {}
    for number, (uuid, alias) in sharing.collections.items():
        labels[number] = uuid if uuid in named or alias is None else alias
    views = {head.collection: head.view for head in sharing.heads if head.audience == audience.id}
    holding = policy is not None and any(rule.verb is Verb.HOLD for rule in policy.rules)
    names_of = frozenset(audience.members.values())
    return Plan(audience, policy, views, labels, holding, names_of)


@dataclass(slots=True)
class Pool:
    """What a transaction has read of versions, for all its audiences; read in bulk and once."""

    tx: Transaction
    names: Mapping[int, str]
    """partner id -> name, for `Subject.origin`"""
    views: tuple[int, ...] = ()
    """all open views"""
    contents: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """rendition id -> parsed object"""
    by_ident: dict[int, list[Version]] = field(default_factory=dict)
    places: dict[int, dict[int, Membership]] = field(default_factory=dict)
    references: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    held: dict[int, bool] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)
    """ids that this transaction numbered: nothing refers to them, waits for them or is in force of them"""
    subjects: dict[int, Subject] = field(default_factory=dict)
    origins: dict[int, set[int]] = field(default_factory=dict)
    """ident -> who sent it, in whatever state it is kept"""
    givers: dict[int, set[int]] = field(default_factory=dict)
    """ident -> whose version of it is accepted; only those who have one stand here"""
    lines: dict[int, list[Live]] = field(default_factory=dict)
    """ident -> its lines in force in any view; forgotten when a new round begins"""
    waiting: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    """(audience, ident) -> the ids that wait for it there; forgotten when a new round begins"""
    _by_id: dict[int, Version] = field(default_factory=dict)

    def by_id(self, number: int) -> Version:
        """An accepted version that was loaded with its id."""
        return self._by_id[number]

    def in_use(self, version: Version) -> bool:
        """Whether it was not taken back from every collection; what stands in none is seeded or carried."""
        places = self.places.get(version.id)
        return not places or None in [place.taken_back_at for place in places.values()]

    def stands_in(self, version: Version, collection: int) -> bool:
        """Whether the version is in the collection and not taken back from it."""
        place = self.places.get(version.id, {}).get(collection)
        return place is not None and place.taken_back_at is None

    def feed(
        self,
        version: Version,
        place: Membership | None,
        references: list[tuple[int, int]],
        content: Mapping[str, Any],
    ) -> None:
        """A version of an id that nobody knew before this transaction: nothing else is stored of it."""
        self.fresh.add(version.ident)
        siblings = self.by_ident.setdefault(version.ident, [])
        siblings.append(version)
        if len(siblings) > 1:
            siblings.sort(key=lambda one: (one.version_key, one.id))
        self._by_id[version.id] = version
        self.held[version.ident] = True
        self.texts[version.ident] = version.stix_id
        self.places[version.id] = {place.collection: place} if place is not None else {}
        self.references[version.id] = references
        self.contents[version.rendition] = content

    def load(self, idents: Iterable[int]) -> None:
        """Read versions, memberships and references of ids that were not read yet."""
        missing = [ident for ident in idents if ident not in self.by_ident]
        if not missing:
            return
        for ident in missing:
            self.by_ident[ident] = []
        fresh: list[Version] = []
        for version in version_rows.versions(self.tx, missing):
            if version.status == ObjectStatus.ACCEPTED.value:
                self.by_ident[version.ident].append(version)
                self._by_id[version.id] = version
                fresh.append(version)
        for ident in missing:
            self.held[ident] = bool(self.by_ident[ident])
        wanted = {v.rendition for v in fresh if v.rendition not in self.contents}
        ids = [version.id for version in fresh]
        blocked = objects.ask_blocked(self.tx, {version.ident for version in fresh})
        places = version_rows.ask_memberships(self.tx, ids)
        references = reference_rows.ask_references(self.tx, ids)
        bodies = version_rows.ask_bodies(self.tx, wanted)
        self.blocked.update(row[0] for row in blocked())
        for row in places():
            place = Membership(*row)
            self.places.setdefault(place.object, {})[place.collection] = place
        for source, target, role in references():
            self.references.setdefault(source, []).append((target, role))
        for rendition, body in bodies():
            self.contents[rendition] = orjson.loads(body)

    def subject(self, version: Version) -> Subject:
        """The facts that rules look at, read once per version."""
        found = self.subjects.get(version.id)
        if found is None:
            origin = "own" if version.origin == OWN else self.names.get(version.origin, "?")
            found = marked.subject(self, version, origin=origin)
            self.subjects[version.id] = found
        return found

    def know(self, targets: Collection[int]) -> None:
        """Read which of these targets we hold, and how they are spelled."""
        self._ask_about(targets)()

    def learn(self, targets: Collection[int]) -> None:
        """Read all that references to these targets need: `know`, `lines_of` and `origins_of` at once."""
        for note in (self._ask_about(targets), self._ask_lines(targets)):
            note()

    def prepare(self, idents: Collection[int], audiences: Collection[int]) -> None:
        """Begin a round on these ids: read what judging them will need, for all audiences at once."""
        self.lines.clear()
        self.waiting.clear()
        self.load(idents)
        targets = {
            target
            for ident in idents
            for version in self.by_ident[ident]
            for target, _ in self.references.get(version.id, ())
        }
        targets.update(idents)
        notes = (
            self._ask_about(targets),
            self._ask_lines(targets),
            self._ask_waiting(idents, audiences),
        )
        for note in notes:
            note()

    def waiting_on(self, idents: Collection[int], audience: int) -> set[int]:
        """The ids whose allowed versions wait, in this audience, for one of these."""
        self._ask_waiting(idents, (audience,))()
        return {one for ident in idents for one in self.waiting[audience, ident]}

    def _ask_waiting(self, idents: Iterable[int], audiences: Collection[int]) -> Callable[[], None]:
        # For an id of this transaction nothing waits by its number: it had none before.
        missing = [
            ident
            for ident in idents
            if ident not in self.fresh
            and any((audience, ident) not in self.waiting for audience in audiences)
        ]
        asked = reference_rows.ask_waiting(self.tx, missing, audiences)

        def note() -> None:
            for ident in missing:
                for audience in audiences:
                    self.waiting[audience, ident] = set()
            for target, audience, ident in asked():
                self.waiting[audience, target].add(ident)

        return note

    def lines_of(self, idents: Collection[int]) -> dict[int, list[Live]]:
        """The lines in force of these ids in all views: one statement serves every audience of a round."""
        self._ask_lines(idents)()
        return {ident: self.lines[ident] for ident in idents}

    def origins_of(self, idents: Collection[int]) -> dict[int, set[int]]:
        """Who sent each of these ids, in whatever state we keep it."""
        self._ask_about(idents)()
        return {ident: self.origins[ident] for ident in idents}

    def _ask_about(self, targets: Collection[int]) -> Callable[[], None]:
        unknown = [target for target in targets if target not in self.origins]
        asked = version_rows.ask_targets(
            self.tx, [target for target in unknown if target not in self.fresh]
        )

        def note() -> None:
            for target in unknown:
                self.origins[target] = set()
                self.held.setdefault(target, False)
            for target, text, origin, status in asked():
                self.texts[target] = text
                if origin is not None:
                    self.origins[target].add(origin)
                if status == ObjectStatus.ACCEPTED.value:
                    self.held[target] = True
                    self.givers.setdefault(target, set()).add(origin)

        return note

    def _ask_lines(self, idents: Collection[int]) -> Callable[[], None]:
        missing = [ident for ident in idents if ident not in self.lines]
        known = [ident for ident in missing if ident not in self.fresh]
        asked = releases.ask_live(self.tx, self.views, known)

        def note() -> None:
            self.lines.update((ident, []) for ident in missing)
            for row in asked():
                line = live_of(row)
                self.lines[line.ident].append(line)

        return note

    def is_carried_type(self, ident: int) -> bool:
        """Whether the id is an identity's or a marking definition's."""
        return self.texts[ident].startswith(CARRIED_TYPES)
