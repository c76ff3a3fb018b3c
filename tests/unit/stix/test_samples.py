"""All public samples: nothing crashes, what is taken comes out as it came in, what is refused is known and explained."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.unit.stix.samples import SAMPLES, read

from cert_exchange.errors import CertExchangeError, EnvelopeInvalid, NotJson
from cert_exchange.stix.canonical import Limits, canonical_bytes, parse_json
from cert_exchange.stix.envelopes import examine
from cert_exchange.stix.references import Role, is_identifier
from cert_exchange.stix.validation import StixObject, validate

LIMITS = Limits()
FILES = sorted(
    path
    for folder in ("attack", "stix")
    for path in (SAMPLES / folder).rglob("*")
    if path.is_file()
)
REFUSED = {
    # file: objects that STIX 2.1 forbids, as docs/public-data.md explains
    "attack-flow-matrix-flow.json": 2,
    "elevator-Mandiant_APT1_Report.json": 1,
    "elevator-ais-marking-a-e-t.json": 1,
    "elevator-ais-marking-w-n-f.json": 1,
    "elevator-custom-object.json": 1,
    "elevator-incident-malware.json": 1,
    "elevator-network-connection-with-object-reference.json": 2,
    "ext-indicator--05feb53a-15c1-5c31-8613-0c9c2d937d70.json": 1,
    "ext-vulnerability--764ea159-e6b8-5725-94d8-98a7900b015d.json": 1,
    "extracted-bundle-validator-124.json": 2,
    "extracted-email-message-stix2-511.json": 1,
    "extracted-malware-analysis-stix2-9.json": 1,
    "opencti-DATA-TEST-STIX2_v2.json": 29,
    "opencti-crowdsec-observable.json": 1,
    "opencti-import-document-ai-response.json": 2,
    "sco-examples-bundle.json": 3,
}
WHOLE = {
    "blackberry-romcom.json": "STIX 2.0",
    "opencti-sectors.json": "STIX 2.0",
    "medallion-default_data.json": "not a TAXII envelope",
}


def walked(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(walked(child) for child in value.values()))
    if isinstance(value, list):
        return set().union(*(walked(child) for child in value))
    return {value} if isinstance(value, str) and is_identifier(value) else set()


def taken(path: Path) -> list[StixObject]:
    return [item.item for item in examine(read(path), limits=LIMITS).items if item.item is not None]


@pytest.mark.case("H13")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_sample(path: Path) -> None:
    """Each object is taken with its content unchanged, or refused in words; as many as the table says."""
    raw = read(path)
    if path.name in WHOLE:
        with pytest.raises(EnvelopeInvalid, match=WHOLE[path.name]):
            examine(raw, limits=LIMITS)
        return
    items = examine(raw, limits=LIMITS).items
    value = json.loads(raw)
    objects = value if isinstance(value, list) else value.get("objects", [value])
    for examined, came in zip(items, objects, strict=True):
        if examined.item is not None:
            assert json.loads(examined.item.body) == came
    refused = [examined for examined in items if examined.item is None]
    assert len(refused) == REFUSED.get(path.name, 0), [examined.refusal for examined in refused]
    assert all(len(examined.refusal or "") > 30 for examined in refused)


@pytest.mark.parametrize("path", sorted((SAMPLES / "hard").glob("*.*")), ids=lambda path: path.name)
def test_hard_files_end_in_an_answer(path: Path) -> None:
    """Broken and foreign files give outcomes or one refusal, never another error."""
    try:
        items = examine(read(path), limits=LIMITS).items
    except (NotJson, EnvelopeInvalid):
        return
    assert all((examined.item is None) != (examined.refusal is None) for examined in items)


def test_naughty_strings() -> None:
    """Text that breaks other systems comes out as it came in, in a name, a label and a key."""
    strings = json.loads((SAMPLES / "hard" / "naughty-strings.json").read_bytes())
    for number, text in enumerate(strings):
        content = {
            "type": "identity",
            "spec_version": "2.1",
            "id": f"identity--11111111-1111-4111-8111-{number:012d}",
            "created": "2024-05-06T07:08:09.123Z",
            "modified": "2024-05-06T07:08:09.123Z",
            "name": text,
            "labels": [text],
            "x_map": {text: text},
        }
        value = parse_json(json.dumps(content).encode(), depth=64)
        assert isinstance(value, dict)
        item = validate(value, limits=LIMITS)
        assert json.loads(item.body) == content
        assert parse_json(item.body, depth=64) == content


def test_references_of_samples() -> None:
    """In ATT&CK's ICS bundle every reference is one that its properties name, and all of them resolve inside."""
    items = taken(SAMPLES / "attack" / "ics-attack-18.1.json.gz")
    assert len(items) == 1_826
    known = {item.id for item in items}
    roles: Counter[Role] = Counter()
    for item in items:
        named = walked(item.content) | set(item.content.get("extensions", ()))
        assert named - {item.id} == {reference.target for reference in item.references}
        roles.update(reference.role for reference in item.references)
        assert all(
            reference.target in known
            for reference in item.references
            if reference.role in {Role.MARKING, Role.CREATOR}
        )
    # MITRE names its identity in x_mitre_modified_by_ref too, so that it is REQUIRED and not only the CREATOR.
    assert roles[Role.MARKING] > 1_000
    assert roles[Role.REQUIRED] > 2_000


@pytest.mark.parametrize(
    "name",
    [
        "apt1.json",
        "poisonivy.json",
        "attack-flow-example.json",
        "infrastructure.json",
        "using-granular-markings.json",
    ],
)
def test_the_oracle_agrees(name: str) -> None:
    """What stix2-validator accepts we accept; the whole of the public data is compared by tests/by_hand."""
    # Here, for loading it takes seconds, which every process of a test run would pay.
    import stix2validator

    options = stix2validator.ValidationOptions(version="2.1", silent=True)
    for item in taken(SAMPLES / "stix" / name):
        content = json.loads(item.body)
        assert stix2validator.validate_instance(content, options).is_valid


def test_every_sample_has_source_and_licence() -> None:
    """INDEX.md names each file with its licence, and the licence's text is there."""
    index = (SAMPLES / "INDEX.md").read_text()
    rows = dict(re.findall(r"^\| (\S+) \|(.*)\|$", index, re.MULTILINE))
    files = {
        str(path.relative_to(SAMPLES))
        for path in SAMPLES.rglob("*")
        if path.is_file() and path.parts[len(SAMPLES.parts)] in {"attack", "stix", "hard"}
    }
    assert files <= rows.keys()
    for name in files:
        (licence,) = re.findall(r"\(([\w.-]+\.txt)\)", rows[name])[:1]
        assert (SAMPLES / "LICENCES" / licence).is_file(), name


def test_conflicts_are_found() -> None:
    """iep-red and iep-amber are one id and version with two contents: both are refused together."""
    objects = []
    for name in ("iep-red.json", "iep-amber.json"):
        value = parse_json((SAMPLES / "stix" / name).read_bytes(), depth=64)
        assert isinstance(value, dict)
        objects.extend(value.get("objects", [value]))
    body = canonical_bytes({"objects": objects})
    try:
        items = examine(body, limits=LIMITS).items
    except CertExchangeError as refused:  # pragma: no cover
        pytest.fail(refused.public)
    contradicted = [examined for examined in items if "more than once" in (examined.refusal or "")]
    assert len(contradicted) == 2
