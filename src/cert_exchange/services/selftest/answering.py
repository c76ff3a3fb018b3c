"""What a partner may ask of us when it tests its side: how we see it, and what we would say to objects of it.

1. It is told of itself only: its own name here, its own rights, what it could poll anyhow. While what goes out to it is
   frozen it is not told how much stands there.
2. Objects that it tries are read and dropped: nothing is stored, counted, released or compared with what we hold, so that
   the answer depends on nothing but the objects and who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from cert_exchange.errors import BodyTooLarge, EnvelopeInvalid
from cert_exchange.node import Node
from cert_exchange.services.partners import Caller
from cert_exchange.services.polling import list_collections
from cert_exchange.stix.envelopes import Examined, examine
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import figures, partners
from cert_exchange.store import introductions as rows
from cert_exchange.store import pki as certificates

MOST: Final = 100
"""Objects in one try."""
BYTES: Final = 64 * 1024
"""of one try: more would be validated beside those who poll"""
_COUNTED: Final = 1_000


def answer_selftest(node: Node, caller: Caller) -> Mapping[str, Any]:
    """How we see the caller. Raises StoreUnavailable."""
    with node.database.raw_reader() as connection:
        grants = list_collections(node, connection, caller)
    with node.database.reading() as tx:
        shown = {
            one.uuid: 0
            if one.view is None
            else figures.count_after(tx, one.view, position=0, most=_COUNTED)
            for one in grants
            if one.can_read and not caller.frozen
        }
        speaks_for = sorted(partners.authority(tx, caller.partner).speaks_for)
        stage = rows.stages(tx)[caller.name]
        required = caller.name in certificates.required_of(tx)
    return {
        "you_are": caller.name,
        "you_speak_for": speaks_for,
        "our_time": format_micros(node.now()),
        "stage": stage,
        "a_policy_names_you": caller.audience is not None,
        "you_must_show_a_certificate": required,
        "this_credential_may_less_than_you": bool(caller.scope),
        "we_give_out_to_you": not caller.frozen,
        "we_take_in_from_you": caller.receiving,
        "requests_per_minute": caller.requests_per_minute,
        "largest_request_bytes": node.settings.max_content_length,
        "collections": [
            {
                "id": one.uuid,
                "alias": one.alias,
                "title": one.title,
                "can_read": one.can_read,
                "can_write": one.can_write,
                "object_versions_for_you": shown.get(one.uuid),
                "counted_up_to": _COUNTED,
            }
            for one in grants
        ],
        "try": f'POST {{"objects": [...]}} here, up to {MOST}: we say what we think of each, and keep nothing',
    }


def try_objects(node: Node, caller: Caller, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """What we would say to these objects. Raises EnvelopeInvalid."""
    found = asked.get("objects")
    if not isinstance(found, list) or len(found) > MOST:
        raise EnvelopeInvalid(f'Send {{"objects": [...]}} with 1 to {MOST} STIX objects.')
    body = orjson.dumps({"objects": found})
    if len(body) > BYTES:
        raise BodyTooLarge(f"These objects have {len(body)} bytes; at most {BYTES} are tried here.")
    batch = examine(body, limits=replace(node.limits, objects=MOST))
    with node.database.reading() as tx:
        speaks_for = partners.authority(tx, caller.partner).speaks_for
    return {"kept": 0, "objects": [_said(one, speaks_for) for one in batch.items]}


def _said(one: Examined, speaks_for: frozenset[str]) -> Mapping[str, Any]:
    if one.item is None:
        return {"id": one.id, "version": one.version, "valid": False, "message": one.refusal}
    creator = one.item.content.get("created_by_ref")
    message = "valid STIX 2.1"
    if isinstance(creator, str) and creator not in speaks_for:
        message += "; its creator is none that you speak for: it would be kept as a proposal"
    return {
        "id": one.id,
        "version": one.version,
        "valid": True,
        "message": message,
        "we_would_keep": one.item.body.decode("utf-8"),
    }
