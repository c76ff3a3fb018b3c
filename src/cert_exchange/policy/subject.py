"""What rules may look at: the facts of one object version, read once and decided for every audience.

1. A property that is absent is None (or empty) here and no rule's key matches it (CASES H07); nothing stands for
   "no value".
2. A property of the wrong kind is not absent: its name stands in `malformed`, and a policy that looks at it denies.
3. Instants are micros: whole microseconds since 1970 UTC.
4. What its marking definitions say is given to it by who reads the store; a definition that is not given is unknown,
   and so are the markings of a translation whose target is not given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cert_exchange.policy.binding import Binding, binding_of
from cert_exchange.policy.indicated import Indicated, indicated_by
from cert_exchange.policy.pointing import Pointers, Pointing, no_pointers
from cert_exchange.stix.handling import (
    Definition,
    Handling,
    Lookup,
    needs_more,
    read_handling,
)
from cert_exchange.stix.instants import parse_micros
from cert_exchange.stix.markings import Tlp, read_markings
from cert_exchange.stix.references import OBSERVABLE_TYPES

OWN_NAME: Final = "own"
"""The origin of what our own desk published, as policies and `Subject.origin` spell it."""

MARKINGS: Final = "markings"
"""Stands in `Subject.malformed` when markings could not be read; every policy looks at them."""

_NOTHING: Final[frozenset[str]] = frozenset()
_GRANULAR: Final = "granular_markings"


def _no_definitions(_stix_id: str) -> Sequence[Definition]:
    return ()


@dataclass(frozen=True, slots=True)
class Subject:
    """The facts of one object version; `content` is there for `absent:` and for reports, never for logs."""

    id: str
    type: str
    origin: str  # OWN_NAME or a partner's name
    tlp: Tlp | None  # the strictest of all its markings; None: it carries no TLP in any form
    markings: frozenset[str]  # ids of its marking definitions that are no TLP
    labels: frozenset[str]  # case-folded
    indicator_types: frozenset[str]
    confidence: int | None
    creator: str | None  # created_by_ref, in small letters as policies write it
    pattern_type: str | None
    valid_until: int | None  # micros
    changed_at: int  # micros: `modified`, else `created`, else when it was stored
    stored_at: int  # micros
    malformed: frozenset[str]
    content: Mapping[str, Any] = field(repr=False)
    handling: Handling | None = None  # what its markings say beyond a TLP; None: nothing
    binding: Binding | None = None  # terms, consents, agreement; None: nothing of the kind
    _pointers: Pointers = field(default=no_pointers, compare=False, repr=False)
    _definitions: Lookup = field(default=_no_definitions, compare=False, repr=False)
    _target: Sequence[Mapping[str, Any]] = field(default=(), compare=False, repr=False)
    _noted: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    def lacks(self, name: str) -> bool:
        """Tell whether the object has no such property; `tlp` asks for a TLP marking in any form."""
        if name == "tlp":
            return self.tlp is None
        return self.content.get(name) is None

    @property
    def indicated(self) -> Indicated:
        """The values that it states, read when a rule first asks for them."""
        found: Indicated = self.noted("indicated", lambda: indicated_by(self.content))
        return found

    @property
    def pointing(self) -> tuple[Pointing, ...] | None:
        """The indicators that point at it, asked for when a rule first does; None for what is no cyber-observable."""
        if self.type not in OBSERVABLE_TYPES:
            return None
        found: tuple[Pointing, ...] = self.noted("pointing", lambda: tuple(self._pointers()))
        return found

    @property
    def pointed(self) -> bool:
        """Whether a rule has asked which indicators point at it."""
        return "pointing" in self._noted

    @property
    def without_granular_markings(self) -> Subject:
        """The same as if only markings of the whole object stood in it; itself where it has no others."""
        if _GRANULAR not in self.content:
            return self
        found: Subject = self.noted(
            _GRANULAR,
            lambda: self.reread({k: v for k, v in self.content.items() if k != _GRANULAR}),
        )
        return found

    def reread(self, content: Mapping[str, Any]) -> Subject:
        """The facts of other content in this one's place, from the same origin, by the same marking definitions."""
        fresh = subject_of(
            content,
            origin=self.origin,
            stored_at=self.stored_at,
            definitions=self._definitions,
            target=self._target,
            given=self.binding,
        )
        # What was given beside the content is not read from it, and stays.
        read = {name: getattr(fresh, name) for name in _READ}
        return replace(self, **read, _noted={})

    def noted(self, key: object, find: Callable[[], Any]) -> Any:
        """What was found out about this object once, for all rules and audiences that ask under the same key."""
        if key not in self._noted:
            self._noted[key] = find()
        return self._noted[key]


_READ: Final = (
    "id",
    "type",
    "tlp",
    "markings",
    "labels",
    "indicator_types",
    "confidence",
    "creator",
    "pattern_type",
    "valid_until",
    "changed_at",
    "malformed",
    "content",
    "handling",
)
"""What `subject_of` reads from content."""


def subject_of(
    content: Mapping[str, Any],
    *,
    origin: str,
    stored_at: int,
    definitions: Lookup = _no_definitions,
    target: Sequence[Mapping[str, Any]] = (),
    pointers: Pointers = no_pointers,
    given: Binding | None = None,
) -> Subject:
    """Read the facts of a validated object once; never raises for odd custom properties, see `Subject.malformed`.

    `origin` is "own" or the partner's name; `stored_at` is in micros. `definitions` gives the marking definitions
    that we hold under an id; `target` are the versions of what a language-content translates, `pointers` finds the
    indicators of a cyber-observable, and `given` is what binds it besides the terms that it carries.
    """
    malformed: list[str] = []
    handling: Handling | None = None
    try:
        marks = read_markings(content)
        tlp, ids = marks.tlp, marks.ids
        if needs_more(content, marks):
            translated = target if content.get("type") == "language-content" else None
            handling = read_handling(content, marks, definitions, translated)
            ids |= handling.ids
            if handling.tlp is not None and (tlp is None or handling.tlp > tlp):
                tlp = handling.tlp
    except Exception:  # noqa: BLE001 - whatever is wrong with its markings: unread means denied, and its batch goes on
        malformed.append(MARKINGS)
        tlp, ids = Tlp.RED, _NOTHING
    binding = binding_of(content, given) if given is not None or "extensions" in content else None
    if binding is not None and (marked := binding.marked) is not None:
        # Without a marking of its own an object counts as the ceiling says, which may be stricter.
        tlp = marked if marked is Tlp.RED or (tlp is not None and marked > tlp) else tlp
    confidence = content.get("confidence")
    if isinstance(confidence, float) and confidence.is_integer():
        confidence = int(confidence)  # JSON's 50.0 is the integer 50
    if confidence is not None and (type(confidence) is not int or not 0 <= confidence <= 100):
        malformed.append("confidence")
        confidence = None
    changed = _instant(content, "modified", malformed)
    if changed is None:
        changed = _instant(content, "created", malformed)
    creator = _word(content, "created_by_ref", malformed)
    return Subject(
        id=str(content.get("id")),
        type=str(content.get("type")),
        origin=origin,
        tlp=tlp,
        markings=ids,
        labels=_words(content, "labels", malformed, fold=True),
        indicator_types=_words(content, "indicator_types", malformed, fold=False),
        confidence=confidence,
        creator=None if creator is None else creator.lower(),
        pattern_type=_word(content, "pattern_type", malformed),
        valid_until=_instant(content, "valid_until", malformed),
        changed_at=stored_at if changed is None else changed,
        stored_at=stored_at,
        malformed=frozenset(malformed) if malformed else _NOTHING,
        content=content,
        handling=handling,
        binding=binding,
        _pointers=pointers,
        _definitions=definitions,
        _target=target,
    )


def lost_markings(whole: Subject, left: Subject) -> str:
    """What the markings of an object say and those of what was left of it do not; empty where nothing got lost."""
    if whole.tlp is not None and (left.tlp is None or left.tlp < whole.tlp):
        return f"TLP:{whole.tlp.name.replace('_', '+')}"
    if whole.markings - left.markings:
        return min(whole.markings - left.markings)
    before, after = whole.handling, left.handling or Handling()
    if before is None:
        return ""
    kept = (
        (before.pap is None or (after.pap is not None and after.pap >= before.pap))
        and (before.begins is None or (after.begins is not None and after.begins >= before.begins))
        and (before.ends is None or (after.ends is not None and after.ends <= before.ends))
        and (not before.hides_source or bool(after.hides_source))
        and set(before.terms) <= set(after.terms)
    )
    return "" if kept else "what may be done with it"


def _word(content: Mapping[str, Any], name: str, malformed: list[str]) -> str | None:
    value = content.get(name)
    if value is None or isinstance(value, str):
        return value
    malformed.append(name)
    return None


def _words(
    content: Mapping[str, Any], name: str, malformed: list[str], *, fold: bool
) -> frozenset[str]:
    value = content.get(name)
    if value is None:
        return _NOTHING
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        malformed.append(name)
        return _NOTHING
    return frozenset([word.casefold() for word in value] if fold else value)


def _instant(content: Mapping[str, Any], name: str, malformed: list[str]) -> int | None:
    value = content.get(name)
    if value is None:
        return None
    try:
        return parse_micros(value)
    except (ValueError, TypeError, AttributeError):
        malformed.append(name)
        return None
