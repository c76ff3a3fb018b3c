"""Whatever is said about an object, by whomever and in any order: nobody sees it whom the terms keep it from.

Random walks over a real node, compared after each step with a reading of docs/terms.md that shares no code with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, envelope, indicator, uid

from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION
from cert_exchange.services import consenting, holding, ledger, locating, publishing, terms
from cert_exchange.stix.instants import format_micros, parse_micros

POLICY = """\
partners: [{partner}]
collections: [indicators]
ceiling: {{tlp: amber, unmarked: deny}}
rules:
  - {{name: all, match: {{origin: any}}, allow: true}}
  - {{name: drill, match: {{origin: any, test: true{other}}}, allow: true}}
"""
SPEAKS: Final = {"b": B_IDENTITY, "c": C_IDENTITY, "d": f"identity--{uid('d')}"}
LADDER: Final = ("clear", "green", "amber", "amber+strict", "red")
NAMED: Final = ("b", "c", "d", "country:EE", "country:LV", B_IDENTITY, C_IDENTITY)
HOUR: Final = 3_600_000_000
STEPS: Final = 30


@dataclass
class Said:
    """One party's terms, as plain as they can be."""

    only: list[list[str]] = field(default_factory=list)
    never: list[str] = field(default_factory=list)
    until: int = 0
    onward: str = "free"
    test: bool = False


@dataclass
class Version:
    tlp: str
    said: Said


@dataclass
class Thing:
    """One object: who brought it, its versions by number, what our desk says beside it."""

    origin: str
    versions: dict[int, Version] = field(default_factory=dict)
    beside: Said = field(default_factory=Said)
    ordered: bool = False
    """whether the mark TEST beside it is our desk's order about it"""
    marked: str = "clear"


@dataclass
class Allowed:
    name: str | None
    to: str
    until: int
    number: int


class Walk:
    """A node and what it should show."""

    def __init__(self, node: Node, wall: Wall, seed: int) -> None:
        self.rng = random.Random(seed)
        self.node, self.wall = node, wall
        self.scene = Scene.set_up(node, partners_named=SPEAKS, policies_for=())
        for partner in SPEAKS:
            other = "" if partner == "d" else ", labels: nobody"
            self.scene.apply(partner, POLICY.format(partner=partner, other=other))
        self.countries: dict[str, str | None] = dict.fromkeys(SPEAKS)
        self.things: dict[str, Thing] = {}
        self.consents: list[Allowed] = []
        self.told: list[str] = []

    # -- what happens ----------------------------------------------------------------------------------------------

    def publish(self) -> None:
        name = self.rng.choice(["own 1", "own 2", "own 3"])
        thing = self.things.setdefault(name, Thing("own"))
        before = thing.versions.get(len(thing.versions))
        version, made = self._version(thing)
        given = self._given()
        found = terms.read_terms(self.node, **given)
        content = self._content(name, version, made)
        publishing.publish(
            self.node, envelope(content), collection="indicators", by="anna", terms=found
        )
        if given["test"] or made.said.test:
            if before is not None and not before.said.test and not thing.beside.test:
                del thing.versions[version]  # what is real stays so: no exercise's version of it
                return
        elif thing.beside.test and not thing.ordered:
            thing.beside.test = False  # what a publication marked, a real one makes real
        _tighten(thing.beside, given)

    def post(self) -> None:
        name = self.rng.choice(["theirs 1", "theirs 2"])
        thing = self.things.setdefault(name, Thing("b"))
        version, made = self._version(thing)
        self.scene.post("b", self._content(name, version, made))

    def set_terms(self) -> None:
        if (name := self._any()) is not None:
            given = self._given()
            found = terms.read_terms(self.node, **given)
            terms.set_terms(self.node, _id(name), found, by="anna", reason="test")
            self.things[name].beside = Said()
            _tighten(self.things[name].beside, given)
            self.things[name].ordered = given["test"]

    def mark(self) -> None:
        if (name := self._any()) is not None:
            level = self.rng.choice(["none", *LADDER])
            terms.mark(self.node, _id(name), level, by="anna", reason="test")
            self.things[name].marked = "clear" if level == "none" else level

    def consent(self) -> None:
        theirs = [name for name, thing in self.things.items() if thing.origin == "b"]
        name = self.rng.choice([*theirs, None])
        to = self.rng.choice(["c", "d", "country:EE", C_IDENTITY, "any"])
        hours = self.rng.randrange(1, 6)
        stix_id = None if name is None else _id(name)
        done = consenting.give(
            self.node, "b", to=to, until=f"{hours} hours", said_by="Berta", stix_id=stix_id, by="x"
        )
        self.consents.append(Allowed(name, to, done.consent.until, done.consent.id))

    def end_consent(self) -> None:
        if self.consents:
            one = self.consents.pop(self.rng.randrange(len(self.consents)))
            if one.until > self.node.now():
                consenting.end(self.node, one.number, by="anna", reason="test")

    def locate(self) -> None:
        partner, where = self.rng.choice([*SPEAKS]), self.rng.choice(["EE", "LV", "none"])
        locating.locate(self.node, partner, where, by="anna")
        self.countries[partner] = None if where == "none" else where

    def wait(self) -> None:
        self.wall.forward(timedelta(hours=self.rng.randrange(1, 4)))
        while holding.release_due(self.node) or consenting.end_due(self.node):
            pass
        self.consents = [one for one in self.consents if one.until > self.node.now()]

    def go(self) -> None:
        kinds: list[Callable[[], None]] = [
            self.publish, self.publish, self.post, self.post, self.set_terms, self.mark,
            self.consent, self.end_consent, self.locate, self.wait,
        ]  # fmt: skip
        for _ in range(STEPS):
            step = self.rng.choice(kinds)
            self.told.append(step.__name__)
            step()
            self.check()
        ledger.verify(self.node)

    # -- what must hold --------------------------------------------------------------------------------------------

    def check(self) -> None:
        for partner in SPEAKS:
            seen = set(self.scene.names(partner, last=False))
            expected = {name for name in self.things if self.shown(partner, name)}
            assert seen == expected, (
                f"{partner} {self.told} {self.things} {self.consents} {self.countries}"
            )

    def shown(self, partner: str, name: str) -> bool:
        thing = self.things[name]
        if thing.origin == partner:
            return False
        answers = {n: self.answer(partner, name, one) for n, one in thing.versions.items()}
        return answers[max(answers)] != "denied" and "shown" in answers.values()

    def answer(self, partner: str, name: str, version: Version) -> str:
        thing, now = self.things[name], self.node.now()
        own = thing.origin == "own"
        free = not own and any(
            one.name in (None, name)
            and one.until > now
            and (one.to == "any" or self.is_named(partner, [one.to]))
            for one in self.consents
        )
        level = max(LADDER.index(version.tlp), LADDER.index(thing.marked))
        said = [thing.beside] if free else [thing.beside, version.said]
        denied = (
            level > LADDER.index("amber")
            or (not own and not free and level > LADDER.index("green"))
            or any(not self.is_named(partner, words) for one in said for words in one.only)
            or any(self.is_barred(partner, one.never) for one in said)
            or (not own and not free and version.said.onward != "free")
        )
        if denied:
            return "denied"
        if any(one.until > now for one in said):
            return "held"
        # As ever, what no rule allows is denied only where nothing holds it.
        exercise = thing.beside.test or version.said.test
        return "denied" if exercise and partner != "d" else "shown"

    def is_named(self, partner: str, words: list[str]) -> bool:
        return bool({partner, SPEAKS[partner], f"country:{self.countries[partner]}"} & {*words})

    def is_barred(self, partner: str, words: list[str]) -> bool:
        unknown = self.countries[partner] is None and any(":" in word for word in words)
        return unknown or self.is_named(partner, words)

    # -- dice ------------------------------------------------------------------------------------------------------

    def _any(self) -> str | None:
        return self.rng.choice(sorted(self.things)) if self.things else None

    def _version(self, thing: Thing) -> tuple[int, Version]:
        number = len(thing.versions) + 1
        said = Said()
        if self.rng.random() < 0.4:
            given = self._given()
            _tighten(said, given)
            said.only = [[w for w in words if ":" in w or "--" in w] for words in said.only]
        made = Version(self.rng.choice(LADDER[:4]), said)
        thing.versions[number] = made
        return number, made

    def _given(self) -> dict[str, Any]:
        rng = self.rng

        def some() -> list[str]:
            return rng.sample(NAMED, rng.randrange(1, 5)) if rng.random() < 0.3 else []

        embargo = self.node.now() + rng.randrange(1, 6) * HOUR if rng.random() < 0.2 else None
        return {
            "only_to": some(),
            "not_to": some(),
            "embargo": None if embargo is None else format_micros(embargo),
            "onward": rng.choice([None, None, "none", "ask", "free"]),
            "test": rng.random() < 0.15,
        }

    def _content(self, name: str, number: int, made: Version) -> dict[str, Any]:
        said = made.said
        carried: dict[str, Any] = {"extension_type": "property-extension", "onward": said.onward}
        if said.only:
            carried["only_to"] = said.only[0] or ["nobody"]
        if said.never:
            carried["not_to"] = said.never
        if said.until:
            carried["embargo_until"] = format_micros(said.until)
        if said.test:
            carried["test"] = True
        return indicator(
            name, version=number, tlp=made.tlp, by=None, extensions={EXTENSION: carried}
        )


def _tighten(said: Said, given: dict[str, Any]) -> None:
    if given["only_to"]:
        said.only = [*said.only, given["only_to"]]
    said.never = [*said.never, *given["not_to"]]
    if given["embargo"] is not None:
        said.until = max(said.until, parse_micros(given["embargo"]))
    order = ("free", "ask", "none")
    said.onward = max(said.onward, given["onward"] or "free", key=order.index)
    said.test = said.test or given["test"]


def _id(name: str) -> str:
    return str(indicator(name)["id"])


@pytest.mark.parametrize("seed", range(6))
def test_nobody_sees_what_terms_keep_from_it(node: Node, wall: Wall, seed: int) -> None:
    """Terms given with a publication, carried by an object, set, marked; consents given and over; countries that change."""
    Walk(node, wall, seed).go()
