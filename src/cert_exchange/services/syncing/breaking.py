"""A source that brings too much is shut before more of it comes in (DESIGN, issue 6: the volume breaker).

1. Counted is what comes in new, in whole hours over the source's window: versions kept, objects that they take out of
   use, proposals, rejects. What comes again counts for nothing.
2. The page (or the part of it) with which a limit is passed is rolled back with its cursor: nothing of it is lost, and
   it comes again when a person lets the source go on (`opening`).
3. A first full sync is expected to be large: until the source was drained once from where it starts, FIRST times as many
   objects may come, and rejects shut it only where they are more than half.
4. What a person let in once is not limited until the source is drained.
5. In a preview nothing shuts: it notes where the pull would stop, and goes on looking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import HOUR
from cert_exchange.remote.connection import Options
from cert_exchange.services import ledger
from cert_exchange.services.publishing import Outcome
from cert_exchange.services.syncing import remaining
from cert_exchange.services.syncing.reporting import Ending, Run
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import channels
from cert_exchange.store.database import Transaction

_log = structlog.get_logger(__name__)

GATE: Final = "gate"
"""In a source's counters: {hours: {hour: [for each of COUNTED]}, full: start | absent, once: bool, shut: {...} | absent}."""
COUNTED: Final = ("objects", "revocations", "proposals", "rejects")
"""`revocations`: objects that counted and were taken out of use, by a revoked version or by a notice."""
FIRST: Final = 20
_WORDS: Final = {
    "objects": "new objects",
    "revocations": "objects taken out of use that count here",
    "proposals": "proposals",
    "rejects": "objects refused or not to be read",
}


class TooMuchError(Exception):
    """A limit was passed: what passed it is rolled back. Never leaves `syncing`."""

    def __init__(self, shut: Mapping[str, Any]) -> None:
        super().__init__()
        self.shut = shut


@dataclass(frozen=True, slots=True)
class Shut:
    """Why and since when a source is shut. Instants in micros."""

    at: int
    what: str
    """one of COUNTED"""
    number: int
    most: int
    hours: int
    words: str

    @classmethod
    def of(cls, gate: Mapping[str, Any]) -> Shut | None:
        """What stands in the counters; None: it is open."""
        found = gate.get("shut")
        return cls(**found) if isinstance(found, dict) else None


def is_first(gate: Mapping[str, Any], options: Options) -> bool:
    """Whether the first full sync is not over yet, or one that a person began anew from another start."""
    return gate.get("full") != options.start


def allowed(gate: Mapping[str, Any], options: Options) -> dict[str, int]:
    """How much of each of COUNTED may come in a window now."""
    found = {name: int(getattr(options, f"most_{name}")) for name in COUNTED}
    if is_first(gate, options):
        found["objects"] *= FIRST
    return found


def in_window(gate: Mapping[str, Any], *, now: int, window_hours: int) -> dict[str, int]:
    """How much of each of COUNTED came in the last whole hours."""
    hours = _kept(gate, now, window_hours)
    return {name: sum(row[place] for row in hours.values()) for place, name in enumerate(COUNTED)}


def count(run: Run, outcomes: Sequence[Outcome]) -> None:
    """Count what a transaction of the run takes in; goes to the row with it. Raises TooMuchError past a limit."""
    gate = run.channel.counters.get(GATE) or {}
    now, options = run.node.now(), run.options
    hours = _kept(gate, now, options.window_hours)
    more = dict(zip(COUNTED, _counted(outcomes), strict=True))
    this = hours.setdefault(str(now // HOUR), [0] * len(COUNTED))
    for place, name in enumerate(COUNTED):
        this[place] += more[name]
    state = {**gate, "hours": hours}
    run.memory[GATE] = state
    if gate.get("once"):
        return
    sums = in_window(state, now=now, window_hours=options.window_hours)
    few = 2 * sums["rejects"] <= sums["objects"] + sums["rejects"]
    for name, most in allowed(gate, options).items():
        if not more[name] or sums[name] <= most:
            continue
        if name == "rejects" and few and is_first(gate, options):
            continue
        shut = {
            "at": now, "what": name, "number": sums[name], "most": most,
            "hours": options.window_hours,
            "words": f"{sums[name]:,} {_WORDS[name]} within {options.window_hours} hours, more than {most:,}",
        }  # fmt: skip
        if run.judged is not None:
            run.note(f"here its gate would shut: {shut['words']}")
            run.memory[GATE] = {**state, "once": True}
            return
        raise TooMuchError(shut)


def drained(run: Run) -> None:
    """Note that all there was came: from now on the first full sync is over, and what was let in once is in."""
    gate = {**(run.memory.get(GATE) or run.channel.counters.get(GATE) or {})}
    if gate.pop("once", False):
        gate["hours"] = {}
    run.memory[GATE] = {**gate, "full": run.options.start}


def shut(run: Run, much: TooMuchError) -> Ending:
    """Shut the source: the run ends, and the next begins where this one stood once a person opened it."""
    before = run.channel.counters.get(GATE) or {}
    run.memory |= {
        GATE: {**before, "shut": dict(much.shut)},
        channels.THERE: remaining.unknown(run.node.now()),
    }
    found = Shut.of(run.memory[GATE])
    assert found is not None
    facts: dict[str, Fact] = {
        "source": run.channel.name,
        "partner": run.channel.partner_name,
        "what": found.what,
        "number": found.number,
        "most": found.most,
    }

    def work(tx: Transaction) -> None:
        ledger.record(tx, Line("gate.shut", found.at, "worker", facts=facts))

    run.node.database.transact(work)
    _log.error(
        "gate shut", run=run.id, source=run.channel.name, partner=run.channel.partner_name,
        what=found.what, number=found.number, most=found.most,
    )  # fmt: skip
    return Ending(sentence(run.channel.name, found), pause=True)


def standing(run: Run) -> Ending | None:
    """The ending of a run of a source that is shut: it fetches nothing. None: it is open, or only looked at."""
    found = Shut.of(run.channel.counters.get(GATE) or {})
    if found is None or run.judged is not None:
        return None
    return Ending(sentence(run.channel.name, found), pause=True)


def sentence(name: str, found: Shut) -> str:
    """What is wrong, that nothing is lost, and what to do next."""
    return (
        f"Shut by its gate at {format_micros(found.at)}: {found.words}. What passed the limit was not taken in and waits"
        f" there; look at it with `sync preview {name}` and `source gate {name}`, then `source resume {name}`."
    )


def _kept(gate: Mapping[str, Any], now: int, window_hours: int) -> dict[str, list[int]]:
    """The hours that still count; none of the future, in which only a clock that was set back can lie."""
    this = now // HOUR
    hours = gate.get("hours") or {}
    return {
        hour: list(row) for hour, row in hours.items() if this - window_hours < int(hour) <= this
    }


def _counted(outcomes: Iterable[Outcome]) -> tuple[int, int, int, int]:
    objects = ends = proposals = rejects = 0
    for one in outcomes:
        ends += one.ends
        match one.result:
            case "accepted":
                objects += 1
            case "proposal" if one.kept:
                proposals += 1
            case "rejected" | "conflict":
                rejects += 1
            case _:
                pass
    return objects, ends, proposals, rejects
