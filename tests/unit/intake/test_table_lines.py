"""Bytes to lines, and lines to records: encodings, ends of lines, quotes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cert_exchange.intake.findings import Finding
from cert_exchange.intake.tables.cells import read_line
from cert_exchange.intake.tables.decoding import (
    LONGEST_LINE,
    encoding_of,
    known_encoding,
    read_lines,
)
from cert_exchange.intake.tables.proposing import propose
from cert_exchange.intake.tables.reading import read_table
from cert_exchange.intake.tables.splitting import read_records, split_fields
from cert_exchange.stix.markings import TLP_BY_ID

RUSSIAN = "Вредоносный адрес, который мы видели вчера в сети министерства\n" * 6
GREEK = "Κακόβουλος διακομιστής που είδαμε χθες στο δίκτυο του υπουργείου\n" * 6
CZECH = "Škodlivá adresa, kterou jsme včera viděli v síti ministerstva; žluťoučký kůň\n" * 6


def lines(raw: bytes, size: int = 5) -> list[str]:
    chunks = [raw[at : at + size] for at in range(0, len(raw), size)]
    return [line.text for line in read_lines(chunks, encoding_of(raw))]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (GREEK, "cp1253"),
        (CZECH, "cp1250"),
        (RUSSIAN, "utf-8"),
        (RUSSIAN, "utf-8-sig"),
        (RUSSIAN, "utf-16"),
        ("192.0.2.1;x\n" * 20, "utf-16-le"),
        ("192.0.2.1;x\n" * 20, "utf-16-be"),
        (CZECH, "utf-32"),
    ],
)
def test_text_of_any_encoding_comes_as_it_was_written(text: str, encoding: str) -> None:
    """Told by mark, by look, or by being UTF-8; chunks end inside characters."""
    assert lines(text.encode(encoding)) == text.splitlines()


def test_what_was_guessed_says_so() -> None:
    """A charset is a guess; a mark, UTF-8 and a statement are not."""
    assert encoding_of(RUSSIAN.encode("cp1251")).guessed
    assert not encoding_of(RUSSIAN.encode()).guessed
    assert not encoding_of(b"\xff\xfea\x00").guessed
    stated = encoding_of(RUSSIAN.encode("koi8-r"), stated=known_encoding("KOI8-R"))
    assert (stated.name, stated.guessed) == ("koi8-r", False)
    assert known_encoding("utf-7") is None
    assert known_encoding("rot13") is None
    assert known_encoding("UTF-8-sig") == "utf-8"


def test_ends_of_lines_of_all_systems() -> None:
    """LF, CR LF, both in one file, CR alone, none at the end; LS and NEL end nothing."""
    assert lines(b"a\nb\r\nc\n\nd") == ["a", "b", "c", "", "d"]
    assert lines(b"a\rb\r\rc") == ["a", "b", "", "c"]
    assert lines("a\u2028b\x85c\n".encode()) == ["a\u2028b\x85c"]


def test_a_line_that_cannot_be_kept_is_passed_over_with_its_number() -> None:
    """Too long, or with a NUL: the lines around it keep their numbers."""
    raw = b"a\n" + b"x" * (LONGEST_LINE * 3) + b"\nb\nc\x00d\ne\n"
    found = list(read_lines([raw[:9], raw[9:70_000], raw[70_000:]], encoding_of(raw)))
    assert [(one.number, one.text) for one in found] == [
        (1, "a"),
        (2, ""),
        (3, "b"),
        (4, ""),
        (5, "e"),
    ]
    assert "longer than 65536" in found[1].doubt
    assert "NUL" in found[3].doubt


def test_a_record_may_span_lines_and_hold_its_delimiter() -> None:
    """RFC 4180: quotes around delimiters and line ends, doubled quotes, blanks around quotes."""
    raw = b'a, "b, ""c""" ,d\r\n"one\r\ntwo",2,3\n4,5,6\n'
    records = list(read_records(read_lines([raw], encoding_of(raw)), ","))
    assert [(one.number, one.fields) for one in records] == [
        (1, ["a", 'b, "c"', "d"]),
        (2, ["one\ntwo", "2", "3"]),
        (4, ["4", "5", "6"]),
    ]


def test_a_quote_that_nobody_closes_spoils_its_line_alone() -> None:
    """The rest of the file is read; quotes that are only text are kept and told of."""
    raw = b'1,ok\n2,"open\n3,ok\n4,"say "this" here"\n5,12" disk\n'
    records = list(read_records(read_lines([raw], encoding_of(raw)), ","))
    assert [(one.number, one.spoilt) for one in records] == [
        (1, False),
        (2, True),
        (3, False),
        (4, False),
        (5, False),
    ]
    assert records[1].flaw == "a quote is opened and not closed"
    assert records[3].fields == ["4", 'say "this" here']
    assert records[3].flaw == "quotes inside a quoted field are not doubled"
    assert records[4].fields == ["5", '12" disk']


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\ufeff"), max_size=12),
        min_size=1,
        max_size=6,
    )
)
def test_what_was_quoted_by_the_rules_is_read_again(fields: list[str]) -> None:
    """Any text in quotes, quotes doubled, comes back, blanks at its ends aside."""
    line = ";".join('"' + one.replace('"', '""') + '"' for one in fields)
    assert split_fields(line, ";").fields == [one.strip() for one in fields]


@pytest.mark.parametrize(
    ("line", "value", "note"),
    [
        ("192.0.2.7 seen in May", "192.0.2.7", "seen in May"),
        ("d2[.]evil[.]com first words", "d2.evil.com", "first words"),
        ("l9.evil.com TLP:RED", "l9.evil.com", "TLP:RED"),
        ("198.51.100.0 255.255.255.0", "198.51.100.0/24", ""),
        ("198.51.100.0/255.255.255.0", "198.51.100.0/24", ""),
        ("booking.com was used as a lure", None, ""),
        ("192.0.2.1 - 192.0.2.9", None, ""),
        ("192.0.2.1-9", None, ""),
        ("192.0.2.5 255.255.255.0", None, ""),
    ],
)
def test_a_line_with_words_or_a_mask_behind_its_value(
    line: str, value: str | None, note: str
) -> None:
    """Words behind what can be no sentence are a remark; a mask makes a network; a range is not its ends."""
    cell = read_line(line)
    assert [one.text for one in cell.values] == ([] if value is None else [value])
    assert cell.note == note
    assert bool(cell.bad) is (value is None)


def test_words_of_kinds_and_headers_in_russian_and_chinese() -> None:
    """A table as the other side of the channel writes it."""
    raw = "Индикатор;Тип;Достоверность\n198.51.100.0/24;подсеть;90\nevil.com;домен;50\n".encode()
    found = [one for one in read_table([raw], propose(raw)) if isinstance(one, Finding)]
    assert [(one.value, one.confidence) for one in found] == [
        ("198.51.100.0/24", 90),
        ("evil.com", 50),
    ]
    raw = "域名,IP地址,备注\nevil.com,198.51.100.7,样本\n".encode()
    found = [one for one in read_table([raw], propose(raw)) if isinstance(one, Finding)]
    assert [one.value for one in found] == ["evil.com", "198.51.100.7"]


def test_levels_and_confidence_in_other_languages() -> None:
    """A colour that we know is its level, one that we do not is RED."""
    raw = (
        "ioc,tlp,confidence\na.com,зелёный,высокая\nb.com,绿色,高\nc.com,лиловый,низкая\n".encode()
    )
    found = [one for one in read_table([raw], propose(raw)) if isinstance(one, Finding)]
    assert [TLP_BY_ID[one.markings[0]].name for one in found] == ["GREEN", "GREEN", "RED"]
    assert [one.confidence for one in found] == [85, 85, 15]
