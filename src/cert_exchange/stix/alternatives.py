"""Patterns that say no more than "one of these": a comparison with =, or comparisons joined by OR alone.

1. Whatever joins, orders, counts, dates or negates makes a pattern more than its comparisons: taken apart, they would give
   false alarms (CASES I20). Such a pattern gives None, and its reader says so.
2. `x IN ('a', 'b')` is `x = 'a' OR x = 'b'`. An address that is in a network (ISSUBSET) is the network.
3. One pass, linear: text in quotes and comments are passed over, the words beside them are looked at.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from cert_exchange.stix.patterns import Comparison, comparisons

_BESIDE: Final = re.compile(
    r"""
    (?:[thb])?'(?:[^'\\]++|\\['\\])*+' | /\*(?:[^*]++|\*(?!/))*+\*/ | //[^\r\n]*+
    | (?P<word>[a-zA-Z_][a-zA-Z0-9_-]*+)
    """,
    re.VERBOSE,
)
_MORE: Final = frozenset(
    {"AND", "FOLLOWEDBY", "NOT", "EXISTS", "WITHIN", "REPEATS", "START", "STOP"}
)
_NETWORKS: Final = frozenset({"ipv4-addr", "ipv6-addr"})


class Alternative(NamedTuple):
    """One value that is enough to match, and the property that has it."""

    type: str
    path: tuple[str, ...]
    value: str


def alternatives(text: str, *, version: str) -> tuple[Alternative, ...] | None:
    """The values of which any one matches the pattern, in its order; None where it says more than that.

    Raises PatternInvalid where the text is no pattern of `version` ("2.0", "2.1" or another word: of either).
    """
    compared = comparisons(text, version=version)
    # One comparison in brackets and nothing behind them: what it is says `_is_plain`.
    if len(compared) > 1 or not (text.startswith("[") and text.endswith("]")):
        words = (found["word"] for found in _BESIDE.finditer(text))
        if not _MORE.isdisjoint(words):
            return None
    found: list[Alternative] = []
    for one in compared:
        if one.operator == "IN" and not one.negated:
            found += [Alternative(one.type, one.path, value) for value in one.values]
        elif _is_plain(one):
            found.append(Alternative(one.type, one.path, one.values[0]))
        else:
            return None
    return tuple(dict.fromkeys(found)) or None


def _is_plain(one: Comparison) -> bool:
    if one.negated or len(one.values) != 1:
        return False
    return one.operator == "=" or (
        one.operator == "ISSUBSET" and one.type in _NETWORKS and one.path == ("value",)
    )
