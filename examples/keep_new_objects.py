"""Keep what a partner shares with us: every readable collection, one JSON object a line, each object once.

    python examples/keep_new_objects.py https://cert-a.example/api/ --credential credential.txt --into received

Run it from a timer. The bookmark is written after the objects are safely on disk: killed in between, a page comes again,
and what is there already is not written twice. Ends with 1 where a collection could not be read to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cert_exchange.client import Client, Collection
from cert_exchange.errors import CertExchangeError


def main() -> int:
    """Poll all collections once."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("url", help="the API root, such as https://cert-a.example/api/")
    arguments.add_argument("--credential", type=Path, required=True, help="a file that holds it")
    arguments.add_argument(
        "--ca", type=Path, help="the authority that signed the server's certificate"
    )
    arguments.add_argument("--into", type=Path, required=True, help="the folder to keep things in")
    said = arguments.parse_args()
    said.into.mkdir(parents=True, exist_ok=True)
    failed = 0
    try:
        with Client(said.url, credential=said.credential, ca=said.ca) as client:
            for collection in client.collections():
                if collection.can_read:
                    failed += not keep(client, collection, said.into)
    except CertExchangeError as error:
        print(error.public, file=sys.stderr)
        return 1
    return 1 if failed else 0


def keep(client: Client, collection: Collection, folder: Path) -> bool:
    """Append what is new of a collection; whether all of it came."""
    name = collection.alias or collection.id
    objects, bookmark = folder / f"{collection.id}.jsonl", folder / f"{collection.id}.bookmark"
    since = bookmark.read_text().strip() if bookmark.exists() else None
    known = (
        {key_of(json.loads(line)) for line in objects.open(encoding="utf-8")}
        if objects.exists()
        else set()
    )
    new = 0
    try:
        for page in client.poll(collection.id, since=since):
            fresh = [one for one in page.objects if key_of(one) not in known]
            with objects.open("a", encoding="utf-8") as file:
                for one in fresh:
                    file.write(json.dumps(one, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            known.update(map(key_of, fresh))
            new += len(fresh)
            if page.cursor is not None:
                bookmark.write_text(page.cursor)
    except CertExchangeError as error:
        print(f"{name}: {new} new objects, and then: {error.public}", file=sys.stderr)
        return False
    print(
        f"{name}: {new} new objects, up to {bookmark.read_text() if bookmark.exists() else 'nowhere yet'}"
    )
    return True


def key_of(content: Mapping[str, Any]) -> tuple[str, str]:
    """What makes an object version one: cyber-observables have no `modified`."""
    return content.get("id", ""), content.get("modified", json.dumps(content, sort_keys=True))


if __name__ == "__main__":
    sys.exit(main())
