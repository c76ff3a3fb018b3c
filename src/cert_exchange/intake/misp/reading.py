"""MISP events as findings, one batch for each event.

1. `to_ids` decides: an attribute that is flagged is looked for, any other is told of only (CASES I18).
2. Of one file (a `file` object, `filename|sha1`) the values are one group: the hashes are looked for, the name is told of.
3. The event's circle holds for every value; what a part says more strictly counts for that part (`marking`).
4. What gives nothing is a loss with the UUID of its attribute or object: nothing is dropped in silence (CASES I23).
5. A value that stands twice is one finding, under the strictest of both.
6. Proposals, deleted parts and local tags are not the event's word, and go nowhere.
7. No words of the event name what their readers may not see (`naming`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.misp import types
from cert_exchange.intake.misp.events import (
    Event,
    Reference,
    day_of,
    in_short,
    instant,
    mappings,
    parse,
    text_of,
    uuid_of,
)
from cert_exchange.intake.misp.marking import (
    PAP_DEFINITIONS,
    Circle,
    circle_of_event,
)
from cert_exchange.intake.misp.naming import NAMES_WHAT_IS_KEPT_BACK, Named, names_no_source
from cert_exchange.intake.misp.parts import (
    LOCAL_TAGS,
    Part,
    is_reference,
    lost,
    parts_of,
    remarks_of,
    techniques_of,
)
from cert_exchange.intake.misp.words import (
    LONGEST_COMMENT,
    labels_of,
    report_text,
    without_leaks,
)
from cert_exchange.intake.patterns import has_observable
from cert_exchange.intake.values import normalise
from cert_exchange.stix.markings import Tlp

_T = TypeVar("_T")
_UNTITLED: Final = "an event of MISP"
_MOST_NAMES: Final = 20
"""of UUIDs that one finding keeps"""
_OF_A_FILE: Final = frozenset({*types.HASHES.values(), Kind.FILE_NAME})
_SAID_WHOLLY: Final = frozenset({Kind.VULNERABILITY, Kind.TECHNIQUE})
_TOLD_OF: Final = (
    "told of (to_ids=0): its value is kept, its UUID, type, category, comment and tags are not"
)
_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,7}", re.IGNORECASE)
"""Most of them stand in events as text."""


def read_misp(data: bytes) -> Iterator[Event | Finding | Loss]:
    """An `Event`, its findings and losses, then the next event.

    Raises NotJson and InputRefused (no event in it, over a limit); nothing else, whatever stands in the file.
    """
    for raw in parse(data):
        yield from _read_event(raw)


def _read_event(raw: Mapping[str, Any]) -> Iterator[Event | Finding | Loss]:
    losses: list[Loss] = []
    circle = circle_of_event(raw)
    parts = list(parts_of(raw, circle, losses))
    named = Named(raw, parts, circle)
    parts = [without_leaks(part, named, losses) for part in parts]
    references = [part for part in parts if is_reference(part)]
    paps = {part.circle.pap for part in parts} | {circle.pap}
    findings: dict[tuple[str, ...], Finding] = {}
    for part in parts:
        if not is_reference(part):
            before = len(losses)
            _read_part(part, circle, findings, losses)
            if part.kept and len(losses) == before:
                losses.append(lost(part, f"{part.kept}: it is kept as TLP:RED"))
    _read_techniques(raw, circle, named, findings)
    event = _event(raw, circle, references, named, losses)
    yield replace(
        event,
        attributes=len(parts),
        remarks=tuple(remarks_of(raw, circle, parts)),
        definitions=tuple(PAP_DEFINITIONS[pap] for pap in sorted(p for p in paps if p is not None)),
    )
    for group in _in_groups(findings):
        yield from group
        if not any(one.detect or one.kind in _SAID_WHOLLY for one in group):
            places = dict.fromkeys(one.place for one in group)
            losses += [Loss(place, in_short(group[0].value), _TOLD_OF) for place in places]
    yield from losses


def _event(
    raw: Mapping[str, Any],
    circle: Circle,
    references: list[Part],
    named: Named,
    losses: list[Loss],
) -> Event:
    uuid = uuid_of(raw)
    place = f"event {uuid}" if uuid else "the file"
    if circle.withheld:
        losses.append(Loss(place, f"{circle.withheld} tags", LOCAL_TAGS))
    hides = names_no_source(circle)
    said = [Reference("misp", external_id=uuid)] if uuid else []
    for part in references:
        if part.circle.tlp is not None and part.circle.tlp > (circle.tlp or Tlp.CLEAR):
            losses.append(
                lost(
                    part,
                    "a link that is marked more strictly than the event, whose report would name it",
                )
            )
        elif hides:
            losses.append(lost(part, "the source must not be named (tlp:ex:chr)"))
        elif named.tells_too_much(part, part.value):
            losses.append(lost(part, f"the link {NAMES_WHAT_IS_KEPT_BACK}"))
        else:
            comment = text_of(part.raw, "comment", limit=LONGEST_COMMENT)
            source = f"misp-attribute {part.type}"
            said.append(Reference(source, part.value[:4_096], uuid_of(part.raw), comment))
    level, analysis = str(raw.get("threat_level_id", "")), str(raw.get("analysis", ""))
    labels = labels_of(raw, circle, named, losses)
    if level in {"1", "2", "3", "4"}:
        labels.append(f'misp:threat-level-id="{level}"')
    if analysis in {"0", "1", "2"}:
        labels.append(f'misp:analysis="{analysis}"')
    title = text_of(raw, "info", limit=500)
    if named.titles_too_much(title):
        losses.append(Loss(place, "its title", f"it {NAMES_WHAT_IS_KEPT_BACK}"))
        title = _UNTITLED
    return Event(
        name=title or "attributes of MISP without an event",
        uuid=uuid,
        at=day_of(raw),
        tlp=circle.tlp,
        markings=circle.markings,
        labels=tuple(dict.fromkeys(labels)),
        references=tuple(said),
        description=report_text(raw, circle, named, losses),
        source="" if hides else text_of(_one(raw, "Orgc"), "name", limit=200),
    )


def _read_part(
    part: Part, outer: Circle, findings: dict[tuple[str, ...], Finding], losses: list[Loss]
) -> None:
    """What an attribute gives: one finding, those of a group, or a loss."""
    misp_type = part.type
    if misp_type in types.KINDS:
        single = types.read_single(misp_type, part.value)
        if single is None:
            losses.append(lost(part, f"what stands there as {misp_type} is none"))
            return
        kind, value = single
        if not part.detect and not has_observable(kind, value) and kind is not Kind.VULNERABILITY:
            losses.append(
                lost(part, f"{misp_type} that is not flagged for detection says nothing else")
            )
            return
        if part.detect and kind is Kind.VULNERABILITY:
            losses.append(lost(part, "nobody looks for a vulnerability: its flag is not kept"))
        group = part.group if kind in _OF_A_FILE else ""
        _add(part, outer, kind, value, findings, losses, group=group, detect=part.detect)
    elif misp_type in types.COMPOSITES:
        written = types.write_composite(types.COMPOSITES[misp_type], part.value)
        if written is None:
            losses.append(
                lost(part, f"no value of the type {misp_type}: two halves are needed, each valid")
            )
            return
        pattern, halves = written
        group = f"attribute/{part.place}"
        if part.detect:
            _add(part, outer, Kind.PATTERN, pattern, findings, losses, group=group, detect=True)
        for kind, value in halves:
            _add(part, outer, kind, value, findings, losses, group=group, detect=False)
    elif misp_type in types.NAMED_FILES:
        _read_named_file(part, outer, findings, losses)
    elif misp_type in ("text", "comment") and _CVE.fullmatch(part.value) is not None:
        _add(
            part,
            outer,
            Kind.VULNERABILITY,
            part.value.upper(),
            findings,
            losses,
            group="",
            detect=False,
        )
    elif misp_type in types.UNUSED:
        losses.append(lost(part, f"{misp_type}: {types.UNUSED[misp_type]}"))
    else:
        losses.append(lost(part, f"the type {in_short(misp_type)} is not known here"))


def _read_named_file(
    part: Part, outer: Circle, findings: dict[tuple[str, ...], Finding], losses: list[Loss]
) -> None:
    name, _, digest = part.value.rpartition("|")
    value = normalise(types.NAMED_FILES[part.type], digest)
    if value is None:
        losses.append(lost(part, f"no value of the type {part.type}: the hash is none"))
        return
    group = part.group or f"attribute/{part.place}"
    _add(
        part,
        outer,
        types.NAMED_FILES[part.type],
        value,
        findings,
        losses,
        group=group,
        detect=part.detect,
    )
    named = types.read_single("filename", name)
    if named is None:
        losses.append(lost(part, "the name of the file is none; its hash is kept"))
        return
    # A name beside its hash is told of: by itself it would find other files (CASES I18).
    kind, text = named
    _add(part, outer, kind, text, findings, losses, group=group, detect=False)


def _add(
    part: Part,
    outer: Circle,
    kind: Kind,
    value: str,
    findings: dict[tuple[str, ...], Finding],
    losses: list[Loss],
    *,
    group: str,
    detect: bool,
) -> None:
    """Keep a finding; one that is there already takes what the second adds, and the strictest of both (rule 5)."""
    comment = text_of(part.raw, "comment", limit=LONGEST_COMMENT)
    uuid = uuid_of(part.raw)
    category = text_of(part.raw, "category", limit=60)
    made = Finding(
        kind=kind,
        value=value,
        place=part.place,
        context=(comment or part.within)[:LONGEST_COMMENT],
        detect=detect,
        valid_from=instant(part.raw.get("first_seen")),
        confidence=part.circle.confidence,
        labels=(
            *part.circle.labels,
            f'misp:type="{part.type}"',
            *((f'misp:category="{category}"',) if category else ()),
        ),
        description=comment,
        markings=tuple(one for one in part.circle.markings if one not in outer.markings),
        group=group,
        external_ids=((f"misp-attribute {part.type}", uuid),) if uuid else (),
    )
    key = (group, kind.value, value)
    first = findings.get(key)
    if first is None:
        findings[key] = made
        return
    if first.place != made.place:
        losses.append(lost(part, "a value that stands there already: one finding for both"))
    # What an author repeats a thousand times is not kept a thousand times.
    more = len(first.external_ids) < _MOST_NAMES
    findings[key] = replace(
        first,
        detect=first.detect or made.detect,
        labels=_joined(first.labels, made.labels if more else part.circle.rules),
        markings=_joined(first.markings, made.markings),
        external_ids=_joined(first.external_ids, made.external_ids) if more else first.external_ids,
    )


def _joined(one: tuple[_T, ...], other: tuple[_T, ...]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _read_techniques(
    raw: Mapping[str, Any],
    circle: Circle,
    named: Named,
    findings: dict[tuple[str, ...], Finding],
) -> None:
    """ATT&CK techniques that the event's tags and galaxies name, each once."""
    for number, name in techniques_of(raw):
        value = normalise(Kind.TECHNIQUE, number)
        if value is not None:
            findings.setdefault(
                ("", Kind.TECHNIQUE.value, value),
                Finding(
                    Kind.TECHNIQUE,
                    value,
                    "tags of the event",
                    description="" if named.titles_too_much(name) else name[:200],
                    labels=circle.rules,
                ),
            )


def _in_groups(findings: Mapping[tuple[str, ...], Finding]) -> Iterable[list[Finding]]:
    """All findings in their groups, which must follow each other."""
    groups: dict[str, list[Finding]] = {}
    for key, finding in findings.items():
        groups.setdefault(finding.group or "/".join(key), []).append(finding)
    return groups.values()


def _one(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return next(mappings(content, key), {})
