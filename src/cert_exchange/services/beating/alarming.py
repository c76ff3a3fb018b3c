"""How each partner's heartbeat stands, and what of it is an alarm.

1. Four alarms: ours is not seen there; nothing comes from it; its clock is not ours; its server's certificate ends.
2. `Nothing comes` is asked of who sent heartbeats before, and of whom a person said after how many hours: a partner that
   is silent for days by nature raises none.
3. What our people stopped raises none: who stopped it knows.
4. Read from rows alone, so that `status`, `doctor` and a scrape cost no request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from cert_exchange.node import Node
from cert_exchange.policy.wording import lasting
from cert_exchange.services.beating.beats import beat_id
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import freezes, heartbeats
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.heartbeats import Heartbeat

HOUR: Final = 3_600_000_000
MISSED: Final = 3
"""Beats that may be missing, where nobody said after how many hours an alarm comes."""
SKEW_HOLDS: Final = 26 * HOUR
"""How long a measured clock is believed."""
SKEW_NOTE: Final = 60
SKEW_WRONG: Final = 3600
"""Seconds between two clocks. Beyond the second our own releasing stops (DECISIONS 9)."""
ENDS_SOON: Final = 14 * 24 * HOUR

Kind = Literal["unseen", "silent", "skew", "certificate"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm about a partner."""

    partner: str
    number: int
    kind: Kind
    grade: Literal["note", "wrong"]
    finding: str
    step: str


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a partner's heartbeat stands. Instants and durations are micros; `skew`: how far its clock is behind ours."""

    partner: str
    number: int
    state: Heartbeat
    stopped: bool
    """our people stopped what goes out to it"""
    deaf: bool
    """our people stopped what comes in from it"""
    heard_at: int | None
    """when anything came from it"""
    beat_heard_at: int | None
    """when its own heartbeat came"""
    added_at: int
    limit: int
    """after how long without a sign an alarm comes"""


def pulses(node: Node) -> list[Pulse]:
    """Every partner, by name."""
    usual = MISSED * max(node.settings.heartbeat_minutes, 60) * 60_000_000
    with node.database.reading() as tx:
        states = heartbeats.every(tx)
        spoken = partner_rows.identities(tx)
        found = []
        for row in sorted(partner_rows.every_partner(tx), key=lambda one: one.name):
            state = states.get(row.id, Heartbeat())
            mine, _ = spoken.get(row.id, ([], []))
            theirs = {beat_id(one, node.identity) for one in mine}
            hours = state.silent_hours
            found.append(
                Pulse(
                    row.name,
                    row.id,
                    state,
                    row.suspended_at is not None or freezes.frozen(tx, row.id),
                    row.suspended_at is not None or row.receiving_suspended_at is not None,
                    heartbeats.newest_from(tx, row.id),
                    heartbeats.newest_beat(tx, row.id, theirs),
                    row.added_at,
                    usual if hours is None else round(hours * HOUR),
                )
            )
    return found


def alarms(node: Node, *, partner: str | None = None) -> list[Alarm]:
    """What is wrong or soon will be, by partner; of one partner alone where it is named."""
    now = node.now()
    return [
        alarm
        for one in pulses(node)
        if partner in (None, one.partner)
        for alarm in _of(one, now, beats=bool(node.settings.heartbeat_minutes))
    ]


def _of(one: Pulse, now: int, *, beats: bool) -> Iterator[Alarm]:
    state = one.state
    name, number = one.partner, one.number
    since = state.seen_at if state.seen_at is not None else state.troubled_at
    watched = beats and not state.off and not one.stopped
    if watched and state.trouble and since is not None and now - since > one.limit:
        known = "never" if state.seen_at is None else f"last at {format_micros(state.seen_at)}"
        yield Alarm(
            name, number, "unseen", "wrong",
            f"our heartbeat is not known to have arrived for {lasting(now - since)} ({known}): {state.trouble}",
            f"cert-exchange doctor partner {name}",
        )  # fmt: skip
    expected = state.silent_hours is not None or one.beat_heard_at is not None
    heard = one.heard_at if one.heard_at is not None else one.added_at
    if expected and not one.deaf and now - heard > one.limit:
        what = (
            "nothing ever came from it"
            if one.heard_at is None
            else f"nothing came from it for {lasting(now - heard)}"
        )
        yield Alarm(
            name, number, "silent", "wrong",
            f"{what} (alarm after {lasting(one.limit)})",
            f"cert-exchange doctor partner {name}; heartbeat set {name} --silent-hours N where that is usual",
        )  # fmt: skip
    if state.skew is not None and state.skew_at is not None and now - state.skew_at < SKEW_HOLDS:
        grade, said, todo = judged_skew(state.skew)
        if grade != "ok":
            yield Alarm(name, number, "skew", grade, said, todo)
    if state.tls_ends_at is not None and state.tls_ends_at - now < ENDS_SOON:
        left = state.tls_ends_at - now
        said = (
            f"its server's certificate {'has expired' if left <= 0 else f'ends in {lasting(left)}'}"
        )
        yield Alarm(
            name, number, "certificate", "wrong" if left <= 0 else "note", said, "tell its people: call the number on its contact card",
        )  # fmt: skip


def judged_skew(skew: int) -> tuple[Literal["ok", "note", "wrong"], str, str]:
    """What it means that a clock is so many microseconds behind ours, and what is to be done."""
    seconds = round(abs(skew) / 1_000_000)
    if seconds <= 1:
        return "ok", "both clocks agree", ""
    said = f"its clock is {seconds:,} s {'behind' if skew > 0 else 'ahead of'} ours"
    if seconds >= SKEW_WRONG:
        step = "compare both clocks with a third now: ours stops releasing where most disagree"
        return "wrong", said, step
    if seconds > SKEW_NOTE:
        return "note", said, "both sides look at their time service"
    return "ok", said, ""
