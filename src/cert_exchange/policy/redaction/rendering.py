"""Give what is left of an object its own name, rewrite its references, and check it once more: `render`.

    (1) may it be a derivative at all?  (2) references, also inside texts  (3) id, instants, creator, extension
    (4) no value that was taken away and no id of an original stands anywhere  (5) valid STIX 2.1

1. Whatever `trim` overlooked, (4) finds: the two use the same eyes, and (4) looks at what will be sent.
2. A translation speaks of the original's texts and version; of what is shown as a derivative there is none.
3. `render` never raises; whatever goes wrong is unredactable.
4. Where a foreign server drops our extension, a derivative is known again by its essence: else the next node redacts it
   anew, and where all take the source away, ids multiply round a ring without end (DECISIONS 14).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cert_exchange.errors import ObjectInvalid
from cert_exchange.messages.notices import EXTENSION as NOTICE
from cert_exchange.messages.requests import EXTENSION as REQUEST
from cert_exchange.policy.redaction.cutting import GONE, KEY, Cutting, Impossible, Path
from cert_exchange.policy.redaction.disguises import Named, uuids_in
from cert_exchange.policy.redaction.folding import has_marks, meant, meant_text, plain, plain_text
from cert_exchange.policy.redaction.traces import Traces
from cert_exchange.policy.redaction.trimming import NO_LIMITS, holder_of, holds, is_free_text
from cert_exchange.policy.redaction.values import (
    EXTENSION,
    REFERENCES,
    WITHHELD,
    Naming,
    Rendered,
    Trimmed,
    Unredactable,
)
from cert_exchange.policy.redaction.vocabulary import WORDS
from cert_exchange.stix.canonical import sameness_digest
from cert_exchange.stix.references import is_identifier
from cert_exchange.stix.validation import is_observable, validate

_OWN: Final = frozenset({"id", "created", "modified", "created_by_ref"})
_VERSION_AT: Final = 14
"""Where in a UUID its version stands."""
_MARKINGS: Final = frozenset({"object_marking_refs", "granular_markings"})


def never_redacted(content: Mapping[str, Any]) -> str | None:
    """Why an object may only be shown whole or not at all; None where it may be redacted (DECISIONS 14)."""
    if content.get("type") in ("marking-definition", "extension-definition"):
        return f"a {content['type']} is shown whole or not at all"
    extensions = content.get("extensions")
    if isinstance(extensions, Mapping) and EXTENSION in extensions:
        return "it is a derivative already, and is shown whole or not at all"
    if isinstance(extensions, Mapping) and NOTICE in extensions:
        return "it is a notice, and is shown whole or not at all"
    if isinstance(extensions, Mapping) and REQUEST in extensions:
        return "it is between two desks, and is shown whole or not at all"
    return None


def essence_of(content: Mapping[str, Any]) -> bytes:
    """SHA-256 of what an object says apart from its id, its creator, the instants of its version, and our extension."""
    kept = {name: value for name, value in content.items() if name not in _OWN}
    extensions = kept.pop("extensions", None)
    if isinstance(extensions, Mapping):
        others = {name: value for name, value in extensions.items() if name != EXTENSION}
        if others:
            kept["extensions"] = others
    return sameness_digest(kept)


def may_be_derived(stix_id: str) -> bool:
    """Whether an id has the form that every node gives its derivatives: a UUID of version 5 (DECISIONS 12)."""
    return stix_id.partition("--")[2][_VERSION_AT : _VERSION_AT + 1] == "5"


def render(trimmed: Trimmed, naming: Naming) -> Rendered | Unredactable:
    """The derivative under its own name; deterministic, never raises."""
    try:
        return _rendered(trimmed, naming)
    except Impossible as why:
        return Unredactable(str(why))
    except ObjectInvalid:
        return Unredactable("the derivative would be no valid STIX 2.1")
    except Exception as error:  # noqa: BLE001 - whatever fails here must hide the object, never show it
        return Unredactable(f"rendering it failed with {type(error).__name__}")


def _rendered(trimmed: Trimmed, naming: Naming) -> Rendered:
    content = trimmed.content
    never = never_redacted(content)
    if never is not None:
        raise Impossible(never)
    originals = _Originals({**naming.replace, content["id"]: naming.id})
    if content["type"] == "language-content" and content.get("object_ref") in originals.names:
        raise Impossible("it translates an object that is shown as a derivative")
    cutting = Cutting(content)
    rewritten = _rewrite(cutting, originals)
    cutting.check_whole()
    made = cutting.result()
    _name(made, naming, observable=is_observable(content))
    kinds = trimmed.withheld | ({REFERENCES} if rewritten or not trimmed.withheld else set())
    ours: dict[str, Any] = {"extension_type": "property-extension", "withheld": sorted(kinds)}
    if naming.pseudonym is not None:
        ours["source"] = naming.pseudonym
    made["extensions"] = {**made.get("extensions", {}), EXTENSION: ours}
    _check(made, Traces(trimmed.removed), originals)
    valid = validate(made, limits=NO_LIMITS)
    return Rendered(valid.content, valid.body)


def _name(made: dict[str, Any], naming: Naming, *, observable: bool) -> None:
    """Its own id; instants and creator only where the kind of object has them."""
    for name in ("created_by_ref", *(("created", "modified") if observable else ())):
        made.pop(name, None)
    made["id"] = naming.id
    if not observable:
        made["created"], made["modified"] = naming.created, naming.modified
        if naming.creator is not None:
            made["created_by_ref"] = naming.creator


class _Originals:
    """Ids that must not be seen, and what stands for each."""

    __slots__ = ("_by_digits", "_by_name", "names")

    def __init__(self, names: Mapping[str, str | None]) -> None:
        self.names = {old: new for old, new in names.items() if old != new}
        self._by_name = {old.lower(): new for old, new in self.names.items()}
        self._by_digits: dict[str, list[str]] = {}
        for name in self._by_name:
            self._by_digits.setdefault(name[-36:].replace("-", ""), []).append(name)

    def stand_in(self, text: str) -> bool:
        """Whether a text names any original."""
        folded = plain_text(text)
        layers = [folded, meant_text(text)] if has_marks(folded) else [folded]
        return any(self._is_original(one) for layer in layers for one in uuids_in(layer))

    def _found_in(self, text: str) -> Iterator[tuple[int, int, str | None]]:
        """Every original that a text names: from where to where, and what stands for it."""
        for layer in (plain(text), meant(text)):
            for one in uuids_in(layer.text):
                if self._is_original(one):
                    place = layer.starts[one.start], layer.ends[one.end - 1]
                    yield (*place, self._new(one))

    def _is_original(self, one: Named) -> bool:
        """Objects of several types may share a random UUID; one that is made from a value never stands anywhere."""
        if one.digits not in self._by_digits:
            return False
        return not one.type or one.hashed or one.id in self._by_name

    def _new(self, one: Named) -> str | None:
        """What stands for it; of a bare UUID that several originals share, nothing does."""
        if one.id in self._by_name:
            return self._by_name[one.id]
        names = self._by_digits[one.digits]
        return self._by_name[names[0]] if len(names) == 1 else None

    def replaced_in(self, text: str) -> str:
        """The text with what stands for each."""
        made: list[str] = []
        place = 0
        for start, end, new in sorted(self._found_in(text), key=lambda one: one[:2]):
            if end <= place:
                continue
            made += [text[place:start], new if new is not None else WITHHELD]
            place = end
        return "".join([*made, text[place:]])


def _rewrite(cutting: Cutting, originals: _Originals) -> bool:
    """(2): put every reference right; whether there was any. Raises Impossible."""
    rewritten = False
    keys: list[Path] = []
    for path, value in list(cutting.leaves()):
        if path[0] in _OWN or cutting.at(path) is GONE:
            continue
        if value is KEY:
            keys.append(path)
        elif isinstance(value, str) and (value in originals.names or originals.stand_in(value)):
            rewritten = True
            _rewrite_value(cutting, path, value, originals)
    # Deepest first, so that the paths of the others stay as they are.
    for path in sorted(keys, key=len, reverse=True):
        key = str(path[-1])
        if cutting.at(path) is GONE or not originals.stand_in(key):
            continue
        new = originals.names.get(key)
        rewritten = True
        if new is None or cutting.at((*path[:-1], new)) is not GONE:
            cutting.take(path)
        else:
            cutting.rename(path, new)
    return rewritten


def _rewrite_value(cutting: Cutting, path: Path, value: str, originals: _Originals) -> None:
    if path[0] in _MARKINGS:
        raise Impossible(f"{path[0]} names what is shown as a derivative")
    if is_identifier(value):
        new = originals.names.get(value)
        if new is None:
            cutting.take(holder_of(path))
        else:
            cutting.put(path, new)
    elif is_free_text(path, str(cutting.root.get("type"))):
        cutting.put(path, originals.replaced_in(value))
    elif path[0] == "pattern":
        raise Impossible("pattern names what is shown as a derivative")
    else:
        cutting.take(holder_of(path))


def _check(made: Mapping[str, Any], traces: Traces, originals: _Originals) -> None:
    """(4). Raises Impossible."""
    for path, value in Cutting(made).leaves():
        if path[:2] == ("extensions", EXTENSION):
            continue
        text = str(path[-1]) if value is KEY else value
        if isinstance(text, str) and originals.stand_in(text):
            raise Impossible("the id of an original would be seen")
        if path[0] not in _OWN and (holds(traces, path, value) or _selects(traces, path, value)):
            raise Impossible("a value that was taken away would be seen")


def _selects(traces: Traces, path: Path, value: Any) -> bool:
    """Whether a selector shows, by a key, what was taken away."""
    if len(path) != 4 or path[0] != "granular_markings" or not isinstance(value, str):
        return False
    return any(step.casefold() not in WORDS and traces.found_in(step) for step in value.split("."))
