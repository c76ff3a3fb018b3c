"""The self-test of one partner: every server that we reach it by, and every source and target there.

    for each server (address and way to log in): DNS to TAXII, once
        for each source and target at it: what stands here, rights, reading, what became of it
        a TEST object, once: written, read back, taken away

1. A server that is not reached ends its own steps and no other server's.
2. One line in the ledger says that it was done, what failed and what was left behind.
3. A partner that only connects to us has nothing that could be tried from here; it is said, and what it may run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cert_exchange import errors
from cert_exchange.errors import NotFound
from cert_exchange.messages.evidence import Fact, Line
from cert_exchange.messages.introductions import read_offer
from cert_exchange.node import Node
from cert_exchange.remote.connection import Connection, Options, decode_options
from cert_exchange.services import ledger
from cert_exchange.services.beating.alarming import alarms, pulses
from cert_exchange.services.selftest import handing_over, knocking, reading, standing
from cert_exchange.services.selftest.causes import verdict
from cert_exchange.services.selftest.steps import Step, Walk
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import channels, heartbeats, introductions
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a self-test found. `verdict`: why nothing arrives, or that nothing keeps it."""

    partner: str
    steps: tuple[Step, ...]
    verdict: str
    left_behind: tuple[str, ...]
    """ids of TEST objects that stay at the partner's servers"""

    @property
    def wrong(self) -> int:
        """How many steps went wrong."""
        return sum(one.result == "wrong" for one in self.steps)


def try_partner(
    node: Node, name: str, *, write: bool = True, by: str = "administrator"
) -> SelfTest:
    """Test everything between us and a partner; without `write` nothing is written there.

    Raises NotFound for a partner that does not exist, StoreError.
    """
    with node.database.reading() as tx:
        partner = partner_rows.find_partner(tx, name)
        if partner is None:
            raise NotFound(f"There is no partner {name}; `cert-exchange partner list` names them.")
        every = [one for one in channels.channels(tx) if one.partner == partner.id]
        ground = heartbeats.state_of(tx, partner.id).test_collection or agreed_ground(
            tx, name, node.now()
        )
    steps: list[Step] = []
    left: list[str] = []
    for at_one in _by_server(every).values():
        walk, behind = _server(node, name, at_one, ground=ground, write=write)
        steps += walk
        left += [one for one in [behind] if one]
    if not every:
        steps.append(_no_channel(name))
    steps.append(_heartbeat(node, name))
    done = SelfTest(name, tuple(steps), verdict(steps), tuple(left))
    facts: dict[str, Fact] = {"partner": name, "wrong": done.wrong}
    if done.wrong:
        facts["failed"] = sorted({one.step for one in done.steps if one.result == "wrong"})
    if left:
        facts["left_behind"] = left
    line = Line("selftest", node.now(), by, facts=facts)
    node.database.transact(lambda tx: ledger.record(tx, line))
    return done


def agreed_ground(tx: Transaction, name: str, now: int) -> str:
    """The TEST collection that a partner's offer named when the channel was set up."""
    for one in introductions.every(tx):
        if one.name == name and one.theirs is not None:
            try:
                return read_offer(one.theirs, now).collection
            except errors.CertExchangeError:
                return ""
    return ""


def _by_server(every: list[Channel]) -> Mapping[tuple[object, ...], list[Channel]]:
    found: dict[tuple[object, ...], list[Channel]] = {}
    for one in every:
        try:
            options = decode_options(one.options)
        except errors.ConfigurationInvalid:
            options = Options()
        key = (
            one.url,
            options.auth,
            options.user,
            options.ca_file,
            options.client_certificate,
            options.proxy,
        )
        found.setdefault(key, []).append(one)
    return found


def _server(
    node: Node, name: str, at_one: list[Channel], *, ground: str, write: bool
) -> tuple[list[Step], str]:
    first = Walk(_named(at_one[0]) if len(at_one) == 1 else at_one[0].url, node.clock.monotonic)
    try:
        connection = connect(node, at_one[0])
    except errors.CertExchangeError as error:
        first.done.append(
            Step(first.where, "settings", "wrong", error.public, None, "cert-exchange doctor")
        )
        first.broken = "settings"
        first.leave(knocking.STEPS, "not asked, since settings failed")
        connection = None
    skew = None if connection is None else knocking.knock(first, node, connection)
    for channel in at_one:
        _channel(node, first, channel, connection)
    if not write:
        first.leave(handing_over.STEPS, "nothing was to be written")
        return first.done, ""
    if connection is None or first.broken:
        first.leave(handing_over.STEPS, f"not asked, since {first.broken} failed")
        return first.done, ""
    known = ground or handing_over.find_ground(connection, ground)
    behind = handing_over.hand_over(first, node, connection, partner=name, ground=known, skew=skew)
    return first.done, behind


def _channel(node: Node, server: Walk, channel: Channel, connection: Connection | None) -> None:
    walk = Walk(_named(channel), node.clock.monotonic, broken="")
    standing.stands(walk, node, channel)
    walk.broken = server.broken
    if connection is None or walk.broken:
        steps = reading.STEPS if channel.direction == "pull" else reading.STEPS[:1]
        walk.leave(steps, f"not asked, since {server.broken} failed")
    else:
        reading.look_into(walk, node, connect(node, channel), channel)
    walk.broken = ""
    standing.became(walk, node, channel)
    server.done += walk.done


def _named(channel: Channel) -> str:
    return f"{'source' if channel.direction == 'pull' else 'target'} {channel.name}"


def _no_channel(name: str) -> Step:
    return Step(
        f"partner {name}", "channels", "not run",
        "we have no source and no target of it: it connects to us, and nothing can be tried from here", None,
        "let it ask GET /exchange/v1/selftest with its credential (docs/self-test.md)",
    )  # fmt: skip


def _heartbeat(node: Node, name: str) -> Step:
    """What is known of the hourly TEST object, which shows the whole way in time."""
    (one,) = [found for found in pulses(node) if found.partner == name]
    sent, seen, heard = (
        "never" if at is None else format_micros(at)
        for at in (one.state.sent_at, one.state.seen_at, one.heard_at)
    )
    said = (
        f"ours was sent last {sent}, and seen there last {seen}; anything came from it last {heard}"
    )
    if one.state.trouble:
        said += f"; {one.state.trouble}"
    wrong = alarms(node, partner=name)
    if any(found.grade == "wrong" for found in wrong):
        said = "; ".join(found.finding for found in wrong)
        return Step(f"partner {name}", "heartbeat", "wrong", said, 0.0, wrong[0].step)
    return Step(f"partner {name}", "heartbeat", "ok", said, 0.0)
