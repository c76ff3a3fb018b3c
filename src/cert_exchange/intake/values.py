"""Single values: what a text is, and the one spelling in which we keep it.

1. `normalise` never guesses: a text that is not wholly a value of the kind gives None, and its reader hands on a loss.
2. One value has one spelling, on every machine and release of Python, since ids are made from it: host names as
   A-labels in lower case, IPv6 by RFC 5952, hashes in lower case, hives of the registry in full.
3. What widens a value is refused, not mended: a network with host bits set, a name with a wildcard.
4. `read` and `kind_of` are for texts of which nobody says what they are. A domain needs a top-level domain of IANA's
   list; what may be a file name as well is `guessed` (CASES I15).
5. Inputs are hostile: every regular expression is linear, every value at most `LONGEST` characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, NamedTuple

import idna

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.top_level_domains import TOP_LEVEL_DOMAINS
from cert_exchange.stix.patterns import PatternInvalid, check_pattern

LONGEST: Final = 4_096
"""The most characters of a value; rules and patterns may have 16 times as many."""

_RULES: Final = frozenset({Kind.PATTERN, Kind.SNORT, Kind.SIGMA, Kind.YARA})
_NETWORKED: Final = frozenset({Kind.IPV4, Kind.IPV6, Kind.DOMAIN, Kind.URL, Kind.EMAIL})

_DEFANGED: Final = re.compile(
    r"""
    (?P<scheme>\bh(?:xx|\*\*|tx|xt|__)ps?+(?=\ ?[:\[({_]))
    | (?P<ftp>\bfxps?+(?=\ ?[:\[({_]))
    | (?P<slashes>\ ?[\[({]\ ?:?//\ ?[\])}]\ ?)
    | (?P<dot>\ ?[\[({]\ ?(?:\.|dot|punkt|point)\ ?[\])}]\ ?)
    | (?P<halfdot>(?<=[a-z0-9_-])(?:\[\.|\.\])(?=[a-z0-9_-]))
    | (?P<colon>[\[({]:[\])}])
    | (?P<slash>[\[({]/[\])}])
    | (?P<at>\ ?[\[({]\ ?(?:@|at)\ ?[\])}]\ ?)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PLAIN_FOR: Final = {"dot": ".", "halfdot": ".", "colon": ":", "slash": "/", "at": "@"}
_MAYBE_DEFANGED: Final = re.compile(r"[\[({\]]|h(?:xx|\*\*|tx|xt|__)p|fxp", re.IGNORECASE)

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
    (?:\[(?P<six>[0-9a-f:.]{2,45})\]|(?P<host>[^/?#@:\[\]\\\s<>"{}|^`%]++))
    (?P<port>:[0-9]{1,5})?
    (?P<rest>[/?#][^\s]*+)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SCHEMES: Final = "https?|ftps?|sftp|tftp|wss?|tcp|udp|ssh|smb|ldaps?|ircs?|rtsp|gopher|telnet|socks[45]?|stratum(?:\\+[a-z]{3})?"
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

FILE_EXTENSIONS: Final = frozenset(
    """
    7z ace ai apk app asp aspx avi bak bash bat bin bmp bz2 c cab cat cc cfg class chm cmd conf cpl cpp crt cs css csv dat
    db deb dex dll dmg doc docm docx dotm drv eml eps exe gif go gz h hta html htm ico inf ini ipa ipynb iqy iso jar java
    jpeg jpg js jse json jsp jspx key lnk lock log lua lzh m4 mdb md mht mm mov mp3 mp4 msc msi msix msp o ocx odt one
    ova pcap pcapng pdb pdf pem php phtml pif pkg pl plist png pot potm ppam pps ppsx ppt pptm pptx prg properties ps ps1
    psd1 psm1 pub py pyc pyd pyw rar rb reg rm rpm rs rtf sc scr sct settings settingcontent-ms sh slk so sql svg swf sys
    tar tgz tmp ts txt url vb vba vbe vbs vhd vhdx vmdk war wasm wav wll wmv ws wsc wsf xap xbap xhtml xlam xll xls xlsb
    xlsm xlsx xlt xltm xml xsl xz yaml yar yara yml zip zst
    """.split()  # noqa: SIM905 - 170 quoted words are harder to read
)
"""Endings of file names. Some are top-level domains too: zip, mov, sh, py, pl, rs, so, md, app, cc."""

_LOOKS: Final = re.compile(
    rf"""
    (?P<hash>[0-9a-f]{{32}}|[0-9a-f]{{40}}|[0-9a-f]{{64}}|[0-9a-f]{{128}})
    | (?P<ipv4>[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}(?:/[0-9]{{1,2}})?)
    | (?P<cve>CVE-[0-9]{{4}}-[0-9]{{4,7}})
    | (?P<technique>T[0-9]{{4}}(?:\.[0-9]{{3}})?)
    | (?P<mac>(?:[0-9a-f]{{2}}:){{5}}[0-9a-f]{{2}}|(?:[0-9a-f]{{2}}-){{5}}[0-9a-f]{{2}})
    | (?P<ipv6>[0-9a-f]{{0,4}}:[0-9a-f:.]{{1,44}}(?:%[a-z0-9._-]{{1,32}})?(?:/[0-9]{{1,3}})?)
    | (?P<asn>ASN?[ ]?[0-9]{{1,10}})
    | (?P<url>(?:{_SCHEMES})://\S++)
    | (?P<email>[^\s@/\\:<>]{{1,64}}@[^\s@/\\]++)
    | (?P<key>HK(?:LM|CU|CR|U|CC|EY_[A-Z_]++):?+\\.++)
    | (?P<tlsh>T1[0-9a-f]{{70}})
    | (?P<ssdeep>[0-9]{{1,10}}:[a-z0-9+/]{{3,64}}:[a-z0-9+/]{{3,64}})
    | (?P<path>(?:[a-z]:\\|\\\\[^\\\s]++\\|%[a-z0-9_()]++%\\|~?/(?:[^/\s]++/)++).*+)
    | (?P<schemeless>[^\s/\\:@\[\](){{}}]++(?::[0-9]{{1,5}})?/\S*+)
    | (?P<name>[^\s/\\:@\[\](){{}}<>"|?*,;]++)
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Reading(NamedTuple):
    """What a text is by its look. `guessed`: it may as well be something else, a file name say."""

    kind: Kind
    value: str
    guessed: bool = False


def refang(text: str) -> str:
    """Undo what people do to keep an address from being clicked: hxxp://, [.], (dot), [://], [@]. Else unchanged."""
    if _MAYBE_DEFANGED.search(text) is None:
        return text
    return _DEFANGED.sub(_refanged, text)


def _refanged(found: re.Match[str]) -> str:
    group = found.lastgroup or ""
    if group in {"scheme", "ftp"}:
        secure = "s" if found[0][-1] in "sS" else ""
        return f"http{secure}" if group == "scheme" else f"ftp{secure}"
    if group == "slashes":
        return "://" if ":" in found[0] else "//"
    return _PLAIN_FOR[group]


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


def read(text: str) -> Reading | None:
    """What a whole text is by its look, refanged and normalised, or None."""
    text = refang(text.strip())
    if not text or len(text) > LONGEST:
        return None
    if text[0] == "[" and text[-1] == "]":
        pattern = _pattern(text)
        return None if pattern is None else Reading(Kind.PATTERN, pattern)
    found = _LOOKS.fullmatch(text)
    if found is None:
        if _SNORT.fullmatch(text) is not None and (rule := _snort(text)) is not None:
            return Reading(Kind.SNORT, rule)
        return None
    group = found.lastgroup or ""
    if group == "name":
        return _named(text)
    kind = _BY_LENGTH[len(text)] if group == "hash" else _BY_LOOK[group]
    if _UNPRINTABLE.search(text) is not None:
        return None
    value = _NORMALISING[kind](text)
    if value is None:
        return None
    if group == "schemeless":
        host = value.partition("/")[0].partition(":")[0]
        known = _ipv4(host) is not None or host.rpartition(".")[2] in TOP_LEVEL_DOMAINS
        return Reading(kind, value, guessed=True) if known else None
    return Reading(kind, value)


def kind_of(text: str) -> Kind | None:
    """What a whole text is by its look, or None; `read` says besides whether that is a guess."""
    found = read(text)
    return None if found is None else found.kind


def _named(text: str) -> Reading | None:
    """A domain name, a file name, or neither."""
    ending = text.rpartition(".")[2].lower()
    is_extension = ending in FILE_EXTENSIONS
    domain = _domain(text)
    if domain is not None and domain.rpartition(".")[2] in TOP_LEVEL_DOMAINS:
        return Reading(Kind.DOMAIN, domain, guessed=is_extension)
    if is_extension and ending != text.lower() and (name := _file_name(text)) is not None:
        return Reading(Kind.FILE_NAME, name, guessed=True)
    return None


def _ipv4(text: str) -> str | None:
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
        where = _ipv4(host) or _domain(host) or (_single_label(host) if scheme else None)
    if where is None:
        return None
    start = "" if scheme is None else f"{scheme.lower()}://"
    return f"{start}{user or ''}{where}{port or ''}{rest or ''}"


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
_BY_LENGTH: Final = {length: kind for kind, length in _LENGTHS.items()}
_BY_LOOK: Final[Mapping[str, Kind]] = {
    "ipv4": Kind.IPV4,
    "ipv6": Kind.IPV6,
    "cve": Kind.VULNERABILITY,
    "technique": Kind.TECHNIQUE,
    "mac": Kind.MAC,
    "asn": Kind.ASN,
    "url": Kind.URL,
    "schemeless": Kind.URL,
    "email": Kind.EMAIL,
    "key": Kind.REGISTRY_KEY,
    "tlsh": Kind.TLSH,
    "ssdeep": Kind.SSDEEP,
    "path": Kind.FILE_PATH,
}
