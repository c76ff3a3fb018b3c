"""The words of a YARA rule, one after the other, with a place to stop at.

1. What a text between quotes, a regular expression or a string of bytes holds is no word: whoever reads the rule asks for one
   of these where it may stand, and only there.
2. One pass: nothing is looked at twice. What is no word raises `NotUnderstood`.
"""

from __future__ import annotations

import re
from typing import Final

from cert_exchange.stix.instants import shown

_KNOWN: Final = (
    "all and any ascii at base64 base64wide condition contains defined endswith entrypoint false filesize for fullword global"
    " icontains iendswith iequals import in include int16 int16be int32 int32be int8 int8be istartswith matches meta nocase"
    " none not of or private rule startswith strings them true uint16 uint16be uint32 uint32be uint8 uint8be wide xor"
)
KEYWORDS: Final = frozenset(_KNOWN.split())
LONGEST_NAME: Final = 128

_ASIDE: Final = re.compile(r"(?:\s++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
_WORD: Final = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]*+|!=|[$#@!][A-Za-z0-9_]*+\*?|0x[0-9A-Fa-f]++|[0-9]++(?:\.[0-9]++)?+(?:KB|MB)?+|==|<=|>=|<<|>>|\.\.|[-=<>(){}\[\]:,.+*%\\|&^~]"
)
_TEXT: Final = re.compile(r'"((?:[^"\\\n\r]++|\\(?:["\\tnr]|x[0-9A-Fa-f]{2}))*+)"')
_REGEX: Final = re.compile(r"/((?:[^/\\\n\r]++|\\[^\n\r])++)/([is]{0,2})")
_BYTES: Final = re.compile(r"\{([^{}]*+)\}")


class NotUnderstood(ValueError):
    """A rule, or a part of one, that is not certain to compile; the words say why, and quote at most a name."""


class Words:
    """A text with a place in it. `word` is the next one, empty at the end."""

    __slots__ = ("_end", "_text", "word")

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self.word = ""
        self._next()

    def take(self) -> str:
        """The next word, which is passed."""
        word = self.word
        self._next()
        return word

    def takes(self, word: str) -> bool:
        """Whether this is the next word; then it is passed."""
        if self.word != word:
            return False
        self._next()
        return True

    def expect(self, word: str) -> None:
        """Pass this word. Raises NotUnderstood for any other."""
        if not self.takes(word):
            raise NotUnderstood(f"has no {word} where it belongs")

    def name(self) -> str:
        """The next word as a name that the author chose."""
        if not self.word.isidentifier() or not self.word.isascii() or self.word in KEYWORDS:
            raise NotUnderstood("has no name where one belongs")
        if len(self.word) > LONGEST_NAME:
            raise NotUnderstood("has a name that is too long")
        return self.take()

    def text(self) -> str:
        """A text between quotes, as it is written."""
        return self._raw(_TEXT, "a text")[1]

    def regex(self) -> tuple[str, str]:
        """A regular expression and its letters."""
        found = self._raw(_REGEX, "a regular expression")
        return found[1], found[2]

    def bytes(self) -> str:
        """What stands between the braces of a string of bytes."""
        return self._raw(_BYTES, "a string of bytes")[1]

    def _raw(self, form: re.Pattern[str], what: str) -> re.Match[str]:
        start = self._end - len(self.word)
        found = form.match(self._text, start)
        if found is None:
            raise NotUnderstood(f"has no {what} where one belongs, or not in a usual form")
        self._end = found.end()
        self._next()
        return found

    def _next(self) -> None:
        aside = _ASIDE.match(self._text, self._end)
        start = self._end if aside is None else aside.end()
        found = _WORD.match(self._text, start)
        if found is not None:
            self.word, self._end = found[0], found.end()
        elif start == len(self._text):
            self.word, self._end = "", start
        elif self._text[start] in '"/':
            self.word, self._end = self._text[start], start + 1
        else:
            raise NotUnderstood(
                f"has {shown(self._text[start], limit=10)} where it does not belong"
            )
