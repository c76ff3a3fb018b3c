"""A tried channel is opened for what is real, and closed to tests again.

1. Opened only by a person, with a reason, after a self-check without a `no` that is not old.
2. What opens is what files and policies say already: it is listed before and after, and nothing of them is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.remote.connection import decode_options
from cert_exchange.services import syncing
from cert_exchange.services.introducing.connecting import channel_options, source_name
from cert_exchange.services.introducing.inviting import our_offer
from cert_exchange.services.ledger import record
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import channels, checkups
from cert_exchange.store import introductions as rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.checkups import Right
from cert_exchange.store.database import Transaction
from cert_exchange.store.introductions import Introduction, Stage

CHECK_HOLDS: Final = timedelta(days=7)
_MICRO: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a channel has come, for whoever goes on with it. `next`: what to do now."""

    name: str
    stage: Stage | None
    introduction: Introduction
    next: str


def promote(
    node: Node, name: str, *, reason: str, unchecked: bool = False, by: str = "administrator"
) -> tuple[Right, ...]:
    """Let a partner have what files and policies give it, and return that.

    Raises NotFound, ConfigurationInvalid without a self-check in time, unless a person takes that upon himself
    (`unchecked`).
    """
    now = node.now()
    if not reason.strip():
        raise ConfigurationInvalid("why? Give --reason, for whoever asks later.")
    if not unchecked:
        _checked(our_offer(node, name), now)

    def work(tx: Transaction) -> tuple[Right, ...]:
        _move(tx, name, "live", now, reason, by)
        rows.note(tx, name, promoted_at=now)
        return tuple(right for right in checkups.rights(tx) if right.partner == name)

    return node.database.transact(work)


def demote(node: Node, name: str, *, reason: str, by: str = "administrator") -> None:
    """Confine a partner to the TEST collection again, from its next request on. Raises NotFound, ConfigurationInvalid."""
    now = node.now()
    if not reason.strip():
        raise ConfigurationInvalid("why? Give --reason, for whoever asks later.")
    node.database.transact(lambda tx: _move(tx, name, "test", now, reason, by))


def _move(tx: Transaction, name: str, stage: Stage, now: int, reason: str, by: str) -> None:
    partner = partner_rows.find_partner(tx, name)
    if partner is None:
        raise NotFound(f"There is no partner {name}; see `cert-exchange partner list`.")
    if rows.stages(tx)[name] == stage:
        raise ConfigurationInvalid(f"{name} is in stage {stage} already.")
    rows.set_stage(tx, partner.id, stage)
    kind = "partner.promote" if stage == "live" else "partner.demote"
    record(tx, Line(kind, now, by, facts={"partner": name, "reason": reason.strip()}))


def _checked(found: Introduction, now: int) -> None:
    step = f"`cert-exchange partner check {found.name}`"
    if found.checked_at is None or found.wrong is None:
        raise ConfigurationInvalid(f"the channel was not checked: {step} first.")
    if found.wrong:
        raise ConfigurationInvalid(
            f"the last self-check, at {format_micros(found.checked_at)}, left {found.wrong} of its questions open:"
            f" {step} says which."
        )
    if now - found.checked_at > CHECK_HOLDS // _MICRO:
        raise ConfigurationInvalid(
            f"the last self-check is of {format_micros(found.checked_at)}: {step} once more."
        )


def pull(
    node: Node, name: str, remote_collection: str, *, into: str, by: str = "administrator"
) -> str:
    """Pull another collection of a partner, with the certificate and credential of the channel; the source's name.

    Raises NotFound, ConfigurationInvalid, also while the partner is in stage `test`.
    """
    del by  # a source is no secret: it stands in `source list`
    with node.database.reading() as tx:
        found = [
            one for one in channels.channels(tx, only=source_name(name)) if one.direction == "pull"
        ]
        stage = rows.stages(tx).get(name)
    if not found:
        raise NotFound(f"There is no channel to {name} that was set up by `partner accept`.")
    if stage == "test":
        raise ConfigurationInvalid(
            f"{name} is in stage test: `cert-exchange partner promote {name}` comes first."
        )
    options = decode_options(found[0].options)
    source = f"{into}-from-{name}"
    syncing.add_source(
        node,
        source,
        partner=name,
        url=found[0].url,
        remote_collection=remote_collection,
        collection=into,
        secret=node.secret_files.read(options.secret_file),
        options=channel_options(node, name),
    )
    return source


def progress(node: Node) -> tuple[Progress, ...]:
    """Every channel that is or was set up, with what comes next."""
    with node.database.reading() as tx:
        stages = rows.stages(tx)
        found = rows.every(tx)
    return tuple(
        Progress(one.name, stages.get(one.name), one, _next(one, stages.get(one.name)))
        for one in found
    )


def _next(found: Introduction, stage: Stage | None) -> str:
    name = found.name
    if found.theirs is None:
        return f"send them our letter (partner invite {name}), and accept theirs"
    if found.opened_at is None:
        return (
            f"send them our newest letter (partner invite {name}), and accept what they send back"
        )
    if stage == "live":
        return ""
    if found.checked_at is None or found.wrong:
        return f"partner check {name}"
    return f"apply the policy that you agreed on, then partner promote {name}"
