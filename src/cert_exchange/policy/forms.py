"""The shape of a policy document, key by key: what pydantic checks before anything is compiled.

1. A message never depends on pydantic's words: `spellings` or `ADVICE` has them.
2. A key that could never match, or whose value says nothing, is refused here and not discovered later (CASES H08).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    model_validator,
)

from cert_exchange.policy.companions import companion_name
from cert_exchange.policy.expressions import Expression, GrammarError, expression_of
from cert_exchange.policy.lists import Listed
from cert_exchange.policy.mentions import Mentions
from cert_exchange.policy.reading import shown
from cert_exchange.policy.recipes import RedactForm, redact_value
from cert_exchange.policy.rules import (
    RESERVED_RULES,
    Ceiling,
    Match,
    Rule,
    Verb,
)
from cert_exchange.policy.spellings import (
    ADVICE,
    identity_id,
    indicators_word,
    label,
    level_of,
    marking_id,
    micros_of,
    partner_name,
    plain,
    property_name,
    refuse,
    stix_type,
    text,
    tlp_named,
)
from cert_exchange.policy.terms import HoldForm, hold_value
from cert_exchange.policy.territories import Concerns, concern_word, territory_kind
from cert_exchange.stix.markings import Tlp

RULE_LIMIT: Final = 500
Item = TypeVar("Item")


def _rule_name(value: Any) -> str:
    found = text(value, most=100, what="name of a rule")
    if found.casefold() in RESERVED_RULES:
        refuse(f"{shown(found)} is what reports say where no rule decided; name the rule otherwise")
    return found


def _reason(value: Any) -> str:
    return text(value, most=500, what="reason")


def _statement(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


def _unmarked(value: Any) -> Tlp | None:
    if value is None or (isinstance(value, str) and value.casefold() == "deny"):
        return None
    if not isinstance(value, Tlp | str) or (isinstance(value, str) and tlp_named(value) is None):
        refuse(f"{shown(value)} is no TLP level; {ADVICE['unmarked']}")
    return level_of(value)


def _levels(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, dict):
        return _listed(value, info)
    if not value or not value.keys() <= {"at_least", "at_most"}:
        refuse("tlp takes at_least and at_most, or one or more levels")
    lowest = level_of(value.get("at_least", Tlp.CLEAR))
    highest = level_of(value.get("at_most", Tlp.RED))
    if lowest > highest:
        refuse("tlp: at_least is above at_most, so nothing can match; exchange them")
    return [level for level in Tlp if lowest <= level <= highest]


def _listed(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, list):
        if not value:
            refuse(f"{info.field_name} is an empty list and would match nothing; leave the key out")
        return value
    return value if value is None or isinstance(value, dict) else [value]


def _files(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _validity(value: Any) -> Any:
    if isinstance(value, str) and value.casefold() in {"passed", "ahead"}:
        return value.casefold(), None
    if isinstance(value, dict) and value.keys() == {"within"}:
        return "ahead", micros_of(value["within"])
    if value is None:
        return None
    return refuse(f"valid_until is {shown(value)}; {ADVICE['valid_until']}")


def _when(value: Any) -> Any:
    if not isinstance(value, str):
        refuse(f"when is {shown(value)}; {ADVICE['when']}")
    try:
        return expression_of(value.strip())
    except GrammarError as error:
        return refuse(f"when: {error}")


Level = Annotated[Tlp, BeforeValidator(level_of)]
Duration = Annotated[int, BeforeValidator(micros_of)]
Plain = Annotated[str, BeforeValidator(plain)]
_Listed = BeforeValidator(_listed)
Plains = Annotated[tuple[Plain, ...], _Listed]
_Identity = Annotated[str, BeforeValidator(identity_id)]
_Marking = Annotated[str, BeforeValidator(marking_id)]
_Partner = Annotated[str, BeforeValidator(partner_name)]
_Concern = Annotated[str, BeforeValidator(concern_word)]
_Kind = Annotated[str, BeforeValidator(territory_kind)]
FileName = Annotated[str, BeforeValidator(companion_name)]
FileNames = Annotated[tuple[FileName, ...], BeforeValidator(_files)]


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


class MatchForm(_Form):
    """`match:` which objects a rule is about; docs/policy.md has an example for each key."""

    type: Annotated[tuple[Annotated[str, BeforeValidator(stix_type)], ...], _Listed] = ()
    labels: Annotated[tuple[Annotated[str, BeforeValidator(label)], ...], _Listed] = ()
    indicator_types: Plains = ()
    tlp: Annotated[tuple[Level, ...], BeforeValidator(_levels)] = ()
    confidence: ConfidenceForm | None = None
    created_by_ref: Annotated[tuple[_Identity, ...], _Listed] = ()
    pattern_type: Plains = ()
    age: AgeForm | None = None
    valid_until: Annotated[
        tuple[Literal["passed", "ahead"], int | None] | None, BeforeValidator(_validity)
    ] = None
    marking: Annotated[tuple[_Marking, ...], _Listed] = ()
    origin: Annotated[tuple[_Partner, ...], _Listed] = ()
    collection: Plains = ()
    concerns: Annotated[tuple[_Concern, ...], _Listed] = ()
    concerns_only: Annotated[tuple[_Concern, ...], _Listed] = ()
    listed: Plains = ()
    mentions: Annotated[tuple[_Kind, ...], _Listed] = ()
    indicators: Annotated[
        tuple[Annotated[str, BeforeValidator(indicators_word)], ...], _Listed
    ] = ()
    absent: Annotated[tuple[Annotated[str, BeforeValidator(property_name)], ...], _Listed] = ()
    test: StrictBool | None = None
    when: Annotated[Expression, PlainValidator(_when)] | None = None

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
            concerns=Concerns(frozenset(self.concerns)) if self.concerns else None,
            concerns_only=Concerns(frozenset(self.concerns_only), only=True)
            if self.concerns_only
            else None,
            listed=Listed(frozenset(self.listed)) if self.listed else None,
            mentions=Mentions(frozenset(self.mentions)) if self.mentions else None,
            indicators=_given(self.indicators),
            absent=self.absent,
            test=self.test,
            when=self.when,
        )


class RuleForm(_Form):
    """One rule: a name, what it is about, and exactly one of allow, deny, hold, redact."""

    name: Annotated[str, BeforeValidator(_rule_name)]
    match: MatchForm
    allow: StrictBool | None = None
    deny: StrictBool | None = None
    hold: Annotated[HoldForm | None, BeforeValidator(hold_value)] = None
    redact: Annotated[RedactForm | None, BeforeValidator(redact_value)] = None
    reason: Annotated[str, BeforeValidator(_reason)] | None = None
    withdraw: StrictBool = False

    def to_rule(self) -> Rule:
        """Return the same as a plain value."""
        verb = Verb.ALLOW if self.allow else Verb.DENY
        if self.hold is not None:
            verb = Verb.HOLD
        elif self.redact is not None:
            verb = Verb.REDACT
        return Rule(
            name=self.name,
            match=self.match.to_match(),
            verb=verb,
            reason=self.reason or f"by rule {self.name}",
            hold=self.hold.to_terms() if self.hold is not None else None,
            recipe=self.redact.to_recipe() if self.redact is not None else None,
            withdraw=self.withdraw,
        )


class StatementForm(_Form):
    """One marking definition that is understood: its id, or a mapping with `counts_as`."""

    id: _Marking
    counts_as: Level | None = None


Statements = tuple[Annotated[StatementForm, BeforeValidator(_statement)], ...]


class CeilingForm(_Form):
    """`ceiling:` what stands above every rule."""

    tlp: Level
    unmarked: Annotated[Tlp | None, BeforeValidator(_unmarked)] = Tlp.RED
    statements: Statements = ()

    def to_ceiling(self, shared: Iterable[Statements] = ()) -> Ceiling:
        """Return the same as a plain value, with the statements that included files accept."""
        return Ceiling(
            tlp=self.tlp,
            unmarked=self.unmarked,
            statements={
                entry.id: entry.counts_as
                for statements in (self.statements, *shared)
                for entry in statements
            },
        )


class PolicyForm(_Form):
    """The whole document."""

    name: Plain | None = None
    description: StrictStr | None = None
    partners: tuple[_Partner, ...]
    collections: tuple[Plain, ...]
    ceiling: CeilingForm
    unresolved: Literal["wait", "allow"] = "wait"
    include: FileNames = ()
    territories: FileNames = ()
    lists: FileNames = ()
    agreement: FileName | None = None
    rules: tuple[RuleForm, ...] = Field(max_length=RULE_LIMIT)


class AcceptedForm(_Form):
    """`ceiling:` of a file that policies include: what is understood, never how much is shared."""

    statements: Statements


class BaseForm(_Form):
    """A file that policies include: rules and accepted statements, for nobody in particular."""

    description: StrictStr | None = None
    include: FileNames = ()
    ceiling: AcceptedForm | None = None
    rules: tuple[RuleForm, ...] = Field(default=(), max_length=RULE_LIMIT)

    @property
    def accepted(self) -> Statements:
        """The statements that it accepts."""
        return self.ceiling.statements if self.ceiling is not None else ()


def _given(values: tuple[Item, ...]) -> frozenset[Item] | None:
    return frozenset(values) if values else None
