"""What an input says, before anything of it is stored: counted, with samples, losses and warnings.

The same walk as the one that stores (`walking`); a preview of who would see it covers its first objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Loss
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services import publishing, warning
from cert_exchange.services.collecting import collected_by_parts
from cert_exchange.services.publishing import PublishPreview
from cert_exchange.services.taking.chunks import Chunk, contents_of
from cert_exchange.services.taking.reading import Order, Understanding, read
from cert_exchange.services.taking.sources import Source
from cert_exchange.services.taking.together import Together
from cert_exchange.services.taking.walking import Walk
from cert_exchange.services.warning import Warned
from cert_exchange.stix.envelopes import examine

SAMPLES: Final = 3
"""of each kind"""
TEXTS: Final = 2
"""Descriptions that are shown as partners would read them."""
NAMES: Final = 5
"""Names of reports."""
SHOWN: Final = 20
"""Losses, warnings and remarks that are told one by one; the others are counted."""
LOOKED: Final = 32 * 1024 * 1024
PREVIEWED: Final = 2_000
"""Objects of which it is asked who would see them."""
_WEIGHTS: Final = {"refuse": 0, "hold": 1}
Progress = Callable[[int, int | None], None]
OnLoss = Callable[[Loss], None]


@dataclass(slots=True)
class Found:
    """What one input came to. Counted are findings, but for `types` and `states`."""

    name: str
    how: Understanding
    kinds: Counter[str] = field(default_factory=Counter)
    """findings by kind that are meant to be looked for"""
    told: Counter[str] = field(default_factory=Counter)
    """the same of those that are told of only"""
    guessed: int = 0
    doubles: int = 0
    apart: int = 0
    """objects that stand beside what another input published for a wider circle"""
    bound: int = 0
    """objects that terms of an earlier publication bind, of which this one says nothing"""
    stay: int = 0
    """objects that the list named before, and names again"""
    dropped: int = 0
    """objects that the list named before, and names no more"""
    samples: dict[str, list[str]] = field(default_factory=dict)
    batches: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """what partners read as the name of the report or grouping, the first"""
    texts: list[str] = field(default_factory=list)
    """what partners read as description, the first"""
    lost: Counter[str] = field(default_factory=Counter)
    """losses by their reason"""
    losses: list[Loss] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    """what the reports name, by what it is here: new, changed, unchanged"""
    types: Counter[str] = field(default_factory=Counter)
    """objects by type"""
    warned: Counter[tuple[str, str]] = field(default_factory=Counter)
    """warnings by (what of, what follows)"""
    warnings: list[Warned] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    """where in the input the objects stand that `warnings` and `refused` name"""
    preview: PublishPreview | None = None
    previewed: int = 0

    @property
    def findings(self) -> int:
        """How many findings it has."""
        return self.kinds.total() + self.told.total()

    @property
    def objects(self) -> int:
        """How many objects came of it, those included that are as they were."""
        return self.types.total()

    def add(self, chunk: Chunk, on_loss: OnLoss | None = None) -> None:
        """Count a chunk."""
        for one in chunk.findings:
            (self.kinds if one.detect else self.told)[one.kind.value] += 1
            self.guessed += one.guessed
            samples = self.samples.setdefault(one.kind.value, [])
            if len(samples) < SAMPLES and one.value not in samples:
                samples.append(one.value)
        for loss in chunk.losses:
            self.lost[loss.reason] += 1
            if len(self.losses) < SHOWN:
                self.losses.append(loss)
            if on_loss is not None:
                on_loss(loss)
        self.doubles += chunk.doubles
        self.apart += chunk.apart
        self.bound += chunk.bound
        self.stay += chunk.stay
        self.dropped += chunk.dropped
        if chunk.batch and len(self.batches) < SHOWN:
            self.batches.append(chunk.batch)
        self.types += chunk.types
        self.names += [one for one in chunk.names if one not in self.names][
            : NAMES - len(self.names)
        ]
        self._keep_texts(chunk)
        self.states.update(one.settled.state for one in chunk.ready if one.settled.built.named)
        for said in chunk.warned:
            self.warned[said.of, said.act] += 1
        self._keep(chunk)
        self.refused += chunk.refused[: SHOWN - len(self.refused)]
        for _, why in chunk.refused:
            self.refusals[why] += 1
        self.remarks += chunk.remarks[: SHOWN - len(self.remarks)]
        wanted = {one.id for one in self.warnings} | {stix_id for stix_id, _ in self.refused}
        if wanted - self.places.keys():
            self.places |= {
                stix_id: place for stix_id, place in chunk.places.items() if stix_id in wanted
            }

    def _keep_texts(self, chunk: Chunk) -> None:
        if len(self.texts) >= TEXTS:
            return
        held = {said.id for said in chunk.warned if said.act == "hold"}
        for one in chunk.ready:
            text = one.settled.content.get("description")
            if text and one.settled.id not in held and text not in self.texts:
                self.texts.append(text)
                if len(self.texts) == TEXTS:
                    return

    def _keep(self, chunk: Chunk) -> None:
        """Keep the weightiest warnings to be shown, of one value and what is made of it one."""
        told = {(self.places.get(one.id, one.id), one.of) for one in self.warnings}
        new: list[Warned] = []
        for one in sorted(chunk.warned, key=_weight):
            about = (chunk.places.get(one.id, one.id), one.of)
            if about not in told and len(new) < SHOWN:
                told.add(about)
                new.append(one)
        self.warnings = sorted([*self.warnings, *new], key=_weight)[:SHOWN]


def _weight(one: Warned) -> int:
    return _WEIGHTS.get(one.act, len(_WEIGHTS))


def look(
    node: Node,
    source: Source,
    how: Understanding,
    order: Order,
    *,
    collection: str,
    by: str,
    together: Together | None = None,
    terms: SharingTerms | None = None,
    carried: SharingTerms | None = None,
    preview: bool = False,
    progress: Progress | None = None,
    on_loss: OnLoss | None = None,
) -> Found:
    """Read an input to its end and say what is in it; nothing is stored. `preview`: and who would see it.

    `together`: the walk through all inputs of the command, of which this is one.

    Raises InputRefused and what the readers raise, ConfigurationInvalid for an unknown collection.
    """
    publishing.collection_number(node, collection)
    walk = Walk(
        node,
        order,
        how,
        together or Together([(source, how)], order),
        name=source.name,
        lives=warning.lives(node, collection),
        terms=terms,
        carried=carried,
    )
    found = Found(source.name, how)
    first: list[dict[str, object]] = []
    holding: dict[str, str] = {}
    walk.whole = preview
    with collected_by_parts(after=1) as part_done:
        for chunk in walk.chunks(read(source, how)):
            found.add(chunk, on_loss)
            if preview and len(first) < PREVIEWED:
                some = chunk.ready[: PREVIEWED - len(first)]
                first += contents_of(some)
                holding |= asked_of(chunk)
            walk.whole = preview and len(first) < PREVIEWED
            if progress is not None:
                progress(found.findings, None)
            part_done()
    if first:
        found.preview = publishing.preview_publish(
            node, orjson.dumps({"objects": first}), collection=collection, by=by, terms=terms, holding=holding
        )  # fmt: skip
        found.previewed = len(first)
    return found


def look_at_stix(node: Node, *bodies: bytes) -> tuple[Warned, ...]:
    """The warnings about bodies that are STIX already, up to `LOOKED` bytes; what is no STIX is publishing's to refuse."""
    found: list[Warned] = []
    at, left = node.now(), LOOKED
    for body in bodies:
        left -= len(body)
        if left < 0:
            break
        try:
            batch = examine(body, limits=node.publish_limits)
        except InputRefused:
            continue
        found += warning.look(node, [one.item.content for one in batch.items if one.item], at=at)
    return tuple(found)


def asked_of(chunk: Chunk) -> Mapping[str, str]:
    """What publishing must be told to hold, and why."""
    return {one.settled.id: one.asked for one in chunk.ready if one.asked}
