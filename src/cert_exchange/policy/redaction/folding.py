"""How a text is compared when a value must not occur in it: without what changes its look and not its meaning.

1. `plain` folds letter case, compatibility forms, accents, invisible characters and runs of white space.
2. `meant` also undoes what hides a value from a search: percent-encoding, HTML entities, escapes of JSON and of STIX
   patterns, defanging (hxxp, [.], (at)), punycode, tags; several layers of them.
3. `squeezed` keeps letters and digits only, so that no separator makes a difference.
4. Each form knows from where in the text every character of it came, so that free text can be blanked precisely.
5. Two texts may fold to one although they mean different things; that only ever hides more.
Time is linear in the length of the text.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_LAYERS: Final = 4
"""So many encodings inside each other are undone; nobody reads a text that needs more."""

_TOKEN: Final = re.compile(
    r"""
    (?P<percent>(?:%(?:25)*[0-9a-f]{2})+)
    | (?P<code>\\+(?:u[0-9a-f]{4}|u\{[0-9a-f]{1,6}\}|x[0-9a-f]{2}))
    | (?P<entity>&(?:\#[0-9]{1,7}|\#x[0-9a-f]{1,6}|[a-z]{2,8});)
    | (?P<dot>\x20?[\[({<]\x20?(?:\.|dot|d0t|punkt)\x20?[\])}>]\x20?)
    | (?P<word>\x20(?:\.|dot|at)\x20)
    | (?P<at>\x20?[\[({<]\x20?(?:@|at|a)\x20?[\])}>]\x20?)
    | (?P<mark>[\[({<](?::|/|:/|://|-|_)[\])}>])
    | (?P<tag></?[a-z][^<>]{0,80}>)
    | (?P<scheme>h(?:xx|\*\*|__|tx|xt)p)
    | (?P<puny>xn--[a-z0-9-]{1,59})
    | (?P<back>\\+)
    """,
    re.VERBOSE,
)
_MARKS: Final = re.compile(r"[%\\&\[({<*]|\x20(?:\.|dot|at)\x20|xn--|hxxp|h__p|htxp|hxtp")
_SPACE: Final = re.compile(r"\s")
_SPACED: Final = re.compile(r"\s+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# What looks like nothing although Unicode calls it a letter or a symbol, and punctuation as word processors set it.
_LOOKS: Final = {
    **dict.fromkeys("\u115f\u1160\u3164\uffa0\u2800", ""),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys(
        "\u3002\uff61\u00b7\u2022", "."
    ),  # the first two by IDNA (RFC 3490 section 3.1)
}


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; character n of it came from `starts[n]` up to `ends[n]` of the original."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def squeezed(self) -> Folded:
        """Letters and digits only."""
        kept = [index for index, character in enumerate(self.text) if character.isalnum()]
        return Folded(
            "".join([self.text[index] for index in kept]),
            tuple([self.starts[index] for index in kept]),
            tuple([self.ends[index] for index in kept]),
        )


def plain(text: str) -> Folded:
    """The text in one letter case, without accents, invisible characters and repeated white space."""
    made: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for index, character in enumerate(text):
        for one in _folded(character):
            if one == " " and made and made[-1] == " ":
                ends[-1] = index + 1
                continue
            made.append(one)
            starts.append(index)
            ends.append(index + 1)
    return Folded("".join(made), tuple(starts), tuple(ends))


def meant(text: str) -> Folded:
    """The text as its reader means it: all layers of encoding and defanging undone."""
    found = plain(text)
    for _ in range(_LAYERS):
        if _MARKS.search(found.text) is None:
            break
        undone = _undone(found)
        if undone.text == found.text:
            break
        found = undone
    return found


def plain_text(text: str) -> str:
    """`plain` where nobody asks from where it came."""
    if text.isascii():
        small = _CONTROL.sub("", text.lower())
        return " ".join(_SPACED.split(small)) if _SPACED.search(small) else small
    return plain(text).text


def meant_text(text: str) -> str:
    """`meant` where nobody asks from where it came."""
    found = plain_text(text)
    for _ in range(_LAYERS):
        if _MARKS.search(found) is None:
            break
        undone = _TOKEN.sub(_meaning_text, found)
        if undone == found:
            break
        found = undone
    return found


def _meaning_text(token: re.Match[str]) -> str:
    return "".join([plain_text(characters) for characters, _, _ in _meaning(token)])


def squeezed_text(text: str) -> str:
    """The letters and digits of a folded text."""
    return "".join(filter(str.isalnum, text))


def has_marks(folded: str) -> bool:
    """Whether a text in the form of `plain` holds anything that `meant` would undo."""
    return _MARKS.search(folded) is not None


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    """One character: nothing where it is invisible or an accent, several where it stands for several."""
    if character.isascii():
        if _CONTROL.match(character):
            return ""
        return " " if _SPACE.match(character) else character.lower()
    if character in _LOOKS:
        return _LOOKS[character]
    if _SPACE.match(character) or unicodedata.category(character) in ("Zs", "Zl", "Zp"):
        return " "
    opened = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(c for c in opened if unicodedata.category(c) not in ("Mn", "Me", "Cf", "Cc"))


def _undone(found: Folded) -> Folded:
    """One layer less."""
    text, starts, ends = found.text, found.starts, found.ends
    made: list[str] = []
    new_starts: list[int] = []
    new_ends: list[int] = []
    place = 0
    for token in _TOKEN.finditer(text):
        first, last = token.span()
        made.append(text[place:first])
        new_starts.extend(starts[place:first])
        new_ends.extend(ends[place:first])
        place = last
        for characters, begin, end in _meaning(token):
            folded = plain_text(characters)
            made.append(folded)
            new_starts.extend([starts[first + begin]] * len(folded))
            new_ends.extend([ends[first + end - 1]] * len(folded))
    made.append(text[place:])
    new_starts.extend(starts[place:])
    new_ends.extend(ends[place:])
    return Folded("".join(made), tuple(new_starts), tuple(new_ends))


def _meaning(token: re.Match[str]) -> list[tuple[str, int, int]]:
    """What a token stands for, in pieces: characters, and from where to where in the token they came."""
    written, size = token[0], len(token[0])
    match token.lastgroup:
        case "percent":
            return _percent(written)
        case "code":
            number = int(re.sub(r"[^0-9a-f]", "", written.lstrip("\\")[1:]), 16)
            valid = number < 0x110000 and not 0xD800 <= number < 0xE000
            return [(chr(number) if valid else "", 0, size)]
        case "entity":
            return [(html.unescape(written), 0, size)]
        case "dot":
            return [(".", 0, size)]
        case "at":
            return [("@", 0, size)]
        case "word":
            return [("@" if "a" in written else ".", 0, size)]
        case "mark":
            return [(written[1:-1], 0, size)]
        case "scheme":
            return [("http", 0, size)]
        case "puny":
            return [(_punycode(written), 0, size)]
        case _:
            return []  # backslashes, and tags of HTML


def _percent(written: str) -> list[tuple[str, int, int]]:
    """A run of escaped bytes; each character keeps its own place where it is one byte."""
    pieces = [(one[1], one.start(), one.end()) for one in _BYTE.finditer(written)]
    raw = bytes(int(pair, 16) for pair, _, _ in pieces)
    if raw.isascii():
        return [(chr(byte), begin, end) for byte, (_, begin, end) in zip(raw, pieces, strict=True)]
    return [(raw.decode("utf-8", "replace"), 0, len(written))]


_BYTE: Final = re.compile(r"%(?:25)*([0-9a-f]{2})")


def _punycode(label: str) -> str:
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label
