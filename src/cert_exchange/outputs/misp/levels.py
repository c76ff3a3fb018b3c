"""Who may see what of an event, as tags (CASES M19, M21, M22).

1. An attribute bears the markings of all that it is made of: its object, the observables that the object is based on, their
   folders. Of their TLP the strictest.
2. An event bears the strictest TLP of what it holds. Where its report says less, that stands beside it (`report_level`), so
   that whoever reads the event again knows both.
3. What bears no TLP is `UNMARKED`: no attribute is without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cert_exchange.intake.misp.marking import TLP_IDS, report_level, tags_of
from cert_exchange.outputs.entries import UNMARKED
from cert_exchange.stix.handling import pap_of_text
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
        stricter: Mapping[str, Tlp],
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
        said = (read_markings(content).tlp, self._stricter.get(str(content.get("id"))))
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
        return tags
