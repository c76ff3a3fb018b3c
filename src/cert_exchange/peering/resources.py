"""What the peer face answers: each resource as a JSON object, made by a service's sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cert_exchange.node import Node
from cert_exchange.services import signing


def keys(node: Node) -> Mapping[str, Any]:
    """Our public keys, each vouching for all."""
    return signing.our_list(node)
