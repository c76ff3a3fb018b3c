"""Take away what a recipe says, and every trace of it: `trim`.

    (1) what granular markings put above the ceiling  (2) named properties  (3) external references  (4) the source
    (5) custom content  (6) every value of these, wherever else it stands  (7) markings that went with it come back
    (8) is it still an object of its type?  (9) what does it need?

1. Only what (1) to (5) took is secret. What goes because it cannot stand alone is not looked for elsewhere.
2. In text for people a value is replaced by one constant; elsewhere the innermost list item that holds it goes, or the
   property. In a pattern, an id or what the type requires the object is unredactable.
3. Redaction never lowers: a level or handling that stood in what went is borne by the whole object afterwards.
4. The instants at which the object itself was made and changed are no secret of it.
5. What a recipe takes from other versions of the object, or what names its source elsewhere, is looked for as if it had
   been taken here: what was withheld once does not come out with an edit.
6. `trim` never raises; whatever goes wrong is unredactable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cert_exchange.errors import ObjectInvalid
from cert_exchange.policy.redaction import choosing
from cert_exchange.policy.redaction.cutting import (
    GONE,
    KEY,
    Cutting,
    Impossible,
    Path,
    add_markings,
)
from cert_exchange.policy.redaction.needing import needs_of
from cert_exchange.policy.redaction.shapes import FREE_TEXT, SAYS_ITSELF
from cert_exchange.policy.redaction.traces import Traces, values_in
from cert_exchange.policy.redaction.values import (
    CUSTOM,
    EXTERNAL_REFERENCES,
    MARKED,
    PROPERTIES,
    SOURCE,
    WITHHELD,
    Trimmed,
    Unredactable,
)
from cert_exchange.policy.redaction.vocabulary import WORDS
from cert_exchange.policy.rules import Ceiling, Recipe
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.handling import Pap, pap_of_text
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.stix.markings import (
    TLP_BY_ID,
    TLP_DEFINITIONS,
    Markings,
    Tlp,
    folded,
    hides_source,
    read_markings,
    squeezed,
)
from cert_exchange.stix.references import OBSERVABLE_TYPES
from cert_exchange.stix.validation import validate

NO_LIMITS: Final = Limits(object_bytes=1 << 40)
"""What is stored has passed the limits of the door; a derivative is no bigger but for its extension."""

_TLP2: Final = {
    TLP_BY_ID[one["id"]]: one["id"] for one in TLP_DEFINITIONS
}  # the later ones are TLP 2
_SKIPPED: Final = frozenset({"id", "created", "modified", "created_by_ref"})
_MARKING: Final = "marking-definition--"


def trim(
    content: Mapping[str, Any], recipe: Recipe, ceiling: Ceiling, also: Iterable[str] = ()
) -> Trimmed | Unredactable:
    """What is left of a validated object under a recipe; deterministic, never raises.

    `ceiling` is what `above_ceiling` is measured by; for what came from a partner, one of at most TLP:GREEN. `also` are
    values that must not stand in it either, wherever they were taken from.
    """
    try:
        return _trimmed(content, recipe, ceiling, also)
    except Impossible as why:
        return Unredactable(str(why))
    except ObjectInvalid:
        return Unredactable("what would be left is no valid STIX 2.1")
    except Exception as error:  # noqa: BLE001 - whatever fails here must hide the object, never show it
        return Unredactable(f"redacting it failed with {type(error).__name__}")


def takes(content: Mapping[str, Any], recipe: Recipe, ceiling: Ceiling) -> frozenset[str]:
    """The values that a recipe takes from an object, whether or not the rest could be shown. Raises Impossible."""
    cutting = Cutting(content)
    taken = [
        part
        for _, paths in _chosen(content, recipe, ceiling)
        for path in paths
        if (part := cutting.at(path)) is not GONE
    ]
    return frozenset(_secrets(taken, content))


def _trimmed(
    content: Mapping[str, Any], recipe: Recipe, ceiling: Ceiling, also: Iterable[str]
) -> Trimmed:
    cutting = Cutting(content)
    taken: list[Any] = []
    kinds = {
        kind for kind, paths in _chosen(content, recipe, ceiling) if _take(cutting, paths, taken)
    }
    values = tuple(sorted({*_secrets(taken, content), *_secrets(also, content)}))
    found = search(cutting, Traces(values)) if values else False
    if not kinds and not found:
        needs = needs_of(content, cut=recipe.cut)
        return Trimmed(content, frozenset(), (), needs, changed=False)
    kinds = kinds or {PROPERTIES}
    cutting.check_whole()
    left = cutting.result()
    _bear(left, content)
    validate(left, limits=NO_LIMITS)
    return Trimmed(left, frozenset(kinds), values, needs_of(left, cut=recipe.cut), changed=True)


def _chosen(
    content: Mapping[str, Any], recipe: Recipe, ceiling: Ceiling
) -> Iterator[tuple[str, Iterable[Path]]]:
    """(1) to (5): each kind with its paths."""
    if recipe.above_ceiling:
        yield MARKED, choosing.above(content, ceiling)
    if recipe.remove:
        yield PROPERTIES, choosing.removed(content, recipe.remove)
    if recipe.external_references:
        yield EXTERNAL_REFERENCES, choosing.external(content)
    if recipe.source:
        yield SOURCE, choosing.naming_source(content)
    if recipe.custom:
        yield CUSTOM, choosing.custom(content)


def _take(cutting: Cutting, paths: Iterable[Path], taken: list[Any]) -> bool:
    """Cut all of these out; whether there was anything."""
    before = len(taken)
    taken.extend(part for path in list(paths) if (part := cutting.take(path)) is not GONE)
    return len(taken) > before


def _secrets(taken: Iterable[Any], content: Mapping[str, Any]) -> Iterator[str]:
    """The values that must not stand anywhere any more."""
    own = {_instant(content.get(name)) for name in ("created", "modified")} - {None}
    for part in taken:
        for value in values_in(part):
            if (
                value != content.get("id")
                and _instant(value) not in own
                and not value.startswith(_MARKING)
                and not _only_marks(value)
            ):
                yield value


def _instant(value: Any) -> int | None:
    """Micros of a text that is a timestamp, else None."""
    if not isinstance(value, str) or not value[:4].isdigit() or "T" not in value[:11].upper():
        return None
    try:
        return parse_micros(value)
    except InstantInvalid:
        return None


def _only_marks(text: str) -> bool:
    """Whether a text is a marking and nothing else: it will be borne again, and is no secret."""
    bare = squeezed(folded(text))
    return bare in _MARKS


_MARKS: Final = frozenset(
    f"{scheme}{level.name.lower().replace('_', '')}" for scheme, levels in (("tlp", Tlp), ("pap", Pap)) for level in levels
) | {"tlpwhite", "papwhite", "tlpexchr"}  # fmt: skip


def search(cutting: Cutting, traces: Traces) -> bool:
    """(6): cut out every place where a value still stands; whether there was any. Raises Impossible."""
    if not traces:
        return False
    found = False
    stix_type = str(cutting.root.get("type"))
    for path, value in list(cutting.leaves()):
        if path[0] in _SKIPPED or cutting.at(path) is GONE or not holds(traces, path, value):
            continue
        found = True
        if path[0] == "granular_markings" and path[-1] == "lang":
            cutting.put(path[:2], {})  # a private language may be called anything
            continue
        if path[0] in _WHOLE_OR_NOT:
            raise Impossible(f"{path[0]} holds a value that is taken away")
        if value is KEY:
            cutting.take(path)
        elif not (isinstance(value, str) and _blank(cutting, path, value, traces, stix_type)):
            cutting.take(holder_of(path))
    return found


_WHOLE_OR_NOT: Final = frozenset({"type", "pattern", "object_marking_refs", "granular_markings"})


def holds(traces: Traces, path: Path, value: Any) -> bool:
    """Whether a key or a value of an object shows anything of what was taken away."""
    if isinstance(value, str):
        name = next(step for step in reversed(path) if isinstance(step, str))
        if path[0] == "granular_markings" and name == "selectors":
            return False  # they follow what they select
        if value.casefold() in WORDS:
            return name not in SAYS_ITSELF and traces.is_word(value)
        return (name not in SAYS_ITSELF and traces.is_word(value)) or traces.found_in(value)
    if value is KEY:
        key = str(path[-1])
        return key.casefold() not in WORDS and traces.found_in(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = getattr(value, "lexeme", None) or repr(value)
        return traces.found_in_number(value) or traces.found_in(text)
    return False


def _blank(cutting: Cutting, path: Path, value: str, traces: Traces, stix_type: str) -> bool:
    """Replace a value inside a text for people; False where nothing would be left of the text."""
    if traces.is_word(value) or not is_free_text(path, stix_type):
        return False
    blanked = traces.blanked(value)
    if blanked is None or not any(map(str.isalnum, blanked.replace(WITHHELD, ""))):
        return False
    cutting.put(path, blanked)
    return True


def holder_of(path: Path) -> Path:
    """What goes where a value goes: the innermost list item around it, else the entry itself."""
    for size in range(len(path), 0, -1):
        if isinstance(path[size - 1], int):
            return path[:size]
    return path


def is_free_text(path: Path, stix_type: str) -> bool:
    """Whether text for people stands there, in which a part may be replaced."""
    if stix_type in OBSERVABLE_TYPES or path[-1] not in FREE_TEXT:
        return False
    return len(path) == 1 or (stix_type == "language-content" and len(path) == 3)


def _bear(left: dict[str, Any], content: Mapping[str, Any]) -> None:
    """(7): what marked the whole object in a place that went, marks it again. Raises Impossible."""
    before, after = _whole(content), _whole(left)
    if before.tlp is not None and (after.tlp is None or after.tlp < before.tlp):
        add_markings(left, [_TLP2[before.tlp]])
    lost = sorted(before.ids - after.ids)
    if any(not one.startswith(_MARKING) for one in lost):
        raise Impossible("an extension that marks the object would go")
    add_markings(left, lost)
    labels = list(_lost_tags(before.tags, after.tags))
    if labels:
        left["labels"] = [*(left.get("labels") or ()), *labels]


def _whole(content: Mapping[str, Any]) -> Markings:
    return read_markings(
        {key: value for key, value in content.items() if key != "granular_markings"}
    )


def _lost_tags(before: Iterable[str], after: Iterable[str]) -> Iterator[str]:
    """Labels that say again what lost tags said about handling."""
    gone = [tag for tag in before if tag not in set(after)]
    if any(folded(tag).lstrip().startswith("iep") for tag in gone):
        raise Impossible("a label that says an IEP would go")
    permits = [pap for tag in gone if (pap := pap_of_text(tag)) is not None]
    if permits:
        yield f"PAP:{max(permits).name}"
    if any(hides_source(tag) for tag in gone):
        yield "tlp:ex:chr"
