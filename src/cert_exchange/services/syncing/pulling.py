"""One run of a source: page by page into our store.

For each page: (1) fetch  (2) examine every object, outside any transaction, and compare it with what its sender signed
(`vouching`)  (3) in one transaction: store and release, quarantine what is refused, ledger line, counters, cursor.
1. A page is stored whole with its cursor or not at all (S35); pages before a failure stay (S08).
2. One bad object never stops a source: it is quarantined with its reason and the cursor moves on (S12).
3. What comes again is dropped as a duplicate, and what was refused before is not quarantined again.
4. A server that gives the same things new ids at each poll is paused before it fills the store (W06).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.remote.connection import Answer, Connection, cleaned
from cert_exchange.remote.envelope import cut
from cert_exchange.remote.pager import End, Note, Page, Pager, manifest_cursor
from cert_exchange.services.deliveries import OTHER_CONTENT
from cert_exchange.services.publishing import Outcome, take_in
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.services.syncing.reporting import Ending, Run, plural
from cert_exchange.services.syncing.vouching import UNSIGNED, Vouching
from cert_exchange.stix.canonical import Limits, canonical_bytes
from cert_exchange.stix.envelopes import Batch, Examined, examine
from cert_exchange.stix.instants import parse_micros
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction

_PRINTS: Final = 64
_CHURN_LEAST: Final = 5
_CHURN_SHARE: Final = 0.9
_TELLING: Final = frozenset({"name", "pattern", "value"})
"""Properties by which a thing is known again; what only ties others together (relationships) is alike by nature."""
_REFUSED_KEPT: Final = 256
_QUIET_RUNS: Final = 3
_LOOK_EVERY: Final = 12
"""Quiet runs between two looks at what the remote holds at all."""
_TELLING_HEADERS: Final = (
    "Date", "Content-Type", "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last",
)  # fmt: skip


class ChurnError(Exception):
    """The same things came under new ids: see rule 4. Never leaves this module."""


def pull(run: Run) -> Ending:
    """Pull until the source is drained, or the run's limits end it. Raises errors.Remote*, StoreError, CursorMoved."""
    connection = connect(run.node, run.channel, run=run.id)
    interrupted = run.channel.next_token is not None
    pager = Pager(
        connection,
        run.channel.remote_collection,
        cursor=run.channel.cursor,
        token=run.channel.next_token,
        now=run.node.now(),
        monotonic=run.node.clock.monotonic,
        stop=run.stop.is_set,
        limit=int(run.channel.counters.get("limit", 0)),
    )
    seen: set[str] = set()
    vouching = Vouching(run, connection)
    try:
        for page in pager:
            if page.server_instant is not None:
                run.node.clock.compare(page.server_instant, source=run.channel.partner_name)
            _store(run, page, vouching)
            if Note.NO_DATES in pager.notes or Note.FUTURE_DATES in pager.notes:
                seen.update(stix_id for stix_id, _ in page.envelope.marks)
    except ChurnError:
        return Ending(
            "Paused: the server gives the same things new ids at each poll, so nothing can be found again. "
            "Ask its operator; `resume` lets it run again.",
            pause=True,
        )
    except errors.RemoteTimeout:
        run.memory["limit"] = max(pager.limit // 2, 1)  # W10: smaller pages next time
        raise
    finally:
        for note in sorted(pager.notes):
            run.note(note.value)
    vouching.finish(drained=pager.end is End.DRAINED)
    if pager.end is End.DRAINED:
        run.memory["limit"] = min(pager.limit * 2, run.options.limit)
        if seen:
            _cursor_from_manifest(run, connection, seen)
    if interrupted:
        run.note("the run before was interrupted; this one went on from the last stored page")
    again = pager.end in (End.PAGE_CAP, End.TIME, End.STOPPED)
    outcome = _sentence(run, pager) + _look_around(run, connection)
    return Ending(outcome, again=again, drained=pager.end is End.DRAINED)


def _store(run: Run, page: Page, vouching: Vouching) -> None:
    envelope = page.envelope
    token = envelope.next if envelope.more else None
    batch = read_page(page, _limits(run)) if envelope.count else Batch(())
    if "prints" not in run.memory:
        _refuse_churn(run, batch)
    known = set(run.channel.counters.get("refused", ()))
    fresh = Batch(tuple(one for one in batch.items if _digest(one) not in known))
    again = len(batch.items) - len(fresh.items)
    vouched = vouching.admit(fresh)
    fresh = vouched.batch
    place = {"cursor": page.cursor, "next_token": token}
    if not batch.items and place == {
        "cursor": run.channel.cursor,
        "next_token": run.channel.next_token,
    }:
        run.counts["pages"] += 1
        return
    counts = {
        "pages": 1,
        "bytes": len(page.body),
        "received": len(batch.items),
        "known": again,
        "unchanged": again,
        **vouched.counts,
    }

    def work(tx: Transaction) -> tuple[tuple[Outcome, ...], Channel, Counter[str]]:
        outcomes: tuple[Outcome, ...] = ()
        if fresh.items:
            outcomes = take_in(
                tx,
                run.node,
                fresh,
                origin=run.channel.partner,
                collection=run.channel.collection,
                now=run.node.clock.releasing_now(),
                facts={"source": run.channel.name},
            )
        vouched.note(tx, run.channel.partner)
        more = Counter(counts)
        more.update(outcome.result for outcome in outcomes)
        more.update(map(_fate, fresh.items, outcomes))
        _remember_refused(run, fresh, outcomes)
        return outcomes, run.move(tx, more, **place), more

    outcomes, channel, more = run.node.database.transact(work)
    # Commit. Killed before: the page is fetched again, nothing of it is here. After: nothing is owed.
    run.moved(channel, more)
    for outcome in outcomes:
        if outcome.result not in ("accepted", "duplicate"):
            run.refuse(outcome.id, outcome.version, outcome.message or outcome.result)
    vouching.passed(page.cursor)
    run.progress(len(batch.items), None)


def _fate(one: Examined, outcome: Outcome) -> str:
    """Under which of FATES an object counts that was looked at now."""
    match outcome.result:
        case "accepted" if outcome.barred:
            return "withheld"
        case "accepted" if outcome.held:
            return "held"
        case "accepted":
            return "updated" if outcome.updates else "new"
        case "duplicate":
            return "unchanged"
        case "proposal":
            return "withheld"
        case "rejected" if one.item is None and one.refusal not in (UNSIGNED, OTHER_CONTENT):
            return "failed"
        case _:
            return "refused"


def _limits(run: Run) -> Limits:
    return replace(run.node.limits, body_bytes=run.options.max_answer_bytes)


def read_page(page: Page, limits: Limits) -> Batch:
    """Examine every object of a page; where the page cannot be parsed whole, each object's bytes on their own."""
    try:
        return examine(page.body, limits=limits)
    except errors.InputRefused:
        return Batch(
            tuple(
                replace(_examine_piece(piece, limits, index), index=index)
                for index, piece in enumerate(cut(page.body)[1])
            )
        )


def _examine_piece(piece: bytes, limits: Limits, index: int) -> Examined:
    try:
        # In an envelope of its own, so that a bundle among the objects is refused as it is elsewhere (T27).
        return examine(b'{"objects":[' + piece + b"]}", limits=limits).items[0]
    except errors.InputRefused as refusal:
        raw = piece if len(piece) <= limits.object_bytes else None
        return Examined(index, f"unknown--{index}", None, None, refusal.public, raw)


def _digest(one: Examined) -> str:
    content = one.item.body if one.item is not None else one.raw
    if content is None:
        content = f"{one.id}\n{one.version}\n{one.refusal}".encode()
    return sha256(content).hexdigest()[:16]


def _remember_refused(run: Run, batch: Batch, outcomes: Iterable[Outcome]) -> None:
    """Keep digests of the last refusals in the row: a server asked with overlap sends them at each poll."""
    kept = dict.fromkeys(run.channel.counters.get("refused", ()))
    for one, outcome in zip(batch.items, outcomes, strict=True):
        if outcome.result in ("rejected", "conflict") and outcome.message != UNSIGNED:
            kept[_digest(one)] = None
    run.memory["refused"] = list(kept)[-_REFUSED_KEPT:]


def _refuse_churn(run: Run, batch: Batch) -> None:
    """Compare a run's first page with that of the run before. Raises ChurnError."""
    items = [
        one.item
        for one in batch.items
        if one.item is not None and _TELLING & one.item.content.keys()
    ][:_PRINTS]
    if not items:
        return
    prints = sorted({_fingerprint(item.content) for item in items})
    ids = [sha256(item.id.encode()).hexdigest()[:12] for item in items]
    before = run.channel.counters.get("prints")
    if before and len(prints) >= _CHURN_LEAST:
        again = len(set(prints) & set(before["contents"]))
        if again >= _CHURN_SHARE * len(prints) and not set(before["ids"]) & set(ids):
            raise ChurnError
    run.memory["prints"] = {"contents": prints, "ids": ids}


def _fingerprint(content: Any) -> str:
    rest = {
        key: value
        for key, value in content.items()
        if key not in ("id", "created", "modified", "valid_from")
        and not key.endswith(("_ref", "_refs"))
    }
    return sha256(canonical_bytes(rest)).hexdigest()[:12]


def _cursor_from_manifest(run: Run, connection: Connection, seen: Iterable[str]) -> None:
    """Where pages carry no dates the manifest may (taxii21 66). A manifest that fails costs nothing but repeats."""
    walk = Pager(
        connection,
        run.channel.remote_collection,
        cursor=run.channel.cursor,
        now=run.node.now(),
        monotonic=run.node.clock.monotonic,
        stop=run.stop.is_set,
        resource="manifest",
    )
    try:
        found = manifest_cursor(walk, set(seen))
    except errors.RemoteError as error:
        run.note(f"its manifest cannot be used either: {error.public}")
        return
    if found is None:
        return
    before = run.channel.cursor
    if before is not None and parse_micros(found) <= parse_micros(before):
        return
    channel = run.node.database.transact(lambda tx: run.move(tx, {}, cursor=found))
    run.moved(channel, {})


def _look_around(run: Run, connection: Connection) -> str:
    """After some empty runs: what the remote holds at all, so that a wrong cursor, collection or filter shows (U10)."""
    quiet = int(run.memory.get("quiet_runs", 0))
    if quiet < _QUIET_RUNS:
        run.memory["seen_there"] = None
        return ""
    said = run.channel.counters.get("seen_there")
    if said is None or quiet % _LOOK_EVERY == 0:
        url = f"{connection.root}collections/{quote(run.channel.remote_collection, safe='')}/manifest/"
        try:
            said = _seen_in(connection.fetch("GET", url, params={"limit": "1000"}))
        except errors.RemoteError as error:
            said = f"Its manifest cannot be read: {error.public}"
        run.memory["seen_there"] = said
    return f" {said}"


def _seen_in(answer: Answer) -> str:
    """What an unfiltered manifest's first page shows; nothing that a stranger sent can raise but RemoteAnswerInvalid."""
    document = answer.document()
    entries = document.get("objects")
    dates = [
        str(one.get("date_added"))
        for one in (entries if isinstance(entries, list) else ())
        if isinstance(one, dict)
    ]
    headers = "; ".join(
        f"{name}: {cleaned(answer.headers[name], 60)}"
        for name in _TELLING_HEADERS
        if name in answer.headers
    )
    if not dates:
        return f"Its manifest, asked without added_after or filter, is empty: is it the right collection? ({headers})"
    more = " and more" if document.get("more") is True else ""
    return (
        f"Its manifest, asked without added_after or filter, shows {len(dates):,} objects{more}, the newest of"
        f" {cleaned(max(dates), 60)} ({headers})"
    )


def _sentence(run: Run, pager: Pager) -> str:
    counts = run.counts
    end = pager.end.value if pager.end is not None else ""
    if not counts["received"]:
        quiet = int(run.channel.counters.get("quiet_runs", 0)) + 1
        run.memory["quiet_runs"] = quiet
        after = run.channel.cursor or run.options.start
        asked = f"what was added after {after}" if after else "everything"
        if quiet >= _QUIET_RUNS:  # U10
            return (
                f"Nothing came for {quiet} runs; asked {run.channel.remote_collection} for {asked}"
                + (f", with {dict(run.options.match)}" if run.options.match else "")
                + "."
            )
        return f"Nothing new; asked for {asked}."
    run.memory["quiet_runs"] = 0
    parts = [f"{counts['accepted']} of {plural(counts['received'], 'object')} taken in"]
    parts += [
        f"{counts[name]} {word}"
        for name, word in (
            ("duplicate", "held already"),
            ("known", "refused before"),
            ("proposal", "kept as proposals"),
            ("conflict", "in conflict"),
            ("rejected", "rejected"),
            ("unsigned", "unsigned"),
            ("erased", "kept out: erased here before"),
        )
        if counts[name]
    ]
    return f"{', '.join(parts)}; {plural(counts['pages'], 'page')}; {end}."
