"""Reviews and lists at the command line: what a partner disagrees with is listed, kept or revoked; what a list drops goes."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import select
from tests.cli.conftest import POLICY, Cli, indicator
from tests.scenes import uid

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.patterns import observables_of
from cert_exchange.node import open_node
from cert_exchange.services import publishing
from cert_exchange.store.tables import collections, identifiers, partner_identities


def publish(cli: Cli, *objects: dict[str, object]) -> None:
    assert cli("publish", "-", stdin=json.dumps({"objects": list(objects)}).encode()).code == 0


def disagree(home: Path, *about: str, name: str) -> None:
    """Partner cert-b posts its opinion."""
    node = open_node(home)
    with node.database.reading() as conn:
        partner, spoken = conn.execute(
            select(partner_identities.c.partner, partner_identities.c.stix_id)
        ).first() or (0, "")
        collection = conn.execute(
            select(collections.c.id).where(collections.c.retired_at.is_(None))
        ).scalar_one()
    opinion = {
        "type": "opinion", "spec_version": "2.1", "id": f"opinion--{uid(name)}",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z", "created_by_ref": spoken,
        "opinion": "disagree", "explanation": "our\x1b[31m CDN", "object_refs": list(about),
    }  # fmt: skip
    body = json.dumps({"objects": [opinion]}).encode()
    done = publishing.receive(node, body, partner=partner, collection=collection)
    assert done.outcomes[0].success
    node.close()


def test_what_is_disputed_is_listed_kept_or_revoked(cli: Cli, node_with_b: Path) -> None:
    """With who, why and the next step; a terminal is told nothing by a partner's control characters."""
    one, two = (indicator(number, confidence=90) for number in (1, 2))
    publish(cli, one, two)
    assert cli("review", "list").rows() == []
    disagree(node_with_b, str(one["id"]), str(two["id"]), name="cdn")
    rows = cli("review", "list").rows()
    assert {row["id"] for row in rows} == {one["id"], two["id"]}
    assert {(row["partner"], row["says"], row["state"]) for row in rows} == {
        ("cert-b", "disagree", "open")
    }
    assert "\x1b" not in rows[0]["because"]
    assert "CDN" in rows[0]["because"]
    assert "review list, then keep or revoke" in cli("doctor").out
    kept = cli(
        "review", "keep", str(one["id"]), "--reason", "seen", "--answer", "It was bad in May."
    )
    assert "1 dispute ended" in kept.err
    assert "cert-b told" in kept.err
    gone = cli("review", "revoke", str(two["id"]), "--reason", "theirs")
    assert "revoked; shown to cert-b" in gone.err
    assert cli("review", "list").rows() == []
    ended = cli("review", "list", "--ended", "--json").json()
    assert {(row["stix_id"], row["state"], row["remark"]) for row in ended} == {
        (one["id"], "kept", "seen"), (two["id"], "revoked", "theirs"),
    }  # fmt: skip
    assert cli("review", "keep", str(one["id"]), "--reason", "again").code == 3


def test_the_observable_that_stays_is_named(cli: Cli, node_with_b: Path) -> None:
    """It is an object of its own: who takes the indicator back is told that its value is still shared, and how to end that."""
    open_up = "rules:\n  - {name: Hosts, match: {type: ipv4-addr}, allow: true}\n"
    file = node_with_b / "policies" / "cert-b.yaml"
    file.write_text(POLICY.replace("rules:\n", open_up))
    assert cli("policy", "apply", file, "--reason", "test").code == 0
    values = ["45.9.1.71", "45.9.1.72", "45.9.1.73"]
    hosts = [observables_of([(Kind.IPV4, value)])[0] for value in values]
    made = [
        indicator(number, confidence=90, pattern=f"[ipv4-addr:value = '{value}']")
        for number, value in enumerate(values)
    ]
    publish(cli, *made, *hosts)
    disagree(node_with_b, str(made[0]["id"]), name="cdn")
    asked = (("review", "revoke"), ("revoke",), ("withdraw",))
    for words, one, host in zip(asked, made, hosts, strict=True):
        told = f"its observable {host['id']} is still shared"
        assert told in cli(*words, str(one["id"]), "--reason", "theirs").err
    assert "still shared" not in cli("withdraw", str(hosts[0]["id"]), "--reason", "theirs").err
    publish(cli, indicator(9, confidence=90, pattern=f"[ipv4-addr:value = '{values[0]}']"))
    gone = cli("revoke", str(indicator(9)["id"]), "--reason", "theirs")
    assert (gone.code, "still shared" in gone.err) == (0, False)


def test_another_indicator_on_the_same_value_is_named(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """What a second list says for a narrower circle stands beside the first: one revocation does not end both."""
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    for file in (first, second):
        file.write_text("45.9.1.70\n")
    assert cli("publish", first, "--tlp", "green").code == 0
    assert cli("publish", second, "--tlp", "amber").code == 0
    node = open_node(node_with_b)
    with node.database.reading() as conn:
        made = conn.execute(
            select(identifiers.c.stix_id).where(identifiers.c.stix_id.like("indicator--%"))
        )
        one, other = made.scalars()
    node.close()
    told = f"our indicator {other} on the same value is still shared"
    assert told in cli("revoke", one, "--reason", "theirs").err
    assert "on the same value" not in cli("revoke", other, "--reason", "theirs").err


def test_what_a_list_drops_is_shown_and_revoked(cli: Cli, node_with_b: Path) -> None:
    one, two = (indicator(number, confidence=90) for number in (1, 2))
    report = {
        "type": "report", "spec_version": "2.1", "id": f"report--{uid('list')}", "name": "list",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
        "published": "2026-01-01T00:00:00Z", "object_refs": [one["id"], two["id"]],
    }  # fmt: skip
    publish(cli, one, two, report)
    publish(cli, {**report, "modified": "2026-01-02T00:00:00.000Z", "object_refs": [two["id"]]})
    asked = ("delist", str(report["id"]), "--reason", "dropped")
    look = cli(*asked, "--dry-run")
    assert [row["id"] for row in look.rows()] == [one["id"]]
    assert "1 indicator would be revoked; nothing was changed" in look.err
    told = cli(*asked, "--json").json()
    assert told["revoked"] == 1
    assert told["indicators"] == [[one["id"], one["pattern"]]]
    assert told["lists"] == [report["id"]]
    assert cli("delist", str(one["id"]), "--reason", "x").code == 1
