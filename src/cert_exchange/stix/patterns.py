"""The STIX pattern language (STIX 2.1 section 9): whether a text is a pattern of the stated version.

1. Own tokenizer and recursive descent in place of the generated ANTLR parser, which takes milliseconds a pattern. The
   tests compare the two over all public patterns, mutations of them and generated ones.
2. One pass, no backtracking over tokens: linear in the length of the pattern. Parentheses nest at most 64 deep.
3. Versions differ: 2.0 writes START and STOP with plain strings and has no EXISTS; 2.1 writes t'...' (CASES H02).
4. `comparisons` says what a pattern compares with what, for those who ask what it is about; it decides nothing.
Whether a compared hash has the right length is for the consumer: the grammar does not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, NoReturn

from cert_exchange.stix.instants import shown

_DEPTH: Final = 64

# Possessive quantifiers (++, *+): no way back into what has matched, so no quadratic search.
_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n\x0b\x0c\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]++
        | /\*(?:[^*]++|\*(?!/))*+\*/ | //[^\r\n]*+)
    | (?P<timestamp>t'[0-9]{4}-(?:0[1-9]|1[012])-(?:0[1-9]|[12][0-9]|3[01])
        T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]++)?Z')
    | (?P<hex>h'(?:[0-9A-Fa-f]{2})*+')
    | (?P<binary>b'(?!')(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?')
    | (?P<string>'(?:[^'\\]++|\\['\\])*+')
    | (?P<float>[+-]?[0-9]*+\.[0-9]++)
    | (?P<int>[+-]?(?:0|[1-9][0-9]*+))
    | (?P<word>[a-zA-Z_][a-zA-Z0-9_-]*+)
    | (?P<op>==?|!=|<>|<=?|>=?)
    | (?P<mark>[\[\]():.,*])
    """,
    re.VERBOSE,
)
# Most indicators are one comparison with a string: recognised as a whole, some ten times faster than token by token.
_NAME: Final = r"(?!(?:true|false)\b)[a-z_][a-z0-9_]*+"
_PLAIN: Final = re.compile(
    rf"\[(?!(?:true|false):)[a-z_][a-z0-9_-]*+:{_NAME}(?:\.(?:{_NAME}|MD5|'[^'\\]*+'))*+ ?"
    r"(?:=|!=| LIKE| MATCHES)? ?'(?:[^'\\]++|\\['\\])*+'\]"
)
# The commonest of these, taken apart: one property or one hash equals one string.
_EQUALITY: Final = re.compile(
    rf"\[(?!(?:true|false):)([a-z_][a-z0-9_-]*+):({_NAME})(?:\.(?:({_NAME}|MD5)|'([^'\\]*+)'))?"
    r" ?= ?'([^'\\]*+)'\]"
)
_KEYWORDS: Final = frozenset(
    {
        "AND",
        "OR",
        "NOT",
        "FOLLOWEDBY",
        "LIKE",
        "MATCHES",
        "ISSUPERSET",
        "ISSUBSET",
        "EXISTS",
        "LAST",
        "IN",
        "START",
        "STOP",
        "SECONDS",
        "true",
        "false",
        "WITHIN",
        "REPEATS",
        "TIMES",
    }
)
_STRING_TESTS: Final = frozenset({"LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"})
_ORDERABLE: Final = frozenset({"int", "float", "string", "binary", "hex", "timestamp"})


class PatternInvalid(ValueError):
    """The text is no pattern of the version. Its text says where and what was expected."""


class Comparison(NamedTuple):
    """One comparison: what is compared, how, and with which values, quotes and escapes taken off."""

    type: str
    path: tuple[str, ...]  # names of properties; steps into lists are left out
    operator: str  # =, !=, <, >, <=, >=, IN, LIKE, MATCHES, ISSUBSET, ISSUPERSET or EXISTS
    negated: bool
    values: tuple[str, ...]


def comparisons(text: str, *, version: str) -> tuple[Comparison, ...]:
    """Take a pattern apart into its comparisons, in its order. Raises PatternInvalid as `check_pattern` does."""
    if (simple := _EQUALITY.fullmatch(text)) is not None:
        stix_type, *path, value = [part for part in simple.groups() if part is not None]
        return (Comparison(stix_type, tuple(path), "=", negated=False, values=(value,)),)
    parser = _Parser(text, newer=version != "2.0")
    try:
        parser.pattern()
    except PatternInvalid:
        if version in {"2.0", "2.1"}:
            raise
        parser = _Parser(text, newer=False)
        parser.pattern()
    return tuple(parser.comparisons())


def check_pattern(text: str, *, version: str) -> None:
    """Raise PatternInvalid unless the text is a pattern of `version`.

    "2.0" and "2.1" choose their grammar; of any other version, which we cannot know, a pattern of either is taken.
    """
    if _PLAIN.fullmatch(text) is not None:
        return
    if version == "2.0":
        _Parser(text, newer=False).pattern()
    elif version == "2.1":
        _Parser(text, newer=True).pattern()
    else:
        try:
            _Parser(text, newer=True).pattern()
        except PatternInvalid:
            _Parser(text, newer=False).pattern()


def _plain(kind: str, text: str) -> str:
    """A token's value: strings and timestamps without quotes and escapes, all else as written."""
    if kind == "string":
        return re.sub(r"\\(['\\])", r"\1", text[1:-1])
    return text


class _Parser:
    """Tokens of one pattern and where we are among them."""

    __slots__ = ("_at", "_depth", "_found", "_kinds", "_newer", "_places", "_texts")

    def __init__(self, text: str, *, newer: bool) -> None:
        self._newer = newer
        self._at = 0
        self._depth = 0
        self._found: list[tuple[int, int, int]] = []
        self._kinds: list[str] = []
        self._texts: list[str] = []
        self._places: list[int] = []
        place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise PatternInvalid(
                    f"cannot be read at character {place + 1}: {shown(text[place : place + 20])}"
                )
            kind = found.lastgroup or ""
            if kind != "space":
                word = found[0]
                if kind == "word" and word in _KEYWORDS and (newer or word != "EXISTS"):
                    kind = "keyword"
                self._kinds.append(kind)
                self._texts.append(word)
                self._places.append(place)
            place = found.end()
        self._kinds.append("end")
        self._texts.append("")
        self._places.append(len(text))

    def pattern(self) -> None:
        """Read the whole pattern, up to its end."""
        self._observations()
        if self._kinds[self._at] != "end":
            self._fail("AND, OR, FOLLOWEDBY, a qualifier or the end")

    def comparisons(self) -> Iterator[Comparison]:
        """What was read, after `pattern`."""
        for start, path_end, end in self._found:
            operator, negated, values = "EXISTS", False, []
            for kind, text in zip(
                self._kinds[path_end:end], self._texts[path_end:end], strict=True
            ):
                if text == "NOT" and kind == "keyword":
                    negated = True
                elif kind == "op":
                    operator = {"==": "=", "<>": "!="}.get(text, text)
                elif kind == "keyword" and text not in {"true", "false"}:
                    operator = text
                elif kind != "mark":
                    values.append(_plain(kind, text))
            steps = zip(self._kinds[start:path_end], self._texts[start:path_end], strict=True)
            stix_type, *path = [
                _plain(kind, text) for kind, text in steps if kind in {"word", "string"}
            ]
            yield Comparison(stix_type, tuple(path), operator, negated, tuple(values))

    def _observations(self) -> None:
        # FOLLOWEDBY, OR and AND bind differently, but which texts are patterns does not depend on it.
        self._observation()
        while (
            self._take_keyword("AND")
            or self._take_keyword("OR")
            or self._take_keyword("FOLLOWEDBY")
        ):
            self._observation()

    def _observation(self) -> None:
        seen: set[str] | None
        if self._take("["):
            self._comparisons()
            self._need("]")
            seen = set()
        elif self._take("("):
            self._deeper()
            self._observations()
            self._need(")")
            self._depth -= 1
            seen = None
        else:
            self._fail("[ or (")
        while (qualifier := self._qualifier()) is not None:
            if seen is not None and self._newer:
                if qualifier in seen:
                    raise PatternInvalid(f"has the qualifier {qualifier} twice on one observation")
                seen.add(qualifier)

    def _qualifier(self) -> str | None:
        if self._take_keyword("START"):
            kind = "timestamp" if self._newer else "string"
            wanted = (
                "a timestamp as t'2024-05-06T07:08:09Z'"
                if self._newer
                else "a timestamp in single quotes"
            )
            self._need_kind({kind}, wanted)
            self._need_keyword("STOP")
            self._need_kind({kind}, wanted)
            return "START"
        if self._take_keyword("WITHIN"):
            self._need_number(whole=False)
            self._need_keyword("SECONDS")
            return "WITHIN"
        if self._take_keyword("REPEATS"):
            self._need_number(whole=True)
            self._need_keyword("TIMES")
            return "REPEATS"
        return None

    def _comparisons(self) -> None:
        self._comparison()
        while self._take_keyword("AND") or self._take_keyword("OR"):
            self._comparison()

    def _comparison(self) -> None:
        if self._take("("):
            self._deeper()
            self._comparisons()
            self._need(")")
            self._depth -= 1
            return
        if self._newer and self._take_keyword("EXISTS"):
            start = self._at
            self._path()
            self._found.append((start, self._at, self._at))
            return
        start = self._at
        self._path()
        path_end = self._at
        self._take_keyword("NOT")
        kind, text = self._kinds[self._at], self._texts[self._at]
        self._at += 1
        if kind == "op":
            equality = text in {"=", "==", "!=", "<>"}
            if not (equality and (self._take_keyword("true") or self._take_keyword("false"))):
                self._need_kind(_ORDERABLE, "a value, such as 'text', 5 or t'2024-05-06T07:08:09Z'")
        elif kind == "keyword" and text in _STRING_TESTS:
            self._need_kind({"string"}, "text in single quotes")
        elif kind == "keyword" and text == "IN":
            self._set()
        else:
            self._at -= 1
            self._fail("a comparison operator")
        self._found.append((start, path_end, self._at))

    def _set(self) -> None:
        self._need("(")
        if self._take(")"):
            return
        while True:
            if not (self._take_keyword("true") or self._take_keyword("false")):
                self._need_kind(_ORDERABLE, "a value")
            if self._take(")"):
                return
            self._need(",")

    def _path(self) -> None:
        self._need_kind({"word"}, "an object type")
        self._need(":")
        self._name()
        while True:
            if self._take("."):
                self._name()
            elif self._take("["):
                if not self._take("*"):
                    self._need_number(whole=True)
                self._need("]")
            else:
                return

    def _name(self) -> None:
        if self._kinds[self._at] == "word" and "-" in self._texts[self._at]:
            self._fail("a property name; put one with a hyphen in single quotes")
        self._need_kind({"word", "string"}, "a property name")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise PatternInvalid(f"nests parentheses deeper than {_DEPTH}")

    def _take(self, mark: str) -> bool:
        if self._kinds[self._at] == "mark" and self._texts[self._at] == mark:
            self._at += 1
            return True
        return False

    def _take_keyword(self, word: str) -> bool:
        if self._kinds[self._at] == "keyword" and self._texts[self._at] == word:
            self._at += 1
            return True
        return False

    def _need(self, mark: str) -> None:
        if not self._take(mark):
            self._fail(mark)

    def _need_keyword(self, word: str) -> None:
        if not self._take_keyword(word):
            self._fail(word)

    def _need_kind(self, kinds: frozenset[str] | set[str], wanted: str) -> None:
        if self._kinds[self._at] not in kinds:
            self._fail(wanted)
        self._at += 1

    def _need_number(self, *, whole: bool) -> None:
        if self._texts[self._at].startswith("-"):
            self._fail("a number that is not negative")
        self._need_kind({"int"} if whole else {"int", "float"}, "a number")

    def _fail(self, wanted: str) -> NoReturn:
        found = self._texts[self._at]
        what = f"there stands {shown(found, limit=40)}" if found else "it ends"
        raise PatternInvalid(
            f"needs {wanted} at character {self._places[self._at] + 1}, where {what}"
        )
