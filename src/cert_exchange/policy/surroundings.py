"""What a policy's rules are looked up in: the territories and lists that it names, read and tied to its rules.

1. A rule that asks for a territory or a list that the policy does not name is a mistake: a denial that can never match
   would be a hole that nobody sees.
2. Rules that deny or hold take in what cannot be read; rules that allow do not. A rule that redacts takes it in as well,
   and does not permit it: for that, another rule must allow it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.companions import Companion
from cert_exchange.policy.lists import ANY_LIST, Lists, NamedList, list_name, parse_list
from cert_exchange.policy.reading import Document, Path, nearest, shown
from cert_exchange.policy.rules import NEVER, Match, Rule, Verb
from cert_exchange.policy.territories import (
    CONCERNS,
    PARTNER,
    Territories,
    Territory,
    parse_territory,
)

_KEYS: Final = ("concerns", "concerns_only")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The territories and lists of one policy."""

    territories: Territories
    lists: Lists

    def bind(self, rule: Rule, *, unresolved: str) -> Rule:
        """The rule, its keys tied to these territories and lists. `unresolved` is the policy's."""
        match = rule.match
        if not any(getattr(match, key) for key in (*_KEYS, "listed", "mentions")):
            return rule
        bound = self._bound(match, doubt=rule.verb is not Verb.ALLOW, unresolved=unresolved)
        if rule.verb is not Verb.REDACT:
            return replace(rule, match=bound)
        permits = (
            NEVER
            if match.mentions is not None
            else self._bound(match, doubt=False, unresolved=unresolved)
        )
        return replace(rule, match=bound, permits=permits)

    def _bound(self, match: Match, *, doubt: bool, unresolved: str) -> Match:
        elsewhere = unresolved == "allow"
        given: dict[str, Any] = {}
        for key in _KEYS:
            if (concerns := getattr(match, key)) is not None:
                given[key] = concerns.bound(
                    self.territories, doubt=doubt, doubt_elsewhere=elsewhere
                )
        if match.listed is not None:
            given["listed"] = match.listed.bound(self.lists, doubt=doubt, doubt_elsewhere=elsewhere)
        if match.mentions is not None:
            given["mentions"] = match.mentions.bound(self.territories)
        return replace(match, **given)


# Long files take a second or two; one text is read once in a process, wherever its file is seen from.
@lru_cache(maxsize=32)
def _territory(text: str) -> Territory:
    return parse_territory(text, file="")


@lru_cache(maxsize=32)
def _list(text: str, name: str) -> NamedList:
    return parse_list(text, file=name)


def read_surroundings(
    documents: Sequence[Document], territories: Iterable[Companion], lists: Iterable[Companion]
) -> Surroundings:
    """Read the territories and lists that a policy names, and note in its document what is wrong with them.

    `documents` are the policy and what it includes: all their rules are looked up in what the policy names.
    """
    document = documents[0]
    partners = [word for word in _words(document, "partners") if isinstance(word, str)]
    known: dict[str, NamedList] = {}
    lands: list[Territory] = []
    whole = True
    for one in territories:
        try:
            lands.append(_territory(one.text))
        except PolicyInvalid as error:
            document.problems.extend(replace(said, file=one.file) for said in error.problems)
            whole = False
    for one in lists:
        name = list_name(one.name)
        if name in known or name == ANY_LIST:
            why = "means all of them" if name == ANY_LIST else "is the name of another one, too"
            document.complain(one.path, f"{shown(name)} {why}; name the list's file otherwise")
            continue
        try:
            known[name] = _list(one.text, f"{name}.list")
        except PolicyInvalid as error:
            document.problems.extend(replace(said, file=one.file) for said in error.problems)
            whole = False
    found = Surroundings(Territories(lands, partners), Lists(known.values()))
    if whole:
        for source in documents:
            _check_kinds(source, found.territories.kinds())
            _check_lists(source, known.keys())
            _check_mentions(source)
    return found


def _check_kinds(document: Document, kinds: frozenset[str]) -> None:
    for key in (*_KEYS, "mentions"):
        for path, word in _asked(document, key):
            if word in CONCERNS and word not in kinds:
                whose = "a partner of this policy" if word == PARTNER else f"kind {word}"
                document.complain(
                    path,
                    f"no territory of {whose} is named under territories, so nothing can match",
                )


def _check_lists(document: Document, names: Collection[str]) -> None:
    for path, word in _asked(document, "listed"):
        if word == ANY_LIST and not names:
            document.complain(path, "no list is named under lists, so nothing can match")
        elif word != ANY_LIST and word not in names:
            document.complain(path, f"unknown list {shown(word)}; {nearest(word, names)}")


def _check_mentions(document: Document) -> None:
    rules = _words(document, "rules")
    for path, _ in _asked(document, "mentions"):
        index = path[1]
        if isinstance(index, int) and rules[index].get("allow") is True:
            document.complain(
                path[:4],
                "nobody can read text wholly: only rules that deny or hold ask for mentions",
            )


def _asked(document: Document, key: str) -> Iterator[tuple[Path, str]]:
    """Each word at a key of each rule's `match`; what is malformed is the form's to refuse."""
    for index, rule in enumerate(_words(document, "rules")):
        match = rule.get("match") if isinstance(rule, dict) else None
        value = match.get(key) if isinstance(match, dict) else None
        path: Path = ("rules", index, "match", key)
        if isinstance(value, str):
            yield path, value
        for place, word in enumerate(value if isinstance(value, list) else ()):
            if isinstance(word, str):
                yield (*path, place), word


def _words(document: Document, key: str) -> list[Any]:
    whole = document.value
    found = whole.get(key) if isinstance(whole, dict) else None
    return found if isinstance(found, list) else []
