"""The indicators of a report, once each, and what was not taken of it.

1. Every value is looked at where it stands (`judging`); here they are put together over the whole report.
2. A report is known before it is judged: whether its author defangs, and to which sites it links.
3. A rule (YARA, Sigma, Snort) is taken whole, and what it names is no value by itself, but for a CVE; a link gives what its page is about: a technique of ATT&CK, a sample by its hash.
4. What the author calls legitimate at any place is told of, and not looked for (`detect=False`); so is what stands among the
   victims, unless a list of indicators names it too.
5. Each value comes once, at its best place, and what is not taken is a loss with its reason, once for each value and reason:
   first what somebody might mend, then what was judged, at last links, references and what is about the authors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.reports.addresses import Spotted
from cert_exchange.intake.reports.judging import (
    BULLETS,
    FILE_SECTION,
    FILES,
    HASHES,
    RULES,
    Verdict,
    host_of,
    judge,
)
from cert_exchange.intake.reports.network_rules import begins_rule, switched_off
from cert_exchange.intake.reports.passages import (
    LONGEST_CONTEXT,
    LONGEST_LINE,
    Passage,
    Role,
    one_line,
    split_at_label,
)
from cert_exchange.intake.reports.publishers import ATTACK, covered, shows_samples
from cert_exchange.intake.reports.spotting import spot
from cert_exchange.intake.scripts import parted
from cert_exchange.intake.values import FILE_EXTENSIONS, normalise, refang

MOST_VALUES: Final = 200_000
MOST_RULE_LINES: Final = 2_000
_CUT: Final = "it is taken up to its quotation mark only; set in code (`...`) it is taken whole"

_TEXT: Final = frozenset({Role.LISTED, Role.PROGRAM, Role.PROSE})
_ASIDE: Final = frozenset({Role.LINK, Role.REFERENCE, Role.FOOTER})

_HARMLESS: Final = re.compile(
    r"\((?:[\w, ]{0,40}\b)?(?:legit|legitimate|benign|clean|harmless|not malicious)\b[^)]{0,100}\)"
    r"|\|\s*(?:legitimate|benign|clean)(?: file| binary| executable| software)?\s*(?:\||\Z)",
    re.IGNORECASE,
)
_HARMLESS_SECTION: Final = re.compile(
    r"\b(?:legitimate|benign|clean files?|false positives?|whitelist|allowlist)\b", re.IGNORECASE
)
_HASH_NAMED: Final = re.compile(r"\b(?:md5|sha-?1|sha-?256|sha-?512)\b", re.IGNORECASE)
_MUTEX: Final = re.compile(r"\bmutex(?:es)?\b", re.IGNORECASE)
_AGENT: Final = re.compile(r"user-?\s?agents?\b", re.IGNORECASE)
_AGENT_VALUE: Final = re.compile(
    r"[\w.+-]{2,40}/[0-9][\w.+-]{0,20}+(?: \([^()\n]{1,300}\)| [\w.+-]{2,40}/[\w.+-]{1,40}+| like [A-Z]\w{1,20}){0,12}+"
)
_AGENT_LINE: Final = re.compile(r"[\w.+-]{2,40}/[0-9][^\n\"`|<>]{1,400}")
_REMARK: Final = re.compile(r"\s+(?:[-#|/\u2013\u2014]{1,2}\s|<-)|\t|\s{2,}")
_MUTEX_VALUE: Final = re.compile(r"\S(?:.{0,198}\S)?")
_MUTEX_LABEL: Final = re.compile(
    r"[\s*-]{0,8}mutex(?:es)?(?: names?)?\s?:\s{1,4}[\"'`]?([^\s\"'`,;]{3,200})[\"'`]?\s*\Z",
    re.IGNORECASE,
)
_FILE_LINE: Final = re.compile(r"[^:|\"<>*?\t;]{1,200}|[A-Za-z]:\\[^:|\"<>*?\t;]{1,400}")
_BARE_NAME: Final = re.compile(r"(?=[^\n]{0,80}[A-Za-z])[\w()+!&-]{1,40}(?: [\w()+!&-]{1,40}){0,3}")
_TECHNIQUE_PAGE: Final = re.compile(r"/techniques/(T[0-9]{4})(?:/([0-9]{3}))?/?(?:\Z|[#?])")
_DIGEST: Final = re.compile(
    r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})(?![0-9a-fA-F])"
)
_BY_LENGTH: Final = {32: Kind.MD5, 40: Kind.SHA1, 64: Kind.SHA256}


@dataclass(slots=True)
class _Known:
    """What is known so far of one value."""

    finding: Finding
    weight: int  # how sure its best place is
    harmless: bool
    victim: bool  # it stands among the victims
    listed: bool  # and in a list of indicators


def choose(passages: Iterable[Passage]) -> Iterator[Finding | Loss]:
    """The indicators of a report, then what was not taken of it."""
    looked = [
        (passage, tuple(_spotted(passage)))
        for whole in passages
        for passage in split_at_label(_parted(whole))
    ]
    defangs = any(
        item.defanged and item.kind is not Kind.FILE_PATH for _, found in looked for item in found
    )
    linked = _linked(looked)
    known: dict[tuple[Kind, str], _Known] = {}
    losses: dict[tuple[str, str], tuple[int, Loss]] = {}
    for passage, found in looked:
        for item in found:
            verdict = judge(item, passage, defangs=defangs, linked=linked)
            if verdict.file:
                item = replace(item, kind=Kind.FILE_NAME, value=item.raw)  # noqa: PLW2901 - the same place, read as it is meant
            if verdict.take and item.value is not None and len(known) < MOST_VALUES:
                _keep(known, item, passage, verdict)
                if item.cut and len(losses) < MOST_VALUES:
                    what = one_line(item.cut, 120)
                    loss = Loss(passage.place, what, _CUT)
                    losses.setdefault((what, _CUT), (0, loss))
            elif verdict.reason and len(losses) < MOST_VALUES:
                what = one_line(item.raw, 120)
                loss = Loss(passage.place, what, verdict.reason)
                rank = 0 if item.value is None else 2 if passage.role in _ASIDE else 1
                losses.setdefault((what, verdict.reason), (rank, loss))
    groups = _groups(looked)
    taken = set()
    for (kind, value), one in known.items():
        taken.add(value)
        detect = one.finding.detect and not one.harmless and (one.listed or not one.victim)
        yield replace(one.finding, detect=detect, group=groups.get((kind, value), ""))
    if len(known) == MOST_VALUES:
        yield Loss("the end", "the rest", f"at most {MOST_VALUES:,} values of a report are taken")
    for (what, _), (_, loss) in sorted(losses.items(), key=lambda one: one[1][0]):
        if what not in taken and refang(what) not in taken:
            yield loss


def _parted(passage: Passage) -> Passage:
    """A passage whose addresses stand apart from words without blanks; a rule stays as it is."""
    if passage.role is Role.RULE or passage.text.isascii() or begins_rule(passage.text):
        return passage
    return replace(passage, text=parted(passage.text))


def _spotted(passage: Passage) -> Iterator[Spotted]:
    text = passage.text
    if passage.role is Role.RULE or (passage.role in _TEXT and begins_rule(text)):
        yield _rule(text)
        for number, line in enumerate(text.splitlines()):
            if "CVE" in line and number < MOST_RULE_LINES:
                yield from (
                    item for item in spot(line[:LONGEST_LINE]) if item.kind is Kind.VULNERABILITY
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
    if (mutex := _MUTEX_LABEL.match(text)) is not None:
        yield Spotted(Kind.MUTEX, mutex[1], *mutex.span(1), normalise(Kind.MUTEX, mutex[1]))
        return
    if listed and FILE_SECTION.search(passage.column or passage.heading):
        name = text.strip(" -*\t")
        ending = name.rpartition(".")[2].lower()
        # A line of a block of names is one without an ending too; a cell or code in a sentence may be anything.
        of_block = passage.role is Role.LISTED and not passage.context and not passage.column
        named = ending in FILE_EXTENSIONS or (of_block and _BARE_NAME.fullmatch(name))
        if named and refang(name) == name and _FILE_LINE.fullmatch(name):
            kind = Kind.FILE_PATH if "\\" in name or "/" in name else Kind.FILE_NAME
            yield Spotted(kind, name, 0, len(text), normalise(kind, name))
            return
    below = _AGENT.search(passage.column or passage.heading)
    if below or _AGENT.search(text):
        found = _AGENT_VALUE.search(text)
        if listed and below and _AGENT_LINE.fullmatch(agent := _REMARK.split(text.strip(" -*"))[0]):
            found = re.search(re.escape(agent), text)  # a line of such a list is one agent
        if found is not None and len(found[0]) > 12:
            yield Spotted(
                Kind.USER_AGENT, found[0], *found.span(), normalise(Kind.USER_AGENT, found[0])
            )
            text = text[: found.start()] + " " * len(found[0]) + text[found.end() :]
    yield from spot(text, apart=passage.role is Role.LISTED)


def _rule(text: str) -> Spotted:
    """A whole rule, as it is; or why it is none."""
    is_sigma = re.search(r"^detection:", text, re.MULTILINE) is not None
    kind = Kind.SNORT if begins_rule(text) else Kind.SIGMA if is_sigma else Kind.YARA
    value = normalise(kind, text)
    fault = "" if value else "it is no whole rule"
    if kind is Kind.SNORT and switched_off(text):
        fault = "it is a rule that is switched off; without its # it is taken"
    return Spotted(kind, one_line(text, 120), 0, len(text), None if fault else value, fault=fault)


def _of_link(target: str) -> Iterator[Spotted]:
    """What the target of a link names besides itself: a technique by its page, a sample by its page."""
    url = normalise(Kind.URL, target)
    host = host_of(url or "")
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


def _linked(looked: Iterable[tuple[Passage, tuple[Spotted, ...]]]) -> set[str]:
    """The hosts to which a report links and the domains above them; those of its references and footer too."""
    hosts: set[str] = set()
    for passage, found in looked:
        if passage.role in {Role.LINK, Role.REFERENCE, Role.FOOTER}:
            if passage.role is Role.LINK and (url := normalise(Kind.URL, passage.text)):
                if refang(passage.text) == passage.text:
                    hosts.add(host_of(url))
                continue
            hosts |= {
                host_of(item.value)
                for item in found
                if item.kind is Kind.URL and item.value and not item.defanged
            }
    return {above for host in hosts for above in _above(host)}


def _above(host: str) -> Iterator[str]:
    """A host, and the domains above it."""
    while "." in host:
        yield host
        host = host.partition(".")[2]


def _keep(
    known: dict[tuple[Kind, str], _Known], item: Spotted, passage: Passage, verdict: Verdict
) -> None:
    value = item.value or ""
    context = passage.context or passage.text
    bare = len(context.strip(BULLETS)) <= len(item.raw) + 4
    harmless = item.kind in HASHES | FILES and (
        _HARMLESS.search(context) is not None
        or _HARMLESS_SECTION.search(passage.heading) is not None
    )
    shown = f"{passage.heading}: {context.strip(BULLETS)}" if bare and passage.heading else context
    finding = Finding(
        kind=item.kind,
        value=value,
        place=passage.place,
        context=one_line(shown, LONGEST_CONTEXT) if item.kind not in RULES else passage.heading,
        detect=verdict.detect,
        guessed=verdict.guessed,
    )
    key = (item.kind, value)
    listed = verdict.listed and verdict.detect
    before = known.get(key)
    if before is None:
        known[key] = _Known(finding, verdict.weight, harmless, verdict.victim, listed)
        return
    before.harmless |= harmless
    before.victim |= verdict.victim
    before.listed |= listed
    if verdict.weight > before.weight:
        before.weight = verdict.weight
        before.finding = replace(finding, detect=finding.detect or before.finding.detect)
    elif verdict.detect and not before.finding.detect:
        before.finding = replace(before.finding, detect=True)
    if not verdict.guessed and before.finding.guessed:
        before.finding = replace(before.finding, guessed=False)


def _groups(looked: Iterable[tuple[Passage, tuple[Spotted, ...]]]) -> dict[tuple[Kind, str], str]:
    """Hashes of different kinds in one row or line are of one file; so are those of lines one below the other that name their kind."""
    rows: dict[int, tuple[str, list[Spotted]]] = {}
    labelled: list[tuple[int, str, Spotted]] = []
    for passage, found in looked:
        if passage.row and passage.role in {Role.LISTED, Role.PROSE}:
            hashes = [item for item in found if item.kind in HASHES and item.value]
            if hashes:
                rows.setdefault(passage.row, (passage.place, []))[1].extend(hashes)
            if len(hashes) == 1 and _HASH_NAMED.search(passage.text[: hashes[0].start]):
                labelled.append((passage.row, passage.place, hashes[0]))
    groups: dict[tuple[Kind, str], str] = {}
    for place, items in [*rows.values(), *_runs(labelled)]:
        values = {(item.kind, item.value or "") for item in items}
        if 1 < len(values) == len({kind for kind, _ in values}):
            for value in values:
                groups.setdefault(value, place)
    return groups


def _runs(labelled: Iterable[tuple[int, str, Spotted]]) -> Iterator[tuple[str, list[Spotted]]]:
    """Lines one below the other, until a kind comes again."""
    run: list[Spotted] = []
    first, last = "", -1
    for row, place, item in labelled:
        if row != last + 1 or item.kind in {one.kind for one in run}:
            if run:
                yield first, run
            run, first = [], place
        run.append(item)
        last = row
    if run:
        yield first, run
