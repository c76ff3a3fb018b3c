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
from collections.abc import Mapping
from ipaddress import IPv6Network
from typing import Any, Final

from cert_exchange.errors import ObjectInvalid
from cert_exchange.stix import patterns, refusals
from cert_exchange.stix.instants import is_stix_timestamp, shown
from cert_exchange.stix.observables import deterministic_id
from cert_exchange.stix.rules.advice import warnings
from cert_exchange.stix.rules.marked import (
    check_granular_markings,
    check_language,
    check_marking_definition,
)
from cert_exchange.stix.rules.targets import check_targets
from cert_exchange.stix.rules.times import check_instants

__all__ = ["check", "is_versioned_observable", "warnings"]

_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_CAPEC: Final = re.compile(r"CAPEC-[0-9]{1,9}")
_VALUES: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "url": (
        re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:[^\s\x00-\x1f]+"),
        "a URL with its scheme and without spaces, such as https://example.com/ (STIX 6.15)",
    ),
    "domain-name": (
        re.compile(r"[^\s\x00-\x1f/:@]{1,255}"),
        "a domain name alone, such as www.example.com (STIX 6.4)",
    ),
    "email-addr": (
        re.compile(r"[^\x00-\x1f@][^\x00-\x1f]*@[^\x00-\x1f@\s]+"),
        "an e-mail address alone, such as someone@example.com (STIX 6.5)",
    ),
}


def check(content: Mapping[str, Any], *, observable: bool) -> None:
    """Raise ObjectInvalid for the first rule that the object breaks; the schema has passed already."""
    stix_type = content["type"]
    check_instants(content, stix_type)
    check_targets(content, stix_type)
    if "granular_markings" in content:
        check_granular_markings(content)
    if "external_references" in content:
        _check_external_references(content["external_references"])
    if "lang" in content:
        check_language("lang", content["lang"])
    match stix_type:
        case "indicator":
            _check_pattern(content)
        case "marking-definition":
            check_marking_definition(content)
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
        case "url" | "domain-name" | "email-addr":
            _check_value(stix_type, content["value"])
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


def _check_language_content(content: Mapping[str, Any]) -> None:
    for code, texts in content["contents"].items():
        check_language(f"the key {shown(code)} of contents", code)
        if not isinstance(texts, dict) or not texts:
            raise ObjectInvalid(
                f"contents.{code} is {refusals.value(texts)}; it must be a dictionary of property names (STIX 7.1)."
            )


def _check_value(stix_type: str, text: str) -> None:
    """Refuse what cannot be one at all; what attackers really use bends RFC 3986 and 1034, and passes."""
    form, meaning = _VALUES[stix_type]
    if form.fullmatch(text) is None:
        raise ObjectInvalid(f"value is {shown(text)}; it must be {meaning}.")


def _check_ipv6(text: str) -> None:
    address, _, prefix = text.partition("/")
    try:
        IPv6Network(f"{address.partition('%')[0]}/{prefix or 128}", strict=False)
    except ValueError as wrong:
        raise ObjectInvalid(
            f"value is {shown(text)}; it must be an IPv6 address or CIDR block, such as 2001:db8::/32 (STIX 6.9)."
        ) from wrong
