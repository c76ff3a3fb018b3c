"""What an object that is left needs: every reference in it, and how badly.

1. A reference is any text that is wholly a STIX id, as in `stix.references`; the object's own id, its creator and keys of
   `extensions` are none.
2. Unless a recipe cuts, all are required. Marking definitions always are.
3. Where a recipe cuts, a reference is optional if the object is still one without it. Of types that STIX 2.1 does not
   define nobody knows, so there all are required.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cert_exchange.policy.redaction.cutting import BINDING, Cutting, Path
from cert_exchange.policy.redaction.shapes import ONE_OF, PROPERTIES_OF, REQUIRED
from cert_exchange.policy.redaction.values import Need
from cert_exchange.stix.references import TERMS_EXTENSION, is_identifier

_MARKINGS: Final = frozenset({"object_marking_refs", "granular_markings"})


def needs_of(content: Mapping[str, Any], *, cut: bool) -> dict[str, Need]:
    """Target ids, sorted, each in its strictest role."""
    found: dict[str, Need] = {}
    own = content.get("id")
    for path, target in _references(content):
        if target == own:
            continue
        need = _need(content, path) if cut else Need.REQUIRED
        found[target] = min(need, found.get(target, need))
    return {target: found[target] for target in sorted(found)}


def _references(content: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for path, value in Cutting(content).leaves():
        if (
            isinstance(value, str)
            and path not in (("id",), ("created_by_ref",))
            and path[:2] != ("extensions", TERMS_EXTENSION)  # who is named there is not referred to
            and is_identifier(value)
        ):
            yield path, value


def _need(content: Mapping[str, Any], path: Path) -> Need:
    stix_type, name = str(content.get("type")), path[0]
    binding = name == "extensions" and path[1] in BINDING
    if name in _MARKINGS or binding or stix_type not in PROPERTIES_OF:
        return Need.REQUIRED
    if name in REQUIRED.get(stix_type, ()):
        return Need.ONE_OF if len(path) == 2 and isinstance(path[1], int) else Need.REQUIRED
    group = ONE_OF.get(stix_type, frozenset())
    if name in group and not any(
        not _refers(other, content[other]) for other in group & content.keys()
    ):
        return Need.ONE_OF
    return Need.OPTIONAL


def _refers(name: str, value: Any) -> bool:
    """Whether a property holds nothing but references."""
    return name.endswith(("_ref", "_refs")) and (
        isinstance(value, str)
        or (isinstance(value, list) and all(isinstance(one, str) for one in value))
    )
