"""Rows of a table, or lines of a list, to findings and losses, one row in memory at a time.

1. A row gives all its values; what says something about them (until when, how sure, how far) goes to each.
2. The hashes, the name and the path of one row are about one file: one group. A name beside a hash is told of, not looked
   for: one pattern of both joined by OR would find every `readme.pdf`. Nor is a name that only looks like one.
3. Good lines go in; each bad one is a loss with its number and the reason. A row with more fields than the table has
   columns is bad: nobody knows which field is which. Only words of the last column may run over, where none is left out.
4. What stands in columns that are left out goes nowhere: a table has no context besides its columns of words, since the
   line around a value may name the victim.
5. A TLP or PAP that words above the rows name marks all rows below, one in a row marks that row.
6. A cell that the encoding spoilt gives no value outside ASCII; a value read by a guessed encoding is a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.own_words import OwnWords, own_words
from cert_exchange.intake.tables.cells import (
    Cell,
    read_by_look,
    read_line,
    read_stated,
    unneutralised,
)
from cert_exchange.intake.tables.decoding import read_lines
from cert_exchange.intake.tables.profiles import Column, Layout
from cert_exchange.intake.tables.sayings import confidence, instant, pap_label, tlp_marking, truth
from cert_exchange.intake.tables.splitting import Record, read_records
from cert_exchange.intake.tables.words import (
    FILE_KINDS,
    HASHES,
    KINDS,
    TYPES,
    UNTAKEN,
    Role,
    squeeze,
)
from cert_exchange.policy.reading import shown
from cert_exchange.stix.instants import parse_micros

LONGEST_CONTEXT: Final = 500
LONGEST_DESCRIPTION: Final = 2_000
_LONGEST_WHAT: Final = 120
_MAY_SAY: Final = re.compile(r"tlp|pap|light|[\uff30\uff34\uff50\uff54]", re.IGNORECASE)
_NAMES: Final = frozenset({Kind.FILE_NAME, Kind.FILE_PATH})
_SAYS: Final = frozenset(
    {
        *(Role.DESCRIPTION, Role.VALID_FROM, Role.VALID_UNTIL, Role.CONFIDENCE),
        *(Role.TLP, Role.PAP, Role.LABELS, Role.DETECT),
    }
)


class _Said(NamedTuple):
    """What a row says about each of its values."""

    description: tuple[str, ...] = ()
    valid_from: str | None = None
    valid_until: str | None = None
    confidence: int | None = None
    markings: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    detect: bool = True


def read_table(chunks: Iterable[bytes], layout: Layout) -> Iterator[Finding | Loss]:
    """The findings of a file that comes in chunks of any size, in its order, its losses among them.

    `layout` is what `propose` made of its head.
    """
    rows = _Rows(layout)
    heading = ""
    for record in read_records(read_lines(chunks, layout.encoding), layout.delimiter):
        if record.number == layout.header_line:
            continue
        talk = record.is_comment or record.number < layout.header_line
        if talk and (words := own_words(record.text)) != OwnWords():
            yield rows.mark(words).told(f"line {record.number}", record.text, "what stands below")
        if record.is_comment:
            heading = record.text.strip("#/* \t")[:LONGEST_CONTEXT]
            continue
        if record.number < layout.header_line:
            if any(record.fields):
                yield _loss(f"line {record.number}", record.text, "stands above the header")
            continue
        if record.spoilt:
            yield _loss(f"line {record.number}", record.text, record.flaw or record.doubt)
            continue
        yield from rows.read(record, heading)


class _Rows:
    """What does not change from row to row."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._values = tuple(column for column in layout.columns if column.has_values)
        self._says = tuple(column for column in layout.columns if column.holds in _SAYS)
        self._types = {**TYPES, **layout.types}
        self._type = next((c for c in layout.columns if c.holds is Role.TYPE), None)
        self._typed = next((c for c in self._values if c.holds is Role.ANY), None)
        self._width = len(layout.columns)
        self._is_list = not layout.delimiter
        # Words at the end may hold the delimiter. Not so where a column is left out: what stood in it might go with them.
        self._runs_over = layout.columns[-1].holds is Role.DESCRIPTION and all(
            column.holds is not Role.IGNORE for column in layout.columns
        )
        self._above = OwnWords()

    def mark(self, words: OwnWords) -> OwnWords:
        """Mark every row from here on, as these words and those above them say; what they are marked now."""
        self._above = self._above.joined(words)
        return self._above

    def read(self, record: Record, heading: str) -> Iterator[Finding | Loss]:
        """The findings and losses of one row."""
        place = f"line {record.number}"
        fields = record.fields
        if record.flaw or record.doubt:
            yield _loss(place, record.text, record.flaw or record.doubt)
        if any(fields[self._width :]):
            if not self._runs_over:
                reason = f"has {len(fields)} fields where the table has {self._width} columns"
                yield _loss(place, record.text, reason)
                return
            last = self._width - 1
            fields = [*fields[:last], f"{self._layout.delimiter} ".join(fields[last:]).strip()]
        losses: list[Loss] = []
        said = self._said(place, fields, losses)
        words = self._above
        if _MAY_SAY.search(record.text) is not None:
            words = words.joined(own_words(record.text))
        if words != OwnWords():
            said = said._replace(
                markings=(*said.markings, *words.markings), labels=(*said.labels, *words.labels)
            )
        found: list[Finding] = []
        for column in self._values:
            text = fields[column.place] if column.place < len(fields) else ""
            if not text:
                continue
            where = place if self._is_list else f"{place}, {self._called(column)}"
            cell = self._cell(column, unneutralised(text), fields)
            if cell.values and record.doubt and not text.isascii():
                cell = Cell(bad=((text, record.doubt),))
            losses += [_loss(where, part, reason) for part, reason in cell.bad]
            found += self._findings(cell, text, where, said, heading)
        yield from _grouped(found, place)
        yield from losses
        if not found and not losses:
            yield _loss(place, record.text, "holds no value")

    def _called(self, column: Column) -> str:
        return f"column {column.name}" if self._layout.header_line else column.name

    def _cell(self, column: Column, text: str, fields: Sequence[str]) -> Cell:
        if column.holds is not Role.ANY:
            return read_stated(text, KINDS[column.holds], said=column.holds)
        if column is not self._typed or self._type is None:
            return read_line(text) if self._is_list else read_by_look(text)
        word = fields[self._type.place] if self._type.place < len(fields) else ""
        if not word:
            return read_by_look(text)
        if "|" in word:
            return self._composite(text, word)
        holds = self._types.get(squeeze(word))
        if holds is None:
            return Cell(bad=((text, _unknown(word)),))
        if holds is Role.ANY:
            return read_by_look(text)
        if holds not in KINDS:
            return Cell(
                bad=((text, f"is of the kind {shown(word)}, which the profile leaves out"),)
            )
        own_word = squeeze(word) not in self._layout.types
        return read_stated(text, KINDS[holds], said=holds, own_word=own_word)

    def _composite(self, text: str, word: str) -> Cell:
        """MISP's composite kinds: `filename|sha256`, `ip-dst|port`."""
        words, parts = word.split("|"), text.split("|")
        if len(words) != len(parts) or len(words) > 4:
            return Cell(bad=((text, f"is not what its kind {shown(word)} says"),))
        cells: list[Cell] = []
        for one, part in zip(words, parts, strict=True):
            holds = self._types.get(squeeze(one))
            if squeeze(one) == "port":
                cells.append(Cell(note=f"port {part.strip()[:5]}"))
            elif holds is not None and holds in KINDS:
                cells.append(read_stated(part, KINDS[holds], said=holds))
            else:
                cells.append(Cell(bad=((part, _unknown(one)),)))
        return Cell(
            tuple(value for cell in cells for value in cell.values),
            "; ".join(cell.note for cell in cells if cell.note),
            tuple(bad for cell in cells for bad in cell.bad),
        )

    def _findings(
        self, cell: Cell, text: str, where: str, said: _Said, heading: str
    ) -> Iterator[Finding]:
        if not cell.values:
            return
        doubtful = self._layout.encoding.guessed and not text.isascii()
        notes = (*said.description, cell.note) if cell.note else said.description
        description = "; ".join(dict.fromkeys(notes))[:LONGEST_DESCRIPTION]
        for value in cell.values:
            yield Finding(
                kind=value.kind,
                value=value.text,
                place=where,
                context=heading if self._is_list else "",
                detect=said.detect and not (value.guessed and value.kind in _NAMES),
                guessed=value.guessed or doubtful,
                valid_from=said.valid_from,
                valid_until=said.valid_until,
                confidence=said.confidence,
                labels=said.labels,
                description=description,
                markings=said.markings,
            )

    def _said(self, place: str, fields: Sequence[str], losses: list[Loss]) -> _Said:
        said = _NOTHING_SAID
        for column in self._says:
            text = unneutralised(fields[column.place]) if column.place < len(fields) else ""
            if not text:
                continue
            changed = self._tell(said, column, text)
            if changed is None:
                reason = f"is not understood as {column.holds}; the row goes in without it"
                losses.append(_loss(f"{place}, {self._called(column)}", text, reason))
            else:
                said = changed
        if _ends_early(said):
            reason = "ends before it begins; the row goes in without both"
            losses.append(_loss(place, f"{said.valid_from} to {said.valid_until}", reason))
            said = said._replace(valid_from=None, valid_until=None)
        return said

    def _tell(self, said: _Said, column: Column, text: str) -> _Said | None:
        match column.holds:
            case Role.DESCRIPTION:
                return said._replace(
                    description=(*said.description, _one_line(text, LONGEST_DESCRIPTION))
                )
            case Role.VALID_FROM:
                when = instant(text, self._layout.dates)
                return None if when is None else said._replace(valid_from=when)
            case Role.VALID_UNTIL:
                when = instant(text, self._layout.dates)
                return None if when is None else said._replace(valid_until=when)
            case Role.CONFIDENCE:
                sure = confidence(text)
                return None if sure is None else said._replace(confidence=sure)
            case Role.TLP:
                return said._replace(markings=(*said.markings, tlp_marking(text)))
            case Role.PAP:
                return said._replace(labels=(*said.labels, pap_label(text)))
            case Role.LABELS:
                words = tuple(
                    word.strip()[:100] for word in re.split(r"[,;|]", text)[:50] if word.strip()
                )
                return said._replace(labels=(*said.labels, *words))
            case _:
                wanted = truth(text)
                return None if wanted is None else said._replace(detect=wanted)


_NOTHING_SAID: Final = _Said()


def _unknown(word: str) -> str:
    """Why a word of kinds gives nothing, and what cures it where we should know it."""
    if squeeze(word) in UNTAKEN:
        return f"is of the kind {shown(word)}, which is none that we take"
    return f"is of the kind {shown(word)}, which is none that we take; where it is one of ours, say so in a profile (types:)"


def _ends_early(said: _Said) -> bool:
    if said.valid_from is None or said.valid_until is None:
        return False
    return parse_micros(said.valid_until) <= parse_micros(said.valid_from)


def _grouped(found: Sequence[Finding], place: str) -> Iterator[Finding]:
    """The findings of one row; those about one file in one group."""
    if len(found) == 1:
        yield found[0]
        return
    hashes = [one.kind for one in found if one.kind in HASHES]
    # Two of one kind are of two files.
    one_file = len(hashes) == len(set(hashes)) > 0
    together = one_file and sum(one.kind in FILE_KINDS for one in found) > 1
    ready = [
        replace(
            one,
            detect=one.detect and one.kind not in _NAMES if hashes else one.detect,
            group=place if together and one.kind in FILE_KINDS else "",
        )
        if one.kind in FILE_KINDS
        else one
        for one in found
    ]
    ready.sort(
        key=lambda one: not one.group
    )  # a group stands together, whatever its columns stand between
    yield from ready


def _one_line(text: str, longest: int) -> str:
    if text.isprintable():
        return text[:longest]
    return "".join(c if c.isprintable() else " " for c in text[:longest])


def _loss(place: str, text: str, reason: str) -> Loss:
    return Loss(place, _one_line(text.strip(), _LONGEST_WHAT), reason)
