"""What stands here about a channel: whether it runs, and what became of what came or was to go.

1. Our own orders come first: who paused, suspended or froze something need not look at the network.
2. What came and counts for nobody is said with its number and the command that shows it (CASES U05).
"""

from __future__ import annotations

from typing import Final

from cert_exchange.node import Node
from cert_exchange.remote.connection import decode_options
from cert_exchange.services.selftest.steps import Found, Walk
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import channels, figures, freezes, introductions, outgoing, screening
from cert_exchange.store.channels import Channel

LATE: Final = 600_000_000
"""How long after its time a channel may begin: then no worker looks."""


def stands(walk: Walk, node: Node, channel: Channel) -> None:
    """The step `here`: nothing of ours keeps the channel from running. It ends nothing: the rest is asked all the same."""
    walk.take("here", lambda: _stands(node, channel), needed=False)


def _stands(node: Node, channel: Channel) -> Found:
    kind = "source" if channel.direction == "pull" else "target"
    with node.database.reading() as tx:
        confined = introductions.is_confined(tx, channel.partner, channel.collection)
        frozen = channel.direction == "push" and freezes.frozen(tx, channel.partner)
    if channel.paused:
        return Found(
            "it is paused",
            "wrong",
            f"{kind} resume {channel.name}, when the cause is gone",
            "stopped here",
        )
    if channel.suspended:
        return Found(
            "its partner is suspended",
            "wrong",
            f"partner resume {channel.partner_name}",
            "stopped here",
        )
    if confined:
        return Found(
            "its partner is in stage test: only the TEST collection is exchanged", "wrong",
            f"partner check {channel.partner_name}, then partner promote {channel.partner_name}", "stopped here",
        )  # fmt: skip
    if frozen:
        return Found(
            "what goes out to it is frozen",
            "wrong",
            "cert-exchange frozen says why",
            "stopped here",
        )
    now = node.now()
    last = "never" if channel.last_success_at is None else format_micros(channel.last_success_at)
    every = int(decode_options(channel.options).every_seconds * 1_000_000)
    waits = channels.stands(channel, now=now, until=now + LATE)
    due = channel.next_attempt_at  # 0: at once, since a person said so
    if channel.last_success_at is not None and due and now - due > LATE + every and not waits:
        return Found(
            f"it was to run at {format_micros(channel.next_attempt_at)}, and nobody ran it; last success {last}", "wrong",
            "start the worker: cert-exchange serve, or work", "no worker",
        )  # fmt: skip
    if channel.attempts:
        return Found(
            f"failed in a row: {channel.attempts}; last success {last}",
            "note",
            "the steps below say why",
        )
    if channel.last_success_at is None:
        return Found("it was not run so far", "note", f"cert-exchange sync now {channel.name}")
    return Found(f"it runs; last success {last}")


def became(walk: Walk, node: Node, channel: Channel) -> None:
    """The step `what came`, or `what goes`: what our own rules make of it."""
    if channel.direction == "pull":
        walk.take("what came", lambda: _came(node, channel), needed=False)
    else:
        walk.take("what goes", lambda: _goes(node, channel), needed=False)


def _came(node: Node, channel: Channel) -> Found:
    total = channel.counters.get("total", {})
    received = int(total.get("received", 0))
    if not received:
        return Found("nothing came so far", "note", f"cert-exchange sync now {channel.name}")
    kept = {
        name: int(total.get(name, 0))
        for name in ("refused", "failed", "withheld")
        if total.get(name)
    }
    used = sum(int(total.get(name, 0)) for name in ("new", "updated", "accepted"))
    said = f"{received:,} came"
    if kept:
        said += "; " + ", ".join(f"{number:,} {name}" for name, number in kept.items())
    # From the rows: a counter of what was held does not fall when a person lets it in.
    with node.database.reading() as tx:
        states = screening.count_states(tx, channel.partner)
    partner = channel.partner_name
    waits, out = (states.get(one, 0) for one in (screening.State.HELD, screening.State.REFUSED))
    if waits or out:
        said += f"; of all that {partner} brought, at the way in: {waits:,} held, {out:,} refused"
    steps = [
        one
        for one, wanted in (
            (f"quarantine list --from {partner}", kept.keys() & {"refused", "failed"}),
            (f"proposals list --from {partner}", kept.keys() & {"withheld"}),
            ("intake list", waits),
            ("intake list --state refused", out),
        )
        if wanted
    ]
    if not steps:
        return Found(f"{said}, all of it taken in")
    step = "cert-exchange " + "; ".join(steps)
    if kept and not used:
        return Found(f"{said}; none of it is in use", "wrong", step, "kept out here")
    return Found(said, "note", step)


def _goes(node: Node, channel: Channel) -> Found:
    partner = channel.partner_name
    total = channel.counters.get("total", {})
    with node.database.reading() as tx:
        view = outgoing.view_of(tx, partner=channel.partner, collection=channel.collection)
        behind = (
            0
            if view is None
            else figures.count_after(tx, view[0], position=channel.position, most=10_000)
        )
        shown = 0 if view is None else figures.count_after(tx, view[0], position=0, most=10_000)
    if view is None or not shown:
        return Found(
            "our policy gives it nothing of this collection", "wrong",
            f"cert-exchange policy withheld {partner} says by which rule", "nothing to send",
        )  # fmt: skip
    sent, refused = int(total.get("sent", 0)), int(total.get("refused", 0))
    said = f"{sent:,} sent, {int(total.get('confirmed', 0)):,} confirmed, {refused:,} refused there; waiting: {behind:,}"
    if refused:
        step = "cert-exchange quarantine list --from own --kind refused_by_target"
        return Found(
            said,
            "wrong" if refused >= sent else "note",
            step,
            "refused there" if refused >= sent else "",
        )
    return Found(said)
