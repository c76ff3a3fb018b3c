"""Which indicators point at a cyber-observable that we hold, and which observables hang on what has just changed.

1. An indicator points at an observable by a relationship of any kind between the two, or between it and an
   observed-data that names the observable.
2. For our own observable only our own indicators and relationships count, for a partner's those of that partner and
   ours: nobody else brings to life, or ends, what it only names.
3. Of an indicator the newest version counts; one that was taken back everywhere, or is held at the way in, has ended.
4. Asked for only where a policy has a rule with `indicators`; what such a rule says of an observable is asked again when
   an indicator, a relationship or an observed-data that leads to it changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Protocol

from cert_exchange.policy.pointing import Pointing
from cert_exchange.stix.instants import parse_micros
from cert_exchange.stix.references import is_observable_id
from cert_exchange.store import references as reference_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Version
from cert_exchange.store.tables import OWN

_INDICATOR: Final = "indicator--"
_RELATIONSHIP: Final = "relationship--"
_OBSERVED: Final = "observed-data--"
_LEADING: Final = (_INDICATOR, _RELATIONSHIP, _OBSERVED)


class Held(Protocol):
    """What has been read of versions, and can be: `evaluating.Pool`, of which this room needs only this."""

    tx: Transaction
    contents: dict[int, Mapping[str, Any]]
    by_ident: dict[int, list[Version]]
    references: dict[int, list[tuple[int, int]]]
    texts: dict[int, str]

    def load(self, idents: Iterable[int]) -> None:
        """Read the versions of these ids."""

    def know(self, targets: Collection[int]) -> None:
        """Read how these ids are spelled."""

    def in_use(self, version: Version) -> bool:
        """Whether it was not taken back everywhere."""


def pointing_at(held: Held, version: Version) -> list[Pointing]:
    """The indicators that point at one version of an observable."""
    trusted = {version.origin, OWN}
    around = _sources(held, {version.ident})
    observed = {one for one in around if held.texts[one].startswith(_OBSERVED)}
    observed = {one for one in observed if _newest(held, one, trusted) is not None}
    links = {one for one in around if held.texts[one].startswith(_RELATIONSHIP)}
    if observed:
        links |= {
            one for one in _sources(held, observed) if held.texts[one].startswith(_RELATIONSHIP)
        }
    ends: set[int] = set()
    for link in links:
        found = _newest(held, link, trusted)
        if found is not None and not _gone(held, found):
            ends.update(target for target, _ in held.references.get(found.id, ()))
    held.know(ends)
    indicators = {one for one in ends if held.texts[one].startswith(_INDICATOR)}
    held.load(indicators)
    told = []
    for ident in sorted(indicators):
        newest = _newest(held, ident, trusted)
        if newest is not None:
            until = held.contents[newest.rendition].get("valid_until")
            told.append(
                Pointing(
                    gone=_gone(held, newest),
                    valid_until=parse_micros(until) if isinstance(until, str) else None,
                )
            )
    return told


def observables_of(held: Held, idents: Collection[int]) -> set[int]:
    """The observables to which any of these ids leads, as `pointing_at` follows them from the other end."""
    held.load(idents)
    held.know(idents)
    leading = {one for one in idents if held.texts[one].startswith(_LEADING)}
    indicators = {one for one in leading if held.texts[one].startswith(_INDICATOR)}
    links = {one for one in leading if held.texts[one].startswith(_RELATIONSHIP)}
    links |= {
        one for one in _sources(held, indicators) if held.texts[one].startswith(_RELATIONSHIP)
    }
    met = _targets(held, links)
    observed = {one for one in leading | met if held.texts[one].startswith(_OBSERVED)}
    met |= _targets(held, observed)
    return {one for one in met if is_observable_id(held.texts[one])} - set(idents)


def _sources(held: Held, targets: Collection[int]) -> set[int]:
    """What refers to these ids, read and spelled."""
    found = reference_rows.sources_of(held.tx, targets) if targets else set()
    held.load(found)
    held.know(found)
    return found


def _targets(held: Held, sources: Collection[int]) -> set[int]:
    """What any version of these ids refers to, spelled."""
    held.load(sources)
    found = {
        target
        for ident in sources
        for version in held.by_ident[ident]
        for target, _ in held.references.get(version.id, ())
    }
    held.know(found)
    return found


def _newest(held: Held, ident: int, trusted: Collection[int]) -> Version | None:
    """The newest version that one of these origins brought."""
    mine = [one for one in held.by_ident[ident] if one.origin in trusted]
    return mine[-1] if mine else None


def _gone(held: Held, version: Version) -> bool:
    return version.revoked or version.kept_out or not held.in_use(version)
