"""How one source or target stands: what was last asked and answered, what has not come or gone, what to do next.

1. For this node's own people only. No secret and no content of an object is in it (`remote.connection.exchanged`).
2. What only the remote knows is as of the last run, or asked now where a person says so; asking stores nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote.connection import decode_options
from cert_exchange.services.lagging import Lag, lag_of
from cert_exchange.services.syncing import remaining
from cert_exchange.services.syncing.arranging import connect, find
from cert_exchange.services.syncing.breaking import GATE
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import channels
from cert_exchange.store.channels import Channel, Direction

MANIFEST_PAGES: Final = 20
"""How far `ask` counts: 20 pages of the source's `limit`."""
_FAR: Final = 600_000_000
"""A lease that ends later than this was taken while a clock was ahead, and is none (`store.channels`)."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A channel at a glance. Instants are micros; `exchanged` and `beside` as `exchanged.Exchanged.document` has them."""

    channel: Channel
    state: str
    step: str
    """what a person can do about it; empty where nothing is to be done"""
    place: str
    """how far it has come: the cursor as it was received, or the instant up to which all was pushed"""
    lag: Lag
    exchanged: Mapping[str, Any] | None
    """the last request over TAXII, and its answer"""
    beside: Mapping[str, Any] | None
    """the last request to a cert-exchange beside TAXII, and its answer"""
    last: Mapping[str, int]
    """what the last run counted"""
    notes: tuple[str, ...]
    interrupted: int
    """runs that began and never ended"""
    interrupted_at: int | None
    """when the last of those began"""


def stand(node: Node, direction: Direction, name: str, *, ask: bool = False) -> Stand:
    """Tell how a source or target stands; `ask`: ask the remote of a source now what it still has.

    Raises NotFound, and with `ask` ConfigurationInvalid; a remote that does not answer leaves the lag unknown.
    """
    now = node.now()
    with node.database.reading() as tx:
        found = [one for one in find(tx, name) if one.direction == direction]
        if not found:
            word = "source" if direction == "pull" else "target"
            raise errors.NotFound(f"There is no {word} {name}.")
        channel = found[0]
        lag = lag_of(tx, channel, now=now)
    if ask and direction == "pull":
        lag = _asked(node, channel, now)
    counters = channel.counters
    state, step = _state(channel, now)
    left = counters.get(channels.LEFT)
    return Stand(
        channel=channel,
        state=state,
        step=step,
        place=(channel.cursor or "")
        if direction == "pull"
        else (format_micros(channel.position) if channel.position else ""),
        lag=lag,
        exchanged=counters.get(channels.EXCHANGED),
        beside=counters.get(channels.BESIDE),
        last=counters.get("last", {}),
        notes=tuple(counters.get("notes", ())),
        interrupted=int(counters.get(channels.INTERRUPTED) or 0),
        interrupted_at=left.get("at") if isinstance(left, dict) else None,
    )


def _asked(node: Node, channel: Channel, now: int) -> Lag:
    there = remaining.beyond(
        connect(node, channel),
        channel.remote_collection,
        cursor=channel.cursor,
        now=now,
        pages=MANIFEST_PAGES,
    )
    objects = there["objects"]
    oldest = there["oldest"]
    if objects is None:
        return Lag(None, None, as_of=now)
    waited = None if oldest is None else max(now - remaining.instant(oldest, now), 0) / 1_000_000
    return Lag(objects, waited if objects else 0.0, at_least=there["more"], as_of=now)


def _state(channel: Channel, now: int) -> tuple[str, str]:
    name = channel.name
    word = "source" if channel.direction == "pull" else "target"
    shut = (channel.counters.get(GATE) or {}).get("shut")
    if shut:
        return f"shut by its gate: {shut['words']}", f"cert-exchange source gate {name}"
    if channel.paused:
        return "paused", f"when the cause is gone: cert-exchange {word} resume {name}"
    if channel.suspended:
        return "its partner is suspended", f"cert-exchange partner resume {channel.partner_name}"
    under_way = channel.counters.get(channels.UNDER_WAY)
    if channels.stands(channel, now=now, until=now + _FAR):
        return "running now", ""
    if under_way:
        return (
            f"its run of {format_micros(int(under_way['at']))} never ended: the process was killed",
            "the worker goes on with it; is `serve` or `work` running?",
        )
    if channel.attempts:
        return (
            f"failed {channel.attempts} time{'' if channel.attempts == 1 else 's'} in a row",
            f"read the outcome and the last answer; then cert-exchange sync now {name}",
        )
    if channel.last_success_at is None:
        return "has not run yet", f"cert-exchange sync now {name}; the worker runs it by itself"
    return "active", ""


def document(stand_: Stand) -> dict[str, Any]:
    """Return it as one JSON document. The options name secret files, never secrets."""
    channel = stand_.channel

    def when(micros: int | None) -> str | None:
        return format_micros(micros) if micros else None

    options = decode_options(channel.options)
    return {
        "name": channel.name,
        "direction": channel.direction,
        "partner": channel.partner_name,
        "url": channel.url,
        "remote_collection": channel.remote_collection,
        "options": json.loads(options.encode()),
        "state": stand_.state,
        "step": stand_.step,
        "place": stand_.place,
        "behind": {
            "objects": stand_.lag.objects,
            "at_least": stand_.lag.at_least,
            "seconds": stand_.lag.seconds,
            "as_of": when(stand_.lag.as_of),
        },
        "last_success_at": when(channel.last_success_at),
        "next_attempt_at": when(channel.next_attempt_at),
        "attempts": channel.attempts,
        "outcome": channel.last_outcome,
        "exchanged": _dated(stand_.exchanged),
        "exchanged_beside": _dated(stand_.beside),
        "last_run": dict(stand_.last),
        "notes": list(stand_.notes),
        "interrupted": {"runs": stand_.interrupted, "last_at": when(stand_.interrupted_at)},
    }


def _dated(exchanged: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if exchanged is None:
        return None
    return {**exchanged, "at": format_micros(int(exchanged["at"]))}
