"""Whether a value that stands in a report is one of its indicators.

1. What the author wrote defanged is meant, wherever it stands but in a list of references, a footer or a list of victims.
2. A live address that can be clicked is a reference. So is a name of a site to which the report links, unless it is defanged.
3. A name in a sentence is an indicator only where the author defangs nothing, and it is `guessed` then; written in capitals
   it is a name. What stands alone on its line, in a cell, in code or in a list counts as listed, not as a sentence.
4. A mail address in a sentence is nobody's indicator: it is somebody's address.
5. Program code that is quoted gives only what is defanged in it.
6. Told of, not looked for (`detect=False`): names of files outside a list of them, folders, what every machine has (`common_places`), and live addresses among the strings
   of a sample or the targets of an attack.
7. Below a heading, in a column or behind a label of victims or targets everything is told of only, defanged or not: a CERT that
   writes victims defanged does not ask anybody to block them. Only a list of indicators elsewhere makes one an indicator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.reports.addresses import Spotted
from cert_exchange.intake.reports.common_places import everywhere, starts_programs
from cert_exchange.intake.reports.passages import Passage, Role, beginning_of, label_before
from cert_exchange.intake.reports.publishers import is_publisher
from cert_exchange.intake.reports.spotting import TELLING_ENDINGS
from cert_exchange.intake.spoken_words import speaks_of_victims

HASHES: Final = frozenset({Kind.MD5, Kind.SHA1, Kind.SHA256, Kind.SHA512})
RULES: Final = frozenset({Kind.YARA, Kind.SIGMA, Kind.SNORT})
FILES: Final = frozenset({Kind.FILE_NAME, Kind.FILE_PATH})
BULLETS: Final = " \t-*+\u2022\u00b7\u25cf>|'\"`()[],;:."

_ADDRESSES: Final = frozenset({Kind.IPV4, Kind.IPV6})
_HOSTS: Final = _ADDRESSES | {Kind.URL, Kind.DOMAIN, Kind.EMAIL, Kind.PATTERN}
_TELLING: Final = (
    HASHES
    | _ADDRESSES
    | {Kind.URL, Kind.DOMAIN, Kind.VULNERABILITY, Kind.TECHNIQUE, Kind.ASN, *RULES}
)
FILE_SECTION: Final = re.compile(r"\bfile ?(?:names?|paths?)\b", re.IGNORECASE)
_NAME_SECTION: Final = re.compile(r"\b(?:domains?|host ?names?|fqdn)\b", re.IGNORECASE)
_TOLD_SECTION: Final = re.compile(
    r"\b(?:strings|targets|targeted \w+|victims?|impersonated|monitored)\b", re.IGNORECASE
)
_OF_VICTIMS: Final = re.compile(
    r"\A[\W\d_]{0,10}(?:(?:the|all|some|other|new|known|confirmed|observed|identified|suspected|possible|potential|affected"
    r"|infected|compromised|list of|names of) ){0,3}+"
    r"(?:victim(?:s|es|ology)?|targets?|v\u00edctimas?|opfer|cibles|\u0436\u0435\u0440\u0442\u0432\w*|\u0446\u0435\u043b\u0438"
    r"|(?:targeted|impersonated|monitored) (?!attacks?\b|campaigns?\b|phish|spear|malware|ransom|intrusion)\w+)\b"
    r"|\A(?:[\w'\u2019-]+[ /,]{1,3}){0,3}(?:victims|targets)\W*\Z",
    re.IGNORECASE,
)
"""A heading, column or label of a list of victims. "APT 1 targets banks" is none: it is the title of a report."""
_REACHED: Final = re.compile(
    r"\b(?:to|by|from|on|at|against|for) (?:the |its )?(?:victims|targets)\W*\Z", re.IGNORECASE
)
_SENTENCES: Final = re.compile(r"[.!?;]\s+")
_NEAR: Final = 60
_SAID_VICTIM: Final = re.compile(
    r"\b(?:victims?|targets?|(?:affected|infected|compromised|attacked) (?:hosts?|systems?|servers?|organi[sz]ations?|networks?"
    r"|customers?|users?|compan(?:y|ies)))(?: (?:was|were|is|are|include[sd]?|named?)|:)\W*\Z",
    re.IGNORECASE,
)
_OF_ATTACKERS: Final = re.compile(
    r"\b(?:iocs?|indicators?|c2|c&c|cnc|command.and.control|malware|payloads?|attackers?|malicious)\b",
    re.IGNORECASE,
)
_REST: Final = re.compile(r"\A\s*(?:\Z|[-\u2013\u2014(|,;#/=\t]|:\d|\[[a-z]|\s{2,})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a value is taken, how, and why not."""

    take: bool
    reason: str = ""  # why not; empty: nothing that a person would miss
    detect: bool = True
    guessed: bool = False
    weight: int = 1  # how sure this place is: 1 a sentence, 2 a list, 3 defanged
    file: bool = False  # it is taken as the name of a file, whatever it looked like
    victim: bool = False  # it stands among the victims
    listed: bool = False  # it stands by itself, not in a sentence


def host_of(url: str) -> str:
    """The host of a normalised URL, in lower case."""
    rest = url.partition("://")[2] or url
    return rest.partition("/")[0].partition("?")[0].rpartition("@")[2].partition(":")[0].lower()


def judge(item: Spotted, passage: Passage, *, defangs: bool, linked: set[str]) -> Verdict:
    """Whether a value is an indicator. `defangs`: the author does so somewhere; `linked`: hosts to which the report links."""
    role, kind = passage.role, item.kind
    if role is Role.REFERENCE:
        return _not("it stands in the references of the report")
    if role is Role.HIDDEN:
        return _not("it is hidden on the page: nobody who looks at it sees it")
    if role is Role.FOOTER:
        return _not("it stands in a part about the report or its authors")
    if item.value is None:
        return _not(item.fault if kind in _TELLING else "")
    if role is Role.PROGRAM and not item.defanged:
        named = kind in FILES or kind is Kind.DOMAIN
        return _not("" if named else "it stands live in quoted program code")
    listed = role is Role.LISTED or _alone(item, passage)
    verdict = _judged(item, passage, listed=listed, defangs=defangs, linked=linked)
    if verdict.take and kind in _HOSTS and among_victims(passage, item.start):
        return replace(verdict, detect=False, victim=True)
    return replace(verdict, listed=listed)


def among_victims(passage: Passage, at: int) -> bool:
    """Whether what names a place most nearly says that victims stand there: a label before it, its column, its two headings."""
    # A label begins with its sentence: "It was busy at night. Victims: ..."
    inner = _SENTENCES.split(label_before(passage.text, at))[-1]
    if _SAID_VICTIM.search(passage.text[max(0, at - _NEAR) : at]):
        return True
    label = beginning_of(passage.context or passage.text)
    for words in (inner, passage.column, label, *reversed(passage.heading.split(" / "))):
        if _OF_VICTIMS.search(words) and not _REACHED.search(words):
            return True
        if _OF_ATTACKERS.search(words):
            return False
        if speaks_of_victims(words):
            return True
    return False


def _judged(
    item: Spotted, passage: Passage, *, listed: bool, defangs: bool, linked: set[str]
) -> Verdict:
    """What is taken of a part of a report that may hold indicators."""
    role, kind = passage.role, item.kind
    if kind is Kind.EMAIL:
        host = (item.value or "").rpartition("@")[2]
        if item.defanged or (listed and host not in linked and not is_publisher(host)):
            return Verdict(take=True)
        return _not("a mail address in a sentence: somebody's address, no indicator")
    if kind in FILES:
        return _file(item, passage, listed=listed)
    if item.defanged:
        return Verdict(take=True, weight=3)
    if kind is Kind.REGISTRY_KEY and starts_programs(item.value or ""):
        return Verdict(take=True, detect=False)
    told = kind not in HASHES and _TOLD_SECTION.search(passage.heading) is not None
    if kind is Kind.PATTERN and not listed:
        return _not("a name in a sentence")
    if kind is Kind.URL:
        verdict = _address(item, role, listed=listed, defangs=defangs, linked=linked)
    elif kind is Kind.DOMAIN:
        verdict = _name(item, passage, listed=listed, defangs=defangs, linked=linked)
    else:
        verdict = Verdict(take=True, weight=2 if listed else 1)
    if told and verdict.take and kind in _ADDRESSES | {Kind.URL, Kind.DOMAIN}:
        return Verdict(take=True, detect=False, guessed=verdict.guessed)
    return verdict


def _not(reason: str) -> Verdict:
    return Verdict(take=False, reason=reason)


def _file(item: Spotted, passage: Passage, *, listed: bool) -> Verdict:
    if item.kind is Kind.FILE_PATH:
        value = item.value or ""
        told = value[-1:] in {"/", "\\"} or everywhere(value)
        if not listed and "\\" not in value:
            return _not("a path in a sentence; set in code (`...`) it is taken")
        return Verdict(take=True, detect=not told, weight=2 if listed else 1)
    in_list = FILE_SECTION.search(passage.heading) is not None
    named = passage.role in {Role.LISTED, Role.HEADING} or in_list
    sure = passage.role is not Role.HEADING and named and (in_list or "file" in passage.column)
    sure = sure and not everywhere(item.value or "")
    return Verdict(take=named, detect=bool(sure), weight=2 if sure else 1)


def _address(
    item: Spotted, role: Role, *, listed: bool, defangs: bool, linked: set[str]
) -> Verdict:
    if role is Role.LINK:
        return _not("a link of the report")
    host = host_of(item.value or "")
    if is_publisher(host):
        return _not("a live address of a site that publishes or shows samples: a reference")
    if item.ambiguous and host in linked:
        return _not("the report links to this site: a reference")
    if listed:
        return Verdict(take=True, guessed=item.ambiguous, weight=2)
    if defangs:
        return _not(
            "a live address in a sentence: a reference, as the author defangs what is meant"
        )
    return _not("") if item.ambiguous else Verdict(take=True, guessed=True)


def _name(
    item: Spotted, passage: Passage, *, listed: bool, defangs: bool, linked: set[str]
) -> Verdict:
    value = item.value or ""
    said = _NAME_SECTION.search(passage.column or passage.heading)
    if item.ambiguous and not (said and listed):
        if passage.role is Role.LISTED and item.raw.rpartition(".")[2].lower() in TELLING_ENDINGS:
            return Verdict(take=True, detect=False, guessed=True, file=True)
        return _not("it may be the name of a file; written defanged it would be taken")
    if value in linked:
        return _not("the report links to this site: a reference")
    if is_publisher(value):
        return _not("a name of a site that publishes or shows samples: a reference")
    capitals = item.raw != item.raw.lower()
    whole = passage.text.strip(BULLETS) == item.raw
    if listed and (whole or not (capitals and defangs)):
        return Verdict(take=True, guessed=item.ambiguous, weight=2)
    if defangs:
        return _not("a name in a sentence, as the author defangs what is meant")
    if capitals:
        return _not("a name in a sentence, written with capitals: an organisation or a product")
    return Verdict(take=True, guessed=True)


def _alone(item: Spotted, passage: Passage) -> bool:
    """Whether a value begins its line, and nothing or a remark follows it."""
    if passage.role in {Role.LINK, Role.HEADING}:
        return False
    before = passage.text[: item.start].strip(BULLETS)
    return not before and _REST.match(passage.text[item.end :]) is not None
