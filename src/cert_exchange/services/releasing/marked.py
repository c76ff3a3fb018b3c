"""What else binds an object: the marking definitions that it names, and what a translation translates.

1. Our desk may use anybody's definition. For a partner's object only that partner's definition and ours can make its
   marking understood: whoever else speaks of the same id restricts and never loosens (`stix.handling`, 4).
2. A translation (language-content) is bound by the version that it names, else by every version that we hold.
3. What was taken back still says what it said: a definition or a target that we hold in any collection counts.
4. When a definition arrives, what bears it is decided again (`bearers`, from `publishing`); a translation that its
   target's markings deny waits for the target like any dependant (`closing`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from cert_exchange.policy.decide import Subject, subject_of
from cert_exchange.policy.pointing import next_end
from cert_exchange.services.releasing.bindings import Bindings
from cert_exchange.services.releasing.pointing import pointing_at
from cert_exchange.stix.handling import Definition
from cert_exchange.stix.instants import order_key
from cert_exchange.store import objects
from cert_exchange.store import references as reference_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.objects import Version
from cert_exchange.store.tables import OWN

TRANSLATION: Final = "language-content"
_DEFINITION: Final = "marking-definition--"


class Held(Protocol):
    """What has been read of versions, and can be: `evaluating.Pool`, of which this room needs only this."""

    tx: Transaction
    contents: dict[int, Mapping[str, Any]]
    by_ident: dict[int, list[Version]]
    references: dict[int, list[tuple[int, int]]]
    texts: dict[int, str]
    bindings: Bindings

    def load(self, idents: Iterable[int]) -> None:
        """Read the versions of these ids."""

    def know(self, targets: Collection[int]) -> None:
        """Read how these ids are spelled."""

    def in_use(self, version: Version) -> bool:
        """Whether it was not taken back everywhere."""


def subject(held: Held, version: Version, *, origin: str) -> Subject:
    """The facts of one version with all that binds it. `origin` is "own" or the partner's name."""
    content = held.contents[version.rendition]
    names = _Names(held, version)
    target: Sequence[Mapping[str, Any]] = ()
    if version.type == TRANSLATION:
        target = _translated(names, content)
    definitions: Callable[[str], Sequence[Definition]] = partial(_definitions, names)
    return subject_of(
        content,
        origin=origin,
        stored_at=version.stored_at,
        definitions=definitions,
        target=target,
        pointers=partial(pointing_at, held, version),
        given=held.bindings.of(version),
    )


def next_dates(subjects: Mapping[int, Subject], now: int) -> dict[int, int]:
    """Of the versions that were judged: when what binds them begins or ends next, in micros.

    That is what their markings say, and, where a rule asked for it, when an indicator that points at them ends.
    """
    found: dict[int, int] = {}
    for number, one in subjects.items():
        dates: list[int | None] = []
        if one.handling is not None:
            dates += [one.handling.begins, one.handling.ends]
        if one.pointed:
            dates.append(next_end(one.pointing or (), now))
        ahead = [date for date in dates if date is not None and date > now]
        if ahead:
            found[number] = min(ahead)
    return found


def bearers(tx: Transaction, definitions: Collection[int]) -> set[int]:
    """The ids of what names these marking definitions: when one arrives, they may mean something else."""
    return reference_rows.sources_of(tx, definitions) if definitions else set()


class _Names:
    """The numbers of what one version refers to, by their ids: read once, however many there are."""

    __slots__ = ("_numbers", "held", "version")

    def __init__(self, held: Held, version: Version) -> None:
        self.held = held
        self.version = version
        self._numbers: dict[str, int] | None = None

    def number_of(self, stix_id: str) -> int | None:
        """The number of an id that the version refers to, or that what it translates does."""
        held = self.held
        if self._numbers is None:
            targets = [target for target, _ in held.references.get(self.version.id, ())]
            held.know([target for target in targets if target not in held.texts])
            found = ((held.texts.get(target), target) for target in targets)
            self._numbers = {text: target for text, target in found if text is not None}
            held.load(
                [each for text, each in self._numbers.items() if text.startswith(_DEFINITION)]
            )
        number = self._numbers.get(stix_id)
        return objects.idents_of(held.tx, [stix_id]).get(stix_id) if number is None else number


def _definitions(names: _Names, stix_id: str) -> list[Definition]:
    held, version = names.held, names.version
    ident = names.number_of(stix_id)
    if ident is None:
        return []
    held.load((ident,))
    ours = version.origin == OWN
    return [
        Definition(
            held.contents[one.rendition], trusted=ours or one.origin in (version.origin, OWN)
        )
        for one in held.by_ident[ident]
    ]


def _translated(names: _Names, content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    held = names.held
    ident = names.number_of(str(content.get("object_ref")))
    if ident is None:
        return []
    held.load((ident,))
    named = content.get("object_modified")
    key = order_key(named) if isinstance(named, str) else None
    return [
        held.contents[one.rendition]
        for one in held.by_ident[ident]
        if key is None or one.version_key == key
    ]
