"""Where a domain says that its TAXII servers are: DNS SRV at `_taxii2._tcp` (TAXII 2.1 section 3.9, RFC 2782).

1. Only DNS is asked here; no server that it names is spoken to. Whoever asked shows them to a person, who says which is
   meant: what DNS says is signed by nobody, and TLS proves the server's name later.
2. Every wait ends, and what comes is bounded: SECONDS for all questions, MOST servers, ADDRESSES of each.
3. Foreign exceptions stop here; a stranger's names are shown cleaned.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from cert_exchange import errors
from cert_exchange.remote.connection import cleaned

SERVICE: Final = "_taxii2._tcp"
SECONDS: Final = 10.0
MOST: Final = 10
ADDRESSES: Final = 8
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NAME_LENGTH: Final = 253


@dataclass(frozen=True, slots=True)
class Server:
    """A server that a domain names. `remarks` say what a person should look at before trusting it."""

    host: str
    port: int
    priority: int
    weight: int
    addresses: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def url(self) -> str:
        """Its discovery address, as TAXII 2.1 fixes it."""
        return f"https://{self.host}{'' if self.port == 443 else f':{self.port}'}/taxii2/"


def look_up(
    domain: str,
    *,
    monotonic: Callable[[], float],
    servers: Sequence[tuple[str, int]] = (),
    seconds: float = SECONDS,
) -> tuple[Server, ...]:
    """List the TAXII servers that a domain names, the one to prefer first.

    `servers`: DNS servers (address, port) to ask in place of this machine's. Raises ConfigurationInvalid for what is no
    domain, NotFound where it names none, errors.RemoteTimeout, errors.RemoteUnreachable.
    """
    name = checked_domain(domain)
    ends = monotonic() + seconds
    resolver = _resolver(servers)
    try:
        answer = resolver.resolve(
            dns.name.from_text(f"{SERVICE}.{name}."), "SRV", lifetime=seconds, search=False
        )
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        raise errors.NotFound(
            f"{name} names no TAXII server: there is no SRV record at {SERVICE}.{name}. Ask its people for the address,"
            " and give it with --url."
        ) from None
    except dns.exception.Timeout as error:
        raise errors.RemoteTimeout(
            f"DNS did not answer within {seconds:g} s when asked for {SERVICE}.{name}."
        ) from error
    except dns.exception.DNSException as error:
        raise errors.RemoteUnreachable(
            f"DNS cannot answer for {SERVICE}.{name}: {cleaned(str(error), 200)}"
        ) from error
    except OSError as error:
        raise errors.RemoteUnreachable(
            f"The DNS server cannot be asked: {error.strerror}."
        ) from error
    rows = sorted(
        (int(row.priority), -int(row.weight), _host(row.target), int(row.port)) for row in answer
    )
    found = [row for row in rows if row[2] and row[3]]
    if not found:  # RFC 2782: a target of "." says that there is decidedly none
        raise errors.NotFound(f"{name} says in DNS that it offers no TAXII server.")
    return tuple(
        _server(resolver, row, name, left=max(ends - monotonic(), 0.1)) for row in found[:MOST]
    )


def checked_domain(text: str) -> str:
    """A domain as DNS takes it: small letters, without the final dot, international ones encoded. Raises ConfigurationInvalid."""
    name = text.strip().rstrip(".").lower()
    try:
        name = name.encode("idna").decode("ascii") if name else ""
    except UnicodeError:
        name = ""
    labels = name.split(".")
    numbers = labels[-1].isdigit()
    if not name or len(name) > _NAME_LENGTH or numbers or not all(map(_LABEL.fullmatch, labels)):
        raise errors.ConfigurationInvalid(
            f"{cleaned(text, 80)!r} is no domain; give one like cert.example, without a scheme or a path."
        )
    return name


def _resolver(servers: Sequence[tuple[str, int]]) -> dns.resolver.Resolver:
    if not servers:
        try:
            return dns.resolver.Resolver()
        except dns.exception.DNSException as error:
            raise errors.RemoteUnreachable(
                "This machine names no DNS server in /etc/resolv.conf; give one with --dns-server."
            ) from error
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [address for address, _ in servers]
    resolver.nameserver_ports = dict(servers)
    return resolver


def _server(
    resolver: dns.resolver.Resolver, row: tuple[int, int, str, int], domain: str, *, left: float
) -> Server:
    priority, weight, host, port = row
    addresses: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            answer = resolver.resolve(f"{host}.", kind, lifetime=left / 2, search=False)
        except (dns.exception.DNSException, OSError):
            continue
        addresses += [str(one.address) for one in answer]
    remarks = []
    if host != domain and not host.endswith(f".{domain}"):
        remarks.append(f"it does not lie in {domain}")
    if not addresses:
        remarks.append("it has no address")
    inside = sorted(one for one in addresses if not ipaddress.ip_address(one).is_global)
    if inside:
        remarks.append(
            f"{', '.join(inside[:ADDRESSES])} is inside a private network or this machine"
        )
    return Server(host, port, priority, -weight, tuple(addresses[:ADDRESSES]), tuple(remarks))


def _host(target: dns.name.Name) -> str:
    """A target's name; empty for `.`, and for what is no host name."""
    text = target.to_text(omit_final_dot=True).lower()
    return text if all(map(_LABEL.fullmatch, text.split("."))) else ""
