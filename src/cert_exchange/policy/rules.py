"""Rules, ceiling and decisions as plain values: what a policy document says, and what the engine answers.

1. A key that is None is not asked; a key that is given never matches an object that lacks its property (CASES H07).
2. All given keys of a rule must match; of a list of values one is enough.
3. Durations and instants are micros.
4. A decision has its rule and its reason. Match every case and end with `assert_never`; nobody truth-tests one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from cert_exchange.policy.expressions import Expression
from cert_exchange.policy.lists import Listed
from cert_exchange.policy.mentions import Mentions
from cert_exchange.policy.territories import Concerns
from cert_exchange.stix.markings import Tlp

ANY_ORIGIN: Final = "any"
PARTNERS_ORIGIN: Final = "partners"
RESERVED_ORIGINS: Final = frozenset({"own", ANY_ORIGIN, PARTNERS_ORIGIN})
"""Words of `origin:`; no partner may bear one of these names."""

RESERVED_RULES: Final = frozenset(
    {"ceiling", "agreement", "origin", "terms", "default", "error", "carried", "intake"}
)
"""Where no rule of the document decided, these stand in its place; no rule may bear one of these names."""


class Verb(StrEnum):
    """What a rule does with what it matches."""

    ALLOW = "allow"
    DENY = "deny"
    HOLD = "hold"
    REDACT = "redact"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What redact rules take away; recipes add up. An empty one takes nothing."""

    remove: frozenset[str] = frozenset()  # properties, or dotted paths such as `hashes.MD5`
    custom: bool = False  # every property and extension that STIX 2.1 does not define for the type
    external_references: bool = False
    above_ceiling: bool = False  # what granular markings put above the ceiling or leave unclear
    source: bool = False  # the creator; one stable pseudonym per audience stands for it
    cut: bool = False  # optional references to what the audience does not see go, and nothing waits

    def __or__(self, other: Recipe) -> Recipe:
        """What either of them takes away."""
        return Recipe(
            remove=self.remove | other.remove,
            custom=self.custom or other.custom,
            external_references=self.external_references or other.external_references,
            above_ceiling=self.above_ceiling or other.above_ceiling,
            source=self.source or other.source,
            cut=self.cut or other.cut,
        )


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """How long a hold lasts: exactly one of duration, until and approval; the rest says how persons end it."""

    duration: int | None = None  # since the event of `after`
    until: int | None = None  # an instant
    approval: bool = False  # until persons release it
    after: Literal["stored", "modified"] = "stored"  # `modified`, else `created`, else stored
    owner: str = ""  # who looks after it
    approvals: int = 1  # how many persons must release it
    expires: int | None = None  # so long after the hold began, whatever persons did
    then: Literal["deny", "release"] = "deny"  # what happens when it expires


@dataclass(frozen=True, slots=True)
class Match:
    """Which objects a rule is about. Without `origins`: our own only (CASES M12)."""

    types: frozenset[str] | None = None
    labels: frozenset[str] | None = None  # case-folded
    indicator_types: frozenset[str] | None = None
    tlp: frozenset[Tlp] | None = None
    confidence: tuple[int, int] | None = None  # both ends included
    creators: frozenset[str] | None = None
    pattern_types: frozenset[str] | None = None
    age_over: int | None = None
    age_under: int | None = None
    valid_until: Literal["passed", "ahead"] | None = None
    valid_within: int | None = None  # ahead by at most this
    markings: frozenset[str] | None = None
    origins: frozenset[str] | None = None
    collections: frozenset[str] | None = None
    concerns: Concerns | None = None
    concerns_only: Concerns | None = None
    listed: Listed | None = None
    mentions: Mentions | None = None
    indicators: frozenset[str] | None = None  # words of pointing.STATES
    absent: tuple[str, ...] = ()
    test: bool | None = None  # of an exercise, or not; rules that permit need True for one
    when: Expression | None = None


NEVER: Final = Match(types=frozenset())
"""Matches nothing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One named rule. `reason` is for the log and `policy explain`; no partner reads it."""

    name: str
    match: Match
    verb: Verb
    reason: str
    hold: HoldTerms | None = None  # given exactly when the verb is HOLD
    recipe: Recipe | None = None  # given exactly when the verb is REDACT
    # Of a redact rule that asks for what may be in doubt: it redacts in doubt, and permits only this. None: all it matches.
    permits: Match | None = None
    withdraw: bool = False  # its time keys also take back what is already released (DECISIONS 9)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What stands above every rule."""

    tlp: Tlp
    unmarked: Tlp | None = Tlp.RED  # what an object without any TLP counts as; None: it is denied
    # Marking definitions that are understood and therefore permitted. With a level: what an object under it counts
    # as when it carries no TLP.
    statements: Mapping[str, Tlp | None] = field(default_factory=dict)


class DenyKind(StrEnum):
    """What denied: the ceiling, the agreement, a named rule, nothing that allowed, the object's own origin, or a failure."""

    CEILING = "ceiling"
    TERMS = "terms"
    AGREEMENT = "agreement"
    RULE = "rule"
    DEFAULT = "default"
    ORIGIN = "origin"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Allow:
    """The audience may have the object as it is."""

    rule: str  # its name in the policy document, or "carried"
    reason: str  # for the log and `policy explain`; no partner reads it


@dataclass(frozen=True, slots=True)
class Redact:
    """The audience may have a derivative, made by this recipe (DECISIONS 11-18)."""

    rule: str  # the first that redacts and permits it; of an exercise that none permits, who allows it
    reason: str
    recipe: Recipe  # of all of them together


@dataclass(frozen=True, slots=True)
class Hold:
    """Not yet: until `due` (micros), or, where it is None, until persons release it."""

    rule: str
    reason: str
    due: int | None
    terms: HoldTerms | None = field(default=None, compare=False)  # of the rule, where it has any


@dataclass(frozen=True, slots=True)
class Deny:
    """No. `rule` is the rule's name, or the kind's where no rule of the document denied."""

    rule: str
    reason: str
    kind: DenyKind


Decision = Allow | Redact | Hold | Deny
