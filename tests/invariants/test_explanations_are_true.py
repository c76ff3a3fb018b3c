"""Whatever happened in any order, what `policy explain` and `policy who` say is what the views show, and why.

A small world is moved by random steps (as in `test_3_views_match_decisions`). What is explained as visible stands in the
view and nothing else does; what waits names something that it waits for, and what is visible waits for nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.invariants.small_world import PARTNERS, SmallWorld
from tests.invariants.test_3_views_match_decisions import Walk

from cert_exchange.errors import NotFound
from cert_exchange.services import policies
from cert_exchange.services.policies import Explained, Step
from cert_exchange.store.tables import collections, identifiers, live, views

_MISSING = {"waits", "not held"}


def shown(small: SmallWorld, partner: str) -> set[tuple[str, str, str]]:
    """(STIX id, version, collection) of every line in force for a partner."""
    with small.node.database.reading() as conn:
        rows = conn.execute(
            select(identifiers.c.stix_id, live.c.version, collections.c.alias)
            .join(live, live.c.ident == identifiers.c.num)
            .join(views, views.c.id == live.c.view)
            .join(collections, collections.c.id == views.c.collection)
            .where(views.c.audience == small.callers[partner].audience)
        )
        return {(row[0], row[1], row[2]) for row in rows}


def held(small: SmallWorld) -> list[str]:
    with small.node.database.reading() as conn:
        return list(conn.execute(select(identifiers.c.stix_id)).scalars())


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
            (stix_id, one.version, one.collection)
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


@pytest.mark.parametrize("seed", range(4))
def test_what_is_explained_is_what_is_shown(home_with_partners: Path, seed: int) -> None:
    """After every few steps of a random walk, for every object and both partners."""
    walk = Walk(home_with_partners, seed=1_000 + seed)
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
