"""A small world of eleven objects, our desk and two partners, over a real node: what can happen, and what must hold.

`SmallWorld` does each thing twice, to the node through its services and to `expectation.World`; `check` compares them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.invariants.expectation import CARRIED, OBSERVABLE, OWN, Copy, Terms, World
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    TLP,
    Scene,
    address,
    at,
    identity,
    indicator,
    malware,
    note,
    relationship,
    report,
    uid,
)

from cert_exchange.errors import DeleteRefused, NotFound
from cert_exchange.node import open_node
from cert_exchange.services import holding, ledger, polling, releasing
from cert_exchange.services.partners import Caller
from cert_exchange.stix.markings import TLP_DEFINITIONS
from cert_exchange.store.tables import (
    collections,
    identifiers,
    live,
    partners,
    renditions,
    views,
)

PARTNERS = ("b", "c")
SPEAKS = {"b": B_IDENTITY, "c": C_IDENTITY}
STATEMENT = f"marking-definition--{uid('statement')}"
FOURTH = f"identity--{uid('fourth')}"
LEVELS = {TLP[name]: name for name in TLP}
ONE, TWO = indicator("one")["id"], malware("two")["id"]
ALL, TEXT = report("all", [])["id"], note("text", [])["id"]
THEIRS = indicator("theirs")["id"]

OWN_KINDS = [
    "one",
    "two",
    "link",
    "report",
    "note",
    "about",
    "third",
    "cited",
    "stated",
    "statement",
    "address",
]
THEIR_KINDS = ["theirs", "theirs", "link", "identity", "claim", "address"]


def statement_marking() -> dict[str, Any]:
    return {
        "type": "marking-definition", "spec_version": "2.1", "id": STATEMENT, "created": at(0),
        "created_by_ref": FOURTH, "definition_type": "statement",
        "definition": {"statement": "Cite us."},
    }  # fmt: skip


@dataclass(frozen=True)
class Made:
    """One object of this world in one version, by who sends it."""

    by: str
    kind: str
    version: int
    tlp: str | None
    labels: tuple[str, ...]
    revoked: bool

    @property
    def key(self) -> tuple[str, int]:
        return self.kind, self.version

    def content(self) -> dict[str, Any]:
        more: dict[str, Any] = {"labels": list(self.labels)} if self.labels else {}
        if self.kind == "address":
            return address("192.0.2.1", tlp=self.tlp, x_from=f"{self.by} {self.version}", **more)
        if self.revoked:
            more["revoked"] = True
        given: dict[str, Any] = {"version": self.version, "tlp": self.tlp, **more}
        if self.by == OWN:
            return _own(self.kind, given)
        return _theirs(self.by, self.kind, given)


def _own(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case "one":
            return indicator("one", **given)
        case "two":
            return malware("two", by=THIRD_IDENTITY, **given)
        case "link":
            return relationship({"id": ONE}, {"id": TWO}, name="link", **given)
        case "report":
            return report("all", [ONE, TEXT], **given)
        case "note":
            return note("text", [ALL], **given)
        case "about":
            return note("about theirs", [THEIRS], **given)
        case "third":
            return identity(THIRD_IDENTITY, "third", **given)
        case "cited":
            made = identity(FOURTH, "cited", **given)
            made.setdefault("object_marking_refs", []).append(STATEMENT)
            return made
        case "stated":
            made = indicator("stated", by=FOURTH, **given)
            made.setdefault("object_marking_refs", []).append(STATEMENT)
            return made
        case "statement":
            return statement_marking()
    raise AssertionError(kind)


def _theirs(partner: str, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case "theirs":
            return indicator("theirs" if partner == "b" else "of c", by=SPEAKS[partner], **given)
        case "link":
            return relationship(
                {"id": THEIRS}, {"id": ONE}, name=f"link of {partner}", by=SPEAKS[partner], **given
            )
        case "identity":
            return identity(SPEAKS[partner], partner, **given)
        case "claim":
            return indicator("one", **given)
    raise AssertionError(kind)


class Reader:
    """A client of one partner and collection: it polls on from its last date, and keeps the last version it got."""

    def __init__(self, partner: str, collection: str) -> None:
        self.partner, self.collection = partner, collection
        self.after = 0
        self.holds: dict[str, str] = {}
        self.lines: list[tuple[int, str]] = []

    def poll(self, scene: Scene, caller: Caller) -> None:
        node = scene.node
        token = None
        while True:
            with node.database.raw_reader() as connection:
                grant = polling.find_collection(node, connection, caller, self.collection)
                query = polling.PageQuery(
                    polling.Resource.OBJECTS,
                    added_after=None if token else self.after,
                    limit=2,
                    next=token,
                )
                page = polling.poll(node, connection, caller, grant, query, inline=False)
            for one in json.loads(b"[%s]" % page.text):
                self.holds[one["id"]] = json.dumps(one, sort_keys=True)
            if page.count:
                assert page.first > self.after, "a line came twice"
                self.after = page.last
            token = page.next
            if token is None:
                return


class SmallWorld:
    """One node and what is expected of it."""

    def __init__(self, template: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cert-exchange-views-"))
        shutil.copytree(template, self.folder / "home")
        self.node = open_node(self.folder / "home")
        self.scene = Scene(self.node)
        self.callers = {partner: self.scene.caller(partner) for partner in PARTNERS}
        self.world = World(OWN_IDENTITY, SPEAKS, LEVELS)
        self.world.seed([*TLP_DEFINITIONS, identity(OWN_IDENTITY, "own")])
        self.world.terms = {partner: Terms() for partner in PARTNERS}
        self.world.settle()
        self.readers = [Reader(p, c) for p in PARTNERS for c in self.world.collections]

    def close(self) -> None:
        try:
            ledger.verify(self.node)
        finally:
            self.node.close()
            shutil.rmtree(self.folder)

    # -- what can happen -------------------------------------------------------------------------------------------

    def publish(self, chosen: list[Made], to: str) -> None:
        contents = [one.content() for one in chosen]
        to = _only(contents, to)
        self.scene.publish(*contents, to=to)
        for one in contents:
            self.world.take(one, OWN, to)
        self.world.settle()

    def post(self, one: Made, to: str) -> None:
        to = _only([one.content()], to)
        self.scene.post(one.by, one.content(), to=to)
        self.world.take(one.content(), one.by, to)
        self.world.settle()

    def withdraw(self, copy: Copy, *, one_version: bool, collection: str | None) -> None:
        key = copy.key if one_version and not copy.observable else None
        releasing.withdraw(
            self.node, copy.id, version=key, collection=collection, by="test", reason="test"
        )
        self.world.withdraw(copy.id, key, collection, OWN)
        self.world.settle()

    def delete(self, copy: Copy, collection: str) -> None:
        """A partner's DELETE; refused exactly when nothing that it sent stands there."""
        standing = any(
            c.places.get(collection, "nowhere") is None
            for c in self.taken()
            if (c.id, c.origin) == (copy.id, copy.origin)
        )
        try:
            releasing.withdraw_submitted(
                self.node, self.callers[copy.origin], self.scene.collection(collection), copy.id
            )
        except (NotFound, DeleteRefused):
            assert not standing
        else:
            assert standing
        self.world.withdraw(copy.id, None, collection, copy.origin)
        self.world.settle()

    def free(self) -> None:
        for stix_id in sorted(self.world.blocked):
            releasing.free(self.node, stix_id, by="test", reason="test")
        self.world.blocked.clear()
        self.world.settle()

    def apply(self, partner: str, wanted: Terms) -> None:
        self.scene.apply(partner, wanted.text(partner))
        self.world.terms[partner] = wanted
        self.world.settle()

    def let_go(self) -> None:
        held = sorted({one.stix_id for one in holding.list_holds(self.node)})
        if held:
            holding.release_hold(self.node, held, audience=None, by="test", reason="test")
        self.world.let_go()
        self.world.settle()

    def taken(self) -> list[Copy]:
        """What was taken in and can be taken back."""
        return [c for c in self.world.copies if c.accepted and c.places]

    # -- what must hold --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """`live` is what the decisions say, and a client at rest holds it."""
        for partner in PARTNERS:
            for collection in self.world.collections:
                found, wanted = self._live(partner, collection), self._expected(partner, collection)
                assert found == wanted, (partner, collection, found ^ wanted)
        for reader in self.readers:
            try:
                reader.poll(self.scene, self.callers[reader.partner])
            except NotFound:
                continue
            for one in self.scene.sees(reader.partner, reader.collection):
                held = reader.holds.get(one["id"])
                assert held == json.dumps(one, sort_keys=True), (reader.partner, one["id"])

    def _expected(self, partner: str, collection: str) -> set[Any]:
        expected = self.world.seen.get((partner, collection))
        if expected is None:
            return set()
        found: set[Any] = {
            (c.id, "", c.origin, "", True, None) for c in expected.last if c.id.startswith(CARRIED)
        }
        for c in expected.live:
            if not c.id.startswith(CARRIED):
                content = json.dumps(c.content, sort_keys=True)
                version = "" if c.observable else c.key
                ends = (c in expected.last, c in expected.first)
                found.add((c.id, version, c.origin, content, *ends))
        return found

    def _live(self, partner: str, collection: str) -> set[Any]:
        with self.node.database.reading() as conn:
            names = {
                0: OWN,
                **{r[0]: r[1] for r in conn.execute(select(partners.c.id, partners.c.name))},
            }
            rows = conn.execute(
                select(
                    identifiers.c.stix_id, live.c.version, live.c.origin, renditions.c.body,
                    live.c.is_last, live.c.is_first,
                )
                .join(identifiers, identifiers.c.num == live.c.ident)
                .join(renditions, renditions.c.id == live.c.rendition)
                .join(views, views.c.id == live.c.view)
                .join(collections, collections.c.id == views.c.collection)
                .where(views.c.audience == self.callers[partner].audience, collections.c.alias == collection)
            ).all()  # fmt: skip
        found: set[Any] = set()
        for stix_id, version, origin, body, last, first in rows:
            if stix_id.startswith(CARRIED):
                if last:
                    found.add((stix_id, "", names[origin], "", True, None))
                continue
            content = json.dumps(json.loads(body), sort_keys=True)
            observable = stix_id.startswith(OBSERVABLE)
            found.add(
                (
                    stix_id,
                    "" if observable else version,
                    names[origin],
                    content,
                    bool(last),
                    bool(first),
                )
            )
        return found


def _only(chosen: list[dict[str, Any]], to: str) -> str:
    """Identities and statements stand in one collection only: in the others they are carried, and no more."""
    return "indicators" if any(one["id"].startswith(CARRIED) for one in chosen) else to


def some(seeds: range, *, always: int) -> list[Any]:
    """These seeds: the first ones in `make test`, the rest in `make soak`, for each takes many seconds."""
    return [
        seed if number < always else pytest.param(seed, marks=pytest.mark.soak)
        for number, seed in enumerate(seeds)
    ]
