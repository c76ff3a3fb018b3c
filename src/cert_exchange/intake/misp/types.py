"""Types of MISP attributes and what they are here, in both directions: a table, so that one side cannot forget the other.

1. A type of one value is a `Kind`, or one of several that its value decides between (an address, a name with its folder).
2. A type of two values is one stated STIX pattern, written and read by the same entry (CASES I29).
3. What MISP says of its own use, of people who were hit, or in words only is no value here; the table says why.
4. A type in no table is a loss that names it, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.patterns import escaped
from cert_exchange.intake.values import normalise

_ADDRESS: Final = (Kind.IPV4, Kind.IPV6)
_FILE: Final = (Kind.FILE_NAME, Kind.FILE_PATH)
HASHES: Final[Mapping[str, Kind]] = {
    "md5": Kind.MD5,
    "sha1": Kind.SHA1,
    "sha256": Kind.SHA256,
    "sha512": Kind.SHA512,
    "ssdeep": Kind.SSDEEP,
    "tlsh": Kind.TLSH,
}

KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    **{name: (kind,) for name, kind in HASHES.items()},
    "ip-dst": _ADDRESS,
    "ip-src": _ADDRESS,
    "domain": (Kind.DOMAIN,),
    "hostname": (Kind.DOMAIN,),
    "onion-address": (Kind.DOMAIN,),
    "url": (Kind.URL,),
    "uri": (Kind.URL,),
    "email": (Kind.EMAIL,),
    "email-src": (Kind.EMAIL,),
    "email-dst": (Kind.EMAIL,),
    "email-reply-to": (Kind.EMAIL,),
    "dns-soa-email": (Kind.EMAIL,),
    "filename": _FILE,
    "email-attachment": _FILE,
    "regkey": (Kind.REGISTRY_KEY,),
    "mutex": (Kind.MUTEX,),
    "user-agent": (Kind.USER_AGENT,),
    "mac-address": (Kind.MAC,),
    "AS": (Kind.ASN,),
    "x509-fingerprint-sha1": (Kind.CERTIFICATE,),
    "x509-fingerprint-sha256": (Kind.CERTIFICATE,),
    "vulnerability": (Kind.VULNERABILITY,),
    "stix2-pattern": (Kind.PATTERN,),
    "snort": (Kind.SNORT,),
    "suricata": (Kind.SNORT,),
    "sigma": (Kind.SIGMA,),
    "yara": (Kind.YARA,),
}
"""What a single value may be; the first kind that its value is counts."""

TYPES: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.IPV4: ("ip-dst", "Network activity"),
    Kind.IPV6: ("ip-dst", "Network activity"),
    Kind.DOMAIN: ("domain", "Network activity"),
    Kind.URL: ("url", "Network activity"),
    Kind.EMAIL: ("email", "Payload delivery"),
    Kind.MD5: ("md5", "Payload delivery"),
    Kind.SHA1: ("sha1", "Payload delivery"),
    Kind.SHA256: ("sha256", "Payload delivery"),
    Kind.SHA512: ("sha512", "Payload delivery"),
    Kind.SSDEEP: ("ssdeep", "Payload delivery"),
    Kind.TLSH: ("tlsh", "Payload delivery"),
    Kind.FILE_NAME: ("filename", "Payload delivery"),
    Kind.FILE_PATH: ("filename", "Payload delivery"),
    Kind.REGISTRY_KEY: ("regkey", "Persistence mechanism"),
    Kind.MUTEX: ("mutex", "Artifacts dropped"),
    Kind.USER_AGENT: ("user-agent", "Network activity"),
    Kind.MAC: ("mac-address", "Network activity"),
    Kind.ASN: ("AS", "Network activity"),
    Kind.CERTIFICATE: ("x509-fingerprint-sha256", "Network activity"),
    Kind.VULNERABILITY: ("vulnerability", "External analysis"),
    Kind.PATTERN: ("stix2-pattern", "Payload delivery"),
    Kind.SNORT: ("snort", "Network activity"),
    Kind.SIGMA: ("sigma", "Payload delivery"),
    Kind.YARA: ("yara", "Payload delivery"),
}
"""The type and the category that a kind is written as, where nothing says which it came from."""

CATEGORIES: Final = frozenset(
    {
        "Antivirus detection", "Artifacts dropped", "Attribution", "External analysis", "Financial fraud",
        "Internal reference", "Network activity", "Other", "Payload delivery", "Payload installation", "Payload type",
        "Persistence mechanism", "Person", "Social network", "Support Tool", "Targeting data",
    }
)  # fmt: skip
"""MISP takes no other."""

WHO_WAS_HIT: Final = "it names who was hit, which is nobody else's business"
_WORDS: Final = "words for people, which no object of ours carries"
_LIKENESS: Final = "a likeness that STIX has no property for"
UNUSED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("target-user", "target-email", "target-machine", "target-org", "target-location", "target-external"),
        WHO_WAS_HIT,
    ),
    **dict.fromkeys(("comment", "text", "other", "hex", "float", "counter", "boolean", "datetime"), _WORDS),
    **dict.fromkeys(
        ("imphash", "impfuzzy", "telfhash", "authentihash", "vhash", "pehash", "cdhash", "ja3-fingerprint-md5",
         "jarm-fingerprint", "hassh-md5", "hasshserver-md5", "favicon-mmh3", "community-id"),
        _LIKENESS,
    ),
    "attachment": "a file, which goes by no indicator",
    "port": "a port alone says nothing",
    "size-in-bytes": "a size alone says nothing",
}  # fmt: skip
"""Types that are known and give nothing, with the reason."""

_QUOTED: Final = r"'((?:[^'\\]++|\\['\\])*+)'"
_HOLE: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Composite:
    """A type of two values: how its pattern is written, and what each half is."""

    type: str
    first: tuple[Kind, ...]
    second: tuple[Kind, ...]  # none: a port or plain text, which is no value by itself
    template: (
        str  # of the pattern; {first}, {second} in quotes, {family} of the address, {port} bare
    )
    category: str
    reading: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the way back out of the template."""
        text, at = "", 0
        for hole in _HOLE.finditer(self.template):
            text += re.escape(self.template[at : hole.start()]) + _READ[hole[1]]
            at = hole.end()
        text += re.escape(self.template[at:])
        object.__setattr__(self, "reading", re.compile(text))


_READ: Final[Mapping[str, str]] = {
    "first": rf"(?P<first>{_QUOTED})",
    "second": rf"(?P<second>{_QUOTED})",
    "family": r"ipv[46]-addr",
    "op": "(?:=|ISSUBSET)",
    "port": r"(?P<port>[0-9]{1,5}+)",
}
_BY_ADDRESS: Final = (
    "[network-traffic:{side}_ref.type = '{{family}}' AND network-traffic:{side}_ref.value {{op}} {{first}}"
    " AND network-traffic:{side}_port = {{port}}]"
)

COMPOSITES: Final[Mapping[str, Composite]] = {
    entry.type: entry
    for entry in (
        Composite("ip-dst|port", _ADDRESS, (), _BY_ADDRESS.format(side="dst"), "Network activity"),
        Composite("ip-src|port", _ADDRESS, (), _BY_ADDRESS.format(side="src"), "Network activity"),
        Composite(
            "hostname|port",
            (Kind.DOMAIN,),
            (),
            "[network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = {first}"
            " AND network-traffic:dst_port = {port}]",
            "Network activity",
        ),
        Composite(
            "domain|ip",
            (Kind.DOMAIN,),
            _ADDRESS,
            "[domain-name:value = {first} AND domain-name:resolves_to_refs[*].value {op} {second}]",
            "Network activity",
        ),
        Composite(
            "hostname|ip",  # no type of MISP's, though feeds have it (CASES I29): the way back is `domain|ip`
            (Kind.DOMAIN,),
            _ADDRESS,
            "[domain-name:value = {first} AND domain-name:resolves_to_refs[*].value {op} {second}]",
            "Network activity",
        ),
        Composite(
            "regkey|value",
            (Kind.REGISTRY_KEY,),
            (),
            "[windows-registry-key:key = {first} AND windows-registry-key:values[*].data = {second}]",
            "Persistence mechanism",
        ),
    )
}
NAMED_FILES: Final[Mapping[str, Kind]] = {
    **{f"filename|{name}": kind for name, kind in HASHES.items()},
    "malware-sample": Kind.MD5,
}
"""Types of a file's name and one hash: the hash is looked for, the name is told of beside it."""


def read_single(misp_type: str, text: str) -> tuple[Kind, str] | None:
    """The kind and the spelling of a value of a type in `KINDS`, or None where it is no such value."""
    for kind in KINDS[misp_type]:
        value = normalise(kind, text)
        if value is not None:
            return kind, value
    return None


def write_composite(entry: Composite, text: str) -> tuple[str, tuple[tuple[Kind, str], ...]] | None:
    """The pattern of `first|second`, and the values that it is about; None where a half is no such value.

    `192.0.2.1:443`, as MISP of old wrote it, is read too; of an IPv6 address that would be a guess.
    """
    first, bar, second = text.partition("|")
    if not bar and entry.type.endswith("|port") and text.count(":") == 1:
        first, bar, second = text.partition(":")
    parts = list(_halves(entry, first.strip(), second.strip()))
    if not bar or not second.strip() or len(parts) != 1 + bool(entry.second):
        return None
    holes = {"first": quoted(parts[0][1])}
    holes["family"] = "ipv6-addr" if parts[0][0] is Kind.IPV6 else "ipv4-addr"
    address = next((value for kind, value in parts if kind in _ADDRESS), "")
    holes["op"] = "ISSUBSET" if "/" in address else "="
    if entry.second:
        holes["second"] = quoted(parts[1][1])
    elif "{port}" in entry.template:
        number = second.strip()
        if not (
            number.isascii() and number.isdigit() and len(number) <= 5 and int(number) <= 65_535
        ):
            return None
        holes["port"] = str(int(number))
    else:
        holes["second"] = quoted(second.strip())
    pattern = normalise(Kind.PATTERN, entry.template.format(**holes))
    return None if pattern is None else (pattern, tuple(parts))


def _halves(entry: Composite, first: str, second: str) -> Iterator[tuple[Kind, str]]:
    for kinds, text in ((entry.first, first), (entry.second, second)):
        for kind in kinds:
            value = normalise(kind, text)
            if value is not None:
                yield kind, value
                break


def read_composite(pattern: str) -> tuple[Composite, str] | None:
    """The entry whose pattern this is, and its value `first|second`; None for any other pattern."""
    for entry in COMPOSITES.values():
        found = entry.reading.fullmatch(pattern)
        if found is not None:
            groups = found.groupdict()
            second = groups["port"] if "port" in groups else unquoted(groups["second"])
            return entry, f"{unquoted(groups['first'])}|{second}"
    return None


def quoted(text: str) -> str:
    """A string constant of the pattern language."""
    return f"'{escaped(text)}'"


def unquoted(text: str) -> str:
    """What a string constant of the pattern language stands for."""
    return re.sub(r"\\(['\\])", r"\1", text[1:-1])
