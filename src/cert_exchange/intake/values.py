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
from collections.abc import Mapping
from typing import Final, NamedTuple

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.refanging import refang
from cert_exchange.intake.spelling import LONGEST, normalise
from cert_exchange.intake.top_level_domains import TOP_LEVEL_DOMAINS

__all__ = ["FILE_EXTENSIONS", "LONGEST", "Reading", "kind_of", "normalise", "read", "refang"]

_SCHEMES: Final = "https?|ftps?|sftp|tftp|wss?|tcp|udp|ssh|smb|ldaps?|ircs?|rtsp|gopher|telnet|socks[45]?|stratum(?:\\+[a-z]{3})?"
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
    | (?P<ipv4>[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}(?:/[0-9]{{1,2}}|\.)?)
    | (?P<cve>CVE-[0-9]{{4}}-[0-9]{{4,7}})
    | (?P<technique>T[0-9]{{4}}(?:[./][0-9]{{3}})?)
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


def read(text: str) -> Reading | None:
    """What a whole text is by its look, refanged and normalised, or None."""
    text = refang(text.strip())
    if not text or len(text) > LONGEST:
        return None
    if text[0] == "[" and text[-1] == "]":
        pattern = normalise(Kind.PATTERN, text)
        return None if pattern is None else Reading(Kind.PATTERN, pattern)
    found = _LOOKS.fullmatch(text)
    if found is None:
        if (rule := normalise(Kind.SNORT, text)) is not None:
            return Reading(Kind.SNORT, rule)
        return None
    group = found.lastgroup or ""
    if group == "name":
        return _named(text)
    kind = _BY_LENGTH[len(text)] if group == "hash" else _BY_LOOK[group]
    value = normalise(kind, text)
    if value is None:
        return None
    if group == "schemeless":
        host = value.partition("/")[0].partition(":")[0]
        known = (
            normalise(Kind.IPV4, host) is not None or host.rpartition(".")[2] in TOP_LEVEL_DOMAINS
        )
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
    domain = normalise(Kind.DOMAIN, text)
    if domain is not None and domain.rpartition(".")[2] in TOP_LEVEL_DOMAINS:
        return Reading(Kind.DOMAIN, domain, guessed=is_extension)
    if (
        is_extension
        and ending != text.lower()
        and (name := normalise(Kind.FILE_NAME, text)) is not None
    ):
        return Reading(Kind.FILE_NAME, name, guessed=True)
    return None


_BY_LENGTH: Final = {32: Kind.MD5, 40: Kind.SHA1, 64: Kind.SHA256, 128: Kind.SHA512}
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
