"""The shape of a policy document, key by key: what pydantic checks before anything is compiled.

1. A message names the value found, what may stand there and the next step; it never depends on pydantic's words.
2. A key that could never match, or whose value says nothing, is refused here and not discovered later (CASES H08).
3. TLP is one canonical form whatever its spelling (CASES M06); a TLP label or id under another key is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from cert_exchange.policy.reading import shown
from cert_exchange.policy.rules import (
    RESERVED_RULES,
    Ceiling,
    HoldTerms,
    Match,
    Rule,
    Verb,
)
from cert_exchange.stix.instants import parse_micros
from cert_exchange.stix.markings import TLP_BY_ID, Tlp, tlp_of_text

LEVELS: Final[Mapping[str, Tlp]] = {
    "clear": Tlp.CLEAR,
    "white": Tlp.CLEAR,
    "green": Tlp.GREEN,
    "amber": Tlp.AMBER,
    "amberstrict": Tlp.AMBER_STRICT,
    "red": Tlp.RED,
}
"""TLP 1 and TLP 2 names, compared without case, prefix and separators."""

_LEVEL_WORDS: Final = "write clear (or white), green, amber, amber+strict or red"
RULE_LIMIT: Final = 500
_UNITS: Final[Mapping[str, int]] = {
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
}
_DURATION: Final = re.compile(r"(\d{1,6})\s*(s|m|h|d|w|seconds?|minutes?|hours?|days?|weeks?)")
_LONGEST: Final = 36_525 * 86_400 * 1_000_000
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TYPE: Final = re.compile(r"[a-z0-9-]{3,250}")
_PROPERTY: Final = re.compile(r"[a-z0-9_]{1,250}")
_PARTNER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

ADVICE: Final[Mapping[str, str]] = {
    "name": "write a short text on one line",
    "description": "write a text",
    "partners": "write a list of partners' names; [] means nobody",
    "collections": "write a list of aliases or UUIDs of collections",
    "ceiling": "write a mapping with tlp, and if needed unmarked and statements",
    "tlp": _LEVEL_WORDS,
    "unmarked": f"{_LEVEL_WORDS}, or deny",
    "counts_as": _LEVEL_WORDS,
    "statements": "write a list of ids of marking definitions that you have read and accept",
    "unresolved": "write wait or allow",
    "rules": "write a list of rules; [] denies everything",
    "rules[]": "write a mapping with name, match and one of allow, deny, hold",
    "statements[]": "write marking-definition-- and a UUID, or {id: ..., counts_as: ...}",
    "match": "write a mapping of keys; for everything of our own write {origin: own}",
    "allow": "write true, or leave the key out",
    "deny": "write true, or leave the key out",
    "hold": "write {for: 3 days}, {until: 2026-11-25T16:00:00Z} or approval",
    "reason": "write a text that says why, for your own people",
    "withdraw": "write true or false",
    "confidence": "write {at_least: 50}, {at_most: 80} or both",
    "at_least": "write a whole number from 0 to 100",
    "at_most": "write a whole number from 0 to 100",
    "age": "write {over: 90 days}, {under: 1 hour} or both",
    "valid_until": "write passed, ahead or {within: 7 days}",
    "for": "write a whole number and a unit, such as 3 days or 12 hours",
    "over": "write a whole number and a unit, such as 3 days or 12 hours",
    "under": "write a whole number and a unit, such as 3 days or 12 hours",
    "within": "write a whole number and a unit, such as 3 days or 12 hours",
    "until": "write an instant such as 2026-11-25T16:00:00Z",
    "type": "write one type or a list of them",
    "labels": "write one text or a list of texts, numbers in quotes",
    "origin": "write own, partners, any or names of partners",
    "collection": "write one alias or UUID of a collection, or a list of them",
    "absent": "write one property or a list of properties",
}
"""What may stand at a key: the next step of a message about it."""


def tlp_named(text: str) -> Tlp | None:
    """Return the level that a spelling names: TLP 1 and 2, any case, with or without "TLP:"; None for no level."""
    folded = text.strip().casefold().removeprefix("tlp").lstrip(":")
    return LEVELS.get(re.sub(r"[\s+_-]", "", folded))


def refuse(message: str) -> NoReturn:
    """Refuse a value in a validator with a finished sentence."""
    # Braces in what was found must not be read as a template by pydantic.
    raise PydanticCustomError("stated", "{said}", {"said": message})


def _level(value: Any) -> Tlp:
    if isinstance(value, Tlp):
        return value
    level = tlp_named(value) if isinstance(value, str) else None
    return level if level is not None else refuse(f"{shown(value)} is no TLP level; {_LEVEL_WORDS}")


def _unmarked(value: Any) -> Tlp | None:
    if value is None or (isinstance(value, str) and value.casefold() == "deny"):
        return None
    if not isinstance(value, Tlp | str) or (isinstance(value, str) and tlp_named(value) is None):
        refuse(f"{shown(value)} is no TLP level; {ADVICE['unmarked']}")
    return _level(value)


def _levels(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, dict):
        return _listed(value, info)
    if not value or not value.keys() <= {"at_least", "at_most"}:
        refuse("tlp takes at_least and at_most, or one or more levels")
    lowest = _level(value.get("at_least", Tlp.CLEAR))
    highest = _level(value.get("at_most", Tlp.RED))
    if lowest > highest:
        refuse("tlp: at_least is above at_most, so nothing can match; exchange them")
    return [level for level in Tlp if lowest <= level <= highest]


def _listed(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, list):
        if not value:
            refuse(f"{info.field_name} is an empty list and would match nothing; leave the key out")
        return value
    return value if value is None or isinstance(value, dict) else [value]


def _duration(value: Any) -> int:
    found = _DURATION.fullmatch(value.strip().casefold()) if isinstance(value, str) else None
    micros = int(found[1]) * _UNITS[found[2][0]] * 1_000_000 if found is not None else 0
    if not 0 < micros <= _LONGEST:
        refuse(
            f"{shown(value)} is no duration; write a whole number from 1 and a unit"
            " (seconds, minutes, hours, days, weeks), at most a century"
        )
    return micros


def _instant(value: Any) -> int:
    try:
        return parse_micros(value) if isinstance(value, str) else _not_instant(value)
    except ValueError:
        _not_instant(value)


def _not_instant(value: Any) -> NoReturn:
    refuse(f"{shown(value)} is no instant; {ADVICE['until']}")


def _word(value: Any, pattern: re.Pattern[str], expected: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        refuse(f"{shown(value)} is no {expected}")
    return value


def _text(value: Any, *, most: int, what: str) -> str:
    if (
        not isinstance(value, str)
        or not 1 <= len(value.strip()) <= most
        or not all(c.isprintable() for c in value)
    ):
        quotes = "" if isinstance(value, str) else ", in quotes"
        refuse(
            f"{shown(value)} is no {what}; write 1 to {most} printable characters on one line{quotes}"
        )
    return value.strip()


def _type(value: Any) -> str:
    return _word(value, _TYPE, "STIX type; write small letters, digits and '-', such as indicator")


def _identity(value: Any) -> str:
    pattern = re.compile(f"identity--{_UUID}")
    return _word(value, pattern, "id of an identity; write identity-- and a UUID in small letters")


def _marking(value: Any) -> str:
    pattern = re.compile(f"marking-definition--{_UUID}")
    found = _word(value, pattern, "id of a marking; write marking-definition-- and a UUID")
    if found in TLP_BY_ID:
        refuse(f"{found} is a TLP marking; use the key tlp, which knows all its spellings")
    return found


def _label(value: Any) -> str:
    found = _text(value, most=1024, what="label")
    if tlp_of_text(found) is not None:
        refuse(f"{shown(found)} is a TLP marking; use the key tlp, which knows all its spellings")
    return found.casefold()


def partner_name(value: Any) -> str:
    """Check a partner's name, or a word that stands for partners."""
    return _word(value, _PARTNER, "partner's name; write small letters, digits, '.', '_' or '-'")


def _property(value: Any) -> str:
    return _word(value, _PROPERTY, "property; write its name in STIX, such as valid_until")


def _plain(value: Any) -> str:
    return _text(value, most=250, what="name")


def _rule_name(value: Any) -> str:
    found = _text(value, most=100, what="name of a rule")
    if found.casefold() in RESERVED_RULES:
        refuse(f"{shown(found)} is what reports say where no rule decided; name the rule otherwise")
    return found


def _reason(value: Any) -> str:
    return _text(value, most=500, what="reason")


def _statement(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


Item = TypeVar("Item")

Level = Annotated[Tlp, BeforeValidator(_level)]
Duration = Annotated[int, BeforeValidator(_duration)]
Instant = Annotated[int, BeforeValidator(_instant)]
Plain = Annotated[str, BeforeValidator(_plain)]
_Listed = BeforeValidator(_listed)
Plains = Annotated[tuple[Plain, ...], _Listed]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConfidenceForm(_Form):
    """`confidence:` both ends included (STIX 2.1 appendix A)."""

    at_least: StrictInt = Field(default=0, ge=0, le=100)
    at_most: StrictInt = Field(default=100, ge=0, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> ConfidenceForm:
        if not self.model_fields_set:
            refuse(f"confidence says nothing; {ADVICE['confidence']}")
        if self.at_least > self.at_most:
            refuse("confidence: at_least is above at_most, so nothing can match; exchange them")
        return self


class AgeForm(_Form):
    """`age:` since `modified`, else `created`, else storage."""

    over: Duration | None = None
    under: Duration | None = None

    @model_validator(mode="after")
    def _ordered(self) -> AgeForm:
        if self.over is None and self.under is None:
            refuse(f"age says nothing; {ADVICE['age']}")
        if self.over is not None and self.under is not None and self.under <= self.over:
            refuse("age: nothing is over and under that; give under a longer time than over")
        return self


def _hold(value: Any) -> HoldTerms | None:
    if value is None:
        return None
    if isinstance(value, str) and value.strip().casefold() == "approval":
        return HoldTerms(approval=True)
    if isinstance(value, dict) and value.keys() == {"for"}:
        return HoldTerms(duration=_duration(value["for"]))
    if isinstance(value, dict) and value.keys() == {"until"}:
        return HoldTerms(until=_instant(value["until"]))
    refuse(f"hold is {shown(value)}; {ADVICE['hold']}, one of them")


def _validity(value: Any) -> Any:
    if isinstance(value, str) and value.casefold() in {"passed", "ahead"}:
        return value.casefold(), None
    if isinstance(value, dict) and value.keys() == {"within"}:
        return "ahead", _duration(value["within"])
    if value is None:
        return None
    refuse(f"valid_until is {shown(value)}; {ADVICE['valid_until']}")


class MatchForm(_Form):
    """`match:` which objects a rule is about; docs/policy.md has an example for each key."""

    type: Annotated[tuple[Annotated[str, BeforeValidator(_type)], ...], _Listed] = ()
    labels: Annotated[tuple[Annotated[str, BeforeValidator(_label)], ...], _Listed] = ()
    indicator_types: Plains = ()
    tlp: Annotated[tuple[Level, ...], BeforeValidator(_levels)] = ()
    confidence: ConfidenceForm | None = None
    created_by_ref: Annotated[tuple[Annotated[str, BeforeValidator(_identity)], ...], _Listed] = ()
    pattern_type: Plains = ()
    age: AgeForm | None = None
    valid_until: Annotated[
        tuple[Literal["passed", "ahead"], int | None] | None, BeforeValidator(_validity)
    ] = None
    marking: Annotated[tuple[Annotated[str, BeforeValidator(_marking)], ...], _Listed] = ()
    origin: Annotated[tuple[Annotated[str, BeforeValidator(partner_name)], ...], _Listed] = ()
    collection: Plains = ()
    absent: Annotated[tuple[Annotated[str, BeforeValidator(_property)], ...], _Listed] = ()

    @model_validator(mode="after")
    def _can_match(self) -> MatchForm:
        if not self.model_fields_set:
            refuse(f"match has no key; {ADVICE['match']}")
        return self

    def to_match(self) -> Match:
        """Return the same as a plain value; keys that are not given are None."""
        state, within = self.valid_until or (None, None)
        confidence = self.confidence
        return Match(
            types=_given(self.type),
            labels=_given(self.labels),
            indicator_types=_given(self.indicator_types),
            tlp=_given(self.tlp),
            confidence=None if confidence is None else (confidence.at_least, confidence.at_most),
            creators=_given(self.created_by_ref),
            pattern_types=_given(self.pattern_type),
            age_over=self.age.over if self.age is not None else None,
            age_under=self.age.under if self.age is not None else None,
            valid_until=state,
            valid_within=within,
            markings=_given(self.marking),
            origins=_given(self.origin),
            collections=_given(self.collection),
            absent=self.absent,
        )


class RuleForm(_Form):
    """One rule: a name, what it is about, and exactly one of allow, deny, hold."""

    name: Annotated[str, BeforeValidator(_rule_name)]
    match: MatchForm
    allow: StrictBool | None = None
    deny: StrictBool | None = None
    hold: Annotated[HoldTerms | None, BeforeValidator(_hold)] = None
    reason: Annotated[str, BeforeValidator(_reason)] | None = None
    withdraw: StrictBool = False

    def to_rule(self) -> Rule:
        """Return the same as a plain value."""
        verb = Verb.HOLD if self.hold is not None else Verb.ALLOW if self.allow else Verb.DENY
        return Rule(
            name=self.name,
            match=self.match.to_match(),
            verb=verb,
            reason=self.reason or f"by rule {self.name}",
            hold=self.hold,
            withdraw=self.withdraw,
        )


class StatementForm(_Form):
    """One marking definition that is understood: its id, or a mapping with `counts_as`."""

    id: Annotated[str, BeforeValidator(_marking)]
    counts_as: Level | None = None


class CeilingForm(_Form):
    """`ceiling:` what stands above every rule."""

    tlp: Level
    unmarked: Annotated[Tlp | None, BeforeValidator(_unmarked)] = Tlp.RED
    statements: tuple[Annotated[StatementForm, BeforeValidator(_statement)], ...] = ()

    def to_ceiling(self) -> Ceiling:
        """Return the same as a plain value."""
        return Ceiling(
            tlp=self.tlp,
            unmarked=self.unmarked,
            statements={entry.id: entry.counts_as for entry in self.statements},
        )


class PolicyForm(_Form):
    """The whole document."""

    name: Plain | None = None
    description: StrictStr | None = None
    partners: tuple[Annotated[str, BeforeValidator(partner_name)], ...]
    collections: tuple[Plain, ...]
    ceiling: CeilingForm
    unresolved: Literal["wait", "allow"] = "wait"
    rules: tuple[RuleForm, ...] = Field(max_length=RULE_LIMIT)


def _given(values: tuple[Item, ...]) -> frozenset[Item] | None:
    return frozenset(values) if values else None
