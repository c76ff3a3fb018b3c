"""Orders of our people to a source or target: pause it, let it go on, and let it begin again from an instant.

1. An order names the one way that it means: a source and a target may have the same name.
2. Beginning again loses and doubles nothing: what is held already comes, or is taken there, as a duplicate. What is due
   to be sent again is what the partner's view shows now, and nothing else.
3. Each order that was carried out stands in the ledger. With `dry_run` nothing is changed.
4. A run in hand is overtaken: what it had not stored yet is not stored (store/channels).
"""

from __future__ import annotations

from dataclasses import dataclass

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.remote.connection import Options, decode_options, make_options
from cert_exchange.services import ledger
from cert_exchange.services.lagging import MOST
from cert_exchange.services.syncing import remaining
from cert_exchange.services.syncing.arranging import connect, find
from cert_exchange.services.syncing.standing import MANIFEST_PAGES
from cert_exchange.stix.instants import format_micros, parse_micros
from cert_exchange.store import channels, outgoing
from cert_exchange.store.channels import Channel, Direction
from cert_exchange.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Begun:
    """From where a channel begins again. `objects`: how many come or go again, None where it is not known."""

    name: str
    before: str
    """how far it had come"""
    start: str
    """where it begins again; empty: at the very beginning"""
    objects: int | None
    at_least: bool = False


def pause(node: Node, name: str, *, direction: Direction | None = None, by: str = "") -> None:
    """Stop the source or target of that name, or both, until `resume`. Raises NotFound."""
    _set_paused(node, name, direction, at=node.now(), by=by)


def resume(node: Node, name: str, *, direction: Direction | None = None, by: str = "") -> None:
    """Let a paused or failing channel run at once. Raises NotFound."""
    _set_paused(node, name, direction, at=None, by=by)


def _set_paused(
    node: Node, name: str, direction: Direction | None, *, at: int | None, by: str
) -> None:
    def work(tx: Transaction) -> None:
        for channel in _named(tx, name, direction):
            channels.set_paused(tx, channel, at=at)
            if channel.paused != (at is not None):
                verb = "pause" if at is not None else "resume"
                _record(tx, node, channel, verb, by, {})

    node.database.transact(work)


def restart_at(node: Node, name: str, start: str = "", *, by: str = "") -> None:
    """Forget how far the channels of a name have come: a source begins at `start` (empty: all), a target at its first line.

    What is held already comes as duplicates. Raises ConfigurationInvalid, NotFound.
    """

    def work(tx: Transaction) -> None:
        for channel in _named(tx, name, None):
            _restart(tx, node, channel, start, by)

    node.database.transact(work)


def reset(node: Node, name: str, start: str = "", *, by: str, dry_run: bool = False) -> Begun:
    """Let a source pull again from `start` on (an instant; empty: from the very beginning).

    With `dry_run` its remote is asked how many entries its manifest shows from there on. Raises ConfigurationInvalid,
    NotFound.
    """
    with node.database.reading() as tx:
        (channel,) = _named(tx, name, "pull")
    _with_start(channel, start)  # a start that is no instant is refused before anything is asked
    before = channel.cursor or ""
    if dry_run:
        there = remaining.beyond(
            connect(node, channel), channel.remote_collection, cursor=start or None, now=node.now(),
            pages=MANIFEST_PAGES,
        )  # fmt: skip
        return Begun(name, before, start, there["objects"], there["more"])

    def work(tx: Transaction) -> None:
        (channel,) = _named(tx, name, "pull")
        _restart(tx, node, channel, start, by)

    node.database.transact(work)
    return Begun(name, before, start, None)


def resend_since(node: Node, name: str, since: str, *, by: str, dry_run: bool = False) -> Begun:
    """Let a target push again what was released to its partner since an instant and is in force now.

    Raises InputRefused for what is no instant, or where nothing was sent since; NotFound.
    """
    try:
        instant = parse_micros(since)
    except ValueError:
        raise InputRefused(
            f"{since!r} is no instant; write one like 2026-01-31T00:00:00Z."
        ) from None

    def work(tx: Transaction) -> Begun:
        (channel,) = _named(tx, name, "push")
        found = outgoing.view_of(tx, partner=channel.partner, collection=channel.collection)
        if found is None:
            raise ConfigurationInvalid(
                f"No policy gives {channel.partner_name} a view of the collection, or it is suspended: nothing is pushed."
            )
        reached = channel.position if channel.view == found[0] else 0
        to = max(instant - 1, 0)
        if to >= reached:
            upto = f"it has come to {format_micros(reached)}" if reached else "it has sent nothing"
            raise InputRefused(
                f"Nothing was sent since {format_micros(instant)}: {upto}, and goes on by itself."
            )
        count = outgoing.between(
            tx, found[0], after=to, to=reached, partner=channel.partner, most=MOST
        )
        if not dry_run:
            channels.go_back(tx, channel, position=to)
            facts = {"since": format_micros(instant), "from": format_micros(reached)}
            _record(tx, node, channel, "resend", by, {**facts, "objects": count})
        return Begun(name, format_micros(reached), format_micros(instant), count, count >= MOST)

    if dry_run:
        with node.database.reading() as tx:
            return work(tx)
    return node.database.transact(work)


def _named(tx: Transaction, name: str, direction: Direction | None) -> list[Channel]:
    found = [one for one in find(tx, name) if direction in (None, one.direction)]
    if not found:
        word = "source" if direction == "pull" else "target"
        raise NotFound(f"There is no {word} {name}.")
    return found


def _with_start(channel: Channel, start: str) -> str:
    options = decode_options(channel.options)
    given = {name: getattr(options, name) for name in Options.__slots__}
    return make_options({**given, "start": start}).encode()


def _restart(tx: Transaction, node: Node, channel: Channel, start: str, by: str) -> None:
    before = channel.cursor if channel.direction == "pull" else str(channel.position)
    channels.restart(tx, channel, options=_with_start(channel, start))
    _record(tx, node, channel, "reset", by, {"from": before or "", "start": start})


def _record(
    tx: Transaction, node: Node, channel: Channel, verb: str, by: str, more: dict[str, str | int]
) -> None:
    word = "source" if channel.direction == "pull" else "target"
    facts: dict[str, str | int | list[str]] = {
        "name": channel.name,
        "partner": channel.partner_name,
        **more,
    }
    ledger.record(tx, Line(f"{word}.{verb}", node.now(), by or "node", facts=facts))
