"""What a reader of some format hands on: values that it found, and places that it could not use.

1. A finding says where it stands in the input, so that a person can look it up, and what was around it.
2. Values are as `intake.values` normalises them; a reader that cannot normalise a value hands on a loss instead.
3. Nothing is dropped: what a reader looked at and did not take is a loss with its reason.
4. What was guessed says so. A guess never overrules what the input or a person states (CASES I15).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a value is. The words are those of profiles, options and outputs."""

    IPV4 = "ipv4"  # an address or a network in CIDR form
    IPV6 = "ipv6"
    DOMAIN = "domain"  # also the name of a host
    URL = "url"
    EMAIL = "email"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"
    SSDEEP = "ssdeep"
    TLSH = "tlsh"
    FILE_NAME = "file-name"
    FILE_PATH = "file-path"
    REGISTRY_KEY = "registry-key"
    MUTEX = "mutex"
    USER_AGENT = "user-agent"
    MAC = "mac"
    ASN = "asn"
    CERTIFICATE = "certificate"  # SHA-1 or SHA-256 of an X.509 certificate
    VULNERABILITY = "cve"
    TECHNIQUE = "technique"  # of MITRE ATT&CK: T1059.001
    PATTERN = "pattern"  # a STIX pattern, taken as it is
    SNORT = "snort"  # a rule, taken as it is; so are the two below
    SIGMA = "sigma"
    YARA = "yara"


@dataclass(frozen=True, slots=True)
class Finding:
    """One value that an input names. Instants are RFC 3339 texts in UTC."""

    kind: Kind
    value: str  # normalised
    place: str  # for people: "line 12", "page 3", "attribute 57c4..."
    context: str = ""  # the line or the comment around it, at most 500 characters
    detect: bool = True
    """Whether it is meant to be looked for (an indicator); else it is told of only (a cyber-observable)."""
    guessed: bool = False  # whether its kind is a guess
    valid_from: str | None = None
    valid_until: str | None = None
    confidence: int | None = None  # 0 to 100
    labels: tuple[str, ...] = ()
    description: str = ""
    markings: tuple[str, ...] = ()  # ids of marking definitions, besides those of the batch
    group: str = ""
    """Findings of one group are about one thing (the hashes of one file): one indicator, joined by OR."""
    external_ids: tuple[tuple[str, str], ...] = ()
    """What others call it: name of the source and its id there, such as the UUID of an attribute of MISP."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A place of the input that gave nothing, or less than it says, and why."""

    place: str
    what: str  # as far as it may be shown: one line, at most 120 characters
    reason: str
