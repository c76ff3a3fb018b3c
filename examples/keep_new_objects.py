"""Keep what a partner shares with us: every readable collection, one JSON object a line, each object once.

    python examples/keep_new_objects.py https://cert-a.example/api/ --credential credential.txt --into received

Run it from a timer. The bookmark is written after the objects are safely on disk: killed in between, a page comes again,
and what is there already is not written twice. A line that a kill or a full disk left unfinished is cut off first. Ends
with 1 where a collection could not be read to its end.
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
    failed = 0
    try:
        said.into.mkdir(parents=True, exist_ok=True)
        with Client(said.url, credential=said.credential, ca=said.ca) as client:
            for collection in client.collections():
                if collection.can_read:
                    failed += not keep(client, collection, said.into)
    except (CertExchangeError, OSError) as error:
        print(getattr(error, "public", error), file=sys.stderr)
        return 1
    return 1 if failed else 0


def keep(client: Client, collection: Collection, folder: Path) -> bool:
    """Append what is new of a collection; whether all of it came."""
    name = collection.alias or collection.id
    objects, bookmark = folder / f"{collection.id}.jsonl", folder / f"{collection.id}.bookmark"
    new = 0
    try:
        since = (bookmark.read_text().strip() or None) if bookmark.exists() else None
        known = kept(objects)
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
                put(bookmark, page.cursor)
    except (CertExchangeError, OSError, ValueError) as error:
        why = getattr(error, "public", error)
        print(f"{name}: {new} new objects, and then: {why}", file=sys.stderr)
        return False
    print(
        f"{name}: {new} new objects, up to {bookmark.read_text() if bookmark.exists() else 'nowhere yet'}"
    )
    return True


def kept(objects: Path) -> set[tuple[str, str]]:
    """What is kept already. An unfinished last line goes: its page comes again, as the bookmark is written after it."""
    known: set[tuple[str, str]] = set()
    if not objects.exists():
        return known
    with objects.open("r+b") as file:
        whole = 0
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                file.truncate(whole)
                break
            try:
                known.add(key_of(json.loads(line)))
            except (ValueError, AttributeError) as error:
                raise ValueError(f"{objects}, line {number}, is no object; mend it") from error
            whole += len(line)
    return known


def put(file: Path, text: str) -> None:
    """Write a file in one step: who comes after a kill sees the old one or the whole new one."""
    fresh = file.with_name(file.name + ".new")
    with fresh.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)


def key_of(content: Mapping[str, Any]) -> tuple[str, str]:
    """What makes an object version one: cyber-observables have no `modified`."""
    return content.get("id", ""), content.get("modified", json.dumps(content, sort_keys=True))


if __name__ == "__main__":
    sys.exit(main())
