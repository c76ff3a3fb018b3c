"""Why an object is refused, in words that its sender can act on: property, value found, value allowed, next step.

1. Values are cut to 80 characters and shown without control characters.
2. Of several faults the first few are named; the search for them is bounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from cert_exchange.errors import ObjectInvalid
from cert_exchange.stix.instants import shown

if TYPE_CHECKING:
    import jsonschema_rs

_SEEN: Final = 20
"""Errors of a schema that are looked at; a list of 100,000 wrong items is not searched to its end."""
_COMBINATION: Final = 3
"""From this rank on a sentence is about a combination of properties and not about one."""
_NAMED: Final = 3
"""Errors that one refusal names."""

# What a regular expression of the schemas means, by a part of it that is unique.
_MEANINGS: Final = (
    (
        "T\\d{2}:\\d{2}:\\d{2}\\.\\d{3,}Z$",
        "a timestamp with at least three digits of fraction, such as 2024-05-06T07:08:09.123Z (STIX 3.2)",
    ),
    ("^[0-9]{4}-(0[1-9]", "a timestamp in UTC, such as 2024-05-06T07:08:09.123Z (STIX 2.16)"),
    (
        "[a-z0-9]--[0-9a-fA-F]{8}",
        "the id of a STIX object: type, two hyphens, RFC 4122 UUID (STIX 2.9)",
    ),
    (
        "([a-z][a-z0-9]*)+",
        "lower-case letters, digits and single hyphens, beginning with a letter (STIX 3.1)",
    ),
    ("^([a-fA-F0-9]{2})+$", "an even number of hexadecimal digits (STIX 2.8)"),
    ("^([A-Za-z0-9+/]{4})*", "base64 (STIX 2.1)"),
    ("^[a-fA-F0-9]{32}$", "32 hexadecimal digits"),
    ("^[a-fA-F0-9]{40}$", "40 hexadecimal digits"),
    ("^[a-fA-F0-9]{64}$", "64 hexadecimal digits"),
    ("^[a-fA-F0-9]{128}$", "128 hexadecimal digits"),
    ("^[a-z0-9\\-]+$", "lower-case letters, digits and hyphens (STIX 5.1)"),
    (
        "^(([0-9]|[1-9][0-9]|1[0-9]{2}",
        "an IPv4 address or CIDR block, such as 198.51.100.0/24 (STIX 6.8)",
    ),
    (
        "^([0-9a-f]{2}[:]){5}",
        "a MAC address in lower case with colons, such as 00:00:5e:00:53:01 (STIX 6.10)",
    ),
    ("^(application|audio", "a media type such as application/pdf"),
    ("^[a-zA-Z0-9/\\.+_:-]{2,250}$", "a character set of the IANA register"),
)
_TYPE_PREFIX: Final = re.compile(r"\^\(?([a-z0-9|-]+?)\)?--")
_TYPES: Final = {
    "array": "a list",
    "object": "a JSON object",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def value(found: Any) -> str:
    """A JSON value as a refusal shows it: short, and never more than one line."""
    if isinstance(found, str):
        return shown(found)
    if isinstance(found, dict):
        return "a JSON object"
    if isinstance(found, (list, tuple)):
        return "an empty list" if not found else f"a list of {len(found)}"
    if isinstance(found, float):
        return getattr(found, "lexeme", None) or repr(found)
    return json.dumps(found)


def path(steps: Sequence[str | int]) -> str:
    """`external_references[0].url`, cut where a key is long."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            cut = step if len(step) <= 80 and step.isprintable() else shown(step)
            text += f".{cut}" if text else cut
    return text or "the object"


def refuse_empty(content: Mapping[str, Any]) -> None:
    """Raise ObjectInvalid for a property that is null or an empty list (STIX 2.12, CASES H04).

    Below the properties the schema decides for what STIX 2.1 defines; inside custom values anything is passed on as it
    came (CASES H05): MITRE ATT&CK itself has empty lists there.
    """
    for name, found in content.items():
        if found is None:
            raise ObjectInvalid(
                f"{path([name])} is null; a property without a value is left out (STIX 2.12)."
            )
        if isinstance(found, list) and not found:
            raise ObjectInvalid(
                f"{path([name])} is an empty list; a list has at least one item, else its property is left out "
                "(STIX 2.12)."
            )


def explain(compiled: jsonschema_rs.Draft202012Validator, content: Mapping[str, Any]) -> str:
    """The first few errors of a schema in sentences, the plainest first."""
    found: dict[str, tuple[int, str]] = {}
    for error in islice(compiled.iter_errors(content), _SEEN):
        rank, where, text = _sentence(error)
        best = found.get(where)
        if best is None or rank < best[0]:
            found[where] = (rank, text)
    ranked = sorted(found.values(), key=lambda item: item[0])
    # What only says that a combination fits nowhere is mostly the consequence of a plainer fault.
    plain = [text for rank, text in ranked if rank < _COMBINATION]
    sentences = plain or [text for _, text in ranked]
    named = " ".join(sentences[:_NAMED])
    more = len(sentences) - _NAMED
    return f"{named} And {more} more." if more > 0 else named


def _sentence(error: jsonschema_rs.ValidationError) -> tuple[int, str, str]:
    import jsonschema_rs  # noqa: PLC0415 - loaded by now, with the schema: not by commands that check nothing

    steps = error.instance_path
    where = path(steps)
    found = error.instance
    shown_value = value(found)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            missing = path([*steps, str(name)])
            return 0, missing, f"{missing} is missing; it is required."
        case jsonschema_rs.ValidationErrorKind.Type(types=types):
            wanted = " or ".join(_TYPES.get(str(kind), str(kind)) for kind in types)
            return 1, where, f"{where} is {shown_value}; it must be {wanted}."
        case jsonschema_rs.ValidationErrorKind.Enum(options=options):
            allowed = ", ".join(str(option) for option in options[:20])
            return 1, where, f"{where} is {shown_value}; allowed: {allowed}."
        case jsonschema_rs.ValidationErrorKind.Pattern(pattern=pattern):
            return 2, where, f"{where} is {shown_value}; it must be {_meaning(pattern)}."
        case jsonschema_rs.ValidationErrorKind.Minimum(limit=limit):
            return 2, where, f"{where} is {shown_value}; the least allowed is {limit}."
        case jsonschema_rs.ValidationErrorKind.Maximum(limit=limit):
            return 2, where, f"{where} is {shown_value}; the most allowed is {limit}."
        case jsonschema_rs.ValidationErrorKind.MinItems():
            return 1, where, f"{where} is an empty list; leave the property out (STIX 2.12)."
        case jsonschema_rs.ValidationErrorKind.MinProperties():
            return 1, where, f"{where} is an empty object; leave the property out (STIX 2.4)."
        case (
            jsonschema_rs.ValidationErrorKind.MinLength()
            | jsonschema_rs.ValidationErrorKind.MaxLength()
        ):
            return (
                2,
                where,
                f"{where} is {shown_value}; its length is outside what STIX 2.1 allows.",
            )
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
            name = path([*steps, str(names[0])])
            return (
                2,
                name,
                (
                    f"{name} is no allowed name; property names have three or more of a-z, 0-9 and _ and begin with a "
                    "letter, keys of dictionaries a-z, A-Z, 0-9, - and _ (STIX 3.1, 2.4)."
                ),
            )
        case (
            jsonschema_rs.ValidationErrorKind.AnyOf(context=branches)
            | jsonschema_rs.ValidationErrorKind.OneOfNotValid(context=branches)
        ):
            return _of_branches(branches, where, shown_value)
        case (
            jsonschema_rs.ValidationErrorKind.Not()
            | jsonschema_rs.ValidationErrorKind.OneOfMultipleValid()
        ):
            if isinstance(found, str):
                return (
                    _COMBINATION,
                    where,
                    f"{where} is {shown_value}, which STIX 2.1 does not allow here.",
                )
            return (
                _COMBINATION,
                where,
                (
                    f"{where} has properties that exclude each other, or a name that STIX 2.1 reserves (severity, action, "
                    "username, phone_numbers)."
                ),
            )
        case _:
            return (
                4,
                where,
                f"{where} is {shown_value}, which the STIX 2.1 schema refuses ({error.kind.name}).",
            )


def _of_branches(
    branches: Sequence[Sequence[jsonschema_rs.ValidationError]], where: str, shown_value: str
) -> tuple[int, str, str]:
    """One sentence for what fits none of several forms: what is missing in each, or the plainest fault of all."""
    import jsonschema_rs  # noqa: PLC0415 - loaded by now, with the schema: not by commands that check nothing

    missing: list[str] = []
    types: list[str] = []
    others: list[tuple[int, str, str]] = []
    for branch in branches[:_SEEN]:
        needed = []
        for error in branch[:_SEEN]:
            kind = error.kind
            if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
                needed.append(str(kind.property))
                continue
            if (
                isinstance(kind, jsonschema_rs.ValidationErrorKind.Pattern)
                and (prefix := _TYPE_PREFIX.fullmatch(kind.pattern)) is not None
            ):
                types.append(prefix[1])
            else:
                others.append(_sentence(error))
        if needed and (together := " and ".join(needed)) not in missing:
            missing.append(together)
    if types:
        return (
            2,
            where,
            f"{where} is {shown_value}; it must be the id of one of: {', '.join(types)}.",
        )
    if missing and not others:
        return _COMBINATION, where, f"{where} needs {' or '.join(missing)}."
    if others:
        rank, inner, text = min(others, key=lambda item: item[0])
        return rank + _COMBINATION, inner, text
    return 4, where, f"{where} is {shown_value}, which fits no form that STIX 2.1 allows."


def _meaning(pattern: str) -> str:
    for part, meaning in _MEANINGS:
        if part in pattern:
            return meaning
    prefix = _TYPE_PREFIX.fullmatch(pattern)
    if prefix is not None:
        return f"the id of one of: {prefix[1].replace('|', ', ')}"
    return f"of the form {pattern[:120]}"
