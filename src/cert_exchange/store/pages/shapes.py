"""What may be asked of a view, and the form of a question, which alone decides its statement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

UNIT: Final = "\x1f"
RECORD: Final = "\x1e"
"""ASCII separators of fields and records: neither ids nor versions hold control characters."""


class Part(Enum):
    """What of each row a page shows."""

    BODY = "body"
    RECORD = "record"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Versions:
    """`match[version]` (TAXII 2.1 section 3.4.1): a union; `every` stands alone. Keys are order keys."""

    last: bool = True
    first: bool = False
    every: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """`match[...]`: None means no such filter. `nothing`: no object of ours has that spec_version."""

    ids: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    versions: Versions = Versions()
    nothing: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a question, without its values: one statement each."""

    ids: int | None
    types: int | None
    last: bool
    first: bool
    every: bool
    keys: int

    @property
    def scans(self) -> bool:
        """Whether no index leads to the versions asked for, so that rows are passed over."""
        return self.ids is None and not self.every and not self.only_last

    @property
    def only_last(self) -> bool:
        """Whether the last version of each object is asked for and no other."""
        return self.last and not self.first and not self.keys


def shape_of(filters: Filters) -> Shape:
    """Tell the form of these filters. Numbers of ids and keys are rounded up, so that statements are few."""
    return Shape(
        None if filters.ids is None else rounded(len(filters.ids)),
        None if filters.types is None else len(filters.types),
        filters.versions.last,
        filters.versions.first,
        filters.versions.every,
        rounded(len(filters.versions.keys)),
    )


def rounded(count: int) -> int:
    """Round up to a power of two: 0, 1, 2, 4, 8 ..."""
    return 1 << (count - 1).bit_length() if count else 0
