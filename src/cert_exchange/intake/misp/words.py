"""The words of a MISP event for people: its reports and tags, the comments on its parts, and which of them may go along.

1. An event report holds for the whole event, so one that is for fewer is left out whole; so is one that names values (`naming`).
2. A comment, a category or a tag that names what its readers may not see is left out; its attribute stays. So is a tag
   that says who was hit. A tag that binds stays. A rule, or a value that has it inside, is TLP:RED.
3. Each that is left out is a loss with its UUID and the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cert_exchange.intake.findings import Loss
from cert_exchange.intake.misp import types
from cert_exchange.intake.misp.events import (
    LONGEST_TEXT,
    UNNAMED,
    in_short,
    is_true,
    mappings,
    text_of,
    uuid_of,
)
from cert_exchange.intake.misp.marking import Circle, circle_of, narrower_distribution
from cert_exchange.intake.misp.naming import NAMES_WHAT_IS_KEPT_BACK, Named, narrower
from cert_exchange.intake.misp.parts import Part, galaxies_of, is_reference, lost
from cert_exchange.intake.patterns import RULES
from cert_exchange.stix.markings import Tlp

LONGEST_COMMENT: Final = 500
_VICTIM: Final = re.compile(
    r"misp-galaxy:(?:target-information|sector|country|region)\b|[a-z0-9_.-]{0,60}:?(?:victim|targeted-(?!threat-index)|target-)",
    re.IGNORECASE,
)
"""Tags that say who was hit, as attributes of the types `target-*` do."""
_CUT: Final = 5_000
"""Characters beyond `LONGEST_TEXT` that are looked at, so that the cut hides no value that it divides."""


def without_leaks(part: Part, named: Named, losses: list[Loss]) -> Part:
    """A part without those words about it that name what is kept back from its readers."""
    comment = text_of(part.raw, "comment", limit=LONGEST_COMMENT)
    if named.tells_too_much(part, comment):
        losses.append(lost(part, f"its comment {NAMES_WHAT_IS_KEPT_BACK}"))
        part = replace(part, raw={**part.raw, "comment": ""})
    if named.tells_too_much(part, part.within):
        losses.append(lost(part, f"the comment of its object {NAMES_WHAT_IS_KEPT_BACK}"))
        part = replace(part, within="")
    category = text_of(part.raw, "category")
    if named.tells_too_much(part, category):
        losses.append(lost(part, f"its category {NAMES_WHAT_IS_KEPT_BACK}"))
        part = replace(part, raw={**part.raw, "category": ""})
    if _names_in_its_value(part, named):
        kept = "it names a value that is kept back from its readers"
        part = replace(part, circle=replace(part.circle, tlp=Tlp.RED), kept=kept)
    return replace(part, circle=replace(part.circle, labels=_tags_of(part, named, losses)))


def _names_in_its_value(part: Part, named: Named) -> bool:
    """Whether a rule names what its readers may not see, or another value has it inside."""
    if not RULES.keys().isdisjoint(types.KINDS.get(part.type, ())):
        return named.tells_too_much(part, part.value)
    return not is_reference(part) and named.has_inside(part)


def _tags_of(part: Part, named: Named, losses: list[Loss]) -> tuple[str, ...]:
    """Its tags without those that name a victim or what its readers may not see. One that binds stays (rule 2)."""
    kept = []
    for tag in part.circle.labels:
        if tag in part.circle.rules:
            kept.append(tag)
        elif _VICTIM.match(tag) is not None:
            losses.append(lost(part, f"its tag {in_short(tag)}: {types.WHO_WAS_HIT}"))
        elif named.tells_too_much(part, tag):
            losses.append(lost(part, f"a tag of it {NAMES_WHAT_IS_KEPT_BACK}"))
        else:
            kept.append(tag)
    return tuple(kept)


def labels_of(
    raw: Mapping[str, Any], circle: Circle, named: Named, losses: list[Loss]
) -> list[str]:
    """The tags and galaxies of an event, without those that name what its readers may not see."""
    kept = []
    for tag in dict.fromkeys((*circle.labels, *galaxies_of(raw))):
        why = (
            types.WHO_WAS_HIT
            if _VICTIM.match(tag) is not None
            else f"a tag {NAMES_WHAT_IS_KEPT_BACK}"
            if named.titles_too_much(tag)
            else ""
        )
        if why and tag not in circle.rules:
            losses.append(Loss(f"event {uuid_of(raw)}", in_short(tag), why))
        else:
            kept.append(tag)
    return kept


def report_text(raw: Mapping[str, Any], circle: Circle, named: Named, losses: list[Loss]) -> str:
    """The event's reports for people, one after the other (CASES I23)."""
    texts: list[str] = []
    for report in mappings(raw, "EventReport"):
        name = text_of(report, "name", limit=200)
        # More is judged than goes out: what the cut divides is named all the same.
        content = text_of(report, "content", limit=LONGEST_TEXT + _CUT)
        why = _why_not(report, raw, circle) or named.why_not(f"{name}\n{content}")
        if why or not content:
            losses.append(
                Loss(
                    f"event report {uuid_of(report)}",
                    in_short(report.get("name", "")),
                    why or "an empty report",
                )
            )
            continue
        texts.append(content if name in ("", UNNAMED) else f"# {name}\n\n{content}")
    text = "\n\n".join(texts)
    if len(text) > LONGEST_TEXT:
        losses.append(
            Loss("event reports", f"{len(text)} characters", f"cut after {LONGEST_TEXT} characters")
        )
    return text[:LONGEST_TEXT]


def _why_not(report: Mapping[str, Any], raw: Mapping[str, Any], circle: Circle) -> str:
    """Why a report for people is not for all who see the event; empty where it is."""
    if is_true(report.get("deleted")):
        return "deleted in MISP"
    tags = [
        *mappings(report, "Tag"),
        *(tag for link in mappings(report, "EventReportTag") for tag in mappings(link, "Tag")),
    ]
    if narrower(circle_of(tags), circle):
        return "it is marked more strictly than the event: it is left out"
    kept = narrower_distribution(report, raw)
    return f"{kept}: it is left out" if kept else ""
