"""How often partners saw an object, and what they think of it: the figures of `show`.

1. Of each partner's answers the newest version counts, unless it is revoked; of its opinions of one object the newest.
2. A sighting that tells no count counts once: the figure is a lower bound. One that counts 0 says that it was not seen.
3. What comes under an id that another brought is a proposal and nobody's word.
4. Reading only, and for our own people: no face may hand these figures to a partner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from cert_exchange.messages import answers as messages
from cert_exchange.messages import notices, requests
from cert_exchange.messages.answers import Opinion
from cert_exchange.store import answers as rows
from cert_exchange.store.answers import Said
from cert_exchange.store.database import Transaction

MOST: Final = 10_000
"""So many answers about one object are counted."""
_WORDS: Final = {one.value: number for number, one in enumerate(Opinion)}


@dataclass(frozen=True, slots=True)
class Tally:
    """What partners said about one object, counted."""

    sightings: int
    times: int
    """how often it was seen in all, at least"""
    seen_by: tuple[str, ...]
    """the partners who saw it"""
    last_seen: int | None
    """micros; None where nobody told"""
    opinions: Mapping[str, int]
    """word of the standard -> how many partners, the most against it first"""
    notes: int
    """notes, questions, replies and proposals"""
    at_least: bool
    """more than MOST were said"""
    not_seen_by: tuple[str, ...] = ()
    """the partners who looked for it and did not see it"""

    @property
    def words(self) -> tuple[str, ...]:
        """The figures in words; none where nothing was said."""
        said: list[str] = []
        if self.sightings:
            times = "once" if self.times == 1 else f"at least {self.times:,} times"
            said.append(f"seen {times} by {', '.join(self.seen_by)}")
        if self.not_seen_by:
            said.append(f"looked for and not seen by {', '.join(self.not_seen_by)}")
        if self.opinions:
            said.append(
                f"opinions: {', '.join(f'{n:,} {word}' for word, n in self.opinions.items())}"
            )
        if self.notes:
            said.append(f"{self.notes:,} note{'' if self.notes == 1 else 's'}")
        return (*said, "and more") if said and self.at_least else tuple(said)


def tally(tx: Transaction, ident: int, names: Mapping[int, str]) -> Tally:
    """Count what partners said about an object, under its own id or a derivative's. `names`: of origins, by number."""
    found = rows.said_about(tx, ident, limit=MOST + 1)
    brought = rows.brought_by_others(tx, found)
    own = [one for one in found[:MOST] if one.object not in brought]
    return counted(own, names, at_least=len(found) > MOST)


def counted(found: Iterable[Said], names: Mapping[int, str], *, at_least: bool) -> Tally:
    """Count these answers, the newest first."""
    sightings: dict[str, Said] = {}
    opinions: dict[int, str] = {}
    notes: set[str] = set()
    for one in found:
        if one.revoked:
            continue
        if one.type == "sighting":
            sightings.setdefault(one.stix_id, one)
        elif one.type == "note" and not _of_desks(orjson.loads(one.body)):
            notes.add(one.stix_id)
        elif one.type == "opinion":
            word = orjson.loads(one.body).get("opinion")
            if word in _WORDS:
                opinions.setdefault(one.origin, word)
    read = [(one, orjson.loads(one.body)) for one in sightings.values()]
    never = [one for one, content in read if messages.counted(content) == 0]
    read = [(one, content) for one, content in read if messages.counted(content)]
    bodies = [content for _, content in read]
    seen = [at for at in map(messages.last_seen, bodies) if at is not None]
    voices = Counter(opinions.values())
    return Tally(
        len(read),
        sum(messages.counted(one) for one in bodies),
        _named((one for one, _ in read), names),
        max(seen, default=None),
        {word: voices[word] for word in sorted(voices, key=_WORDS.__getitem__)},
        len(notes),
        at_least,
        _named(never, names),
    )


def _named(found: Iterable[Said], names: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(sorted({names.get(one.origin, str(one.origin)) for one in found}))


def _of_desks(content: Mapping[str, Any]) -> bool:
    """Whether a note is a notice, or of a request: those are listed on their own."""
    return notices.declares(content) or requests.declares(content)
