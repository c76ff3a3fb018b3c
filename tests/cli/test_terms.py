"""terms, mark and consent, and terms given while publishing, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import B_IDENTITY, POLICY, Cli, bundle, indicator

from cert_exchange.policy.sharing_terms import EXTENSION
from cert_exchange.stix.observables import observable_id


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "one.json"
    made.write_bytes(bundle(indicator(1, confidence=80)))
    return made


@pytest.fixture
def one() -> str:
    return str(indicator(1)["id"])


def test_terms_are_given_while_publishing(
    cli: Cli, node_with_b: Path, file: Path, one: str
) -> None:
    """The look before shows what they do and stores nothing; then they stand beside the object."""
    given = ("--not-to", "cert-b", "--purpose", "incident 5", "--onward", "none")
    looked = cli("publish", file, "--dry-run", *given)
    assert "cert-b: 1 object denied by terms" in looked.err
    assert cli("terms", "list", "--json").json() == []
    assert "no audience sees anything new" in cli("publish", file, *given).err
    (row,) = cli("terms", "list").rows()
    assert row["id"] == one
    assert row["what"] == "not to cert-b; purpose: incident 5; onward: none"
    assert cli("policy", "explain", one, "cert-b").out.count("our desk's: not to cert-b") >= 1


def test_terms_are_set_shown_and_cleared(cli: Cli, node_with_b: Path, file: Path, one: str) -> None:
    assert cli("publish", file).code == 0
    done = cli("terms", "set", one, "--embargo", "2 days", "--test", "--reason", "they asked")
    assert done.code == 0
    assert [row["line"] for row in done.rows() if row["id"] == one] == ["withdrawal"]
    assert "embargo until" in done.err
    assert [row["rule"] for row in cli("hold", "list").rows()] == ["terms"]
    shown = cli("terms", "show", one, "--json").json()
    assert shown["beside"][0]["copies"] == "every copy"
    assert "TEST" in shown["beside"][0]["said"]
    again = cli("terms", "set", one, "--clear", "--reason", "it is over")
    assert "nothing is said beside it any more" in again.err
    assert [row["line"] for row in again.rows() if row["id"] == one] == ["release"]
    for wrong in ((), ("--clear", "--test")):
        assert cli("terms", "set", one, *wrong, "--reason", "x").code == 1
    assert cli("terms", "set", one, "--not-to", "cert-x", "--reason", "x").code != 0
    assert "did you mean" in cli("terms", "set", one, "--not-to", "cert-bb", "--reason", "x").err


def test_a_marking_of_ours(cli: Cli, node_with_b: Path, file: Path, one: str) -> None:
    assert cli("publish", file).code == 0
    done = cli("mark", one, "--tlp", "red", "--reason", "it names a victim")
    assert "marked TLP:RED here" in done.err
    assert any(row["line"] == "withdrawal" for row in done.rows())
    assert cli("mark", one, "--tlp", "purple", "--reason", "x").code != 0
    assert cli("mark", one, "--tlp", "none", "--reason", "settled").code == 0


def test_consents(cli: Cli, node_with_b: Path) -> None:
    added = cli("partner", "add", "cert-c", "--title", "CERT C", "--country", "ee")
    assert added.code == 0
    assert cli("partner", "add", "cert-d", "--title", "D", "--country", "Estonia").code == 1
    given = cli(
        "consent", "give", "cert-b", "--to", "country:EE", "--until", "30 days",
        "--said-by", "Berta B.", "--note", "mail of Tuesday",
    )  # fmt: skip
    assert given.code == 0
    assert "consent 1 stands until" in given.err
    (row,) = cli("consent", "list").rows()
    assert (row["partner"], row["id"], row["to"]) == (
        "cert-b",
        "all that came from it",
        "country:EE",
    )
    to = ("--to", B_IDENTITY.replace("b0000000", "d0000000"), "--until", "1 day", "--said-by", "B.")
    assert cli("partner", "amend", "cert-c", "--speaks-for", to[1]).code == 0
    assert cli("consent", "give", "cert-b", *to).code == 0
    assert cli("consent", "list").rows()[1]["to"] == f"cert-c ({to[1]})"
    assert cli("consent", "end", "2", "--reason", "a test").code == 0
    assert cli("consent", "end", "1", "--reason", "they asked us to").code == 0
    assert cli("consent", "list", "--json").json() == []
    ended, _ = cli("consent", "list", "cert-b", "--ended", "--json").json()
    assert ended["ended_by"]
    assert ended["note"] == "mail of Tuesday"
    assert cli("consent", "end", "1", "--reason", "x").code != 0
    unknown = cli("consent", "give", "cert-x", "--to", "any", "--until", "1 day", "--said-by", "X")
    assert unknown.code != 0


def test_where_a_partner_is(cli: Cli, node_with_b: Path) -> None:
    assert cli("partner", "locate", "cert-b", "ee").code == 0
    (row,) = cli("partner", "list").rows()
    assert row["country"] == "EE"
    assert row["speaks for"] == B_IDENTITY
    assert cli("partner", "locate", "cert-b", "none").code == 0
    assert cli("partner", "list", "--json").json()[0]["country"] is None
    assert cli("partner", "locate", "cert-x", "EE").code != 0


def test_the_story_of_an_object_has_its_terms(
    cli: Cli, node_with_b: Path, file: Path, one: str
) -> None:
    assert "terms" not in cli("publish", file).out
    assert cli("show", one, "--json").json()[0]["terms"] == []
    assert cli("mark", one, "--tlp", "red", "--reason", "it names a victim").code == 0
    assert "our desk, every copy: marked TLP:RED here" in cli("show", one).out
    assert len(cli("show", one, "--json").json()[0]["terms"]) == 1


def test_terms_that_are_carried_reach_the_receiver(
    cli: Cli, node_with_b: Path, tmp_path: Path, one: str
) -> None:
    """In the bytes that the partner gets: partners by their identities; observables and definitions as they were."""
    address = {
        "type": "ipv4-addr", "spec_version": "2.1", "value": "198.51.100.7",
        "id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db",
    }  # fmt: skip
    file = tmp_path / "two.json"
    file.write_bytes(
        bundle(indicator(1, confidence=80, x_weight=1.5), address).replace(b"1.5", b"1.50")
    )
    assert cli("publish", file, "--carry").code == 1
    given = ("--only-to", "cert-b", "--only-to", "country:ee", "--onward", "ask")
    done = cli("publish", file, *given, "--carry")
    assert done.code == 0, done.err
    out = tmp_path / "seen.json"
    assert cli("export", "cert-b/indicators", out).code == 0
    text = out.read_text()
    seen = {item["id"]: item for item in json.loads(text)["objects"]}
    (carried,) = seen[one]["extensions"].values()
    assert carried == {
        "extension_type": "property-extension",
        "only_to": ["country:EE", B_IDENTITY],
        "onward": "ask",
    }
    assert "extensions" not in seen[address["id"]]
    assert '"x_weight":1.50' in text.replace(" ", "")
    assert "duplicate" in cli("publish", file, *given, "--carry").out
    assert cli("partner", "add", "cert-c", "--title", "CERT C").code == 0
    nameless = cli("publish", file, "--not-to", "cert-c", "--carry")
    assert "speaks for no identity" in nameless.err


def _exported(cli: Cli, out: Path, *options: str) -> dict[str, dict[str, object]]:
    assert cli("export", "cert-b/indicators", out, *options).code == 0
    return {item["id"]: item for item in json.loads(out.read_text())["objects"]}


def test_a_drill_never_looks_real(cli: Cli, node_with_b: Path, tmp_path: Path, one: str) -> None:
    """--test is in the bytes that the partner gets, also of what carries terms already; what cannot say it is counted."""
    policy = node_with_b / "policies" / "cert-b.yaml"
    policy.write_text(POLICY + "  - {name: Drill, match: {test: true}, allow: true}\n")
    assert cli("policy", "apply", policy, "--reason", "exercise").code == 0
    address = {
        "type": "ipv4-addr", "spec_version": "2.1", "value": "198.51.100.7",
        "id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db",
    }  # fmt: skip
    own_terms = {"extension_type": "property-extension", "onward": "free"}
    bearing = indicator(2, confidence=80, extensions={EXTENSION: own_terms})
    drill = tmp_path / "drill.json"
    drill.write_bytes(bundle(indicator(1, confidence=80), bearing, address))
    looked = cli("publish", drill, "--dry-run", "--test")
    assert "1 cyber-observable of the exercise cannot say TEST" in looked.err
    done = cli("publish", drill, "--test", "--onward", "none")
    assert done.code == 0, done.err
    assert "receivers are not told of --onward, and may give it on" in done.err
    seen = _exported(cli, tmp_path / "seen.json", "--tests")
    assert seen[one]["extensions"] == {
        EXTENSION: {"extension_type": "property-extension", "test": True}
    }
    assert seen[str(bearing["id"])]["extensions"] == {EXTENSION: {**own_terms, "test": True}}
    assert "extensions" not in seen[address["id"]]
    left = cli("export", "cert-b/indicators", tmp_path / "feed.json")
    assert "3 of an exercise left out; --tests writes them as well" in left.err
    feed = (tmp_path / "feed.json").read_text()
    assert all(name not in feed for name in (one, str(bearing["id"]), address["id"]))
    states = {row["id"]: row["status"] for row in cli("search").rows()}
    assert states[one] == states[address["id"]] == "accepted, TEST"
    assert "from own, accepted, TEST" in cli("show", address["id"]).out
    assert cli("show", one, "--json").json()[0]["test"] is True
    marked = f"{address['id']} is marked TEST: it belongs to an exercise"
    for command in (("fetched",), ("policy", "who")):
        told = cli(*command, address["id"])
        assert (told.code, marked in told.err) == (0, True)
    assert marked in cli("recall", address["id"], "--reason", "drill").err
    real = indicator(9, confidence=80)
    assert cli("publish", "-", stdin=bundle(real)).code == 0
    assert "TEST" not in cli("fetched", real["id"]).err + cli("show", real["id"]).out
    assert "is not told" in cli("terms", "set", one, "--test", "--reason", "drill").err


def test_a_drill_under_a_real_id_is_told(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """How many and which stay real, become real, or stay marked: before and after."""
    host = {
        "type": "ipv4-addr", "spec_version": "2.1", "value": "198.51.100.7",
        "id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db",
        "object_marking_refs": ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],
    }  # fmt: skip
    other = {**host, "value": "198.51.100.8"}
    other["id"] = observable_id(other)
    file = tmp_path / "hosts.json"
    file.write_bytes(bundle(host, other))
    assert cli("publish", "-", stdin=bundle(host)).code == 0
    stays = f"1 object is already published for real and stays so: {host['id']}"
    for options in (("--dry-run",), ()):
        told = cli("publish", file, "--test", *options)
        assert (told.code, stays in told.err) == (0, True), told.err
        assert "1 cyber-observable of the exercise cannot say TEST" in told.err
    real = "was marked TEST by an earlier publication and is real with this one"
    for options in (("--dry-run", "--json"), ()):
        told = cli("publish", file, *options)
        assert (told.code, f"1 object {real}: {other['id']}" in told.err) == (0, True), told.err
    assert cli("terms", "set", host["id"], "--test", "--reason", "drill").code == 0
    told = cli("publish", file)
    assert (told.code, "1 object is marked TEST and stays an exercise's" in told.err) == (
        1,
        True,
    ), told.err


def test_what_receivers_are_not_told_is_said(cli: Cli, node_with_b: Path, file: Path) -> None:
    """Of what they would have to know, also of whom terms leave out: their own rules would give it on. Not where carried."""
    given = ("--embargo", "2 days", "--purpose", "incident 5", "--onward", "ask")
    told = "receivers are not told of --embargo, --purpose, --onward, and may give it on as their own rules allow; --carry"
    assert told in cli("publish", file, "--dry-run", *given).err
    assert "not told" not in cli("publish", file, "--dry-run", *given, "--carry").err
    for option in ("--not-to", "--only-to"):
        ran = cli("publish", file, "--dry-run", option, "country:EE")
        assert f"receivers are not told of {option}, and may give it on" in ran.err
        assert "cyber-observables carry no terms" in ran.err
    assert "not told" not in cli("publish", file).err


LEFT_OUT = [
    (("--only-to", "cert-b", "--only-to", "cert-c"), {"onward": "none"}),
    (("--not-to", "cert-c", "--no-carry"), None),
]  # fmt: skip


@pytest.mark.parametrize(("given", "carried"), LEFT_OUT)
def test_what_we_make_says_how_far_it_may_go_and_names_no_other_partner(
    cli: Cli, node_with_b: Path, tmp_path: Path, given: tuple[str, ...], carried: object
) -> None:
    """A receiver's own rules would give it on to whom our terms leave out; none reads of another partner of ours."""
    assert cli("partner", "locate", "cert-b", "EE").code == 0
    assert cli("partner", "add", "cert-c", "--title", "CERT C").code == 0
    file = tmp_path / "list.txt"
    file.write_text("evil.test\n")
    ran = cli("publish", file, "--tlp", "green", "--format", "list", *given)
    assert ran.code == 0, ran.err
    assert ("receivers are not told" in ran.err) == (carried is None)
    out = tmp_path / "seen.json"
    assert cli("export", "cert-b/indicators", out).code == 0
    (made,) = (one for one in json.loads(out.read_text())["objects"] if one["type"] == "indicator")
    found = [
        {name: value for name, value in one.items() if name != "extension_type"}
        for one in made.get("extensions", {}).values()
    ]
    assert found == ([] if carried is None else [carried])
    assert "duplicate" in cli("publish", file, "--tlp", "green", "--format", "list", *given).err
