"""What an expression of `when:` says, read without running it: names, properties and the kind of result.

1. Kinds are followed as far as they are sure; a property of the object may be anything. Where a truth value is
   needed, only a sure one will do: an evaluator may take a text for true, and an error would look like consent.
2. A list is gone through in one go, never one inside another: the time for an object grows with its size alone.
3. Depth is bounded, so that reading ends whatever stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from cert_exchange.policy.expressions.words import (
    COMPARISONS,
    FUNCTIONS,
    LITERALS,
    MACROS,
    METHODS,
    OBJECT,
    TRUTHS,
    GrammarError,
    Kind,
    Token,
    tokens_of,
)

_DEEPEST: Final = 40


@dataclass(slots=True)
class Reading:
    """What an expression looks at."""

    names: set[str] = field(default_factory=set)
    properties: set[str] = field(default_factory=set)
    """properties of `object` that it names"""
    whole: bool = False
    """whether it looks at `object` otherwise than by naming a property"""
    patterns: list[tuple[Token, Token]] = field(default_factory=list)
    """each `matches` and the literal that it takes"""


def read_expression(text: str, names: Mapping[str, Kind]) -> Reading:
    """Read an expression that may use these names. Raises GrammarError; what it gives is a truth value."""
    reader = _Reader(tokens_of(text), names)
    kind = reader.choice()
    token = reader.peek()
    if token.sort != "end":
        raise GrammarError(token.where, f"{token.text} is not expected here")
    if kind is not Kind.BOOL:
        raise GrammarError(1, f"it gives {kind}, where a truth value is needed; compare it with ==")
    return reader.reading


class _Reader:
    """One pass from left to right; each method reads one level of binding and gives its kind."""

    def __init__(self, tokens: list[Token], names: Mapping[str, Kind]) -> None:
        self.reading = Reading()
        self._tokens = tokens
        self._names = dict(names)
        self._at = 0
        self._depth = 0
        self._bound: str | None = None

    def peek(self) -> Token:
        return self._tokens[self._at]

    def choice(self) -> Kind:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._refuse(f"nested deeper than {_DEEPEST} levels")
        kind = self._either()
        if self._take("?"):
            self._need_truth(kind, self._tokens[self._at - 1])
            one = self._either()
            self._expect(":")
            other = self.choice()
            kind = one if one is other else Kind.ANY
        self._depth -= 1
        return kind

    def _either(self) -> Kind:
        return self._joined("||", self._both)

    def _both(self) -> Kind:
        return self._joined("&&", self._relation)

    def _joined(self, sign: str, part: Callable[[], Kind]) -> Kind:
        kind = part()
        while (token := self.peek()).text == sign and token.sort == "sign":
            self._at += 1
            self._need_truth(kind, token)
            kind = part()
            self._need_truth(kind, token)
        return kind

    def _relation(self) -> Kind:
        start = self._at
        kind = self._sum()
        token = self.peek()
        if token.text == "in" and token.sort == "name":
            named = self._literal_before(start)
            self._at += 1
            if named is not None and self._is_bare_object():
                # Whether the object has a property needs that property alone.
                self.reading.names.add(OBJECT)
                self.reading.properties.add(named)
                self._at += 1
                other = Kind.ANY
            else:
                other = self._sum()
            if other not in {Kind.LIST, Kind.ANY}:
                self._refuse(f"in looks into a list, and here stands {other}", token)
            kind = Kind.BOOL
        elif token.sort == "sign" and token.text in COMPARISONS:
            self._at += 1
            other = self._sum()
            if other is not kind and not {other, kind} & {Kind.ANY, Kind.NULL}:
                self._refuse(f"{kind} is never compared with {other}", token)
            kind = Kind.BOOL
        else:
            return kind
        if self.peek().text in COMPARISONS | {"in"}:
            self._refuse("one comparison after another; put one of them in parentheses")
        return kind

    def _sum(self) -> Kind:
        return self._counted({"+", "-"}, self._product)

    def _product(self) -> Kind:
        return self._counted({"*", "/", "%"}, self._signed)

    def _counted(self, signs: Collection[str], part: Callable[[], Kind]) -> Kind:
        kind = part()
        while (token := self.peek()).sort == "sign" and token.text in signs:
            self._at += 1
            other = part()
            if Kind.BOOL in {kind, other}:
                self._refuse(f"{token.text} does not take a truth value", token)
            kind = kind if kind is other else Kind.ANY
        return kind

    def _signed(self) -> Kind:
        if (token := self.peek()).sort == "sign" and token.text in {"!", "-"}:
            self._at += 1
            self._depth += 1
            if self._depth > _DEEPEST:
                self._refuse(f"nested deeper than {_DEEPEST} levels")
            kind = self._signed()
            self._depth -= 1
            if token.text == "!":
                self._need_truth(kind, token)
            elif kind is Kind.BOOL:
                self._refuse("- does not take a truth value", token)
            return kind
        return self._member()

    def _member(self) -> Kind:
        start = self.peek()
        kind = self._primary()
        bare = start.sort == "name" and start.text == OBJECT
        while True:
            if self._take("."):
                name = self._name()
                if self.peek().text == "(":
                    self.reading.whole |= bare
                    kind = self._method(name, kind)
                else:
                    if bare:
                        self.reading.properties.add(name.text)
                    kind = Kind.ANY
            elif self._take("["):
                at = self._at
                self.choice()
                named = self._literal_before(at)
                if bare and named is not None:
                    self.reading.properties.add(named)
                else:
                    self.reading.whole |= bare
                self._expect("]")
                kind = Kind.ANY
            else:
                self.reading.whole |= bare
                return kind
            bare = False

    def _literal_before(self, start: int) -> str | None:
        """The text in quotes that is all there is between a word and the present one; None for anything else."""
        token = self._tokens[start]
        if self._at != start + 1 or token.sort != "text" or token.text[0] == "r":
            return None
        return None if "\\" in token.text else token.text[1:-1]

    def _is_bare_object(self) -> bool:
        """Whether `object` itself stands here, and nothing of it is asked for."""
        token, after = self._tokens[self._at], self._tokens[self._at + 1 : self._at + 2]
        return (
            token.sort == "name"
            and token.text == OBJECT
            and OBJECT in self._names
            and not any(one.sort == "sign" and one.text in {".", "["} for one in after)
        )

    def _method(self, name: Token, of: Kind) -> Kind:
        if name.text in MACROS:
            return self._macro(name, of)
        if name.text not in METHODS:
            known = ", ".join(sorted({*METHODS, *MACROS}))
            self._refuse(f"there is no function {name.text}; write one of: {known}", name)
        if of not in {Kind.TEXT, Kind.ANY} and name.text != "size":
            self._refuse(f"{name.text} asks a text, and before it stands {of}", name)
        self._expect("(")
        literal = self.peek()
        count = self._arguments()
        if count != (0 if name.text == "size" else 1):
            self._refuse(
                f"{name.text} takes {'nothing' if name.text == 'size' else 'one text'}", name
            )
        if name.text == "matches":
            if literal.sort != "text" or self._tokens[self._at - 2] is not literal:
                self._refuse("matches takes a pattern in quotes, so that it can be checked", name)
            self.reading.patterns.append((name, literal))
        return METHODS[name.text]

    def _macro(self, name: Token, of: Kind) -> Kind:
        if of not in {Kind.LIST, Kind.ANY}:
            self._refuse(f"{name.text} goes through a list, and before it stands {of}", name)
        if self._bound is not None:
            self._refuse(f"{name.text} inside another list that is gone through", name)
        self._expect("(")
        bound = self._name()
        if bound.text in self._names or bound.text in LITERALS:
            self._refuse(f"{bound.text} has a meaning already; take another name", bound)
        self._expect(",")
        self._bound = bound.text
        kind = self.choice()
        self._bound = None
        self._expect(")")
        if name.text in TRUTHS:
            self._need_truth(kind, name)
        return Kind.LIST if name.text in {"filter", "map"} else Kind.BOOL

    def _primary(self) -> Kind:
        token = self.peek()
        self._at += 1
        match token.sort:
            case "number":
                return Kind.NUMBER
            case "fraction":
                return Kind.FRACTION
            case "text":
                return Kind.TEXT
            case "name" if token.text in LITERALS:
                return LITERALS[token.text]
            case "name" if self.peek().text == "(" and self.peek().sort == "sign":
                return self._function(token)
            case "name" if token.text == self._bound:
                return Kind.ANY
            case "name" if token.text in self._names:
                self.reading.names.add(token.text)
                return self._names[token.text]
            case "name":
                self._refuse(
                    f"there is no {token.text}; write one of: {', '.join(sorted(self._names))}",
                    token,
                )
        if token.text == "(" and token.sort == "sign":
            kind = self.choice()
            self._expect(")")
            return kind
        if token.text == "[" and token.sort == "sign":
            self._items("]")
            return Kind.LIST
        return self._refuse(f"{token.text} is not expected here", token)

    def _function(self, name: Token) -> Kind:
        if name.text == "has":
            return self._has(name)
        if name.text not in FUNCTIONS:
            known = ", ".join(sorted({*FUNCTIONS, "has"}))
            self._refuse(f"there is no function {name.text}; write one of: {known}", name)
        self._expect("(")
        if self._arguments() != 1:
            self._refuse(f"{name.text} takes one value", name)
        return FUNCTIONS[name.text]

    def _has(self, name: Token) -> Kind:
        self._expect("(")
        start = self._at
        self._member()
        asked = self._tokens[start : self._at]
        if len(asked) < 3 or asked[-2].text != "." or asked[-1].sort != "name":
            self._refuse("has asks for a property, such as has(object.name)", name)
        self._expect(")")
        return Kind.BOOL

    def _arguments(self) -> int:
        return self._items(")")

    def _items(self, end: str) -> int:
        count = 0
        while not self._take(end):
            if count:
                self._expect(",")
            self.choice()
            count += 1
        return count

    def _need_truth(self, kind: Kind, token: Token) -> None:
        if kind is not Kind.BOOL:
            self._refuse(
                f"{token.text} needs truth values, and here is {kind}; compare it, as in object.x == true",
                token,
            )

    def _name(self) -> Token:
        token = self.peek()
        if token.sort != "name":
            self._refuse(f"{token.text} is not expected here; a name is", token)
        self._at += 1
        return token

    def _take(self, sign: str) -> bool:
        token = self.peek()
        taken = token.sort == "sign" and token.text == sign
        self._at += taken
        return taken

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            self._refuse(f"{self.peek().text} is not expected here; {sign} is")

    def _refuse(self, said: str, token: Token | None = None) -> NoReturn:
        raise GrammarError((token or self.peek()).where, said)
