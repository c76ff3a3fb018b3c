"""Which parts of an object a recipe means: paths, by the kind of content that goes.

1. Nothing is cut here. Paths are those of the object as it came.
2. What is asked for is looked for wherever it can stand: in embedded objects, in translations, inside extensions; names
   of properties are compared case-folded.
3. An extension that marks its object stays, whatever a recipe says of custom content: it binds who receives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cert_exchange.policy.redaction.cutting import BINDING, Impossible, Path, path_of
from cert_exchange.policy.redaction.shapes import EXTENSIONS_OF, FIXED, PROPERTIES_OF, STRUCTURES
from cert_exchange.policy.redaction.vocabulary import WORDS
from cert_exchange.policy.rules import Ceiling
from cert_exchange.stix.markings import TLP_BY_ID, squeezed

_SOURCE_KEY: Final = re.compile(
    r"creat(?:ed_by|or)|author|(?:^|_)orgc?(?:_|$)|organi[sz]ation|reporter|submitter|producer|originator|provider"
    r"|(?:^|_)source",
    re.IGNORECASE,
)
_NAMING_KEY: Final = re.compile(
    r"alias|contact|e_?mail|phone|acronym|short_?name|full_?name", re.IGNORECASE
)
_REACHED: Final = re.compile(r"[^\s,;:|<>()\[\]]+@[^\s,;|<>()\[\]]+|\+?[0-9][0-9 ()/.-]{5,}[0-9]")
"""e-mail addresses and telephone numbers"""


def above(content: Mapping[str, Any], ceiling: Ceiling) -> Iterator[Path]:
    """What granular markings put above the ceiling, or mark with what is not understood. Raises Impossible."""
    for entry in content.get("granular_markings") or ():
        marking = entry.get("marking_ref")
        if marking is None or not _is_above(marking, ceiling):
            continue
        for selector in entry["selectors"]:
            path = path_of(selector, content)
            if not path:
                raise Impossible("a granular marking selects nothing")
            if path[0] in FIXED:
                raise Impossible(f"{path[0]} is marked above the ceiling")
            yield path


def _is_above(marking: Any, ceiling: Ceiling) -> bool:
    level = TLP_BY_ID.get(marking)
    if level is not None:
        return level > ceiling.tlp
    if marking not in ceiling.statements:
        return True
    counts_as = ceiling.statements[marking]
    return counts_as is not None and counts_as > ceiling.tlp


def removed(content: Mapping[str, Any], names: frozenset[str]) -> Iterator[Path]:
    """What `remove` names: in the object, in each embedded one, in each translation; custom names at any depth."""
    known = PROPERTIES_OF.get(str(content.get("type")), frozenset())
    roots = list(_roots(content))
    for name in sorted(names):
        steps = name.split(".")
        for root in roots:
            yield from _matching(_at(content, root), steps, root)
        if len(steps) == 1 and name not in known and name not in WORDS:
            yield from _named(content, re.compile(re.escape(name), re.IGNORECASE))


def _roots(content: Mapping[str, Any]) -> Iterator[Path]:
    yield ()
    inside = {"observed-data": "objects", "language-content": "contents"}.get(str(content["type"]))
    if inside is not None and isinstance(content.get(inside), Mapping):
        for key in content[inside]:
            yield (inside, key)


def _at(content: Any, path: Path) -> Any:
    for step in path:
        content = content[step]
    return content


def _matching(node: Any, steps: list[str], path: Path) -> Iterator[Path]:
    if not steps:
        yield path
    elif isinstance(node, Mapping):
        for key, child in node.items():
            if _same(key, steps[0], hashes=bool(path) and path[-1] == "hashes"):
                yield from _matching(child, steps[1:], (*path, key))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _matching(child, steps, (*path, index))


def _same(key: str, name: str, *, hashes: bool) -> bool:
    """Whether a key has the name; names of hash algorithms are written in many ways."""
    if hashes:
        return squeezed(key.casefold()) == squeezed(name.casefold())
    return key.casefold() == name.casefold()


def _named(content: Mapping[str, Any], name: re.Pattern[str]) -> Iterator[Path]:
    """Every entry with such a key, at any depth; what lies below one is not looked at."""
    waiting: list[tuple[Path, Any]] = [((), content)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, Mapping):
            for key, child in node.items():
                if name.fullmatch(key) is not None:
                    yield (*path, key)
                elif path != ("extensions",) or key not in BINDING:
                    waiting.append(((*path, key), child))
        elif isinstance(node, list):
            waiting.extend(((*path, index), child) for index, child in enumerate(node))


def external(content: Mapping[str, Any]) -> Iterator[Path]:
    """External references, wherever they stand."""
    yield from _named(content, re.compile("external_references", re.IGNORECASE))


def naming_source(content: Mapping[str, Any]) -> Iterator[Path]:
    """The creator, the authors, and custom content whose name says that it names a source."""
    if content.get("type") == "extension-definition":
        raise Impossible("an extension-definition must name its creator")
    for path in _named(content, re.compile("created_by_ref|authors", re.IGNORECASE)):
        yield path
    waiting: list[tuple[Path, Any]] = [((), content)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, Mapping):
            for key, child in node.items():
                if key.casefold() not in WORDS and _SOURCE_KEY.search(key) is not None:
                    yield (*path, key)
                elif path != ("extensions",) or key not in BINDING:
                    waiting.append(((*path, key), child))
        elif isinstance(node, list):
            waiting.extend(((*path, index), child) for index, child in enumerate(node))


def names_of(identity: Mapping[str, Any]) -> Iterator[str]:
    """What an identity is called, and how it is reached: what would tell of it where it is not to be named."""
    for key, value in identity.items():
        if key != "name" and _NAMING_KEY.search(key) is None:
            continue
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str):
                yield text
                yield from (found[0] for found in _REACHED.finditer(text))


def custom(content: Mapping[str, Any]) -> Iterator[Path]:
    """What STIX 2.1 does not define for the type, at the top and inside what it defines. Raises Impossible."""
    stix_type = str(content.get("type"))
    if stix_type not in PROPERTIES_OF:
        raise Impossible("STIX 2.1 does not define the type")
    yield from _custom_in(content, stix_type, ())
    objects = content.get("objects")
    if stix_type == "observed-data" and isinstance(objects, Mapping):
        for key, embedded in objects.items():
            kind = str(embedded.get("type"))
            if kind not in PROPERTIES_OF:
                raise Impossible("STIX 2.1 does not define the type of an embedded object")
            yield from _custom_in(embedded, kind, ("objects", key))
    contents = content.get("contents")
    if stix_type == "language-content" and isinstance(contents, Mapping):
        target = str(content.get("object_ref")).partition("--")[0]
        allowed = PROPERTIES_OF.get(target)
        for code, texts in contents.items():
            for name in texts:
                if allowed is None or name not in allowed:
                    yield ("contents", code, name)


def _custom_in(content: Mapping[str, Any], stix_type: str, path: Path) -> Iterator[Path]:
    for name, value in content.items():
        if name not in PROPERTIES_OF[stix_type]:
            yield (*path, name)
        elif name == "extensions" and isinstance(value, Mapping):
            predefined = EXTENSIONS_OF.get(stix_type, {})
            for key, extension in value.items():
                if key in predefined:
                    yield from _outside(
                        extension, predefined[key] | {"extension_type"}, (*path, name, key)
                    )
                elif key not in BINDING:
                    yield (*path, name, key)
        elif name in STRUCTURES:
            yield from _outside_each(value, name, (*path, name))


def _outside(node: Any, allowed: frozenset[str], path: Path) -> Iterator[Path]:
    """Entries of a structure that the standard does not know, and of structures inside it."""
    if not isinstance(node, Mapping):
        return
    for key, child in node.items():
        if key not in allowed:
            yield (*path, key)
        elif key in STRUCTURES:
            yield from _outside_each(child, key, (*path, key))


def _outside_each(node: Any, name: str, path: Path) -> Iterator[Path]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _outside(item, STRUCTURES[name], (*path, index))
    else:
        yield from _outside(node, STRUCTURES[name], path)
