"""Safe editing: previews by example on both engines, and the word that widening needs."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select
from tests.invariants.foretelling import assert_as_foretold
from tests.scenes import (
    ALLOW_ALL,
    C_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    TLP,
    Scene,
    identity,
    indicator,
    malware,
    relationship,
    report,
    uid,
)

from cert_exchange.errors import PolicyReplaced, PolicyWidens
from cert_exchange.node import Node
from cert_exchange.policy.document import Policy
from cert_exchange.services import policies
from cert_exchange.services.policies import applying, dividing
from cert_exchange.store.tables import holds, ledger_lines, staged_losses
from cert_exchange.store.tables import policies as policy_table

GREEN = """\
partners: [{partners}]
collections: [{collections}]
ceiling: {{tlp: {tlp}, unmarked: green}}
rules:
  - name: indicators
    match: {{type: [indicator, relationship, report]}}
    allow: true
"""


def green(partners: str = "b", collections: str = "indicators", tlp: str = "green") -> str:
    return GREEN.format(partners=partners, collections=collections, tlp=tlp)


def look(node: Node, text: str, name: str = "b") -> policies.Preview:
    return policies.preview(node, policies.check(node, text, file=f"{name}.yaml").policy)


def test_it_shows_counts_rules_and_samples_and_changes_nothing(node: Node) -> None:
    """Per audience and collection: gained, lost, kept, by the rule that is responsible."""
    scene = Scene.set_up(node, policies_for=())
    amber = indicator("amber", tlp="amber")
    scene.publish(indicator("one"), indicator("two"), amber, malware("three"))
    scene.apply("b", ALLOW_ALL.format(partner="b"))
    tables = (policy_table, staged_losses, holds, ledger_lines)

    def sizes() -> list[Any]:
        with node.database.reading() as conn:
            return [
                conn.execute(select(func.count()).select_from(one)).scalar_one() for one in tables
            ]

    before = sizes()
    told = look(node, green())
    assert sizes() == before
    assert told.in_force == 1
    (first, second) = sorted(told.prospects, key=lambda one: one.collection)
    assert (first.collection, first.audience, first.members) == ("indicators", "b", ("b",))
    lost = {(c.rule, c.objects): c.samples for c in first.changes if c.kind == "lost"}
    assert lost["ceiling", 1] == (amber["id"],)
    assert lost["default", 1] == (malware("three")["id"],)
    assert (second.collection, second.gained, second.lost, second.kept) == ("reports", 0, 0, 0)
    assert_as_foretold(node, "b", green())


def test_a_first_version_counts_whole(node: Node) -> None:
    """A policy that was never in force shows everything that its audience gains, identities it needs included."""
    scene = Scene.set_up(node, policies_for=())
    scene.publish(identity(OWN_IDENTITY, "CERT A"), indicator("one"), indicator("two"))
    told = look(node, green())
    assert told.in_force is None
    rules = {c.rule: c.objects for p in told.prospects for c in p.changes}
    assert rules["indicators"] == 2
    assert rules["carried"] >= 1
    done = assert_as_foretold(node, "b", green())
    assert ("gained", "b", "indicators", OWN_IDENTITY) in done


def test_what_refers_to_something_hidden_goes_or_waits(node: Node) -> None:
    """A loss takes along what requires it; what is allowed and cannot come is counted as waiting."""
    scene = Scene.set_up(node, policies_for=())
    one, two = indicator("one"), malware("two")
    link = relationship(one, two)
    scene.publish(one, two, link, report("all", [link["id"]]))
    scene.apply("b", ALLOW_ALL.format(partner="b"))
    told = look(node, green(collections="indicators, reports"))
    (prospect,) = (p for p in told.prospects if p.collection == "indicators")
    lost = {c.rule: c.objects for c in prospect.changes if c.kind == "lost"}
    assert (lost["default"], lost["reference"]) == (1, 2)
    assert prospect.waiting == 2
    done = assert_as_foretold(node, "b", green(collections="indicators, reports"))
    assert ("lost", "b", "indicators", link["id"]) in done
    back = assert_as_foretold(node, "b", ALLOW_ALL.format(partner="b"))
    assert ("gained", "b", "indicators", link["id"]) in back


def test_another_last_version_is_a_change(node: Node) -> None:
    """When the newest version is held the one before it returns: changed, not lost."""
    scene = Scene.set_up(node, policies_for=())
    scene.publish(indicator("one"))
    scene.publish(indicator("one", version=1, labels=["look"]))
    scene.apply("b", ALLOW_ALL.format(partner="b"))
    text = ALLOW_ALL.format(partner="b") + (
        "  - {name: look first, match: {origin: own, labels: [look]}, hold: approval}\n"
    )
    told = look(node, text)
    (prospect,) = (p for p in told.prospects if p.collection == "indicators")
    assert (prospect.gained, prospect.lost, prospect.changed, prospect.held) == (0, 0, 1, 1)
    assert assert_as_foretold(node, "b", text) == {
        ("changed", "b", "indicators", indicator("one")["id"])
    }


def test_partners_that_join_and_leave(node: Node) -> None:
    """Who joins gets an audience of its own and gains all of it; who leaves loses all of it."""
    scene = Scene.set_up(node, policies_for=())
    scene.publish(indicator("one"))
    scene.post("c", indicator("theirs", by=C_IDENTITY))
    scene.apply("b", green())
    done = assert_as_foretold(node, "b", green(partners="b, c"))
    assert ("gained", "b.c", "indicators", indicator("one")["id"]) in done
    done = assert_as_foretold(node, "b", green(partners="c"))
    assert ("lost", "b", "indicators", indicator("one")["id"]) in done
    assert assert_as_foretold(node, "b", green(partners="b, c"))


def test_a_collection_more_and_one_less(node: Node) -> None:
    """A collection that is newly named is gained, one that is not named any more is lost."""
    scene = Scene.set_up(node, policies_for=())
    scene.publish(indicator("one"))
    scene.publish(indicator("two"), to="reports")
    scene.apply("b", green())
    done = assert_as_foretold(node, "b", green(collections="reports"))
    assert {
        ("gained", "b", "reports", indicator("two")["id"]),
        ("lost", "b", "indicators", indicator("one")["id"]),
    } <= done
    marking = {one for one in done if one[3] == TLP["green"]}
    assert len(marking) == 2


MALWARE = """\
partners: [b]
collections: [indicators]
ceiling: {tlp: green, unmarked: green}
rules:
  - name: look first
    match: {labels: [hold]}
    hold: approval
  - name: malware
    match: {type: malware}
    allow: true
"""
ALSO_IDENTITIES = MALWARE.replace("{type: malware}", "{type: [malware, identity]}")
FOURTH = f"identity--{uid('fourth')}"


def test_an_older_version_that_is_carried_stays(node: Node) -> None:
    """An edit that changes nothing shows nothing: what is carried stays, in all its versions."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("b", MALWARE)
    scene.publish(identity(THIRD_IDENTITY, "third"), malware("two", by=THIRD_IDENTITY))
    scene.publish(identity(THIRD_IDENTITY, "third", version=1))
    assert len([one for one in scene.ids("b", last=False) if one == THIRD_IDENTITY]) == 2
    assert not assert_as_foretold(node, "b", MALWARE + "# edited\n")


def test_what_stands_by_a_rule_is_not_carried_beside_it(node: Node) -> None:
    """The newest version of an identity is held, the one before it is allowed: it alone is seen, before and after."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("b", ALSO_IDENTITIES)
    scene.publish(identity(THIRD_IDENTITY, "third"), malware("two", by=THIRD_IDENTITY))
    scene.publish(identity(THIRD_IDENTITY, "third", version=1, labels=["hold"]))
    assert not assert_as_foretold(node, "b", ALSO_IDENTITIES + "# edited\n")


def test_an_identity_that_needs_a_hidden_one_cannot_be_carried(node: Node) -> None:
    """What needs it waits, through as many steps as there are."""
    scene = Scene.set_up(node, policies_for=())
    scene.publish(
        identity(FOURTH, "fourth", tlp="red"),
        identity(THIRD_IDENTITY, "third", by=FOURTH),
        malware("two", by=THIRD_IDENTITY),
    )
    (prospect,) = look(node, MALWARE).prospects
    assert (prospect.gained, prospect.waiting) == (0, 1)
    assert not assert_as_foretold(node, "b", MALWARE)


def test_what_is_carried_into_one_collection_is_visible_in_all(node: Node) -> None:
    """A reference is met where the audience sees its target anywhere; nothing changes by an edit that says the same."""
    text = MALWARE.replace("[indicators]", "[indicators, reports]") + (
        "  - {name: no identities, match: {type: identity, collection: reports}, deny: true}\n"
    )
    scene = Scene.set_up(node, policies_for=())
    scene.publish(identity(THIRD_IDENTITY, "third"), malware("one", by=THIRD_IDENTITY))
    scene.apply("b", text)
    scene.publish(malware("two", by=THIRD_IDENTITY), to="reports")
    assert scene.names("b", "reports") == ["two"]
    assert not assert_as_foretold(node, "b", text + "# edited\n")


def divided(node: Node) -> tuple[list[tuple[Policy, dict[str, str]]], list[policies.Preview]]:
    """Two policies over objects that refer to each other from anywhere, and the preview of each by this process."""
    scene = Scene.set_up(node, policies_for=())
    for number in range(6):
        one, two = (
            indicator(f"one {number}"),
            malware(f"two {number}", tlp=("green", "red")[number % 2]),
        )
        scene.publish(one, two, relationship(one, two), labelled(number))
    scene.publish(report("all", [indicator("one 0")["id"], malware("two 4")["id"]]))
    scene.publish(indicator("one 3", version=1, tlp="red"), identity(THIRD_IDENTITY, "third"))
    scene.post("c", indicator("theirs", by=C_IDENTITY, tlp="clear"))
    scene.apply("b", ALLOW_ALL.format(partner="b"))
    scene.apply("c", green(partners="c"))
    texts = {"b": green(collections="indicators, reports"), "c": MALWARE.replace("[b]", "[c]")}
    wanted = [
        (policies.check(node, text, file=f"{name}.yaml").policy, {}) for name, text in texts.items()
    ]
    alone = [policies.preview(node, policy, samples=1_000) for policy, _ in wanted]
    assert sum(one.lost for one in alone) > 10
    return wanted, alone


@pytest.mark.parametrize(("processes", "spans"), [(2, 2), (3, 32)])
def test_several_processes_see_what_one_sees(
    node: Node, monkeypatch: pytest.MonkeyPatch, processes: int, spans: int
) -> None:
    """A store that is divided among processes, references across the spans included, gives the same previews."""
    wanted, alone = divided(node)
    monkeypatch.setattr(dividing, "WORTH_DIVIDING", 0)
    monkeypatch.setattr(dividing, "SPANS", spans)
    assert policies.previews(node, wanted, samples=1_000, processes=processes) == tuple(alone)


def test_what_another_process_fails_to_look_at_is_looked_at_here(
    sqlite_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed on its way, it costs time and changes nothing."""
    wanted, alone = divided(sqlite_node)
    monkeypatch.setattr(dividing, "WORTH_DIVIDING", 0)
    monkeypatch.setattr(dividing, "SPANS", 4)
    killed = []

    def kill(done: int, total: int | None) -> None:
        assert total is not None
        assert done <= total
        for process in multiprocessing.active_children():
            process.kill()
            killed.append(process.pid)

    with structlog.testing.capture_logs() as logs:
        told = policies.previews(sqlite_node, wanted, samples=1_000, processes=2, progress=kill)
    assert told == tuple(alone)
    assert killed
    assert [one["event"] for one in logs] == ["preview-process-failed"]


def labelled(number: int) -> dict[str, Any]:
    """Indicators that another rule holds."""
    return indicator(f"held {number}", labels=["hold"])


# -- widening ----------------------------------------------------------------------------------------------------------


def many(scene: Scene, number: int) -> None:
    scene.publish(*(indicator(f"many {index}") for index in range(number)))


def weigh(node: Node, text: str, *, most: int, confirmed: int | None = None) -> None:
    policies.weigh(node, policies.check(node, text, file="b.yaml"), most=most, confirmed=confirmed)


def test_what_was_weighed_against_a_version_does_not_replace_another(node: Node) -> None:
    """Two persons at once: who confirmed nothing beside the old version does not undo a narrowing that came between."""
    scene = Scene.set_up(node, policies_for=())
    many(scene, 12)
    wide = green()
    narrow = wide.replace("allow: true", "deny: true")
    scene.apply("b", wide)
    again = policies.check(node, wide + "# a word\n", file="b.yaml")
    over = policies.weigh(node, again, most=10)
    assert over == 1
    scene.apply("b", narrow)
    with pytest.raises(PolicyReplaced, match="policy b came into force meanwhile"):
        policies.apply(node, again.policy.text, file="b.yaml", author="test", over=over)
    assert scene.names("b") == []
    with pytest.raises(PolicyWidens, match="--confirm"):
        policies.apply(node, again.policy.text, file="b.yaml", author="test", widening=10)
    policies.apply(node, again.policy.text, file="b.yaml", author="test", widening=20)
    assert len(scene.names("b")) == 12


def test_a_version_that_comes_between_weighing_and_switching_is_found(
    sqlite_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the switch itself, behind the heads' locks: nothing of the later one is half-done."""
    scene = Scene.set_up(sqlite_node, policies_for=())
    many(scene, 12)
    scene.apply("b", green())
    narrow = green().replace("allow: true", "deny: true")
    staged = applying.stage

    def between(*given: Any) -> dict[int, int]:
        seen = staged(*given)
        monkeypatch.setattr(applying, "stage", staged)
        scene.apply("b", narrow)
        return seen

    monkeypatch.setattr(applying, "stage", between)
    with pytest.raises(PolicyReplaced):
        policies.apply(
            sqlite_node, green() + "# a word\n", file="b.yaml", author="test", widening=10
        )
    assert scene.names("b") == []
    with sqlite_node.database.reading() as conn:
        assert conn.execute(select(func.max(policy_table.c.version))).scalar() == 2


def test_widening_needs_the_number_that_the_preview_showed(sqlite_node: Node) -> None:
    """More than the threshold is refused with a sentence that says what to run; the right number lets it pass."""
    scene = Scene.set_up(sqlite_node, policies_for=())
    many(scene, 12)
    gained = look(sqlite_node, green()).gained
    assert gained >= 12
    with pytest.raises(PolicyWidens, match=rf"--confirm {gained}") as refused:
        weigh(sqlite_node, green(), most=10)
    assert refused.value.gained == gained
    assert "preview" in refused.value.public
    weigh(sqlite_node, green(), most=10, confirmed=gained)
    weigh(sqlite_node, green(), most=gained)
    with pytest.raises(PolicyWidens):
        policies.apply(sqlite_node, green(), file="b.yaml", author="test", widening=10)
    assert look(sqlite_node, green()).in_force is None


@pytest.mark.parametrize(
    ("confirmed", "passes"),
    [(20, True), (19, True), (21, True), (16, False), (26, False), (0, False)],
)
def test_a_confirmation_that_is_far_off_is_refused(
    sqlite_node: Node, confirmed: int, *, passes: bool
) -> None:
    """It may differ by a tenth of what was confirmed: others publish between preview and apply."""
    scene = Scene.set_up(sqlite_node, policies_for=())
    scene.apply("b", green(collections="reports"))
    many(scene, 20)
    text = green()
    gained = look(sqlite_node, text).gained
    offset = gained - 20  # markings and identities that are carried
    if passes:
        weigh(sqlite_node, text, most=5, confirmed=confirmed + offset)
    else:
        with pytest.raises(PolicyWidens, match=f"--confirm {gained}"):
            weigh(sqlite_node, text, most=5, confirmed=max(confirmed + offset, 0))


def test_what_narrows_or_is_in_force_needs_no_word(sqlite_node: Node) -> None:
    """Losing never waits for a number, and the same text again is not looked at."""
    scene = Scene.set_up(sqlite_node, policies_for=())
    many(scene, 12)
    scene.apply("b", ALLOW_ALL.format(partner="b"))
    weigh(sqlite_node, ALLOW_ALL.format(partner="b"), most=0)
    weigh(sqlite_node, green(tlp="clear"), most=0)
