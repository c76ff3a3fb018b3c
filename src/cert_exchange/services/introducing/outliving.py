"""What a set-up before this one left in force: a new one ends nothing by itself.

1. The new credential and certificate travel for hours or days; ended at once, the old ones would cut a channel that works.
2. So a person is told, with the command for each: after a theft these are what the thief still holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from cert_exchange.node import Node
from cert_exchange.store import credential_lives, partner_keys
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import pki as certificate_rows

_SHOWN = 16
"""Of a serial: enough to name it."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What lets a partner in, or lets it be believed: credentials by id, certificates by serial, signing keys by name."""

    credentials: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def in_force(node: Node, name: str) -> InForce:
    """Everything of a partner that counts now; nothing for a partner that is not known."""
    now = node.now()
    with node.database.reading() as tx:
        found = partner_rows.find_partner(tx, name)
        if found is None:
            return InForce()
        lives = credential_lives.lives(tx, now, partner=found.id).get(found.id, [])
        certificates = [
            row for row in certificate_rows.standing(tx, now) if row.partner == found.id
        ]
        keys = [key.kid for key in partner_keys.keys_of(tx, found.id) if key.holds_at(now)]
    return InForce(
        tuple(one.id for one in lives),
        tuple(row.serial[:_SHOWN] for row in certificates),
        tuple(keys),
    )


def outlived(node: Node, name: str, before: InForce, *, key: str) -> tuple[str, ...]:
    """Sentences for a person, empty where nothing is left; `key` is the signing key of the offer that was accepted now."""
    still = in_force(node, name)
    commands = [
        *(f"partner revoke {one}" for one in before.credentials if one in still.credentials),
        *(f"pki revoke {one}" for one in before.certificates if one in still.certificates),
        *(f"keys end {name} {one}" for one in before.keys if one in still.keys and one != key),
    ]
    if not commands:
        return ()
    said = (
        f"what {name} was given before is still in force. If it may have been stolen, end it now; else once"
        " `partner check` says yes on both sides:"
    )
    return (
        said,
        *(f"  cert-exchange {one}" for one in commands),
    )
