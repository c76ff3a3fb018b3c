"""What `publish` does with files that are no STIX: it shows what it understood, then takes it in.

1. Nothing is stored before it was read to its end and shown; for a program (`--json`), to which all is told in the end, it
   is read only. A guess on a terminal stores nothing at all, unless a person says that it is right.
2. What could not be used is told with its place and its reason; with --losses FILE all of it, else the first.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final, cast

from cert_exchange.cli import printing
from cert_exchange.cli.files import new_text
from cert_exchange.cli.taken import document_of, what_became_of
from cert_exchange.cli.understood import print_found, print_taken
from cert_exchange.errors import InputRefused, NotFound

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.taking import (
        Found,
        Loss,
        Order,
        Source,
        Taken,
        Together,
        Understanding,
    )
    from cert_exchange.services.terms import SharingTerms

_STEP: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Job:
    """One command's inputs that are no STIX, and all that was said about them."""

    inputs: Sequence[tuple[Source, Understanding]]
    order: Order
    collection: str
    by: str
    terms: SharingTerms | None
    carried: SharingTerms | None
    only_look: bool
    yes: bool
    stated: bool
    """whether a person said what format it is"""
    losses: Path | None
    as_json: bool


@contextmanager
def sources(files: Sequence[Path]) -> Iterator[list[Source]]:
    """The inputs under their names; standard input (-) is kept in a file until the end. Raises NotFound, InputRefused."""
    from cert_exchange.services.taking import Source

    with tempfile.TemporaryFile() as kept:
        found = []
        for file in files:
            if str(file) == "-":
                while block := sys.stdin.buffer.read(_STEP):
                    kept.write(block)
                kept.flush()
                found.append(Source("standard input", _again(kept), kept.tell()))
                continue
            try:
                size = file.stat().st_size
                with file.open("rb"):
                    pass
            except FileNotFoundError as error:
                raise NotFound(f"There is no file {file}.") from error
            except OSError as error:
                raise InputRefused(f"The file {file} cannot be read: {error.strerror}.") from error
            again = cast("Callable[[], BinaryIO]", partial(file.open, "rb"))
            found.append(Source(file.name, again, size))
        yield found


def take(node: Node, job: Job) -> int:
    """Show what was understood, and publish it unless only that was asked for. How many objects were not accepted."""
    from cert_exchange.services import taking

    guessed = [how for _, how in job.inputs if how.guessed]
    only_look = job.only_look or bool(
        guessed and sys.stdout.isatty() and not (job.yes or job.stated)
    )
    if job.as_json and not only_look:
        return _take_for_a_program(node, job)
    documents: list[dict[str, Any]] = []
    refused = 0
    together = taking.Together(job.inputs, job.order)
    with _losses(job.losses) as on_loss:
        looked = [
            _look(node, job, source, how, together, preview=only_look, on_loss=on_loss)
            for source, how in job.inputs
        ]
    _refuse_what_empties(job, looked)
    asks = (_replaces(looked) or any(one.apart for one in looked)) and not job.yes
    only_look = only_look or (asks and sys.stdout.isatty())
    together = together.again()
    for found in looked:
        if not job.as_json:
            print_found(found)
    for (source, how), found in zip(job.inputs, looked, strict=True):
        if only_look or not found.objects:
            documents.append(document_of(found))
            refused += _refused(found) or int(not found.objects)
            continue
        taken = _publish(node, job, source, how, together, total=found.findings)
        print_taken(taken)
        refused += _not_accepted(taken)
    if job.as_json:
        printing.document({"inputs": documents, "stored": False})
    if only_look:
        _say_how_to_go_on(job, guessed, asks=asks)
    # Who asked to publish, and did not get it, is told by the exit code, too.
    return refused + int(only_look and not job.only_look)


def _take_for_a_program(node: Node, job: Job) -> int:
    """Read all inputs to their ends, then publish them; what was in them is told with what became of it."""
    from cert_exchange.services import taking

    documents: list[dict[str, Any]] = []
    refused = 0
    with _losses(job.losses) as on_loss:
        lengths = []
        for source, how in job.inputs:
            with printing.progress(f"reading {source.name}") as progress:
                lengths.append(taking.read_through(source, how, progress))
        together = taking.Together(job.inputs, job.order)
        if any(one.marked for one in lengths) or not all(one.findings for one in lengths):
            # Of what is marked in itself the strictest counts from the start; of a list that is empty a person decides.
            looked = [
                _look(node, job, source, how, together, preview=False, on_loss=None)
                for source, how in job.inputs
            ]
            _refuse_what_empties(job, looked)
            together = together.again()
        for (source, how), length in zip(job.inputs, lengths, strict=True):
            taken = _publish(
                node, job, source, how, together, total=length.findings, on_loss=on_loss
            )
            found = taken.found
            documents.append(document_of(found) | (what_became_of(taken) if found.objects else {}))
            refused += _not_accepted(taken) + int(not found.objects)
    printing.document({"inputs": documents, "stored": True})
    return refused


def _publish(
    node: Node,
    job: Job,
    source: Source,
    how: Understanding,
    together: Together,
    *,
    total: int,
    on_loss: Callable[[Loss], None] | None = None,
) -> Taken:
    from cert_exchange.services import taking

    with printing.progress(f"publishing {source.name}") as progress:
        return taking.take(
            node, source, how, job.order, collection=job.collection, by=job.by, terms=job.terms,
            carried=job.carried, progress=progress, total=total, on_loss=on_loss, together=together,
        )  # fmt: skip


def _not_accepted(taken: Taken) -> int:
    """Objects that were refused when they were taken in, or before."""
    return _refused(taken.found) + sum(
        number
        for result, number in taken.results.items()
        if result not in ("accepted", "duplicate")
    )


def _look(
    node: Node,
    job: Job,
    source: Source,
    how: Understanding,
    together: Together,
    *,
    preview: bool,
    on_loss: Callable[[Loss], None] | None,
) -> Found:
    from cert_exchange.services import taking

    with printing.progress(f"reading {source.name}") as progress:
        return taking.look(
            node, source, how, job.order, collection=job.collection, by=job.by, terms=job.terms,
            carried=job.carried, preview=preview, progress=progress, on_loss=on_loss, together=together,
        )  # fmt: skip


def _replaces(looked: Sequence[Found]) -> bool:
    """Whether a list of this name stands that has nothing in common with what comes: perhaps it is another list."""
    return any(one.dropped and not one.stay and one.findings for one in looked)


def _refuse_what_empties(job: Job, looked: Sequence[Found]) -> None:
    """Raise InputRefused where a list that names values would name none, unless a person says so."""
    for one in looked:
        if one.dropped and not one.findings and not (job.yes or job.only_look):
            raise InputRefused(
                f"{one.name} holds no value, and the list of its name that stands names"
                f" {printing.count(one.dropped, 'object')}; nothing was stored. --yes empties the list; then `delist` revokes"
                " what it named."
            )


def _say_how_to_go_on(job: Job, guessed: Sequence[Understanding], *, asks: bool) -> None:
    if job.only_look:
        printing.verdict("looked at; nothing was stored")
        return
    if asks or not guessed:
        printing.verdict(
            "Nothing was stored, since what other inputs published stands beside or is replaced (see above). If that is meant,"
            " say --yes."
        )
        return
    say = (
        "what it is with --format"
        if any(not how.sure for how in guessed)
        else "what the columns hold with a profile (`profile make`)"
    )
    printing.verdict(
        f"Nothing was stored, since this was a guess. If it is right, say --yes; else say {say}."
    )


def _refused(found: Found) -> int:
    """Objects that were refused, by a warning or since they cannot be valid; what was revoked before is no news."""
    return sum(
        number
        for why, number in found.refusals.items()
        if not why.startswith(
            ("it was revoked here", "it was withdrawn here", "it is kept back here")
        )
    )


@contextmanager
def _losses(file: Path | None) -> Iterator[Callable[[Loss], None] | None]:
    """Where all losses are written, a line each: place, what stands there, why."""
    with nullcontext(None) if file is None else new_text(file) as out:
        if out is None:
            yield None
            return
        stream: IO[str] = out

        def write(loss: Loss) -> None:
            cells = (loss.place, loss.what, loss.reason)
            stream.write("\t".join(printing.plain(one) for one in cells) + "\n")

        yield write


def _again(kept: IO[bytes]) -> Callable[[], BinaryIO]:
    """The kept input from its beginning. One reader at a time: they share the place where they are."""

    def opened() -> BinaryIO:
        again = os.fdopen(os.dup(kept.fileno()), "rb")
        again.seek(0)
        return cast("BinaryIO", again)

    return opened
