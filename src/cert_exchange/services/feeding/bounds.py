"""What bounds the use of an object in time and by its terms, for `fitting`.

1. Dates are looked at when an output is made; each that is still to come says when the answer next changes by itself.
2. What our desk said beside an object counts as what it carries. What of that cannot be read denies: it is None.
3. Constituents are nobody that terms name: what is kept to some, from some, until a day or from going on does not go to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.policy.sharing_terms import NO_TERMS, Onward, SharingTerms, from_text, terms_of
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.store import terms as term_rows
from cert_exchange.store.database import Transaction

Beside = Mapping[str, Mapping[int, SharingTerms | None]]
"""id -> whose copies -> terms, None where they cannot be read."""

NOT_YET: Final = "not valid yet"
NO_MORE: Final = "not valid any more"
ENDED: Final = frozenset({NOT_YET, NO_MORE})
"""Reasons that keep an object out and are no secret about it."""


@dataclass(slots=True)
class Dates:
    """When an object may be used: why not now, and when that changes next. Instants in micros."""

    now: int
    reason: str = ""
    due: int | None = None

    def starts(self, at: int, reason: str) -> None:
        """It may be used from then on."""
        if at > self.now:
            self.reason = self.reason or reason
            self._changes(at)

    def ends(self, at: int, reason: str) -> None:
        """It may be used until then."""
        if at <= self.now:
            self.reason = self.reason or reason
        else:
            self._changes(at)

    def starts_with(self, text: Any, reason: str) -> None:
        """The same of an RFC 3339 text; what cannot be read has not begun."""
        if text is not None:
            at = _micros(text)
            self.starts(self.now + 1 if at is None else at, reason)

    def ends_with(self, text: Any, reason: str) -> None:
        """The same of an RFC 3339 text; what cannot be read has ended."""
        if text is not None:
            at = _micros(text)
            self.ends(self.now if at is None else at, reason)

    def _changes(self, at: int) -> None:
        self.due = at if self.due is None else min(self.due, at)


def stays(terms: SharingTerms, dates: Dates) -> bool:
    """Whether terms keep an object to some, until a day, or from going on; constituents are nobody that terms name."""
    if terms.only_to or terms.not_to or terms.kept_here or terms.onward not in (None, Onward.FREE):
        return True
    if terms.embargo_until is None:
        return False
    dates.starts(terms.embargo_until, "under embargo")
    return terms.embargo_until > dates.now


def carried(content: Mapping[str, Any]) -> SharingTerms:
    """The terms that an object carries, which were read before."""
    found = terms_of(content)
    return NO_TERMS if found is None else found


def terms_beside(tx: Transaction) -> dict[str, dict[int, SharingTerms | None]]:
    """What our desk said beside ids and their derivatives: id -> whose copies -> terms, None where they cannot be read."""
    found: dict[str, dict[int, SharingTerms | None]] = {}
    for stix_id, origin, text in term_rows.texts(tx, holding=""):
        try:
            terms: SharingTerms | None = from_text(text)
        except (ValueError, TypeError, KeyError, AttributeError):
            terms = None
        found.setdefault(stix_id, {})[origin] = terms
    return found


def _micros(text: Any) -> int | None:
    try:
        return parse_micros(str(text))
    except InstantInvalid:
        return None
