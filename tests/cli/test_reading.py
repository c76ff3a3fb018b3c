"""search, show, received, export, status: what the node holds, as its own people see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import B_IDENTITY, Cli, bundle, indicator

from cert_exchange.node import open_node
from cert_exchange.services import publishing

NAMES = indicator(5, name="Кампания «Снегопад» 雪", description='quoted "word" and \\ backslash')


@pytest.fixture
def published(cli: Cli, node_with_b: Path) -> Path:
    """Two indicators of ours, one of them named in other scripts; one from the partner."""
    assert cli("publish", "-", stdin=bundle(indicator(1), NAMES)).code == 0
    received(node_with_b, indicator(20, name="from b"))
    return node_with_b


def received(home: Path, *items: dict[str, object]) -> None:
    """What a partner posts, through the very service that its POST reaches."""
    node = open_node(home)
    try:
        publishing.receive(node, bundle(*items), partner=1, collection=1)
    finally:
        node.close()


@pytest.mark.parametrize("text", ["«Снегопад»", "雪", 'quoted "word"', "and \\ back"])
def test_search_finds_text_of_any_script_and_sign(cli: Cli, published: Path, text: str) -> None:
    """What a person types is found as it stands in the object, quotes and backslashes too."""
    found = cli("search", text, "--json").json()
    assert [hit["id"] for hit in found] == [NAMES["id"]]


def test_search_narrows_by_origin_type_and_collection(cli: Cli, published: Path) -> None:
    """Each option keeps what it names."""
    assert [h["id"] for h in cli("search", "--from", "cert-b", "--json").json()] == [
        indicator(20)["id"]
    ]
    assert len(cli("search", "--type", "indicator", "--json").json()) == 3
    assert len(cli("search", "--collection", "indicators", "--from", "own", "--json").json()) == 2
    assert cli("search", "198.51.100.1'", "--json").json()[0]["id"] == indicator(1)["id"]
    assert cli("search", indicator(1)["id"], "--json").json()[0]["label"] == "indicator 1"
    assert cli("search", "--from", "nobody").code == 3
    assert cli("search", "--since", "yesterday").code == 1


def test_percent_and_underscore_are_plain_signs(cli: Cli, published: Path) -> None:
    """What is a wildcard in SQL is none here."""
    assert cli("search", "indicator_1", "--json").json() == []
    assert cli("search", "%", "--json").json() == []


def test_only_the_newest_version_is_listed_unless_all_are_wanted(cli: Cli, published: Path) -> None:
    """An older version is history: `--all-versions` shows it."""
    newer = indicator(1, modified="2026-02-01T00:00:00.000Z", name="renamed")
    cli("publish", "-", stdin=bundle(newer))
    assert [h["label"] for h in cli("search", indicator(1)["id"], "--json").json()] == ["renamed"]
    assert len(cli("search", indicator(1)["id"], "--all-versions", "--json").json()) == 2


def test_show_tells_the_whole_story_of_an_object(cli: Cli, published: Path) -> None:
    """Content, collections, who sees it since when by which rule."""
    story = cli("show", NAMES["id"], "--json").json()[0]
    assert story["content"]["name"] == NAMES["name"]
    assert [row["collection"] for row in story["collections"]] == ["indicators"]
    assert [(row["audience"], row["rule"]) for row in story["visible_to"]] == [("cert-b", "Ours")]
    text = cli("show", NAMES["id"]).out
    assert "seen by cert-b in indicators" in text
    assert "雪" in text
    assert cli("show", "indicator--00000000-0000-4000-8000-00000000abcd").code == 3


def test_received_shows_what_came_and_what_was_refused(cli: Cli, published: Path) -> None:
    """Kept versions, and refusals with their reasons, of that partner alone."""
    received(published, indicator(21) | {"pattern": ""})
    document = cli("received", "cert-b", "--json").json()
    assert [hit["id"] for hit in document["kept"]] == [indicator(20)["id"]]
    assert [(row["kind"], row["stix_id"]) for row in document["refused"]] == [
        ("rejected", indicator(21)["id"])
    ]
    assert "1 version kept, 1 refused" in cli("received", "cert-b").err


def test_export_writes_the_view_as_one_bundle(cli: Cli, published: Path, tmp_path: Path) -> None:
    """A default client of the view would hold exactly these objects; nothing half-written stays behind."""
    file = tmp_path / "out.json"
    assert cli("export", "cert-b/indicators", file).code == 0
    document = json.loads(file.read_bytes())
    assert document["type"] == "bundle"
    assert {item["id"] for item in document["objects"]} == {indicator(1)["id"], NAMES["id"]}
    piped = cli("export", "cert-b/indicators", "-")
    assert json.loads(piped.out)["objects"] == document["objects"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["node", "out.json"]
    wrong = cli("export", "cert-b/nothing", tmp_path / "none.json")
    assert (wrong.code, (tmp_path / "none.json").exists()) == (3, False)
    assert "cert-b/indicators" in wrong.err


def test_export_overwrites_only_when_told_to(cli: Cli, published: Path, tmp_path: Path) -> None:
    """A file that is there stays as it is without --force; a place that cannot be written is named in a sentence."""
    file = tmp_path / "out.json"
    file.write_text("mine")
    ran = cli("export", "cert-b/indicators", file)
    assert (ran.code, "--force" in ran.err, file.read_text()) == (1, True, "mine")
    assert cli("export", "cert-b/indicators", file, "--force").code == 0
    assert len(json.loads(file.read_bytes())["objects"]) == 2
    ran = cli("export", "cert-b/indicators", tmp_path / "nowhere" / "out.json")
    assert ran.code == 1
    assert "cannot be written: No such file" in ran.err
    assert "folder that exists" in ran.err


def test_an_empty_view_exports_a_bundle_without_objects(cli: Cli, node_with_b: Path) -> None:
    """STIX knows no empty lists."""
    assert "objects" not in json.loads(cli("export", "cert-b/indicators", "-").out)


def test_status_counts_what_is_where(cli: Cli, published: Path) -> None:
    """Ours, received, visible and how far the partner has fetched."""
    document = cli("status", "--json").json()
    collection = document["collections"][0]
    assert (collection["own"], collection["received"]) == (2, 1)
    view = document["views"][0]
    assert (view["visible"], view["readers"][0]["behind"], view["readers"][0]["fetched_to"]) == (
        2,
        2,
        None,
    )
    assert "cert-b/indicators" in cli("status").out


def test_nothing_a_partner_wrote_reaches_the_terminal_raw(cli: Cli, published: Path) -> None:
    """Escape sequences, carriage returns and turned writing are shown, not obeyed."""
    evil = indicator(30, name="\x1b[2Jgone\rback \u202egnihton \u009b31m")
    received(published, evil)
    for command in (["search", "gone"], ["received", "cert-b"], ["show", evil["id"]]):
        ran = cli(*command)
        assert "gone" in ran.out
        assert not set(ran.out + ran.err) & {"\x1b", "\r", "\u202e", "\u009b"}
    document = cli("search", "gone", "--json")
    assert not set(document.out) & {"\x1b", "\r", "\u202e", "\u009b"}
    assert document.json()[0]["label"] == evil["name"]
    assert B_IDENTITY not in document.out
