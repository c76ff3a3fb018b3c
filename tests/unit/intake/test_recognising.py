"""What format a file is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from cert_exchange.intake.recognising import HEAD, Format, recognise

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.case("I12")
@pytest.mark.parametrize("name", ["feed.csv", "feed.tsv", "feed.json", "feed.md"])
def test_a_page_of_html_is_no_table(name: str) -> None:
    """An address that answers with a page in place of the file: one sentence, nothing taken."""
    page = b'\n<!DOCTYPE html>\n<html lang="en"><head><title>Sign in</title></head><body>"a,b</body></html>'
    found = recognise(name, page)
    assert found.format is Format.HTML
    assert found.clash.startswith("This is HTML, not ")
    assert "--format html" in found.clash


@pytest.mark.parametrize(
    ("name", "text", "form", "sure"),
    [
        ("x.json", '{"type": "bundle", "objects": []}', Format.STIX, True),
        ("x", '[{"type": "indicator"}]', Format.STIX, True),
        ("x.txt", '{"type": "indicator", "id": "a"}\n{"type": "url"}\n', Format.STIX_LINES, True),
        ("x.json", '{"Event": {"info": "x", "Attribute": []}}', Format.MISP, True),
        ("x.csv", "value,type\nevil.example,domain\n", Format.CSV, True),
        ("x", "value;type\nevil.example;domain\n", Format.CSV, False),
        ("x", "value\ttype\nevil.example\tdomain\n", Format.TSV, False),
        ("x.txt", "# ours\n192.0.2.1\nevil[.]example # C2\n", Format.LIST, False),
        ("x.txt", "\ufeff192.0.2.1\r\n", Format.LIST, False),
        ("x.md", "# Title\n\n- 192.0.2.1\n", Format.MARKDOWN, False),
        ("x", "# Title\n\nSome words about it.\n\n- one\n- two\n", Format.MARKDOWN, False),
        ("x", "= Title\n\n== Words\n\nSome words about it all.\n", Format.ASCIIDOC, False),
        ("x.html", "<html><body>x</body></html>", Format.HTML, True),
        ("x.pdf", "%PDF-1.7 ...", Format.PDF, True),
        (
            "x",
            "We saw evil[.]example on Monday, and it was bad.\nThen nothing.",
            Format.TEXT,
            False,
        ),
    ],
)
def test_formats_are_told_by_their_content(name: str, text: str, form: Format, sure: bool) -> None:
    """The content decides; a guess says that it is one."""
    found = recognise(name, text.encode())
    assert (found.format, found.sure, found.clash) == (form, sure, "")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "latin-1"])
def test_encodings_do_not_matter(encoding: str) -> None:
    """Two bytes a character, with and without a mark, and what is no UTF-8."""
    text = "value,comment\nevil.example,caf\u00e9\nb.example,x\n"
    assert recognise("x", text.encode(encoding)).format is Format.CSV


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x00" * 100,
        b"PK\x03\x04abc",
        b"\x08\x00\x96*\x08k\x02\xff\xab\x00\x00\x83\x16\xdc\x8c\x01\x00\x00\x00",
        b"<stix:STIX_Package xmlns=''>",
    ],
)
def test_what_is_nothing_of_ours_says_what_it_is(head: bytes) -> None:
    """No format, and a reason."""
    found = recognise("x.csv", head)
    assert found.format is None
    assert found.why


@pytest.mark.parametrize(
    "evil", ["<!--", "{", "[", "a,", "(", " ", "\n", "[](", "<p", "a@", "|", '{"type":"a"']
)
def test_hostile_heads_cost_no_time(evil: str) -> None:
    """Linear in the head, whatever it repeats: the suite's own time limit would stop a slower one."""
    assert recognise("x", (evil * HEAD).encode()).why


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"attributes": {"md5": {"misp-attribute": "md5"}}, "name": "file"}', "template"),
        ('{"name": "Tea", "type": "tea-matrix", "GalaxyCluster": []}', "galaxy"),
        ('[{"SharingGroup": {"id": "1"}}]', "sharing groups"),
        ('{"a": 1}', "neither STIX nor"),
    ],
)
def test_json_that_holds_nothing_to_publish_is_called_what_it_is(text: str, word: str) -> None:
    """A template or a galaxy of MISP is no STIX with a mistake in it."""
    found = recognise("x.json", text.encode())
    assert found.format is None
    assert word in found.why
