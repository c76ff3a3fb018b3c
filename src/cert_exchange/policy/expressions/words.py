"""The words of an expression of `when:`: signs and names, functions, and the kinds of what they give.

1. This is the part of CEL that policies use; what is not here is refused, however the evaluator takes it.
2. There is no clock among the functions, and none that depends on anything but its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """What a part of an expression gives."""

    BOOL = "a truth value"
    NUMBER = "a whole number"
    FRACTION = "a number with a fraction"
    TEXT = "a text"
    LIST = "a list"
    NULL = "null"
    INSTANT = "an instant"
    DURATION = "a duration"
    ANY = "anything"


class GrammarError(Exception):
    """The expression cannot be used; `where` counts its characters from 1."""

    def __init__(self, where: int, said: str) -> None:
        self.where = where
        self.said = said
        super().__init__(f"{said} (character {where})")


class Token(NamedTuple):
    """A word of an expression: its sort (`end`, or a group of the pattern below), text and place."""

    sort: str
    text: str
    where: int


_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<fraction>\d+\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<number>0x[0-9a-fA-F]+|\d+)"
    r"|(?P<text>r?\"(?:[^\"\\\r\n]|\\.)*\"|r?'(?:[^'\\\r\n]|\\.)*')"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[<>!?:.,()\[\]+\-*/%])"
)
OBJECT: Final = "object"
COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
TRUTHS: Final = frozenset({"all", "exists", "exists_one", "filter"})
"""Macros whose body is a truth value."""
MACROS: Final = TRUTHS | {"map"}
METHODS: Final[Mapping[str, Kind]] = {
    "startsWith": Kind.BOOL,
    "endsWith": Kind.BOOL,
    "contains": Kind.BOOL,
    "matches": Kind.BOOL,
    "size": Kind.NUMBER,
}
FUNCTIONS: Final[Mapping[str, Kind]] = {
    "size": Kind.NUMBER,
    "int": Kind.NUMBER,
    "double": Kind.FRACTION,
    "string": Kind.TEXT,
    "timestamp": Kind.INSTANT,
    "duration": Kind.DURATION,
}
LITERALS: Final[Mapping[str, Kind]] = {"true": Kind.BOOL, "false": Kind.BOOL, "null": Kind.NULL}


def tokens_of(text: str) -> list[Token]:
    """Cut an expression into words. Raises GrammarError."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise GrammarError(at + 1, f"{text[at]!r} is not used here")
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match[0], at + 1))
        at = match.end()
    return [*found, Token("end", "the end", len(text) + 1)]
