"""Hosts are read in every way in which some program reads them, and no odd spelling slips past what protects or warns."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from cert_exchange.policy.cautions import Of
from cert_exchange.policy.companions import Companions
from cert_exchange.policy.screening import BUILT_IN, parse_screen
from cert_exchange.stix.hosts import hosts_of, ipv4_inside, ipv4_readings

NOW = "2026-11-26T00:00:00Z"
OWN = "name: Own\nkind: own\nnetworks: [45.9.0.0/24]\ndomains: [own.org]\n"
SPELLINGS = (
    "{dotted}", "{dotted}.", "{number}", "{hexadecimal}", "{octal}", "{dotted_hexadecimal}", "{short}", "{full}", "{percent}",
    "{full_dots}", "[::ffff:{dotted}]", "[64:ff9b::{dotted}]", "[::{dotted}]", "[2002:{six}::1]", "[2001:0:{six}::1]",
    "[fe80::5efe:{dotted}]", "[::FFFF:{six}]",
)  # fmt: skip
URLS = (
    "http://{host}/x", "HTTP://{host}:8080", "http:/{host}/x", "http:{host}", "http://u:p@{host}/x", "http://a@b@{host}/",
    "http://{host}\\@evil.com/", "{host}/path", "http:\\\\{host}\\x", "ftp://{host}",
)  # fmt: skip


def spelled(text: str, address: str) -> str:
    one = IPv4Address(address)
    parts = address.split(".")
    return text.format(
        dotted=address, number=int(one), hexadecimal=f"0x{int(one):08x}",
        octal=".".join(f"0{int(part):o}" for part in parts),
        dotted_hexadecimal=".".join(f"0x{int(part):X}" for part in parts),
        short=f"{parts[0]}.{int(one) & 0xFFFFFF}", full="".join(chr(ord(sign) + 0xFEE0) for sign in address),
        percent="".join(f"%{ord(sign):02x}" for sign in address), full_dots=address.replace(".", "\u3002"),
        six=f"{int(one) >> 16:x}:{int(one) & 0xFFFF:x}",
    )  # fmt: skip


def held(stix_type: str, value: str, companions: Companions | None = None) -> set[str]:
    """What holds an observable of our desk with this value; the file, if any, lets pass what cannot be read."""
    screen = BUILT_IN
    if companions is not None:
        text = "territories: [own.yaml]\nunread: pass\n"
        screen = parse_screen(text, file="intake.yaml", companions=companions)
    told = screen.warned({"type": stix_type, "value": value}, at=NOW)
    return {one.of for one in told if one.act == "hold"}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_an_address_slips_past_the_warnings(spelling: str) -> None:
    """Private, public and our own addresses, alone and in URLs of ten shapes."""
    for address, of in (("10.20.30.41", Of.PRIVATE), ("8.8.4.4", Of.BENIGN), ("45.9.0.7", Of.OWN)):
        host = spelled(spelling, address)
        companions = {"own.yaml": OWN} if of is Of.OWN else None
        stix_type = "ipv6-addr" if ":" in host else "ipv4-addr"
        values = [(stix_type, host.strip("[]")), *(("url", url.format(host=host)) for url in URLS)]
        values += [("domain-name", host)] if ":" not in host else []
        for kind, value in values:
            assert of in held(kind, value, companions), (kind, value)


@pytest.mark.parametrize(
    "host", ["mx.own.org", "MX.Own.ORG.", "mx%2eown%2eorg", "mx\u3002own\uff0eorg", "\uff4d\uff58.own.org"]
)  # fmt: skip
def test_no_spelling_of_a_name_slips_past_what_is_ours(host: str) -> None:
    companions = {"own.yaml": OWN}
    for kind, value in (("domain-name", host), *(("url", url.format(host=host)) for url in URLS)):
        assert Of.OWN in held(kind, value, companions), (kind, value)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("0x0a000001", ["10.0.0.1"]), ("012.1", ["12.0.0.1", "10.0.0.1"]), ("010.0.0.1", ["10.0.0.1", "8.0.0.1"]),
        ("1.2.3", ["1.2.0.3"]), ("10.0.0.256", []), ("evil.com", []), ("1.2.3.4.5", []), ("", []), ("0x", ["0.0.0.0"]),
        ("4294967296", []), ("9" * 5_000, []),
    ],
)  # fmt: skip
def test_every_reading_of_an_address(host: str, found: list[str]) -> None:
    """A leading zero is octal to some and nothing to others: two readings, in no order."""
    assert sorted(str(IPv4Address(one)) for one in ipv4_readings(host)) == sorted(found)


def test_what_is_inside_and_what_is_not() -> None:
    """Teredo hides a server and a client; documentation and global addresses hide nothing."""
    number = int(IPv6Address("2001:0:a00:1:8000:63bf:d2f6:fff8"))
    inner = [str(IPv4Address(first)) for first, _ in ipv4_inside(number, number)]
    assert inner == ["10.0.0.1", "45.9.0.7"]
    for plain in ("2001:db8::a00:1", "2a00::1", "::1", "fe80::1"):
        number = int(IPv6Address(plain))
        assert list(ipv4_inside(number, number)) == []
    first, last = int(IPv6Address("64:ff9b::a00:0")), int(IPv6Address("64:ff9b::aff:ffff"))
    assert [(str(IPv4Address(a)), str(IPv4Address(b))) for a, b in ipv4_inside(first, last)] == [
        ("10.0.0.0", "10.255.255.255")
    ]
    assert hosts_of("mailto:a@b.org") == hosts_of("data:text/plain,x") == hosts_of("") == ()
    assert hosts_of("http://evil.com\\@own.org/") == ("evil.com", "own.org")
