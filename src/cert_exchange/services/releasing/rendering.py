"""How one version is shown as a derivative: its names, its maker, its neighbours' names (DECISIONS 12 and 13).

1. The same for what is released and for what a preview would release: who asks says how the audience sees each id.
2. Whatever fails means that it is not shown; the reason never holds a value of the object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from cert_exchange.policy.ceiling import owed
from cert_exchange.policy.document import Policy
from cert_exchange.policy.redaction import (
    Naming,
    Need,
    Rendered,
    Trimmed,
    Unredactable,
    render,
)
from cert_exchange.policy.rules import Recipe
from cert_exchange.services.releasing.evaluating import Pool
from cert_exchange.services.releasing.naming import Names
from cert_exchange.services.releasing.trimming import left_of
from cert_exchange.stix.canonical import canonical_bytes
from cert_exchange.stix.instants import format_micros
from cert_exchange.store.objects import Version


class Seen(Enum):
    """How an audience sees an id."""

    HIDDEN = auto()
    DERIVED = auto()
    WHOLE = auto()


class Audience(Protocol):
    """How one audience sees ids when all is done."""

    def seen(self, ident: int) -> Seen:
        """Whether it sees an id, and how."""

    def sent_it(self, ident: int) -> bool:
        """Whether a member sent us the id: it goes on knowing it under that."""

    def may_dangle(self, ident: int, role: int) -> bool:
        """Whether a reference to an id that it does not see may stay."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A version as it would be shown: what is left of it, its rendition, and the instant of that."""

    left: Trimmed
    rendered: Rendered
    modified: str
    creator: str | None

    @property
    def content(self) -> bytes:
        """SHA-256 of the rendition without the instants of its own version."""
        return content_digest(self.rendered)


@dataclass(slots=True)
class Rendering:
    """What versions look like as derivatives before one audience."""

    pool: Pool
    policy: Policy
    names: Names
    audience: Audience

    def rendition(self, version: Version, recipe: Recipe) -> Shown | Unredactable:
        """A version without what a recipe takes, under its name. Never raises for odd content."""
        names = self.names
        named = owed(self.pool.subject(version))  # whatever it is derived for (DECISIONS 14)
        if named is not None:
            return Unredactable(named.reason)
        left = left_of(self.pool, self.policy, version, recipe)
        if isinstance(left, Unredactable):
            return left
        creator = self._creator(version)
        name = names.name(version.ident, version.stix_id)
        modified = format_micros(names.next_instant(version.ident))
        maker = self.pool.contents[version.rendition].get("created_by_ref")
        naming = Naming(
            name.stix_id,
            format_micros(name.named_at),
            modified,
            creator,
            self._replacing(version, left),
            names.pseudonym(maker) if recipe.source and isinstance(maker, str) else None,
        )
        try:
            rendered = render(left, naming)
        except Exception as error:  # noqa: BLE001 - invariant 1: whatever fails here must not be shown
            return Unredactable(f"rendering failed with {type(error).__name__}")
        if isinstance(rendered, Unredactable):
            return rendered
        return Shown(left, rendered, modified, creator)

    def _creator(self, version: Version) -> str | None:
        """Whose derivative it says that it is: ours, where the audience sees our identity."""
        names = self.names
        own = names.own
        if own is None or own == version.ident or version.observable:
            return None
        match self.audience.seen(own):
            case Seen.WHOLE:
                return names.issuer.identity
            case Seen.DERIVED:
                return names.name(own, names.issuer.identity).stix_id
            case Seen.HIDDEN:
                return None

    def _replacing(self, version: Version, left: Trimmed) -> Mapping[str, str | None]:
        """What stands in the derivative for each id that its original names; what is not named stays."""
        replacing: dict[str, str | None] = {}
        for target, role in self.pool.references.get(version.id, ()):
            text = self.pool.texts[target]
            need = left.needs.get(text)
            if need is None or self.audience.sent_it(target):
                continue
            seen = self.audience.seen(target)
            if seen is Seen.DERIVED:
                replacing[text] = self.names.name(target, text).stix_id
            elif (
                seen is Seen.HIDDEN
                and need is not Need.REQUIRED
                and not self.audience.may_dangle(target, role)
            ):
                replacing[text] = None
        return replacing


def content_digest(rendered: Rendered) -> bytes:
    """SHA-256 of a rendition without the instants of its own version."""
    kept = {
        name: value
        for name, value in rendered.content.items()
        if name not in ("created", "modified")
    }
    return hashlib.sha256(canonical_bytes(kept)).digest()
