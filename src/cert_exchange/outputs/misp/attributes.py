"""Objects of STIX as attributes of MISP: the way back of `intake.misp`, and the way for what others made.

1. Whoever looks for something finds it flagged: an indicator is `to_ids`, an observable beside it is not.
2. What came from MISP says so in itself (`misp-attribute TYPE` among its references, `misp:type` among its labels), and
   goes back as it came; where that does not fit its pattern, the pattern counts.
3. Whoever made the object wrote these words: one that MISP does not know, or that is no UUID, is not taken over, and a
   label that says another level than the markings is not repeated.
4. A pattern that is no value, no OR of values and none of the stated composites goes as `stix2-pattern`, whole: taken
   apart it would give false alarms (CASES I20).
5. What cannot be said has its id and its reason, also where only a part of it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.misp import types
from cert_exchange.intake.misp.events import is_uuid
from cert_exchange.intake.misp.marking import is_level
from cert_exchange.intake.patterns import HASHES, values_of
from cert_exchange.intake.values import normalise
from cert_exchange.outputs.expressing import Unsaid
from cert_exchange.stix.instants import shown

REFERENCE: Final = "misp-attribute "
MOST_VALUES: Final = 200
"""of one object; a pattern of more goes as it is"""
_MOST_TAGS: Final = 50
_COMMENT: Final = 2_000
_TAG: Final = 250
LINKS: Final = frozenset({"link", "url", "uri"})
_LABEL: Final = re.compile(r'misp:(type|category)="([^"]{1,80})"')
_RULES: Final[Mapping[str, str]] = {
    "snort": "snort",
    "suricata": "suricata",
    "sigma": "sigma",
    "yara": "yara",
}
_VALUED: Final[Mapping[str, Kind]] = {
    "ipv4-addr": Kind.IPV4,
    "ipv6-addr": Kind.IPV6,
    "domain-name": Kind.DOMAIN,
    "url": Kind.URL,
    "email-addr": Kind.EMAIL,
    "mac-addr": Kind.MAC,
}
_NAMED: Final[Mapping[str, tuple[str, Kind]]] = {
    "mutex": ("name", Kind.MUTEX),
    "windows-registry-key": ("key", Kind.REGISTRY_KEY),
    "directory": ("path", Kind.FILE_PATH),
}
_BY_WORD: Final = {word: kind for kind, word in HASHES.items()}
_BY_LENGTH: Final = {40: "x509-fingerprint-sha1", 64: "x509-fingerprint-sha256"}

Value = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute, before it has its place in an event. `uuid` empty: none is stated."""

    type: str
    category: str
    value: str
    to_ids: bool
    uuid: str = ""
    comment: str = ""
    first_seen: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What an object gives: attributes, the labels that go as tags, and what is not said of it."""

    attributes: tuple[Attribute, ...]
    labels: tuple[str, ...] = ()
    as_file: bool = False  # the attributes are of one file
    unsaid: Unsaid | None = None


def of_indicator(content: Mapping[str, Any], beside: Sequence[Value] = ()) -> Said:
    """An indicator. `beside`: values of its observables, of which those that it does not look for are told of."""
    stix_id = str(content.get("id"))
    pattern, language = str(content.get("pattern", "")), str(content.get("pattern_type", ""))
    origin = _Origin.of(content)
    comment = _comment(content)
    seen = _stated_start(content)
    if language in _RULES:
        made = _single(origin, _RULES[language], pattern, to_ids=True, comment=comment)
        return Said((replace(made, first_seen=seen),), origin.tags)
    if language != "stix":
        reason = f"a pattern in {shown(language, limit=40)}, for which MISP has no attribute"
        return Said((), unsaid=Unsaid(stix_id, reason))
    found = types.read_composite(pattern)
    values = values_of(pattern) if found is None else ()
    if values is not None and len(values) > MOST_VALUES:
        values = None  # one attribute: comment and tags would stand on each of thousands
    if found is not None:
        entry, text = found
        made = Attribute(entry.type, origin.category or entry.category, text, to_ids=True)
        attributes = [replace(made, uuid=origin.uuid_of(made.type), comment=comment)]
        values = tuple(value for value in beside if value[1] in text)
    elif not values:
        attributes = [_single(origin, "stix2-pattern", pattern, to_ids=True, comment=comment)]
    else:
        attributes = [_valued(origin, one, to_ids=True, comment=comment) for one in values]
    attributes = [replace(one, first_seen=seen) for one in attributes]
    known = set(values or ())
    told = [_valued(origin, one, to_ids=False) for one in beside[:MOST_VALUES] if one not in known]
    attributes = _joined(origin, attributes, told)
    kinds = {kind for kind, _ in (*(values or ()), *beside)}
    as_file = found is None and len(attributes) > 1 and kinds <= _OF_A_FILE
    return Said(tuple(attributes), origin.tags, as_file, _cut(content, beside))


def of_observable(content: Mapping[str, Any], folders: Mapping[str, str]) -> Said:
    """A cyber-observable that is told of by itself. `folders`: paths of directories by their ids."""
    values = values_of_observable(content, folders)
    if not values:
        reason = (
            f"a {shown(str(content.get('type')), limit=40)} that MISP has no single attribute for"
        )
        return Said((), unsaid=Unsaid(str(content.get("id")), reason))
    origin = _Origin.of(content)
    attributes = tuple(_valued(origin, one, to_ids=False) for one in values)
    return Said(attributes, (), as_file=len(attributes) > 1)


def of_vulnerability(content: Mapping[str, Any]) -> Said:
    """A vulnerability, by its CVE number where it has one."""
    numbers = [
        str(one.get("external_id"))
        for one in content.get("external_references", ())
        if isinstance(one, Mapping) and one.get("source_name") == "cve"
    ]
    number = next(
        (n for n in (*numbers, str(content.get("name"))) if normalise(Kind.VULNERABILITY, n)), None
    )
    if number is None:
        return Said(
            (), unsaid=Unsaid(str(content.get("id")), "a vulnerability without a CVE number")
        )
    origin = _Origin.of(content)
    made = _single(origin, "vulnerability", number, to_ids=False, comment=_comment(content))
    return Said((made,), origin.tags)


def values_of_observable(
    content: Mapping[str, Any], folders: Mapping[str, str]
) -> tuple[Value, ...]:
    """The values of a cyber-observable as findings spell them; none where it is of another kind."""
    stix_type = content.get("type")
    if stix_type in _VALUED:
        return tuple(_kept(_VALUED[str(stix_type)], content.get("value")))
    if stix_type in _NAMED:
        key, kind = _NAMED[str(stix_type)]
        return tuple(_kept(kind, content.get(key)))
    if stix_type == "autonomous-system":
        return tuple(_kept(Kind.ASN, f"AS{content.get('number')}"))
    hashes = content.get("hashes")
    listed = list(hashes.items()) if isinstance(hashes, Mapping) else []
    if stix_type == "x509-certificate":
        return tuple(one for _, text in listed for one in _kept(Kind.CERTIFICATE, text))
    if stix_type != "file":
        return ()
    found = [
        one for word, text in listed if word in _BY_WORD for one in _kept(_BY_WORD[word], text)
    ]
    name = content.get("name")
    folder = folders.get(str(content.get("parent_directory_ref")))
    if isinstance(name, str) and folder is not None:
        separator = "\\" if "\\" in folder else "/"
        path = f"{folder.removesuffix(separator)}{separator}{name}"
        found += _kept(Kind.FILE_PATH, path)
    elif isinstance(name, str):
        found += _kept(Kind.FILE_NAME, name)
    return tuple(found)


_TYPES: Final = frozenset({*types.KINDS, *types.COMPOSITES, *types.NAMED_FILES})
_OF_A_FILE: Final = frozenset({*HASHES, Kind.FILE_NAME, Kind.FILE_PATH})


@dataclass(frozen=True, slots=True)
class _Origin:
    """What an object says of the attribute that it came from."""

    type: str = ""
    category: str = ""
    uuids: Mapping[str, str] = field(default_factory=dict)
    """type -> UUID; empty where several are stated"""
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> _Origin:
        """Read labels and references; what is stated twice is not stated."""
        said: dict[str, list[str]] = {"type": [], "category": []}
        tags: list[str] = []
        for label in content.get("labels", ()):
            found = _LABEL.fullmatch(label) if isinstance(label, str) else None
            if found is not None:
                said[found[1]].append(found[2])
            elif isinstance(label, str) and not is_level(label) and len(tags) < _MOST_TAGS:
                tags.append(label[:_TAG])
        one_type, category = (words[0] if len(words) == 1 else "" for words in said.values())
        one_category = category if category in types.CATEGORIES else ""
        uuids: dict[str, str] = {}
        for one in content.get("external_references", ()):
            source, uuid = str(one.get("source_name")), str(one.get("external_id"))
            misp_type = source.removeprefix(REFERENCE)
            if source.startswith(REFERENCE) and misp_type in _TYPES and is_uuid(uuid):
                uuids[misp_type] = "" if misp_type in uuids else uuid
        return cls(one_type, one_category, uuids, tuple(tags))

    def uuid_of(self, misp_type: str) -> str:
        """The UUID of the only attribute of this type that it came from."""
        return self.uuids.get(misp_type, "")


def _valued(origin: _Origin, value: Value, *, to_ids: bool, comment: str = "") -> Attribute:
    kind, text = value
    misp_type, category = types.TYPES[kind]
    if kind is Kind.CERTIFICATE:
        misp_type = _BY_LENGTH[len(text)]
    stated = [origin.type, *origin.uuids]
    misp_type = next((one for one in stated if kind in types.KINDS.get(one, ())), misp_type)
    return Attribute(
        misp_type,
        origin.category or category,
        text,
        to_ids=to_ids,
        uuid=origin.uuid_of(misp_type),
        comment=comment,
    )


def _single(origin: _Origin, misp_type: str, text: str, *, to_ids: bool, comment: str) -> Attribute:
    kind = types.KINDS[misp_type][0]
    stated = origin.type if kind in types.KINDS.get(origin.type, ()) else misp_type
    category = origin.category or types.TYPES[kind][1]
    return Attribute(stated, category, text, to_ids, uuid=origin.uuid_of(stated), comment=comment)


def _joined(origin: _Origin, sought: list[Attribute], told: list[Attribute]) -> list[Attribute]:
    """A name and one hash that came as `filename|sha1` go back as that."""
    kind = types.NAMED_FILES.get(origin.type)
    if kind is None or len(sought) != 1 or len(told) != 1 or sought[0].type not in types.HASHES:
        return [*sought, *told]
    whole = replace(sought[0], type=origin.type, value=f"{told[0].value}|{sought[0].value}")
    return [replace(whole, uuid=origin.uuid_of(origin.type))]


def _comment(content: Mapping[str, Any]) -> str:
    said = content.get("description")
    return said[:_COMMENT] if isinstance(said, str) else ""


def _cut(content: Mapping[str, Any], beside: Sequence[Value]) -> Unsaid | None:
    """What of an indicator is more than one attribute holds."""
    parts = [
        what
        for what, more in (
            ("its description", len(str(content.get("description", ""))) > _COMMENT),
            ("its labels", len(content.get("labels", ())) > _MOST_TAGS),
            ("its observables", len(beside) > MOST_VALUES),
        )
        if more
    ]
    reason = f"cut, as longer than MISP's attributes should be: {', '.join(parts)}"
    return Unsaid(str(content.get("id")), reason, in_part=True) if parts else None


def _stated_start(content: Mapping[str, Any]) -> str:
    """`valid_from` where somebody stated it: else it is the instant of the first publish, and says nothing."""
    start = content.get("valid_from")
    return str(start) if start is not None and start != content.get("created") else ""


def _kept(kind: Kind, text: object) -> Iterator[Value]:
    value = normalise(kind, text) if isinstance(text, str) else None
    if value is not None:
        yield kind, value
