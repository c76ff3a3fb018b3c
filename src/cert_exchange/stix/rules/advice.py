"""What STIX 2.1 says an object SHOULD be: said to the desk, never a reason to refuse (STIX 2.9, CASES H19)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cert_exchange.stix import refusals
from cert_exchange.stix.observables import deterministic_id

_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")


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
