"""docs/redaction.md: what it prints of the extension is what the node sends."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cert_exchange.policy.redaction import EXTENSION, EXTENSION_DEFINITION, values

PAGE = (Path(__file__).parents[2] / "docs" / "redaction.md").read_text()
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def test_the_definition_is_the_one_in_the_code() -> None:
    """Partners store it: page and code change together or not at all."""
    assert BLOCKS[1] == dict(EXTENSION_DEFINITION)
    assert EXTENSION_DEFINITION["schema"].startswith("docs/redaction.md")


def test_every_kind_is_explained() -> None:
    """In the table, in the definition, and in the example."""
    kinds = {
        values.PROPERTIES, values.CUSTOM, values.EXTERNAL_REFERENCES, values.MARKED, values.SOURCE, values.REFERENCES,
    }  # fmt: skip
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) - {"withheld"} == kinds
    assert set(BLOCKS[0]["extensions"][EXTENSION]["withheld"]) < kinds
    assert all(kind in EXTENSION_DEFINITION["description"] for kind in kinds)
    assert f"`{values.WITHHELD}`" in PAGE
