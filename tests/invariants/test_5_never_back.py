"""Invariant 5: what came from a partner never goes back to it, and to a third party only if all agree.

`A` in the middle: B sends, C is the third party. Markings, what the originator's terms say (statements, TLP) and our policy
must all allow it; each alone can stop it. Then a chain of three real nodes B -> A -> C, and a ring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    TLP,
    Scene,
    address,
    envelope,
    identity,
    indicator,
    malware,
    note,
    relationship,
    uid,
)

from cert_exchange.node import Node
from cert_exchange.services import ledger, partners, publishing, releasing
from cert_exchange.store.tables import audience_members, live, objects, release_log, views

TERMS = f"marking-definition--{uid('terms of b')}"


def policy(
    partner: str,
    *,
    origin: str = "any",
    ceiling: str = "red",
    statements: Iterable[str] = (),
    more: str = "",
    members: Iterable[str] = (),
) -> str:
    return (
        f"name: {partner}\npartners: [{', '.join(members) or partner}]\ncollections: [indicators, reports]\n"
        f"ceiling: {{tlp: {ceiling}, unmarked: clear, statements: [{', '.join(statements)}]}}\n"
        f"rules:\n  - {{name: all, match: {{origin: {origin}}}, allow: true}}\n{more}"
    )


def what_b_sends() -> list[dict[str, Any]]:
    """One of everything: its identity, indicators in two versions, relationships, notes about ours, observables."""
    one, two = indicator("b one", by=B_IDENTITY), malware("b two", by=B_IDENTITY)
    return [
        identity(B_IDENTITY, "CERT B"), one, two, relationship(one, two, by=B_IDENTITY),
        indicator("b one", by=B_IDENTITY, version=3), note("b says", [one["id"]], by=B_IDENTITY),
        address("192.0.2.77", x_from="b"), indicator("of nobody", by=None),
        note("b about ours", [indicator("ours")["id"]], by=B_IDENTITY),
    ]  # fmt: skip


def served_origins(scene: Scene, partner: str) -> set[int]:
    """The origins of everything that was ever released to a partner, not only what is in force."""
    with scene.node.database.reading() as conn:
        rows = conn.execute(
            select(objects.c.origin)
            .join(release_log, release_log.c.object == objects.c.id)
            .join(views, views.c.id == release_log.c.view)
            .join(audience_members, audience_members.c.audience == views.c.audience)
            .where(audience_members.c.partner == scene.partner(partner))
            .distinct()
        )
        return {row[0] for row in rows}


def test_nothing_goes_back_whatever_the_policy_says(node: Node) -> None:
    """The widest policy there can be, in every order of policy and posts, with late versions, copies and re-posts."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("b", policy("b"))
    scene.publish(indicator("ours"), address("192.0.2.78"))
    for one in what_b_sends():
        scene.post("b", one)
    scene.post("b", *what_b_sends(), to="reports")
    scene.apply(
        "b", policy("b", more="  - {name: partners too, match: {origin: partners}, allow: true}\n")
    )
    scene.publish(address("192.0.2.77", x_from="a"))
    scene.publish(indicator("ours", version=4))
    releasing.withdraw(node, address("192.0.2.77")["id"], by="desk", reason="wrong")
    releasing.free(node, address("192.0.2.77")["id"], by="desk", reason="right")
    scene.apply("c", policy("c"))
    assert scene.partner("b") not in served_origins(scene, "b")
    assert scene.partner("b") in served_origins(scene, "c")
    sent = {one["id"] for one in what_b_sends()} - {address("192.0.2.77")["id"]}
    for collection in ("indicators", "reports"):
        assert not sent & set(scene.ids("b", collection, last=False))
    copies = [
        one for one in scene.sees("b", last=False) if one["id"] == address("192.0.2.77")["id"]
    ]
    assert [one["x_from"] for one in copies] == ["a"]
    ledger.verify(node)


def test_what_comes_from_one_member_goes_to_none_of_its_audience(node: Node) -> None:
    """An audience of several: B's objects are denied to C too while they share a log (DECISIONS 28)."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("bc", policy("bc", members=("b", "c")))
    scene.publish(indicator("ours"))
    scene.post("b", *what_b_sends())
    scene.post("c", indicator("of c", by=C_IDENTITY))
    assert "ours" in scene.names("b")
    assert served_origins(scene, "b") == served_origins(scene, "c") == {0}


@pytest.mark.parametrize(
    ("tlp", "statement", "understood", "allowed"),
    [
        (tlp, statement, understood, allowed)
        for tlp, statement, understood, allowed in product(
            [None, *TLP], [False, True], [False, True], [False, True]
        )
        if statement or not understood
    ],
)
def test_a_third_party_gets_it_only_where_all_three_allow(
    sqlite_node: Node, tlp: str | None, statement: bool, understood: bool, allowed: bool
) -> None:
    """Markings, the originator's terms and our policy: the object moves on exactly when none of them says no."""
    scene = Scene.set_up(sqlite_node, policies_for=())
    terms = {
        "type": "marking-definition", "spec_version": "2.1", "id": TERMS, "created": "2026-01-01T00:00:00.000Z",
        "created_by_ref": B_IDENTITY, "definition_type": "statement", "definition": {"statement": "Ask us first."},
    }  # fmt: skip
    origin = "any" if allowed else "own"
    scene.apply("c", policy("c", origin=origin, statements=[TERMS] if understood else []))
    theirs = indicator("theirs", by=B_IDENTITY, tlp=tlp)
    if statement:
        theirs.setdefault("object_marking_refs", []).append(TERMS)
    assert all(
        one.success for one in scene.post("b", identity(B_IDENTITY, "CERT B"), terms, theirs)
    )
    wanted = tlp in (None, "clear", "green") and (understood or not statement) and allowed
    assert (theirs["id"] in scene.ids("c")) is wanted
    if wanted and statement:
        assert TERMS in scene.ids("c")  # with the terms beside it


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_chain_passes_on_bytes_and_creators_and_only_what_may_go(
    new_node: Callable[..., Node], engine: str
) -> None:
    """B -> A -> C: what arrives is what B wrote, byte for byte, and amber stops in the middle; C never sends it back."""
    a = Scene.set_up(new_node(engine, "a"), policies_for=())
    a.apply("c", policy("c"))
    a.apply("b", policy("b"))
    far = Scene.set_up(new_node("sqlite", "far"), partners_named=["a", "b"], policies_for=())
    with far.node.database.reading():
        pass
    partners.amend(
        far.node,
        "a",
        speaks_for=[f"identity--{uid('a')}"],
        relays=[THIRD_IDENTITY],
        relays_any=True,
    )
    far.apply("a", policy("a"))
    partners.amend(a.node, "b", speaks_for=[B_IDENTITY], relays=[THIRD_IDENTITY])
    sent = [
        identity(THIRD_IDENTITY, "a third"), indicator("green", by=THIRD_IDENTITY),
        indicator("amber", by=THIRD_IDENTITY, tlp="amber"), indicator("rösti", by=THIRD_IDENTITY, x_num=1.50),
    ]  # fmt: skip
    assert all(one.success for one in a.post("b", *sent))
    passed = bodies(a, "c")
    assert sent[2]["id"] not in str(passed)
    told = publishing.receive(
        far.node, b'{"objects":[' + b",".join(passed.values()) + b"]}",
        partner=far.partner("a"), collection=far.collection("indicators"),
    )  # fmt: skip
    assert [one.message for one in told.outcomes if not one.success] == []
    assert far.ids("a") == []  # nothing comes back to A, whoever made it
    with far.node.database.reading() as conn:
        from cert_exchange.store.tables import renditions

        kept = {row[0] for row in conn.execute(select(renditions.c.body))}
    assert {body.decode() for body in passed.values()} <= kept


def bodies(scene: Scene, partner: str) -> dict[int, bytes]:
    from cert_exchange.store.tables import renditions

    with scene.node.database.reading() as conn:
        rows = conn.execute(
            select(live.c.position, renditions.c.body)
            .join(renditions, renditions.c.id == live.c.rendition)
            .where(live.c.view == scene.view(partner), live.c.is_last == 1)
            .order_by(live.c.position)
        )
        return {row[0]: row[1].encode() for row in rows}


def test_a_ring_comes_to_rest(node: Node) -> None:
    """Our own object that returns by way of another partner moves nothing: no new line, no new version, no new owner."""
    scene = Scene.set_up(node, policies_for=())
    for partner in ("b", "c"):
        scene.apply(partner, policy(partner))
    scene.publish(indicator("ours"), address("192.0.2.80"))
    before = scene.log("b"), scene.log("c")
    for _ in range(3):
        for partner in ("b", "c"):
            scene.post(partner, *[one for one in scene.sees(partner) if one["type"] == "indicator"])
    assert (scene.log("b"), scene.log("c")) == before
    assert scene.ids("b").count(indicator("ours")["id"]) == 1
    assert [one["created_by_ref"] for one in scene.sees("b") if one["type"] == "indicator"] == [
        OWN_IDENTITY
    ]
    assert envelope(indicator("ours"))
