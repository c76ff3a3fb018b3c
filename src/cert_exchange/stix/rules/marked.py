"""Markings inside one object: granular markings, their selectors, and marking definitions (STIX 7.2).

1. A granular marking has a marking or a language, not both, and each of its selectors selects something (7.2.3).
2. A selector's components are joined by full stops: a property name, a dictionary key, or `[n]` of a list from zero.
   There is no wildcard and no escape, so that a key with a full stop cannot be addressed.
3. The nine predefined TLP ids have fixed content, and no other definition says `tlp` (7.2.1.4, CASES M24).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cert_exchange.errors import ObjectInvalid
from cert_exchange.stix import markings, refusals
from cert_exchange.stix.canonical import sameness_digest
from cert_exchange.stix.instants import is_stix_timestamp, shown
from cert_exchange.stix.references import marking_ids

# RFC 5646 2.1, well-formed: language, script, region, variants, extensions, private use; every part is bounded.
_LANGUAGE: Final = re.compile(
    r"(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(?:-[A-WY-Za-wy-z0-9](?:-[A-Za-z0-9]{2,8})+)*"
    r"(?:-[Xx](?:-[A-Za-z0-9]{1,8})+)?|[Xx](?:-[A-Za-z0-9]{1,8})+|i-[A-Za-z]{2,8}"
)
_INDEX: Final = re.compile(r"\[(0|[1-9][0-9]{0,8})\]")


class SelectorInvalid(ValueError):
    """The selector is malformed or selects nothing in this object."""


def select(content: Mapping[str, Any], selector: str) -> Any:
    """The value that the selector addresses. Raises SelectorInvalid with a sentence's end."""
    node: Any = content
    for component in selector.split("."):
        if isinstance(node, dict) and component in node:
            node = node[component]
            continue
        index = _INDEX.fullmatch(component)
        if index is not None and isinstance(node, list) and int(index[1]) < len(node):
            node = node[int(index[1])]
            continue
        raise SelectorInvalid("selects nothing in this object")
    return node


def check_granular_markings(content: Mapping[str, Any]) -> None:
    """Raise ObjectInvalid for an entry without exactly one of marking and language, or a selector of nothing."""
    for index, entry in enumerate(content["granular_markings"]):
        where = f"granular_markings[{index}]"
        if ("marking_ref" in entry) == ("lang" in entry):
            raise ObjectInvalid(f"{where} needs marking_ref or lang, and not both (STIX 7.2.3.1).")
        if "lang" in entry:
            check_language(f"{where}.lang", entry["lang"])
        for selector in entry["selectors"]:
            try:
                select(content, selector)
            except SelectorInvalid as wrong:
                raise ObjectInvalid(
                    f"{where} has the selector {shown(selector)}, which {wrong}; name a property, a dictionary key or "
                    "[n] of a list, joined by full stops (STIX 7.2.3.1)."
                ) from wrong


def check_marking_definition(content: Mapping[str, Any]) -> None:
    """Raise ObjectInvalid for a definition that marks itself, alters a predefined one or defines nothing."""
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


def check_language(where: str, code: Any) -> None:
    """Raise ObjectInvalid unless the code is well-formed by RFC 5646 (STIX 3.2); no register is asked."""
    if not isinstance(code, str) or len(code) > 100 or _LANGUAGE.fullmatch(code) is None:
        raise ObjectInvalid(
            f"{where} is {refusals.value(code)}; it must be an RFC 5646 language code, such as en or pt-BR."
        )
