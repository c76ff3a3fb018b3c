"""What a look before publishing says of what goes out redacted, is carried along, or needs two persons."""

from __future__ import annotations

import orjson
from tests.scenes import (
    ALLOW_ALL,
    THIRD_IDENTITY,
    Scene,
    identity,
    indicator,
    malware,
    relationship,
)

from cert_exchange.node import Node
from cert_exchange.services import publishing

ALL = ALLOW_ALL.format(partner="b")


def with_rule(rule: str) -> str:
    return ALL.replace("rules:\n", f"rules:\n  - {rule}\n")


def looked_at(node: Node, text: str, *objects: object) -> set[tuple[str, str, str, str]]:
    """(id, answer, rule, reason) of everything said about B."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("b", text)
    seen = publishing.preview_publish(
        node, orjson.dumps({"objects": objects}), collection="indicators"
    ).sighted
    return {(one.stix_id, one.answer, one.rule, one.reason) for one in seen}


def test_what_goes_out_redacted_is_released_as_a_derivative(node: Node) -> None:
    """Under the original's id, with what it goes without; what names it says so, too; nothing of it is denied."""
    one, two = indicator("one", description="seen by the honeypot"), malware("two")
    link = relationship(one, two)
    found = looked_at(
        node,
        with_rule("{name: no words, match: {type: indicator}, redact: {remove: [description]}}"),
        one, two, link,
    )  # fmt: skip
    mine = {said for said in found if said[0] in {one["id"], two["id"], link["id"]}}
    assert mine == {
        (one["id"], "released", "no words", "as a derivative, without description"),
        (two["id"], "released", "all of ours", ""),
        (link["id"], "released", "all of ours", "as a derivative, its references rewritten"),
    }


def test_what_is_redacted_and_waits_says_what_for(sqlite_node: Node) -> None:
    """A relationship that a rule redacts does not go out before both its ends do."""
    one, two = indicator("one"), malware("two", labels=["secret"])
    link = relationship(one, two, description="told by Fox")
    text = with_rule("{name: secret, match: {labels: secret}, deny: true}").replace(
        "rules:\n",
        "rules:\n  - {name: short, match: {type: relationship}, redact: {remove: [description]}}\n",
    )
    found = looked_at(sqlite_node, text, one, two, link)
    assert (link["id"], "waiting", "short", f"waits for {two['id']}") in found


def test_what_is_carried_along_is_not_also_denied(node: Node) -> None:
    """An identity that no rule lets stand in the collection goes out with what names it."""
    who = identity(THIRD_IDENTITY, "third")
    text = ALL.replace("match: {origin: own}", "match: {origin: own, type: malware}")
    assert text != ALL
    found = looked_at(node, text, who, malware("theirs", by=THIRD_IDENTITY))
    assert {said[1:] for said in found if said[0] == THIRD_IDENTITY} == {
        ("released", "carried", "")
    }


def test_a_hold_for_two_persons_says_two(sqlite_node: Node) -> None:
    """And one for one person says one."""
    one = indicator("one")
    text = with_rule("{name: both, match: {type: indicator}, hold: {approval: true, approvals: 2}}")
    (said,) = (said for said in looked_at(sqlite_node, text, one) if said[0] == one["id"])
    assert said[3].endswith("; until 2 persons release it")
