"""Every version of a policy is kept, compared and can come back; files that say something else are told; expectations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.scenes import ALLOW_ALL, Scene, indicator, malware

from cert_exchange.errors import NotFound, PolicyInvalid, PolicyWidens
from cert_exchange.node import Node
from cert_exchange.services import policies

FIRST = ALLOW_ALL.format(partner="b")
SECOND = FIRST.replace("match: {origin: own}", "match: {type: indicator}")
SHARED = """\
rules:
  - name: drafts stay here
    match: {labels: [draft]}
    deny: true
"""


def applied(node: Node, text: str, reason: str = "agreed") -> policies.Applied:
    return policies.apply(node, text, file="b.yaml", author="anna", reason=reason)


def test_history_says_who_why_and_how_much(node: Node) -> None:
    """The newest version first; the one in force has no end."""
    Scene.set_up(node, policies_for=())
    applied(node, FIRST, "first")
    applied(node, SECOND, "indicators only")
    newest, oldest = policies.history(node, "b")
    assert (newest.version, newest.author, newest.reason) == (2, "anna", "indicators only")
    assert newest.replaced_at is None
    assert oldest.replaced_at == newest.applied_at
    assert (newest.added, newest.removed, oldest.removed) == (1, 1, 0)
    with pytest.raises(NotFound):
        policies.history(node, "nobody")


def test_differences_name_lines_and_versions(sqlite_node: Node) -> None:
    """Without numbers the last edit; any two versions by number."""
    Scene.set_up(sqlite_node, policies_for=())
    applied(sqlite_node, FIRST)
    with pytest.raises(NotFound, match="one version only"):
        policies.difference(sqlite_node, "b")
    applied(sqlite_node, SECOND)
    applied(sqlite_node, SECOND + "unresolved: allow\n")
    lines = policies.difference(sqlite_node, "b")
    assert lines[:2] == ("--- b.yaml (version 2)", "+++ b.yaml (version 3)")
    assert [line for line in lines[2:] if line[0] in "+-"] == ["+unresolved: allow"]
    between = policies.difference(sqlite_node, "b", 2, 1)
    assert "-    match: {type: indicator}" in between
    assert not policies.difference(sqlite_node, "b", 2, 2)
    with pytest.raises(NotFound, match="no version 9"):
        policies.difference(sqlite_node, "b", 9)


def test_an_old_version_comes_back_as_a_new_one(node: Node) -> None:
    """Text and effect are those of then; nothing is overwritten."""
    scene = Scene.set_up(node, policies_for=())
    scene.publish(indicator("one"), malware("two"))
    applied(node, FIRST)
    applied(node, SECOND)
    assert scene.names("b") == ["one"]
    done = policies.restore(node, "b", 1, author="bert", reason="too narrow")
    assert (done.version, done.changed) == (3, True)
    assert sorted(scene.names("b")) == ["one", "two"]
    assert policies.text_of(node, "b") == FIRST
    newest = policies.history(node, "b")[0]
    assert (newest.author, newest.reason) == ("bert", "version 1 again: too narrow")
    assert not policies.restore(node, "b", 1, author="bert", reason="again").changed
    with pytest.raises(NotFound, match="no version 7"):
        policies.restore(node, "b", 7, author="bert", reason="x")


def test_restoring_brings_back_the_files_as_they_were(node: Node, tmp_path: Path) -> None:
    """The texts that an old version named are those of its time, whatever lies in the folder now."""
    scene = Scene.set_up(node, policies_for=())
    scene.publish(indicator("one"), indicator("two", labels=["draft"]))
    text = f"include: [shared.yaml]\n{FIRST}"
    (tmp_path / "shared.yaml").write_text(SHARED)
    policies.apply(node, text, file="b.yaml", folder=tmp_path, author="anna")
    assert scene.names("b") == ["one"]
    (tmp_path / "shared.yaml").write_text(SHARED.replace("draft", "sketch"))
    policies.apply(node, text, file="b.yaml", folder=tmp_path, author="anna")
    assert sorted(scene.names("b")) == ["one", "two"]
    assert "-    match: {labels: [draft]}" in policies.difference(node, "b")
    newest, oldest = policies.history(node, "b")
    assert (newest.added, newest.removed) == (2, 2)
    assert oldest.added == len(f"{text}{SHARED}".splitlines())
    policies.restore(node, "b", 1, author="anna", reason="drafts got out")
    assert scene.names("b") == ["one"]


def test_restoring_a_wider_version_needs_a_word_too(sqlite_node: Node) -> None:
    scene = Scene.set_up(sqlite_node, policies_for=())
    scene.publish(*(malware(f"two {number}") for number in range(5)))
    applied(sqlite_node, FIRST)
    applied(sqlite_node, SECOND)
    with pytest.raises(PolicyWidens) as refused:
        policies.restore(sqlite_node, "b", 1, author="anna", reason="x", widening=3)
    policies.restore(
        sqlite_node, "b", 1, author="anna", reason="x", widening=3, confirmed=refused.value.gained
    )
    assert len(scene.names("b")) == 5


def test_drift_names_every_file_that_is_not_what_is_in_force(
    sqlite_node: Node, tmp_path: Path
) -> None:
    """The same, another text, another companion, never applied, unreadable, and no file."""
    Scene.set_up(sqlite_node)
    (tmp_path / "b.yaml").write_text(FIRST)
    (tmp_path / "b.expect.yaml").write_text("expectations: []\n")

    def states() -> dict[str, str]:
        return {one.policy: one.state for one in policies.drift(sqlite_node, tmp_path)}

    assert states() == {"b": "same", "c": "no file"}
    (tmp_path / "b.yaml").write_text(SECOND)
    (tmp_path / "renamed.yaml").write_text("name: c\n" + ALLOW_ALL.format(partner="c"))
    (tmp_path / "d.yaml").write_text(FIRST)
    (tmp_path / "e.yaml").write_text("{")
    assert states() == {"b": "differs", "c": "differs", "d": "not in force", "e": "cannot be read"}
    (tmp_path / "shared.yaml").write_text(SHARED)
    text = f"include: [shared.yaml]\n{FIRST}"
    (tmp_path / "b.yaml").write_text(text)
    policies.apply(sqlite_node, text, file="b.yaml", folder=tmp_path, author="anna")
    assert states()["b"] == "same"
    (tmp_path / "shared.yaml").write_text(SHARED + "# another\n")
    assert states()["b"] == "differs"


def test_apply_fails_where_an_expectation_breaks(sqlite_node: Node, tmp_path: Path) -> None:
    """The expectations beside the file are asked before anything comes into force."""
    scene = Scene.set_up(sqlite_node, policies_for=())
    scene.publish(indicator("one"), malware("two"))
    file = tmp_path / "b.yaml"
    file.write_text(FIRST)
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "two.json").write_text(json.dumps(malware("two")))
    (tmp_path / "b.expect.yaml").write_text(
        "expectations:\n  - name: malware is for B\n    file: samples/two.json\n"
        "    collection: indicators\n    expect: allow\n"
    )

    def go(text: str) -> policies.Applied:
        return policies.apply(sqlite_node, text, file=str(file), folder=tmp_path, author="anna")

    assert go(FIRST).version == 1
    with pytest.raises(PolicyInvalid, match=r"malware is for B: .*expected allow"):
        go(SECOND)
    assert policies.text_of(sqlite_node, "b") == FIRST
    (tmp_path / "b.expect.yaml").write_text("expectations: [{}]\n")
    with pytest.raises(PolicyInvalid, match=r"b\.expect\.yaml:1"):
        go(SECOND)
    (tmp_path / "b.expect.yaml").unlink()
    assert go(SECOND).version == 2
