"""What a pull of a source would change, looked at before it does (DESIGN, issue 6: `sync preview SOURCE`).

    (1) fetch the pages that a pull would fetch, with the source's own cursor and credential   (no transaction)
    (2) run the very pull over them, and roll all of it back                                   (`store.rehearsal`)

1. The judging is the pull's: `pulling.pull` itself runs, on a database of which nothing stays. So preview is pull.
2. Nothing is stored, no cursor, mark, note, clock or quarantine is touched, no receipt is written or handed over.
3. While the remote is waited for, no transaction is open: what was not foreseen is asked between two passes.
4. It ends after `most` objects. What the remote saw is told with the answer: it may count as fetched what it gave.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.policy.volumes import Shut
from cert_exchange.remote.connection import Options, decode_options
from cert_exchange.remote.pager import Pager
from cert_exchange.services.gating.hearing import Heard, Unheard
from cert_exchange.services.gating.verdicts import Verdict, verdict_of
from cert_exchange.services.syncing.arranging import connect, find
from cert_exchange.services.syncing.breaking import FORESEEN, GATE
from cert_exchange.services.syncing.pulling import pull
from cert_exchange.services.syncing.reporting import FATES, Progress, Run
from cert_exchange.services.syncing.running import refuse_closed
from cert_exchange.store import channels, introductions
from cert_exchange.store import collections as collection_rows
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Database, Transaction
from cert_exchange.store.rehearsal import rehearse

MOST: Final = 10_000
"""Objects that a preview looks at if nobody says otherwise."""
_BYTES: Final = 256 * 1024 * 1024
_PASSES: Final = 200
_WHOEVER: Final = 1 << 62
"""An instant beyond every lease: whoever has the source keeps it, since nothing of a preview stays."""


@dataclass(frozen=True, slots=True)
class Stop:
    """That the gate keeps out what a pull would bring."""

    shut: bool
    """whether it is shut already, so that nothing is pulled; else it would shut"""
    words: str
    before: int
    """how many of the objects that were looked at come before it shuts"""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a pull would do now. Nothing was stored."""

    source: str
    partner: str
    collection: str
    outcome: str
    """as a sentence, in the words of a run; of one that would fail, its error"""
    ok: bool
    whole: bool
    """whether it looked at all that the remote has for us; else the first objects of it"""
    counts: Mapping[str, int]
    verdicts: tuple[Verdict, ...]
    """each object that was looked at, in its order; those refused before and sent again are only counted"""
    notes: tuple[str, ...]
    requests: int
    """how many the remote answered for it, with our credential"""
    fetched: int
    """how many objects it gave for it"""
    gate: Stop | None = None
    """then `counts` and `verdicts` tell what becomes of all of it if a person lets it in"""

    @property
    def fates(self) -> dict[str, int]:
        """How many objects would end in each of FATES."""
        return {name: self.counts.get(name, 0) for name in FATES}

    @property
    def ends(self) -> int:
        """How many objects that count here now would be taken out of use."""
        return sum(one.ends for one in self.verdicts)

    @property
    def quarantined(self) -> int:
        """How many objects would be kept in the quarantine."""
        return sum(1 for one in self.verdicts if one.place == "quarantine")


def preview(
    node: Node, name: str, *, most: int = MOST, progress: Progress | None = None
) -> Preview:
    """Look at what `sync now NAME` would change, at most at `most` objects and the rest of their page.

    Raises NotFound for a source that is unknown, ConfigurationInvalid where nothing may be pulled from its partner,
    StoreUnavailable, ClockDoubtful, RemoteAnswerInvalid where the source is pulled meanwhile. What goes wrong with the
    remote stands in the answer.
    """
    with node.database.reading() as tx:
        channel = _source(find(tx, name), name)
        confined = introductions.is_confined(tx, channel.partner, channel.collection)
        collection = next(
            one.alias or one.uuid
            for one in collection_rows.declared(tx).values()
            if one.id == channel.collection
        )
    refuse_closed(channel, confined=confined)
    options = decode_options(channel.options)
    heard = Heard(connect(node, channel, run=secrets.token_hex(8)))
    fetched, pages = _fetch(node, channel, heard, most, progress)
    if pages is not None:
        heard.options = replace(heard.options, page_cap=pages)
    run, outcome, ok = _passes(node, channel, options, heard)
    gate = _gate(channel, run)
    whole = ok and pages is None
    if gate is not None:
        if not ok:
            run.note(f"the look ended here: {outcome}")
        outcome, ok = f"its gate {'is' if gate.shut else 'would be'} shut: {gate.words}", False
    return Preview(
        source=channel.name,
        partner=channel.partner_name,
        collection=collection,
        outcome=outcome,
        ok=ok,
        whole=whole,
        counts=dict(run.counts),
        verdicts=tuple(verdict_of(one, became) for one, became in run.judged or ()),
        notes=tuple(run.notes),
        requests=heard.asked,
        fetched=fetched,
        gate=gate,
    )


def _gate(channel: Channel, run: Run) -> Stop | None:
    standing = Shut.of(channel.counters.get(GATE) or {})
    if standing is not None:
        return Stop(shut=True, words=standing.words, before=0)
    foreseen = run.memory.get(FORESEEN)
    if foreseen is None:
        return None
    return Stop(shut=False, words=foreseen["words"], before=foreseen["before"])


def _source(found: list[Channel], name: str) -> Channel:
    source = next((one for one in found if one.direction == "pull"), None)
    if source is None:
        raise errors.NotFound(f"{name} is a target; what is pulled is previewed: give a source.")
    return source


def _fetch(
    node: Node, channel: Channel, heard: Heard, most: int, progress: Progress | None
) -> tuple[int, int | None]:
    """Let the remote answer what a pull would ask; how many objects came, and after how many pages it was enough."""
    pager = Pager(
        heard,
        channel.remote_collection,
        cursor=channel.cursor,
        token=channel.next_token,
        now=node.now(),
        monotonic=node.clock.monotonic,
        limit=int(channel.counters.get("limit", 0)),
    )
    objects = size = 0
    try:
        for page in pager:
            objects += page.envelope.count
            size += len(page.body)
            if progress is not None:
                progress(objects, None)
            if page.envelope.more and (objects >= most or size >= _BYTES):
                return objects, page.number
    except errors.RemoteError:
        pass  # remembered: the pull meets it in the same place, and says what follows
    return objects, None


def _passes(node: Node, channel: Channel, options: Options, heard: Heard) -> tuple[Run, str, bool]:
    """Rehearse the pull until all that it asks was answered."""
    for _ in range(_PASSES):
        heard.rewind(asks=False)
        try:
            return rehearse(
                node.database,
                lambda database: _pull(node, database, channel, options, heard),
            )
        except Unheard as unheard:
            heard.ask(unheard.question)
    raise errors.RemoteAnswerInvalid(
        f"The remote of {channel.name} was asked {heard.asked} times, and it is not enough; another worker may be"
        " pulling it: try again."
    )


def _pull(
    node: Node, database: Database, channel: Channel, options: Options, heard: Heard
) -> tuple[Run, str, bool]:
    owner = secrets.token_hex(8)
    inside = replace(node, database=database)
    run = Run(inside, channel, options, owner, threading.Event(), lambda _done, _total: None)
    run.judged = []

    def take(tx: Transaction) -> Channel:
        channels.take_lease(tx, channel, owner=owner, now=_WHOEVER, until=run.lease_until())
        return channels.reload(tx, channel)

    run.channel = database.transact(take)
    try:
        ending = pull(run, heard)
    except errors.RemoteError as error:
        return run, error.public, False
    return run, ending.outcome, not ending.pause
