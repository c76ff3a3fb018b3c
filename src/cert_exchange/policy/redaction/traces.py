"""The traces of values that were taken away: every form in which one of them could still stand somewhere.

1. A value counts as it is and as `folding` reads it; URLs also without scheme, addresses in every notation, values also
   as hexadecimal digits, base64 and digests, and as the ids that STIX derives from them (DECISIONS 17).
2. What is short, or a word of STIX's own vocabularies, counts as a whole value only; a whole number from five digits on.
3. A key of what was taken is a value like others, unless it looks like the name of a property: letters and underscores.
4. `found_in` and `blanked` agree: what was blanked holds nothing any more, or `blanked` gives None.
5. What says a value in base64 or in hexadecimal digits goes as a whole: what stays of it could be decoded (`decoding`).
6. Work is bounded: whoever fills an object with what it hides many thousand times gets it hidden whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from cert_exchange.policy.redaction.cutting import Impossible
from cert_exchange.policy.redaction.decoding import (
    Run,
    decoded,
    readings,
    runs_in,
    squeezed_reading,
    whole_runs,
)
from cert_exchange.policy.redaction.disguises import (
    SAFE,
    SHORTEST,
    address_of,
    coded,
    ids_of,
    uuids_in,
)
from cert_exchange.policy.redaction.folding import (
    has_marks,
    meant,
    meant_text,
    plain,
    plain_text,
    squeezed_text,
)
from cert_exchange.policy.redaction.values import WITHHELD
from cert_exchange.policy.redaction.vocabulary import WORDS
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.stix.references import is_identifier

_DIGITS: Final = 5  # of a number that is looked for at all
_MANY_DIGITS: Final = 6  # of a number that is looked for inside longer ones too
_SQUEEZED_DIGITS: Final = 9
_SQUEEZED: Final = 8  # letters and digits of a value that is looked for without separators
_MANY: Final = 64
_MOST_PLACES: Final = 100_000  # of values, in one object
_MOST_COMPARED: Final = 3_000_000  # values with a place that begins like them
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


@dataclass(slots=True)
class _Forms:
    """What values look like, before it is made ready to be looked for."""

    words: set[str] = field(default_factory=set)  # whole values
    pieces: set[str] = field(default_factory=set)
    squeezed: set[str] = field(default_factory=set)
    digits: set[str] = field(default_factory=set)  # with no digit before or after
    numbers: set[float] = field(default_factory=set)
    addresses: set[IPv4Address | IPv6Address] = field(default_factory=set)

    def add(self, value: str) -> None:
        """Note what one value looks like."""
        whole = plain_text(value).strip()
        if not whole:
            return
        self.words.add(whole)
        core = whole.strip(_EDGES).removesuffix("/")
        if not _says_enough(core, SHORTEST):
            core = whole
        if core in WORDS or whole in WORDS:
            return
        if _NUMBER.fullmatch(core) is not None:
            if sum(map(str.isdigit, core)) >= SHORTEST:
                bare = core.lstrip("+-")
                (self.pieces if len(bare) >= _MANY_DIGITS else self.digits).add(bare)
                self.numbers.add(float(core))
                self._squeeze(core, numbered=False)
            return
        if not _says_enough(core, SHORTEST):
            return
        forms = {core, meant_text(core).strip(), meant_text(json.dumps(value.strip())[1:-1])}
        forms |= {form[found.end() :] for form in forms if (found := _SCHEME.match(form))}
        if (instant := _INSTANT.fullmatch(core)) is not None:
            forms |= {instant[1], instant[1].replace("t", " ")}
            self.digits |= _since_1970(core)
        self.pieces |= {form for form in forms if _says_enough(form, SHORTEST)}
        numbered = self._add_address(core)
        for form in forms:
            self._squeeze(form, numbered=numbered)

    def _squeeze(self, form: str, *, numbered: bool) -> None:
        """Look for it without separators; of what is digits only, the separators of an address mean something."""
        bare = squeezed_text(form)
        if bare.isdigit():
            if len(bare) >= _SQUEEZED_DIGITS and not numbered:
                self.squeezed.add(bare)
        elif _says_enough(bare, _SQUEEZED):
            self.squeezed.add(bare)

    def _add_address(self, text: str) -> bool:
        address = address_of(text)
        if address is None:
            return False
        self.addresses.add(address)
        self.pieces.add(address.reverse_pointer)
        number = int(address)
        self.numbers.add(float(number))
        if number >= 1 << 24:
            self.pieces |= {f"{number:08x}", str(number)}
        if number < 1 << 32:
            self.pieces.add(f"{number >> 16:x}:{number & 0xFFFF:x}")  # inside IPv6
        return True


class Traces:
    """What to look for. Made once for an object; holds secrets, so it is never shown.

    `found_in` and `blanked` raise Impossible where that would take too much work.
    """

    __slots__ = (
        "_coded",
        "_digits",
        "_foreign",
        "_forms",
        "_left",
        "_pieces",
        "_squeezed",
        "_uuids",
        "_values",
    )

    def __init__(self, values: Iterable[str]) -> None:
        self._values = tuple(dict.fromkeys(values))
        self._forms = forms = _Forms()
        for value in self._values:
            forms.add(value)
        self._pieces = _Pieces(forms.pieces)
        self._squeezed = _Pieces(forms.squeezed)
        self._left = _MOST_PLACES
        self._foreign = not all(map(str.isascii, self._values))
        self._coded: _Pieces | None = None
        self._uuids: frozenset[str] | None = None
        either = "|".join(map(re.escape, sorted(forms.digits)))
        self._digits = re.compile(rf"(?<![0-9])(?:{either})(?![0-9])") if either else None

    def __bool__(self) -> bool:
        return bool(self._values)

    @property
    def _coded_forms(self) -> _Pieces:
        """Digests, hexadecimal digits and base64; only made where some text could hold one."""
        if self._coded is None:
            self._coded = _Pieces(form for one in self._values for form in coded(one))
        return self._coded

    @property
    def _made_ids(self) -> frozenset[str]:
        """UUIDs that are made from the values, without hyphens; only computed where some text holds such a UUID."""
        if self._uuids is None:
            self._uuids = frozenset(made.hex for one in self._values for made in ids_of(one))
        return self._uuids

    def is_word(self, text: str) -> bool:
        """Whether the whole text is one of the values, also a short one or a word of a vocabulary."""
        return plain_text(text).strip() in self._forms.words

    def found_in_number(self, number: float) -> bool:
        """Whether a number is one of the values."""
        return bool(self._forms.numbers) and float(number) in self._forms.numbers

    def found_in(self, text: str) -> bool:
        """Whether any value stands in the text, in any form."""
        return bool(self._values) and any(self._found(text, exact=False))

    def blanked(self, text: str) -> str | None:
        """The text with what was found replaced by one constant; None where that cannot be done."""
        spans = sorted(self._counted(self._found(text, exact=True)))
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

    def _counted(self, places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for place in places:
            self._left -= 1
            if self._left < 0:
                raise Impossible("it holds too much of what is taken away")
            yield place

    def _found(self, text: str, *, exact: bool) -> Iterator[tuple[int, int]]:
        """From where to where in the text; where nobody asks for places, some place."""
        named = is_identifier(text)
        opaque = named or _OPAQUE.fullmatch(text) is not None
        folded = plain_text(text)
        if not exact:
            for layer in (folded, meant_text(text)) if has_marks(folded) else (folded,):
                yield from self._in_layer(layer, opaque=opaque, named=named)
            yield from () if named else self._in_code(text, exact=False)
            return
        first = plain(text)
        for placed in (first, meant(text)) if has_marks(first.text) else (first,):
            for start, end in self._in_layer(placed.text, opaque=opaque, named=named):
                yield placed.starts[start], placed.ends[end - 1]
        yield from () if named else self._in_code(text, exact=True)

    def _in_layer(self, text: str, *, opaque: bool, named: bool) -> Iterator[tuple[int, int]]:
        yield from self._pieces.places(text, shortest=SAFE if opaque else 0)
        if named:
            yield from self._pieces.places(text[:-38])  # its type
        if not opaque and self._digits is not None:
            yield from (found.span() for found in self._digits.finditer(text))
        if not named and _LONG_RUN.search(text) is not None:
            yield from whole_runs(text, self._counted(self._coded_forms.places(text)))
        if self._squeezed:
            spans = list(self._squeezed.places(squeezed_text(text)))
            if spans:
                kept = [index for index, character in enumerate(text) if character.isalnum()]
                yield from ((kept[start], kept[end - 1] + 1) for start, end in spans)
        if self._forms.addresses and not opaque:
            for found in _ADDRESS.finditer(text):
                if address_of(found[0]) in self._forms.addresses:
                    yield found.span()
        for one in uuids_in(text):
            if one.hashed and one.digits in self._made_ids:
                yield one.start, one.end

    def _in_code(self, text: str, *, exact: bool) -> Iterator[tuple[int, int]]:
        """Runs in base64 or hexadecimal digits that say a value, also a short one, in any letter case."""
        runs = runs_in(text) if self._pieces or self._digits is not None else []
        if runs and self._said_by(runs):
            told = (run for run in runs if self._said_by((run,))) if exact else iter(runs[:1])
            yield from ((run.start, run.end) for run in told)

    def _said_by(self, runs: Iterable[Run]) -> bool:
        said = decoded(runs)
        for reading in readings(said, foreign=self._foreign):
            if any(self._pieces.places(reading)):
                return True
            if self._digits is not None and self._digits.search(reading) is not None:
                return True
        return bool(self._squeezed) and any(self._squeezed.places(squeezed_reading(said)))


class _Pieces:
    """Texts that are looked for in others: one by one where there are few, by their beginnings where there are many."""

    __slots__ = ("_by_start", "_few", "_left", "_size")

    def __init__(self, pieces: Iterable[str]) -> None:
        found = sorted(set(pieces))
        self._few = () if len(found) > _MANY else tuple(found)
        self._size = min(map(len, found), default=0)
        self._left = _MOST_COMPARED
        self._by_start: dict[str, list[str]] = {}
        for piece in found if len(found) > _MANY else ():
            self._by_start.setdefault(piece[: self._size], []).append(piece)

    def __bool__(self) -> bool:
        return bool(self._few or self._by_start)

    def places(self, text: str, *, shortest: int = 0) -> Iterator[tuple[int, int]]:
        """Every place of a piece of at least so many characters."""
        for piece in self._few:
            if len(piece) >= shortest and piece in text:
                yield from _places(text, piece)
        if not self._by_start:
            return
        size, starting = self._size, self._by_start.get
        for place in range(len(text) - size + 1):
            alike = starting(text[place : place + size])
            if alike is None:
                continue
            self._left -= len(alike)
            if self._left < 0:
                raise Impossible("too much in it is like what is taken away")
            for piece in alike:
                if len(piece) >= shortest and text.startswith(piece, place):
                    yield place, place + len(piece)


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
