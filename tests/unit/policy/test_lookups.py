"""Look-ups answer as the naive way does, which walks over all entries, and stay fast at 100,000 entries."""

from __future__ import annotations

import time
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.policy.lookups import (
    Domains,
    Fragments,
    Networks,
    address_range,
    domain_name,
)

# Few bits that vary, so that networks nest, touch and hit.
_FOUR = st.builds(
    lambda bits, length: ip_network((0xC6336400 | bits, length), strict=False),
    st.integers(0, 255),
    st.integers(20, 32),
)
_SIX = st.builds(
    lambda bits, length: ip_network(((0x20010DB8 << 96) | bits, length), strict=False),
    st.one_of(st.integers(0, 255), st.integers(0, 2**96 - 1)),
    st.integers(30, 128),
)
_NETWORKS = st.lists(st.one_of(_FOUR, _SIX), max_size=12)
_NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)


def overlaps(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    return one.version == other.version and one.overlaps(other)


@given(networks=_NETWORKS, value=st.one_of(_FOUR, _SIX))
def test_networks_answer_as_ipaddress_does(networks, value):
    """A value is found exactly when it shares an address with an entry, and wholly when one entry holds it."""
    found = Networks(address_range(str(one)) for one in networks).find(address_range(str(value)))
    touching = [one for one in networks if overlaps(one, value)]
    if not touching:
        assert found is None
        return
    assert found is not None
    text, wholly = found
    assert ip_network(text) in touching
    assert wholly == any(one.supernet_of(value) for one in touching)


@given(names=st.lists(_NAMES, max_size=8), value=_NAMES, below=st.booleans())
def test_domains_answer_as_comparing_suffixes_does(names, value, below):
    """A name is in the domains that it is or ends with; all below a name touches the entries that lie there."""
    text = f"*.{value}" if below else value
    found = Domains(map(domain_name, names)).find(domain_name(text))
    holding = [one for one in names if value == one or value.endswith(f".{one}")]
    under = [one for one in names if below and one.endswith(f".{value}")]
    if holding:
        assert found in [(one, True) for one in holding]
    elif under:
        assert found == (f"a domain below {value}", False)
    else:
        assert found is None


@given(
    texts=st.lists(st.text("abAB", min_size=1, max_size=9), max_size=6),
    value=st.text("abAB", max_size=12),
)
def test_fragments_answer_as_in_does(texts, value):
    """A text is found exactly when it stands in the value, letter case aside."""
    found = Fragments(texts).find(value)
    standing = {one.casefold() for one in texts if one.casefold() in value.casefold()}
    assert (found in standing) if standing else found is None


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("198.51.100.7", "198.51.100.7"),
        (" 198.51.100.7/32 ", "198.51.100.7"),
        ("198.51.100.7/24", "198.51.100.0/24"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8:0:0::/64", "2001:db8::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.0/120", "198.51.100.0/24"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_ways_to_write_an_address(written: str, means: str):
    """One address is one thing, however it is written."""
    found, same = address_range(written), address_range(means)
    assert found[:3] == same[:3]


@pytest.mark.parametrize(
    "written",
    ["", "198.51.100", "198.051.100.7", "3325256711", "0x7f.1", "198.51.100.7/33", "1.2.3.4/-1",
     "198.51.100.7/٣", "2001:db8::/129", "2001:db8:::1", "example.org", "198.51.100[.]7", "198.51.100.7/24/8"],
)  # fmt: skip
def test_what_has_no_single_meaning_is_no_address(written: str):
    """What readers take for different addresses is none here."""
    with pytest.raises(ValueError):
        address_range(written)


def test_ways_to_write_a_domain():
    """Letter case, a dot at the end, full-width dots and Unicode labels do not hide a name."""
    known = Domains([domain_name("example.org"), domain_name("bücher.example")])
    for written in (
        "EXAMPLE.org.",
        "www．example。org",
        "xn--bcher-kva.example",
        "shop.BÜCHER.example",
    ):
        assert known.find(domain_name(written)) is not None, written
    for written in ("example.org.evil.test", "badexample.org", "org"):
        assert known.find(domain_name(written)) is None, written


def test_a_sharp_s_is_known_by_both_readings():
    """IDNA 2003 maps the letter to ss and IDNA 2008 keeps it: both names may be meant."""
    known = Domains([domain_name("straße.example")])
    assert known.find(domain_name("strasse.example")) is not None
    assert known.find(domain_name("xn--strae-oqa.example")) is not None


@pytest.mark.parametrize(
    "written",
    ["", ".", "a..b", "-a.example", "a-.example", "198.51.100.7", "a.0x7f", "exa mple.org", "a" * 64,
     ".".join(["a" * 60] * 5), "example[.]org", "user@example.org", "a.*.example"],
)  # fmt: skip
def test_what_is_no_domain(written: str):
    """What no resolver asks for, or takes for an address, is no name."""
    with pytest.raises(ValueError):
        domain_name(written)


def seconds(find, values) -> float:
    started = time.perf_counter()
    for value in values:
        find(value)
    return time.perf_counter() - started


def test_a_hundred_thousand_entries_cost_microseconds():
    """Neither networks nor domains are walked over: that would take a thousand times as long as is allowed here."""

    def blocks(count: int) -> Networks:
        return Networks(
            address_range(str(ip_network((0x0A000000 + 512 * n, 24)))) for n in range(count)
        )

    def names(count: int) -> Domains:
        return Domains(domain_name(f"n{n}.example") for n in range(count))

    values = [address_range(str(ip_network((0x0A000000 + 977 * n, 32)))) for n in range(10_000)]
    hosts = [domain_name(f"www.n{n * 13}.example") for n in range(10_000)]
    for many, asked in ((blocks(100_000), values), (names(100_000), hosts)):
        assert min(seconds(many.find, asked) for _ in range(3)) / len(asked) < 50e-6
