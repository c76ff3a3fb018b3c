"""Whatever happened in any order, what `policy explain` and `policy who` say is what the views show, and why.

A small world is moved by random steps (as in `test_3_views_match_decisions`). What is explained as visible stands in the
view and nothing else does; what waits names something that it waits for, and what is visible waits for nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.invariants.small_world import PARTNERS, SmallWorld, some
from tests.invariants.test_3_views_match_decisions import Walk
from tests.invariants.test_preview_is_apply import Redactions

from cert_exchange.errors import NotFound
from cert_exchange.services import policies
from cert_exchange.services.policies import Explained, Step
from cert_exchange.store.in_force import ENDED
from cert_exchange.store.tables import (
    collections,
    derivatives,
    derived_ids,
    identifiers,
    live,
    objects,
    views,
)

_MISSING = {"waits", "not held"}


def shown(small: SmallWorld, partner: str) -> set[tuple[str, str, str, str | None]]:
    """(STIX id, version, collection, id of the derivative in its place) of every line in force for a partner."""
    source, original = objects.alias("source"), identifiers.alias("original")
    with small.node.database.reading() as conn:
        rows = conn.execute(
            select(
                original.c.stix_id, source.c.version, collections.c.alias, identifiers.c.stix_id,
            )
            .select_from(live)
            .join(identifiers, identifiers.c.num == live.c.ident)
            .outerjoin(derivatives, derivatives.c.object == live.c.object)
            .join(source, source.c.id == func.coalesce(derivatives.c.source, live.c.object))
            .join(original, original.c.num == source.c.ident)
            .join(views, views.c.id == live.c.view)
            .join(collections, collections.c.id == views.c.collection)
            .where(
                views.c.audience == small.callers[partner].audience,
                func.coalesce(derivatives.c.trimmed, b"") != ENDED,
            )
        )  # fmt: skip
        return {(r[0], r[1], r[2], r[3] if r[3] != r[0] else None) for r in rows}


def held(small: SmallWorld) -> list[str]:
    named = select(derived_ids.c.ident)
    with small.node.database.reading() as conn:
        ids = select(identifiers.c.stix_id).where(identifiers.c.num.not_in(named))
        return list(conn.execute(ids).scalars())


def explained(small: SmallWorld, partner: str) -> Iterator[tuple[str, Explained]]:
    for stix_id in held(small):
        try:
            told = policies.explain(small.node, stix_id, partner=partner)
        except NotFound:
            continue  # only referred to, or kept as a proposal
        yield from ((stix_id, one) for one in told.versions)


def missing(one: Explained) -> list[Step]:
    """The references that an explanation shows as what is waited for."""
    found = [step for step in one.steps if step.asked == "references"]
    return [step for step in (found[0].steps if found else ()) if step.answer in _MISSING]


def check(small: SmallWorld) -> int:
    """Compare all that is explained with what is in force; how many waited."""
    waited = 0
    for partner in PARTNERS:
        told = list(explained(small, partner))
        visible = {
            (stix_id, one.version, one.collection, one.shown_as)
            for stix_id, one in told
            if one.answer == "visible"
        }
        assert visible == shown(small, partner), partner
        for stix_id, one in told:
            if one.answer == "waiting":
                waited += 1
                assert missing(one), (partner, stix_id, one)
                assert one.waits_for, (partner, stix_id, one)
            elif one.answer == "visible":
                assert not missing(one), (partner, stix_id, one)
                assert one.since is not None
                assert one.digest is not None
        answers = {(stix_id, one.version, one.collection, one.answer) for stix_id, one in told}
        for stix_id in {stix_id for stix_id, _ in told}:
            for row in policies.who(small.node, stix_id):
                if partner in row.partners and row.answer != "not shared":
                    assert (stix_id, row.version, row.collection, row.answer) in answers
    return waited


@pytest.mark.parametrize("seed", some(range(4), always=2))
def test_what_is_explained_is_what_is_shown(home_with_partners: Path, seed: int) -> None:
    """After every few steps of a random walk, for every object and both partners."""
    watch(Walk(home_with_partners, seed=1_000 + seed), seed)


@pytest.mark.parametrize("seed", some(range(4), always=2))
def test_what_is_explained_is_what_is_shown_where_policies_redact(
    home_with_partners: Path, seed: int
) -> None:
    """The same with derivatives: which id stands for what, what waits and what cannot be rendered."""
    watch(Redactions(home_with_partners, seed=2_000 + seed), seed)


def watch(walk: Walk, seed: int) -> None:
    """Walk on, and compare what is explained with what is shown now and then."""
    rng = random.Random(seed)
    waited = 0
    try:
        for _ in range(40):
            walk._step()
            if rng.random() < 0.25:
                waited += check(walk.small)
        waited += check(walk.small)
    except BaseException:
        print("\n".join(walk.told))
        raise
    finally:
        walk.small.close()
    assert waited, "nothing waited on this walk: it shows little"
