"""What our desk publishes, and the look before it does.

1. All of a file is validated before anything is stored.
2. A preview runs the very same transaction and rolls it back: what it shows is what publishing does (CASES M09).
3. A long file is stored in parts of `PART_OBJECTS`, each one commit; repeating it after a break is safe, what is
   stored already is a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

import orjson

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.node import Node
from cert_exchange.policy.decide import Allow, Deny, Hold, Redact
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.policy.wording import held_until
from cert_exchange.services.publishing.standing_in import Standing as _Standing
from cert_exchange.services.publishing.taking_in import Outcome, take_in_watched
from cert_exchange.services.releasing import Line, Releasing
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import Batch, examine
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import TLP_DEFINITIONS
from cert_exchange.stix.references import Role
from cert_exchange.store import collections as collection_rows
from cert_exchange.store import objects, sights
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN, LineKind

PART_OBJECTS: Final = 5_000
DESK_BODY_BYTES: Final = 512 * 1024 * 1024
DESK_OBJECTS: Final = 1_000_000
Progress = Callable[[int, int | None], None]
_Place = tuple[str, int, str, str]
"""(audience, collection, STIX id, version)"""


@dataclass(frozen=True, slots=True)
class PublishReport:
    """An outcome per object, and the lines that the audiences gained and lost."""

    outcomes: tuple[Outcome, ...]
    lines: tuple[Line, ...]
    unresolved: tuple[str, ...] = ()
    """ids that were referred to and that we do not hold: what refers to them waits, as it is (CASES I05)"""

    @property
    def counts(self) -> dict[str, int]:
        """How many objects ended in each result."""
        found: dict[str, int] = {}
        for outcome in self.outcomes:
            found[outcome.result] = found.get(outcome.result, 0) + 1
        return found


@dataclass(frozen=True, slots=True)
class Sighted:
    """Who would see one version, or why not."""

    audience: str
    stix_id: str
    version: str
    answer: str
    """released | held | denied | waiting | withdrawn"""
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class PublishPreview:
    """What publishing would do; nothing was stored."""

    outcomes: tuple[Outcome, ...]
    sighted: tuple[Sighted, ...]
    unresolved: tuple[str, ...] = ()
    """as in a report"""


class _LookedAt(Exception):
    """Ends the preview's transaction without a commit."""


def publish(
    node: Node,
    body: bytes,
    *,
    collection: str,
    by: str,
    terms: SharingTerms | None = None,
    progress: Progress | None = None,
    holding: Mapping[str, str] | None = None,
) -> PublishReport:
    """Publish a bundle, an envelope, a list or one object into a collection (alias or UUID).

    `terms` bind all of it from the first instant, besides what was said of any of it before (`services.terms`). `holding`
    are STIX ids that are stored and held at the way in until a person lets them in, each with its reason.
    Raises NotJson, EnvelopeInvalid, ConfigurationInvalid for an unknown collection, StoreError, ClockDoubtful.
    """
    batch = examine(body, limits=_desk_limits(node))
    number = collection_number(node, collection)
    outcomes: list[Outcome] = []
    lines: list[Line] = []
    parts = _parts(batch)
    done = 0
    for part in parts:

        def work(tx: Transaction, part: Batch = part) -> tuple[tuple[Outcome, ...], Releasing]:
            return take_in_watched(
                tx, node, part, origin=OWN, collection=number, now=node.clock.releasing_now(),
                by=by, terms=terms, holding=holding,
            )  # fmt: skip

        told, releasing = node.database.transact(work)
        outcomes.extend(told)
        lines.extend(releasing.lines)
        done += len(part.items)
        if progress is not None:
            progress(done, len(batch.items))
    return PublishReport(tuple(outcomes), tuple(lines), _unresolved(node, [batch]))


def preview_publish(
    node: Node,
    *bodies: bytes,
    collection: str,
    by: str = "desk",
    terms: SharingTerms | None = None,
    holding: Mapping[str, str] | None = None,
) -> PublishPreview:
    """What `publish` would do with these bodies one after the other: outcomes, and who would see what by which rule."""
    batches = [examine(body, limits=_desk_limits(node)) for body in bodies]
    number = collection_number(node, collection)
    seen: list[PublishPreview] = []

    def work(tx: Transaction) -> None:
        outcomes: list[Outcome] = []
        releasings: list[Releasing] = []
        for part in (part for batch in batches for part in _parts(batch)):
            told, releasing = take_in_watched(
                tx, node, part, origin=OWN, collection=number,
                now=node.clock.releasing_now(), by=by, keep_verdicts=True, terms=terms,
                holding=holding,
            )  # fmt: skip
            outcomes.extend(told)
            releasings.append(releasing)
        seen.clear()
        seen.append(PublishPreview(tuple(outcomes), tuple(sighted(releasings))))
        raise _LookedAt

    try:
        node.database.transact(work)
    except _LookedAt:
        return replace(seen[0], unresolved=_unresolved(node, batches))
    raise AssertionError("a preview always rolls back")


def _unresolved(node: Node, batches: Sequence[Batch]) -> tuple[str, ...]:
    items = [one.item for batch in batches for one in batch.items if one.item is not None]
    wanted = {
        reference.target
        for item in items
        for reference in item.references
        if reference.role in {Role.REQUIRED, Role.MARKING}
    } - {item.id for item in items}
    missing: set[str] = set()
    with node.database.reading() as conn:
        for some in _batched(sorted(wanted)):
            numbers = objects.idents_of(conn, some)
            held = version_rows.held(conn, numbers.values())
            missing |= {one for one in some if numbers.get(one) not in held}
    return tuple(sorted(missing))


def _batched(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), PART_OBJECTS):
        yield ids[start : start + PART_OBJECTS]


def sighted(releasings: Sequence[Releasing]) -> list[Sighted]:
    """Every verdict and line, as sentences for a person; of a version in one view the last answer counts.

    What is shown as a derivative stands under its original.
    """
    found: dict[_Place, list[Sighted]] = {}
    for releasing in releasings:
        now: dict[_Place, list[Sighted]] = {}
        for place, sentence in _answers(releasing):
            now.setdefault(place, []).append(sentence)
        for place, sentences in now.items():
            # Carried along though no rule lets it stand here, or shown otherwise than before: what is seen counts.
            seen = [one for one in sentences if one.answer == "released"]
            # What waited for an object of a later part is released with that part: the wait is over.
            found[place] = seen or sentences
    return [sentence for sentences in found.values() for sentence in sentences]


def _answers(releasing: Releasing) -> Iterator[tuple[_Place, Sighted]]:
    shown = _Standing(releasing)
    for line in releasing.lines:
        answer = "released" if line.kind == LineKind.RELEASE else "withdrawn"
        stix_id, said, how = shown.of(line)
        yield (
            (line.audience, line.collection, stix_id, said),
            Sighted(line.audience, stix_id, said, answer, line.rule, how),
        )
    standing = _holds(releasing)
    for plan, verdict, waits in releasing.verdicts:
        name, version = plan.audience.name, verdict.version
        match verdict.decision:
            case Allow(rule, _) | Redact(rule, _, _):
                if not waits:
                    continue
                missing = ", ".join(releasing.pool.texts.get(i, str(i)) for i in sorted(waits))
                answer, reason = "waiting", f"waits for {missing}"
            case Hold(rule, why, _):
                hold = standing.get((plan.audience.id, version.id, verdict.collection))
                began = releasing.now if hold is None or hold.rule != rule else hold.held_at
                answer, reason = "held", f"{why}; {held_until(verdict.decision, began=began)}"
            case Deny(rule, reason, _):
                answer = "denied"
            case _:
                assert_never(verdict.decision)
        yield (
            (name, verdict.collection, version.stix_id, version.version),
            Sighted(name, version.stix_id, version.version, answer, rule, reason),
        )


def _holds(releasing: Releasing) -> dict[tuple[int, int, int], sights.StandingHold]:
    """(audience, version, collection) -> the hold that stands, as this transaction wrote or found it."""
    held: dict[int, set[int]] = {}
    for plan, verdict, _ in releasing.verdicts:
        if isinstance(verdict.decision, Hold):
            held.setdefault(plan.audience.id, set()).add(verdict.version.id)
    return {
        (audience, *key): hold
        for audience, numbers in held.items()
        for key, hold in sights.standing_holds(releasing.tx, audience, sorted(numbers)).items()
    }


def seed(node: Node) -> None:
    """Store the nine TLP definitions and our own identity, once; in no collection, carried where needed."""
    made = format_micros(node.now())
    identity = {
        "type": "identity",
        "spec_version": "2.1",
        "id": node.identity,
        "created": made,
        "modified": made,
        "name": node.settings.title,
        "identity_class": "organization",
    }
    with node.database.reading() as conn:
        numbers = objects.idents_of(
            conn, [*(str(one["id"]) for one in TLP_DEFINITIONS), node.identity]
        )
        held = version_rows.held(conn, numbers.values())
    known = {stix_id for stix_id, number in numbers.items() if number in held}
    missing = [one for one in [*TLP_DEFINITIONS, identity] if str(one["id"]) not in known]
    if not missing:
        return
    batch = examine(orjson.dumps({"objects": [dict(one) for one in missing]}), limits=node.limits)

    def work(tx: Transaction) -> None:
        take_in_watched(
            tx, node, batch, origin=OWN, collection=None, now=node.clock.releasing_now(), by="init"
        )

    node.database.transact(work)


def collection_number(node: Node, name: str) -> int:
    """The collection of an alias or UUID. Raises ConfigurationInvalid that lists those there are."""
    with node.database.reading() as conn:
        found = collection_rows.find_collection(conn, name)
        if found is not None:
            return found.id
        names = collection_rows.collection_labels(conn)
    raise ConfigurationInvalid(
        f"there is no collection {name!r}; "
        + (f"there are: {', '.join(names)}" if names else "load collections/ first")
    )


def _desk_limits(node: Node) -> Limits:
    """Our own desk may publish a larger file than a partner may post."""
    return replace(node.limits, body_bytes=DESK_BODY_BYTES, objects=DESK_OBJECTS)


def _parts(batch: Batch) -> Sequence[Batch]:
    return [
        Batch(batch.items[start : start + PART_OBJECTS])
        for start in range(0, len(batch.items), PART_OBJECTS)
    ]
