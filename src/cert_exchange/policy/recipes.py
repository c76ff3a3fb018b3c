"""`redact:` key by key: what a rule takes away of the objects that it matches.

1. What makes an object what it is, and what says who may have it, is never removed by name.
2. A property that every object which has it must have is no property to remove: such an object is denied instead, and a
   rule of its own says so.
3. A key that takes nothing away is refused: a rule that looks like redacting and shows all would be a hole.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    ValidationInfo,
    model_validator,
)

from cert_exchange.policy.reading import shown
from cert_exchange.policy.rules import Recipe
from cert_exchange.policy.spellings import ADVICE, refuse

KEPT: Final = frozenset(
    {
        "id",
        "type",
        "created",
        "modified",
        "spec_version",
        "object_marking_refs",
        "granular_markings",
        "revoked",
    }
)
"""What makes an object what it is, and its markings."""
NEEDED: Final = frozenset(
    {
        "content",
        "contents",
        "context",
        "extension_types",
        "first_observed",
        "is_family",
        "is_multipart",
        "last_observed",
        "number",
        "number_observed",
        "object_ref",
        "opinion",
        "path",
        "pattern",
        "pattern_type",
        "product",
        "protocols",
        "published",
        "relationship_type",
        "schema",
        "sighting_of_ref",
        "source_ref",
        "target_ref",
        "valid_from",
        "value",
    }
)
"""What every type of STIX 2.1 that has it requires."""
_SOURCE: Final = "created_by_ref"
_PATH: Final = re.compile(r"[A-Za-z0-9_-]{1,250}(?:\.[A-Za-z0-9_-]{1,250}){0,9}")


def path_in_object(value: Any) -> str:
    """Check the name of a property, or a dotted path into one."""
    if not isinstance(value, str) or _PATH.fullmatch(value) is None:
        refuse(f"{shown(value)} is no property; {ADVICE['remove[]']}")
    return value


def removed_path(value: Any) -> str:
    """Check a property to remove, or a path into one."""
    path = path_in_object(value)
    if path in KEPT:
        refuse(
            f"{path} may not be removed: it says what the object is or who may have it; take it out"
        )
    if path == _SOURCE:
        refuse(f"{path} is the source; write source: true in place of it")
    if path in NEEDED:
        refuse(
            f"{path} may not be removed: what has it cannot be without it; deny such objects by a rule of their own"
        )
    if path.split(".", 1)[0] in KEPT:
        refuse(f"{path} may not be removed: its property is kept whole; take it out")
    return path


def listed(value: Any, info: ValidationInfo) -> Any:
    """Read one text as a list of it; an empty list says nothing."""
    if isinstance(value, list) and not value:
        refuse(f"{info.field_name} is an empty list and takes nothing away; leave the key out")
    return [value] if isinstance(value, str) else value


def redact_value(value: Any) -> Any:
    """Refuse what is no mapping of things to take away."""
    if value is None or (isinstance(value, dict) and value):
        return value
    found = "an empty mapping" if value == {} else shown(value)
    return refuse(f"redact is {found}; {ADVICE['redact']}")


_Path = Annotated[str, BeforeValidator(removed_path)]


class RedactForm(BaseModel):
    """`redact:` what is taken away; the rest is shown under an id of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    remove: Annotated[tuple[_Path, ...], BeforeValidator(listed)] = ()
    custom: StrictBool | None = None
    external_references: StrictBool | None = None
    above_ceiling: StrictBool | None = None
    source: StrictBool | None = None
    references: Literal["cut"] | None = None

    @model_validator(mode="after")
    def _takes_something(self) -> RedactForm:
        for name in ("custom", "external_references", "above_ceiling", "source"):
            if getattr(self, name) is False:
                refuse(f"redact: {name} is false and takes nothing away; leave the key out")
        return self

    def to_recipe(self) -> Recipe:
        """Return the same as a plain value."""
        return Recipe(
            remove=frozenset(self.remove),
            custom=self.custom is True,
            external_references=self.external_references is True,
            above_ceiling=self.above_ceiling is True,
            source=self.source is True,
            cut=self.references is not None,
        )
