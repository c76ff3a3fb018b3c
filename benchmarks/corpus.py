"""The data that every measured server holds: valid STIX 2.1, the same on every machine.

1. Object number i is the same in every run and in every size of store: it depends on i and the seed alone.
2. Sizes run from 0.7 to 2 kB as compact JSON; the mix is what a national CERT exchanges: mostly
   indicators, with malware, infrastructure, notes and the relationships between them.
3. A relationship or note refers only to objects of lower number, and never to one that is marked to
   be withdrawn, so that withdrawing a tenth does not take dependants along.
4. Every tenth object carries the label `withdrawn-later` and is taken back after filling; it is an indicator that nothing refers to.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

SEED: Final = 20130617
TLP_GREEN: Final = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
TLP_CLEAR: Final = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
WITHDRAWN_LABEL: Final = "withdrawn-later"
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_NAMESPACE: Final = uuid.UUID("5c1f2f0e-3d51-4a53-9a0e-0f5b6d1c7a11")
_PROSE: Final = (
    "loader beacon implant dropper campaign observed credential access spear phishing lateral movement "
    "command control server hosting provider certificate reused exfiltration staging archive scheduled "
    "task persistence registry service energy sector ministry telecom operator remote desktop tunnel "
    "proxy fast flux domain generated algorithm encrypted payload sandbox evasion signed binary analyst "
    "confirmed partner report incident response containment sinkhole takedown netflow sensor retrospective"
)
_WORDS: Final = tuple(_PROSE.split())


def identity(name: str) -> dict[str, Any]:
    """An organisation that publishes; its id depends on the name alone."""
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": f"identity--{_stable(f'identity {name}')}",
        "created": _instant(-1),
        "modified": _instant(-1),
        "name": name,
        "identity_class": "organization",
        "object_marking_refs": [TLP_CLEAR],
    }


def objects(count: int, *, creator: str, series: str = "store") -> Iterator[dict[str, Any]]:
    """Yield objects 0 to `count` - 1 of a series; other series have other ids and the same shapes."""
    for number in range(count):
        yield _object(number, creator, series)


def object_id(number: int, series: str = "store") -> str:
    """The id of object `number`: its type follows from the number alone."""
    return f"{_type_of(number)}--{_stable(f'{series} {number}')}"


def withdrawn(number: int) -> bool:
    """Whether object `number` carries the label by which the benchmark's policy takes it back."""
    return number % 10 == 3


def envelope(items: list[dict[str, Any]]) -> bytes:
    """A TAXII envelope as a partner would post it."""
    return json.dumps({"objects": items}, separators=(",", ":")).encode()


def _type_of(number: int) -> str:
    match number % 20:
        case 7 | 17:
            return "relationship"
        case 5:
            return "malware"
        case 11:
            return "infrastructure"
        case 19:
            return "note"
        case _:
            return "indicator"


def _object(number: int, creator: str, series: str) -> dict[str, Any]:
    rng = random.Random(f"{SEED} {series} {number}")  # repeatable data, no secret
    kind = _type_of(number)
    item: dict[str, Any] = {
        "type": kind,
        "spec_version": "2.1",
        "id": object_id(number, series),
        "created_by_ref": creator,
        "created": _instant(number),
        "modified": _instant(number),
        "confidence": rng.randrange(40, 100),
        "object_marking_refs": [TLP_GREEN if rng.random() < 0.7 else TLP_CLEAR],
        "labels": [f"case-{rng.randrange(500):03d}", "benchmark"],
        "external_references": [
            {
                "source_name": "cert-report",
                "external_id": f"CR-2026-{number:06d}",
                "description": _prose(rng, 3, 9),
            }
        ],
    }
    if withdrawn(number):
        item["labels"].append(WITHDRAWN_LABEL)
    {
        "indicator": _indicator,
        "malware": _malware,
        "infrastructure": _infrastructure,
        "note": _note,
        "relationship": _relationship,
    }[kind](item, number, series, rng)
    return item


def _indicator(item: dict[str, Any], number: int, series: str, rng: random.Random) -> None:
    item |= {
        "name": f"Indicator {number}: {_prose(rng, 3, 7)}",
        "description": _prose(rng, 3, 95),
        "indicator_types": ["malicious-activity"],
        "pattern": _pattern(rng),
        "pattern_type": "stix",
        "valid_from": _instant(number),
        "kill_chain_phases": [
            {"kill_chain_name": "lockheed-martin-cyber-kill-chain", "phase_name": "delivery"}
        ],
    }


def _malware(item: dict[str, Any], number: int, series: str, rng: random.Random) -> None:
    item |= {
        "name": f"Family {number} {rng.choice(_WORDS)}",
        "description": _prose(rng, 30, 140),
        "malware_types": ["remote-access-trojan"],
        "is_family": True,
        "aliases": [f"{rng.choice(_WORDS)}-{rng.randrange(1000)}" for _ in range(3)],
        "capabilities": ["exfiltrates-data", "communicates-with-c2"],
    }


def _infrastructure(item: dict[str, Any], number: int, series: str, rng: random.Random) -> None:
    item |= {
        "name": f"Server cluster {number}",
        "description": _prose(rng, 30, 140),
        "infrastructure_types": ["command-and-control"],
        "first_seen": _instant(number),
    }


def _note(item: dict[str, Any], number: int, series: str, rng: random.Random) -> None:
    item |= {
        "abstract": _prose(rng, 4, 9),
        "content": _prose(rng, 30, 140),
        "authors": ["Duty analyst"],
        "object_refs": [object_id(_earlier(number, rng), series) for _ in range(2)],
    }


def _relationship(item: dict[str, Any], number: int, series: str, rng: random.Random) -> None:
    # Of the twenty objects 20k .. 20k+19: an indicator (20k) indicates the malware (20k+5).
    block = number - number % 20
    item |= {
        "relationship_type": "indicates",
        "source_ref": object_id(block + rng.choice((0, 1, 2, 4, 6)), series),
        "target_ref": object_id(block + 5, series),
        "description": _prose(rng, 10, 120),
        "start_time": _instant(number),
    }


def _earlier(number: int, rng: random.Random) -> int:
    while True:
        chosen = rng.randrange(max(number - 400, 0), number)
        if not withdrawn(chosen):
            return chosen


def _pattern(rng: random.Random) -> str:
    match rng.randrange(3):
        case 0:
            return f"[file:hashes.'SHA-256' = '{rng.getrandbits(256):064x}']"
        case 1:
            return (
                f"[domain-name:value = '{rng.choice(_WORDS)}-{rng.getrandbits(40):010x}.example' "
                f"OR url:value = 'http://{rng.choice(_WORDS)}.example/{rng.getrandbits(48):012x}']"
            )
        case _:
            return f"[ipv4-addr:value = '198.{rng.randrange(18, 20)}.{rng.randrange(256)}.{rng.randrange(256)}']"


def _prose(rng: random.Random, least: int, most: int) -> str:
    return " ".join(rng.choices(_WORDS, k=rng.randrange(least, most)))


def _instant(number: int) -> str:
    at = _START + timedelta(seconds=number * 7, milliseconds=number % 1000)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _stable(name: str) -> str:
    # UUIDs of version 4 form: STIX asks for version 4 in ids of SDOs, and these must not change.
    return str(uuid.UUID(bytes=uuid.uuid5(_NAMESPACE, name).bytes, version=4))
