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
from cert_exchange.errors import InputRefused, NotFound

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.taking import Found, Loss, Order, Source, Taken, Understanding
    from cert_exchange.services.terms import SharingTerms

_STEP: Final = 1_048_576
_FOLLOWS: Final = {
    "warn": "told",
    "hold": "held: stored, shared with nobody until `intake release`",
    "refuse": "refused: not stored",
}


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
    guessed = [how for _, how in job.inputs if how.guessed]
    only_look = job.only_look or bool(guessed and sys.stdout.isatty() and not job.yes)
    if job.as_json and not only_look:
        return _take_for_a_program(node, job)
    documents: list[dict[str, Any]] = []
    refused = 0
    with _losses(job.losses) as on_loss:
        looked = [
            _look(node, job, source, how, preview=only_look, on_loss=on_loss)
            for source, how in job.inputs
        ]
    for found in looked:
        if not job.as_json:
            _print_found(found)
    for (source, how), found in zip(job.inputs, looked, strict=True):
        if only_look or not found.objects:
            documents.append(document_of(found))
            refused += _invalid(found) or int(not found.objects)
            continue
        taken = _publish(node, job, source, how, total=found.findings)
        _print_taken(taken)
        refused += _not_accepted(taken)
    if job.as_json:
        printing.document({"inputs": documents, "stored": False})
    if only_look:
        _say_how_to_go_on(job, guessed)
    return refused


def _take_for_a_program(node: Node, job: Job) -> int:
    """Read all inputs to their ends, then publish them; what was in them is told with what became of it."""
    from cert_exchange.services import taking

    documents: list[dict[str, Any]] = []
    refused = 0
    with _losses(job.losses) as on_loss:
        totals: list[int] = []
        for source, how in job.inputs:
            with printing.progress(f"reading {source.name}") as progress:
                totals.append(taking.read_through(source, how, progress))
        for (source, how), total in zip(job.inputs, totals, strict=True):
            taken = _publish(node, job, source, how, total=total, on_loss=on_loss)
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
    *,
    total: int,
    on_loss: Callable[[Loss], None] | None = None,
) -> Taken:
    from cert_exchange.services import taking

    with printing.progress(f"publishing {source.name}") as progress:
        return taking.take(
            node, source, how, job.order, collection=job.collection, by=job.by, terms=job.terms,
            carried=job.carried, progress=progress, total=total, on_loss=on_loss,
        )  # fmt: skip


def _not_accepted(taken: Taken) -> int:
    """Objects that were refused when they were taken in, or before."""
    return _invalid(taken.found) + sum(
        number
        for result, number in taken.results.items()
        if result not in ("accepted", "duplicate")
    )


def _look(
    node: Node,
    job: Job,
    source: Source,
    how: Understanding,
    *,
    preview: bool,
    on_loss: Callable[[Loss], None] | None,
) -> Found:
    from cert_exchange.services import taking

    with printing.progress(f"reading {source.name}") as progress:
        return taking.look(
            node, source, how, job.order, collection=job.collection, by=job.by, terms=job.terms,
            carried=job.carried, preview=preview, progress=progress, on_loss=on_loss,
        )  # fmt: skip


def _print_found(found: Found) -> None:
    how = found.how
    printing.result(f"{found.name}: {how.form}, {how.why}{'' if how.sure else ' (a guess)'}")
    if how.layout is not None and how.layout.delimiter:
        printing.table(
            ["column", "holds", "how we know", "first values"],
            [
                (
                    one.name,
                    one.aside or str(one.holds),
                    "stated" if one.stated else "its look" if one.has_values else "",
                    ", ".join(one.samples),
                )
                for one in how.layout.columns
            ],
        )
    for guess in how.guesses:
        printing.result(f"a guess: {guess}")
    if found.batches:
        printing.result(f"events: {'; '.join(found.batches)}")
    if found.names:
        printing.result(
            f"partners read as its name: {'; '.join(found.names)} (--name says another)"
        )
    for text in found.texts:
        printing.result(f"partners read as description, such as: {text}")
    kinds = sorted({*found.kinds, *found.told})
    printing.table(
        ["kind", "looked for", "told of", "such as"],
        [(one, found.kinds[one], found.told[one], ", ".join(found.samples[one])) for one in kinds],
        empty="no value of a kind that we know",
    )
    if found.losses:
        printing.table(
            ["not used", "what stands there", "why"],
            [(one.place, one.what, one.reason) for one in found.losses],
        )
        _say_more(found.lost.total() - len(found.losses), "place", "; --losses FILE names all")
    if found.warnings:
        printing.table(
            ["where", "warning", "what follows", "why"],
            [
                (found.places.get(one.id, ""), one.of, _FOLLOWS.get(one.act, one.act), f"{one.said} ({one.id})")
                for one in found.warnings
            ],
        )  # fmt: skip
        _say_more(found.warned.total() - len(found.warnings), "warning")
    if found.refused:
        printing.table(
            ["not taken", "where", "why"],
            [(one, found.places.get(one, ""), why) for one, why in found.refused],
        )
        _say_more(found.refusals.total() - len(found.refused), "object")
    for remark in found.remarks:
        printing.verdict(remark)
    if found.apart:
        printing.verdict(
            f"{printing.count(found.apart, 'object')} of it another input published for a wider circle: those stay as they are,"
            " and what this input says stands beside them; `mark ID --tlp ...` or `terms set` narrows them too"
        )
    printing.verdict(_in_words(found))
    if not found.findings:
        printing.verdict(
            f"nothing in {found.name} can be published; is it {how.form}? --format says another"
        )
    if found.preview is not None:
        _print_preview(found)


def _in_words(found: Found) -> str:
    states = ", ".join(f"{number:,} {state}" for state, number in sorted(found.states.items()))
    said = [
        f"{printing.count(found.findings, 'value')}{f' ({states})' if states else ''}",
        printing.count(found.objects, "object"),
    ]
    if found.doubles:
        said.append(f"{found.doubles:,} said twice")
    if lost := found.lost.total():
        said.append(f"{printing.count(lost, 'place')} not used")
    if told := found.warned.total():
        said.append(printing.count(told, "warning"))
    return f"{found.name}: {', '.join(said)}"


def _print_preview(found: Found) -> None:
    assert found.preview is not None
    answers: dict[tuple[str, str, str], int] = {}
    for one in found.preview.sighted:
        key = (one.audience, one.answer, one.rule)
        answers[key] = answers.get(key, 0) + 1
    if found.previewed < found.objects:
        printing.verdict(f"of the first {printing.count(found.previewed, 'object')}:")
    for (audience, answer, rule), number in sorted(answers.items()):
        printing.verdict(f"{audience}: {printing.count(number, 'object')} {answer} by {rule}")
    if not answers and found.objects:
        printing.verdict("nobody would see anything new")


def _print_taken(taken: Taken) -> None:
    # What is held was told among the warnings already.
    if refused := [one for one in taken.outcomes if not one.success]:
        printing.table(
            ["result", "id", "reason"], [(one.result, one.id, one.message) for one in refused]
        )
    for (audience, kind, rule), number in sorted(taken.gained.items()):
        printing.verdict(f"{audience}: {printing.count(number, kind)} by {rule}")
    if taken.let_in:
        printing.verdict(
            f"{printing.count(taken.let_in, 'observable')} let in, held so far for want of an indicator: policy decides"
        )
    elif not taken.gained:
        printing.verdict("no audience sees anything new; `cert-exchange policy explain` says why")
    told = ", ".join(f"{number:,} {result}" for result, number in sorted(taken.results.items()))
    held = f"; {taken.held:,} held until `intake release`" if taken.held else ""
    count = printing.count(taken.results.total(), "object")
    printing.verdict(f"{taken.found.name}: {count} published{f': {told}' if told else ''}{held}")


def _say_more(number: int, noun: str, where: str = "") -> None:
    if number > 0:
        printing.verdict(f"and {printing.count(number, f'more {noun}')}{where}")


def _say_how_to_go_on(job: Job, guessed: Sequence[Understanding]) -> None:
    if job.only_look or not guessed:
        printing.verdict("looked at; nothing was stored")
        return
    say = (
        "what it is with --format"
        if any(not how.sure for how in guessed)
        else "what the columns hold with a profile (`profile make`)"
    )
    printing.verdict(
        f"Nothing was stored, since this was a guess. If it is right, say --yes; else say {say}."
    )


def _invalid(found: Found) -> int:
    """Objects that could not be made valid: a fault of the input or of ours, unlike what a warning refused."""
    return sum(
        number
        for why, number in found.refusals.items()
        if not why.startswith(("refused by a warning", "it was revoked here"))
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
