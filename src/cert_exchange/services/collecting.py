"""When Python looks for cycles in what it holds: between parts of a long work, and not by itself.

1. By itself it looks through the whole program again and again, which takes a fifth of the time of whoever makes many objects.
   Never to look would leave in memory what many parts have read.
2. What there is when it begins is set aside until the end, so that looking between parts costs next to nothing.
3. To begin costs as much as looking once, which is more than a short work takes: who has one part only does not begin.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def collected_by_parts(*, every: int = 1, after: int = 0) -> Iterator[Callable[[], None]]:
    """Let Python look for cycles when some parts are done, which is told by calling what this gives.

    `every`: parts between two looks; `after`: so many parts are done as ever, before it begins.
    """
    usual = gc.isenabled()
    done = 0
    begun = False

    def begin() -> None:
        nonlocal begun
        begun = True
        gc.collect()
        gc.freeze()
        gc.disable()

    def part_done() -> None:
        nonlocal done
        done += 1
        if begun:
            if done % every == 0:
                gc.collect()
        elif done >= after:
            begin()

    if not after:
        begin()
    try:
        yield part_done
    finally:
        if begun:
            gc.unfreeze()
            if usual:
                gc.enable()
