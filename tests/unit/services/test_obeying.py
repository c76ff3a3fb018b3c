"""What a partner's notice ends here: its own objects, at once, and nothing else (DECISIONS 20)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, address, indicator, report, uid

from cert_exchange.messages import notices
from cert_exchange.messages.notices import Notice, Reason
from cert_exchange.node import Node
from cert_exchange.services import holdings, ledger
from cert_exchange.store import receipts as rows

PASS_ON = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - name: everything
    match: {{origin: any}}
    allow: true
"""
LATER = 1_900_000_000_000_000


@pytest.fixture
def scene(node: Node) -> Scene:
    """What b sends is passed on to c."""
    scene = Scene.set_up(node, policies_for=("b",))
    scene.apply("c", PASS_ON.format(partner="c"))
    return scene


def notice(*ids: str, name: str = "notice", by: str = B_IDENTITY) -> dict[str, Any]:
    about = notices.notice_of(ids, Reason.MISTAKE, now=LATER)
    return notices.write_notice(about, stix_id=f"note--{uid(name)}", creator=by, now=LATER)


def recorded(scene: Scene) -> list[tuple[str | None, list[str]]]:
    with scene.node.database.reading() as tx:
        found = rows.every_notice(tx, received=True, limit=10)
        subjects = rows.subjects_of(tx, [one.id for one in found])
    return [(one.partner, subjects[one.id]) for one in found]


def test_a_notice_ends_what_its_sender_sent(scene: Scene) -> None:
    one, other = indicator("one", by=B_IDENTITY), indicator("other", by=B_IDENTITY)
    scene.post("b", one, other, report("r", [one["id"]], by=B_IDENTITY))
    assert sorted(scene.names("c")) == ["one", "other", "r"]
    (told,) = scene.post("b", notice(one["id"]))
    assert told.success
    assert scene.names("c") == [
        "other"
    ]  # what needed it went with it, and the notice stays with us
    assert recorded(scene) == [("b", [one["id"]])]
    (story,) = holdings.show(scene.node, one["id"])
    assert story.content["name"] == "one"
    assert [place.taken_back_by for place in story.memberships] == [scene.partner("b")]
    ledger.seal(scene.node)
    ledger.verify(scene.node)


def test_nothing_of_ours_and_of_others_ends(scene: Scene) -> None:
    ours, theirs, both = indicator("ours"), indicator("c's", by=C_IDENTITY), address("198.51.100.9")
    scene.apply("b", PASS_ON.format(partner="b"))
    scene.publish(ours, both)
    scene.post("c", theirs)
    scene.post("b", both)
    assert sorted(scene.names("b")) == ["198.51.100.9", "c's", "ours"]
    scene.post("b", notice(ours["id"], theirs["id"], both["id"]))
    assert sorted(scene.names("b")) == ["198.51.100.9", "c's", "ours"]
    assert sorted(scene.names("c")) == ["198.51.100.9", "ours"]
    assert recorded(scene) == [("b", [both["id"]])]


def test_who_may_not_speak_for_its_creator_ends_nothing(scene: Scene) -> None:
    """A note that is kept as a proposal says nothing that counts."""
    one = indicator("one", by=B_IDENTITY)
    scene.post("b", one)
    scene.post("c", notice(one["id"], by=C_IDENTITY, name="a"))
    scene.post("b", notice(one["id"], by=C_IDENTITY, name="b"))
    assert scene.names("c") == ["one"]
    assert [partner for partner, ids in recorded(scene) if ids] == []


def test_what_is_sent_again_is_put_back(scene: Scene) -> None:
    one = indicator("one", by=B_IDENTITY)
    scene.post("b", one)
    scene.post("b", notice(one["id"]))
    assert scene.names("c") == []
    scene.post("b", one)
    assert scene.names("c") == ["one"]


def test_in_one_batch_the_order_counts(scene: Scene) -> None:
    """A page may bring a notice and, after it, the object that is shared again; or both ends of a short life."""
    one, two = indicator("one", by=B_IDENTITY), indicator("two", by=B_IDENTITY)
    scene.post("b", one)
    scene.post("b", notice(one["id"], two["id"]), one)
    assert scene.names("c") == ["one"]
    scene.post("b", two, notice(two["id"], name="second"))
    assert scene.names("c") == ["one"]
    (story,) = holdings.show(scene.node, two["id"])
    assert [place.taken_back_by for place in story.memberships] == [scene.partner("b")]


def test_a_newer_version_is_visible_again(scene: Scene) -> None:
    one = indicator("one", by=B_IDENTITY)
    scene.post("b", one)
    scene.post("b", notice(one["id"]))
    scene.post("b", indicator("one", by=B_IDENTITY, version=5, description="mended"))
    assert [seen.get("description") for seen in scene.sees("c")][-1:] == ["mended"]


@pytest.mark.parametrize("together", [True, False])
def test_a_revocation_goes_on_to_who_has_the_object_from_us(scene: Scene, together: bool) -> None:
    """The notice of it is about what is revoked already; where only the notice came, the object goes."""
    one, two = indicator("one", by=B_IDENTITY), indicator("two", by=B_IDENTITY)
    scene.post("b", one, two)
    gone = indicator("one", by=B_IDENTITY, version=5, revoked=True)
    about = notices.notice_of([one["id"], two["id"]], Reason.REVOKED, now=LATER)
    told = notices.write_notice(about, stix_id=f"note--{uid('n')}", creator=B_IDENTITY, now=LATER)
    for batch in [(gone, told)] if together else [(gone,), (told,)]:
        scene.post("b", *batch)
    (seen,) = [seen for seen in scene.sees("c") if seen["type"] == "indicator"]
    assert (seen["id"], seen["revoked"]) == (one["id"], True)
    assert recorded(scene) == [("b", sorted([one["id"], two["id"]]))]


def test_no_content_profile_keeps_a_notice_out(scene: Scene) -> None:
    """Both sides agreed to indicators only; what takes one back is let in all the same."""
    folder = scene.node.settings.home / "policies"
    (folder / "agreements").mkdir(parents=True, exist_ok=True)
    (folder / "agreements" / "b.yaml").write_text(
        "partner: b\ntitle: Exchange\nparties:\n- {name: A, contacts: [a]}\n- {name: B, contacts: [b]}\n"
        "review: 2030-01-01\nprofile: {types: [indicator]}\n"
    )
    from cert_exchange.services import policies

    text = PASS_ON.format(partner="b") + "agreement: agreements/b.yaml\n"
    policies.apply(scene.node, text, file="b.yaml", author="test", folder=folder)
    one = indicator("one", by=B_IDENTITY)
    scene.post("b", one)
    (refused, told) = scene.post("b", report("r", [one["id"]], by=B_IDENTITY), notice(one["id"]))
    assert (refused.success, told.success) == (False, True)
    assert scene.names("c") == []


def test_our_own_desk_obeys_nobody(scene: Scene) -> None:
    """A notice that we publish ourselves takes nothing back: `withdraw` does."""
    one = indicator("one")
    scene.publish(one)
    scene.publish(notice(one["id"], by="identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"))
    assert "one" in scene.names("b")


def test_a_notice_is_read_as_what_was_written() -> None:
    assert isinstance(notices.read(notice("indicator--" + uid("x"))), Notice)
