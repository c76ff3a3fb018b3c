"""The one spelling in which we keep a value of a stated kind; the rules are those of `intake.values`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import quote, unquote

import idna

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.refanging import refang
from cert_exchange.stix.patterns import PatternInvalid, check_pattern

LONGEST: Final = 4_096
"""The most characters of a value; rules and patterns may have 16 times as many."""

_RULES: Final = frozenset({Kind.PATTERN, Kind.SNORT, Kind.SIGMA, Kind.YARA})
_NETWORKED: Final = frozenset({Kind.IPV4, Kind.IPV6, Kind.DOMAIN, Kind.URL, Kind.EMAIL})

# What no value may hold: control characters, and what a reader put where it could not decode.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd\ud800-\udfff]")
_LABELS: Final = re.compile(
    r"(?:(?!-)[a-z0-9_-]{1,63}(?<!-)\.)++(?!(?:[0-9]++|0x[0-9a-f]*+)\Z)(?!-)[a-z0-9_-]{1,63}(?<!-)"
)
_ONE_LABEL: Final = re.compile(r"(?!(?:[0-9]++|0x[0-9a-f]*+)\Z)(?!-)[a-z0-9_-]{1,63}(?<!-)")
_URL: Final = re.compile(
    r"""
    (?:(?P<scheme>[a-z][a-z0-9+.-]{0,31})://)?+
    (?P<user>[^/?#@\[\]\\\s]*+@)?
    (?:\[(?P<six>[0-9a-f:.]{2,45})\]|(?P<host>[^/?#@:\[\]\\\s<>"{}|^`]++))
    (?P<port>:[0-9]{1,5})?
    (?P<rest>[/?#][^\s]*+)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SAFE: Final = "%/?#@:!$&'()*+,;=-._~[]"
_URL_SIGNS: Final = re.compile(r"[A-Za-z0-9%/?#@:!$&'()*+,;=\-._~\[\]]*+")
_LOCAL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_HEX: Final = re.compile(r"[0-9a-f]++")
_LENGTHS: Final = {Kind.MD5: 32, Kind.SHA1: 40, Kind.SHA256: 64, Kind.SHA512: 128}
_SSDEEP: Final = re.compile(r"[0-9]{1,10}:[A-Za-z0-9+/]{1,64}:[A-Za-z0-9+/]{1,64}")
_TLSH: Final = re.compile(r"(?:T1)?[0-9A-F]{70}")
_MAC: Final = re.compile(
    r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|(?:[0-9a-f]{2}-){5}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}"
)
_ASN: Final = re.compile(r"(?:ASN?[ ]?)?([0-9]{1,10})", re.IGNORECASE)
_CVE: Final = re.compile(r"CVE-(?:199[0-9]|20[0-9]{2})-[0-9]{4,7}", re.IGNORECASE)
_TECHNIQUE: Final = re.compile(r"T[0-9]{4}(?:[./][0-9]{3})?", re.IGNORECASE)
_HIVES: Final[Mapping[str, str]] = {
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKCU": "HKEY_CURRENT_USER",
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKU": "HKEY_USERS",
    "HKCC": "HKEY_CURRENT_CONFIG",
}
_KEY: Final = re.compile(
    r"(HKLM|HKCU|HKCR|HKU|HKCC|HKEY_LOCAL_MACHINE|HKEY_CURRENT_USER|HKEY_CLASSES_ROOT|HKEY_USERS"
    r"|HKEY_CURRENT_CONFIG):?+((?:\\[^\\]++)*+)\\?",
    re.IGNORECASE,
)
_SNORT: Final = re.compile(
    r"(?:alert|drop|pass|reject|block|log|rejectsrc|rejectdst|rejectboth|sdrop|activate|dynamic)\s+\S[^\n]*\([^\n]*;\s*+\)"
)
_YARA: Final = re.compile(r"(?:^|\s)rule\s+[A-Za-z_][A-Za-z0-9_]{0,127}\b")
_SIGMA: Final = re.compile(r"^detection:", re.MULTILINE)


def normalise(kind: Kind, text: str) -> str | None:
    """The one spelling of a value of a stated kind, or None where the text is none. Addresses and names may be defanged."""
    text = text.strip()
    longest = LONGEST * 16 if kind in _RULES else LONGEST
    if not text or len(text) > longest:
        return None
    if kind in _NETWORKED:
        text = refang(text)
    if kind not in _RULES and _UNPRINTABLE.search(text) is not None:
        return None
    return _NORMALISING[kind](text)


def _ipv4(text: str) -> str | None:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u3002", ".")
    text = text.removesuffix(".") if "/" not in text else text
    host, slash, length = text.partition("/")
    try:
        if not slash:
            return str(IPv4Address(text))
        if not (length.isascii() and length.isdigit()):
            return None
        network = IPv4Network((host, int(length)))  # refuses host bits
    except ValueError:
        return None
    return str(network.network_address) if network.prefixlen == 32 else str(network)


def _ipv6(text: str) -> str | None:
    host, slash, length = text.strip("[]").partition("/")
    host = host.partition("%")[0]  # a zone means something on one machine only
    try:
        if not slash:
            return _ipv6_text(IPv6Address(host))
        if not (length.isascii() and length.isdigit()):
            return None
        network = IPv6Network((host, int(length)))
    except ValueError:
        return None
    address = _ipv6_text(network.network_address)
    return address if network.prefixlen == 128 else f"{address}/{network.prefixlen}"


def _ipv6_text(address: IPv6Address) -> str:
    # Python 3.13 writes these as RFC 5952 section 5 recommends, 3.11 does not.
    mapped = address.ipv4_mapped
    return str(address) if mapped is None else f"::ffff:{mapped}"


def _domain(text: str) -> str | None:
    name = text.removesuffix(".").lower() if text.isascii() else _a_labels(text)
    if name is None or len(name) > 253 or _LABELS.fullmatch(name) is None:
        return None
    return name


@lru_cache(maxsize=4_096)
def _a_labels(text: str) -> str | None:
    if len(text) > 253:
        return None
    try:
        return idna.encode(text, uts46=True).decode("ascii").removesuffix(".").lower()
    except (idna.IDNAError, UnicodeError):
        return None


def _url(text: str) -> str | None:
    found = _URL.fullmatch(text)
    if found is None:
        return None
    scheme, user, six, host, port, rest = found.group(
        "scheme", "user", "six", "host", "port", "rest"
    )
    if scheme is None and (rest is None or user is not None):
        return None  # a name or an address alone is no URL
    if port is not None and int(port[1:]) > 65_535:
        return None
    if six is not None:
        address = _ipv6(six)
        where = None if address is None else f"[{address}]"
    else:
        host = unquote(host) if "%" in host else host
        where = _ipv4(host) or _domain(host) or (_single_label(host) if scheme else None)
    if where is None:
        return None
    start = "" if scheme is None else f"{scheme.lower()}://"
    return f"{start}{_encoded(user or '')}{where}{port or ''}{_encoded(rest or '')}"


def _encoded(text: str) -> str:
    """What stands in a URL as RFC 3986 allows it, and as logs have it: other scripts as UTF-8 in percent-encoding."""
    if _URL_SIGNS.fullmatch(text) is not None:
        return text
    return quote(text, safe=_SAFE)


def _single_label(host: str) -> str | None:
    label = host.lower()
    return label if _ONE_LABEL.fullmatch(label) else None


def _email(text: str) -> str | None:
    local, at, host = text.rpartition("@")
    if not at or _LOCAL.fullmatch(local) is None or local[0] == "." or local[-1] == ".":
        return None
    domain = _domain(host)
    return None if domain is None else f"{local}@{domain}"


def _hash_of(length: int) -> Callable[[str], str | None]:
    def digest(text: str) -> str | None:
        value = text.lower()
        return value if len(value) == length and _HEX.fullmatch(value) else None

    return digest


def _certificate(text: str) -> str | None:
    value = text.replace(":", "").replace(" ", "").lower()
    return value if len(value) in {40, 64} and _HEX.fullmatch(value) else None


def _ssdeep(text: str) -> str | None:
    value = text.partition(",")[0]
    return value if _SSDEEP.fullmatch(value) else None


def _tlsh(text: str) -> str | None:
    value = text.upper()
    return value if _TLSH.fullmatch(value) else None


def _file_name(text: str) -> str | None:
    return text if len(text) <= 255 and "/" not in text and "\\" not in text else None


def _file_path(text: str) -> str | None:
    return text if "/" in text or "\\" in text else None


def _registry_key(text: str) -> str | None:
    found = _KEY.fullmatch(text)
    if found is None:
        return None
    hive = found[1].upper()
    return f"{_HIVES.get(hive, hive)}{found[2]}"


def _mac(text: str) -> str | None:
    value = text.lower()
    if _MAC.fullmatch(value) is None:
        return None
    digits = re.sub(r"[:.-]", "", value)
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _asn(text: str) -> str | None:
    found = _ASN.fullmatch(text)
    number = 0 if found is None else int(found[1])
    return f"AS{number}" if 0 < number < 2**32 else None


def _cve(text: str) -> str | None:
    return text.upper() if _CVE.fullmatch(text) else None


def _technique(text: str) -> str | None:
    return text.upper().replace("/", ".") if _TECHNIQUE.fullmatch(text) else None


def _pattern(text: str) -> str | None:
    try:
        check_pattern(text, version="2.1")
    except PatternInvalid:
        return None
    return text


def _snort(text: str) -> str | None:
    return text if _SNORT.fullmatch(text) and "\x00" not in text else None


def _sigma(text: str) -> str | None:
    return text if _SIGMA.search(text) and "\x00" not in text else None


def _yara(text: str) -> str | None:
    return text if _YARA.search(text) and "condition" in text and "\x00" not in text else None


def _as_it_is(text: str) -> str | None:
    return text


_NORMALISING: Final[Mapping[Kind, Callable[[str], str | None]]] = {
    Kind.IPV4: _ipv4,
    Kind.IPV6: _ipv6,
    Kind.DOMAIN: _domain,
    Kind.URL: _url,
    Kind.EMAIL: _email,
    **{kind: _hash_of(length) for kind, length in _LENGTHS.items()},
    Kind.SSDEEP: _ssdeep,
    Kind.TLSH: _tlsh,
    Kind.FILE_NAME: _file_name,
    Kind.FILE_PATH: _file_path,
    Kind.REGISTRY_KEY: _registry_key,
    Kind.MUTEX: _as_it_is,
    Kind.USER_AGENT: _as_it_is,
    Kind.MAC: _mac,
    Kind.ASN: _asn,
    Kind.CERTIFICATE: _certificate,
    Kind.VULNERABILITY: _cve,
    Kind.TECHNIQUE: _technique,
    Kind.PATTERN: _pattern,
    Kind.SNORT: _snort,
    Kind.SIGMA: _sigma,
    Kind.YARA: _yara,
}
