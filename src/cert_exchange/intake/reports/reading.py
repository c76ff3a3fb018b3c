"""The door of reports: a text or a PDF in some form, and what was found in it.

1. A report is read whole, since what its author defangs and links to decides about every line. It is at most `MOST_CHARACTERS`
   long; a longer one is refused before anything is read.
2. The form is stated by who calls. It is never guessed here (`intake.recognising` does).
3. Findings come first, then the losses.
4. A report that names its TLP or PAP in words marks all that it says (`intake.own_words`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Final

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.intake.own_words import marked_by_own_words
from cert_exchange.intake.reports.asciidoc import read_asciidoc
from cert_exchange.intake.reports.choosing import choose
from cert_exchange.intake.reports.hypertext import read_hypertext
from cert_exchange.intake.reports.markdown import read_markdown, read_plain
from cert_exchange.intake.reports.passages import Passage
from cert_exchange.intake.reports.pdf import read_pdf

MOST_CHARACTERS: Final = 8_000_000


class Form(StrEnum):
    """How a report is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    ASCIIDOC = "asciidoc"
    HTML = "html"


_READERS: Final[dict[Form, Callable[[str], Iterator[Passage]]]] = {
    Form.TEXT: read_plain,
    Form.MARKDOWN: read_markdown,
    Form.ASCIIDOC: read_asciidoc,
    Form.HTML: read_hypertext,
}


def read_report(text: str, form: Form) -> Iterator[Finding | Loss]:
    """The indicators that a report names, and what was not taken of it. InputRefused: it is too long.

    Places are lines ("line 12"); the context is the line or row, with its heading where the value stands alone.
    """
    if len(text) > MOST_CHARACTERS:
        raise InputRefused(
            f"The report has {len(text):,} characters; at most {MOST_CHARACTERS:,} are read. Is it a list? Name its format "
            "(--format csv or list), which has no such limit."
        )
    yield from marked_by_own_words(choose(_READERS[form](text)), text)


def read_pdf_report(content: bytes) -> Iterator[Finding | Loss]:
    """The same of a PDF. Places are "page 3, line 4". InputRefused: no PDF, encrypted, or too large."""
    yield from choose_of(read_pdf(content))


def choose_of(pieces: Iterable[Passage | Loss]) -> Iterator[Finding | Loss]:
    """What a form gave that may fail in parts: its losses come last too."""
    passages: list[Passage] = []
    losses: list[Loss] = []
    for piece in pieces:
        if isinstance(piece, Loss):
            losses.append(piece)
        else:
            passages.append(piece)
    words = "\n".join(passage.text for passage in passages)
    yield from marked_by_own_words(choose(passages), words)
    yield from losses
