"""Making one attempt twice: with all guards, and with its own guard off."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from tests.attack import guards
from tests.attack.attempts import Attempt
from tests.attack.world import Worlds

from cert_exchange.errors import CertExchangeError


@dataclass(frozen=True, slots=True)
class Result:
    """What happened. `broken`: an attempt that failed by itself, with where."""

    attempt: Attempt
    refused: bool
    succeeds_without: bool
    broken: str = ""

    @property
    def good(self) -> bool:
        """Refused with the guard, and a real attack without it."""
        return self.refused and self.succeeds_without and not self.broken

    @property
    def line(self) -> str:
        if self.broken:
            verdict = f"BROKEN {self.broken}"
        elif not self.refused:
            verdict = "SUCCEEDED: the guards do not hold it"
        elif not self.succeeds_without:
            verdict = (
                f"refused, but also without its guard: {self.attempt.guard} is not what refuses"
            )
        else:
            verdict = f"refused; without [{self.attempt.guard}] it succeeds"
        return f"{'ok ' if self.good else 'BAD'} {self.attempt.name} ({self.attempt.by}): {verdict}"


def tried(attempt: Attempt, worlds: Worlds) -> Result:
    """Make the attempt in two fresh worlds."""
    try:
        refused = not _made(attempt, worlds)
    except Exception as error:  # noqa: BLE001 - reported as broken
        return Result(attempt, False, False, _where(error))
    try:
        with guards.off(attempt.guard):
            succeeds = _made(attempt, worlds)
    except Exception as error:  # noqa: BLE001 - reported as broken
        return Result(attempt, refused, False, f"without its guard: {_where(error)}")
    return Result(attempt, refused, succeeds)


def _made(attempt: Attempt, worlds: Worlds) -> bool:
    with worlds.world() as world:
        try:
            return attempt.run(world) is True
        except CertExchangeError:
            return False


def _where(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:300]} ({last.filename.rpartition('/')[2]}:{last.lineno})"
