"""What a write transaction reads of audiences and versions: in bulk, and once for all audiences.

1. An audience whose policy cannot be read shows nothing.
2. Only accepted versions are loaded; who may see them is `judging`'s to say.
3. What the transaction itself has just stored is fed in, not read back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from cert_exchange.messages.notices import declares
from cert_exchange.policy.binding import Recipients
from cert_exchange.policy.decide import Subject
from cert_exchange.policy.document import Policy, Verb
from cert_exchange.policy.redaction import Trimmed, Unredactable
from cert_exchange.policy.rules import Recipe
from cert_exchange.services.releasing import made_for, marked
from cert_exchange.services.releasing.bindings import Bindings, recipients_of
from cert_exchange.services.releasing.in_force import policy_in_force
from cert_exchange.store import blocks, releases
from cert_exchange.store import notices as notice_rows
from cert_exchange.store import references as reference_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Membership, Version
from cert_exchange.store.releases import Audience, Live, Sharing, live_of
from cert_exchange.store.tables import OWN, ObjectStatus

CARRIED_TYPES = ("identity--", "marking-definition--")
"""Ids of objects that are carried along with what needs them (DECISIONS 4)."""


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
    """whether any rule, or an embargo, holds"""
    member_names: frozenset[str]
    recipients: Recipients
    """how terms may name the members"""
    redacting: bool = False
    """whether any rule redacts"""
    pointing: bool = False
    """whether any rule asks which indicators point at an observable"""
    deriving: bool = False
    """whether anything is, or may now be, derived for it: elsewhere nobody looks for derivatives"""

    @property
    def view_ids(self) -> tuple[int, ...]:
        """All open views of the audience."""
        return tuple(self.views.values())


def plans_for(conn: Transaction, sharing: Sharing, *, locked: bool = False) -> list[Plan]:
    """A plan for every audience, whatever its policy; one whose policy cannot be read shows nothing.

    Raises Unprepared under locks (`in_force`).
    """
    return [
        plan_of(audience, policy_in_force(conn, audience, locked=locked), sharing)
        for audience in sharing.audiences
    ]


def plan_of(audience: Audience, policy: Policy | None, sharing: Sharing) -> Plan:
    """The plan of one audience under a given policy (the active one, or one that is only looked at)."""
    named = set(policy.collections) if policy else set()
    labels = {}
    for number, (uuid, alias) in sharing.collections.items():
        labels[number] = uuid if uuid in named or alias is None else alias
    views = {head.collection: head.view for head in sharing.heads if head.audience == audience.id}
    holding = policy is not None and any(rule.verb is Verb.HOLD for rule in policy.rules)
    redacting = policy is not None and any(rule.verb is Verb.REDACT for rule in policy.rules)
    pointing = policy is not None and any(rule.match.indicators for rule in policy.rules)
    names_of = frozenset(audience.members.values())
    return Plan(
        audience, policy, views, labels, holding or audience.id in sharing.said.embargoed,
        names_of, recipients_of(sharing.said, names_of),
        redacting=redacting, pointing=pointing, deriving=redacting or audience.id in sharing.deriving,
    )  # fmt: skip


@dataclass(slots=True)
class Pool:
    """What a transaction has read of versions, for all its audiences; read in bulk and once."""

    tx: Transaction
    names: Mapping[int, str]
    """partner id -> name, for `Subject.origin`"""
    bindings: Bindings
    """what binds versions besides their markings"""
    views: tuple[int, ...] = ()
    """all open views"""
    deriving: bool = True
    """whether lines of derivatives are looked for"""
    contents: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """rendition id -> parsed object"""
    by_ident: dict[int, list[Version]] = field(default_factory=dict)
    places: dict[int, dict[int, Membership]] = field(default_factory=dict)
    references: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    held: dict[int, bool] = field(default_factory=dict)
    blocked: set[tuple[int, int]] = field(default_factory=set)
    """(ident, audience, or EVERYONE) of what our desk keeps back"""
    notices: dict[str, int | None] = field(default_factory=dict)
    """note's STIX id -> the audience it is a notice for"""
    made_for: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """observable -> the indicators of ours that it was made for (`made_for`)"""
    fresh: set[int] = field(default_factory=set)
    """ids that this transaction numbered: nothing refers to them, waits for them or is in force of them"""
    subjects: dict[int, Subject] = field(default_factory=dict)
    origins: dict[int, set[int]] = field(default_factory=dict)
    """ident -> who sent it, in whatever state it is kept"""
    givers: dict[int, set[int]] = field(default_factory=dict)
    """ident -> whose version of it is accepted; only those who have one stand here"""
    trims: dict[tuple[int, Recipe, int, frozenset[str]], Trimmed | Unredactable] = field(
        default_factory=dict
    )
    """what recipes leave of versions, by the number of the policy that asked; `trimming` fills it, and `taken`"""
    taken: dict[tuple[int, Recipe, int], frozenset[str]] = field(default_factory=dict)
    lines: dict[int, list[Live]] = field(default_factory=dict)
    """ident -> its lines in force in any view; forgotten when a new round begins"""
    waiting: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    """(audience, ident) -> the ids that wait for it there; forgotten when a new round begins"""
    _by_id: dict[int, Version] = field(default_factory=dict)

    def by_id(self, number: int) -> Version:
        """An accepted version that was loaded with its id."""
        return self._by_id[number]

    def barred(self, ident: int, audience: int) -> bool:
        """Whether our desk keeps an id from an audience, or from everyone."""
        blocked = self.blocked
        return bool(blocked) and (
            (ident, blocks.EVERYONE) in blocked or (ident, audience) in blocked
        )

    def notice_for(self, version: Version) -> int | None:
        """The audience that one of our notes is a notice of withdrawal for; None: it is none (DECISIONS 19)."""
        if version.origin != OWN or not declares(self.contents[version.rendition]):
            return None
        if version.stix_id not in self.notices:
            self.notices[version.stix_id] = notice_rows.audience_of(self.tx, version.stix_id)
        return self.notices[version.stix_id]

    def know_served(self, lines: Iterable[Live]) -> None:
        """Read the derivatives that these lines serve, for `by_id`."""
        self.know_rows(line.served for line in lines if line.derived)

    def know_rows(self, numbers: Iterable[int]) -> None:
        """Read versions of any status by their numbers, for `by_id` only."""
        missing = {number for number in numbers if number not in self._by_id}
        if missing:
            self._by_id.update(version_rows.numbered(self.tx, sorted(missing)))

    def note_served(self, version: Version) -> None:
        """A derivative that this transaction stored, for `by_id` only."""
        self._by_id[version.id] = version

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
        derived: set[int] = set()
        for version in version_rows.versions(self.tx, missing):
            if version.status == ObjectStatus.DERIVATIVE.value:
                derived.add(version.ident)
            if version.status == ObjectStatus.ACCEPTED.value:
                self.by_ident[version.ident].append(version)
                self._by_id[version.id] = version
                fresh.append(version)
        for ident in missing:
            self.held[ident] = bool(self.by_ident[ident]) or ident in derived
        wanted = {v.rendition for v in fresh if v.rendition not in self.contents}
        ids = [version.id for version in fresh]
        blocked = blocks.ask_blocked(self.tx, {version.ident for version in fresh})
        places = version_rows.ask_memberships(self.tx, ids)
        references = reference_rows.ask_references(self.tx, ids)
        bodies = version_rows.ask_bodies(self.tx, wanted)
        beside = self.bindings.ask(missing)
        self.blocked.update(tuple(row) for row in blocked())
        for row in places():
            place = Membership(*row)
            self.places.setdefault(place.object, {})[place.collection] = place
        for source, target, role in references():
            self.references.setdefault(source, []).append((target, role))
        for rendition, body in bodies():
            self.contents[rendition] = orjson.loads(body)
        beside()
        made_for.know(self, missing)

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
        made_for.know(self, idents)
        targets = {
            target
            for ident in idents
            for version in self.by_ident[ident]
            for target, _ in self.references.get(version.id, ())
        }
        targets.update(idents, *(self.made_for.get(ident, ()) for ident in idents))
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
                if status == ObjectStatus.DERIVATIVE.value:
                    # Ours, and hidden from whoever was not shown it: a reference to it never dangles.
                    self.held[target] = True
                elif status == ObjectStatus.ACCEPTED.value:
                    self.held[target] = True
                    self.givers.setdefault(target, set()).add(origin)

        return note

    def _ask_lines(self, idents: Collection[int]) -> Callable[[], None]:
        missing = [ident for ident in idents if ident not in self.lines]
        known = [ident for ident in missing if ident not in self.fresh]
        asked = releases.ask_live(self.tx, self.views, known, deriving=self.deriving)

        def note() -> None:
            self.lines.update((ident, []) for ident in missing)
            for row in asked():
                line = live_of(row)
                self.lines[line.ident].append(line)

        return note

    def is_carried_type(self, ident: int) -> bool:
        """Whether the id is an identity's or a marking definition's."""
        return self.texts[ident].startswith(CARRIED_TYPES)
