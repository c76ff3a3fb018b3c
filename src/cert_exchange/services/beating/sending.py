"""One beat: a TEST object goes to a partner by the way that real ones go, and it is seen whether it arrived.

1. Where our policy shows the partner what is marked TEST, the beat is published like any object, for that partner alone:
   it is polled, or pushed, and its arrival is known by a receipt, by the mark of what was fetched, or by what a
   cert-exchange confirmed.
2. Where a collection for tests is known at a server of another make, the object is written there, read back and taken
   away again: nothing of it stays on either side. A server that deletes nothing gets one version a day.
3. Where neither is, there is no heartbeat, and it is said.
4. None for a partner that is suspended or frozen: an order to stop stops this too.
5. A worker takes each beat upon itself before it begins (`claim`); killed in between, that beat is left out.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from cert_exchange import errors
from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.remote import probing
from cert_exchange.remote.connection import Connection, decode_options
from cert_exchange.services import publishing
from cert_exchange.services.beating.alarming import alarms
from cert_exchange.services.beating.beats import DAY, beat, beat_id, receiver_of
from cert_exchange.services.selftest.handing_over import hand_over
from cert_exchange.services.selftest.knocking import skew_of
from cert_exchange.services.selftest.steps import Walk
from cert_exchange.services.selftest.walking import agreed_ground
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.stix.instants import parse_micros
from cert_exchange.store import channels, freezes, heartbeats, introductions, outgoing
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.channels import Channel
from cert_exchange.store.heartbeats import Heartbeat
from cert_exchange.store.partners import PartnerRow

_log = structlog.get_logger(__name__)

MINUTE: Final = 60_000_000
EARLY: Final = MINUTE // 2
"""A beat may come so much before its time: the worker looks every minute."""
AT_ONCE: Final = 4
NOT_SHOWN: Final = "our policy shows it nothing that is marked TEST"
NO_WAY: Final = (
    "no way: neither a view of our TEST collection, nor a collection for tests at its server"
)
NO_SERVER: Final = (
    "no way: no source or target of it is in use here, so no server is known to write to"
)
STOPPED: Final = "what goes out to it is stopped"


@dataclass(frozen=True, slots=True)
class _Ways:
    """How a partner may be reached by a beat."""

    partner: PartnerRow
    state: Heartbeat
    stopped: bool
    channels: tuple[Channel, ...]
    ground: tuple[int, str] | None
    """our TEST collection: its number and UUID"""
    view: int | None
    foreign: Channel | None
    """the target of another make that our TEST collection is pushed to"""
    agreed: str
    receiver: str


def beat_due(node: Node, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Send the beats that are due; how many."""
    minutes = node.settings.heartbeat_minutes
    if not minutes or node.clock.doubt is not None:
        return 0
    look(node)  # a beat that arrived is noted before the next takes its place
    with node.database.reading() as tx:
        waiting = deque(row.name for row in partner_rows.every_partner(tx))
    sent: list[str] = []

    def work() -> None:
        while waiting and not stop():
            with suppress(IndexError):  # another thread took the last
                name = waiting.popleft()
                if _beat_if_due(node, name, minutes * MINUTE - EARLY):
                    sent.append(name)

    # Daemons: a server that does not answer delays no other, and may not keep the process from ending.
    threads = [
        threading.Thread(target=work, name=f"heartbeat-{n}", daemon=True) for n in range(AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(sent)


def _beat_if_due(node: Node, name: str, after: int) -> bool:
    try:
        with node.database.reading() as tx:
            partner = partner_rows.find_partner(tx, name)
        if partner is None or not _claim(node, partner.id, after):
            return False
        beat_now(node, name)
    except errors.CertExchangeError as error:
        _log.error("heartbeat failed", partner=name, error=type(error).__name__, detail=str(error))
        return False
    return True


def beat_now(node: Node, name: str) -> Heartbeat:
    """Send one beat at once; how it stands afterwards. Raises NotFound, StoreError."""
    ways = _ways(node, name)
    now = node.now()
    if ways.state.off or ways.stopped:
        return _put(node, ways, trouble="" if ways.state.off else STOPPED, troubled_at=None)
    found: dict[str, Any] = {}
    connection = _open(node, ways, found)
    ground = ways.state.test_collection or ways.agreed
    if ways.foreign is not None:
        ground = ways.foreign.remote_collection
    elif ways.view is not None and ways.ground is not None:
        found |= _publish(node, ways, now)
        ground = ""
    if ground and connection is not None:
        found |= _round_trip(node, ways, connection, ground, now, found.get("skew"))
    elif "trouble" not in found and "version" not in found:
        found |= {"trouble": NO_WAY, "troubled_at": None, "way": ""}
    if found.get("trouble") and "troubled_at" not in found:
        found["troubled_at"] = ways.state.troubled_at or now
    return _put(node, ways, **found)


def hindrance(node: Node, name: str) -> str:
    """Why no beat can be sent to a partner as things stand here; empty where one is tried. Raises NotFound."""
    ways = _ways(node, name)
    if ways.state.off or ways.stopped:
        return "it is off" if ways.state.off else STOPPED
    if ways.foreign is not None or (ways.view is not None and ways.ground is not None):
        return ""
    if not (ways.state.test_collection or ways.agreed):
        return NO_WAY
    return "" if ways.channels else NO_SERVER


def look(node: Node) -> int:
    """See which beats arrived since, and tell the log of alarms that are new or over; how many arrived."""
    with node.database.reading() as tx:
        waiting = {
            number: state
            for number, state in heartbeats.every(tx).items()
            if state.position is not None and state.sent_at != state.seen_at
        }
        names = {row.id: row.name for row in partner_rows.every_partner(tx)}
        every = channels.channels(tx) if waiting else []
    # From the store itself: who serves is another process, and what this one remembers of marks may be old.
    marks = (
        {(one.partner, one.view): one.position for one in node.marks.everything()}
        if waiting
        else {}
    )
    arrived = 0
    for number, state in waiting.items():
        mine = [one for one in every if one.partner == number]
        way = _arrival(node, number, state, mine, marks)
        if way and number in names:
            put = {"seen_at": state.sent_at, "way": way, "trouble": "", "troubled_at": None}
            _note(node, number, **put)
            arrived += 1
    _tell_log(node)
    return arrived


def _ways(node: Node, name: str) -> _Ways:
    with node.database.reading() as tx:
        partner = partner_rows.find_partner(tx, name)
        if partner is None:
            raise NotFound(f"There is no partner {name}; `cert-exchange partner list` names them.")
        uuid = introductions.test_collection(tx)
        declared = None if uuid is None else collection_rows.find_collection(tx, uuid)
        view = (
            None
            if declared is None
            else outgoing.view_of(tx, partner=partner.id, collection=declared.id)
        )
        speaks_for = partner_rows.authority(tx, partner.id).speaks_for
        mine = tuple(
            one for one in channels.channels(tx) if one.partner == partner.id and not one.paused
        )
        foreign = (
            one
            for one in mine
            if one.direction == "push"
            and declared is not None
            and one.collection == declared.id
            and decode_options(one.options).server == "foreign"
        )
        return _Ways(
            partner,
            heartbeats.state_of(tx, partner.id),
            partner.suspended_at is not None or freezes.frozen(tx, partner.id),
            mine,
            None if declared is None else (declared.id, declared.uuid),
            None if view is None else view[0],
            next(foreign, None),
            agreed_ground(tx, name, node.now()),
            receiver_of(name, speaks_for),
        )


def _open(node: Node, ways: _Ways, found: dict[str, Any]) -> Connection | None:
    """Reach its server, and measure its clock and its certificate on the way."""
    channel = ways.foreign or next(iter(ways.channels), None)
    if channel is None:
        return None
    try:
        connection = connect(node, channel)
        answer = connection.fetch("GET", connection.root)
        skew = skew_of(node, answer.headers.get("Date", ""))
        if skew is not None:
            found |= {"skew": skew, "skew_at": node.now()}
        place = probing.place_of(connection.root, connection.options.proxy)
        if place.tls:
            seconds = connection.options.connect_seconds
            found["tls_ends_at"] = probing.shake(place, connection, seconds=seconds).ends_at
    except errors.CertExchangeError as error:
        found["trouble"] = f"its server: {error.public}"
        return None
    return connection


def _publish(node: Node, ways: _Ways, now: int) -> dict[str, Any]:
    """Publish a beat for this partner alone (rule 1)."""
    assert ways.view is not None
    assert ways.ground is not None
    state, stix_id = ways.state, beat_id(node.identity, ways.receiver)
    with node.database.reading() as tx:
        before = heartbeats.line_of(tx, ways.view, stix_id)
    if state.view == ways.view and before is None:
        # The last one is not shown; another would not be either, and one is enough to wait.
        return {"trouble": NOT_SHOWN, "troubled_at": None}
    at = max(now, parse_micros(state.version) + 1 if state.version else 0)
    content = beat(node.identity, ways.receiver, at)
    try:
        done = publishing.publish(
            node, json.dumps(content).encode(), collection=ways.ground[1], by="node",
            terms=SharingTerms(only_to=(frozenset({ways.partner.name}),)),
        )  # fmt: skip
    except errors.CertExchangeError as error:
        return {"trouble": f"it could not be published: {error.public}"}
    (outcome,) = done.outcomes
    if not outcome.success:
        return {"trouble": f"it was not taken in here: {outcome.message}"}
    with node.database.reading() as tx:
        line = heartbeats.line_of(tx, ways.view, stix_id)
    shown = line is not None and line[1] == content["modified"]
    sent = {"sent_at": now, "version": content["modified"], "view": ways.view}
    if not shown or line is None:
        return {**sent, "position": None, "trouble": NOT_SHOWN, "troubled_at": None}
    since = state.troubled_at if state.troubled_at is not None else now
    return {**sent, "position": line[0], "troubled_at": since, "trouble": "not seen there so far"}


def _round_trip(
    node: Node, ways: _Ways, connection: Connection, ground: str, now: int, skew: int | None
) -> dict[str, Any]:
    """Write it there, read it back, take it away (rule 2)."""
    at = now - now % DAY + 1 if ways.state.leaves else now
    walk = Walk(ways.partner.name, node.clock.monotonic)
    left = hand_over(
        walk, node, connection, partner=ways.partner.name, ground=ground, skew=skew,
        content=beat(node.identity, ways.receiver, at),
    )  # fmt: skip
    wrong = next((one for one in walk.done if one.result == "wrong"), None)
    back = any(one.step == "read back" and one.result == "ok" for one in walk.done)
    found: dict[str, Any] = {
        "sent_at": now, "position": None, "view": None, "leaves": bool(left), "version": ""
    }  # fmt: skip
    if not back:
        said = "it was not read back" if wrong is None else f"{wrong.step}: {wrong.said}"
        return {**found, "trouble": said}
    return {
        **found,
        "seen_at": now,
        "way": "written and read back",
        "trouble": "",
        "troubled_at": None,
    }


def _arrival(
    node: Node,
    partner: int,
    state: Heartbeat,
    at_it: list[Channel],
    marks: Mapping[tuple[int, int], int],
) -> str:
    """How it is known that the last beat arrived; empty where it is not."""
    assert state.view is not None
    assert state.position is not None
    with node.database.reading() as tx:
        if heartbeats.has_receipt(tx, partner, state.view, state.position):
            return "it signed a receipt"
    pushes = [one for one in at_it if one.direction == "push" and one.view == state.view]
    if not pushes:
        reached = marks.get((partner, state.view), 0)
        return "its node fetched it" if reached >= state.position else ""
    target = pushes[0]
    arrived = target.position >= state.position and target.pending is None
    return "its server confirmed it" if arrived else ""


def _claim(node: Node, partner: int, after: int) -> bool:
    now = node.now()
    return node.database.transact(lambda tx: heartbeats.claim(tx, partner, at=now, after=after))


def _note(node: Node, partner: int, **values: Any) -> Heartbeat:
    return node.database.transact(lambda tx: heartbeats.put(tx, partner, **values))


def _put(node: Node, ways: _Ways, **values: Any) -> Heartbeat:
    return _note(node, ways.partner.id, asked_at=node.now(), **values)


def _tell_log(node: Node) -> None:
    """Log each alarm once when it comes, and once when it is over."""
    now: dict[int, str] = {}
    for one in alarms(node):
        if one.grade == "wrong":
            now[one.number] = " ".join(sorted({*now.get(one.number, "").split(), one.kind}))
    with node.database.reading() as tx:
        before = heartbeats.every(tx)
    for number in sorted({*now, *(key for key, state in before.items() if state.said)}):
        said = now.get(number, "")
        known = before[number].said if number in before else ""
        if said == known:
            continue
        (_log.error if said else _log.info)("heartbeat alarms", partner=number, alarms=said.split())
        _note(node, number, said=said)
