"""publish with MISP: an event by itself, and a feed by its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Cli

from cert_exchange.errors import InputRefused
from cert_exchange.intake.misp import read_manifest


def number(count: int) -> str:
    return f"11111111-2222-4333-8444-{count:012d}"


def feed(folder: Path) -> Path:
    """Two events and their manifest."""
    folder.mkdir()
    for count in (1, 2):
        attribute = {
            "uuid": number(10 + count), "type": "domain", "value": f"c{count}.evil.test", "to_ids": True,
        }  # fmt: skip
        event = {
            "uuid": number(count), "info": f"wave {count}", "date": "2026-11-02", "Tag": [{"name": "tlp:green"}],
            "Attribute": [attribute, {"uuid": number(20 + count), "type": "text", "value": "seen at a bank"}],
        }  # fmt: skip
        (folder / f"{number(count)}.json").write_text(json.dumps({"Event": event}))
    manifest = {number(count): {"info": f"wave {count}"} for count in (2, 1)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_feed_is_published_by_its_folder(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """Each event in the manifest's order, what could not be used with its id; a second time nothing is new."""
    folder = feed(tmp_path / "feed")
    ran = cli("publish", folder)
    assert ran.code == 0, ran.err
    said = ran.out + ran.err
    assert said.index("wave 2") < said.index("wave 1")
    assert f"attribute {number(21)}" in said
    assert "cert-b:" in ran.err
    again = cli("publish", folder / "manifest.json")
    assert "duplicate" in again.err
    assert "accepted" not in again.err


def test_a_feed_that_lacks_an_event_is_taken_in_no_part(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """The person is told which; a folder that is no feed is told so, too."""
    folder = feed(tmp_path / "feed")
    (folder / f"{number(1)}.json").unlink()
    ran = cli("publish", folder)
    assert ran.code != 0
    assert f"{number(1)}.json" in ran.err
    assert cli("status", "--json").json()["views"][0]["visible"] == 0
    assert "no feed of MISP" in cli("publish", tmp_path / "node").err


@pytest.mark.parametrize(
    "manifest", ["{}", "[]", "7", '{"../../etc/passwd": {}}', '{"x": 1}', f'{{"{number(1)}/../x": 1}}']
)  # fmt: skip
def test_a_manifest_names_events_and_no_other_files(manifest: str) -> None:
    """What is no UUID is refused: it would name a file."""
    with pytest.raises(InputRefused):
        read_manifest(manifest.encode())
