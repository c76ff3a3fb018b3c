"""A report is named by what its document calls itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cert_exchange.intake.reports.reading import Form
from cert_exchange.intake.reports.titles import title_of, title_of_openioc, title_of_pdf

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize(
    ("name", "form", "title"),
    [
        (
            "reports/amnesty-qatar.md",
            Form.MARKDOWN,
            "Fingerprinting Campaign Targeting Malcolm Bidali",
        ),
        ("reports/ctid-carbanak.md", Form.MARKDOWN, "Carbanak Intelligence Summary"),
        ("reports/eset-spalax.adoc", Form.ASCIIDOC, "Operation Spalax -- Indicators of Compromise"),
        ("ioc-lists/eset-mispadu.adoc", Form.ASCIIDOC, "Mispadu Indicators of Compromise"),
        ("ioc-lists/cisa-aa21-062a.yaml", Form.TEXT, ""),
    ],
)
def test_the_title_of_a_public_report(name: str, form: Form, title: str) -> None:
    """As its author set it; a file for programs has none."""
    assert title_of((SAMPLES / name).read_text(), form) == title


@pytest.mark.parametrize(
    ("text", "form", "title"),
    [
        (
            '---\ndate: 2026-01-01\ntitle: "Loader of May"\n---\n\n# Indicators\n',
            Form.MARKDOWN,
            "Loader of May",
        ),
        ("TLP:AMBER\n\n# **Loader** of [May](https://a.example)\n", Form.MARKDOWN, "Loader of May"),
        ("# TLP:AMBER\n\n# IOCs\n\n# A loader\n", Form.MARKDOWN, "A loader"),
        ("A loader\n========\n\ntext\n", Form.MARKDOWN, "A loader"),
        ("no heading at all\n", Form.MARKDOWN, ""),
        ("# evil[.]example[.]com\n", Form.MARKDOWN, ""),
        ("<title>CERT A &#124; A loader</title><h1>A  <b>loader</b></h1>", Form.HTML, "A loader"),
        ("<head><title>A &amp; B</title></head><p>x", Form.HTML, "A & B"),
        ("TLP:GREEN\n\nA loader of May\n\nIt was seen.\n", Form.TEXT, "A loader of May"),
        ("We saw a loader.\nIt called home.\n", Form.TEXT, ""),
        ("192.0.2.1\n192.0.2.2\n", Form.TEXT, ""),
        ("= A loader\n:toc:\n", Form.ASCIIDOC, "A loader"),
        ("# " + "word " * 100 + "\n", Form.MARKDOWN, "word " * 39 + "word\u2026"),
        ("# a\x1b[31mb c\u202e d\n", Form.MARKDOWN, "a [31mb c d"),
    ],
)
def test_what_is_a_title_and_what_is_none(text: str, form: Form, title: str) -> None:
    """One line for people, without marks; a level, a value, a word that every report has are none."""
    assert title_of(text, form) == title


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"<< /Title (A loader \\(May\\)) /Producer (x) >>", "A loader (May)"),
        (b"<< /Author (y) /Title <FEFF0041002000B5> >>", ""),
        (b"<< /Author (y) /Title <FEFF004C006F0061006400650072> >>", "Loader"),
        (
            b"<< /Title (Microsoft Word - A loader of May.docx) /Creator (x) >>",
            "A loader of May.docx",
        ),
        (b"<< /Title (Chapter 1) /Parent 3 0 R >>", ""),
        (b"<< /Title (untitled) /Producer (x) >>", ""),
        (b"<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>A loader</rdf:li>", "A loader"),
    ],
)
def test_the_title_in_the_properties_of_a_pdf(data: bytes, title: str) -> None:
    """Of the file, not of a chapter; written out or as numbers."""
    assert title_of_pdf(data) == title


def test_the_title_of_an_openioc_file() -> None:
    """Its short description."""
    data = (SAMPLES / "ioc-lists" / "mandiant-apt28.ioc").read_bytes()
    assert title_of_openioc(data) == "APT28 DOMAINS (REPORT)"


def test_a_title_costs_no_more_than_its_beginning() -> None:
    """Tags and properties that never end."""
    begun = time.process_time()
    title_of("<h1>" * 16_000, Form.HTML)
    title_of("<h1 " * 16_000, Form.HTML)
    title_of_pdf(b"/Title (" * 12_000)
    title_of_pdf(b"/Title (a) /Author " * 12_000)
    title_of_pdf(b"<dc:title>" * 20_000)
    assert time.process_time() - begun < 2
