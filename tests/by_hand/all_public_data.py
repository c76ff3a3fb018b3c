"""All public data through the door once, by hand, beside stix2-validator: each disagreement, each refusal, each conflict.

    python tests/by_hand/all_public_data.py FOLDER [--report FILE]

FOLDER is searched for .json, .jsonl, .stix2 and .gz files. Nothing is stored and no connection is opened. The exit
status is 1 when anything crashed: an exception that is neither NotJson nor EnvelopeInvalid, or a body that does not
read back as it came. Disagreements are listed, not judged; docs/public-data.md says what each kind comes from.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stix2validator

from cert_exchange.errors import EnvelopeInvalid, NotJson
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import examine
from cert_exchange.stix.instants import order_key
from cert_exchange.stix.objects import StixObject

LIMITS = Limits(body_bytes=50_000_000)
OPTIONS = stix2validator.ValidationOptions(version="2.1", silent=True)
VARIABLE = re.compile(r"[a-z][a-z0-9-]*--[0-9a-f-]{36}|'[^']*'|\"[^\"]*\"|\[[^\]]*\]|[0-9]+")


@dataclass
class Findings:
    """What one run saw."""

    files: int = 0
    bodies: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    refused: int = 0
    ours: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    theirs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    agreed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    bodies_refused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    versions: dict[tuple[str, str], dict[bytes, list[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    crashes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def bodies(path: Path) -> Iterator[bytes]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if path.suffix == ".jsonl":
        yield from (line for line in raw.splitlines() if line.strip())
    else:
        yield raw


def kind(text: str) -> str:
    """The text without what differs from object to object."""
    return VARIABLE.sub("*", text)[:160]


def their_answer(content: Any) -> str | None:
    """Why stix2-validator refuses, None when it accepts."""
    try:
        result = stix2validator.validate_instance(content, OPTIONS)
    except Exception as stopped:  # noqa: BLE001  # the oracle raises whatever it likes
        return f"stops: {type(stopped).__name__}: {str(stopped)[:80]}"
    if result.is_valid:
        return None
    return "; ".join(str(error).split(": ", 1)[-1] for error in result.errors[:2])


def compare(found: Findings, where: str, content: Any, item: StixObject | None, why: str) -> None:
    if not isinstance(content, dict):
        found.refused += 1
        found.agreed["the entry is no JSON object"].append(where)
        return
    theirs = their_answer(content)
    if item is not None:
        found.taken += 1
        if json.loads(item.body) != content:
            found.crashes.append(f"{where}: does not read back as it came")
        if item.version is not None:
            found.versions[item.id, order_key(item.version)][item.sameness].append(where)
        if theirs is not None:
            found.theirs[kind(theirs)].append(where)
        return
    found.refused += 1
    (found.ours if theirs is None else found.agreed)[kind(why)].append(where)


def run(folder: Path) -> Findings:
    found = Findings()
    for path in sorted(folder.rglob("*")):
        if path.suffix not in {".json", ".jsonl", ".stix2", ".gz"}:
            continue
        found.files += 1
        name = str(path.relative_to(folder))
        for body in bodies(path):
            start = time.process_time()
            try:
                items = examine(body, limits=LIMITS).items
            except (NotJson, EnvelopeInvalid) as refused:
                found.bodies[type(refused).__name__] += 1
                found.bodies_refused[kind(refused.public)].append(name)
                continue
            except Exception as crash:  # noqa: BLE001  # finding these is what the run is for
                found.crashes.append(f"{name}: {type(crash).__name__}: {crash}")
                continue
            finally:
                found.seconds += time.process_time() - start
            found.bodies["examined"] += 1
            value = json.loads(body)
            contents = (
                value
                if isinstance(value, list)
                else value["objects"]
                if isinstance(value.get("objects"), list)
                else [value]
            )
            for examined, content in zip(items, contents, strict=True):
                compare(
                    found, f"{name} {examined.id}", content, examined.item, examined.refusal or ""
                )
    return found


def report(found: Findings) -> Iterator[str]:
    yield f"files {found.files}, bodies {dict(found.bodies)}, objects taken {found.taken}, refused {found.refused}"
    yield f"examining took {found.seconds:.2f} s of CPU, {found.taken / max(found.seconds, 1e-9):,.0f} objects/s"
    for title, groups in (
        ("Bodies refused", found.bodies_refused),
        ("Refused by both", found.agreed),
        ("Refused by us, accepted by stix2-validator", found.ours),
        ("Accepted by us, refused by stix2-validator", found.theirs),
    ):
        yield f"\n## {title}: {sum(map(len, groups.values()))}"
        for text, places in sorted(groups.items(), key=lambda entry: -len(entry[1])):
            yield f"{len(places):5} {text}"
            yield f"      {places[0]}"
    conflicts = {key: by for key, by in found.versions.items() if len(by) > 1}
    yield f"\n## Other content under the same id and version: {len(conflicts)}"
    for (stix_id, _), by in sorted(conflicts.items()):
        yield f"{stix_id}: " + " | ".join(places[0].split(" ")[0] for places in by.values())
    yield f"\n## Crashes: {len(found.crashes)}"
    yield from found.crashes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args()
    found = run(chosen.folder)
    text = "\n".join(report(found)) + "\n"
    if chosen.report is not None:
        chosen.report.write_text(text)
    sys.stdout.write(text)
    return 1 if found.crashes else 0


if __name__ == "__main__":
    sys.exit(main())
