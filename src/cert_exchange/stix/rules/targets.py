"""What the references of standard properties may point to (STIX 4 to 6, policy-facts 6).

1. The value is the id of a STIX object; local ids as in STIX 2.0 stand only inside the deprecated `objects` of
   observed-data, which nobody resolves.
2. Its type is one that the standard allows there. References that the schemas check already are not repeated here.
3. Nothing is said about custom properties, and nothing about whether the target is known: that is decided later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cert_exchange.errors import ObjectInvalid
from cert_exchange.stix import refusals
from cert_exchange.stix.instants import shown
from cert_exchange.stix.references import is_identifier

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
_NESTED: Final[Mapping[str, tuple[str, str | None, str, frozenset[str]]]] = {
    # property, extension or None for a list of parts, name, types
    "email-message": ("body_multipart", None, "body_raw_ref", frozenset({"artifact", "file"})),
    "file": ("extensions", "archive-ext", "contains_refs", _FILES),
    "network-traffic": (
        "extensions",
        "http-request-ext",
        "message_body_data_ref",
        frozenset({"artifact"}),
    ),
    "process": ("extensions", "windows-service-ext", "service_dll_refs", frozenset({"file"})),
}
_NONE: Final[Mapping[str, frozenset[str] | None]] = {}
_COMMON_REFERENCES: Final[Mapping[str, frozenset[str]]] = {
    "created_by_ref": frozenset({"identity"}),
    "object_marking_refs": frozenset({"marking-definition"}),
}


def check_targets(content: Mapping[str, Any], stix_type: str) -> None:
    """Raise ObjectInvalid for a reference of a standard property that is no id, or of a type not allowed there."""
    for name, types in _COMMON_REFERENCES.items():
        if name in content:
            _check_reference(name, name, content[name], types)
    for name, allowed in _REFERENCES.get(stix_type, _NONE).items():
        if name in content:
            _check_reference(name, name, content[name], allowed)
    nested = _NESTED.get(stix_type)
    if nested is not None and nested[0] in content:
        _check_nested(content[nested[0]], *nested)


def _check_nested(
    found: Any, outer: str, key: str | None, name: str, types: frozenset[str]
) -> None:
    """Check a reference inside a list of parts, or inside one predefined extension."""
    if key is None:
        parts = [(f"{outer}[{index}]", part) for index, part in enumerate(found)]
    else:
        parts = [(f"{outer}.{key}", found.get(key))]
    for where, part in parts:
        if isinstance(part, dict) and name in part:
            _check_reference(f"{where}.{name}", name, part[name], types)


def _check_reference(path: str, name: str, found: Any, types: frozenset[str] | None) -> None:
    many = name.endswith("_refs")
    if many is not isinstance(found, list):
        raise ObjectInvalid(
            f"{path} is {refusals.value(found)}; it must be {'a list of ids' if many else 'one id'}."
        )
    for index, target in enumerate(found if many else (found,)):
        where = f"{path}[{index}]" if many else path
        if not isinstance(target, str) or not is_identifier(target):
            raise ObjectInvalid(
                f"{where} is {refusals.value(target)}; it must be the id of a STIX object: type, two hyphens, RFC 4122 "
                "UUID (STIX 2.9)."
            )
        if types is not None and target[:-38] not in types:
            raise ObjectInvalid(
                f"{where} is {shown(target)}; it must be the id of one of: {', '.join(sorted(types))}."
            )
