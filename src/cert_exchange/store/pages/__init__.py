"""The read side of `live`: where a page ends, and its text joined to one row in SQL.

1. Only `live`, and what its rows name, is read. No object is parsed and no policy asked here.
2. The cost of a page does not depend on the size of its view: every statement walks an index from `after` and stops
   at the limit. The exception says so: `Shape.scans`.
3. `bounds` says where a page ends before anything of it is read; `joined` reads it up to there. Between the two the
   caller commits the mark (DECISIONS 24), so what `joined` shows was marked before its snapshot.
4. The statements depend on the form of a question only, never on who asks or on what exists (invariant 1).
"""

from cert_exchange.store.pages.reading import (
    BYTES_OF_A_PAGE,
    FOREVER,
    Bounds,
    Joined,
    bounds,
    is_known,
    joined,
)
from cert_exchange.store.pages.shapes import (
    RECORD,
    UNIT,
    Filters,
    Part,
    Shape,
    Versions,
    shape_of,
)

__all__ = [
    "BYTES_OF_A_PAGE",
    "FOREVER",
    "RECORD",
    "UNIT",
    "Bounds",
    "Filters",
    "Joined",
    "Part",
    "Shape",
    "Versions",
    "bounds",
    "is_known",
    "joined",
    "shape_of",
]
