"""The gate of what a partner posts is looked at, set, and opened again after it was shut.

1. Without settings a partner has no gate: nothing is counted, and nothing waits.
2. Opened with `take_in`, what the partner posts counts for nothing for one window; opened without, what was counted counts
   on, and it may shut again at the same POST.
3. Its partner is told what it is told of any stop: that nothing is taken in at the moment, and to send it again later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import HOUR, Node
from cert_exchange.policy.volumes import COUNTED, Shut, in_window
from cert_exchange.services import ledger
from cert_exchange.services.gating.opening import SETTINGS
from cert_exchange.services.publishing.limiting import WINDOW_HOURS, limits_of, settings_of
from cert_exchange.services.publishing.rulings import Approval
from cert_exchange.store import partners as rows
from cert_exchange.store import screening
from cert_exchange.store.database import Transaction
from cert_exchange.store.screening import State


@dataclass(frozen=True, slots=True)
class PartnerGate:
    """A partner's gate as it stands. Instants in micros."""

    partner: str
    shut: Shut | None
    free_until: int | None
    """until when what it posts counts for nothing, since a person let it in"""
    counted: Mapping[str, int]
    """what it posted within the window, for each of `volumes.COUNTED`; nothing is counted without a limit"""
    limits: Mapping[str, int]
    """what has no limit is left out"""
    window_hours: int
    approval: bool
    waiting: int
    """how many versions wait for a person's approval"""


def gate_of(node: Node, name: str) -> PartnerGate:
    """The gate of a partner. Raises NotFound."""
    now = node.now()
    with node.database.reading() as tx:
        _number(tx, name)
        gate = rows.gates(tx).get(name, {})
        what = Approval("partner", name).what
        waiting = len(screening.listed(tx, states=[State.HELD], what=what))
    settings = settings_of(gate)
    hours = int(settings.get("window_hours", WINDOW_HOURS))
    free_until = int(gate.get("free_until") or 0)
    return PartnerGate(
        partner=name,
        shut=Shut.of(gate),
        free_until=free_until if free_until > now else None,
        counted=in_window(gate, now=now, window_hours=hours),
        limits=limits_of(gate),
        window_hours=hours,
        approval=bool(settings.get("approval")),
        waiting=waiting,
    )


def set_gate(node: Node, name: str, values: Mapping[str, Any], *, by: str, reason: str) -> None:
    """Change settings of a partner's gate, each of `opening.SETTINGS`; None takes one away.

    Raises NotFound, ConfigurationInvalid.
    """
    _check(values)

    def work(tx: Transaction) -> None:
        number = _number(tx, name)
        gate = rows.lock_gate(tx, number)
        settings = {**settings_of(gate), **values}
        gate["set"] = {key: value for key, value in settings.items() if value not in (None, False)}
        empty = not gate["set"] and Shut.of(gate) is None
        rows.write_gate(tx, number, None if empty else gate)
        facts: dict[str, Fact] = {
            "partner": name,
            "set": [f"{key}={values[key]}" for key in sorted(values)],
            "reason": reason,
        }
        ledger.record(tx, Line("gate.set", node.now(), by, facts=facts))

    node.database.transact(work)


def go_on(
    node: Node, name: str, *, take_in: bool = False, by: str, reason: str = ""
) -> Shut | None:
    """Open the gate of a partner; why it was shut, if it was. Raises NotFound."""

    def work(tx: Transaction) -> Shut | None:
        number = _number(tx, name)
        gate = rows.lock_gate(tx, number)
        shut = Shut.of(gate)
        if shut is None and not take_in:
            return None
        gate.pop("shut", None)
        now = node.now()
        if take_in:
            hours = int(settings_of(gate).get("window_hours", WINDOW_HOURS))
            gate |= {"free_until": now + hours * HOUR, "hours": {}}
        rows.write_gate(tx, number, gate)
        facts: dict[str, Fact] = {
            "partner": name,
            "what": shut.what if shut is not None else "",
            "take_in": int(take_in),
            "reason": reason,
        }
        ledger.record(tx, Line("gate.opened", now, by, facts=facts))
        return shut

    return node.database.transact(work)


def shut_partners(node: Node) -> dict[str, Shut]:
    """Partners from whom nothing is taken in, since they posted too much."""
    with node.database.reading() as tx:
        found = {name: Shut.of(gate) for name, gate in rows.gates(tx).items()}
    return {name: shut for name, shut in found.items() if shut is not None}


def _check(values: Mapping[str, Any]) -> None:
    strange = sorted(set(values) - set(SETTINGS))
    if strange:
        raise ConfigurationInvalid(
            f"{', '.join(strange)}: no setting of a gate; there are {', '.join(SETTINGS)}."
        )
    for key, value in values.items():
        if value is None:
            continue
        if key == "approval":
            if not isinstance(value, bool):
                raise ConfigurationInvalid(f"approval is {value!r}; give true or false.")
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigurationInvalid(f"{key} is {value!r}; give a whole number above 0.")


def _number(tx: Transaction, name: str) -> int:
    found = rows.find_partner(tx, name)
    if found is None:
        raise NotFound(f"There is no partner {name!r}; see `partner list`.")
    return int(found.id)


__all__ = ["COUNTED", "PartnerGate", "gate_of", "go_on", "set_gate", "shut_partners"]
