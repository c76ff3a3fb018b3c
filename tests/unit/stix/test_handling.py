"""What markings say beyond a TLP: FIRST IEP, PAP, MISP's labels, and what a translation inherits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.stix.samples import SAMPLES, indicator

from cert_exchange.stix.handling import (
    IEP_EXTENSION,
    Definition,
    Handling,
    Pap,
    needs_more,
    pap_of_text,
    read_handling,
)
from cert_exchange.stix.instants import parse_micros
from cert_exchange.stix.markings import Tlp, read_markings

IEP = "marking-definition--da05d443-ad8d-46fc-abf5-31d3d00290f1"
PAP = "marking-definition--11111111-1111-4111-8111-111111111111"
US = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"


def definition(**more: Any) -> dict[str, Any]:
    return {"type": "marking-definition", "spec_version": "2.1", "id": PAP, "created": "2020-01-01T00:00:00Z", **more}  # fmt: skip


def iep(**fields: Any) -> dict[str, Any]:
    given = {"extension_type": "property-extension", "tlp": "green", "provider_attribution": "may"}
    return definition(id=IEP, extensions={IEP_EXTENSION: {**given, **fields}})


def read(
    content: dict[str, Any],
    *definitions: dict[str, Any],
    trusted: bool = True,
    target: Sequence[dict[str, Any]] | None = None,
) -> Handling:
    def held(stix_id: str) -> list[Definition]:
        return [Definition(one, trusted) for one in definitions if one["id"] == stix_id]

    return read_handling(content, read_markings(content), held, target)


def bearing(*ids: str, **more: Any) -> dict[str, Any]:
    return indicator(object_marking_refs=list(ids), **more)


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / "stix" / name).read_bytes())
    return found


def test_most_objects_need_no_more() -> None:
    """TLP alone costs nothing more; anything else is read."""
    for content, more in (
        (indicator(), False),
        (indicator(labels=["tlp:red", "ransomware"]), False),
        (indicator(labels=["PAP:RED"]), True),
        (indicator(labels=["tlp:ex:chr"]), True),
        (bearing(PAP), True),
        (indicator(extensions={IEP_EXTENSION: {}}), True),
        ({"type": "language-content"}, True),
        (iep(), False),
    ):
        assert needs_more(content, read_markings(content)) is more, content


@pytest.mark.parametrize(
    ("name", "tlp", "ends"),
    [("iep-amber.json", Tlp.AMBER, None), ("iep-red.json", Tlp.RED, "2022-11-01T00:00:00Z")],
)
def test_the_published_iep_examples(name: str, tlp: Tlp, ends: str | None) -> None:
    """Both are understood, join the ladder, and say that the source must not be named."""
    found = read(bearing(IEP, created_by_ref=US), sample(name))
    assert (found.tlp, found.understood) == (tlp, {IEP})
    assert found.begins == parse_micros("2022-10-01T00:00:00Z")
    assert found.ends == (None if ends is None else parse_micros(ends))
    assert found.names_source == ("created_by_ref",)
    assert IEP in found.hides_source
    assert not found.unreadable
    assert any(term.startswith("permitted actions: ") for term in found.terms)


def test_what_the_source_is_named_by() -> None:
    """The creator, external references, and the creator of the policy itself."""
    hidden = iep(provider_attribution="must-not")
    references = [{"source_name": "theirs", "url": "https://example.com/"}]
    assert read(bearing(IEP), hidden).names_source == ()
    assert read(bearing(IEP, external_references=references), hidden).names_source == (
        "external_references",
    )
    signed = {**hidden, "created_by_ref": US}
    assert read(bearing(IEP), signed).names_source == (f"created_by_ref of {IEP}",)
    assert read(bearing(IEP, created_by_ref=US), iep()).names_source == ()


def test_who_must_be_named_is_owed() -> None:
    """`must` is kept for whoever would strip the source."""
    assert (
        IEP in read(bearing(IEP, created_by_ref=US), iep(provider_attribution="must")).owes_source
    )


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"tlp": None}, "no tlp"),
        ({"tlp": 3}, "no tlp"),
        ({"start_date": "tomorrow"}, "start_date"),
        ({"end_date": 17}, "end_date"),
        ({"provider_attribution": "perhaps"}, "provider_attribution"),
        ({"provider_attribution": ["may"]}, "provider_attribution"),
    ],
)
def test_an_iep_that_cannot_be_read_says_so(fields: dict[str, Any], word: str) -> None:
    """Whatever is missing or of no defined value, never a guess."""
    assert word in read(bearing(IEP), iep(**fields)).unreadable


def test_a_level_that_nobody_defined_is_red() -> None:
    assert read(bearing(IEP), iep(tlp="purple")).tlp is Tlp.RED


def test_without_a_word_the_source_is_hidden() -> None:
    """The draft requires the field; who leaves it out has not said that the source may be named."""
    silent = iep()
    del silent["extensions"][IEP_EXTENSION]["provider_attribution"]
    assert read(bearing(IEP, created_by_ref=US), silent).names_source == ("created_by_ref",)


def test_an_iep_on_the_object_itself_binds_it() -> None:
    """Whoever puts the extension in the wrong place meant it all the same."""
    found = read(indicator(extensions=iep(tlp="red")["extensions"]))
    assert found.tlp is Tlp.RED


@pytest.mark.parametrize(
    "more",
    [
        {"definition_type": "statement", "definition": {"statement": "for members only"}},
        {"extensions": {IEP_EXTENSION: {"tlp": "clear"}, "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce": {}}},
    ],
)  # fmt: skip
def test_an_iep_that_says_something_else_as_well_is_not_understood(more: dict[str, Any]) -> None:
    assert read(bearing(IEP), {**iep(), **more}).understood == frozenset()


def test_only_the_origin_or_our_desk_makes_it_understood() -> None:
    """Another partner's words about the same id restrict, and loosen nothing."""
    found = read(bearing(IEP), iep(tlp="red"), trusted=False)
    assert (found.tlp, found.understood) == (Tlp.RED, frozenset())
    two = [Definition(iep(tlp="clear"), trusted=False), Definition(iep(tlp="amber"), trusted=True)]
    marked = bearing(IEP)
    both = read_handling(marked, read_markings(marked), lambda _: two)
    assert (both.tlp, both.understood) == (Tlp.AMBER, {IEP})


def test_of_several_ieps_the_narrowest_counts() -> None:
    """Strictest level, latest start, earliest end."""
    two = [
        Definition(iep(tlp=tlp, start_date=start, end_date=end), trusted=True)
        for tlp, start, end in (
            ("green", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("amber", "2025-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        )
    ]
    marked = bearing(IEP)
    found = read_handling(marked, read_markings(marked), lambda _: two)
    assert found.tlp is Tlp.AMBER
    assert found.begins == parse_micros("2026-01-01T00:00:00Z")
    assert found.ends == parse_micros("2026-06-01T00:00:00Z")


@pytest.mark.parametrize(
    ("text", "pap"),
    [
        ("PAP:RED", Pap.RED),
        ("pap:amber", Pap.AMBER),
        ('PAP="GREEN"', Pap.GREEN),
        ("PAP:WHITE", Pap.CLEAR),
        ("pap:clear", Pap.CLEAR),
        ("PAP:PURPLE", Pap.RED),
        ("paper", None),
        ("tlp:red", None),
    ],
)
def test_pap_labels(text: str, pap: Pap | None) -> None:
    """In any case; a level that nobody defined permits least."""
    assert pap_of_text(text) is pap
    assert read(indicator(labels=[text])).pap is pap


@pytest.mark.parametrize(
    ("more", "understood"),
    [
        ({"name": "PAP:AMBER", "definition_type": "PAP", "definition": {"PAP": "PAP:AMBER"}}, True),
        ({"name": "PAP:AMBER", "definition_type": "PAP", "definition": {"pap": "amber"}}, True),
        ({"definition_type": "statement", "definition": {"statement": "PAP:AMBER"}, "x_opencti_definition": "PAP:AMBER"}, True),
        ({"name": "PAP:AMBER", "extensions": {"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba": {"id": "x"}}}, True),
        ({"name": "PAP:AMBER", "definition_type": "statement", "definition": {"statement": "members only"}}, False),
        ({"name": "PAP:AMBER", "x_opencti_definition": "TLP:RED"}, False),
        ({"name": "PAP:AMBER", "extensions": {"extension-definition--dff17fb3-edcb-4f99-ad1b-4b751c95738a": {}}}, False),
        ({"definition_type": "statement", "definition": {"statement": "(c) PAP Ltd"}}, False),
    ],
)  # fmt: skip
def test_pap_definitions(more: dict[str, Any], *, understood: bool) -> None:
    """OpenCTI's definitions have generated ids: they go by what they say, all of it."""
    found = read(bearing(PAP), definition(**more))
    assert (PAP in found.understood) is understood
    if understood:
        assert found.pap is Pap.AMBER


def test_a_foreign_definition_that_names_a_tlp_restricts() -> None:
    """Its id stays unknown, and its level counts where the id is permitted."""
    found = read(bearing(PAP), definition(name="TLP:RED", definition_type="TLP", definition={"TLP": "TLP:RED"}))  # fmt: skip
    assert (found.tlp, found.understood) == (Tlp.RED, frozenset())


@pytest.mark.parametrize(
    ("label", "tlp", "hides"),
    [
        ('iep2-policy:tlp="amber"', Tlp.AMBER, False),
        ('iep:traffic-light-protocol="RED"', Tlp.RED, False),
        ('iep2-policy:attribution="must-not"', None, True),
        ('iep:provider-attribution="MUST NOT"', None, True),
        ('iep:provider-attribution="MAY"', None, False),
        ("tlp:ex:chr", None, True),
        ("TLP:EX:CHR", None, True),
        ("tlp:amber:ex:chr", Tlp.AMBER, True),
    ],
)
def test_labels_of_misp(label: str, tlp: Tlp | None, *, hides: bool) -> None:
    """Taxonomies iep, iep2-policy and tlp: what they say in a label counts as in a definition."""
    content = indicator(labels=[label], created_by_ref=US)
    found = read(content)
    levels = [level for level in (found.tlp, read_markings(content).tlp) if level is not None]
    assert max(levels, default=None) is tlp
    assert (found.names_source == ("created_by_ref",)) is hides


def test_victims_that_must_be_obfuscated_are_not_sent() -> None:
    """Nothing here obfuscates, so that the object stays."""
    assert read(indicator(labels=['iep:obfuscate-affected-parties="MUST"'])).unreadable


def test_a_translation_inherits_the_markings_of_its_target() -> None:
    """TLP, foreign ids, tags; without a target they are unknown."""
    text = {"type": "language-content", "object_ref": indicator()["id"], "contents": {"de": {"name": "x"}}}  # fmt: skip
    red = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
    target = indicator(object_marking_refs=[red, PAP], labels=["tlp:ex:chr", "PAP:AMBER"])
    found = read(text, target=[indicator(), target])
    assert (found.tlp, found.ids, found.pap) == (Tlp.RED, {PAP}, Pap.AMBER)
    assert found.hides_source
    assert read(text, target=[]).unreadable
    assert read(indicator(labels=["PAP:RED"]), target=None).unreadable == ""
