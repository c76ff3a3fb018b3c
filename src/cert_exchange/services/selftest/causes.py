"""Why nothing arrives, in one sentence: the first cause on the way, in the order in which an object would meet them.

1. Each cause has words of its own, since each is mended by somebody else (CASES U01, U04, U05, U10).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from cert_exchange.services.selftest.steps import Step

NOTHING_WRONG: Final = "Nothing on the way keeps objects from arriving."
NOTHING_TRIED: Final = "Nothing could be tried from here."
CAUSES: Final[Mapping[str, str]] = MappingProxyType({
    "stopped here": "Nothing arrives because our own people stopped it.",
    "no worker": "Nothing arrives because nobody works here: no worker runs this channel.",
    "unreached": "Nothing arrives because its server is not reached.",
    "blocked": "Nothing arrives because what answers is not its TAXII server: something stands between, or the address is"
    " another's.",
    "not let in": "Nothing arrives because its server does not take our credential.",
    "no right": "Nothing arrives because we have no right there, or ask for a collection that is none for us.",
    "question": "Nothing arrives because of what we ask for: it holds objects, and our question leaves none over.",
    "nothing there": "Nothing arrives because it holds nothing for us: its people, or its policy, show us nothing.",
    "kept out here": "It arrives, and our own rules keep it out of use.",
    "refused there": "What we send arrives, and its server refuses it.",
    "nothing to send": "Nothing leaves because our own policy gives it nothing.",
})  # fmt: skip
"""By the name that a step gives."""


def verdict(steps: Sequence[Step]) -> str:
    """Why nothing arrives here, and why nothing leaves from here, each by its first cause with the place where it showed.

    What we know ourselves of a partner tries nothing.
    """
    if all(one.where.startswith("partner ") or one.result == "not run" for one in steps):
        return NOTHING_TRIED
    found = [
        _first(one for one in steps if one.cause and not one.where.startswith(other))
        for other in ("target ", "source ")
    ]
    return " ".join(dict.fromkeys(one for one in found if one)) or NOTHING_WRONG


def _first(found: Iterable[Step]) -> str:
    order = list(CAUSES)
    first = min(found, key=lambda one: order.index(one.cause), default=None)
    return "" if first is None else f"{CAUSES[first.cause]} ({first.where}, {first.step}.)"
