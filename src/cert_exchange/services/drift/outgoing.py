"""What a target sent to a partner's server, against what that server holds.

1. Sent is what stands in the partner's view up to the target's cursor, without what came from the partner itself.
2. A node of ours says what it holds from us in the collection that we push to: by digests first. Of any other server the
   manifest tells the newest version of each id; one that lets us only write cannot be compared.
3. What stands there, and in our view no more, was taken back by us; what is there by another way is named so.
4. Objects of others in the remote's collection are no business of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from cert_exchange.node import Node
from cert_exchange.services.drift.answering import RECEIVED, entries_of
from cert_exchange.services.drift.bucketing import (
    BUCKETS,
    Buckets,
    Entry,
    bucket_of,
    entry,
    names_of,
)
from cert_exchange.services.drift.kinds import Compared, Kind
from cert_exchange.services.drift.walking import MANY, Walk
from cert_exchange.stix.instants import InstantInvalid, order_key
from cert_exchange.stix.markings import TLP_BY_ID
from cert_exchange.store import drift as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.drift import Line
from cert_exchange.store.notebook import Found, Notebook

_PART = 500
OLDER = (
    "its node does not tell what it holds from us there: it has no such collection for our credential, or runs an older"
    " release; `ledger reconcile` asks it another way"
)


def compare_outgoing(
    node: Node,
    walk: Walk,
    view: int,
    book: Notebook,
    compared: Compared,
    progress: Callable[[int], None],
) -> None:
    """Compare, and write what differs into the notebook. Raises errors.Remote*, StoreUnavailable."""
    counts: Counter[Kind] = Counter()
    whole = walk.connection.options.server == "cert-exchange"
    parts = _parts(node, walk, view, compared) if whole else None
    if whole and parts is None:
        compared.trouble = OLDER
        return
    pages = walk.manifest() if parts is None else walk.listed(RECEIVED, parts)
    for page in pages:
        fresh = [
            Entry(*one)
            for one in book.show(
                (*one.key, one.digest) for one in page if one.stix_id not in TLP_BY_ID
            )
        ]
        _judge(node, walk, view, fresh, book, compared, counts)
        progress(len(page))
    if parts is None:
        compared.how = f"manifest, {walk.requests:,} pages"
    if walk.whole:
        _look_for_ours(node, walk, view, parts, book, compared, counts, whole=whole)
    compared.counts = {kind: counts[kind] for kind in Kind if counts[kind]}


def _sent(
    tx: Transaction, walk: Walk, view: int, *, whole: bool, part: str | None = None
) -> Iterator[Line]:
    """What was sent; `whole`: every version in force, else the newest of each id."""
    channel = walk.channel
    lines = rows.pushed_to(
        tx, view, channel.partner, upto=channel.position, part=part, last=not whole
    )
    return (one for one in lines if one.stix_id not in TLP_BY_ID)


def _parts(node: Node, walk: Walk, view: int, compared: Compared) -> list[int] | None:
    theirs = walk.buckets(RECEIVED)
    if theirs is None:
        return None
    ours = Buckets()
    with node.database.reading() as tx:
        ours.add(entries_of(_sent(tx, walk, view, whole=True)))
    differing = theirs.differing(ours)
    compared.how = f"digests, {len(differing)} of {BUCKETS} buckets differ"
    if len(differing) > MANY:
        return list(range(BUCKETS))
    alike = sum(theirs.counts[bucket] for bucket in set(range(BUCKETS)) - set(differing))
    compared.there += alike
    compared.here += alike
    compared.agreed += alike
    return differing


def _judge(
    node: Node,
    walk: Walk,
    view: int,
    page: list[Entry],
    book: Notebook,
    compared: Compared,
    counts: Counter[Kind],
) -> None:
    """What the remote shows and we did not send, or took back; what agrees is counted from our side."""
    if not page:
        return
    ids = [one.stix_id for one in page]
    with node.database.reading() as tx:
        standing: dict[str, list[Line]] = {}
        for each in rows.in_force_of(tx, view, ids):
            standing.setdefault(each.stix_id, []).append(each)
        odd = [one.stix_id for one in page if _line_of(one, standing) is None]
        once = rows.released_once(tx, view, odd, upto=walk.channel.position)
    sent = {(stix_id, _key(stix_id, version)) for stix_id, version in once}
    found = []
    for one in page:
        line = _line_of(one, standing)
        if line is not None and line.place <= walk.channel.position:
            compared.there += 1
            continue
        if line is None and (one.stix_id, _key(*one.key)) in sent:
            kind = Kind.STILL_THERE
        elif line is not None or one.digest:
            kind = Kind.NOT_SENT
        else:
            continue  # rule 4
        compared.there += 1
        counts[kind] += 1
        found.append(Found(kind.value, one.stix_id, one.version))
    book.find(found)


def _look_for_ours(
    node: Node,
    walk: Walk,
    view: int,
    parts: list[int] | None,
    book: Notebook,
    compared: Compared,
    counts: Counter[Kind],
    *,
    whole: bool,
) -> None:
    with node.database.reading() as tx:
        for name in names_of(parts):
            lines = _sent(tx, walk, view, whole=whole, part=name)
            if parts is not None:
                wanted = frozenset(parts)
                lines = (one for one in lines if bucket_of(one.stix_id) in wanted)
            while some := list(islice(lines, _PART)):
                compared.here += len(some)
                shown = book.shown([one.stix_id for one in some])
                missing: list[tuple[Line, str]] = []
                found: list[Found] = []
                for line in some:
                    there = {
                        (_key(line.stix_id, version), digest)
                        for version, digest in shown.get(line.stix_id, ())
                    }
                    mine = _key(line.stix_id, line.version)
                    alike = [digest for key, digest in there if key in (mine, "")]
                    other = alike and all(digest and digest != line.digest for digest in alike)
                    if not alike or (other and not mine):  # another copy of a cyber-observable
                        versions = ", ".join(version for version, _ in shown.get(line.stix_id, ()))
                        missing.append((line, f"it shows {versions}" if versions else ""))
                    elif other:
                        found.append(_found(Kind.OTHER_CONTENT, line, ""))
                    else:
                        compared.agreed += 1
                refused = (
                    rows.refusals(tx, 0, [one.stix_id for one, _ in missing], sent=True)
                    if missing
                    else {}
                )
                for line, why in missing:
                    row = refused.get(line.stix_id)
                    if row is not None and row.reason.startswith(f"{walk.channel.name}:"):
                        said = f"quarantine {row.number}: {row.reason}"
                        found.append(_found(Kind.REFUSED_THERE, line, said))
                    elif walk.channel.pending is not None:
                        found.append(_found(Kind.PENDING, line, why))
                    else:
                        found.append(_found(Kind.MISSING_THERE, line, why))
                counts.update(Kind(one.what) for one in found)
                book.find(found)


def _found(kind: Kind, line: Line, why: str) -> Found:
    return Found(kind.value, line.stix_id, line.version, why, line.place)


def _line_of(shown: Entry, standing: Mapping[str, Sequence[Line]]) -> Line | None:
    """The line in force that the remote shows; without a version the id alone tells."""
    key = _key(*shown.key)
    for line in standing.get(shown.stix_id, ()):
        if not shown.version or _key(line.stix_id, line.version) == key:
            return line
    return None


def _key(stix_id: str, version: str) -> str:
    """What orders versions of an id; empty of a cyber-observable."""
    text = entry(stix_id, version).version
    try:
        return order_key(text)
    except InstantInvalid:
        return text
