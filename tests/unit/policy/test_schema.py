"""The JSON Schema for editors: current, takes every policy that is valid, and refuses what it can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.unit.policy.test_worked_examples import sections

from cert_exchange.policy.forms import MatchForm, PolicyForm, RuleForm
from cert_exchange.policy.reading import read_document
from cert_exchange.policy.schema import policy_schema
from cert_exchange.policy.screening import FILE_NAME

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "docs" / "policy.schema.json"
POLICIES = [
    path
    for node in (ROOT, ROOT / "deploy/demo/node-a", ROOT / "deploy/demo/node-b")
    for path in sorted(node.glob("[pl]*/*.yaml"))
    if not path.name.endswith(".expect.yaml") and path.name != FILE_NAME
]


def value(text: str) -> Any:
    return read_document(text, file="x.yaml").value


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(policy_schema())


@pytest.fixture(scope="module")
def base() -> jsonschema_rs.Draft202012Validator:
    whole = policy_schema()
    return jsonschema_rs.Draft202012Validator({"$defs": whole["$defs"], "$ref": "#/$defs/BaseForm"})


def test_the_shipped_file_is_current():
    """`cert-exchange policy schema > docs/policy.schema.json` makes it again."""
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == policy_schema()


def test_it_is_a_schema_of_its_dialect():
    """No word in it that validators do not know."""
    jsonschema_rs.meta.validate(policy_schema())


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_takes_what_is_shipped(path: Path, schema: jsonschema_rs.Draft202012Validator):
    """Every policy of the repository."""
    schema.validate(value(path.read_text(encoding="utf-8")))


def test_it_takes_what_the_guide_shows(
    schema: jsonschema_rs.Draft202012Validator, base: jsonschema_rs.Draft202012Validator
):
    """Every policy of the guide, and every file that one includes."""
    count = 0
    for _, files, _ in sections():
        text = next(iter(files.values()))
        schema.validate(value(text))
        for included in files:
            if included.startswith("base/"):
                base.validate(value(files[included]))
                count += 1
    assert count


HEAD = "partners: []\ncollections: []\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "ceiling: {tlp: ' TLP:AMBER+STRICT', unmarked: Deny}\nrules: []\n",
        HEAD + "ceiling: {tlp: amber_strict}\nrules:\n  - {name: x, match: {tlp: [White, green]}, allow: true}\n",
        HEAD + "ceiling: {tlp: red}\nrules:\n  - {name: x, match: {age: {over: 2 Weeks}}, hold: Approval}\n",
        HEAD + "ceiling: {tlp: red}\nrules:\n  - {name: x, match: {type: a-b}, hold: {for: 90m}}\n",
        HEAD + "ceiling: {tlp: red}\nrules:\n  - {name: x, match: {valid_until: Passed, labels: a, absent: tlp}, deny: true}\n",
        HEAD + "include: a.yaml\nceiling: {tlp: red}\nrules: []\n",
    ],
)  # fmt: skip
def test_it_takes_every_spelling(text: str, schema: jsonschema_rs.Draft202012Validator):
    """What `policy check` takes, an editor does not mark."""
    from cert_exchange.policy.document import parse_policy

    parse_policy(text, file="x.yaml", companions={"a.yaml": "rules: []\n"})
    schema.validate(value(text))


RULE = "ceiling: {tlp: red}\nrules:\n  - "


@pytest.mark.parametrize(
    "text",
    [
        "partners: []\n",
        HEAD + "ceiling: {}\nrules: []\n",
        HEAD + "ceiling: {tlp: purple}\nrules: []\n",
        HEAD + "ceiling: {tlp: red}\nrules: []\nrule: []\n",
        HEAD + "ceiling: {tlp: red}\nrules: []\ninclude: [../x.yaml]\n",
        HEAD + RULE + "{name: x, match: {}, allow: true}\n",
        HEAD + RULE + "{name: x, match: {typ: malware}, allow: true}\n",
        HEAD + RULE + "{name: x, match: {type: []}, allow: true}\n",
        HEAD + RULE + "{name: x, match: {confidence: {at_least: 101}}, allow: true}\n",
        HEAD + RULE + "{name: x, match: {confidence: {}}, allow: true}\n",
        HEAD + RULE + "{name: x, match: {age: {over: long}}, allow: true}\n",
        HEAD + RULE + "{name: x, match: {tlp: {above: green}}, allow: true}\n",
        HEAD + RULE + "{name: x, match: {when: 5}, allow: true}\n",
        HEAD + RULE + "{name: x, match: {origin: Any}, allow: true}\n",
        HEAD + RULE + "{name: x, match: {type: malware}, allow: 'yes'}\n",
        HEAD + RULE + "{name: x, match: {type: malware}, hold: never}\n",
        HEAD + RULE + "{match: {type: malware}, allow: true}\n",
    ],
)
def test_it_refuses_what_an_editor_should_mark(
    text: str, schema: jsonschema_rs.Draft202012Validator
):
    """Keys, kinds and spellings."""
    assert not schema.is_valid(value(text))


def test_every_key_is_there_with_a_word_for_people():
    """The editor shows it beside the key."""
    whole = policy_schema()
    for form, shape in (
        (PolicyForm, whole),
        (RuleForm, whole["$defs"]["RuleForm"]),
        (MatchForm, whole["$defs"]["MatchForm"]),
    ):
        assert set(shape["properties"]) == set(form.model_fields)
        assert all(found.get("description") for found in shape["properties"].values()), shape


def test_the_command_prints_it():
    """Without a node, and as the repository ships it."""
    from typer.testing import CliRunner

    from cert_exchange.cli.main import app

    done = CliRunner().invoke(app, ["policy", "schema"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == policy_schema()
