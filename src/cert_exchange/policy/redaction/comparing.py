"""Whether one content says nothing that another does not say. Pure.

1. Every value of the lesser stands in its place in the greater; lists may have lost items, and texts pieces (`WITHHELD`).
2. Granular markings name places by number, which move when something is taken away: they are not compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cert_exchange.policy.redaction.values import WITHHELD

_PARTS: Final = "parts of "


def says_no_more(lesser: Mapping[str, Any], greater: Mapping[str, Any]) -> bool:
    """Whether all that one object says is said by the other: the same object, trimmed by two recipes."""
    return all(
        name in greater and _is_part(value, greater[name])
        for name, value in lesser.items()
        if name != "granular_markings"
    )


def parts_gone(lesser: Mapping[str, Any], greater: Mapping[str, Any]) -> list[str]:
    """What an object lost, in words: properties, paths into them, and those of which something is left."""
    gone: list[str] = []
    for name, value in sorted(greater.items()):
        if name == "granular_markings" or (name in lesser and lesser[name] == value):
            continue
        left = lesser.get(name)
        if left is None:
            gone.append(name)
        elif isinstance(value, Mapping) and isinstance(left, Mapping):
            gone += [_within(name, one) for one in parts_gone(left, value)]
        else:
            gone.append(f"{_PARTS}{name}")
    return gone


def _within(name: str, said: str) -> str:
    if said.startswith(_PARTS):
        return f"{_PARTS}{name}.{said.removeprefix(_PARTS)}"
    return f"{name}.{said}"


def _is_part(lesser: Any, greater: Any) -> bool:
    if isinstance(lesser, Mapping):
        return isinstance(greater, Mapping) and all(
            name in greater and _is_part(value, greater[name]) for name, value in lesser.items()
        )
    if isinstance(lesser, list):
        return isinstance(greater, list) and _are_among(lesser, greater)
    if isinstance(lesser, str):
        return isinstance(greater, str) and _is_cut_from(lesser, greater)
    return type(lesser) is type(greater) and bool(lesser == greater)


def _are_among(lesser: Sequence[Any], greater: Sequence[Any]) -> bool:
    """Whether the items stand among the others in the same order."""
    rest = iter(greater)
    return all(any(_is_part(one, other) for other in rest) for one in lesser)


def _is_cut_from(lesser: str, greater: str) -> bool:
    """Whether a text is the other one, or what is left of it where pieces were withheld."""
    pieces = lesser.split(WITHHELD)
    if len(pieces) == 1:
        return lesser == greater
    first, *_, last = pieces
    end = len(greater) - len(last)
    if not (greater.startswith(first) and greater.endswith(last)) or end < len(first):
        return False
    at = len(first)
    for piece in pieces[1:-1]:
        found = greater.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
