"""Invariant 8: an original is served byte for byte as validated, and no id and version ever stands for two contents.

Over all views, policies and time: the whole release logs are looked at, withdrawn lines too, not only what is in force.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.invariants.test_5_never_back import policy
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    THIRD_IDENTITY,
    Scene,
    address,
    identity,
    indicator,
    malware,
    uid,
)
from tests.taxii.conftest import TAXII, serving

from cert_exchange.node import Node
from cert_exchange.services import ledger, partners, publishing, releasing
from cert_exchange.stix.canonical import canonical_bytes, parse_json
from cert_exchange.store.tables import identifiers, objects, release_log, renditions

QUICK = settings(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck), phases=[Phase.generate],
)  # fmt: skip

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
numbers = st.sampled_from(["0", "1.50", "-0", "1e3", "1E-2", "9007199254740991", "0.1000", "12.0"])
values = st.recursive(
    st.one_of(
        texts.map(lambda one: json.dumps(one, ensure_ascii=False)),
        numbers,
        st.sampled_from(["true", "false"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.dictionaries(
            st.sampled_from(["b", "a", "é", "A", "a b"]), inner, min_size=1, max_size=3
        ).map(
            lambda pairs: (
                "{ " + ",\n".join(f"{json.dumps(k)} : {v}" for k, v in pairs.items()) + " }"
            )
        ),
    ),
    max_leaves=6,
)


@contextmanager
def polled(node: Node, partner: str) -> Iterator[httpx.Client]:
    token = partners.issue(node, partner, lifetime=None).token
    with (
        serving(node) as port,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=30,
            headers={"Authorization": f"Bearer {token}", "Accept": TAXII},
        ) as client,
    ):  # fmt: skip
        yield client


def raw_indicator(name: str, by: str, values_: list[str]) -> bytes:
    """An indicator as some other program would write it: own order of keys, blanks, escapes, spellings of numbers."""
    head = json.dumps(indicator(name, by=by), indent=1)[:-1].rstrip()
    custom = "".join(f',\n "x_{n}" :{value}' for n, value in enumerate(values_))
    return (head + custom + "\n}").encode()


@pytest.mark.case("H13")
def test_an_original_is_served_byte_for_byte_as_validated(node: Node) -> None:
    """From our desk and from a partner, in pages and alone: the canonical bytes of what came, spellings kept."""
    scene = Scene.set_up(node, policies_for=())
    scene.apply("c", policy("c"))
    count = 0
    with polled(node, "c") as client:

        @QUICK
        @given(st.lists(values, min_size=1, max_size=3), st.booleans())
        def whole(given_: list[str], from_desk: bool) -> None:
            nonlocal count
            count += 1
            raw = raw_indicator(f"bytes {count}", scene_identity(from_desk), given_)
            body = b'{"objects":[' + raw + b"]}"
            if from_desk:
                told = publishing.publish(node, body, collection="indicators", by="desk").outcomes
            else:
                told = publishing.receive(
                    node,
                    body,
                    partner=scene.partner("b"),
                    collection=scene.collection("indicators"),
                ).outcomes
            assert told[0].success, told[0].message
            wanted = canonical_bytes(parse_json(raw, depth=64))
            path = "/api/collections/indicators/objects/"
            alone = client.get(f"{path}{told[0].id}/").content
            assert wanted in alone
            assert (
                wanted
                in client.get(
                    path, params={"match[id]": told[0].id, "match[version]": "all"}
                ).content
            )
            assert json.loads(alone)["objects"] == [json.loads(raw)]

        whole()


def scene_identity(from_desk: bool) -> str:
    from tests.scenes import OWN_IDENTITY

    return OWN_IDENTITY if from_desk else B_IDENTITY


def contents_by_key(node: Node) -> dict[tuple[str, str], set[bytes]]:
    """(id, version) -> what stood under it in any line of any log, ever."""
    found: dict[tuple[str, str], set[bytes]] = {}
    with node.database.reading() as conn:
        rows = conn.execute(
            select(identifiers.c.stix_id, objects.c.version, renditions.c.digest)
            .join(objects, objects.c.ident == identifiers.c.num)
            .join(release_log, release_log.c.object == objects.c.id)
            .join(renditions, renditions.c.id == release_log.c.rendition)
            .distinct()
        )
        for stix_id, version, digest in rows:
            found.setdefault((stix_id, version), set()).add(bytes(digest))
    return found


def assert_one_content(node: Node) -> None:
    double = {key for key, digests in contents_by_key(node).items() if len(digests) > 1}
    assert not double, double


senders = st.sampled_from(["own", "b", "c", "d"])
steps = st.tuples(
    senders,
    st.sampled_from(["of nobody", "of third", "address", "identity", "malware"]),
    st.integers(0, 1),
    st.sampled_from(["one", "two"]),
    st.sampled_from(["send", "send", "send", "withdraw", "delete", "wide", "narrow"]),
)


def test_no_id_and_version_ever_stands_for_two_contents(node: Node) -> None:
    """Desk, two relays and the creator itself send the same keys with two texts each, between orders and policies."""
    scene = Scene.set_up(node, partners_named=["b", "c", "d", "e"], policies_for=())
    partners.amend(node, "b", speaks_for=[B_IDENTITY], relays=[], relays_any=True)
    partners.amend(node, "c", speaks_for=[C_IDENTITY], relays=[], relays_any=True)
    for partner in ("b", "c", "d", "e"):
        scene.apply(partner, policy(partner))
    round_ = 0

    @QUICK
    @given(st.lists(steps, min_size=4, max_size=12))
    def one_content(chosen: list[tuple[str, str, int, str, str]]) -> None:
        nonlocal round_
        round_ += 1
        for sender, kind, version, text, step in chosen:
            one = content(f"{kind} {round_}", kind, version, text)
            if step == "withdraw":
                _quietly(
                    lambda one=one: releasing.withdraw(node, one["id"], by="desk", reason="test")
                )
            elif step == "delete" and sender != "own":
                _quietly(
                    lambda one=one, sender=sender: releasing.withdraw_submitted(
                        node, scene.caller(sender), scene.collection("indicators"), one["id"]
                    )
                )
            elif step in ("wide", "narrow"):
                scene.apply("e", policy("e", ceiling="red" if step == "wide" else "clear"))
            elif sender == "own":
                scene.publish(one)
            else:
                scene.post(sender, one)
        assert_one_content(node)

    one_content()
    ledger.verify(node)


def content(name: str, kind: str, version: int, text: str) -> dict[str, Any]:
    more = {"version": version, "description": text}
    if kind == "of nobody":
        return indicator(name, by=None, **more)
    if kind == "malware":
        return malware(name, by=THIRD_IDENTITY, **more)
    if kind == "address":
        return address(f"203.0.113.{sum(map(ord, name)) % 250}", x_text=text, x_round=name)
    if kind == "identity":
        return identity(f"identity--{uid(name)}", text, version=version)
    return indicator(name, by=THIRD_IDENTITY, **more)


def _quietly(order: Any) -> None:
    from cert_exchange.errors import DeleteRefused, NotFound

    try:
        order()
    except (NotFound, DeleteRefused):
        return


def test_a_creator_with_other_content_than_a_relay_brought_never_shares_its_key(node: Node) -> None:
    """The relay's goes, the creator's waits for its next version: nobody gets a second content under the key."""
    scene = Scene.set_up(node, partners_named=["b", "c", "d"], policies_for=())
    partners.amend(node, "b", speaks_for=[B_IDENTITY], relays=[THIRD_IDENTITY])
    scene.apply("c", policy("c"))
    scene.post("b", indicator("x", by=THIRD_IDENTITY, description="relayed"))
    partners.amend(node, "b", speaks_for=[B_IDENTITY], relays=[])
    partners.amend(node, "d", speaks_for=[THIRD_IDENTITY], relays=[])
    scene.post("d", indicator("x", by=THIRD_IDENTITY, description="true"))
    scene.apply("c", policy("c", ceiling="amber"))
    scene.apply("b", policy("b"))
    scene.post("d", indicator("x", by=THIRD_IDENTITY, description="true"), to="reports")
    assert_one_content(node)
    assert [one for one in scene.sees("c", last=False) if one["type"] == "indicator"] == []
    scene.post("d", indicator("x", by=THIRD_IDENTITY, version=1, description="true at last"))
    assert [one["description"] for one in scene.sees("c") if one["type"] == "indicator"] == [
        "true at last"
    ]
    assert math.isfinite(len(contents_by_key(node)))


@pytest.mark.parametrize(
    "spelling",
    ["2026-01-01T00:00:01.000Z", "2026-01-01T00:00:01.000000Z", "2026-01-01T00:00:01.0000000Z"],
)
def test_one_instant_in_two_spellings_is_one_version(node: Node, spelling: str) -> None:
    """`modified` with more or fewer zeros is the same version: the same content is a duplicate, another a conflict."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one", version=1))
    same = indicator("one", version=1) | {"modified": spelling}
    assert scene.publish(same)[0].result == "duplicate"
    other = indicator("one", version=1, description="other") | {"modified": spelling}
    assert scene.publish(other)[0].result == "conflict"
    assert scene.sees("b")[-1] == indicator("one", version=1)  # first bytes win
