"""The JSON Schema of a policy file, for editors: the keys of the forms, with what may stand at each.

1. Keys, and which of them must be given, come from the forms themselves, so that no key is forgotten here.
2. Where a form reads several spellings of one thing, `_SHAPES` has them; a word for people comes from `ADVICE`.
3. It takes what `policy check` takes, odd spellings of a level aside (`a m b e r`). `policy check` refuses more: names,
   contradictions, expressions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import CoreSchema

from cert_exchange.policy.companions import FILE_LIMIT
from cert_exchange.policy.expressions import LENGTH_LIMIT
from cert_exchange.policy.forms import RULE_LIMIT, BaseForm, PolicyForm
from cert_exchange.policy.pointing import STATES
from cert_exchange.policy.spellings import ADVICE
from cert_exchange.policy.territories import CONCERNS, KINDS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Shape = dict[str, Any]

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TEXT: Final[Shape] = {"type": "string", "minLength": 1}
_LEVEL: Final[Shape] = {
    "type": "string",
    "pattern": r"^\s*([Tt][Ll][Pp])?:*[\s+_-]*([Cc][Ll][Ee][Aa][Rr]|[Ww][Hh][Ii][Tt][Ee]|[Gg][Rr][Ee][Ee][Nn]"
    r"|[Aa][Mm][Bb][Ee][Rr]([\s+_-]*[Ss][Tt][Rr][Ii][Cc][Tt])?|[Rr][Ee][Dd])\s*$",
    "examples": ["clear", "green", "amber", "amber+strict", "red"],
}
_DURATION: Final[Shape] = {
    "type": "string",
    "pattern": r"^\s*[0-9]{1,6}\s*([smhdwSMHDW]|[A-Za-z]{3,7})\s*$",
    "examples": ["90 minutes", "12h", "3 days"],
}
_INSTANT: Final[Shape] = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]",
    "examples": ["2026-11-25T16:00:00Z"],
}
_FILE: Final[Shape] = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_][A-Za-z0-9._ -]*(/[A-Za-z0-9_][A-Za-z0-9._ -]*)*$",
    "maxLength": 250,
}
_PARTNER: Final[Shape] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"}


def _either(*shapes: Shape) -> Shape:
    return {"anyOf": list(shapes)}


def _one_or_more(shape: Shape) -> Shape:
    return _either(shape, {"type": "array", "items": shape, "minItems": 1})


def _mapping(required: tuple[str, ...] = (), /, **properties: Shape) -> Shape:
    shape: Shape = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**shape, "required": list(required)} if required else {**shape, "minProperties": 1}


_FILES: Final[Shape] = _either(_FILE, {"type": "array", "items": _FILE, "maxItems": FILE_LIMIT})
_MARKING: Final[Shape] = {"type": "string", "pattern": f"^marking-definition--{_UUID}$"}
_SHAPES: Final[Mapping[str, Shape]] = {
    "PolicyForm.partners": {"type": "array", "items": _PARTNER},
    "PolicyForm.include": _FILES,
    "PolicyForm.territories": _FILES,
    "PolicyForm.lists": _FILES,
    "PolicyForm.agreement": _FILE,
    "BaseForm.include": _FILES,
    "CeilingForm.tlp": _LEVEL,
    "CeilingForm.unmarked": _either(_LEVEL, {"type": "string", "pattern": "^[Dd][Ee][Nn][Yy]$"}),
    "CeilingForm.statements": {
        "type": "array",
        "items": _either(_MARKING, _mapping(("id",), id=_MARKING, counts_as=_LEVEL)),
    },
    "AcceptedForm.statements": {
        "type": "array",
        "items": _either(_MARKING, _mapping(("id",), id=_MARKING, counts_as=_LEVEL)),
    },
    "RuleForm.hold": _either(
        {"type": "string", "pattern": r"^\s*[Aa]pproval\s*$"},
        {"$ref": "#/$defs/HoldForm"},
    ),
    "HoldForm.for": _DURATION,
    "HoldForm.until": _INSTANT,
    "HoldForm.expires": _DURATION,
    "HoldForm.owner": _TEXT,
    "HoldForm.approval": {"const": True},
    "RuleForm.redact": {"$ref": "#/$defs/RedactForm"},
    "RedactForm.remove": _one_or_more(
        {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,250}(\\.[A-Za-z0-9_-]{1,250}){0,9}$"}
    ),
    "RedactForm.custom": {"const": True},
    "RedactForm.external_references": {"const": True},
    "RedactForm.above_ceiling": {"const": True},
    "RedactForm.source": {"const": True},
    "RedactForm.references": {"const": "cut"},
    "RuleForm.allow": {"type": "boolean"},
    "RuleForm.deny": {"type": "boolean"},
    "RuleForm.reason": _TEXT,
    "MatchForm.type": _one_or_more({"type": "string", "pattern": "^[a-z0-9-]{3,250}$"}),
    "MatchForm.tlp": _either(_one_or_more(_LEVEL), _mapping(at_least=_LEVEL, at_most=_LEVEL)),
    "MatchForm.concerns": _one_or_more({"enum": list(CONCERNS)}),
    "MatchForm.concerns_only": _one_or_more({"enum": list(CONCERNS)}),
    "MatchForm.mentions": _one_or_more({"enum": list(KINDS)}),
    "MatchForm.indicators": _one_or_more({"enum": list(STATES)}),
    "MatchForm.created_by_ref": _one_or_more({"type": "string", "pattern": f"^identity--{_UUID}$"}),
    "MatchForm.marking": _one_or_more(_MARKING),
    "MatchForm.origin": _one_or_more(_PARTNER),
    "MatchForm.absent": _one_or_more({"type": "string", "pattern": "^[a-z0-9_]{1,250}$"}),
    "MatchForm.age": _mapping(over=_DURATION, under=_DURATION),
    "MatchForm.valid_until": _either(
        {"type": "string", "pattern": "^([Pp][Aa][Ss][Ss][Ee][Dd]|[Aa][Hh][Ee][Aa][Dd])$"},
        _mapping(("within",), within=_DURATION),
    ),
    "MatchForm.when": {"type": "string", "minLength": 1, "maxLength": LENGTH_LIMIT},
}


def policy_schema() -> Shape:
    """The JSON Schema (2020-12) of a policy file; `$defs/BaseForm` is that of a file which policies include."""
    whole = PolicyForm.model_json_schema(schema_generator=_Generator)
    base = BaseForm.model_json_schema(schema_generator=_Generator)
    forms: Shape = {**base.pop("$defs", {}), **whole.pop("$defs", {}), "BaseForm": base}
    for name, form in (*forms.items(), ("PolicyForm", whole)):
        _finish(name, form)
    used = sorted(_reached(whole, forms) | _reached(base, forms) | {"BaseForm"})
    whole["properties"]["rules"]["maxItems"] = RULE_LIMIT
    return {
        "$schema": DIALECT,
        "title": "A sharing policy of cert-exchange",
        **{key: value for key, value in whole.items() if key != "title"},
        "$defs": {name: forms[name] for name in used},
    }


class _Generator(GenerateJsonSchema):
    """Leaves open what pydantic cannot say; `_SHAPES` says it."""

    def handle_invalid_for_json_schema(
        self,
        schema: CoreSchema,  # noqa: ARG002 - pydantic's own signature
        error_info: str,  # noqa: ARG002 - pydantic's own signature
    ) -> JsonSchemaValue:
        """Anything may stand here, as far as pydantic knows."""
        return {}


def _finish(name: str, form: Shape) -> None:
    form.pop("title", None)
    if name in {"MatchForm", "AgeForm", "ConfidenceForm", "RedactForm"}:
        form["minProperties"] = 1
    for key, found in form.get("properties", {}).items():
        shape = _SHAPES.get(f"{name}.{key}")
        if shape is None:
            shape = _without_none(found)
            if name == "MatchForm" and shape.get("type") == "array":
                shape = _one_or_more(shape["items"] or {"type": "string"})
        said = ADVICE.get(key)
        form["properties"][key] = {**shape, **({"description": said} if said else {})}


def _without_none(shape: Shape) -> Shape:
    """The same without null, title and default: an empty value is a mistake in a file."""
    kept = {key: value for key, value in shape.items() if key not in {"title", "default"}}
    options = [option for option in kept.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        return {**{key: value for key, value in kept.items() if key != "anyOf"}, **options[0]}
    return kept


def _reached(shape: Any, forms: Mapping[str, Shape]) -> set[str]:
    """The names of the definitions that a schema refers to, directly or not."""
    found: set[str] = set()
    waiting = [shape]
    while waiting:
        for name in _references(waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(forms[name])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.rpartition("/")[2]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
