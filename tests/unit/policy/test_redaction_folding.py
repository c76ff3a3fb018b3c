"""How texts are compared: what changes the look goes, and every character still knows where it came from."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.hiding import WRITINGS

from cert_exchange.policy.redaction.folding import meant, meant_text, plain, plain_text
from cert_exchange.policy.redaction.traces import Traces, values_in
from cert_exchange.stix.canonical import parse_json

ODD = st.text(
    st.sampled_from("aA.é\u200b\u0301 \n%4125xn--\\u&#;[](){}<>dothxp@/:1ﬁ\u3002\u0130ß"),
    max_size=30,
)


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("hxxps://Evil[.]example", "https://evil.example"), ("evil (dot) example", "evil.example"), ("evil dot example", "evil.example"),
        ("a[at]b{.}example", "a@b.example"), ("a at b.example", "a@b.example"), ("2001[:]db8[::]1", "2001[:]db8[::]1".replace("[:]", ":")),
        ("%65vil%2Eexample", "evil.example"), ("%2565vil", "evil"), ("b%C3%BCcher", "bucher"), ("&#101;vil&#x2e;example", "evil.example"),
        (r"\u0065vil", "evil"), (r"C:\\Users\\x", "c:usersx"), (r"evil\.example", "evil.example"), ("xn--bcher-kva.example", "bucher.example"),
        ("B\u00dcCHER", "bucher"), ("e\u0301vil", "evil"), ("ev\u200bil", "evil"), ("ev\u00adil", "evil"), ("ev\x01il", "evil"), ("e\u3164vil", "evil"),
        ("\uff45\uff56\uff49\uff4c", "evil"), ("O\u2019Brien", "o'brien"), ("a\u2013b", "a-b"), ("two \n\t lines", "two lines"), ("ev<b>il</b>", "evil"),
        ("%zz%4", "%zz%4"), (r"\ud800", ""), ("&nosuch;", "&nosuch;"),
    ],
)  # fmt: skip
def test_what_a_text_means(written: str, meaning: str) -> None:
    assert meant(written).text == meaning


@settings(max_examples=1_000, deadline=None)
@given(ODD)
def test_places_are_true_and_the_fast_ways_agree(text: str) -> None:
    """Every folded character lies inside the text, in its order; the forms without places are the same texts."""
    for placed, fast in ((plain(text), plain_text(text)), (meant(text), meant_text(text))):
        assert placed.text == fast
        assert len(placed.starts) == len(placed.ends) == len(placed.text)
        assert all(
            0 <= start < end <= len(text)
            for start, end in zip(placed.starts, placed.ends, strict=True)
        )
        assert list(placed.starts) == sorted(placed.starts)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(sorted(WRITINGS)),
    st.text("abc xyz.,", max_size=12),
    st.text("abc xyz.,", max_size=12),
)
def test_blanking_takes_the_value_and_nothing_else(writing: str, before: str, after: str) -> None:
    """Around it the text stays as it was, where the value is written so that its ends can be told."""
    value = "qz1234567890abcdef.example"
    told = f"{before}|{WRITINGS[writing](value)}|{after}"
    blanked = Traces([value]).blanked(told)
    if blanked is None:
        return  # then the whole text goes
    assert not Traces([value]).found_in(blanked.replace("[withheld]", ""))
    assert blanked.startswith(f"{before}|"[: len(before)])
    assert blanked.endswith(after)


def test_which_values_are_looked_for() -> None:
    """Texts and odd keys, numbers from five digits on as they were written; no booleans, no plain names."""
    taken = parse_json(
        b'{"plain_name": "text", "Host-1": [true, null, 1234, 12345, -1.50000, 1e3], "x": {"a.b": {}}}',
        depth=9,
    )
    assert sorted(values_in(taken)) == ["-1.50000", "12345", "Host-1", "a.b", "text"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("198.51.100.7", "3325256711"), ("198.51.100.7", "0xc6336407"), ("198.51.100.7", "7.100.51.198.in-addr.arpa"), ("198.51.100.7", "::ffff:c633:6407"),
        ("198.51.100.7", "198.051.100.007"), ("198.51.100.7", "64:ff9b::c633:6407"), ("2001:db8::1", "2001:0DB8:0:0:0:0:0:1"), ("2001:db8::1", "at 2001:db8:0::1: seen"),
        ("https://www.acme.example/x?a=1", "http://WWW.acme.example/x?a=1"), ("acme.example.", "mail.acme.example"), ("64512", "AS64512"), ("123456", "x91234567"),
        ("2024-05-06T07:08:09.500Z", "2024-05-06 07:08:09.5"), ("2024-05-06T07:08:09Z", "at 1714979289"), ("\u591c\u5e55", "\u4ee3\u53f7\u591c\u5e55\u884c\u52a8"),
        ("00:00:5e:00:53:af", "0000.5e00.53af"), ("+49 30 1234567", "+49 (30) 123-4567"), ("two\nlines of it", r'{"text": "two\nlines of it"}'),
        ("d41d8cd98f00b204e9800998ecf8427e", "md5-1B2M2Y8AsgTpgAmY7PhCfg=="),
    ],
)  # fmt: skip
def test_a_value_in_another_notation(value: str, text: str) -> None:
    assert Traces([value]).found_in(text)


@pytest.mark.parametrize("value", ["ACME", "Acme-9", "FOXTROT", "SECRET-49", "b\u00fccher", "\u591c\u5e55", "\u041d\u043e\u0447\u044c", "12345"])  # fmt: skip
def test_a_coded_value_goes_with_the_whole_run(value: str) -> None:
    """Short ones too, and nothing is left that could be decoded."""
    raw, wide = value.encode(), value.encode("utf-16-le")
    digits = raw.hex()
    apart = [digits[place : place + 2] for place in range(0, len(digits), 2)]
    for run in (
        b64encode(raw).decode(), b64encode(raw).decode().rstrip("="), b64encode(b"user=" + raw + b";ok").decode(),
        "x/" + b64encode(raw).decode(), urlsafe_b64encode(b"\xfb\xff" + raw + b"\xff").decode(), b64encode(wide).decode(),
        b64encode(value.swapcase().encode()).decode(), quote(b64encode(raw).decode()), digits, f"0{digits}1", digits.upper(),
        " ".join(apart), ", ".join(f"0x{pair}" for pair in apart), b64encode(b"z" * 54 + raw + b"z" * 9).decode()[:72] + "\r\n" + b64encode(b"z" * 54 + raw + b"z" * 9).decode()[72:],
    ):  # fmt: skip
        assert Traces([value]).found_in(run), run
        assert Traces([value]).blanked(f"seen: {run} twice") == "seen: [withheld] twice", run


def test_a_run_goes_whole_where_it_is_long() -> None:
    """Its ends said the ends of the value."""
    run = b64encode(b"SECRET-MARKING-1234567-49").decode()
    assert Traces(["SECRET-MARKING-1234567-49"]).blanked(f"id {run}.") == "id [withheld]."


def test_words_are_no_code() -> None:
    """A long text of words, which all could be base64, stays."""
    text = (
        "The actor used infrastructure/elements and well-known operations, deadbeef and cafebabe. "
        * 9
    )
    assert Traces(["FOXTROT", "b\u00fccher", "ACME", "12345"]).blanked(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("us", "a bus"),
        ("report", "the report"),
        ("12345", "9123456"),
        ("deadbeef"[:4], "f2a0f638-dead-4283-9c34-4e6140f51e15"),
    ],
)
def test_what_is_no_trace(value: str, text: str) -> None:
    """Short values and words of the standard inside texts, digits inside longer numbers."""
    assert not Traces([value]).found_in(text if "-" not in text else f"indicator--{text}")
