"""The channel by hand: what goes out, what comes in, and that link and file together lose and double nothing."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select
from tests.attack.world import Side, World, Worlds
from tests.conftest import OUR_IDENTITY, Wall
from tests.scenes import B_IDENTITY, Scene, address, indicator, uid
from tests.unit.syncing.peers import Channel, as_b, channel_between, public_key

from cert_exchange.errors import (
    CertExchangeError,
    ConfigurationInvalid,
    InputRefused,
    NotFound,
    SharingFrozen,
    SignatureBroken,
)
from cert_exchange.messages.carried import Carried, write_carried
from cert_exchange.messages.deliveries import Ended, Way, read_receipt
from cert_exchange.messages.evidence import decode_line
from cert_exchange.messages.keys import SigningKey, VerifyingKey
from cert_exchange.messages.signatures import verify
from cert_exchange.node import Node, open_node
from cert_exchange.services import (
    carrying,
    deliveries,
    disclosing,
    freezing,
    holdings,
    ledger,
    noticing,
    partners,
    recalling,
    releasing,
    safekeeping,
    signing,
    syncing,
)
from cert_exchange.services.carrying import (
    Brought,
    Made,
    Wanted,
    bringing_in,
    reading,
    taking_out,
)
from cert_exchange.services.carrying.writing import Records, drafting
from cert_exchange.services.deliveries import stating
from cert_exchange.store import channels, partner_keys
from cert_exchange.store import deliveries as rows
from cert_exchange.store.tables import (
    carried_files,
    identifiers,
    ledger_lines,
    memberships,
    objects,
)


def nothing(_done: int, _total: int | None) -> None:
    """Show no progress."""


@pytest.fixture
def channel(node: Node, new_node: Any, wall: Wall, tmp_path: Path) -> Iterator[Channel]:
    """A on both engines, B on the same one, each knowing the other's key; B has a source at A."""
    other = as_b(new_node(node.database.dialect, "b"), wall)
    try:
        with channel_between(node, other, tmp_path) as made:
            made.source()
            yield made
    finally:
        other.close()


def out(scene: Scene, to: str, folder: Path, **wanted: Any) -> Made | None:
    number = carrying.next_number(scene.node, to)
    path = folder / f"to-{to}-{number}.cxc"
    return carrying.take_out(scene.node, to, path, Wanted(**wanted), by="courier")


def made(scene: Scene, to: str, folder: Path, **wanted: Any) -> Made:
    found = out(scene, to, folder, **wanted)
    assert found is not None
    return found


def bring(scene: Scene, file: Path) -> Brought:
    return carrying.bring_in(scene.node, file, by="desk", progress=nothing)


def total(brought: Brought) -> int:
    """How many objects were new."""
    return sum(run.fates["new"] + run.fates["updated"] for run in brought.runs)


def received(scene: Scene, partner: str) -> list[str]:
    """Names of the indicators that came from a partner, each version once."""
    hits, _ = holdings.received(scene.node, partner, limit=10_000)
    return sorted(hit.label for hit in hits if hit.stix_id.startswith("indicator--"))


def kinds(scene: Scene) -> set[str]:
    with scene.node.database.reading() as tx:
        bodies = tx.execute(select(ledger_lines.c.body)).scalars()
        return {decode_line(body).kind for body in bodies}


def open_statements(scene: Scene) -> list[int]:
    with scene.node.database.reading() as tx:
        return [
            row.seq
            for way in Way
            for row in rows.without_receipt(tx, scene.partner("b"), ours=True, way=way)
        ]


def test_what_a_partner_would_poll_goes_by_file_and_its_receipts_come_back(
    channel: Channel, tmp_path: Path
) -> None:
    """Signed as over the link, receipted by a file back; the link then brings nothing new, and both ledgers verify."""
    channel.a.publish(*(indicator(f"n{n}") for n in range(5)), address("198.51.100.9"))
    file = made(channel.a, "b", tmp_path)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert b"indicator" not in file.path.read_bytes()
    brought = bring(channel.b, file.path)
    (run,) = brought.runs
    assert run.ok, run.outcome
    assert run.counts["signed"] == run.counts["received"] == file.objects > 5
    assert run.counts["unsigned"] == 0
    assert not run.notes
    back = made(channel.b, "a", tmp_path)
    assert back.receipts == 1
    answered = bring(channel.a, back.path)
    assert (answered.receipts, answered.answered) == (1, (1,))
    with channel.a.node.database.reading() as tx:
        (row,) = rows.listing(tx, partner=channel.a.partner("b"), ours=True)
        keys = partner_keys.keys_of(tx, channel.a.partner("b"))
    receipt = read_receipt(verify(str(row.receipt), keys, channel.a.node.now()))
    assert receipt.outcomes == ((file.objects, Ended.RECEIVED),)
    over_link = channel.pull()
    assert over_link.ok, over_link
    assert over_link.counts["received"] == 0
    for scene in (channel.a, channel.b):
        ledger.note_fetches(scene.node)
        ledger.seal(scene.node)
        ledger.verify(scene.node)
    answer = made(channel.a, "b", tmp_path)  # it says that B's file came, and that needs no answer
    assert bring(channel.b, answer.path).answered == (1,)
    assert out(channel.b, "a", tmp_path) is None
    assert out(channel.a, "b", tmp_path) is None


@pytest.fixture
def quick(sqlite_node: Node, new_node: Any, wall: Wall, tmp_path: Path) -> Iterator[Channel]:
    """The same on SQLite alone: for what no engine decides."""
    other = as_b(new_node("sqlite", "b"), wall)
    try:
        with channel_between(sqlite_node, other, tmp_path) as made_:
            made_.source()
            yield made_
    finally:
        other.close()


def has_it(scene: Scene, stix_id: str) -> tuple[str, str]:
    (holder,) = recalling.fetched(scene.node, stix_id, partner="b")
    return str(holder.has), holder.why


def test_what_went_by_file_counts_as_that_and_not_as_fetched(
    quick: Channel, tmp_path: Path
) -> None:
    """May have it, by file 1, until B's file says that it arrived; nothing says `fetched` that no node asked for."""
    x = indicator("x")
    quick.a.publish(x)
    file = made(quick.a, "b", tmp_path)
    ledger.note_fetches(quick.a.node)
    assert has_it(quick.a, x["id"]) == (
        "maybe",
        "it went into file 1, carried by hand; whether that arrived is not known",
    )

    def told() -> tuple[str, int | None]:
        listed = disclosing.disclosed(quick.a.node, "b", on=quick.a.node.now())
        (one,) = [one for one in listed if one.stix_id == x["id"]]
        return str(one.has), one.file

    assert told() == ("maybe", 1)
    assert "fetched" not in kinds(quick.a)
    bring(quick.b, file.path)
    bring(quick.a, made(quick.b, "a", tmp_path).path)
    assert has_it(quick.a, x["id"])[0] == "fetched"
    assert told() == ("fetched", 1)
    (listed,) = [one for one in carrying.listing(quick.a.node, partner="b") if one.ours]
    assert (listed.number, listed.answered_at is not None) == (1, True)


def arrived(scene: Scene) -> dict[int, bool]:
    """Which of our files for B are known to have arrived."""
    listed = carrying.listing(scene.node, partner="b")
    return {one.number: one.answered_at is not None for one in listed if one.ours}


def test_a_file_that_another_passes_over_does_not_count_as_arrived(
    quick: Channel, tmp_path: Path
) -> None:
    """File 2 is lost, what it held is withdrawn, file 3 is whole: B has 1, 3 and what builds on 3, and never had X."""
    a, b, x, y = quick.a, quick.b, indicator("x"), indicator("y")
    a.publish(indicator("one"))
    first = made(a, "b", tmp_path)
    bring(b, first.path)
    a.publish(x, y)
    made(a, "b", tmp_path)  # nobody brings it in
    releasing.withdraw(a.node, x["id"], by="desk", reason="a mistake")
    whole = made(a, "b", tmp_path, whole=True)
    assert (whole.number, whole.base) == (3, 0)
    bring(b, whole.path)
    assert bring(a, made(b, "a", tmp_path).path).answered == (3,)
    assert arrived(a) == {1: False, 2: False, 3: True}
    assert has_it(a, x["id"]) == (
        "maybe",
        "it went into file 2, carried by hand; whether that arrived is not known",
    )
    assert has_it(a, y["id"])[1] == "it went into file 3, carried by hand, which it says it has"
    listed = {one.stix_id: one for one in disclosing.disclosed(a.node, "b", on=a.node.now())}
    assert [(str(listed[one["id"]].has), listed[one["id"]].file) for one in (x, y)] == [
        ("maybe", 2), ("fetched", 3)
    ]  # fmt: skip
    a.publish(indicator("four"))
    bring(b, made(a, "b", tmp_path).path)
    a.publish(indicator("five"))
    bring(b, made(a, "b", tmp_path).path)
    assert bring(a, made(b, "a", tmp_path).path).answered == (4, 5)
    # On file 2, which B never had, it takes file 6 all the same: a greater number was there.
    sixth = made(a, "b", tmp_path, again_from=3)
    assert (sixth.number, sixth.base) == (6, 2)
    bring(b, sixth.path)
    assert bring(a, made(b, "a", tmp_path).path).answered == (6,)
    assert arrived(a)[2] is False


def test_what_a_file_builds_on_arrived_with_it(quick: Channel, tmp_path: Path) -> None:
    """Files 1 and 2 came, 3 builds on 1: whichever of them was the last before it, file 1 is there; 2 may not be."""
    for name in ("one", "two"):
        quick.a.publish(indicator(name))
        file = made(quick.a, "b", tmp_path)
        if file.number == 1:
            bring(quick.b, file.path)
    third = made(quick.a, "b", tmp_path, again_from=2)
    assert (third.number, third.base) == (3, 1)
    bring(quick.b, third.path)
    assert bring(quick.a, made(quick.b, "a", tmp_path).path).answered == (1, 3)
    assert arrived(quick.a) == {1: True, 2: False, 3: True}


def test_what_the_link_brought_is_unchanged_by_file_and_the_links_word_stays(
    quick: Channel, tmp_path: Path
) -> None:
    """All of a file adds up; it is no quiet run, and what the last run over the link said is still said."""

    def source() -> channels.Channel:
        with quick.b.node.database.reading() as tx:
            (found,) = [one for one in channels.channels(tx) if one.name == "from-a"]
        return found

    quick.a.publish(*(indicator(f"n{n}") for n in range(4)))
    assert quick.pull().ok
    assert quick.pull().ok
    before = source()
    for _ in range(3):
        file = made(quick.a, "b", tmp_path, whole=True)
        (run,) = bring(quick.b, file.path).runs
        assert run.ok
        assert run.fates["unchanged"] == run.counts["received"] == file.objects == 6
        assert run.outcome == "Nothing new. 6 objects of the file were here already."
    after = source()
    assert (before.last_outcome or "").startswith("Nothing new; asked for")
    assert after.last_outcome == before.last_outcome
    assert after.counters["quiet_runs"] == before.counters["quiet_runs"] == 1
    quick.a.publish(indicator("more"))
    file = made(quick.a, "b", tmp_path, whole=True)
    (run,) = bring(quick.b, file.path).runs
    assert (run.fates["new"], sum(run.fates.values())) == (1, file.objects)


def test_what_was_taken_back_before_a_file_does_not_count_as_in_it(
    quick: Channel, tmp_path: Path
) -> None:
    """The file goes past its place in the log, and B has that file; nobody says that B has the object."""
    x = indicator("x")
    quick.a.publish(x)
    releasing.withdraw(quick.a.node, x["id"], by="desk", reason="a mistake")
    quick.a.publish(indicator("y"))
    bring(quick.b, made(quick.a, "b", tmp_path).path)
    assert bring(quick.a, made(quick.b, "a", tmp_path).path).answered == (1,)
    assert has_it(quick.a, x["id"])[0] == "maybe"
    assert has_it(quick.a, x["id"])[1].startswith("only files carried by hand after it was taken")


def test_link_and_file_in_any_order_lose_and_double_nothing(quick: Channel, tmp_path: Path) -> None:
    """A part by link, files that overlap it, files out of order and twice, an older one late, a push on top."""
    quick.a.publish(*(indicator(f"link {n}") for n in range(3)))
    assert quick.pull().ok
    quick.a.publish(*(indicator(f"one {n}") for n in range(3)))
    first = made(quick.a, "b", tmp_path)
    quick.a.publish(*(indicator(f"two {n}") for n in range(3)))
    second = made(quick.a, "b", tmp_path)
    assert (second.number, second.base, second.objects) == (2, 1, 3)
    with pytest.raises(ConfigurationInvalid, match=r"file 1 did not come.*--from 1"):
        bring(quick.b, second.path)
    again = made(quick.a, "b", tmp_path, again_from=1)
    assert (again.number, again.base, again.objects) == (3, 0, first.objects + second.objects)
    assert total(bring(quick.b, again.path)) == 6
    for late in (second, first, again):
        brought = bring(quick.b, late.path)
        assert (brought.ok, total(brought)) == (True, 0)
    quick.a.publish(indicator("after"))
    assert quick.pull().counts["accepted"] == 1
    quick.target()
    pushed = quick.push()
    assert pushed.counts["confirmed"] == pushed.counts["sent"] > 0
    assert sorted(received(quick.b, "a")) == sorted(
        [f"{name} {n}" for name in ("link", "one", "two") for n in range(3)] + ["after"]
    )
    assert not open_statements(quick.a)


def test_what_is_much_goes_in_several(
    quick: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files end where statements end, pages never reach beyond, and a source with a filter takes what it asks for."""
    monkeypatch.setattr(stating, "MOST", 3)
    monkeypatch.setattr(taking_out, "PAGE", 2)
    quick.a.publish(*(indicator(f"n{n}") for n in range(8)), address("198.51.100.9"))
    sizes, left = [], True
    while left:
        file = made(quick.a, "b", tmp_path, most=5)
        brought = bring(quick.b, file.path)
        assert [run.counts["unsigned"] for run in brought.runs] == [0]
        assert brought.ok
        sizes.append(file.objects)
        left = file.left
    assert sizes[0] == 6
    assert len(received(quick.b, "a")) == 8
    assert bring(quick.a, made(quick.b, "a", tmp_path).path).receipts == -(-sum(sizes) // 3)
    assert not open_statements(quick.a)
    assert quick.pull().counts["received"] == 0
    quick.source("only-addresses", match={"type": "ipv4-addr"})
    brought = bring(quick.b, made(quick.a, "b", tmp_path, whole=True).path)
    filtered = next(run for run in brought.runs if run.name == "only-addresses")
    assert (filtered.ok, filtered.counts["received"]) == (True, 1)


def test_what_shuts_a_source_shuts_it_by_file_as_well(quick: Channel, tmp_path: Path) -> None:
    """Too much at once: the source is shut, the file stays to be brought in again, and then comes in once."""
    syncing.remove(quick.b.node, "pull", "from-a", by="desk")
    quick.source("small", most_objects=1)
    quick.a.publish(*(indicator(f"n{n}") for n in range(30)))
    file = made(quick.a, "b", tmp_path).path
    (run,) = bring(quick.b, file).runs
    assert not run.ok
    assert not carrying.listing(quick.b.node)
    with quick.b.node.database.reading() as tx:
        (small,) = [one for one in channels.channels(tx) if one.name == "small"]
    assert small.paused
    assert received(quick.b, "a") == []
    syncing.remove(quick.b.node, "pull", "small", by="desk")
    quick.source()
    assert bring(quick.b, file).ok
    assert len(received(quick.b, "a")) == 30


def test_what_was_taken_back_is_told_also_by_file(quick: Channel, tmp_path: Path) -> None:
    """A file went out; what it held is withdrawn: the next file has the notice, and it is carried out there."""
    x = indicator("x")
    quick.a.publish(x, indicator("y"))
    bring(quick.b, made(quick.a, "b", tmp_path).path)
    recalling.recall(quick.a.node, x["id"], by="desk", reason="a mistake", freeze="none")
    noticing.tell(quick.a.node)
    brought = bring(quick.b, made(quick.a, "b", tmp_path).path)
    assert total(brought) == 1
    with quick.b.node.database.reading() as tx:
        gone = tx.execute(
            select(identifiers.c.stix_id)
            .join(objects, objects.c.ident == identifiers.c.num)
            .join(memberships, memberships.c.object == objects.c.id)
            .where(memberships.c.taken_back_at.is_not(None))
        )
        assert gone.scalars().all() == [x["id"]]


def test_nothing_goes_out_that_may_not(quick: Channel, tmp_path: Path) -> None:
    """A freeze, a suspension, a rule of the policy, a missing key: by file as over the link; and no file is left."""
    node = quick.a.node
    quick.a.publish(indicator("x"), indicator("red", tlp="red"))
    file = tmp_path / "f.cxc"
    freezing.freeze(node, "b", by="desk", reason="a leak")
    with pytest.raises(SharingFrozen):
        carrying.take_out(node, "b", file, Wanted(), by="courier")
    freezing.unfreeze(node, "b", by="desk", reason="mended")
    with pytest.raises(NotFound, match="may read no collection elsewhere"):
        carrying.take_out(node, "b", file, Wanted(collections=("elsewhere",)), by="courier")
    with pytest.raises(ConfigurationInvalid, match="No key of c is pinned"):
        carrying.take_out(node, "c", file, Wanted(), by="courier")
    assert not [*tmp_path.glob("*.cxc"), *tmp_path.glob(".*.part")]
    brought = bring(quick.b, made(quick.a, "b", tmp_path).path)
    assert brought.ok
    assert received(quick.b, "a") == ["x"]


def test_a_file_that_is_not_what_it_should_be(quick: Channel, tmp_path: Path) -> None:
    """Each has its sentence and its next step, and nothing of it is taken in."""
    quick.a.publish(*(indicator(f"n{n}") for n in range(4)))
    file = made(quick.a, "b", tmp_path).path
    whole = file.read_bytes()
    bad = tmp_path / "bad.cxc"

    def refused(raw: bytes, words: str, kind: type[CertExchangeError] = InputRefused) -> None:
        bad.write_bytes(raw)
        with pytest.raises(kind, match=words):
            bring(quick.b, bad)

    with pytest.raises(NotFound, match="There is no file"):
        bring(quick.b, tmp_path / "none.cxc")
    refused(b"", "no file of `carry out`")
    refused(b"dear partner, see attached\n\n", "no file of `carry out`")
    refused(whole.replace(b"\n", b"\r\n"), "no file of `carry out`")
    refused(
        whole.replace(b"carried 1", b"carried 2", 1),
        "format 2; this version reads 1 to 1.*--format 1",
    )
    head = len(b"".join(whole.splitlines(keepends=True)[:2]))
    for cut in (head - 5, head, head + 20, len(whole) - 1):
        refused(whole[:cut], "cut off or altered")
    for place in (30, head - 4, head + 40, len(whole) - 3):
        refused(
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
            "cut off|altered|somebody else",
        )
    refused(whole + b"more", "cut off or altered")
    with pytest.raises(InputRefused, match="for somebody else"):
        bring(quick.a, file)  # its own
    assert received(quick.b, "a") == []
    assert not carrying.listing(quick.b.node)
    # Two with one number: A made another file 1, as one that was put back does.
    quick.a.node.database.transact(lambda tx: tx.execute(delete(carried_files)))
    twin = carrying.take_out(quick.a.node, "b", tmp_path / "twin.cxc", Wanted(), by="courier")
    assert twin is not None
    assert twin.number == 1
    assert bring(quick.b, file).ok
    with pytest.raises(SignatureBroken, match="two files with number 1"):
        bring(quick.b, twin.path)
    quick.a.publish(indicator("later"))
    after_twin = made(quick.a, "b", tmp_path)
    with pytest.raises(SignatureBroken, match="two files with number 1"):
        bring(quick.b, after_twin.path)


def test_a_file_that_its_sender_made_wrong(quick: Channel, tmp_path: Path) -> None:
    """Closed to our key and not for us, from a stranger, with other content than was signed, with a key that ended."""
    a, b = quick.a.node, quick.b.node
    quick.a.publish(indicator("x"))
    file = made(quick.a, "b", tmp_path).path
    partners.amend(b, "a", speaks_for=["identity--" + uid("nobody")], relays=[])
    with pytest.raises(InputRefused, match="for whom no partner here speaks"):
        bring(quick.b, file)
    partners.amend(b, "a", speaks_for=[OUR_IDENTITY], relays=[])
    partners.amend(a, "b", speaks_for=["identity--" + uid("somebody")], relays=[])
    with pytest.raises(InputRefused, match="is for somebody else"):
        bring(quick.b, made(quick.a, "b", tmp_path, whole=True).path)
    partners.amend(a, "b", speaks_for=[B_IDENTITY], relays=[])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taking_out, "write_carried", _of_other_content)
        wrong = made(quick.a, "b", tmp_path, whole=True)
    with pytest.raises(SignatureBroken, match="other things than were signed"):
        bring(quick.b, wrong.path)
    signing.end(b, "a", a.secrets.signing_keys[0].kid, by="desk")
    with pytest.raises(SignatureBroken, match="does not count now"):
        bring(quick.b, file)
    assert received(quick.b, "a") == []


def _of_other_content(carried: Carried, key: SigningKey) -> str:
    return write_carried(replace(carried, content=bytes(32)), key)


def test_limits_are_looked_at_before_anything_is_taken_in(
    quick: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick.a.publish(*(indicator(f"n{n}") for n in range(4)))
    file = made(quick.a, "b", tmp_path).path
    for name, words in (
        ("MOST_BYTES", "at most 2 are read"),
        ("LINE_BYTES", "more than 2 bytes in a line"),
        ("MOST_LINES", "more than 2 lines"),
        ("MOST_OBJECTS", "more than 2 objects"),
        ("KEPT_BYTES", "more than 2 bytes of statements"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(reading, name, 2)
            with pytest.raises(InputRefused, match=words):
                bring(quick.b, file)
    assert received(quick.b, "a") == []


HOSTILE: list[list[Any]] = [
    [5], ["x"], [{"record": 5}], [{"record": "head", "lines": -1}], [{"record": "head", "lines": 9}],
    [{"record": "page", "collection": "none", "first": 1, "last": 2, "count": 1, "lines": 1}, {}],
    [{"record": "page", "collection": ["x"], "first": 1, "last": 2, "count": 1, "lines": 1}, {}],
    [{"record": "collection", "collection": "u", "after": 2, "upto": 1}],
    [{"record": "collection", "collection": "u", "alias": 5, "after": 0, "upto": 1}],
    [{"record": "collection", "collection": "u", "after": -1, "upto": 2**60}],
    [{"record": "statement", "collection": "u", "seq": 1, "lines": 1}, {"entries": []}],
    [{"record": "receipt"}], [{"record": "receipt", "receipt": 5}], [{"record": "keys"}],
]  # fmt: skip
UUID = uid("collection indicators")
HARMLESS: list[list[Any]] = [
    [{"record": "answer", "number": 1, "digest": 5}], [{"record": "answer"}],
    [{"record": "stand", "has": [1]}], [{"record": "stand", "has": {"u": "x"}}],
    [{"record": "keys", "signed": {"a": 1}}], [{"record": "head", "made_with": {"x": "\x1b[2J"}}],
    [{"record": "receipt", "receipt": "é.é.é"}],
    *(
        [
            {"record": "collection", "collection": UUID, "alias": "indicators", "after": 0, "upto": 9},
            {"record": "page", "collection": UUID, "first": first, "last": last, "count": 3, "lines": 1},
            body,
        ]
        for first, last, body in ((5, 9, "no json ]}"), (9, 5, {}), (1, 2**53 - 1, {"a": 1}), (1, 9, []))
    ),
    [
        {"record": "collection", "collection": UUID, "alias": "indicators", "after": 0, "upto": 9},
        {"record": "statement", "collection": UUID, "seq": 1, "lines": 1},
        {"statement": "x", "entries": [[1], None]},
        {"record": "page", "collection": UUID, "first": 1, "last": 9, "count": 1, "lines": 1},
        indicator("x"),
    ],
]  # fmt: skip


def test_whatever_a_partner_signs_ends_in_a_sentence(world: World, tmp_path: Path) -> None:
    """Hostile records of a partner with a right key: refused whole, or taken for what they are; nothing falls over."""
    for number, records in enumerate([*HOSTILE, *HARMLESS], 1):
        file = hostile(world, records, tmp_path / f"{number}.cxc", number)
        if records in HOSTILE:
            with pytest.raises(
                InputRefused, match=r"is not what `carry out` writes|cut off or altered"
            ):
                bring(world.b.scene, file)
        else:
            brought = bring(world.b.scene, file)
            assert (brought.ok, total(brought)) in ((True, 0), (False, 0)), records
    assert received(world.b.scene, "a") == []


def hostile(world: World, records: list[Any], path: Path, number: int) -> Path:
    a, b = world.a.node, world.b.node
    key = b.secrets.signing_keys[0]
    with drafting(path, VerifyingKey(key.kid, key.public), form=1) as draft:
        for one in records:
            draft.records._line((one if isinstance(one, str) else json.dumps(one)).encode())
        objects = sum(one.get("count", 0) for one in records if isinstance(one, dict))
        carried = Carried(
            OUR_IDENTITY, (B_IDENTITY,), number, 0, bytes(32), a.now(), objects,
            draft.records.digest.digest(),
        )  # fmt: skip
        draft.records.end(write_carried(carried, a.secrets.signing_keys[0]))
        draft.close()
        draft.keep()
    return path


def test_records_and_names_of_a_later_version_are_passed_over(
    quick: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is new within a format harms no older node, and it says that it passed something over."""
    real = Records.put

    def newer(self: Records, name: str, body: bytes | None = None, **said: Any) -> None:
        if name == "collection":
            real(self, "weather", b'{"of":"tomorrow"}', wind="north")
        real(self, name, body, **said, since_next_year=True)

    quick.a.publish(indicator("x"))
    with monkeypatch.context() as patch:
        patch.setattr(Records, "put", newer)
        file = made(quick.a, "b", tmp_path).path
    brought = bring(quick.b, file)
    assert (brought.ok, total(brought)) == (True, 2)
    assert any("1 record is of a kind" in note for note in brought.notes)


def test_a_run_that_is_killed_is_begun_again(
    quick: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a file has its row on either side nothing counts; what was done is found, not doubled."""
    quick.a.publish(*(indicator(f"n{n}") for n in range(4)))
    with monkeypatch.context() as patch:
        patch.setattr(taking_out, "_commit", _killed)
        with pytest.raises(KeyboardInterrupt):
            made(quick.a, "b", tmp_path)
    assert not [*tmp_path.glob("*.cxc"), *tmp_path.glob(".*.part")]
    file = made(quick.a, "b", tmp_path)
    assert file.number == 1
    with monkeypatch.context() as patch:
        patch.setattr(bringing_in, "_keep", _killed)
        with pytest.raises(KeyboardInterrupt):
            bring(quick.b, file.path)
    brought = bring(quick.b, file.path)
    assert (brought.ok, total(brought)) == (True, 0)
    assert len(received(quick.b, "a")) == 4
    assert bring(quick.a, made(quick.b, "a", tmp_path).path).receipts == 1
    assert not open_statements(quick.a)


def test_a_name_that_is_taken_at_the_last_moment_loses_no_file(
    quick: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number is given: it stays beside the other, which is not overwritten, and is said by its name."""
    quick.a.publish(indicator("x"))
    real, taken = taking_out._commit, tmp_path / "to-b-1.cxc"

    def commit(*given: Any, **more: Any) -> None:
        real(*given, **more)
        taken.write_text("somebody else's")

    monkeypatch.setattr(taking_out, "_commit", commit)
    with pytest.raises(ConfigurationInvalid, match=r"take \.to-b-1\.cxc\.\w+\.part"):
        made(quick.a, "b", tmp_path)
    assert taken.read_text() == "somebody else's"
    (part,) = tmp_path.glob(".*.part")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert total(bring(quick.b, part)) == 2


def _killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def world() -> Iterator[World]:
    with Worlds() as worlds, worlds.world() as made_:
        a, b = made_.a.node, made_.b.node
        signing.pin(a, "b", public_key(b), by="x")
        signing.pin(b, "a", public_key(a), by="x")
        syncing.add_source(
            b, "from-a", partner="a", url="http://127.0.0.1:9/api/", remote_collection="indicators",
            collection="indicators", options={"insecure": True},
        )  # fmt: skip
        yield made_


def again(world: World, side: Side) -> Scene:
    """A node as `restore` makes it out of `backup`, looked at by a person."""
    home = world.folder / "again"
    safekeeping.restore(world.folder / "backup", home, clock=world.wall.clock())
    node = open_node(home, clock=world.wall.clock())
    world.ends(node.close)
    freezing.unfreeze(node, by="desk", reason="looked")
    return Scene(node)


def test_a_sender_that_was_restored_goes_on_after_what_its_partner_has(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes none before B's file says where it is; a number that was used before is refused, with what to do."""
    a, b = world.a.scene, world.b.scene
    a.publish(indicator("one"))
    bring(b, made(a, "b", tmp_path).path)
    safekeeping.backup(a.node, world.folder / "backup")
    a.publish(indicator("two"))
    bring(b, made(a, "b", tmp_path).path)
    back = again(world, world.a)
    back.publish(indicator("three"))
    folder = tmp_path / "again"
    folder.mkdir()
    with pytest.raises(ConfigurationInvalid, match=r"We were restored.*--anyway"):
        made(back, "b", folder)
    with monkeypatch.context() as patch:  # as a copy would
        patch.setattr(taking_out, "_check_heard", lambda *_: None)
        patch.setattr(deliveries, "tell_next", lambda *_: None)
        twin = made(back, "b", folder, anyway=True)
    with pytest.raises(SignatureBroken, match=r"two files with number 2.*`carry out"):
        bring(b, twin.path)
    told = bring(back, made(b, "a", tmp_path, anyway=True).path)
    assert any("files of ours up to 2, which a restore lost" in note for note in told.notes)
    file = made(back, "b", folder)
    assert (file.number, file.base) == (3, 2)
    brought = bring(b, file.path)
    assert brought.ok, brought.runs
    assert [run.counts["unsigned"] for run in brought.runs] == [0]
    assert not [
        note for run in brought.runs for note in run.notes if "says that its store" not in note
    ]
    assert received(b, "a") == ["one", "three", "two"]


def test_a_receiver_that_was_restored_asks_for_what_it_lost(world: World, tmp_path: Path) -> None:
    a, b = world.a.scene, world.b.scene
    a.publish(indicator("one"))
    bring(b, made(a, "b", tmp_path).path)
    safekeeping.backup(b.node, world.folder / "backup")
    a.publish(indicator("two"))
    bring(b, made(a, "b", tmp_path).path)
    a.publish(indicator("three"))
    third = made(a, "b", tmp_path)
    back = again(world, world.b)
    with pytest.raises(ConfigurationInvalid, match=r"file 2 did not come.*--from 2"):
        bring(back, third.path)
    assert bring(back, made(a, "b", tmp_path, again_from=2).path).ok
    assert received(back, "a") == ["one", "three", "two"]
    whole = made(a, "b", tmp_path, whole=True)
    assert (whole.base, bring(back, whole.path).ok) == (0, True)
    assert received(back, "a") == ["one", "three", "two"]
