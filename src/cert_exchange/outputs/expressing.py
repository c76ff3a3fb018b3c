"""An indicator as the values that a list can hold, or the reason why no list can.

1. Only a single comparison with =, or a pure OR of them, is taken apart (`stix.alternatives`): anything else would give
   false alarms (CASES I20). With `simple` only the single comparison is (CASES I30). A name in its folder is one path.
2. A value stands in a list as `intake.values` spells it, so that what we write is read again as the same. What is no value
   of its kind, such as a hash of the wrong length, is left out with its reason (CASES I09).
3. Nothing is dropped in silence: what is not said, in whole or in part, is `Unsaid` with the object's id (CASES I27).
4. A list is obeyed by machines: no network that is too wide, no address that is in use inside every network.
5. Rules in another language (Snort, Sigma, YARA) are handed on as they are; their writers look at them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.patterns import values_of
from cert_exchange.intake.values import normalise
from cert_exchange.stix.alternatives import Alternative, alternatives
from cert_exchange.stix.instants import shown
from cert_exchange.stix.patterns import PatternInvalid

RULES: Final[Mapping[str, Kind]] = {
    "snort": Kind.SNORT,
    "suricata": Kind.SNORT,
    "sigma": Kind.SIGMA,
    "yara": Kind.YARA,
}
"""Pattern types that are rules of their own, and what they are here."""

WIDEST: Final[Mapping[int, int]] = {4: 8, 6: 16}
"""The shortest prefix of a network, by version of IP."""

_PLAIN: Final[Mapping[tuple[str, tuple[str, ...]], Kind]] = {
    ("ipv4-addr", ("value",)): Kind.IPV4,
    ("ipv6-addr", ("value",)): Kind.IPV6,
    ("domain-name", ("value",)): Kind.DOMAIN,
    ("url", ("value",)): Kind.URL,
    ("email-addr", ("value",)): Kind.EMAIL,
    ("mac-addr", ("value",)): Kind.MAC,
    ("autonomous-system", ("number",)): Kind.ASN,
    ("file", ("name",)): Kind.FILE_NAME,
    ("directory", ("path",)): Kind.FILE_PATH,
    ("windows-registry-key", ("key",)): Kind.REGISTRY_KEY,
    ("mutex", ("name",)): Kind.MUTEX,
    (
        "network-traffic",
        ("extensions", "http-request-ext", "request_header", "User-Agent"),
    ): Kind.USER_AGENT,
}
_HASHES: Final[Mapping[str, Kind]] = {
    "MD5": Kind.MD5,
    "SHA1": Kind.SHA1,
    "SHA256": Kind.SHA256,
    "SHA512": Kind.SHA512,
    "SSDEEP": Kind.SSDEEP,
    "TLSH": Kind.TLSH,
}
_INSIDE: Final = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "224.0.0.0/3", "::/127", "::ffff:0:0/96", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
"""In use inside networks, or by no host at all."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value that a list holds, or one rule."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Unsaid:
    """An object that an output does not hold, or holds in part, and why; the reason has no content."""

    stix_id: str
    reason: str
    in_part: bool = False


@dataclass(frozen=True, slots=True)
class Expressed:
    """What of an indicator a list can hold, each value once, and what it cannot."""

    values: tuple[Value, ...]
    unsaid: Unsaid | None = None


def express(content: Mapping[str, Any], *, simple: bool = False) -> Expressed:
    """Take a validated indicator apart. Never raises: what cannot be said has its reason."""
    stix_id = str(content.get("id"))
    language = str(content.get("pattern_type", "stix")).casefold()
    pattern = str(content.get("pattern", ""))
    if language in RULES:
        rule = Value(RULES[language], pattern)
        return Expressed((rule,)) if pattern.strip() else _nothing(stix_id, "an empty rule")
    if language != "stix":
        return _nothing(stix_id, f"a pattern in {shown(language, limit=40)}")
    try:
        found = alternatives(pattern, version=str(content.get("pattern_version", "any")))
    except PatternInvalid:
        return _nothing(stix_id, "a pattern that cannot be read")
    if found is None:
        path = [] if simple else _path(pattern)
        if path:
            return Expressed((Value(Kind.FILE_PATH, path[0]),))
        return _nothing(stix_id, "a pattern that says more than one of several values")
    if simple and len(found) > 1:
        return _nothing(
            stix_id, "a pattern of several comparisons, and only simple ones are asked for"
        )
    values: dict[Value, None] = {}
    reasons: dict[str, None] = {}
    for one in found:
        value = _value(one)
        if isinstance(value, Value):
            values[value] = None
        else:
            reasons[value] = None
    if not reasons:
        return Expressed(tuple(values))
    return Expressed(tuple(values), Unsaid(stix_id, "; ".join(reasons), in_part=bool(values)))


def _nothing(stix_id: str, reason: str) -> Expressed:
    return Expressed((), Unsaid(stix_id, reason))


def _path(pattern: str) -> list[str]:
    """The one path that a pattern names as intake writes it: a name in its folder, which AND joins to one value."""
    found = values_of(pattern) or ()
    return [text for kind, text in found if kind is Kind.FILE_PATH and len(found) == 1]


def _value(one: Alternative) -> Value | str:
    """A value as lists spell it, or why it is none."""
    kind = _kind(one)
    if kind is None:
        return f"a comparison of {shown(one.type, limit=40)}:{shown('.'.join(one.path), limit=60)}"
    text = normalise(kind, one.value)
    if text is None:
        return f"what stands there as {kind} is none"
    if kind in (Kind.IPV4, Kind.IPV6) and (reason := _against(ip_network(text))):
        return reason
    return Value(kind, text)


def _kind(one: Alternative) -> Kind | None:
    plain = _PLAIN.get((one.type, one.path))
    if plain is not None or len(one.path) != 2 or one.path[0] != "hashes":
        return plain
    named = _HASHES.get(one.path[1].upper().replace("-", "").replace("_", ""))
    if one.type == "x509-certificate":
        return Kind.CERTIFICATE if named in (Kind.SHA1, Kind.SHA256) else None
    return named if one.type in ("file", "artifact") else None


def _against(network: IPv4Network | IPv6Network) -> str:
    if network.prefixlen < WIDEST[network.version]:
        return "a network that is too wide for a list that machines obey"
    if any(one.version == network.version and network.overlaps(one) for one in _INSIDE):
        return "an address that is in use inside networks, or by no host"
    return ""
