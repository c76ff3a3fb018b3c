"""Push STIX 2.1 objects to a partner's collection: from a sensor, a sandbox or a script of ours.

    python examples/push_objects.py https://cert-a.example/api/ from-b bundle.json more.jsonl --credential credential.txt

Files hold a bundle, an envelope, a list, one object, or one object a line. The same objects again change nothing at the
other side. Ends with 1 where an object was refused, and says which and why; the others are there all the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cert_exchange.client import Client
from cert_exchange.errors import CertExchangeError


def main() -> int:
    """Push all files."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("url", help="the API root, such as https://cert-a.example/api/")
    arguments.add_argument("collection", help="its id or alias")
    arguments.add_argument("files", type=Path, nargs="+")
    arguments.add_argument("--credential", type=Path, required=True, help="a file that holds it")
    arguments.add_argument(
        "--ca", type=Path, help="the authority that signed the server's certificate"
    )
    said = arguments.parse_args()
    try:
        objects = [one for file in said.files for one in objects_in(file)]
        with Client(said.url, credential=said.credential, ca=said.ca) as client:
            pushed = client.push(said.collection, objects)
    except (CertExchangeError, OSError, ValueError) as error:
        print(getattr(error, "public", error), file=sys.stderr)
        return 1
    print(
        f"{pushed.sent} sent, {pushed.accepted} accepted, {len(pushed.refused)} refused, {pushed.pending} pending"
    )
    for one in pushed.refused:
        print(f"{one.id}: {one.message}", file=sys.stderr)
    if pushed.pending:
        print(f"ask later for: {' '.join(pushed.status_ids)}", file=sys.stderr)
    return 1 if pushed.refused or pushed.pending else 0


def objects_in(file: Path) -> Iterator[dict[str, Any]]:
    """The STIX objects of a file."""
    text = file.read_text(encoding="utf-8-sig")
    try:
        found = json.loads(text)
    except ValueError:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(found, dict):
        found = found["objects"] if isinstance(found.get("objects"), list) else [found]
    yield from found


if __name__ == "__main__":
    sys.exit(main())
