"""Which reader reads which format, and what a person stated for it.

STIX is not read here: it is published as it is. Everything else ends as findings, losses and, with MISP, events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from cert_exchange.errors import InputRefused
from cert_exchange.intake import misp
from cert_exchange.intake.building import Around
from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.intake.misp import Event
from cert_exchange.intake.openioc import read_openioc
from cert_exchange.intake.recognising import HEAD, Format, Recognised, recognise
from cert_exchange.intake.reports.reading import Form, read_report
from cert_exchange.intake.reports.titles import title_of, title_of_openioc, title_of_pdf
from cert_exchange.intake.tables.decoding import encoding_of
from cert_exchange.intake.tables.profiles import Layout, Profile
from cert_exchange.intake.tables.proposing import propose
from cert_exchange.intake.tables.reading import read_table
from cert_exchange.services.apart import read_pdf_apart
from cert_exchange.services.taking.sources import Source

WHOLE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a format that is read at once: a report, an event."""
_TOLD: Final = 1_000
"""Findings between two words about how far it is."""
Stream = Iterator[Event | Finding | Loss]
_STIX: Final = frozenset({Format.STIX, Format.STIX_LINES})
_DELIMITERS: Final[Mapping[Format, str | None]] = {
    Format.CSV: None,
    Format.TSV: "\t",
    Format.LIST: "",
}
_REPORTS: Final[Mapping[Format, Form]] = {
    Format.TEXT: Form.TEXT,
    Format.MARKDOWN: Form.MARKDOWN,
    Format.ASCIIDOC: Form.ASCIIDOC,
    Format.HTML: Form.HTML,
}


@dataclass(frozen=True, slots=True)
class Order:
    """What a person states about an input. None and empty: the input says it, or nobody."""

    form: Format | None = None
    profile: Profile | None = None
    markings: tuple[str, ...] = ()  # ids of marking definitions
    name: str = ""
    confidence: int | None = None
    valid_for: int | None = None  # micros, for every kind
    around: Around | None = None
    observables: bool = True
    again: bool = False
    """also what our desk withdrew"""


@dataclass(frozen=True, slots=True)
class Understanding:
    """How an input is read: its format, and of a table the columns."""

    form: Format
    sure: bool
    why: str
    layout: Layout | None = None
    guesses: tuple[str, ...] = field(default=())
    """what was told from the look of it, as sentences for a person"""
    title: str = ""
    """what the document calls itself; empty where it does not"""

    @property
    def guessed(self) -> bool:
        """Whether a person should look before anything is stored."""
        return not self.sure or bool(self.guesses)

    @property
    def is_stix(self) -> bool:
        """Whether it is published as it is."""
        return self.form in _STIX


def understand(source: Source, order: Order) -> Understanding:
    """How this input would be read. Raises InputRefused where it is nothing that we read, or not what its name says."""
    head = source.head(HEAD)
    found = recognise(source.name, head)
    form = _form(source, found, order)
    stated = order.form is not None or (order.profile is not None and form in _DELIMITERS)
    why = "as you said" if stated else found.why
    if form not in _DELIMITERS:
        return Understanding(form, stated or found.sure, why, title=_title(source, form, head))
    with naming(source.name):
        layout = propose(head, profile=order.profile, delimiter=_DELIMITERS[form])
    return Understanding(form, stated or found.sure, why, layout, layout.guessed)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Let what is refused name its input: a person may have given several."""
    try:
        yield
    except InputRefused as error:
        if name in error.public:
            raise
        raise type(error)(f"{name}: {error.public}", detail=error.detail) from error


def _title(source: Source, form: Format, head: bytes) -> str:
    """What a document calls itself; of a PDF by its properties, which may stand at its end."""
    if form in _REPORTS:
        return title_of(_text(head, head), _REPORTS[form])
    if form is Format.OPENIOC:
        return title_of_openioc(head)
    return title_of_pdf(source.whole(limit=WHOLE_BYTES)) if form is Format.PDF else ""


def _text(data: bytes, head: bytes) -> str:
    return data.decode(encoding_of(head).name, errors="replace").removeprefix("\ufeff")


def read(source: Source, how: Understanding) -> Stream:
    """All that stands in it. Raises InputRefused, NotJson, BodyTooLarge, each with the name of the input."""
    with naming(source.name):
        yield from _read(source, how)


def _read(source: Source, how: Understanding) -> Stream:
    if how.layout is not None:
        yield from read_table(source.chunks(), how.layout)
    elif how.form is Format.MISP:
        yield from misp.read_misp(source.whole(limit=WHOLE_BYTES))
    elif how.form is Format.OPENIOC:
        yield from read_openioc(source.whole(limit=WHOLE_BYTES))
    elif how.form is Format.PDF:
        yield from read_pdf_apart(source.whole(limit=WHOLE_BYTES))
    elif how.form in _REPORTS:
        data = source.whole(limit=WHOLE_BYTES)
        yield from read_report(_text(data, data[:HEAD]), _REPORTS[how.form])
    else:
        raise InputRefused(f"{source.name} is {how.form}, and this command does not read that.")


@dataclass(frozen=True, slots=True)
class Length:
    """How many findings an input has, and whether any of them says what binds it: a marking of its own, a label."""

    findings: int
    marked: bool


def read_through(
    source: Source, how: Understanding, progress: Callable[[int, int | None], None]
) -> Length:
    """Count its findings. Raises as `read` does: what cannot be read to its end is refused before any of it is stored."""
    count, marked = 0, False
    for item in read(source, how):
        if isinstance(item, Finding):
            count += 1
            marked = marked or bool(item.markings or item.labels)
            if count % _TOLD == 0:
                progress(count, None)
        elif isinstance(item, Event):
            marked = True
    return Length(count, marked)


def _form(source: Source, found: Recognised, order: Order) -> Format:
    if order.form is not None:
        if found.format is Format.HTML and order.form in _DELIMITERS:
            raise InputRefused(
                f"This is HTML, not {order.form.upper()}: {source.name} is a page; look at it, or at the address that"
                " it came from. Nothing was taken."
            )
        return order.form
    if order.profile is not None and found.format is not None and not found.sure:
        return found.format if found.format in _DELIMITERS else Format.CSV
    if found.clash:
        raise InputRefused(f"{source.name}: {found.clash}")
    if found.format is None:
        raise InputRefused(
            f"{source.name} cannot be read: {found.why}. It is not published. If it is text after all, say --format."
        )
    return found.format
