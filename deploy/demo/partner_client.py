"""What a partner with any other TAXII product sees: the stock taxii2-client, and a comparison of what two sides hold."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

PAGE = 1000
Key = tuple[str, str]


class StockClient:
    """taxii2-client with a partner's user and password, verifying the server with the demo's CA."""

    def __init__(self, url: str, *, user: str, password: str, ca_file: Path) -> None:
        # requests, under taxii2-client, lets these variables override the CA that it is given.
        for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            os.environ.pop(variable, None)
        self._login = {"user": user, "password": password, "verify": str(ca_file)}
        self.server = Server(f"{url}/taxii2/", **self._login)

    @property
    def root(self) -> ApiRoot:
        """The one API root that this partner is shown."""
        return self.server.api_roots[0]

    def collection(self, alias: str) -> Collection:
        """Find a collection by its alias, as discovery shows it."""
        for found in self.root.collections:
            if found.alias == alias:
                return found
        raise LookupError(f"{alias} is not among the collections that the partner is shown")

    def objects(self, alias: str, **filters: Any) -> list[dict[str, Any]]:
        """Poll all pages of a collection."""
        collection = self.collection(alias)
        return [
            item
            for page in as_pages(collection.get_objects, per_request=PAGE, **filters)
            for item in page.get("objects", [])
        ]

    def last_date_added(self, alias: str) -> str:
        """Give the instant at which the newest object became visible, by the manifest: a poller's cursor."""
        collection = self.collection(alias)
        added = [
            entry["date_added"]
            for page in as_pages(collection.get_manifest, per_request=PAGE)
            for entry in page.get("objects", [])
        ]
        return max(added, default="1970-01-01T00:00:00Z")


def version_of(item: dict[str, Any]) -> str:
    """Give what makes versions differ: `modified`, else `created`; cyber-observables have none."""
    return str(item.get("modified") or item.get("created") or "")


def keys(items: Iterable[dict[str, Any]]) -> set[Key]:
    """Name each object by id and version."""
    return {(item["id"], version_of(item)) for item in items}


def digests(items: Iterable[dict[str, Any]]) -> dict[Key, str]:
    """Give a digest of each object's content, so that two copies can be compared."""
    return {
        (item["id"], version_of(item)): hashlib.sha256(
            json.dumps(item, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()
        for item in items
    }
