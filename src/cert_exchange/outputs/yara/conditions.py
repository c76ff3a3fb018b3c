"""The condition of a YARA rule: whether it surely compiles, by a grammar that is a part of YARA's.

1. Each expression has a kind: truth, number, fraction or text. What takes another kind than it gets is refused, as a compiler
   refuses it; what is no name of the rule, of an earlier rule of the same author's text or of a module that is imported too.
2. Of modules only what is written down here (`modules`): a field that a release does not know ends the whole file.
3. Depth is bounded, so that no rule exhausts the reader or the compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cert_exchange.outputs.yara.modules import MODULES, Known, Of
from cert_exchange.outputs.yara.strings import read_regex
from cert_exchange.outputs.yara.tokens import NotUnderstood, Words

_DEEPEST: Final = 25
_MOST_LOOPS: Final = 4
_LARGEST: Final = 2**40
_LARGEST_FACTOR: Final = 2**20
_MOST_PRODUCTS: Final = 2
_READS: Final = frozenset(
    f"{sign}int{size}{order}"
    for sign in ("", "u")
    for size in ("8", "16", "32")
    for order in ("", "be")
)
_TEXTUAL: Final = frozenset(
    {"contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "iequals"}
)
_COMPARED: Final = frozenset({"==", "!=", "<", ">", "<=", ">="})
_LEVELS: Final = (("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "\\", "%"))
_WHOLE_ONLY: Final = frozenset({"|", "^", "&", "<<", ">>", "%"})


_NUMERIC: Final = (Of.NUMBER, Of.FRACTION)


@dataclass(slots=True)
class Condition:
    """What a condition may name, and what it named. `strings` as they are declared, with their sign."""

    words: Words
    strings: frozenset[str]
    rules: frozenset[str]
    imported: frozenset[str]
    used: set[str] = field(default_factory=set)
    _loops: list[tuple[str, ...]] = field(default_factory=list)
    _about_one: int = 0  # loops over strings around here, in which `$` means the one at hand
    _depth: int = 0
    _peak: int = 0  # the largest number that is written in what is being read
    _products: int = 0

    def read(self) -> None:
        """Pass the condition, and see that every string is used. Raises NotUnderstood."""
        self._whole()
        if any(not one.startswith("$_") and one not in self.used for one in self.strings):
            raise NotUnderstood("has a string that its condition does not name")

    def _whole(self) -> Of:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotUnderstood("has a condition that is too deep")
        kind = self._both("or", lambda: self._both("and", self._negated))
        self._depth -= 1
        return kind

    def _both(self, word: str, inner: Callable[[], Of]) -> Of:
        kind = inner()
        while self.words.takes(word):
            self._truth(kind)
            self._truth(inner())
            kind = Of.TRUTH
        return kind

    def _truth(self, kind: Of) -> None:
        if kind not in (Of.TRUTH, Of.NUMBER):
            raise NotUnderstood("takes for true what is no question")

    def _negated(self) -> Of:
        negated = False
        while self.words.takes("not"):
            negated = True
        kind = self._compared()
        if negated:
            self._truth(kind)
        return Of.TRUTH if negated else kind

    def _compared(self) -> Of:
        kind = self._level(0)
        word = self.words.word
        if word in _TEXTUAL:
            self.words.take()
            self._same(kind, self._level(0), (Of.TEXT,))
        elif word == "matches":
            self.words.take()
            self._same(kind, Of.TEXT, (Of.TEXT,))
            read_regex(self.words)
        elif word in _COMPARED:
            self.words.take()
            other = self._level(0)
            self._same(kind, other, (Of.TEXT,) if kind is Of.TEXT else _NUMERIC)
        else:
            return kind
        return Of.TRUTH

    def _same(self, one: Of, other: Of, known: tuple[Of, ...]) -> None:
        if one not in known or other not in known:
            raise NotUnderstood("compares or adds what does not go together")

    def _level(self, level: int) -> Of:
        if level == len(_LEVELS):
            return self._signed()
        around, self._peak = self._peak, 0
        kind = self._level(level + 1)
        while self.words.word in _LEVELS[level]:
            word = self.words.take()
            self._see_that_it_can_be_counted(word)
            other = self._level(level + 1)
            self._same(kind, other, (Of.NUMBER,) if word in _WHOLE_ONLY else _NUMERIC)
            kind = Of.NUMBER if kind is other is Of.NUMBER else Of.FRACTION
            if word in ("*", "<<") and self._peak > _LARGEST_FACTOR:
                raise NotUnderstood("counts beyond what a number holds")
        self._peak = max(around, self._peak)
        return kind

    def _see_that_it_can_be_counted(self, word: str) -> None:
        """A compiler counts what is constant: a division by nothing, or a number that is too large, ends it."""
        following = self.words.word
        if word in ("\\", "%", "<<", ">>") and (
            not following.isdecimal() or not 0 < int(following) < 64
        ):
            raise NotUnderstood("divides or moves by what is no small number")
        if word in ("*", "<<"):
            self._products += 1
            if self._products > _MOST_PRODUCTS:
                raise NotUnderstood("counts beyond what a number holds")

    def _signed(self) -> Of:
        sign = self.words.word
        if sign in ("-", "~"):
            self.words.take()
            kind = self._primary()
            self._same(kind, kind, (Of.NUMBER,) if sign == "~" else _NUMERIC)
            return kind
        return self._primary()

    def _primary(self) -> Of:
        words = self.words
        word = words.word
        if words.takes("("):
            kind = self._whole()
            words.expect(")")
            return kind
        if word == '"':
            words.text()
            return Of.TEXT
        if word[:1] in ("$", "#", "@", "!"):
            return self._string()
        if word[:1].isdigit():
            return self._number()
        if word in ("true", "false"):
            words.take()
            return Of.TRUTH
        if word == "filesize":
            words.take()
            return Of.NUMBER
        if word in _READS:
            words.take()
            self._called((Of.NUMBER,))
            return Of.NUMBER
        if word in ("any", "all", "none"):
            words.take()
            self._of_strings()
            return Of.TRUTH
        if word == "for":
            return self._loop()
        return self._named()

    def _number(self) -> Of:
        word = self.words.take()
        try:
            digits = word.removesuffix("KB").removesuffix("MB")
            kind = Of.FRACTION if "." in digits else Of.NUMBER
            size = (
                float(digits)
                if "." in digits
                else int(digits, 16 if digits.startswith("0x") else 10)
            )
        except ValueError:
            raise NotUnderstood("has a number of an unusual form") from None
        if size * (1 if digits == word else 2**20) > _LARGEST or (
            kind is Of.FRACTION and digits != word
        ):
            raise NotUnderstood("has a number that is too large")
        self._peak = max(self._peak, int(size * (1 if digits == word else 2**20)))
        if kind is Of.NUMBER and self.words.word == "of":
            if size < 1:
                raise NotUnderstood("asks for none of its strings")
            self._of_strings()
            return Of.TRUTH
        return kind

    def _string(self) -> Of:
        word = self.words.take()
        sign, name = word[0], f"${word[1:]}"
        if name.endswith("*") or (name == "$" and not self._about_one):
            raise NotUnderstood("names no string")
        if name != "$":
            self._use(name)
        if sign == "$":
            if self.words.takes("at"):
                self._counted()
            elif self.words.takes("in"):
                self._range()
            return Of.TRUTH
        if sign in ("@", "!") and self.words.takes("["):
            self._counted()
            self.words.expect("]")
        return Of.NUMBER

    def _use(self, name: str) -> None:
        found = {name} & self.strings
        if name.endswith("*"):
            found = {one for one in self.strings if one.startswith(name[:-1])}
        if not found:
            raise NotUnderstood("names a string that it does not have")
        self.used |= found

    def _counted(self) -> None:
        kind = self._level(0)
        self._same(kind, kind, (Of.NUMBER,))

    def _range(self) -> None:
        self.words.expect("(")
        first = self.words.word
        self._counted()
        self.words.expect("..")
        last = self.words.word
        self._counted()
        if last.isdecimal() and not (first.isdecimal() and int(first) < int(last)):
            raise NotUnderstood("has a range that ends before it begins")
        if first == "-" or last == "-":
            raise NotUnderstood("has a range that ends before it begins")
        self.words.expect(")")

    def _of_strings(self) -> None:
        """`of them`, or of those in brackets."""
        self.words.expect("of")
        if self.words.takes("them"):
            if not self.strings:
                raise NotUnderstood("has no strings of which it asks for some")
            self.used |= self.strings
            return
        self.words.expect("(")
        while True:
            word = self.words.take()
            if not word.startswith("$") or word == "$":
                raise NotUnderstood("has no string where one belongs")
            self._use(word)
            if not self.words.takes(","):
                break
        self.words.expect(")")

    def _loop(self) -> Of:
        """`for any of them : ( ... )`, or over numbers."""
        words = self.words
        words.expect("for")
        if len(self._loops) >= _MOST_LOOPS:
            raise NotUnderstood("has loops that are too deep")
        if words.word in ("any", "all", "none"):
            words.take()
        else:
            self._quantity()
        names: tuple[str, ...] = ()
        if words.word == "of":
            self._of_strings()
            self._about_one += 1
        else:
            name = words.name()
            if any(name in each for each in self._loops) or name in self.rules | MODULES.keys():
                raise NotUnderstood("has a loop over a name that is taken")
            words.expect("in")
            self._range()
            names = (name,)
        words.expect(":")
        words.expect("(")
        self._loops.append(names)
        self._truth(self._whole())
        self._loops.pop()
        self._about_one -= 0 if names else 1
        words.expect(")")
        return Of.TRUTH

    def _quantity(self) -> None:
        word = self.words.take()
        if not word.isdecimal() or not 0 < int(word) < _LARGEST:
            raise NotUnderstood("has no number where one belongs")

    def _named(self) -> Of:
        name = self.words.name()
        if any(name in each for each in self._loops):
            return Of.NUMBER
        if name in self.imported:
            self.words.expect(".")
            return self._of_module(MODULES[name])
        if name in self.rules:
            return Of.TRUTH
        raise NotUnderstood("names what it does not have")

    def _of_module(self, known: Mapping[str, Known]) -> Of:
        found = known.get(self.words.name())
        if found is None:
            raise NotUnderstood("asks a module for what not every release has")
        if isinstance(found, Of):
            return found
        takes, gives = found
        self._called(takes)
        return gives

    def _called(self, takes: tuple[Of, ...]) -> None:
        self.words.expect("(")
        for place, kind in enumerate(takes):
            if place:
                self.words.expect(",")
            found = self._level(0)
            self._same(found, found, (kind,))
        self.words.expect(")")
