"""One input for programs: what was understood of it, and what became of it, in one document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cert_exchange.services.taking import Found, Taken


def document_of(found: Found) -> dict[str, Any]:
    """What is in one input."""
    how = found.how
    return {
        "name": found.name,
        "format": str(how.form),
        "sure": how.sure,
        "why": how.why,
        "guesses": list(how.guesses),
        "columns": [
            {"name": one.name, "holds": str(one.holds), "stated": one.stated}
            for one in (how.layout.columns if how.layout is not None else ())
        ],
        "batches": found.batches,
        "names": found.names,
        "texts": found.texts,
        "looked_for": dict(found.kinds),
        "told_of": dict(found.told),
        "values": dict(found.states),
        "objects": dict(found.types),
        "said_twice": found.doubles,
        "beside_wider": found.apart,
        "lost": dict(found.lost),
        "losses": [asdict(one) for one in found.losses],
        "warned": [
            {"of": of, "act": act, "objects": number}
            for (of, act), number in sorted(found.warned.items())
        ],
        "warnings": [
            asdict(one) | {"place": found.places.get(one.id, "")} for one in found.warnings
        ],
        "refused": [
            {"id": one, "why": why, "place": found.places.get(one, "")}
            for one, why in found.refused
        ],
        "remarks": found.remarks,
        "seen": [asdict(one) for one in found.preview.sighted] if found.preview else [],
    }


def what_became_of(taken: Taken) -> dict[str, Any]:
    """What became of it; stands beside what was in it."""
    return {
        "results": dict(taken.results),
        "held": taken.held,
        "let_in": taken.let_in,
        "outcomes": [asdict(one) for one in taken.outcomes],
        "lines": [
            {"audience": audience, "answer": kind, "rule": rule, "objects": number}
            for (audience, kind, rule), number in sorted(taken.gained.items())
        ],
    }
