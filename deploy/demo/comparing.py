"""Figures of a node, and whether two sides and a foreign client agree about one view."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from nodes import DemoNode
from partner_client import Key, digests, keys


@dataclass(frozen=True)
class Figures:
    """What a node publishes, shows, holds back and receives, by collection; what it withholds, by rule."""

    rows: list[list[Any]]
    withheld: list[list[Any]]


@dataclass(frozen=True)
class Comparison:
    """Three answers about one view, compared."""

    polled: set[Key]
    as_exported: bool
    held: int
    difference: str


def figures(node: DemoNode, other: DemoNode) -> Figures:
    """Ask a node about itself."""
    status = node.ask("status")
    views = {view["collection"]: view for view in status["views"]}
    rows: list[list[Any]] = []
    for found in status["collections"]:
        name = found["collection"]
        view = views.get(name, {})
        moved = {
            channel["direction"]: channel["counters"].get("total", {})
            for channel in status["channels"]
            if channel["collection"] == name
        }
        rows.append(
            [
                node.name,
                name,
                found["own"],
                view.get("visible", 0),
                view.get("held", 0),
                sum(reader["fetched"] for reader in view.get("readers", [])),
                moved.get("push", {}).get("confirmed", 0),
                moved.get("pull", {}).get("accepted", 0),
                found["received"],
            ]
        )
    withheld = [
        [
            node.name,
            row["collection"],
            other.name,
            row["versions"],
            row["answer"],
            row["rule"],
            row["reason"],
        ]
        for row in node.ask("policy", "withheld", other.name)
    ]
    return Figures(rows, withheld)


def compare(a: DemoNode, b: DemoNode, alias: str, polled: list[dict[str, Any]]) -> Comparison:
    """Compare what a foreign client polled as B with A's export of that view and with what B's node holds."""
    exported = json.loads(a.cli("export", f"{b.name}/{alias}", "-")).get("objects", [])
    held = b.ask(
        "search", "--from", a.name, "--collection", alias, "--all-versions", "--limit", "100000"
    )  # fmt: skip
    holds = {(hit["id"], hit["version"]) for hit in held}
    # A cyber-observable has no version of its own: only its id is compared.
    missing = {
        key for key in keys(item for item in polled if "created" in item) if key not in holds
    }
    missing |= {(item["id"], "") for item in polled} - {(stix_id, "") for stix_id, _ in holds}
    surplus = {hit["id"] for hit in held} - {item["id"] for item in polled}
    return Comparison(
        polled=keys(polled),
        as_exported=digests(polled) == digests(exported) and len(polled) == len(exported),
        held=len(holds),
        difference=f"; {len(missing)} missing, {len(surplus)} too many"
        if missing or surplus
        else "",
    )
