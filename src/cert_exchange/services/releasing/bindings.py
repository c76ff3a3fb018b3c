"""What binds the versions that a transaction looks at: terms, consents, agreements, read in bulk and once.

1. Where nobody said anything about any id, nothing is read.
2. Terms beside an id bind every version of it, of the origin that they name or of any.
3. An agreement binds what came from its partner, in every audience; it is that of the policies in force.
4. Terms that cannot be read deny.
5. What a partner disagrees with is known here too (`store.doubts`): read once, and only where anything is doubted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from cert_exchange.policy.binding import Binding, Consent, Promise, Recipient, Recipients
from cert_exchange.policy.document import Policy
from cert_exchange.policy.sharing_terms import NO_TERMS, Onward, from_text
from cert_exchange.store import doubts
from cert_exchange.store import terms as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Sharing
from cert_exchange.store.tables import OWN
from cert_exchange.store.terms import EVERY, Said

_ONWARD: Final = {"never": Onward.NONE, "ask": Onward.ASK}


class Governed(Protocol):
    """An audience with the policy in force for it: `evaluating.Plan`, of which this room needs only this."""

    @property
    def policy(self) -> Policy | None:
        """Its policy, None where it cannot be read."""


def promises_of(plans: Iterable[Governed]) -> dict[str, Promise]:
    """What was agreed about what comes from each partner; of several agreements the strictest counts."""
    found: dict[str, Promise] = {}
    for plan in plans:
        agreed = plan.policy.agreed if plan.policy is not None else None
        if agreed is None:
            continue
        onward = _ONWARD.get(agreed.onward or "", Onward.FREE)
        one = Promise(agreed.embargo, agreed.retention, onward)
        if one != Promise():
            other = found.get(agreed.partner)
            found[agreed.partner] = one if other is None else one & other
    return found


def recipients_of(said: Said, names: Collection[str]) -> Recipients:
    """How terms may name these partners."""
    return {
        name: Recipient(said.spoken.get(name, frozenset()), said.countries.get(name))
        for name in names
    }


def bindings_for(conn: Transaction, sharing: Sharing, plans: Iterable[Governed]) -> Bindings:
    """What binds versions, where these plans are all that are in force."""
    return Bindings(conn, sharing.said, sharing.partners, promises_of(plans))


@dataclass(slots=True)
class Bindings:
    """What binds versions; `load` before `of`. `names`: partner id -> name, `promises` by the partner's name."""

    tx: Transaction
    said: Said
    names: Mapping[int, str]
    promises: Mapping[str, Promise]
    beside: dict[int, dict[int, str]] = field(default_factory=dict)
    """ident -> origin -> terms as they are stored"""
    said_at: dict[tuple[int, int], tuple[int, bool]] = field(default_factory=dict)
    """(ident, origin) -> when those were said (micros), and whether by an order about that id; else with a publication"""
    consents: dict[tuple[int, int], list[Consent]] = field(default_factory=dict)
    """(ident, partner) -> consents to that one object"""
    unfetched: set[tuple[int, int]] = field(default_factory=set)
    """(view, position) of lines of what is doubted since this transaction, which nobody fetched: they are held too"""
    _doubted: Mapping[int, tuple[str, ...]] | None = None
    """ours -> the partners who disagree; None: not read yet"""
    _general: dict[int, tuple[Consent, ...]] = field(init=False)
    _shared: dict[int, Binding | None] = field(default_factory=dict)
    """origin -> what binds all that came from there"""

    def __post_init__(self) -> None:
        """Take over what the statement about sharing gave."""
        general: dict[int, list[Consent]] = {}
        for number, partner, recipient, until in self.said.consents:
            general.setdefault(partner, []).append(Consent(recipient, until, number))
        self._general = {partner: tuple(those) for partner, those in general.items()}

    def ask(self, idents: Collection[int]) -> Callable[[], None]:
        """Ask what was said about these ids; the rows are read when the answer is called."""
        if not self.said.any_of or not idents:
            return _nothing
        asked = rows.ask_beside(self.tx, idents)

        def note() -> None:
            consents: dict[tuple[int, int], list[Consent]] = {}
            for kind, ident, number, text, until, consent in asked():
                if kind == rows.OF_IDS:
                    self.beside.setdefault(ident, {})[number] = text
                    self.said_at[ident, number] = (until, bool(consent))
                else:
                    given = Consent(text, until, consent)
                    consents.setdefault((ident, number), []).append(given)
            self.consents.update(consents)

        return note

    def doubted(self, version: Version) -> tuple[str, ...]:
        """The partners who disagree with an object of ours, as long as nobody has looked at it; a revocation goes on."""
        if version.origin != OWN or version.revoked:
            return ()
        if self._doubted is None:
            self._doubted = doubts.open_against(self.tx) if self.said.doubted else {}
        return self._doubted.get(version.ident, ())

    def doubts_changed(self) -> None:
        """This transaction wrote doubts or ended some: they are read again."""
        self._doubted = doubts.open_against(self.tx)

    def of(self, version: Version) -> Binding | None:
        """What binds a version besides what it carries itself; None where nothing does."""
        origin = version.origin
        special = self.consents.get((version.ident, origin)) if self.consents else None
        said = self.beside.get(version.ident) if self.beside else None
        if said is None and special is None:
            return self._all_of(origin)
        terms, broken = NO_TERMS, ""
        for whose, text in (said or {}).items():
            if whose in (EVERY, origin):
                try:
                    terms &= from_text(text)
                except Exception as error:  # noqa: BLE001 - another release's, or a row that somebody changed: it denies
                    broken = f"those beside it ({type(error).__name__})"
        shared = self._all_of(origin) or Binding()
        return Binding(
            beside=terms,
            consents=(*shared.consents, *(special or ())),
            promise=shared.promise,
            broken=broken,
        )

    def tell(self, written: Mapping[tuple[int, int], str | None]) -> None:
        """What this transaction writes by (ident, origin), None for no terms any more, binds from now on."""
        for (ident, origin), text in written.items():
            there = self.beside.setdefault(ident, {})
            if text is None:
                there.pop(origin, None)
            else:
                there[origin] = text

    def _all_of(self, origin: int) -> Binding | None:
        if origin == OWN:
            return None
        if origin not in self._shared:
            promise = self.promises.get(self.names.get(origin, ""))
            general = self._general.get(origin, ())
            bound = Binding(consents=general, promise=promise) if promise or general else None
            self._shared[origin] = bound
        return self._shared[origin]


def _nothing() -> None:
    return
