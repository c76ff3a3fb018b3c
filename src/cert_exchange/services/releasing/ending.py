"""How what stood for an original ends, when the audience is shown the original or a newer version of it instead.

1. The derivative's last version revokes it, where its type has `revoked`, and stays as long as the audience sees the
   original (DECISIONS 15). Else it is withdrawn.
2. That holds of a newer version too that is shown whole, as of one that revokes the object: beside a newest version that
   is whole no derivative of an older one stays.
3. What ends so owes no notice by its withdrawal: its last version tells. `services.revoking` owes one for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cert_exchange.services.releasing.issuing import REPLACED, WHOLE
from cert_exchange.services.releasing.naming import Names
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import in_force

if TYPE_CHECKING:
    from collections.abc import Collection

    from cert_exchange.services.releasing.deriving import Deriving
    from cert_exchange.services.releasing.settlement import Settlement


def clear_beside_whole(deriving: Deriving) -> None:
    """Drop the derivatives of older versions beside a newest one that is whole, when all is divided."""
    for ident, keys in deriving.keys.items():
        for view in {view for view, _ in keys & deriving.derived}:
            here = [key for key in keys if key[0] == view]
            if deriving.newest(here) not in deriving.derived:
                for key in deriving.derived.intersection(here):
                    deriving.drop(ident, key, WHOLE)


def end(deriving: Deriving, names: Names) -> None:
    """Revoke derivatives whose original is shown instead; withdraw revocations with the last of the original."""
    closing = deriving.closing
    result, pool = closing.result, closing.pool
    known = [ident for ident in deriving.keys if ident not in pool.fresh]
    for ident in known:
        keys = deriving.keys[ident]
        leaving = {line.view for line in closing.sight.live.get(ident, ()) if line.derived}
        if ident not in deriving.done or not leaving or not keys or keys & deriving.derived:
            continue
        newest = names.newest(ident)
        if newest is None or newest.revoked:
            continue
        source = pool.by_id(newest.source)
        if "modified" not in pool.contents[source.rendition]:
            continue  # its type has no such property
        ending = sorted(leaving & {view for view, _ in keys})
        if ending:
            version = format_micros(names.next_instant(ident))
            result.endings.append((newest, version, ending))
            _told_by_that(deriving, result, ident, ending)
    known += {line.ident for line, _ in result.losses.values()} - deriving.keys.keys()
    for line in in_force.ended_rows(closing.tx, closing.plan.view_ids, known):
        views = {view for view, _ in deriving.keys.get(line.ident, ())}
        views.update(one.view for one in deriving.staying(line.ident))
        if line.view not in views:
            result.ended.append(line)


def _told_by_that(
    deriving: Deriving, result: Settlement, ident: int, views: Collection[int]
) -> None:
    """What was dropped for the original is told of by the last version that comes in its place."""
    for line in deriving.closing.sight.live[ident]:
        key = (line.view, line.object)
        if line.derived and line.view in views and key in result.losses:
            rule = result.losses[key][1]
            result.losses[key] = (line, REPLACED if rule == WHOLE else rule)
