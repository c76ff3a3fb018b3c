"""The strings of a YARA rule: which of them a compiler surely takes.

1. Texts, strings of bytes and regular expressions, with modifiers that go together.
2. Of regular expressions only what every release knows, and not more of it than a compiler's limits bear.
"""

from __future__ import annotations

import re
from typing import Final

from cert_exchange.outputs.yara.tokens import NotUnderstood, Words

_OF_TEXT: Final = frozenset(
    {"nocase", "wide", "ascii", "fullword", "private", "xor", "base64", "base64wide"}
)
_OF_REGEX: Final = frozenset({"nocase", "wide", "ascii", "fullword", "private"})
_NOT_TOGETHER: Final = (
    {"xor", "nocase"}, {"xor", "base64"}, {"xor", "base64wide"}, {"base64", "nocase"}, {"base64wide", "nocase"},
    {"base64", "fullword"}, {"base64wide", "fullword"},
)  # fmt: skip
_SHORTEST_BASE64: Final = 3
_COMMENTS: Final = re.compile(r"//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/")
_BYTE: Final = r"(?:[0-9A-Fa-f?]{2})"
_GROUP: Final = rf"\({_BYTE}++(?:\|{_BYTE}++)*+\)"
_JUMP: Final = r"\[(?:[0-9]{1,4}(?:-[0-9]{0,4})?|-)\]"
_HEX: Final = re.compile(rf"(?:{_BYTE}|{_GROUP})++(?:{_JUMP}(?:{_BYTE}|{_GROUP})++)*+")
_RANGE: Final = re.compile(r"([0-9]{1,4})-([0-9]{1,4})")
_ESCAPES: Final = frozenset("tnrfawWsSdDbB\\/.*+?|()[]{}^$-\"'&%#@!~`,:;<>=_ ")
_REPEAT: Final = re.compile(r"\{([0-9]{0,4})(?:,([0-9]{0,4}))?\}")
_LONGEST_REGEX: Final = 1_000
_MOST_REPEATS: Final = 40
_LARGEST_REPEAT: Final = 250
_LARGEST_BYTE: Final = 255


def read_string(words: Words) -> None:
    """Pass one string and its modifiers. Raises NotUnderstood."""
    if words.word == '"':
        text = words.text()
        if not text:
            raise NotUnderstood("has an empty string")
        given = _modifiers(words, _OF_TEXT)
        if given & {"base64", "base64wide"} and len(text) < _SHORTEST_BASE64:
            raise NotUnderstood("has a string that is too short for base64")
    elif words.word == "/":
        read_regex(words)
        _modifiers(words, _OF_REGEX)
    elif words.word == "{":
        _check_bytes(words.bytes())
        _modifiers(words, frozenset({"private"}))
    else:
        raise NotUnderstood("has a string of no known form")


def read_regex(words: Words) -> None:
    """Pass a regular expression. Raises NotUnderstood for one that not every release compiles."""
    pattern, letters = words.regex()
    if len(set(letters)) < len(letters) or not pattern.isascii() or len(pattern) > _LONGEST_REGEX:
        raise NotUnderstood("has an unusual regular expression")
    plain = re.sub(r"\\x[0-9A-Fa-f]{2}", "a", pattern)
    escapes = re.findall(r"\\(.)", plain)
    bare = re.sub(r"\\.", "a", plain)
    outside = re.sub(r"\[\^?\]?[^\]]*+\]", "a", bare)
    sizes = [int(one) for pair in _REPEAT.findall(outside) for one in pair if one]
    repeats = len(re.findall(r"[*+?{|]", outside))
    odd = (
        "(?" in outside
        or re.search(r"[*+?}][+*{]|\{,?\}|\{,|\[[:.=]|\[\^?\]", outside + bare) is not None
    )
    if (
        odd
        or not _ESCAPES.issuperset(escapes)
        or repeats > _MOST_REPEATS
        or max(sizes, default=0) > _LARGEST_REPEAT
    ):
        raise NotUnderstood("has an unusual regular expression")
    if len(re.findall(r"\{", outside)) != len(_REPEAT.findall(outside)):
        raise NotUnderstood("has an unusual regular expression")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        raise NotUnderstood("has a regular expression that is none") from None


def _modifiers(words: Words, known: frozenset[str]) -> frozenset[str]:
    given: set[str] = set()
    while words.word in known:
        one = words.take()
        if one in given:
            raise NotUnderstood(f"says {one} twice")
        given.add(one)
        if one == "xor" and words.takes("("):
            _range(words)
    if any(pair <= given for pair in _NOT_TOGETHER):
        raise NotUnderstood("has modifiers that do not go together")
    return frozenset(given)


def _range(words: Words) -> None:
    """What stands in the brackets of `xor`: one byte, or two."""
    first = _byte(words)
    last = _byte(words) if words.takes("-") else first
    words.expect(")")
    if first > last:
        raise NotUnderstood("has a range that ends before it begins")


def _byte(words: Words) -> int:
    word = words.take()
    try:
        number = int(word, 16) if word.startswith("0x") else int(word)
    except ValueError:
        raise NotUnderstood("has no number where one belongs") from None
    if number > _LARGEST_BYTE:
        raise NotUnderstood("has a number that is no byte")
    return number


def _check_bytes(text: str) -> None:
    plain = re.sub(r"\s", "", _COMMENTS.sub(" ", text))
    if _HEX.fullmatch(plain) is None or "[0]" in plain or "[0-0]" in plain:
        raise NotUnderstood("has a string of bytes of an unusual form")
    if any(int(first) > int(last) for first, last in _RANGE.findall(plain)):
        raise NotUnderstood("has a jump that ends before it begins")
