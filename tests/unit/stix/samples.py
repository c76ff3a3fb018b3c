"""Where the samples lie, and one valid object of the kinds that tests change."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[2] / "samples"


def read(path: Path) -> bytes:
    """The file's bytes, decompressed when its name ends in .gz."""
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def indicator(**changes: Any) -> dict[str, Any]:
    """A valid indicator; a change of None takes the property away."""
    made: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": "indicator--f2a0f638-a65b-4283-9c34-4e6140f51e15",
        "created": "2024-05-06T07:08:09.123Z",
        "modified": "2024-05-06T07:08:09.123Z",
        "name": "Beacon",
        "pattern": "[domain-name:value = 'c2.example']",
        "pattern_type": "stix",
        "valid_from": "2024-05-06T07:08:09Z",
    }
    for name, value in changes.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = value
    return made


ADDRESS: dict[str, Any] = {
    "type": "ipv4-addr",
    "id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db",
    "value": "198.51.100.7",
}
