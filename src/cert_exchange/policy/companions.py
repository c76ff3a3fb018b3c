"""The files that a policy names: how they are named, and which texts belong to one version of it.

1. A name is written as seen from the policy's own folder, also in an included file: no `..`, no absolute path.
2. A policy names at most FILE_LIMIT files, which hold at most SIZE_LIMIT bytes together. A file that is included may
   include others, and those none.
3. Here no file is read. What is in force is the texts that were read when the policy was applied: their digests
   belong to its version, and a text whose digest differs is not that version's.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.reading import Document, Path, read_document, shown
from cert_exchange.policy.spellings import ADVICE, refuse

FILE_LIMIT: Final = 20
SIZE_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of all companions together, in UTF-8."""
INCLUDE_DEPTH: Final = 2
INCLUDE: Final = "include"
KEYS: Final = (INCLUDE, "territories", "lists", "agreement")
"""Keys of a policy whose values name files."""

Companions = Mapping[str, str]
"""Texts by the name as the policy writes it."""
NO_COMPANIONS: Final[Companions] = MappingProxyType({})

_STEP: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,99}")


@dataclass(frozen=True, slots=True)
class Companion:
    """A file that a document names, with its text."""

    name: str  # as the document writes it
    file: str  # for messages: the same, as seen from where the policy's file is seen
    path: Path  # where the document names it
    text: str = field(repr=False)


def companion_name(value: Any) -> str:
    """Check the name of a companion; for pydantic."""
    return (
        value
        if isinstance(value, str) and _is_name(value)
        else refuse(f"{shown(value)} names no file beside this one; {ADVICE['include[]']}")
    )


def digest_of_text(text: str) -> bytes:
    """SHA-256 of a companion's text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def digest_of(texts: Companions) -> bytes | None:
    """One digest over (name, digest) of all companions; None where there are none."""
    if not texts:
        return None
    whole = hashlib.sha256()
    for name, text in sorted(texts.items()):
        spelled = name.encode("utf-8", "surrogatepass")
        whole.update(len(spelled).to_bytes(4, "big") + spelled + digest_of_text(text))
    return whole.digest()


def gather(text: str, read: Callable[[str], str | None]) -> dict[str, str]:
    """The texts that a policy's text needs, by name, as `read` gives them; what it answers None for is left out.

    It never complains: `parse_policy` says what is wrong with the names, and that a file is missing.
    """
    found: dict[str, str] = {}
    # Only what is included may include: territories and lists are long, and reading them here would cost as much again.
    asked: deque[tuple[str, int]] = deque((name, 1) for name in _names(text, (INCLUDE,)))
    asked.extend((name, INCLUDE_DEPTH) for name in _names(text, KEYS[1:]))
    seen: set[str] = set()
    while asked and len(seen) <= FILE_LIMIT:
        name, depth = asked.popleft()
        if name in seen:
            continue
        seen.add(name)
        companion = read(name)
        if companion is None:
            continue
        found[name] = companion
        if depth < INCLUDE_DEPTH:
            asked.extend((inner, depth + 1) for inner in _names(companion, (INCLUDE,)))
    return found


def take_companions(
    document: Document,
    companions: Companions,
    *,
    keys: Iterable[str] = KEYS,
    root: str | None = None,
) -> dict[str, tuple[Companion, ...]]:
    """The companions that a document names, by key; complains of those that are not there.

    `root` is how the policy's own file is spelled in messages, where the document is not the policy.
    """
    taken: dict[str, tuple[Companion, ...]] = {}
    for key in keys:
        found = []
        for path, name in named_at(document, key):
            text = companions.get(name)
            if text is None:
                document.complain(
                    path, f"the file {shown(name)} is not there; it is looked for beside the policy"
                )
            elif "\x00" in text:
                document.complain(path, f"the file {shown(name)} is no text: it holds a zero byte")
            else:
                found.append(Companion(name, beside(root or document.file, name), path, text))
        taken[key] = tuple(found)
    return taken


def check_limits(document: Document, companions: Companions) -> None:
    """Complain of a policy that names more files, or longer ones, than it may."""
    if len(companions) > FILE_LIMIT:
        document.complain((), f"more than {FILE_LIMIT} other files are named, which is the limit")
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in companions.values())
    if size > SIZE_LIMIT:
        document.complain((), f"the files that it names hold {size:,} bytes; {SIZE_LIMIT:,} may be")


def named_at(document: Document, key: str) -> Iterator[tuple[Path, str]]:
    """Each well-formed name at a key of a document, with its place; what is malformed is the form's to refuse."""
    whole = document.value
    value = whole.get(key) if isinstance(whole, dict) else None
    if isinstance(value, str):
        if _is_name(value):
            yield (key,), value
        return
    for index, name in enumerate(value if isinstance(value, list) else ()):
        if isinstance(name, str) and _is_name(name):
            yield (key, index), name


def beside(file: str, name: str) -> str:
    """How a companion is spelled in messages about a policy whose file is spelled so."""
    return str(PurePosixPath(file).parent / name)


def _names(text: str, keys: Iterable[str]) -> list[str]:
    try:
        document = read_document(text, file="")
    except PolicyInvalid:
        return []
    return [name for key in keys for _, name in named_at(document, key)]


def _is_name(value: str) -> bool:
    return len(value) <= 250 and all(_STEP.fullmatch(step) for step in value.split("/"))
