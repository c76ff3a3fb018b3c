"""Scene: 5,000 infected hosts over three territories in one bundle, of which each partner gets exactly its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.scenes import TLP, Scene, at, uid

from cert_exchange.node import Node
from cert_exchange.services import policies
from cert_exchange.stix.observables import observable_id

HOSTS = 5_000
FEWER = 600
"""On PostgreSQL: that so many come in one bundle is no matter of the engine, and the protected are among these too."""
NETWORKS = ("44.1", "44.2", "44.3")  # ours, of CERT B, of CERT C
TERRITORIES = {
    "territories/own.yaml": "{name: Our constituency, kind: own, networks: [44.1.0.0/16]}",
    "territories/b.yaml": "{name: CERT B, kind: partner, partner: b, networks: [44.2.0.0/16]}",
    "territories/c.yaml": "{name: CERT C, kind: partner, partner: c, networks: [44.3.0.0/16]}",
    "territories/protected.yaml": "{name: Our embassies, kind: protected, networks: [44.2.0.0/28]}",
}
POLICY = f"""\
partners: [{{partner}}]
collections: [indicators]
ceiling: {{{{tlp: amber}}}}
territories: [{", ".join(TERRITORIES)}]
rules:
  - name: Hosts of theirs
    match: {{{{type: ipv4-addr, concerns: partner}}}}
    allow: true
  - name: What was seen on them
    match: {{{{type: [network-traffic, observed-data]}}}}
    allow: true
  - name: Protected hosts stay at home
    match: {{{{concerns: protected}}}}
    deny: true
"""


def address(number: int) -> str:
    return f"{NETWORKS[number % 3]}.{number // 3 // 256}.{number // 3 % 256}"


def seen_on(number: int) -> Iterator[dict[str, Any]]:
    """What a sinkhole saw of one host: its address, the connection with its source port, and when, to the second."""
    second = at(number)
    host = {"type": "ipv4-addr", "spec_version": "2.1", "value": address(number)}
    host["id"] = observable_id(host)
    traffic: dict[str, Any] = {
        "type": "network-traffic", "spec_version": "2.1", "start": second, "src_ref": host["id"],
        "src_port": 1_024 + number, "dst_port": 443, "protocols": ["ipv4", "tcp"],
    }  # fmt: skip
    traffic["id"] = observable_id(traffic)
    observed = {
        "type": "observed-data", "spec_version": "2.1", "id": f"observed-data--{uid(address(number))}",
        "created": at(0), "modified": at(0), "first_observed": second, "last_observed": second, "number_observed": 1,
        "object_refs": [host["id"], traffic["id"]],
    }  # fmt: skip
    for one in (host, traffic, observed):
        yield {**one, "object_marking_refs": [TLP["green"]]}


@pytest.mark.long
def test_each_partner_gets_exactly_its_hosts(node: Node):
    """B sees B's hosts with seconds and source ports, nobody sees ours or what is protected; once more brings nothing."""
    hosts = HOSTS if node.database.dialect == "sqlite" else FEWER
    scene = Scene.set_up(node, policies_for=())
    for partner in ("b", "c"):
        policies.apply(
            node, POLICY.format(partner=partner), file=f"{partner}.yaml", author="test", companions=TERRITORIES,
        )  # fmt: skip
    bundle = [one for number in range(hosts) for one in seen_on(number)]
    first = scene.publish(*bundle)
    assert len(first) == 3 * hosts

    theirs = {address(number) for number in range(hosts) if number % 3 == 1}
    protected = {f"44.2.0.{last}" for last in range(16)}
    sight = scene.sees("b")
    assert {one["value"] for one in sight if one["type"] == "ipv4-addr"} == theirs - protected
    assert {
        (one["start"], one["src_port"]) for one in sight if one["type"] == "network-traffic"
    } == {
        (at(number), 1_024 + number)
        for number in range(hosts)
        if number % 3 == 1 and address(number) not in protected
    }
    assert {one["id"] for one in sight} == {TLP["green"]} | {
        one["id"]
        for number in range(hosts)
        if address(number) in theirs - protected
        for one in seen_on(number)
    }
    assert {one["value"] for one in scene.sees("c") if one["type"] == "ipv4-addr"} == {
        address(number) for number in range(hosts) if number % 3 == 2
    }

    before = scene.log("b")
    again = scene.publish(*bundle)
    assert {outcome.result for outcome in again} == {"duplicate"}
    assert scene.log("b") == before

    explained = policies.explain(node, bundle[0]["id"], partner="b")
    assert "44.1.0.0 lies in 44.1.0.0/16 of own territory (Our constituency)" in repr(explained)


def first_kind_of_a_repetition(scene: Scene, item: dict[str, Any]) -> Any:
    (outcome,) = scene.publish(item)
    return outcome.kind


def test_a_network_that_changes_hands_takes_its_hosts_along(node: Node):
    """A changed territory counts with the next `apply`, and not before: what B lost is gone, what it gained is there."""
    scene = Scene.set_up(node, policies_for=())

    def apply(networks: str) -> policies.Applied:
        lands = TERRITORIES | {
            "territories/b.yaml": f"{{name: CERT B, kind: partner, partner: b, networks: {networks}}}"
        }
        return policies.apply(
            node, POLICY.format(partner="b"), file="b.yaml", author="test", companions=lands
        )

    def hosts() -> set[str]:
        return {one["value"] for one in scene.sees("b") if one["type"] == "ipv4-addr"}

    apply("[44.2.0.0/17]")
    scene.publish(*(one for number in range(300, 330) for one in seen_on(number)))
    assert hosts() == {address(number) for number in range(300, 330) if number % 3 == 1}

    changed = apply("[44.3.0.0/16]")
    # Ten hosts with what was seen on them, and the marking that nothing else needed until the gains bring it back.
    assert (changed.changed, changed.lost) == (True, 31)
    assert hosts() == {address(number) for number in range(300, 330) if number % 3 == 2}
    assert not apply("[44.3.0.0/16]").changed
