"""One walk through an input, chunk by chunk: built, settled, validated, warned of. Understanding and taking in walk alike.

1. At most `CHUNK` findings are in memory; of the rest only what keeps them from being said twice and what the reports
   will name.
2. An event of MISP begins a batch, with its own name and markings. Of its marking and the one that a person states the
   stricter counts; with neither it is TLP:RED (DECISIONS, "By trial").
3. What is refused by a warning, or was revoked here, is not handed on, nor what joins it to others. What a warning holds
   is named by a report of its own, so that the others lack nothing that their readers may not know of.
4. A text that names what is not shared alike is left out, once it is known what is held, and what cannot be left out is
   held with its object (`texts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, Final

import orjson

from cert_exchange.intake.building import Batch, Builder, Built, strictest
from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.misp import Event
from cert_exchange.intake.recognising import Format
from cert_exchange.node import Node
from cert_exchange.policy.cautions import Of
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import publishing, warning
from cert_exchange.services.pairing import HELD_WITH
from cert_exchange.services.taking.chunks import NOT_TAKEN, Chunk, Held, bases_of, joins
from cert_exchange.services.taking.inputs import Input, binding_labels
from cert_exchange.services.taking.reading import Order, Stream, Understanding
from cert_exchange.services.taking.settling import Settled, settle
from cert_exchange.services.taking.texts import Shared
from cert_exchange.services.taking.together import TABLES, Together
from cert_exchange.services.warning import Warned
from cert_exchange.stix.canonical import parse_json
from cert_exchange.stix.envelopes import Examined, examine_objects
from cert_exchange.stix.markings import TLP_BY_ID, TLP_DEFINITIONS, Tlp
from cert_exchange.stix.references import is_observable_id
from cert_exchange.store import placing

CHUNK: Final = 1_000
"""Findings, and losses, of one chunk."""
_REPORTS: Final = 20
"""So many reports are stored at once; each may have 50 KB."""
_RED: Final = next(
    str(one["id"]) for one in reversed(TLP_DEFINITIONS) if TLP_BY_ID[str(one["id"])] is Tlp.RED
)
_CONTAINERS: Final = frozenset({"report", "grouping"})


class Walk:
    """The chunks of one input."""

    def __init__(
        self,
        node: Node,
        order: Order,
        how: Understanding,
        together: Together,
        *,
        name: str,
        lives: Mapping[str, int],
        terms: SharingTerms | None = None,
        carried: SharingTerms | None = None,
    ) -> None:
        self._node = node
        self._order = order
        self._how = how
        self._together = together
        self._key = together.key(name, how)
        self._name = name
        self._terms = terms
        self._carried = carried
        self.whole = True
        """Whether everything is made ready; else only what the reports name, which is a third of it."""
        # Events have markings of their own.
        usual = None if how.form is Format.MISP else strictest(order.markings)
        self._shared = Shared(partial(warning.kept_back, node, at=node.now()), usual)
        self._at = node.now()
        self._given, self._called = Input(), ""
        self._binding = binding_labels(node)
        self._valid_for = {kind: lives[kind] for kind in Kind if kind in lives}
        if order.valid_for is not None:
            self._valid_for = dict.fromkeys(Kind, order.valid_for)

    @property
    def list_name(self) -> str:
        """What the reports or groupings are called that this walk made last; empty before it found anything."""
        return self._called

    def chunks(self, stream: Stream) -> Iterator[Chunk]:
        """All of them; the reports of a batch come after its findings, of inputs that make one list after the last."""
        builder: Builder | None = None
        chunk = Chunk()
        group: list[Finding] = []
        built: list[Built] = []
        for item in stream:
            if isinstance(item, Loss):
                chunk.losses.append(item)
            else:
                if group and (
                    isinstance(item, Event) or not item.group or item.group != group[0].group
                ):
                    assert builder is not None
                    built += builder.objects(group)
                    group = []
                if isinstance(item, Event):
                    if builder is not None:
                        yield self._finish(builder, built, chunk)
                        yield from self._reports(builder)
                        built, chunk = [], Chunk()
                    batch = self._batch(item, chunk)
                    builder = self._begin(batch)
                    built += builder.definitions()
                    chunk.batch = batch.name
                    continue
                if builder is None:
                    builder = self._begin(self._batch(None, chunk))
                group.append(item)
                chunk.findings.append(item)
            if len(chunk.findings) + len(chunk.losses) >= CHUNK and len(group) < CHUNK:
                yield self._finish(builder, built, chunk)
                built, chunk = [], Chunk()
        if builder is not None and group:
            built += builder.objects(group)
        yield self._finish(builder, built, chunk)
        if builder is None and self._key is not None:
            # Nothing is on the list any more, which may be meant.
            builder = self._begin(self._batch(None, chunk))
        if self._together.ends(self._key) and builder is not None:
            yield from self._reports(builder)

    def _begin(self, batch: Batch) -> Builder:
        builder = self._together.begin(batch, self._key)
        # Several events are several inputs, though one run stores them.
        began = 0 if batch.key else self._at
        # What has a key of its own is known by its lists' ids; two events may bear one title.
        name, self._called = "" if batch.key else batch.name, batch.name
        self._given = Input(
            name, self._terms, began, builder.lists.may_be, self._order.again, self._binding
        )
        return builder

    def _batch(self, event: Event | None, chunk: Chunk) -> Batch:
        order = self._order
        markings = order.markings
        around = order.around or ("grouping" if self._how.form in TABLES else "report")
        if event is None:
            title = "" if order.name else self._how.title
            return Batch(
                name=order.name or title or self._name, creator=self._node.identity, at=self._at, markings=markings,
                # Two documents of one file name are two, as long as they call themselves differently.
                key=f"{self._name}\n{title}" if title else "",
                around=around, confidence=order.confidence, valid_for=self._valid_for,
                observables=order.observables,
            )  # fmt: skip
        chunk.remarks += event.remarks
        markings = strictest(event.markings, order.markings)
        stated = {TLP_BY_ID.get(one) for one in event.markings} - {None}
        asked = {TLP_BY_ID.get(one) for one in order.markings} - {None}
        if not stated and not asked:
            markings = strictest(markings, (_RED,))
            chunk.remarks.append(
                f"the event {event.name!r} says no TLP: it is taken as TLP:RED; --tlp says another"
            )
        elif stated and asked and stated != asked:
            chunk.remarks.append(
                f"the event {event.name!r} has a TLP of its own: of it and yours the stricter counts"
            )
        references: list[Mapping[str, Any]] = [
            {
                name: text
                for name in ("source_name", "url", "external_id", "description")
                if (text := getattr(one, name))
            }
            for one in event.references
        ]
        return Batch(
            name=order.name or event.name, creator=self._node.identity, at=self._at, markings=markings,
            around=around, key=f"misp:{event.uuid}" if event.uuid else "", labels=event.labels,
            references=tuple(references), description=event.description, definitions=event.definitions,
            published=event.at or "",
            confidence=order.confidence, valid_for=self._valid_for, observables=order.observables,
        )  # fmt: skip

    def _finish(self, builder: Builder | None, built: Sequence[Built], chunk: Chunk) -> Chunk:
        """Settle, validate and look at what was built; let the reports know what they name."""
        if builder is None:
            return chunk
        chunk.losses += builder.losses
        builder.losses.clear()
        if not built:
            return chunk
        chunk.doubles = builder.doubles
        builder.doubles = 0
        context = {one.id for one in built if one.named and is_observable_id(one.id)}
        held = self._ready(built, chunk, context)
        for one in chunk.ready:
            # As it is published: a report that named what is marked more strictly would be shown to nobody who may not see
            # that. What stays as another input published it is named for the readers of this one alone.
            stands = one.settled
            as_it_goes = (
                stands.built if stands.stays else replace(stands.built, content=stands.content)
            )
            builder.lists.name(as_it_goes, apart=stands.id in held)
        chunk.ready = [one for one in chunk.ready if not one.settled.stays]
        return chunk

    def _reports(self, builder: Builder) -> Iterator[Chunk]:
        reports = builder.reports(self._standing)
        while some := list(islice(reports, _REPORTS)):
            chunk = Chunk()
            self._ready(some, chunk, set())
            for one in chunk.ready:
                before = set(one.settled.listed) - {self._node.identity}
                stay = sum(builder.lists.names(ref) for ref in before)
                chunk.stay, chunk.dropped = chunk.stay + stay, chunk.dropped + len(before) - stay
            yield chunk

    def _standing(self, stix_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        with self._node.database.reading() as conn:
            return placing.standing(conn, stix_ids)

    def _ready(self, built: Sequence[Built], chunk: Chunk, context: set[str]) -> set[str]:
        """Fill `chunk.ready`; the ids that a warning holds."""
        chunk.types.update(one.content["type"] for one in built)
        if not self.whole:
            built = [one for one in built if one.named or one.content["type"] in _CONTAINERS]
        if not built:
            return set()
        built = self._with_terms(built)
        with self._node.database.reading() as conn:
            settled = settle(conn, built, at=self._at, given=self._given)
        examined = examine_objects(
            [one.content for one in settled], limits=self._node.publish_limits
        )
        usable: list[tuple[Settled, Examined]] = []
        gone: set[str] = set()
        chunk.apart += sum(one.apart and one.state != "unchanged" for one in settled)
        chunk.bound += sum(one.bound for one in settled)
        for one, seen in zip(settled, examined.items, strict=True):
            if one.tightened:
                chunk.remarks.append(f"{one.id} is held under a stricter marking, and keeps it")
            if one.state in NOT_TAKEN:
                gone.add(one.id)
                chunk.refused.append((one.id, NOT_TAKEN[one.state]))
            elif seen.item is None:
                gone.add(one.id)
                chunk.refused.append((one.id, seen.refusal or "refused"))
            else:
                usable.append((one, seen))
        held, named = self._warn(usable, chunk, context, gone)
        chunk.names += [
            one.content["name"] for one, _ in usable if one.content["type"] in _CONTAINERS
        ]
        odd = gone | {said.id for said in chunk.warned}
        chunk.places |= {one.id: one.built.place for one in settled if one.id in odd}
        # Publishing sees by itself what is held, but for these.
        asked = {
            said.id: said.said
            for said in chunk.warned
            if said.act == "hold" and said.id in held & (context | named)
        }
        contents = [one.content for one in settled]
        asked |= self._waiting_with(held, settled)
        gone |= bases_of(gone, contents)
        chunk.ready = [
            Held(one, seen, asked.get(one.id, ""))
            for one, seen in usable
            if one.id not in gone and not joins(one.content, gone)
        ]
        return held

    def _waiting_with(self, held: set[str], settled: Sequence[Settled]) -> dict[str, str]:
        """The observables of held indicators that are new here, no other's too, and not held for themselves."""
        bases = bases_of(held, [one.content for one in settled])
        found = [one for one in settled if one.id in bases and one.state == "new"]
        told = warning.look(self._node, [one.content for one in found], at=self._at)
        themselves = {said.id for said in told if said.act != "warn"}
        return {one.id: HELD_WITH for one in found if one.id not in themselves}

    def _warn(
        self,
        usable: list[tuple[Settled, Examined]],
        chunk: Chunk,
        context: set[str],
        gone: set[str],
    ) -> tuple[set[str], set[str]]:
        """Look at what goes out, once the texts that name what is not shared alike are left out of `usable`.

        What is held, and what of it is held for what it names. Adds what is refused to `gone`.
        """
        told = self._told([one for one, _ in usable], context)
        out = {said.id for said in told if said.act != "warn"}
        secret = {said.id for said in told if said.act != "warn" and said.of != Of.CONTEXT}
        of = (one for one, _ in usable)
        unfit = self._shared.unfit(of, frozenset(out | gone), frozenset(out - secret))
        if unfit:
            with self._node.database.reading() as conn:
                again = settle(conn, [one.built for one in unfit], at=self._at, given=self._given)
            examined = examine_objects(
                [one.content for one in again], limits=self._node.publish_limits
            )
            new = {
                before.settled.id: (one, seen)
                for before, one, seen in zip(unfit, again, examined.items, strict=True)
            }
            usable[:] = [new.get(one.id, (one, seen)) for one, seen in usable]
            # A warning about a text that is left out is none.
            told = [said for said in told if said.id not in new] + self._told(again, context)
        for one in unfit:
            chunk.losses += one.losses
            if one.hold and one.settled.id not in {s.id for s in told if s.act != "warn"}:
                told.append(Warned(one.settled.id, "names", "hold", "", one.hold))
        places = {one.id: place for place, (one, _) in enumerate(usable)}
        chunk.warned += sorted(told, key=lambda said: places.get(said.id, 0))
        for said in chunk.warned:
            if said.act == "refuse":
                gone.add(said.id)
                chunk.refused.append((said.id, f"refused by a warning ({said.of}): {said.said}"))
        held = {said.id for said in chunk.warned if said.act == "hold"} - gone
        chunk.held += len(held)
        return held, {one.settled.id for one in unfit if one.hold} - gone

    def _told(self, settled: Sequence[Settled], context: set[str]) -> list[Warned]:
        """Warnings about what the reports name: an observable beside its indicator would be warned of twice."""
        contents = [
            one.content for one in settled if one.built.named or one.content["type"] in _CONTAINERS
        ]
        return list(warning.look(self._node, contents, at=self._at, context=context))

    def _with_terms(self, built: Sequence[Built]) -> Sequence[Built]:
        """The objects with the terms written into them, where they are to carry any."""
        if self._carried is None:
            return built
        body = orjson.dumps({"objects": [one.content for one in built]})
        told: Any = parse_json(
            publishing.carry_terms(self._node, body, self._carried),
            depth=self._node.publish_limits.depth + 2,
        )
        return [
            replace(one, content=content)
            for one, content in zip(built, told["objects"], strict=True)
        ]
