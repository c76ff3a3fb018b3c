"""A part of an input on its way in: what was found in it, and what is ready to be stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.services.taking.settling import Settled
from cert_exchange.services.warning import Warned
from cert_exchange.stix.envelopes import Examined

NOT_TAKEN: Final[Mapping[str, str]] = {
    "revoked": "it was revoked here, and stays so (--again brings back what a narrower list ended)",
    "withdrawn": "it was withdrawn here, and stays so; --again shares it again",
    "kept back": "it is kept back here (blocked, held, disputed or bound by a person), and no other input changes it",
    "another's": "every id for it is held from another creator",
    "nobody's": "with the terms of an earlier publication nobody may have it; give another --name, or `terms set` says anew",
}
"""Why what stands so here is not taken in."""


@dataclass(frozen=True, slots=True)
class Held:
    """One object that is ready, and what a warning asks of it."""

    settled: Settled
    examined: Examined
    asked: str = ""
    """why publishing must be told to hold it; empty where it is not, or sees that by itself"""


@dataclass(slots=True)
class Chunk:
    """What a part of the input came to. `ready` is in an order in which it can be stored."""

    findings: list[Finding] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    ready: list[Held] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)  # (STIX id, why)
    remarks: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    """where in the input the objects stand that are warned of or refused"""
    types: Counter[str] = field(default_factory=Counter)
    """objects by type, those that are not taken included"""
    batch: str = ""
    names: list[str] = field(default_factory=list)
    """of the reports and groupings, as partners read them"""
    doubles: int = 0
    held: int = 0
    """objects that a warning holds"""
    apart: int = 0
    """objects that stand beside what another input published for a wider circle"""
    bound: int = 0
    """objects that terms of an earlier publication bind, of which this one says nothing"""
    stay: int = 0
    """objects that the list named before, and names again"""
    dropped: int = 0
    """objects that the list named before, and names no more"""


def contents_of(ready: Iterable[Held]) -> list[dict[str, Any]]:
    """The objects as they are published."""
    return [one.settled.content for one in ready]


def bases_of(gone: set[str], contents: Sequence[Mapping[str, Any]]) -> set[str]:
    """The observables that stand for nothing but what is gone."""
    ends = [
        (one["source_ref"], one["target_ref"]) for one in contents if one["type"] == "relationship"
    ]
    return {to for start, to in ends if start in gone} - {
        to for start, to in ends if start not in gone
    }


def joins(content: Mapping[str, Any], gone: set[str]) -> bool:
    """Whether it joins something to what is not there."""
    return content["type"] == "relationship" and not gone.isdisjoint(
        (content["source_ref"], content["target_ref"])
    )
