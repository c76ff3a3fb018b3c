"""What our node says of a partner that checks its channel to us: whom we take it for, and what we would let it do.

1. It is signed, and names what was asked by the nonce of the asker: an old answer does not pass for a new one.
2. It tells the partner about itself only, and nothing of what it may not see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cert_exchange.errors import InputRefused
from cert_exchange.messages.contact_cards import decode_card
from cert_exchange.messages.signatures import canonical, sign
from cert_exchange.node import Node
from cert_exchange.services.partners import Caller
from cert_exchange.store import introductions as rows
from cert_exchange.store import partner_keys, partners
from cert_exchange.store import pki as certificates

KIND: Final = "cert-exchange check 1"
_NONCE: Final = re.compile(r"[0-9a-f]{32}")


def answer_check(node: Node, caller: Caller, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer a partner's self-check. Raises InputRefused for what is no question."""
    nonce = asked.get("nonce")
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise InputRefused("`nonce` is 32 hexadecimal digits.")
    now = node.now()
    with node.database.reading() as tx:
        speaks_for = partners.authority(tx, caller.partner).speaks_for
        keys = [key.kid for key in partner_keys.keys_of(tx, caller.partner) if key.holds_at(now)]
        held = rows.cards(tx).get(caller.name)
        stage = rows.stages(tx)[caller.name]
        certificate = caller.name in certificates.required_of(tx)
    content = {
        "kind": KIND,
        "of": node.identity,
        "at": now,
        "nonce": nonce,
        "identities": sorted(speaks_for),
        "keys": keys,
        "card": None if held is None else decode_card(held.card).digest,
        "stage": stage,
        "certificate": certificate,
        "governed": caller.audience is not None,
    }
    return {"signed": sign(canonical(content), node.secrets.signing_keys[0])}
