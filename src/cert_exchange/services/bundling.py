"""What a view shows, as one STIX bundle: a file for partners, or for our own defenders.

1. One read transaction: the file is one state of the node.
2. The objects are the stored bytes; what an audience may not see is in no file for it.
3. What our desk does not detect by is left out of files for our own use, and of no file for partners: it is ours to say.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.services.exercises import exercises
from cert_exchange.services.overriding import not_for_detection
from cert_exchange.store import figures, freezes
from cert_exchange.store import holdings as rows
from cert_exchange.store.database import Transaction

if TYPE_CHECKING:
    from cert_exchange.node import Node

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """How many objects were written, how many of an exercise were left out, and to whom the file may not go."""

    written: int
    left_out: int
    frozen: tuple[str, ...] = ()
    """partners to whom nothing goes out now"""
    not_detected: int = 0
    """left out of a file for our own use, since our desk does not detect by them"""


def export(
    node: Node,
    view: str,
    out: IO[bytes],
    *,
    tests: bool = False,
    own_use: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write what a default client of a view (AUDIENCE/COLLECTION) holds as one STIX bundle.

    A file for partners goes out like a page: while one of them is frozen, InputRefused. With `own_use` it is for our own
    people, does not go out, and no freeze stops it; what our desk does not detect by is left out of it (`overriding`).

    The objects are the stored bytes, as the view serves them. What is marked TEST is left out unless `tests` says
    otherwise: who reads the file may block what stands there, and a cyber-observable cannot say TEST itself. Where the
    view shows a real version or copy of it as well, that is written in its place. Raises NotFound for a view that does
    not exist.
    """
    written = left_out = spared = 0
    with node.database.reading() as tx:
        number, frozen = readable_view(tx, view, own_use=own_use)
        drills = exercises(tx)
        unwanted = not_for_detection(tx) if own_use else frozenset()
        for every in rows.bodies_of_view(tx, number):
            found = [one for one in every if one[0] not in unwanted] if unwanted else every
            spared += len(every) - len(found)
            chunk = [one[2] for one in found if tests or not drills.include(*one)]
            left_out += len(found) - len(chunk)
            if len(chunk) < len(found):
                drilled = [one[0] for one in found if drills.include(*one)]
                chunk += drills.real_ones(rows.beside_the_last(tx, number, drilled))
            if not chunk:
                continue
            opening = (
                b",\n"
                if written
                else f'{{"id":"bundle--{uuid.uuid4()}","type":"bundle","objects":[\n'.encode()
            )
            out.write(opening + ",\n".join(chunk).encode())
            written += len(chunk)
            if progress is not None:
                progress(written, None)
    # STIX 2.1 knows no empty lists: a bundle of nothing has no `objects`.
    out.write(
        b"\n]}\n" if written else f'{{"id":"bundle--{uuid.uuid4()}","type":"bundle"}}\n'.encode()
    )
    return Exported(written, left_out, frozen, spared)


def readable_view(tx: Transaction, view: str, *, own_use: bool) -> tuple[int, tuple[str, ...]]:
    """The number of a view (AUDIENCE/COLLECTION), and of its partners those to whom nothing goes out now.

    Raises NotFound for a view that does not exist, InputRefused where there are such and the file is not for our own use.
    """
    audience, _, collection = view.partition("/")
    number = rows.find_view(tx, audience, collection)
    if number is None:
        known = ", ".join(f"{v.audience}/{v.collection}" for v in figures.count_views(tx))
        raise NotFound(f"There is no view {view}; there are: {known or 'none yet'}.")
    frozen = tuple(freezes.frozen_readers(tx, number))
    if frozen and not own_use:
        raise InputRefused(
            f"What goes out to {', '.join(frozen)} is frozen, or sending to it suspended: a file for it is not"
            " written (`cert-exchange frozen`). For our own people alone: --own-use."
        )
    return number, frozen
