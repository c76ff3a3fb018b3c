"""YAML to plain values with the place of each, within limits, and every mistake of a file at once.

1. Sizes are bounded before anything is built: characters, depth, and nodes counted after aliases are expanded.
2. Scalars are read by YAML 1.2's core schema: no dates, no `yes` and `no`, no tags, no merge keys.
3. A key that stands twice is a mistake; so is a value that is left empty.
4. Whatever the text is, only `PolicyInvalid` leaves this module.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cert_exchange.errors import PolicyInvalid, Problem

Path = tuple[str | int, ...]
Place = tuple[int, int]
Spot = tuple[str, int, int]
"""file, line, column"""
Form = TypeVar("Form", bound=BaseModel)

TEXT_LIMIT: Final = 256 * 1024
"""Characters of one file."""
DEPTH_LIMIT: Final = 12
NODE_LIMIT: Final = 50_000
"""Values of one file, each alias counted as often as it is used."""

_TAG: Final = "tag:yaml.org,2002:"
_START: Final[Place] = (1, 1)


@dataclass(slots=True)
class Document:
    """The values of one file, where each stands, and the mistakes found so far."""

    file: str
    value: Any = None
    places: dict[Path, Place] = field(default_factory=dict)  # of values
    keys: dict[Path, Place] = field(default_factory=dict)  # of the keys before them
    problems: list[Problem] = field(default_factory=list)

    def place_of(self, path: Path, *, key: bool = False) -> Place:
        """Line and column of a value (or its key), or of the nearest thing around it that stands in the file."""
        if key and path in self.keys:
            return self.keys[path]
        return place_in(self.places, path)

    def spot(self, path: Path) -> Spot:
        """File, line and column, as `place_of`."""
        return (self.file, *self.place_of(path))

    def complain(self, path: Path, message: str, *, key: bool = False) -> None:
        """Note a mistake at a path."""
        line, column = self.place_of(path, key=key)
        self.problems.append(Problem(self.file, line, column, message))

    def refuse(self) -> PolicyInvalid:
        """All mistakes, each once: this file's in its order, then those of files that it names."""

        def order(one: Problem) -> tuple[bool, str, int, int, str]:
            return one.file != self.file, one.file, one.line, one.column, one.message

        unique = sorted(set(self.problems), key=order)
        return PolicyInvalid(tuple(unique))


def read_document(text: str, *, file: str, limit: int = TEXT_LIMIT) -> Document:
    """Read one YAML document. Raises PolicyInvalid when it is no YAML or breaks a limit."""
    document = Document(file)
    if len(text) > limit:
        document.complain((), f"{len(text)} characters; a file may have {limit}: split it")
        raise document.refuse()
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.Composer = _Shallow
        node = yaml.compose(text)
    except _TooDeepError as error:
        line, column = error.place
        said = f"nested deeper than {DEPTH_LIMIT} levels"
        document.problems.append(Problem(file, line, column, said))
        raise document.refuse() from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else _START
        said = " ".join(str(error.problem or error.context or "not YAML").split())
        document.problems.append(Problem(file, line, column, f"not YAML: {said}"))
        raise document.refuse() from None
    except (YAMLError, RecursionError) as error:
        document.complain((), f"not YAML: {' '.join(str(error).split())[:200]}")
        raise document.refuse() from None
    except Exception as error:  # noqa: BLE001 - a foreign parser: whatever it lets out on a bad file, its author gets a sentence
        document.complain((), f"not YAML: the parser failed with {type(error).__name__}")
        raise document.refuse() from None
    if node is None:
        document.complain((), "the file is empty")
        raise document.refuse()
    document.value = _Builder(document).build(node, ())
    return document


def fill_form(document: Document, form: type[Form], *, advice: Mapping[str, str]) -> Form:
    """Check the values against a pydantic form. Raises PolicyInvalid with the reader's mistakes and its own.

    `advice` gives, for the name of a property, what may stand there: the next step of a message.
    """
    if not isinstance(document.value, dict):
        document.complain((), "the file holds no mapping of keys to values")
        raise document.refuse()
    try:
        filled = form.model_validate(document.value)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _explain(document, detail, form, advice)
        raise document.refuse() from None
    if document.problems:
        raise document.refuse()
    return filled


def place_in(places: Mapping[Path, Place], path: Path) -> Place:
    """Line and column of the nearest thing that stands in the file at or around a path."""
    while path and path not in places:
        path = path[:-1]
    return places.get(path, _START)


def shown(value: object) -> str:
    """Spell a value found, short enough for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "empty"
    if isinstance(value, str):
        kept = "".join(c if c.isprintable() else "?" for c in value)
        return f'"{kept[:60]}{"..." if len(kept) > 60 else ""}"'
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return str(value)[:60]


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Say which allowed word may have been meant, else all of them."""
    words = sorted(allowed)
    close = difflib.get_close_matches(word[:60].casefold(), words, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"write one of: {', '.join(words)}" if words else "there is none yet"


class _TooDeepError(Exception):
    def __init__(self, place: Place) -> None:
        self.place = place


class _Shallow(Composer):
    """Composes no deeper than DEPTH_LIMIT, so that no text makes it recurse further."""

    _depth = 0

    def compose_sequence_node(self, anchor: Any) -> Any:
        self._enter()
        node = super().compose_sequence_node(anchor)
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        self._enter()
        node = super().compose_mapping_node(anchor)
        self._depth -= 1
        return node

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            mark = self.parser.peek_event().start_mark
            raise _TooDeepError((mark.line + 1, mark.column + 1))


class _Builder:
    """Turns nodes into dicts, lists, strings, numbers and booleans."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._nodes = 0

    def build(self, node: Node, path: Path) -> Any:
        self._nodes += 1
        self._document.places[path] = _place(node)
        if self._nodes > NODE_LIMIT or len(path) > DEPTH_LIMIT:
            self._document.complain(
                path, f"aliases make this more than {NODE_LIMIT} values or {DEPTH_LIMIT} levels"
            )
            raise self._document.refuse()
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            self._check_tag(node, "seq", path)
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        self._check_tag(node, "map", path)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                place = _place(key_node)
                self._problem(place, "a key is a plain word here")
                continue
            key = str(key_node.value)
            inner = (*path, key)
            if key in found:
                line, _ = self._document.keys[inner]
                self._problem(
                    _place(key_node), f"{key} stands twice, first in line {line}: keep one of them"
                )
                continue
            self._document.keys[inner] = _place(key_node)
            found[key] = self.build(value_node, inner)
        return found

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        text = str(node.value)
        kind = str(node.tag or "").removeprefix(_TAG)
        if node.style not in {None, ""} or kind in {"str", "timestamp"}:
            if kind not in {"str", "timestamp", ""}:
                self._check_tag(node, "str", path)
            return text
        if kind == "null":
            self._document.complain(
                path, f"{_named(path)} is empty; give a value or leave it out", key=True
            )
            return None
        if kind == "bool":
            # A %YAML 1.1 directive makes `yes` a boolean: here it stays a word, for the form to refuse.
            return {"true": True, "false": False}.get(text.casefold(), text)
        if kind in {"int", "float"}:
            return _number(text)
        self._check_tag(node, "str", path)
        return text

    def _check_tag(self, node: Node, expected: str, path: Path) -> None:
        if str(node.tag or "") != _TAG + expected:
            self._document.complain(
                path, f"the tag {shown(str(node.tag))} is not used here: remove it"
            )

    def _problem(self, place: Place, message: str) -> None:
        self._document.problems.append(Problem(self._document.file, *place, message))


def _number(text: str) -> int | float | str:
    # What Python cannot read as a number stays the text that it is, and the form says what belongs there.
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _place(node: Node) -> Place:
    mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else _START


def _named(path: Path) -> str:
    """How a path is spelled in a message: the last key, with the list's name for an item."""
    words = [str(step) for step in path if isinstance(step, str)]
    if not words:
        return "the file"
    return f"an item of {words[-1]}" if path and isinstance(path[-1], int) else words[-1]


def _explain(
    document: Document, detail: ErrorDetails, form: type[BaseModel], advice: Mapping[str, str]
) -> None:
    path: Path = tuple(detail["loc"])
    name = next((str(step) for step in reversed(path) if isinstance(step, str)), "")
    found = shown(detail["input"])
    step = advice.get(f"{name}[]" if isinstance(path[-1], int) else name) or advice.get(name, "")
    match detail["type"]:
        case "extra_forbidden":
            around = form_at(form, path[:-1])
            known = around.model_fields if around is not None else {}
            allowed = [entry.alias or key for key, entry in known.items()]
            document.complain(path, f"unknown key {name}; {nearest(name, allowed)}", key=True)
        case "missing":
            document.complain(path, f"{name} is missing{_then(step)}")
        case "stated":
            document.complain(path, detail["msg"])
        case _ if detail["input"] is None:
            pass  # the reader has said that it is empty
        case _:
            document.complain(path, f"{_named(path)} is {found}{_then(step)}")


def _then(step: str) -> str:
    return f"; {step}" if step else ""


def form_at(form: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the pydantic form of the mapping at a path, for suggestions."""
    current: type[BaseModel] | None = form
    for step in path:
        if isinstance(step, int) or current is None:
            continue
        by_name = {entry.alias or key: entry for key, entry in current.model_fields.items()}
        entry = by_name.get(str(step))
        current = None if entry is None else _inner_form(entry.annotation)
    return current


def _inner_form(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _inner_form(inner)) is not None:
            return found
    return None
