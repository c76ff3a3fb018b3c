"""What an attempt is, and the list of all. Each engineer keeps his in `attempts_<letter>.py`; all are read here.

    @attempt("wrong secret", guard="login: secret", by=OUTSIDER)
    def wrong_secret(world: World) -> bool:
        return world.a.client().with_(authorization="Bearer ...").objects().status == 200

1. An attempt says whether the attack SUCCEEDED: True is bad for us. A CertExchangeError that escapes is a refusal.
2. It is made twice, each time in a fresh world of two nodes: with every guard (must be refused), and with its own
   guard switched off (must succeed: so it is this guard that refused, and the attack is real).
3. It attacks through a face (HTTP, a file, a remote's answer, a terminal), never by calling the guard itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from tests.attack import guards


class By(StrEnum):
    """Who attacks (docs/threat-model.md)."""

    OUTSIDER = "outsider"
    THIEF = "partner's stolen credential"
    PARTNER = "malicious partner"
    INSIDER = "curious administrator"
    FILES = "stolen database or backup"


OUTSIDER, THIEF, PARTNER, INSIDER, FILES = By


@dataclass(frozen=True, slots=True)
class Attempt:
    name: str
    guard: str
    by: By
    run: Callable[[Any], bool]

    @property
    def says(self) -> str:
        """Its first line of documentation, or its name."""
        return (self.run.__doc__ or self.name).strip().splitlines()[0]


ATTEMPTS: dict[str, Attempt] = {}


def attempt(
    name: str, *, guard: str, by: By
) -> Callable[[Callable[[Any], bool]], Callable[[Any], bool]]:
    """Put a function of a `World` into the list. `guard`: a name of `guards.GUARDS` or a dotted path."""

    def put(run: Callable[[Any], bool]) -> Callable[[Any], bool]:
        assert name not in ATTEMPTS, f"attempt {name} is there twice"
        ATTEMPTS[name] = Attempt(name, guard, by, run)
        return run

    return put


@cache
def every() -> tuple[Attempt, ...]:
    """All attempts of all `attempts_*.py`, in the order of files and lines. Each guard of theirs must be there."""
    for path in sorted(Path(__file__).parent.glob("attempts_*.py")):
        importlib.import_module(f"tests.attack.{path.stem}")
    found = tuple(ATTEMPTS.values())
    for one in found:
        for target in guards.named(one.guard).off:
            guards._found(target)
    return found
