"""Handling: what a marking says beyond a TLP, in the schemes that we understand: FIRST IEP 2.0 and PAP (policy-facts 2).

1. An IEP's `tlp` joins the ladder; outside its dates nothing is shared; where it says that the source must not be named,
   an object that names it is not shared; what of it concerns use is shown and passed on.
2. PAP limits what a receiver does, not who may receive: it is passed on and shown, never a reason to deny.
3. A definition is understood when all of it is: one that is called `PAP:GREEN` and says something else as well is not.
   An understood definition needs no entry under `statements`; every other one does.
4. A definition counts as it is held from the object's own origin or from our desk; what others say about the same id can
   restrict but cannot make it understood. Of several, the strictest counts.
5. The same is read from the labels that MISP's taxonomies `iep`, `iep2-policy`, `PAP` and `tlp:ex:chr` make.
6. A translation (language-content) inherits the markings of what it translates; whose target we do not hold is unreadable.
7. What cannot be read denies: `unreadable` says what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.stix.markings import (
    Markings,
    Tlp,
    folded,
    hides_source,
    read_markings,
    squeezed,
    tlp_of_text,
)

IEP_EXTENSION: Final = "extension-definition--762e2e97-ee51-43e5-a9ea-165fbb862c4a"
OPENCTI_EXTENSION: Final = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"
_NOTHING: Final[frozenset[str]] = frozenset()


class Pap(IntEnum):
    """The permissible actions protocol; a greater number permits less."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    RED = 3


PAP_MEANS: Final[Mapping[Pap, str]] = {
    Pap.CLEAR: "no limit on use",
    Pap.GREEN: "active measures such as blocking are allowed",
    Pap.AMBER: "passive checks through third parties and monitoring only, no blocking",
    Pap.RED: "work on own logs that nobody can detect only, no blocking",
}
"""What each level permits, in words for `show` (MISP taxonomy PAP)."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One stored marking definition, and whether its origin may speak for the object at hand."""

    content: Mapping[str, Any]
    trusted: bool


Lookup = Callable[[str], Sequence[Definition]]
"""What we hold under the id of a marking definition; nothing where it is unknown."""


@dataclass(frozen=True, slots=True)
class Handling:
    """Everything that markings beyond TLP say about one object. Instants in micros."""

    tlp: Tlp | None = None  # what IEPs and understood definitions add to the ladder
    ids: frozenset[str] = _NOTHING  # markings of what a translation translates
    understood: frozenset[str] = _NOTHING  # ids of definitions of which we understand all
    pap: Pap | None = None
    begins: int | None = None  # the latest start
    ends: int | None = None  # the earliest end
    hides_source: str = ""  # who says that the source must not be named
    names_source: tuple[str, ...] = ()  # by which properties the object or a definition does
    owes_source: str = ""  # who says that the source must be named: nothing may strip it
    unreadable: str = ""
    terms: tuple[str, ...] = ()  # what concerns use, for people


@dataclass(slots=True)
class _Reading:
    """What has been read so far; every step only restricts."""

    tlp: Tlp | None = None
    pap: Pap | None = None
    begins: int | None = None
    ends: int | None = None
    hides: str = ""
    names: list[str] = field(default_factory=list)
    owes: str = ""
    unreadable: str = ""
    terms: list[str] = field(default_factory=list)

    def level(self, tlp: Tlp | None) -> None:
        if tlp is not None and (self.tlp is None or tlp > self.tlp):
            self.tlp = tlp

    def permits(self, pap: Pap) -> None:
        if self.pap is None or pap > self.pap:
            self.pap = pap

    def cannot(self, why: str) -> None:
        self.unreadable = self.unreadable or why


def read_handling(
    content: Mapping[str, Any],
    marks: Markings,
    definitions: Lookup,
    target: Sequence[Mapping[str, Any]] | None = None,
) -> Handling:
    """What the markings of one object say beyond its own TLP. `definitions` gives those that we hold under an id.

    `target` is given for language-content: the versions that it may translate, empty when we hold none.
    """
    reading = _Reading()
    ids: set[str] = set()
    tags = list(marks.tags)
    for version in target or ():
        of_target = read_markings(version)
        reading.level(of_target.tlp)
        ids.update(of_target.ids)
        tags.extend(of_target.tags)
        _read_extension(reading, version, f"an extension of {version.get('id')}")
    if target is not None and not target:
        reading.cannot("we do not hold what it translates, so that its markings are unknown")
    for tag in tags:
        _read_tag(reading, tag)
    _read_extension(reading, content, "its extension")
    understood = {
        stix_id
        for stix_id in sorted(marks.ids | ids)
        if _read_definitions(reading, definitions(stix_id))
    }
    if reading.hides:
        named = [name for name in ("created_by_ref", "external_references") if name in content]
        reading.names = named + reading.names
    return Handling(
        tlp=reading.tlp,
        ids=frozenset(ids),
        understood=frozenset(understood),
        pap=reading.pap,
        begins=reading.begins,
        ends=reading.ends,
        hides_source=reading.hides,
        names_source=tuple(reading.names) if reading.hides else (),
        owes_source=reading.owes,
        unreadable=reading.unreadable,
        terms=tuple(dict.fromkeys(reading.terms)),
    )


def _read_extension(reading: _Reading, content: Mapping[str, Any], where: str) -> None:
    """An IEP that stands on an object itself and not in a definition binds it as well."""
    if _bears_iep(content):
        _read_iep(reading, content["extensions"][IEP_EXTENSION], where)


def _read_definitions(reading: _Reading, held: Iterable[Definition]) -> bool:
    """Read all that we hold of one id; whether it is understood."""
    understood: list[bool] = []
    for one in held:
        kind = _read_definition(reading, one.content)
        if one.trusted:
            understood.append(kind)
    return bool(understood) and all(understood)


def _read_definition(reading: _Reading, content: Mapping[str, Any]) -> bool:
    extensions = content.get("extensions")
    extensions = extensions if isinstance(extensions, dict) else {}
    for text in _names_of(content):
        # Only what begins so: the free text of a statement may speak of TLP without being one.
        if folded(text).lstrip().startswith("tlp"):
            reading.level(tlp_of_text(text))
    if IEP_EXTENSION in extensions:
        _read_iep(reading, extensions[IEP_EXTENSION], f"IEP {content.get('id')}")
        if "created_by_ref" in content:
            reading.names.append(f"created_by_ref of {content.get('id')}")
        return set(extensions) <= {IEP_EXTENSION, OPENCTI_EXTENSION} and not (
            content.keys() & {"definition", "definition_type"}
        )
    levels = [pap_of_text(text) for text in _names_of(content)]
    if not levels or any(level is None for level in levels):
        return False
    for level in levels:
        assert level is not None
        reading.permits(level)
    return set(extensions) <= {OPENCTI_EXTENSION}


def _names_of(content: Mapping[str, Any]) -> Iterator[str]:
    """Every text by which a definition says what it is: all have to be understood."""
    for key in ("name", "x_opencti_definition"):
        if isinstance(content.get(key), str):
            yield content[key]
    definition = content.get("definition")
    if isinstance(definition, dict):
        for key, value in definition.items():
            bare = key.casefold() in ("pap", "tlp") and isinstance(value, str) and ":" not in value
            yield f"{key}:{value}" if bare else str(value)
    elif definition is not None:
        yield str(definition)


_PAP: Final = re.compile(r"(?<![a-z0-9])pap(?![a-z0-9])(.*)", re.DOTALL)


def pap_of_text(text: str) -> Pap | None:
    """The PAP that a label or name such as `PAP:AMBER` is, or None; after `pap` an unknown level is RED."""
    found = _PAP.match(folded(text).strip())
    if found is None:
        return None
    level = squeezed(found[1])
    return Pap.CLEAR if level == "white" else Pap.__members__.get(level.upper(), Pap.RED)


_MACHINE_TAG: Final = re.compile(r"iep2?(?:-policy)?\s*:\s*([a-z_-]+)\s*=\s*\"?(.*?)\"?", re.DOTALL)
_FIELDS: Final[Mapping[str, str]] = {
    "trafficlightprotocol": "tlp",
    "attribution": "provider_attribution",
    "providerattribution": "provider_attribution",
    "startdate": "start_date",
    "enddate": "end_date",
    "encryptintransit": "encrypt_in_transit",
    "encryptatrest": "encrypt_at_rest",
    "permittedactions": "permitted_actions",
    "affectedpartynotifications": "affected_party_notifications",
    "obfuscateaffectedparties": "obfuscate_affected_parties",
    "unmodifiedresale": "unmodified_resale",
    "commercialuse": "commercial_use",
}
_SHOWN: Final = (
    "permitted_actions",
    "affected_party_notifications",
    "encrypt_in_transit",
    "encrypt_at_rest",
    "unmodified_resale",
    "commercial_use",
)


def _read_tag(reading: _Reading, tag: str) -> None:
    if hides_source(tag):
        reading.hides = reading.hides or "tlp:ex:chr"
    pap = pap_of_text(tag)
    if pap is not None:
        reading.permits(pap)
    found = _MACHINE_TAG.fullmatch(folded(tag).strip())
    if found is not None:
        name = _FIELDS.get(squeezed(found[1]), found[1].replace("-", "_"))
        _read_fields(reading, {name: found[2].strip()}, "an IEP label")


def _read_iep(reading: _Reading, iep: Any, where: str) -> None:
    if not isinstance(iep, dict):
        reading.cannot(f"{where} is no mapping")
        return
    fields = {_FIELDS.get(squeezed(folded(name)), name): value for name, value in iep.items()}
    if not isinstance(fields.get("tlp"), str):
        reading.cannot(f"{where} names no tlp")
    # The draft requires it. Who leaves it out has not said that the source may be named.
    _read_fields(reading, {"provider_attribution": "must-not"} | fields, where)


def _read_fields(reading: _Reading, fields: Mapping[str, Any], where: str) -> None:
    if isinstance(fields.get("tlp"), str):
        reading.level(tlp_of_text(f"tlp:{fields['tlp']}"))
    for name in ("start_date", "end_date"):
        instant = _instant(reading, fields.get(name), f"{where} has a {name} that is no instant")
        if instant is None:
            continue
        if name == "start_date":
            reading.begins = instant if reading.begins is None else max(reading.begins, instant)
        else:
            reading.ends = instant if reading.ends is None else min(reading.ends, instant)
    match _word(fields.get("provider_attribution")):
        case None | "may":
            pass
        case "must":
            reading.owes = reading.owes or where
        case "mustnot":
            reading.hides = reading.hides or where
        case _:
            reading.cannot(f"{where} has a provider_attribution that nobody defined")
    if _word(fields.get("obfuscate_affected_parties")) == "must":
        reading.cannot(f"{where} asks to obfuscate affected parties, which nothing here does")
    reading.terms.extend(
        f"{name.replace('_', ' ')}: {fields[name]}"
        for name in _SHOWN
        if isinstance(fields.get(name), str)
    )


def _word(value: Any) -> str | None:
    """A field's value without case and separators; what is no text is a word that nobody defined."""
    if value is None:
        return None
    return squeezed(folded(value)) if isinstance(value, str) else "no text"


def _instant(reading: _Reading, value: Any, why: str) -> int | None:
    if value is None or (isinstance(value, str) and value.casefold() in ("null", "")):
        return None
    try:
        return parse_micros(value.upper())
    except (InstantInvalid, TypeError, AttributeError):
        reading.cannot(why)
        return None


def needs_more(content: Mapping[str, Any], marks: Markings) -> bool:
    """Whether an object's markings say more than a TLP, so that `read_handling` has something to read."""
    if marks.ids or marks.tags or content.get("type") == "language-content":
        return True
    return _bears_iep(content)


def _bears_iep(content: Mapping[str, Any]) -> bool:
    """Whether the extension stands on the object; what a definition defines does not bind it."""
    extensions = content.get("extensions")
    return (
        isinstance(extensions, dict)
        and IEP_EXTENSION in extensions
        and content.get("type") != "marking-definition"
    )
