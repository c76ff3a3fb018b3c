"""What a node says and does about restores, on both engines; between two served nodes: tests/foreign/test_restores.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, indicator, uid

from cert_exchange.errors import QueryInvalid, SharingFrozen, TooManyRequests
from cert_exchange.node import HOUR, Node
from cert_exchange.services import freezing, ledger, reconciling, restoring, syncing
from cert_exchange.services.partners import Caller, Limits, Reach, issue
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import epochs, partner_epochs, partners
from cert_exchange.store.tables import collection_rights, targets


def number(node: Node, name: str) -> int:
    with node.database.reading() as tx:
        return next(one.id for one in partners.every_partner(tx) if one.name == name)


def begin_epoch(node: Node, kept_until: int) -> int:
    now = node.now()
    return node.database.transact(
        lambda tx: epochs.raise_heads(tx, above=now, at=now, by="test", kept_until=kept_until)
    )


def ids(found: dict) -> list[str]:
    """Ids of a page; its objects are texts still."""
    import orjson

    return [one["id"] for one in orjson.loads(orjson.dumps(found["objects"]))]


def test_an_epoch_says_since_when_things_may_be_lost(node: Node) -> None:
    """For who knew the first epoch, since the older of two restores; for who knows the last, nothing."""
    Scene.set_up(node)
    assert restoring.our_epoch(node, 0) == {"epoch": 1, "lost_since": None}
    one, two, three = (begin_epoch(node, kept * 1_000_000) for kept in (5, 3, 4))
    assert 1 < one < two < three
    for known, since in {0: 3, 1: 3, one: 3, two: 4}.items():
        said = restoring.our_epoch(node, known)
        assert said == {"epoch": three, "lost_since": format_micros(since * 1_000_000)}
    assert restoring.our_epoch(node, three)["lost_since"] is None
    ledger.verify(node)


def test_who_was_restored_is_sent_again_what_came_since(
    node: Node, wall: Wall, tmp_path: Path
) -> None:
    """Its targets go back to an hour before that instant, never forward; another partner's stay; the ledger says it."""
    Scene.set_up(node)
    secret = tmp_path / "secret"
    secret.write_text("x")
    for partner in ("b", "c"):
        syncing.add_target(
            node, f"to-{partner}", partner=partner, url="https://taxii.example/api/",
            remote_collection=uid("theirs"), collection="indicators", secret=secret,
            options={"auth": "bearer"},
        )  # fmt: skip
    now = node.now()

    def place(cursor: int) -> None:
        node.database.transact(lambda tx: tx.execute(targets.update().values(cursor=cursor)))

    def places() -> dict[str, int]:
        with node.database.reading() as tx:
            rows = tx.execute(select(targets.c.name, targets.c.cursor))
            return {row[0]: row[1] for row in rows}

    place(now)
    b, since = number(node, "b"), now - 60_000_000
    assert not restoring.hear(node, b, {"epoch": 4, "lost_since": format_micros(since)})
    assert places() == {"to-b": now, "to-c": now}  # the first that is heard of it
    assert restoring.hear(node, b, {"epoch": 5, "lost_since": format_micros(since)})
    assert places() == {"to-b": since - HOUR, "to-c": now}
    wall.forward(timedelta(hours=2))
    assert restoring.hear(node, b, {"epoch": 6, "lost_since": format_micros(now)})
    assert places() == {"to-b": since - HOUR, "to-c": now}
    with node.database.reading() as tx:
        [(name, known)] = partner_epochs.every(tx)
    assert (name, known.theirs, known.kept_until) == ("b", 6, now)
    with pytest.raises(TooManyRequests):
        restoring.hear(node, b, {"epoch": 7, "lost_since": format_micros(now)})
    for wrong in ({}, {"epoch": True}, {"epoch": 0}, {"epoch": 9, "lost_since": 5}, {"epoch": 9, "lost_since": "x"}):  # fmt: skip
        with pytest.raises(QueryInvalid):
            restoring.hear(node, b, wrong)
    ledger.verify(node)


def test_a_partner_gets_back_what_it_sent_page_by_page(node: Node) -> None:
    """Each once; nothing of ours or of others, no proposal, nothing while frozen."""
    scene = Scene.set_up(node)
    scene.publish(indicator("ours"))
    scene.post("c", indicator("of c", by=C_IDENTITY))
    sent = [indicator(f"b{place}", by=B_IDENTITY) for place in range(restoring.PAGE + 7)]
    scene.post("b", *sent, indicator("ours", by=B_IDENTITY, version=3))
    b, since = scene.caller("b"), "2020-01-01T00:00:00Z"
    first = restoring.give_back(node, b, since, "0")
    second = restoring.give_back(node, b, since, str(len(ids(first))))
    assert (len(ids(first)), first["more"], second["more"]) == (restoring.PAGE, True, False)
    assert sorted(ids(first) + ids(second)) == sorted(one["id"] for one in sent)
    later = format_micros(node.now() + 1_000_000)
    assert restoring.give_back(node, b, later, "0") == {"objects": [], "more": False}
    for since_, skip in (("yesterday", "0"), (since, "-1"), (since, "9" * 20), (since, "\u0661")):
        with pytest.raises(QueryInvalid):
            restoring.give_back(node, b, since_, skip)
    freezing.freeze_everyone(node, by="desk", reason="test")
    with pytest.raises(SharingFrozen):
        restoring.give_back(node, b, since, "0")


def test_what_comes_back_is_only_what_we_lack(node: Node) -> None:
    """What we hold in that version is left out, and what nobody could publish: notices, derivatives, nonsense."""
    from cert_exchange.messages.notices import EXTENSION as NOTICE
    from cert_exchange.policy.redaction import EXTENSION as DERIVATIVE

    scene = Scene.set_up(node)
    held, lost = indicator("held"), indicator("lost")
    scene.publish(held)
    newer = indicator("held", version=2)
    address = {"type": "ipv4-addr", "spec_version": "2.1", "id": "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd", "value": "198.51.100.3"}  # fmt: skip
    given = [
        held, newer, lost, address,
        {**indicator("notice"), "extensions": {NOTICE: {}}},
        {**indicator("derivative"), "extensions": {DERIVATIVE: {}}},
        {"type": "x"}, {"id": 5}, "text", None, {**indicator("odd"), "extensions": "x"},
    ]  # fmt: skip
    left = restoring.not_held(node, given)
    assert [one["id"] for one in left] == [
        newer["id"], lost["id"], address["id"], indicator("odd")["id"]
    ]  # fmt: skip


def test_a_partner_that_was_added_after_the_restore_lost_nothing(node: Node) -> None:
    """So it is asked for nothing."""
    Scene.set_up(node)
    b = number(node, "b")
    first = begin_epoch(node, 1_000_000)
    known, epoch, since = restoring.lost_with(node, b)
    assert (known.asked, epoch, since) == (0, first, None)
    second = begin_epoch(node, node.now())
    assert restoring.lost_with(node, b)[1:] == (second, None)  # the older of the two counts
    restoring.note_returned(node, b, first, 0, "")
    known, epoch, since = restoring.lost_with(node, b)
    assert (known.asked, epoch) == (first, second)
    assert since is not None


def test_what_was_handed_in_is_shown_again_where_the_credential_may_read(node: Node) -> None:
    """Its scope counts, and what a partner may only write; what we fetched ourselves a whole credential sees."""
    scene = Scene.set_up(node)
    known = indicator("shared", by=B_IDENTITY)
    scene.post("b", known)
    whole, since = scene.caller("b"), "2020-01-01T00:00:00Z"

    def shown(caller: Caller) -> tuple[list[str], list[str]]:
        back = restoring.give_back(node, caller, since, "0")
        account = reconciling.received_from(node, caller, 0)
        return ids(back), [one[0] for one in account["entries"]]

    assert shown(whole) == ([known["id"]], [known["id"]])
    assert "partial" not in reconciling.received_from(node, whole, 0)

    def scoped(**scope: Reach) -> Caller:
        issued = issue(node, "b", lifetime=None, limits=Limits(scope=scope))
        return replace(whole, scope=issued.credential_id)

    assert shown(scoped(indicators=Reach(may_read=True, may_write=False))) == (
        [known["id"]], [known["id"]]
    )  # fmt: skip
    for narrow in (
        scoped(indicators=Reach(may_read=False, may_write=True)),
        scoped(reports=Reach(may_read=True, may_write=True)),
    ):
        assert shown(narrow) == ([], [])
        assert reconciling.received_from(node, narrow, 0)["partial"] is True
    rights = collection_rights.c
    node.database.transact(
        lambda tx: tx.execute(
            update(collection_rights).where(rights.partner == whole.partner).values(may_read=False)
        )
    )
    assert shown(whole) == ([], [])
    node.database.transact(
        lambda tx: tx.execute(
            update(collection_rights).where(rights.partner == whole.partner).values(may_write=False)
        )
    )
    assert shown(whole) == ([known["id"]], [known["id"]])  # handed into none: we fetched it
    with pytest.raises(SharingFrozen):
        reconciling.received_from(node, replace(whole, frozen=True), 0)
