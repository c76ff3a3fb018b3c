"""The traces of values that were taken away: every form in which one of them could still stand somewhere.

1. A value counts as it is and as `folding` reads it; URLs also without scheme, addresses in every notation, values also
   as hexadecimal digits, base64 and digests, and as the ids that STIX derives from them (DECISIONS 17).
2. What is short, or a word of STIX's own vocabularies, counts as a whole value only; a whole number from five digits on.
3. A key of what was taken is a value like others, unless it looks like the name of a property: letters and underscores.
4. `found_in` and `blanked` agree: what was blanked holds nothing any more, or `blanked` gives None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from cert_exchange.policy.redaction.disguises import (
    SAFE,
    SHORTEST,
    address_of,
    coded,
    ids_of,
    uuids_in,
)
from cert_exchange.policy.redaction.folding import (
    Folded,
    has_marks,
    meant,
    plain,
    plain_text,
    squeezed_text,
)
from cert_exchange.policy.redaction.values import WITHHELD
from cert_exchange.policy.redaction.vocabulary import WORDS
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.stix.references import is_identifier

_DIGITS: Final = 5  # of a number that is looked for at all
_SQUEEZED_DIGITS: Final = 9
_SQUEEZED: Final = 8  # letters and digits of a value that is looked for without separators
_EDGES: Final = " \t\r\n.,;'\"<>()[]{}"
_OPAQUE: Final = re.compile(r"[0-9A-Za-z+/=_-]{32,}")
_LONG_RUN: Final = re.compile(r"[0-9a-z+/_-]{12,}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:(?://)?(?=[^\s]{6,})")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_ADDRESS: Final = re.compile(
    r"(?<![0-9.])(?:[0-9]{1,4}\.){3}[0-9]{1,4}(?![0-9])|(?<![0-9a-z:])[0-9a-f]{0,4}:[0-9a-f:]+(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?"
)
_NAME: Final = re.compile(r"[a-z]+(?:_[a-z]+)*")
_INSTANT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}t[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*[1-9])?)(?:\.?0*)z")  # fmt: skip


class Traces:
    """What to look for. Made once for an object; holds secrets, so it is never shown."""

    __slots__ = ("_addresses", "_coded", "_digits", "_numbers", "_pieces", "_squeezed", "_uuids", "_values", "_words")  # fmt: skip

    def __init__(self, values: Iterable[str]) -> None:
        self._values = tuple(dict.fromkeys(values))
        self._words: set[str] = set()
        self._pieces: set[str] = set()
        self._squeezed: set[str] = set()
        self._coded: frozenset[str] | None = None
        self._numbers: set[float] = set()
        self._addresses: set[IPv4Address | IPv6Address] = set()
        self._uuids: frozenset[str] | None = None
        digits: set[str] = set()
        for value in self._values:
            self._add(value, digits)
        self._digits = (
            re.compile(rf"(?<![0-9])(?:{'|'.join(map(re.escape, sorted(digits)))})(?![0-9])")
            if digits
            else None
        )

    def __bool__(self) -> bool:
        return bool(self._values)

    def _add(self, value: str, digits: set[str]) -> None:
        whole = plain_text(value).strip()
        if not whole:
            return
        self._words.add(whole)
        core = whole.strip(_EDGES).removesuffix("/")
        if core in WORDS or whole in WORDS:
            return
        if _NUMBER.fullmatch(core) is not None:
            if sum(map(str.isdigit, core)) >= SHORTEST:
                digits.add(core.lstrip("+-"))
                self._numbers.add(float(core))
                self._squeeze(core, numbered=False)
            return
        if not _says_enough(core, SHORTEST):
            return
        forms = {core, meant(core).text.strip(), meant(json.dumps(value.strip())[1:-1]).text}
        forms |= {form[found.end() :] for form in forms if (found := _SCHEME.match(form))}
        if (instant := _INSTANT.fullmatch(core)) is not None:
            forms |= {instant[1], instant[1].replace("t", " ")}
            digits |= _since_1970(core)
        self._pieces |= {form for form in forms if _says_enough(form, SHORTEST)}
        numbered = self._add_address(core)
        for form in forms:
            self._squeeze(form, numbered=numbered)

    def _squeeze(self, form: str, *, numbered: bool) -> None:
        """Look for it without separators; of what is digits only, the separators of an address mean something."""
        bare = squeezed_text(form)
        if bare.isdigit():
            if len(bare) >= _SQUEEZED_DIGITS and not numbered:
                self._squeezed.add(bare)
        elif _says_enough(bare, _SQUEEZED):
            self._squeezed.add(bare)

    def _add_address(self, text: str) -> bool:
        address = address_of(text)
        if address is None:
            return False
        self._addresses.add(address)
        self._pieces.add(address.reverse_pointer)
        number = int(address)
        self._numbers.add(float(number))
        if number >= 1 << 24:
            self._pieces |= {f"{number:08x}", str(number)}
        if number < 1 << 32:
            self._pieces.add(f"{number >> 16:x}:{number & 0xFFFF:x}")  # inside IPv6
        return True

    @property
    def _coded_forms(self) -> frozenset[str]:
        """Digests, hexadecimal digits and base64; only made where some text could hold one."""
        if self._coded is None:
            self._coded = frozenset(form for one in self._values for form in coded(one))
        return self._coded

    @property
    def _made_ids(self) -> frozenset[str]:
        """UUIDs that are made from the values, without hyphens; only computed where some text holds such a UUID."""
        if self._uuids is None:
            self._uuids = frozenset(made.hex for one in self._values for made in ids_of(one))
        return self._uuids

    def is_word(self, text: str) -> bool:
        """Whether the whole text is one of the values, also a short one or a word of a vocabulary."""
        return plain_text(text).strip() in self._words

    def found_in_number(self, number: float) -> bool:
        """Whether a number is one of the values."""
        return bool(self._numbers) and float(number) in self._numbers

    def found_in(self, text: str) -> bool:
        """Whether any value stands in the text, in any form."""
        if not self._values:
            return False
        return next(self._found(text, exact=False), None) is not None

    def blanked(self, text: str) -> str | None:
        """The text with what was found replaced by one constant; None where that cannot be done."""
        spans = sorted(self._found(text, exact=True))
        made: list[str] = []
        place = 0
        for start, end in spans:
            if end <= place:
                continue
            if start > place or not made:
                made += [text[place:start], WITHHELD]
            place = end
        made.append(text[place:])
        blanked = "".join(made)
        return None if self.found_in(blanked.replace(WITHHELD, "\n")) else blanked

    def _found(self, text: str, *, exact: bool) -> Iterator[tuple[int, int]]:
        """From where to where in the text; where nobody asks for places, some place."""
        named = is_identifier(text)
        opaque = named or _OPAQUE.fullmatch(text) is not None
        first = plain(text) if exact else Folded(plain_text(text), (), ())
        layers = [first]
        if has_marks(first.text):
            layers.append(meant(text))
        for layer in layers:
            for start, end in self._in_layer(layer, opaque=opaque, named=named):
                yield (layer.starts[start], layer.ends[end - 1]) if layer.starts else (0, len(text))

    def _in_layer(self, layer: Folded, *, opaque: bool, named: bool) -> Iterator[tuple[int, int]]:
        text = layer.text
        for piece in self._pieces:
            if piece in text and (not opaque or len(piece) >= SAFE):
                yield from _places(text, piece)
        if not opaque and self._digits is not None:
            yield from (found.span() for found in self._digits.finditer(text))
        if not named and _LONG_RUN.search(text) is not None:
            for code in self._coded_forms:
                if code in text:
                    yield from _places(text, code)
        if self._squeezed:
            kept = [index for index, character in enumerate(text) if character.isalnum()]
            bare = "".join([text[index] for index in kept])
            for piece in self._squeezed:
                for start, end in _places(bare, piece):
                    yield kept[start], kept[end - 1] + 1
        if self._addresses and not opaque:
            for found in _ADDRESS.finditer(text):
                if address_of(found[0]) in self._addresses:
                    yield found.span()
        for one in uuids_in(text):
            if one.hashed and one.digits in self._made_ids:
                yield one.start, one.end


def _says_enough(text: str, characters: int) -> bool:
    """Whether a text is long enough to be looked for; a character of many scripts says as much as two of ours."""
    return len(text) >= characters or (
        not text.isascii() and len(text.encode()) * 2 >= characters * 3
    )


def _places(text: str, piece: str) -> Iterator[tuple[int, int]]:
    place = text.find(piece)
    while place >= 0:
        yield place, place + len(piece)
        place = text.find(piece, place + 1)


def _since_1970(instant: str) -> set[str]:
    """A timestamp as programs count: seconds and milliseconds."""
    try:
        seconds = parse_micros(instant.upper()) // 1_000_000
    except InstantInvalid:
        return set()
    return {str(seconds), str(seconds * 1000)}


def values_in(taken: Any) -> Iterator[str]:
    """Every value in what was taken away: texts, keys that are no plain names, numbers of five digits or more."""
    waiting = [taken]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            yield from (
                key for key in node if _NAME.fullmatch(key) is None and not is_identifier(key)
            )
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, int | float) and not isinstance(node, bool):
            text = getattr(node, "lexeme", None) or repr(node)
            if sum(map(str.isdigit, text)) >= _DIGITS:
                yield text
