"""The way in: what is listed or lies with our own people is held, whoever sends it, until a person lets it in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    THIRD_IDENTITY,
    Scene,
    address,
    at,
    indicator,
    relationship,
)

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.services import doctoring, ledger, policies, screening
from cert_exchange.services.publishing import preview_publish
from cert_exchange.store.tables import ledger_lines, screens

ALL = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - {{name: all, match: {{origin: any}}, allow: true}}
"""
FILE = """\
territories: [protected.yaml]
lists: [keep-out.txt, dns.txt]
listed: {dns: pass}
"""
PROTECTED = (
    "name: Government\nkind: protected\nnetworks: [192.0.2.128/25]\ndomains: [gov.example]\n"
)


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


def about(name: str, value: str, **more: object) -> dict[str, object]:
    return indicator(name, pattern=f"[ipv4-addr:value = '{value}']", **more)


@pytest.fixture
def scene(node: Node, tmp_path: Path) -> Scene:
    """B and c get whatever policy may show them; what is looked for at the way in lies in `tmp_path`."""
    made = Scene.set_up(node, policies_for=())
    for name in ("b", "c"):
        made.apply(name, ALL.format(partner=name))
    (tmp_path / "protected.yaml").write_text(PROTECTED)
    (tmp_path / "keep-out.txt").write_text("198.51.100.0/24\nbad.example\n")
    (tmp_path / "dns.txt").write_text("203.0.113.53\n")
    return made


def look_for(scene: Scene, folder: Path, file: str = FILE) -> int:
    found = screening.check(scene.node, file, file="intake.yaml", folder=folder)
    return screening.apply(scene.node, found, by="anna", reason="agreed")


def held(scene: Scene, state: screening.State = screening.State.HELD) -> dict[str, str]:
    return {one.stix_id: one.what for one in screening.list_kept(scene.node, state=state)}


def test_what_is_found_waits_for_a_person_whoever_sends_it(scene: Scene, tmp_path: Path) -> None:
    """Listed, protected, unread: held with the reason. Passed lists, everything else and revocations: not."""
    look_for(scene, tmp_path)
    listed, safe = about("listed", "198.51.100.7"), about("safe", "203.0.113.1")
    resolver = about("resolver", "203.0.113.53")
    gov = indicator("gov", pattern="[domain-name:value = 'mail.gov.example']")
    yara = indicator("yara", pattern="rule x {condition: true}", pattern_type="yara")
    gone = about("gone", "198.51.100.8", revoked=True)
    told = scene.publish(listed, safe, resolver, gov, yara, gone)
    assert {one.result for one in told} == {"accepted"}
    assert "198.51.100.7" in told[0].message
    assert sorted(scene.names("b")) == ["gone", "resolver", "safe"]
    assert held(scene) == {
        listed["id"]: "listed keep-out",
        gov["id"]: "concerns protected",
        yara["id"]: "unread",
    }
    theirs = scene.posted("b", about("theirs", "198.51.100.9", by=B_IDENTITY))
    assert theirs.outcomes[0].success
    assert theirs.outcomes[0].message == ""
    assert "message" not in json.dumps(json.loads(theirs.status))
    assert "theirs" not in scene.names("c")
    assert screening.count_held(scene.node) == 4
    done = screening.let_in(scene.node, [listed["id"]], by="anna", reason="a sinkhole of ours")
    assert (done.versions, done.released) == (1, 2)
    assert "listed" in scene.names("b")
    done = screening.let_in(scene.node, what="listed keep-out", by="anna", reason="all of them")
    assert done.versions == 1
    assert "theirs" in scene.names("c")
    assert "theirs" not in scene.names("b")
    with pytest.raises(NotFound):
        screening.let_in(scene.node, what="listed keep-out", by="anna", reason="again")


def test_a_partner_is_told_the_same_as_if_nothing_had_been_found(
    scene: Scene, tmp_path: Path
) -> None:
    """The first time and repeated, with a list that holds and one that refuses: it must not read our lists."""
    sent = about("x", "198.51.100.9", by=B_IDENTITY)
    plain = [[one.success, one.message, one.result] for one in scene.post("b", sent)]
    plain += [[one.success, one.message, one.result] for one in scene.post("b", sent)]
    for number, action in enumerate(("hold", "refuse")):
        look_for(scene, tmp_path, f"{FILE.partition('listed')[0]}listed: {action}\n")
        other = about(f"y{number}", "198.51.100.9", by=B_IDENTITY)
        told = [[one.success, one.message, one.result] for one in scene.post("b", other)]
        told += [[one.success, one.message, one.result] for one in scene.post("b", other)]
        assert told == plain
    assert scene.names("c") == ["x"]
    assert list(held(scene, screening.State.REFUSED).values()) == ["listed keep-out"]


def test_our_desk_is_refused_what_the_file_refuses(scene: Scene, tmp_path: Path) -> None:
    """With what was found; nothing of it is stored."""
    look_for(scene, tmp_path, "lists: [keep-out.txt]\nlisted: refuse\n")
    (told,) = scene.publish(about("x", "198.51.100.9"))
    assert (told.success, told.result) == (False, "rejected")
    assert "198.51.100.0/24" in told.message
    assert held(scene) == held(scene, screening.State.REFUSED) == {}


def seen(scene: Scene) -> list[int]:
    """Which versions of an indicator b gets."""
    made = {at(number): number for number in range(10)}
    return [made[one["modified"]] for one in scene.sees("b") if one["type"] == "indicator"]


def test_a_later_version_comes_in_when_nothing_else_is_found(scene: Scene, tmp_path: Path) -> None:
    """What was let in once need not be asked about again; an older version stays while a newer one is held."""
    look_for(scene, tmp_path)
    scene.publish(about("x", "203.0.113.1"))
    scene.publish(about("x", "198.51.100.7", version=1))
    assert seen(scene) == [0]
    screening.let_in(scene.node, list(held(scene)), by="anna", reason="seen")
    scene.publish(about("x", "198.51.100.7", version=2))
    assert held(scene) == {}
    assert seen(scene) == [2]
    scene.publish(about("x", "198.51.100.8", version=3))
    assert len(held(scene)) == 1
    assert seen(scene) == [2]
    scene.publish(about("x", "198.51.100.8", version=4, tlp="red"))
    assert seen(scene) == []  # its markings count although it is held


def test_a_refused_version_goes_to_nobody_and_may_be_let_in_after_all(
    scene: Scene, tmp_path: Path
) -> None:
    look_for(scene, tmp_path)
    listed = about("listed", "198.51.100.7")
    scene.publish(listed)
    assert screening.refuse(scene.node, [listed["id"]], by="anna", reason="ours").versions == 1
    assert held(scene) == {}
    scene.apply("c", ALL.format(partner="c") + "unresolved: allow\n")
    assert scene.names("c") == scene.names("b") == []
    assert "refused at the way in" in _why(scene, listed["id"])
    screening.let_in(scene.node, [listed["id"]], by="bert", reason="not ours any more")
    assert scene.names("b") == ["listed"]


def _why(scene: Scene, stix_id: str) -> str:
    return policies.explain(scene.node, stix_id, partner="b").versions[0].reason


def test_what_refers_to_it_waits_and_explain_says_why(scene: Scene, tmp_path: Path) -> None:
    look_for(scene, tmp_path)
    one, other = about("one", "198.51.100.7"), about("other", "203.0.113.1")
    scene.publish(one, other, relationship(one, other))
    assert scene.names("b") == ["other"]
    (told,) = policies.explain(scene.node, one["id"], partner="b").versions
    assert (told.answer, told.rule) == ("held", "intake")
    assert "198.51.100.7" in told.reason
    assert ("hold intake", "held") in [(step.asked, step.answer) for step in told.steps]
    screening.let_in(scene.node, [one["id"]], by="anna", reason="seen")
    assert len(scene.names("b")) == 3


def test_no_way_leads_round_it(scene: Scene, tmp_path: Path) -> None:
    """Through a collection that is not screened, as another origin's copy, as a proposal, by applying a policy anew."""
    look_for(scene, tmp_path, FILE + "collections: [indicators]\n")
    one = about("one", "198.51.100.7", by=B_IDENTITY)
    scene.post("b", one, to="reports")
    assert scene.names("c", "reports") == ["one"]
    scene.post("b", one)
    assert held(scene) == {one["id"]: "listed keep-out"}
    assert scene.names("c") == []
    assert scene.names("c", "reports") == ["one"]  # what went out before is not called back
    scene.post("b", address("198.51.100.77"))
    scene.post("c", address("198.51.100.77"))
    assert scene.names("b") == scene.names("c") == []
    scene.post("b", about("two", "198.51.100.7", by=THIRD_IDENTITY))
    assert "two" not in scene.names("c")
    scene.apply("c", ALL.format(partner="c") + "unresolved: allow\n")
    assert scene.names("c") == []


def test_a_preview_of_publishing_says_it(scene: Scene, tmp_path: Path) -> None:
    look_for(scene, tmp_path)
    body = json.dumps({"objects": [about("listed", "198.51.100.7")]}).encode()
    seen = preview_publish(scene.node, body, collection="indicators")
    assert "held at the way in" in seen.outcomes[0].message
    assert {one.answer for one in seen.sighted} == {"held"}
    assert held(scene) == {}


def test_hold_release_does_not_let_it_in(scene: Scene, tmp_path: Path) -> None:
    """A rule's hold and the way in are two questions."""
    from cert_exchange.services import holding

    look_for(scene, tmp_path)
    listed = about("listed", "198.51.100.7")
    scene.publish(listed)
    assert holding.list_holds(scene.node) == []
    with pytest.raises(NotFound):
        holding.release_hold(scene.node, [listed["id"]], audience=None, by="anna", reason="x")


def test_mentions_are_looked_for_where_the_file_asks(scene: Scene, tmp_path: Path) -> None:
    look_for(scene, tmp_path, FILE + "mentions: {protected: hold}\n")
    told = about("told", "203.0.113.1", description="seen at mail[.]gov.example")
    scene.publish(told, about("other", "203.0.113.1", description="seen at example.org"))
    assert held(scene) == {told["id"]: "mentions protected"}


def test_a_file_that_cannot_be_read_any_more_holds_everything(scene: Scene, tmp_path: Path) -> None:
    """A row that somebody changed: nothing comes in unasked."""
    look_for(scene, tmp_path)
    scene.node.database.transact(lambda tx: tx.execute(update(screens).values(digest=b"\x01" * 32)))
    safe = about("safe", "203.0.113.1")
    scene.publish(safe)
    assert held(scene) == {safe["id"]: "unread"}
    assert scene.names("b") == []


def test_the_file_is_versioned_and_can_be_lifted(scene: Scene, tmp_path: Path) -> None:
    """The same text is the same version; orders stand in the ledger; an unknown collection is a mistake."""
    assert look_for(scene, tmp_path) == look_for(scene, tmp_path) == 1
    (tmp_path / "dns.txt").write_text("203.0.113.54\n")
    assert look_for(scene, tmp_path) == 2
    scene.publish(about("listed", "198.51.100.7"))
    screening.lift(scene.node, by="anna", reason="too much")
    assert screening.in_force(scene.node) is None
    with pytest.raises(NotFound):
        screening.lift(scene.node, by="anna", reason="again")
    scene.publish(about("free", "198.51.100.7"))
    assert scene.names("b") == ["free"]
    with pytest.raises(ConfigurationInvalid):
        look_for(scene, tmp_path, FILE + "collections: [nowhere]\n")
    with scene.node.database.reading() as conn:
        bodies = conn.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        lines = [decode_line(body) for body in bodies]
    kinds = [line.kind for line in lines if line.kind.startswith("intake")]
    assert kinds == ["intake-applied", "intake-applied", "intake-lifted"]
    assert [line.facts.get("kept_out") for line in lines if line.kind == "publish"][-2:] == [
        1,
        None,
    ]
    ledger.verify(scene.node)


def test_a_proposal_is_screened_when_it_counts(scene: Scene, tmp_path: Path) -> None:
    """Kept before its sender might speak for its creator, before anything was looked for, and sent again later."""
    from cert_exchange.services import partners

    sent = about("x", "198.51.100.7", by=THIRD_IDENTITY)
    assert scene.post("b", sent)[0].result == "proposal"
    look_for(scene, tmp_path)
    partners.amend(scene.node, "b", speaks_for=[B_IDENTITY, THIRD_IDENTITY], relays=[])
    assert scene.post("b", sent)[0].success
    assert held(scene) == {sent["id"]: "listed keep-out"}
    assert scene.names("c") == []
    assert C_IDENTITY not in held(scene)


def test_doctor_says_what_waits_and_that_a_file_was_not_applied(
    scene: Scene, tmp_path: Path
) -> None:
    """The file in the node's folder of policies is compared with what is in force, its lists included."""

    def told() -> list[str]:
        return [one.finding for one in doctoring.examine(scene.node) if one.about == "the way in"]

    assert told() == []
    folder = scene.node.settings.path(scene.node.settings.policies_directory)
    folder.mkdir(exist_ok=True)
    for name in ("protected.yaml", "keep-out.txt", "dns.txt"):
        (folder / name).write_text((tmp_path / name).read_text())
    (folder / "intake.yaml").write_text(FILE)
    assert told() == ["intake.yaml is not what is in force"]
    look_for(scene, tmp_path)
    assert told() == []
    (folder / "dns.txt").write_text("203.0.113.54\n")
    scene.publish(about("listed", "198.51.100.7"))
    assert told() == [
        "1 version held until a person lets them in",
        "intake.yaml is not what is in force",
    ]
