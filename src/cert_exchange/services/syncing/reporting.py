"""What one run of a channel did, counted so that no two things share a number (CASES U02, U07).

Of a pull every object that came is counted under one of FATES, so that they add up to what was received; beside them stands
what exactly befell it (`accepted`, `conflict` ...). Of a push the same words say what became of what was sent.

The `counters` of a row are JSON: `total` and `last` count by name, `notes` are what the remote does wrong, and the rest
is what the next run must know (page limit, fingerprints of the first page, digests of what was refused).
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cert_exchange.node import Node
from cert_exchange.remote.connection import PEER, Exchanged, Options
from cert_exchange.services.publishing import Outcome
from cert_exchange.stix.envelopes import Examined
from cert_exchange.store import channels
from cert_exchange.store.channels import Channel, Direction
from cert_exchange.store.database import Transaction

Progress = Callable[[int, int | None], None]
FATES: Final = ("new", "updated", "unchanged", "refused", "withheld", "held", "failed")
"""What became of an object, each by its own number: it counts and was not here before, or as a newer version; it was here
already; our rules refused it; it is kept, and counts for nobody (a proposal, or taken back by us before); it waits for a
person; it could not be read as an object, or nobody knows what became of it."""
COUNTED: Final[Mapping[Direction, tuple[str, ...]]] = {
    "pull": (
        "pages", "bytes", "received", "accepted", "duplicate", "known", "proposal", "conflict", "rejected",
        "signed", "unsigned",
        "erased", *FATES,
    ),
    "push": (
        "sent", "confirmed", "refused", "unconfirmed", "recalled", "noticed", "not_recalled", "held",
    ),
}  # fmt: skip
"""What a report counts. `known`: refused before and not quarantined again; `confirmed` and what follows it add up."""
SHOWN_REFUSALS: Final = 50
_LEASE_MARGIN_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Refused:
    """One object that was not taken, by us or by the remote, and why."""

    stix_id: str
    version: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run. `outcome` is a sentence; `next_attempt_at` is micros since 1970 UTC."""

    name: str
    direction: Direction
    partner: str
    ok: bool
    outcome: str
    counts: Mapping[str, int]
    refusals: tuple[Refused, ...]
    notes: tuple[str, ...]
    next_attempt_at: int
    id: str = ""
    """of the run; our requests carry it as the beginning of X-Request-Id, and both nodes log it"""
    suspended: bool = False
    """not ok, and no failure either: our people suspended the partner"""

    @property
    def fates(self) -> dict[str, int]:
        """How many objects ended in each of FATES; of a push those that a push can tell."""
        counts = self.counts
        if self.direction == "pull":
            return {name: counts.get(name, 0) for name in FATES}
        return {
            "new": counts.get("confirmed", 0),
            "refused": counts.get("refused", 0),
            "held": counts.get("held", 0),
            "failed": counts.get("unconfirmed", 0),
        }


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended without an error. `again`: there is more to do, so it is due at once."""

    outcome: str
    again: bool = False
    drained: bool = False
    pause: bool = False


@dataclass(slots=True)
class Run:
    """One run in hand: the channel as last seen, and what has been counted. `channel` follows each commit."""

    node: Node
    channel: Channel
    options: Options
    owner: str
    stop: threading.Event
    progress: Progress
    counts: Counter[str] = field(default_factory=Counter)
    refusals: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    """What the next run must know; goes to the row with the next commit."""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    by_file: bool = False
    """Over a file that somebody carried: what it says is not said of the remote."""
    judged: list[tuple[Examined, Outcome]] | None = None
    """Of a preview, whose transactions are rolled back: what became of each object. Then nothing is handed over."""

    def lease_until(self) -> int:
        """The end of a lease that outlasts the slowest step between two commits. Micros."""
        options = self.options
        seconds = 3 * (options.connect_seconds + options.answer_seconds) + options.status_seconds
        return self.node.now() + int((seconds + _LEASE_MARGIN_SECONDS) * 1_000_000)

    def counters(self, stored: Mapping[str, Any], more: Mapping[str, int]) -> dict[str, Any]:
        """Return the row's counters once `more` is added to what is stored; a transaction may ask twice."""
        total = Counter(stored.get("total", {}))
        total.update(more)
        last = Counter(self.counts)
        last.update(more)
        return {
            **stored,
            **self.memory,
            "total": dict(total),
            "last": dict(last),
            "notes": self.notes,
        }

    def move(self, tx: Transaction, more: Mapping[str, int], **to: Any) -> Channel:
        """Move the channel's place inside the transaction that stores what it covers. Raises CursorMoved.

        The caller gives the result and `more` to `moved` once the transaction is committed.
        """
        counters = self.counters(self.channel.counters, more)
        channels.move(
            tx,
            self.channel,
            owner=self.owner,
            lease_until=self.lease_until(),
            counters=counters,
            **to,
        )
        return replace(self.channel, counters=counters, **to)

    def moved(self, channel: Channel, more: Mapping[str, int]) -> None:
        """Follow a commit."""
        self.channel = channel
        self.counts.update(more)

    def heard(self, one: Exchanged) -> None:
        """Keep the last request and its answer for `show`; what a cert-exchange is asked beside TAXII stands apart."""
        name = channels.BESIDE if PEER in one.address else channels.EXCHANGED
        self.memory[name] = {**one.document(), "at": self.node.now(), "run": self.id}

    def refuse(self, stix_id: str, version: str | None, reason: str) -> None:
        """Keep a refusal for the report; the first ones are enough to show."""
        if len(self.refusals) < SHOWN_REFUSALS:
            self.refusals.append(Refused(stix_id, version, reason))

    def note(self, words: str) -> None:
        """Note once what the remote does wrong."""
        if words not in self.notes:
            self.notes.append(words)


def plural(count: int, word: str) -> str:
    """Return "1 object", "2 objects"."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
