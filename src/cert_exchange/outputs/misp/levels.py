"""Who may see what of an event, as tags (CASES M19, M21, M22).

1. An attribute bears the markings of all that it is made of: its object, the observables that the object is based on, their
   folders. Of their TLP the strictest.
2. An event bears the strictest TLP of what it holds. Where its report says less, that stands beside it (`report_level`), so
   that whoever reads the event again knows both.
3. What bears no TLP is `UNMARKED`: no attribute is without one.
4. A PAP goes as its tag, whether a definition or a label says it. MISP makes rules and block lists of all that is `to_ids`:
   what PAP or IEP does not permit for that is not, and nor is what is to be removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cert_exchange.intake.misp.marking import TLP_IDS, report_level, tags_of
from cert_exchange.outputs.entries import UNMARKED, Level
from cert_exchange.stix.handling import Pap, pap_of_text
from cert_exchange.stix.markings import Tlp, read_markings

Content = Mapping[str, Any]
_LONGEST_NAME = 200
"""characters of a marking's name"""


class Levels:
    """The markings of the objects of an output. `beside`: the observables of each; `stricter`: levels that stand beside some."""

    def __init__(
        self,
        held: Mapping[str, Content],
        beside: Mapping[str, Sequence[str]],
        stricter: Mapping[str, Level],
    ) -> None:
        self._held = held
        self._beside = beside
        self._stricter = stricter

    def parts(self, stix_id: str, content: Content) -> Iterator[Content]:
        """What the attributes of an object are made of, itself first (rule 1)."""
        for one in (stix_id, *self._beside.get(stix_id, ())):
            part = content if one == stix_id else self._held.get(one, {})
            folder = self._held.get(str(part.get("parent_directory_ref")))
            yield from (each for each in (part, folder) if each)

    def is_marked(self, content: Content) -> bool:
        """Whether anybody said a level of it."""
        return read_markings(content).tlp is not None or content.get("id") in self._stricter

    def level(self, content: Content) -> Tlp:
        """The level of an object: its markings', or a stricter one that stands beside it."""
        beside = self._stricter.get(str(content.get("id")))
        said = (read_markings(content).tlp, None if beside is None else beside.tlp)
        return max((one for one in said if one is not None), default=UNMARKED)

    def of_event(self, report: Content, parts: Sequence[Tlp]) -> list[str]:
        """The tags of an event's level. `report`: empty for what no report names; `parts`: levels of what it holds."""
        levels = [*parts, *((self.level(report),) if report or not parts else ())]
        own = self.level(report) if report else min(levels)
        stated = [report_level(own)] if own < max(levels) else []
        return [*tags_of([TLP_IDS[max(levels)]]), *stated]

    def tags(self, *parts: Content) -> list[str]:
        """What the markings of these say together, each as a tag."""
        strictest = max(map(self.level, parts))
        return [*tags_of([TLP_IDS[strictest]]), *(tag for one in parts for tag in self.marks(one))]

    def marks(self, content: Content) -> list[str]:
        """What its markings say besides TLP, each as a tag; one that MISP has no word for by its name."""
        tags: list[str] = []
        for stix_id in sorted(read_markings(content).ids):
            name = str(self._held.get(stix_id, {}).get("name") or stix_id)[:_LONGEST_NAME]
            pap = pap_of_text(name)
            said = f'marking="{name}"' if pap is None else f"PAP:{pap.name}"
            tags += list(tags_of([stix_id])) or [said]
        beside = self._stricter.get(str(content.get("id")))
        paps = [*_labelled(content), *((beside.pap,) if beside is not None else ())]
        return list(dict.fromkeys([*tags, *(f"PAP:{one.name}" for one in paps if one is not None)]))

    def is_flagged(self, content: Content, parts: Iterable[Content]) -> bool:
        """Whether what looks for an object may be `to_ids` (rule 4). `parts`: what it is made of."""
        if content.get("revoked") is True:
            return False
        return not any(self._is_quiet(one) for one in parts)

    def _is_quiet(self, content: Content) -> bool:
        beside = self._stricter.get(str(content.get("id")))
        if beside is not None:
            return not beside.flagged
        named = (
            pap_of_text(str(self._held.get(one, {}).get("name")))
            for one in read_markings(content).ids
        )
        paps = [one for one in (*named, *_labelled(content)) if one is not None]
        return max(paps, default=Pap.CLEAR) > Pap.GREEN


def _labelled(content: Content) -> Iterator[Pap]:
    """The PAP that labels say."""
    for label in content.get("labels", ()):
        pap = pap_of_text(label) if isinstance(label, str) else None
        if pap is not None:
            yield pap
