"""A plain TAXII client of one collection: it polls on from its last date, and asks again when something went wrong."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, select
from tests.chaos.sides import Side
from tests.scenes import uid

from cert_exchange.store.tables import identifiers, objects, release_log

MEDIA = "application/taxii+json;version=2.1"
PARTNER = "c"


@dataclass
class Watcher:
    """It speaks through the same proxy as the nodes do."""

    side: Side
    collection: str
    token: str
    context: ssl.SSLContext
    got: Counter[tuple[str, str]] = field(default_factory=Counter)
    holds: dict[str, str] = field(default_factory=dict)
    _after: str | None = None

    def poll(self) -> bool:
        """Poll until nothing more comes; False when a page did not come whole, and the next poll asks for it again."""
        more = True
        while more:
            try:
                page, last = self._page()
            except (OSError, HTTPException, ValueError):
                return False
            for one in page.get("objects", []):
                self.got[one["id"], one.get("modified") or one.get("created") or ""] += 1
                self.holds[one["id"]] = json.dumps(one, sort_keys=True)
            self._after = last or self._after
            more = bool(page.get("more")) and last is not None
        return True

    def _page(self) -> tuple[dict[str, Any], str | None]:
        query = {"limit": "4", **({"added_after": self._after} if self._after else {})}
        path = (
            f"/api/collections/{uid('collection ' + self.collection)}/objects/?{urlencode(query)}"
        )
        with contextlib.closing(
            HTTPSConnection("localhost", self.side.link.port, context=self.context, timeout=3)
        ) as connection:
            connection.request(
                "GET", path, headers={"Accept": MEDIA, "Authorization": f"Bearer {self.token}"}
            )
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise ValueError(answer.status)
            return json.loads(body), answer.headers.get("X-TAXII-Date-Added-Last")

    def judge(self, lost: list[str], repeated: list[str]) -> None:
        """Once all is at rest: each line came once, and what is in force is held."""
        side = self.side
        where = f"the client of {side.name}.{self.collection}"
        lines = self._lines()
        if not side.rewound:
            for key, count in self.got.items():
                if count > lines.get(key, 0):
                    repeated.append(
                        f"{where} got {key[0]} {key[1]} {count} times, of {lines.get(key, 0)} lines"
                    )
        lost += [
            f"{where} lacks {one['id']} {one.get('modified', '')}"
            for one in side.scene.sees(PARTNER, self.collection)
            if self.holds.get(one["id"]) != json.dumps(one, sort_keys=True)
            and not (side.rewound and self._passed(one))
        ]

    def _passed(self, shown: dict[str, Any]) -> bool:
        """Whether it was taken back between backup and restore, or changed: then the client may have gone on beyond it."""
        version = str(shown.get("modified", ""))
        newer = json.loads(self.holds.get(shown["id"], "{}")).get("modified", "") > version
        place = PARTNER, self.collection, shown["id"], version
        return newer or place in self.side.taken_back

    def _lines(self) -> dict[tuple[str, str], int]:
        with self.side.node.database.reading() as tx:
            rows = tx.execute(
                select(identifiers.c.stix_id, objects.c.version, func.count())
                .select_from(release_log)
                .join(objects, objects.c.id == release_log.c.object)
                .join(identifiers, identifiers.c.num == objects.c.ident)
                .where(
                    release_log.c.view == self.side.scene.view(PARTNER, self.collection),
                    release_log.c.kind != "withdrawal",
                )
                .group_by(identifiers.c.stix_id, objects.c.version)
            )
            return {(one[0], one[1]): one[2] for one in rows}
