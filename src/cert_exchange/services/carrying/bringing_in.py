"""A partner's carried file: looked at, and taken in by the way of a pull.

    (1) the whole file: pieces, limits, whose it is, signature (`reading`)   (2) its number: repeated, after a gap, of a
    forked past   (3) for each collection a source of ours, and whether the file goes on from where that stands
    (4) their receipts, and which of our files they have   (5) each source is run over the file (`syncing.by_file`)
    (6) one transaction: the file's row and ledger line
1. Nothing is taken in before (1) to (3) say yes for the whole file.
2. What is killed before (6) is brought in once more: every step finds what it did, and doubles nothing.
3. A file that came before comes again without harm; another one with its number is refused.
4. Only objects of sources that we have are taken in: what a collection brings is a person's choice, by file as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from cert_exchange.errors import ConfigurationInvalid, CursorMoved, InputRefused, SignatureBroken
from cert_exchange.messages.carried import Carried, file_digest, read_carried
from cert_exchange.messages.deliveries import Way, pairs_of
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.signatures import said_in, verify
from cert_exchange.node import Node
from cert_exchange.remote.connection import decode_options
from cert_exchange.services import deliveries, ledger, signing
from cert_exchange.services.carrying.answers import hear_answer
from cert_exchange.services.carrying.reading import (
    Collection,
    Contents,
    pages_of,
    read_contents,
)
from cert_exchange.services.carrying.standing_in import CarriedConnection
from cert_exchange.services.syncing.by_file import run_by_file
from cert_exchange.services.syncing.reporting import Progress, RunReport
from cert_exchange.stix.instants import parse_micros
from cert_exchange.store import branches, channels, partner_keys
from cert_exchange.store import carrying as files
from cert_exchange.store import deliveries as statements
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.carrying import FileRow, Span
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction
from cert_exchange.store.partners import PartnerRow


class Standing(StrEnum):
    """What a file is to us."""

    NEXT = "new"
    AGAIN = "taken in before"


@dataclass(frozen=True, slots=True)
class Looked:
    """A file that verified, and what bringing it in would do."""

    contents: Contents
    carried: Carried
    partner: PartnerRow
    digest: bytes
    text: str
    standing: Standing
    taken_at: int | None
    """when it was taken in, where it was"""
    sources: tuple[tuple[Collection, Channel], ...]
    left_out: tuple[Collection, ...]
    """collections that no source of ours takes from"""
    asked: int
    """the last file that brought more than an answer, before this one"""


@dataclass(slots=True)
class Brought:
    """What became of a file."""

    looked: Looked
    runs: list[RunReport] = field(default_factory=list)
    receipts: int = 0
    answered: tuple[int, ...] = ()
    """which of our files the partner has, as it says now for the first time"""
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every source took in all of it."""
        return all(run.ok for run in self.runs)


def look(node: Node, path: Path) -> Looked:
    """Steps (1) to (3). Raises NotFound, InputRefused, ConfigurationInvalid (with what to do), SignatureBroken."""
    contents = read_contents(path, node.secrets.signing_keys)
    partner, carried = _verified(node, contents)
    digest = file_digest(contents.signed)
    with node.database.reading() as tx:
        known = files.numbered(tx, partner.id, carried.number, ours=False)
        if known is not None and known.digest != digest:
            raise SignatureBroken(_two(partner.name, carried.number))
        _check_base(tx, partner, carried)
        last = files.last(tx, partner.id, ours=False)
        asked = 0 if last is None else int(last.heard.get("asks", 0))
        found = [one for one in channels.channels(tx) if one.direction == "pull"]
        sources, left_out = [], []
        for one in contents.collections.values():
            ours = [
                channel
                for channel in found
                if channel.partner == partner.id
                and channel.remote_collection.lower() in (one.uuid, one.alias.lower())
            ]
            sources += [(one, channel) for channel in ours]
            left_out += [] if ours else [one]
        ends = branches.ends(tx, partner.id, Way.SERVED)
    for one, channel in sources:
        _check_place(partner.name, one, channel, ends.get(one.uuid))
    return Looked(
        contents, carried, partner, digest, contents.signed,
        Standing.NEXT if known is None else Standing.AGAIN, None if known is None else known.at,
        tuple(sources), tuple(left_out), asked,
    )  # fmt: skip


def bring_in(node: Node, path: Path, *, by: str, progress: Progress) -> Brought:
    """Take in a partner's file. Raises as `look`; what goes wrong with one source or receipt is in what is returned."""
    looked = look(node, path)
    partner, contents = looked.partner, looked.contents
    if partner.suspended_at is not None or partner.receiving_suspended_at is not None:
        raise ConfigurationInvalid(f"{partner.name} is suspended: nothing is taken from it.")
    brought = Brought(looked)
    for receipt in contents.receipts:
        try:
            deliveries.take_receipt(node, partner.id, {"receipt": receipt, **contents.keys})
            brought.receipts += 1
        except SignatureBroken as broken:
            brought.notes.append(
                f"a receipt is broken, and kept in the quarantine: {broken.public}"
            )
    if contents.answer:
        answered, said = hear_answer(node, partner, contents.answer)
        brought.answered = answered
        brought.notes += said
    done = 0

    def count(more: int, _: int | None) -> None:
        nonlocal done
        done += more
        progress(done, contents.objects)

    for one, channel in looked.sources:
        brought.runs.append(_run(node, contents, one, channel, count))
    if brought.ok:
        _keep(node, brought, by=by)
    if contents.unknown:
        many = "1 record is" if contents.unknown == 1 else f"{contents.unknown} records are"
        brought.notes.append(f"{many} of a kind that this version does not know, and passed over")
    return brought


def _run(
    node: Node, contents: Contents, one: Collection, channel: Channel, progress: Progress
) -> RunReport:
    keys = node.secrets.signing_keys
    connection = CarriedConnection(
        decode_options(channel.options), one, contents.keys,
        lambda: pages_of(contents, keys, one.uuid),
    )  # fmt: skip
    return run_by_file(
        node, channel, connection, passed=lambda: connection.passed, progress=progress
    )


def _verified(node: Node, contents: Contents) -> tuple[PartnerRow, Carried]:
    """Whose file it is, by a pinned key that counts, for us, and all that was signed."""
    try:
        said = said_in(contents.signed)
        sender = str(said["from"])
    except (ValueError, KeyError, IndexError):
        raise InputRefused(
            "The file opens, and its signature is none. Nothing was taken in: show it to who made it."
        ) from None
    with node.database.reading() as tx:
        partner = next(
            (
                row
                for row in partner_rows.every_partner(tx)
                if sender in partner_rows.authority(tx, row.id).speaks_for
            ),
            None,
        )
        keys = () if partner is None else partner_keys.keys_of(tx, partner.id)
    if partner is None:
        raise InputRefused(
            f"The file says that it is from {sender[:80]!r}, for whom no partner here speaks. Nothing was taken in."
        )
    if deliveries.needs_keys(node, partner.id, {"statement": contents.signed}) and contents.keys:
        keys = signing.follow(node, partner.id, contents.keys)
    carried = read_carried(verify(contents.signed, keys, node.now()))
    _check_content(contents, carried)
    _check_recipient(node, partner, carried)
    return partner, carried


def _check_content(contents: Contents, carried: Carried) -> None:
    if carried.content != contents.digest or carried.objects != contents.objects:
        raise SignatureBroken(
            "the file holds other things than were signed. Nothing was taken in: ask for it again."
        )


def _check_recipient(node: Node, partner: PartnerRow, carried: Carried) -> None:
    """A file that was made for another partner may be closed to our key by that one."""
    if node.identity not in carried.recipients:
        raise InputRefused(
            f"The file of {partner.name} is for somebody else, though closed to our key: {', '.join(carried.recipients)[:200]}."
            " Nothing was taken in: tell them."
        )


def _check_base(tx: Transaction, partner: PartnerRow, carried: Carried) -> None:
    """Step (2): a gap, or a past that is not the one that we hold."""
    if not carried.base:
        return
    last = files.last(tx, partner.id, ours=False)
    number = 0 if last is None else last.number
    if carried.base > number:
        missing = (
            f"file {number + 1}"
            if carried.base == number + 1
            else f"files {number + 1} to {carried.base}"
        )
        raise ConfigurationInvalid(
            f"This is file {carried.number} of {partner.name}, and {missing} did not come. Nothing was taken in: bring in"
            f" what is missing first, or ask for `carry out --from {number + 1}`, which holds all since."
        )
    before = files.numbered(tx, partner.id, carried.base, ours=False)
    if before is not None and before.digest != carried.previous:
        raise SignatureBroken(_two(partner.name, carried.base))


def _two(name: str, number: int) -> str:
    return (
        f"{name} made two files with number {number}: its node was put back, or a copy of it runs. Nothing was taken in."
        f" Call its people. If it was restored, `carry out --anyway` a file for it first: that says how far we are."
    )


def _check_place(
    name: str, one: Collection, source: Channel, end: tuple[int, bytes] | None
) -> None:
    """Step (3): the file must not begin later than where the source stands, nor leave a statement out."""
    cursor = source.cursor or decode_options(source.options).start
    position = max(parse_micros(cursor), 0) if cursor else 0
    seq = 0 if end is None else end[0]
    if one.after > position or (one.seqs and one.seqs[0] > seq + 1):
        raise ConfigurationInvalid(
            f"The file goes on later than our source {source.name} stands: something between did not come, or our store was"
            f" restored. Nothing was taken in: ask {name} for `carry out --whole`."
        )


def _keep(node: Node, brought: Brought, *, by: str) -> None:
    """Step (6)."""
    looked = brought.looked
    carried, partner = looked.carried, looked.partner
    now = node.now()
    counts = [run.counts for run in brought.runs]
    row = FileRow(
        partner.id, ours=False, number=carried.number, base=carried.base, digest=looked.digest,
        text=looked.text, at=now, objects=carried.objects, bytes=looked.contents.size,
        spans=tuple(
            Span(one.uuid, 0, one.after, one.upto, one.seqs[0] if one.seqs else 0, one.seqs[-1] if one.seqs else 0)
            for one in looked.contents.collections.values()
        ),
        receipts=(), heard=_heard(looked, looked.contents), answered_at=None,
    )  # fmt: skip
    facts: dict[str, str | int | list[str]] = {
        "partner": partner.name,
        "file": carried.number,
        "base": carried.base,
        "digest": looked.digest.hex(),
        "objects": carried.objects,
        "new": sum(one.get("new", 0) + one.get("updated", 0) for one in counts),
        "receipts": brought.receipts,
    }

    def work(tx: Transaction) -> None:
        statements.lock(tx, partner.id)
        known = files.numbered(tx, partner.id, carried.number, ours=False)
        if known is None:
            files.add(tx, row)
            ledger.record(tx, Line("carried.in", now, by, facts=facts))
        elif known.digest != looked.digest:
            raise CursorMoved(detail=f"another file {carried.number} was brought in meanwhile")

    node.database.transact(work)


def _heard(looked: Looked, contents: Contents) -> Mapping[str, Any]:
    """For our next file: how far the partner says it has our statements, and the last file of its that asks for an answer.

    What cannot be read says nothing.
    """
    brings = contents.objects or contents.receipts
    asks = max(looked.asked, looked.carried.number if brings else 0)
    try:
        has = pairs_of((contents.stand or contents.answer).get("has", {}))
    except (ValueError, AttributeError):
        has = {}
    said = {stream: [seq, digest.hex()] for stream, (seq, digest) in has.items()}
    return {"asks": asks, "has": said, "receipts": len(contents.receipts)}
