"""The wrong release: who has it, stop what goes out, take it back, and say what cannot be undone.

1. Freezing comes first and stands alone: it works when taking back fails, and what failed is said.
2. Who has it is told from the marks (DECISIONS 24). They are exact one way: beyond its mark a partner fetched nothing; up
   to it nobody knows whether the page arrived. So "fetched" may overstate, by a page that broke off or by a filter that
   left the object out, and "not fetched" never understates.
3. What the ledger cannot place before or after the taking back, and what was released before a restore, is "maybe". So a
   recall writes down who had it at that instant: what partners ask for later does not blur it.
4. What a partner fetched cannot be recalled, and this says so. It is asked to delete it, by a notice (`noticing`).
5. A derivative is the object itself: what went out in its place is found with it, and who asks about the derivative's id
   asks about the object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from cert_exchange.errors import CertExchangeError, NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.messages.notices import Reason
from cert_exchange.node import Node
from cert_exchange.services import freezing, ledger, noticing
from cert_exchange.services.releasing import Withdrawal, withdraw, withdraw_from
from cert_exchange.store import answers, disclosures, epochs, erasures, objects
from cert_exchange.store import notices as notice_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.disclosures import Disclosed, Reader
from cert_exchange.store.partners import find_partner

Reach = Literal["audience", "all", "none"]
_Place = tuple[str, int, int]
"""(partner, view, position)"""


class Has(StrEnum):
    """Whether a partner has an object version."""

    FETCHED = "fetched"
    MAYBE = "maybe"
    NOT_FETCHED = "not fetched"


@dataclass(frozen=True, slots=True)
class Holder:
    """One object version that one partner could fetch from one collection. Instants are micros."""

    partner: str
    audience: str
    collection: str
    view: int
    stix_id: str
    """under which the partner has it: the object's own id, or that of the derivative it was shown"""
    version: str
    digest: str
    """SHA-256 of the bytes that were served, hexadecimal; empty where they were erased since"""
    size: int
    """of those bytes; 0 where they were erased"""
    rule: str
    since: int
    until: int | None
    """when it was taken back; None: it can be fetched now"""
    has: Has
    noted_at: int | None
    """when the ledger first knew of the fetch, which was before; None: not yet, or never"""
    why: str
    target: str | None
    """the target that sent it to the partner's server"""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a recall did."""

    holders: tuple[Holder, ...]
    """after it: who had what, from when to when"""
    frozen: tuple[str, ...]
    """audiences that stand frozen, by it or from before; `everyone` for all"""
    withdrawal: Withdrawal | None
    trouble: str
    """why nothing was taken back; empty when it was"""
    notices: int
    """how many were made; a freeze keeps them back with everything else"""


def asked_about(node: Node, stix_id: str) -> str:
    """The id of the object that an id is about: a derivative's stands for its original, any other for itself."""
    with node.database.reading() as tx:
        return answers.original_of(tx, stix_id) or stix_id


def fetched(node: Node, stix_id: str, *, partner: str | None = None) -> tuple[Holder, ...]:
    """Who could fetch each version of an object, and who did. Raises NotFound for an unknown object or partner."""
    return _holders(node, asked_about(node, stix_id), partner, with_ledger=True)


def recall(
    node: Node,
    stix_id: str,
    *,
    by: str,
    reason: str,
    partner: str | None = None,
    freeze: Reach = "audience",
    tell: Callable[[tuple[Holder, ...]], None] | None = None,
) -> Recalled:
    """Freeze, take the object back from everyone, and tell who has it.

    With `partner` it is taken back from that partner's audience alone, until `free`. `freeze`: the audiences that could
    fetch it (with `partner`, only that partner's), all, or none. `tell` is called
    with who has it as soon as that is known, before anything is changed. Raises NotFound for an object or a partner that
    we do not know, and then changes nothing.
    """
    stix_id = asked_about(node, stix_id)
    before = _holders(node, stix_id, partner, with_ledger=False)
    if tell is not None:
        tell(before)
    stopped = _freeze(node, before, partner, freeze, by=by, reason=reason)
    taken, trouble, made = None, "", 0
    try:
        ledger.note_fetches(node)  # what was fetched until now was fetched before it was taken back
        if partner is None:
            taken = withdraw(
                node, stix_id, by=by, reason=reason, block=True, owing=Reason.MISTAKE
            )  # fmt: skip
        else:
            audiences = _audiences_of(node, partner)
            taken = withdraw_from(node, stix_id, audiences, by=by, reason=reason)
        made = noticing.tell_now(node)
    except CertExchangeError as error:
        trouble = f"{error.public} {error.detail}".strip()
    # Commit. The marks are read after it (DECISIONS 19): no page that is read from now on has the object.
    after = fetched(node, stix_id, partner=partner)
    had = [f"{one.partner}/{one.view}/{one.since}/{one.has}" for one in after]
    facts: dict[str, Fact] = {"id": stix_id, "reason": reason, "had": had, "trouble": trouble}
    line = Line("recall", node.now(), by, facts=facts)
    node.database.transact(lambda tx: ledger.record(tx, line))
    return Recalled(after, stopped, taken, trouble, made)


def _audiences_of(node: Node, partner: str) -> list[int]:
    """The audience that a partner is of now, if it is of any."""
    with node.database.reading() as tx:
        row = find_partner(tx, partner)
        return [] if row is None else [*notice_rows.present_audiences(tx, [row.id]).values()]


def _freeze(
    node: Node,
    before: tuple[Holder, ...],
    partner: str | None,
    reach: Reach,
    *,
    by: str,
    reason: str,
) -> tuple[str, ...]:
    names = {one.audience for one in before} if partner is None else {partner}
    try:
        if reach == "all":
            done = freezing.freeze_everyone(node, by=by, reason=reason)
        elif reach == "audience" and names:
            done = freezing.freeze(node, *sorted(names), by=by, reason=reason)
        else:
            return ()
    except NotFound:  # no policy names the partner (any more): nothing goes out to it
        return ()
    return (*done.changed, *done.unchanged)


@dataclass(slots=True)
class _Evidence:
    """What marks, ledger and targets say about fetches."""

    marks: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """(partner, view) -> position"""
    noted: dict[_Place, int] = field(default_factory=dict)
    """when the ledger first knew that a mark had passed this line"""
    by_file: dict[_Place, list[tuple[int, int]]] = field(default_factory=dict)
    """the files that go past it, carried by hand, the oldest first: number, and when it was made"""
    arrived: set[tuple[str, int]] = field(default_factory=set)
    """(partner, file) that the partner said it has"""
    cleared: dict[_Place, int] = field(default_factory=dict)
    """when a recall found a line not fetched"""
    rebuilt_at: int | None = None
    restored: dict[int, int] = field(default_factory=dict)
    """view -> the last position from before a restore"""
    pushed: list[disclosures.Pushed] = field(default_factory=list)


def _holders(
    node: Node, stix_id: str, partner: str | None, *, with_ledger: bool
) -> tuple[Holder, ...]:
    evidence = _Evidence()
    with node.database.reading() as tx:
        ident = objects.idents_of(tx, [stix_id]).get(stix_id)
        known = ident is not None and (
            version_rows.held(tx, [ident]) or erasures.of_id(tx, stix_id)
        )
        if ident is None or not known:
            raise NotFound(f"we hold no object {stix_id}; see `search`")
        if partner is not None and find_partner(tx, partner) is None:
            raise NotFound(f"there is no partner {partner!r}; see `partner list`")
        lines = disclosures.lines_of(tx, ident)
        views = {line.view for line in lines}
        wanted = [
            (reader, line)
            for reader in disclosures.readers_of(tx, views)
            if partner in (None, reader.name)
            for line in lines
            if line.view == reader.view and _could(reader, line)
        ]
        evidence.pushed = disclosures.pushed_by(tx, views)
        evidence.restored = {view: epochs.last_safe(tx, view) for view in views}
        if with_ledger and wanted:
            _read_ledger(tx, wanted, evidence)
    # After the log, so that no fetch of what was read there is missed.
    evidence.marks = {(mark.partner, mark.view): mark.position for mark in node.marks.everything()}
    return tuple(_holder(reader, line, evidence) for reader, line in wanted)


def _could(reader: Reader, line: Disclosed) -> bool:
    """Whether the partner was of the audience while the line was in force."""
    return (reader.until is None or reader.until > line.since) and (
        line.until is None or reader.since <= line.until
    )


def _read_ledger(
    tx: Transaction, wanted: list[tuple[Reader, Disclosed]], evidence: _Evidence
) -> None:
    places = {(reader.name, line.view, line.since) for reader, line in wanted}
    start = min(line.ledger_line for _, line in wanted)
    with closing(disclosures.fetch_lines(tx, after=start)) as entries:
        for entry in entries:
            match entry.kind:
                case "marks.rebuilt":
                    evidence.rebuilt_at = evidence.rebuilt_at or entry.at
                case "recall":
                    for fact in _listed(entry, "had"):
                        name, view, position, has = fact.rsplit("/", 3)
                        place = (name, int(view), int(position))
                        if has == Has.NOT_FETCHED:
                            evidence.cleared[place] = entry.at
                case "carried.out":
                    for fact in _listed(entry, "carried"):
                        name, view, after, to = fact.rsplit("/", 3)
                        number = int(str(entry.facts["file"]))
                        for place in places:
                            if place[:2] == (name, int(view)) and int(after) < place[2] <= int(to):
                                evidence.by_file.setdefault(place, []).append((number, entry.at))
                case "carried.answered":
                    who = str(entry.facts["partner"])
                    evidence.arrived |= {(who, int(one)) for one in _listed(entry, "files")}
                case _:
                    for fact in _listed(entry, "fetched"):
                        name, view, after, to = fact.rsplit("/", 3)
                        for place in places - evidence.noted.keys():
                            if place[:2] == (name, int(view)) and int(after) < place[2] <= int(to):
                                evidence.noted[place] = entry.at


def _listed(entry: Line, name: str) -> list[str]:
    facts = entry.facts.get(name, [])
    return facts if isinstance(facts, list) else []


def _holder(reader: Reader, line: Disclosed, evidence: _Evidence) -> Holder:
    place = (reader.name, line.view, line.since)
    has, why = _judged(reader, line, evidence)
    return Holder(
        partner=reader.name,
        audience=line.audience,
        collection=line.collection,
        view=line.view,
        stix_id=line.stix_id,
        version=line.version,
        digest=line.digest.hex(),
        size=line.size,
        rule=line.rule,
        since=line.since,
        until=line.until,
        has=has,
        noted_at=evidence.noted.get(place) if has is not Has.NOT_FETCHED else None,
        why=why,
        target=next(
            (
                one.name
                for one in evidence.pushed
                if one.view == line.view
                and one.position >= line.since
                and has is not Has.NOT_FETCHED
            ),
            None,
        ),
    )


def _judged(reader: Reader, line: Disclosed, evidence: _Evidence) -> tuple[Has, str]:
    place = (reader.name, line.view, line.since)
    noted_at = evidence.noted.get(place)
    rebuilt_at = evidence.rebuilt_at
    if evidence.marks.get((reader.partner, reader.view), 0) < line.since:
        if line.since <= evidence.restored[line.view]:
            return Has.MAYBE, "released before a restore, which forgot what was fetched then"
        return Has.NOT_FETCHED, "it has not asked so far"
    if line.until is not None and evidence.cleared.get(place, 0) >= line.until:
        return Has.NOT_FETCHED, "it had not asked when the object was recalled"
    if rebuilt_at is not None and (noted_at is None or noted_at >= rebuilt_at):
        return Has.MAYBE, "the marks were lost, so that everything released counts as fetched"
    # What was made after it was taken back goes past its place, and does not hold it.
    held = [
        number
        for number, at in evidence.by_file.get(place, ())
        if line.until is None or at <= line.until
    ]
    if noted_at is None and held:
        for number in held:
            if (reader.name, number) in evidence.arrived:
                return (
                    Has.FETCHED,
                    f"it went into file {number}, carried by hand, which it says it has",
                )
        return (
            Has.MAYBE,
            f"it went into file {held[0]}, carried by hand; whether that arrived is not known",
        )
    if noted_at is None and place in evidence.by_file:
        return Has.MAYBE, "only files carried by hand after it was taken back go past its place"
    if line.until is None or (noted_at is not None and noted_at <= line.until):
        return Has.FETCHED, "it asked for the page with this object"
    return Has.MAYBE, "it asked, before or after the object was taken back"
