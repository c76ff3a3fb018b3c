"""Long random walks of publishing, taking back and changing what is redacted: nothing leaks, nothing is left unsettled.

After each step, for each audience: no canary and no id of an object that it sees only as a derivative; every reference
leads to what it sees; deciding everything once more changes nothing.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from sqlalchemy import select
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
    report,
)

from cert_exchange.errors import CertExchangeError
from cert_exchange.node import Node
from cert_exchange.services import ledger, releasing
from cert_exchange.services.releasing.orders import in_one_line
from cert_exchange.store import derivatives
from cert_exchange.store.tables import (
    audience_members,
    derived_ids,
    identifiers,
    live,
    objects,
    release_log,
    renditions,
    views,
)

CANARY = "CANARY-8273645"
_ID = re.compile(r"[a-z][a-z0-9-]*--[0-9a-f]{8}-[0-9a-f-]{27}")
RECIPES = (
    None,
    "{remove: [description]}",
    "{remove: [description], references: cut}",
    "{remove: [description], source: true}",
    "{remove: [description], custom: true, source: true, references: cut}",
)
TYPES = (
    "[indicator]",
    "[indicator, malware]",
    "[indicator, malware, relationship]",
    "[indicator, identity]",
    "[malware, ipv4-addr]",
)


def policy(
    partner: str, recipe: str | None, types: str, denied: str, *, only: str | None = None
) -> str:
    """What holds the canary is redacted or denied, never shown whole."""
    text = f"""\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: green}}
rules:
  - name: all of ours
    match: {{origin: own}}
    allow: true
  - name: never
    match: {{origin: own, labels: [{denied}]}}
    deny: true
"""
    redacted = types[1:-1].split(", ") if recipe is not None else []
    if recipe is not None:
        where = f", collection: [{only}]" if only is not None else ""
        text += f"  - name: less\n    match: {{origin: own, type: {types}{where}}}\n    redact: {recipe}\n"
    if only is not None:
        other = "reports" if only == "indicators" else "indicators"
        text += (
            f"  - name: no secrets there\n    match: {{origin: own, collection: [{other}],"
            " labels: [secret]}\n    deny: true\n"
        )
    others = sorted({"indicator", "malware", "identity"} - set(redacted))
    for kind in others:
        text += (
            f"  - name: no secret {kind}\n    match: {{origin: own, type: [{kind}],"
            " labels: [secret]}\n    deny: true\n"
        )
    return text


class Walk:
    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self.choose = random.Random(seed)
        self.versions: dict[str, int] = {}
        self.origin = "any" if seed % 2 else "own"
        self.names = ("one", "two", "three")

    def thing(self) -> dict[str, Any]:
        choose = self.choose
        name = choose.choice(self.names)
        maker = choose.choice((OWN_IDENTITY, OWN_IDENTITY, THIRD_IDENTITY))
        kind = choose.randrange(9)
        more: dict[str, Any] = {}
        if choose.random() < 0.6:
            more = {"description": f"see {CANARY}", "labels": ["secret"]}
        if choose.random() < 0.1:
            more["labels"] = [*more.get("labels", []), "never"]
        if choose.random() < 0.06:
            more["revoked"] = True
        key = f"{kind} {name}"
        version = self.versions[key] = self.versions.get(key, 0) + 1
        others = [indicator(n)["id"] for n in self.names] + [malware(n)["id"] for n in self.names]
        match kind:
            case 0 | 1:
                return indicator(name, version=version, by=maker, **more)
            case 2 | 3:
                if choose.random() < 0.5:
                    more["sample_refs"] = [address(f"198.51.100.{self.names.index(name)}")["id"]]
                return malware(name, version=version, by=maker, **more)
            case 4:
                ends = choose.sample(self.names, 2)
                return relationship(
                    indicator(ends[0]), malware(ends[1]), name=name, version=version, by=maker
                )
            case 5:
                link = relationship(indicator("one"), malware("two"), name=name)["id"]
                refs = [*choose.sample(others, 2), choose.choice((link, report(name, [])["id"]))]
                return note(name, refs, version=version, by=maker)
            case 6:
                refs = [choose.choice(others), note(name, [])["id"]]
                return report(name, refs, version=version, by=maker)
            case 7:
                tlp = choose.choice(("green", "green", "red"))
                extra = {"description": f"of {CANARY}", "labels": ["secret"]} if more else {}
                return identity(THIRD_IDENTITY, "third", version=version, tlp=tlp, **extra)
            case _:
                owner = {"x_owner": choose.choice("xyz")} if choose.random() < 0.5 else {}
                return address(f"198.51.100.{self.names.index(name)}", **owner)

    def step(self) -> str:
        choose, scene = self.choose, self.scene
        lot = choose.random()
        if lot < 0.62:
            things = [self.thing() for _ in range(choose.randint(1, 3))]
            to = choose.choice(("indicators", "indicators", "reports"))
            scene.publish(*{one["id"]: one for one in things}.values(), to=to)
            return f"publish {[one['id'] for one in things]} {to}"
        if lot < 0.67:
            host = address(f"198.51.100.{choose.randrange(3)}", x_owner=choose.choice("uvw"))
            partner, maker = choose.choice((("b", B_IDENTITY), ("c", C_IDENTITY)))
            name = f"{partner} {choose.choice(self.names)}"
            self.versions[name] = self.versions.get(name, 0) + 1
            about = [host["id"], indicator(choose.choice(self.names))["id"]]
            text = note(name, about[: choose.randint(1, 2)], by=maker, version=self.versions[name])
            bad = indicator(
                name, by=maker, version=self.versions[name], description=f"see {CANARY}",
                labels=["secret"],
            )  # fmt: skip
            sent = choose.sample([host, text, bad], choose.randint(1, 3))
            scene.post(partner, *sent)
            return f"post {partner} {[one['id'] for one in sent]}"
        if lot < 0.76:
            with scene.node.database.reading() as conn:
                known = conn.execute(
                    select(identifiers.c.stix_id)
                    .join(objects, objects.c.ident == identifiers.c.num)
                    .where(objects.c.status == "accepted", objects.c.type != "marking-definition")
                    .distinct()
                    .order_by(identifiers.c.stix_id)
                ).all()
            name = choose.choice([row[0] for row in known])
            if name == OWN_IDENTITY:
                return "nothing"
            where = choose.choice((None, "indicators"))
            try:
                releasing.withdraw(scene.node, name, by="a", reason="r", collection=where)
            except CertExchangeError:
                return "nothing"
            return f"withdraw {name} {where}"
        partner = choose.choice(("b", "c"))
        recipe, types = choose.choice(RECIPES), choose.choice(TYPES)
        denied, only = choose.choice(("never", "seldom")), choose.choice((None, "indicators"))
        text = policy(partner, recipe, types, denied, only=only)
        scene.apply(partner, text.replace("origin: own", f"origin: {self.origin}"))
        return f"apply {partner} {recipe} {types} {only}"

    def check(self) -> None:
        node = self.scene.node
        with node.database.reading() as conn:
            rows = conn.execute(
                select(views.c.audience, renditions.c.body, identifiers.c.stix_id)
                .join(live, live.c.view == views.c.id)
                .join(renditions, renditions.c.id == live.c.rendition)
                .join(identifiers, identifiers.c.num == live.c.ident)
            ).all()
            names = conn.execute(
                select(derived_ids.c.audience, derived_ids.c.original, identifiers.c.stix_id).join(
                    identifiers, identifiers.c.num == derived_ids.c.original
                )
            ).all()
            held = {
                row[0]
                for row in conn.execute(
                    select(identifiers.c.stix_id)
                    .join(objects, objects.c.ident == identifiers.c.num)
                    .where(objects.c.status == "accepted")
                )
            }
            every = [row[0] for row in conn.execute(select(objects.c.ident).distinct())]
            sent = {
                (row[0], row[1])
                for row in conn.execute(
                    select(audience_members.c.audience, identifiers.c.stix_id)
                    .select_from(objects)
                    .join(identifiers, identifiers.c.num == objects.c.ident)
                    .join(audience_members, audience_members.c.partner == objects.c.origin)
                )
            }
        for audience in {row[0] for row in rows}:
            visible = {row[2] for row in rows if row[0] == audience}
            knows = visible | {name for one, name in sent if one == audience}
            originals = {row[2] for row in names if row[0] == audience} - knows
            for _, body, name in (row for row in rows if row[0] == audience):
                assert CANARY not in body, name
                made = json.loads(body)
                for said in _ID.findall(body):
                    assert said not in originals, (name, said)
                    if said.startswith("extension-definition--") or made.get("revoked"):
                        continue
                    assert said in knows or (
                        said == made.get("created_by_ref") and said not in held
                    ), (name, said)
        _, again = node.database.transact(
            lambda tx: in_one_line(
                tx, node, "again", "test", lambda releasing: releasing.reconsider(every),
                only_if_released=True,
            )
        )  # fmt: skip
        assert again.lines == [], again.lines

    def check_log(self) -> None:
        """Nothing that was ever served holds the canary, and no id and version had two contents (invariant 8)."""
        with self.scene.node.database.reading() as conn:
            rows = conn.execute(
                select(identifiers.c.stix_id, objects.c.version, renditions.c.body)
                .select_from(release_log)
                .join(objects, objects.c.id == release_log.c.object)
                .join(identifiers, identifiers.c.num == objects.c.ident)
                .join(renditions, renditions.c.id == release_log.c.rendition)
            ).all()
            made = derivatives.of_originals(
                conn, [row[0] for row in conn.execute(select(derived_ids.c.original))]
            )
        contents: dict[tuple[str, str], str] = {}
        for name, version, body in rows:
            assert CANARY not in body
            if not name.startswith("ipv4-addr"):
                assert contents.setdefault((name, version), body) == body
        assert made, "the walk derived nothing"
        ledger.verify(self.scene.node)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_leaks_and_all_is_settled(node: Node, seed: int) -> None:
    scene = Scene.set_up(node)
    for partner in ("b", "c"):
        scene.apply(partner, policy(partner, RECIPES[1], TYPES[2], "never"))
    walk = Walk(scene, seed)
    for _ in range(30):
        print(walk.step())
        walk.check()
    walk.check_log()
