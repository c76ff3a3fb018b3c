"""publish, withdraw and hold, as a person at the desk uses them."""

from __future__ import annotations

import gzip
import json
import shlex
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import POLICY, Cli, bundle, indicator

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "samples"


def write(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def test_publish_says_of_each_object_what_became_of_it(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """Accepted, duplicate and rejected stand side by side, each with its reason; a bad one spoils no other."""
    bad = indicator(2) | {"pattern": ""}
    file = write(tmp_path, "b.json", bundle(indicator(1), bad, indicator(3)))
    first = cli("publish", file)
    assert first.code == 1
    assert [row["result"] for row in first.rows()] == ["accepted", "rejected", "accepted"]
    assert "pattern" in first.rows()[1]["reason"]
    assert "2 accepted, 1 rejected" in first.err
    again = cli("publish", file)
    assert [row["result"] for row in again.rows()] == ["duplicate", "rejected", "duplicate"]


def test_published_objects_reach_the_audience_by_a_named_rule(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """The verdict says who sees how much by which rule."""
    ran = cli("publish", write(tmp_path, "b.json", bundle(indicator(1))))
    assert ran.code == 0
    assert "cert-b: 1 release by Ours" in ran.err
    assert cli("status", "--json").json()["views"][0]["visible"] == 1


def test_a_dry_run_stores_nothing_and_tells_who_would_see_what(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """What it says is what publishing then does (CASES M09)."""
    actor = {
        "type": "threat-actor",
        "spec_version": "2.1",
        "id": "threat-actor--00000000-0000-4000-8000-000000000009",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": "someone",
    }
    file = write(tmp_path, "b.json", bundle(indicator(1), indicator(2, confidence=10), actor))
    looked = cli("publish", "--dry-run", file)
    assert looked.code == 0
    seen = {
        row["id"].partition("--")[0] + row["id"][-1]: row["who would see it"]
        for row in looked.rows()
    }
    assert seen["indicator1"] == "cert-b: released by Ours"
    assert seen["indicator2"].startswith("cert-b: held by Weak evidence")
    assert seen["threat-actor9"].startswith("cert-b: denied by No actors (For the ministries")
    assert cli("search", "--type", "indicator").rows() == []
    done = cli("publish", file, "--json").json()
    assert {(line["answer"], line["rule"], line["objects"]) for line in done["lines"]} == {
        ("release", "Ours", 1)
    }


def test_a_dry_run_says_of_what_is_refused_that_nobody_sees_it(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """It blames no policy for that; what is stored already is seen by who sees it."""
    cli("publish", write(tmp_path, "a.json", bundle(indicator(1))))
    broken = indicator(2) | {"pattern": 5}
    looked = cli(
        "publish",
        "--dry-run",
        write(tmp_path, "b.json", bundle(broken, indicator(1), indicator(3))),
    )
    seen = {row["result"]: row["who would see it"] for row in looked.rows()}
    assert seen["rejected"] == "nobody: it would not be stored"
    assert seen["accepted"] == "cert-b: released by Ours"
    assert "policy" not in seen["duplicate"]


@pytest.mark.case("M09")
def test_a_dry_run_of_several_files_is_what_publishing_them_does(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """A relationship in the first file waits for the second only until that is looked at too."""
    related = {
        "type": "relationship",
        "spec_version": "2.1",
        "id": "relationship--00000000-0000-4000-8000-000000000009",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "relationship_type": "related-to",
        "source_ref": indicator(1)["id"],
        "target_ref": indicator(2)["id"],
    }
    both = [
        write(tmp_path, "a.json", bundle(indicator(1), related)),
        write(tmp_path, "b.json", bundle(indicator(2))),
    ]
    alone = cli("publish", "--dry-run", both[0], "--json").json()["seen"]
    assert {row["answer"] for row in alone if row["stix_id"] == related["id"]} == {"waiting"}
    for files in (both, both[::-1]):
        looked = cli("publish", "--dry-run", *files, "--json").json()
        assert {row["stix_id"]: row["answer"] for row in looked["seen"]} == {
            indicator(1)["id"]: "released",
            indicator(2)["id"]: "released",
            related["id"]: "released",
        }
    done = cli("publish", *both, "--json").json()
    assert [row["result"] for row in done["outcomes"]] == ["accepted"] * 3
    assert [(row["answer"], row["objects"]) for row in done["lines"]] == [("release", 3)]
    assert cli("status", "--json").json()["views"][0]["visible"] == 3


def test_gzip_and_standard_input_are_taken(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """A packed file, also of two members, and `-` are as good as a plain file."""
    whole = bundle(indicator(1))
    packed = gzip.compress(whole[:100]) + gzip.compress(whole[100:])
    assert cli("publish", write(tmp_path, "b.json.gz", packed)).rows()[0]["result"] == "accepted"
    assert cli("publish", "-", stdin=whole).rows()[0]["result"] == "duplicate"
    assert cli("publish", "-", stdin=gzip.compress(bundle(indicator(4)))).code == 0


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"not json", 1, "JSON"),
        (
            (SAMPLES / "stix" / "blackberry-romcom.json").read_bytes(),
            1,
            "STIX 2.0",
        ),
        (gzip.compress(bundle(indicator(1)), mtime=0)[:60], 1, "cut off"),
        (b"\x1f\x8b\x08garbage-garbage", 1, "cannot be unpacked"),
    ],
    ids=["no-json", "stix-2.0", "cut-gzip", "false-gzip"],
)
def test_what_is_no_stix_is_refused_in_a_sentence(
    cli: Cli, node_with_b: Path, tmp_path: Path, content: bytes, code: int, words: str
) -> None:
    """One sentence, no traceback, exit code 1."""
    ran = cli("publish", write(tmp_path, "b.json", content))
    assert ran.code == code
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_a_missing_file_is_found_before_anything_is_stored(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """Of several files none is published while one cannot be read or understood."""
    good = write(tmp_path, "good.json", bundle(indicator(1)))
    assert cli("publish", good, tmp_path / "none.json").code == 3
    bad = write(tmp_path, "bad.json", b"{")
    ran = cli("publish", good, bad)
    assert ran.code == 1
    assert "bad.json" in ran.err
    assert cli("search", "--type", "indicator").rows() == []


def test_a_gzip_bomb_is_cut_at_the_limit(tmp_path: Path) -> None:
    """Unpacking never makes more than the limit, however small the file."""
    from cert_exchange.cli.files import read_packed
    from cert_exchange.errors import BodyTooLarge

    bomb = write(tmp_path, "bomb.gz", gzip.compress(b" " * 20_000_000))
    with pytest.raises(BodyTooLarge, match="1,000,000"):
        read_packed(bomb, limit=1_000_000)


def test_a_real_bundle_is_published_whole(cli: Cli, node_with_b: Path) -> None:
    """The PoisonIvy report of 155 objects is accepted as published."""
    ran = cli("publish", SAMPLES / "stix" / "poisonivy.json", "--quiet")
    assert ran.code == 0
    assert ran.out == ""
    assert "155 objects published: 155 accepted" in ran.err


def test_a_withdrawal_is_told_line_by_line(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """What is taken back leaves the view, and the command says from whom."""
    cli("publish", write(tmp_path, "b.json", bundle(indicator(1))))
    ran = cli("withdraw", indicator(1)["id"], "--reason", "wrong")
    assert ran.code == 0
    assert [(row["audience"], row["line"]) for row in ran.rows()] == [("cert-b", "withdrawal")]
    assert cli("status", "--json").json()["views"][0]["visible"] == 0
    assert cli("withdraw", indicator(7)["id"], "--reason", "x").code == 3


def test_a_withdrawal_of_nothing_says_what_is_the_case(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """What is carried only, taken back already or blocked already ends with 1 and a sentence."""
    address = {
        "type": "ipv4-addr",
        "spec_version": "2.1",
        "id": "ipv4-addr--efcd5e80-570d-4131-b213-62cb18eaa6a8",
        "value": "198.51.100.3",
    }
    cli("publish", write(tmp_path, "b.json", bundle(indicator(1), address)))
    definition = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
    ran = cli("withdraw", definition, "--reason", "x")
    assert (ran.code, "carried along with what needs it" in ran.err) == (1, True)
    ran = cli("withdraw", indicator(1)["id"], "--collection", "indicators", "--reason", "x")
    assert ran.code == 0
    ran = cli("withdraw", indicator(1)["id"], "--reason", "x")
    assert (ran.code, "withdrawn already" in ran.err, ran.out) == (1, True, "")
    ran = cli("free", indicator(1)["id"], "--reason", "x")
    assert (ran.code, "is not blocked" in ran.err) == (1, True)
    ran = cli("free", address["id"], "--reason", "x")
    assert (ran.code, "is not blocked" in ran.err) == (1, True)
    assert cli("withdraw", address["id"], "--reason", "x").code == 0
    assert "blocked by our desk" in cli("show", address["id"]).out
    ran = cli("withdraw", address["id"], "--reason", "x")
    assert (ran.code, "withdrawn already" in ran.err) == (1, True)
    assert cli("free", address["id"], "--reason", "x").code == 0
    assert cli("status", "--json").json()["views"][0]["visible"] == 1


def test_holds_are_listed_and_released_by_a_person(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """A held object becomes visible when a person lets it go, and is listed until then."""
    cli("publish", write(tmp_path, "b.json", bundle(indicator(2, confidence=10))))
    held = cli("hold", "list", "--json").json()
    assert [(row["audience"], row["rule"], row["due_at"]) for row in held] == [
        ("cert-b", "Weak evidence", None)
    ]
    ran = cli("hold", "release", held[0]["stix_id"], "--reason", "looked at it")
    assert (ran.code, ran.err.strip()) == (0, "1 hold released")
    assert cli("hold", "list", "--json").json() == []
    assert cli("status", "--json").json()["views"][0]["visible"] == 1
    assert cli("hold", "release", held[0]["stix_id"], "--reason", "again").code == 3


@pytest.mark.parametrize(
    ("terms", "persons", "until", "then"),
    [
        ("approval", 1, "a person releases it", ""),
        ("{approval: true, approvals: 2}", 2, "2 persons release it", ""),
        (
            "{approval: true, approvals: 3, expires: 2h, then: deny}",
            3,
            "3 persons release it",
            "then it is denied",
        ),
        ("{until: '2099-01-01T00:00:00Z'}", 1, "2099-01-01T00:00:00.000000Z", ""),
    ],
)
def test_a_hold_says_alike_everywhere_who_ends_it(
    cli: Cli, node_with_b: Path, tmp_path: Path, terms: str, persons: int, until: str, then: str
) -> None:
    """Each command names as many persons as the rule asks for, and what an expiry does: one sentence, the dry run's too."""
    file = node_with_b / "policies" / "cert-b.yaml"
    file.write_text(POLICY.replace("hold: approval", f"hold: {terms}"))
    assert cli("policy", "apply", file, "--reason", "x").code == 0
    body = write(tmp_path, "b.json", bundle(indicator(2, confidence=10)))
    dry = cli("publish", "--dry-run", body).out
    cli("publish", body)
    listed = cli("hold", "list").out
    (line,) = (
        one for one in cli("show", indicator(2)["id"]).out.splitlines() if "held before" in one
    )
    assert f"by rule Weak evidence, until {until}" in line
    assert f"\t{until}" in listed
    (document,) = cli("show", indicator(2)["id"], "--json").json()
    (waiting,) = document["waiting"]
    assert waiting["approvals"] == persons
    assert waiting["then"] == ("deny" if then else None)
    if then:
        assert line.endswith(f": {then}")
        assert f": {then}\t" in listed
        assert f"until {until}, or 20" in dry
        assert f": {then})" in dry
    sentence = line.partition("until ")[2]
    assert f"until {sentence}" in cli("policy", "who", indicator(2)["id"]).out
    assert f"until {sentence}" in cli("policy", "sees", "cert-b", indicator(2)["id"]).out
    assert (
        f"until {sentence}\n"
        in cli("policy", "explain", indicator(2)["id"], "cert-b", "--brief").out
    )


def test_a_hold_that_several_release_says_who_did_and_how_many_must_follow(
    cli: Cli, node_with_b: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three persons: after the first two others are asked for, after the second one."""
    file = node_with_b / "policies" / "cert-b.yaml"
    file.write_text(POLICY.replace("hold: approval", "hold: {approval: true, approvals: 3}"))
    assert cli("policy", "apply", file, "--reason", "x").code == 0
    cli("publish", write(tmp_path, "b.json", bundle(indicator(2, confidence=10))))
    one = indicator(2)["id"]
    said = []
    for person in ("anna", "boris", "clara"):
        monkeypatch.setenv("CERT_EXCHANGE_OPERATOR", person)
        said.append(cli("hold", "release", one, "--reason", "looked").err.strip())
        shown = cli("show", one).out
        if person == "anna":
            assert "until 3 persons release it, so far anna" in shown
            assert "3 persons release it, so far anna" in cli("hold", "list").out
        if person == "boris":
            assert "so far anna, boris" in shown
            (document,) = cli("show", one, "--json").json()
            assert document["waiting"][0]["approved_by"] == ["anna", "boris"]
    assert said == [
        "1 hold approved; 2 other persons must approve as well",
        "1 hold approved; another person must approve as well",
        "1 hold released",
    ]
    assert "seen by cert-b" in shown


def test_a_collection_must_be_named_when_there_are_several(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """With one collection it is that one; with two the question names both."""
    other = (node_with_b / "collections" / "indicators.yaml").read_text()
    other = (
        other.replace("1fb3569d", "2fb3569d")
        .replace("indicators", "reports")
        .replace("Indicators", "Reports")
    )
    (node_with_b / "collections" / "reports.yaml").write_text(other)
    cli("collection", "load")
    ran = cli("publish", write(tmp_path, "b.json", bundle(indicator(1))))
    assert ran.code == 1
    assert "indicators, reports" in ran.err


def test_json_output_of_publish_is_one_document(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """A script reads outcomes and lines from one JSON document on standard output."""
    ran = cli("publish", write(tmp_path, "b.json", bundle(indicator(1))), "--json")
    document = json.loads(ran.out)
    assert document["outcomes"][0]["result"] == "accepted"
    assert document["lines"] == [
        {"audience": "cert-b", "answer": "release", "rule": "Ours", "objects": 1}
    ]


def test_the_walk_through_of_the_readme_shows_what_it_says(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command as it stands there but `serve`: cert-b sees one indicator, one is denied and two are held."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    home = tmp_path / "node"
    walk = (ROOT / "README.md").read_text().split("## Set up a node")[1].split("```")[1]
    ran = {}
    for line in walk.splitlines():
        words = shlex.split(line.replace("$CERT_EXCHANGE_HOME", str(home)), comments=True)[1:]
        words = [str(home) if word == "/srv/cert-exchange" else word for word in words]
        if words[:1] == ["cp"]:
            for folder in ("policies", "collections"):
                shutil.copytree(ROOT / folder, home / folder, dirs_exist_ok=True)
        elif words[:1] == ["cert-exchange"] and words[1] != "serve":
            done = cli(*words[1:])
            assert done.code == 0, (line, done.err)
            ran[" ".join(words[1:3])] = done
    seen = {row["type"]: row["objects"] for row in ran["policy sees"].rows()}
    assert seen == {"indicator": "1", "marking-definition": "1"}
    kept = [(row["answer"], row["rule"], row["versions"]) for row in ran["policy withheld"].rows()]
    assert sorted(kept) == [("denied", "ceiling", "1"), *[("held", "intake", "1")] * 2]
