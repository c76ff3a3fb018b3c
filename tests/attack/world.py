"""The two-node picture that is attacked: CERT A and CERT B, each a real node served over HTTP on loopback.

A (`world.a`) knows the partners `b` and `c`; B (`world.b`) knows the partner `a`. Both have the collections
`indicators` and `reports`, open to their partners, and policies that share what is their own up to TLP:AMBER. A node is
opened and served when it is first used. Everything runs in this process, so that guards can be switched off.

    world.a.scene.publish(indicator("x"))           our desk publishes (tests/scenes.py)
    world.a.client("b").objects()                   a partner with a right credential (tests/taxii/conftest.py)
    world.a.open(page_limit=5)                      before the first use: settings that stand over the file
    world.neighbour(behaviour)                      a hostile server; world.b.pulls_from(url) asks it
    world.log                                       all that the nodes wrote to their logs
    world.run("received", "list", side=world.a)     a command line, as a person runs it: code, out, err
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pkgutil
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import structlog
from sqlalchemy.engine import URL
from tests import engines
from tests.conftest import OUR_IDENTITY, Wall
from tests.neighbour import COLLECTION, Asked, Neighbour, Reply
from tests.scenes import ALLOW_ALL, B_IDENTITY, Scene, uid
from tests.taxii.conftest import Client, serving

from cert_exchange import logs
from cert_exchange.http.access_log import AccessLog
from cert_exchange.node import Node, make_home, open_node
from cert_exchange.services import collections, partners, publishing, syncing
from cert_exchange.store import copies
from cert_exchange.store.database import Database

_COLLECTION = "id: {id}\ntitle: {alias}\nalias: {alias}\nread: [{who}]\nwrite: [{who}]\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


class Side:
    """One CERT: its home, its node, its served port."""

    def __init__(self, world: World, name: str, template: Template) -> None:
        self._world = world
        self._template = template
        self.name = name
        self.home = world.folder / f"node-{name}"
        self._given: dict[str, Any] = {}
        self._tokens: dict[str, partners.IssuedSecret] = {}

    def open(self, **settings: Any) -> Side:
        """Open with these settings over the file; only before the first use."""
        assert "node" not in self.__dict__, "the node is open already"
        self._given = settings
        return self

    @cached_property
    def node(self) -> Node:
        database = self._template.copy(self.name, self.home, self._world)
        if database is not None:
            self._given = {**self._given, "database_url": database}
        node = open_node(self.home, clock=self._world.wall.clock(), **self._given)
        self._world.ends(node.close)
        return node

    @property
    def scene(self) -> Scene:
        return Scene(self.node)

    @cached_property
    def port(self) -> int:
        log = AccessLog(self._world.stream)
        return int(self._world.enters(serving(self.node, access_log=log)))

    @property
    def url(self) -> str:
        """The address of the API root."""
        return f"http://127.0.0.1:{self.port}/api/"

    def credential(self, partner: str) -> partners.IssuedSecret:
        """A credential of that partner here, the same one all along."""
        if partner not in self._tokens:
            self._tokens[partner] = partners.issue(self.node, partner, lifetime=None)
        return self._tokens[partner]

    def client(self, partner: str) -> Client:
        return Client(self.port, f"Bearer {self.credential(partner).token}")

    def stranger(self) -> Client:
        return Client(self.port)

    def pulls_from(self, url: str, *, partner: str = "", **options: Any) -> syncing.RunReport:
        """Add a source at `url` and run it once."""
        syncing.add_source(
            self.node, "attacked", partner=partner or ("a" if self.name == "b" else "b"), url=url,
            remote_collection=COLLECTION, collection="indicators",
            options={"insecure": True, "read_seconds": 3.0, **options},
        )  # fmt: skip
        return self.syncs("attacked")

    def syncs(self, only: str | None = None) -> syncing.RunReport:
        (report,) = syncing.sync_once(self.node, only=only)
        return report


@dataclass
class World:
    """Fresh for each attempt; everything that it started ends with it."""

    folder: Path
    templates: dict[str, Template]
    wall: Wall = field(default_factory=Wall)
    stream: io.StringIO = field(default_factory=io.StringIO)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        # Large bodies go to a child otherwise, in which no guard can be switched off.
        self.enters(patch("cert_exchange.taxii.receiver.SMALL", 1 << 40))
        self.a = Side(self, "a", self.templates["a"])
        self.b = Side(self, "b", self.templates["b"])

    @property
    def log(self) -> str:
        """What both nodes logged so far; the access log comes with up to half a second's delay, or at `close`."""
        return self.stream.getvalue()

    def neighbour(self, behaviour: Callable[[Asked], Reply], **more: Any) -> Neighbour:
        return self.enters(Neighbour(behaviour, **more))

    def scaled(self, factor: float, *paths: str) -> None:
        """Make numbers of ours smaller for this attempt (seconds, bytes), by their dotted paths.

        Before the first use of a side. They are multiplied and not set, so that a guard's `off` (infinity) stays.
        """
        for path in paths:
            holder, _, name = path.rpartition(".")
            owner = pkgutil.resolve_name(holder)
            before = vars(owner)[name]
            setattr(owner, name, type(before)(before * factor))
            self.ends(partial(setattr, owner, name, before))

    def run(self, *arguments: str, side: Side | None = None, text: str | None = None) -> Ran:
        """Run the program in this process on the home of a side (A's if none is named)."""
        from cert_exchange.cli import main

        given = {
            "CERT_EXCHANGE_HOME": str((side or self.a).node.settings.home),
            "CERT_EXCHANGE_OPERATOR": "tester",
        }
        out, err = _Captured(), _Captured()
        code = 0
        with (
            patch.dict(os.environ, given),
            patch.object(sys, "argv", ["cert-exchange", *arguments]),
            patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO((text or "").encode()))),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main.run()
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        # A command sends the log where it likes; ours comes back.
        self._logs_here()
        return Ran(code, out.text, err.text)

    def empty_database(self) -> str | None:
        """The address of a fresh database on PostgreSQL, for what is restored; None where a home holds its own."""
        server = self.templates["a"].server
        if server is None:
            return None
        url = engines.make_database(server)
        self.ends(partial(engines.drop_database, server, url))
        return url.render_as_string(hide_password=False)

    def copy_of(self, node: Node) -> dict[str, Any]:
        """Settings for a copy of a node's home: on PostgreSQL its database is copied too, as for a backup."""
        url = self.empty_database()
        if url is None:
            return {}
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        copies.copy_out(node.database, folder)
        copy = Database.open(url)
        copies.copy_in(copy, folder)
        copy.dispose()
        return {"database_url": url}

    def ends(self, what: Callable[[], None]) -> None:
        self._stack.callback(what)

    def enters(self, what: Any) -> Any:
        return self._stack.enter_context(what)

    def close(self) -> None:
        self._stack.close()

    def _logs_here(self) -> None:
        with contextlib.redirect_stderr(self.stream):
            logs.configure(self.wall.read)


class _Captured(io.TextIOWrapper):
    """Text that stays readable after the end, with the bytes below it, as a real stream has."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", errors="surrogateescape", newline="")

    @property
    def text(self) -> str:
        self.flush()
        return self._bytes.getvalue().decode("utf-8", "surrogateescape")


class Template:
    """A home that is made once and copied for each world."""

    def __init__(self, folder: Path, name: str, server: URL | None) -> None:
        self.home = folder / f"template-{name}"
        self.server = server
        self._url = engines.make_database(server) if server is not None else None
        given = {"database_url": self._text(self._url)} if self._url is not None else {}
        identity, title = {
            "a": (OUR_IDENTITY, "CERT A"),
            "b": (B_IDENTITY, "CERT B"),
        }[name]
        make_home(self.home, identity=identity, title=title, **given)
        node = open_node(self.home)
        try:
            if name == "a":
                Scene.set_up(node)
            else:
                _know_a(node)
        finally:
            node.close()

    @staticmethod
    def _text(url: URL) -> str:
        return url.render_as_string(hide_password=False)

    def copy(self, name: str, home: Path, world: World) -> str | None:
        """Copy home and database; returns the address of the copy where it is not in the home."""
        shutil.copytree(self.home, home)
        if self.server is None or self._url is None:
            return None
        server, url = self.server, engines.make_database(self.server, str(self._url.database))
        world.ends(lambda: engines.drop_database(server, url))
        file = home / "node.yaml"
        file.write_text(file.read_text().replace(str(self._url.database), str(url.database)))
        return self._text(url)

    def remove(self) -> None:
        if self.server is not None and self._url is not None:
            engines.drop_database(self.server, self._url)


def _know_a(node: Node) -> None:
    """B's side of the picture: it knows A as `a`."""
    publishing.seed(node)
    partners.add(node, "a", title="CERT A", speaks_for=[OUR_IDENTITY], relays_any=True)
    directory = node.settings.home / "collections"
    directory.mkdir(exist_ok=True)
    for alias in ("indicators", "reports"):
        text = _COLLECTION.format(id=uid("collection " + alias), alias=alias, who="a")
        (directory / f"{alias}.yaml").write_text(text)
    collections.load_collections(node, directory)
    Scene(node).apply("a", ALLOW_ALL.format(partner="a"))


class Worlds:
    """Makes worlds. One per run; `server`: a PostgreSQL server, SQLite without one."""

    def __init__(self, server: URL | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cert-exchange-attack-")
        self._templates: dict[str, Template] = {}
        self._server = server
        self._count = 0

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        for name in ("a", "b"):
            self._templates[name] = Template(folder, name, self._server)
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._templates.values():
            one.remove()
        self._folder.cleanup()

    @contextmanager
    def world(self) -> Iterator[World]:
        """A fresh world, with its logs kept from the terminal."""
        self._count += 1
        folder = Path(self._folder.name) / f"world-{self._count}"
        folder.mkdir()
        world = World(folder, self._templates)
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        before = structlog.get_config()
        world._logs_here()
        try:
            yield world
        finally:
            try:
                world.close()
            finally:
                structlog.configure(**before)
                root.handlers[:] = handlers
                root.setLevel(level)
                shutil.rmtree(folder, ignore_errors=True)
