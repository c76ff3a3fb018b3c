"""The OASIS JSON schemas of STIX 2.1, compiled once a type, and eased where they refuse what the standard allows.

1. The schemas are those that the stix2-validator wheel ships; they are read from its folder, never fetched.
2. Regular expressions run in linear time (the Rust regex engine); no remote reference is ever followed (CASES H16).
3. Each easing names the section of STIX 2.1 that allows what the schema refuses. The rule itself, where there is one,
   then stands in `rules` in words a sender can act on.
4. The validator, a large library, is loaded with the first schema that is compiled: not every command checks objects.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    import jsonschema_rs

_BASE: Final = "http://raw.githubusercontent.com/oasis-open/cti-stix2-json-schemas/stix2.1/schemas/"
_FOLDERS: Final = ("sdos", "sros", "observables")
SHARED_PROPERTIES: Final = (
    "confidence", "created_by_ref", "external_references", "labels", "lang", "revoked",
)  # fmt: skip
"""What any object may have with its common meaning, also where STIX 2.1 gives it to others only."""
_COMMON: Final = ("extension-definition", "language-content", "marking-definition")


def schema_name(stix_type: str, *, observable: bool) -> str:
    """The schema that decides for a type: its own, or the common core for a type that STIX 2.1 does not define."""
    known = _names().get(stix_type)
    if known is not None:
        return known
    return "common/cyber-observable-core.json" if observable else "common/core.json"


def is_defined(stix_type: str) -> bool:
    """Whether STIX 2.1 itself defines the type."""
    return stix_type in _names()


@cache
def defined_properties(stix_type: str) -> frozenset[str] | None:
    """The names of the top-level properties that STIX 2.1 gives a type; None for a type that it does not define."""
    name = _names().get(stix_type)
    if name is None:
        return None
    found: set[str] = set()
    waiting = [_read(name)]
    while waiting:
        part = waiting.pop()
        found.update(part.get("properties", {}))
        waiting += [inner for key in ("allOf", "anyOf", "oneOf") for inner in part.get(key, ())]
        folder, _, file = part.get("$ref", "").removeprefix("../").partition("/")
        if folder == "common":  # what it is built upon; "#/definitions" names no property
            waiting.append(_read(f"{folder}/{file.partition('#')[0]}"))
    return frozenset(found)


@cache
def kinds_of_property(name: str) -> frozenset[str]:
    """Which JSON types a top-level property of this name has in any type that STIX 2.1 defines.

    Empty for a name that it gives to none, and where a schema does not say it plainly.
    """
    found: set[str] = set()
    for schema in _names().values():
        waiting = [(schema, _read(schema))]
        while waiting:
            file, part = waiting.pop()
            if (said := part.get("properties", {}).get(name)) is not None and not _is_any(said):
                kind = _kind_of(file, said)
                if kind is None:
                    return frozenset()
                found.add(kind)
            waiting += [
                (file, inner) for key in ("allOf", "anyOf", "oneOf") for inner in part.get(key, ())
            ]
            folder, _, other = part.get("$ref", "").removeprefix("../").partition("/")
            if folder == "common":
                path = f"{folder}/{other.partition('#')[0]}"
                waiting.append((path, _read(path)))
    return frozenset(found)


def _is_any(said: dict[str, Any]) -> bool:
    """Whether a part of a schema only narrows what another part says."""
    return not {"type", "$ref", "allOf", "anyOf", "oneOf", "enum", "pattern"} & said.keys()


def _kind_of(file: str, said: dict[str, Any]) -> str | None:
    """The JSON type that a property's schema says, itself or where it refers to."""
    kind = said.get("type")
    if isinstance(kind, str):
        return kind
    if "pattern" in said or "enum" in said:
        return "string"
    found = {
        _kind_of(file, inner) for key in ("allOf", "anyOf", "oneOf") for inner in said.get(key, ())
    }
    reference = said.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        path, _, fragment = reference.partition("#")
        if fragment:
            return None
        other = str((Path(file).parent / path).as_posix()).replace(f"{Path(file).parent}/../", "")
        found.add(_kind_of(other, _read(other)))
    return found.pop() if len(found) == 1 else None


@cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    """The compiled schema of that name, such as `sdos/indicator.json`. Compiling takes some milliseconds, once."""
    import jsonschema_rs  # noqa: PLC0415 - rule 4: with the first schema

    return jsonschema_rs.Draft202012Validator(
        {"$ref": _BASE + name},
        registry=_registry(),
        offline=True,
        validate_formats=False,  # our own rules check what the standard demands; see `rules`
        pattern_options=jsonschema_rs.RegexOptions(),
    )


@cache
def _names() -> dict[str, str]:
    found = {
        path.stem: f"{folder}/{path.name}"
        for folder in _FOLDERS
        for path in (_root() / folder).glob("*.json")
    }
    return found | {name: f"common/{name}.json" for name in _COMMON}


def _read(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((_root() / name).read_text("utf-8"))
    return schema


@cache
def _root() -> Path:
    spec = find_spec("stix2validator")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        root = Path(place) / "schemas-2.1" / "schemas"
        if root.is_dir():
            return root
    raise ConfigurationInvalid(
        "The STIX 2.1 schemas are missing: install the package stix2-validator as requirements.lock names it."
    )


@cache
def _registry() -> jsonschema_rs.Registry:
    import jsonschema_rs  # noqa: PLC0415 - rule 4: with the first schema

    resources = []
    for path in sorted(_root().rglob("*.json")):
        schema = json.loads(path.read_text("utf-8"))
        name = path.relative_to(_root()).as_posix()
        ease = _EASINGS.get(name)
        if ease is not None:
            ease(schema)
        resources.append((_BASE + name, schema))
    return jsonschema_rs.Registry(resources)


def _ease_granular_marking(schema: dict[str, Any]) -> None:
    # 7.2.3: `lang` may stand in place of `marking_ref`; 7.2.3.1: a selector may address any key of the object.
    schema["required"] = ["selectors"]
    schema["properties"]["selectors"]["items"] = {"type": "string", "minLength": 1}


def _ease_extensions(schema: dict[str, Any]) -> None:
    # 3.2: keys of `extensions` SHOULD be an extension's id or a predefined name; other keys are allowed.
    schema["properties"]["extensions"]["additionalProperties"] = {"type": "object"}


def _share_common_properties(schema: dict[str, Any]) -> None:
    # 3.2 knows these names for other objects only, but OpenCTI and others use them everywhere: when they are there they
    # have the common meaning, so that whoever reads labels or a creator finds the type that 3.2 gives them.
    schema["properties"] = {
        name: {"$ref": f"../common/core.json#/properties/{name}"} for name in SHARED_PROPERTIES
    } | schema["properties"]


def _ease_observable(schema: dict[str, Any]) -> None:
    _ease_extensions(schema)
    _share_common_properties(schema)


def _ease_external_reference(schema: dict[str, Any]) -> None:
    # 2.5.1: source_name and one of three others. The forms of CVE and CAPEC ids are rules of their own.
    schema["properties"]["source_name"] = {"type": "string"}
    schema["properties"]["external_id"] = {"type": "string"}
    del schema["oneOf"]
    schema["required"] = ["source_name"]
    schema["anyOf"] = [{"required": [name]} for name in ("external_id", "description", "url")]


def _ease_hashes(schema: dict[str, Any]) -> None:
    # 2.7: SSDEEP and TLSH name no length in the standard; TLSH since its version 4 begins with T1.
    schema["patternProperties"]["^TLSH$"] = {"type": "string"}
    schema["patternProperties"]["^SSDEEP$"] = {"type": "string"}


def _ease_observed_data(schema: dict[str, Any]) -> None:
    # Whether `objects` or `object_refs` is there is said better by `rules`.
    del schema["oneOf"]
    # 2.13: the deprecated container may hold cyber-observables of STIX 2.0, with local ids and references.
    schema["allOf"][1]["properties"]["objects"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"type": "string"}},
        },
    }


def _ease_ipv6(schema: dict[str, Any]) -> None:
    # The expression lost its backslashes, so that no IPv4-mapped address passes; `rules` checks the value.
    del schema["allOf"][1]["properties"]["value"]["pattern"]


def _ease_registry_key(schema: dict[str, Any]) -> None:
    # 6.17: at least one property; the schema asks for `modified` where the property is `modified_time`.
    schema["anyOf"].append({"required": ["modified_time"]})


def _ease_process(schema: dict[str, Any]) -> None:
    # 6.13: at least one property; the schema asks for `created` where the property is `created_time`.
    schema["anyOf"].append({"required": ["created_time"]})


def _ease_software(schema: dict[str, Any]) -> None:
    # 6.14: the CPE expression is not anchored and costs much; languages are RFC 5646, see `rules`.
    del schema["allOf"][1]["properties"]["cpe"]["pattern"]
    del schema["allOf"][1]["properties"]["languages"]["items"]["pattern"]


def _ease_marking_definition(schema: dict[str, Any]) -> None:
    # 7.2.1: `definition_type` is an open vocabulary. TLP definitions are compared whole in `rules` (7.2.1.4).
    schema["properties"]["id"] = {"$ref": "../common/identifier.json"}
    schema["properties"]["definition_type"] = {"type": "string"}
    schema["properties"]["definition"] = {"type": "object"}
    schema["required"] = ["type", "spec_version", "id", "created"]
    del schema["oneOf"]
    _ease_extensions(schema)
    _share_common_properties(schema)


_EASINGS: Final = {
    "common/core.json": _ease_extensions,
    "common/cyber-observable-core.json": _ease_observable,
    "common/external-reference.json": _ease_external_reference,
    "common/granular-marking.json": _ease_granular_marking,
    "common/hashes-type.json": _ease_hashes,
    "common/marking-definition.json": _ease_marking_definition,
    "observables/ipv6-addr.json": _ease_ipv6,
    "observables/process.json": _ease_process,
    "observables/software.json": _ease_software,
    "observables/windows-registry-key.json": _ease_registry_key,
    "sdos/observed-data.json": _ease_observed_data,
}
