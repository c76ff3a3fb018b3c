"""Whether our answers got to whom they are for: told from the marks, which may overstate and never understate (DECISIONS 24).

1. An answer that stands in a partner's view is fetched when the partner's mark is beyond it, by a poll or by our push.
2. Where an answer is shown as a derivative, its line is the derivative's: that counts.
3. Reading only, at one instant.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cert_exchange.node import Node
from cert_exchange.store import answers, holdings, objects, releases
from cert_exchange.store.answers import Said
from cert_exchange.store.database import Transaction

UNSEEN: Final = "seen by nobody: `policy explain` says why"


def fetched(node: Node, tx: Transaction, given: Collection[Said]) -> dict[str, str]:
    """Of each of these answers of ours (by STIX id) in words who fetched it and who has not yet."""
    members = {one.name: one.members for one in releases.read_sharing(tx).audiences if one.members}
    marks = {(one.partner, one.view): one.position for one in node.marks.everything()}
    views: dict[tuple[str, str], int | None] = {}
    told: dict[str, str] = {}
    for one in given:
        words: dict[str, bool] = {}
        for audience, collection, position in _lines(tx, one):
            place = (audience, collection)
            if place not in views:
                views[place] = holdings.find_view(tx, audience, collection)
            view = views[place]
            for number, name in members.get(audience, {}).items():
                has = view is not None and marks.get((number, view), 0) >= position
                words[name] = words.get(name, False) or has
        told[one.stix_id] = _said(words)
    return told


def readers(tx: Transaction, one: Said) -> frozenset[str]:
    """The partners in whose views an answer of ours stands, or what is shown in its place."""
    members = {each.name: each.members for each in releases.read_sharing(tx).audiences}
    return frozenset(
        name
        for audience, _, _ in _lines(tx, one)
        for name in (members.get(audience) or {}).values()
    )


def _lines(tx: Transaction, one: Said) -> list[tuple[str, str, int]]:
    """(audience, collection, position) of the lines in force of an answer, or of what is shown in its place."""
    found = [
        (line.audience, line.collection, line.position)
        for line in holdings.visible(tx, [one.object])
    ]
    if found:
        return found
    ident = objects.idents_of(tx, [one.stix_id])[one.stix_id]
    shown = {each.object: each.audience for each in answers.shown_for(tx, ident)}
    return [
        (shown[place.object], place.collection, place.since)
        for place in answers.places_of(tx, shown)
    ]


def _said(words: dict[str, bool]) -> str:
    if not words:
        return UNSEEN
    has = sorted(name for name, there in words.items() if there)
    lacks = sorted(name for name, there in words.items() if not there)
    parts = [f"fetched by {', '.join(has)}"] if has else []
    if lacks:
        parts.append(
            f"not yet by {', '.join(lacks)}" if has else f"not fetched yet by {', '.join(lacks)}"
        )
    return ", ".join(parts)
