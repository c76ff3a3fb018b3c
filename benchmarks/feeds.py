"""How long a feed takes: made for the first time, asked for again, after a line that changes nothing of it, after a withdrawal.

`OBJECTS=100000 python -m benchmarks.feeds`. Processor seconds of this process, since wall time here is the machine's load;
SQLite in memory where the machine has room. The last line is the peak of memory in MB.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node, make_home, open_node
from cert_exchange.services import collections, feeding, ledger, publishing, releasing
from cert_exchange.services.feeding import Format, Shelf, choose

GREEN: Final = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
IDENTITY: Final = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
COLLECTION: Final = (
    "id: 1fb3569d-497f-48ac-a1b9-50c29e9c31ee\ntitle: i\nalias: i\nread: []\nwrite: []\n"
)
FORMATS: Final = (Format.LIST, Format.RPZ, Format.SURICATA, Format.STIX)
PART: Final = 5_000
AT: Final = "2026-01-01T00:00:00.000Z"


def indicators(count: int) -> Iterator[dict[str, Any]]:
    """Names and addresses, two to one."""
    for number in range(count):
        name = f"h{number}.evil{number % 97}.example"
        address = f"{20 + number % 100}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        pattern = (
            f"[domain-name:value = '{name}']" if number % 3 else f"[ipv4-addr:value = '{address}']"
        )
        yield {
            "type": "indicator", "spec_version": "2.1", "id": f"indicator--{uuid.uuid4()}", "created": AT, "modified": AT,
            "created_by_ref": IDENTITY, "name": f"n{number}", "pattern": pattern, "pattern_type": "stix", "valid_from": AT,
            "confidence": 50, "object_marking_refs": [GREEN],
        }  # fmt: skip


def fill(node: Node, count: int) -> list[str]:
    """Publish so many, and add a feed in each format; the ids of some of the indicators."""
    publishing.seed(node)
    folder = node.settings.home / "collections"
    (folder / "i.yaml").write_text(COLLECTION)
    collections.load_collections(node, folder)
    made = list(indicators(count))
    for start in range(0, count, PART):
        body = json.dumps({"objects": made[start : start + PART]}).encode()
        publishing.publish(node, body, collection="i", by="benchmark")
    for form in FORMATS:
        feeding.add(node, str(form), choose(form), by="benchmark")
    return [str(one["id"]) for one in made[: len(FORMATS)]]


def measured(shelf: Shelf, form: Format) -> str:
    """Processor milliseconds of one answer."""
    begun = time.process_time()
    served = shelf.serve(str(form))
    took = (time.process_time() - begun) * 1_000
    assert served.body is not None
    return f"{took:>9.1f} ms"


def main() -> None:
    """Measure, and print a row for each format."""
    count = int(os.environ.get("OBJECTS", "100000"))
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        node = open_node(make_home(Path(folder) / "home", identity=IDENTITY, title="A"))
        some = fill(node, count)
        print(f"{count:,} indicators; processor time of one answer")
        print("format        first time   not changed    other line    withdrawal")
        for form in FORMATS:
            shelf = Shelf(node)
            row = [measured(shelf, form), measured(shelf, form)]
            line = Line("benchmark", node.now(), "benchmark")
            node.database.transact(lambda tx, line=line: ledger.record(tx, line))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            row.append(measured(shelf, form))
            releasing.withdraw(node, some.pop(), by="benchmark", reason="benchmark")
            row.append(measured(shelf, form))
            print(f"{form:<10} {'  '.join(row)}")
        node.close()
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
