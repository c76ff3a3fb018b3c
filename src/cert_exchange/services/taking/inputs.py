"""One input that is published: what makes it the same as an earlier one, and what binds all that it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from cert_exchange.intake.batches import bare_name
from cert_exchange.node import Node
from cert_exchange.policy.rules import Verb
from cert_exchange.policy.sharing_terms import SharingTerms
from cert_exchange.services.releasing.evaluating import plans_for
from cert_exchange.stix.markings import Tlp, read_markings
from cert_exchange.store import objects, placing, releases
from cert_exchange.store import versions as rows
from cert_exchange.store.database import Transaction

Bodies = Mapping[str, Mapping[str, Any]]
"""What we hold, by STIX id."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input: the name that its lists bear, the terms laid beside its objects, and when its run began (micros).

    `is_part`: whether an object is one of its lists by its id, whatever it is called: events of MISP may change their title.
    """

    name: str = ""
    terms: SharingTerms | None = None
    began: int = 0
    is_part: Callable[[str], bool] = lambda _: False
    again: bool = False
    """whether what our desk withdrew is to be shared again"""
    binding: frozenset[str] = frozenset()
    """the labels, case-folded, at which a policy in force denies or holds"""
    _lists: dict[int, tuple[bool, int]] = field(default_factory=dict)
    """by rendition of a list: whether it bears the name of this input, and the rank of its TLP"""

    def alone(self, conn: Transaction, held: Bodies) -> set[str]:
        """Which of these a list of this input names already, or named before, and no list of another names now.

        A list that is itself narrower than the object says nothing for keeping that wide.
        """
        numbers = objects.idents_of(conn, list(held))
        width = {
            ident: rank(read_markings(held[stix_id]).tlp) for stix_id, ident in numbers.items()
        }
        naming = placing.lists_naming(conn, numbers.values())
        new = {one.rendition for one in naming} - self._lists.keys()
        for rendition, body in rows.ask_bodies(conn, new)():
            content = orjson.loads(body)
            same = bool(self.name) and bare_name(content.get("name", "")) == bare_name(self.name)
            self._lists[rendition] = same, rank(read_markings(content).tlp)
        mine: set[int] = set()
        others: set[int] = set()
        for one in naming:
            same, narrow = self._lists[one.rendition]
            if same or self.is_part(one.list_id):
                mine.add(one.ident)
            elif one.still and narrow <= width[one.ident]:
                others.add(one.ident)
        return {stix_id for stix_id, ident in numbers.items() if ident in mine - others}


def binding_labels(node: Node) -> frozenset[str]:
    """The labels, case-folded, at which rules of the policies in force deny or hold."""
    with node.database.reading() as conn:
        plans = plans_for(conn, releases.read_sharing(conn))
    return frozenset(
        label
        for plan in plans
        if plan.policy is not None
        for rule in plan.policy.rules
        if rule.verb in (Verb.DENY, Verb.HOLD)
        for label in rule.match.labels or ()
    )


def rank(tlp: Tlp | None) -> int:
    """How narrow a TLP is; none is wider than any."""
    return -1 if tlp is None else int(tlp)
