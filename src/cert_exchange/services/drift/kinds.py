"""In which ways what a remote shows and what we hold may differ, and what a comparison says of one channel or several.

1. Every object that the remote shows counts once: as agreed, or under one word; so the numbers add up to what it shows (U02).
2. What is explained (refused, held, taken back ...) asks for nobody; drift does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cert_exchange.store.channels import Direction
from cert_exchange.store.notebook import Found


class Kind(StrEnum):
    """What is the matter with one object."""

    REFUSED = "refused"
    HELD = "held"
    WITHDRAWN = "withdrawn"
    PROPOSAL = "proposal"
    ERASED = "erased"
    ELSEWHERE = "held otherwise"
    NEVER_SEEN = "never seen"
    NEWER_THERE = "newer there"
    OTHER_COLLECTION = "not in this collection"
    OLDER_THERE = "older there"
    OTHER_CONTENT = "other content"
    NOT_SHOWN = "not shown"
    REFUSED_THERE = "refused there"
    PENDING = "pending"
    MISSING_THERE = "missing there"
    STILL_THERE = "still there"
    NOT_SENT = "not sent"


WORDS: Final[Mapping[Kind, str]] = {
    Kind.REFUSED: "we refused it: see `quarantine list`, and `quarantine replay` once the rule has changed",
    Kind.HELD: "it waits for a person, or was refused by one, at the way in: `intake list`",
    Kind.WITHDRAWN: "our desk took it out of use",
    Kind.PROPOSAL: "kept as a proposal, since its sender may not speak for its creator: `proposals list`",
    Kind.ERASED: "erased here, and kept out until the order is lifted: `erasures list`",
    Kind.ELSEWHERE: "ours, or held from another partner",
    Kind.NEVER_SEEN: "it shows them, and they never came here: `--repair` fetches them",
    Kind.NEWER_THERE: "it shows a newer version than came here: `--repair` fetches it",
    Kind.OTHER_COLLECTION: "we hold it from there in another collection: `--repair` lets it into this one",
    Kind.OLDER_THERE: "it shows an older version than it gave us: it took the newer one back, or went back in time",
    Kind.OTHER_CONTENT: "the same id and version with other content: ask its people which one is right",
    Kind.NOT_SHOWN: "we hold it from there, and it shows it no more and sent no notice: ask its people; `withdraw` ends its use here",
    Kind.REFUSED_THERE: "its server refused it: `quarantine list`, and `quarantine replay` sends it again",
    Kind.PENDING: "its server has not said yet what became of it",
    Kind.MISSING_THERE: "we sent it, and it is not there: `--repair` sends it again",
    Kind.STILL_THERE: "we took it back, and it is still there: what was asked stands in `recall status`",
    Kind.NOT_SENT: "it holds it from us, and not by this target: by file, or fetched",
}
DRIFT: Final = frozenset(
    {
        Kind.NEVER_SEEN, Kind.NEWER_THERE, Kind.OTHER_COLLECTION, Kind.OLDER_THERE, Kind.OTHER_CONTENT,
        Kind.NOT_SHOWN, Kind.MISSING_THERE,
    }
)  # fmt: skip
"""What asks for a person, or for `--repair`."""
FETCHED: Final = (Kind.NEVER_SEEN, Kind.NEWER_THERE, Kind.OTHER_COLLECTION)
"""What a repair of a source asks for."""
OURS_ALONE: Final = frozenset(
    {Kind.NOT_SHOWN, Kind.MISSING_THERE, Kind.REFUSED_THERE, Kind.PENDING}
)
"""What the remote does not show: of its own number."""


@dataclass(slots=True)
class Compared:
    """What came of comparing the channels of a partner that share a collection of ours, one way.

    `there`: how many objects the remote shows; `here`: how many we hold from it, or sent. `trouble`: why it could not be
    compared, or not to the end; empty when it could.
    """

    names: tuple[str, ...]
    direction: Direction
    collection: str
    how: str = ""
    there: int = 0
    here: int = 0
    agreed: int = 0
    counts: dict[Kind, int] = field(default_factory=dict)
    examples: list[Found] = field(default_factory=list)
    went_back: list[str] = field(default_factory=list)
    """the signs that the remote was restored and went back in time, in sentences"""
    notes: list[str] = field(default_factory=list)
    trouble: str = ""
    failed: bool = False
    """whether the trouble may pass, so that trying again may help"""
    repaired: dict[str, int] | None = None
    """of a repair, what became of what was fetched or sent, each by its own number"""
    unrepaired: str = ""
    """why the repair was not done to its end"""
    seconds: float = 0.0

    @property
    def drifted(self) -> int:
        """How many objects ask for a person or a repair."""
        return sum(count for kind, count in self.counts.items() if kind in DRIFT)

    @property
    def whole(self) -> bool:
        """Whether both sides were compared and nothing asks for anybody."""
        return not (self.trouble or self.went_back or self.drifted)


@dataclass(frozen=True, slots=True)
class Account:
    """A comparison with one partner. Instants in micros."""

    partner: str
    at: int
    parts: tuple[Compared, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing asks for anybody."""
        return all(one.whole for one in self.parts)
