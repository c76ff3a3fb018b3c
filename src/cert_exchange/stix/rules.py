"""Rules of STIX 2.1 that no JSON schema can say. MUST refuses, SHOULD only warns (STIX 2.9, CASES H19).

1. Instants are days that exist and stand in their order (3.2, 3.6.1 and the tables of each type).
2. Selectors of granular markings exist; an entry has a marking or a language, not both (7.2.3).
3. Predefined TLP ids have fixed content, and no other definition says `tlp` (7.2.1.4, CASES M24).
4. A pattern of the type `stix` follows the grammar of its version (9, CASES H02).
5. References of standard properties are ids, of the types that the standard allows (4 to 6).
Everything here is linear in the size of the object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv6Network
from typing import Any, Final

from cert_exchange.errors import ObjectInvalid
from cert_exchange.stix import markings, patterns, refusals, selectors
from cert_exchange.stix.canonical import sameness_digest
from cert_exchange.stix.instants import InstantInvalid, is_stix_timestamp, order_key, shown
from cert_exchange.stix.observables import deterministic_id
from cert_exchange.stix.references import is_identifier, marking_ids

_TIMESTAMPS: Final = frozenset(
    {
        "created",
        "modified",
        "valid_from",
        "valid_until",
        "first_seen",
        "last_seen",
        "first_observed",
        "last_observed",
        "start_time",
        "stop_time",
        "published",
        "submitted",
        "analysis_started",
        "analysis_ended",
        "object_modified",
        "start",
        "end",
        "date",
        "ctime",
        "mtime",
        "atime",
        "modified_time",
        "created_time",
        "account_created",
        "account_expires",
        "credential_last_changed",
        "account_first_login",
        "account_last_login",
        "validity_not_before",
        "validity_not_after",
    }
)
# Of each type: the earlier property, the later one, and whether both may be the same instant.
_ORDERED: Final[Mapping[str, tuple[str, str, bool]]] = {
    "campaign": ("first_seen", "last_seen", True),
    "indicator": ("valid_from", "valid_until", False),
    "infrastructure": ("first_seen", "last_seen", True),
    "intrusion-set": ("first_seen", "last_seen", True),
    "malware": ("first_seen", "last_seen", True),
    "network-traffic": ("start", "end", True),
    "observed-data": ("first_observed", "last_observed", True),
    "relationship": ("start_time", "stop_time", False),
    "sighting": ("first_seen", "last_seen", True),
    "threat-actor": ("first_seen", "last_seen", True),
}
_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_CAPEC: Final = re.compile(r"CAPEC-[0-9]{1,9}")
# RFC 5646 2.1, well-formed: language, script, region, variants, extensions, private use; every part is bounded.
_LANGUAGE: Final = re.compile(
    r"(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(?:-[A-WY-Za-wy-z0-9](?:-[A-Za-z0-9]{2,8})+)*"
    r"(?:-[Xx](?:-[A-Za-z0-9]{1,8})+)?|[Xx](?:-[A-Za-z0-9]{1,8})+|i-[A-Za-z]{2,8}"
)
_ADDRESSES: Final = frozenset({"ipv4-addr", "ipv6-addr", "mac-addr", "domain-name"})
_FILES: Final = frozenset({"file", "directory"})
_REFERENCES: Final[Mapping[str, Mapping[str, frozenset[str] | None]]] = {
    # None: any type. Lists end in _refs. Only properties that the schemas leave as plain text stand here.
    "directory": {"contains_refs": _FILES},
    "domain-name": {"resolves_to_refs": _ADDRESSES - {"mac-addr"}},
    "email-addr": {"belongs_to_ref": frozenset({"user-account"})},
    "email-message": {
        "from_ref": frozenset({"email-addr"}),
        "sender_ref": frozenset({"email-addr"}),
        "to_refs": frozenset({"email-addr"}),
        "cc_refs": frozenset({"email-addr"}),
        "bcc_refs": frozenset({"email-addr"}),
        "raw_email_ref": frozenset({"artifact"}),
    },
    "file": {
        "parent_directory_ref": frozenset({"directory"}),
        "contains_refs": None,
        "content_ref": frozenset({"artifact"}),
    },
    "ipv4-addr": {
        "resolves_to_refs": frozenset({"mac-addr"}),
        "belongs_to_refs": frozenset({"autonomous-system"}),
    },
    "ipv6-addr": {
        "resolves_to_refs": frozenset({"mac-addr"}),
        "belongs_to_refs": frozenset({"autonomous-system"}),
    },
    "malware": {"sample_refs": frozenset({"artifact", "file"})},
    "network-traffic": {
        "src_ref": _ADDRESSES,
        "dst_ref": _ADDRESSES,
        "src_payload_ref": frozenset({"artifact"}),
        "dst_payload_ref": frozenset({"artifact"}),
        "encapsulates_refs": frozenset({"network-traffic"}),
        "encapsulated_by_ref": frozenset({"network-traffic"}),
    },
    "process": {
        "opened_connection_refs": frozenset({"network-traffic"}),
        "creator_user_ref": frozenset({"user-account"}),
        "image_ref": frozenset({"file"}),
        "parent_ref": frozenset({"process"}),
        "child_refs": frozenset({"process"}),
    },
    "windows-registry-key": {"creator_user_ref": frozenset({"user-account"})},
}
_NONE: Final[Mapping[str, frozenset[str] | None]] = {}
_LOOKS_LIKE_ONE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z"
)
_COMMON_REFERENCES: Final[Mapping[str, frozenset[str]]] = {
    "created_by_ref": frozenset({"identity"}),
    "object_marking_refs": frozenset({"marking-definition"}),
}


def check(content: Mapping[str, Any], *, observable: bool) -> None:
    """Raise ObjectInvalid for the first rule that the object breaks; the schema has passed already."""
    stix_type = content["type"]
    _check_instants(content, stix_type)
    _check_references(content, stix_type)
    if "granular_markings" in content:
        _check_granular_markings(content)
    if "external_references" in content:
        _check_external_references(content["external_references"])
    if "lang" in content:
        _check_language("lang", content["lang"])
    match stix_type:
        case "indicator":
            _check_pattern(content)
        case "marking-definition":
            _check_marking_definition(content)
        case "extension-definition":
            if "created_by_ref" not in content:
                raise ObjectInvalid(
                    "created_by_ref is missing; an extension-definition must name it (STIX 7.3)."
                )
        case "language-content":
            _check_language_content(content)
        case "observed-data":
            if ("objects" in content) == ("object_refs" in content):
                raise ObjectInvalid(
                    "observed-data needs object_refs or the deprecated objects, and not both (STIX 4.14)."
                )
        case "ipv6-addr":
            _check_ipv6(content["value"])
        case _:
            pass
    if not observable and "defanged" in content:
        raise ObjectInvalid("defanged belongs to cyber-observables only; leave it out (STIX 3.2).")


def is_versioned_observable(content: Mapping[str, Any]) -> bool:
    """Whether a cyber-observable uses STIX versioning: both instants, and no id of the default namespace (3.6)."""
    created, modified = content.get("created"), content.get("modified")
    if not (isinstance(created, str) and isinstance(modified, str)):
        return False
    if not (is_stix_timestamp(created) and is_stix_timestamp(modified)):
        return False
    return deterministic_id(content) != content.get("id")


def warnings(content: Mapping[str, Any], *, observable: bool) -> tuple[str, ...]:
    """The SHOULD rules that the object does not follow, a sentence each."""
    return tuple(_warnings(content, observable=observable))


def _warnings(content: Mapping[str, Any], *, observable: bool) -> Iterator[str]:
    stix_type, stix_id = content["type"], content["id"]
    uuid = stix_id[-36:]
    if uuid != uuid.lower():
        yield "id has upper-case digits; RFC 4122 writes UUIDs in lower case. It is kept as it is."
    if not observable and uuid[14] != "4":
        yield f"id has a UUID of version {uuid[14]}; a random one (version 4) is recommended (STIX 2.9)."
    if observable and uuid[14] != "5" and deterministic_id(content) is not None:
        yield "id is not derived from the content; version 5 of UUID is recommended for cyber-observables (STIX 2.9)."
    if observable and uuid[14] == "5":
        expected = deterministic_id(content)
        if expected is None and stix_type == "process":
            yield "id of a process is UUID version 5; nothing of a process contributes to one (STIX 2.9)."
        elif expected is not None and expected.lower() != stix_id.lower():
            yield f"id is not the one that STIX 2.9 derives from this content, {expected}."
    for name in content:
        if "-" in name or name != name.lower():
            yield f"{refusals.path([name])} is no property name of STIX 3.1: lower case, digits and underscores only."
    if (
        content.get("created_by_ref") is None
        and not observable
        and stix_type != "marking-definition"
    ):
        yield "created_by_ref is missing: the creator stays unknown, and only the same channel may send new versions."
    if stix_type == "marking-definition" and "modified" in content:
        yield "modified does not belong to a marking-definition, which has no versions (STIX 3.2, 7.2.1)."
    if any(found is None or found == [] for found in _inside(content)):
        yield "a custom value holds null or an empty list, which STIX 2.12 forbids; it is passed on as it is."
    for index, entry in enumerate(content.get("external_references") or ()):
        external_id = entry.get("external_id")
        if (
            isinstance(external_id, str)
            and _CVE.fullmatch(external_id)
            and entry.get("source_name") != "cve"
        ):
            yield f"external_references[{index}] names a CVE; its source_name should be cve (STIX 4.19)."


def _inside(content: Mapping[str, Any]) -> Iterator[Any]:
    """Every value at any depth, without recursion."""
    pending: list[Any] = [content]
    while pending:
        node = pending.pop()
        children = (
            node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        )
        for child in children:
            yield child
            pending.append(child)


def _check_instants(content: Mapping[str, Any], stix_type: str) -> None:
    for name in _TIMESTAMPS & content.keys():
        text = content[name]
        # The schema has checked the form; only days after the 28th may not exist. Of custom types and extensions a
        # property of the same name may hold something else.
        if (
            isinstance(text, str)
            and text[8:10] > "28"
            and _LOOKS_LIKE_ONE.fullmatch(text) is not None
            and not is_stix_timestamp(text)
        ):
            raise ObjectInvalid(
                f"{name} is {shown(text)}, a day that does not exist; give one that does, such as "
                "2024-02-29T07:08:09.123Z (STIX 2.16)."
            )
    _check_order(content, "created", "modified", same=True)
    ordered = _ORDERED.get(stix_type)
    if ordered is not None:
        _check_order(content, ordered[0], ordered[1], same=ordered[2])


def _check_order(content: Mapping[str, Any], earlier: str, later: str, *, same: bool) -> None:
    first, second = content.get(earlier), content.get(later)
    if first is None or second is None or (first == second and same):
        return
    try:
        first_key, second_key = order_key(first), order_key(second)
    except (InstantInvalid, TypeError):
        return  # of a type that STIX 2.1 does not define; for the others the schema has checked them
    if second_key < first_key or (second_key == first_key and not same):
        raise ObjectInvalid(
            f"{later} is {shown(second)} and {earlier} is {shown(first)}; {later} must be "
            f"{'the same as or ' if same else ''}later than {earlier}."
        )


def _check_references(content: Mapping[str, Any], stix_type: str) -> None:
    for name, types in _COMMON_REFERENCES.items():
        if name in content:
            _check_reference(name, content[name], types)
    for name, allowed in _REFERENCES.get(stix_type, _NONE).items():
        if name in content:
            _check_reference(name, content[name], allowed)


def _check_reference(name: str, found: Any, types: frozenset[str] | None) -> None:
    many = name.endswith("_refs")
    if many is not isinstance(found, list):
        raise ObjectInvalid(
            f"{name} is {refusals.value(found)}; it must be {'a list of ids' if many else 'one id'}."
        )
    for index, target in enumerate(found if many else (found,)):
        where = f"{name}[{index}]" if many else name
        if not isinstance(target, str) or not is_identifier(target):
            raise ObjectInvalid(
                f"{where} is {refusals.value(target)}; it must be the id of a STIX object: type, two hyphens, RFC 4122 "
                "UUID (STIX 2.9)."
            )
        if types is not None and target[:-38] not in types:
            raise ObjectInvalid(
                f"{where} is {shown(target)}; it must be the id of one of: {', '.join(sorted(types))}."
            )


def _check_granular_markings(content: Mapping[str, Any]) -> None:
    for index, entry in enumerate(content["granular_markings"]):
        where = f"granular_markings[{index}]"
        if ("marking_ref" in entry) == ("lang" in entry):
            raise ObjectInvalid(f"{where} needs marking_ref or lang, and not both (STIX 7.2.3.1).")
        if "lang" in entry:
            _check_language(f"{where}.lang", entry["lang"])
        for selector in entry["selectors"]:
            try:
                selectors.select(content, selector)
            except selectors.SelectorInvalid as wrong:
                raise ObjectInvalid(
                    f"{where} has the selector {shown(selector)}, which {wrong}; name a property, a dictionary key or "
                    "[n] of a list, joined by full stops (STIX 7.2.3.1)."
                ) from wrong


def _check_external_references(found: list[Mapping[str, Any]]) -> None:
    for index, entry in enumerate(found):
        external_id = entry.get("external_id")
        if external_id is None:
            continue
        source = entry.get("source_name")
        if source == "cve" and _CVE.fullmatch(external_id) is None:
            raise ObjectInvalid(
                f"external_references[{index}].external_id is {shown(external_id)}; with source_name cve it must be a CVE "
                "id such as CVE-2021-44228 (STIX 4.19)."
            )
        if source == "capec" and _CAPEC.fullmatch(external_id) is None:
            raise ObjectInvalid(
                f"external_references[{index}].external_id is {shown(external_id)}; with source_name capec it must be an "
                "id such as CAPEC-163 (STIX 4.1)."
            )


def _check_language(where: str, code: Any) -> None:
    if not isinstance(code, str) or len(code) > 100 or _LANGUAGE.fullmatch(code) is None:
        raise ObjectInvalid(
            f"{where} is {refusals.value(code)}; it must be an RFC 5646 language code, such as en or pt-BR."
        )


def _check_pattern(content: Mapping[str, Any]) -> None:
    if content["pattern_type"] != "stix":
        return
    version = content.get("pattern_version", "2.1")
    try:
        patterns.check_pattern(content["pattern"], version=version)
    except patterns.PatternInvalid as wrong:
        raise ObjectInvalid(
            f"pattern is no STIX pattern of version {version}: it {wrong} (STIX 9). Correct it, or name its own language in "
            "pattern_type."
        ) from wrong


def _check_marking_definition(content: Mapping[str, Any]) -> None:
    stix_id = content["id"]
    if stix_id in marking_ids(content):
        raise ObjectInvalid(
            "object_marking_refs or granular_markings names the marking definition itself (STIX 3.2)."
        )
    if "modified" in content and not is_stix_timestamp(str(content["modified"])):
        raise ObjectInvalid(
            f"modified is {refusals.value(content['modified'])}; leave it out of a marking-definition, or give a timestamp "
            "such as 2024-05-06T07:08:09.123Z (STIX 2.16)."
        )
    fixed = markings.fixed_definition(stix_id)
    if fixed is not None:
        if sameness_digest(content) != sameness_digest(dict(fixed)):
            raise ObjectInvalid(
                f"id is that of the predefined marking {fixed['name']}, whose content is fixed; this one differs in "
                f"{_difference(content, fixed)}. Send it as the standard prints it, or leave it out: every node has it "
                "(STIX 7.2.1.4)."
            )
        return
    definition_type = content.get("definition_type")
    if definition_type == "tlp":
        raise ObjectInvalid(
            f"definition_type is 'tlp' but id is {shown(stix_id)}; only the four predefined markings of STIX 7.2.1.4 may "
            "say so. Refer to one of them."
        )
    if "extensions" not in content:
        for name in ("definition_type", "definition"):
            if name not in content:
                raise ObjectInvalid(
                    f"{name} is missing; it is required without extensions (STIX 7.2.1)."
                )
    if definition_type == "statement" and not isinstance(
        content.get("definition", {}).get("statement"), str
    ):
        raise ObjectInvalid(
            "definition.statement is missing or no text; a statement marking needs it (STIX 7.2.1.3)."
        )


def _difference(content: Mapping[str, Any], fixed: Mapping[str, Any]) -> str:
    names = sorted(
        name for name in content.keys() | fixed.keys() if content.get(name) != fixed.get(name)
    )
    return ", ".join(refusals.path([name]) for name in names[:5]) or "the form of a value"


def _check_language_content(content: Mapping[str, Any]) -> None:
    for code, texts in content["contents"].items():
        _check_language(f"the key {shown(code)} of contents", code)
        if not isinstance(texts, dict) or not texts:
            raise ObjectInvalid(
                f"contents.{code} is {refusals.value(texts)}; it must be a dictionary of property names (STIX 7.1)."
            )


def _check_ipv6(text: str) -> None:
    address, _, prefix = text.partition("/")
    try:
        IPv6Network(f"{address.partition('%')[0]}/{prefix or 128}", strict=False)
    except ValueError as wrong:
        raise ObjectInvalid(
            f"value is {shown(text)}; it must be an IPv6 address or CIDR block, such as 2001:db8::/32 (STIX 6.9)."
        ) from wrong
