"""What had been disclosed to a partner at an instant, told from the logs and the ledger alone.

1. *Could fetch* is what the logs released to it until then; *fetched* is what the ledger, until then, says of its pages.
   Of a day, the instant is its end, UTC.
2. As with `recalling`, "fetched" counts a page that broke off as well, and one of which a filter left the object out; "not
   fetched" is certain, but where marks were lost: then it is "maybe". What the worker wrote down seconds later counts for
   that instant's other side; nothing is told of later knowledge.
3. What went by a file that somebody carried is told by the file's number: "maybe" until the partner says that it has it.
4. What was taken back stays in the list, with when: it was disclosed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

from cert_exchange.errors import NotFound
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.services.recalling import Has
from cert_exchange.store import disclosures, epochs, exports, proofs
from cert_exchange.store.database import Transaction
from cert_exchange.store.disclosures import Disclosed, Reader
from cert_exchange.store.partners import find_partner


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One object version that a partner could fetch. Instants are micros."""

    collection: str
    stix_id: str
    """under which the partner has it"""
    version: str
    digest: str
    """SHA-256 of the bytes that were served, hexadecimal"""
    size: int
    rule: str
    since: int
    until: int | None
    """when it was taken back, where that was before the instant"""
    has: Has
    noted_at: int | None
    """when the ledger first knew of the fetch"""
    line: int | None
    """the number of the ledger line that proves the release; None while it waits for the sealer"""
    file: int | None = None
    """the number of the file that it went by, carried by hand, where the partner's node did not fetch it before"""


@dataclass(slots=True)
class _Fetches:
    """What the ledger says of one partner's fetches of one view until an instant: spans, in the order of their ends."""

    ends: list[int] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    """(after, when noted)"""

    def noted(self, position: int) -> int | None:
        """When the ledger first knew that this position may have been fetched."""
        # A mark only rises: the first span that reaches so far was noted first.
        later = range(bisect_left(self.ends, position), len(self.ends))
        return next((self.spans[at][1] for at in later if self.spans[at][0] < position), None)


@dataclass(frozen=True, slots=True)
class _ByFile:
    """What went of one view by a file that somebody carried."""

    number: int
    after: int
    to: int
    at: int


@dataclass(slots=True)
class _Known:
    """What the ledger says until an instant about one partner."""

    fetches: dict[int, _Fetches] = field(default_factory=dict)
    """view -> its fetches"""
    cleared: dict[tuple[int, int], int] = field(default_factory=dict)
    """(view, position) -> when a recall found it not fetched"""
    by_file: dict[int, list[_ByFile]] = field(default_factory=dict)
    """view -> what was carried, the oldest first"""
    arrived: set[int] = field(default_factory=set)
    """files that the partner said it has"""
    rebuilt_at: int | None = None

    def file_of(self, line: Disclosed) -> _ByFile | None:
        """The first file that holds a line and arrived, else the first that holds it, else that goes past its place."""
        past = [one for one in self.by_file.get(line.view, ()) if one.after < line.since <= one.to]
        held = [one for one in past if line.until is None or one.at <= line.until]
        arrived = [one for one in held if one.number in self.arrived]
        return next(iter(arrived or held or past), None)

    restored: dict[int, int] = field(default_factory=dict)
    """view -> the last position from before a restore"""


def disclosed(node: Node, partner: str, *, on: int) -> tuple[Disclosure, ...]:
    """All that a partner could fetch until an instant (micros), the oldest first. Raises NotFound."""
    ledger.note_fetches(node)
    with node.database.reading() as tx:
        proofs.take_time(tx)
        found = find_partner(tx, partner)
        if found is None:
            raise NotFound(f"There is no partner {partner}; see `partner list`.")
        views = disclosures.views_of(tx, found.id)
        readers = [
            one
            for one in disclosures.readers_of(tx, views)
            if one.partner == found.id and one.since <= on
        ]
        known = _known(tx, partner, on)
        known.restored = {view: epochs.last_safe(tx, view) for view in views}
        lines = [line for reader in readers for line in _visible(tx, reader, on)]
        numbers = exports.numbers_of(tx, {line.ledger_line for line in lines})
    listed = [_told(line, known, numbers) for line in lines]
    return tuple(sorted(listed, key=lambda one: (one.since, one.collection, one.stix_id)))


def _visible(tx: Transaction, reader: Reader, on: int) -> Iterator[Disclosed]:
    end = on if reader.until is None else min(on, reader.until)
    with closing(disclosures.lines_to(tx, reader, until=end)) as found:
        for line in found:
            if line.until is None or line.until >= reader.since:
                yield line


def _known(tx: Transaction, partner: str, on: int) -> _Known:
    known = _Known()
    found: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    with closing(disclosures.fetch_lines(tx, after=0)) as entries:
        for entry in entries:
            if entry.at > on:
                continue
            if entry.kind == "marks.rebuilt":
                known.rebuilt_at = known.rebuilt_at or entry.at
            for fact in _listed(entry, "fetched"):
                name, view, after, to = fact.rsplit("/", 3)
                if name == partner:
                    found[int(view)].append((int(to), int(after), entry.at))
            if entry.kind in ("carried.out", "carried.answered"):
                _know_file(known, entry, partner)
            for fact in _listed(entry, "had") if entry.kind == "recall" else []:
                name, view, position, has = fact.rsplit("/", 3)
                if (name, has) == (partner, Has.NOT_FETCHED):
                    known.cleared[int(view), int(position)] = entry.at
    known.fetches = {view: _sorted(spans) for view, spans in found.items()}
    return known


def _know_file(known: _Known, entry: Line, partner: str) -> None:
    if entry.facts.get("partner") != partner:
        return
    known.arrived |= {int(one) for one in _listed(entry, "files")}
    for fact in _listed(entry, "carried"):
        _, view, after, to = fact.rsplit("/", 3)
        number = int(str(entry.facts["file"]))
        known.by_file.setdefault(int(view), []).append(
            _ByFile(number, int(after), int(to), entry.at)
        )


def _listed(entry: Line, name: str) -> list[str]:
    facts = entry.facts.get(name, [])
    return facts if isinstance(facts, list) else []


def _sorted(spans: list[tuple[int, int, int]]) -> _Fetches:
    spans.sort()
    return _Fetches([to for to, _, _ in spans], [(after, at) for _, after, at in spans])


def _has(line: Disclosed, known: _Known, noted_at: int | None) -> Has:
    lost = known.rebuilt_at is not None or line.since <= known.restored.get(line.view, 0)
    if noted_at is None:
        return Has.MAYBE if lost else Has.NOT_FETCHED
    if line.until is not None:
        if known.cleared.get((line.view, line.since), 0) >= line.until:
            return Has.NOT_FETCHED
        if noted_at > line.until:
            return Has.MAYBE  # it asked before or after the object was taken back
    rebuilt = known.rebuilt_at is not None and noted_at >= known.rebuilt_at
    return Has.MAYBE if rebuilt else Has.FETCHED


def _told(line: Disclosed, known: _Known, numbers: Mapping[int, int]) -> Disclosure:
    fetches = known.fetches.get(line.view)
    noted_at = None if fetches is None else fetches.noted(line.since)
    file = known.file_of(line) if noted_at is None else None
    has = _has(line, known, noted_at if file is None else file.at)
    if file is not None and has is Has.FETCHED and file.number not in known.arrived:
        has = Has.MAYBE  # nobody knows yet whether the file arrived
    return Disclosure(
        collection=line.collection,
        stix_id=line.stix_id,
        version=line.version,
        digest=line.digest.hex(),
        size=line.size,
        rule=line.rule,
        since=line.since,
        until=line.until,
        has=has,
        noted_at=noted_at if file is None else file.at,
        line=numbers.get(line.ledger_line),
        file=None if file is None else file.number,
    )
