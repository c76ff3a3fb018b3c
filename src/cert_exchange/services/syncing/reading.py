"""A page of a source becomes examined objects: whole where it is of usual size, else part by part.

1. One object never spoils its page: where the page cannot be parsed whole, each object's bytes are examined on their own.
2. A page of any number of objects costs the memory of its bytes, which are bounded while they are read, and of one part
   (W12). Where a part ends nothing is meant by it: the cursor moves with the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from cert_exchange import errors
from cert_exchange.remote.envelope import WHOLE_BYTES, pieces
from cert_exchange.remote.pager import Page
from cert_exchange.services.syncing.reporting import Run
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import Batch, Examined, examine

PART_OBJECTS: Final = 1000
PART_BYTES: Final = 4 * 1024 * 1024


def limits_of(run: Run) -> Limits:
    """What a page of this source may cost."""
    return replace(run.node.limits, body_bytes=run.options.max_answer_bytes)


def parts_of(page: Page, limits: Limits) -> Iterator[Batch]:
    """Examine a page, part by part; one empty part where it holds nothing."""
    if not page.envelope.count:
        yield Batch(())
    elif len(page.body) <= WHOLE_BYTES and page.envelope.count <= limits.objects:
        yield _read_whole(page.body, limits)
    else:
        yield from _by_parts(page.body, limits)


def _read_whole(body: bytes, limits: Limits) -> Batch:
    """Examine every object of a page; where the page cannot be parsed whole, each object's bytes on their own."""
    try:
        return examine(body, limits=limits)
    except errors.InputRefused:
        return _each(list(pieces(body)), 0, limits)


def _by_parts(body: bytes, limits: Limits) -> Iterator[Batch]:
    part: list[bytes] = []
    size = index = 0
    for piece in pieces(body):
        if part and (len(part) >= PART_OBJECTS or size + len(piece) > PART_BYTES):
            yield _part(part, index, limits)
            index += len(part)
            part, size = [], 0
        part.append(piece)
        size += len(piece)
    yield _part(part, index, limits)


def _part(part: list[bytes], index: int, limits: Limits) -> Batch:
    try:
        batch = examine(b'{"objects":[' + b",".join(part) + b"]}", limits=limits)
    except errors.InputRefused:
        return _each(part, index, limits)
    return Batch(tuple(replace(one, index=index + one.index) for one in batch.items))


def _each(part: list[bytes], index: int, limits: Limits) -> Batch:
    return Batch(
        tuple(
            replace(_examine_piece(piece, limits, number), index=number)
            for number, piece in enumerate(part, index)
        )
    )


def _examine_piece(piece: bytes, limits: Limits, index: int) -> Examined:
    try:
        # In an envelope of its own, so that a bundle among the objects is refused as it is elsewhere (T27).
        return examine(b'{"objects":[' + piece + b"]}", limits=limits).items[0]
    except errors.InputRefused as refusal:
        raw = piece if len(piece) <= limits.object_bytes else None
        return Examined(index, f"unknown--{index}", None, None, refusal.public, raw)
