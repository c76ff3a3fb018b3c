"""Collections as their files declare them: read all, check all, then change the rows in one transaction.

1. All mistakes of all files are reported at once; nothing is changed while there is one.
2. A collection whose file is gone is retired: nobody may read or write it, its log and its objects stay, and the same
   file brings it back. Nothing is deleted.
3. Loading the same files again changes nothing and leaves no line in the ledger.
4. A folder that is missing or empty is a mistake and never means "retire everything": it may be a disk that is not
   mounted.
5. An alias that a policy in force names stays with its collection: the policy's words would turn to another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, PolicyInvalid, Problem
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.policy.collections import (
    CollectionFile,
    parse_collection,
    problems_of_collections,
)
from cert_exchange.policy.document import Policy, parse_policy
from cert_exchange.policy.reading import TEXT_LIMIT, place_in
from cert_exchange.services import ledger
from cert_exchange.store import collections as rows
from cert_exchange.store import companions as companion_rows
from cert_exchange.store import policies
from cert_exchange.store.database import Transaction

FILE_LIMIT: Final = 4 * TEXT_LIMIT
"""Bytes of one file that are read at most: TEXT_LIMIT characters of UTF-8."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What loading changed, as aliases (or UUIDs where there is no alias), each list in order."""

    added: tuple[str, ...]
    changed: tuple[str, ...]  # title, description, alias or rights; or it was retired before
    retired: tuple[str, ...]
    unchanged: tuple[str, ...]

    @property
    def anything(self) -> bool:
        """Whether any row was changed."""
        return bool(self.added or self.changed or self.retired)


def load_collections(
    node: Node, directory: Path | None = None, *, by: str = "administrator"
) -> LoadReport:
    """Bring the rows of collections and rights in line with the files of a folder (default: the settings').

    Raises PolicyInvalid with every mistake of every file, ConfigurationInvalid for a folder without files.
    """
    folder = directory or node.settings.path(node.settings.collections_directory)
    files = read_collections(folder)
    now = node.now()
    return node.database.transact(lambda tx: _load(tx, files, now=now, by=by))


def read_collections(directory: Path) -> tuple[CollectionFile, ...]:
    """Read and check the files of a folder, without looking at partners. Raises as `load_collections`."""
    if not directory.is_dir():
        raise ConfigurationInvalid(
            f"{directory} is no folder; put a file for each collection there."
        )
    paths = sorted(path for path in directory.iterdir() if path.suffix in {".yaml", ".yml"})
    if not paths:
        raise ConfigurationInvalid(
            f"{directory} holds no .yaml file; nothing was changed. Collections are retired by taking away"
            " their files one by one, the last one stays."
        )
    problems: list[Problem] = []
    found: list[CollectionFile] = []
    for path in paths:
        try:
            found.append(parse_collection(_text(path), file=str(path)))
        except PolicyInvalid as refused:
            problems.extend(refused.problems)
    if problems:
        raise PolicyInvalid(tuple(problems))
    return tuple(found)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(FILE_LIMIT + 1)
    except OSError as error:
        problem = Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")
        raise PolicyInvalid((problem,)) from None
    if len(raw) > FILE_LIMIT:
        problem = Problem(str(path), 0, 0, f"is larger than {FILE_LIMIT} bytes; make it shorter")
        raise PolicyInvalid((problem,))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem(str(path), line, 0, "is not UTF-8; save the file in that encoding")
        raise PolicyInvalid((problem,)) from None


def _load(tx: Transaction, files: Sequence[CollectionFile], *, now: int, by: str) -> LoadReport:
    partners = rows.partners_by_name(tx)
    if problems := problems_of_collections(files, partners.keys()):
        raise PolicyInvalid(problems)
    before = rows.declared(tx)
    if problems := _aliases_in_use(tx, before, files):
        raise PolicyInvalid(problems)
    retired = _retire_missing(tx, before, files, now)
    moved = [
        before[item.uuid].id
        for item in files
        if item.uuid in before and before[item.uuid].alias != item.alias
    ]
    rows.clear_aliases(tx, moved)
    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    for item in files:
        row = before.get(item.uuid)
        same = row is not None and row.file_digest == item.digest and row.retired_at is None
        if row is not None and same:
            number = row.id
        else:
            number = rows.put_collection(
                tx,
                uuid=item.uuid,
                alias=item.alias,
                title=item.title,
                description=item.description,
                file_digest=item.digest,
            )
        rights = {
            partners[name]: (name in item.read, name in item.write)
            for name in {*item.read, *item.write}
        }
        moved_rights = rows.set_rights(tx, number, rights)
        label = item.alias or item.uuid
        if row is None:
            added.append(label)
        elif same and not moved_rights:
            unchanged.append(label)
        else:
            changed.append(label)
    report = LoadReport(
        tuple(sorted(added)), tuple(sorted(changed)), tuple(retired), tuple(sorted(unchanged))
    )
    if report.anything:
        ledger.record(tx, _line(report, now=now, by=by))
    return report


def _aliases_in_use(
    tx: Transaction, before: dict[str, rows.Declared], files: Sequence[CollectionFile]
) -> tuple[Problem, ...]:
    leaving = {
        row.alias: item
        for item in files
        if (row := before.get(item.uuid)) is not None
        and row.alias is not None
        and row.alias != item.alias
    }
    if not leaving:
        return ()
    return tuple(
        Problem(
            item.file,
            *place_in(item.places, ("alias",)),
            f'the policy {active.name} calls this collection "{alias}"; keep that alias, or first apply the policy'
            f" with {item.uuid} in its place",
        )
        for active in policies.in_force(tx)
        for alias, item in leaving.items()
        if alias in _in_force(tx, active).collections
    )


def _in_force(tx: Transaction, active: policies.PolicyVersion) -> Policy:
    companions = companion_rows.read(tx, active.id, active.companions)
    return parse_policy(active.text, file=f"{active.name}.yaml", companions=companions or {})


def _retire_missing(
    tx: Transaction,
    before: dict[str, rows.Declared],
    files: Sequence[CollectionFile],
    now: int,
) -> list[str]:
    kept = {item.uuid for item in files}
    gone = [row for row in before.values() if row.uuid not in kept and row.retired_at is None]
    for row in gone:
        rows.retire_collection(tx, row.id, now)
        rows.set_rights(tx, row.id, {})
    return sorted(row.alias or row.uuid for row in gone)


def _line(report: LoadReport, *, now: int, by: str) -> Line:
    return Line(
        kind="collections.loaded",
        at=now,
        by=by,
        facts={
            "added": list(report.added),
            "changed": list(report.changed),
            "retired": list(report.retired),
        },
    )
