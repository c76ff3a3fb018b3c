"""Figures for monitoring: how far each channel is behind, what was refused, what waits, what ends soon.

1. METRICS names every one there is; nothing else is measured, and the dashboard and alarms of `deploy/` name no other.
2. Labels are names that our own people gave (partners, channels, collections) and words of ours: never an id, an object's
   content or anything that a stranger chose.
3. Each figure is read in one snapshot, and counting ends at MOST: a scrape costs the same on a large store.
4. For our own people; who may ask is decided by `http.scraping`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Literal

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.node import Node
from cert_exchange.services import beating, pki, requesting
from cert_exchange.services.lagging import MOST, lag_of
from cert_exchange.services.syncing.reporting import FATES
from cert_exchange.store import (
    channels,
    checkups,
    deliveries,
    feeds,
    figures,
    freezes,
    partners,
    policies,
    quarantine,
    screening,
)
from cert_exchange.store.channels import Direction
from cert_exchange.store.database import Transaction

MICROS: Final = 1_000_000
RESULTS: Final[Mapping[Direction, tuple[str, ...]]] = {
    "pull": FATES,
    "push": ("confirmed", "refused", "unconfirmed"),
}
"""Of what is counted of a channel's objects, what each object counts under once."""
_APART: Final = ("pages", "bytes")
"""Counted beside them, and no objects."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Units are in its name; `kind` as Prometheus says."""

    name: str
    kind: Literal["gauge", "counter"]
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


METRICS: Final = (
    Metric("cert_exchange_info", "gauge", "The release and the engine, as labels."),
    Metric("cert_exchange_clock_doubtful", "gauge", "1: releasing stopped, since the clock jumped."),
    Metric("cert_exchange_channel_paused", "gauge", "1: a person or a guard paused it."),
    Metric("cert_exchange_source_shut", "gauge", "1: too much came, and its gate shut it until a person looked."),
    Metric("cert_exchange_partner_shut", "gauge", "1: it posted too much, and nothing is taken from it until a person looked."),
    Metric("cert_exchange_channel_failures", "gauge", "Runs that failed one after the other."),
    Metric("cert_exchange_channel_lag_seconds", "gauge", "Since the last run that worked; not of what never ran well, or whose partner we suspended."),
    Metric("cert_exchange_channel_behind_objects", "gauge", f"Object versions that a target has not sent, or that a source's server still had, up to {MOST}."),
    Metric("cert_exchange_channel_behind_seconds", "gauge", "How long the oldest waits that a target has not sent; since when a source may miss something."),
    Metric("cert_exchange_channel_interrupted_total", "counter", "Runs that began and never ended."),
    Metric("cert_exchange_channel_objects_total", "counter", "Objects by what became of them, each once: they add up."),
    Metric("cert_exchange_channel_details_total", "counter", "What else befell objects; one may count under several."),
    Metric("cert_exchange_channel_pages_total", "counter", "Pages pulled."),
    Metric("cert_exchange_channel_bytes_total", "counter", "Bytes of them."),
    Metric("cert_exchange_reader_behind_objects", "gauge", f"Object versions that a partner has not fetched yet, up to {MOST}."),
    Metric("cert_exchange_quarantine_objects", "gauge", "What is kept of refused input, by sender and kind."),
    Metric("cert_exchange_proposals_waiting", "gauge", "Proposals that wait for a person."),
    Metric("cert_exchange_holds", "gauge", "Object versions that a rule holds back from an audience."),
    Metric("cert_exchange_intake_held", "gauge", "Object versions that wait for a person at the way in."),
    Metric("cert_exchange_open_receipts", "gauge", "Statements without the receipt that they should have."),
    Metric("cert_exchange_ledger_unsealed_lines", "gauge", "Lines of the ledger that wait for their seal."),
    Metric("cert_exchange_freezes", "gauge", "Orders of our people by which nothing goes out to somebody."),
    Metric("cert_exchange_expires_timestamp_seconds", "gauge", "When a certificate, an authority or a revocation list ends."),
    Metric("cert_exchange_heartbeat_unseen_seconds", "gauge", "Since our last heartbeat that is known to have arrived there."),
    Metric("cert_exchange_partner_silent_seconds", "gauge", "Since anything came from a partner."),
    Metric("cert_exchange_partner_clock_seconds", "gauge", "How far a partner's clock is behind ours, as measured last."),
    Metric("cert_exchange_heartbeat_alarms", "gauge", "1: heartbeat list has this alarm about a partner, by its limits."),
    Metric("cert_exchange_requests_overdue", "gauge", "Requests between desks whose answer is overdue, by who owes it: us or partner."),
    Metric("cert_exchange_reviews_waiting", "gauge", "Objects of ours that a partner disagrees with and no person has looked at."),
    Metric("cert_exchange_review_oldest_seconds", "gauge", "How long the oldest of them waits."),
    Metric("cert_exchange_feed_unread_seconds", "gauge", "Since a credential of a feed was used last, or issued; exact to a minute. By its label, else its id."),
    Metric("cert_exchange_database_connections", "gauge", "Of the process that answers, by pool; those that polls keep for themselves are not in it."),
    Metric("cert_exchange_database_connections_kept", "gauge", "How many a pool keeps open at most; more are opened when needed, and closed again."),
    Metric("cert_exchange_database_waits_total", "counter", "How often this process asked a pool for a connection."),
    Metric("cert_exchange_database_wait_seconds_total", "counter", "How long it waited for them together; on SQLite for its turn to write as well."),
    Metric("cert_exchange_http_requests_total", "counter", "Requests answered by this process, by route and status."),
    Metric("cert_exchange_http_partner_requests_total", "counter", "Of those, the requests of partners, by partner and status: 429 is who asks too much."),
    Metric("cert_exchange_http_request_seconds_total", "counter", "How long they took together."),
)  # fmt: skip


def measure(node: Node) -> list[Sample]:
    """Every figure of the node; those of a process's requests are added by who serves. Raises StoreUnavailable."""
    now = node.now()
    found = [
        Sample(
            "cert_exchange_info",
            1,
            (("version", version("cert-exchange")), ("engine", node.database.dialect)),
        ),
        Sample("cert_exchange_clock_doubtful", float(node.clock.doubt is not None)),
    ]
    with node.database.reading() as tx:
        found += _channels(tx, now)
        found += _readers(tx, node)
        found += _waiting(tx)
        found += _disputed(tx, now)
        found += _feeds(tx, now)
        _, unsealed = figures.ledger_state(tx)
    found.append(Sample("cert_exchange_ledger_unsealed_lines", unsealed))
    found += _connections(node)
    found += _ends(node)
    found += _beats(node, now)
    found += _overdue(node)
    return found


def names(node: Node) -> Mapping[int, str]:
    """What our people call each partner, by its number. Raises StoreUnavailable."""
    with node.database.reading() as tx:
        return {number: name for name, number in policies.partner_ids(tx).items()}


def _channels(tx: Transaction, now: int) -> Iterator[Sample]:
    for one in channels.channels(tx):
        labels = (
            ("channel", one.name),
            ("direction", one.direction),
            ("partner", one.partner_name),
        )
        yield Sample("cert_exchange_channel_paused", float(one.paused), labels)
        if one.direction == "pull":
            shut = (one.counters.get("gate") or {}).get("shut")
            yield Sample("cert_exchange_source_shut", float(shut is not None), labels)
        yield Sample("cert_exchange_channel_failures", one.attempts, labels)
        if one.last_success_at is not None and not one.suspended:
            since = max(now - one.last_success_at, 0) / MICROS
            yield Sample("cert_exchange_channel_lag_seconds", since, labels)
        lag = lag_of(tx, one, now=now)
        if lag.objects is not None:
            yield Sample("cert_exchange_channel_behind_objects", lag.objects, labels)
        if lag.seconds is not None:
            yield Sample("cert_exchange_channel_behind_seconds", lag.seconds, labels)
        interrupted = int(one.counters.get(channels.INTERRUPTED) or 0)
        yield Sample("cert_exchange_channel_interrupted_total", interrupted, labels)
        yield from _counted(one, labels)


def _counted(one: channels.Channel, labels: tuple[tuple[str, str], ...]) -> Iterator[Sample]:
    for name, number in sorted(one.counters.get("total", {}).items()):
        if name in _APART:
            yield Sample(f"cert_exchange_channel_{name}_total", number, labels)
        elif name in RESULTS[one.direction]:
            yield Sample("cert_exchange_channel_objects_total", number, (*labels, ("result", name)))
        else:
            yield Sample("cert_exchange_channel_details_total", number, (*labels, ("detail", name)))


def _readers(tx: Transaction, node: Node) -> Iterator[Sample]:
    named = {view.view: view for view in figures.every_view(tx)}
    for view, partner, name in figures.readers(tx):
        reached = node.marks.reached(partner, view)
        behind = figures.count_after(tx, view, position=reached or 0, most=MOST)
        yield Sample(
            "cert_exchange_reader_behind_objects",
            behind,
            (("partner", name), ("collection", named[view].collection)),
        )


def _waiting(tx: Transaction) -> Iterator[Sample]:
    for sender, kind, number in quarantine.counts(tx):
        labels = (("partner", sender or "own"), ("kind", kind))
        yield Sample("cert_exchange_quarantine_objects", number, labels)
    for partner, number in checkups.proposals(tx).items():
        yield Sample("cert_exchange_proposals_waiting", number, (("partner", partner),))
    for audience, number in figures.count_holds(tx).items():
        yield Sample("cert_exchange_holds", number, (("audience", audience),))
    for partner, gate in partners.gates(tx).items():
        yield Sample("cert_exchange_partner_shut", float("shut" in gate), (("partner", partner),))
    yield Sample("cert_exchange_intake_held", screening.count_held(tx))
    yield Sample("cert_exchange_open_receipts", deliveries.count_open(tx))
    yield Sample("cert_exchange_freezes", len(freezes.standing(tx)))


def _disputed(tx: Transaction, now: int) -> Iterator[Sample]:
    waiting = {one.partner: one for one in checkups.disputes(tx)}
    for partner in sorted(policies.partner_ids(tx)):
        one, labels = waiting.get(partner), (("partner", partner),)
        yield Sample("cert_exchange_reviews_waiting", 0 if one is None else one.objects, labels)
        since = 0.0 if one is None else max(now - one.since, 0) / MICROS
        yield Sample("cert_exchange_review_oldest_seconds", since, labels)


def _feeds(tx: Transaction, now: int) -> Iterator[Sample]:
    """Who reads what we make for tools; a credential that has ended is in `doctor`."""
    for one in feeds.credentials(tx):
        if one.expires_at is not None and one.expires_at <= now:
            continue
        labels = (("feed", one.feed_name), ("credential", one.label or one.id))
        unread = max(now - (one.last_used_at or one.issued_at), 0) / MICROS
        yield Sample("cert_exchange_feed_unread_seconds", unread, labels)
        if one.expires_at is not None:
            ends = (("what", f"credential of feed {one.feed_name}"), ("partner", "own"))
            yield Sample("cert_exchange_expires_timestamp_seconds", one.expires_at / MICROS, ends)


def _beats(node: Node, now: int) -> Iterator[Sample]:
    """How heartbeats stand; only of partners that have one, or of whom something came."""
    for one in beating.pulses(node):
        labels, state = (("partner", one.partner),), one.state
        since = state.seen_at if state.seen_at is not None else state.troubled_at
        if since is not None and not state.off and not one.stopped:
            unseen = 0.0 if not state.trouble else max(now - since, 0) / MICROS
            yield Sample("cert_exchange_heartbeat_unseen_seconds", unseen, labels)
        if one.heard_at is not None:
            silent = max(now - one.heard_at, 0) / MICROS
            yield Sample("cert_exchange_partner_silent_seconds", silent, labels)
        if state.skew is not None:
            yield Sample("cert_exchange_partner_clock_seconds", state.skew / MICROS, labels)
        if state.tls_ends_at is not None:
            ends = (("what", "server's certificate"), *labels)
            yield Sample(
                "cert_exchange_expires_timestamp_seconds", state.tls_ends_at / MICROS, ends
            )
    for alarm in beating.alarms(node):
        marks = (("partner", alarm.partner), ("alarm", alarm.kind), ("grade", alarm.grade))
        yield Sample("cert_exchange_heartbeat_alarms", 1, marks)


def _overdue(node: Node) -> Iterator[Sample]:
    counted = Counter(
        (one.thread.partner, "partner" if one.thread.ours else "us")
        for one in requesting.overdue(node)
    )
    with node.database.reading() as tx:
        names = policies.partner_ids(tx)
    for partner in sorted(names):
        for owing in ("partner", "us"):
            labels = (("partner", partner), ("owed_by", owing))
            yield Sample("cert_exchange_requests_overdue", counted[partner, owing], labels)


def _connections(node: Node) -> Iterator[Sample]:
    for pool in node.database.pools():
        name = ("pool", pool.name)
        for state, number in (("in use", pool.in_use), ("idle", pool.idle)):
            yield Sample("cert_exchange_database_connections", number, (name, ("state", state)))
        yield Sample("cert_exchange_database_connections_kept", pool.kept, (name,))
    for waited in node.database.waits.so_far():
        name = ("pool", waited.pool)
        yield Sample("cert_exchange_database_waits_total", waited.times, (name,))
        yield Sample("cert_exchange_database_wait_seconds_total", waited.seconds, (name,))


def _ends(node: Node) -> Iterator[Sample]:
    """When what TLS stands on ends; what cannot be read is said by `doctor`."""
    try:
        listing = pki.listing(node)
    except ConfigurationInvalid:
        return

    def ends(at: int, what: str, partner: str | None) -> Sample:
        labels = (("what", what), ("partner", partner or "own"))
        return Sample("cert_exchange_expires_timestamp_seconds", at / MICROS, labels)

    for name, described in listing.own.items():
        yield ends(described.ends_at, f"certificate {name}", None)
    for one in listing.authorities:
        short = one.described.fingerprint[:16]
        yield ends(one.row.ends_at, f"authority {short}", one.partner)
        if one.row.crl_ends_at is not None:
            yield ends(one.row.crl_ends_at, f"revocation list {short}", one.partner)
    newest: dict[str, int] = {}
    for row, partner in listing.certificates:
        if partner is not None and row.revoked_at is None and row.ends_at is not None:
            newest[partner] = max(newest.get(partner, 0), row.ends_at)
    for partner, at in sorted(newest.items()):
        yield ends(at, "newest certificate", partner)
