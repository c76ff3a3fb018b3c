"""One of the two nodes: its home, its processes, its desk, and what is expected of it.

1. The desk works in this process on the same database, as a person's commands do; what it was told is done is done,
   and the expectation (tests/invariants/expectation.py) is told the same.
2. Each version of each object carries a canary of its own. `may_know` holds those that policy ever let the other side
   see; any other that is found over there has leaked.
3. `modified` counts on for the whole run, also where a restore takes the expectation back.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import resource
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL
from tests import engines
from tests.chaos.link import CANARY, Link
from tests.chaos.nursery import Controls, Nursery
from tests.invariants.expectation import OWN, Copy, Terms, World
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    TLP,
    Scene,
    identity,
    indicator,
    malware,
    note,
    relationship,
    report,
    uid,
)

from cert_exchange.errors import CertExchangeError
from cert_exchange.node import Clock, Node, make_home, open_node
from cert_exchange.services import (
    collections,
    freezing,
    partners,
    policies,
    publishing,
    releasing,
    safekeeping,
)
from cert_exchange.services.timekeeping import accept_clock
from cert_exchange.stix.markings import TLP_DEFINITIONS
from cert_exchange.store import policies as policy_rows

IDENTITIES = {"a": OWN_IDENTITY, "b": B_IDENTITY}
COLLECTIONS = ("indicators", "reports")
MOST_TEXTS = 400
_LEVELS = {TLP[name]: name for name in TLP}
_COLLECTION = "id: {id}\ntitle: {alias}\nalias: {alias}\nread: [{who}]\nwrite: [{who}]\n"


@dataclass
class Template:
    """A node with partners, collections and policies, made once and copied for each run."""

    name: str
    folder: Path
    server: URL | None
    """a PostgreSQL server; None: SQLite"""
    database: URL | None = None

    @property
    def home(self) -> Path:
        return self.folder / f"template-{self.name}-{'postgresql' if self.server else 'sqlite'}"

    def make(self) -> Template:
        given: dict[str, Any] = {}
        if self.server is not None:
            self.database = engines.make_database(self.server)
            given["database_url"] = self.database.render_as_string(hide_password=False)
        make_home(
            self.home, identity=IDENTITIES[self.name], title=f"CERT {self.name}",
            requests_per_minute=1_000_000, **given,
        )  # fmt: skip
        node = open_node(self.home)
        try:
            _set_up(node, "b" if self.name == "a" else "a")
        finally:
            node.close()
        return self

    def copy(self, home: Path) -> str | None:
        """A copy of the home; returns the address of the copied database, None for SQLite."""
        shutil.copytree(self.home, home)
        if self.server is None or self.database is None:
            return None
        fresh = engines.make_database(self.server, str(self.database.database))
        return fresh.render_as_string(hide_password=False)


def _set_up(node: Node, other: str) -> None:
    publishing.seed(node)
    for name, speaks in ((other, IDENTITIES[other]), ("c", C_IDENTITY)):
        partners.add(node, name, title=f"CERT {name}", speaks_for=[speaks])
    directory = node.settings.home / "collections"
    for alias in COLLECTIONS:
        text = _COLLECTION.format(id=uid("collection " + alias), alias=alias, who=f"{other}, c")
        (directory / f"{alias}.yaml").write_text(text)
    collections.load_collections(node, directory)
    for name in (other, "c"):
        policies.apply(node, Terms().text(name), file=f"{name}.yaml", author="set up")


@dataclass(eq=False)
class Side:
    """A node in its processes. `other` is what it calls its partner."""

    name: str
    folder: Path
    template: Template
    nursery: Nursery
    link: Link
    """in front of this node"""
    papers: Path
    random: random.Random
    without: str = ""
    home: Path = field(init=False)
    node: Node = field(init=False)
    world: World = field(init=False)
    may_know: set[bytes] = field(default_factory=set)
    kept_back: set[bytes] = field(default_factory=set)
    """canaries of what was ever published here"""
    rewound: bool = False
    taken_back: set[tuple[str, str, str, str]] = field(default_factory=set)
    """(partner, collection, id, version) of what was taken back since the backup: a restored node shows it once more, where
    who polled meanwhile has passed it by, and knows nothing of that"""
    tokens: dict[str, str] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    _database: str | None = None
    _versions: Counter[str] = field(default_factory=Counter)
    _named: list[tuple[str, str]] = field(default_factory=list)
    """(kind, name) of what was made here"""
    _saved: tuple[Path, World] | None = None

    def __post_init__(self) -> None:
        self.home = self.folder / f"node-{self.name}"
        self._database = self.template.copy(self.home)
        self.controls = Controls(self.folder / f"controls-{self.name}")
        self.log = self.folder / f"log-{self.name}"
        self.log.touch()
        self.node = self._opened()
        self.world = World(
            IDENTITIES[self.name], {self.other: IDENTITIES[self.other], "c": C_IDENTITY}, _LEVELS
        )
        own = identity(IDENTITIES[self.name], f"CERT {self.name}")
        self.world.seed(json.loads(json.dumps([*TLP_DEFINITIONS, own], default=dict)))
        self.world.terms = {self.other: Terms(), "c": Terms()}
        self._see()

    @property
    def other(self) -> str:
        return "b" if self.name == "a" else "a"

    @property
    def scene(self) -> Scene:
        return Scene(self.node)

    @property
    def engine(self) -> str:
        return self.node.database.dialect

    def _opened(self) -> Node:
        given = {} if self._database is None else {"database_url": self._database}
        return open_node(self.home, clock=Clock(self.controls.wall), **given)

    def token(self, partner: str) -> str:
        """A new credential of that partner here."""
        self.tokens[partner] = partners.issue(self.node, partner, lifetime=timedelta(days=30)).token
        return self.tokens[partner]

    def close(self) -> None:
        self.end()
        self.node.close()
        if self.template.server is not None and self._database is not None:
            from sqlalchemy.engine import make_url

            engines.drop_database(self.template.server, make_url(self._database))

    # -- processes -------------------------------------------------------------------------------------------------

    def start(self, what: str = "serve") -> None:
        """Start `serve`, or a second worker beside it (`work`)."""
        environment = {
            "CERT_EXCHANGE_PORT": str(self.link.upstream), "CERT_EXCHANGE_HOST": "127.0.0.1",
            "CERT_EXCHANGE_TLS_CERTIFICATE": str(self.papers), "CERT_EXCHANGE_TLS_KEY": str(self.papers),
            "CHAOS_WORKER_PID": str(self.folder / f"worker-{self.name}"),
        }  # fmt: skip
        if self._database is not None:
            environment["CERT_EXCHANGE_DATABASE_URL"] = self._database
        self.pids[what] = self.nursery.bear(
            what, home=self.home, log=self.log, controls=self.folder / f"controls-{self.name}",
            without=self.without, **environment,
        )  # fmt: skip

    @property
    def worker(self) -> int | None:
        """The process id of the worker behind `serve`, if it lives."""
        file = self.folder / f"worker-{self.name}"
        pid = int(file.read_text() or 0) if file.exists() else 0
        return pid if pid and alive(pid) else None

    def processes(self) -> list[int]:
        found = [pid for pid in self.pids.values() if alive(pid)]
        worker = self.worker  # may die while we look
        return found if worker is None else [*found, worker]

    def keep_up(self) -> None:
        """Start again what was killed, as a service manager does."""
        for what, pid in list(self.pids.items()):
            if not alive(pid):
                self.start(what)

    def kill(self, what: str) -> bool:
        """kill -9 of `serve` or of its worker; whether there was one."""
        pid = self.worker if what == "worker" else self.pids.get(what)
        if pid is None or not alive(pid):
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    def end(self) -> None:
        """SIGTERM, and SIGKILL for who does not hear it."""
        pids = self.processes()
        self.limit_files(None)
        for pid in self.pids.values():
            _signal(pid, signal.SIGCONT)
            _signal(pid, signal.SIGTERM)
        until = time.monotonic() + 5
        while time.monotonic() < until and any(alive(pid) for pid in pids):
            time.sleep(0.02)
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        while any(alive(pid) for pid in pids):
            time.sleep(0.01)
        self.pids.clear()

    def limit_files(self, size: int | None) -> None:
        """No file of its processes may grow beyond `size` bytes; None: it may."""
        most = resource.RLIM_INFINITY if size is None else size
        for pid in self.processes():
            try:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
            except ProcessLookupError:
                continue

    # -- the desk --------------------------------------------------------------------------------------------------

    def work(self) -> None:
        """One thing that people do; what the node refuses for now was not done."""
        choices: list[tuple[int, Callable[[], None]]] = [
            (6, self._publish_new), (4, self._publish_newer), (2, self._withdraw), (1, self._share_again),
            (2, self._edit_policy),
        ]  # fmt: skip
        weights = [weight for weight, _ in choices]
        (chosen,) = self.random.choices([do for _, do in choices], weights)
        chosen()

    def _publish(self, contents: list[dict[str, Any]], to: str) -> None:
        if not contents:
            return
        for one in contents:
            self.kept_back |= canaries(one)
        try:
            self.scene.publish(*contents, to=to)
        except CertExchangeError:
            return  # its clock is in doubt, its database refuses: nothing was done
        for one in contents:
            self.world.take(one, OWN, to)
        self._see()

    def _see(self) -> None:
        self.world.settle()
        if self._saved is not None and not self.rewound:
            for place, saved in self._saved[1].seen.items():
                standing = _named(self.world.seen[place].live)
                self.taken_back |= {(*place, *one) for one in _named(saved.live) - standing}
        for (audience, _), seen in self.world.seen.items():
            if audience == self.other:
                for one in seen.live:
                    self.may_know |= canaries(one.content)

    def _publish_new(self) -> None:
        dice = self.random
        made = []
        for _ in range(dice.choice((1, 1, 2, 3, 6))):
            kind = dice.choices(
                ("indicator", "malware", "relationship", "report", "note"), (5, 3, 2, 1, 1)
            )[0]
            name = f"{self.name} {kind} {len(self._named)}"
            self._named.append((kind, name))
            made.append(self._made(kind, name))
        self._publish(made, dice.choice(COLLECTIONS))

    def _publish_newer(self) -> None:
        if self.rewound:
            return  # what the other side holds of later versions is not known here any more
        known = [one for one in self._named if self._final(one[1]) is False]
        if not known:
            return
        chosen = self.random.sample(known, min(len(known), self.random.choice((1, 1, 2, 4))))
        made = [
            self._made(kind, name, revoked=self.random.random() < 0.12) for kind, name in chosen
        ]
        self._publish(made, self.random.choice(COLLECTIONS))

    def _final(self, name: str) -> bool | None:
        """Whether it was revoked; None where it never came to be."""
        mine = [one for one in self.world.copies if one.id.endswith(uid(name))]
        return any(one.content.get("revoked") for one in mine) if mine else None

    def _made(self, kind: str, name: str, *, revoked: bool = False) -> dict[str, Any]:
        dice = self.random
        self._versions[name] += 1
        word = f"canary{dice.getrandbits(64):016x}"
        more: dict[str, Any] = {
            "version": self._versions[name], "by": IDENTITIES[self.name],
            "tlp": dice.choices(("clear", "green", "amber", "red"), (1, 5, 3, 2))[0],
        }  # fmt: skip
        if dice.random() < 0.25:
            more["labels"] = ["deny"]
        if revoked:
            more["revoked"] = True
        ids = [
            f"{kind}--{uid(name)}" for kind, name in self._named if kind in ("indicator", "malware")
        ]
        refs = dice.sample(ids, min(len(ids), 2)) or [f"indicator--{uid('nothing')}"]
        match kind:
            case "indicator":
                return indicator(name, **more, description=word)
            case "malware":
                return malware(name, **more, description=word)
            case "relationship":
                return relationship(
                    {"id": refs[0]}, {"id": refs[-1]}, name=name, **more, description=word
                )
            case "report":
                return report(name, refs, **more, description=word)
            case _:
                return note(name, refs, **more, abstract=word)

    def _placed(self, by: str | None) -> list[Copy]:
        return [
            one for one in self.world.copies
            if one.accepted and one.origin == OWN and one.places and by in one.places.values()
        ]  # fmt: skip

    def _withdraw(self) -> None:
        known = self._placed(None)
        if not known:
            return
        chosen = self.random.choice(known)
        place = self.random.choice((None, *[c for c, by in chosen.places.items() if by is None]))
        version = self.random.choice((None, chosen.key))
        try:
            releasing.withdraw(
                self.node, chosen.id, version=version, collection=place, by="desk", reason="wrong"
            )
        except CertExchangeError:
            return
        self.world.withdraw(chosen.id, version, place, OWN)
        self._see()

    def _share_again(self) -> None:
        known = self._placed(OWN)
        if known:
            chosen = self.random.choice(known)
            place = next(name for name, by in chosen.places.items() if by == OWN)
            self._publish([dict(chosen.content)], place)

    def _edit_policy(self) -> None:
        dice = self.random
        partner = dice.choice((self.other, self.other, "c"))
        wanted = Terms(
            types=dice.choice((None, None, ("indicator", "relationship", "report"))),
            origin=dice.choice(("own", "any")),
            ceiling=dice.choice(("green", "amber", "amber")),
            deny=dice.random() < 0.6,
        )
        try:
            policies.apply(self.node, wanted.text(partner), file=f"{partner}.yaml", author="desk")
        except CertExchangeError:
            # It may be in force all the same, and what it gains follows: a person looks.
            if not self._is_in_force(partner, wanted.text(partner)):
                return
        self.world.terms[partner] = wanted
        self._see()

    def _is_in_force(self, policy: str, wanted: str) -> bool:
        while True:
            try:
                with self.node.database.reading() as tx:
                    found = policy_rows.active(tx, policy)
            except CertExchangeError:
                time.sleep(0.1)
            else:
                return found is not None and found.text == wanted

    # -- backup and restore ----------------------------------------------------------------------------------------

    def back_up(self) -> bool:
        try:
            folder = safekeeping.backup(self.node, self.folder / f"backup-{self.name}")
        except CertExchangeError:
            return False
        self._saved = folder, copy.deepcopy(self.world)
        self.taken_back.clear()
        return True

    def restore(self) -> bool:
        """The node as its backup was, in a new home; False where there is no backup."""
        if self._saved is None or self.rewound:
            return False
        folder, world = self._saved
        whats = list(self.pids)
        for pid in self.processes():
            _signal(pid, signal.SIGKILL)
        while self.processes():
            time.sleep(0.01)
        self.node.close()
        self.home = self.folder / f"node-{self.name}-again"
        if self.template.server is not None:
            fresh = engines.make_database(self.template.server)
            self._database = fresh.render_as_string(hide_password=False)
        safekeeping.restore(
            folder, self.home, clock=Clock(self.controls.wall), database_url=self._database
        )
        self.node = self._opened()
        freezing.unfreeze(self.node, by="desk", reason="looked into")
        self.world = world
        self.rewound = True
        self._see()
        for what in whats:
            self.start(what)
        return True

    def take_back_recovered(self) -> None:
        """A person looks at what the other side gave back, and publishes it."""
        for file in sorted((self.home / "recovered").glob("[!.]*.json")):
            given = json.loads(file.read_text())["objects"]
            file.unlink()
            self._publish(
                [one for one in given if not one["id"].startswith("marking-definition--")],
                "indicators",
            )

    def accept_clock(self) -> None:
        if self.node.clock.doubt is not None:
            accept_clock(self.node, by="desk")


def canaries(content: Any) -> set[bytes]:
    return set(CANARY.findall(json.dumps(content, default=dict).encode()))


def _named(copies: Iterable[Copy]) -> set[tuple[str, str]]:
    return {(one.id, str(one.content.get("modified", ""))) for one in copies}


def alive(pid: int) -> bool:
    """Whether the process runs (one that ended and was not looked after yet does not)."""
    try:
        return re.search(r"\) [ZX] ", Path(f"/proc/{pid}/stat").read_text()) is None
    except OSError:
        return False


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
