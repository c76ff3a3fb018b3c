"""A node with partners, collections and policies, and words to say what happens to it.

Used by tests of services and invariants; everything goes through the services that the faces use.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import select
from tests import staging

from cert_exchange.node import Node
from cert_exchange.services import collections, partners, policies, publishing
from cert_exchange.services.partners import Caller
from cert_exchange.services.publishing import Outcome
from cert_exchange.store.tables import (
    audience_members,
    identifiers,
    live,
    release_log,
    renditions,
    views,
)
from cert_exchange.store.tables import (
    collections as collection_table,
)
from cert_exchange.store.tables import (
    partners as partner_table,
)

OWN_IDENTITY = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
B_IDENTITY = "identity--b0000000-0000-4000-8000-00000000000b"
C_IDENTITY = "identity--c0000000-0000-4000-8000-00000000000c"
THIRD_IDENTITY = "identity--d0000000-0000-4000-8000-00000000000d"
TLP = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}

ALLOW_ALL = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - name: all of ours
    match: {{origin: own}}
    allow: true
"""


def uid(name: str) -> str:
    """A UUID of version 4's form for a test's name of an object."""
    text = str(uuid5(NAMESPACE_URL, name))
    return text[:14] + "4" + text[15:]


def at(second: int) -> str:
    """A STIX timestamp that many seconds after the start of 2026."""
    minutes, seconds = divmod(second, 60)
    return f"2026-01-01T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.000Z"


def indicator(
    name: str,
    *,
    version: int = 0,
    tlp: str | None = "green",
    by: str | None = OWN_IDENTITY,
    **more: Any,
) -> dict[str, Any]:
    """A valid indicator; `version` counts its changes."""
    made: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uid(name)}",
        "created": at(0),
        "modified": at(version),
        "name": name,
        "pattern": "[ipv4-addr:value = '198.51.100.7']",
        "pattern_type": "stix",
        "valid_from": at(0),
    }
    return _marked(made, tlp, by, more)


def malware(
    name: str,
    *,
    version: int = 0,
    tlp: str | None = "green",
    by: str | None = OWN_IDENTITY,
    **more: Any,
) -> dict[str, Any]:
    made = {
        "type": "malware", "spec_version": "2.1", "id": f"malware--{uid(name)}", "created": at(0),
        "modified": at(version), "name": name, "is_family": False,
    }  # fmt: skip
    return _marked(made, tlp, by, more)


def relationship(
    source: Mapping[str, Any],
    target: Mapping[str, Any],
    *,
    name: str = "",
    version: int = 0,
    tlp: str | None = "green",
    by: str | None = OWN_IDENTITY,
    **more: Any,
) -> dict[str, Any]:
    made = {
        "type": "relationship", "spec_version": "2.1",
        "id": f"relationship--{uid(name or source['id'] + target['id'])}",
        "created": at(0), "modified": at(version), "relationship_type": "related-to",
        "source_ref": source["id"], "target_ref": target["id"],
    }  # fmt: skip
    return _marked(made, tlp, by, more)


def report(
    name: str,
    refs: Sequence[str],
    *,
    version: int = 0,
    tlp: str | None = "green",
    by: str | None = OWN_IDENTITY,
    **more: Any,
) -> dict[str, Any]:
    made = {
        "type": "report", "spec_version": "2.1", "id": f"report--{uid(name)}", "created": at(0),
        "modified": at(version), "name": name, "published": at(0), "object_refs": list(refs),
    }  # fmt: skip
    return _marked(made, tlp, by, more)


def note(
    name: str,
    refs: Sequence[str],
    *,
    version: int = 0,
    tlp: str | None = "green",
    by: str | None = OWN_IDENTITY,
    **more: Any,
) -> dict[str, Any]:
    made = {
        "type": "note", "spec_version": "2.1", "id": f"note--{uid(name)}", "created": at(0),
        "modified": at(version), "content": name, "object_refs": list(refs),
    }  # fmt: skip
    return _marked(made, tlp, by, more)


def identity(
    stix_id: str,
    name: str,
    *,
    version: int = 0,
    tlp: str | None = None,
    by: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    made = {
        "type": "identity", "spec_version": "2.1", "id": stix_id, "created": at(0),
        "modified": at(version), "name": name, "identity_class": "organization",
    }  # fmt: skip
    return _marked(made, tlp, by, more)


def address(value: str, *, tlp: str | None = "green", **more: Any) -> dict[str, Any]:
    from cert_exchange.stix.observables import observable_id

    made: dict[str, Any] = {"type": "ipv4-addr", "spec_version": "2.1", "value": value}
    made["id"] = observable_id(made)
    return _marked(made, tlp, None, more)


def _marked(
    made: dict[str, Any], tlp: str | None, by: str | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    if by is not None:
        made["created_by_ref"] = by
    if tlp is not None:
        made["object_marking_refs"] = [TLP[tlp]]
    made.update(more)
    return made


def envelope(*objects: Mapping[str, Any]) -> bytes:
    return json.dumps({"objects": list(objects)}, ensure_ascii=False).encode("utf-8")


@dataclass
class Scene:
    """A node (CERT A) with partners `b` and `c` and collections `indicators` and `reports`."""

    node: Node
    numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def set_up(
        cls,
        node: Node,
        *,
        partners_named: Iterable[str] = ("b", "c"),
        policies_for: Iterable[str] = ("b", "c"),
    ) -> Scene:
        scene, names, ruled = cls(node), tuple(partners_named), tuple(policies_for)
        if not staging.lay(node, (names, ruled), lambda other: cls(other)._begin(names, ruled)):
            scene._begin(names, ruled)
        return scene

    def _begin(self, names: Sequence[str], ruled: Sequence[str]) -> None:
        node = self.node
        publishing.seed(node)
        identities = {"b": B_IDENTITY, "c": C_IDENTITY}
        for name in names:
            partners.add(
                node,
                name,
                title=f"CERT {name}",
                speaks_for=[identities.get(name, f"identity--{uid(name)}")],
            )
        directory = node.settings.home / "collections"
        directory.mkdir(exist_ok=True)
        for alias in ("indicators", "reports"):
            (directory / f"{alias}.yaml").write_text(
                f"id: {uid('collection ' + alias)}\ntitle: {alias}\nalias: {alias}\n"
                f"read: [{', '.join(names)}]\nwrite: [{', '.join(names)}]\n"
            )
        collections.load_collections(node, directory)
        for name in ruled:
            self.apply(name, ALLOW_ALL.format(partner=name))

    def apply(self, name: str, text: str) -> policies.Applied:
        return policies.apply(self.node, text, file=f"{name}.yaml", author="test")

    def publish(self, *objects: Mapping[str, Any], to: str = "indicators") -> tuple[Outcome, ...]:
        report_ = publishing.publish(self.node, envelope(*objects), collection=to, by="analyst")
        return report_.outcomes

    def post(
        self, partner: str, *objects: Mapping[str, Any], to: str = "indicators"
    ) -> tuple[Outcome, ...]:
        return self.posted(partner, *objects, to=to).outcomes

    def posted(
        self, partner: str, *objects: Mapping[str, Any], to: str = "indicators"
    ) -> publishing.Submission:
        return publishing.receive(
            self.node,
            envelope(*objects),
            partner=self.partner(partner),
            collection=self.collection(to),
        )

    def partner(self, name: str) -> int:
        with self.node.database.reading() as conn:
            return int(
                conn.execute(
                    select(partner_table.c.id).where(partner_table.c.name == name)
                ).scalar_one()
            )

    def collection(self, alias: str) -> int:
        with self.node.database.reading() as conn:
            statement = select(collection_table.c.id).where(collection_table.c.alias == alias)
            return int(conn.execute(statement).scalar_one())

    def caller(self, name: str) -> Caller:
        with self.node.database.reading() as conn:
            audience = conn.execute(
                select(audience_members.c.audience).where(
                    audience_members.c.partner == self.partner(name),
                    audience_members.c.until.is_(None),
                )
            ).scalar_one_or_none()
        return Caller(
            self.partner(name), name, audience, empty_objects_list=False, requests_per_minute=10_000
        )

    def view(self, partner: str, collection: str = "indicators") -> int:
        with self.node.database.reading() as conn:
            return int(
                conn.execute(
                    select(views.c.id).where(
                        views.c.audience == self.caller(partner).audience,
                        views.c.collection == self.collection(collection),
                    )
                ).scalar_one()
            )

    def sees(
        self, partner: str, collection: str = "indicators", *, last: bool = True
    ) -> list[dict[str, Any]]:
        """What a default client at rest holds: the live lines in order, parsed."""
        statement = (
            select(renditions.c.body)
            .join(live, live.c.rendition == renditions.c.id)
            .where(live.c.view == self.view(partner, collection))
            .order_by(live.c.position)
        )
        if last:
            statement = statement.where(live.c.is_last == 1)
        with self.node.database.reading() as conn:
            return [json.loads(body) for body in conn.execute(statement).scalars()]

    def ids(self, partner: str, collection: str = "indicators", *, last: bool = True) -> list[str]:
        return [one["id"] for one in self.sees(partner, collection, last=last)]

    def names(
        self, partner: str, collection: str = "indicators", *, last: bool = True
    ) -> list[str]:
        """Names (or contents, values) of what the partner sees, identities and markings aside."""
        return [
            one.get("name") or one.get("content") or one.get("value") or one["id"]
            for one in self.sees(partner, collection, last=last)
            if one["type"] not in ("identity", "marking-definition")
        ]

    def log(self, partner: str, collection: str = "indicators") -> list[tuple[int, str, str]]:
        """(position, kind, STIX id) of a view's log."""
        from cert_exchange.store.tables import objects

        with self.node.database.reading() as conn:
            rows = conn.execute(
                select(release_log.c.position, release_log.c.kind, identifiers.c.stix_id)
                .join(objects, objects.c.id == release_log.c.object)
                .join(identifiers, identifiers.c.num == objects.c.ident)
                .where(release_log.c.view == self.view(partner, collection))
                .order_by(release_log.c.position)
            )
            return [(row[0], row[1], row[2]) for row in rows]
