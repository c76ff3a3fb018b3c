"""A response policy zone (RPZ) for a resolver: names and addresses that it does not answer, or only counts.

1. A name is exactly that name, as the pattern says; its subdomains only where they are asked for.
2. Nothing of a value is ever read as something else: a name that would be a trigger of another kind (`rpz-ip` and its
   like), that is too long behind the zone's own name, or that has one label only, is left out.
3. What is blocked gets NXDOMAIN (`CNAME .`); what is only to be watched passes and is logged (`rpz-passthru`).
4. The serial is the caller's: it rises when the entries change, and only then.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.outputs.entries import Entry, Written, each_value
from cert_exchange.outputs.expressing import Unsaid, Value

LONGEST_NAME: Final = 200
"""Characters of a name in the zone; 53 are left for the zone's own name."""
SECONDS: Final = 300
"""How long a resolver keeps an answer of the zone."""


def write(
    entries: Iterable[Entry], *, serial: int, block: bool, subdomains: bool = False
) -> Written:
    """The zone as a master file, relative to the origin that its loader gives it. `serial`: 1 to 2^32 - 1."""
    action = "." if block else "rpz-passthru."
    lines = [
        f"$TTL {SECONDS}",
        f"@ IN SOA localhost. hostmaster.localhost. {serial} {SECONDS} 60 604800 {SECONDS}",
        "@ IN NS localhost.",
    ]
    unsaid: list[Unsaid] = []
    held = 0
    for value, named_by in each_value(entries):
        owner, reason = _owner(value)
        if owner is None:
            unsaid += [Unsaid(one.stix_id, reason) for one in named_by]
            continue
        held += 1
        lines.append(f"{owner} IN CNAME {action}")
        if subdomains and value.kind is Kind.DOMAIN:
            lines.append(f"*.{owner} IN CNAME {action}")
    return Written(("\n".join(lines) + "\n").encode("ascii"), held, tuple(unsaid))


def _owner(value: Value) -> tuple[str | None, str]:
    if value.kind is Kind.DOMAIN:
        name = value.text
        labels = name.split(".")
        if labels[-1].startswith("rpz-"):
            return None, "a name that a resolver would read as another kind of trigger"
        if len(name) > LONGEST_NAME or len(labels) < 2:
            return None, "a name that is too long or too short for a zone"
        return name, ""
    if value.kind in (Kind.IPV4, Kind.IPV6):
        return _trigger(ip_network(value.text)), ""
    return None, f"a zone knows names and addresses, and this is {value.kind}"


def _trigger(network: IPv4Network | IPv6Network) -> str:
    """An address that an answer holds: 192.0.2.0/24 is 24.0.2.0.192.rpz-ip."""
    if isinstance(network, IPv4Network):
        parts = str(network.network_address).split(".")
    else:
        parts = _words(network)
    return f"{network.prefixlen}.{'.'.join(reversed(parts))}.rpz-ip"


def _words(network: IPv6Network) -> list[str]:
    """The eight words in hexadecimal, the longest run of two zeros or more as `zz`."""
    number = int(network.network_address)
    words = [f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)]
    longest, start = 0, 0
    place = 0
    while place < len(words):
        end = place
        while end < len(words) and words[end] == "0":
            end += 1
        if end - place > longest:
            longest, start = end - place, place
        place = max(end, place + 1)
    if longest < 2:
        return words
    return [*words[:start], "zz", *words[start + longest :]]
