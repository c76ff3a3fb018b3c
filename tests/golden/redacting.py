"""How objects with granular markings are shown at each reader's ceiling, and the files that keep it.

`python -m tests.golden.redacting` writes the files anew. Read what changed before committing it: what is newly shown is a
leak until somebody has shown otherwise.

`EXAMPLES` are public files that have granular markings; `FACTS` are the six examples of the
policy facts and what was found to be hard besides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.golden.deciding import LEVELS, NOW
from tests.unit.policy.making import TLP1, TLP2, UNKNOWN_MARKING
from tests.unit.stix.samples import SAMPLES, indicator, read

from cert_exchange.policy.decide import Allow, Context, Redact, subject_of
from cert_exchange.policy.document import parse_policy
from cert_exchange.policy.foreseeing import foresee
from cert_exchange.policy.redaction import Naming, Trimmed, Unredactable, render, trim
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import examine
from cert_exchange.stix.validation import validate

HERE = Path(__file__).parent / "redactions"
EXAMPLES = (
    "stix/extracted-campaign-stix2-80.json",
    "stix/using-granular-markings.json",
)
GREEN, AMBER, STRICT, RED, CLEAR = (
    TLP2[one] for one in ("green", "amber", "amber+strict", "red", "clear")
)
FROM, TO = (
    "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db",
    "domain-name--dbf3aff2-b3cd-57d2-9616-0ddfde9d01ad",
)


def marked(*entries: tuple[str, str | list[str]]) -> list[dict[str, Any]]:
    """Granular markings: (definition or language, selectors)."""
    return [
        {
            "marking_ref" if by.startswith("marking-definition") else "lang": by,
            "selectors": [selectors] if isinstance(selectors, str) else selectors,
        }
        for by, selectors in entries
    ]


def traffic(**given: Any) -> dict[str, Any]:
    return {"type": "network-traffic", "id": "network-traffic--e431dd46-1e61-525e-9cf9-cb476090763a", "dst_port": 443, "protocols": ["ipv4", "tcp"], **given}  # fmt: skip


FACTS: Mapping[str, Mapping[str, Any]] = {
    "1 a description goes with its entry": indicator(
        description="Seen at the ministry.", granular_markings=marked((RED, "description"))
    ),
    "2 later selectors are renumbered": indicator(
        labels=["op-nightfall", "ransomware"], granular_markings=marked((RED, "labels.[0]"), (GREEN, "labels.[1]"))
    ),
    "3 a required property cannot go": indicator(granular_markings=marked((RED, "pattern"))),
    "4 what cannot stand alone goes too": indicator(
        external_references=[{"source_name": "s", "url": "https://intranet.example/4711"}],
        granular_markings=marked((RED, "external_references.[0].url")),
    ),
    "5 no marking lowers, a language goes with its text": indicator(
        description="Une balise.", object_marking_refs=[GREEN],
        granular_markings=marked((CLEAR, "name"), ("fr", "description"), (RED, "description")),
    ),
    "6 one end of a connection": traffic(src_ref=FROM, dst_ref=TO, granular_markings=marked((RED, "src_ref"))),
    "6 the only end of a connection": traffic(src_ref=FROM, granular_markings=marked((RED, "src_ref"))),
    "an id cannot be marked": indicator(granular_markings=marked((RED, "id"))),
    "instants of the object cannot be marked": indicator(granular_markings=marked((RED, ["created", "name"]))),
    "its markings cannot be marked": indicator(object_marking_refs=[GREEN], granular_markings=marked((RED, "object_marking_refs.[0]"))),
    "what is not understood is above every ceiling": indicator(description="x y z", granular_markings=marked((UNKNOWN_MARKING, "description"))),
    "an ancestor counts": indicator(
        external_references=[{"source_name": "first", "url": "https://one.example/"}, {"source_name": "second", "url": "https://two.example/"}],
        granular_markings=marked((AMBER, "external_references"), (CLEAR, "external_references.[1].url")),
    ),
    "a value that is marked stands in a text too": indicator(
        name="Beacon of Nightfall", description="See NIGHT[.]FALL and nightfall.", labels=["nightfall", "c2"],
        granular_markings=marked((RED, "labels.[0]"), (GREEN, "labels.[1]")),
    ),
    "a value that is marked stands in the pattern": indicator(
        name="c2.example", granular_markings=marked((RED, "name")),
    ),
    "selectors that the OASIS schema refuses": {
        "type": "file", "id": "file--f2a0f638-a65b-4283-9c34-4e6140f51e15", "name": "a.exe", "mime_type": "text/plain",
        "hashes": {"MD5": "d41d8cd98f00b204e9800998ecf8427e", "SHA-256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        "granular_markings": marked((RED, "hashes.MD5"), (GREEN, "hashes.SHA-256"), (AMBER, "mime_type")),
    },
    "TLP 1 and TLP 2 are one ladder": indicator(
        description="one two", labels=["first", "second", "third"],
        granular_markings=marked((TLP1["amber"], "description"), (STRICT, "labels.[1]"), (TLP1["green"], "labels.[2]")),
    ),
}  # fmt: skip


POLICY = """\
partners: [reader]
collections: [all]
ceiling: {{tlp: {level}, unmarked: clear}}
rules:
  - {{name: parts, match: {{origin: own}}, redact: {{above_ceiling: true}}}}
"""


def shown(content: Mapping[str, Any], level: str) -> Any:
    """A rendition at a ceiling, "as it is", or why there is none."""
    policy = parse_policy(POLICY.format(level=level), file="reader.yaml")
    context = Context(members=frozenset({"reader"}), collection="all", now=NOW)
    subject = subject_of(content, origin="own", stored_at=NOW)
    match foresee(policy, subject, context).decision:
        case Allow():
            return "as it is"
        case Redact(_, _, recipe):
            trimmed = trim(content, recipe, policy.ceiling)
            assert isinstance(trimmed, Trimmed)
            made = render(trimmed, _named(content))
            return (
                f"not at all: {made.reason}"
                if isinstance(made, Unredactable)
                else dict(made.content)
            )
        case other:
            return f"not at all: {other.reason}"


def _named(content: Mapping[str, Any]) -> Naming:
    return Naming(
        id=f"{content['type']}--00000000-0000-5000-8000-000000000000",
        created="2026-11-25T12:00:00.000000Z",
        modified="2026-11-25T12:00:00.000000Z",
        creator=None,
    )


def renditions(name: str) -> dict[str, dict[str, Any]]:
    """For each object of an example: how it is shown at each ceiling, once where several show the same."""
    found = {}
    for what, content in contents(name):
        answers: dict[str, Any] = {}
        for level in LEVELS:
            answer = shown(content, level)
            same = next(
                (
                    one
                    for one, other in answers.items()
                    if other == answer and isinstance(answer, dict)
                ),
                None,
            )
            answers[level] = answer if same is None else f"as at {same}"
        found[what] = answers
    return found


def contents(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of an example, each with what it is called in the file."""
    if name == "facts":
        for what, content in FACTS.items():
            yield what, validate(content, limits=Limits()).content
        return
    for item in examine(read(SAMPLES / name), limits=Limits()).items:
        if item.item is not None:
            yield f"{item.id} {item.item.content.get('name', '')}".strip(), item.item.content


def kept(name: str) -> Path:
    return HERE / f"{Path(name).stem}.json"


def written(found: Mapping[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False, sort_keys=False) + "\n"


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for one in ("facts", *EXAMPLES):
        kept(one).write_text(written(renditions(one)))
