"""What a preview keeps of the versions that it has looked at, for all audiences together.

1. Numbers only, in four bytes each: who a version is, where it came from, what it refers to. No content, no decision.
2. Versions come in the order of their ids, an id's versions from the oldest to the newest, as `Pool` has them.
3. What refers to an id is found only when something turns out to be hidden: most edits hide little.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from enum import IntFlag
from itertools import accumulate
from typing import Final

from cert_exchange.stix.references import Role
from cert_exchange.store.objects import Version


class About(IntFlag):
    """What is known of an id, whoever asks."""

    HELD = 1
    CARRIED_TYPE = 2
    OBSERVABLE = 4
    """in the cyber-observable namespace: it never may dangle"""


_IS_OBSERVABLE: Final = 1
_SAME_AS_BEFORE: Final = 2
_NEVER_REDACTED: Final = 4


class Catalogue:
    """The versions by their place in the order in which they were added, and their references."""

    __slots__ = (
        "_key",
        "_traits",
        "_turned",
        "about",
        "first",
        "idents",
        "numbers",
        "origins",
        "refs",
        "roles",
        "targets",
    )  # fmt: skip

    def __init__(self) -> None:
        self.about = bytearray()
        """by number of the id: About"""
        self.idents = array("I")
        self.numbers = array("I")
        self.origins = array("I")
        self._traits = bytearray()
        self.refs = array("I", [0])
        """where a version's references begin; the next one's beginning is their end"""
        self.targets = array("I")
        self.roles = bytearray()
        self.first = array("I")
        """by number of the id: its first version's place + 1, 0 where there is none"""
        self._key = ""
        self._turned: tuple[array[int], array[int]] | None = None

    def tell(self, ident: int, about: int) -> None:
        """Say what is known of an id (About): of every one that a version or a reference names."""
        if ident >= len(self.about):
            self.about.extend(bytes(ident + 1 - len(self.about)))
        self.about[ident] = about

    def add(
        self,
        version: Version,
        references: Iterable[tuple[int, int]],
        *,
        never_redacted: bool = False,
    ) -> None:
        """A version with what it refers to: (id, Role), and whether it is shown whole or not at all."""
        traits = _IS_OBSERVABLE if version.observable else 0
        traits |= _NEVER_REDACTED if never_redacted else 0
        if self.idents and self.idents[-1] == version.ident and self._key == version.version_key:
            traits |= _SAME_AS_BEFORE
        self._key = version.version_key
        self.idents.append(version.ident)
        self.numbers.append(version.id)
        self.origins.append(version.origin)
        self._traits.append(traits)
        for target, role in references:
            if role != Role.EXTENSION and target != version.ident:
                self.targets.append(target)
                self.roles.append(role)
        self.refs.append(len(self.targets))

    def join(self, later: Catalogue) -> None:
        """Append a catalogue of the ids that come next."""
        size = max(len(self.about), len(later.about))
        told = int.from_bytes(self.about, "little") | int.from_bytes(later.about, "little")
        self.about = bytearray(told.to_bytes(size, "little"))
        self.idents.extend(later.idents)
        self.numbers.extend(later.numbers)
        self.origins.extend(later.origins)
        self._traits.extend(later._traits)
        start = len(self.targets)
        self.refs.extend(at + start for at in later.refs[1:])
        self.targets.extend(later.targets)
        self.roles.extend(later.roles)

    def close(self) -> None:
        """All versions are there; it can be asked now."""
        self.first = array("I", bytes(4 * len(self.about)))
        for place in range(len(self.idents) - 1, -1, -1):
            self.first[self.idents[place]] = place + 1

    def places(self, ident: int) -> range:
        """Where an id's versions are."""
        start = self.first[ident] - 1
        if start < 0:
            return range(0)
        end = start + 1
        while end < len(self.idents) and self.idents[end] == ident:
            end += 1
        return range(start, end)

    def needing(self, ident: int) -> array[int]:
        """The places of the versions that refer to an id."""
        if self._turned is None:
            self._turned = self._turn()
        heads, sources = self._turned
        return sources[heads[ident] : heads[ident + 1]]

    def is_observable(self, place: int) -> bool:
        """Whether the version is a cyber-observable's."""
        return bool(self._traits[place] & _IS_OBSERVABLE)

    def is_never_redacted(self, place: int) -> bool:
        """Whether the version is shown whole or not at all."""
        return bool(self._traits[place] & _NEVER_REDACTED)

    def is_same_version(self, one: int, other: int) -> bool:
        """Whether two places of an id, the lower one first, are one version of two origins."""
        return all(self._traits[place] & _SAME_AS_BEFORE for place in range(one + 1, other + 1))

    def _turn(self) -> tuple[array[int], array[int]]:
        """By target: where the places of what refers to it begin, and those places."""
        counts = array("I", bytes(4 * (len(self.about) + 1)))
        for target in self.targets:
            counts[target + 1] += 1
        heads = array("I", accumulate(counts))
        free = array("I", heads)
        sources = array("I", bytes(4 * len(self.targets)))
        for place in range(len(self.idents)):
            for at in range(self.refs[place], self.refs[place + 1]):
                target = self.targets[at]
                sources[free[target]] = place
                free[target] += 1
        return heads, sources
