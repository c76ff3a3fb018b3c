"""Bodies: an envelope, a bundle, one object or a list of objects, each object examined on its own.

1. One bad object never spoils the rest: an `Examined` holds either the valid object or the refusal (taxii21 54).
2. Every object is answered for: without a usable id it is `unknown--` and its index (taxii21 55).
3. Within one body the same id and version with other content: both are refused (CASES O20), for nobody can tell which
   one is meant. Exact doubles are fine; the receiver counts them as duplicates.
4. A body that is STIX 2.0 is refused as a whole in a sentence that says so.
No network connection is ever opened because of content (CASES H16).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cert_exchange.errors import BodyTooLarge, EnvelopeInvalid, ObjectInvalid
from cert_exchange.stix.canonical import Limits, canonical_bytes, parse_json
from cert_exchange.stix.instants import is_stix_timestamp, order_key
from cert_exchange.stix.objects import StixObject
from cert_exchange.stix.validation import validate

_ID_SHOWN: Final = 300
"""Characters of an id that a failure repeats: 250 of the type and a UUID fit."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One object of a body, in its place. Exactly one of `item` and `refusal` is there.

    `raw` is the refused object as canonical JSON, for the quarantine; None when it is accepted or larger than
    `Limits.object_bytes`.
    """

    index: int
    id: str
    version: str | None
    item: StixObject | None
    refusal: str | None
    raw: bytes | None


@dataclass(frozen=True, slots=True)
class Batch:
    """All objects of a body, in their order."""

    items: tuple[Examined, ...]


def examine(body: bytes, *, limits: Limits) -> Batch:
    """Read a body and examine every object in it.

    Taken: a TAXII envelope, a STIX bundle, one STIX object, a JSON list of objects. Raises BodyTooLarge, NotJson and
    EnvelopeInvalid; a fault of one object is its `refusal`.
    """
    if len(body) > limits.body_bytes:
        raise BodyTooLarge(
            f"The body has {len(body)} bytes; at most {limits.body_bytes} are taken. Split it."
        )
    # The envelope's two levels do not count against the object's.
    return examine_objects(_objects(parse_json(body, depth=limits.depth + 2)), limits=limits)


def examine_objects(found: list[Any], *, limits: Limits) -> Batch:
    """Examine objects that are parsed already. Raises EnvelopeInvalid when there are none or too many."""
    if not found:
        raise EnvelopeInvalid(
            'objects is empty; send {"objects": [...]} with at least one STIX object.'
        )
    if not any(isinstance(content, dict) for content in found):
        raise EnvelopeInvalid("objects holds no JSON object; send at least one STIX object.")
    if len(found) > limits.objects:
        raise EnvelopeInvalid(
            f"objects holds {len(found)} objects; at most {limits.objects} are taken. Split them."
        )
    items = [_examine_one(index, content, limits) for index, content in enumerate(found)]
    return Batch(tuple(_without_contradictions(items)))


def _objects(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise EnvelopeInvalid
    if value.get("type") == "bundle":
        return _of_bundle(value)
    if "objects" in value and "type" not in value:
        objects = value["objects"]
        if not isinstance(objects, list):
            raise EnvelopeInvalid(
                'objects is no list; send {"objects": [...]} with at least one STIX object.'
            )
        return objects
    if isinstance(value.get("type"), str):
        return [value]
    raise EnvelopeInvalid


def _of_bundle(bundle: Mapping[str, Any]) -> list[Any]:
    objects = bundle.get("objects")
    if not isinstance(objects, list) or not objects:
        raise EnvelopeInvalid("The bundle holds no objects; send at least one STIX object.")
    # In STIX 2.0 the bundle says spec_version and its objects do not; in STIX 2.1 it is the other way round, but bundles
    # with objects of 2.1 are seen that still say 2.0: then each object counts for itself.
    if bundle.get("spec_version") == "2.0" and not any(
        isinstance(item, dict) and "spec_version" in item for item in objects
    ):
        raise EnvelopeInvalid(
            "This is STIX 2.0: only STIX 2.1 is taken. Convert the bundle to STIX 2.1, where each object says "
            'spec_version "2.1", for example with the stix2-elevator of OASIS.'
        )
    return objects


def _examine_one(index: int, content: Any, limits: Limits) -> Examined:
    if not isinstance(content, dict):
        return Examined(
            index, f"unknown--{index}", None, None, "The entry is no JSON object.", None
        )
    try:
        item = validate(content, limits=limits)
    except ObjectInvalid as refused:
        return _refused(index, content, refused.public, limits)
    return Examined(index, item.id, item.version, item, None, None)


def _refused(index: int, content: Mapping[str, Any], reason: str, limits: Limits) -> Examined:
    stix_id = content.get("id")
    if (
        not isinstance(stix_id, str)
        or not stix_id
        or not stix_id.isprintable()
        or len(stix_id) > _ID_SHOWN
    ):
        stix_id = f"unknown--{index}"
    version = content.get("modified", content.get("created"))
    if not isinstance(version, str) or not is_stix_timestamp(version):
        version = None
    raw = canonical_bytes(content)
    return Examined(
        index, stix_id, version, None, reason, raw if len(raw) <= limits.object_bytes else None
    )


def _without_contradictions(items: list[Examined]) -> list[Examined]:
    if len({examined.id for examined in items}) == len(items):
        return items
    seen: dict[tuple[str, str], bytes] = {}
    contradicted: set[tuple[str, str]] = set()
    for examined in items:
        item = examined.item
        # A cyber-observable has no version of its own: other content is a later version, not a contradiction.
        if item is None or item.version is None:
            continue
        key = (item.id, order_key(item.version))
        if seen.setdefault(key, item.sameness) != item.sameness:
            contradicted.add(key)
    if not contradicted:
        return items
    return [
        replace(
            examined,
            item=None,
            refusal=(
                f"The body holds {examined.id} in version {examined.version} more than once with different content; "
                "none is taken. Send one, or give the other a later modified."
            ),
            raw=examined.item.body,
        )
        if examined.item is not None
        and examined.item.version is not None
        and (examined.id, order_key(examined.item.version)) in contradicted
        else examined
        for examined in items
    ]
