"""The guards: what keeps an attacker out, and how each is switched off in the test process.

1. A guard is one decision of ours, named by the dotted path at which it is *called*; `from x import f` binds a name in
   the module that imports, so that module is patched.
2. Switching off replaces our own function (or number) for one attempt and puts it back. Nothing in `src/` knows of it.
3. Only code of this process is patched. The worlds of `world.py` run their nodes here, in threads.

    add("login: secret", "a wrong secret opens nothing", {"cert_exchange....recognising._reason_against": answers(None)})

A name with dots that is not in the table is a check that raises when it refuses; off, it does nothing.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

PACKAGE = "cert_exchange."


@dataclass(frozen=True, slots=True)
class Guard:
    """`holds`: the sentence that is true while it stands. `off`: dotted path -> what stands there instead."""

    name: str
    holds: str
    off: Mapping[str, Any]


GUARDS: dict[str, Guard] = {}


def add(name: str, holds: str, off: Mapping[str, Any]) -> str:
    """Put a guard into the table; returns its name. A replacement that is a `Wrapped` is given the original."""
    assert name not in GUARDS, f"guard {name} is there twice"
    assert off, f"guard {name} cannot be switched off"
    GUARDS[name] = Guard(name, holds, off)
    return name


def named(name: str) -> Guard:
    """The guard of that name, or the check at that dotted path."""
    if name in GUARDS:
        return GUARDS[name]
    assert name.startswith(PACKAGE), f"{name} is neither in GUARDS nor a dotted path of ours"
    return Guard(name, f"`{name.removeprefix(PACKAGE)}` refuses", {name: answers(None)})


def answers(value: Any) -> Callable[..., Any]:
    """A function that always answers the same."""
    return lambda *_args, **_kwargs: value


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A replacement that needs what it replaces: `make(original)` gives it."""

    make: Callable[[Any], Any]


@contextmanager
def off(name: str) -> Iterator[None]:
    """Switch a guard off, for as long as the block lasts."""
    with ExitStack() as stack:
        for path, instead in named(name).off.items():
            assert path.startswith(PACKAGE), f"{path} is not ours to replace"
            owner, attribute = _found(path)
            before = vars(owner)[attribute]
            now = instead.make(before) if isinstance(instead, Wrapped) else instead
            setattr(owner, attribute, now)
            stack.callback(setattr, owner, attribute, before)
        yield


def _found(path: str) -> tuple[Any, str]:
    """The object that holds an attribute, and the attribute's name. It must be there: a guard that moved is found."""
    holder, _, attribute = path.rpartition(".")
    owner = pkgutil.resolve_name(holder)
    assert attribute in vars(owner), f"guard moved: {path} is no more"
    return owner, attribute
