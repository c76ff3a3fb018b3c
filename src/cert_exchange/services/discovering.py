"""A source or target found by its domain: DNS says where the servers are, a person says which, and then it is asked.

1. Only a host that a person named or confirmed is spoken to, by TLS with the name that was confirmed: what DNS says
   configures nothing (SSRF). The credential goes there and nowhere else.
2. The collection is the one that the person names, by id, alias or title; one that two roots offer is not guessed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.node import Node
from cert_exchange.remote.discovery import Offer
from cert_exchange.remote.srv import Server, look_up
from cert_exchange.services.syncing import look_around

__all__ = ["Offer", "Server", "chosen", "named_by", "offer_of", "servers_of"]

_DNS_PORT: Final = 53


def named_by(node: Node, domain: str, *, dns_server: str | None = None) -> tuple[Server, ...]:
    """List the TAXII servers that a domain names in DNS, the preferred one first; none of them is spoken to.

    Raises ConfigurationInvalid, NotFound, errors.Remote*.
    """
    return look_up(domain, monotonic=node.clock.monotonic, servers=servers_of(dns_server))


def servers_of(text: str | None) -> tuple[tuple[str, int], ...]:
    """A DNS server as a person writes it: an address, with a port after a colon where it is not 53."""
    if text is None:
        return ()
    host, port = text.strip(), _DNS_PORT
    try:
        address = str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        host, _, number = host.rpartition(":")
        try:
            address, port = str(ipaddress.ip_address(host.strip("[]"))), int(number)
        except ValueError:
            raise ConfigurationInvalid(
                f"{text!r} is no DNS server; give an address such as 192.0.2.53 or [2001:db8::53]:5353."
            ) from None
    return ((address, port),)


def chosen(found: Sequence[Server], use: str) -> Server:
    """The server that a person confirmed, as HOST or HOST:PORT. Raises NotFound for one that DNS did not name."""
    host, _, port = use.strip().rstrip(".").lower().partition(":")
    for one in found:
        if one.host == host and (not port or port == str(one.port)):
            return one
    known = ", ".join(f"{one.host}:{one.port}" for one in found)
    raise NotFound(f"DNS names no server {use}; it names {known}.")


def offer_of(
    node: Node,
    server: Server,
    collection: str | None,
    *,
    secret: bytes | None,
    options: Mapping[str, Any],
) -> tuple[Offer | None, tuple[Offer, ...]]:
    """Ask a confirmed server what it offers: the collection that is meant, None where that is open, and everything.

    Raises ConfigurationInvalid, errors.Remote*.
    """
    offers = look_around(node, server.url, secret=secret, options=options)
    meant = [
        one
        for one in offers
        if one.collection and collection in (one.collection, one.alias, one.title)
    ]
    return (meant[0] if len(meant) == 1 else None), offers
