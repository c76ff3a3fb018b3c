"""Reports that are PDFs: limits, broken lines, what stands on every page, and a process of their own."""

from __future__ import annotations

import io
import subprocess
from typing import Any

import pypdf
import pytest
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    TextStringObject,
)

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.intake.reports import pdf
from cert_exchange.intake.reports.reading import read_pdf_report
from cert_exchange.services import apart

SHA256 = "d560f44188fb56d3abb11d9508e1167329470de19b811163eb1167534722e666"


def printed(*pages: str, link: str = "", password: str = "") -> bytes:
    """A PDF of pages of text, one line below the other."""
    writer = pypdf.PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Courier"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(width=600, height=800)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        lines = [
            line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            for line in text.split("\n")
        ]
        drawing = DecodedStreamObject()
        shown = "\n".join(f"({line}) Tj T*" for line in lines)
        drawing.set_data(f"BT /F1 8 Tf 12 TL 20 780 Td {shown} ET".encode())
        page[NameObject("/Contents")] = writer._add_object(drawing)
        if link:
            action = {
                NameObject("/S"): NameObject("/URI"),
                NameObject("/URI"): TextStringObject(link),
            }
            annotation = {
                NameObject("/Subtype"): NameObject("/Link"),
                NameObject("/A"): DictionaryObject(action),
            }
            page[NameObject("/Annots")] = ArrayObject([DictionaryObject(annotation)])
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def read(content: bytes) -> tuple[dict[str, Finding], list[Loss]]:
    out = list(read_pdf_report(content))
    return (
        {one.value: one for one in out if isinstance(one, Finding)},
        [one for one in out if isinstance(one, Loss)],
    )


def test_values_that_a_page_breaks_are_made_whole() -> None:
    """A hash, an address and a key of the registry over two lines; a word below an address is no part of it."""
    wide = "hxxp://evil[.]example[.]com/a/long/path/that/fills/the/line"
    found, _ = read(
        printed(
            f"Sample:\n{SHA256[:58]}\n{SHA256[58:]}\n"
            f"{wide}\n/and/goes/on.php\nand 192.0.2.1\n"
            "HKCU\\Software\\Foo\\Shell\nFolders\\Startup\n"
            f"{wide.replace('evil', 'bad')}\nTags"
        )
    )
    assert set(found) == {
        SHA256,
        "http://evil.example.com/a/long/path/that/fills/the/line/and/goes/on.php",
        "192.0.2.1",
        r"HKEY_CURRENT_USER\Software\Foo\Shell Folders\Startup",
        "http://bad.example.com/a/long/path/that/fills/the/line",
    }
    assert found[SHA256].place == "page 1, line 2"


def test_an_address_or_a_number_that_a_hyphen_breaks_is_made_whole_or_told() -> None:
    """The second half of an address is somebody else's site; half the number of a technique is another technique."""
    found, losses = read(
        printed(
            "Calls evil2[.]pdf-\nt[.]com and evil3[.]\npdf-t[.]com by night.\nUses T1059.\n001 and CVE-2024-\n3094 there.\n"
            "Then the well known infra-\nstructure[.]com of others.\nSee hxxp://evil[.]com/a-\nb.php too."
        )
    )
    assert set(found) == {
        "evil2.pdf-t.com",
        "evil3.pdf-t.com",
        "T1059.001",
        "CVE-2024-3094",
        "http://evil.com/a-b.php",
    }
    assert [(one.what, one.reason.partition(":")[0]) for one in losses] == [
        ("structure[.]com", "it begins a line behind a word that ends in a hyphen")
    ]


def test_what_stands_on_every_page_and_where_links_lead_is_left_out() -> None:
    """Heads and feet of pages, page numbers, the site that the report links to, its references."""
    foot = "Vendor report, www.vendor-site.org, 192.0.2.99"
    found, losses = read(
        printed(
            *(f"192.0.2.{n}\nvendor-site.org\n{foot}\n{n}" for n in (1, 2, 3)),
            f"References\n192.0.2.50\n{foot}\n4",
            link="https://blog.vendor-site.org/post",
        )
    )
    assert set(found) == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}
    lost = {one.what for one in losses}
    assert {"192.0.2.99", "192.0.2.50", "https://blog.vendor-site.org/post"} <= lost


def test_a_pdf_that_cannot_be_read_is_refused_with_the_way_on() -> None:
    """Not whole, protected, too large: each in words of its own."""
    with pytest.raises(InputRefused, match="Is it whole"):
        read(b"%PDF-1.7 and nothing else")
    with pytest.raises(InputRefused, match="protected by a password"):
        read(printed("192.0.2.1", password="secret"))
    with pytest.raises(InputRefused, match="at most"):
        read(b"%PDF" + bytes(pdf.MOST_BYTES))


def test_what_lies_beyond_a_limit_is_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages, drawing of one page, characters; pages that hold no text."""
    pages = printed("192.0.2.1", "192.0.2.2", "192.0.2.3")
    monkeypatch.setattr(pdf, "MOST_PAGES", 2)
    found, losses = read(pages)
    assert set(found) == {"192.0.2.1", "192.0.2.2"}
    assert losses == [Loss("page 3", "pages 3 to 3", "at most 2 pages are read")]
    monkeypatch.setattr(pdf, "MOST_DRAWING", 10)
    found, losses = read(pages)
    assert found == {}
    assert losses[1] == Loss("page 1", "the page", "its drawing has more than 10 bytes")
    assert "is it a scan?" in losses[-1].reason


def test_a_pdf_is_read_apart_to_the_same_end() -> None:
    """The child gives what the reader gives here, losses and refusals too."""
    content = printed("Seen\n192.0.2.1 (first)", "References\n192.0.2.2")
    assert list(apart.read_pdf_apart(content)) == list(read_pdf_report(content))
    with pytest.raises(InputRefused, match="Is it whole"):
        list(apart.read_pdf_apart(b"%PDF-1.7"))


def test_a_pdf_that_takes_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that the system ends says nothing; we say what to do."""
    real = subprocess.run

    def hungry(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        # The same start and limits; a program that wants 8 GB in place of ours.
        code = f"import {apart.__name__} as a; a.read_pdf = lambda _: iter([bytes(8 << 30)]); raise SystemExit(a._child())"
        return real([command[0], "-c", code], **options)

    monkeypatch.setattr(subprocess, "run", hungry)
    with pytest.raises(InputRefused, match="1500 MiB"):
        list(apart.read_pdf_apart(printed("192.0.2.1")))
