"""A file for a partner: what it would poll now, what we signed of it, our receipts, and how far we have its files.

    (1) who, and whether anything may go out to it   (2) where each collection goes on   (3) statements, which say up to
    where the pages go   (4) ledger line and marks: from now on the partner counts as having it   (5) the file, sealed while
    it is written   (6) still not frozen? one transaction: its row and ledger line   (7) its name
1. What goes out is what `polling` gives this partner, by the same rights, views, freeze and stage; nothing asks again.
2. The mark is raised before a byte is written (DECISIONS 24). The ledger says `carried.out`, with the file's number, and not
   `fetched`: who carried it is not the partner's node.
3. A file goes on after the one before, whether or not that arrived; `again_from` begins once more where an older one began,
   `whole` at the beginning. Both say so by `base`, so that the partner may have missed what lies between.
4. Numbers have no gap and no double: what is killed before (6) leaves no number, and a mark that says too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, CursorMoved, NotFound, SharingFrozen
from cert_exchange.messages.carried import FORMAT, OLDEST, Carried, file_digest, write_carried
from cert_exchange.messages.deliveries import NOTHING_BEFORE, Way
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.keys import VerifyingKey
from cert_exchange.node import Node
from cert_exchange.services import deliveries, ledger, polling, restoring, signing
from cert_exchange.services.carrying.starting import Part, Wanted, parts_for
from cert_exchange.services.carrying.writing import Draft, as_document, drafting
from cert_exchange.services.partners import Caller
from cert_exchange.services.polling import PageQuery, Resource
from cert_exchange.store import branches, epochs, freezes, partner_keys
from cert_exchange.store import carrying as files
from cert_exchange.store import deliveries as statements
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.carrying import FileRow
from cert_exchange.store.database import Transaction
from cert_exchange.store.marks import Mark
from cert_exchange.store.statement_rows import StatementRow

PAGE: Final = 1_000
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was made. `after` and `upto` of its collections are positions of our log (micros)."""

    path: Path
    number: int
    base: int
    objects: int
    size: int
    receipts: int
    spans: tuple[tuple[str, int, int], ...]
    """(collection, after, upto)"""
    left: bool
    """whether there is more for another file"""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Recipient:
    caller: Caller
    key: VerifyingKey
    identities: tuple[str, ...]


def take_out(node: Node, partner: str, path: Path, wanted: Wanted, *, by: str) -> Made | None:
    """Make the next file for a partner; None where there is nothing to carry.

    Raises NotFound, ConfigurationInvalid, SharingFrozen, InputRefused (the place), CursorMoved (another one was first).
    """
    if not OLDEST <= wanted.form <= FORMAT:
        raise ConfigurationInvalid(f"This version writes the formats {OLDEST} to {FORMAT}.")
    to = _recipient(node, partner)
    with node.database.reading() as tx:
        before = files.last(tx, to.caller.partner, ours=True)
        base, previous = _base(tx, to.caller.partner, before, wanted)
        waiting = statements.not_handed_over(tx, to.caller.partner, Way.SERVED)
        theirs = files.last(tx, to.caller.partner, ours=False)
    _check_heard(node, to, theirs)
    number = 1 if before is None else before.number + 1
    notes: list[str] = []
    if waiting and not _knows_of_restore(node, to.caller.partner):
        waiting = []
        notes.append(
            "our receipts stay here: the partner was not told yet, over the link, that we were restored"
        )
    parts, left = parts_for(node, to.caller, wanted)
    if not (parts or waiting or wanted.anyway or _owes_answer(before, theirs)):
        return None
    with drafting(path, to.key, form=wanted.form) as draft:
        _disclose(node, to, number, parts, by=by)
        text, objects = _write(node, to, draft, (number, base, previous), parts, waiting, theirs)
        draft.close()
        row = FileRow(
            to.caller.partner, ours=True, number=number, base=base, digest=file_digest(text),
            text=text, at=node.now(), objects=objects, bytes=draft.size,
            spans=tuple(one.span() for one in parts), receipts=tuple(one.id for one in waiting),
            heard={} if theirs is None else {"number": theirs.number}, answered_at=None,
        )  # fmt: skip
        _commit(node, to, row, by=by)
        draft.counts = True
        draft.keep()
    return Made(
        path, number, base, objects, draft.size, len(waiting),
        tuple((one.grant.alias or one.grant.uuid, one.after, one.upto) for one in parts), left,
        tuple(notes),
    )  # fmt: skip


def _recipient(node: Node, name: str) -> _Recipient:
    """Step (1). Raises NotFound, ConfigurationInvalid, SharingFrozen."""
    now = node.now()
    with node.database.reading() as tx:
        row = partner_rows.find_partner(tx, name)
        if row is None:
            raise NotFound(f"There is no partner {name}; see `partner list`.")
        who = partner_rows.authority(tx, row.id)
        keys = [key for key in partner_keys.keys_of(tx, row.id) if key.holds_at(now)]
        audience = partner_rows.audiences_of(tx).get(row.id)
        frozen = freezes.frozen(tx, row.id)
    if row.suspended_at is not None:
        raise ConfigurationInvalid(f"{name} is suspended: nothing goes out to it.")
    if frozen:
        raise SharingFrozen(
            f"What goes out to {name} is frozen, or sending to it suspended: no file either. See `frozen`."
        )
    lasting = next((key for key in keys if key.until is None), None) or next(iter(keys), None)
    if lasting is None:
        raise ConfigurationInvalid(
            f"No key of {name} is pinned that counts now, so that nothing can be closed to it: have it told by voice, and"
            " `keys pin`. It needs ours as well (`keys show`)."
        )
    if not who.speaks_for:
        raise ConfigurationInvalid(
            f"{name} has no STIX identity here, so that nobody can be named as the recipient: `partner amend`."
        )
    caller = Caller(
        row.id, name, audience, row.empty_objects_list, row.requests_per_minute, frozen=False
    )
    return _Recipient(caller, lasting, tuple(sorted(who.speaks_for)))


def _owes_answer(before: FileRow | None, theirs: FileRow | None) -> bool:
    """Whether a file of theirs brought something since our last one; one that only answers is not answered."""
    answered = 0 if before is None else int(before.heard.get("number", 0))
    return theirs is not None and int(theirs.heard.get("asks", 0)) > answered


def _base(
    tx: Transaction, partner: int, before: FileRow | None, wanted: Wanted
) -> tuple[int, bytes]:
    if before is None or wanted.whole:
        return 0, NOTHING_BEFORE
    if wanted.again_from is None:
        return before.number, before.digest
    if not 1 <= wanted.again_from <= before.number:
        raise ConfigurationInvalid(
            f"The last file for this partner has number {before.number}; name one up to that."
        )
    older = files.numbered(tx, partner, wanted.again_from - 1, ours=True)
    return (0, NOTHING_BEFORE) if older is None else (older.number, older.digest)


def _check_heard(node: Node, to: _Recipient, theirs: FileRow | None) -> None:
    """After a restore the partner may have statements and files of ours that we do not know: new ones would contradict them.

    Raises ConfigurationInvalid until its node was met over the link since, or a file of it was brought in.
    """
    with node.database.reading() as tx:
        restored_at = epochs.current(tx) * _SECOND
    if _knows_of_restore(node, to.caller.partner) or (theirs and theirs.at >= restored_at):
        return
    name = to.caller.name
    raise ConfigurationInvalid(
        f"We were restored, and {name} may have what we signed and lost. Ask it for `carry out --anyway`, and bring that file"
        " in first: it says how far we came."
    )


def _knows_of_restore(node: Node, partner: int) -> bool:
    known, epoch, _ = restoring.lost_with(node, partner)
    return epoch == epochs.FIRST or known.told >= epoch


def _disclose(node: Node, to: _Recipient, number: int, parts: Sequence[Part], *, by: str) -> None:
    """Step (4). A fact reads `partner/view/after/to`, as in `fetched`."""
    if not parts:
        return
    ledger.note_fetches(node)  # what the partner fetched itself until now stays said as that
    known = {(mark.partner, mark.view): mark.ledgered for mark in node.marks.everything()}
    raised = []
    for one in parts:
        node.marks.advance(to.caller.partner, one.view, one.upto)
        place = (to.caller.partner, one.view)
        raised.append(Mark(*place, one.upto, known.get(place, 0)))
    facts: dict[str, str | int | list[str]] = {
        "partner": to.caller.name,
        "file": number,
        "carried": [f"{to.caller.name}/{one.view}/{one.after}/{one.upto}" for one in parts],
    }
    line = Line("carried.out", node.now(), by, facts=facts)
    node.database.transact(lambda tx: ledger.record(tx, line))
    node.marks.ledgered(raised)


def _write(
    node: Node,
    to: _Recipient,
    draft: Draft,
    numbers: tuple[int, int, bytes],
    parts: Sequence[Part],
    waiting: Sequence[StatementRow],
    theirs: FileRow | None,
) -> tuple[str, int]:
    """Step (5); the signed text, and how many objects went in."""
    records = draft.records
    records.put(
        "head",
        number=numbers[0],
        base=numbers[1],
        at=node.now(),
        of=node.identity,
        made_with=version("cert-exchange"),
    )
    records.put("keys", signed=signing.our_list(node)["signed"])
    with node.database.reading() as tx:
        ends = branches.ends(tx, to.caller.partner, Way.SERVED)
    has = {stream: [seq, digest.hex()] for stream, (seq, digest) in ends.items()}
    records.put("stand", has=has)
    if theirs is not None:
        records.put("answer", number=theirs.number, digest=theirs.digest.hex(), has=has)
    for row in waiting:
        records.put("receipt", receipt=row.receipt)
    objects = 0
    for part in parts:
        grant = part.grant
        records.put(
            "collection", collection=grant.uuid, alias=grant.alias, title=grant.title,
            after=part.after, upto=part.upto,
        )  # fmt: skip
        for told in part.told:
            document = deliveries.tell_long(node, told.row).document()
            records.put("statement", as_document(document), collection=grant.uuid, seq=told.row.seq)
        objects += _write_pages(node, to, draft, part)
    number, base, previous = numbers
    carried = Carried(
        node.identity, to.identities, number, base, previous, node.now(), objects,
        records.digest.digest(),
    )  # fmt: skip
    text = write_carried(carried, node.secrets.signing_keys[0])
    records.end(text)
    return text, objects


def _write_pages(node: Node, to: _Recipient, draft: Draft, part: Part) -> int:
    after, objects = part.after, 0
    while part.has_pages:
        with node.database.raw_reader() as connection:
            page = polling.poll(
                node, connection, to.caller, part.grant,
                PageQuery(Resource.OBJECTS, added_after=after, limit=PAGE, upto=part.upto),
                inline=False,
            )  # fmt: skip
        if page.count:
            draft.records.put(
                "page", page.text, collection=part.grant.uuid, first=page.first, last=page.last,
                count=page.count,
            )  # fmt: skip
            objects += page.count
            after = page.last
        if page.next is None:
            break
    return objects


def _commit(node: Node, to: _Recipient, row: FileRow, *, by: str) -> None:
    """Step (6)."""
    facts: dict[str, str | int | list[str]] = {
        "partner": to.caller.name,
        "file": row.number,
        "base": row.base,
        "digest": row.digest.hex(),
        "objects": row.objects,
        "receipts": len(row.receipts),
    }

    def work(tx: Transaction) -> None:
        statements.lock(tx, row.partner)
        last = files.last(tx, row.partner, ours=True)
        if (0 if last is None else last.number) != row.number - 1:
            raise CursorMoved(detail=f"another file for partner {row.partner} was made meanwhile")
        if freezes.frozen(tx, row.partner):
            raise SharingFrozen(
                f"What goes out to {to.caller.name} was frozen while the file was written: it was taken away."
            )
        files.add(tx, row)
        ledger.record(tx, Line("carried.made", row.at, by, facts=facts))

    node.database.transact(work)
