"""What is in force is what was read when the policy was applied, never the files, and never something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, select, update
from structlog.testing import capture_logs
from tests.scenes import Scene, indicator

from cert_exchange.errors import InputRefused, PolicyInvalid
from cert_exchange.node import Node
from cert_exchange.policy.companions import SIZE_LIMIT
from cert_exchange.services import policies
from cert_exchange.services.policies import companions
from cert_exchange.services.releasing import in_force
from cert_exchange.store.tables import companion_texts, policy_companions
from cert_exchange.store.tables import policies as policy_table

TEXT = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: amber, unmarked: green}
include: [base/rules.yaml]
rules:
  - {name: all of ours, match: {origin: own}, allow: true}
"""
NO_DRAFTS = "rules:\n  - {name: No drafts, match: {labels: draft}, deny: true}\n"


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node, policies_for=["c"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies" / "base").mkdir(parents=True)
    (tmp_path / "policies" / "base" / "rules.yaml").write_text(NO_DRAFTS)
    return tmp_path / "policies"


def apply(scene: Scene, folder: Path) -> policies.Applied:
    return policies.apply(scene.node, TEXT, file="b.yaml", folder=folder, author="test")


def forget_parsed() -> None:
    """As a process that has just started: it has parsed nothing yet."""
    in_force.forget()


def test_an_included_rule_is_in_force(scene: Scene, folder: Path):
    """Also in a process that never saw the file, and after the file is gone."""
    apply(scene, folder)
    (folder / "base" / "rules.yaml").unlink()
    forget_parsed()
    scene.publish(indicator("fact"), indicator("draft", labels=["draft"]))
    assert scene.names("b") == ["fact"]
    (found,) = policies.explain(scene.node, indicator("draft")["id"], partner="b").versions
    assert (found.answer, found.rule) == ("denied", "No drafts")


def test_a_changed_file_is_a_new_version(scene: Scene, folder: Path):
    """Nothing changes before it is applied; the same texts again are no change."""
    assert apply(scene, folder).version == 1
    scene.publish(indicator("fact"), indicator("draft", labels=["draft"]))
    assert not apply(scene, folder).changed
    (folder / "base" / "rules.yaml").write_text("rules: []\n")
    scene.publish(indicator("another draft", labels=["draft"]))
    assert scene.names("b") == ["fact"]
    done = apply(scene, folder)
    assert (done.version, done.changed, done.gained) == (2, True, 2)
    (folder / "base" / "rules.yaml").write_text(NO_DRAFTS)
    done = apply(scene, folder)
    assert (done.version, done.changed, done.lost) == (3, True, 2)
    assert scene.names("b") == ["fact"]


def test_a_text_is_kept_once(scene: Scene, folder: Path):
    """Versions that share a file share its text."""
    apply(scene, folder)
    policies.apply(
        scene.node, TEXT + "# the same rules\n", file="b.yaml", folder=folder, author="test"
    )
    with scene.node.database.reading() as conn:
        assert len(conn.execute(select(companion_texts.c.digest)).all()) == 1
        assert len(conn.execute(select(policy_companions.c.policy)).all()) == 2


def test_an_earlier_version_comes_back_with_its_files(scene: Scene, folder: Path):
    """Texts that are given stand for the folder's, as for a version that is restored."""
    apply(scene, folder)
    scene.publish(indicator("draft", labels=["draft"]))
    policies.apply(
        scene.node,
        TEXT,
        file="b.yaml",
        companions={"base/rules.yaml": "rules: []\n"},
        author="test",
    )
    assert scene.names("b") == ["draft"]


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_texts_that_are_not_what_was_applied_deny(scene: Scene, folder: Path, how: str):
    """Whoever changes the database by hand gets silence, and a line in the log."""
    apply(scene, folder)
    scene.publish(indicator("before"))

    def break_it(tx: object) -> None:
        if how == "changed":
            tx.execute(update(companion_texts).values(text="rules: []\n"))
        else:
            tx.execute(delete(policy_companions))

    scene.node.database.transact(break_it)
    forget_parsed()
    with capture_logs() as logs:
        scene.publish(indicator("after"), indicator("draft", labels=["draft"]))
    assert scene.names("b") == ["before"]
    assert {line["event"] for line in logs} >= {"policy-companions-unreadable"}
    assert scene.names("c") == ["before", "after", "draft"]


def test_a_policy_that_cannot_be_read_any_more_denies(scene: Scene, folder: Path):
    """It stops neither publishing nor the other audiences."""
    apply(scene, folder)
    scene.apply("c", TEXT.replace("[b]", "[c]").replace("include: [base/rules.yaml]\n", ""))
    scene.node.database.transact(
        lambda tx: tx.execute(
            update(policy_table).where(policy_table.c.name == "b").values(text="rules: 5\n")
        )
    )
    with capture_logs() as logs:
        scene.publish(indicator("fact"))
    assert (scene.names("b"), scene.names("c")) == ([], ["fact"])
    assert "policy-unreadable" in {line["event"] for line in logs}


def test_without_a_folder_nothing_is_read(scene: Scene):
    """A policy that names files and has no folder is told which file is missing."""
    with pytest.raises(PolicyInvalid, match=r"base/rules\.yaml"):
        policies.apply(scene.node, TEXT, file="b.yaml", author="test")


def test_what_cannot_be_read_is_said_in_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """No text, a folder, too much."""
    path = folder / "base" / "rules.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputRefused, match="not UTF-8"):
        companions.read_companions(TEXT, folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputRefused, match="cannot be read"):
        companions.read_companions(TEXT, folder)
    path.rmdir()
    assert companions.read_companions(TEXT, folder) == {}
    path.write_bytes(b"x" * (SIZE_LIMIT + 1))
    with pytest.raises(InputRefused, match="take out what no rule needs"):
        companions.read_companions(TEXT, folder)
