"""Terms that our desk gives with what it publishes: they lie beside the objects before anybody decides about them.

1. What was said before stays: of both the strictest counts. Only `terms set` says it anew.
2. A cyber-observable of ours is bound in our copy; any other object in whoever's copy, for it is one object. That it is of
   an exercise is said of our copy alone: what a partner sends under its id is as real as the partner says. Of what is
   published for real already, nothing is said (`drilling`).
3. Identities and definitions are not bound by the terms of a publication: what refers to them needs them, also of those
   who get nothing of it.
4. Beside objects, terms are told to nobody. Written into them, they bind receivers as well: in their own words, in which
   a partner is the identities that it speaks for. Cyber-observables stay as they are, for their ids may depend on it.
5. Whom our terms leave out, no receiver may give it to either: into what we make ourselves that is written unless a person
   says otherwise, so that no reader learns of another (`binding_receivers`).
6. A drill never looks real: what can carry it says TEST itself, whatever else it carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cert_exchange.errors import InputRefused
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import (
    EXTENSION,
    NO_TERMS,
    Onward,
    SharingTerms,
    as_extension,
    from_text,
    to_text,
)
from cert_exchange.services.publishing.drilling import FREE
from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.services.releasing import Releasing
from cert_exchange.stix.canonical import canonical_bytes, parse_json
from cert_exchange.stix.envelopes import Examined
from cert_exchange.stix.references import OBSERVABLE_TYPES
from cert_exchange.store import releases
from cert_exchange.store import terms as rows
from cert_exchange.store.tables import OWN
from cert_exchange.store.terms import EVERY

_BARE: Final = FREE | OBSERVABLE_TYPES | {"bundle"}
"""Types into which no terms are written."""


def lay_beside(
    intake: Intake, releasing: Releasing, items: Sequence[Examined], terms: SharingTerms
) -> dict[int, None]:
    """Write the terms beside these objects, where we hold them; the ids to decide again."""
    exercise, others = SharingTerms(test=terms.test), replace(terms, test=False)
    real = intake.marks.real if intake.marks is not None else {}
    wanted: dict[tuple[int, int], SharingTerms] = {}
    for one in items:
        item = one.item
        if item is None or item.type in FREE:
            continue
        ident = intake.nums[item.id]
        if not intake.known[ident] or ident in real:
            continue
        if item.observable:
            wanted[ident, OWN] = terms
        else:
            wanted[ident, EVERY], wanted[ident, OWN] = others, exercise
    bindings = releasing.pool.bindings
    bindings.ask([ident for ident, _ in wanted])()
    written: dict[tuple[int, int], str | None] = {}
    for (ident, origin), said in wanted.items():
        if said == NO_TERMS:
            continue
        text = bindings.beside.get(ident, {}).get(origin)
        try:
            before = NO_TERMS if text is None else from_text(text)
        except ValueError:
            continue  # what cannot be read denies all, and goes on doing so
        written[ident, origin] = to_text(before & said)
    ordered = {key for key in written if bindings.said_at.get(key, (0, False))[1]}
    reasons = rows.reasons(intake.tx, {ident for ident, _ in ordered})
    for reason in {None: None, **dict.fromkeys(reasons.get(key) for key in ordered)}:
        # A person's order about one id stays known as that.
        mine = {
            key: text
            for key, text in written.items()
            if (reasons.get(key) if key in ordered else None) == reason
        }
        rows.replace(intake.tx, mine, at=intake.now, by=intake.sender.name, reason=reason)
    bindings.tell(written)
    return dict.fromkeys(ident for ident, _ in written)


def binding_receivers(node: Node, terms: SharingTerms) -> SharingTerms | None:
    """Of these terms, what is written into objects of our own making where a person says nothing of it; None: nothing.

    Who alone may have something is told that it is the only one. Where that would name others, no reader may give it on
    (`only_to`) or not without asking us (`not_to`).
    """
    with node.database.reading() as conn:
        spoken = releases.read_sharing(conn).said.spoken
    told = SharingTerms(test=terms.test)
    for words in terms.only_to:
        alone = len(words) == 1 and not words - spoken.keys() - _named_everywhere(words)
        if alone or words == _countries(words):
            told &= SharingTerms(only_to=(words,))
        else:
            told &= SharingTerms(onward=Onward.NONE)
    if terms.not_to:
        countries = _countries(terms.not_to)
        told &= SharingTerms(not_to=countries)
        if countries != terms.not_to:
            told &= SharingTerms(onward=Onward.ASK)
    return None if told == NO_TERMS else told


def _countries(words: frozenset[str]) -> frozenset[str]:
    """Those that name a country and no partner."""
    return frozenset(one for one in words if one.startswith("country:"))


def _named_everywhere(words: frozenset[str]) -> frozenset[str]:
    """Those that mean the same to whoever reads them."""
    return frozenset(one for one in words if one.startswith(("country:", "identity--")))


def carry_terms(node: Node, body: bytes, terms: SharingTerms) -> bytes:
    """The same objects, each with these terms written into it.

    One that carries terms already keeps its own; that it is of an exercise is written into every one.

    Raises NotJson, InputRefused where a named partner speaks for no identity: others do not know the name.
    """
    with node.database.reading() as conn:
        spoken = releases.read_sharing(conn).said.spoken
    told = replace(
        terms,
        only_to=tuple(_named_elsewhere(words, spoken) for words in terms.only_to),
        not_to=_named_elsewhere(terms.not_to, spoken),
    )
    written = as_extension(told)
    value: Any = parse_json(body, depth=node.publish_limits.depth + 2)
    for one in _objects(value):
        extensions = one.setdefault("extensions", {})
        if isinstance(extensions, dict):
            carried = extensions.setdefault(EXTENSION, dict(written))
            if told.test and isinstance(carried, dict):
                carried["test"] = True
    return canonical_bytes(value)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a bundle, an envelope or a list, or the one, that can carry terms."""
    found = value.get("objects", [value]) if isinstance(value, dict) else value
    for one in found if isinstance(found, list) else ():
        kind = one.get("type") if isinstance(one, dict) else None
        if isinstance(kind, str) and kind not in _BARE:
            yield one


def _named_elsewhere(words: frozenset[str], spoken: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    for word in words:
        known = word in _named_everywhere(words)
        if not known and word not in spoken:
            raise InputRefused(
                f"{word} speaks for no identity here, so nobody else knows whom the terms mean; name its identity."
            )
        found.update((word,) if known else spoken[word])
    return frozenset(found)
