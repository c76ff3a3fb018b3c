"""What the peer face answers: each resource as a JSON object, made by a service's sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cert_exchange.errors import QueryInvalid
from cert_exchange.node import Node
from cert_exchange.services import reconciling, restoring, signing
from cert_exchange.services.comparing import asking
from cert_exchange.services.partners import Caller

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}")


def keys(node: Node) -> Mapping[str, Any]:
    """Our public keys, each vouching for all."""
    return signing.our_list(node)


def checkpoint(node: Node, caller: Caller, query: Mapping[str, str]) -> Mapping[str, Any]:
    """Our ledger's newest head, the proof from the size that is asked for, and the caller's head that we hold."""
    return asking.show(node, caller.partner, _number(query, "from"))


def received(node: Node, caller: Caller, query: Mapping[str, str]) -> Mapping[str, Any]:
    """What we hold of what the caller sent."""
    return reconciling.received_from(node, caller, _number(query, "after") or 0)


def served(node: Node, caller: Caller, query: Mapping[str, str]) -> Mapping[str, Any]:
    """What the caller fetched of what it may read now."""
    return reconciling.served_to(node, caller, _number(query, "after") or 0)


def _number(query: Mapping[str, str], name: str) -> int | None:
    value = query.get(name)
    if value is not None and not _NUMBER.fullmatch(value):
        raise QueryInvalid(f"`{name}` is a number.")
    return None if value is None else int(value)


def epoch(node: Node, query: Mapping[str, str]) -> Mapping[str, Any]:
    """The epoch of our logs, and since when things may be lost here for who last knew the one that is named."""
    return restoring.our_epoch(node, _number(query, "known") or 0)


def hear_epoch(node: Node, caller: Caller, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The caller's epoch: it may have been restored."""
    return {"restored": restoring.hear(node, caller.partner, body)}


def returned(node: Node, caller: Caller, query: Mapping[str, str]) -> Mapping[str, Any]:
    """What the caller sent us since an instant."""
    return restoring.give_back(node, caller, query.get("since", ""), query.get("skip", "0"))
