"""The exchange that the soak test runs: two audiences, a partner that posts, policies with two editions.

`python tests/soak/exchange.py HOME NUMBER SECONDS` is one of its writers: a process of its own that publishes, brings
new versions and late old ones, withdraws, posts as a partner and edits policies, and prints what it did as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cert_exchange.errors import CertExchangeError
from cert_exchange.node import Node, open_node
from cert_exchange.services import collections as collection_service
from cert_exchange.services import partners, policies, publishing, releasing

COLLECTION = "soak"
COLLECTION_ID = "6d3c0b6e-90c3-4a55-8a52-6c9e0f7f2d01"
FEEDER = "feeder"
FEEDER_IDENTITY = "identity--b1a7a6d2-1f0e-4f0a-9a52-3d2c1f6e7a90"
AUDIENCES = ("north", "south")
CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
EDIT_SECONDS = 8
"""Between two policy edits; each takes a fifth of an audience's objects back, or releases them again."""
START = datetime(2026, 1, 1, tzinfo=UTC)


def policy(audience: str, *, narrow: bool) -> str:
    """The narrow edition withdraws what is labelled for this audience; the open one lets it back."""
    taken = f"""
  - name: reviewed
    match: {{labels: [review-{audience}], origin: any}}
    deny: true
    withdraw: true
    reason: Under review.
"""
    return f"""
name: {audience}
partners: [reader-{audience}]
collections: [{COLLECTION}]
ceiling: {{tlp: green}}
rules:
  - name: everything
    match: {{type: [indicator, relationship, identity], origin: any}}
    allow: true
{taken if narrow else ""}"""


def set_up(node: Node) -> dict[str, str]:
    """Partners, collection and policies; returns partner -> `id.secret`."""
    secrets = {}
    publishing.seed(node)
    for name in (*(f"reader-{audience}" for audience in AUDIENCES), FEEDER):
        partners.add(
            node, name, title=name,
            speaks_for=[FEEDER_IDENTITY] if name == FEEDER else [], relays=[],
            requests_per_minute=1_000_000,
        )  # fmt: skip
        secrets[name] = partners.issue(node, name, lifetime=timedelta(days=1)).token
    folder = node.settings.path(node.settings.collections_directory)
    readers = ", ".join(f"reader-{audience}" for audience in AUDIENCES)
    (folder / "soak.yaml").write_text(
        f"id: {COLLECTION_ID}\ntitle: Soak\nalias: {COLLECTION}\nread: [{readers}]\nwrite: [{FEEDER}]\n"
    )
    collection_service.load_collections(node, folder)
    for audience in AUDIENCES:
        apply(node, audience, narrow=False)
    return secrets


def apply(node: Node, audience: str, *, narrow: bool) -> None:
    policies.apply(
        node, policy(audience, narrow=narrow), file=f"{audience}.yaml", author="soak", reason="soak"
    )


@dataclass
class Thing:
    """One object of a writer: its id and which of its versions are out."""

    id: str
    label: str
    source: str | None = None
    out: list[int] = field(default_factory=list)
    withdrawn: bool = False

    def content(self, version: int, creator: str) -> dict[str, Any]:
        created = _instant(0)
        item: dict[str, Any] = {
            "spec_version": "2.1",
            "id": self.id,
            "created_by_ref": creator,
            "created": created,
            "modified": _instant(version),
            "labels": [self.label, f"edition-{version}"],
            "object_marking_refs": [CLEAR],
        }
        if self.source is not None:
            return item | {
                "type": "relationship",
                "relationship_type": "related-to",
                "source_ref": self.source,
                "target_ref": self.source,
            }
        return item | {
            "type": "indicator",
            "name": f"version {version}",
            "pattern": f"[domain-name:value = '{self.id[-12:]}.example']",
            "pattern_type": "stix",
            "valid_from": created,
        }


class Writer:
    """One writer; it touches only ids of its own, and the heads that all share."""

    def __init__(self, node: Node, number: int) -> None:
        self.node = node
        self.number = number
        self.rng = random.Random(number)
        self.own: list[Thing] = []
        self.posted: list[Thing] = []
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []
        with node.database.reading() as tx:
            from cert_exchange.store import collections
            from cert_exchange.store import partners as partner_rows

            row = collections.find_collection(tx, COLLECTION)
            feeder = partner_rows.find_partner(tx, FEEDER)
        assert row is not None
        assert feeder is not None
        self.collection, self.feeder = row.id, feeder.id

    def run(self, seconds: float) -> dict[str, Any]:
        began = time.monotonic()
        edited = began
        turn = 0
        while time.monotonic() - began < seconds:
            name = self.rng.choices(
                ("publish", "relate", "version", "late", "withdraw", "repost", "post"),
                (40, 8, 17, 8, 9, 4, 14),
            )[0]
            if self.number == 0 and time.monotonic() - edited > EDIT_SECONDS:
                name = "policy"
            try:
                if getattr(self, f"_{name}")(turn):
                    self.done[name] += 1
            except CertExchangeError as error:
                self.failures.append(
                    f"{name}: {type(error).__name__}: {error} {getattr(error, 'detail', '')}"
                )
            if name == "policy":
                edited = time.monotonic()
            turn += 1
        return {
            "done": dict(self.done),
            "failures": self.failures,
            "seconds": time.monotonic() - began,
        }

    def _label(self) -> str:
        return self.rng.choice(("plain", "plain", "plain", "review-north", "review-south"))

    def _send(self, thing: Thing, version: int) -> bool:
        body = json.dumps({"objects": [thing.content(version, self.node.settings.identity or "")]})
        report = publishing.publish(self.node, body.encode(), collection=COLLECTION, by="soak")
        [outcome] = report.outcomes
        if outcome.result not in {"accepted", "duplicate"}:
            self.failures.append(f"{thing.id} {version}: {outcome.result} {outcome.message}")
        if version not in thing.out:
            thing.out.append(version)
        return True

    def _publish(self, turn: int) -> bool:
        # The first version out is a late one's successor: 10, 20, ...; between them there is room.
        thing = Thing(f"indicator--{self._uuid()}", self._label())
        self.own.append(thing)
        return self._send(thing, 10)

    def _relate(self, turn: int) -> bool:
        source = self._any(self.own)
        if source is None or source.source is not None:
            return False
        thing = Thing(f"relationship--{self._uuid()}", self._label(), source=source.id)
        self.own.append(thing)
        return self._send(thing, 10)

    def _version(self, turn: int) -> bool:
        thing = self._any(self.own)
        return thing is not None and not thing.withdrawn and self._send(thing, max(thing.out) + 10)

    def _late(self, turn: int) -> bool:
        """An old version that arrives after a newer one."""
        thing = self._any(self.own)
        if thing is None or thing.withdrawn:
            return False
        old = max(thing.out) - self.rng.randrange(1, 10)
        # `modified` never lies before `created` (STIX 2.1 3.2), which is instant 0.
        return old >= 0 and old not in thing.out and self._send(thing, old)

    def _withdraw(self, turn: int) -> bool:
        thing = self._any(self.own)
        if thing is None or thing.withdrawn:
            return False
        one = self.rng.random() < 0.5 and len(thing.out) > 1
        version = _instant(max(thing.out)) if one else None
        releasing.withdraw(self.node, thing.id, by="soak", reason="soak", version=version)
        if one:
            thing.out.remove(max(thing.out))
        else:
            thing.withdrawn = True
        return True

    def _repost(self, turn: int) -> bool:
        """Who withdrew may publish again: a new line."""
        thing = next((one for one in reversed(self.own[-50:]) if one.withdrawn), None)
        if thing is None:
            return False
        thing.withdrawn = False
        return self._send(thing, max(thing.out))

    def _post(self, turn: int) -> bool:
        thing = Thing(f"indicator--{self._uuid()}", self._label())
        body = json.dumps({"objects": [thing.content(10, FEEDER_IDENTITY)]}).encode()
        answer = publishing.receive(
            self.node, body, partner=self.feeder, collection=self.collection
        )
        if not answer.outcomes[0].success:
            self.failures.append(f"post {thing.id}: {answer.outcomes[0].message}")
        return True

    def _policy(self, turn: int) -> bool:
        edits = self.done["policy"]
        apply(self.node, AUDIENCES[edits % 2], narrow=edits % 4 < 2)
        return True

    def _any(self, things: list[Thing]) -> Any:
        return self.rng.choice(things) if things else None

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))


def _instant(version: int) -> str:
    at = START + timedelta(seconds=version)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main() -> None:
    home, number, seconds = sys.argv[1:]
    node = open_node(Path(home))
    try:
        json.dump(Writer(node, int(number)).run(float(seconds)), sys.stdout)
    finally:
        node.close()


if __name__ == "__main__":
    main()
