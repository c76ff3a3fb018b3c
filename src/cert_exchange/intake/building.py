"""Findings to STIX 2.1: indicators with their observables, vulnerabilities, techniques, and what holds a batch together.

1. Ids are made from what an object is: cyber-observables by STIX 2.9, all else by UUIDv5 over creator, kind and value. The
   same input gives the same ids, in whatever order its rows stand, here and on another server of the same creator; the
   ids of two creators never meet (CASES I24, I33).
2. What comes from the clock is named in `Built.floating`, so that a second publish can tell what changed from what is
   only later (`services.taking.settling`).
3. Every object carries the markings: of several TLPs the strictest alone, whatever the batch or a finding says.
4. Findings of one group follow each other and make one indicator of those that are meant to be looked for; all of them are
   its observables. Where none is, there are observables only (CASES I18).
5. Bounded memory: 150 bytes for each finding, whatever it says. What names them is made at the end (`intake.lists`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from cert_exchange.intake.batches import (
    PART,
    Around,
    Batch,
    Built,
    begun,
    own_id,
    strictest,
    whole_words,
)
from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.lists import Lists, Standing, nothing_stands
from cert_exchange.intake.patterns import RULES, has_observable, observables_of, pattern_of
from cert_exchange.stix.instants import format_micros, parse_micros

__all__ = ["PART", "Around", "Batch", "Builder", "Built", "build", "grouped", "own_id", "strictest"]

_ORDER: Final = {kind: number for number, kind in enumerate(Kind)}
_CLOCK: Final = ("created", "modified")
_NAME: Final = 200
_TEXT: Final = 2_000
_LINE: Final = 500  # of a context
_SHOWN: Final = 120
_TITLES: Final[Mapping[Kind, re.Pattern[str]]] = {
    Kind.SNORT: re.compile(r'msg:\s*+"([^"]{1,200})'),
    Kind.SIGMA: re.compile(r"^title:\s*+([^\n]{1,200})", re.MULTILINE),
    Kind.YARA: re.compile(r"(?:^|\s)rule\s+([A-Za-z_][A-Za-z0-9_]{0,127})"),
}


def build(findings: Iterable[Finding], batch: Batch) -> Iterator[Built]:
    """All objects of a batch, what is referred to first, the reports last."""
    builder = Builder(batch)
    yield from builder.definitions()
    for _, group in grouped(findings):
        for built in builder.objects(group):
            yield built
            builder.lists.name(built)
    yield from builder.reports()


def grouped(findings: Iterable[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """Findings in their groups; one without a group stands alone."""
    for group, members in groupby(findings, key=lambda one: one.group):
        if group:
            yield group, list(members)
        else:
            for one in members:
                yield "", [one]


class Stricter:
    """By the number of an object: what binds it that is said further on in a batch: markings, labels. At most `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._said: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {}

    def add(self, number: int, markings: tuple[str, ...], labels: Iterable[str]) -> None:
        """Write down what is said of an object that was built before."""
        if number in self._said or len(self._said) < self._most:
            before, words = self._said.get(number, ((), ()))
            self._said[number] = strictest(markings, before), tuple(sorted({*words, *labels}))

    def markings(self, number: int) -> tuple[str, ...]:
        """The markings that are said of it, besides those at its place."""
        return self._said.get(number, ((), ()))[0]

    def labels(self, number: int) -> tuple[str, ...]:
        """The labels that are said of it, besides those at its place."""
        return self._said.get(number, ((), ()))[1]


class Builder:
    """The objects of one batch, group by group, and at the end what names them."""

    def __init__(self, batch: Batch, stricter: Stricter | None = None) -> None:
        """Begin a batch. `stricter`: what an earlier walk through it found, and where this one writes down what it finds."""
        self._batch = batch
        self._stricter = stricter or Stricter(0)
        self._at = format_micros(batch.at)
        self._usual = strictest(batch.markings)
        self._seen: set[int] = set()
        self.lists = Lists(batch)
        self.doubles = 0
        """Findings that said again what an earlier one had said."""
        self.losses: list[Loss] = []
        """What is told of only, and has no form in STIX but as something to look for."""

    def definitions(self) -> Iterator[Built]:
        """The marking definitions that come with the batch."""
        for content in self._batch.definitions:
            yield Built(dict(content))

    def objects(self, group: Sequence[Finding]) -> list[Built]:
        """The objects of findings that belong together: indicator or the like, observables, what joins them."""
        stated = [one.markings for one in group if one.markings]
        markings = strictest(self._batch.markings, *stated) if stated else self._usual
        found: list[Built] = []
        rest: list[Finding] = []
        for one in group:
            if one.kind in {Kind.VULNERABILITY, Kind.TECHNIQUE}:
                found += self._named_thing(one, markings)
            elif one.kind in RULES:
                found += self._rule(one, markings)
            else:
                rest.append(one)
        if rest:
            found += self._indicator(rest, markings)
        return found

    def reports(self, standing: Standing = nothing_stands) -> Iterator[Built]:
        """What names the objects of the batch (`intake.lists`)."""
        yield from self.lists.reports(standing)

    def _again(self, stix_id: str, group: Sequence[Finding]) -> bool:
        """Whether this was built already, and nothing that binds is said of it now."""
        number = _number(stix_id)
        known = number in self._seen
        self._seen.add(number)
        if not known:
            return False
        self.doubles += 1
        if not any(one.markings or one.labels for one in group):
            return True
        labels = {word for one in group for word in one.labels}
        self._stricter.add(number, strictest(*(one.markings for one in group)), labels)
        return False

    def _strict(self, stix_id: str, markings: tuple[str, ...]) -> tuple[str, ...]:
        """Its markings, with what is said of it further on."""
        return strictest(markings, self._stricter.markings(_number(stix_id)))

    def _told(self, content: dict[str, Any], group: Sequence[Finding]) -> None:
        """What findings and batch say about an object: description, confidence, labels, ids elsewhere."""
        first = group[0]
        told = next((one.description for one in group if one.description), "")
        said = whole_words(told, _TEXT) if told else whole_words(first.context, _LINE)
        if said != first.value and len(said) > 1:
            content["description"] = said
        confidence = next((one.confidence for one in group if one.confidence is not None), None)
        if confidence is None:
            confidence = self._batch.confidence
        if confidence is not None:
            content["confidence"] = confidence
        also = self._stricter.labels(_number(str(content["id"])))
        if labels := sorted({*also, *(word for one in group for word in one.labels)}):
            content["labels"] = labels
        ids = sorted({pair for one in group for pair in one.external_ids})
        if ids:
            content["external_references"] = [
                *content.get("external_references", ()),
                *({"source_name": source, "external_id": text} for source, text in ids),
            ]

    def _named_thing(self, one: Finding, markings: tuple[str, ...]) -> list[Built]:
        stix_type, source = (
            ("vulnerability", "cve")
            if one.kind is Kind.VULNERABILITY
            else ("attack-pattern", "mitre-attack")
        )
        stix_id = own_id(self._batch.creator, stix_type, one.value)
        if self._again(stix_id, [one]):
            return []
        content = begun(self._batch, stix_id, self._strict(stix_id, markings))
        content["name"] = one.value
        content["external_references"] = [{"source_name": source, "external_id": one.value}]
        self._told(content, [one])
        return [
            Built(content, _CLOCK, named=True, kind=one.kind, place=one.place, own=(one.value,))
        ]

    def _rule(self, one: Finding, markings: tuple[str, ...]) -> list[Built]:
        stix_id = own_id(self._batch.creator, "indicator", one.kind, one.value)
        if self._again(stix_id, [one]):
            return []
        content = begun(self._batch, stix_id, self._strict(stix_id, markings))
        title = _TITLES[one.kind].search(one.value)
        content["name"] = title[1].strip() if title else f"{one.kind} rule"
        content["pattern"] = one.value
        content["pattern_type"] = RULES[one.kind]
        floating = self._validity(content, [one])
        self._told(content, [one])
        return [
            Built(
                content,
                (*_CLOCK, *floating),
                named=True,
                kind=one.kind,
                place=one.place,
                own=(one.value,),
            )
        ]

    def _indicator(self, group: Sequence[Finding], markings: tuple[str, ...]) -> list[Built]:
        # In an order of their own: the columns of a table may change places.
        sought = sorted(
            ((one.kind, one.value) for one in group if one.detect),
            key=lambda v: (_ORDER[v[0]], v[1]),
        )
        pattern = pattern_of(sought) if sought else None
        self.losses += [
            Loss(
                one.place,
                one.value[:_SHOWN],
                f"a {one.kind} that is told of only: STIX has no object for it",
            )
            for one in group
            if pattern is None and not has_observable(one.kind, one.value)
        ]
        if pattern is None:
            return self._observables(group, markings, named=True)
        keys = sorted({f"{kind}:{value}" for kind, value in sought})
        stix_id = own_id(self._batch.creator, "indicator", *keys)
        markings = self._strict(stix_id, markings)
        observables = self._observables(group, markings, named=False)
        if self._again(stix_id, group):
            return []
        first = next(one for one in group if (one.kind, one.value) == sought[0])
        content = begun(self._batch, stix_id, markings)
        others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        shown = first.value if len(first.value) <= _NAME else first.value[: _NAME - 1] + "…"
        content["name"] = shown + others
        content["pattern"] = pattern
        content["pattern_type"] = "stix"
        content["pattern_version"] = "2.1"
        floating = self._validity(content, group)
        self._told(content, group)
        indicator = Built(
            content,
            (*_CLOCK, *floating),
            named=True,
            kind=first.kind,
            place=first.place,
            sought=tuple(sought),
            own=tuple(one.value for one in group),
        )
        joined = [
            self._based_on(stix_id, seen.id, markings)
            for seen in observables
            # A folder of a file is there for the file.
            if seen.content["type"] != "directory" or len(observables) == 1
        ]
        return [*observables, indicator, *joined]

    def _observables(
        self, group: Sequence[Finding], markings: tuple[str, ...], *, named: bool
    ) -> list[Built]:
        if not (self._batch.observables or named):
            return []
        first, found = group[0], []
        own = tuple(one.value for one in group) if named else ()
        for content in observables_of((one.kind, one.value) for one in group):
            if named:
                if self._again(str(content["id"]), group):
                    continue
                markings = self._strict(str(content["id"]), markings)
            if markings:
                content["object_marking_refs"] = list(markings)
            found.append(Built(content, named=named, kind=first.kind, place=first.place, own=own))
        return found

    def _based_on(self, indicator: str, observable: str, markings: tuple[str, ...]) -> Built:
        stix_id = own_id(self._batch.creator, "relationship", "based-on", indicator, observable)
        content = begun(self._batch, stix_id, markings)
        content["relationship_type"] = "based-on"
        content["source_ref"] = indicator
        content["target_ref"] = observable
        return Built(content, _CLOCK)

    def _validity(self, content: dict[str, Any], group: Sequence[Finding]) -> tuple[str, ...]:
        """Write from when until when it counts; the names of those that nobody stated."""
        batch = self._batch
        start = min((one.valid_from for one in group if one.valid_from), default=None)
        end = max((one.valid_until for one in group if one.valid_until), default=None)
        floating = []
        if start is None:
            floating.append("valid_from")
            start = self._at
            if end is not None and parse_micros(end) <= batch.at:
                start = format_micros(parse_micros(end) - 1_000_000)  # over before anybody told us
        if end is None:
            lasts = max((batch.valid_for.get(one.kind, 0) for one in group), default=0)
            if lasts:
                floating.append("valid_until")
                end = format_micros(max(batch.at, parse_micros(start)) + lasts)
        content["valid_from"] = start
        if end is not None and parse_micros(end) > parse_micros(start):
            content["valid_until"] = end
        return tuple(floating)


def _number(stix_id: str) -> int:
    return int.from_bytes(uuid.UUID(stix_id.rpartition("--")[2]).bytes[:8])
