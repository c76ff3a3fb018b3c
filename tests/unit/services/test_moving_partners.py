"""A partner changes from one policy to another in one switch, looked at before, and never sees what both show together."""

from __future__ import annotations

import threading

import pytest
from tests.scenes import OWN_IDENTITY, Scene, indicator, malware, report

from cert_exchange.errors import PolicyInvalid, PolicyReplaced, PolicyWidens
from cert_exchange.node import Node
from cert_exchange.services import ledger, policies
from cert_exchange.services.policies import Applied, Checked, Preview

TEXT = """\
name: {name}
partners: [{partners}]
collections: [{collections}]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - {{name: ours, match: {{origin: any, type: [{types}]}}, allow: true}}
"""


def text(name: str, partners: str, types: str, collections: str = "indicators") -> str:
    return TEXT.format(name=name, partners=partners, types=types, collections=collections)


@pytest.fixture
def scene(node: Node) -> Scene:
    """`wide` shows indicators and malware to b and c, also in reports; `narrow` only what is common to both and reports, to d."""
    made = Scene.set_up(node, partners_named=("b", "c", "d"), policies_for=())
    made.apply("wide", text("wide", "b, c", "indicator, malware", "indicators, reports"))
    made.apply("narrow", text("narrow", "d", "malware, report"))
    made.publish(
        indicator("one"), indicator("two"), malware("both"), report("new", [malware("both")["id"]])
    )
    made.publish(indicator("far"), to="reports")
    return made


WITHOUT_C = text("wide", "b", "indicator, malware", "indicators, reports")
WITH_C = text("narrow", "c, d", "malware, report")


def read(*texts: str) -> list[policies.Read]:
    return [policies.read_policy(one, file=f"{one.split()[1]}.yaml") for one in texts]


def checked(scene: Scene, *texts: str) -> list[Checked]:
    found = policies.check_together(scene.node, read(*texts))
    right = [one for one in found if isinstance(one, Checked)]
    assert len(right) == len(found), found
    return right


def looked_at(scene: Scene, *texts: str) -> dict[str, Preview]:
    these = [(one.policy, one.companions) for one in checked(scene, *texts)]
    return {one.name: one for one in policies.previews(scene.node, these)}


def apply(scene: Scene, *texts: str) -> tuple[Applied, ...]:
    return policies.apply_together(
        scene.node, checked(scene, *texts), author="anna", reason="agreed"
    )


def test_one_file_alone_is_refused_and_both_are_taken(scene: Scene) -> None:
    """Whoever gives the one is told to give both; what still names the partner is refused."""
    (refused,) = policies.check_together(scene.node, read(WITH_C))
    assert isinstance(refused, PolicyInvalid)
    assert "apply both files with one command" in str(refused)
    still = text("wide", "b, c", "indicator")
    _, refused = policies.check_together(scene.node, read(still, WITH_C))
    assert "is named by policy 'wide' too" in str(refused)
    assert "governed by policy 'wide'" in str(refused)
    assert [one.policy.name for one in checked(scene, WITH_C, WITHOUT_C)] == ["narrow", "wide"]


def test_the_move_is_shown_before_as_the_partner_will_know_it(scene: Scene) -> None:
    """Not as an audience that begins with nothing: new is only what it does not see now, and lost what it sees no more."""
    before = set(scene.ids("c"))
    found = looked_at(scene, WITHOUT_C, WITH_C)
    here, there = [one for one in found["narrow"].prospects if one.members == ("c",)]
    assert here.moved == there.moved == (("c", "wide"),)
    assert (here.collection, there.collection) == ("indicators", "reports")
    apply(scene, WITHOUT_C, WITH_C)
    after = set(scene.ids("c"))
    assert scene.names("c") == ["both", "new"]
    assert (here.gained, here.lost, here.kept) == (
        len(after - before), len(before - after), len(after & before)
    )  # fmt: skip
    assert (here.gained, here.lost) == (1, 2)
    assert [(one.kind, one.rule, one.objects) for one in here.changes] == [
        ("gained", "ours", 1), ("lost", "moved", 2),
    ]  # fmt: skip
    assert there.lost == 3  # with the identity and the marking that it needed
    others = [one for one in found["narrow"].prospects if one.members == ("d",)]
    assert [(one.gained, one.lost, one.moved) for one in others] == [(0, 0, ())]


def test_only_what_is_new_to_the_partner_wants_a_word(scene: Scene) -> None:
    both = checked(scene, WITHOUT_C, WITH_C)
    with pytest.raises(PolicyWidens) as refused:
        policies.weigh_together(scene.node, both, most=0)
    assert refused.value.gained == 1
    assert policies.weigh_together(scene.node, both, most=0, confirmed=1) == {
        "wide": 1, "narrow": 1,
    }  # fmt: skip


def test_both_come_into_force_in_one_line_of_the_ledger(scene: Scene) -> None:
    done = apply(scene, WITHOUT_C, WITH_C)
    assert [(one.name, one.version, one.changed) for one in done] == [
        ("wide", 2, True), ("narrow", 2, True),
    ]  # fmt: skip
    assert done[1].gained == len(scene.ids("c"))
    assert (scene.names("b"), scene.names("d")) == (["one", "two", "both"], ["both", "new"])
    ledger.verify(scene.node)
    again = apply(scene, WITHOUT_C, WITH_C)
    assert [(one.changed, one.gained) for one in again] == [(False, 0), (False, 0)]


def test_it_moves_back(scene: Scene) -> None:
    """Its views begin above all that it ever polled, so that nothing of them is passed over."""
    apply(scene, WITHOUT_C, WITH_C)
    before = max(position for position, _, _ in scene.log("c"))
    apply(scene, text("narrow", "d", "malware, report"), text("wide", "b, c", "indicator, malware"))
    assert scene.names("c") == ["one", "two", "both"]
    assert min(position for position, _, _ in scene.log("c")) > before


def test_all_or_none(scene: Scene) -> None:
    """Where one of them was changed by somebody else since, the other stays as well."""
    both = checked(scene, WITHOUT_C, WITH_C)
    over = policies.weigh_together(scene.node, both, most=100)
    scene.apply("narrow", text("narrow", "d", "malware"))
    with pytest.raises(PolicyReplaced):
        policies.apply_together(scene.node, both, author="anna", over=over)
    assert [one.version for one in policies.history(scene.node, "wide")] == [1]
    assert scene.names("c") == ["one", "two", "both"]


def test_at_no_moment_it_sees_what_both_show_together(scene: Scene) -> None:
    """Whoever looks while it happens finds what the one shows, or some of what the other does."""
    wide = frozenset(scene.ids("c"))
    seen: set[frozenset[str]] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add(frozenset(scene.ids("c")))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        apply(scene, WITHOUT_C, WITH_C)
    finally:
        done.set()
        watching.join()
    narrow = frozenset(scene.ids("c"))
    assert wide in seen
    assert all(one == wide or one <= narrow for one in seen), seen
    assert OWN_IDENTITY in narrow


def test_whom_a_policy_loses_last(scene: Scene) -> None:
    """The audience that it was alone in is emptied, as the preview says; the partner is told apart of that."""
    texts = (text("narrow", "", "malware, report"), text("wide", "b, c, d", "indicator, malware"))
    found = looked_at(scene, *texts)
    assert (found["narrow"].gained, found["narrow"].lost) == (0, 4)
    before = set(scene.ids("d"))
    done = apply(scene, *texts)
    assert [one.lost for one in done] == [found["narrow"].lost, 3]
    after = set(scene.ids("d"))
    (of_d,) = [one for one in found["wide"].prospects if one.members == ("d",)]
    assert (of_d.gained, of_d.lost) == (len(after - before), len(before - after))
