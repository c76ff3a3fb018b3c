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

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.policy.volumes import COUNTED, Shut, added, in_window, passed
from cert_exchange.remote.connection import Options
from cert_exchange.services import ledger
from cert_exchange.services.publishing import Outcome, counted
from cert_exchange.services.syncing import remaining
from cert_exchange.services.syncing.reporting import Ending, Run
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import channels
from cert_exchange.store.database import Transaction

_log = structlog.get_logger(__name__)

GATE: Final = "gate"
"""In a source's counters: the document of `policy.volumes`, with `full` (the start from which all came once) and `once`
(a person let in what waits)."""
FORESEEN: Final = "gate_foreseen"
"""In the memory of a preview's run: why its gate would shut (`words`), and after how many objects (`before`)."""
FIRST: Final = 20


class TooMuchError(Exception):
    """A limit was passed: what passed it is rolled back. Never leaves `syncing`."""

    def __init__(self, shut: Shut) -> None:
        super().__init__()
        self.shut = shut


def is_first(gate: Mapping[str, Any], options: Options) -> bool:
    """Whether the first full sync is not over yet, or one that a person began anew from another start."""
    return gate.get("full") != options.start


def allowed(gate: Mapping[str, Any], options: Options) -> dict[str, int]:
    """How much of each of COUNTED may come in a window now."""
    found = {name: int(getattr(options, f"most_{name}")) for name in COUNTED}
    if is_first(gate, options):
        found["objects"] *= FIRST
    return found


def count(run: Run, outcomes: Sequence[Outcome]) -> None:
    """Count what a transaction of the run takes in; goes to the row with it. Raises TooMuchError past a limit."""
    gate = run.channel.counters.get(GATE) or {}
    now, options = run.node.now(), run.options
    more = counted(outcomes)
    state = added(gate, more, now=now, window_hours=options.window_hours)
    run.memory[GATE] = state
    if gate.get("once"):
        return
    limits = allowed(gate, options)
    sums = in_window(state, now=now, window_hours=options.window_hours)
    if is_first(gate, options) and sums["rejects"] <= sums["objects"]:
        del limits["rejects"]
    found = passed(state, more, limits, now=now, window_hours=options.window_hours)
    if found is None:
        return
    if run.judged is None:
        raise TooMuchError(found)
    run.note(f"here its gate would shut: {found.words}")
    run.memory[FORESEEN] = {"words": found.words, "before": len(run.judged)}
    run.memory[GATE] = {**state, "once": True}


def drained(run: Run) -> None:
    """Note that all there was came: from now on the first full sync is over, and what was let in once is in."""
    gate = {**(run.memory.get(GATE) or run.channel.counters.get(GATE) or {})}
    if gate.pop("once", False):
        gate["hours"] = {}
    run.memory[GATE] = {**gate, "full": run.options.start}


def shut(run: Run, much: TooMuchError) -> Ending:
    """Shut the source: the run ends, and the next begins where this one stood once a person opened it."""
    before, found = run.channel.counters.get(GATE) or {}, much.shut
    run.memory |= {
        GATE: {**before, "shut": found.document()},
        channels.THERE: remaining.unknown(run.node.now()),
    }
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
