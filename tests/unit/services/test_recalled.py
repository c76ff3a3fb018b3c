"""What becomes of what a partner takes back: shared on with nobody, and in use here as the file of the way in says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.cases_m.conftest import everything
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, at, indicator, uid

from cert_exchange.errors import ConfigurationInvalid, PolicyInvalid
from cert_exchange.messages import notices
from cert_exchange.messages.notices import Reason
from cert_exchange.node import Node
from cert_exchange.services import feeding, holdings, overriding, recalling, releasing, screening
from cert_exchange.services.feeding import Format, Shelf, choose

BY: dict[str, Any] = {"by": "anna", "reason": "r"}
LATER = 1_900_000_000_000_000
VALUES = {"b": "203.0.113.1", "c": "203.0.113.2"}
MADE = {
    name: indicator(f"of {name}", pattern=f"[ipv4-addr:value = '{VALUES[name]}']", by=identity)
    for name, identity in (("b", B_IDENTITY), ("c", C_IDENTITY))
}


def choose_for(node: Node, text: str) -> None:
    screening.apply(node, screening.check(node, f"recalled: {text}\n", file="intake.yaml"), **BY)


def by_notice(scene: Scene, partner: str) -> None:
    said = notices.notice_of([MADE[partner]["id"]], Reason.MISTAKE, now=LATER)
    creator = MADE[partner]["created_by_ref"]
    written = notices.write_notice(
        said, stix_id=f"note--{uid(f'notice {partner}')}", creator=creator, now=LATER
    )
    scene.post(partner, written)


def by_delete(scene: Scene, partner: str) -> None:
    releasing.withdraw_submitted(
        scene.node, scene.caller(partner), scene.collection("indicators"), MADE[partner]["id"]
    )


def set_up(node: Node) -> tuple[Scene, Shelf]:
    """B and C send one each, D sees both, and a feed has both."""
    scene = Scene.set_up(node, partners_named=("b", "c", "d"))
    scene.apply("d", everything("d"))
    for name, made in MADE.items():
        scene.post(name, made)
    feeding.add(node, "all", choose(Format.LIST), by="anna")
    shelf = Shelf(node)
    assert feed(shelf) == set(VALUES.values())
    assert set(scene.names("d")) == {"of b", "of c"}
    return scene, shelf


def feed(shelf: Shelf) -> set[str]:
    body = shelf.serve("all").body
    assert body is not None
    return set(body.decode().split())


def found(node: Node, **more: Any) -> dict[str, str]:
    return {one.label: one.status for one in holdings.search(node, type_="indicator", **more)}


@pytest.mark.case("S26")
def test_each_partners_recall_is_honoured_as_it_was_chosen(node: Node) -> None:
    """Kept: our tools go on. Hidden: no search has it. By default marked. In every case nobody gets it from us."""
    try_it(node, by_notice)


def test_what_is_deleted_over_taxii_is_honoured_alike(sqlite_node: Node) -> None:
    """The other way to take something back."""
    try_it(sqlite_node, by_delete)


def try_it(node: Node, recall: Callable[[Scene, str], None]) -> None:
    scene, shelf = set_up(node)
    choose_for(node, "{b: keep, others: hide}")
    for partner in ("b", "c"):
        recall(scene, partner)
    assert scene.names("d") == []
    assert feed(shelf) == {VALUES["b"]}
    assert found(node) == {"of b": "withdrawn by its sender, in use here"}
    hidden = {"of c": "withdrawn by its sender, hidden from searches"}
    assert found(node, hidden=True) == {**found(node), **hidden}
    assert found(node, text=MADE["c"]["id"]) == hidden
    choose_for(node, "mark")
    assert feed(shelf) == set()
    assert found(node) == dict.fromkeys(("of b", "of c"), "withdrawn by its sender")
    assert scene.names("d") == []
    screening.lift(node, **BY)
    assert feed(shelf) == set()
    assert holdings.show(node, MADE["b"]["id"])[0].hit.status == "withdrawn by its sender"


def end_by_no_detect(scene: Scene) -> None:
    overriding.override(scene.node, MADE["b"]["id"], "no-detect", **BY)


def end_by_recall(scene: Scene) -> None:
    recalling.recall(scene.node, MADE["b"]["id"], freeze="none", **BY)


def end_by_revocation(scene: Scene) -> None:
    scene.post("b", {**MADE["b"], "modified": at(9), "revoked": True})


@pytest.mark.parametrize("end", [end_by_no_detect, end_by_recall, end_by_revocation])
def test_what_is_kept_ends_all_the_same(sqlite_node: Node, end: Callable[[Scene], None]) -> None:
    """By our desk's own word, and by its creator's revocation, which is no recall."""
    scene, shelf = set_up(sqlite_node)
    choose_for(sqlite_node, "keep")
    by_notice(scene, "b")
    assert VALUES["b"] in feed(shelf)
    end(scene)
    assert feed(shelf) == {VALUES["c"]}


def test_what_our_desk_took_back_is_kept_by_no_choice(sqlite_node: Node) -> None:
    """It is about what partners take back."""
    _, shelf = set_up(sqlite_node)
    choose_for(sqlite_node, "keep")
    releasing.withdraw(sqlite_node, MADE["b"]["id"], **BY)
    assert feed(shelf) == {VALUES["c"]}


@pytest.mark.parametrize("text", ["never", "{}", "{b: delete}", "[b]"])
def test_a_word_that_is_none_is_told(sqlite_node: Node, text: str) -> None:
    """With what can be written."""
    with pytest.raises(PolicyInvalid) as caught:
        choose_for(sqlite_node, text)
    assert "mark" in str(caught.value.problems) or "keep" in str(caught.value.problems)


def test_a_partner_that_is_not_there_is_a_mistake(sqlite_node: Node) -> None:
    """A misspelt name would leave its recalls to the default, in silence."""
    Scene.set_up(sqlite_node)
    with pytest.raises(ConfigurationInvalid, match="no such partner; there are: b, c"):
        choose_for(sqlite_node, "{cert-x: keep}")
