"""Whole YARA rules of one author's text.

1. A file of rules is compiled as a whole: one that does not compile ends all others, and so does one that has a name twice. So
   only what surely compiles goes on; that it is understood here is what makes it sure.
2. Nothing speaks to the rules beside it: no `global` rule, which every other would have to match too, nothing included, and no
   rule is named but those of the same text.
"""

from __future__ import annotations

from typing import Final

from cert_exchange.outputs.yara.conditions import Condition
from cert_exchange.outputs.yara.modules import MODULES
from cert_exchange.outputs.yara.strings import read_string
from cert_exchange.outputs.yara.tokens import NotUnderstood, Words

_MOST_STRINGS: Final = 2_000


def names_of(text: str) -> tuple[str, ...]:
    """The names of the rules of a text that surely compiles beside others. Raises NotUnderstood with what stands against it."""
    words = Words(text)
    imported: set[str] = set()
    names: list[str] = []
    while words.word:
        if words.takes("import"):
            module = words.text()
            if module not in MODULES:
                raise NotUnderstood("imports a module that not every release has")
            imported.add(module)
        else:
            names.append(_rule(words, names, imported))
    if not names:
        raise NotUnderstood("is no rule")
    return tuple(names)


def _rule(words: Words, earlier: list[str], imported: set[str]) -> str:
    """Pass one rule; its name."""
    if words.word == "global":
        raise NotUnderstood("is global: every other rule would have to match it too")
    if words.word == "include":
        raise NotUnderstood("includes a file")
    words.takes("private")
    words.expect("rule")
    name = words.name()
    if name in earlier or name in MODULES:
        raise NotUnderstood("has a name that another has")
    if words.takes(":"):
        _tags(words)
    words.expect("{")
    if words.takes("meta"):
        words.expect(":")
        _meta(words)
    strings: frozenset[str] = frozenset()
    if words.takes("strings"):
        words.expect(":")
        strings = _strings(words)
    words.expect("condition")
    words.expect(":")
    Condition(words, strings, frozenset(earlier), frozenset(imported)).read()
    words.expect("}")
    return name


def _tags(words: Words) -> None:
    given = {words.name()}
    while words.word != "{":
        tag = words.name()
        if tag in given:
            raise NotUnderstood("says a tag twice")
        given.add(tag)


def _meta(words: Words) -> None:
    words.name()
    while True:
        words.expect("=")
        if words.word == '"':
            words.text()
        else:
            words.takes("-")
            value = words.take()
            if value not in ("true", "false") and not (value.isdecimal() and len(value) <= 18):
                raise NotUnderstood("has a remark of an unusual form")
        if words.word in ("strings", "condition"):
            return
        words.name()


def _strings(words: Words) -> frozenset[str]:
    found: set[str] = set()
    count = 0
    while words.word.startswith("$"):
        name = words.take()
        count += 1
        if name.endswith("*") or (name != "$" and name in found) or count > _MOST_STRINGS:
            raise NotUnderstood("has a string twice, or too many")
        found.add(name)
        words.expect("=")
        read_string(words)
    if not found:
        raise NotUnderstood("has no strings where it announces them")
    return frozenset(found)
