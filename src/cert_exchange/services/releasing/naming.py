"""Under which ids an audience knows what stands for originals, and what it is told of their makers (DECISIONS 12, 13).

1. A new name is a UUIDv5 in this node's own namespace, from a keyed digest of (original id, audience, generation). It
   stands in the map from its first use: a key that is lost renames nothing.
2. Two audiences never share a name, so that readers who compare notes learn nothing from them.
3. The generation rises when the last version under the name before revoked it; nothing follows a revocation.
4. The pseudonym of a maker is the same for all its objects and another for each audience. It comes from the key, but
   for those that were written down before the key was changed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from cert_exchange.node import Node
from cert_exchange.stix.instants import parse_micros
from cert_exchange.store import derivatives, objects, pseudonyms
from cert_exchange.store.database import Transaction
from cert_exchange.store.derivatives import Derivative, Name
from cert_exchange.store.in_force import ENDED

_UNNUMBERED: Final = 0


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose derivatives they are: the node's key and its own identity."""

    key: bytes = field(repr=False)
    identity: str

    def name(self, original: str, audience: int, generation: int) -> str:
        """The id of what stands for an original in an audience."""
        digest = self._digest(f"derivative:{audience}:{generation}:{original}")
        space = uuid5(NAMESPACE_URL, f"cert-exchange:{self.identity}")
        return f"{original.partition('--')[0]}--{uuid5(space, digest)}"

    def pseudonym(self, maker: str, audience: int) -> str:
        """What an audience is told in place of a maker's id, where nothing is written down."""
        return f"source-{self._digest(f'source:{audience}:{maker}')[:10]}"

    def _digest(self, text: str) -> str:
        return hmac.new(self.key, text.encode("utf-8"), hashlib.sha256).hexdigest()


def issuer_of(node: Node) -> Issuer:
    """Who makes the derivatives of this node."""
    return Issuer(node.secrets.derivative_key, node.identity)


@dataclass(slots=True)
class Names:
    """The names of one audience, as one transaction reads and makes them. `now` in micros."""

    tx: Transaction
    issuer: Issuer
    audience: int
    now: int
    own: int | None = None
    """the number of our own identity, where we hold it"""
    fresh: dict[int, Name] = field(default_factory=dict)
    """by original: made here, not in the map yet, without a number"""
    _known: dict[int, list[Name]] = field(default_factory=dict)
    _given: dict[int, int] = field(default_factory=dict)
    """by original: the last instant that `next_instant` gave"""
    _history: dict[int, list[Derivative]] = field(default_factory=dict)
    """by original: all versions that ever stood for it in this audience, the oldest first"""

    _pseudonyms: dict[str, str] | None = None
    """by maker's id: what was written down before the key was changed; None: not read yet"""

    def __post_init__(self) -> None:
        identity = self.issuer.identity
        self.own = objects.idents_of(self.tx, [identity]).get(identity)

    def load(self, originals: Iterable[int]) -> None:
        """Read at once what is known of these originals."""
        missing = [one for one in originals if one not in self._known]
        if not missing:
            return
        self._known.update((one, []) for one in missing)
        self._known.update(derivatives.names_of(self.tx, self.audience, missing))
        self._history.update((one, []) for one in missing)
        for one in derivatives.of_originals(self.tx, missing, (self.audience,)):
            self._history[one.original].append(one)

    def pseudonym(self, maker: str) -> str:
        """What the audience is told in place of a maker's id."""
        if self._pseudonyms is None:
            self._pseudonyms = pseudonyms.kept(self.tx, self.audience)
        return self._pseudonyms.get(maker) or self.issuer.pseudonym(maker, self.audience)

    def newest(self, original: int) -> Derivative | None:
        """The last version under the present name; None where there is none, or it revoked the name."""
        self.load((original,))
        found = self._history[original]
        if not found or original in self.fresh:
            return None
        newest = max(found, key=lambda one: (one.version_key, one.object))
        return None if newest.trimmed == ENDED else newest

    def next_instant(self, original: int) -> int:
        """The instant (micros) of the next version: after all versions of any name, and after what was asked before."""
        self.load((original,))
        last = self._given.get(original) or max(
            (parse_micros(one.version) for one in self._history[original]), default=0
        )
        found = self._given[original] = max(self.now, last + 1)
        return found

    def name(self, original: int, text: str) -> Name:
        """The name of what stands for an original from now on; a new one where there is none or it was revoked."""
        self.load((original,))
        found = self.fresh.get(original)
        if found is not None:
            return found
        known = self._known[original]
        ended = bool(self._history[original]) and self.newest(original) is None
        if known and not ended:
            return known[-1]
        generation = known[-1].generation + 1 if known else 1
        stix_id = self.issuer.name(text, self.audience, generation)
        made = Name(self.audience, original, generation, _UNNUMBERED, stix_id, self.now)
        self.fresh[original] = made
        return made

    def current(self, original: int) -> Name:
        """The name in the map that stands for an original now, or stood last."""
        self.load((original,))
        return self._known[original][-1]

    def number(self, numbers: Mapping[str, int]) -> None:
        """The names that were made here got numbers: they go into the map."""
        made = [
            replace(one, ident=numbers[one.stix_id])
            for one in self.fresh.values()
            if one.stix_id in numbers
        ]
        derivatives.keep_names(self.tx, made)
        for one in made:
            self._known[one.original].append(one)
            del self.fresh[one.original]

    def note(self, made: Iterable[Derivative]) -> None:
        """Remember versions that were just made."""
        for one in made:
            self._history[one.original].append(one)
