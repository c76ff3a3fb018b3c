"""What our people should know of feeds: what nobody can read, what is read no more, what ends soon, what gives nothing.

A tool that asks no more goes on with what it had: that what was withdrawn is gone from the feed helps it nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cert_exchange.policy.wording import lasting
from cert_exchange.services.feeding.administering import Feed, listing
from cert_exchange.stix.instants import format_micros

if TYPE_CHECKING:
    from cert_exchange.node import Node

DAY: Final = 86_400 * 1_000_000
SILENT: Final = 2 * DAY
ENDS_SOON: Final = 14 * DAY


@dataclass(frozen=True, slots=True)
class Watched:
    """One sentence about one feed, and the next step."""

    feed: str
    grade: Literal["note", "wrong"]
    finding: str
    step: str


def watch(node: Node) -> list[Watched]:
    """Look at every feed."""
    now = node.now()
    return [one for feed in listing(node) for one in (*_given(feed), *_read(feed, now))]


def _given(feed: Feed) -> Iterator[Watched]:
    if feed.choice is None:
        yield Watched(
            feed.name, "wrong", "gives nothing: it was written by another release",
            f"cert-exchange feeds change {feed.name} says anew what it gives",
        )  # fmt: skip


def _read(feed: Feed, now: int) -> Iterator[Watched]:
    alive = [one for one in feed.credentials if one.expires_at is None or one.expires_at > now]
    if not alive:
        yield Watched(
            feed.name, "note", "nothing can read it: it has no credential in force",
            f"cert-exchange feeds issue {feed.name} --label TOOL, or feeds remove {feed.name}",
        )  # fmt: skip
    for one in alive:
        named = f"{one.id} ({one.label})" if one.label else one.id
        last = one.last_used_at or one.issued_at
        if now - last > SILENT:
            never = "was never used" if one.last_used_at is None else "asks no more"
            yield Watched(
                feed.name, "note", f"{named} {never}, for {lasting(now - last)}: its tool goes on with what it had",
                f"look at that tool; if it is gone: cert-exchange feeds revoke {one.id}",
            )  # fmt: skip
        if one.expires_at is not None and one.expires_at - now < ENDS_SOON:
            yield Watched(
                feed.name, "note", f"{named} ends at {format_micros(one.expires_at)}",
                f"cert-exchange feeds issue {feed.name}, give it to the tool, then feeds revoke {one.id}",
            )  # fmt: skip
