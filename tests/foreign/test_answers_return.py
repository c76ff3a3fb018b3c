"""Two nodes answer each other over the wire: what B was shown is a derivative, and its answers come home to the original."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attack.world import Worlds
from tests.foreign.test_compared_ledgers import connect as connect_ledgers
from tests.foreign.test_restores import Two
from tests.foreign.test_restores import two as two  # noqa: PLC0414 - a fixture
from tests.scenes import ALLOW_ALL, Scene, indicator, uid
from tests.unit.syncing.conftest import sync

from cert_exchange.messages.answers import Opinion
from cert_exchange.services import (
    answering,
    collections,
    drift,
    holdings,
    proposals,
    reconciling,
    syncing,
)

SECRET = "seen by the honeypot in the cellar"
ONE = indicator("one", description=SECRET, confidence=80)
WITH_ANSWERS = ALLOW_ALL.replace("indicators, reports", "indicators, reports, answers")
NO_WORDS = "  - {name: no words, match: {type: indicator}, redact: {remove: [description]}, reason: sources}\n"


def with_answers(scene: Scene, partner: str, more: str = "") -> None:
    """The return collection of one side, in its policy for the other."""
    folder = scene.node.settings.home / "collections"
    name = f"collection answers for {partner}"
    (folder / "answers.yaml").write_text(
        f"id: {uid(name)}\ntitle: answers\nalias: answers\nread: [{partner}]\nwrite: [{partner}]\n"
    )
    collections.load_collections(scene.node, folder)
    scene.apply(partner, WITH_ANSWERS.format(partner=partner) + more)


def connect(two: Two) -> None:
    """B finds A's return collection by its alias: it pulls from there, and pushes into it."""
    secret = Path(two.folder / "secret")
    for add in (syncing.add_source, syncing.add_target):
        add(
            two.other.node, f"answers-{add.__name__[4:]}", partner="a",
            url=f"http://127.0.0.1:{two.port}/api/", remote_collection="answers",
            collection="answers", secret=secret,
            options={"insecure": True, "auth": "bearer", "server": "cert-exchange"},
        )  # fmt: skip


def test_answers_come_home_and_are_answered(two: Two) -> None:
    """Sighting, opinion, question and proposal about the derivative; the reply goes back; the proposal goes nowhere by itself."""
    from stix2validator import ValidationOptions, validate_instance  # it takes a second to load

    a, other = two.a, two.other
    with_answers(a, "b", NO_WORDS)
    with_answers(other, "a")
    connect(two)
    a.publish(ONE)
    assert sync(other.node, "indicators-of-a").ok
    (held,) = holdings.search(other.node, type_="indicator")
    assert held.stix_id != ONE["id"]

    said = [
        answering.sight(other.node, held.stix_id, count=3, where=["country:EE"], by="b"),
        answering.opine(other.node, held.stix_id, Opinion.DISAGREE, because="CDN", by="b"),
        answering.ask(other.node, held.stix_id, "Where was it seen?", by="b"),
        answering.propose(other.node, held.stix_id, changes={"confidence": 20}, by="b"),
    ]
    assert {one.way for each in said for one in each.reached} == {"target answers-target pushes it"}
    for one in said:
        found = validate_instance(one.content, ValidationOptions(version="2.1", strict_types=True))
        assert found.is_valid, found.errors
    assert sync(other.node, "answers-target").ok

    (story,) = (each for each in holdings.show(a.node, ONE["id"]) if not each.stands_for)
    assert story.tally.words == ("seen at least 3 times by b", "opinions: 1 disagree", "2 notes")
    assert {answer.about for answer in story.answers} == {held.stix_id}
    heard = {one.what: one for one in answering.heard(a.node)}
    assert heard.keys() == {"sighting", "opinion", "question", "proposal"}
    assert {one.about for one in heard.values()} == {(ONE["id"],)}
    (waiting,) = proposals.proposals(a.node)
    assert waiting.standing is proposals.Standing.STANDS_FOR

    question = heard["question"].hit.stix_id
    done = answering.reply(a.node, question, "In a sinkhole.", by="a")
    assert done.reached[0].sees
    assert sync(other.node, "answers-source").ok
    assert answering.heard(other.node, given=True, only_open=True) == ()
    (reply,) = answering.heard(other.node)
    assert (reply.what, reply.says, reply.about) == ("reply", "In a sinkhole.", (question,))
    assert SECRET not in str(a.sees("b", "answers"))


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    with Worlds() as made:
        yield made


def test_what_came_in_a_note_is_no_difference(worlds: Worlds) -> None:
    """The proposal that A makes of B's note was never sent as such: no account of either side takes it for lost or invented."""
    with worlds.world() as world:
        a, b = world.a, world.b
        connect_ledgers(world, b, a)
        connect_ledgers(world, a, b)
        a.scene.publish(ONE)
        assert b.syncs("from-a").ok
        manner = answering.Manner(collection="indicators")
        done = answering.propose(
            b.node, ONE["id"], changes={"confidence": 20}, by="b", manner=manner
        )
        assert done.reached[0].sees
        assert a.syncs("from-b").ok
        assert len(proposals.proposals(a.node)) == 1
        for one, other in ((a, b), (b, a)):
            assert reconciling.reconcile(one.node, other.name).differences == ()
            for compared in drift.reconcile(one.node, other.name).parts:
                assert "0 of 256 buckets differ" in compared.how
                assert (compared.here, compared.counts) == (compared.there, {})
