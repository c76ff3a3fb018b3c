"""References and the ids of cyber-observables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stix.samples import ADDRESS, indicator

from cert_exchange.stix.canonical import canonical_bytes
from cert_exchange.stix.observables import CONTRIBUTING, deterministic_id, observable_id
from cert_exchange.stix.references import (
    OBSERVABLE_TYPES,
    TERMS_EXTENSION,
    Role,
    is_identifier,
    is_observable_id,
    references_of,
)

ONE = "identity--11111111-1111-4111-8111-111111111111"
TWO = "malware--22222222-2222-4222-8222-222222222222"
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
EXTENSION = "extension-definition--33333333-3333-4333-8333-333333333333"

types = st.from_regex(r"[a-z][a-z0-9]{2,8}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
uuids = st.uuids(version=4).map(str) | st.uuids(version=4).map(lambda uuid: str(uuid).upper())
ids = st.builds("{}--{}".format, types, uuids)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# Text around an id, quotes and backslashes: what only looks like a value must not be taken for one.
near = st.builds(
    lambda before, stix_id, after: before + stix_id + after,
    st.sampled_from(['"', '\\"', "\\", '","', "", " "]),
    ids,
    st.sampled_from(['"', '\\"', "\\", '":', '",', " ", "\n"]),
)
trees = st.recursive(
    ids | near | texts | st.integers(-5, 5) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | ids, inner, max_size=4),
    max_leaves=15,
)


def roles(content: dict[str, Any]) -> dict[str, Role]:
    found = references_of(content, canonical_bytes(content))
    assert [reference.target for reference in found] == sorted({r.target for r in found})
    return {reference.target: reference.role for reference in found}


def walked(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(walked(child) for child in value.values()), set())
    if isinstance(value, list):
        return set().union(*(walked(child) for child in value), set())
    return {value} if isinstance(value, str) and is_identifier(value) else set()


@given(st.dictionaries(texts.map("x_{}".format), trees, max_size=5))
def test_every_value_that_is_wholly_an_id_is_a_reference(properties: dict[str, Any]) -> None:
    """The search in the bytes finds exactly what a walk over the tree finds, quotes and backslashes included."""
    content = {"type": "indicator", "id": indicator()["id"], **properties}
    assert set(roles(content)) == walked(content) - {content["id"]}


def test_roles() -> None:
    """Creator, markings, extensions and the rest have their roles; custom content counts like standard content."""
    content = indicator(
        created_by_ref=ONE,
        object_marking_refs=[RED],
        extensions={EXTENSION: {"extension_type": "property-extension", "x_target": TWO}},
    )
    assert roles(content) == {
        ONE: Role.CREATOR,
        RED: Role.MARKING,
        EXTENSION: Role.EXTENSION,
        TWO: Role.REQUIRED,
    }


def test_a_granular_marking_is_a_marking() -> None:
    """`granular_markings[].marking_ref` has the role of a marking."""
    content = indicator(granular_markings=[{"selectors": ["name"], "marking_ref": RED}])
    assert roles(content) == {RED: Role.MARKING}


@pytest.mark.parametrize(
    ("content", "role"),
    [
        ({"created_by_ref": ONE, "x_owner": ONE}, Role.REQUIRED),
        ({"created_by_ref": ONE, "object_refs": [ONE, ONE]}, Role.REQUIRED),
        ({"created_by_ref": ONE}, Role.CREATOR),
        ({"object_marking_refs": [ONE, ONE]}, Role.MARKING),
        ({"created_by_ref": ONE, "object_marking_refs": [ONE]}, Role.MARKING),
        ({"extensions": {ONE: {"x_ref": ONE}}}, Role.REQUIRED),
    ],
)
def test_the_strictest_role_counts(content: dict[str, Any], role: Role) -> None:
    """One target in several places has the strictest of its roles."""
    assert roles(indicator(**content)) == {ONE: role}


def test_the_own_id_is_no_reference() -> None:
    """An object never waits for itself, wherever it names itself."""
    own = indicator()["id"]
    assert roles(indicator(x_self=own, x_others=[own])) == {}


def test_keys_are_no_references() -> None:
    """A key that is an id counts only in `extensions`."""
    assert roles(indicator(x_map={ONE: 1})) == {}


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (ONE, True),
        (ONE.upper(), False),
        ("identity--11111111-1111-4111-8111-11111111111A", True),
        ("identity--11111111-1111-4111-c111-111111111111", False),
        ("identity--11111111-1111-7111-8111-111111111111", False),
        ("identity--00000000-0000-0000-0000-000000000000", False),
        ("ab--11111111-1111-4111-8111-111111111111", False),
        ("a" * 251 + "--11111111-1111-4111-8111-111111111111", False),
        ("a" * 250 + "--11111111-1111-4111-8111-111111111111", True),
        ("-ab--11111111-1111-4111-8111-111111111111", False),
        ("a--b--11111111-1111-4111-8111-111111111111", False),
        (ONE + "\n", False),
        (" " + ONE, False),
        ("11111111-1111-4111-8111-111111111111", False),
    ],
)
def test_what_an_id_is(text: str, is_one: bool) -> None:
    """Type, two hyphens, RFC 4122 UUID; the letter case of the UUID is free (STIX 2.9)."""
    assert is_identifier(text) is is_one


def test_observables_are_told_by_their_id() -> None:
    """The eighteen types of section 6, and no others."""
    assert len(OBSERVABLE_TYPES) == 18
    assert CONTRIBUTING.keys() == OBSERVABLE_TYPES
    assert is_observable_id(ADDRESS["id"])
    assert not is_observable_id(ONE)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ADDRESS, "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"),
        (
            {"type": "domain-name", "value": "bücher.example"},
            "domain-name--dbf3aff2-b3cd-57d2-9616-0ddfde9d01ad",
        ),
        (
            {
                "type": "network-traffic",
                "src_ref": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db",
                "dst_port": 443,
                "protocols": ["ipv4", "tcp"],
                "src_byte_count": 5,
            },
            "network-traffic--e431dd46-1e61-525e-9cf9-cb476090763a",
        ),
    ],
)
def test_ids_computed_elsewhere(content: dict[str, Any], expected: str) -> None:
    """The three ids of policy-facts 4, which python-stix2 computes too."""
    assert observable_id(content) == expected


def test_one_hash_counts() -> None:
    """Of several hashes the first of MD5, SHA-1, SHA-256, SHA-512 makes the id; adding an MD5 changes it."""
    sha = {"type": "file", "hashes": {"SHA-256": "a" * 64, "SHA-512": "b" * 128}}
    more = {"type": "file", "hashes": {"SHA-256": "a" * 64, "MD5": "c" * 32}}
    assert observable_id(sha) == observable_id({"type": "file", "hashes": {"SHA-256": "a" * 64}})
    assert observable_id(more) == observable_id({"type": "file", "hashes": {"MD5": "c" * 32}})
    assert observable_id(sha) != observable_id(more)


def test_nothing_contributes() -> None:
    """Without a contributing property the id is random; an unknown type has none."""
    process = {"type": "process", "pid": 5}
    assert deterministic_id(process) is None
    assert observable_id(process) != observable_id(process)
    assert observable_id(process)[23] == "4"
    with pytest.raises(KeyError):
        observable_id({"type": "x-thing"})


def test_whom_terms_name_is_not_referred_to() -> None:
    """A partner's identity in a list of recipients keeps nothing back; the same identity elsewhere does."""
    terms = {"extension_type": "property-extension", "only_to": [ONE], "not_to": [ONE, TWO, 5]}
    content = indicator(extensions={TERMS_EXTENSION: terms})
    assert not roles(content).keys() & {ONE, TWO}
    assert roles({**content, "x_seen_by": TWO})[TWO] is Role.REQUIRED
    assert roles({**content, "created_by_ref": ONE})[ONE] is Role.CREATOR
    odd = indicator(extensions={TERMS_EXTENSION: {**terms, "x_other": TWO}})
    assert roles(odd)[TWO] is Role.REQUIRED
