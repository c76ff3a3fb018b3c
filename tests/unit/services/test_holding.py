"""Holds with an owner, an expiry and two persons: who ends them, when, and that nothing goes out too soon."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import Wall
from tests.scenes import Scene, indicator

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.services import holding, ledger
from cert_exchange.services.holding import Released, Wanted

POLICY = """\
partners: [b]
collections: [indicators]
ceiling: {{tlp: amber, unmarked: green}}
rules:
{rules}
  - name: all
    match: {{origin: own}}
    allow: true
"""


def policy(*rules: str) -> str:
    """A policy with these hold rules: `name: hold` pairs about objects that have the name as a label."""
    said = ""
    for rule in rules:
        name, _, terms = rule.partition(": ")
        said += f"  - name: {name}\n    match: {{labels: {name}}}\n    hold: {terms}\n"
        said += f"    reason: because of {name}\n"
    return POLICY.format(rules=said.rstrip())


def held(*labels: str, version: int = 0) -> dict[str, object]:
    return indicator(" and ".join(labels), labels=list(labels), version=version)


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node, policies_for=())


def standing(scene: Scene) -> list[str]:
    return [one.rule for one in holding.list_holds(scene.node)]


def release(scene: Scene, *objects: dict[str, object], by: str = "anna") -> Released:
    ids = [str(one["id"]) for one in objects]
    return holding.release_hold(scene.node, ids, audience=None, by=by, reason="looked at it")


def pass_due(scene: Scene) -> int:
    count = 0
    while done := holding.release_due(scene.node):
        count += done
        assert count < 100
    return count


def test_an_expiry_denies_or_releases_as_the_rule_says(scene: Scene, wall: Wall) -> None:
    """Not a second before; and what expired stays so, whatever is reconsidered."""
    text = policy(
        "no: {approval: true, owner: duty officer, expires: 72h, then: deny}",
        "yes: {approval: true, expires: 72h, then: release}",
    )
    scene.apply("b", text)
    scene.publish(held("no"), held("yes"), held("no", "yes"))
    wall.forward(timedelta(hours=71))
    assert pass_due(scene) == 0
    assert scene.names("b") == []
    rows = {one.rule: one for one in holding.list_holds(scene.node)}
    assert (rows["no"].owner, rows["no"].then) == ("duty officer", "deny")
    assert (rows["yes"].owner, rows["yes"].then) == (None, "release")
    wall.forward(timedelta(hours=2))
    pass_due(scene)
    assert scene.names("b") == ["yes"]
    assert standing(scene) == []
    scene.apply("b", text + "# the same again, with a word\n")
    wall.forward(timedelta(days=9))
    pass_due(scene)
    assert scene.names("b") == ["yes"]
    assert standing(scene) == []
    ledger.verify(scene.node)


def test_an_expiry_counts_from_the_hold_not_from_storage(scene: Scene, wall: Wall) -> None:
    """A rule that is new holds what is old for its whole time: nothing goes out before anybody looked."""
    scene.apply("b", policy())
    scene.publish(held("ask"))
    assert scene.names("b") == ["ask"]
    wall.forward(timedelta(days=30))
    text = policy("ask: {approval: true, expires: 2 days, then: release}")
    scene.apply("b", text)
    assert scene.names("b") == []
    assert pass_due(scene) == 0
    wall.forward(timedelta(days=1))
    scene.apply("b", text + "# reconsidered\n")
    wall.forward(timedelta(days=1, minutes=1))
    assert pass_due(scene) == 1
    assert scene.names("b") == ["ask"]


def test_the_policy_in_force_says_what_an_expiry_does(
    scene: Scene, wall: Wall, monkeypatch
) -> None:
    """Changed from release to deny a moment before the worker comes, with its gains still to be looked for."""
    from cert_exchange.services.policies import applying

    scene.apply("b", policy("ask: {approval: true, expires: 1h, then: release}"))
    scene.publish(held("ask"))
    wall.forward(timedelta(hours=2))
    monkeypatch.setattr(applying, "continue_gains", lambda *_, **__: 0)
    scene.apply("b", policy("ask: {approval: true, expires: 1h, then: deny}"))
    pass_due(scene)
    assert scene.names("b") == []
    assert standing(scene) == []


def test_a_longer_expiry_is_waited_for(scene: Scene, wall: Wall) -> None:
    scene.apply("b", policy("ask: {approval: true, expires: 1h, then: release}"))
    scene.publish(held("ask"))
    scene.apply("b", policy("ask: {approval: true, expires: 5h, then: release}"))
    wall.forward(timedelta(hours=2))
    assert pass_due(scene) == 0
    assert scene.names("b") == []
    wall.forward(timedelta(hours=4))
    assert pass_due(scene) == 1
    assert scene.names("b") == ["ask"]


def test_two_persons_have_two_names(scene: Scene) -> None:
    """One person is one, however spelled; the second releases, and both stand in the ledger."""
    scene.apply("b", policy("ask: {approval: true, approvals: 2}"))
    scene.publish(held("ask"))
    assert release(scene, held("ask"), by="anna") == Released(0, 1, 1)
    for again in ("anna", "Anna", " ANNA "):
        with pytest.raises(InputRefused, match="another person"):
            release(scene, held("ask"), by=again)
    assert scene.names("b") == []
    (row,) = holding.list_holds(scene.node)
    assert (row.approvals, row.approved_by) == (2, ("anna",))
    assert release(scene, held("ask"), by="boris") == Released(1, 0)
    assert scene.names("b") == ["ask"]
    assert [line.by for line in lines(scene) if line.kind == "hold-released"] == ["anna", "boris"]
    ledger.verify(scene.node)


def lines(scene: Scene) -> list[ledger.Line]:
    from sqlalchemy import select

    from cert_exchange.store.tables import ledger_lines

    with scene.node.database.reading() as tx:
        bodies = tx.execute(select(ledger_lines.c.body).order_by(ledger_lines.c.id)).scalars()
        return [decode_line(body) for body in bodies]


def test_a_new_version_needs_its_own_persons(scene: Scene) -> None:
    scene.apply("b", policy("ask: {approval: true, approvals: 2}"))
    scene.publish(held("ask"))
    release(scene, held("ask"), by="anna")
    release(scene, held("ask"), by="boris")
    scene.publish(held("ask", version=1))
    assert standing(scene) == ["ask"]
    assert [one["modified"] for one in scene.sees("b") if one["type"] == "indicator"] == [
        held("ask")["modified"]
    ]


def test_a_policy_that_asks_for_more_persons_is_obeyed_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before its gains have looked at what was held under the old one."""
    from cert_exchange.services.policies import applying

    scene.apply("b", policy("ask: approval"))
    scene.publish(held("ask"))
    monkeypatch.setattr(applying, "continue_gains", lambda *_, **__: 0)
    scene.apply("b", policy("ask: {approval: true, approvals: 2}"))
    assert release(scene, held("ask"), by="anna") == Released(0, 1, 1)
    assert scene.names("b") == []


def test_several_rules_are_ended_one_after_the_other(scene: Scene) -> None:
    """What one person ended does not come back when the next rule's hold takes its place."""
    scene.apply("b", policy("first: approval", "second: approval"))
    scene.publish(held("first", "second"))
    assert release(scene, held("first", "second")) == Released(1, 0)
    assert len(standing(scene)) == 1
    assert scene.names("b") == []
    assert release(scene, held("first", "second")) == Released(1, 0)
    assert scene.names("b") == ["first and second"]
    assert standing(scene) == []


def test_a_hold_counts_from_what_the_rule_names(scene: Scene, wall: Wall) -> None:
    """`after: modified` of an old object has passed at once; after its storage it has not."""
    scene.apply("b", policy("change: {for: 1h, after: modified}", "storage: {for: 1h}"))
    scene.publish(held("change"), held("storage"))
    assert scene.names("b") == ["change"]
    wall.forward(timedelta(hours=1, seconds=1))
    pass_due(scene)
    assert scene.names("b") == ["change", "storage"]


def test_a_rule_s_holds_are_released_together(scene: Scene, monkeypatch) -> None:
    """By rule or by reason, in parts; other rules' holds stay; the ceiling stands."""
    monkeypatch.setattr(holding, "RELEASE_PART", 3)
    scene.apply("b", policy("weak: approval", "other: approval"))
    scene.publish(*[indicator(f"w{n}", labels=["weak"]) for n in range(7)], held("other"))
    counted = holding.count_by_reason(scene.node)
    assert [(one.audience, one.rule, one.reason, one.held, one.today) for one in counted] == [
        ("b", "weak", "because of weak", 7, 7),
        ("b", "other", "because of other", 1, 1),
    ]
    done = holding.release_many(scene.node, Wanted("b", "weak"), by="anna", reason="reviewed")
    assert done == Released(7, 0)
    assert sorted(scene.names("b")) == [f"w{n}" for n in range(7)]
    assert standing(scene) == ["other"]
    done = holding.release_many(
        scene.node, Wanted(reason="because of other"), by="anna", reason="reviewed"
    )
    assert done == Released(1, 0)
    with pytest.raises(NotFound):
        holding.release_many(scene.node, Wanted(rule="weak"), by="anna", reason="again")
    (day,) = holding.count_by_day(scene.node, days=1)
    assert (day.held, day.released, day.denied) == (8, 8, 0)
    ledger.verify(scene.node)


def test_what_expired_into_a_denial_can_be_held_anew(scene: Scene, wall: Wall) -> None:
    """The officer was away: held again for its whole time, with persons asked again."""
    scene.apply("b", policy("ask: {approval: true, approvals: 2, expires: 1h, then: deny}"))
    scene.publish(held("ask"))
    release(scene, held("ask"), by="anna")
    wall.forward(timedelta(hours=2))
    pass_due(scene)
    with pytest.raises(NotFound):
        release(scene, held("ask"))
    one = str(held("ask")["id"])
    assert holding.reopen(scene.node, [one], audience="b", by="anna", reason="I was away") == 1
    assert standing(scene) == ["ask"]
    assert pass_due(scene) == 0
    assert release(scene, held("ask"), by="boris") == Released(0, 1, 1)
    assert release(scene, held("ask"), by="anna") == Released(1, 0)
    assert scene.names("b") == ["ask"]
    with pytest.raises(NotFound):
        holding.reopen(scene.node, [one], audience=None, by="anna", reason="again")


def test_an_expired_newest_version_takes_the_older_ones_along(scene: Scene, wall: Wall) -> None:
    """The newest version governs (DECISIONS 1): denied by its expiry as by any rule."""
    scene.apply("b", policy("ask: {approval: true, expires: 1h, then: deny}"))
    scene.publish(indicator("x"))
    scene.publish(indicator("x", version=1, labels=["ask"]))
    assert scene.names("b") == ["x"]
    wall.forward(timedelta(hours=2))
    pass_due(scene)
    assert scene.names("b") == []


def test_a_released_hold_of_an_older_program_counts(scene: Scene) -> None:
    """Such a program over the same database writes the release into the hold's own row alone."""
    from sqlalchemy import delete

    from cert_exchange.store.tables import hold_endings

    text = policy("ask: approval")
    scene.apply("b", text)
    scene.publish(held("ask"))
    release(scene, held("ask"))
    scene.node.database.transact(lambda tx: tx.execute(delete(hold_endings)))
    scene.apply("b", text + "# again\n")
    assert scene.names("b") == ["ask"]


def test_two_persons_at_the_same_moment_are_two(scene: Scene) -> None:
    """Neither overlooks the other: the heads' locks put one behind the other."""
    from concurrent.futures import ThreadPoolExecutor

    scene.apply("b", policy("ask: {approval: true, approvals: 2}"))
    many = [indicator(f"m{n}", labels=["ask"]) for n in range(5)]
    scene.publish(*many)
    with ThreadPoolExecutor(2) as pool:
        for one in many:
            done = list(
                pool.map(lambda who, one=one: release(scene, one, by=who), ["anna", "boris"])
            )
            assert sorted(done, key=lambda each: each.released) == [
                Released(0, 1, 1),
                Released(1, 0),
            ]
    assert sorted(scene.names("b")) == [f"m{n}" for n in range(5)]
    ledger.verify(scene.node)


def test_a_rule_is_meant_in_any_letter_case(scene: Scene) -> None:
    """`Weak Évidence` and `weak évidence` are one rule, unless two rules differ in nothing else."""
    scene.apply("b", policy("Éclair: approval", "rain: approval"))
    scene.apply("c", policy("Rain: approval").replace("[b]", "[c]"))
    scene.publish(held("Éclair"), held("rain"))
    assert [one.rule for one in holding.list_holds(scene.node, Wanted(rule="éCLAIR"))] == ["Éclair"]
    assert len(holding.count_by_reason(scene.node, Wanted(rule="éclair"))) == 1
    done = holding.release_many(scene.node, Wanted(rule="ÉCLAIR"), by="anna", reason="seen")
    assert done.released == 1
    with pytest.raises(NotFound):
        holding.release_many(scene.node, Wanted(rule="RAIN"), by="anna", reason="which?")
    assert scene.names("b") == ["Éclair"]
