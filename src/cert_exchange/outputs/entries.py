"""What writers of lists are given, and what they give back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.outputs.expressing import Unsaid, Value
from cert_exchange.stix.handling import Pap
from cert_exchange.stix.markings import Tlp

UNMARKED: Final = Tlp.AMBER_STRICT
"""What bears no TLP stays in our own organisation."""

ORDER: Final = {kind: place for place, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One value and the indicator that names it. Instants are RFC 3339 texts in UTC, empty where there is none."""

    value: Value
    stix_id: str
    name: str = ""
    description: str = ""
    source: str = ""  # `own`, or the partner's name; empty in what goes out of our organisation
    audience: str = ""  # who the output is for: `own`, or the audience of a view
    tlp: str = ""  # clear to red: what counts, also where nobody marked it
    pap: str = ""  # clear to red; empty: nothing says one
    markings: tuple[str, ...] = ()  # what else binds it, by its name or in words
    confidence: int | None = None
    valid_from: str = ""
    valid_until: str = ""
    modified: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """What counts of a whole object, whoever said it. `flagged`: a machine may act upon it as an output of its kind asks."""

    tlp: Tlp
    pap: Pap | None = None
    flagged: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """A whole output, how many entries it holds, and what it could not say."""

    body: bytes
    held: int
    unsaid: tuple[Unsaid, ...] = ()


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """By kind, value and id: the same entries always make the same bytes."""
    return sorted(
        entries, key=lambda one: (ORDER[one.value.kind], one.value.text, one.stix_id, one.source)
    )


def each_value(entries: Iterable[Entry]) -> Iterator[tuple[Value, list[Entry]]]:
    """Each value once, in order, with all indicators that name it."""
    found: dict[Value, list[Entry]] = {}
    for one in in_order(entries):
        found.setdefault(one.value, []).append(one)
    yield from found.items()
