"""The paths of TAXII 2.1: every resource with its methods, and which one a path means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cert_exchange.errors import NotFound
from cert_exchange.services.polling import Resource
from cert_exchange.taxii.wire import KEPT_BYTES, NOTHING

DISCOVERY: Final = "taxii2"
_ANY: Final = "*"
_ROOT: Final = "{root}"


@dataclass(frozen=True, slots=True)
class Route:
    """One resource. `path`: segments, with a * for a name; the first is the root's."""

    name: str
    path: tuple[str, ...]
    methods: tuple[str, ...] = ("GET",)
    resource: Resource | None = None


ROUTES: Final = (
    Route("discovery", (DISCOVERY,)),
    Route("api-root", (_ROOT,)),
    Route("status", (_ROOT, "status", _ANY)),
    Route("collections", (_ROOT, "collections")),
    Route("collection", (_ROOT, "collections", _ANY)),
    Route(
        "manifest",
        (_ROOT, "collections", _ANY, "manifest"),
        resource=Resource.MANIFEST,
    ),
    Route(
        "objects",
        (_ROOT, "collections", _ANY, "objects"),
        ("GET", "POST"),
        Resource.OBJECTS,
    ),
    Route(
        "object",
        (_ROOT, "collections", _ANY, "objects", _ANY),
        ("GET", "DELETE"),
        Resource.OBJECT,
    ),
    Route(
        "versions",
        (_ROOT, "collections", _ANY, "objects", _ANY, "versions"),
        resource=Resource.VERSIONS,
    ),
)
"""Every resource, as `docs/openapi.json` describes it (a test keeps the two equal)."""


def match(segments: tuple[str, ...]) -> tuple[Route, tuple[str, ...]]:
    """Find the resource of a path under a root, and the names in it. Raises NotFound."""
    return _kept(segments) if sum(map(len, segments)) <= KEPT_BYTES else _matched(segments)


@lru_cache(maxsize=4096)
def _kept(segments: tuple[str, ...]) -> tuple[Route, tuple[str, ...]]:
    return _matched(segments)


def _matched(segments: tuple[str, ...]) -> tuple[Route, tuple[str, ...]]:
    for route in ROUTES:
        if len(route.path) == len(segments) and all(map(_fits, route.path, segments)):
            named = zip(route.path, segments, strict=True)
            return route, tuple(found for wanted, found in named if wanted == _ANY)
    raise NotFound(detail="no such path")


def _fits(wanted: str, found: str) -> bool:
    if wanted == _ROOT:
        return found != DISCOVERY
    return found not in ("", NOTHING) if wanted == _ANY else wanted == found


def methods_of(route: Route) -> tuple[str, ...]:
    """The methods of a resource, for `Allow`."""
    found = [*route.methods, "OPTIONS"]
    return tuple(["HEAD", *found] if "GET" in found else found)


def allowed(route: Route) -> bytes:
    """The value of `Allow`."""
    return ", ".join(methods_of(route)).encode("ascii")
