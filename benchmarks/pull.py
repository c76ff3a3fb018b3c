"""A full pull by the stock taxii2-client, as a partner's script would do it.

`python -m benchmarks.pull URL ID SECRET`: prints JSON with the wall time, the time until each answer's
head was there (the server's part), and the client's own processor time.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from taxii2client.v21 import Collection, as_pages


def main() -> None:
    """Pull everything in pages of 1,000."""
    url, user, secret = sys.argv[1:]
    waited = 0.0

    def note(answer: Any, *_arguments: Any, **_more: Any) -> None:
        nonlocal waited
        waited += answer.elapsed.total_seconds()

    collection = Collection(url, user=user, password=secret)
    collection._conn.session.hooks["response"].append(note)  # noqa: SLF001  # the client offers no other way
    objects, pages = 0, 0
    began, cpu = time.perf_counter(), time.process_time()
    for page in as_pages(collection.get_objects, per_request=1000):
        objects += len(page.get("objects", []))
        pages += 1
    wall = time.perf_counter() - began
    json.dump(
        {
            "objects": objects,
            "pages": pages,
            "wall": wall,
            "waited": waited,
            "client_cpu": time.process_time() - cpu,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
