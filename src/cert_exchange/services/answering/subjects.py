"""What an answer is about: an object that we hold, who sent it to us, and how strictly an answer to it is marked.

1. The id of a derivative of ours asks about its original: releasing writes the answer anew for who sees the derivative.
2. Its owner is the partner who sent it and speaks for its creator; else the only one who sent it. Where several did, a
   person says whom to answer.
3. Reading only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from cert_exchange.errors import InputRefused, NotFound
from cert_exchange.node import Node
from cert_exchange.services.exercises import Mark, exercises
from cert_exchange.stix.instants import order_key
from cert_exchange.stix.markings import Tlp, read_markings
from cert_exchange.store import answers, erasures, in_force, objects, releases
from cert_exchange.store import holdings as rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.holdings import Held, Wanted
from cert_exchange.store.tables import OWN, ObjectStatus


@dataclass(frozen=True, slots=True)
class Subject:
    """An object that somebody answers."""

    stix_id: str
    version: str
    """the newest that counts"""
    content: dict[str, Any]
    senders: tuple[str, ...]
    """the partners who sent it, by name"""
    speaker: str | None
    """of those the one who speaks for its creator"""
    ours: bool
    """our desk brought it, too"""
    tlp: Tlp | None
    """the strictest over all its copies"""
    markings: tuple[str, ...]
    """the marking definitions that its newest version names"""
    test: bool
    """whether any copy of it is of an exercise"""

    @property
    def owner(self) -> str:
        """Whom to answer where nobody says whom. Raises InputRefused where that cannot be told."""
        if self.speaker is not None:
            return self.speaker
        if len(self.senders) == 1:
            return self.senders[0]
        if self.senders:
            names = ", ".join(self.senders)
            raise InputRefused(f"{self.stix_id} came from {names}: say with --to whom you answer.")
        raise InputRefused(
            f"{self.stix_id} is our own, no partner sent it: say with --to whom you tell it."
        )


def subject_of(node: Node, stix_id: str) -> Subject:
    """What an id is about. Raises NotFound for what we do not hold."""
    with node.database.reading() as tx:
        about = answers.original_of(tx, stix_id) or stix_id
        wanted = Wanted(stix_id=about, status=ObjectStatus.ACCEPTED, all_versions=True, limit=1_000)
        found = rows.find(tx, wanted)
        if not found:
            gone = "; ".join(one.sentence() for one in erasures.of_id(tx, about))
            raise NotFound(
                f"This node holds no object {stix_id}{': ' if gone else ''}{gone};"
                " `search` and `received` show what it holds."
            )
        names = rows.names_of_origins(tx)
        spoken = releases.read_sharing(tx).said.spoken
        drills = exercises(tx)
        test = any(drills.mark(one.stix_id, one.origin, one.body) is Mark.TEST for one in found)
    newest = max(found, key=_age)
    content = orjson.loads(newest.body)
    senders = tuple(sorted({names[one.origin] for one in found if one.origin != OWN}))
    creator = content.get("created_by_ref")
    speaker = next((name for name in senders if creator in spoken.get(name, ())), None)
    levels = [read_markings(orjson.loads(one.body)).tlp for one in _newest_of_each(found)]
    return Subject(
        about,
        newest.version,
        content,
        senders,
        speaker,
        any(one.origin == OWN for one in found),
        max((level for level in levels if level is not None), default=None),
        tuple(content.get("object_marking_refs", ())),
        test,
    )


def names_it(tx: Transaction, stix_id: str, partner: str) -> bool:
    """Whether a partner knows an object under this id: it stands in a view of its own, or the partner sent it.

    What names anything else would wait for it and be seen by nobody. Of cyber-observables only what stands there counts.
    """
    ident = objects.idents_of(tx, [stix_id]).get(stix_id)
    if ident is None:
        return False
    sharing = releases.read_sharing(tx)
    theirs = {one.id for one in sharing.audiences if partner in one.members.values()}
    views = [one.view for one in sharing.heads if one.audience in theirs]
    if in_force.visible_idents(tx, views, [ident]):
        return True
    return any(
        one.status == ObjectStatus.ACCEPTED.value
        and not one.observable
        and sharing.partners.get(one.origin) == partner
        for one in version_rows.versions(tx, [ident])
    )


def _age(held: Held) -> tuple[str, int]:
    return order_key(held.version), held.object


def _newest_of_each(found: list[Held]) -> list[Held]:
    newest: dict[int, Held] = {}
    for one in found:
        if one.origin not in newest or _age(one) > _age(newest[one.origin]):
            newest[one.origin] = one
    return list(newest.values())
