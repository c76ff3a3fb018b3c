"""What our desk is told before it publishes: of each object, what is doubtful in it and what will follow.

1. Nothing is stored. What holds or refuses is asked again when the object is taken in, by the same file of the way in.
2. What a partner sent is compared by value; which partner it was is for our own people only.
3. Time is an argument, in microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cert_exchange.node import Node
from cert_exchange.policy.cautions import Warned
from cert_exchange.services.publishing.screening import screen_now
from cert_exchange.stix.instants import format_micros


def look(node: Node, objects: Iterable[Mapping[str, Any]], *, at: int) -> tuple[Warned, ...]:
    """The warnings about these validated objects, in their order; an object without any has none.

    `act` says what follows: `warn` nothing, `hold` it is stored and shared with nobody until `intake release`, `refuse`
    it is not stored.
    """
    instant = format_micros(at)
    with node.database.reading() as conn:
        screen = screen_now(conn)
    return tuple(one for content in objects for one in screen.warned(content, at=instant))


__all__ = ["Warned", "look"]
