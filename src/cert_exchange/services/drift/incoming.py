"""What a partner's servers show us, against what we hold from them in one collection of ours.

1. All sources of a partner that pull into the collection are taken together: what one of them shows is not missing.
2. Between two nodes of ours digests come first, and only buckets that differ are listed; else the manifest is walked.
3. What is held here and not shown there is looked for only where every source was read to its end.
4. What is held, and lies outside the `start` or `match` of a source, may be there or not: it is no drift, and that is said.
5. What came or went while we compared is looked at once more before it counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice

from cert_exchange.node import Node
from cert_exchange.services.drift.answering import SHOWN
from cert_exchange.services.drift.bucketing import (
    BUCKETS,
    Buckets,
    Entry,
    bucket_of,
    entry,
    names_of,
)
from cert_exchange.services.drift.judging import Known, fate_of, state_of
from cert_exchange.services.drift.kinds import FETCHED, Compared, Kind
from cert_exchange.services.drift.walking import MANY, Walk
from cert_exchange.stix.markings import TLP_BY_ID
from cert_exchange.stix.references import is_observable_id
from cert_exchange.store import drift as rows
from cert_exchange.store.drift import Held
from cert_exchange.store.notebook import Found, Notebook

Progress = Callable[[int], None]
_PART = 500


def compare_incoming(
    node: Node, walks: Sequence[Walk], book: Notebook, compared: Compared, progress: Progress
) -> None:
    """Compare, and write what differs into the notebook. Raises errors.Remote*, StoreUnavailable."""
    channel = walks[0].channel
    partner, collection = channel.partner, channel.collection
    with node.database.reading() as tx:
        upto = rows.newest_id(tx)
    counts: Counter[Kind] = Counter()
    parts: list[int] | None = None
    if len(walks) == 1:
        parts = _parts(node, walks[0], upto, compared, counts)
    for place, walk in enumerate(walks):
        pages = walk.manifest() if parts is None else walk.listed(SHOWN, parts)
        for page in pages:
            fresh = [
                Entry(*one)
                for one in book.show((*one.key, one.digest) for one in page if one.stix_id)
            ]
            _judge(node, walk, place, fresh, book, compared, counts)
            progress(len(page))
    if parts is None:
        compared.how = f"manifest, {sum(one.requests for one in walks):,} pages"
    if all(one.whole for one in walks):
        _look_back(node, walks, upto, parts, book, compared, counts)
    compared.counts = {kind: counts[kind] for kind in Kind if counts[kind]}
    _look_again(node, partner, collection, book, compared)


def _parts(
    node: Node, walk: Walk, upto: int, compared: Compared, counts: Counter[Kind]
) -> list[int] | None:
    """The buckets in which a node of ours differs from us, what is alike counted; None: it must be walked."""
    channel = walk.channel
    options = walk.connection.options
    if options.server != "cert-exchange" or options.match or options.start:
        return None
    theirs = walk.buckets(SHOWN)
    if theirs is None:
        return None
    ours = Buckets()
    states: list[Counter[Kind | None]] = [Counter() for _ in range(BUCKETS)]
    with node.database.reading() as tx:
        for newest in _newest(rows.held_from(tx, channel.partner, channel.collection, upto=upto)):
            state = state_of(newest, channel.partner)
            if state is Kind.NOT_SHOWN:
                continue
            ours.add([entry(newest.stix_id, newest.version, newest.digest)])
            states[bucket_of(newest.stix_id)][state] += 1
    differing = theirs.differing(ours)
    compared.how = f"digests, {len(differing)} of {BUCKETS} buckets differ"
    if len(differing) > MANY:
        return list(range(BUCKETS))
    for bucket in set(range(BUCKETS)) - set(differing):
        compared.there += theirs.counts[bucket]
        compared.here += theirs.counts[bucket]
        for state, number in states[bucket].items():
            if state is None:
                compared.agreed += number
            else:
                counts[state] += number
    return differing


def _newest(held: Iterator[Held]) -> Iterator[Held]:
    """The newest version of each id; `held` comes in the order of ids and versions."""
    for _, versions in groupby(held, lambda one: one.stix_id):
        *_, last = versions
        if last.stix_id not in TLP_BY_ID:
            yield last


def _judge(
    node: Node,
    walk: Walk,
    place: int,
    page: list[Entry],
    book: Notebook,
    compared: Compared,
    counts: Counter[Kind],
) -> None:
    entries = [one for one in page if one.stix_id not in TLP_BY_ID]
    compared.there += len(page)
    compared.agreed += len(page) - len(entries)  # every node has those from the start
    if not entries:
        return
    with node.database.reading() as tx:
        channel = walk.channel
        known = Known.read(
            tx, channel.partner, channel.collection, [one.stix_id for one in entries]
        )
        odd = [one.stix_id for one in entries if fate_of(one, known)[0] is not None]
        if odd:
            known = known.explained(tx, odd)
    found = []
    for one in entries:
        kind, why = fate_of(one, known)
        if (
            kind is Kind.OLDER_THERE
            and walk.connection.options.match.get("version", "last") != "last"
        ):
            kind = None  # an older version is what was asked for
        if kind is None:
            compared.agreed += 1
        else:
            counts[kind] += 1
            found.append(Found(kind.value, one.stix_id, one.version, why, place))
    book.find(found)


def _look_back(
    node: Node,
    walks: Sequence[Walk],
    upto: int,
    parts: list[int] | None,
    book: Notebook,
    compared: Compared,
    counts: Counter[Kind],
) -> None:
    """What we hold from the partner here, against what was shown (rule 4)."""
    partner, collection = walks[0].channel.partner, walks[0].channel.collection
    outside = 0
    with node.database.reading() as tx:
        for name in names_of(parts):
            held = _newest(rows.held_from(tx, partner, collection, upto=upto, part=name))
            if parts is not None:
                wanted = frozenset(parts)
                held = (one for one in held if bucket_of(one.stix_id) in wanted)
            while some := list(islice(held, _PART)):
                shown = book.shown([one.stix_id for one in some])
                compared.here += len(some)
                missing = [
                    one
                    for one in some
                    if one.stix_id not in shown and state_of(one, partner) is None
                ]
                found = [
                    Found(Kind.NOT_SHOWN.value, one.stix_id, _version(one))
                    for one in missing
                    if all(walk.would_show(one.stix_id) for walk in walks)
                ]
                outside += len(missing) - len(found)
                counts[Kind.NOT_SHOWN] += len(found)
                book.find(found)
    limits = [f"{walk.channel.name} has {walk.limits}" for walk in walks if walk.limits]
    if limits:
        compared.notes.append(
            f"{'; '.join(limits)}: what lies outside was not compared, among it {outside:,} that we hold from there and"
            " that were not shown"
        )


def _version(held: Held) -> str:
    return "" if is_observable_id(held.stix_id) else held.version


def _look_again(
    node: Node, partner: int, collection: int, book: Notebook, compared: Compared
) -> None:
    """Of what was not here: what came while we compared is no difference any more (rule 5)."""
    for kind in FETCHED:
        found = book.found(kind.value)
        while some := list(islice(found, _PART)):
            with node.database.reading() as tx:
                known = Known.read(tx, partner, collection, [one.stix_id for one in some])
            came = [
                one for one in some if fate_of(Entry(one.stix_id, one.version), known)[0] is None
            ]
            book.forget(came)
            compared.agreed += len(came)
            compared.counts[kind] -= len(came)
    compared.counts = {kind: number for kind, number in compared.counts.items() if number}
