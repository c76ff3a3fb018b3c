"""One run of a source: page by page into our store.

For each page: (1) fetch  (2) examine every object, outside any transaction, and compare it with what its sender signed
(`vouching`)  (3) in one transaction: store and release, quarantine what is refused, ledger line, counters, cursor.
1. A page is stored before its cursor moves, or with it, part by part where it is large (`reading`, S35); pages before a
   failure stay (S08).
2. One bad object never stops a source: it is quarantined with its reason and the cursor moves on (S12).
3. What comes again is dropped as a duplicate, and what was refused before is not quarantined again.
4. A server that gives the same things new ids at each poll is paused before it fills the store (W06).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from cert_exchange import errors
from cert_exchange.remote.connection import Connection
from cert_exchange.remote.envelope import Envelope
from cert_exchange.remote.pager import End, Note, Page, Pager, manifest_cursor
from cert_exchange.services.deliveries import OTHER_CONTENT
from cert_exchange.services.publishing import Approval, Outcome, strike_off, take_in
from cert_exchange.services.syncing import breaking, remaining
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.services.syncing.churning import ChurnError, refuse_churn
from cert_exchange.services.syncing.reading import limits_of, parts_of
from cert_exchange.services.syncing.reporting import Ending, Run, plural
from cert_exchange.services.syncing.vouching import UNSIGNED, Vouching
from cert_exchange.stix.envelopes import Batch, Examined
from cert_exchange.stix.instants import parse_micros
from cert_exchange.store import channels
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction

_REFUSED_KEPT: Final = 256
_QUIET_RUNS: Final = 3


def pull(run: Run, connection: Connection | None = None) -> Ending:
    """Pull until the source is drained, or the run's limits end it. Raises errors.Remote*, StoreError, CursorMoved."""
    shut = breaking.standing(run)
    if shut is not None:
        return shut
    began = run.node.now()
    connection = connection or connect(run.node, run.channel, run=run.id, tell=run.heard)
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
            if page.server_instant is not None and run.judged is None:
                run.node.clock.compare(page.server_instant, source=run.channel.partner_name)
            _store(run, page, vouching)
            if Note.NO_DATES in pager.notes or Note.FUTURE_DATES in pager.notes:
                seen.update(stix_id for stix_id, _ in page.envelope.marks)
    except breaking.TooMuchError as much:
        return breaking.shut(run, much)
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
        if pager.end is None and run.channel.next_token is not None:
            run.memory[channels.THERE] = remaining.unknown(run.node.now())
    if run.judged is not None:
        return Ending(_sentence(run, pager), drained=pager.end is End.DRAINED)
    vouching.finish(drained=pager.end is End.DRAINED)
    if pager.end is End.DRAINED:
        breaking.drained(run)
        run.memory |= {channels.COMPLETE: began, channels.THERE: remaining.nothing(run.node.now())}
        run.memory["limit"] = min(pager.limit * 2, run.options.limit)
        if seen:
            _cursor_from_manifest(run, connection, seen)
    if interrupted:
        run.note("the run before was interrupted; this one went on from the last stored page")
    if pager.end is not End.DRAINED and not run.stop.is_set():
        run.memory[channels.THERE] = remaining.beyond(
            connection, run.channel.remote_collection, cursor=run.channel.cursor, now=run.node.now()
        )
    again = pager.end in (End.PAGE_CAP, End.TIME, End.STOPPED)
    outcome = _sentence(run, pager) + remaining.look_around(run, connection, quiet_runs=_QUIET_RUNS)
    return Ending(outcome, again=again, drained=pager.end is End.DRAINED)


def _store(run: Run, page: Page, vouching: Vouching) -> None:
    """Store a page, part by part where it is large; the cursor moves with its last part."""
    token = page.envelope.next if page.envelope.more else None
    place = {"cursor": page.cursor, "next_token": token}
    parts = parts_of(page, limits_of(run))
    batch = next(parts)
    while (following := next(parts, None)) is not None:
        _store_part(run, batch, vouching, {}, {})
        batch = following
    if not batch.items and place == {
        "cursor": run.channel.cursor,
        "next_token": run.channel.next_token,
    }:
        run.counts["pages"] += 1
        return
    _store_part(run, batch, vouching, {"pages": 1, "bytes": len(page.body)}, place)
    if run.judged is None:
        vouching.passed(page.cursor)


def _store_part(
    run: Run, batch: Batch, vouching: Vouching, whole: dict[str, int], place: dict[str, str | None]
) -> None:
    if "prints" not in run.memory:
        refuse_churn(run, batch)
    known = set(run.channel.counters.get("refused", ()))
    fresh = Batch(tuple(one for one in batch.items if _digest(one) not in known))
    again = len(batch.items) - len(fresh.items)
    vouched = vouching.admit(fresh)
    fresh = vouched.batch
    counts = {
        **whole,
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
                approval=Approval("source", run.channel.name) if run.options.approval else None,
            )
        vouched.note(tx, run.channel.partner)
        more = Counter(counts)
        breaking.count(run, outcomes)
        more.update(outcome.result for outcome in outcomes)
        more.update(map(fate_of, fresh.items, outcomes))
        _remember_refused(run, fresh, outcomes)
        return outcomes, run.move(tx, more, **place), more

    outcomes, channel, more = run.node.database.transact(work)
    # Commit. Killed before: the page is fetched again, nothing of this part is here. After its last part nothing is owed;
    # between two the page is fetched again, and what is here comes as duplicates.
    run.moved(channel, more)
    strike_off(run.node, outcomes)
    for outcome in outcomes:
        if outcome.result not in ("accepted", "duplicate"):
            run.refuse(outcome.id, outcome.version, outcome.message or outcome.result)
    if run.judged is not None:
        run.judged.extend(zip(fresh.items, outcomes, strict=True))
    run.progress(len(batch.items), None)


def store_apart(run: Run, body: bytes, envelope: Envelope, vouching: Vouching) -> Ending | None:
    """Judge and store what was asked for by id, as a page is; the place of the source stays where it is.

    Returns how the run ends where the source's gate shuts with it, or stood shut already.
    """
    standing = breaking.standing(run)
    if standing is not None:
        return standing
    run.memory.setdefault("prints", run.channel.counters.get("prints"))
    page = Page(1, body, envelope, run.channel.cursor, None, len(body))
    try:
        for batch in parts_of(page, limits_of(run)):
            _store_part(run, batch, vouching, {}, {})
    except breaking.TooMuchError as much:
        return breaking.shut(run, much)
    return None


def fate_of(one: Examined, outcome: Outcome) -> str:
    """Under which of FATES an object counts that was looked at now."""
    match outcome.result:
        case "accepted" if outcome.barred:
            return "withheld"
        case "accepted" if outcome.found is not None:
            return "held" if outcome.found.action == "hold" else "refused"
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


def _sentence(run: Run, pager: Pager) -> str:
    counts = run.counts
    end = pager.end.value if pager.end is not None else ""
    if not counts["received"] and run.by_file:
        return "Nothing new."
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
