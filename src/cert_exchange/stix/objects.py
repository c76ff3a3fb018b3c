"""A STIX object that has been validated.

What exists is valid: `validation.validate` is the sole maker, and nobody checks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cert_exchange.stix.references import Reference, Role

__all__ = ["Reference", "Role", "StixObject"]


@dataclass(frozen=True, slots=True)
class StixObject:
    """One object in one version, as its bytes will be served for ever.

    `version` is `modified`, else `created`, as it came; None for a cyber-observable, whose version is the instant of
    its storage (TAXII 2.1 section 3.4.1). `digest` is the SHA-256 of `body`; `sameness` tells whether two contents
    are the same (DECISIONS 25).
    """

    id: str
    type: str
    version: str | None
    created: str | None
    creator: str | None
    revoked: bool
    observable: bool
    body: bytes
    digest: bytes
    sameness: bytes
    references: tuple[Reference, ...]
    content: Mapping[str, Any] = field(repr=False, compare=False)
