"""What became of a partner's object on its way to us: seen when, decided how, by which rule (CASES U05).

1. It tells also of what never arrived: refused, held, filtered by a source, erased here, or not in what the partner's
   server shows to us. Nothing here decides again: it reads what was decided.
2. A partner's server is asked only where a person wants it, over the sources that were set up, and nothing that it
   answers is stored.
3. For this node's own people. It names what other partners brought under the same id by their names only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote.connection import Options, decode_options
from cert_exchange.services import terms
from cert_exchange.services.syncing import remaining
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.services.syncing.breaking import GATE
from cert_exchange.stix.instants import format_micros, order_key
from cert_exchange.store import channels, erasures, objects, quarantine, screening
from cert_exchange.store import holdings as rows
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction
from cert_exchange.store.holdings import Held, Wanted
from cert_exchange.store.screening import KeptOut, State
from cert_exchange.store.tables import OWN, ObjectStatus


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is known of the object. `at`: micros, None where nobody knows."""

    at: int | None
    where: str
    version: str
    decision: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known, what happened here first; `verdict` is the answer in one sentence, `step` what to do next."""

    stix_id: str
    partner: str
    steps: tuple[Step, ...]
    verdict: str
    step: str


def explain(node: Node, partner: str, stix_id: str, *, ask: bool = True) -> Arrival:
    """Tell what became of an object of a partner. Raises NotFound for a partner that does not exist."""
    with node.database.reading() as tx:
        names = rows.names_of_origins(tx)
        origin = next((number for number, name in names.items() if name == partner), OWN)
        if origin == OWN:
            raise errors.NotFound(
                f"There is no partner {partner}; `cert-exchange partner list` names them."
            )
        found = rows.find(tx, Wanted(stix_id=stix_id, all_versions=True, limit=1000))
        mine = [one for one in found if one.origin == origin]
        steps = [
            *_held(tx, stix_id, mine),
            *_refused(tx, stix_id, origin),
            *_erased(tx, stix_id),
            *_others(found, origin, names),
        ]
        sources = [
            one
            for one in channels.channels(tx)
            if one.direction == "pull" and one.partner == origin
        ]
    steps += [
        Step(None, "here", "", "bound by our desk", "terms", said)
        for said in terms.sentences(node, stix_id)
    ]
    versions = {order_key(one.version) for one in mine}
    there = [
        step for source in sources for step in _of_source(node, source, stix_id, versions, ask=ask)
    ]
    verdict, step = _verdict(partner, stix_id, steps, there, sources)
    return Arrival(stix_id, partner, (*steps, *there), verdict, step)


def _held(tx: Transaction, stix_id: str, mine: list[Held]) -> Iterator[Step]:
    ident = objects.idents_of(tx, [stix_id]).get(stix_id)
    kept = (
        {one.object: one for one in screening.listed(tx, states=tuple(State), idents=[ident])}
        if ident is not None
        else {}
    )
    blocked = ident is not None and objects.blocked(tx, ident)
    places = rows.memberships_of(tx, [one.object for one in mine])
    for one in sorted(mine, key=lambda held: held.stored_at):
        yield Step(one.stored_at, "here", one.version, *_decided(one, kept.get(one.object)))
        for place in places:
            if place.object == one.object and place.taken_back_at is not None:
                who = "our desk" if place.taken_back_by == OWN else "its sender"
                yield Step(
                    place.taken_back_at, place.collection, one.version,
                    "taken out of use", "withdrawal", f"by {who}",
                )  # fmt: skip
    if blocked and mine:
        yield Step(
            None, "here", "", "kept from everybody", "block", "by our desk's order; `free` ends it"
        )


def _decided(one: Held, kept: KeptOut | None) -> tuple[str, str, str]:
    if one.status == ObjectStatus.PROPOSAL.value:
        return (
            "kept as a proposal",
            "ownership",
            "its sender may not speak for its creator, see `proposals list`",
        )
    if one.status == ObjectStatus.ERASED.value:
        return "erased", "erasure", "its bytes are gone"
    if kept is not None and kept.state is State.HELD:
        return "held at the way in", kept.what, f"{kept.said}; see `intake list`"
    if kept is not None and kept.state is not State.LET_IN:
        said = kept.said if kept.remark is None else f"{kept.said}; {kept.remark}"
        return "refused at the way in", kept.what, said
    if one.status != ObjectStatus.ACCEPTED.value:
        return one.status, "", ""
    return (
        "taken in",
        "" if kept is None else kept.what,
        "" if kept is None else "let in by a person",
    )


def _refused(tx: Transaction, stix_id: str, origin: int) -> Iterator[Step]:
    wanted = quarantine.Wanted(origin=origin, stix_id=stix_id)
    for one in reversed(quarantine.listed(tx, wanted)):
        yield Step(
            one.at, one.collection_name or "here", one.version or "", "refused", one.kind,
            f"{one.reason} (quarantine {one.number})",
        )  # fmt: skip


def _erased(tx: Transaction, stix_id: str) -> Iterator[Step]:
    for order in erasures.of_id(tx, stix_id):
        yield Step(None, "here", "", "kept out", "erasure", order.sentence())


def _others(found: list[Held], origin: int, names: dict[int, str]) -> Iterator[Step]:
    for one in found:
        if one.origin != origin and one.status == ObjectStatus.ACCEPTED.value:
            whose = "our desk" if one.origin == OWN else names.get(one.origin, "another partner")
            yield Step(
                one.stored_at, "here", one.version, "held from elsewhere", "", f"from {whose}"
            )


def _of_source(
    node: Node, source: Channel, stix_id: str, versions: set[str], *, ask: bool
) -> Iterator[Step]:
    where = f"source {source.name}"
    options = decode_options(source.options)
    shut = (source.counters.get(GATE) or {}).get("shut")
    if shut:
        yield Step(None, where, "", "not asked for", "gate", f"the source is shut: {shut['words']}")
    elif source.paused:
        yield Step(
            None, where, "", "not asked for", "paused", "the source is paused: nothing is pulled"
        )
    elif source.suspended:
        yield Step(
            None, where, "", "not asked for", "suspended", "receiving from its partner is suspended"
        )
    filtered = _filtered(stix_id, options)
    if filtered:
        yield Step(None, where, "", "filtered", "match", filtered)
    if not ask:
        return
    try:
        entries = _shown(node, source, stix_id)
    except errors.CertExchangeError as error:
        yield Step(None, where, "", "not known", "", f"its server was asked now: {error.public}")
        return
    if not entries:
        yield Step(
            node.now(), where, "", "not there", "",
            f"its server shows no such object in {source.remote_collection} to our credential",
        )  # fmt: skip
    for date, version in entries:
        if _key(version) in versions:
            yield Step(
                node.now(), where, version, "there, and here", "", f"its server added it at {date}"
            )
        elif filtered:
            yield Step(
                node.now(),
                where,
                version,
                "there, filtered",
                "match",
                f"its server added it at {date}",
            )
        else:
            yield Step(node.now(), where, version, *_missing(source, options, date))


def _missing(source: Channel, options: Options, date: str) -> tuple[str, str, str]:
    """Why a version that is there is not here."""
    after = source.cursor or options.start
    if not after:
        return (
            "waits there",
            "",
            f"added at {date}; nothing was pulled yet: it comes with the next run",
        )
    added, reached = remaining.instant(date, -1), remaining.instant(after, 0)
    if added > reached:
        return (
            "waits there",
            "cursor",
            f"added at {date}, after our cursor {after}: it comes with the next run",
        )
    why = (
        f"added at {date}, before our cursor {after}: its server added it late under an old date, or refused it to us then;"
        f" `source reset {source.name} --since {date}` asks for it again"
    )
    return "passed over", "cursor", why


def _shown(node: Node, source: Channel, stix_id: str) -> list[tuple[str, str]]:
    connection = connect(node, source)
    url = f"{connection.root}collections/{quote(source.remote_collection, safe='')}/manifest/"
    params = {"match[id]": stix_id, "match[version]": "all", "limit": "100"}
    return remaining.entries_of(connection.fetch("GET", url, params=params), stix_id)


def _filtered(stix_id: str, options: Options) -> str:
    wanted = options.match.get("type")
    if wanted and stix_id.partition("--")[0] not in wanted.split(","):
        return f"the source asks for the type {wanted} only (option match)"
    ids = options.match.get("id")
    if ids and stix_id not in ids.split(","):
        return "the source asks for other ids only (option match)"
    return ""


def _key(version: str) -> str:
    try:
        return order_key(version)
    except ValueError:
        return version


_SAID = {
    "waits there": "waits there",
    "passed over": "was passed over",
    "there, filtered": "is there, and the source asks for others only",
}
_ORDER = (
    "refused",
    "refused at the way in",
    "held at the way in",
    "kept as a proposal",
    "kept out",
)


def _verdict(
    partner: str, stix_id: str, steps: list[Step], there: list[Step], sources: list[Channel]
) -> tuple[str, str]:
    """The one sentence, from what was decided last to what never came."""
    decided = sorted(
        (one for one in steps if one.at is not None and one.decision != "held from elsewhere"),
        key=lambda one: one.at or 0,
    )
    waiting = [
        one for one in there if one.decision in ("waits there", "passed over", "there, filtered")
    ]
    if waiting and not any(one.decision in _ORDER for one in decided):
        first = waiting[0]
        return (
            f"version {first.version} {_SAID[first.decision]}: {first.reason}",
            f"cert-exchange sync now {first.where.partition(' ')[2]}",
        )
    if decided:
        last = decided[-1]
        by = f" by {last.rule}" if last.rule else ""
        why = f": {last.reason}" if last.reason else ""
        seen = format_micros(last.at or 0)
        step = (
            f"cert-exchange show {stix_id}"
            if last.decision == "taken in"
            else f"cert-exchange quarantine list --from {partner}"
        )
        if last.decision == "held at the way in":
            step = "cert-exchange intake list"
        elif last.decision == "kept as a proposal":
            step = f"cert-exchange proposals list --from {partner}"
        return f"seen at {seen}: {last.decision}{by}{why}", step
    if any(one.decision == "kept out" for one in steps):
        return "it was erased here and is kept out", "cert-exchange erasures list"
    for one in there:
        if one.decision in ("filtered", "not asked for", "not known", "not there"):
            return (
                f"nothing of it ever came: {one.reason}",
                f"cert-exchange source show {one.where.partition(' ')[2]}",
            )
    if not sources:
        return (
            f"nothing of it ever came: {partner} did not send it, and no source pulls from it",
            f"cert-exchange doctor {partner}",
        )
    return "nothing of it ever came", f"cert-exchange sync now {sources[0].name}"
