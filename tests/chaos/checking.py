"""What must hold once the faults ended: both sides hold exactly what policy says, once.

1. Each node's views are what the expectation says, written from the decisions' text (tests/invariants/expectation.py).
2. What a view shows, the other side holds, with the same content, and uses; what it shows no more is not used there.
3. Nothing is there twice: no version in the store, no line in a log, no push in the ledger, nothing in the stream of a
   plain client that polls on from its last date.
4. No canary that policy never let the other side see is in its database or went to it.
5. Both ledgers verify, and no process said that a fault of ours occurred.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, select, text
from tests.chaos.link import CANARY
from tests.chaos.sides import COLLECTIONS, Side, canaries
from tests.chaos.watching import Watcher
from tests.invariants.expectation import CARRIED, OWN

from cert_exchange.errors import CertExchangeError
from cert_exchange.messages.notices import EXTENSION
from cert_exchange.services import ledger
from cert_exchange.store.tables import (
    collections,
    identifiers,
    ledger_lines,
    live,
    memberships,
    objects,
    partners,
    release_log,
    renditions,
    views,
)

UNCOMPARED = (*CARRIED, "extension-definition--")
"""What is carried along is owed no notice, and is compared by its lines only."""
RETURNS = "returns"
"""The rule of a line by which an older version becomes the last again (services/releasing/arranging, rule 2)."""


@dataclass
class Findings:
    """What did not hold, each in a sentence."""

    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.repeated or self.leaked)


@dataclass(frozen=True)
class Shown:
    """One line in force."""

    stix_id: str
    version: str
    origin: str
    content: str
    last: bool
    notice: bool


def shown(side: Side, partner: str, collection: str) -> list[Shown]:
    """What a view shows, in the order of its log."""
    with side.node.database.reading() as tx:
        names = {0: OWN, **{r[0]: r[1] for r in tx.execute(select(partners.c.id, partners.c.name))}}
        rows = tx.execute(
            select(identifiers.c.stix_id, live.c.version, live.c.origin, renditions.c.body, live.c.is_last)
            .join(identifiers, identifiers.c.num == live.c.ident)
            .join(renditions, renditions.c.id == live.c.rendition)
            .where(live.c.view == side.scene.view(partner, collection))
            .order_by(live.c.position)
        ).all()  # fmt: skip
    found = []
    for stix_id, version, origin, body, last in rows:
        content = json.loads(body)
        told = EXTENSION in content.get("extensions", {})
        found.append(Shown(stix_id, version, names[origin], _text(content), bool(last), told))
    return found


@dataclass(frozen=True)
class Held:
    """One version that came from the other side."""

    number: int
    stix_id: str
    version: str
    content: str
    status: str
    used: frozenset[str]
    """collections in which nobody took it back"""


def held(side: Side) -> list[Held]:
    """What a side holds from its partner, as it came."""
    with side.node.database.reading() as tx:
        rows = tx.execute(
            select(objects.c.id, identifiers.c.stix_id, objects.c.version, renditions.c.body, objects.c.status)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .join(renditions, renditions.c.id == objects.c.rendition)
            .join(partners, partners.c.id == objects.c.origin)
            .where(partners.c.name == side.other)
            .order_by(objects.c.id)
        ).all()  # fmt: skip
        places: dict[int, set[str]] = {}
        for number, alias in tx.execute(
            select(memberships.c.object, collections.c.alias)
            .join(collections, collections.c.id == memberships.c.collection)
            .where(memberships.c.taken_back_at.is_(None))
        ):
            places.setdefault(number, set()).add(alias)
    return [
        Held(one[0], one[1], one[2], _text(json.loads(one[3])), one[4], frozenset(places.get(one[0], ())))
        for one in rows
    ]  # fmt: skip


def apart(giver: Side, taker: Side) -> list[str]:
    """Where the taker does not hold and use what the giver's policy shows it; nothing once both are settled."""
    found = []
    mine: dict[tuple[str, str], Held] = {}
    newest: dict[str, Held] = {}
    for one in held(taker):
        if one.status == "accepted":
            mine[one.stix_id, one.version] = one
            if one.used and one.version >= newest.get(one.stix_id, one).version:
                newest[one.stix_id] = one
    wanted: dict[str, Shown] = {}
    for collection in COLLECTIONS:
        for line in shown(giver, giver.other, collection):
            if not line.last or line.stix_id.startswith(UNCOMPARED):
                continue
            wanted[line.stix_id] = max(
                wanted.get(line.stix_id, line), line, key=lambda one: one.version
            )
            there = mine.get((line.stix_id, line.version))
            where = f"{line.stix_id} {line.version} of {giver.name}.{collection}"
            if there is None:
                place = giver.other, collection, line.stix_id, line.version
                if not (giver.rewound and place in giver.taken_back):
                    found.append(f"{where} is not at {taker.name}")
            elif there.content != line.content:
                found.append(f"{where} has other content at {taker.name}")
            elif collection not in there.used and not giver.rewound:
                found.append(f"{where} is not used at {taker.name}")
    if not giver.rewound and not taker.rewound:
        for stix_id, one in newest.items():
            if stix_id.startswith(UNCOMPARED) or stix_id in wanted:
                continue
            found.append(
                f"{stix_id} {one.version} is used at {taker.name}; {giver.name} shows it no more"
            )
    return found


def check(sides: tuple[Side, Side], watchers: Iterable[Watcher]) -> Findings:
    """Everything, once both nodes are settled and stopped."""
    findings = Findings()
    a, b = sides
    for side, other in ((a, b), (b, a)):
        findings.lost += apart(other, side)
        _views(side, findings)
        _twice(side, findings, resends=other.rewound)
        _canaries(side, other, findings)
        try:
            ledger.verify(side.node)
        except CertExchangeError as broken:
            findings.lost.append(f"the ledger of {side.name} does not verify: {broken}")
    for watcher in watchers:
        watcher.judge(findings.lost, findings.repeated)
    return findings


def _views(side: Side, findings: Findings) -> None:
    """The engine's views against the expectation; what came from the partner as it stands in the store."""
    _feed(side)
    # What a partner revoked depends on what was in force when the revocation came.
    left_out = {c.id for c in side.world.copies if c.origin != OWN and c.content.get("revoked")}
    for partner in (side.other, "c"):
        for collection in COLLECTIONS:
            lines = [
                one for one in shown(side, partner, collection)
                if not one.notice and not one.stix_id.startswith(UNCOMPARED)
            ]  # fmt: skip
            seen = side.world.seen[partner, collection]
            own = {(c.id, _text(c.content), c in seen.last) for c in seen.live if c.origin == OWN}
            last = {(c.id, _text(c.content), True) for c in seen.last if c.origin != OWN}
            found = {
                (one.stix_id, one.content, one.last)
                for one in lines
                if (one.origin == OWN or one.last) and one.stix_id not in left_out
            }
            expected = {
                one
                for one in last | own
                if not one[0].startswith(UNCOMPARED) and one[0] not in left_out
            }
            where = f"{side.name}'s view of {collection} for {partner}"
            findings.lost += [f"{where} lacks {_told(side, one)}" for one in expected - found]
            findings.leaked += [f"{where} shows {_told(side, one)}" for one in found - expected]
            findings.leaked += [
                f"{where} shows {one.stix_id}, which came from {partner}"
                for one in lines if one.origin == partner
            ]  # fmt: skip


def _feed(side: Side) -> None:
    """Tell the expectation what is held from the partner, in the order in which it came."""
    world = side.world
    world.copies = [one for one in world.copies if one.origin == OWN]
    for one in held(side):
        content = json.loads(one.content)
        if one.status != "accepted" or EXTENSION in content.get("extensions", {}):
            continue
        copied = world._store(content, side.other, accepted=True)
        with side.node.database.reading() as tx:
            rows = tx.execute(
                select(collections.c.alias, memberships.c.taken_back_at)
                .join(collections, collections.c.id == memberships.c.collection)
                .where(memberships.c.object == one.number)
            )
            copied.places = {alias: None if taken is None else side.other for alias, taken in rows}
    world.settle()


def _twice(side: Side, findings: Findings, *, resends: bool) -> None:
    versions = Counter((one.stix_id, one.version) for one in held(side))
    findings.repeated += [
        f"{stix_id} {version} is {count} times in the store of {side.name}"
        for (stix_id, version), count in versions.items() if count > 1
    ]  # fmt: skip
    with side.node.database.reading() as tx:
        names = {one[0]: one[1] for one in tx.execute(select(views.c.id, views.c.audience))}
        standing: dict[tuple[int, int], int] = {}
        for view, kind, number, stix_id, position, rule in tx.execute(
            select(
                release_log.c.view,
                release_log.c.kind,
                release_log.c.object,
                identifiers.c.stix_id,
                release_log.c.position,
                release_log.c.rule,
            )
            .join(objects, objects.c.id == release_log.c.object)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .order_by(release_log.c.view, release_log.c.position)
        ):
            key = view, number
            if kind == "withdrawal":
                standing.pop(key, None)
            elif key in standing and rule != RETURNS and not stix_id.startswith(UNCOMPARED):
                findings.repeated.append(
                    f"{stix_id} twice in a log of {side.name} for audience {names[view]}:"
                    f" at {standing[key]} and at {position}"
                )
            else:
                standing[key] = position
        bodies = [json.loads(one) for one in tx.execute(
            select(ledger_lines.c.body).order_by(ledger_lines.c.id)
        ).scalars()]  # fmt: skip
    if not side.rewound and not resends:
        findings.repeated += pushed_twice(side.name, bodies)


def pushed_twice(name: str, lines: Iterable[dict[str, Any]]) -> list[str]:
    """Pushes that the ledger accounts for twice: each begins where the one before ended, or later."""
    found = []
    reached: dict[tuple[str, int], int] = {}
    for line in lines:
        if line["kind"] != "push":
            continue
        facts = line["facts"]
        key = line["by"], int(facts["view"])
        if int(facts["after"]) < reached.get(key, 0):
            found.append(
                f"{name} pushed what lies behind {facts['after']} twice to {facts['partner']}"
            )
        reached[key] = max(reached.get(key, 0), int(facts["to"]))
    return found


def _canaries(side: Side, other: Side, findings: Findings) -> None:
    """What `side` got to know of the other, by its database and by what was read on the way."""
    secret = other.kept_back - other.may_know
    ways = {
        "is in the database of": stored_canaries(side),
        "was posted to": side.link.posted,
        "was answered to": other.link.answered.get(other.tokens[other.other], set()),
    }
    findings.leaked += [
        f"{word.decode()} ({_whose(other, word)}) {way} {side.name}"
        for way, words in ways.items()
        for word in sorted(words & secret)
    ]


def _whose(side: Side, word: bytes) -> str:
    """What is known of the version that bears a canary."""
    for one in side.world.copies:
        if word in canaries(one.content):
            return (
                f"{one.id} {one.key} of {side.name}, labels {one.content.get('labels')},"
                f" marked {[side.world.tlp_of.get(m) for m in one.content['object_marking_refs']]}, in {one.places}"
            )
    return f"not published at {side.name}"


def stored_canaries(side: Side) -> set[bytes]:
    """Every canary in the database, its free pages and its log."""
    if side.engine == "sqlite":
        return {
            word for file in side.home.glob("*.db*") for word in CANARY.findall(file.read_bytes())
        }
    found: set[bytes] = set()
    tables = MetaData()
    with side.node.database.reading() as tx:
        tables.reflect(tx)
        for table in tables.tables.values():
            rows = tx.execute(text(f'SELECT CAST(t.* AS text) FROM "{table.name}" t')).scalars()
            for row in rows:
                found |= set(CANARY.findall(str(row).encode()))
    return found


def faults_of_ours(log: Path) -> list[str]:
    """What a node's processes logged and must never, a fault that is nobody's but ours, and where it was."""
    text = log.read_text(errors="replace")
    if "a fault of ours" not in text:
        return []
    return re.findall(r'^.*(?:a fault of ours|"where":).*$', text, re.MULTILINE)[:6]


def _text(content: Any) -> str:
    return json.dumps(content, sort_keys=True, default=dict)


def _told(side: Side, one: tuple[Any, ...]) -> str:
    """A line that should be there or not, with what is known of its object's versions."""
    content = json.loads(one[1])
    words = ", ".join(sorted(word.decode() for word in canaries(content)))
    versions = [
        f"{copy.key} of {copy.origin} {'revoked ' if copy.content.get('revoked') else ''}"
        f"{[side.world.tlp_of.get(m) for m in copy.content.get('object_marking_refs', [])]}"
        f" {copy.content.get('labels', '')} {copy.places}"
        for copy in side.world.copies
        if copy.id == one[0]
    ]
    return f"{one[0]} {content.get('modified', '')} ({words}, last {one[2]}); known: {versions}; {side.world.terms}"
