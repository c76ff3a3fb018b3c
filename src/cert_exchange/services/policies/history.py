"""Every version of a policy, what changed from one to the next, and the way back.

1. Versions are never changed or deleted: restoring an old one makes a new one with its text and the files it named.
2. What is in force is the version in the database; a file that says something else has drifted, and is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from pathlib import Path
from typing import Literal

from cert_exchange.errors import InputRefused, NotFound, PolicyInvalid
from cert_exchange.node import Node
from cert_exchange.policy.companions import digest_of
from cert_exchange.policy.document import parse_policy
from cert_exchange.services.policies.applying import Applied, Progress, apply
from cert_exchange.services.policies.companions import read_companions
from cert_exchange.services.policies.expecting import policy_files
from cert_exchange.store import companions as companion_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.policies import PolicyVersion

State = Literal["same", "differs", "not in force", "no file", "cannot be read"]


@dataclass(frozen=True, slots=True)
class PastVersion:
    """One version of a policy. Instants in micros; `replaced_at` is None for the one in force."""

    name: str
    version: int
    applied_at: int
    replaced_at: int | None
    author: str
    reason: str
    added: int
    """lines that the version before did not have, those of the files that it names included"""
    removed: int
    """lines of the version before that it lacks"""


@dataclass(frozen=True, slots=True)
class Drift:
    """One policy file against the version in force."""

    policy: str
    file: str
    state: State
    version: int | None
    remark: str


def history(node: Node, name: str) -> list[PastVersion]:
    """All versions of a policy, the newest first. Raises NotFound."""
    told = []
    before: Mapping[str, str] = {}
    with node.database.reading() as conn:
        found = _versions(conn, name)
        texts = [_texts(conn, one) for one in found]
    for one, now in zip(found, texts, strict=True):
        added, removed = _lines_of(before, now)
        told.append(
            PastVersion(
                name, one.version, one.applied_at, one.replaced_at, one.author, one.reason,
                added, removed,
            )
        )  # fmt: skip
        before = now
    return told[::-1]


def text_of(node: Node, name: str, version: int | None = None) -> str:
    """The text of a version, without a number of the one in force. Raises NotFound."""
    with node.database.reading() as conn:
        return _chosen(_versions(conn, name), name, version).text


def difference(
    node: Node, name: str, old: int | None = None, new: int | None = None
) -> tuple[str, ...]:
    """The lines that differ between two versions, as a unified diff, the files that they name included.

    Without numbers the newest version against the one before it; with one number that version against the newest.
    Raises NotFound.
    """
    with node.database.reading() as conn:
        found = _versions(conn, name)
        newest = found[-1].version
        if old is None and len(found) == 1:
            raise NotFound(f"policy {name} has one version only; there is nothing to compare")
        one = _chosen(found, name, found[-2].version if old is None else old)
        other = _chosen(found, name, newest if new is None else new)
        texts = [
            {f"{name}.yaml": version.text, **_companions(conn, version)} for version in (one, other)
        ]
    lines: list[str] = []
    for file in sorted(texts[0].keys() | texts[1].keys(), key=lambda f: (f != f"{name}.yaml", f)):
        lines += unified_diff(
            texts[0].get(file, "").splitlines(),
            texts[1].get(file, "").splitlines(),
            fromfile=f"{file} (version {one.version})",
            tofile=f"{file} (version {other.version})",
            lineterm="",
        )
    return tuple(lines)


def restore(
    node: Node,
    name: str,
    version: int,
    *,
    author: str,
    reason: str,
    widening: int | None = None,
    confirmed: int | None = None,
    progress: Progress | None = None,
) -> Applied:
    """Bring the text of an earlier version into force again, with the files as they were then: a new version.

    `widening` and `confirmed` as for `apply`. Raises NotFound, PolicyInvalid where the text fits the node no more (a
    partner that is gone), PolicyWidens, StoreError, ClockDoubtful.
    """
    with node.database.reading() as conn:
        old = _chosen(_versions(conn, name), name, version)
        companions = _companions(conn, old)
    return apply(
        node,
        old.text,
        file=f"{name}.yaml",
        companions=companions,
        author=author,
        reason=f"version {version} again: {reason}",
        widening=widening,
        confirmed=confirmed,
        progress=progress,
    )


def drift(node: Node, folder: Path) -> list[Drift]:
    """Compare the policy files of a folder with what is in force, policies without a file included, by name."""
    with node.database.reading() as conn:
        active = {one.name: one for one in policy_rows.in_force(conn)}
    found = list(_files(folder, active))
    named = {one.policy for one in found}
    found += [
        Drift(name, "", "no file", one.version, f"no file in {folder} has this name")
        for name, one in active.items()
        if name not in named
    ]
    return sorted(found, key=lambda one: (one.policy, one.file))


def _files(folder: Path, active: dict[str, PolicyVersion]) -> Iterator[Drift]:
    for file in policy_files(folder):
        try:
            text = file.read_text(encoding="utf-8")
            companions = read_companions(text, folder)
            name = parse_policy(text, file=str(file), companions=companions).name
        except (PolicyInvalid, InputRefused) as error:
            yield _unreadable(file, active, error.public.splitlines()[0])
            continue
        except (OSError, UnicodeDecodeError) as error:
            yield _unreadable(file, active, str(getattr(error, "strerror", None) or "no UTF-8"))
            continue
        one = active.get(name)
        if one is None:
            yield Drift(name, str(file), "not in force", None, "it was never applied")
        elif one.text != text:
            added, removed = _lines(one.text, text)
            remark = f"lines of the file that are not in force: {added}; lines in force that it lacks: {removed}"
            yield Drift(name, str(file), "differs", one.version, remark)
        elif one.companions != digest_of(companions):
            yield Drift(name, str(file), "differs", one.version, "a file that it names differs")
        else:
            yield Drift(name, str(file), "same", one.version, "")


def _unreadable(file: Path, active: dict[str, PolicyVersion], remark: str) -> Drift:
    one = active.get(file.stem)
    version = one.version if one is not None else None
    return Drift(file.stem, str(file), "cannot be read", version, remark)


def _versions(conn: Transaction, name: str) -> list[PolicyVersion]:
    found = policy_rows.versions_of(conn, name)
    if not found:
        raise NotFound(f"there is no policy {name!r}; see `policy drift`")
    return found


def _chosen(found: list[PolicyVersion], name: str, version: int | None) -> PolicyVersion:
    if version is None:
        return found[-1]
    for one in found:
        if one.version == version:
            return one
    raise NotFound(f"policy {name} has no version {version}; see `policy history {name}`")


def _companions(conn: Transaction, version: PolicyVersion) -> dict[str, str]:
    texts = companion_rows.read(conn, version.id, version.companions)
    if texts is None:
        raise NotFound(
            f"the files that version {version.version} of {version.name} names cannot be read back"
        )
    return texts


def _texts(conn: Transaction, version: PolicyVersion) -> dict[str, str]:
    """All texts of a version; where a file cannot be read back, the history of the rest is still told."""
    kept = companion_rows.read(conn, version.id, version.companions)
    return {f"{version.name}.yaml": version.text, **(kept or {})}


def _lines_of(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[int, int]:
    """How many lines were added and removed in all files together."""
    counted = [
        _lines(old.get(file, ""), new.get(file, ""))
        for file in old.keys() | new.keys()
        if old.get(file) != new.get(file)
    ]
    return sum(added for added, _ in counted), sum(removed for _, removed in counted)


def _lines(old: str, new: str) -> tuple[int, int]:
    """How many lines were added and removed."""
    one, other = old.splitlines(), new.splitlines()
    added = removed = 0
    for tag, start, end, begin, stop in SequenceMatcher(None, one, other).get_opcodes():
        if tag != "equal":
            removed += end - start
            added += stop - begin
    return added, removed
