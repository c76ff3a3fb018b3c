"""What is decided about the markings in public examples, for each reader's ceiling; and the files that keep it.

`python -m tests.golden.deciding` writes the files anew. Read what changed before committing it: each line says who gets
what, and a line that becomes more permissive is a leak until somebody has shown otherwise.

For a marking definition in an example two bearers are decided too: an indicator that names its creator, and one that
does not. Definitions that an example holds are known, as if the same origin had sent them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.unit.stix.samples import SAMPLES, indicator, read

from cert_exchange.policy.decide import Allow, Context, Deny, decide, subject_of
from cert_exchange.policy.document import parse_policy
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import examine
from cert_exchange.stix.handling import Definition
from cert_exchange.stix.instants import parse_micros

HERE = Path(__file__).parent / "markings"
NOW = parse_micros("2026-11-25T12:00:00Z")
LEVELS = ("clear", "green", "amber", "amber+strict", "red")
EXAMPLES = (
    "stix/acs-use-case-5.json",
    "stix/cui-banner.json",
    "stix/elevator-141-TLP-marking-structures.json",
    "stix/elevator-ais-marking-a-e-t.json",
    "stix/elevator-ais-marking-w-n-f.json",
    "stix/elevator-marking_information_source.json",
    "stix/extracted-campaign-stix2-80.json",
    "stix/extracted-language-content-stix2-24.json",
    "stix/iep-amber.json",
    "stix/iep-red.json",
    "stix/interop-objectmarking-test.json",
    "stix/misp-stix-test_event1_stix21.json",
    "stix/oasis-statement-marking.json",
    "stix/opencti-indicator_stix.json",
    "stix/tlp-amber.json",
    "stix/tlp2-amber+strict.json",
    "stix/tlp2-amber.json",
    "stix/tlp2-clear.json",
    "stix/tlp2-green.json",
    "stix/tlp2-red.json",
    "stix/using-granular-markings.json",
    "stix/using-marking-definitions.json",
    "hard/opencti-cyclic-bundle.json",
    "hard/tlp2-green-bad-timestamp.json",
)
POLICY = """\
partners: [reader]
collections: [all]
ceiling: {{tlp: {level}, unmarked: deny}}
rules:
  - {{name: everything, match: {{origin: any}}, allow: true}}
"""


def decisions(example: str) -> dict[str, dict[str, str]]:
    """For each object of an example, and each bearer of its definitions: the answer at each ceiling."""
    found: dict[str, dict[str, str]] = {}
    contents: list[Mapping[str, Any]] = []
    for item in examine(read(SAMPLES / example), limits=Limits()).items:
        if item.item is None:
            found[f"{item.id} {item.version}"] = {"refused": item.refusal or ""}
        else:
            contents.append(item.item.content)
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for content in contents:
        by_id.setdefault(content["id"], []).append(content)
    for content in (*contents, *bearers(contents)):
        found[f"{content['id']} {content.get('name', '')}".strip()] = answers(content, by_id)
    return found


def bearers(contents: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Indicators that bear each marking definition alone: with a creator, and without."""
    for content in contents:
        if content["type"] == "marking-definition":
            marked = {"object_marking_refs": [content["id"]]}
            yield indicator(name=f"bears {content['id']}", **marked)
            creator = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
            yield indicator(
                name=f"bears {content['id']}, names its creator", created_by_ref=creator, **marked
            )


def answers(
    content: Mapping[str, Any], by_id: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, str]:
    """One object at each ceiling: "allow", or why not."""
    what = subject_of(
        content,
        origin="own",
        stored_at=NOW,
        definitions=lambda stix_id: [Definition(one, True) for one in by_id.get(stix_id, ())],
        target=by_id.get(content.get("object_ref", ""), ()),
    )
    context = Context(members=frozenset({"reader"}), collection="all", now=NOW)
    found = {}
    for level in LEVELS:
        decision = decide(parse_policy(POLICY.format(level=level), file="reader.yaml"), what, context)  # fmt: skip
        match decision:
            case Allow():
                found[level] = "allow"
            case Deny(_, reason, _):
                found[level] = f"deny: {reason}"
            case _:
                found[level] = repr(decision)
    return found


def kept(example: str) -> Path:
    """Where the decisions about an example are kept."""
    return HERE / f"{Path(example).stem}.json"


def written(found: Mapping[str, Mapping[str, str]]) -> str:
    """The text of a file: an object a block, a ceiling a line."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in EXAMPLES:
        kept(name).write_text(written(decisions(name)))
