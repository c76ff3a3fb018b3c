"""What a remote server offers, before a source or target is added (TAXII 2.1 sections 4.1 and 5.1).

1. API roots may be relative or absolute; one on another host is named and not asked: whoever trusts it adds it.
2. Members that a server leaves out are read as absent, not as an error: an administrator is to see what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from cert_exchange import errors
from cert_exchange.remote.connection import Connection, Moved, cleaned


@dataclass(frozen=True, slots=True)
class Offer:
    """One collection as the remote describes it to our credential.

    Where a root could not be read there is one Offer without a collection, and `trouble` says why.
    """

    root: str
    collection: str
    alias: str
    title: str
    can_read: bool
    can_write: bool
    trouble: str = ""


def discover(connection: Connection) -> tuple[Offer, ...]:
    """List the collections of every API root that the server at `connection.root` names.

    `connection.root` is the discovery address, such as https://host/taxii2/. Raises errors.Remote*.
    """
    found = connection.fetch("GET", connection.root).document()
    roots = _texts(found, "api_roots")
    default = found.get("default")
    if isinstance(default, str) and default not in roots:
        roots.insert(0, default)
    offers: list[Offer] = []
    for root in roots:
        url = urljoin(connection.root, root)
        offers += _of_root(connection, url if url.endswith("/") else url + "/")
    return tuple(offers)


def _of_root(connection: Connection, url: str) -> list[Offer]:
    shown = cleaned(url, 300)
    try:
        found = connection.fetch("GET", f"{url}collections/").document()
    except Moved:
        return [Offer(shown, "", "", "", False, False, "on another host: not asked")]  # noqa: FBT003 - fields of a value
    except errors.RemoteError as error:
        return [Offer(shown, "", "", "", False, False, error.public)]  # noqa: FBT003 - fields of a value
    collections = found.get("collections")
    return [
        Offer(
            shown,
            _text(one, "id"),
            _text(one, "alias"),
            _text(one, "title"),
            one.get("can_read") is True,
            one.get("can_write") is True,
        )
        for one in (collections if isinstance(collections, list) else [])
        if isinstance(one, dict)
    ]


def _texts(value: dict[str, Any], name: str) -> list[str]:
    found = value.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return cleaned(found, 200) if isinstance(found, str) else ""
