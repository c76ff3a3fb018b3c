"""Words for tests of previews: what an audience's views hold, and what a preview said would change in them."""

from __future__ import annotations

from sqlalchemy import func, select

from cert_exchange.node import Node
from cert_exchange.services import policies
from cert_exchange.store.in_force import ENDED
from cert_exchange.store.tables import (
    audiences,
    collections,
    derivatives,
    identifiers,
    live,
    views,
)

Shows = tuple[int, bytes]
"""objects.id, and of a derivative the digest of its content, instants aside"""
Stands = dict[tuple[str, str, str], tuple[frozenset[Shows], frozenset[Shows]]]
"""(audience, collection, id of the original) -> (what is in force for it, the last of that)"""


def stands(node: Node, policy: str) -> Stands:
    """What the audiences of a policy see; a derivative counts as its original, `modified` aside.

    What only revokes a derivative whose original is shown now stands for nothing, and is left out.
    """
    with node.database.reading() as conn:
        rows = conn.execute(
            select(
                audiences.c.name, collections.c.alias, identifiers.c.stix_id,
                func.coalesce(derivatives.c.source, live.c.object), derivatives.c.content,
                live.c.is_last,
            )
            .outerjoin(derivatives, derivatives.c.object == live.c.object)
            .join(views, views.c.id == live.c.view)
            .join(audiences, audiences.c.id == views.c.audience)
            .join(collections, collections.c.id == views.c.collection)
            .join(
                identifiers,
                identifiers.c.num == func.coalesce(derivatives.c.original, live.c.ident),
            )
            .where(
                audiences.c.policy == policy,
                func.coalesce(derivatives.c.trimmed, b"") != ENDED,
            )
        ).all()  # fmt: skip
    found: Stands = {}
    for audience, collection, stix_id, number, content, last in rows:
        key = (audience, collection, stix_id)
        versions, newest = found.get(key, (frozenset(), frozenset()))
        one = frozenset([(number, bytes(content or b""))])
        found[key] = (versions | one, newest | one if last else newest)
    return found


def changes(before: Stands, after: Stands) -> set[tuple[str, str, str, str]]:
    """(kind, audience, collection, id) of everything that changed."""
    found = set()
    for key in before.keys() | after.keys():
        if key not in before:
            found.add(("gained", *key))
        elif key not in after:
            found.add(("lost", *key))
        elif before[key] != after[key]:
            found.add(("changed", *key))
    return found


def foretold(told: policies.Preview) -> set[tuple[str, str, str, str]]:
    """The same of a preview that names every id, whose counts must fit what it names."""
    found = set()
    for prospect in told.prospects:
        for change in prospect.changes:
            assert len(change.samples) == change.objects
            found |= {
                (change.kind, prospect.audience, prospect.collection, one) for one in change.samples
            }
        counts = {kind: getattr(prospect, kind) for kind in ("gained", "lost", "changed")}
        for kind, count in counts.items():
            assert count == sum(c.objects for c in prospect.changes if c.kind == kind)
    assert told.gained == sum(one[0] == "gained" for one in found)
    return found


def assert_shown_as_foretold(node: Node, told: policies.Preview) -> None:
    """How many of what is last in each view is whole, redacted, or only rewritten."""
    with node.database.reading() as conn:
        rows = conn.execute(
            select(
                audiences.c.name, collections.c.alias, derivatives.c.object, derivatives.c.withheld
            )
            .join(views, views.c.id == live.c.view)
            .join(audiences, audiences.c.id == views.c.audience)
            .join(collections, collections.c.id == views.c.collection)
            .outerjoin(derivatives, derivatives.c.object == live.c.object)
            .where(
                audiences.c.policy == told.name,
                live.c.is_last == 1,
                func.coalesce(derivatives.c.trimmed, b"") != ENDED,
            )
        ).all()
    derived: dict[tuple[str, str], list[str]] = {}
    for audience, collection, derivative, withheld in rows:
        if derivative is not None:
            derived.setdefault((audience, collection), []).append(withheld)
    for one in told.prospects:
        found = derived.get((one.audience, one.collection), [])
        assert one.redacted + one.rewritten == len(found), one
        # A rule may cut references and take nothing else: then nothing is said to be withheld.
        assert one.redacted >= sum(withheld != "[]" for withheld in found), one


def assert_as_foretold(node: Node, name: str, text: str) -> set[tuple[str, str, str, str]]:
    """Preview a policy, apply it, compare."""
    before = stands(node, name)
    policy = policies.check(node, text, file=f"{name}.yaml").policy
    preview = policies.preview(node, policy, samples=100_000)
    told = foretold(preview)
    assert stands(node, name) == before
    policies.apply(node, text, file=f"{name}.yaml", author="test")
    done = changes(before, stands(node, name))
    assert told == done, told ^ done
    assert_shown_as_foretold(node, preview)
    return done
