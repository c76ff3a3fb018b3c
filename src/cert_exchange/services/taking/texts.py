"""What is said of the objects of an input may name only what its readers get from the same input.

1. A text goes out whole or not at all: when it names anything (`intake.naming`) that is not published to be looked for under
   the same markings, or that is held or refused, it is left out, and a loss says so.
2. An object's own values may stand in its text. What a published address shows (the host in a URL) is published with it.
3. A stream is judged chunk by chunk: what a later one will publish is not known, and is taken for not shared.
4. At most `REMEMBERED` values are remembered; a text that names a later one of an earlier chunk is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from cert_exchange.intake.batches import Built, strictest
from cert_exchange.intake.findings import Kind, Loss
from cert_exchange.intake.naming import named_in
from cert_exchange.services.taking.settling import Settled

REMEMBERED: Final = 200_000
WHY: Final = "the text around a value names it, and it is not shared alike: the text is left out"
_SHOWN: Final = 120
_SHOWING: Final = frozenset({Kind.URL, Kind.PATTERN, Kind.USER_AGENT, Kind.FILE_PATH})


class Shared:
    """What one input has published so far, by value: under which markings."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[str, ...] | None] = {}

    def unfit(
        self, settled: Iterable[Settled], out: frozenset[str]
    ) -> list[tuple[Settled, tuple[str, ...]]]:
        """Which of these say more than they may, and what. `out`: ids that are held or not taken."""
        settled = list(settled)
        now: dict[str, tuple[str, ...] | None] = {}
        for one in settled:
            markings = None if one.id in out else _markings(one.content)
            for value in _values(one.built):
                before = now.get(value, self._before.get(hash(value), markings))
                # Of one value under two markings the stricter counts, and what is held stays so.
                now[value] = (
                    None if before is None or markings is None else strictest(before, markings)
                )
        found = []
        for one in settled:
            text = str(one.built.content.get("description", ""))
            if text and (names := self.names(text, one, now)):
                found.append((one, names))
        for value, kept in now.items():
            if len(self._before) < REMEMBERED or hash(value) in self._before:
                self._before[hash(value)] = kept
        return found

    def names(
        self, text: str, one: Settled, now: Mapping[str, tuple[str, ...] | None]
    ) -> tuple[str, ...]:
        """What a text of this object names and should not, sorted."""
        named = named_in(text)
        if not named:
            return ()
        markings = _markings(one.content)
        own = {name for value in one.built.own for name in (value.casefold(), *named_in(value))}
        return tuple(
            sorted(
                name
                for name in named - own
                if now.get(name, self._before.get(hash(name))) != markings
            )
        )


def without_text(one: Built) -> Built:
    """The same without what is said of it."""
    content = {name: value for name, value in one.content.items() if name != "description"}
    return replace(one, content=content)


def losses_of(one: Settled, names: Iterable[str]) -> list[Loss]:
    """What a person is told of a text that is left out."""
    place = one.built.place or f"the text of the {one.content['type']}"
    return [Loss(place, name[:_SHOWN], WHY) for name in names]


def _values(one: Built) -> set[str]:
    found = {value.casefold() for _, value in one.sought}
    for kind, value in one.sought:
        if kind in _SHOWING:
            found |= named_in(value)
    return found


def _markings(content: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(str(one) for one in content.get("object_marking_refs", ())))
