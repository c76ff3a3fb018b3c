"""What foreign TAXII servers make of objects that they take in as rows and write anew: other text, and other content.

Each is a function of one object, for `neighbour.Collection.rewrite` or `spell`, or for what stands in the way of an answer.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

INSTANT = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z$")
_ORDER = random.Random(47)


def _instants(value: Any, respell: Callable[[str, str], str]) -> Any:
    """Every timestamp written another way; `respell` gets it without its fraction, and the fraction's digits."""
    if isinstance(value, dict):
        return {name: _instants(one, respell) for name, one in value.items()}
    if isinstance(value, list):
        return [_instants(one, respell) for one in value]
    found = INSTANT.match(value) if isinstance(value, str) else None
    return value if found is None else respell(found[1], found[2] or "")


def spaced(one: Any) -> str:
    """White space everywhere, properties in any order, other at each reading; characters beyond ASCII escaped."""
    names = list(one)
    _ORDER.shuffle(names)
    return json.dumps({name: one[name] for name in names}, indent=_ORDER.choice((1, 2, 4)))


def finer(one: dict[str, Any]) -> dict[str, Any]:
    """Instants with six digits, as a database column has them: the same instants."""
    made: dict[str, Any] = _instants(one, lambda rest, digits: f"{rest}.{digits:0<6}Z")
    return made


def coarser(one: dict[str, Any]) -> dict[str, Any]:
    """Instants cut to milliseconds, `modified` too: a version that its creator never made."""
    made: dict[str, Any] = _instants(one, lambda rest, digits: f"{rest}.{digits[:3]:0<3}Z")
    return made


def milder(one: dict[str, Any]) -> dict[str, Any]:
    """Without custom properties, extensions, labels and lang: what the tables of such a server have no column for."""
    gone = ("extensions", "labels", "lang", "confidence")
    return {k: v for k, v in one.items() if k not in gone and not k.startswith("x_")}


def stamped(one: dict[str, Any]) -> dict[str, Any]:
    """With a property of its own beside the others."""
    return {**one, "x_hub_score": 50}


__all__ = ["coarser", "finer", "milder", "spaced", "stamped"]
