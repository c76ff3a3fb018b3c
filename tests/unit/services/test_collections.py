"""Loading collections: all files or none, again without effect, and nothing is ever deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert, select

from cert_exchange.errors import ConfigurationInvalid, PolicyInvalid
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.services.collections import load_collections
from cert_exchange.services.policies import apply
from cert_exchange.store import collections as rows
from cert_exchange.store import rights as grants
from cert_exchange.store.tables import ledger_lines, partners

FIRST = "1fb3569d-497f-48ac-a1b9-50c29e9c31ee"
SECOND = "a80bf269-f1bd-492d-b9a0-50549d289fd6"


def write(
    folder: Path, name: str, uuid: str, *, alias: str, read: str = "[]", title: str = ""
) -> None:
    (folder / f"{name}.yaml").write_text(
        f"id: {uuid}\ntitle: {title or name}\nalias: {alias}\nread: {read}\nwrite: [cert-b]\n",
        encoding="utf-8",
    )


@pytest.fixture
def folder(node: Node, tmp_path: Path) -> Path:
    """Two files, and the two partners they may name."""
    known = [
        {"id": number, "name": name, "title": name, "requests_per_minute": 60, "added_at": 0}
        for number, name in ((1, "cert-b"), (2, "cert-c"))
    ]
    node.database.transact(lambda tx: tx.execute(insert(partners), known))
    directory = tmp_path / "declared"
    directory.mkdir()
    write(directory, "one", FIRST, alias="indicators", read="[cert-b]")
    write(directory, "two", SECOND, alias="inbox")
    return directory


def declared(node: Node) -> dict[str, tuple[str | None, bool]]:
    """Alias and whether it is in force, by UUID."""
    with node.database.reading() as tx:
        return {k: (row.alias, row.retired_at is None) for k, row in rows.declared(tx).items()}


def rights(node: Node, partner: int) -> dict[str, tuple[bool, bool]]:
    """What the partner's client is told that it may do, by alias."""
    with node.database.raw_reader() as connection:
        found = grants.every(node.database.dialect, connection, partner, None)
    return {str(one.alias): (one.can_read, one.can_write) for one in found}


def lines(node: Node) -> list[dict[str, object]]:
    with node.database.reading() as tx:
        bodies = tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        found = [decode_line(body) for body in bodies]
    return [dict(line.facts) for line in found if line.kind == "collections.loaded"]


def test_rows_rights_and_a_ledger_line(node: Node, folder: Path):
    """What the files say stands in the database, and the ledger says that it was changed."""
    report = load_collections(node, folder, by="ann")
    assert report.added == ("inbox", "indicators")
    assert declared(node) == {FIRST: ("indicators", True), SECOND: ("inbox", True)}
    assert rights(node, 1) == {"indicators": (True, True), "inbox": (False, True)}
    assert rights(node, 2) == {}
    assert lines(node) == [{"added": ["inbox", "indicators"], "changed": [], "retired": []}]


def test_loading_again_changes_nothing(node: Node, folder: Path):
    """No row, no line."""
    load_collections(node, folder)
    report = load_collections(node, folder)
    assert not report.anything
    assert report.unchanged == ("inbox", "indicators")
    assert len(lines(node)) == 1


def test_a_change_of_rights_counts_at_once(node: Node, folder: Path):
    """Who is taken from the lists may no longer read or write."""
    load_collections(node, folder)
    write(folder, "one", FIRST, alias="indicators", read="[cert-c]")
    assert load_collections(node, folder).changed == ("indicators",)
    assert rights(node, 1)["indicators"] == (False, True)
    assert rights(node, 2) == {"indicators": (True, False)}


def test_a_file_that_is_gone_retires_its_collection_and_brings_it_back(node: Node, folder: Path):
    """Nobody may read or write it meanwhile; its row keeps its number."""
    load_collections(node, folder)
    with node.database.reading() as tx:
        number = rows.declared(tx)[SECOND].id
    (folder / "two.yaml").unlink()
    assert load_collections(node, folder).retired == ("inbox",)
    assert declared(node)[SECOND] == (None, False)
    assert rights(node, 1) == {"indicators": (True, True)}
    assert not load_collections(node, folder).anything
    write(folder, "two", SECOND, alias="inbox")
    assert load_collections(node, folder).changed == ("inbox",)
    assert declared(node)[SECOND] == ("inbox", True)
    with node.database.reading() as tx:
        assert rows.declared(tx)[SECOND].id == number


def test_aliases_may_be_exchanged(node: Node, folder: Path):
    """Within one load, also with a collection that goes."""
    load_collections(node, folder)
    write(folder, "one", FIRST, alias="inbox")
    write(folder, "two", SECOND, alias="indicators")
    assert load_collections(node, folder).changed == ("inbox", "indicators")
    assert declared(node) == {FIRST: ("inbox", True), SECOND: ("indicators", True)}
    (folder / "two.yaml").unlink()
    write(folder, "one", FIRST, alias="indicators")
    load_collections(node, folder)
    assert declared(node) == {FIRST: ("indicators", True), SECOND: (None, False)}


def test_an_alias_that_a_policy_names_stays_with_its_collection(node: Node, folder: Path):
    """Else the policy's words would turn to another collection that nobody decided to show."""
    load_collections(node, folder)
    text = (
        "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: green}\n"
        "rules:\n  - {name: all, match: {origin: own}, allow: true}\n"
    )
    apply(node, text, file="cert-b.yaml", author="ann")
    write(folder, "one", FIRST, alias="old")
    write(folder, "two", SECOND, alias="indicators")
    with pytest.raises(PolicyInvalid) as caught:
        load_collections(node, folder)
    assert [str(one) for one in caught.value.problems] == [
        (
            f'{folder}/one.yaml:3:8: the policy cert-b calls this collection "indicators"; keep that alias, or first'
            f" apply the policy with {FIRST} in its place"
        )
    ]
    assert declared(node) == {FIRST: ("indicators", True), SECOND: ("inbox", True)}
    apply(node, text.replace("[indicators]", f"[{FIRST}]"), file="cert-b.yaml", author="ann")
    assert load_collections(node, folder).changed == ("indicators", "old")


def test_one_mistake_in_one_file_changes_nothing(node: Node, folder: Path):
    """All mistakes of all files are named, and the database stays as it is."""
    (folder / "bad.yaml").write_text("id: 3\n", encoding="utf-8")
    (folder / "latin.yaml").write_bytes(b"id: x\ntitle: caf\xe9\n")
    with pytest.raises(PolicyInvalid) as caught:
        load_collections(node, folder)
    said = caught.value.public
    assert f"{folder}/bad.yaml:1:5: 3 is no id of a collection" in said
    assert f"{folder}/bad.yaml:1:1: title is missing" in said
    assert f"{folder}/latin.yaml:2:0: is not UTF-8" in said
    assert declared(node) == {}
    assert lines(node) == []


def test_an_unknown_partner_changes_nothing(node: Node, folder: Path):
    """Rights are for partners that the node knows (DECISIONS 27)."""
    write(folder, "one", FIRST, alias="indicators", read="[cert-bb]")
    with pytest.raises(PolicyInvalid, match='unknown partner "cert-bb"; did you mean cert-b'):
        load_collections(node, folder)
    assert declared(node) == {}


def test_a_folder_that_is_missing_or_empty_is_no_order_to_retire_all(node: Node, folder: Path):
    """It may be a disk that is not mounted."""
    load_collections(node, folder)
    for path in folder.glob("*.yaml"):
        path.unlink()
    with pytest.raises(ConfigurationInvalid, match="nothing was changed"):
        load_collections(node, folder)
    with pytest.raises(ConfigurationInvalid, match="is no folder"):
        load_collections(node, folder / "missing")
    assert all(in_force for _, in_force in declared(node).values())


def test_the_settings_name_the_folder(node: Node, folder: Path):
    """Without an argument the node's own folder is read."""
    own = node.settings.path(node.settings.collections_directory)
    for path in folder.glob("*.yaml"):
        path.rename(own / path.name)
    assert load_collections(node).added == ("inbox", "indicators")
