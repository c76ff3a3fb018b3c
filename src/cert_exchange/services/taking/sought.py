"""The values of an input that are looked for in its texts in whatever spelling, since nobody or fewer get them.

1. Of what is held every value, of what is marked more strictly than usual those that `intake.naming` does not see:
   file names, keys, mutexes. All others are found by their names, at less cost.
2. A value that is told of beside others is no secret as long as its markings are those of the text: a report names the
   files that it describes, and half of its lines would go for it. (What is told of in MISP: `intake.misp.naming`.)
3. At most `SOUGHT` values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from cert_exchange.intake.batches import Built, strictest
from cert_exchange.intake.findings import Kind
from cert_exchange.intake.naming import named_in
from cert_exchange.intake.needles import Needles, needles_of
from cert_exchange.services.taking.settling import Settled

SOUGHT: Final = 20_000
SEEN: Final = frozenset(
    {Kind.IPV4, Kind.IPV6, Kind.DOMAIN, Kind.URL, Kind.EMAIL, Kind.MD5, Kind.SHA1, Kind.SHA256, Kind.SHA512}
)  # fmt: skip
"""Kinds that `named_in` sees."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A value that is looked for in texts. `markings`: None where it goes to nobody."""

    value: str
    markings: tuple[str, ...] | None


class Sought:
    """The values that are looked for, each with the markings under which it is shared."""

    def __init__(self, usual: tuple[str, ...] | None) -> None:
        """Begin with none. `usual`: the markings that everything in the input bears at least, if they are known."""
        self._usual = usual
        self._needles = Needles[_Kept]()
        self._values: set[tuple[str, bool]] = set()

    def add(self, built: Built, markings: tuple[str, ...] | None) -> None:
        """Look for the values of an object from now on. `markings`: None where it is held or not taken."""
        if markings is not None and markings in ((), self._usual):
            return
        kinds = {value: kind for kind, value in built.sought}
        for value in built.own:
            key = (value, markings is None)
            if key in self._values or len(self._values) >= SOUGHT:
                continue
            if markings is not None and (
                kinds.get(value) in SEEN or value.casefold() in named_in(value)
            ):
                continue
            self._values.add(key)
            for needle in needles_of(value):
                self._needles.add(needle, _Kept(value, markings))

    def within(self, text: str, one: Settled, *, held: bool = True) -> set[str]:
        """Those that a text of this object names and its readers do not get, but for its own; small.

        `held`: also those that go to nobody.
        """
        if not self._values:
            return set()
        markings = markings_of(one.content)
        mine = {needle for value in one.built.own for needle in needles_of(value)}
        return {
            kept.value.casefold()
            for needle, owners in self._needles.within(text)
            if needle not in mine
            for kept in owners
            if (held or kept.markings is not None) and hides(kept.markings, markings)
        }


@lru_cache(maxsize=2_048)
def names_in(text: str) -> frozenset[str]:
    """The same as `named_in`: many rows have the same labels and remarks."""
    return named_in(text)


def hides(markings: tuple[str, ...] | None, than: tuple[str, ...]) -> bool:
    """Whether what is marked so is kept from some who may see what is marked as `than`."""
    return markings is None or strictest(markings, than) != than


def markings_of(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids of an object's markings, sorted."""
    return tuple(sorted(str(one) for one in content.get("object_marking_refs", ())))
