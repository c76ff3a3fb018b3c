"""What is left of an object: what goes with it, what marks it still, what it needs, and what it is called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.policy.making import ID, TLP2
from tests.unit.stix.placements import ANYWHERE
from tests.unit.stix.samples import indicator

from cert_exchange.policy.redaction import (
    EXTENSION,
    EXTENSION_DEFINITION,
    Naming,
    Need,
    Rendered,
    Trimmed,
    Unredactable,
    names_of,
    never_redacted,
    render,
    takes,
    trim,
)
from cert_exchange.policy.rules import Ceiling, Recipe
from cert_exchange.stix.canonical import Limits, canonical_bytes
from cert_exchange.stix.markings import Tlp, read_markings
from cert_exchange.stix.observables import deterministic_id
from cert_exchange.stix.validation import validate

NEW = "11111111-2222-5333-8444-555555555555"
OURS = "identity--9d1a3f6f-0a4f-4b11-8a2d-0a2d8a4e6f1b"
CREATOR = "identity--3a0c7e6a-1f0e-4d7d-9b9e-52a7a6b0c111"
ADDRESS = "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db"  # of 198.51.100.7
NAME = "domain-name--dbf3aff2-b3cd-57d2-9616-0ddfde9d01ad"
CEILING = Ceiling(Tlp.GREEN, unmarked=Tlp.CLEAR)
RED, GREEN = TLP2["red"], TLP2["green"]


def naming(content: Any, **given: Any) -> Naming:
    made = {"id": f"{content['type']}--{NEW}", "created": "2026-11-25T12:00:00.000000Z"}
    return Naming(**{**made, "modified": "2026-11-25T13:00:00.000000Z", "creator": OURS, **given})


def left(content: dict[str, Any], **recipe: Any) -> Trimmed:
    remove = frozenset(recipe.pop("remove", ()))
    made = trim(content, Recipe(remove=remove, **recipe), CEILING)
    assert isinstance(made, Trimmed), made
    return made


def refused(content: dict[str, Any], **recipe: Any) -> str:
    remove = frozenset(recipe.pop("remove", ()))
    made = trim(content, Recipe(remove=remove, **recipe), CEILING)
    assert isinstance(made, Unredactable), made
    return made.reason


def shown(
    content: dict[str, Any], *, names: dict[str, Any] | None = None, **recipe: Any
) -> dict[str, Any]:
    made = render(left(content, **recipe), naming(content, **(names or {})))
    assert isinstance(made, Rendered), made
    assert made.body == canonical_bytes(dict(made.content))
    return dict(made.content)


def hidden(made: Any) -> str:
    assert isinstance(made, Unredactable), made
    return made.reason


# What goes.


def test_what_no_recipe_touches_is_shown_as_it_is() -> None:
    """No change, no values, no kinds; needs are there all the same."""
    content = indicator(object_marking_refs=[GREEN], created_by_ref=CREATOR)
    made = left(
        content, custom=True, external_references=True, above_ceiling=True, remove=["description"]
    )
    assert (made.changed, made.withheld, made.removed) == (False, frozenset(), ())
    assert made.content == content
    assert made.needs == {GREEN: Need.REQUIRED}


def test_each_kind_is_named_and_nothing_more() -> None:
    """The extension says which kinds of content were withheld."""
    content = indicator(
        description="one two", x_acme={"k": 1}, created_by_ref=CREATOR, labels=["first", "second"],
        external_references=[{"source_name": "s", "url": "https://intranet.example/1"}],
        granular_markings=[{"marking_ref": RED, "selectors": ["labels.[1]"]}],
    )  # fmt: skip
    made = shown(
        content, remove=["description"], custom=True, external_references=True, source=True, above_ceiling=True,
        names={"pseudonym": "source-0123456789"},
    )  # fmt: skip
    assert made["extensions"] == {
        EXTENSION: {
            "extension_type": "property-extension",
            "withheld": ["custom", "external-references", "marked", "properties", "source"],
            "source": "source-0123456789",
        }
    }
    assert made.keys() == indicator().keys() | {"labels", "extensions", "created_by_ref"}
    assert made["created_by_ref"] == OURS


@pytest.mark.parametrize(
    ("content", "paths", "gone"),
    [
        ({"hashes": {"MD5": "1f" * 16, "SHA-256": "0e" * 32}, "name": "a"}, ["hashes.md5"], ("hashes", "MD5")),
        ({"name": "a", "extensions": {"archive-ext": {"contains_refs": [f"file--{ID}"]}}}, ["extensions.archive-ext"], ("extensions",)),
        ({"name": "a", "X_Acme_Ticket": "4711"}, ["x_acme_ticket"], ("X_Acme_Ticket",)),
        ({"name": "a", "extensions": {f"extension-definition--{ID}": {"extension_type": "property-extension", "x_acme": "k", "num": 1}}}, ["x_acme"], ("extensions", f"extension-definition--{ID}", "x_acme")),
    ],
)  # fmt: skip
def test_named_properties_go_wherever_they_stand(
    content: dict[str, Any], paths: list[str], gone: tuple[str, ...]
) -> None:
    """Dotted paths, other letter case, other spellings of hash algorithms, custom names inside extensions."""
    made: Any = left({"type": "file", "id": f"file--{ID}", **content}, remove=paths).content
    for step in gone[:-1]:
        made = made[step]
    assert gone[-1] not in made


def test_named_properties_go_from_embedded_objects_and_translations() -> None:
    """An old observed-data holds objects, a translation holds texts of its target."""
    t = "2024-05-06T07:08:09Z"
    observed = {
        "type": "observed-data", "spec_version": "2.1", "id": f"observed-data--{ID}", "created": "2024-05-06T07:08:09.123Z",
        "modified": "2024-05-06T07:08:09.123Z", "first_observed": t, "last_observed": t, "number_observed": 1,
        "objects": {"0": {"type": "process", "command_line": "run it", "pid": 4}},
    }  # fmt: skip
    assert left(observed, remove=["command_line"]).content["objects"] == {
        "0": {"type": "process", "pid": 4}
    }
    told = {
        "type": "language-content", "spec_version": "2.1", "id": f"language-content--{ID}",
        "created": "2024-05-06T07:08:09.123Z", "modified": "2024-05-06T07:08:09.123Z", "object_ref": f"campaign--{ID}",
        "contents": {"de": {"description": "Ein Text", "name": "Angriff"}, "fr": {"description": "Un texte"}},
    }  # fmt: skip
    assert left(told, remove=["description"]).content["contents"] == {"de": {"name": "Angriff"}}


def test_custom_content_is_found_inside_what_the_standard_defines() -> None:
    """In references, phases, predefined extensions, parts of mails, granular markings."""
    content = indicator(
        external_references=[
            {"source_name": "s", "url": "https://e.example/", "x_who": "ticket-0815"}
        ],
        kill_chain_phases=[
            {"kill_chain_name": "k", "phase_name": "p", "x_why": {"a": ["ticket-0815"]}}
        ],
        granular_markings=[{"marking_ref": GREEN, "selectors": ["name"], "x_by": "ticket-0815"}],
    )
    assert b"0815" not in canonical_bytes(left(content, custom=True).content)
    file = {
        "type": "file", "id": f"file--{ID}", "name": "a", "labels": ["of no cyber-observable"],
        "extensions": {"pdf-ext": {"version": "1.7", "x_from": "ticket-0815", "document_info_dict": {"Any": "key"}}},
    }  # fmt: skip
    assert left(file, custom=True).content["extensions"] == {
        "pdf-ext": {"version": "1.7", "document_info_dict": {"Any": "key"}}
    }
    assert "labels" not in left(file, custom=True).content


def test_what_is_taken_away_goes_from_texts_lists_and_references() -> None:
    """Text for people is blanked, always with the same word; a list loses the item; nothing else is touched."""
    content = indicator(
        x_host="c2.intranet.example", description="Talks to c2[.]intranet[.]example, at C2.INTRANET.EXAMPLE.",
        labels=["c2.intranet.example", "kept"], external_references=[
            {"source_name": "s", "url": "https://e.example/?h=c2%2Eintranet%2Eexample"}, {"source_name": "t", "url": "https://f.example/"},
        ], pattern="[url:value = 'https://other.example/']",
    )  # fmt: skip
    made = shown(content, custom=True)
    assert made["description"] == "Talks to [withheld], at [withheld]."
    assert made["labels"] == ["kept"]
    assert made["external_references"] == [{"source_name": "t", "url": "https://f.example/"}]
    assert made["name"] == "Beacon"


@pytest.mark.parametrize(
    ("content", "stays"),
    [
        ({"x_map": {"opera-4711": 1, "keep": 2}, "granular_markings": [{"marking_ref": GREEN, "selectors": ["x_map.opera-4711", "x_map.keep"]}]}, {"x_map": {"keep": 2}, "granular_markings": [{"marking_ref": GREEN, "selectors": ["x_map.keep"]}]}),
        ({"granular_markings": [{"lang": "x-opera-4711", "selectors": ["name"]}]}, {}),
        ({"lang": "x-opera-4711"}, {}),
        ({"extensions": {"opera-4711-ext": {"x_any": 1}}}, {}),
        ({"x_opera_4711": "its name says it"}, {}),
        ({"x_any_refs": [f"x-opera-4711--{ID}"], "kill_chain_phases": [{"kill_chain_name": "opera-4711", "phase_name": "p"}]}, {}),
    ],
)  # fmt: skip
def test_values_are_found_where_nobody_looks(
    content: dict[str, Any], stays: dict[str, Any]
) -> None:
    """Keys, selectors, private languages, names of properties and extensions, types of references."""
    assert left(
        indicator(x_ticket="opera-4711", **content), remove=["x_ticket"]
    ).content == indicator(**stays)


def test_the_guessable_id_of_a_value_goes_with_it() -> None:
    """A reference to the id that STIX derives from a value says the value (DECISIONS 17)."""
    assert deterministic_id({"type": "ipv4-addr", "value": "198.51.100.7"}) == ADDRESS
    content = indicator(
        x_from="198.51.100.7", x_seen_refs=[ADDRESS, NAME], description=f"see {ADDRESS}"
    )
    made = shown(content, remove=["x_from"])
    assert made["x_seen_refs"] == [NAME]
    assert made["description"] == "see [withheld]"
    assert left(content, remove=["x_from"]).needs == {NAME: Need.REQUIRED}


@pytest.mark.parametrize(
    "content",
    [
        {"pattern": "[domain-name:value = 'c2.intranet.example']"},
        {"pattern": r"[file:name MATCHES '^c2\\.intranet\\.example$']"},
        {"valid_from": "2024-01-02T03:04:05Z", "x_seen": "2024-01-02T03:04:05.000Z"},
    ],
)
def test_where_the_type_requires_what_would_go_there_is_no_derivative(
    content: dict[str, Any],
) -> None:
    assert refused(indicator(x_host="c2.intranet.example", **content), custom=True)


def test_short_values_and_words_of_the_standard_are_whole_values_only() -> None:
    """Else "report" or "us" would tear every text."""
    content = indicator(
        x_country="us", x_kind="report", x_score=50, labels=["us", "report", "a report of us"],
        description="A report of us: 50 hosts.", indicator_types=["malicious-activity"], x_type="malicious-activity",
    )  # fmt: skip
    made = shown(content, custom=True)
    assert made["labels"] == ["a report of us"]
    assert made["description"] == "A report of us: 50 hosts."
    assert "indicator_types" not in made


def test_names_of_public_catalogues_stay_where_they_say_themselves() -> None:
    """ATT&CK names itself in references and in phases: the phases are no trace of the references."""
    phases = [{"kill_chain_name": "mitre-attack", "phase_name": "impact"}]
    content = indicator(
        kill_chain_phases=phases,
        external_references=[{"source_name": "mitre-attack", "external_id": "T9999"}],
    )
    assert left(content, external_references=True).content == indicator(kill_chain_phases=phases)


def test_the_source_goes_with_whoever_names_it() -> None:
    """Creator, authors, and every other mention of the creator's id."""
    content = {
        "type": "note", "spec_version": "2.1", "id": f"note--{ID}", "created": "2024-05-06T07:08:09.123Z",
        "modified": "2024-05-06T07:08:09.123Z", "created_by_ref": CREATOR, "authors": ["Jo Analyst"],
        "content": f"Jo Analyst of {CREATOR} wrote it.", "object_refs": [f"indicator--{ID}", CREATOR],
        "x_opencti_creator": "jo.analyst", "x_acme_org": {"name": "ACME"},
    }  # fmt: skip
    made = left(content, source=True)
    assert made.content["content"] == "[withheld] of [withheld] wrote it."
    assert made.content["object_refs"] == [f"indicator--{ID}"]
    assert not made.content.keys() & {
        "authors",
        "created_by_ref",
        "x_opencti_creator",
        "x_acme_org",
    }


# What breaks by it.


@pytest.mark.parametrize(
    ("content", "remove", "lost"),
    [
        ({"type": "location", "region": "europe", "latitude": 48.1, "longitude": 11.5, "precision": 10.0}, ["latitude"], {"latitude", "longitude", "precision"}),
        ({"type": "artifact", "url": "https://e.example/", "hashes": {"MD5": "0" * 32}, "payload_bin": None}, ["url"], None),
        ({"type": "artifact", "payload_bin": "aGVsbG8=", "encryption_algorithm": "mime-type-indicated", "decryption_key": "kkkk"}, ["encryption_algorithm"], {"encryption_algorithm", "decryption_key"}),
        ({"type": "malware", "is_family": True, "name": "n n n"}, ["name"], None),
        ({"type": "malware", "is_family": False, "name": "n n n"}, ["name"], {"name"}),
        ({"type": "file", "name": "a.exe", "hashes": {"MD5": "0" * 32}}, ["hashes.MD5"], {"hashes"}),
        ({"type": "file", "hashes": {"MD5": "0" * 32}}, ["hashes.MD5"], None),
        ({"type": "malware-analysis", "product": "p", "result": "benign"}, ["result"], None),
        ({"type": "email-message", "is_multipart": True, "body_multipart": [{"body": "one", "content_type": "text/plain"}, {"body_raw_ref": f"artifact--{ID}"}]}, ["body_multipart.body"], set()),
        ({"type": "process", "pid": 4}, ["pid"], None),
        ({"type": "x509-certificate", "issuer": "CN=a", "subject": "CN=b"}, ["issuer"], {"issuer"}),
        ({"type": "report", "name": "r", "published": "2024-05-06T07:08:09Z", "object_refs": [f"indicator--{ID}"]}, ["object_refs"], None),
        ({"type": "user-account", "extensions": {"unix-account-ext": {"shell": "/bin/sh"}}}, ["extensions.unix-account-ext.shell"], None),
    ],
)  # fmt: skip
def test_what_cannot_stand_alone_goes_too(
    content: dict[str, Any], remove: list[str], lost: set[str] | None
) -> None:
    """Policy facts 3; None: the object cannot do without it."""
    content = {name: value for name, value in content.items() if value is not None}
    content |= {"spec_version": "2.1", "id": f"{content['type']}--{ID}"}
    if content["type"] in ("location", "malware", "malware-analysis", "report"):
        content |= dict.fromkeys(("created", "modified"), "2024-05-06T07:08:09.123Z")
    validate(content, limits=Limits())
    if lost is None:
        assert refused(content, remove=remove)
    else:
        made = left(content, remove=remove).content
        assert content.keys() - made.keys() == lost
        assert b"[]" not in canonical_bytes(made)
        assert b"{}" not in canonical_bytes(made)


def test_emptied_parts_leave_no_trace() -> None:
    """No empty list, dictionary or granular marking, at any depth."""
    content = indicator(
        x_a={"b": [{"c": "secret words"}]}, description="secret words", labels=["secret words"],
        granular_markings=[{"marking_ref": GREEN, "selectors": ["labels.[0]", "x_a.b.[0].c"]}, {"lang": "en", "selectors": ["description"]}],
    )  # fmt: skip
    made = left(content, remove=["description"]).content
    assert made == indicator()


def test_selectors_count_as_if_what_went_had_never_been_there() -> None:
    content = indicator(
        labels=["one", "two", "three", "four"], x_deep={"list": [{"a": 1}, {"b": 2}]},
        granular_markings=[
            {"marking_ref": RED, "selectors": ["labels.[0]", "labels.[2]", "x_deep.list.[0]"]},
            {"marking_ref": GREEN, "selectors": ["labels.[1]", "labels.[2]", "labels.[3]", "labels", "x_deep.list.[1].b"]},
        ],
    )  # fmt: skip
    made = left(content, above_ceiling=True).content
    assert made["labels"] == ["two", "four"]
    assert made["granular_markings"] == [
        {
            "marking_ref": GREEN,
            "selectors": ["labels.[0]", "labels.[1]", "labels", "x_deep.list.[0].b"],
        }
    ]
    validate(made, limits=Limits())


def test_what_the_oasis_schema_cannot_select_is_marked_with_more() -> None:
    """A language covers nothing more; a marking covers the container."""
    content = {
        "type": "file", "id": f"file--{ID}", "name": "a.exe", "x_more": "one two three", "hashes": {"MD5": "0" * 32},
        "granular_markings": [
            {"marking_ref": GREEN, "selectors": ["hashes.MD5"]}, {"lang": "de", "selectors": ["hashes.MD5"]},
        ],
    }  # fmt: skip
    made = left(content, remove=["x_more"]).content
    assert made["granular_markings"] == [{"marking_ref": GREEN, "selectors": ["hashes"]}]


# What marks it still.


@pytest.mark.parametrize(("what", "content", "level"), ANYWHERE, ids=[one[0] for one in ANYWHERE])
def test_redaction_never_lowers(what: str, content: dict[str, Any], level: Tlp | None) -> None:
    """Wherever a level stood, and whatever went: what is left counts at least as strict, or is not shown."""
    whole = indicator(**content)
    for recipe in (
        Recipe(custom=True), Recipe(source=True, custom=True), Recipe(remove=frozenset(content) | {"created_by_ref"}),
        Recipe(remove=frozenset({"labels", "name", "description", "x_more"}), above_ceiling=True),
    ):  # fmt: skip
        made = trim(whole, recipe, Ceiling(Tlp.RED))
        if isinstance(made, Trimmed) and level is not None:
            assert (read_markings(made.content).tlp or Tlp.CLEAR) >= level, what


def test_handling_in_labels_that_go_is_said_again() -> None:
    """PAP and `tlp:ex:chr` bind the receiver; the other words of the labels do not come back."""
    content = indicator(
        labels=["op-nightfall", "PAP:AMBER", "pap:red secret", "christmas", "tlp:ex:chr"]
    )
    made = left(content, remove=["labels"]).content
    assert made["labels"] == ["PAP:RED", "tlp:ex:chr"]
    assert "would go" in refused(
        indicator(labels=['iep:traffic-light-protocol="RED"']), remove=["labels"]
    )


IEP = "extension-definition--762e2e97-ee51-43e5-a9ea-165fbb862c4a"
TERMS = "extension-definition--7e69d4f8-fccc-53cd-bb3c-dfaa3cace88a"


def test_extensions_that_bind_the_receiver_stay() -> None:
    """Terms, IEP and other markings are no custom content; a recipe that means them gets nothing."""
    fields = {"extension_type": "property-extension", "tlp": "green", "provider_attribution": "may"}
    content = indicator(extensions={IEP: fields}, x_more="one two three")
    assert left(content, custom=True).content["extensions"] == {IEP: fields}
    assert "who may have" in refused(content, remove=["extensions"])


def test_nothing_changes_in_what_binds_the_receiver() -> None:
    """To lose a name from `not_to`, or all of `only_to`, would be to widen."""
    terms = {
        "extension_type": "property-extension",
        "not_to": ["country:LV"],
        "only_to": [CREATOR, "country:EE"],
        "purpose": "ticket 4711",
    }
    content = indicator(extensions={TERMS: terms}, created_by_ref=CREATOR, x_more="ticket 4711")
    assert "who may have" in refused(content, remove=[f"extensions.{TERMS}.not_to"])
    assert "who may have" in refused(content, custom=True)  # the purpose holds the value
    assert "who may have" in refused(content, source=True)  # and only_to the creator
    assert left(content, remove=["not_to"]).changed is False
    trimmed = left(content, cut=True)
    assert trimmed.needs == {}  # who is named there is not referred to
    for new in (None, OURS):
        assert "who may have" in hidden(render(trimmed, naming(content, replace={CREATOR: new})))


# What it needs.

OTHERS = [f"indicator--{ID}", f"malware--{ID}"]


@pytest.mark.parametrize(
    ("content", "needs"),
    [
        ({"type": "relationship", "relationship_type": "indicates", "source_ref": OTHERS[0], "target_ref": OTHERS[1]}, {OTHERS[0]: 1, OTHERS[1]: 1}),
        ({"type": "sighting", "sighting_of_ref": OTHERS[0], "where_sighted_refs": [CREATOR], "observed_data_refs": [f"observed-data--{ID}"]}, {OTHERS[0]: 1, CREATOR: 3, f"observed-data--{ID}": 3}),
        ({"type": "report", "name": "r", "published": "2024-05-06T07:08:09Z", "object_refs": OTHERS}, {OTHERS[0]: 2, OTHERS[1]: 2}),
        ({"type": "malware", "is_family": False, "sample_refs": [f"file--{ID}"], "object_marking_refs": [GREEN]}, {f"file--{ID}": 3, GREEN: 1}),
        ({"type": "network-traffic", "protocols": ["tcp"], "src_ref": ADDRESS, "dst_ref": NAME, "src_payload_ref": f"artifact--{ID}"}, {ADDRESS: 2, NAME: 2, f"artifact--{ID}": 3}),
        ({"type": "malware-analysis", "product": "p", "result": "benign", "analysis_sco_refs": [ADDRESS]}, {ADDRESS: 3}),
        ({"type": "malware-analysis", "product": "p", "analysis_sco_refs": [ADDRESS]}, {ADDRESS: 2}),
        ({"type": "process", "image_ref": f"file--{ID}"}, {f"file--{ID}": 2}),
        ({"type": "process", "pid": 4, "image_ref": f"file--{ID}"}, {f"file--{ID}": 3}),
        ({"type": "file", "name": "a", "extensions": {"archive-ext": {"contains_refs": [f"directory--{ID}"]}}}, {f"directory--{ID}": 3}),
        ({"type": "language-content", "object_ref": OTHERS[0], "contents": {"de": {"name": "n"}}}, {OTHERS[0]: 1}),
        ({"type": "x-acme", "x_any_ref": OTHERS[0]}, {OTHERS[0]: 1}),
        ({"type": "campaign", "name": "c", "x_any": [{"k": OTHERS[0]}]}, {OTHERS[0]: 3}),
    ],
)  # fmt: skip
def test_how_badly_an_object_needs_another(content: dict[str, Any], needs: dict[str, int]) -> None:
    """Policy facts 6; without `references: cut` everything is required; the creator and the object itself never are."""
    whole = {
        "spec_version": "2.1",
        "id": f"{content['type']}--{NEW}",
        "x_same": f"{content['type']}--{NEW}",
        **content,
    }
    assert left(whole, cut=True).needs == needs
    assert left(whole).needs == dict.fromkeys(needs, Need.REQUIRED)
    for name in ("created_by_ref",):
        assert (
            left({**whole, name: "identity--00000000-0000-4000-8000-000000000000"}, cut=True).needs
            == needs
        )


# What it is called.


def report(**given: Any) -> dict[str, Any]:
    made = {
        "type": "report", "spec_version": "2.1", "id": f"report--{ID}", "created": "2024-05-06T07:08:09.123Z",
        "modified": "2024-05-06T07:08:09.123Z", "name": "On two things", "published": "2024-05-06T07:08:09Z",
        "object_refs": [*OTHERS, CREATOR],
    }  # fmt: skip
    return {**made, **given}


def test_references_are_rewritten_or_cut_also_inside_texts() -> None:
    """Only what is named; nothing of the original's own id stays either."""
    content = report(
        description=f"See {OTHERS[0].upper()} and {OTHERS[1]}, and report--{ID} itself.", x_same=f"report--{ID}",
        x_by={OTHERS[0]: "first", "k": [OTHERS[1]]}, labels=[f"about {OTHERS[1]}", "kept"],
    )  # fmt: skip
    made = shown(
        content, cut=True, names={"replace": {OTHERS[0]: f"indicator--{NEW}", OTHERS[1]: None}}
    )
    assert made["object_refs"] == [f"indicator--{NEW}", CREATOR]
    assert made["description"] == f"See indicator--{NEW} and [withheld], and report--{NEW} itself."
    assert made["x_same"] == f"report--{NEW}"
    assert made["x_by"] == {f"indicator--{NEW}": "first"}
    assert made["labels"] == ["kept"]
    assert made["extensions"][EXTENSION]["withheld"] == ["references"]
    assert ID not in json.dumps(made)


def test_what_cannot_be_cut_is_not_shown() -> None:
    trimmed = left(report(object_refs=[OTHERS[0]]), cut=True)
    assert "object_refs" in hidden(
        render(trimmed, naming(trimmed.content, replace={OTHERS[0]: None}))
    )
    pattern = left(indicator(pattern=f"[file:name = '{OTHERS[1]}']"))
    assert "pattern" in hidden(render(pattern, naming(pattern.content, replace={OTHERS[1]: None})))


def test_instants_and_creator_only_where_the_kind_has_them() -> None:
    """A cyber-observable has none, and no id that says its value."""
    made = shown(
        {"type": "file", "id": f"file--{ID}", "name": "a", "x_more": "one two"}, custom=True
    )
    assert not made.keys() & {"created", "modified", "created_by_ref"}
    made = shown(
        indicator(x_more="one two", created_by_ref=CREATOR), custom=True, names={"creator": None}
    )
    assert "created_by_ref" not in made
    assert (made["created"], made["modified"]) == (
        "2026-11-25T12:00:00.000000Z",
        "2026-11-25T13:00:00.000000Z",
    )


def test_a_translation_of_a_derivative_is_not_shown() -> None:
    """It would say what was withheld, in another language."""
    content = {
        "type": "language-content", "spec_version": "2.1", "id": f"language-content--{ID}",
        "created": "2024-05-06T07:08:09.123Z", "modified": "2024-05-06T07:08:09.123Z", "object_ref": f"campaign--{ID}",
        "contents": {"de": {"description": "Ein Text"}},
    }  # fmt: skip
    trimmed = left(content)
    assert isinstance(render(trimmed, naming(content)), Rendered)
    assert "translates" in hidden(
        render(trimmed, naming(content, replace={f"campaign--{ID}": f"campaign--{NEW}"}))
    )


def test_some_objects_are_shown_whole_or_not_at_all() -> None:
    """Marking and extension definitions, notices, derivatives of others (DECISIONS 14)."""
    assert never_redacted(indicator()) is None
    derivative = shown(indicator(x_more="one two"), custom=True)
    assert "derivative" in (never_redacted(derivative) or "")
    assert "derivative" in hidden(render(left(derivative), naming(derivative)))
    for kind in ("marking-definition", "extension-definition"):
        assert kind in (never_redacted({"type": kind}) or "")
    notice = {
        "type": "note",
        "extensions": {"extension-definition--d00ba747-8f91-59f5-94cc-9dbb48fc52f0": {}},
    }
    assert "notice" in (never_redacted(notice) or "")


def test_the_last_look_finds_what_trimming_overlooked() -> None:
    """`render` trusts nobody: content that still holds a value is refused."""
    trimmed = left(indicator(x_more="one-two-three", labels=["kept"]), custom=True)
    for name, value in {
        "labels": ["One[-]Two[-]Three"], "name": "one%2Dtwo%2Dthree", "x_a": {"ONE-TWO-THREE": 1}, "x_b": ADDRESS,
    }.items():  # fmt: skip
        spoilt = Trimmed(
            {**trimmed.content, name: value},
            trimmed.withheld,
            (*trimmed.removed, "198.51.100.7"),
            {},
            changed=True,
        )
        assert "seen" in hidden(render(spoilt, naming(trimmed.content))), name


def test_what_is_odd_is_refused_and_says_nothing() -> None:
    """Reasons name properties of the standard, never what stands in them or how custom ones are called."""
    odd: list[dict[str, Any]] = [
        {"type": "indicator", "x_secret": 1}, {"type": "x", "granular_markings": [4]}, {"granular_markings": {"a": 1}, "type": "file"},
        indicator(granular_markings=[{"marking_ref": RED, "selectors": ["x_secret.k"]}]),
        indicator(pattern="[file:name = 'x_secret']", x_secret="x_secret"),
    ]  # fmt: skip
    for content in odd:
        made = trim(content, Recipe(above_ceiling=True, custom=True, source=True), CEILING)
        assert isinstance(made, Unredactable), content
        assert "secret" not in made.reason


def test_the_extension_is_a_valid_object() -> None:
    """Partners may ask for it; its id never changes."""
    assert EXTENSION == "extension-definition--6400d4e3-20ef-5731-a4c0-f54897dc3ee1"
    assert validate(dict(EXTENSION_DEFINITION), limits=Limits()).id == EXTENSION


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["a" * size for size in range(4, 300)], "a" * 100_000),
        (["abcd", *(f"abcd{number:06d}" for number in range(20_000))], "abcd " * 20_000),
    ],
)
def test_an_object_made_to_take_long_is_hidden_whole(values: list[str], text: str) -> None:
    """A partner chooses what it sends: one object must neither fill the memory nor hold up the heads."""
    why = refused(indicator(name=text, x_v=values), custom=True)
    assert "too much" in why


def test_values_from_elsewhere_are_looked_for_as_what_was_taken_is() -> None:
    """Nothing of this version is in question: it changes only where such a value stands."""
    told = {**indicator(), "name": "seen by INFORMANT-7"}
    recipe = Recipe(remove=frozenset({"x_by"}))
    made = trim(told, recipe, CEILING, ("informant-7",))
    assert isinstance(made, Trimmed)
    assert (made.changed, made.content["name"]) == (True, "seen by [withheld]")
    assert made.removed == ("informant-7",)
    assert made.withheld == {"properties"}
    same = trim(told, recipe, CEILING, ("another",))
    assert isinstance(same, Trimmed)
    assert (same.changed, same.content, same.removed) == (False, told, ())
    stuck = trim(
        {**told, "pattern": "[file:name = 'INFORMANT-7']"}, recipe, CEILING, ("informant-7",)
    )
    assert isinstance(stuck, Unredactable)


def test_what_a_recipe_takes_is_known_where_the_object_cannot_be_redacted() -> None:
    content = {
        **indicator(),
        "x_by": "198.51.100.7",
        "pattern": "[ipv4-addr:value = '198.51.100.7']",
    }
    recipe = Recipe(remove=frozenset({"x_by"}))
    assert isinstance(trim(content, recipe, CEILING), Unredactable)
    assert takes(content, recipe, CEILING) == {"198.51.100.7"}


def test_an_identity_is_told_by_its_name_its_aliases_and_how_it_is_reached() -> None:
    found = set(
        names_of(
            {
                "type": "identity", "name": "InformantMueller", "x_aliases": ["The Miller", 7],
                "contact_information": "Call +49 30 1234567 or mail mailto:mueller@informant.example",
                "description": "a friend", "sectors": ["energy"],
            }
        )
    )  # fmt: skip
    assert found == {
        "InformantMueller", "The Miller", "+49 30 1234567", "mueller@informant.example",
        "Call +49 30 1234567 or mail mailto:mueller@informant.example",
    }  # fmt: skip
