"""Cut parts out of an object, and mend what breaks by it.

1. While something is cut, paths into the object stay as they were: an item of a list leaves a gap until `result`.
2. What was cut leaves no trace: no empty list or dictionary, no granular marking of what is gone, and the selectors of
   later items count as if the item had never been there.
3. What cannot stand without what was cut goes with it (policy-facts 3). What the type requires cannot be cut:
   `Impossible`.
4. Selectors are emitted as the OASIS schema accepts them. A marking whose selector it refuses covers more instead, at the
   worst the whole object; a language is left out.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cert_exchange.policy.redaction.shapes import FIXED, NEEDED, ONE_OF, REQUIRED, leans_on
from cert_exchange.stix.handling import IEP_EXTENSION
from cert_exchange.stix.markings import FOREIGN_SCHEMES, TLP2_EXTENSION
from cert_exchange.stix.references import TERMS_EXTENSION

Path = tuple[str | int, ...]
"""From the object down: names of properties, keys of dictionaries, numbers of list items."""

_INDEX: Final = re.compile(r"\[(0|[1-9][0-9]{0,8})\]")
_ACCEPTED: Final = re.compile(r"(?:[a-z0-9_-]{3,249}(?:\.(?:\[[0-9]+\]|[a-z0-9_-]{1,250}))*|id)")


BINDING: Final = frozenset({TLP2_EXTENSION, IEP_EXTENSION, TERMS_EXTENSION, *FOREIGN_SCHEMES})
"""Extensions that say who may have the object and what for: nothing in them changes."""


class Impossible(Exception):
    """The object cannot do without something. The text says what, by the names of properties of STIX only."""


class _Gone:
    """Stands in a list where an item was."""

    def __repr__(self) -> str:
        return "gone"


GONE: Final = _Gone()


class Cutting:
    """One object, copied, with what has been cut out of it so far."""

    __slots__ = ("_gaps", "_type", "root")

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.root: dict[str, Any] = {key: _copied(value) for key, value in content.items()}
        self._type = str(content.get("type"))
        self._gaps: dict[int, list[int]] = {}  # by list: the numbers of its gaps

    def at(self, path: Path) -> Any:
        """What stands there, or GONE."""
        node: Any = self.root
        for step in path:
            if isinstance(node, dict):
                node = node.get(step, GONE)
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return GONE
        return node

    def take(self, path: Path) -> Any:
        """Cut out what stands there and give it back; GONE where nothing does. Raises Impossible."""
        taken = self.at(path)
        if taken is GONE:
            return GONE
        self._refuse(path)
        holder, last = self.at(path[:-1]), path[-1]
        if isinstance(last, str):
            del holder[last]
        else:
            holder[last] = GONE
            insort(self._gaps.setdefault(id(holder), []), last)
        self._mend(path[:-1])
        return taken

    def put(self, path: Path, value: Any) -> None:
        """Replace what stands there. Raises Impossible."""
        self._refuse_binding(path)
        self.at(path[:-1])[path[-1]] = value

    def rename(self, path: Path, key: str) -> None:
        """Give the entry of a dictionary another key. Raises Impossible."""
        self._refuse_binding(path)
        holder = self.at(path[:-1])
        holder[key] = holder.pop(path[-1])

    def _refuse_binding(self, path: Path) -> None:
        if len(path) > 1 and path[0] == "extensions" and path[1] in BINDING:
            raise Impossible("an extension that says who may have the object would change")
        if path == ("extensions",) and any(key in BINDING for key in self.root["extensions"]):
            raise Impossible("an extension that says who may have the object would go")

    def _refuse(self, path: Path) -> None:
        self._refuse_binding(path)
        first = path[0]
        if len(path) == 1:
            if first in FIXED:
                raise Impossible(f"{first} cannot be taken away")
            if first in REQUIRED.get(self._type, ()):
                raise Impossible(f"{first} is required of the type {self._type}")
        elif self._type == "observed-data" and first == "objects" and len(path) == 3:
            embedded = self.at(path[:2])
            name = path[2]
            kind = str(embedded.get("type")) if isinstance(embedded, dict) else ""
            if name == "type" or name in REQUIRED.get(kind, ()):
                raise Impossible("an object inside objects cannot do without what would go")

    def _mend(self, path: Path) -> None:
        """Cut out what cannot stand any more, from here upwards."""
        if not path:
            for name in leans_on(self._type, self.root):
                self.root.pop(name, None)
            return
        node = self.at(path)
        if isinstance(node, list):
            broken = len(self._gaps.get(id(node), ())) == len(node)
        else:
            broken = isinstance(node, dict) and self._is_broken(node, path)
        if broken:
            self.take(path)

    def _is_broken(self, node: dict[str, Any], path: Path) -> bool:
        if not node:
            return True
        name = path[-1] if isinstance(path[-1], str) else next(
            (step for step in reversed(path) if isinstance(step, str)), ""
        )  # fmt: skip
        if len(path) > 1 and path[-2] == "extensions" and node.keys() <= {"extension_type"}:
            return True
        every, some = NEEDED.get(name, (frozenset(), frozenset()))
        return not every <= node.keys() or (bool(some) and not some & node.keys())

    def check_whole(self) -> None:
        """Raise Impossible where the type requires what is not there any more."""
        for name in sorted(REQUIRED.get(self._type, ())):
            if name not in self.root:
                raise Impossible(f"{name} is required of the type {self._type}")
        group = ONE_OF.get(self._type)
        if group is not None and not group & self.root.keys():
            raise Impossible(f"a {self._type} needs at least one of what would go")
        if (
            self._type == "malware"
            and self.root.get("is_family") is True
            and "name" not in self.root
        ):
            raise Impossible("the name is required of a malware family")

    def leaves(self) -> Iterator[tuple[Path, Any]]:
        """Every value that is no list and no dictionary, with its path; a dictionary's key comes before its value.

        For a key the value is KEY. What is cut while this runs is left out.
        """
        waiting: list[Path] = [(key,) for key in reversed(list(self.root))]
        while waiting:
            path = waiting.pop()
            if self.at(path) is GONE:
                continue
            if isinstance(path[-1], str):
                yield path, KEY
            node = self.at(path)
            if isinstance(node, dict):
                waiting.extend((*path, key) for key in reversed(list(node)))
            elif isinstance(node, list):
                waiting.extend((*path, index) for index in reversed(range(len(node))))
            elif node is not GONE:
                yield path, node

    def result(self) -> dict[str, Any]:
        """What is left, without gaps, its granular markings mended."""
        entries = self.root.get("granular_markings")
        wider: list[str] = []
        mended = list(self._mended(entries, wider)) if isinstance(entries, list) else []
        made = {
            key: _closed(value) for key, value in self.root.items() if key != "granular_markings"
        }
        if mended:
            made["granular_markings"] = mended
        add_markings(made, wider)
        return made

    def _mended(self, entries: list[Any], wider: list[str]) -> Iterator[dict[str, Any]]:
        for entry in entries:
            if not isinstance(entry, dict):
                continue
            marking = entry.get("marking_ref")
            selectors: dict[str, None] = {}
            for selector in entry.get("selectors") or ():
                components = self._components(selector)
                while components and _ACCEPTED.fullmatch(".".join(components)) is None:
                    components = components[:-1] if marking is not None else []
                    if not components and isinstance(marking, str):
                        wider.append(marking)
                if components:
                    selectors[".".join(components)] = None
            if selectors:
                named = (
                    {"marking_ref": marking} if marking is not None else {"lang": entry.get("lang")}
                )
                yield {**named, "selectors": list(selectors)}

    def _components(self, selector: str) -> list[str]:
        """The selector as it reads after the cuts; nothing where what it selected is gone."""
        node: Any = self.root
        made: list[str] = []
        for step in path_of(selector, self.root):
            if isinstance(step, int):
                made.append(f"[{step - bisect_left(self._gaps.get(id(node), []), step)}]")
                node = node[step]
            else:
                made.append(step)
                node = node[step]
            if node is GONE:
                return []
        return made


class _Key:
    """Stands for a value where `leaves` is at a key."""


KEY: Final = _Key()


def path_of(selector: str, content: Mapping[str, Any]) -> Path:
    """The path that a selector names, as long as it leads to something; empty where it selects nothing."""
    node: Any = content
    path: list[str | int] = []
    for component in selector.split("."):
        index = _INDEX.fullmatch(component)
        if isinstance(node, dict) and component in node:
            path.append(component)
        elif index is not None and isinstance(node, list) and int(index[1]) < len(node):
            path.append(int(index[1]))
        else:
            return ()
        node = node[path[-1]]
    return tuple(path)


def add_markings(content: dict[str, Any], markings: list[str]) -> None:
    """Let the whole object bear these marking definitions too."""
    borne = list(content.get("object_marking_refs") or ())
    more = [one for one in dict.fromkeys(markings) if one not in borne]
    if more:
        content["object_marking_refs"] = borne + more


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(child) for child in value]
    return value


def _closed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _closed(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_closed(child) for child in value if child is not GONE]
    return value
