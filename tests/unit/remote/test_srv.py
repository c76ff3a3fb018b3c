"""Where a domain says that its TAXII servers are: a real DNS server on loopback is asked, and nothing that it names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.zones import Zone, serving_zone

from cert_exchange import errors
from cert_exchange.remote import srv
from cert_exchange.services import discovering

ZONE: Zone = {
    ("_taxii2._tcp.cert.example.", "SRV"): [
        "10 5 8443 spare.cert.example.",
        "0 5 443 taxii.cert.example.",
        "0 50 443 big.cert.example.",
        "20 0 443 cert.other.example.",
    ],
    ("taxii.cert.example.", "A"): ["8.8.4.4"],
    ("big.cert.example.", "AAAA"): ["2001:4860:4860::8844"],
    ("spare.cert.example.", "A"): ["10.0.0.7", "127.0.0.1"],
    ("_taxii2._tcp.none.example.", "SRV"): ["0 0 0 ."],
}


@pytest.fixture
def dns_server() -> Iterator[Callable[[Zone], tuple[str, int]]]:
    """Starts DNS servers that end with the test."""
    with ExitStack() as stack:
        yield lambda zone: stack.enter_context(serving_zone(zone))


def test_servers_come_in_their_order_with_what_to_look_at(dns_server):
    """By priority, then weight; a server outside of the domain, inside a private network or without address is said."""
    server = dns_server(ZONE)
    found = srv.look_up("CERT.example.", monotonic=time.monotonic, servers=[server])
    assert [(one.host, one.port) for one in found] == [
        ("big.cert.example", 443),
        ("taxii.cert.example", 443),
        ("spare.cert.example", 8443),
        ("cert.other.example", 443),
    ]
    big, taxii, spare, other = found
    assert (big.addresses, big.remarks) == (("2001:4860:4860::8844",), ())
    assert (taxii.addresses, taxii.remarks) == (("8.8.4.4",), ())
    assert spare.remarks == ("10.0.0.7, 127.0.0.1 is inside a private network or this machine",)
    assert other.remarks == ("it does not lie in cert.example", "it has no address")
    assert [one.url for one in (taxii, spare)] == [
        "https://taxii.cert.example/taxii2/",
        "https://spare.cert.example:8443/taxii2/",
    ]
    assert discovering.chosen(found, "SPARE.cert.example:8443") is spare
    for stranger in ("evil.example", "spare.cert.example:443"):
        with pytest.raises(errors.NotFound, match="names no server"):
            discovering.chosen(found, stranger)


@pytest.mark.parametrize(
    ("domain", "kind", "words"),
    [
        ("absent.example", errors.NotFound, "names no TAXII server"),
        ("none.example", errors.NotFound, "says in DNS that it offers no"),
        ("https://cert.example/", errors.ConfigurationInvalid, "is no domain"),
        ("192.0.2.7", errors.ConfigurationInvalid, "is no domain"),
        ("a..b", errors.ConfigurationInvalid, "is no domain"),
        ("-x.example", errors.ConfigurationInvalid, "is no domain"),
        ("", errors.ConfigurationInvalid, "is no domain"),
    ],
)
def test_what_is_not_there_is_said(dns_server, domain, kind, words):
    """No record, a record that says none, and what is no domain."""
    with pytest.raises(kind, match=words):
        srv.look_up(domain, monotonic=time.monotonic, servers=[dns_server(ZONE)])


def test_a_silent_dns_server_ends_after_its_limit(dns_server):
    """It is a time-out and no lack of records."""
    server = dns_server({("_taxii2._tcp.cert.example.", "SRV"): None})
    begun = time.monotonic()
    with pytest.raises(errors.RemoteTimeout, match=r"did not answer within 0\.5 s"):
        srv.look_up("cert.example", monotonic=time.monotonic, servers=[server], seconds=0.5)
    assert time.monotonic() - begun < 3


def test_many_servers_are_cut(dns_server):
    """A zone of a thousand shows the first MOST."""
    zone = {
        ("_taxii2._tcp.cert.example.", "SRV"): [f"{n} 0 443 t{n}.cert.example." for n in range(25)]
    }
    found = srv.look_up("cert.example", monotonic=time.monotonic, servers=[dns_server(zone)])
    assert [one.host for one in found] == [f"t{n}.cert.example" for n in range(srv.MOST)]


def test_a_dns_server_is_an_address():
    """With or without a port; a name is none, since it would have to be asked of DNS."""
    assert discovering.servers_of(None) == ()
    assert discovering.servers_of("192.0.2.53") == (("192.0.2.53", 53),)
    assert discovering.servers_of("192.0.2.53:5353") == (("192.0.2.53", 5353),)
    assert discovering.servers_of("[2001:db8::53]:5353") == (("2001:db8::53", 5353),)
    with pytest.raises(errors.ConfigurationInvalid, match="is no DNS server"):
        discovering.servers_of("dns.example")
