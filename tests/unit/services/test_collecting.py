"""Python looks for cycles between the parts of a long work, and as ever before and after it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from cert_exchange.services.collecting import collected_by_parts


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


class _Ring:
    """What only a look for cycles takes out of memory."""

    def __init__(self) -> None:
        self.itself = self


def test_a_cycle_is_gone_when_a_part_is_done() -> None:
    """What parts leave behind does not stay in memory until the end."""
    with collected_by_parts() as part_done:
        assert not gc.isenabled()
        left = weakref.ref(_Ring())
        assert left() is not None
        part_done()
        assert left() is None


def test_it_is_looked_for_every_so_many_parts() -> None:
    """As many parts as are asked for lie between two looks."""
    with collected_by_parts(every=3) as part_done:
        left = weakref.ref(_Ring())
        part_done()
        part_done()
        assert left() is not None
        part_done()
        assert left() is None


def test_one_part_changes_nothing() -> None:
    """Who has one part only pays nothing; from the second on it is looked for by parts."""
    with collected_by_parts(after=1) as part_done:
        assert gc.isenabled()
        part_done()
        assert not gc.isenabled()


def test_it_is_as_before_after_a_failure() -> None:
    """A part that fails leaves Python as it was; so does one that nobody told of."""

    def fail() -> None:
        with collected_by_parts(after=1) as part_done:
            part_done()
            raise ValueError

    with pytest.raises(ValueError):
        fail()


def test_who_did_not_look_for_cycles_does_not_begin_to() -> None:
    """A process that never looks by itself does not after the work either."""
    gc.disable()
    try:
        with collected_by_parts():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
