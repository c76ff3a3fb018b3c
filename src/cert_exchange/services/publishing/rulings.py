"""Rulings as values: what is done with an object that somebody brings, and what was known when it was ruled on.

`admitting` holds the rules, `knowing` reads what is known, `taking_in` carries a ruling out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple

from cert_exchange.policy.screening import Finding
from cert_exchange.store.objects import Version

Result = Literal["accepted", "duplicate", "proposal", "conflict", "rejected", "erased"]
Mark = Literal["", "stays real", "made real", "stays TEST"]
"""What our desk's publication meant for the mark of an exercise on an object that was there before; empty: nothing."""


class Step(StrEnum):
    """What is done with one object."""

    STORE = "store"  # a version that counts
    COPY = "copy"  # another origin brought the same version already
    PROPOSE = "propose"  # kept, never released
    PROMOTE = "promote"  # a proposal of the same sender that may count now
    JOIN = "join"  # stored, not yet in this collection
    REPOST = "repost"  # stored, was taken back by the same side
    NOTHING = "nothing"  # an exact duplicate
    TAKE_OVER = (
        "take over"  # the creator's content against a relay's: ours goes, the conflict is shown
    )
    CONFLICT = "conflict"  # other content under a known id and version
    GONE = "gone"  # it was erased here, and does not come in again until a person lets it
    REFUSE = "refuse"  # our desk may not, or the agreement with the sender does not let it


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is done, what its sender is told (`success` and `message`), and which stored version it is about."""

    step: Step
    success: bool
    message: str = ""
    about: int | None = None
    """objects.id of the known version"""
    aside: bool = False
    """told as taken, kept as a proposal: it stands in the collection as far as its sender can tell"""
    clash: bool = False
    """kept as a proposal because other content stands under its id and version, which we must see"""
    barred: bool = False
    """it joins the collection as taken back by our desk: stored, not released"""
    ousts: tuple[Known, ...] = ()
    """versions of others that stand in the way of the creator's: they are taken back"""
    mark: Mark = ""

    @property
    def result(self) -> Result:
        """What became of the object, in a word for us."""
        if self.aside and self.step is not Step.TAKE_OVER:
            return "proposal"
        match self.step:
            case Step.STORE | Step.COPY | Step.JOIN | Step.REPOST | Step.PROMOTE:
                return "accepted"
            case Step.NOTHING:
                return "duplicate" if self.success else "proposal"
            case Step.PROPOSE:
                return "proposal"
            case Step.TAKE_OVER | Step.CONFLICT:
                return "conflict"
            case Step.REFUSE:
                return "rejected"
            case Step.GONE:
                return "erased"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object. `success` and `message` are what its sender is told; the rest is for us."""

    index: int
    id: str
    version: str | None
    result: Result
    success: bool
    message: str
    mark: Mark = ""
    updates: bool = False
    """a version of it counted here before"""
    barred: bool = False
    """our desk took it back before: it is stored, and released to nobody"""
    kept: bool = True
    """whether something new is kept of it; else it came before"""
    agreed: bool = True
    """whether it keeps to the agreement with its sender, if there is one"""
    found: Finding | None = None
    """what it is held for, or kept out for, at the way in"""
    ends: int = 0
    """how many objects that counted it takes out of use: itself, revoked, or what a notice names"""

    @property
    def held(self) -> bool:
        """Whether it stays out until a person answers, or for good."""
        return self.found is not None


@dataclass(frozen=True, slots=True)
class Marked:
    """Our desk's words beside an id that it is of an exercise."""

    origin: int
    """whose copies they bind: OWN, or EVERY"""
    since: int
    """when they were said, micros"""
    ordered: bool
    """by `terms set`, about this one id; else with a publication"""


@dataclass(slots=True)
class Marks:
    """Of the ids that our desk publishes now, by number."""

    real: Mapping[int, Version]
    """brought as an exercise's, and published for real before: the newest such version"""
    marked: Mapping[int, Sequence[Marked]]
    """brought for real, and marked TEST beside"""
    drill_again: bool = False
    """with them comes what the exercise published, in the same version but without its mark: somebody forgot `--test`"""
    lifted: dict[int, None] = field(default_factory=dict)
    """of those marked, the ones that are real from now on"""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: our desk (`origin` OWN) or a partner with what it may speak for and relay."""

    origin: int
    name: str
    speaks_for: frozenset[str]
    relays: frozenset[str]
    relays_any: bool
    gate: str | None = None
    """JSON of its gate (`limiting`); None: no limit, and nothing waits"""
    ours: bool = False
    """whether it is another server of our own organisation (`owner_group`), which may bring what we made"""


class Known(NamedTuple):
    """One version that we hold of the id in question. A tuple: one transaction makes thousands."""

    id: int
    version: str
    version_key: str
    origin: int
    sameness: bytes
    accepted: bool
    owner: str | None
    """the creator's STIX id; an identity without creator is its own"""
    collections: Mapping[int, int | None]
    """collection -> who took it back, None where it is in force"""
    derived: bool = False
    """it stands for an original of ours in an audience's view"""
    revoked: bool = False

    @property
    def in_use(self) -> bool:
        """Whether it stands in some collection, or in none at all (seeded)."""
        return not self.collections or None in self.collections.values()


@dataclass(frozen=True, slots=True)
class Approval:
    """On whose account what comes in waits for a person: a source or a partner, by its name."""

    kind: Literal["source", "partner"]
    name: str

    @property
    def what(self) -> str:
        """How `intake list --found` spells it."""
        return f"approval {self.name}"

    @property
    def said(self) -> str:
        """Why it waits, in words."""
        return f"all that the {self.kind} {self.name} brings waits for approval"


@dataclass(frozen=True, slots=True)
class Identities:
    """Our own identity, which partner speaks for which, and what of theirs lies in the future."""

    own: str
    spoken_by: Mapping[str, int]
    ahead: str
    """the order key of an instant that no honest version of today has passed"""
