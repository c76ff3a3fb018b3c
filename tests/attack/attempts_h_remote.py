"""Attempts by a server that we pull from: where it sends us, what it makes us read, and for how long."""

from __future__ import annotations

import gzip
import http.cookiejar
import json
import os
import threading
import time
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urljoin

from tests.attack import guards
from tests.attack.attempts import INSIDER, PARTNER, attempt
from tests.attack.world import World
from tests.neighbour import Asked, Collection, Neighbour, Reply, page
from tests.scenes import OWN_IDENTITY, indicator

from cert_exchange.services import syncing

CONNECTION = "cert_exchange.remote.connection.session"
ENDLESS = 10**18
NOW = "2026-06-01T00:00:00.000000Z"


def _follow(self, _method, response, _seen):
    return urljoin(response.url, response.headers["Location"])


guards.add(
    "remote: configured hosts only",
    "a redirect, an API root or a `next` never leads to a host that nobody configured",
    {
        f"{CONNECTION}.Connection._refuse_foreign": guards.answers(None),
        f"{CONNECTION}.Connection._redirected": _follow,
    },
)
guards.add(
    "remote: size",
    "an answer is counted while it is read and unpacked",
    {
        f"{CONNECTION}.Connection._read": guards.Wrapped(
            lambda real: (
                lambda self, what, response, ends, _cap: real(self, what, response, ends, 1 << 40)
            )
        )
    },
)
guards.add(
    "remote: in time",
    "one whole answer has an end, however it drips",
    {"cert_exchange.remote.connection.watch.Watch._fire": guards.answers(None)},
)


def _session(change):
    def make(real):
        def init(self, *given, **more):
            real(self, *given, **more)
            change(self.session)

        return init

    return {f"{CONNECTION}.Connection.__init__": guards.Wrapped(make)}


guards.add(
    "remote: no cookies",
    "nothing that a server sets comes back to it",
    _session(lambda session: session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy())),
)
guards.add(
    "remote: not from the environment",
    "no proxy and no password comes from this machine's environment",
    _session(lambda session: setattr(session, "trust_env", True)),
)
guards.add(
    "remote: paging ends",
    "a server whose pages repeat is left",
    {"cert_exchange.remote.pager.Pager._advance": lambda _self, envelope, _token: envelope.next},
)
guards.add(
    "remote: no date of tomorrow",
    "a date in the future is no cursor",
    {"cert_exchange.remote.pager._FUTURE_MICROS": ENDLESS},
)
guards.add(
    "remote: words are cleaned",
    "a stranger's words are shown cut, on one line, without control characters",
    {
        "cert_exchange.remote.discovery.cleaned": lambda text, _length: (
            text if isinstance(text, str) else text.decode("utf-8", "replace")
        )
    },
)
guards.add(
    "remote: owner of what it sends",
    "what is pulled is ruled on as what is posted",
    {
        "cert_exchange.services.publishing.admitting.may_bring": guards.answers(value=True),
        "cert_exchange.services.publishing.admitting._continues": guards.answers(value=True),
    },
)
guards.add(
    "remote: retry within an hour",
    "a server cannot send us away for longer than an hour",
    {"cert_exchange.remote.connection.answers.RETRY_AFTER_CAP": float(ENDLESS)},
)
guards.add(
    "remote: plain http to loopback only",
    "a password never goes over a line that others can read",
    {"cert_exchange.remote.connection.options._is_loopback": guards.answers(value=True)},
)


def _secret(world: World) -> Path:
    path = world.folder / "secret"
    path.write_text("the-password-for-a\n")
    path.chmod(0o600)
    return path


def _pull(world: World, url: str, **options) -> syncing.RunReport:
    """B pulls with a credential."""
    syncing.add_source(
        world.b.node, "attacked", partner="a", url=url, remote_collection=Neighbour.collection,
        collection="indicators", secret=_secret(world),
        options={"insecure": True, "auth": "bearer", "read_seconds": 3.0, **options},
    )  # fmt: skip
    return world.b.syncs("attacked")


@attempt("redirect inwards", guard="remote: configured hosts only", by=PARTNER)
def redirect(world: World) -> bool:
    """A redirect to a service of ours that only we can reach (SSRF)."""
    inside = world.neighbour(lambda _: page([]))
    outside = world.neighbour(
        lambda asked: Reply(302, headers={"Location": inside.origin + asked.path})
    )
    _pull(world, outside.url)
    return bool(inside.requests)


@attempt(
    "redirect that takes the password along", guard="remote: configured hosts only", by=PARTNER
)
def redirect_password(world: World) -> bool:
    """A redirect to another server of the attacker's, which gets our Authorization."""
    thief = world.neighbour(lambda _: page([]))
    outside = world.neighbour(lambda _: Reply(307, headers={"Location": thief.url}))
    _pull(world, outside.url)
    return any("the-password" in one.headers.get("authorization", "") for one in thief.requests)


@attempt("API root elsewhere", guard="remote: configured hosts only", by=PARTNER)
def api_root(world: World) -> bool:
    """Discovery names an API root on a host of our inner network."""
    inside = world.neighbour(lambda _: Reply(body=b'{"collections": []}'))
    found = json.dumps({"title": "x", "api_roots": [inside.url]}).encode()
    outside = world.neighbour(lambda _: Reply(body=found))
    syncing.look_around(world.b.node, outside.origin + "/taxii2/", options={"insecure": True})
    return bool(inside.requests)


@attempt("endless answer", guard="remote: size", by=PARTNER)
def endless_answer(world: World) -> bool:
    """A page far larger than we want to hold."""
    body = json.dumps({"objects": [indicator("large", description="x" * 900_000)]}).encode()
    peer = world.neighbour(lambda _: Reply(body=body, headers={"X-TAXII-Date-Added-Last": NOW}))
    return _pull(world, peer.url, max_answer_bytes=100_000).ok


@attempt("packed answer", guard="remote: size", by=PARTNER)
def packed_answer(world: World) -> bool:
    """A few packed bytes that unpack to more than we want to hold."""
    body = gzip.compress(
        json.dumps({"objects": [indicator("large", description="x" * 900_000)]}).encode()
    )
    assert len(body) < 100_000
    headers = {"X-TAXII-Date-Added-Last": NOW, "Content-Encoding": "gzip"}
    peer = world.neighbour(lambda _: Reply(body=body, headers=headers))
    return _pull(world, peer.url, max_answer_bytes=100_000).ok


@attempt("dripping answer", guard="remote: in time", by=PARTNER)
def dripping(world: World) -> bool:
    """Header bytes one by one, each in time, so that our worker hangs there."""
    peer = world.neighbour(lambda _: Reply(drip_headers=0.05))
    world.b.node  # noqa: B018 - opened here, not in the thread
    run = threading.Thread(
        target=lambda: _pull(world, peer.url, connect_seconds=0.5, answer_seconds=0.5)
    )
    run.start()
    time.sleep(3)
    hangs = run.is_alive()
    peer.released.set()
    run.join(10)
    return hangs


@attempt("cookie", guard="remote: no cookies", by=PARTNER)
def cookie(world: World) -> bool:
    """A cookie that marks our requests, from whatever channel they come."""
    peer = world.neighbour(
        lambda _: page([], more=True, next="x", headers={"Set-Cookie": "who=b; Path=/"})
    )
    _pull(world, peer.url)
    return any("who=b" in one.headers.get("cookie", "") for one in peer.requests)


@attempt("proxy of somebody else", guard="remote: not from the environment", by=INSIDER)
def proxy(world: World) -> bool:
    """An environment variable on our machine sends everything, with passwords, through a listener."""
    listener = world.neighbour(lambda _: page([]))
    peer = world.neighbour(lambda _: page([]))
    given = {
        "http_proxy": listener.origin,
        "HTTP_PROXY": listener.origin,
        "no_proxy": "",
        "NO_PROXY": "",
    }
    with patch.dict(os.environ, given):
        _pull(world, peer.url)
    return bool(listener.requests)


@attempt("pages in a circle", guard="remote: paging ends", by=PARTNER)
def circle(world: World) -> bool:
    """The same page again and again, each time with the promise of more."""
    peer = world.neighbour(
        lambda _: page([indicator("same")], more=True, next="again", first=NOW, last=NOW)
    )
    _pull(world, peer.url, page_cap=40)
    return len(peer.gets()) >= 40


@attempt("date of the year 9999", guard="remote: no date of tomorrow", by=PARTNER)
def future(world: World) -> bool:
    """One date far in the future, and this source brings nothing for ever."""
    peer = Collection([("9999-01-01T00:00:00.000000Z", indicator("first", by=OWN_IDENTITY))])
    neighbour = world.neighbour(peer)
    _pull(world, neighbour.url)
    peer.rows.append((NOW, indicator("second", by=OWN_IDENTITY)))
    world.b.syncs("attacked")
    from tests.attack.attempts_h_objects import _held

    return not _held(world.b, indicator("second")["id"])


@attempt("escape sequence in a title", guard="remote: words are cleaned", by=PARTNER)
def escape(world: World) -> bool:
    """A title that clears the operator's screen, or writes a line of its own into what is shown."""
    offered = {"id": "x", "title": "\x1b[2J\x1b]0;owned\x07\nok: all well"}

    def behaviour(asked: Asked) -> Reply:
        found = (
            {"collections": [offered]} if "collections" in asked.path else {"api_roots": ["/r/"]}
        )
        return Reply(body=json.dumps(found).encode())

    peer = world.neighbour(behaviour)
    offers = syncing.look_around(world.b.node, peer.origin + "/taxii2/", options={"insecure": True})
    return any(not one.title.isprintable() for one in offers)


@attempt("pulled in another's name", guard="remote: owner of what it sends", by=PARTNER)
def pulled(world: World) -> bool:
    """Our own identity as the creator of what partner a's server gives us."""
    from tests.attack.attempts_h_objects import _held

    mine = indicator("mine", by=world.b.node.identity)
    peer = world.neighbour(lambda _: page([mine], first=NOW, last=NOW))
    _pull(world, peer.url)
    return bool(_held(world.b, mine["id"]))


@attempt("sent away for ever", guard="remote: retry within an hour", by=PARTNER)
def sent_away(world: World) -> bool:
    """Retry-After of a century."""
    from datetime import timedelta

    def behaviour(_: Asked) -> Reply:
        return Reply(503, headers={"Retry-After": "999999999"})

    peer = world.neighbour(behaviour)
    _pull(world, peer.url)
    world.wall.forward(timedelta(hours=2))
    return not syncing.due_channels(world.b.node)


@attempt("password in the clear", guard="remote: plain http to loopback only", by=PARTNER)
def in_the_clear(world: World) -> bool:
    """A partner names an http address for its server, and everybody on the way reads our password."""
    syncing.add_source(
        world.b.node, "clear", partner="a", url="http://taxii.example/api/",
        remote_collection="x", collection="indicators", secret=_secret(world),
        options={"insecure": True, "auth": "bearer"},
    )  # fmt: skip
    return True
