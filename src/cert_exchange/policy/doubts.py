"""What a policy may say and its author may not mean: told by `policy check`, and never in the way of anything.

1. What no object of the standard can match is told and not refused: everybody may make up types and properties.
2. Expressions are read word by word, and only a comparison of a name with a text beside it is looked at.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Final

from cert_exchange.errors import Problem
from cert_exchange.policy.document import Policy
from cert_exchange.policy.expressions.words import Token, tokens_of
from cert_exchange.policy.mismatches import mismatches
from cert_exchange.policy.reading import place_in, shown
from cert_exchange.policy.redaction.shapes import PROPERTIES_OF, REQUIRED
from cert_exchange.policy.rules import ANY_ORIGIN, PARTNERS_ORIGIN, Match, Recipe, Rule, Verb
from cert_exchange.policy.spellings import LEVEL_WORDS, tlp_named
from cert_exchange.policy.subject import OWN_NAME
from cert_exchange.stix.markings import Tlp
from cert_exchange.stix.schemas import SHARED_PROPERTIES

_TYPES: Final = frozenset(PROPERTIES_OF)
_PROPERTIES: Final = frozenset[str]().union(*PROPERTIES_OF.values())
_MADE_UP: Final = re.compile(r"x[-_]")
_UNMARKED: Final = "unmarked"
_IDENTITY: Final = "identity"
_EQUAL: Final = frozenset({"==", "!="})


def warnings_of_policy(
    policy: Policy, file: str, *, now: int, partners: Collection[str] | None = None
) -> tuple[Problem, ...]:
    """Find what is allowed but may not be meant, in the file's order. `now` in micros; `partners`: those that we know."""
    found = [
        Problem(file, *place_in(policy.places, path), said)
        for path, said in _about_the_whole(policy)
    ]
    for written, rule in zip(policy.written, policy.rules, strict=True):
        match = rule.match
        timed = (match.age_over, match.age_under, match.valid_until, match.valid_within)
        if rule.withdraw and all(key is None for key in timed):
            said = "withdraw has no effect without age or valid_until in match"
            found.append(Problem(*written.spot("withdraw"), said))
        if rule.hold is not None and rule.hold.until is not None and rule.hold.until <= now:
            said = "that instant has passed, so the rule holds nothing any more"
            found.append(Problem(*written.spot("hold", "until"), said))
        if match.when is not None:
            place = written.spot("match", "when")
            found.extend(
                Problem(*place, f"when: {said}")
                for said in _never(match.when.text, policy, partners)
            )
        if rule.recipe is not None:
            said_of = (
                *_removing_nothing(rule, rule.recipe),
                *_leaving_nothing(rule, rule.recipe),
                *_naming_the_source(rule, rule.recipe, policy.rules),
            )
            found.extend(Problem(*written.spot("redact", key), said) for key, said in said_of)
    found.extend(
        Problem(*spot, f"{name} is no type of STIX 2.1{_meant(name, _TYPES)}")
        for spot, name in policy.words["type"]
        if name not in _TYPES and not _MADE_UP.match(name)
    )
    return tuple(sorted(found, key=lambda one: (one.file != file, one.file, one.line, one.column)))


def _about_the_whole(policy: Policy) -> Iterator[tuple[tuple[str, ...], str]]:
    if not policy.partners:
        yield ("partners",), "the list is empty: nobody sees anything by this policy"
    if len(policy.partners) > 1:
        said = (
            "an audience of several partners: what comes from one of them is denied to all of them;"
            " give each partner a policy of its own if they shall see each other's objects"
        )
        yield ("partners",), said
    if not any(rule.verb in {Verb.ALLOW, Verb.REDACT} for rule in policy.rules):
        yield ("rules",), "no rule allows anything: everything is denied"
    if policy.ceiling.tlp is Tlp.RED:
        yield ("ceiling", "tlp"), "TLP:RED is for named readers only; a feed has none"
    if policy.ceiling.unmarked is not None and policy.ceiling.unmarked < Tlp.AMBER:
        yield (
            ("ceiling", "unmarked"),
            "objects that carry no TLP, also those whose marking was forgotten, count as shareable",
        )


def _removing_nothing(rule: Rule, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Properties that no object of the rule's types has by the standard: a slip of the pen would take nothing away."""
    kinds = rule.match.types or _TYPES
    if not kinds <= _TYPES:
        return
    known = frozenset(SHARED_PROPERTIES).union(*(PROPERTIES_OF[kind] for kind in kinds))
    for name in sorted({path.split(".", 1)[0] for path in recipe.remove}):
        if name not in known and not _MADE_UP.match(name):
            whose = "of these types" if name in _PROPERTIES else "of any type"
            yield (
                "remove",
                f"{name} is no property {whose} by STIX 2.1, so only a custom one is removed{_meant(name, known)}",
            )


def _leaving_nothing(rule: Rule, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Types of the rule that cannot be without what is taken, so that all of them are denied."""
    for kind in sorted(rule.match.types or ()):
        for name in sorted(recipe.remove & REQUIRED.get(kind, frozenset())):
            yield "remove", f"every {kind} must have {name}, so all of them are denied"
        if recipe.custom and kind not in _TYPES:
            yield (
                "custom",
                f"STIX 2.1 does not define {kind}, so nobody can tell what is custom in it: all of them are denied",
            )


def _naming_the_source(
    rule: Rule, recipe: Recipe, rules: Iterable[Rule]
) -> Iterator[tuple[str, str]]:
    """Rules that show identities as they are beside one that hides who made something: the source may be among them."""
    if not recipe.source:
        return
    denied = [one for one in rules if one.verb is Verb.DENY and _of_all_identities(one)]
    for one in rules:
        if (
            one.verb in {Verb.ALLOW, Verb.REDACT}
            and _of_all_identities(one)
            and not (one.recipe is not None and "name" in one.recipe.remove)
            and _meet(rule, one)
            and not any(_covers(other, one) for other in denied)
        ):
            whole = "this rule" if one is rule else f"rule {one.name}"
            said = (
                f"{whole} shows identities with their names, so that the source may be among what is seen:"
                " deny type identity, or name the types that are shown"
            )
            yield "source", said
            return


def _of_all_identities(rule: Rule) -> bool:
    """Whether a rule is about every identity of its origins: nothing but type, origin, level and collection narrows it."""
    match = rule.match
    if match.types is not None and _IDENTITY not in match.types:
        return False
    broad = replace(match, types=None, origins=None, tlp=None, collections=None, test=None)
    return broad == Match()


def _origins(rule: Rule) -> frozenset[str]:
    """Whose objects a rule is about, `any` as both of its halves; a partner's name is of the second."""
    named = rule.match.origins or frozenset({OWN_NAME})
    return (named | {OWN_NAME, PARTNERS_ORIGIN} if ANY_ORIGIN in named else named) - {ANY_ORIGIN}


def _covers(denial: Rule, other: Rule) -> bool:
    """Whether a denial is about the objects of every origin that another rule is about."""
    wide, narrow = _origins(denial), _origins(other)
    left = narrow - wide
    return not left or (PARTNERS_ORIGIN in wide and OWN_NAME not in left)


def _meet(one: Rule, other: Rule) -> bool:
    """Whether two rules are about objects of one origin."""
    first, second = _origins(one), _origins(other)
    partners = [names - {OWN_NAME} for names in (first, second)]
    return bool(first & second) or (
        all(partners) and any(PARTNERS_ORIGIN in names for names in partners)
    )


def _never(text: str, policy: Policy, partners: Collection[str] | None) -> Iterator[str]:
    """What an expression compares a name with that it never is."""
    tokens = tokens_of(text)
    for name, value in _compared(tokens):
        said = _is_never(name, value, policy, partners)
        if said is not None:
            yield f"{name} is never {shown(value)}{said}"
    yield from mismatches(tokens)


def _compared(tokens: list[Token]) -> Iterator[tuple[str, str]]:
    """Each name with a text that it is compared with: `name == 'x'`, the other way round, `name in ['x', 'y']`."""
    for at, token in enumerate(tokens):
        before = tokens[at - 1].text if at else ""
        if token.sort == "name" and before != ".":
            after = tokens[at + 1].text
            if after in _EQUAL:
                yield from _with_text(token, tokens[at + 2])
            elif after == "in" and tokens[at + 2].text == "[":
                for inner in tokens[at + 3 :]:
                    if inner.text == "]":
                        break
                    yield from _with_text(token, inner)
        elif token.sort == "text" and tokens[at + 1].text in _EQUAL | {"in"}:
            named, beyond = tokens[at + 2], tokens[at + 3 : at + 4]
            if named.sort == "name" and not any(one.text in {".", "[", "("} for one in beyond):
                yield from _with_text(named, token)


def _with_text(name: Token, text: Token) -> Iterator[tuple[str, str]]:
    if text.sort == "text" and text.text[0] != "r" and "\\" not in text.text:
        yield name.text, text.text[1:-1]


def _is_never(
    name: str, value: str, policy: Policy, partners: Collection[str] | None
) -> str | None:
    """How to go on after `NAME is never VALUE`; None where it may be."""
    match name:
        case "tlp":
            return _no_level(value)
        case "type":
            known = value in _TYPES or _MADE_UP.match(value)
            return None if known else _meant(value, _TYPES) or "; it is no type of STIX 2.1"
        case "labels":
            small = value.casefold()
            return None if value == small else f"; labels are small letters here: write {small}"
        case "origin" if value in {ANY_ORIGIN, PARTNERS_ORIGIN}:
            return "; it is own, or the name of the partner that sent it"
        case "origin" if value in policy.partners:
            return ": what came from a member never goes back"
        case "origin" if partners is not None and value not in {OWN_NAME, *partners}:
            return _meant(value, {OWN_NAME, *partners}) or "; no partner has that name"
        case "origin" if value != value.casefold():
            return "; names of partners are small letters"
        case "creator" if value != value.lower():
            return f"; ids are small letters here: write {shown(value.lower())}"
        case "collection" if value not in policy.collections:
            return _meant(value, policy.collections) or "; the policy names no such collection"
    return None


def _no_level(value: str) -> str | None:
    level = tlp_named(value)
    spelled = "" if level is None else level.name.lower().replace("_", "+")
    if value in {spelled, _UNMARKED} and value:
        return None
    return f"; write {shown(spelled)}" if spelled else f"; {LEVEL_WORDS}, or {_UNMARKED}"


def _meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word.casefold()[:60], sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
