"""What binds one object besides its markings: terms of sharing, consents, and what was agreed with who sent it.

Values only: `asking` says what they mean for an audience. What cannot be read binds most: it denies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cert_exchange.policy.sharing_terms import (
    NO_TERMS,
    Onward,
    SharingTerms,
    terms_of,
)
from cert_exchange.stix.markings import Tlp


@dataclass(frozen=True, slots=True)
class Recipient:
    """A partner as terms may name it."""

    identities: frozenset[str] = frozenset()  # that it speaks for
    country: str | None = None  # two capital letters; None: not known


Recipients = Mapping[str, Recipient]
"""by the partner's name"""


@dataclass(frozen=True, slots=True)
class Consent:
    """What an originator allowed: to whom (as `recipient_word` spells it, or `any`), until when (micros)."""

    recipient: str
    until: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Promise:
    """What we agreed with a partner about what comes from it. Durations in micros, since an object was stored here."""

    embargo: int | None = None
    retention: int | None = None
    onward: Onward = Onward.FREE

    def __and__(self, other: Promise) -> Promise:
        """What binds when both do."""
        embargoes = [one for one in (self.embargo, other.embargo) if one is not None]
        ends = [one for one in (self.retention, other.retention) if one is not None]
        return Promise(
            max(embargoes, default=None), min(ends, default=None), max(self.onward, other.onward)
        )


@dataclass(frozen=True, slots=True)
class Binding:
    """All that binds one object. `said` are its originator's terms, `beside` our desk's."""

    said: SharingTerms = NO_TERMS
    beside: SharingTerms = NO_TERMS
    consents: tuple[Consent, ...] = ()
    promise: Promise | None = None
    broken: str = ""  # why terms cannot be read; never a value of the object

    @property
    def test(self) -> bool:
        """Whether it belongs to an exercise."""
        return self.said.test or self.beside.test

    @property
    def marked(self) -> Tlp | None:
        """Our desk's stricter marking."""
        return self.beside.tlp


def binding_of(content: Mapping[str, Any], given: Binding | None) -> Binding | None:
    """What binds an object: what was given with it, and the terms that it carries. None: nothing does."""
    try:
        said = terms_of(content)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with its terms: unread means denied, and its batch goes on
        why = str(error) if isinstance(error, ValueError) else type(error).__name__
        return Binding(broken=f"the terms that it carries: {why}")
    if said is None:
        return given
    given = given or Binding()
    return Binding(
        said=said & given.said,
        beside=given.beside,
        consents=given.consents,
        promise=given.promise,
        broken=given.broken,
    )
