"""Ids that `publish` would make, and that cannot be used: what is published again gets the next one.

1. An indicator that ended with its validity or with its list may come back, but nothing comes after a revocation: its value
   gets an id of the next generation. What a person revoked does not come back, and neither does what was narrower when it
   ended than it would be now, or what a person or a partner kept back: that would be lifted by it. Its labels come with it:
   rules may look at them, and no input takes away what it does not speak of.
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


MayReturn = Callable[[Mapping[str, tuple[Built, Mapping[str, Any]]]], Collection[str]]
"""Of some ended ids, each with what is said now and what was held: those whose values may come back."""


def generations(
    built: Mapping[str, Built],
    known: Known,
    read: Callable[[Collection[str]], Known],
    may_return: MayReturn,
) -> tuple[dict[str, str], dict[str, Mapping[str, Any]]]:
    """By the first id: that under which each of these goes, where it is another; and what ended under the one before it.

    What may not return keeps its first id.
    """
    found: dict[str, str] = {}
    before: dict[str, Mapping[str, Any]] = {}
    waiting = {
        stix_id: stix_id
        for stix_id, one in built.items()
        if stix_id in known.used_up and "created_by_ref" in one.content
    }
    for number in range(1, MOST + 1):
        ended = {at: first for first, at in waiting.items() if at in known.ended}
        returning = may_return(
            {at: (built[first], known.held.get(at, {})) for at, first in ended.items()}
        )
        before |= {first: known.held[at] for at, first in ended.items() if at in known.held}
        barred = {first for at, first in ended.items() if at not in returning}
        waiting = {
            first: own_id(
                str(built[first].content["created_by_ref"]), first.partition("--")[0], first, "again", str(number)
            )
            for first in waiting
            if first not in barred
        }  # fmt: skip
        if not waiting:
            break
        known = read(list(waiting.values()))
        found |= {first: at for first, at in waiting.items() if at not in known.used_up}
        waiting = {first: at for first, at in waiting.items() if at in known.used_up}
    return found, {first: before[first] for first in found if first in before}
