"""What a policy document's parts must not say together, looked for in the values as read.

1. These checks run beside those of the forms, so that one look at the files shows every mistake: they take whatever
   stands there and are silent about values that the forms refuse.
2. Where a rule may reach partners' objects, every denial, hold and redaction says whose objects it is about: one that
   is silent about partners' objects would be a hole that nobody sees.
3. What is included counts as if it stood in the policy, and what is wrong with it is said where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.policy.reading import Document, Path, nearest, shown
from cert_exchange.policy.rules import ANY_ORIGIN
from cert_exchange.policy.subject import OWN_NAME

_VERBS: Final = ("allow", "deny", "hold", "redact")
_NARROWING: Final = frozenset({"deny", "hold", "redact"})
_PROPERTIES: Final = (
    "tlp",
    "labels",
    "indicator_types",
    "confidence",
    "created_by_ref",
    "pattern_type",
    "valid_until",
)
"""Keys of `match` that bear the name of what `absent` calls missing."""


@dataclass(frozen=True, slots=True)
class _Word:
    """A text that stands somewhere."""

    document: Document
    path: Path
    text: str

    def complain(self, message: str) -> None:
        self.document.complain(self.path, message)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule as read: a mapping with whatever in it."""

    document: Document
    path: Path
    value: dict[str, Any]

    def complain(self, message: str, *inner: str) -> None:
        self.document.complain((*self.path, *inner), message)

    def key(self, name: str) -> list[_Word]:
        match = self.value.get("match")
        if not isinstance(match, dict):
            return []
        return _words(self.document, match.get(name), (*self.path, "match", name))


def check_across(document: Document, bases: Sequence[Document] = ()) -> None:
    """Note every contradiction between parts of a policy, and of what it includes, in their documents' problems."""
    whole = document.value
    if not isinstance(whole, dict):
        return
    documents = (document, *bases)
    rules = [rule for one in documents for rule in _rules(one)]
    partners = _words(document, whole.get("partners"), ("partners",))
    collections = _words(document, whole.get("collections"), ("collections",))
    _check_doubles("partner", partners)
    _check_doubles("collection", collections)
    _check_doubles("statement", [word for one in documents for word in _statements(one)])
    _check_doubles(
        "rule",
        [
            _Word(rule.document, (*rule.path, "name"), rule.value["name"])
            for rule in rules
            if _is_word(rule.value.get("name"))
        ],
    )
    for rule in rules:
        _check_verbs(rule)
        _check_absent(rule)
    _check_origins(document, {word.text for word in partners}, rules)
    _check_collections({word.text for word in collections}, rules)


def _rules(document: Document) -> Iterator[_Rule]:
    whole = document.value
    found = whole.get("rules") if isinstance(whole, dict) else None
    for index, rule in enumerate(found if isinstance(found, list) else ()):
        if isinstance(rule, dict):
            yield _Rule(document, ("rules", index), rule)


def _words(document: Document, value: Any, path: Path) -> list[_Word]:
    """Give the texts of a value that is one text or a list of them."""
    if _is_word(value):
        return [_Word(document, path, value)]
    if not isinstance(value, list):
        return []
    return [
        _Word(document, (*path, index), word) for index, word in enumerate(value) if _is_word(word)
    ]


def _is_word(value: Any) -> bool:
    return isinstance(value, str)


def _statements(document: Document) -> list[_Word]:
    whole = document.value
    ceiling = whole.get("ceiling") if isinstance(whole, dict) else None
    value = ceiling.get("statements") if isinstance(ceiling, dict) else None
    path: Path = ("ceiling", "statements")
    found = _words(document, value, path)
    for index, entry in enumerate(value if isinstance(value, list) else ()):
        if isinstance(entry, dict) and _is_word(entry.get("id")):
            found.append(_Word(document, (*path, index, "id"), entry["id"]))
    return sorted(found, key=lambda word: int(word.path[2]) if len(word.path) > 2 else 0)


def _check_doubles(what: str, words: Sequence[_Word]) -> None:
    first: dict[str, _Word] = {}
    for word in words:
        earlier = first.setdefault(word.text.strip().casefold(), word)
        if earlier is not word:
            line, _ = earlier.document.place_of(earlier.path)
            there = "" if earlier.document is word.document else f"{earlier.document.file}, "
            word.complain(
                f"{what} {shown(word.text)} stands twice, first in {there}line {line}; keep one"
            )


def _check_verbs(rule: _Rule) -> None:
    said = [verb for verb in _VERBS if verb in rule.value]
    if len(said) != 1:
        words = " and ".join(said) or "neither allow, deny, hold nor redact"
        rule.complain(f"the rule says {words}; give exactly one of allow, deny, hold, redact")
    for verb in said:
        if rule.value[verb] is False:
            rule.complain(f"{verb} is false; write true, or another verb", verb)


def _check_absent(rule: _Rule) -> None:
    for word in rule.key("absent"):
        if word.text in _PROPERTIES and word.text in rule.value["match"]:
            word.complain(
                f"{word.text} is asked for and absent as well, so nothing can match; drop one"
            )


def _check_origins(policy: Document, members: set[str], rules: Sequence[_Rule]) -> None:
    reaches_partners = any(
        (rule.value.get("allow") is True or "redact" in rule.value)
        and {word.text for word in rule.key("origin")} - {OWN_NAME}
        for rule in rules
    )
    for rule in rules:
        match = rule.value.get("match")
        silent = isinstance(match, dict) and "origin" not in match
        if reaches_partners and silent and _NARROWING & rule.value.keys():
            rule.complain(
                "without origin this rule is about our own objects only, while another rule lets partners'"
                f" objects pass; write origin: {ANY_ORIGIN} or origin: {OWN_NAME}",
                "match",
            )
        for word in rule.key("origin"):
            # A shared base may speak of the partners of all that include it.
            if word.text in members and rule.document is policy:
                word.complain(
                    f"what came from {word.text} never goes back to {word.text};"
                    " drop it, it never decides"
                )


def _check_collections(named: set[str], rules: Sequence[_Rule]) -> None:
    for rule in rules:
        for word in rule.key("collection"):
            if word.text not in named:
                word.complain(
                    f"collection {shown(word.text)} is not among this policy's collections;"
                    f" {nearest(word.text, named)}"
                )
