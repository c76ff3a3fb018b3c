"""One run: two nodes, people at work on both, faults between and in them; then calm, and the check.

Everything that is chosen comes from the run's seed; what the processes make of it depends on their time.
"""

from __future__ import annotations

import random
import shutil
import signal
import ssl
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from sqlalchemy import func, select
from tests import engines
from tests.authorities import Foreign, Holder
from tests.chaos import checking
from tests.chaos.link import KINDS, Link, Papers
from tests.chaos.nursery import Nursery
from tests.chaos.sides import COLLECTIONS, Side, Template
from tests.chaos.troubles import Troubles
from tests.chaos.watching import PARTNER, Watcher
from tests.foreign.conftest import free_port
from tests.scenes import uid

from cert_exchange.services import signing, syncing
from cert_exchange.store import epochs, partner_epochs
from cert_exchange.store.tables import owed_notices, sources, targets

STEPS = 36
STEP_SECONDS = 0.12
SETTLE_SECONDS = 25.0
_RESTORED = 0.25
_SECOND_WORKER = 0.3
_SIGNED = 0.25


@dataclass(frozen=True)
class Plan:
    """What a run is made of; what is None is drawn from the seed. `weather` that is given stays to the end."""

    seed: int
    steps: int = STEPS
    engines: tuple[str, str] | None = None
    weather: tuple[str, ...] | None = None
    troubles: tuple[str, ...] | None = None
    trouble: float = 0.3
    """how likely one more begins in a step"""
    crash_at_first_pages: bool = False
    second_worker: bool | None = None
    signed: bool | None = None
    """whether each has pinned the other's key, so that deliveries are stated, checked and receipted"""
    without: str = ""
    settle_seconds: float = SETTLE_SECONDS
    keep: Literal["never", "found", "always"] = "never"
    """when the folders of the run stay, for who looks into it"""


@dataclass
class Result:
    """What a run showed."""

    seed: int
    words: str
    hits: Counter[str]
    findings: checking.Findings
    seconds: float
    folder: str = ""
    faults_of_ours: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    """how the channels stand, where the run did not settle"""
    broken: str = ""
    """why the harness itself could not go on"""

    @property
    def clean(self) -> bool:
        return self.findings.clean and not self.broken


class Grounds:
    """What all runs of a process share: templates, certificates, the nursery, a PostgreSQL server once one is asked for."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cert-exchange-chaos-"))
        self.nursery = Nursery()
        self.server: engines.Server | None = None
        self._templates: dict[tuple[str, str], Template] = {}
        authority = Foreign("Chaos authority")
        (self.folder / "ca.pem").write_bytes(authority.pem)
        self.papers = Papers(
            self.folder / "ca.pem",
            self._certified(authority),
            self._certified(authority, since=9, days=-2),
        )

    def _certified(self, authority: Foreign, **life: int) -> Path:
        holder = Holder(self.folder, "server")
        name = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "localhost")])
        from cryptography.hazmat.primitives import hashes

        made = authority._unsigned(subject, holder.key.public_key(), **life).add_extension(
            name, critical=False
        )
        return holder.pair(made.sign(authority.key, hashes.SHA256()))

    def template(self, name: str, engine: str) -> Template:
        if engine == "postgresql" and self.server is None:
            self.server = engines.start_server()
        server = self.server.url if engine == "postgresql" and self.server is not None else None
        if (name, engine) not in self._templates:
            self._templates[name, engine] = Template(name, self.folder, server).make()
        return self._templates[name, engine]

    def asking(self) -> ssl.SSLContext:
        context = self.papers.asking()
        context.check_hostname = True
        return context

    def close(self) -> None:
        self.nursery.close()
        if self.server is not None:
            self.server.remove()
        if not any(self.folder.glob("run-*")):
            shutil.rmtree(self.folder, ignore_errors=True)


class Run:
    """Two nodes and the way between them, from start to check."""

    def __init__(self, grounds: Grounds, plan: Plan) -> None:
        self.grounds, self.plan = grounds, plan
        self.dice = dice = random.Random(plan.seed)
        self.folder = Path(tempfile.mkdtemp(prefix=f"run-{plan.seed}-", dir=grounds.folder))
        mix = (("sqlite", "sqlite"),) * 4 + (("postgresql", "sqlite"), ("sqlite", "postgresql"))
        self.engines = plan.engines or dice.choice(mix)
        self.links = (
            Link(grounds.papers, dice.getrandbits(32)),
            Link(grounds.papers, dice.getrandbits(32)),
        )
        sides = []
        for name, engine, link in zip("ab", self.engines, self.links, strict=True):
            link.upstream = free_port()
            if plan.weather:
                link.kinds, link.storm = plan.weather, 0.9
            sides.append(
                Side(
                    name, self.folder, grounds.template(name, engine), grounds.nursery, link,
                    grounds.papers.server, random.Random(dice.getrandbits(64)), plan.without,
                )
            )  # fmt: skip
        self.sides = sides[0], sides[1]
        self.troubles = Troubles(self.sides, random.Random(dice.getrandbits(64)), grounds.server)
        self.troubles.kinds = self._kinds()
        self.watchers: list[Watcher] = []
        self.signed = False
        self.clean = False

    def _kinds(self) -> tuple[str, ...]:
        if self.plan.troubles is not None:
            return self.plan.troubles
        every = tuple(self.troubles._all)
        if self.dice.random() >= _RESTORED:
            every = tuple(kind for kind in every if kind != "backup restored")
        # Some at a time: a run with everything at once gets nowhere.
        return tuple(self.dice.sample(every, self.dice.randrange(3, len(every))))

    def made(self) -> Result:
        """Run it whole."""
        begun = time.monotonic()
        try:
            self._set_up()
            for _ in range(self.plan.steps):
                self._step()
            settled = self._settle()
            channels = [] if settled else [line for side in self.sides for line in _channels(side)]
            for side in self.sides:
                side.end()
            findings = checking.check(self.sides, self.watchers)
            self.clean = findings.clean
            ours = [line for side in self.sides for line in checking.faults_of_ours(side.log)]
        finally:
            self._close()
        hits = self.links[0].hits + self.links[1].hits + self.troubles.hits
        words = "/".join(self.engines) + (", signed" if self.signed else "")
        words += "" if settled else ", did not settle"
        seconds = time.monotonic() - begun
        return Result(
            self.plan.seed, words, hits, findings, seconds, str(self.folder), ours, channels
        )

    def _set_up(self) -> None:
        a, b = self.sides
        if self.plan.crash_at_first_pages:
            self.troubles.crash_at_first_pages()
        # Of dice of its own: a seed means the same otherwise, signed or not.
        signed = random.Random(f"signed {self.plan.seed}").random() < _SIGNED
        self.signed = signed if self.plan.signed is None else self.plan.signed
        for side in self.sides:
            side.token(side.other)
        for side, other in ((a, b), (b, a)):
            self._connect(side, other, other.tokens[side.name])
            token = side.token(PARTNER)
            self.watchers += [
                Watcher(side, collection, token, self.grounds.asking())
                for collection in COLLECTIONS
            ]
            if self.signed:
                signing.pin(
                    side.node, side.other, signing.our_keys(other.node)[0].public, by="desk"
                )
            for _ in range(self.dice.randrange(2, 6)):
                side.work()
            side.start()
            second = self.dice.random() < _SECOND_WORKER
            if second if self.plan.second_worker is None else self.plan.second_worker:
                side.start("work")
        for side in self.sides:
            self._ready(side)

    def _connect(self, side: Side, other: Side, token: str) -> None:
        secret = self.folder / "secret"
        secret.write_text(token)
        given: dict[str, Any] = {
            "auth": "bearer", "server": "cert-exchange", "ca_file": str(self.grounds.papers.authority),
            "every_seconds": 1, "connect_seconds": 2.0, "read_seconds": 1.5, "answer_seconds": 3.0,
            "run_seconds": 10.0, "status_seconds": 1.0, "limit": self.dice.choice((2, 5, 1000)),
            "batch_objects": self.dice.choice((1, 3, 1000)), "delete": self.dice.random() < 0.5,
        }  # fmt: skip
        url = f"https://localhost:{other.link.port}/api/"
        syncing.add_source(
            side.node, f"from-{other.name}", partner=side.other, url=url, secret=secret, options=given,
            remote_collection=uid("collection indicators"), collection="indicators",
        )  # fmt: skip
        syncing.add_target(
            side.node, f"to-{other.name}", partner=side.other, url=url, secret=secret, options=given,
            remote_collection=uid("collection reports"), collection="reports",
        )  # fmt: skip

    def _ready(self, side: Side) -> None:
        context = self.grounds.asking()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            connection = HTTPSConnection(
                "localhost", side.link.upstream, context=context, timeout=5
            )
            try:
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == 200:
                    return
            except (OSError, HTTPException):
                time.sleep(0.05)
            finally:
                connection.close()
        raise AssertionError(side.log.read_text()[-2000:])

    def _step(self) -> None:
        dice = self.dice
        self.troubles.step()
        if dice.random() < 0.6:
            dice.choice(self.sides).work()
        if dice.random() < self.plan.trouble and self.troubles.kinds:
            self.troubles.begin()
        if dice.random() < 0.25 and self.plan.weather is None:
            link = dice.choice(self.links)
            link.kinds = tuple(dice.sample(KINDS, dice.randrange(1, 6)))
            link.storm = dice.choice((0.0, 0.3, 0.6, 0.9))
        if dice.random() < 0.2:
            dice.choice(self.watchers).poll()
        time.sleep(STEP_SECONDS)

    def _settle(self) -> bool:
        """End the faults and wait until nothing moves any more; False when it took too long."""
        self.troubles.end()
        for link in self.links:
            link.storm = 0.0
        for side in self.sides:
            for pid in side.processes():
                side.limit_files(None)
                _go_on(pid)
        until = time.monotonic() + self.plan.settle_seconds
        calm = 0
        while time.monotonic() < until:
            time.sleep(0.25)
            for side in self.sides:
                side.keep_up()
                side.accept_clock()
                if _met(side):
                    side.take_back_recovered()
            whole = [watcher.poll() for watcher in self.watchers]
            a, b = self.sides
            quiet = all(whole) and not checking.apart(a, b) and not checking.apart(b, a)
            quiet = quiet and not any(map(_owes, self.sides))
            calm = calm + 1 if quiet and all(map(_met, self.sides)) else 0
            if calm == 3:
                return True
        return False

    def _close(self) -> None:
        for side in self.sides:
            side.close()
        for link in self.links:
            link.close()
        if self.plan.keep == "never" or (self.plan.keep == "found" and self.clean):
            shutil.rmtree(self.folder, ignore_errors=True)


def _channels(side: Side) -> list[str]:
    """How each channel of a side stands."""
    with side.node.database.reading() as tx:
        rows = [row for table in (sources, targets) for row in tx.execute(select(table)).mappings()]
    now = side.node.now()
    return [
        f"{side.name} {row['name']}: due in {(row['next_attempt_at'] - now) / 1e6:.1f} s,"
        f" leased for {(row['lease_until'] - now) / 1e6 if row['lease_until'] else 0:.1f} s,"
        f" paused {row['paused_at']}, at {row['cursor']}, {row['last_outcome']}"
        for row in rows
    ]


def _owes(side: Side) -> bool:
    """Whether a notice may still come that its readers could not have polled yet."""
    with side.node.database.reading() as tx:
        return bool(tx.execute(select(func.count()).select_from(owed_notices)).scalar_one())


def _met(side: Side) -> bool:
    """Whether a restored node has asked its partner for what only that one still holds."""
    if not side.rewound:
        return True
    with side.node.database.reading() as tx:
        own = epochs.current(tx)
        found = [one for name, one in partner_epochs.every(tx) if name == side.other]
    return all(one.asked >= own and one.told >= own for one in found) and bool(found)


def _go_on(pid: int) -> None:
    import os

    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def run(grounds: Grounds, plan: Plan) -> Result:
    """Make one run; what breaks the harness itself is said in the result."""
    try:
        return Run(grounds, plan).made()
    except Exception:  # noqa: BLE001 - one run that breaks does not end the others
        words = traceback.format_exc()
        return Result(plan.seed, "broken", Counter(), checking.Findings(), 0.0, broken=words)


def summed(results: Sequence[Result]) -> list[str]:
    """The faults by kind, and the line that says it all."""
    hits: Counter[str] = Counter()
    for one in results:
        hits += one.hits
    lines = [f"  {kind:<24} {count}" for kind, count in sorted(hits.items())]
    lines.append(
        f"runs={len(results)} faults={hits.total()} lost={sum(len(one.findings.lost) for one in results)}"
        f" repeated={sum(len(one.findings.repeated) for one in results)}"
        f" leaked={sum(len(one.findings.leaked) for one in results)}"
    )
    return lines
