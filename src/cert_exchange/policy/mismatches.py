"""Comparisons in `when:` between values of different kinds: an order between them has no answer, and equal they never are.

1. Grammar refuses what it is sure of. What a property of the object is, STIX 2.1 says, and an author may mean a custom one
   of that name: so that is told, and in the way of nothing.
2. Only a property or `confidence` beside a value that is written out is looked at; of anything more nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from cert_exchange.policy.expressions.words import COMPARISONS, OBJECT, Token
from cert_exchange.policy.reading import shown
from cert_exchange.stix.schemas import kinds_of_property

_EQUAL: Final = frozenset({"==", "!="})
_COUNTING: Final = frozenset({"+", "-", "*", "/", "%"})
_WORDS: Final = {
    "string": "a text",
    "integer": "a number",
    "number": "a number",
    "boolean": "a truth value",
    "array": "a list",
    "object": "a mapping",
}
_CONFIDENCE: Final = "confidence"


class _Property(NamedTuple):
    """A property that an expression names: how it is written there, and what it is by STIX 2.1."""

    written: str
    kinds: frozenset[str]

    @property
    def said(self) -> str:
        return " or ".join(sorted(self.kinds))


def mismatches(tokens: Sequence[Token]) -> Iterator[str]:
    """What an expression compares that does not go together, a sentence each."""
    for at, token in enumerate(tokens):
        comparing = token.sort == "sign" and token.text in COMPARISONS
        if not comparing and not (token.sort == "name" and token.text == "in"):
            continue
        left, right = _before(tokens, at), _after(tokens, at + 1)
        if comparing:
            for named, literals in ((left, _literals(tokens, at + 1)), (right, _last(tokens, at))):
                for kind, text in literals if named is not None and named.kinds else ():
                    yield from _compared(named, token.text, kind, text)
        else:
            yield from _looked_for(tokens, at, left, right)


def _compared(named: _Property | None, sign: str, kind: str, text: str) -> Iterator[str]:
    if named is None or kind in named.kinds:
        return
    both = f"{named.written} is {named.said} by STIX 2.1, and {text} is {kind}"
    if sign in _EQUAL:
        yield f"{both}: they are never equal"
    else:
        yield f"{both}: {sign} between them has no answer, and what has no answer is denied"


def _looked_for(
    tokens: Sequence[Token], at: int, left: _Property | None, right: _Property | None
) -> Iterator[str]:
    """`in`: a property in a list that is written out, or a value in a property that is no list."""
    if left is not None and left.kinds and tokens[at + 1].text == "[":
        for place in range(at + 2, len(tokens)):
            if tokens[place].text == "]":
                return
            for kind, text in _literals(tokens, place):
                yield from _compared(left, "==", kind, text)
    if right is not None and right.kinds and right.kinds.isdisjoint({"a list", "a mapping"}):
        yield (
            f"in looks into a list, and {right.written} is {right.said} by STIX 2.1: it has no answer, and what has no"
            f" answer is denied; write {right.written}.contains(...)"
        )


def _before(tokens: Sequence[Token], at: int) -> _Property | None:
    """The property that ends right before a place, where nothing is counted with it."""
    for length in (4, 3, 1):
        start = at - length
        if start >= 0 and (found := _property(tokens[start:at])) is not None:
            free = start == 0 or tokens[start - 1].text not in _COUNTING | {"."}
            return found if free else None
    return None


def _after(tokens: Sequence[Token], at: int) -> _Property | None:
    """The property that begins at a place, where nothing more is asked of it."""
    for length in (4, 3, 1):
        if (found := _property(tokens[at : at + length])) is not None:
            beyond = tokens[at + length].text if at + length < len(tokens) else ""
            return None if beyond in _COUNTING | {".", "[", "("} else found
    return None


def _property(words: Sequence[Token]) -> _Property | None:
    """What these words name: `confidence`, `object.NAME` or `object["NAME"]`; None for anything else."""
    texts = [word.text for word in words]
    if texts == [_CONFIDENCE] and words[0].sort == "name":
        name = _CONFIDENCE
    elif len(words) == 3 and texts[:2] == [OBJECT, "."] and words[2].sort == "name":
        name = texts[2]
    elif (
        len(words) == 4
        and texts[:2] == [OBJECT, "["]
        and words[2].sort == "text"
        and texts[3] == "]"
    ):
        name = texts[2][1:-1]
    else:
        return None
    kinds = frozenset(_WORDS[kind] for kind in kinds_of_property(name) if kind in _WORDS)
    return _Property("".join(texts), kinds)


def _literals(tokens: Sequence[Token], at: int) -> Iterator[tuple[str, str]]:
    """The value that is written out at a place, and is all that stands there: (kind, as written)."""
    token = tokens[at]
    beyond = tokens[at + 1].text if at + 1 < len(tokens) else ""
    if beyond in _COUNTING | {".", "["}:
        return
    yield from _literal(token)


def _last(tokens: Sequence[Token], at: int) -> Iterator[tuple[str, str]]:
    """The value that is written out right before a place."""
    if at and (at == 1 or tokens[at - 2].text not in _COUNTING):
        yield from _literal(tokens[at - 1])


def _literal(token: Token) -> Iterator[tuple[str, str]]:
    match token.sort:
        case "text":
            yield "a text", shown(token.text.removeprefix("r")[1:-1])
        case "number" | "fraction":
            yield "a number", token.text
        case "name" if token.text in {"true", "false"}:
            yield "a truth value", token.text
