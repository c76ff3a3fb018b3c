"""What a person sets of a partner's heartbeat."""

from __future__ import annotations

from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.store import heartbeats
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.heartbeats import Heartbeat

LEAST_HOURS: Final = 0.5
MOST_HOURS: Final = 24.0 * 366


def arrange(
    node: Node,
    name: str,
    *,
    off: bool | None = None,
    silent_hours: float | None = None,
    test_collection: str | None = None,
    by: str = "administrator",
) -> Heartbeat:
    """Change what is given. `silent_hours` 0: back to the default; `test_collection` empty: none is named any more.

    Raises NotFound, ConfigurationInvalid.
    """
    changed: dict[str, Any] = {}
    if off is not None:
        changed["off"] = off
    if silent_hours is not None:
        if silent_hours and not LEAST_HOURS <= silent_hours <= MOST_HOURS:
            raise ConfigurationInvalid(
                f"silent hours are {silent_hours:g}; give {LEAST_HOURS:g} to {MOST_HOURS:g}, or 0 for the default."
            )
        changed["silent_hours"] = silent_hours or None
    if test_collection is not None:
        if any(ord(sign) < 0x21 for sign in test_collection):
            raise ConfigurationInvalid(
                "give the id or alias of a collection of its server, without blanks."
            )
        changed["test_collection"] = test_collection
    if not changed:
        raise ConfigurationInvalid("say what to change: see --help.")

    def work(tx: Transaction) -> Heartbeat:
        partner = partner_rows.find_partner(tx, name)
        if partner is None:
            raise NotFound(f"There is no partner {name}; `cert-exchange partner list` names them.")
        facts: dict[str, Fact] = {"partner": name}
        facts |= {key: "" if value is None else str(value) for key, value in changed.items()}
        ledger.record(tx, Line("heartbeat.set", node.now(), by, facts=facts))
        # Another collection is asked at once, and old troubles were the old one's.
        return heartbeats.put(
            tx, partner.id, **changed, asked_at=None, trouble="", troubled_at=None
        )

    return node.database.transact(work)
