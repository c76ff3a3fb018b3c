"""What our own people are told of derivatives: preview, show, explain, who, sees, withheld, fetched and recall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import B_IDENTITY, POLICY, Cli, Homes, bundle, indicator

from cert_exchange.messages import answers
from cert_exchange.node import open_node
from cert_exchange.services import holdings, publishing
from cert_exchange.stix.instants import format_micros

SECRET = "seen by the honeypot in the cellar"
ONE = indicator(1, confidence=80, description=SECRET)
RULE = (
    "rules:\n  - {name: no words, match: {type: indicator}, redact: {remove: [description]},"
    " reason: they name our sources}\n"
)


@pytest.fixture
def redacting(cli: Cli, node_with_b: Path, homes: Homes) -> str:
    """cert-b sees an indicator without its description; the id under which it does."""

    def make() -> str:
        assert cli("publish", "-", stdin=bundle(ONE)).code == 0
        file = node_with_b / "policies" / "cert-b.yaml"
        file.write_text(POLICY.replace("rules:\n", RULE))
        looked = cli("policy", "preview", file)
        row = looked.out.splitlines()
        assert any("changed, redacted" in line and ONE["id"] in line for line in row), looked.out
        assert "1 gained, 0 lost, 1 changed" in looked.err  # our identity comes along, who made it
        assert cli("policy", "apply", file, "--reason", "test").code == 0
        (stand,) = cli("show", ONE["id"], "--json").json()[0]["shown_as"]
        assert (stand["audience"], stand["withheld"]) == ("cert-b", ["properties"])
        return str(stand["id"])

    return str(homes.lay("redacting", node_with_b, make))


def test_show_tells_what_stands_for_what(cli: Cli, redacting: str) -> None:
    """By either id; the derivative's content is what the partner has."""
    original = cli("show", ONE["id"]).out
    assert f"cert-b is shown {redacting} version " in original
    assert ", without properties, in indicators since " in original
    assert "seen by nobody" not in original
    derivative = cli("show", redacting)
    assert f"stands for {ONE['id']} before cert-b, without properties, in indicators" in (
        derivative.out
    )
    assert SECRET not in derivative.out
    found = [row["id"] for row in cli("search", "--type", "indicator", "--json").json()]
    assert found == [ONE["id"]]


def test_a_proposal_about_a_derivative_says_what_for_and_what_changes(
    cli: Cli, redacting: str, node_with_b: Path
) -> None:
    """The original's id, and what differs from what its sender was shown: nothing that was withheld."""
    node = open_node(node_with_b)
    (shown,) = [one for one in holdings.show(node, redacting) if one.hit.stix_id == redacting]
    now = node.now()
    changed = {**shown.content, "confidence": 20, "modified": format_micros(now)}
    made = answers.write_proposal(
        answers.Proposal(redacting, shown.hit.version, json.dumps(changed)), [], "weak",
        stix_id="note--5f8b2c1e-0b7a-4d57-9a39-6a1a9d9d3c11", creator=B_IDENTITY, now=now,
    )  # fmt: skip
    body = json.dumps({"objects": [made]}).encode()
    assert publishing.receive(node, body, partner=1, collection=1).outcomes[0].success
    node.close()
    (row,) = cli("proposals", "list").rows()
    told = cli("proposals", "show", row["number"])
    assert f"stands for\t{ONE['id']}" in told.out
    assert "as its sender was shown it" in told.out
    assert "confidence\t80\t20" in told.out
    assert f"stands for {ONE['id']} in somebody's view; publish that one anew" in told.err
    document = cli("proposals", "show", row["number"], "--json").json()
    assert document["stands_for"] == ONE["id"]
    assert document["changes"] == {"confidence": {"before": 80, "after": 20}}
    assert SECRET not in told.out + json.dumps(document)


def test_what_is_shown_more_of_is_named_in_the_sentences(
    cli: Cli, redacting: str, node_with_b: Path
) -> None:
    """A redaction that ends gives nothing new, and yet needs a word: both `preview` and the refusal say why."""
    assert cli("publish", "-", stdin=bundle(indicator(2, confidence=20))).code == 0
    settings = node_with_b / "node.yaml"
    settings.write_text(settings.read_text() + "policy_widening: 0\n")
    file = node_with_b / "policies" / "cert-b.yaml"
    file.write_text(POLICY)
    looked = cli("policy", "preview", file)
    assert "0 gained, 1 lost, 1 changed (1 of them shown more of)\nnext:" in looked.err
    assert "--confirm 1" in looked.err
    refused = cli("policy", "apply", file, "--reason", "agreed")
    assert refused.code == 1
    assert "policy cert-b would show more of 1 object; more than 0 need a word" in refused.err
    file.write_text(POLICY.replace("at_most: 29", "at_most: 9"))
    assert "1 gained, 1 lost, 1 changed (1 of them shown more of)" in (
        cli("policy", "preview", file).err
    )
    refused = cli("policy", "apply", file, "--reason", "agreed")
    assert "would newly show 1 object and show more of 1 object; more than 0" in refused.err
    assert "--confirm 2" in refused.err
    wrong = cli("policy", "apply", file, "--reason", "agreed", "--confirm", "1")
    assert "would newly show 1 object and show more of 1 object, and --confirm says 1" in wrong.err


def test_questions_are_answered_with_the_derivative(cli: Cli, redacting: str) -> None:
    """explain, who, sees and withheld name what is shown, and take its id for a question."""
    told = cli("policy", "explain", redacting, "cert-b").out
    assert told.startswith(f"{ONE['id']} before cert-b")
    assert f"shown as {redacting}, without properties" in told
    assert "by no words: they name our sources" in told
    assert f"shown as {redacting}" in cli("policy", "who", ONE["id"]).out
    around = cli("policy", "sees", "cert-b", ONE["id"]).out
    assert f"shown as {redacting}, without properties" in around
    (row,) = [r for r in cli("policy", "sees", "cert-b").rows() if r["type"] == "indicator"]
    assert (row["objects"], row["derived"]) == ("1", "1")
    (kept,) = cli("policy", "withheld", "cert-b", "--json").json()
    assert (kept["rule"], kept["answer"], kept["versions"]) == ("no words", "redacted", 1)


def test_a_recall_names_the_id_that_the_partner_knows(
    cli: Cli, redacting: str, node_with_b: Path
) -> None:
    """Asked for by what the partner calls it; the sentence for the telephone does not name ours."""
    from cert_exchange.node import open_node
    from cert_exchange.store.tables import live

    node = open_node(node_with_b)
    with node.database.reading() as tx:
        view, position = tx.execute(live.select().order_by(live.c.position.desc())).first()[:2]
    node.marks.advance(1, view, position)
    node.close()
    asked = cli("fetched", redacting)
    assert f"{redacting} is what was shown in place of {ONE['id']}" in asked.err
    assert any(f"shown as {redacting}" in row["why"] for row in asked.rows())
    ran = cli("recall", redacting, "--reason", "names a victim")
    assert ran.code == 0
    assert "taken back from cert-b" in ran.err
    (call,) = [line for line in ran.err.splitlines() if "call cert-b" in line]
    assert redacting in call
    assert f"cert-b was shown {redacting} version" in cli("show", ONE["id"]).out
    assert "without properties; it is not any more" in cli("show", ONE["id"]).out
    assert "without properties; it does not any more" in cli("show", redacting).out


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (("withdraw", "--reason", "x"), "1 version taken back from cert-b"),
        (("revoke", "--reason", "x"), "revoked by its version"),
        (("mark", "--tlp", "red", "--reason", "x"), "marked TLP:RED here"),
        (("terms", "set", "--not-to", "cert-b", "--reason", "x"), "not to cert-b"),
        (("terms", "show"), ""),
        (("policy", "who"), "1 audience sees it"),
    ],
)
def test_an_order_takes_the_id_that_the_partner_knows(
    cli: Cli, redacting: str, order: tuple[str, ...], said: str
) -> None:
    """A partner calls about what it was shown: its id is taken, the original is named, and the order is about that."""
    words = [*order]
    words.insert(2 if order[0] in ("terms", "policy") else 1, redacting)
    ran = cli(*words)
    assert ran.code == 0, ran.err
    assert f"{redacting} is what was shown in place of {ONE['id']}; that one is meant" in ran.err
    assert said in ran.err
    if order[0] in ("withdraw", "mark"):
        assert "in its place, without properties; it is not any more" in cli("show", ONE["id"]).out


def test_what_was_recalled_by_that_id_is_freed_by_it(cli: Cli, redacting: str) -> None:
    recalled = cli("recall", redacting, "--partner", "cert-b", "--reason", "x", "--freeze", "none")
    assert recalled.code == 0, recalled.err
    assert "in its place, without properties; it is not any more" in cli("show", ONE["id"]).out
    freed = cli("free", redacting, "--reason", "it was right")
    assert freed.code == 0, freed.err
    assert f"{redacting} is what was shown in place of {ONE['id']}" in freed.err
    assert f"shown as {redacting}" in cli("policy", "who", ONE["id"]).out
