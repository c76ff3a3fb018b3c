"""Notices of what was taken back: to whom it went, at once, and to nobody else (DECISIONS 19)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from tests.conftest import Wall
from tests.scenes import ALLOW_ALL, Scene, indicator, relationship

from cert_exchange.messages import notices
from cert_exchange.messages.notices import Action, Notice, Reason
from cert_exchange.node import Node
from cert_exchange.services import ledger, noticing, receipts, releasing
from cert_exchange.services.moving import tell_movers
from cert_exchange.services.releasing import withdraw
from cert_exchange.store import facts, releases
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import notice_readers, owed_notices

NOTHING = ALLOW_ALL.replace("allow: true", "deny: true")


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)


def fetch(scene: Scene, partner: str, collection: str = "indicators") -> None:
    """The partner's client polled to the end of what it sees."""
    position = max(at for at, _, _ in scene.log(partner, collection))
    scene.node.marks.advance(scene.partner(partner), scene.view(partner, collection), position)


def told(scene: Scene, partner: str, collection: str = "indicators") -> list[Notice]:
    """The notices that the partner sees, as it would read them."""
    found = [notices.read(one) for one in scene.sees(partner, collection)]
    return [one for one in found if isinstance(one, Notice)]


def take_back(scene: Scene, *objects: dict[str, Any]) -> None:
    for one in objects:
        withdraw(scene.node, one["id"], by="anna", reason="names the victim Smith")


def owed(scene: Scene) -> int:
    """How many withdrawals nobody has decided on."""
    with scene.node.database.reading() as tx:
        return len(tx.execute(select(owed_notices)).all())


def test_who_fetched_is_told_and_nobody_else(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one, indicator("other"))
    fetch(scene, "b")
    take_back(scene, one)
    assert noticing.tell(scene.node) == 1
    (notice,) = told(scene, "b")
    assert notice.subjects == (one["id"],)
    assert (notice.reason, notice.action) == (Reason.WITHDRAWN, Action.STOP_USING)
    assert told(scene, "c") == []
    assert noticing.tell(scene.node) == 0
    ledger.seal(scene.node)
    ledger.verify(scene.node)


def test_a_notice_says_ids_only(scene: Scene) -> None:
    """Neither the object's content nor the person's reason leaves with it."""
    one = indicator("secret name")
    scene.publish(one)
    fetch(scene, "b")
    take_back(scene, one)
    noticing.tell(scene.node)
    (note,) = [seen for seen in scene.sees("b") if seen["type"] == "note"]
    assert "secret name" not in str(note)
    assert "Smith" not in str(note)
    assert "anna" not in str(note)


def test_nobody_is_told_of_what_nobody_fetched(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(indicator("earlier"))
    fetch(scene, "b")
    scene.publish(one)
    take_back(scene, one)
    assert noticing.tell(scene.node) == 0
    assert told(scene, "b") == []
    assert owed(scene) == 0


def test_what_is_visible_again_needs_no_notice(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    take_back(scene, one)
    scene.publish(one)
    assert noticing.tell(scene.node) == 0


def test_a_narrower_policy_owes_one_notice_for_all_that_went(scene: Scene) -> None:
    """With what goes because its reference went; carried identities need none."""
    one, two = indicator("one"), indicator("two")
    link = relationship(one, two)
    scene.publish(one, two, link)
    fetch(scene, "b")
    fetch(scene, "c")
    scene.apply("b", NOTHING.format(partner="b"))
    assert noticing.tell(scene.node) == 1
    (notice,) = told(scene, "b")
    assert sorted(notice.subjects) == sorted(item["id"] for item in (one, two, link))
    assert notice.reason is Reason.NO_LONGER_SHARED
    assert told(scene, "c") == []


def test_a_rule_may_bear_the_name_of_what_is_only_shown_anew(sqlite_node: Node) -> None:
    """A denial called `replaced` takes back like any other: who fetched is told. No SQL is the subject: one engine."""
    scene = Scene.set_up(sqlite_node)
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    rule = "  - {name: replaced, match: {type: indicator}, deny: true, withdraw: true}\n"
    scene.apply("b", ALLOW_ALL.format(partner="b") + rule)
    assert noticing.tell(scene.node) == 1
    assert told(scene, "b")[0].subjects == (one["id"],)


def test_many_ids_make_several_notices(scene: Scene) -> None:
    many = [indicator(f"number {number}") for number in range(notices.SUBJECTS + 3)]
    scene.publish(*many)
    fetch(scene, "b")
    scene.apply("b", NOTHING.format(partner="b"))
    assert noticing.tell(scene.node) == 2
    named = [stix_id for notice in told(scene, "b") for stix_id in notice.subjects]
    assert sorted(named) == sorted(one["id"] for one in many)


def test_a_notice_goes_to_the_whole_audience(node: Node) -> None:
    scene = Scene.set_up(node, policies_for=())
    scene.apply("both", ALLOW_ALL.format(partner="b, c"))
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    take_back(scene, one)
    noticing.tell(node)
    assert scene.view("b") == scene.view("c")
    assert [notice.subjects for notice in told(scene, "c")] == [(one["id"],)]
    # An answer is owed by who fetched the object, also after the other one polled on and fetched the notice.
    fetch(scene, "c")
    for only_open in (True, False):
        found = receipts.receipts(node, only_open=only_open)
        assert [(receipt.partner, receipt.fetched) for receipt in found] == [("b", False)]
    # Of a notice that an earlier release made nobody knows who had fetched: everybody counts.
    node.database.transact(lambda tx: tx.execute(delete(notice_readers)))
    assert sorted(receipt.partner for receipt in receipts.receipts(node)) == ["b", "c"]


def test_who_moved_to_another_audience_is_told_there(scene: Scene) -> None:
    """Its old log is read by nobody; a third partner in the new audience would learn of what it never had."""
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    scene.apply("b", NOTHING.format(partner="c").replace("partners: [c]", "partners: []"))
    scene.apply("alone", NOTHING.format(partner="b"))
    take_back(scene, one)
    noticing.tell(scene.node)
    assert [notice.subjects for notice in told(scene, "b")] == [(one["id"],)]


KEEP = ALLOW_ALL.replace("{{origin: own}}", "{{labels: [keep]}}")


def test_who_is_named_by_no_policy_for_a_while_is_told_afterwards(scene: Scene) -> None:
    """Moving takes two steps; between them there is nobody to tell."""
    one, labelled = indicator("one"), indicator("labelled", labels=["keep"])
    scene.publish(one, labelled)
    fetch(scene, "b")
    scene.apply("b", NOTHING.format(partner="c").replace("[c]", "[]"))
    assert noticing.tell(scene.node) == 0
    scene.apply("alone", KEEP.format(partner="b"))
    assert noticing.tell(scene.node) == 1
    assert [notice.subjects for notice in told(scene, "b")] == [(one["id"],)]


def test_who_comes_under_a_narrower_policy_is_told_what_it_lost(node: Node) -> None:
    """Its old audience goes on with others and no line is withdrawn: what the new one does not show is looked for once."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("both", ALLOW_ALL.format(partner="b, c"))
    one, labelled = indicator("one"), indicator("labelled", labels=["keep"])
    scene.publish(one, labelled)
    assert tell_movers(node) == 0  # from here on
    fetch(scene, "b")
    scene.publish(indicator("never fetched"))
    scene.apply("both", ALLOW_ALL.format(partner="c"))
    assert (noticing.tell(node), tell_movers(node)) == (0, 0)
    scene.apply("alone", KEEP.format(partner="b"))
    assert (noticing.tell(node), tell_movers(node)) == (0, 1)
    assert [notice.subjects for notice in told(scene, "b")] == [(one["id"],)]
    assert told(scene, "c") == []
    assert tell_movers(node) == 0
    ledger.seal(node)
    ledger.verify(node)


def test_a_withdrawn_notice_owes_no_notice(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    take_back(scene, one)
    noticing.tell(scene.node)
    fetch(scene, "b")
    (note,) = [seen for seen in scene.sees("b") if seen["type"] == "note"]
    take_back(scene, note)
    assert noticing.tell(scene.node) == 0
    assert told(scene, "b") == []


def test_what_is_kept_from_one_audience_stays_with_the_other(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    fetch(scene, "c")
    audience = scene.caller("b").audience
    assert audience is not None
    done = releasing.withdraw_from(scene.node, one["id"], [audience], by="anna", reason="r")
    assert done.audiences == ("b",)
    noticing.tell(scene.node)
    assert one["id"] not in scene.ids("b")
    assert one["id"] in scene.ids("c")
    (notice,) = told(scene, "b")
    assert (notice.reason, notice.action) == (Reason.MISTAKE, Action.DELETE)
    assert told(scene, "c") == []
    scene.publish(indicator("one", version=2))  # a newer version stays back as well
    assert one["id"] not in scene.ids("b")
    releasing.free(scene.node, one["id"], by="anna", reason="r")
    assert one["id"] in scene.ids("b")


def test_a_killed_teller_is_repeated(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is owed stands until the notice does."""
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    take_back(scene, one)

    class Killed(Exception):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(noticing, "take_in", kill)
        with pytest.raises(Killed):
            noticing.tell(scene.node)
    assert told(scene, "b") == []
    assert noticing.tell(scene.node) == 1
    assert len(told(scene, "b")) == 1


def test_what_two_audiences_are_told_stands_in_one_transaction(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every notice keeps all writers waiting: they wait once for all of them."""
    one, unread = indicator("one"), indicator("unread")
    scene.publish(one)
    fetch(scene, "b")
    fetch(scene, "c")
    scene.publish(unread)
    take_back(scene, one, unread)
    waits: list[None] = []
    lock = releases.lock_sharing
    transactions: list[object] = []
    transact = scene.node.database.transact

    def counted(tx: Transaction) -> Any:
        waits.append(None)
        return lock(tx)

    def noted(work: Any) -> Any:
        transactions.append(work)
        return transact(work)

    with monkeypatch.context() as patch:
        patch.setattr(releases, "lock_sharing", counted)
        patch.setattr(scene.node.database, "transact", noted)
        assert noticing.tell(scene.node) == 2
    assert len(transactions) == 2  # what nobody is told of is struck off without the locks
    assert len(waits) == 3  # the transaction's own, and again, without waiting, with each notice
    assert [len(told(scene, name)) for name in "bc"] == [1, 1]
    assert owed(scene) == 0


def test_what_is_owed_meanwhile_is_told_of_the_next_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that runs behind every single withdrawal would make a notice of each."""
    one, two, three = (indicator(name) for name in ("one", "two", "three"))
    scene.publish(one, two, three)
    fetch(scene, "b")
    take_back(scene, one)
    settle = noticing._settle

    def meanwhile(*given: Any) -> int:
        made = settle(*given)
        take_back(scene, two, three)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(noticing, "_settle", meanwhile)
        assert noticing.tell(scene.node) == 1
    assert owed(scene) > 0
    assert noticing.tell(scene.node) == 1
    assert sorted(len(notice.subjects) for notice in told(scene, "b")) == [1, 2]
    assert owed(scene) == 0


def test_who_meets_another_teller_looks_again_and_doubles_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one told b and c; what was withdrawn since is told by this one."""
    one, two = indicator("one"), indicator("two")
    scene.publish(one, two)
    fetch(scene, "b")
    fetch(scene, "c")
    take_back(scene, one)
    look = noticing._look

    def overtaken(node: Node) -> Any:
        seen = look(node)
        patch.undo()
        assert noticing.tell(node) == 2
        take_back(scene, two)
        return seen

    patch = monkeypatch
    patch.setattr(noticing, "_look", overtaken)
    assert noticing.tell(scene.node) == 2
    for name in "bc":
        named = [stix_id for notice in told(scene, name) for stix_id in notice.subjects]
        assert sorted(named) == sorted([one["id"], two["id"]])
    assert owed(scene) == 0


REDACTED = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - name: without words
    match: {{type: indicator}}
    redact: {{remove: [description]}}
"""


def test_a_derivative_is_named_by_its_own_id(scene: Scene) -> None:
    """The original's id, which the audience never saw, is in no notice."""
    scene.apply("b", REDACTED.format(partner="b"))
    one = indicator("one", description="where we got it")
    scene.publish(one)
    (shown,) = [seen["id"] for seen in scene.sees("b") if seen["type"] == "indicator"]
    assert shown != one["id"]
    fetch(scene, "b")
    fetch(scene, "c")
    take_back(scene, one)
    assert noticing.tell(scene.node) == 2
    assert [notice.subjects for notice in told(scene, "b")] == [(shown,)]
    assert [notice.subjects for notice in told(scene, "c")] == [(one["id"],)]
    assert one["id"] not in str(scene.sees("b"))


def test_a_new_rendition_owes_no_notice(scene: Scene) -> None:
    """The line changes, the object stays: nothing was taken back."""
    scene.apply("b", REDACTED.format(partner="b"))
    scene.publish(indicator("one", description="where we got it"))
    fetch(scene, "b")
    scene.apply("b", REDACTED.format(partner="b").replace("[description]", "[description, name]"))
    assert noticing.tell(scene.node) == 0


def test_an_explanation_says_that_it_is_a_notice(scene: Scene) -> None:
    from cert_exchange.services import policies

    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    take_back(scene, one)
    noticing.tell(scene.node)
    (note,) = [seen for seen in scene.sees("b") if seen["type"] == "note"]
    for partner, answer in (("b", "visible"), ("c", "denied")):
        (found,) = policies.explain(scene.node, note["id"], partner=partner).versions
        assert (found.answer, found.rule) == (answer, "notice")
        assert found.steps[0].asked == "notice of withdrawal"


def test_a_preview_leaves_notices_where_they_are(scene: Scene) -> None:
    from cert_exchange.services import policies

    one = indicator("one")
    scene.publish(one, indicator("two"))
    fetch(scene, "b")
    take_back(scene, one)
    noticing.tell(scene.node)
    text = NOTHING.format(partner="b")
    checked = policies.check(scene.node, text, file="b.yaml")
    (found,) = policies.previews(scene.node, [(checked.policy, checked.companions)], samples=5)
    applied = scene.apply("b", text)
    assert (found.lost, found.gained) == (applied.lost, applied.gained)
    assert len(told(scene, "b")) == 1


def test_a_late_answer_is_noted_by_doctor(scene: Scene, wall: Wall) -> None:
    """Past its due instant, until the partner answers; before it, nothing is said."""
    from cert_exchange.services import doctoring

    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    take_back(scene, one)
    noticing.tell(scene.node)

    def late() -> list[str]:
        return [
            found.about for found in doctoring.examine(scene.node) if "notices" in found.finding
        ]

    assert late() == []
    wall.forward(timedelta(hours=80))
    assert late() == ["partner b"]


def test_what_is_shown_redacted_from_now_on_owes_a_notice_of_the_whole(scene: Scene) -> None:
    """b has the object with its words; from now on it sees a derivative of it only."""
    one = indicator("one", description="where we got it")
    scene.publish(one)
    fetch(scene, "b")
    scene.apply("b", REDACTED.format(partner="b"))
    assert noticing.tell(scene.node) == 1
    assert [notice.subjects for notice in told(scene, "b")] == [(one["id"],)]


def test_the_worker_tells_without_being_asked(scene: Scene) -> None:
    """A policy that narrows is applied; a second later its audience is told."""
    from cert_exchange.worker import Worker

    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    scene.apply("b", NOTHING.format(partner="b"))
    assert told(scene, "b") == []
    Worker(scene.node, stop=threading.Event()).tick(1)
    assert [notice.subjects for notice in told(scene, "b")] == [(one["id"],)]


def notices_before(scene: Scene, stix_id: str, collection: str) -> list[str]:
    """What stands in b's log before an id that it sees there, notices by their subject."""
    seen = scene.sees("b", collection)
    place = next(index for index, one in enumerate(seen) if one["id"] == stix_id)
    found = [notices.read(one) for one in seen[:place]]
    return [one.subjects[0] for one in found if isinstance(one, Notice)]


def test_a_notice_stands_before_what_is_shared_again_elsewhere(scene: Scene) -> None:
    """A partner takes in each collection by a channel of its own: by whichever it comes first, it comes before the object."""
    one, other = indicator("one"), indicator("other")
    scene.publish(one, other)
    fetch(scene, "b")
    take_back(scene, one, other)
    noticing.tell(scene.node)
    scene.publish(other, to="indicators")
    assert [notice.subjects for notice in told(scene, "b", "reports")] == []
    scene.publish(indicator("new"), one, to="reports")
    assert notices_before(scene, one["id"], "reports") == [min(one["id"], other["id"])]
    assert told(scene, "c", "reports") == []
    lines = len(scene.log("b", "reports"))
    scene.publish(indicator("one", version=2), to="reports")  # it stands there already
    assert len(scene.log("b", "reports")) == lines + 1
    ledger.seal(scene.node)
    ledger.verify(scene.node)


def test_each_notice_stands_before_what_is_shared_again(scene: Scene) -> None:
    one = indicator("one")
    for place in ("indicators", "reports"):
        scene.publish(one, to=place)
        fetch(scene, "b", place)
        take_back(scene, one)
        noticing.tell(scene.node)
    scene.publish(one, to="indicators")
    assert notices_before(scene, one["id"], "indicators") == [one["id"]] * 2


def test_a_derivative_that_comes_back_elsewhere_has_its_notice_before_it(scene: Scene) -> None:
    scene.apply("b", REDACTED.format(partner="b"))
    one = indicator("one", description="where we got it")
    scene.publish(one)
    fetch(scene, "b")
    take_back(scene, one)
    noticing.tell(scene.node)
    scene.publish(one, to="reports")
    (shown,) = [seen["id"] for seen in scene.sees("b", "reports") if seen["type"] == "indicator"]
    assert notices_before(scene, shown, "reports") == [shown]


def test_a_notice_that_was_taken_back_is_not_repeated(scene: Scene) -> None:
    one = indicator("one")
    scene.publish(one)
    fetch(scene, "b")
    take_back(scene, one)
    noticing.tell(scene.node)
    (note,) = [seen for seen in scene.sees("b") if seen["type"] == "note"]
    take_back(scene, note)
    scene.publish(one, to="reports")
    assert told(scene, "b", "reports") == []


@pytest.mark.parametrize("fetched_before", [True, False])
def test_who_fetched_an_older_version_is_told_when_the_id_goes(
    scene: Scene, *, fetched_before: bool
) -> None:
    """What was fetched is taken back while a newer version stands, which nobody fetched; then that one goes too."""
    scene.publish(indicator("earlier"))
    fetch(scene, "b")
    one = indicator("one", version=1)
    scene.publish(one)
    if fetched_before:
        fetch(scene, "b")
    scene.publish(indicator("one", version=2))
    for version in (one["modified"], None):
        withdraw(scene.node, one["id"], version=version, by="desk", reason="x")
        assert told(scene, "b") == []
        made = noticing.tell(scene.node)
    assert made == int(fetched_before)
    assert [notice.subjects for notice in told(scene, "b")] == [(one["id"],)] * fetched_before
    assert [one.partner for one in receipts.receipts(scene.node)] == ["b"] * fetched_before
    # It was told once: what is shared and taken back again without being fetched is nobody's business.
    scene.publish(indicator("one", version=3))
    take_back(scene, one)
    assert noticing.tell(scene.node) == 0


def test_who_fetched_an_older_derivative_is_told_when_the_newer_goes(scene: Scene) -> None:
    """A derivative's next version takes its place, and nobody fetches that one before it goes."""
    scene.apply("b", REDACTED.format(partner="b"))
    one = indicator("one", description="where we got it")
    scene.publish(one)
    (shown,) = [seen["id"] for seen in scene.sees("b") if seen["type"] == "indicator"]
    fetch(scene, "b")
    scene.apply("b", REDACTED.format(partner="b").replace("[description]", "[description, name]"))
    assert noticing.tell(scene.node) == 0
    take_back(scene, one)
    noticing.tell(scene.node)
    assert [notice.subjects for notice in told(scene, "b")] == [(shown,)]


def moved_from_both(scene: Scene, rules: str = KEEP) -> None:
    """b, which shared a policy with c, comes under one of its own."""
    scene.apply("both", ALLOW_ALL.format(partner="c"))
    scene.apply("alone", rules.format(partner="b"))


@pytest.fixture
def both(node: Node) -> Scene:
    """b and c under one policy, which b leaves later; b fetched `one`."""
    made = Scene.set_up(node, policies_for=())
    made.apply("both", ALLOW_ALL.format(partner="b, c"))
    made.publish(indicator("one"))
    fetch(made, "b")
    assert tell_movers(node) == 0  # from here on
    return made


def test_who_had_no_policy_when_it_was_taken_back_is_told_when_it_has_one(both: Scene) -> None:
    """Others of its old audience are told at once; it is told in its next one."""
    one = indicator("one")
    fetch(both, "c")
    both.apply("both", ALLOW_ALL.format(partner="c"))
    assert tell_movers(both.node) == 0
    take_back(both, one)
    assert noticing.tell(both.node) == 1
    both.apply("alone", ALLOW_ALL.format(partner="b"))
    assert tell_movers(both.node) == 1
    assert [notice.subjects for notice in told(both, "b")] == [(one["id"],)]
    assert len(told(both, "c")) == 1
    assert tell_movers(both.node) == 0


def test_what_the_next_policy_shows_at_first_and_then_not_is_told(both: Scene) -> None:
    """By its new log nobody could know that it fetched it: it did so by the old one."""
    moved_from_both(both, ALLOW_ALL)
    assert tell_movers(both.node) == 0
    both.apply("alone", KEEP.format(partner="b"))
    assert noticing.tell(both.node) == 1
    assert [notice.subjects for notice in told(both, "b")] == [(indicator("one")["id"],)]


def test_what_was_fetched_in_an_older_version_is_told_after_the_move(both: Scene) -> None:
    one = indicator("one")
    both.publish(indicator("one", version=2))
    withdraw(both.node, one["id"], version=one["modified"], by="desk", reason="x")
    assert noticing.tell(both.node) == 0
    moved_from_both(both)
    assert tell_movers(both.node) == 1
    assert [notice.subjects for notice in told(both, "b")] == [(one["id"],)]


def test_who_moves_after_the_clock_was_set_back_is_told(node: Node, wall: Wall) -> None:
    """d moved before, at an hour that is still to come for b."""
    scene = Scene.set_up(node, partners_named=("b", "c", "d"), policies_for=())
    scene.apply("all", ALLOW_ALL.format(partner="b, c, d"))
    scene.publish(indicator("one"))
    fetch(scene, "b")
    scene.apply("all", ALLOW_ALL.format(partner="b, c"))
    scene.apply("first", KEEP.format(partner="d"))
    tell_movers(node)
    wall.jump(timedelta(minutes=-30))
    scene.apply("all", ALLOW_ALL.format(partner="c"))
    scene.apply("alone", KEEP.format(partner="b"))
    assert (noticing.tell(node), tell_movers(node)) == (0, 1)
    assert [notice.subjects for notice in told(scene, "b")] == [(indicator("one")["id"],)]


def test_who_moved_under_an_earlier_release_is_not_told_again(both: Scene) -> None:
    """It kept an instant in place of who was told in which audience."""
    moved_from_both(both)
    assert tell_movers(both.node) == 1
    withdrawn = [seen for seen in both.sees("b") if seen["type"] == "note"]
    take_back(both, *withdrawn)

    def as_before(tx: Transaction) -> None:
        for name in facts.facts_like(tx, "notices.moved."):
            facts.put_fact(tx, name, None)
        facts.put_fact(tx, "notices.moved_until", str(both.node.now()))

    both.node.database.transact(as_before)
    assert tell_movers(both.node) == 0
