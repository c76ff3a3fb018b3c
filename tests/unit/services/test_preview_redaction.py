"""Previews of policies that redact, by example on both engines: what is redacted, what is rewritten with it, what widens."""

from __future__ import annotations

import pytest
from tests.invariants.foretelling import assert_as_foretold
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    THIRD_IDENTITY,
    Scene,
    identity,
    indicator,
    malware,
    note,
    relationship,
    report,
)

from cert_exchange.errors import PolicyWidens
from cert_exchange.node import Node
from cert_exchange.services import policies
from cert_exchange.services.policies import dividing
from cert_exchange.store import statements

ALL = ALLOW_ALL.format(partner="b")
REDACTING = ALL.replace(
    "rules:\n",
    "rules:\n"
    "  - {name: no words, match: {origin: own, type: indicator}, redact: {remove: [description]}}\n",
)
ONE = indicator("one", description="seen by the honeypot in the cellar")
TWO, PLAIN = malware("two"), indicator("plain")
LINK = relationship(ONE, TWO)
ALONE = relationship(PLAIN, TWO)
SUMMARY = report("summary", [LINK["id"], TWO["id"]])


def look(node: Node, text: str) -> policies.Preview:
    return policies.preview(node, policies.check(node, text, file="b.yaml").policy, samples=100)


def filled(node: Node, text: str) -> Scene:
    """B sees what a policy lets it see of one indicator with words and what stands around it."""
    scene = Scene.set_up(node, policies_for=())
    scene.publish(ONE, TWO, PLAIN, LINK, ALONE, SUMMARY)
    scene.apply("b", text)
    return scene


def test_what_is_redacted_and_what_is_rewritten_with_it_is_counted_by_rule(node: Node) -> None:
    """The relationship that names the indicator, and the report that names the relationship; nothing else."""
    filled(node, ALL)
    told = look(node, REDACTING)
    (prospect,) = (one for one in told.prospects if one.collection == "indicators")
    assert (prospect.redacted, prospect.rewritten) == (1, 2)
    assert (prospect.gained, prospect.lost, prospect.changed) == (0, 0, 3)
    changes = {(c.shown, c.rule): set(c.samples) for c in prospect.changes}
    assert changes == {
        ("redacted", "no words"): {ONE["id"]},
        ("rewritten", "all of ours"): {LINK["id"], SUMMARY["id"]},
    }
    assert assert_as_foretold(node, "b", REDACTING) == {
        ("changed", "b", "indicators", one["id"]) for one in (ONE, LINK, SUMMARY)
    }


def test_an_edit_that_takes_the_same_away_changes_nothing(node: Node) -> None:
    """Another rule with another name, and the same renditions."""
    filled(node, REDACTING)
    assert not assert_as_foretold(node, "b", REDACTING.replace("no words", "silence"))
    told = look(node, REDACTING)
    (prospect,) = (one for one in told.prospects if one.collection == "indicators")
    assert (prospect.redacted, prospect.rewritten, prospect.changed) == (1, 2, 0)


def test_a_recipe_that_takes_more_changes_what_it_touches(node: Node) -> None:
    """The indicator says less under the same id, and what refers to it stays as it is."""
    filled(node, REDACTING)
    more = REDACTING.replace("[description]", "[description, name]")
    assert assert_as_foretold(node, "b", more) == {
        ("changed", "b", "indicators", ONE["id"]),
        ("changed", "b", "indicators", PLAIN["id"]),
        ("changed", "b", "indicators", ALONE["id"]),
    }


def test_showing_the_original_again_widens(sqlite_node: Node) -> None:
    """Nothing is gained and three are uncovered: that needs the same word as three new objects."""
    filled(sqlite_node, REDACTING)
    told = look(sqlite_node, ALL)
    assert (told.gained, told.changed, told.uncovered, told.widens) == (0, 3, 3, 3)
    checked = policies.check(sqlite_node, ALL, file="b.yaml")
    with pytest.raises(PolicyWidens, match="would show more of 3 objects; more than 2 need a word"):
        policies.weigh(sqlite_node, checked, most=2)
    policies.weigh(sqlite_node, checked, most=2, confirmed=3)
    assert_as_foretold(sqlite_node, "b", ALL)
    assert look(sqlite_node, REDACTING).widens == 0


def test_what_cannot_be_redacted_is_lost_with_what_needs_it(node: Node) -> None:
    """Its description says what its pattern must say too."""
    scene = filled(node, ALL)
    spoken = indicator("spoken", description="198.51.100.7")
    scene.publish(spoken, relationship(spoken, TWO))
    done = assert_as_foretold(node, "b", REDACTING)
    assert ("lost", "b", "indicators", spoken["id"]) in done
    assert ("lost", "b", "indicators", relationship(spoken, TWO)["id"]) in done


def test_what_cannot_be_rendered_is_lost_with_what_needs_it(node: Node) -> None:
    """Found only when the rendition is made: the pattern spells the id of what is derived."""
    scene = filled(node, ALL)
    pattern = f"[x-case:about = '{ONE['id']}']"
    spelt = indicator("spelt", x_about=ONE["id"], pattern=pattern)
    scene.publish(spelt, relationship(spelt, TWO))
    done = assert_as_foretold(node, "b", REDACTING)
    assert ("lost", "b", "indicators", spelt["id"]) in done
    assert ("lost", "b", "indicators", relationship(spelt, TWO)["id"]) in done
    back = assert_as_foretold(node, "b", ALL)
    assert ("gained", "b", "indicators", spelt["id"]) in back


def test_cut_references_do_not_wait(node: Node) -> None:
    """With `references: cut` a note comes without what stays hidden; the edit that shows that changes the note."""
    scene = Scene.set_up(node, policies_for=())
    hidden = malware("hidden", labels=["secret"])
    scene.publish(PLAIN, hidden, note("cut", [PLAIN["id"], hidden["id"]], abstract="by whom"))
    cutting = ALL.replace(
        "rules:\n",
        "rules:\n  - {name: secret, match: {labels: secret, origin: any}, deny: true}\n"
        "  - {name: notes, match: {origin: own, type: note},"
        " redact: {remove: [abstract], references: cut}}\n",
    )
    scene.apply("b", ALL)
    assert_as_foretold(node, "b", cutting)
    (made,) = (one for one in scene.sees("b") if one["type"] == "note")
    assert made["object_refs"] == [PLAIN["id"]]
    shown = cutting.replace("labels: secret", "labels: other")
    done = assert_as_foretold(node, "b", shown)
    assert ("changed", "b", "indicators", note("cut", [])["id"]) in done


def test_a_redacted_maker_rewrites_all_that_names_it(node: Node) -> None:
    """An identity that is carried without its contacts is a derivative, and so is what it made."""
    scene = Scene.set_up(node, policies_for=())
    scene.publish(
        identity(THIRD_IDENTITY, "third", contact_information="the duty desk, +00 0000"),
        malware("theirs", by=THIRD_IDENTITY),
    )
    scene.apply("b", ALL)
    text = ALL.replace(
        "rules:\n",
        "rules:\n  - {name: no contacts, match: {origin: own, type: identity},"
        " redact: {remove: [contact_information]}}\n",
    )
    told = look(node, text)
    (prospect,) = (one for one in told.prospects if one.collection == "indicators")
    assert (prospect.redacted, prospect.rewritten) == (1, 1)
    assert_as_foretold(node, "b", text)


def test_whole_in_one_collection_is_whole_in_both(node: Node) -> None:
    """A rule for one collection redacts nothing that the audience sees whole in the other; references stay."""
    scene = filled(node, ALL)
    scene.publish(ONE, to="reports")
    text = REDACTING.replace("type: indicator}", "type: indicator, collection: reports}")
    told = look(node, text)
    assert {one.collection: (one.redacted, one.rewritten) for one in told.prospects} == {
        "indicators": (0, 0), "reports": (1, 0),
    }  # fmt: skip
    assert_as_foretold(node, "b", text)


def test_what_they_sent_keeps_its_id_before_them(node: Node) -> None:
    """A derivative of ours that names B's own object names it by the id that B gave it."""
    scene = filled(node, ALL)
    theirs = indicator("of b", by=B_IDENTITY)
    scene.post("b", theirs)
    scene.publish(note("about", [theirs["id"], ONE["id"]]))
    assert_as_foretold(node, "b", REDACTING)
    (made,) = (one for one in scene.sees("b") if one["type"] == "note")
    assert theirs["id"] in made["object_refs"]
    assert ONE["id"] not in made["object_refs"]


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_see_what_one_sees(
    node: Node, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """What redaction leaves is put together from the spans like everything else."""
    scene = filled(node, ALL)
    for number in range(5):
        made = indicator(f"more {number}", description=f"told by source {number}")
        scene.publish(made, relationship(made, ONE), note(f"note {number}", [made["id"]]))
    policy = policies.check(node, REDACTING, file="b.yaml").policy
    alone = policies.preview(node, policy, samples=1_000)
    monkeypatch.setattr(dividing, "WORTH_DIVIDING", 0)
    assert policies.previews(node, [(policy, {})], samples=1_000, processes=processes) == (alone,)
    assert sum(one.redacted for one in alone.prospects) == 6
    assert sum(one.rewritten for one in alone.prospects) == 12


def removing(*properties: str) -> str:
    return REDACTING.replace("[description]", f"[{', '.join(properties)}]")


@pytest.mark.parametrize(
    ("before", "after", "uncovered"),
    [
        (("description",), ("name",), 1),  # one thing comes back, another goes
        (("description", "name"), ("description",), 2),  # PLAIN has no description: shown whole
        (("description",), ("description", "name"), 0),
        (("description",), ("description", "labels"), 0),
    ],
)
def test_taking_less_away_widens_and_taking_more_does_not(
    node: Node, before: tuple[str, ...], after: tuple[str, ...], uncovered: int
) -> None:
    """What is shown otherwise as a derivative counts as newly shown, but where it only says less."""
    filled(node, removing(*before))
    told = look(node, removing(*after))
    assert told.gained == 0
    if before == ("description", "name"):
        uncovered += 1  # and the relationship that is whole again with it
    assert (told.uncovered, told.widens) == (uncovered, uncovered)
    if uncovered:
        checked = policies.check(node, removing(*after), file="b.yaml")
        what = "1 object;" if uncovered == 1 else f"{uncovered} objects;"
        with pytest.raises(PolicyWidens, match=f"would show more of {what}"):
            policies.weigh(node, checked, most=0)
    assert_as_foretold(node, "b", removing(*after))


@pytest.mark.parametrize("verb", ["deny: true", "hold: {until: '2099-01-01T00:00:00Z'}"])
def test_hiding_what_is_redacted_does_not_widen(node: Node, verb: str) -> None:
    """The indicator goes with all that names it; the other and what is about it stay as they are."""
    filled(node, REDACTING)
    narrower = REDACTING.replace(
        "rules:\n",
        f"rules:\n  - {{name: not now, match: {{origin: own, type: indicator}}, {verb}}}\n",
    )
    told = look(node, narrower)
    assert (told.gained, told.uncovered, told.widens) == (0, 0, 0)
    assert told.lost > 0
    policies.weigh(node, policies.check(node, narrower, file="b.yaml"), most=0)


def test_an_older_derivative_ends_when_the_newest_version_is_shown_whole(node: Node) -> None:
    """Both are shown without their names; then the newer one, which has no words, has nothing to hide."""
    nameless = REDACTING.replace("[description]", "[description, name]")
    scene = filled(node, nameless)
    plain = indicator("one", version=1)
    scene.publish(plain)
    done = assert_as_foretold(node, "b", REDACTING)
    assert ("changed", "b", "indicators", ONE["id"]) in done
    shown = [one for one in scene.sees("b", last=False) if one["type"] == "indicator"]
    assert {one["id"] for one in shown if not one.get("revoked")} == {plain["id"], PLAIN["id"]}


def test_an_edit_that_takes_from_an_older_version_takes_it_from_the_newest(node: Node) -> None:
    """What the new recipe takes stands in the older version only, and is spelt in the newer one."""
    scene = filled(node, REDACTING)
    scene.publish(indicator("told", x_by="InformantMueller"))
    told = {**indicator("told", version=1), "labels": ["informantmueller", "useful"]}
    scene.publish(told)
    done = assert_as_foretold(node, "b", REDACTING.replace("[description]", "[description, x_by]"))
    assert ("changed", "b", "indicators", told["id"]) in done
    assert "nformant" not in str(scene.sees("b", last=False))


def test_apply_counts_objects_as_the_preview_does(sqlite_node: Node) -> None:
    """Three are shown otherwise, each by two lines: nothing is lost."""
    scene = filled(sqlite_node, ALL)
    done = scene.apply("b", REDACTING)
    assert (done.lost, done.otherwise) == (0, 3)
    assert scene.apply("b", REDACTING.replace("redact: {remove: [description]}", "deny: true")).lost


def test_a_switch_that_looks_at_a_few_at_a_time_ends_where_one_look_would(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large switch drops what it read of one part before the next: what the parts have to do with each other stays."""
    filled(node, ALL)
    monkeypatch.setattr(statements, "PART", 2)
    nothing = ALL.replace("rules:\n", "rules:\n  - {name: no, match: {origin: own}, deny: true}\n")
    for text in (REDACTING, REDACTING.replace("[description]", "[name]"), nothing, REDACTING, ALL):
        assert assert_as_foretold(node, "b", text)
