"""What we may do in a collection of a remote, and what comes of reading it, page after page.

1. Nothing is stored here, and no cursor moves: the objects that come are counted and dropped.
2. The question that the source really asks is asked as well, so that a wrong filter or start shows (CASES U10).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote.connection import Answer, Connection, cleaned
from cert_exchange.remote.envelope import Envelope, read_envelope
from cert_exchange.services.selftest.steps import Found, Walk
from cert_exchange.stix.instants import InstantInvalid, parse_micros
from cert_exchange.store.channels import Channel

STEPS: Final = ("rights", "read", "repeatable next", "question")
_DAY: Final = 86_400_000_000
_SHOW: Final = 4


def look_into(walk: Walk, node: Node, connection: Connection, channel: Channel) -> None:
    """Take the steps of STEPS for a source; a target has rights alone: what goes there is read back by `handing_over`."""
    may: list[str] = []
    walk.take("rights", lambda: _rights(connection, channel, may))
    if channel.direction == "push":
        return
    if walk.broken:
        walk.leave(STEPS[1:], f"not asked, since {walk.broken} failed")
    else:
        _read(walk, node, connection, channel)


def _url(connection: Connection, channel: Channel) -> str:
    return f"{connection.root}collections/{quote(channel.remote_collection, safe='')}/"


def _rights(connection: Connection, channel: Channel, may: list[str]) -> Found:
    try:
        found = connection.fetch("GET", _url(connection, channel)).document()
    except errors.RemoteRefused as refusal:
        if refusal.remote_status not in (403, 404):
            raise
        return Found(
            f"{refusal.public} {_offered(connection)}", "wrong",
            "compare the collection's id with its people, then add the channel with the right one", "no right",
        )  # fmt: skip
    may += [word for word in ("can_read", "can_write") if found.get(word) is True]
    title = cleaned(str(found.get("title", "")), 80)
    said = f"{title!r}: {', '.join(may) or 'we may neither read nor write'}"
    needed = "can_read" if channel.direction == "pull" else "can_write"
    if needed not in may:
        return Found(said, "wrong", f"ask its people for {needed} in that collection", "no right")
    return Found(said)


def _offered(connection: Connection) -> str:
    """What is offered to us instead."""
    try:
        found = (
            connection.fetch("GET", f"{connection.root}collections/").document().get("collections")
        )
    except errors.RemoteError:
        return "It does not list its collections for us either."
    named = [
        cleaned(f"{one.get('title', '')} ({one.get('id', '')})", 120)
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, dict)
    ]
    more = f" and {len(named) - _SHOW} more" if len(named) > _SHOW else ""
    return f"It offers us {', '.join(named[:_SHOW]) or 'no collection'}{more}."


def _read(walk: Walk, node: Node, connection: Connection, channel: Channel) -> None:
    url = f"{_url(connection, channel)}objects/"
    pages: list[tuple[Envelope, Answer]] = []

    def get(**params: str) -> Envelope:
        answer = connection.fetch("GET", url, params={"limit": "1", **params})
        pages.append((read_envelope(answer.body), answer))
        return pages[-1][0]

    walk.take("read", lambda: _first(get(), pages))
    if not pages:
        walk.leave(STEPS[2:], f"not asked, since {walk.broken} failed")
        return
    first = pages[0][0]
    if first.next is None or not first.more:
        said = (
            "it holds too little for a second page"
            if not first.more
            else "it pages by date, without next"
        )
        walk.leave(["repeatable next"], said)
    else:
        token = first.next
        walk.take("repeatable next", lambda: _twice(get, token), needed=False)
    walk.take("question", lambda: _question(node, connection, channel, url, first), needed=False)


def _first(envelope: Envelope, pages: list[tuple[Envelope, Answer]]) -> Found:
    headers: Mapping[str, str] = pages[0][1].headers
    if not envelope.count:
        return Found(
            "its answer is an empty collection", "note",
            "ask its people whether it should be: a policy may show us nothing, or the id is another's", "nothing there",
        )  # fmt: skip
    dated = headers.get("X-TAXII-Date-Added-Last")
    if dated is None:
        return Found(
            "objects come, without the date headers: each run reads everything again", "note",
            "its people may mend it (TAXII 2.1, 3.2); nothing is lost by it",
        )  # fmt: skip
    rest = "and there is more" if envelope.more else "and that is all"
    return Found(f"an object added {cleaned(dated, 40)} comes, {rest}")


def _twice(get: object, token: str) -> Found:
    assert callable(get)
    once: Envelope = get(next=token)
    try:
        again: Envelope = get(next=token)
    except errors.RemoteRefused as refusal:
        return Found(
            f"asked again, it does not know its own next any more ({refusal.remote_status})", "note",
            "nothing is lost: a run that breaks off begins again at the last safe date",
        )  # fmt: skip
    if again.digest != once.digest:
        return Found(
            "the same next gives another page the second time", "note",
            "nothing is lost: a run that breaks off begins again at the last safe date",
        )  # fmt: skip
    return Found("the same next gives the same page twice")


def _question(
    node: Node, connection: Connection, channel: Channel, url: str, first: Envelope
) -> Found:
    options = connection.options
    since = channel.cursor or options.start
    instant = _instant(since)
    asked = f"added after {since}" if since else "from its beginning"
    if instant is not None and instant > node.now() + _DAY:
        return Found(
            f"we ask for what is {asked}, which lies in the future", "wrong",
            f"cert-exchange source reset {channel.name}", "question",
        )  # fmt: skip
    if not options.match or not first.count:
        return Found(f"we ask for what is {asked}, without a filter")
    filters = {f"match[{name}]": value for name, value in options.match.items()}
    said = ", ".join(f"{name}={value}" for name, value in sorted(filters.items()))
    answer = connection.fetch("GET", url, params={"limit": "1", **filters})
    if not read_envelope(answer.body).count:
        return Found(
            f"it holds objects, and none that fits our filter {said}", "wrong",
            f"remove source {channel.name} and add it with another --option match", "question",
        )  # fmt: skip
    return Found(f"we ask for what is {asked}, with {said}; objects fit that filter")


def _instant(text: str | None) -> int | None:
    try:
        return parse_micros(text) if text else None
    except InstantInvalid:
        return None
