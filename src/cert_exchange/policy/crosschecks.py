"""What a policy document's parts must not say together, looked for in the values as read.

1. These checks run beside those of the forms, so that one look at the file shows every mistake: they take whatever
   stands there and are silent about values that the forms refuse.
2. Where a rule may reach partners' objects, every denial and hold says whose objects it is about: one that is silent
   about partners' objects would be a hole that nobody sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cert_exchange.policy.reading import Document, Path, nearest, shown
from cert_exchange.policy.rules import ANY_ORIGIN
from cert_exchange.policy.subject import OWN_NAME

_VERBS: Final = ("allow", "deny", "hold")
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


def check_across(document: Document) -> None:
    """Note every contradiction between parts of a policy document in the document's problems."""
    whole = document.value
    if not isinstance(whole, dict):
        return
    ceiling = whole.get("ceiling")
    rules = list(_rules(whole))
    _check_doubles(document, "partner", _words(whole.get("partners"), ("partners",)))
    _check_doubles(document, "collection", _words(whole.get("collections"), ("collections",)))
    if isinstance(ceiling, dict):
        _check_doubles(document, "statement", _statements(ceiling.get("statements")))
    _check_doubles(
        document,
        "rule",
        [(((*path, "name")), rule["name"]) for path, rule in rules if _is_word(rule.get("name"))],
    )
    for path, rule in rules:
        _check_verbs(document, path, rule)
        _check_absent(document, path, rule)
    _check_origins(document, whole, rules)
    _check_collections(document, whole, rules)


def _rules(whole: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    found = whole.get("rules")
    for index, rule in enumerate(found if isinstance(found, list) else ()):
        if isinstance(rule, dict):
            yield ("rules", index), rule


def _words(value: Any, path: Path) -> list[tuple[Path, str]]:
    """Give the texts of a value that is one text or a list of them, each with its path."""
    if _is_word(value):
        return [(path, value)]
    if not isinstance(value, list):
        return []
    return [((*path, index), word) for index, word in enumerate(value) if _is_word(word)]


def _is_word(value: Any) -> bool:
    return isinstance(value, str)


def _key(rule: dict[str, Any], path: Path, name: str) -> list[tuple[Path, str]]:
    match = rule.get("match")
    return _words(match.get(name), (*path, "match", name)) if isinstance(match, dict) else []


def _statements(value: Any) -> list[tuple[Path, str]]:
    path: Path = ("ceiling", "statements")
    found = _words(value, path)
    for index, entry in enumerate(value if isinstance(value, list) else ()):
        if isinstance(entry, dict) and _is_word(entry.get("id")):
            found.append(((*path, index, "id"), entry["id"]))
    return sorted(found, key=lambda entry: str(entry[0][2]).zfill(9))


def _check_doubles(document: Document, what: str, entries: list[tuple[Path, str]]) -> None:
    first: dict[str, Path] = {}
    for path, name in entries:
        earlier = first.setdefault(name.strip().casefold(), path)
        if earlier is not path:
            line, _ = document.place_of(earlier)
            document.complain(
                path, f"{what} {shown(name)} stands twice, first in line {line}; keep one"
            )


def _check_verbs(document: Document, path: Path, rule: dict[str, Any]) -> None:
    said = [verb for verb in _VERBS if verb in rule]
    if len(said) != 1:
        words = " and ".join(said) or "neither allow, deny nor hold"
        document.complain(path, f"the rule says {words}; give exactly one of allow, deny, hold")
    for verb in said:
        if rule[verb] is False:
            document.complain((*path, verb), f"{verb} is false; write true, or another verb")


def _check_absent(document: Document, path: Path, rule: dict[str, Any]) -> None:
    match = rule.get("match")
    for place, name in _key(rule, path, "absent"):
        if name in _PROPERTIES and name in match:  # type: ignore[operator]  # _key found it in a mapping
            document.complain(
                place, f"{name} is asked for and absent as well, so nothing can match; drop one"
            )


def _check_origins(
    document: Document, whole: dict[str, Any], rules: list[tuple[Path, dict[str, Any]]]
) -> None:
    reaches_partners = any(
        rule.get("allow") is True and {name for _, name in _key(rule, path, "origin")} - {OWN_NAME}
        for path, rule in rules
    )
    members = {name for _, name in _words(whole.get("partners"), ("partners",))}
    for path, rule in rules:
        match = rule.get("match")
        silent = isinstance(match, dict) and "origin" not in match
        if reaches_partners and silent and ("deny" in rule or "hold" in rule):
            document.complain(
                (*path, "match"),
                "without origin this rule is about our own objects only, while another rule allows partners'"
                f" objects; write origin: {ANY_ORIGIN} or origin: {OWN_NAME}",
            )
        for place, name in _key(rule, path, "origin"):
            if name in members:
                document.complain(
                    place,
                    f"what came from {name} never goes back to {name}; drop it, it never decides",
                )


def _check_collections(
    document: Document, whole: dict[str, Any], rules: list[tuple[Path, dict[str, Any]]]
) -> None:
    named = {name for _, name in _words(whole.get("collections"), ("collections",))}
    for path, rule in rules:
        for place, name in _key(rule, path, "collection"):
            if name not in named:
                document.complain(
                    place,
                    f"collection {shown(name)} is not among this policy's collections;"
                    f" {nearest(name, named)}",
                )
