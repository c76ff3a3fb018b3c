"""What a person is warned of before our desk publishes an object, and what follows of each warning.

1. Each warning has its kind, the value that it is about and a sentence. An action belongs to the kind: `silent` says
   nothing, `warn` tells, `hold` stores and shares with nobody until a person lets it in, `refuse` does not store.
2. What would send partners' defences against everyone, or tells of our own network, is held unless the file of the way
   in says otherwise (CASES I32). All else is told.
3. Where a pattern asks for several things at once, one of them may be common: only where all are, it is generic.
4. Nothing raises for odd content. What cannot be read is `Screen.find`'s to hold, not warned of here.

What needs other objects (`known`, `contradicted`) is found by `services.warning`. For people: docs/warnings.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from cert_exchange.policy.cautions import Caution, Of
from cert_exchange.policy.commonplace import ROLES
from cert_exchange.policy.doubtful_values import Stated, generic, of_value, short
from cert_exchange.policy.indicated import indicated_by
from cert_exchange.policy.lookups import address_range
from cert_exchange.policy.mentions import Mention, mentioned_in
from cert_exchange.policy.territories import OWN, Territories
from cert_exchange.stix.instants import order_key
from cert_exchange.stix.patterns import Comparison, PatternInvalid, comparisons
from cert_exchange.stix.references import OBSERVABLE_TYPES

_TEXTS: Final = ("name", "description", "abstract", "content", "explanation", "comment")
_TEXT_LIMIT: Final = 100_000
_MOST: Final = 20
"""So many warnings of one object are told."""
_OUR_WORDS: Final = frozenset(
    {"extension-definition", "identity", "location", "marking-definition", "note", "opinion", "sighting"}
)  # fmt: skip
"""Types in which our people say what they mean to say: who they are, and answers to partners."""
_BOX: Final = re.compile(r"(?<![\w.%+-])([\w.+-]{1,64}+)@[\w-]{1,63}+(?:\.[\w-]{1,63}+){0,6}+")
_MAILBOX: Final = re.compile(
    r"(?<![\w.%+-])([a-z]{2,30}+[._-][a-z]{2,30}+[0-9]{0,4}+)@([a-z0-9-]{1,63}+(?:\.[a-z0-9-]{1,63}+){1,6}+)",
    re.IGNORECASE,
)


def warnings_of(
    content: Mapping[str, Any], *, at: str, own: Territories | None = None, answered: bool = False
) -> tuple[Caution, ...]:
    """What is to be said of a validated object before it is published at this instant (RFC 3339). Never raises.

    `own`: territories, of which those of our own people are asked; `answered`: somebody else says which of its values lie
    in them, and only what stands inside of values is left to ask. At most 20, the first of each value and kind.
    """
    if content.get("revoked") is True:
        return ()
    try:
        found: dict[tuple[Of, str], Caution] = {}
        for one in _warnings(content, at, own, answered=answered):
            found.setdefault((one.of, one.value), one)
            if len(found) >= _MOST:
                break
        return tuple(found.values())
    except Exception:  # noqa: BLE001 - odd custom content: a warning that fails may not stop what it warns of
        return ()


def _warnings(
    content: Mapping[str, Any], at: str, own: Territories | None, *, answered: bool
) -> Iterator[Caution]:
    stix_type = content.get("type")
    if own is not None:
        if not answered:
            yield from _of_own(content, own)
        values = dict.fromkeys(_value_texts(content))
        yield from _naming_own(values, own, "inside of it")
        if stix_type not in _OUR_WORDS:
            words = (one for one in _words_of(content) if one not in values)
            yield from _naming_own(words, own, "in its text")
    if stix_type == "indicator":
        yield from _expired(content, at)
        if content.get("pattern_type", "stix") == "stix":
            yield from _of_pattern(content)
    elif stix_type in OBSERVABLE_TYPES:
        for one in _observed(str(stix_type), content):
            yield from of_value(one)
    yield from _of_person(content)


def _of_own(content: Mapping[str, Any], own: Territories) -> Iterator[Caution]:
    for hit in own.concern(indicated_by(content)).hits:
        if hit.territory is not None and hit.territory.kind == OWN:
            yield Caution(Of.OWN, hit.value, str(hit))


def _naming_own(texts: Iterable[str], own: Territories, where: str) -> Iterator[Caution]:
    """Our own hosts that texts name: the mailbox of a victim in the address of a page, a path, a rule, a description."""
    for text in texts:
        if _is_address(text):
            continue  # wholly one: nothing is inside of it
        for mention in _mentioned(text):
            for kind, hit in own.holding(mention):
                if kind == OWN:
                    yield Caution(Of.OWN, hit.value, f"{where} {hit}")


@lru_cache(maxsize=1_024)
def _mentioned(text: str) -> tuple[Mention, ...]:
    """What a text names, percent-encoded or not; many objects have the same labels and remarks."""
    plain = unquote(text) if "%" in text else text
    return mentioned_in({"said": text if plain == text else f"{text} {plain}"})


def _words_of(content: Mapping[str, Any]) -> Iterator[str]:
    """What is written for people, without the mailboxes of tasks: an address to write to is meant to be known."""
    labels = content.get("labels")
    for text in (*_texts_of(content), *(labels if isinstance(labels, list) else ())):
        if isinstance(text, str) and text not in (content.get("pattern"), content.get("value")):
            yield _BOX.sub(lambda found: "" if _is_role(found[1]) else found[0], text[:_TEXT_LIMIT])


def _is_address(text: str) -> bool:
    try:
        address_range(text)
    except ValueError:
        return False
    return True


def _value_texts(content: Mapping[str, Any]) -> Iterator[str]:
    """The values of an object as texts, each at most 100,000 characters."""
    if content.get("type") in OBSERVABLE_TYPES:
        yield from (one[:_TEXT_LIMIT] for one in content.values() if isinstance(one, str))
    elif content.get("type") == "indicator":
        pattern = str(content.get("pattern", ""))
        if content.get("pattern_type", "stix") != "stix":
            yield pattern[:_TEXT_LIMIT]
            return
        try:
            compared = comparisons(pattern, version=str(content.get("pattern_version", "any")))
        except PatternInvalid:
            return
        for _, _, _, _, values in compared:
            yield from (value[:_TEXT_LIMIT] for value in values)


def _expired(content: Mapping[str, Any], at: str) -> Iterator[Caution]:
    until = content.get("valid_until")
    if isinstance(until, str) and order_key(until) <= order_key(at):
        yield Caution(Of.EXPIRED, until, f"its validity ended at {until}")


def _of_pattern(content: Mapping[str, Any]) -> Iterator[Caution]:
    pattern = str(content.get("pattern", ""))
    try:
        compared = comparisons(pattern, version=str(content.get("pattern_version", "any")))
    except PatternInvalid:
        return
    stated = [one for comparison in compared for one in _stated(comparison)]
    common: list[Caution] = []
    specific = 0
    for one in stated:
        yield from of_value(one)
        said = generic(one)
        if said is None:
            specific += 1
        else:
            common.append(Caution(Of.GENERIC, short(one.value), said))
    if common and not (specific and _joined(pattern)):
        yield from common


def _joined(pattern: str) -> bool:
    """Whether a pattern may ask for several things at once: with the words of its strings, which only makes it so more often."""
    return " AND " in pattern or " FOLLOWEDBY " in pattern


def _stated(comparison: Comparison) -> Iterator[Stated]:
    stix_type, path, operator, negated, values = comparison
    for value in values or ("",):
        yield Stated(stix_type, path, operator, negated, value)


def _observed(stix_type: str, content: Mapping[str, Any]) -> Iterator[Stated]:
    value = content.get("value")
    if isinstance(value, str):
        yield Stated(stix_type, ("value",), "=", negated=False, value=value)
    hashes = content.get("hashes")
    for name, digest in hashes.items() if isinstance(hashes, Mapping) else ():
        if isinstance(digest, str):
            yield Stated(stix_type, ("hashes", str(name)), "=", negated=False, value=digest)


def _of_person(content: Mapping[str, Any]) -> Iterator[Caution]:
    stix_type = content.get("type")
    if stix_type == "identity" and content.get("identity_class") == "individual":
        yield Caution(
            Of.PERSONAL, short(str(content.get("name", ""))), "it is about one person by name"
        )
    if stix_type in {"email-addr", "user-account"} and content.get("display_name"):
        who = short(str(content["display_name"]))
        yield Caution(Of.PERSONAL, who, f"it gives the name of a person: {who}")
    for text in _texts_of(content):
        if "@" not in text:
            continue
        for found in _MAILBOX.finditer(text[:_TEXT_LIMIT]):
            if not _is_role(found[1]):
                box = short(found[0])
                yield Caution(Of.PERSONAL, box, f"{box} looks like the mailbox of a person")


def _is_role(local: str) -> bool:
    return any(part in ROLES for part in re.split(r"[._-]", local.casefold()))


def _texts_of(content: Mapping[str, Any]) -> Iterable[str]:
    for key in (*_TEXTS, "contact_information"):
        text = content.get(key)
        if isinstance(text, str):
            yield text
    for key in ("pattern", "value"):
        text = content.get(key)
        if isinstance(text, str) and "@" in text:
            yield text


__all__ = ["warnings_of"]
