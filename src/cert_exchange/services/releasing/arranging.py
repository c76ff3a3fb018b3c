"""How an id's versions will stand in a view, and in which order they are announced.

Rows are what the view serves: a derivative stands among its own versions, under its own id.

1. Of an id's rows in a view one is last and one is first: the newest and the oldest version; of a cyber-observable
   our own copy is last, else the first origin's newest (DECISIONS 1 and 5).
2. An older version that becomes the last again returns with a new line, else a client that passed it never learns.
3. What is referred to comes first; a cycle's members come in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cert_exchange.services.releasing.closing import Closing
from cert_exchange.services.releasing.evaluating import Pool
from cert_exchange.services.releasing.governing import last_of
from cert_exchange.services.releasing.settlement import Gain, Key, Settlement, Sight
from cert_exchange.stix.references import Role
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live, LiveLine


@dataclass(slots=True, eq=False)
class Row:
    """A version as it will stand in `live`; `line` is its row there now, if it has one."""

    view: int
    version: Version
    carried: bool
    line: Live | None
    is_last: bool = False
    is_first: bool = False

    def live_line(self, position: int) -> LiveLine:
        """The row that `live` gains with a line at this position."""
        version = self.version
        return LiveLine(
            self.view, position, version.id, version.ident, version.type, version.version,
            version.version_key, version.origin, int(self.is_last), int(self.is_first),
            int(self.carried),
            version.rendition, version.size,
        )  # fmt: skip


def arrange(
    settlement: Settlement, closing: Closing, pool: Pool
) -> tuple[dict[Key, Row], list[Live], list[tuple[int, int, int, bool, bool, bool]]]:
    """The rows that gains and returns make, the lines that return, and the flags of rows that stay."""
    losses, gains = settlement.losses, settlement.gains
    rows: dict[Key, Row] = {}
    by_place: dict[tuple[int, int], list[Row]] = {}
    touched = {(line.view, line.ident) for line, _ in losses.values()}
    for key, gain in gains.items():
        version = gain.version
        if version.ident in pool.fresh and len(pool.by_ident[version.ident]) == 1:
            # Nothing else is known of the id: its only version is first and last.
            shown = settlement.shown.get(key, version)
            rows[gain.view, shown.id] = Row(
                gain.view, shown, gain.carried, None, is_last=True, is_first=True
            )
        else:
            touched.add((gain.view, version.ident))
            shown = settlement.shown.get(key, version)
            row = Row(gain.view, shown, gain.carried, None)
            by_place.setdefault((gain.view, shown.ident), []).append(row)
    touched |= {(view, pool.by_id(number).ident) for view, number in settlement.carried_now}
    for view, ident in touched:
        for line in closing.sight.live[ident]:
            key = (view, line.object)
            if line.view != view or key in losses or key in gains:
                continue
            carried = settlement.carried_now.get(key, line.carried)
            by_place.setdefault((view, line.shown), []).append(
                Row(view, pool.by_id(line.served), carried, line)
            )
    returns: list[Live] = []
    marks: list[tuple[int, int, int, bool, bool, bool]] = []
    for place in by_place.values():
        last, first = ends(place)
        for row in place:
            row.is_last, row.is_first = row is last, row is first
            if row.line is None:
                rows[row.view, row.version.id] = row
            elif row.is_last and not row.line.is_last:
                rows[row.view, row.version.id] = row
                returns.append(row.line)
            elif (row.is_last, row.is_first, row.carried) != (
                row.line.is_last,
                row.line.is_first,
                row.line.carried,
            ):
                marks.append(
                    (
                        row.view,
                        row.version.id,
                        row.line.position,
                        row.is_last,
                        row.is_first,
                        row.carried,
                    )
                )
    return rows, returns, marks


def ends(rows: Sequence[Row]) -> tuple[Row, Row]:
    """Which of an id's rows in a view is last, and which first (DECISIONS 1 and 5)."""
    first = min(rows, key=lambda row: (row.version.version_key, row.version.id))
    last = last_of([row.version for row in rows])
    return next(row for row in rows if row.version is last), first


def in_order(settlement: Settlement, sight: Sight) -> list[Gain]:
    """Gains with what they refer to before them; a cycle's members in the order of their numbers."""
    gains = [settlement.gains[key] for key in sorted(settlement.gains)]
    inside = {gain.version.ident for gain in gains}
    if not any(
        target in inside for gain in gains for target, _ in sight.refs(gain.version.id, gain.view)
    ):
        return gains
    by_ident: dict[tuple[int, int], list[Gain]] = {}
    for gain in gains:
        by_ident.setdefault((gain.view, gain.version.ident), []).append(gain)
    ordered: list[Gain] = []
    seen: set[Key] = set()
    for start in gains:
        if inside.isdisjoint([t for t, _ in sight.refs(start.version.id, start.view)]):
            if (start.view, start.version.id) not in seen:
                seen.add((start.view, start.version.id))
                ordered.append(start)
            continue
        stack = [(start, False)]
        while stack:
            gain, ready = stack.pop()
            key = (gain.view, gain.version.id)
            if ready:
                ordered.append(gain)
                continue
            if key in seen:
                continue
            seen.add(key)
            stack.append((gain, True))
            for target, role in sight.refs(gain.version.id, gain.view):
                if role != Role.EXTENSION:
                    stack.extend(
                        (needed, False)
                        for needed in by_ident.get((gain.view, target), ())
                        if (needed.view, needed.version.id) not in seen
                    )
    return ordered
