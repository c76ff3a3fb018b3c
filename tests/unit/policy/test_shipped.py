"""What is shipped is valid, fits together, and does on real data what its words say."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.policy.making import NOW, TLP2, context, subject

from cert_exchange.policy.collections import (
    CollectionFile,
    parse_collection,
    problems_of_collections,
)
from cert_exchange.policy.decide import Allow, Deny, DenyKind, Hold, decide
from cert_exchange.policy.document import (
    Policy,
    parse_policy,
    problems_of_names,
)
from cert_exchange.policy.doubts import warnings_of_policy
from cert_exchange.policy.expectations import SUFFIX, broken, parse_expectations
from cert_exchange.policy.screening import FILE_NAME
from cert_exchange.policy.subject import subject_of

ROOT = Path(__file__).parents[3]
NODES = [ROOT, ROOT / "deploy/demo/node-a", ROOT / "deploy/demo/node-b"]
FILES = [path for node in NODES for path in sorted(node.glob("[pl]*/*.yaml"))]
POLICIES = [path for path in FILES if not path.name.endswith(SUFFIX) and path.name != FILE_NAME]
EXPECTATIONS = [path for path in FILES if path.name.endswith(SUFFIX)]


AGREEMENTS = [path for node in NODES for path in sorted(node.glob("policies/agreements/*.yaml"))]


def read(path: Path, *, more: str = "") -> Policy:
    """A shipped policy with the files beside it; `more` is written on top of it."""
    beside = {
        str(file.relative_to(path.parent)): file.read_text("utf-8")
        for file in path.parent.glob("*/*")
    }
    return parse_policy(more + path.read_text(encoding="utf-8"), file=str(path), companions=beside)


def beside(path: Path) -> Path:
    """The policy beside which expectations lie."""
    return path.with_name(path.name.removesuffix(SUFFIX) + ".yaml")


@pytest.mark.parametrize("path", EXPECTATIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_expectations(path: Path):
    """They lie beside their policy, and it meets them."""
    expectations = parse_expectations(path.read_text("utf-8"), file=str(path))
    assert expectations.items
    assert broken(read(beside(path)), expectations, {}, now=NOW) == ()


@pytest.mark.parametrize("path", AGREEMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_agreement_goes_with_the_policy_and_its_expectations(path: Path):
    """Who names the shipped agreement, as its first lines say, still has a policy that can be applied."""
    policy = path.parents[1] / path.name
    agreed = read(policy, more=f"agreement: agreements/{path.name}\n")
    assert agreed.agreed is not None
    assert warnings_of_policy(agreed, str(policy), now=NOW) == ()
    of_this = [one for one in EXPECTATIONS if beside(one) == policy]
    assert of_this
    for one in of_this:
        expectations = parse_expectations(one.read_text("utf-8"), file=str(one))
        assert broken(agreed, expectations, {}, now=NOW) == ()


def collections_of(node: Path) -> tuple[CollectionFile, ...]:
    paths = sorted((node / "collections").glob("*.yaml"))
    return tuple(parse_collection(path.read_text("utf-8"), file=str(path)) for path in paths)


def sample(name: str) -> list[dict[str, Any]]:
    path = ROOT / "tests/samples" / name
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)["objects"]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_policy(path: Path):
    """It is valid, bears its file's name, names collections that exist, and gives no warning."""
    found = read(path)
    assert found.name == path.stem
    known = {name for item in collections_of(path.parents[1]) for name in (item.alias, item.uuid)}
    assert problems_of_names(found, {"cert-a", "cert-b"}, known, str(path)) == ()
    assert warnings_of_policy(found, str(path), now=NOW) == ()


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.name)
def test_the_collections_of_a_node(node: Path):
    """They are valid together, and one of them is an inbox: write-only."""
    found = collections_of(node)
    usual = {"indicators", "attack", "reports", "inbox", "answers"}
    assert usual <= {item.alias for item in found}
    assert problems_of_collections(found, {"cert-a", "cert-b"}) == ()
    inbox = next(item for item in found if item.alias == "inbox")
    assert inbox.read == ()
    assert inbox.write


def test_no_id_is_shipped_twice():
    """Two nodes never give two collections one address."""
    ids = [item.uuid for node in NODES for item in collections_of(node)]
    assert len(ids) == len(set(ids)) >= 15


def test_later_is_the_first_policy_without_one_rule():
    """The demo's change is one denial less, so that what arrives later is due to it alone."""
    before = read(ROOT / "deploy/demo/node-a/policies/cert-b.yaml")
    after = read(ROOT / "deploy/demo/node-a/later/cert-b.yaml")
    kept = [rule for rule in before.rules if rule.name != "Attribution stays at home"]
    assert list(after.rules) == kept
    assert len(kept) == len(before.rules) - 1
    assert (before.ceiling, before.collections) == (after.ceiling, after.collections)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_attack_knowledge_passes_by_its_statement(path: Path):
    """ATT&CK bears MITRE's statement and no TLP: what MITRE made is allowed, the rest is carried along."""
    found = read(path)
    where = context(members=frozenset(found.partners), collection="attack")
    objects = sample("attack/ics-attack-18.1.json.gz")
    allowed = [
        isinstance(decide(found, subject_of(item, origin="own", stored_at=NOW), where), Allow)
        for item in objects
        if item.get("created_by_ref")
    ]
    assert len(allowed) > 1_500
    assert all(allowed)


def test_what_the_demo_withholds_at_first():
    """Attribution is denied by its rule, servers wait for the takedown, unknown statements are stopped by the ceiling."""
    found = read(ROOT / "deploy/demo/node-a/policies/cert-b.yaml")
    report = sample("stix/elevator-Mandiant_APT1_Report.json")
    answers: dict[str, set[str]] = {}
    for item in report:
        decision = decide(found, subject_of(item, origin="own", stored_at=NOW), context())
        match decision:
            case Hold(due=due):
                assert due == NOW + 3 * 86_400_000_000
            case Deny(kind=kind):
                assert kind in {DenyKind.RULE, DenyKind.CEILING}
        answers.setdefault(decision.rule, set()).add(item["type"])
    assert set(answers) == {
        "Attribution stays at home", "Takedown first", "Indicators and reports", "ceiling"
    }  # fmt: skip
    assert answers["Attribution stays at home"] == {"threat-actor"}
    assert answers["Takedown first"] == {"infrastructure"}
    assert "ipv4-addr" in answers["Indicators and reports"]


def test_the_shipped_policy_of_two_national_certs():
    """Marked facts pass, forgotten markings and expired or doubtful indicators do not, nothing of ours is red."""
    found = read(ROOT / "policies/cert-b.yaml")

    def said(**content: Any) -> str:
        what = {"object_marking_refs": [TLP2["amber"]], **content}
        return decide(found, subject(what.pop("kind", "indicator"), **what), context()).rule

    assert said() == "Our indicators"
    assert said(kind="file", name="x") == "Our observables"
    assert said(kind="ipv4-addr", value="203.0.113.9") == "Hosts of theirs"
    assert said(kind="ipv4-addr", value="198.51.100.7") == "Hosts of neither side"
    assert said(kind="ipv4-addr", value="192.0.2.7") == "default"
    assert said(kind="ipv4-addr", value="192.0.2.200") == "Protected hosts stay at home"
    assert said(kind="url", value="https://x.gov.a.example/") == "Protected hosts stay at home"
    stix = {"pattern_type": "stix", "pattern": "[ipv4-addr:value = '192.0.2.200']"}
    assert said(**stix) == "Protected hosts in patterns"
    assert said(**{**stix, "pattern": "[ipv4-addr:value = '10.1.2.3']"}) == "No indicator at all"
    assert said(**{**stix, "pattern": "[ipv4-addr:value = '192.0.2.7']"}) == "Our indicators"
    assert said(pattern_type="yara", pattern="rule x {}") == "Our indicators"
    assert said(description="at 192.0.2[.]200") == "A text names a protected host"
    assert said(object_marking_refs=[]) == "ceiling"
    assert said(object_marking_refs=[TLP2["amber+strict"]]) == "ceiling"
    assert said(valid_until="2026-01-01T00:00:00Z") == "Expired indicators"
    assert said(confidence=15) == "Weak evidence"
    assert said(confidence=50, labels=["Draft"]) == "Internal handling"
    assert said(kind="vulnerability") == "Coordinated disclosure"
    assert said(kind="x-case-file") == "default"
    assert said(origin="cert-c") == "ceiling"
    green = [TLP2["green"]]
    community = "Community indicators of other partners"
    assert said(origin="cert-c", object_marking_refs=green) == community
    assert said(origin="cert-c", object_marking_refs=green, labels=["draft"]) == "Internal handling"
    assert said(origin="cert-b", object_marking_refs=green) == "origin"
