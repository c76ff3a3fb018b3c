"""Which of the values in a report are its indicators.

1. What the author wrote defanged is meant, wherever it stands but in a list of references or a footer.
2. A live address that can be clicked is a reference. So is a name of a site to which the report links, unless it is defanged.
3. A name in a sentence is an indicator only where the author defangs nothing, and it is `guessed` then; written in capitals
   it is a name. What stands alone on its line, in a cell, in code or in a list counts as listed, not as a sentence.
4. A mail address in a sentence is nobody's indicator: it is somebody's address.
5. Program code that is quoted gives only what is defanged in it. A rule (YARA, Sigma) is taken whole.
6. What the author calls legitimate is told of, and not looked for (`detect=False`). So are names of files: too many share them.
7. Each value comes once, at its best place, and what is not taken is a loss with its reason, once for each value and reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.reports.passages import LONGEST_CONTEXT, Passage, Role, one_line
from cert_exchange.intake.reports.publishers import ATTACK, covered, is_publisher, shows_samples
from cert_exchange.intake.reports.spotting import Spotted, spot
from cert_exchange.intake.values import normalise, refang

MOST_VALUES: Final = 200_000

_HASHES: Final = frozenset({Kind.MD5, Kind.SHA1, Kind.SHA256, Kind.SHA512})
_ADDRESSES: Final = frozenset({Kind.IPV4, Kind.IPV6})
_FILES: Final = frozenset({Kind.FILE_NAME, Kind.FILE_PATH})
_HARMLESS: Final = re.compile(
    r"\((?:[\w, ]{0,40}\b)?(?:legit|legitimate|benign|clean|harmless|not malicious)\b[^)]{0,100}\)"
    r"|\|\s*(?:legitimate|benign|clean)(?: file| binary| executable| software)?\s*(?:\||\Z)",
    re.IGNORECASE,
)
_HARMLESS_SECTION: Final = re.compile(
    r"\b(?:legitimate|benign|clean files?|false positives?|whitelist|allowlist)\b", re.IGNORECASE
)
_MUTEX: Final = re.compile(r"\bmutex(?:es)?\b", re.IGNORECASE)
_FILE_SECTION: Final = re.compile(r"\bfile ?(?:names?|paths?)\b", re.IGNORECASE)
_AGENT: Final = re.compile(r"user-?\s?agents?\b", re.IGNORECASE)
_AGENT_VALUE: Final = re.compile(
    r"[\w.+-]{2,40}/[0-9][\w.+-]{0,20}+(?: \([^()\n]{1,300}\)| [\w.+-]{2,40}/[\w.+-]{1,40}+| like [A-Z]\w{1,20}){0,12}+"
)
_MUTEX_VALUE: Final = re.compile(r"\S(?:.{0,198}\S)?")
_TECHNIQUE_PAGE: Final = re.compile(r"/techniques/(T[0-9]{4})(?:/([0-9]{3}))?/?(?:\Z|[#?])")
_DIGEST: Final = re.compile(
    r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})(?![0-9a-fA-F])"
)
_BY_LENGTH: Final = {32: Kind.MD5, 40: Kind.SHA1, 64: Kind.SHA256}
_BULLETS: Final = " \t-*+\u2022\u00b7\u25cf>|'\"`()[],;:."
_REST: Final = re.compile(r"\A\s*(?:\Z|[-\u2013\u2014(|,;:#/=\t]|\[[a-z]|\s{2,})", re.IGNORECASE)


@dataclass(slots=True)
class _Known:
    """What is known so far of one value."""

    finding: Finding
    weight: int  # how sure its best place is
    harmless: bool


@dataclass(frozen=True, slots=True)
class _Verdict:
    take: bool
    reason: str = ""
    detect: bool = True
    guessed: bool = False
    weight: int = 1


def choose(passages: Iterable[Passage]) -> Iterator[Finding | Loss]:
    """The indicators of a report, then what was not taken of it."""
    looked = [(passage, tuple(_spotted(passage))) for passage in passages]
    defanged = any(
        item.defanged and item.kind is not Kind.FILE_PATH for _, found in looked for item in found
    )
    linked = _linked(looked)
    known: dict[tuple[Kind, str], _Known] = {}
    losses: dict[tuple[str, str], Loss] = {}
    for passage, found in looked:
        for item in found:
            verdict = _judge(item, passage, defanged=defanged, linked=linked)
            if verdict.take and item.value is not None and len(known) < MOST_VALUES:
                _keep(known, item, passage, verdict)
            elif verdict.reason and len(losses) < MOST_VALUES:
                what = one_line(item.raw, 120)
                losses.setdefault((what, verdict.reason), Loss(passage.place, what, verdict.reason))
    groups = _groups(looked)
    taken = set()
    for (kind, value), one in known.items():
        taken.add(value)
        detect = one.finding.detect and not one.harmless
        yield replace(one.finding, detect=detect, group=groups.get((kind, value), ""))
    for (what, _), loss in losses.items():
        if what not in taken and refang(what) not in taken:
            yield loss


def _spotted(passage: Passage) -> Iterator[Spotted]:
    text = passage.text
    if passage.role is Role.RULE:
        kind = Kind.SIGMA if re.search(r"^detection:", text, re.MULTILINE) else Kind.YARA
        value = normalise(kind, text)
        yield Spotted(
            kind,
            one_line(text, 120),
            0,
            len(text),
            value,
            fault="" if value else "it is no whole rule",
        )
        return
    if passage.role is Role.LINK:
        yield from _of_link(text)
        return
    listed = passage.role is Role.LISTED or not passage.context
    if (
        listed
        and _MUTEX.search(passage.column or passage.heading)
        and _MUTEX_VALUE.fullmatch(text.strip(" -*"))
    ):
        value = text.strip(" -*")
        if not _MUTEX.search(value) and len(value.split()) < 9:
            yield Spotted(Kind.MUTEX, value, 0, len(text), normalise(Kind.MUTEX, value))
            return
    labelled = _AGENT.search(text) or _AGENT.search(passage.column or passage.heading)
    if labelled:
        found = _AGENT_VALUE.search(text)
        if found is not None and len(found[0]) > 12:
            yield Spotted(
                Kind.USER_AGENT, found[0], *found.span(), normalise(Kind.USER_AGENT, found[0])
            )
            text = text[: found.start()] + " " * len(found[0]) + text[found.end() :]
    yield from spot(text)


def _of_link(target: str) -> Iterator[Spotted]:
    """What the target of a link names besides itself: a technique by its page, a sample by its page."""
    url = normalise(Kind.URL, target)
    host = _host(url or "")
    page = _TECHNIQUE_PAGE.search(target) if covered(host, {ATTACK}) else None
    if page is not None:
        technique = page[1] + (f".{page[2]}" if page[2] else "")
        yield Spotted(Kind.TECHNIQUE, technique, 0, len(target), technique)
        return
    if url is not None and shows_samples(host):
        for digest in _DIGEST.findall(target):
            kind = _BY_LENGTH[len(digest)]
            yield Spotted(kind, digest, 0, len(target), normalise(kind, digest))
            return
    if url is not None and "://" in target + refang(target):
        yield Spotted(Kind.URL, target, 0, len(target), url, defanged=refang(target) != target)


def _host(url: str) -> str:
    rest = url.partition("://")[2] or url
    return rest.partition("/")[0].partition("?")[0].rpartition("@")[2].partition(":")[0].lower()


def _linked(looked: Iterable[tuple[Passage, tuple[Spotted, ...]]]) -> set[str]:
    """The hosts to which a report links and the domains above them; those of its references and footer too."""
    hosts: set[str] = set()
    for passage, found in looked:
        if passage.role in {Role.LINK, Role.REFERENCE, Role.FOOTER}:
            if passage.role is Role.LINK and (url := normalise(Kind.URL, passage.text)):
                if refang(passage.text) == passage.text:
                    hosts.add(_host(url))
                continue
            hosts |= {
                _host(item.value)
                for item in found
                if item.kind is Kind.URL and item.value and not item.defanged
            }
    return {above for host in hosts for above in _above(host)}


def _above(host: str) -> Iterator[str]:
    """A host, and the domains above it."""
    while "." in host:
        yield host
        host = host.partition(".")[2]


def _judge(item: Spotted, passage: Passage, *, defanged: bool, linked: set[str]) -> _Verdict:
    role = passage.role
    kind = item.kind
    if role is Role.REFERENCE:
        return _Verdict(take=False, reason="it stands in the references of the report")
    if role is Role.FOOTER:
        return _Verdict(take=False, reason="it stands in a part about the report or its authors")
    if item.value is None:
        telling = kind in {*_HASHES, *_ADDRESSES, Kind.URL, Kind.YARA, Kind.SIGMA, Kind.EMAIL}
        return _Verdict(take=False, reason=item.fault if telling else "")
    listed = role is Role.LISTED or _alone(item, passage)
    if role is Role.PROGRAM and not item.defanged:
        telling = kind not in _FILES and kind is not Kind.DOMAIN
        return _Verdict(
            take=False, reason="it stands live in quoted program code" if telling else ""
        )
    if kind is Kind.URL:
        return _address(item, role, listed=listed, defanged=defanged, linked=linked)
    if kind is Kind.DOMAIN:
        return _name(item, passage, listed=listed, defanged=defanged, linked=linked)
    if kind is Kind.EMAIL:
        host = item.value.rpartition("@")[2]
        if item.defanged or (listed and host not in linked and not is_publisher(host)):
            return _Verdict(take=True)
        return _Verdict(
            take=False, reason="a mail address in a sentence: somebody's address, no indicator"
        )
    if kind is Kind.FILE_NAME:
        named = role is Role.LISTED or _FILE_SECTION.search(passage.heading) is not None
        sure = named and (_FILE_SECTION.search(passage.heading) or "file" in passage.column)
        return _Verdict(
            take=named or passage.text == passage.heading,
            detect=bool(sure),
            weight=2 if sure else 1,
        )
    if kind is Kind.FILE_PATH:
        folder = item.value[-1] in "/\\"
        return _Verdict(
            take=listed or "\\" in item.value, detect=not folder, weight=2 if listed else 1
        )
    return _Verdict(take=True, weight=2 if listed else 1)


def _address(
    item: Spotted, role: Role, *, listed: bool, defanged: bool, linked: set[str]
) -> _Verdict:
    if item.defanged:
        return _Verdict(take=True, weight=3)
    if role is Role.LINK:
        return _Verdict(take=False, reason="a link of the report")
    host = _host(item.value or "")
    if is_publisher(host):
        return _Verdict(
            take=False,
            reason="a live address of a site that publishes or shows samples: a reference",
        )
    if item.ambiguous and host in linked:
        return _Verdict(take=False, reason="the report links to this site: a reference")
    if listed:
        return _Verdict(take=True, guessed=item.ambiguous, weight=2)
    if defanged or item.ambiguous:
        return _Verdict(
            take=False,
            reason="a live address in a sentence: a reference, as the author defangs what is meant"
            if defanged
            else "",
        )
    return _Verdict(take=True, guessed=True)


def _name(
    item: Spotted, passage: Passage, *, listed: bool, defanged: bool, linked: set[str]
) -> _Verdict:
    if item.defanged:
        return _Verdict(take=True, weight=3)
    value = item.value or ""
    said = re.search(
        r"\b(?:domains?|host ?names?|fqdn)\b", passage.column or passage.heading, re.IGNORECASE
    )
    if item.ambiguous and not (said and listed):
        return _Verdict(
            take=False, reason="it may be the name of a file; written defanged it would be taken"
        )
    if value in linked:
        return _Verdict(take=False, reason="the report links to this site: a reference")
    if is_publisher(value):
        return _Verdict(
            take=False, reason="a name of a site that publishes or shows samples: a reference"
        )
    if listed:
        return _Verdict(take=True, guessed=item.ambiguous, weight=2)
    if defanged:
        return _Verdict(
            take=False, reason="a name in a sentence, as the author defangs what is meant"
        )
    if item.raw != item.raw.lower():
        return _Verdict(
            take=False,
            reason="a name in a sentence, written with capitals: an organisation or a product",
        )
    return _Verdict(take=True, guessed=True)


def _alone(item: Spotted, passage: Passage) -> bool:
    """Whether a value begins its line, and nothing or a remark follows it."""
    if passage.role is Role.LINK:
        return False
    before = passage.text[: item.start].strip(_BULLETS)
    return not before and _REST.match(passage.text[item.end :]) is not None


def _keep(
    known: dict[tuple[Kind, str], _Known], item: Spotted, passage: Passage, verdict: _Verdict
) -> None:
    value = item.value or ""
    context = passage.context or passage.text
    bare = len(context.strip(_BULLETS)) <= len(item.raw) + 4
    harmless = item.kind in _HASHES | _FILES and (
        _HARMLESS.search(context) is not None
        or _HARMLESS_SECTION.search(passage.heading) is not None
    )
    shown = f"{passage.heading}: {context}" if bare and passage.heading else context
    finding = Finding(
        kind=item.kind,
        value=value,
        place=passage.place,
        context=one_line(shown, LONGEST_CONTEXT)
        if item.kind not in {Kind.YARA, Kind.SIGMA}
        else passage.heading,
        detect=verdict.detect,
        guessed=verdict.guessed,
    )
    key = (item.kind, value)
    before = known.get(key)
    if before is None:
        known[key] = _Known(finding, verdict.weight, harmless)
        return
    before.harmless |= harmless
    if verdict.weight > before.weight:
        before.weight = verdict.weight
        before.finding = replace(finding, detect=finding.detect or before.finding.detect)
    elif verdict.detect and not before.finding.detect:
        before.finding = replace(before.finding, detect=True)
    if not verdict.guessed and before.finding.guessed:
        before.finding = replace(before.finding, guessed=False)


def _groups(looked: Iterable[tuple[Passage, tuple[Spotted, ...]]]) -> dict[tuple[Kind, str], str]:
    """Hashes of different kinds in one row or line are of one file."""
    rows: dict[int, tuple[str, list[Spotted]]] = {}
    for passage, found in looked:
        if passage.row and passage.role in {Role.LISTED, Role.PROSE}:
            hashes = [item for item in found if item.kind in _HASHES and item.value]
            if hashes:
                rows.setdefault(passage.row, (passage.place, []))[1].extend(hashes)
    groups: dict[tuple[Kind, str], str] = {}
    for place, items in rows.values():
        values = {(item.kind, item.value or "") for item in items}
        if 1 < len(values) == len({kind for kind, _ in values}):
            for value in values:
                groups.setdefault(value, place)
    return groups
