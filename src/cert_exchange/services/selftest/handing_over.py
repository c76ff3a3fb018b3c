"""A test is handed to a remote, read back, looked at, and taken away again.

1. Only into a collection for tests: the one that was agreed when the channel was set up, one that our people named
   (`heartbeat set`), or one that calls itself TEST. Where there is none, nothing is written.
2. A cert-exchange never gives back in a collection what came from us; it does on request, to us alone (`returned`).
3. What could not be taken away again is said, with its id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection, cleaned
from cert_exchange.remote.statuses import PushStatus, read_status
from cert_exchange.services.selftest import specimen
from cert_exchange.services.selftest.steps import Found, Walk
from cert_exchange.stix.instants import InstantInvalid, format_micros, parse_micros

LOOKS: Final = ("read back", "microseconds", "Unicode", "markings")
STEPS: Final = ("write", "status", *LOOKS, "taken away")
_MINUTE: Final = 60_000_000
_ASKED: Final = 40
_PAGES: Final = 8
NO_GROUND: Final = "no collection for tests is known there"
NO_GROUND_STEP: Final = "ask its people for one; cert-exchange heartbeat set {partner} --test-collection ID names it here"


def find_ground(connection: Connection, known: str) -> str:
    """The id of a collection for tests (rule 1), empty where there is none. `known`: what was agreed or named."""
    if known:
        return known
    try:
        found = (
            connection.fetch("GET", f"{connection.root}collections/").document().get("collections")
        )
    except errors.RemoteError:
        return ""
    for one in found if isinstance(found, list) else ():
        if not isinstance(one, dict) or not isinstance(one.get("id"), str):
            continue
        names = {str(one.get(name, "")).strip().lower() for name in ("alias", "title")}
        if "test" in names and one.get("can_write") is True:
            return str(one["id"])
    return ""


def hand_over(
    walk: Walk,
    node: Node,
    connection: Connection,
    *,
    partner: str,
    ground: str,
    skew: int | None,
    content: Mapping[str, Any] | None = None,
) -> str:
    """Take the steps of STEPS; the id of what was left behind there, empty where nothing was.

    `skew`: see `knock`. `content`: a TEST object in place of the specimen, of which only the way back is looked at.
    """
    if walk.broken:
        walk.leave(STEPS, f"not asked, since {walk.broken} failed")
        return ""
    if not ground:
        walk.leave(STEPS, NO_GROUND, todo=NO_GROUND_STEP.format(partner=partner))
        return ""
    sent = content or specimen.specimen(node.identity, partner, node.now())
    place = f"{connection.root}collections/{quote(ground, safe='')}/objects/"
    status: list[PushStatus] = []
    walk.take("write", lambda: _write(connection, place, sent, status))
    if not status:
        # Nobody knows whether it arrived: its answer may have been lost.
        walk.leave(STEPS[1:-1], f"not asked, since {walk.broken} failed")
        return _take_away(walk, connection, place, sent, written=False, peer=False)
    walk.take("status", lambda: _status(node, connection, status[0]), needed=False)
    back: list[Mapping[str, Any]] = []
    peer = _is_peer(connection)
    walk.take(
        "read back",
        lambda: _read_back(node, connection, place, sent, back, skew, peer=peer),
        needed=False,
    )
    if back and content is None:
        walk.take("microseconds", lambda: specimen.microseconds(sent, back[0]), needed=False)
        walk.take("Unicode", lambda: specimen.letters(sent, back[0]), needed=False)
        walk.take("markings", lambda: specimen.markings(sent, back[0]), needed=False)
    elif not back:
        walk.leave(LOOKS[1:], "it was not read back")
    return _take_away(walk, connection, place, sent, written=True, peer=peer)


def _is_peer(connection: Connection) -> bool:
    try:
        return peering.ask(connection, "keys") is not None
    except errors.RemoteError:
        return False


def _write(
    connection: Connection, place: str, sent: Mapping[str, Any], status: list[PushStatus]
) -> Found:
    body = json.dumps({"objects": [sent]}, ensure_ascii=False).encode()
    found = read_status(connection.fetch("POST", place, body=body).document())
    status.append(found)
    if found.complete and not found.success:
        said = found.failures[0].message if found.failures else "it says that it took none"
        return Found(
            f"its server took the request and refused the object: {cleaned(said, 200)}", "wrong",
            "ask its people by which rule; what we push meets the same", "refused there",
        )  # fmt: skip
    return Found(
        "a TEST object was taken"
        if found.complete
        else "a TEST object was taken; it is still being worked on"
    )


def _status(node: Node, connection: Connection, first: PushStatus) -> Found:
    if first.id is None:
        return Found("its answer names no status", "note", "refusals that come later stay unseen")
    url = f"{connection.root}status/{quote(first.id, safe='')}/"
    ends = node.clock.monotonic() + connection.options.status_seconds
    for _ in range(_ASKED):
        try:
            found = read_status(connection.fetch("GET", url).document())
        except errors.RemoteRefused as refusal:
            if refusal.remote_status not in (404, 410):
                raise
            return Found(
                "it does not know the status that it named", "wrong",
                "its people must keep a status for a day (TAXII 2.1, 4.3): what is refused there stays unseen",
            )  # fmt: skip
        if found.complete or node.clock.monotonic() > ends:
            break
    if not found.complete:
        return Found(
            f"still pending after {connection.options.status_seconds:g} s", "note",
            "targets ask again at their next run; option status_seconds lets them wait longer",
        )  # fmt: skip
    if found.success != 1 or found.failure:
        return Found(
            f"it counts {found.success} taken and {found.failure} refused, of one", "wrong",
            "ask its people: what a push reports does not add up",
        )  # fmt: skip
    return Found("complete: 1 taken, 0 refused")


def _read_back(
    node: Node,
    connection: Connection,
    place: str,
    sent: Mapping[str, Any],
    back: list[Mapping[str, Any]],
    skew: int | None,
    *,
    peer: bool,
) -> Found:
    found = _returned(node, connection, sent, skew) if peer else _shown(connection, place, sent)
    if found is None:
        return Found(
            "it was taken, and does not come back", "wrong",
            "ask its people whether they see it: it may wait there for a person, or be kept out", "refused there",
        )  # fmt: skip
    back.append(found)
    return Found(
        "its node gave back to us what we sent" if peer else "what we sent stands in its collection"
    )


def _shown(connection: Connection, place: str, sent: Mapping[str, Any]) -> Mapping[str, Any] | None:
    url = f"{place}{quote(str(sent['id']), safe='')}/"
    found = connection.fetch("GET", url, params={"match[version]": "all"}).document().get("objects")
    return _newest(found, sent)


def _returned(
    node: Node, connection: Connection, sent: Mapping[str, Any], skew: int | None
) -> Mapping[str, Any] | None:
    since = format_micros(node.now() - (skew or 0) - 2 * _MINUTE)
    skip = 0
    for _ in range(_PAGES):
        page = peering.ask(connection, "returned", {"since": since, "skip": str(skip)})
        given = [] if page is None else page.get("objects")
        if not isinstance(given, list) or page is None:
            return None
        found = _newest(given, sent)
        if found is not None:
            return found
        skip += len(given)
        if page.get("more") is not True or not given:
            return None
    return None


def _newest(given: object, sent: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of what came, the version that was sent now, or the nearest to it: a server may cut its instant."""
    if not isinstance(given, list):
        return None
    mine = [one for one in given if isinstance(one, dict) and one.get("id") == sent["id"]]
    near = [one for one in mine if _apart(one, sent) < _MINUTE]
    return min(near, key=lambda one: _apart(one, sent), default=None)


def _apart(one: Mapping[str, Any], sent: Mapping[str, Any]) -> int:
    try:
        return abs(parse_micros(str(one.get("modified"))) - parse_micros(str(sent["modified"])))
    except InstantInvalid:
        return 2 * _MINUTE


def _take_away(
    walk: Walk,
    connection: Connection,
    place: str,
    sent: Mapping[str, Any],
    *,
    written: bool,
    peer: bool,
) -> str:
    walk.broken = ""  # what may lie there is taken away whatever went wrong before
    left: list[str] = []
    walk.take(
        "taken away", lambda: _delete(connection, place, sent, left, written=written), needed=False
    )
    taken = walk.done[-1]
    if taken.result == "ok" and peer:
        said = f"{taken.said}; its node keeps the version, marked TEST and in nobody's view"
        walk.done[-1] = replace(taken, said=said)
    if taken.result == "wrong" and written:
        left.append(str(sent["id"]))
    return left[0] if left else ""


def _delete(
    connection: Connection,
    place: str,
    sent: Mapping[str, Any],
    left: list[str],
    *,
    written: bool,
) -> Found:
    stix_id = str(sent["id"])
    try:
        connection.fetch("DELETE", f"{place}{quote(stix_id, safe='')}/")
    except errors.RemoteRefused as refusal:
        if refusal.remote_status == 404:
            return Found("nothing of it is there")
        if not written:
            return Found(
                f"nothing was written, as far as we know, and it lets us delete nothing ({refusal.remote_status})"
            )
        left.append(stix_id)
        return Found(
            f"it lets us delete nothing ({refusal.remote_status}): {stix_id} stays there, marked TEST, valid until"
            f" {sent['valid_until']}", "note",
            "its people may delete it; the next self-test writes a new version of the same object",
        )  # fmt: skip
    return Found("its collection no longer shows it to anybody")
