"""Instants: exact to the last digit, whole microseconds inside."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.stix.instants import (
    EARLIEST,
    LATEST,
    InstantInvalid,
    format_micros,
    is_stix_timestamp,
    order_key,
    parse_micros,
)

micros = st.integers(EARLIEST, LATEST)


@given(micros)
def test_what_is_written_is_read_back(value: int) -> None:
    """Every microsecond of the years 0001 to 9999 survives text."""
    text = format_micros(value)
    assert len(text) == 27
    assert parse_micros(text) == value


@given(micros)
def test_the_text_is_that_of_the_calendar(value: int) -> None:
    """The calendar is the standard library's."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    assert format_micros(value)[4:20] == moment.strftime("-%m-%dT%H:%M:%S.")


@pytest.mark.checklist(33)
@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09.000000Z"),
        ("2024-05-06T07:08:09.1Z", "2024-05-06T07:08:09.100000Z"),
        ("2024-05-06T07:08:09.123456789Z", "2024-05-06T07:08:09.123456Z"),
        ("2024-05-06T09:08:09+02:00", "2024-05-06T07:08:09.000000Z"),
        ("2024-05-06T00:08:09-07:00", "2024-05-06T07:08:09.000000Z"),
        ("2024-05-06t07:08:09z", "2024-05-06T07:08:09.000000Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
        ("2016-12-31T23:59:60.5Z", "2016-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_forms_of_rfc_3339(text: str, same: str) -> None:
    """Offsets, any number of digits and leap seconds are read; fractions are cut, never rounded up."""
    assert format_micros(parse_micros(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-05-06T24:00:00Z",
        "2024-05-06T24:61:00Z",
        "2024-05-06 07:08:09Z",
        "2024-05-06T07:08:09",
        "2024-05-06T07:08:09.Z",
        "2024-05-06T07:08:09+0200",
        "2024-05-06T07:08:09+24:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "２０２４-05-06T07:08:09Z",
        "2024-05-06T07:08:09Z\n",
        "1714979289",
        "last",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    """A refusal is always InstantInvalid, never another error."""
    with pytest.raises(InstantInvalid):
        parse_micros(text)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever comes, it is read or refused."""
    with contextlib.suppress(InstantInvalid):
        parse_micros(text)


fractions = st.text("0123456789", max_size=14).map(lambda digits: f".{digits}" if digits else "")
stix_texts = st.builds(
    lambda value, fraction: format_micros(value)[:19] + fraction + "Z", micros, fractions
)


@pytest.mark.case("H11")
@pytest.mark.case("H14")
@given(stix_texts, stix_texts)
def test_order_keys_order_as_instants_do(one: str, other: str) -> None:
    """Byte order of keys is order in time, at any number of digits; equal instants have equal keys."""

    def exact(text: str) -> tuple[int, str]:
        seconds, _, fraction = text[:-1].partition(".")
        return parse_micros(seconds + "Z"), fraction.ljust(20, "0")

    left, right = order_key(one).encode(), order_key(other).encode()
    assert (left < right) == (exact(one) < exact(other))
    assert (left == right) == (exact(one) == exact(other))


@pytest.mark.checklist(41)
def test_digits_that_say_nothing_do_not_count() -> None:
    """`.1Z` is `.100Z`, and no fraction is a fraction of zero."""
    assert order_key("2024-05-06T07:08:09.1Z") == order_key("2024-05-06T07:08:09.100Z")
    assert order_key("2024-05-06T07:08:09Z") == order_key("2024-05-06T07:08:09.000Z")
    assert order_key("2023-11-12T14:16:48.1699798608Z").endswith(".1699798608")


@pytest.mark.parametrize(
    "text", ["2024-05-06T07:08:09+00:00", "2024-02-30T00:00:00Z", "2024-05-06t07:08:09Z", "x"]
)
def test_a_stix_timestamp_is_narrower(text: str) -> None:
    """STIX 2.16 takes UTC with Z only, and days that exist."""
    assert not is_stix_timestamp(text)
    with pytest.raises(InstantInvalid):
        order_key(text)


def test_out_of_range_is_refused() -> None:
    """A number that stands for no year from 0001 to 9999 is not written."""
    for value in (EARLIEST - 1, LATEST + 1):
        with pytest.raises(InstantInvalid):
            format_micros(value)


def test_what_is_remembered_is_what_was_said() -> None:
    """The second reading is as the first, also of a text too long to be remembered, and of one that is no instant."""
    long = "2024-05-06T07:08:09." + "1" * 60 + "Z"
    for _ in range(2):
        assert parse_micros("2024-05-06T07:08:09.1Z") == parse_micros(
            "2024-05-06T08:08:09.100+01:00"
        )
        assert parse_micros(long) == parse_micros("2024-05-06T07:08:09.111111Z")
        assert order_key(long) == "2024-05-06T07:08:09." + "1" * 60
        assert order_key("2024-05-06T07:08:09.10Z") == "2024-05-06T07:08:09.1"
        assert format_micros(1) == "1970-01-01T00:00:00.000001Z"
        for read in (parse_micros, order_key):
            with pytest.raises(InstantInvalid):
                read("2024-05-06")
        with pytest.raises(InstantInvalid):
            format_micros(LATEST + 1)
