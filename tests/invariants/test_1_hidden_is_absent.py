"""Invariant 1: hidden and absent answer alike, in what is said, in how it is found, and in what a POST is told.

The answers are equal but for `error_id` and `Date`; the SQL statements are the same ones; and of two nodes that differ
only in what they hide from B, nothing that B sends and asks tells which is which.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, update
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    Scene,
    address,
    identity,
    indicator,
    malware,
    note,
    relationship,
    uid,
)
from tests.taxii.conftest import TAXII, serving

from cert_exchange.node import Node
from cert_exchange.services import collections, partners, releasing
from cert_exchange.store import statements as kept_statements
from cert_exchange.store.tables import partners as partner_rows

HIDDEN = {
    "red": indicator("red", tlp="red"),
    "of another": indicator("of c", by=C_IDENTITY),
    "withdrawn": indicator("withdrawn"),
    "of no rule": malware("no mark", tlp="amber+strict"),
    "observable": address("203.0.113.9", tlp="red"),
}
PATHS = ("objects/{id}/", "objects/{id}/versions/", "objects/?match[id]={id}", "manifest/?match[id]={id}",
         "objects/{id}/?match[version]=all", "objects/{id}/versions/?limit=1&added_after=2026-01-01T00:00:00Z")  # fmt: skip


@dataclass
class Asked:
    """A served scene and a client of B that is never told to wait."""

    scene: Scene
    client: httpx.Client

    def hide(self) -> None:
        scene = self.scene
        scene.publish(*(HIDDEN[name] for name in ("red", "withdrawn", "of no rule", "observable")))
        assert scene.post("c", HIDDEN["of another"])[0].success
        releasing.withdraw(scene.node, HIDDEN["withdrawn"]["id"], by="desk", reason="wrong")
        scene.publish(indicator("in hiding"), to="hidden")

    def get(self, path: str, method: str = "GET") -> httpx.Response:
        return self.client.request(method, f"/api/collections/{path}")

    def post(self, *objects: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(
            "/api/collections/indicators/objects/", headers={"Content-Type": TAXII},
            content=json.dumps({"objects": objects}).encode(),
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
        status: dict[str, Any] = answer.json()
        return status


@contextmanager
def asked(node: Node) -> Iterator[Asked]:
    scene = Scene.set_up(node)
    node.database.transact(
        lambda tx: tx.execute(update(partner_rows).values(requests_per_minute=1_000_000))
    )
    directory = node.settings.home / "collections"
    (directory / "hidden.yaml").write_text(
        f"id: {uid('collection hidden')}\ntitle: hidden\nalias: hidden\nread: [c]\nwrite: [c]\n"
    )
    collections.load_collections(node, directory)
    token = partners.issue(node, "b", lifetime=None).token
    with (
        serving(node) as port,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=30,
            headers={"Authorization": f"Bearer {token}", "Accept": TAXII},
        ) as client,
    ):  # fmt: skip
        yield Asked(scene, client)


def shown(answer: httpx.Response, *words: str) -> tuple[int, tuple[tuple[str, str], ...], str]:
    """An answer without `error_id`, `Date` and the client's own words."""
    body = re.sub(r'"error_id":"[^"]*"', '"error_id":""', answer.text)
    for word in words:
        body = body.replace(word, "<id>")
    head = tuple((name, value) for name, value in sorted(answer.headers.items()) if name != "date")
    return answer.status_code, head, body


@contextmanager
def statements(node: Node) -> Iterator[list[str]]:
    """Every statement that any way to the database runs, values taken out."""
    ran: list[str] = []

    def note_down(text: str) -> None:
        if "credential_uses" in text:
            return  # a last use, written beside requests once a minute, whatever was asked
        ran.append(re.sub(r"'(?:[^']|'')*'|\b\d+\b", "?", text))

    def executed(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        note_down(statement)

    engines = {node.database._writer, node.database._readers}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", executed)
    try:
        with node.database.raw.observed(note_down), kept_statements.observed(note_down):
            yield ran
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", executed)


def test_a_hidden_object_answers_as_one_that_is_not_there(node: Node) -> None:
    """By every path that names an id, and for DELETE; body, head and SQL."""
    with asked(node) as b:
        b.hide()
        for what, one in HIDDEN.items():
            kind = one["type"]
            absent = f"{kind}--{uid('absent ' + what)}"
            for path in PATHS:
                traces, answers = [], []
                b.get(
                    "indicators/" + path.format(id=absent)
                )  # once, so that no process meets the path anew
                for stix_id in (one["id"], absent, one["id"]):
                    with statements(node) as ran:
                        answers.append(
                            shown(b.get("indicators/" + path.format(id=stix_id)), stix_id)
                        )
                    traces.append(ran)
                assert answers[0] == answers[1], (what, path)
                assert sorted(traces[2]) == sorted(traces[1]), (what, path)
                assert len(traces[1]) > 1, "nothing was traced"
            answers = [
                shown(b.get(f"indicators/objects/{i}/", "DELETE"), i) for i in (one["id"], absent)
            ]
            assert answers[0] == answers[1], what
            assert answers[0][0] == 404


@pytest.mark.case("M33")
def test_a_hidden_collection_answers_as_one_that_is_not_there(node: Node) -> None:
    """By id and by alias, for every resource under it and for POST; it is in no list."""
    with asked(node) as b:
        b.hide()
        stix_id = indicator("in hiding")["id"]
        for hidden, absent in (("hidden", "nowhere"), (uid("collection hidden"), uid("nowhere"))):
            for path in (
                "",
                "objects/",
                "manifest/",
                f"objects/{stix_id}/",
                f"objects/{stix_id}/versions/",
            ):
                traces, answers = [], []
                for name in (hidden, absent, hidden):
                    with statements(node) as ran:
                        answers.append(shown(b.get(f"{name}/{path}"), name))
                    traces.append(ran)
                assert answers[0] == answers[1], path
                assert answers[0][0] == 404
                assert sorted(traces[2]) == sorted(traces[1]), path
            posted = [
                shown(b.client.post(f"/api/collections/{name}/objects/", content=b"{}", headers={"Content-Type": TAXII}), name)
                for name in (hidden, absent)
            ]  # fmt: skip
            assert posted[0] == posted[1]
        listed = b.client.get("/api/collections/").text
        assert "hidden" not in listed
        assert uid("collection hidden") not in listed


def test_the_trace_can_differ(sqlite_node: Node) -> None:
    """The comparison above would see one statement more."""
    with asked(sqlite_node) as b:
        b.scene.publish(indicator("seen"))
        traces = []
        for stix_id in (indicator("seen")["id"], f"indicator--{uid('absent')}"):
            with statements(sqlite_node) as ran:
                b.get(f"indicators/objects/{stix_id}/")
            traces.append(ran)
        assert traces[0] != traces[1]


# -- POST ----------------------------------------------------------------------------------------------------------------

CLAIMS = ("own", "b", "c", "third", None)
SPEAKERS = {
    "own": OWN_IDENTITY,
    "b": B_IDENTITY,
    "c": C_IDENTITY,
    "third": THIRD_IDENTITY,
    None: None,
}


@dataclass(frozen=True)
class Sent:
    """One object that B sends, perhaps with an id or key that we hide."""

    name: str
    version: int
    by: str | None
    text: str

    def content(self) -> dict[str, Any]:
        if self.name == "203.0.113.9":
            return address("203.0.113.9", x_text=self.text)
        if self.name == "about red":
            return note("about red", [HIDDEN["red"]["id"]], by=B_IDENTITY, version=self.version)
        if self.name == "link":
            return relationship(
                HIDDEN["red"],
                {"id": indicator("visible")["id"]},
                by=B_IDENTITY,
                version=self.version,
            )
        if self.name == "identity of c":
            return identity(C_IDENTITY, self.text, version=self.version)
        if self.name == "identity of third":
            return identity(THIRD_IDENTITY, self.text, version=self.version)
        return indicator(
            self.name, by=SPEAKERS[self.by], version=self.version, description=self.text
        )


sent = st.builds(
    Sent,
    name=st.sampled_from(
        ["red", "of c", "withdrawn", "visible", "new", "203.0.113.9", "about red", "link", "identity of c",
         "identity of third"]
    ),
    version=st.integers(0, 2),
    by=st.sampled_from(CLAIMS),
    text=st.sampled_from(["one", "two"]),
)  # fmt: skip


def normalised(status: dict[str, Any]) -> dict[str, Any]:
    """A status resource without the instants and the id of this submission."""
    text = re.sub(r"20\d\d-\d\d-\d\dT[0-9:.]+Z", "<instant>", json.dumps({**status, "id": ""}))
    found: dict[str, Any] = json.loads(text)
    return found


def _two_worlds(new_node: Callable[..., Node], engine: str) -> tuple[Node, Node]:
    return new_node(engine, name="full"), new_node(engine, name="empty")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_a_post_is_told_depends_only_on_what_its_sender_may_know(
    new_node: Callable[..., Node], engine: str
) -> None:
    """The same posts to a node that hides much and to one that hides nothing get the same answers."""
    full_node, empty_node = _two_worlds(new_node, engine)
    with asked(full_node) as full, asked(empty_node) as empty:
        full.hide()
        # Hidden versions with the very keys and contents that B may send, so that both kinds of clash are met.
        full.scene.publish(indicator("red", version=1, tlp="red", description="one"))
        full.scene.publish(identity(THIRD_IDENTITY, "one", tlp="red"))
        full.scene.post("c", indicator("of c", by=C_IDENTITY, version=1, description="one"))
        full.scene.post("c", identity(C_IDENTITY, "one"))
        for world in (full, empty):
            world.scene.publish(indicator("visible"))
            partners.amend(world.scene.node, "b", speaks_for=[B_IDENTITY], relays=[THIRD_IDENTITY])

        @settings(
            max_examples=15, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        )  # fmt: skip
        @given(st.lists(sent, min_size=2, max_size=8))
        def same(batch: list[Sent]) -> None:
            contents = [one.content() for one in batch]
            told = [normalised(world.post(*contents)) for world in (full, empty)]
            assert told[0] == told[1], contents
            for one in contents[:2]:
                for method in ("GET", "DELETE"):
                    pair = [
                        re.sub(r"20\d\d-[0-9T:.-]+Z", "", str(shown(w.get(f"indicators/objects/{one['id']}/", method))))
                        for w in (full, empty)
                    ]  # fmt: skip
                    assert pair[0] == pair[1], (method, one["id"])

        same()
