"""Values to be found in texts, whatever stands between their letters: to find out whether a text tells of one of them.

1. Texts are compared without anything but letters and digits, so that no spelling of dots hides a value. Of a long value
   the beginning counts. All this rather finds too much than too little.
2. Looking is linear in the text, and costs little more among many values than among few.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final, Generic, TypeVar

from cert_exchange.intake.refanging import refang

Owner = TypeVar("Owner")

_HEAD: Final = 4
_NEEDLE: Final = 32
"""Letters and digits of a value that are compared; UUIDs and MD5 are whole."""
_OTHER: Final = re.compile(r"[\W_]+")
_SPOKEN: Final = re.compile(r"(?<![^\W_])(?:dot|punkt|point|at)(?![^\W_])", re.IGNORECASE)
_PORT: Final = re.compile(r"[0-9]{1,5}")
_IPV4: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_HOST: Final = re.compile(r"\A[a-z][a-z0-9+.-]{0,20}://([^/?#]{1,255})", re.IGNORECASE)


class Needles(Generic[Owner]):
    """Values to be found in texts, each with whose it is; looking is linear in the text."""

    def __init__(self) -> None:
        """Begin with none."""
        self._short: dict[str, set[Owner]] = {}
        self._long: dict[str, dict[int, dict[str, set[Owner]]]] = {}

    def add(self, needle: str, owner: Owner) -> None:
        """One squeezed value."""
        if len(needle) < _HEAD:
            self._short.setdefault(needle, set()).add(owner)
            return
        lengths = self._long.setdefault(needle[:_HEAD], {})
        lengths.setdefault(len(needle), {}).setdefault(needle, set()).add(owner)

    def within(self, text: str) -> Iterator[tuple[str, set[Owner]]]:
        """Every value that a text names; the same one again and again if the text does."""
        if self._short:
            for word in {*map(_squeezed, text.split()), *_OTHER.split(text.casefold())}:
                if word in self._short:
                    yield word, self._short[word]
        if not self._long:
            return
        for plain in dict.fromkeys((_squeezed(text), _squeezed(_SPOKEN.sub("", refang(text))))):
            for at in range(len(plain) - _HEAD + 1):
                lengths = self._long.get(plain[at : at + _HEAD])
                for length, needles in lengths.items() if lengths else ():
                    owners = needles.get(plain[at : at + length])
                    if owners is not None:
                        yield plain[at : at + length], owners


def needles_of(value: str) -> set[str]:
    """A value as it is looked for: whole, without its scheme, its host, each of its halves, an address also as one number."""
    forms = {
        value,
        refang(value),
        *(half for half in value.split("|") if not _PORT.fullmatch(half)),
    }
    for form in tuple(forms) if "/" in value else ():
        host = _HOST.match(refang(form))
        if host is not None:
            forms |= {
                form.partition("://")[2],
                host[1],
                host[1].rpartition("@")[2].partition(":")[0],
            }
    for form in tuple(forms):
        if _IPV4.fullmatch(form) is not None and (number := _number(form)) is not None:
            forms |= {str(number), f"0x{number:08x}", f"{number:08x}"}
    return {squeezed for form in forms if (squeezed := _squeezed(form[:4_096])[:_NEEDLE])}


def _number(text: str) -> int | None:
    """An IPv4 address as programs write it in one number; a small one would be found everywhere."""
    try:
        number = int(IPv4Address(text))
    except ValueError:
        return None
    return number if number >= 1 << 24 else None


def _squeezed(text: str) -> str:
    """Letters and digits alone, small, after refanging."""
    if text.isalnum() and text.isascii():
        return text.lower()  # a hash, most often
    return _OTHER.sub("", refang(unicodedata.normalize("NFKC", text)).casefold())
