"""What happens to each id in each view of an audience, read from a settled outlook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from cert_exchange.services.policies.outlook import Outlook, Shown, Standing

_COUNTS: Final = int(Standing.ALLOWED | Standing.NEWEST | Standing.STAYS)
_ALLOWED, _LIVE, _LAST = int(Standing.ALLOWED), int(Standing.LIVE), int(Standing.LAST)
_DERIVED: Final = int(Standing.DERIVED)
_SHOWN: Final = tuple(Shown)


class Kind(IntEnum):
    """What happens to an id in a view."""

    KEPT = 0
    GAINED = 1
    LOST = 2
    CHANGED = 3


class Fate(NamedTuple):
    """What happens to an id in a view, the number of the rule that does it, and how its last version is shown then."""

    ident: int
    view: int
    kind: Kind
    rule: int
    shown: Shown
    uncovers: bool
    """what is in force of it now is a derivative, and it is shown whole then, or more of it"""


def fates(outlook: Outlook) -> Iterator[Fate]:
    """What happens to each id in each view, in the order of ids."""
    idents, rows, views = outlook.catalogue.idents, outlook.rows, outlook.view
    standing, after = outlook.standing, outlook.after
    place = 0
    while place < len(idents):
        ident, end = idents[place], place + 1
        while end < len(idents) and idents[end] == ident:
            end += 1
        if end == place + 1:  # most have one version: each of its rows is a view's
            for row in range(rows[place], rows[end]):
                if not after[row] and not standing[row] & _LIVE:
                    continue
                fate = _fate(outlook, ident, views[row], (row,))
                if fate is not None:
                    yield fate
        else:
            for view, those in outlook.by_view(ident).items():
                fate = _fate(outlook, ident, view, those)
                if fate is not None:
                    yield fate
        place = end


def _fate(outlook: Outlook, ident: int, view: int, rows: Sequence[int]) -> Fate | None:
    standing = outlook.standing
    before = [row for row in rows if standing[row] & _LIVE]
    after = [row for row in rows if outlook.after[row]]
    if not after:
        if not before:
            return None
        return Fate(ident, view, Kind.LOST, _loser(outlook, before), Shown.WHOLE, uncovers=False)
    last = outlook.last(after)
    rule = outlook.rule[last] if standing[last] & _ALLOWED else outlook.by_need
    shown = _SHOWN[outlook.shown[last]]
    if not before:
        return Fate(ident, view, Kind.GAINED, rule, shown, uncovers=False)
    same = (
        before == after
        and standing[last] & _LAST
        and all(_says_the_same(outlook, row) for row in after)
    )
    if same:
        return Fate(ident, view, Kind.KEPT, rule, shown, uncovers=False)
    derived = any(standing[row] & _DERIVED and standing[row] & _LAST for row in before)
    more = not shown or last not in before or last in outlook.says_more
    return Fate(ident, view, Kind.CHANGED, rule, shown, uncovers=derived and more)


def _says_the_same(outlook: Outlook, row: int) -> bool:
    """Whether what is in force in a row stays as it is shown."""
    if bool(outlook.standing[row] & _DERIVED) != bool(outlook.shown[row]):
        return False
    return row not in outlook.new_content


def _loser(outlook: Outlook, before: Sequence[int]) -> int:
    last = next((row for row in before if outlook.standing[row] & _LAST), before[-1])
    if not outlook.standing[last] & _COUNTS:
        return outlook.rule[last]
    return outlook.by_need if outlook.alive[last] else outlook.by_reference
