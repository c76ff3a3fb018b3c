"""A partner's cert-exchange, asked beside TAXII: `/exchange/v1/…` at the server of its API root.

1. The same connection as for TAXII: its TLS, its credential, its limits, its errors.
2. A server that does not know the path is no cert-exchange, or an older one: None, and nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urljoin

import orjson

from cert_exchange.errors import RemoteRefused
from cert_exchange.remote.connection import Connection

_UNKNOWN: Final = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_ACCEPTABLE}
)
_PLACE: Final = "../exchange/v1/"


def resource_url(connection: Connection, name: str) -> str:
    """The address of a resource: beside the API root, whatever stands before it."""
    return urljoin(connection.root, _PLACE + name)


def ask(
    connection: Connection, name: str, params: Mapping[str, str] | None = None
) -> Mapping[str, Any] | None:
    """GET a resource of the peer; None where the server has none such. Raises errors.Remote*."""
    return _fetch(connection, "GET", name, params=params)


def tell(connection: Connection, name: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """POST to a resource of the peer; None where the server has none such. Raises errors.Remote*."""
    return _fetch(connection, "POST", name, body=orjson.dumps(dict(body)))


def _fetch(
    connection: Connection,
    method: str,
    name: str,
    *,
    params: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Mapping[str, Any] | None:
    try:
        answer = connection.fetch(method, resource_url(connection, name), params=params, body=body)
    except RemoteRefused as refusal:
        if refusal.remote_status in _UNKNOWN:
            return None
        raise
    return answer.document()
