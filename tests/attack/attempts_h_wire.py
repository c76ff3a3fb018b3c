"""Attempts below the application: heads that never end, bodies that nobody asked for, readers that do not read."""

from __future__ import annotations

import contextlib
import json
import socket
import time

from tests.attack import guards
from tests.attack.attempts import OUTSIDER, PARTNER, attempt
from tests.attack.world import Side, World
from tests.scenes import envelope, indicator
from tests.taxii.conftest import ROOT, TAXII, objects_path
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CONDUCT = "cert_exchange.http.conduct"
ENDLESS = 10**12

guards.add(
    "body: limit",
    "a body above max_content_length is refused, while it is read and before it is parsed",
    {
        "cert_exchange.taxii.routes.read_body": guards.Wrapped(
            lambda real: lambda request, _limit: real(request, 1 << 30)
        ),
        "cert_exchange.node.Limits": guards.Wrapped(
            lambda real: lambda **_given: real(body_bytes=1 << 30)
        ),
    },
)
guards.add(
    "body: in time",
    "a body that does not come in time ends in 408",
    {"cert_exchange.taxii.bodies.READ_SECONDS": ENDLESS},
)
guards.add(
    "head: in time",
    "a connection that sends no whole head is left after HEAD_SECONDS",
    {f"{CONDUCT}.Conduct._wait": guards.answers(None)},
)
guards.add(
    "head: blank lines",
    "what is no request does not begin the keep-alive time anew",
    {f"{CONDUCT}.Conduct._rests": guards.answers(value=False)},
)
guards.add(
    "head: limit",
    "path, query and headers together have at most 64 KiB",
    {
        "cert_exchange.http.application.HEAD_BYTES": ENDLESS,
        "cert_exchange.http.listening.HEAD_BYTES": ENDLESS,
        "cert_exchange.http.listening.MOST_HEAD_BYTES": ENDLESS,
    },
)
guards.add(
    "trailers: no headers",
    "a field after the body is no header (RFC 9110 6.5.1)",
    {f"{CONDUCT}.Conduct.on_header": HttpToolsProtocol.on_header},
)
guards.add(
    "framing: limit",
    "what is neither head nor body of a request is bounded",
    {f"{CONDUCT}.MOST_FRAMING": ENDLESS},
)
guards.add(
    "unread body: left",
    "who was answered may not go on sending for ever",
    {f"{CONDUCT}.Conduct.on_response_complete": HttpToolsProtocol.on_response_complete},
)
guards.add(
    "stalled reader: cut off",
    "who does not read its answer is cut off",
    {f"{CONDUCT}.Conduct._cut_off_later": guards.answers(None)},
)
guards.add(
    "answers under way: limit",
    "a partner's unread answers take a bounded part of our memory",
    {"cert_exchange.http.application.MOST_UNDER_WAY": ENDLESS},
)
guards.add(
    "entrance: share",
    "one network has at most its share of connections",
    {"cert_exchange.http.entrance.SHARE": ENDLESS},
)


def _refuse_when_full(real):
    def admit(self, arrived, address):
        return self._count < self._most and real(self, arrived, address)

    return admit


guards.add(
    "entrance: room for all",
    "a full house takes the place from the network that has most, not from the newcomer",
    {"cert_exchange.http.entrance.Crowd.admit": guards.Wrapped(_refuse_when_full)},
)


def _lenient(real):
    def connection_made(self, transport):
        real(self, transport)
        self.parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_chunked_length=True, lenient_keep_alive=True,
            lenient_transfer_encoding=True, lenient_version=True,
        )  # fmt: skip

    return connection_made


guards.add(
    "http: strict",
    "a request that two servers could read differently is 400",
    {f"{CONDUCT}.Conduct.connection_made": guards.Wrapped(_lenient)},
)


def wire(side: Side, *, source: str = "127.0.0.1", receive: int = 0) -> socket.socket:
    """A bare connection to a side."""
    made = socket.socket()
    if receive:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    made.bind((source, 0))
    made.settimeout(5)
    made.connect(("127.0.0.1", side.port))
    return made


def head(method: str = "POST", path: str = "", *fields: str) -> bytes:
    return "\r\n".join(
        [f"{method} {path or objects_path()} HTTP/1.1", "Host: a", *fields, "", ""]
    ).encode()


def alive(connection: socket.socket) -> bool:
    """Whether the other side still listens to it, after all that it sent was read."""
    connection.setblocking(False)
    try:
        while connection.recv(1 << 16):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def poured(connection: socket.socket, piece: bytes, total: int) -> bool:
    """Send `total` bytes; whether all were taken."""
    sent = 0
    try:
        while sent < total:
            connection.sendall(piece)
            sent += len(piece)
    except OSError:
        return False
    time.sleep(0.2)
    return alive(connection)


@attempt("body above the limit", guard="body: limit", by=PARTNER)
def large_body(world: World) -> bool:
    """A body larger than max_content_length, sent in pieces without a Content-Length."""
    world.a.open(max_content_length=2048)
    body = envelope(indicator("large", description="x" * 4000))
    got = world.a.client("b").ask(
        objects_path(), method="POST", body=[body[:1000], body[1000:]], chunked=True,
        headers={"Content-Type": TAXII},
    )  # fmt: skip
    return got.status == 202


@attempt("gzip bomb", guard="body: limit", by=PARTNER)
def gzip_bomb(world: World) -> bool:
    """A small body that unpacks to far more than max_content_length."""
    import gzip

    world.a.open(max_content_length=65536)
    body = gzip.compress(envelope(indicator("bomb", by=None, description="x" * 500_000)))
    got = world.a.client("b").post(objects_path(), body, headers={"Content-Encoding": "gzip"})
    return got.status == 202 and got.json["success_count"] == 1


@attempt("slow body", guard="body: in time", by=PARTNER)
def slow_body(world: World) -> bool:
    """A body that comes drop by drop holds one of the partner's rooms for as long as it likes."""
    world.scaled(0.005, "cert_exchange.taxii.bodies.READ_SECONDS")
    token = world.a.credential("b").token
    with wire(world.a) as connection:
        connection.sendall(
            head(
                "POST",
                "",
                f"Authorization: Bearer {token}",
                f"Content-Type: {TAXII}",
                "Content-Length: 1000",
            )
        )
        for _ in range(12):
            time.sleep(0.1)
            connection.sendall(b" ")
        connection.setblocking(False)
        try:
            return b" 408 " not in connection.recv(4096)
        except BlockingIOError:
            return True


@attempt("slow head", guard="head: in time", by=OUTSIDER)
def slow_head(world: World) -> bool:
    """Slowloris: header bytes without end, each just in time."""
    world.scaled(0.01, f"{CONDUCT}.HEAD_SECONDS")
    with wire(world.a) as connection:
        connection.sendall(b"GET /taxii2/ HTTP/1.1\r\nHost: a\r\n")
        with contextlib.suppress(OSError):
            for _ in range(10):
                time.sleep(0.08)
                connection.sendall(b"X")
        return alive(connection)


@attempt("silent connection", guard="head: in time", by=OUTSIDER)
def silent_connection(world: World) -> bool:
    """A connection on which nothing is ever sent."""
    world.scaled(0.01, f"{CONDUCT}.HEAD_SECONDS")
    with wire(world.a) as connection:
        time.sleep(0.8)
        return alive(connection)


@attempt("blank lines for ever", guard="head: blank lines", by=OUTSIDER)
def blank_lines(world: World) -> bool:
    """After one answer a blank line ends the keep-alive timer, and the connection stays for ever."""
    world.scaled(0.01, f"{CONDUCT}.HEAD_SECONDS")
    world.scaled(0.02, "cert_exchange.http.serving.KEEP_ALIVE_SECONDS")
    with wire(world.a) as connection:
        connection.sendall(head("GET"))
        time.sleep(0.2)
        connection.sendall(b"\r\n")
        time.sleep(1.6)
        return alive(connection)


@attempt("head of 200 KiB", guard="head: limit", by=OUTSIDER)
def large_head(world: World) -> bool:
    """Headers without end, in the hope that each is kept."""
    fields = {f"X-{n}": "y" * 1000 for n in range(100)}
    got = world.a.client("b").ask(f"{ROOT}collections/", headers=fields)
    return got.status == 200


@attempt("credential in a trailer", guard="trailers: no headers", by=OUTSIDER)
def trailer(world: World) -> bool:
    """A field after the body that counts as a header slips past whatever checked the head."""
    token = world.a.credential("b").token
    body = envelope(indicator("smuggled"))
    with wire(world.a) as connection:
        connection.sendall(
            head("POST", "", "Transfer-Encoding: chunked", f"Content-Type: {TAXII}")
            + b"%x\r\n%s\r\n0\r\nAuthorization: Bearer %s\r\n\r\n"
            % (len(body), body, token.encode())
        )
        return b" 202 " in connection.recv(200)


@attempt("endless trailers", guard="framing: limit", by=OUTSIDER)
def endless_trailers(world: World) -> bool:
    """Fields after the body, each of which the server would keep until its memory is full."""
    with wire(world.a) as connection:
        connection.sendall(head("POST", "", "Transfer-Encoding: chunked") + b"0\r\n")
        return poured(connection, b"X-A: " + b"y" * 10_000 + b"\r\n", 3_000_000)


@attempt("body after the answer", guard="unread body: left", by=OUTSIDER)
def body_after_answer(world: World) -> bool:
    """Refused with 401, and sending on: the connection and its reading cost us something for ever."""
    world.scaled(0.01, f"{CONDUCT}.READ_OFF_BYTES")
    with wire(world.a) as connection:
        connection.sendall(head("POST", "", "Content-Length: 100000000000"))
        assert b" 401 " in connection.recv(4096)
        return poured(connection, b"x" * 100_000, 4_000_000)


def _large_pages(world: World, count: int = 8) -> None:
    for number in range(count):
        world.a.scene.publish(indicator(f"large {number}", description="x" * 900_000))


@attempt("answer that is never read", guard="stalled reader: cut off", by=PARTNER)
def unread_answer(world: World) -> bool:
    """A large page is fetched and not read: it stays in our memory for as long as the client likes."""
    world.scaled(0.01, f"{CONDUCT}.STALL_SECONDS")
    _large_pages(world)
    token = world.a.credential("b").token
    with wire(world.a, receive=4096) as connection:
        connection.sendall(head("GET", "", f"Authorization: Bearer {token}", f"Accept: {TAXII}"))
        time.sleep(1.5)
        read = 0
        with contextlib.suppress(OSError):
            while read < 7_000_000 and (piece := connection.recv(1 << 20)):
                read += len(piece)
        return read >= 7_000_000


@attempt("many answers that are not read", guard="answers under way: limit", by=PARTNER)
def many_unread(world: World) -> bool:
    """Large pages over many connections, none of them read."""
    world.scaled(0.1, "cert_exchange.http.application.MOST_UNDER_WAY")
    _large_pages(world)
    token = world.a.credential("b").token
    begun = []
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            connection = stack.enter_context(wire(world.a, receive=4096))
            connection.sendall(
                head("GET", "", f"Authorization: Bearer {token}", f"Accept: {TAXII}")
            )
            begun.append(connection.recv(15))
    return all(b" 200" in one for one in begun)


@attempt("flood of connections", guard="entrance: share", by=OUTSIDER)
def flood(world: World) -> bool:
    """One network opens connection after connection."""
    world.scaled(1 / 32, "cert_exchange.http.entrance.SHARE")
    served = 0
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            with contextlib.suppress(OSError):
                connection = stack.enter_context(wire(world.a))
                connection.sendall(head("GET"))
                served += b" 401 " in connection.recv(200)
    return served == 20


@attempt("flood from many networks", guard="entrance: room for all", by=OUTSIDER)
def flood_from_many(world: World) -> bool:
    """Every place is taken, and the partner finds none."""
    world.scaled(1 / 512, "cert_exchange.http.entrance.MOST_CONNECTIONS")
    with contextlib.ExitStack() as stack:
        for number in range(1, 21):
            with contextlib.suppress(OSError):
                connection = stack.enter_context(wire(world.a, source=f"127.1.{number % 5}.1"))
                connection.sendall(head("GET"))
                connection.recv(200)
        try:
            return world.a.client("b").get(f"{ROOT}collections/").status != 200
        except OSError:
            return True


def _answers(world: World, sent: bytes) -> int:
    """How many answers other than 400 one connection got."""
    with wire(world.a) as connection:
        connection.sendall(sent)
        time.sleep(0.3)
        connection.setblocking(False)
        got = b""
        with contextlib.suppress(OSError):
            while piece := connection.recv(1 << 16):
                got += piece
    return sum(
        got.count(f"HTTP/1.1 {status} ".encode()) for status in (200, 202, 401, 404, 405, 406)
    )


@attempt("two lengths", guard="http: strict", by=OUTSIDER)
def two_lengths(world: World) -> bool:
    """Content-Length beside Transfer-Encoding: what a proxy takes for a body is a second request to us."""
    hidden = head("GET", "/health/live")
    sent = head("POST", "", f"Content-Length: {5 + len(hidden)}", "Transfer-Encoding: chunked")
    return _answers(world, sent + b"0\r\n\r\n" + hidden) == 2


@attempt("coding after chunked", guard="http: strict", by=OUTSIDER)
def coding_after_chunked(world: World) -> bool:
    """A transfer coding that hides the chunks from one of two servers."""
    sent = head("POST", "", "Transfer-Encoding: chunked, identity")
    return _answers(world, sent + b"0\r\n\r\n" + head("GET", "/health/live")) >= 1


@attempt("control characters in a header", guard="http: strict", by=OUTSIDER)
def control_in_header(world: World) -> bool:
    """A header value with control characters, which some log or proxy will read as more than one line."""
    return _answers(world, head("GET", "/health/live", "X-A: a\x01\x02b")) >= 1


@attempt("deep JSON", guard="json: depth", by=PARTNER)
def deep_json(world: World) -> bool:
    """An object nested deeper than any reader of it can follow."""
    deep = json.loads("[" * 200 + "]" * 200)
    got = world.a.client("b").post(
        objects_path(), envelope(indicator("deep", by=None, x_deep=deep))
    )
    return got.status == 202 and got.json["success_count"] == 1


guards.add(
    "json: depth",
    "JSON nests at most 64 deep",
    {"cert_exchange.stix.canonical._check_depth": guards.answers(None)},
)


@attempt("key twice", guard="json: each key once", by=PARTNER)
def key_twice(world: World) -> bool:
    """Two values under one key: one reader sees TLP:RED, the next TLP:CLEAR."""
    body = envelope(indicator("twice", by=None)).replace(
        b'"name": "twice"', b'"name": "x", "name": "y"'
    )
    got = world.a.client("b").post(objects_path(), body)
    return got.status == 202 and got.json["success_count"] == 1


guards.add(
    "json: each key once",
    "a key that stands twice in an object is refused",
    {"cert_exchange.stix.canonical._DECODER": json.JSONDecoder()},
)


guards.add(
    "paths: long ones are not kept",
    "what a stranger sends once does not stay in our memory",
    {"cert_exchange.taxii.wire.KEPT_BYTES": ENDLESS},
)


@attempt("paths that stay", guard="paths: long ones are not kept", by=OUTSIDER)
def paths_that_stay(world: World) -> bool:
    """Thousands of different long paths, each of which a cache would keep."""
    from cert_exchange.taxii.wire import _kept_segments as kept

    stranger = world.a.stranger()
    before = kept.cache_info().currsize
    for number in range(60):
        stranger.get(f"/api/{number}" + "x" * 50_000)
    return kept.cache_info().currsize - before >= 60


guards.add(
    "notes: a few for each partner",
    "what a client sends in vain is noted a few times, not once for each name",
    {"cert_exchange.taxii.routes._NOTES_KEPT": ENDLESS},
)


@attempt("a note for each name", guard="notes: a few for each partner", by=PARTNER)
def many_notes(world: World) -> bool:
    """One request with thousands of unknown parameters, each of which is to be written down."""
    query = "&".join(f"a{number}" for number in range(3_000))
    world.a.client("b").get(f"{ROOT}collections/", query)
    return world.log.count("parameter ignored") > 1_000
