"""A ledger of 100,000 lines: whatever is done to any of them is found, by the node and by the stand-alone verifier.

Dropped, exchanged, doubled, back-dated, altered in any field or bit, cut off; in the store and in the exported file; once
without touching anything else, once with the whole chain and tree made anew. Lines and bits are sampled: the first, the
last and random ones (the seed is fixed, so that a failure repeats).
"""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, delete, insert, select, update
from sqlalchemy.pool import NullPool
from tests.conftest import OUR_IDENTITY, TITLE
from tests.invariants.test_6_heads import Forger
from tests.invariants.test_6_ledger import write_history
from tests.unit.test_ledger_verifier import verifier

from cert_exchange.errors import EvidenceBroken
from cert_exchange.messages.evidence import Line, encode_line
from cert_exchange.node import Node, make_home, open_node
from cert_exchange.services import exporting, ledger
from cert_exchange.services.ledger import checkpointing
from cert_exchange.store import ledger as rows
from cert_exchange.store.copies import MAIN, copy_out
from cert_exchange.store.database import Database
from cert_exchange.store.tables import (
    checkpoints,
    ledger_head,
    ledger_lines,
    ledger_tree,
)

LINES = 100_000
HEADS = 10
KINDS = (
    "partner.suspend",
    "partner.resume",
    "partner.amend",
    "credential.issue",
    "fetched",
    "backup",
)

pytestmark = pytest.mark.soak


def fill(node: Node, rng: random.Random) -> None:
    """Real lines of a year, a signed head after each tenth."""
    write_history(node)
    ledger.seal(node)
    with node.database.reading() as tx:
        have = rows.head(tx)[0]
    start = node.now()
    step = (LINES - have) // HEADS

    def lines(tx: Connection, first: int, count: int) -> None:
        for number in range(first, first + count):
            facts: dict[str, Any] = {"partner": f"cert-{rng.randrange(40)}"}
            if number % 5 == 0:
                facts = {"epoch": 1, "fetched": [f"b/{rng.randrange(1, 9)}/{number}/{number + 9}"]}
            kind = KINDS[number % len(KINDS)]
            line = Line(
                kind, start + number * 300_000_000, rng.choice(["anna", "boris"]), facts=facts
            )
            rows.write_line(tx, rows.reserve_line(tx), encode_line(line))

    done = have
    for part in range(HEADS):
        count = LINES - done if part == HEADS - 1 else step
        node.database.transact(lambda tx, done=done, count=count: lines(tx, done, count))
        checkpointing.issue(node)
        done += count


@dataclass
class Long:
    """The node, its database file at rest, and what was exported."""

    node: Node
    ids: list[int]
    """of the ledger lines, by number from 1"""
    file: list[str]
    folder: Path

    @property
    def pristine(self) -> Path:
        return self.folder / "pristine.db"

    @contextmanager
    def edited(self, work: Callable[[Connection], None]) -> Iterator[Node]:
        """A node over a copy of the database to which this was done, by somebody with the file."""
        path = self.folder / "scratch.db"
        for one in self.folder.glob("scratch.db*"):
            one.unlink()
        shutil.copyfile(self.pristine, path)
        engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
        with engine.begin() as tx:
            work(tx)
        database = Database.open(f"sqlite:///{path}")
        try:
            yield replace(self.node, database=database)
        finally:
            database.dispose()

    def refused(self, work: Callable[[Connection], None]) -> str:
        with self.edited(work) as node, pytest.raises(EvidenceBroken) as found:
            ledger.verify(node)
        return found.value.public


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Long]:
    folder = tmp_path_factory.mktemp("long")
    node = open_node(make_home(folder / "home", identity=OUR_IDENTITY, title=TITLE))
    fill(node, random.Random(6))
    with node.database.reading() as tx:
        ids = tx.execute(select(ledger_lines.c.id).order_by(ledger_lines.c.seq)).scalars().all()
    file: list[str] = []
    exporting.export(node, file.append)
    copy_out(node.database, folder)
    (folder / MAIN).rename(folder / "pristine.db")
    yield Long(node, list(ids), file, folder)
    node.close()


def sampled(count: int, seed: str) -> list[int]:
    """Numbers of lines: the first, the last, around a signed head, and random ones."""
    rng = random.Random(seed)
    return [1, 2, LINES // HEADS, LINES // HEADS + 1, LINES - 1, LINES] + [
        rng.randrange(3, LINES - 1) for _ in range(count)
    ]


def test_it_verifies(long: Long) -> None:
    """The node and the verifier agree on what there is."""
    found = ledger.verify(long.node)
    assert (found.sealed, found.tree, found.checkpoints) == (LINES, LINES, HEADS)
    keys = [verifier.read_key(one) for one in exporting.public_keys(long.node)]
    told = verifier.Verifier(keys).verify(long.file)
    assert (told.lines, told.heads) == (LINES, HEADS)


def row_of(tx: Connection, long: Long, number: int) -> dict[str, Any]:
    found = tx.execute(select(ledger_lines).where(ledger_lines.c.id == long.ids[number - 1]))
    return dict(found.mappings().one())


def put(tx: Connection, *given: dict[str, Any]) -> None:
    tx.execute(delete(ledger_lines).where(ledger_lines.c.id.in_([row["id"] for row in given])))
    tx.execute(insert(ledger_lines), list(given))


def flipped(value: str | bytes, bit: int) -> Any:
    """One bit of a text or of bytes is another; a text stays one."""
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    raw[bit // 8 % len(raw)] ^= 1 << (bit % 7 if isinstance(value, str) else bit % 8)
    return raw.decode("utf-8", "replace") if isinstance(value, str) else bytes(raw)


def altered(row: dict[str, Any], name: str, rng: random.Random) -> dict[str, Any]:
    if name == "seq":
        return {**row, "seq": row["seq"] + 1_000_000}
    return {**row, name: flipped(row[name], rng.randrange(8 * len(row[name])))}


def with_fact(row: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """A line that says something else, in canonical form."""
    said = json.loads(row["body"]) | facts
    body = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {**row, "body": body}


Deed = Callable[[Connection, Long, int, random.Random], None]


def drop(tx: Connection, long: Long, number: int, _: random.Random) -> None:
    tx.execute(delete(ledger_lines).where(ledger_lines.c.id == long.ids[number - 1]))


def swap(*names: str) -> Deed:
    def deed(tx: Connection, long: Long, number: int, rng: random.Random) -> None:
        other = number - 1 if number == LINES else number + 1
        if rng.random() < 0.5:
            other = next(one for one in iter(lambda: rng.randrange(1, LINES), 0) if one != number)
        one, two = row_of(tx, long, number), row_of(tx, long, other)
        put(
            tx,
            {**one, **{name: two[name] for name in names}},
            {**two, **{name: one[name] for name in names}},
        )

    return deed


def back_date(tx: Connection, long: Long, number: int, rng: random.Random) -> None:
    row = row_of(tx, long, number)
    put(tx, with_fact(row, at=json.loads(row["body"])["at"] - rng.randrange(1, 10**12)))


def reattribute(tx: Connection, long: Long, number: int, _: random.Random) -> None:
    put(tx, with_fact(row_of(tx, long, number), by="somebody else"))


def bit_of(name: str) -> Deed:
    def deed(tx: Connection, long: Long, number: int, rng: random.Random) -> None:
        put(tx, altered(row_of(tx, long, number), name, rng))

    return deed


def double(tx: Connection, long: Long, number: int, _: random.Random) -> None:
    row = row_of(tx, long, number)
    tx.execute(insert(ledger_lines).values({**row, "id": 10**9, "seq": LINES + 1}))


def cut_off(
    tx: Connection, long: Long, number: int, rng: random.Random, *, head: bool = True
) -> None:
    """This line and all after it, the head set back to the one before; the tree too, half of the times."""
    tx.execute(delete(ledger_lines).where(ledger_lines.c.seq >= number))
    last = tx.execute(
        select(ledger_lines.c.seq, ledger_lines.c.hash).order_by(ledger_lines.c.seq.desc()).limit(1)
    ).one_or_none()
    seq, link = last or (0, rows.GENESIS)
    if head:
        tx.execute(update(ledger_head).values(seq=seq, hash=link))
    if rng.random() < 0.5:
        tx.execute(
            delete(ledger_tree).where(ledger_tree.c.level == 0, ledger_tree.c.number >= number - 1)
        )


DEEDS: dict[str, Deed] = {
    "dropped": drop,
    "texts exchanged": swap("body"),
    "places exchanged": swap("seq"),
    "places and hashes exchanged": swap("seq", "hash"),
    "texts and hashes exchanged": swap("body", "hash"),
    "back-dated": back_date,
    "said to be by another": reattribute,
    "a bit of the text": bit_of("body"),
    "a bit of the hash": bit_of("hash"),
    "another number": bit_of("seq"),
    "doubled": double,
    "cut off": cut_off,
}


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_whatever_is_done_to_a_line_in_the_store_is_found(
    long: Long, deed: Deed, request: pytest.FixtureRequest
) -> None:
    """Each way, on sampled lines."""
    rng = random.Random(request.node.name)
    for number in sampled(8, request.node.name):
        assert long.refused(lambda tx, number=number: deed(tx, long, number, rng))


@pytest.mark.parametrize("also_tree", [False, True])
@pytest.mark.parametrize("deed", [drop, back_date, reattribute], ids=lambda deed: deed.__name__)
def test_a_whole_new_chain_over_a_changed_line_is_found(
    long: Long, deed: Deed, also_tree: bool
) -> None:
    """Every hash after it made anew, and the tree: what was signed says otherwise."""
    rng = random.Random(9)
    number = rng.randrange(LINES // 2, LINES)

    def forge(tx: Connection) -> None:
        deed(tx, long, number, rng)
        forger = Forger(tx)
        links = forger.chain()
        if also_tree:
            forger.tree(links)

    told = long.refused(forge)
    assert "signed" in told or "joined the tree" in told


@dataclass
class States:
    """What the verifier knew after each signed head, so that a change further on need not begin at the first line."""

    long: Long

    def __post_init__(self) -> None:
        keys = [verifier.read_key(one) for one in exporting.public_keys(self.long.node)]
        one = verifier.Verifier(keys)
        one.found.origin = json.loads(self.long.file[0])["origin"]
        self.at = [(1, copy.deepcopy(one))]
        for index, text in enumerate(self.long.file[1:-1], start=1):
            record = json.loads(text)
            (one._head if "checkpoint" in record else one._line)(record)
            if "checkpoint" in record:
                self.at.append((index + 1, copy.deepcopy(one)))

    def verify(self, file: list[str], changed: int) -> None:
        """Go on with `file` from the last head before the line that was changed. Raises Broken."""
        start, state = max((one for one in self.at if one[0] <= changed), key=lambda one: one[0])
        one = copy.deepcopy(state)
        ended = None
        for record in verifier.records(file[start:]):
            if ended is not None:
                raise verifier.Broken("something stands behind the end")
            if "line" in record:
                one._line(record)
            elif "checkpoint" in record:
                one._head(record)
            elif "end" in record:
                ended = record["end"]
            else:
                raise verifier.Broken("unknown")
        one._end(ended)


@pytest.fixture(scope="module")
def states(long: Long) -> States:
    return States(long)


def _moved(file: list[str], at: int, rng: random.Random) -> list[str]:
    to = rng.randrange(at + 1, len(file) - 1)
    return [*file[:at], *file[at + 1 : to + 1], file[at], *file[to + 1 :]]


def _record(file: list[str], at: int, change: Callable[[dict[str, Any]], None]) -> list[str]:
    record = json.loads(file[at])
    change(record)
    return [*file[:at], json.dumps(record, ensure_ascii=False) + "\n", *file[at + 1 :]]


def _said(file: list[str], at: int, change: Callable[[dict[str, Any]], None]) -> list[str]:
    def work(record: dict[str, Any]) -> None:
        said = json.loads(record["line"])
        change(said)
        record["line"] = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    return _record(file, at, work)


FILE_DEEDS: dict[str, Callable[[list[str], int, random.Random], list[str]]] = {
    "dropped": lambda file, at, _: file[:at] + file[at + 1 :],
    "exchanged": lambda file, at, _: [*file[:at], file[at + 1], file[at], *file[at + 2 :]],
    "doubled": lambda file, at, _: [*file[: at + 1], file[at], *file[at + 1 :]],
    "moved": _moved,
    "back-dated": lambda file, at, rng: _said(file, at, lambda said: said.update(at=said["at"] - rng.randrange(1, 10**12))),
    "by another": lambda file, at, _: _said(file, at, lambda said: said.update(by="x")),
    "another salt": lambda file, at, rng: _record(file, at, lambda one: one.update(salt=rng.randbytes(16).hex())),
    "cut off": lambda file, at, _: [*file[:at], json.dumps({"end": {"lines": json.loads(file[at])["seq"] - 1}}) + "\n"],
}  # fmt: skip


def lines_of(file: list[str], count: int, seed: str) -> list[int]:
    """Places of ledger lines in the file: the first, the last that is not behind all heads, and random ones."""
    rng = random.Random(seed)
    places = [at for at, text in enumerate(file) if text.startswith('{"seq":')]
    return [places[0], places[1], places[-2], *rng.sample(places[2:-2], count)]


@pytest.mark.parametrize("kind", FILE_DEEDS)
def test_whatever_is_done_to_a_line_of_the_file_is_found(
    long: Long, states: States, kind: str
) -> None:
    """By the verifier, with the public key and the last signed head, on sampled lines."""
    rng = random.Random(kind)
    for at in lines_of(long.file, 20, kind):
        spoiled = FILE_DEEDS[kind](long.file, at, rng)
        with pytest.raises(verifier.Broken):
            states.verify(spoiled, at)


def test_a_file_that_is_cut_off_behind_a_head_is_found_by_a_head_that_was_kept(long: Long) -> None:
    """Cut exactly behind a signed head and closed again, it is a whole older ledger: only the later head tells."""
    keys = [verifier.read_key(one) for one in exporting.public_keys(long.node)]
    heads = [at for at, text in enumerate(long.file) if text.startswith('{"checkpoint":')]
    held = [verifier.read_head(json.loads(long.file[heads[-1]])["checkpoint"], keys)]
    for at in heads[:-1:4]:
        lines = json.loads(long.file[at - 1])["seq"]
        short = [*long.file[: at + 1], json.dumps({"end": {"lines": lines}}) + "\n"]
        verifier.Verifier(keys).verify(short)
        with pytest.raises(verifier.Broken, match="cut off"):
            verifier.Verifier(keys, held).verify(short)


def test_any_bit_of_the_file_counts(long: Long, states: States) -> None:
    """Bits at random in lines and heads: each that changes what is said is found."""
    rng = random.Random("bits")
    tried = 0
    while tried < 250:
        at = rng.randrange(1, len(long.file) - 1)
        if tried % 25 == 0:
            at = rng.choice([one for one, text in enumerate(long.file) if '{"checkpoint"' in text])
        raw = bytearray(long.file[at].encode())
        bit = rng.randrange(8 * (len(raw) - 1))
        raw[bit // 8] ^= 1 << bit % 8
        try:
            text = raw.decode()
            if json.loads(text) == json.loads(long.file[at]):
                continue
        except ValueError:
            text = raw.decode("utf-8", "replace")
        with pytest.raises(verifier.Broken):
            states.verify([*long.file[:at], text, *long.file[at + 1 :]], at)
        tried += 1


def test_without_any_head_only_who_kept_one_finds_the_cut(long: Long) -> None:
    """All heads of the store taken away, the chain cut and made anew: nothing here tells. Who kept a head elsewhere knows."""
    last = checkpointing.newest(long.node)
    assert last is not None

    def forge(tx: Connection) -> None:
        tx.execute(delete(ledger_lines).where(ledger_lines.c.seq > LINES - 100))
        tx.execute(delete(checkpoints))
        forger = Forger(tx)
        forger.tree(forger.chain())

    with long.edited(forge) as node:
        ledger.verify(node)
        keys = [verifier.read_key(one) for one in exporting.public_keys(node)]
        file: list[str] = []
        exporting.export(node, file.append)
    with pytest.raises(verifier.Broken, match="cut off"):
        verifier.Verifier(keys, [verifier.read_head(last.note, keys)]).verify(file)
