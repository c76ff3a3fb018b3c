"""Rounds: every target of a case in turn, again and again, so that noise hits all of them alike.

A ratio is the median of the rounds' own ratios, each against the yardstick of the same round.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import load
from benchmarks.cases import Case, OwnTarget, Target

PEERS = frozenset({"medallion", "opentaxii"})


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often: seconds a round, rounds, and both for the peers, which answer few requests a second."""

    seconds: float
    rounds: int
    peer_seconds: float = 3.0
    peer_rounds: int = 1


@dataclass(slots=True)
class Row:
    """One line of the result: rates are requests a second, ratios are to the yardstick (None: not measured)."""

    server: str
    engine: str
    objects: int
    case: str
    connections: int
    rate: float
    p99_ms: float
    ratio: float | None = None
    errors: int = 0
    more: dict[str, Any] = field(default_factory=dict)


def measure(
    case: Case, targets: Sequence[Target], *, connections: int, effort: Effort
) -> list[Row]:
    """Rows of one case at one number of connections; the yardstick is the first target."""
    plans: dict[int, list[str]] = {}
    for number, target in enumerate(targets):
        if case.advances and isinstance(target, OwnTarget):
            plans[number] = []
        else:
            asked = target.plan(case)
            if asked is not None:
                plans[number] = asked
    results: dict[int, list[load.Result]] = {number: [] for number in plans}
    for turn in range(effort.rounds):
        for number, plan in plans.items():
            target = targets[number]
            if case.advances and isinstance(target, OwnTarget):
                result = _advance(target, case, connections, effort)
                if result is None:
                    continue
            else:
                peer = target.name in PEERS
                if peer and turn >= effort.peer_rounds:
                    continue
                result = load.run(
                    load.Job(
                        port=target.port,
                        connections=connections,
                        seconds=effort.peer_seconds if peer else effort.seconds,
                        requests=plan,
                        start=turn * 517,
                        warmup=_warmup(turn, target),
                        timeout=120,
                    )
                )
            results[number].append(result)
    return [
        _row(case, targets[number], connections, found, results[0])
        for number, found in results.items()
        if found
    ]


def _warmup(turn: int, target: Target) -> int:
    if target.name in PEERS:
        # Medallion at 1,000 objects needs seconds for one answer, and the first is as slow as any.
        return 1 if turn == 0 and target.name == "opentaxii" else 0
    return 60 if turn == 0 else 20


def _advance(target: OwnTarget, case: Case, connections: int, effort: Effort) -> load.Result | None:
    # As many as could possibly be sent; the rest is given back for the next round.
    requests = target.advancing(case, int(effort.seconds * 6000))
    if len(requests) < 200:
        target.unsent(len(requests))
        return None
    result = load.run(
        load.Job(
            port=target.port,
            connections=connections,
            seconds=effort.seconds,
            requests=requests,
            until_end=True,
        )
    )
    target.unsent(len(requests) - result.sent)
    return result


def _row(
    case: Case,
    target: Target,
    connections: int,
    found: list[load.Result],
    yardstick: list[load.Result],
) -> Row:
    ratios = [one.rate / bare.rate for one, bare in zip(found, yardstick, strict=False)]
    return Row(
        server=target.name,
        engine=target.engine,
        objects=target.objects,
        case=case.name,
        connections=connections,
        rate=statistics.median(one.rate for one in found),
        p99_ms=statistics.median(one.p99_ms for one in found),
        ratio=statistics.median(ratios),
        errors=sum(one.errors for one in found),
        more={
            "p50_ms": round(statistics.median(one.p50_ms for one in found), 3),
            "rounds": [round(one.rate, 2) for one in found],
            "requests": sum(one.done for one in found),
            "bytes_per_answer": found[-1].received // max(1, found[-1].done),
            "generator_cpu": round(statistics.median(one.client_cpu for one in found), 2),
            **({"first_error": found[0].first_error} if found[0].first_error else {}),
        },
    )
