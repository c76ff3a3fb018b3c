"""What versions refer to once redaction has taken its part, as numbers: a million of them fit into memory.

1. By the version's place in the catalogue, in the order of places; only versions that a rule redacts stand here.
2. Numbers only: targets, roles, and how badly each is needed (`policy.redaction.Need`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cert_exchange.policy.redaction import Need

_REQUIRED = int(Need.REQUIRED)


class Left(NamedTuple):
    """One reference that is left: the target's number, its Role, its Need."""

    target: int
    role: int
    need: int


class Leavings:
    """The references that are left of redacted versions, by place. `add` them in the order of places."""

    __slots__ = ("_needs", "_places", "_roles", "_start", "_targets")

    def __init__(self) -> None:
        self._places = array("I")
        self._start = array("I", [0])
        self._targets = array("I")
        self._roles = bytearray()
        self._needs = bytearray()

    def __bool__(self) -> bool:
        return bool(self._places)

    def add(
        self, place: int, refs: Iterable[tuple[int, int]], needs: Mapping[int, Need], *, own: int
    ) -> None:
        """What is left of the version at a place; references to itself (`own`, its id's number) do not count."""
        self._places.append(place)
        for target, role in refs:
            if target != own:
                self._targets.append(target)
                self._roles.append(role)
                self._needs.append(needs.get(target, _REQUIRED))
        self._start.append(len(self._targets))

    def of(self, place: int) -> Iterator[Left]:
        """The references left of the version at a place."""
        at = bisect_left(self._places, place)
        if at == len(self._places) or self._places[at] != place:
            return
        for index in range(self._start[at], self._start[at + 1]):
            yield Left(self._targets[index], self._roles[index], self._needs[index])

    def join(self, later: Leavings, places: int) -> None:
        """Append those of versions that come next, from a place on."""
        start = len(self._targets)
        self._places.extend(place + places for place in later._places)
        self._start.extend(at + start for at in later._start[1:])
        self._targets.extend(later._targets)
        self._roles.extend(later._roles)
        self._needs.extend(later._needs)
