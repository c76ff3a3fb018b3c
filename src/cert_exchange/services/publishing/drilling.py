"""An exercise and the real thing under one id: neither becomes the other because our desk publishes it once more.

The id of a cyber-observable follows from its value, and knowledge such as ATT&CK is one object for all: both share ids.

1. What is published for real stays real: a publication of an exercise neither marks it nor stores a version of it. Only
   `terms set` marks it, an order about that one object.
2. What a publication marked TEST is real from when our desk publishes it for real: of two publications the later counts,
   and a real indicator that stayed marked would reach nobody. The rest of what was said beside it stays.
3. What `terms set` marked stays marked, and so does what comes along with the exercise's own objects, where somebody
   publishes its file again and forgets `--test`. Who publishes it is told how to end that.
4. Only our desk comes here. A partner's objects bear their own mark, in the partner's own copies: they mark nothing of
   ours, and nothing of ours marks them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from cert_exchange.policy.sharing_terms import (
    EXTENSION,
    NO_TERMS,
    SharingTerms,
    from_text,
    terms_of,
    to_text,
)
from cert_exchange.services.publishing.knowing import Intake
from cert_exchange.services.publishing.rulings import Marked, Marks, Ruling, Step
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.bindings import Bindings
from cert_exchange.stix.envelopes import Examined
from cert_exchange.stix.instants import format_micros, order_key
from cert_exchange.stix.objects import StixObject
from cert_exchange.store import terms as rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.objects import Version
from cert_exchange.store.tables import OWN
from cert_exchange.store.terms import EVERY

FREE: Final = frozenset({"identity", "marking-definition", "extension-definition"})
"""Types that the terms of a publication do not bind."""


def marks_met(
    intake: Intake, releasing: Releasing, items: Sequence[Examined], terms: SharingTerms | None
) -> Marks | None:
    """What is known of these ids, as far as it says real or TEST otherwise than they do; None: nothing."""
    drill = terms is not None and terms.test
    of_drill: dict[int, None] = {}
    for_real: dict[int, None] = {}
    bindings = releasing.pool.bindings
    said = bindings.said.any_of
    for one in items:
        item = one.item
        if item is None or item.type in FREE:
            continue
        ident = intake.nums[item.id]
        if ident in intake.fresh:
            continue
        if drill or _carries_test(item.content):
            of_drill[ident] = None
        elif said:
            for_real[ident] = None
    if not of_drill and not for_real:
        return None
    bindings.ask([*of_drill, *for_real])()
    marked = {ident: found for ident in for_real if (found := _marked(bindings, ident))}
    again = any(_is_drill_again(intake, one.item, marked) for one in items)
    return Marks(_published_for_real(intake, bindings, of_drill), marked, again)


def spared(intake: Intake, ident: int, item: StixObject, key: str, ruling: Ruling) -> Ruling:
    """The ruling on an exercise's object: what is published for real under its id stays as it is."""
    real = intake.marks.real.get(ident) if intake.marks is not None else None
    if real is None:
        return ruling
    since = f"it is published for real since {format_micros(real.stored_at)}"
    if item.observable or any(
        one.accepted and one.version_key == key for one in intake.known[ident]
    ):
        return Ruling(
            Step.NOTHING, success=True, about=real.id, mark="stays real",
            message=f"{since} and stays so; `terms set {item.id} --test` makes it an exercise's",
        )  # fmt: skip
    return Ruling(
        Step.REFUSE, success=False, mark="stays real",
        message=f"{since}, which an exercise's version of it would end; give the exercise an object of its own, or say"
        f" `terms set {item.id} --test` first",
    )  # fmt: skip


def unmarked(intake: Intake, ident: int, item: StixObject, ruling: Ruling) -> Ruling:
    """The ruling on a real object that is marked TEST: the mark ends where a publication set it, or that is said."""
    found = intake.marks.marked.get(ident) if intake.marks is not None else None
    if not found:
        return ruling
    assert intake.marks is not None
    since = f"marked TEST since {format_micros(min(one.since for one in found))}"
    if intake.marks.drill_again:
        said = f"it is {since}, and so is what comes with it: it stays an exercise's; published by itself it is real"
        return replace(ruling, mark="stays TEST", message=_joined(ruling.message, said))
    if any(one.ordered for one in found):
        said = f"it is {since} and goes out as an exercise's only; `terms set {item.id} --clear` ends that"
        return replace(ruling, mark="stays TEST", message=_joined(ruling.message, said))
    if not ruling.success or ruling.step is Step.PROPOSE:
        said = f"what is held of it is {since}; publish a later version to make it real"
        return replace(ruling, message=_joined(ruling.message, said))
    intake.marks.lifted[ident] = None
    said = f"it was {since}; published for real, it bears the mark no more"
    return replace(ruling, mark="made real", message=_joined(ruling.message, said))


def lift(intake: Intake, releasing: Releasing) -> dict[int, None]:
    """Take the marks away that publications set on what is real now; the ids to decide again."""
    if intake.marks is None or not intake.marks.lifted:
        return {}
    bindings = releasing.pool.bindings
    written: dict[tuple[int, int], str | None] = {}
    for ident in intake.marks.lifted:
        for one in intake.marks.marked[ident]:
            left = replace(from_text(bindings.beside[ident][one.origin]), test=False)
            written[ident, one.origin] = None if left == NO_TERMS else to_text(left)
    rows.replace(intake.tx, written, at=intake.now, by=intake.sender.name, reason=None)
    bindings.tell(written)
    return dict(intake.marks.lifted)


def _is_drill_again(
    intake: Intake, item: StixObject | None, marked: Mapping[int, Sequence[Marked]]
) -> bool:
    """Whether an object is one that is marked TEST, in the same version and with other content: that lacks the mark."""
    text = None if item is None or item.observable else item.version or item.created
    if item is None or text is None or intake.nums[item.id] not in marked:
        return False
    return any(
        one.accepted
        and one.origin == OWN
        and one.version_key == order_key(text)
        and one.sameness != item.sameness
        for one in intake.known[intake.nums[item.id]]
    )


def _published_for_real(
    intake: Intake, bindings: Bindings, idents: Collection[int]
) -> dict[int, Version]:
    """Of these ids, the newest version in use that is not marked TEST; of an observable our own copy alone counts.

    Asked origin by origin: whoever brought a drill under an id, what another publishes for real stays real.
    """
    if not idents:
        return {}
    used = {
        one.id for ident in idents for one in intake.known[ident] if one.accepted and one.in_use
    }
    newest: dict[tuple[int, int], Version] = {}
    for version in version_rows.versions(intake.tx, sorted(idents)):
        if version.id in used and (version.origin == OWN or not version.observable):
            newest[version.ident, version.origin] = version
    asked = version_rows.ask_bodies(intake.tx, {version.rendition for version in newest.values()})
    bodies = dict(asked())
    return {
        version.ident: version
        for version in sorted(newest.values(), key=lambda one: (one.version_key, one.id))
        if not _test_beside(bindings, version) and not _test_within(bodies[version.rendition])
    }


def _test_beside(bindings: Bindings, version: Version) -> bool:
    said = bindings.beside.get(version.ident, {})
    return any(_says_test(said[one]) for one in (EVERY, version.origin) if one in said)


def _test_within(body: str) -> bool:
    return EXTENSION in body and _carries_test(orjson.loads(body))


def _marked(bindings: Bindings, ident: int) -> list[Marked]:
    said = bindings.beside.get(ident, {})
    return [
        Marked(origin, *bindings.said_at[ident, origin])
        for origin in (OWN, EVERY)
        if origin in said and _says_test(said[origin])
    ]


def _says_test(text: str) -> bool:
    try:
        return from_text(text).test
    except ValueError:
        return False  # it denies all, whatever is published


def _carries_test(content: Mapping[str, Any]) -> bool:
    extensions = content.get("extensions")
    if not isinstance(extensions, dict) or EXTENSION not in extensions:
        return False
    try:
        found = terms_of(content)
    except ValueError:
        return False  # nothing of it is shared, and nothing older than it either
    return found is not None and found.test


def _joined(one: str, other: str) -> str:
    return f"{one}; {other}" if one else other
