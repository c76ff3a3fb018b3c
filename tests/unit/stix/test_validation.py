"""What becomes a StixObject, what is refused, and in which words."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stix.samples import ADDRESS, indicator

from cert_exchange.errors import ObjectInvalid
from cert_exchange.stix.canonical import Limits, canonical_bytes, parse_json
from cert_exchange.stix.objects import StixObject
from cert_exchange.stix.references import Role
from cert_exchange.stix.validation import validate, warnings_of

LIMITS = Limits()
UUID = "11111111-1111-4111-8111-111111111111"
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
TIMES = {"created": "2024-05-06T07:08:09.123Z", "modified": "2024-05-06T07:08:09.123Z"}


def made(content: dict[str, Any]) -> StixObject:
    """As it comes through the door: from JSON text."""
    value = parse_json(json.dumps(content).encode(), depth=64)
    assert isinstance(value, dict)
    return validate(value, limits=LIMITS)


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(ObjectInvalid) as refused:
        made(content)
    return refused.value.public


def custom(**properties: Any) -> dict[str, Any]:
    return {
        "type": "x-thing",
        "spec_version": "2.1",
        "id": f"x-thing--{UUID}",
        **TIMES,
        **properties,
    }


def test_what_a_valid_object_carries() -> None:
    """Id, version, creator, bytes and digests are those of the content."""
    identity = f"identity--{UUID}"
    content = indicator(created_by_ref=identity, revoked=True, modified="2024-05-06T07:08:10.5001Z")
    item = made(content)
    assert (item.id, item.type) == (content["id"], "indicator")
    assert (item.version, item.created) == (content["modified"], content["created"])
    assert (item.creator, item.revoked, item.observable) == (identity, True, False)
    assert item.body == canonical_bytes(content)
    assert item.digest == hashlib.sha256(item.body).digest()
    assert [(r.target, r.role) for r in item.references] == [(identity, Role.CREATOR)]


@pytest.mark.checklist(42)
def test_versions() -> None:
    """modified, else created, else none of its own; a cyber-observable has none."""
    assert made(indicator()).version == TIMES["modified"]
    statement = {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": f"marking-definition--{UUID}",
        "created": TIMES["created"],
        "definition_type": "statement",
        "definition": {"statement": "x"},
    }
    assert made(statement).version == TIMES["created"]
    address = made(ADDRESS)
    assert (address.version, address.created, address.observable) == (None, None, True)


def test_a_versioned_observable() -> None:
    """STIX 3.6: with both instants and an id of its own a cyber-observable is versioned; with the default id it is not."""
    own = {**ADDRESS, **TIMES, "id": f"ipv4-addr--{UUID}"}
    assert (made(own).version, made(own).observable) == (TIMES["modified"], False)
    default = made({**ADDRESS, **TIMES})
    assert (default.version, default.observable) == (None, True)


@pytest.mark.case("H04")
@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"labels": "x"}, "labels is 'x'; it must be a list"),
        ({"labels": []}, "labels is an empty list"),
        (
            {"kill_chain_phases": [{"kill_chain_name": "x"}]},
            "kill_chain_phases[0].phase_name is missing",
        ),
        ({"external_references": [{"url": "x"}]}, "external_references[0].source_name is missing"),
    ],
)
def test_the_property_is_named(properties: dict[str, Any], words: str) -> None:
    """A refusal names the property and what was found there."""
    assert words in refusal(indicator(**properties))


@pytest.mark.case("H04")
@pytest.mark.parametrize("name", ["kill_chain_phases", "external_references", "labels", "x_own"])
def test_null_is_no_value(name: str) -> None:
    """Null where a value belongs is refused by the property's name (STIX 2.12)."""
    assert refusal({**indicator(), name: None}).startswith(f"{name} is null")


@pytest.mark.case("H05")
@pytest.mark.parametrize("value", [False, 0, 1.5, "text", {"a": None}, [[], {}], {"a": {"b": []}}])
def test_custom_values_pass(value: Any) -> None:
    """A custom property is passed on as it is, whatever type others expect."""
    content = indicator(x_score=value)
    assert json.loads(made(content).body) == content


@pytest.mark.case("H11")
@pytest.mark.case("H13")
@pytest.mark.parametrize(
    "created",
    [
        "2018-01-20T00:00:00.000Z",
        "2023-11-12T14:16:48.1699798608Z",
        "2018-01-20T00:00:00.100000000000Z",
    ],
)
def test_instants_keep_their_text(created: str) -> None:
    """Nanoseconds and trailing zeros come out as they came in."""
    item = made(indicator(created=created, modified=created))
    assert item.version == created
    assert f'"created":"{created}"'.encode() in item.body


def test_order_at_full_precision() -> None:
    """A tenth of a nanosecond before created is before created."""
    early = "2023-11-12T14:16:48.16997986079Z"
    late = "2023-11-12T14:16:48.1699798608Z"
    assert made(indicator(created=early, modified=late)).version == late
    assert "later than created" in refusal(indicator(created=late, modified=early))


@pytest.mark.case("H19")
@pytest.mark.parametrize(
    ("content", "taken"),
    [
        (indicator(id="indicator--05feb53a-15c1-5c31-8613-0c9c2d937d70"), True),
        ({**ADDRESS, "id": f"ipv4-addr--{UUID}"}, True),
        (indicator(id="indicator--F2A0F638-A65B-4283-9C34-4E6140F51E15"), True),
        (indicator(id="indicator--f2a0f638-a65b-4283-cc34-4e6140f51e15"), False),
        (indicator(id="indicator--f2a0f638-a65b-9283-9c34-4e6140f51e15"), False),
        (indicator(id=f"malware--{UUID}"), False),
        (custom(id=f"x-other--{UUID}"), False),
        (custom(), True),
        (indicator(id=f"indicator--{UUID}-"), False),
    ],
)
def test_ids(content: dict[str, Any], taken: bool) -> None:
    """MUST refuses, SHOULD only warns, and what is taken is kept byte for byte."""
    if taken:
        assert made(content).id == content["id"]
    else:
        assert refusal(content).startswith("id is")


@pytest.mark.case("H19")
def test_should_warns() -> None:
    """A UUIDv5 of an SDO, a UUIDv4 of an SCO, upper case and a wrong derived id are warnings."""

    def warned(content: dict[str, Any]) -> str:
        return " ".join(warnings_of(made(content)))

    assert "version 5" in warned(indicator(id="indicator--05feb53a-15c1-5c31-8613-0c9c2d937d70"))
    assert "not derived from the content" in warned({**ADDRESS, "id": f"ipv4-addr--{UUID}"})
    assert "upper-case" in warned(indicator(id="indicator--F2A0F638-A65B-4283-9C34-4E6140F51E15"))
    assert ADDRESS["id"] in warned(
        {**ADDRESS, "id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50dc"}
    )
    assert "creator stays unknown" in warned(indicator())
    assert "STIX 2.12" in warned(indicator(x_own=[{"a": None}]))
    assert warnings_of(made(ADDRESS)) == ()


@pytest.mark.case("H20")
@pytest.mark.parametrize(
    "content",
    [
        indicator(
            extensions={
                f"extension-definition--{UUID}": {"extension_type": "property-extension", "rank": 5}
            }
        ),
        indicator(
            extensions={
                f"extension-definition--{UUID}": {"extension_type": "toplevel-property-extension"}
            },
            rank=5,
        ),
        indicator(extensions={"anything-else": {"rank": 5}}),
        custom(extensions={f"extension-definition--{UUID}": {"extension_type": "new-sdo"}}),
        custom(x_deep={"Any": [{"Thing": 1}]}),
        {"type": "new-sighting", "id": f"new-sighting--{UUID}", "rank": 5},
        {
            "type": "new-observable",
            "id": f"new-observable--{UUID}",
            "spec_version": "2.1",
            "extensions": {f"extension-definition--{UUID}": {"extension_type": "new-sco"}},
            "created": "yesterday",
        },
    ],
)
def test_what_we_do_not_know_passes(content: dict[str, Any]) -> None:
    """Unknown extensions and types are stored and passed on unchanged."""
    assert json.loads(made(content).body) == content


def test_what_an_observable_is() -> None:
    """A type of others is a cyber-observable by its extension, else by having no instants."""
    extension = {f"extension-definition--{UUID}": {"extension_type": "new-sco"}}
    assert made(custom(extensions=extension)).version == TIMES["modified"]
    assert made({"type": "x-thing", "id": f"x-thing--{UUID}"}).observable
    assert not made(custom()).observable
    assert "modified is missing" in refusal(
        {
            "type": "x-thing",
            "spec_version": "2.1",
            "id": f"x-thing--{UUID}",
            "created": TIMES["created"],
        }
    )


@pytest.mark.parametrize(
    ("properties", "selector"),
    [
        ({"hashes": {"SHA-256": "a" * 64}}, "hashes.SHA-256"),
        ({"x_texts": {"de": "Text"}}, "x_texts.de"),
        ({"environment_variables": {"PATH": "/bin"}}, "environment_variables.PATH"),
        ({"labels": ["a", "a"]}, "labels.[1]"),
        ({}, "id"),
        ({"x_texts": {"[0]": "odd key"}}, "x_texts.[0]"),
    ],
)
def test_selectors_of_the_standard(properties: dict[str, Any], selector: str) -> None:
    """Selectors that the OASIS schema refuses and STIX 7.2.3.1 allows are taken (policy-facts 3)."""
    entry = {"selectors": [selector], "marking_ref": RED}
    content = {"type": "file", "id": f"file--{UUID}", "name": "x", **properties}
    assert made({**content, "granular_markings": [entry]}).type == "file"


@pytest.mark.parametrize(
    "selector", ["", ".", "labels.", "labels.[01]", "labels.[-1]", "labels.0", "name.x", "name.[0]"]
)
def test_selectors_of_nothing(selector: str) -> None:
    """A selector that selects nothing makes the object invalid."""
    entry = {"selectors": [selector], "marking_ref": RED}
    refused = refusal(indicator(labels=["a", "b"], granular_markings=[entry]))
    assert "granular_markings[0]" in refused


def test_a_language_needs_no_marking() -> None:
    """A granular marking of a language alone is valid; a nonsense code is not."""
    assert made(indicator(granular_markings=[{"selectors": ["name"], "lang": "pt-BR"}]))
    assert "RFC 5646" in refusal(
        indicator(granular_markings=[{"selectors": ["name"], "lang": "?"}])
    )


@pytest.mark.parametrize(
    "code",
    [
        "en",
        "de-CH-1996",
        "zh-Hant-TW",
        "sl-rozaj-biske",
        "x-own",
        "es-419",
        "i-klingon",
        "de-DE-u-co-phonebk",
    ],
)
def test_languages(code: str) -> None:
    """Well-formed codes of RFC 5646 pass; no register is asked."""
    assert made(indicator(lang=code)).content["lang"] == code


@pytest.mark.case("M24")
def test_predefined_markings_are_fixed() -> None:
    """The content of a predefined id cannot be altered, only spelt otherwise."""
    white = {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
        "created": "2017-01-20T00:00:00.000Z",
        "definition_type": "tlp",
        "name": "TLP:WHITE",
        "definition": {"tlp": "white"},
    }
    assert made({**white, "created": "2017-01-20T00:00:00.000000Z"}).type == "marking-definition"
    for change in (
        {"name": "TLP:CLEAR"},
        {"definition": {"tlp": "clear"}},
        {"x_own": 1},
        {"lang": "en"},
    ):
        assert "is fixed" in refusal({**white, **change})


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("2001:db8::1", True),
        ("2001:db8::/32", True),
        ("::ffff:198.51.100.7", True),
        ("fe80::1%eth0", True),
        ("2001:db8::/129", False),
        ("198.51.100.7", False),
        ("::1::", False),
        ("2001:db8::1/64/64", False),
        ("", False),
    ],
)
def test_ipv6(address: str, taken: bool) -> None:
    """The schema's broken expression is replaced: addresses and blocks pass, nonsense does not."""
    content = {"type": "ipv6-addr", "id": f"ipv6-addr--{UUID}", "value": address}
    if taken:
        assert made(content).observable
    else:
        assert "IPv6" in refusal(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {
                "type": "email-message",
                "id": f"email-message--{UUID}",
                "is_multipart": True,
                "body_multipart": [{"body_raw_ref": "0"}],
            },
            "body_multipart[0].body_raw_ref is '0'",
        ),
        (
            {
                "type": "file",
                "id": f"file--{UUID}",
                "name": "x",
                "extensions": {"archive-ext": {"contains_refs": [ADDRESS["id"]]}},
            },
            "extensions.archive-ext.contains_refs[0] is",
        ),
        (
            {"type": "process", "id": f"process--{UUID}", "parent_ref": ADDRESS["id"]},
            "parent_ref is",
        ),
        (
            {
                "type": "ipv4-addr",
                "id": f"ipv4-addr--{UUID}",
                "value": "198.51.100.7",
                "resolves_to_refs": "x",
            },
            "resolves_to_refs is 'x'; it must be a list",
        ),
    ],
)
def test_references_of_observables(content: dict[str, Any], words: str) -> None:
    """References that the schema leaves as plain text are ids, of the types that the standard allows."""
    assert words in refusal(content)


@pytest.mark.parametrize(
    ("stix_type", "text", "taken"),
    [
        ("url", "http://198.51.100.7:8080/a|b?{c}", True),
        ("url", "ftp://müller.example/ü", True),
        ("url", "hugesoft.example", False),
        ("url", "http://a b", False),
        ("domain-name", "_dmarc.bücher.example.", True),
        ("domain-name", "http://example.com", False),
        ("domain-name", "", False),
        ("email-addr", "some.one@example.com", True),
        ("email-addr", '"a@b"@example.com', True),
        ("email-addr", "nobody", False),
        ("email-addr", "@example.com", False),
    ],
)
def test_values(stix_type: str, text: str, taken: bool) -> None:
    """What cannot be a URL, name or address is refused; what attackers bend passes."""
    content = {"type": stix_type, "id": f"{stix_type}--{UUID}", "value": text}
    if taken:
        assert made(content).observable
    else:
        assert refusal(content).startswith("value is")


@pytest.mark.case("H01")
@pytest.mark.parametrize("stix_type", ["url", "domain-name", "email-addr"])
@pytest.mark.parametrize(
    "text", ["@" * 200_000, "a" * 200_000 + " ", "a:" * 100_000 + " ", "a@" * 100_000]
)
@pytest.mark.timeout(
    60
)  # a search that backtracks would not end at all: a guard, not a measurement
def test_long_values_do_not_hang(stix_type: str, text: str) -> None:
    """No value makes the door search without end."""
    with contextlib.suppress(ObjectInvalid):
        made({"type": stix_type, "id": f"{stix_type}--{UUID}", "value": text})


def test_the_deprecated_container() -> None:
    """observed-data with `objects` as in STIX 2.0 is legal in 2.1; with both, or with neither, it is not."""
    content = {
        "type": "observed-data",
        "spec_version": "2.1",
        "id": f"observed-data--{UUID}",
        **TIMES,
        "first_observed": "2024-05-06T07:08:09Z",
        "last_observed": "2024-05-06T07:08:09Z",
        "number_observed": 1,
    }
    inner = {"0": {"type": "ipv4-addr", "value": "198.51.100.7", "belongs_to_refs": ["1"]}}
    assert made({**content, "objects": inner}).type == "observed-data"
    assert "not both" in refusal({**content, "objects": inner, "object_refs": [ADDRESS["id"]]})
    assert "not both" in refusal(content)


def test_numbers_are_checked_as_numbers() -> None:
    """A number with a fraction goes through the schema, and its lexeme stays."""
    location = {"type": "location", "spec_version": "2.1", "id": f"location--{UUID}", **TIMES}
    text = json.dumps({**location, "latitude": 1}).replace(
        '"latitude": 1', '"latitude":48.10,"longitude":1.6E1'
    )
    value = parse_json(text.encode(), depth=64)
    assert isinstance(value, dict)
    item = validate(value, limits=LIMITS)
    assert b'"latitude":48.10,"longitude":1.6E1' in item.body
    same = made({**location, "latitude": 48.1, "longitude": 16})
    assert item.sameness == same.sameness
    assert item.digest != same.digest
    assert "the most allowed is 90" in refusal({**location, "latitude": 90.5, "longitude": 1.5})


def test_size_is_bounded() -> None:
    """An object above the limit is refused with both numbers."""
    small = Limits(object_bytes=2_000)
    with pytest.raises(ObjectInvalid, match=r"at most 2000"):
        validate(indicator(description="x" * 2_000), limits=small)


def outcome(content: Any) -> tuple[StixObject | None, str]:
    try:
        return validate(content, limits=LIMITS), ""
    except ObjectInvalid as refused:
        return None, refused.public


KEYS = st.sampled_from(
    [
        *indicator(),
        "labels",
        "extensions",
        "granular_markings",
        "revoked",
        "confidence",
        "x_own",
        "lang",
        "external_references",
        "object_marking_refs",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
    | st.sampled_from([RED, ADDRESS["id"], "2.0", "name", TIMES["created"]]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["selectors", "marking_ref", "lang", "source_name", "url"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.sampled_from([indicator(), ADDRESS, custom()]))
def test_whatever_comes_is_taken_or_refused(changes: dict[str, Any], start: dict[str, Any]) -> None:
    """No content breaks the door: a StixObject that reads back as it came, or a refusal with words."""
    content = parse_json(json.dumps({**start, **changes}).encode(), depth=64)
    assert isinstance(content, dict)
    item, words = outcome(content)
    if item is None:
        assert len(words) > 20
        assert "\n" not in words
        return
    again, words = outcome(parse_json(item.body, depth=64))
    assert again is not None, words
    assert (again.body, again.digest, again.sameness, again.references) == (
        item.body,
        item.digest,
        item.sameness,
        item.references,
    )
    assert isinstance(warnings_of(item), tuple)
