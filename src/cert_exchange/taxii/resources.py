"""The small resources of TAXII 2.1, written from settings and rights: discovery, API root, collections, error, status.

1. Empty lists and absent texts are left out (section 2).
2. URLs are relative unless the settings have a `public_url`; none is built from what a client sent (4.1.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cert_exchange.services.polling import Grant
from cert_exchange.settings import Settings
from cert_exchange.taxii.negotiation import STIX, TAXII


def written(resource: Mapping[str, Any]) -> bytes:
    """Write a resource, without what is None."""
    kept = {name: value for name, value in resource.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


def discovery(settings: Settings, *, has_root: bool) -> bytes:
    """Write the discovery resource (4.1.1). `has_root`: the caller has a collection in our API root."""
    root = f"{settings.public_url or ''}/{settings.api_root}/"
    return written(
        {
            "title": settings.title,
            "description": settings.description,
            "contact": settings.contact,
            "default": root if has_root else None,
            "api_roots": [root] if has_root else None,
        }
    )


def api_root(settings: Settings) -> bytes:
    """Write the API root resource (4.2.1)."""
    return written(
        {
            "title": settings.title,
            "description": settings.description,
            "versions": [TAXII],
            "max_content_length": settings.max_content_length,
        }
    )


def collection(grant: Grant) -> bytes:
    """Write one collection resource (5.2.1)."""
    return written(_collection(grant))


def collections(grants: Sequence[Grant]) -> bytes:
    """Write the collections resource (5.1.1)."""
    listed = [
        {name: value for name, value in _collection(grant).items() if value is not None}
        for grant in grants
    ]
    return written({"collections": listed or None})


def error(*, title: str, description: str, error_id: str, status: int) -> bytes:
    """Write an error resource (3.6.1)."""
    return written(
        {
            "title": title,
            "description": description,
            "error_id": error_id,
            "http_status": str(status),
        }
    )


def _collection(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.uuid,
        "title": grant.title,
        "description": grant.description,
        "alias": grant.alias,
        "can_read": grant.can_read,
        "can_write": grant.can_write,
        "media_types": [STIX],
    }
