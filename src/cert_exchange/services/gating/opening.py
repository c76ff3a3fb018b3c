"""A source's gate is looked at, set, and opened again after it was shut.

1. Opened with `take_in`, what waits comes in once without a limit, until the source is drained. Opened without, the limits
   stand as they are set, and what was counted counts on: it may shut again at the same page.
2. What is set counts from the next run on. Setting, opening and shutting are in the ledger, with who and why.
3. Paused by a person, a source is no business of the gate: `resume` lets it go on as ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.policy.volumes import COUNTED, Shut, in_window
from cert_exchange.remote.connection import Options, decode_options, make_options
from cert_exchange.services import ledger, syncing
from cert_exchange.services.syncing import breaking
from cert_exchange.services.syncing.arranging import find
from cert_exchange.services.syncing.breaking import GATE
from cert_exchange.store import channels, screening
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction
from cert_exchange.store.screening import State

SETTINGS: Final = (*(f"most_{name}" for name in COUNTED), "window_hours", "approval")
"""The options of a source that are its gate's."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A source's gate as it stands."""

    source: str
    partner: str
    paused: bool
    shut: Shut | None
    first: bool
    """its first full sync is not over: more objects may come"""
    once: bool
    """a person let what waits in, without a limit, until it is drained"""
    counted: Mapping[str, int]
    """what came within the window, for each of `volumes.COUNTED`"""
    limits: Mapping[str, int]
    window_hours: int
    approval: bool
    waiting: int
    """how many versions wait for a person's approval"""


def gate_of(node: Node, name: str) -> Gate:
    """The gate of a source. Raises NotFound."""
    with node.database.reading() as tx:
        channel = _source(tx, name)
        options = decode_options(channel.options)
        waiting = len(screening.listed(tx, states=[State.HELD], what=approval_of(name)))
    gate = channel.counters.get(GATE) or {}
    return Gate(
        source=name,
        partner=channel.partner_name,
        paused=channel.paused,
        shut=Shut.of(gate),
        first=breaking.is_first(gate, options),
        once=bool(gate.get("once")),
        counted=in_window(gate, now=node.now(), window_hours=options.window_hours),
        limits=breaking.allowed(gate, options),
        window_hours=options.window_hours,
        approval=options.approval,
        waiting=waiting,
    )


def set_gate(node: Node, name: str, values: Mapping[str, Any], *, by: str, reason: str) -> Options:
    """Change settings of a source's gate, each of SETTINGS; its options then. Raises NotFound, ConfigurationInvalid."""
    strange = sorted(set(values) - set(SETTINGS))
    if strange:
        raise ConfigurationInvalid(
            f"{', '.join(strange)}: no setting of a gate; there are {', '.join(SETTINGS)}."
        )

    def work(tx: Transaction) -> Options:
        channel = _source(tx, name)
        options = make_options({**json.loads(channel.options), **values})
        channels.rewrite(tx, channel, options=options.encode())
        facts: dict[str, Fact] = {
            "source": name,
            "partner": channel.partner_name,
            "set": [f"{key}={values[key]}" for key in sorted(values)],
            "reason": reason,
        }
        ledger.record(tx, Line("gate.set", node.now(), by, facts=facts))
        return options

    return node.database.transact(work)


def go_on(
    node: Node, name: str, *, take_in: bool = False, by: str, reason: str = ""
) -> Shut | None:
    """Let a paused or failing source run at once, and open its gate; why it was shut, if it was. Raises NotFound."""

    def work(tx: Transaction) -> Shut | None:
        channel = _source(tx, name)
        gate = dict(channel.counters.get(GATE) or {})
        shut = Shut.of(gate)
        gate.pop("shut", None)
        if take_in:
            gate["once"] = True
        if shut is not None or take_in:
            channels.rewrite(tx, channel, counters={**channel.counters, GATE: gate})
            facts: dict[str, Fact] = {
                "source": name,
                "partner": channel.partner_name,
                "what": shut.what if shut is not None else "",
                "take_in": int(take_in),
                "reason": reason,
            }
            ledger.record(tx, Line("gate.opened", node.now(), by, facts=facts))
        return shut

    shut = node.database.transact(work)
    # Commit. Killed here, the gate is open and the source paused: it is resumed once more.
    syncing.resume(node, name, direction="pull", by=by)
    return shut


def _source(tx: Transaction, name: str) -> Channel:
    source = next((one for one in find(tx, name) if one.direction == "pull"), None)
    if source is None:
        raise NotFound(f"{name} is a target; what comes in has a gate: give a source.")
    return source


def approval_of(name: str) -> str:
    """How `intake list --found` spells what waits for the approval of a source."""
    return f"approval {name}"
