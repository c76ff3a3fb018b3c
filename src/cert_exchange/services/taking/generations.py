"""Ids that `publish` would make, and that cannot be used: what is published again gets the next one.

1. An indicator that ended with its validity or with its list may come back, but nothing comes after a revocation: its value
   gets an id of the next generation. What a person revoked does not come back.
2. An id of ours that another creator's object bears here (ids can be reckoned by who knows the value) stops nothing: ours
   goes under the next one, and nothing of ours refers to the other's object.
3. The same again finds the same generation: each is made of the first id and its number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cert_exchange.intake.building import Built, own_id

MOST: Final = 32
"""Generations of one object."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some ids: our newest versions, which of them ended by themselves, and which are another's."""

    held: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()

    @property
    def used_up(self) -> frozenset[str]:
        """The ids under which nothing of ours can be published any more."""
        return self.ended | self.foreign


def generations(
    built: Mapping[str, Built], known: Known, read: Callable[[Collection[str]], Known]
) -> dict[str, str]:
    """By the first id that under which each of these goes, where that is another."""
    found: dict[str, str] = {}
    waiting = {
        stix_id: str(built[stix_id].content["created_by_ref"])
        for stix_id in built
        if stix_id in known.used_up and "created_by_ref" in built[stix_id].content
    }
    for number in range(1, MOST + 1):
        if not waiting:
            break
        tried = {
            stix_id: own_id(creator, stix_id.partition("--")[0], stix_id, "again", str(number))
            for stix_id, creator in waiting.items()
        }
        used_up = read(list(tried.values())).used_up
        found |= {stix_id: new for stix_id, new in tried.items() if new not in used_up}
        waiting = {one: creator for one, creator in waiting.items() if one not in found}
    return found
