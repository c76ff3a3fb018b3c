"""Whole runs against a TLS server, as nodes make them: the load of `benchmarks.channel`, in a process of its own.

1. A partner's run reads its log page by page. One that takes statements asks for one before the page that none covers
   yet, and hands all receipts over at the end: what `services.syncing.vouching` asks a server for, no more and no less.
2. Statements are new ones and receipts are signed here: nothing that the server answered before helps it.
3. Several lanes go on side by side, each with the runs of some partners one after the other and one request under way;
   none waits for another's answer. All connections stand before the clock starts.
4. Answers are read whole into one buffer, and only those to POSTs are parsed, so that the server is the limit.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = int(os.environ.get("PAGE", "100"))
"""Objects a page."""

_HEALTH: Final = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"

Steps = Generator[bytes, bytes, None]
"""Yields requests, and is sent their answers."""


@dataclass(frozen=True, slots=True)
class Partner:
    """One that polls. `pair`: a file with certificate and key, or nothing; `key`: a file with its signing key, or nothing."""

    secret: str
    pair: str
    key: str
    pages: tuple[str, ...] = ()
    """the requests of its walk through its log"""


@dataclass(frozen=True, slots=True)
class Target:
    """A served variant: where it is, whom to believe, which collection is read, and by whom in each lane."""

    name: str
    port: int
    authority: str
    collection: str
    lanes: tuple[tuple[Partner, ...], ...]


def get(path: str, secret: str) -> str:
    """One poll."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/taxii+json;version=2.1\r\n"
        f"Authorization: Bearer {secret}\r\n\r\n"
    )


def ask(name: str, secret: str, body: dict[str, Any]) -> bytes:
    """One question to the peer face."""
    text = json.dumps(body)
    return (
        f"POST /exchange/v1/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(text)}\r\nAuthorization: Bearer {secret}\r\n\r\n{text}"
    ).encode()


def context_of(authority: str, pair: str) -> ssl.SSLContext:
    """A client's TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    if pair:
        context.load_cert_chain(pair)
    return context


class Link:
    """A keep-alive connection."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(raw, server_hostname="localhost")
        self._buffer = bytearray(1 << 22)

    def send(self, raw: bytes) -> None:
        """Send a request."""
        self.sock.sendall(raw)

    def answer(self) -> bytes:
        """Read one whole answer. Raises RuntimeError unless it is a 200."""
        view, got, need = memoryview(self._buffer), 0, -1
        while need < 0 or got < need:
            count = self.sock.recv_into(view[got:])
            if not count:
                raise RuntimeError("the server hung up")
            got += count
            if need < 0:
                end = self._buffer.find(b"\r\n\r\n", 0, got)
                if end >= 0:
                    head = bytes(view[:end]).lower()
                    if not head.startswith(b"http/1.1 200 "):
                        raise RuntimeError(bytes(view[:got]).decode(errors="replace")[:300])
                    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
                    start, need = end + 4, end + 4 + length
        return bytes(view[start:need])


def run_of(partner: Partner, collection: str) -> Steps:
    """One partner's run."""
    if not partner.key:
        for page in partner.pages:
            yield page.encode()
        return
    from cert_exchange.messages.deliveries import MOST

    vouching = Vouching(partner, collection)
    each = MOST // PAGE
    for start in range(0, len(partner.pages), each):
        vouching.take((yield vouching.question()))
        for page in partner.pages[start : start + each]:
            yield page.encode()
    for receipt in vouching.receipts():
        answer = yield receipt
        if "taken" not in json.loads(answer):
            raise RuntimeError(answer.decode())


class Vouching:
    """A partner's side of statements and receipts, without the objects."""

    def __init__(self, partner: Partner, collection: str) -> None:
        from cert_exchange.messages.keys import make_signing_key

        self._secret = partner.secret
        self._collection = collection
        self._signer = make_signing_key(Path(partner.key).read_bytes(), since=0)
        self._has: dict[str, list[Any]] = {}
        self._taken: list[tuple[dict[str, Any], bytes]] = []

    def question(self) -> bytes:
        """Ask for the statement after those that were taken."""
        body = {"collection": self._collection, "has": self._has, "after": 0}
        return ask("statements", self._secret, body)

    def take(self, answer: bytes) -> None:
        """Take a statement."""
        from cert_exchange.messages.deliveries import text_digest

        text = json.loads(answer)["statement"]
        middle = text.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        digest = text_digest(text)
        self._has[said["stream"]] = [said["seq"], digest.hex()]
        self._taken.append((said, digest))

    def receipts(self) -> list[bytes]:
        """The receipts of all that was taken, as they are handed over."""
        from cert_exchange.messages.deliveries import (
            NOTHING_BEFORE,
            Ended,
            Receipt,
            Way,
            text_digest,
            write_receipt,
        )
        from cert_exchange.messages.key_lists import write_list
        from cert_exchange.messages.signatures import canonical, sign

        before, found = NOTHING_BEFORE, []
        for said, digest in self._taken:
            us = said["to"][0]
            receipt = Receipt(
                us, (said["from"],), Way.SERVED, said["stream"], said["seq"], digest, before,
                ((said["objects"], Ended.RECEIVED),), (), said["at"], (0, bytes(32)),
            )  # fmt: skip
            signed = sign(canonical(write_receipt(receipt)), self._signer)
            before = text_digest(signed)
            ours = write_list(us, [self._signer], now=said["at"])
            found.append(ask("receipts", self._secret, {"receipt": signed, **ours}))
        return found


def load(target: Target) -> dict[str, float]:
    """Let all partners run once; pages a second, the load's share of a core, and bytes a page."""
    lanes = [
        [
            (
                Link(target.port, context_of(target.authority, one.pair)),
                run_of(one, target.collection),
            )
            for one in lane
        ]
        for lane in target.lanes
    ]
    every = [link for lane in lanes for link, _ in lane]
    for link in every:
        link.send(_HEALTH)  # a connection that asked nothing yet is soon ended
        link.answer()
    received = 0
    with selectors.DefaultSelector() as waiting:

        def begin(lane: list[tuple[Link, Steps]]) -> None:
            if lane:
                link, steps = lane[0]
                link.send(next(steps))
                waiting.register(link.sock, selectors.EVENT_READ, lane)

        began, used = time.perf_counter(), time.process_time()
        for lane in lanes:
            begin(lane)
        while waiting.get_map():
            for key, _ in waiting.select():
                lane = key.data
                link, steps = lane[0]
                answer = link.answer()
                received += len(answer)
                try:
                    link.send(steps.send(answer))
                except StopIteration:
                    waiting.unregister(link.sock)
                    begin(lane[1:])
        took = time.perf_counter() - began
    pages = sum(len(one.pages) for lane in target.lanes for one in lane)
    busy = (time.process_time() - used) / took
    for link in every:
        link.sock.close()
    return {"rate": pages / took, "client": busy, "bytes": received / pages, "pages": pages}


def alone(target: Target) -> dict[str, float]:
    """Seconds that a new statement of up to 10,000 objects takes, and its receipt, while nobody else asks for anything."""
    from cert_exchange.messages.deliveries import MOST

    statements, receipts = [], []
    for partner in (lane[0] for lane in target.lanes):
        link = Link(target.port, context_of(target.authority, partner.pair))
        vouching = Vouching(partner, target.collection)
        for _ in range(0, len(partner.pages), MOST // PAGE):
            began = time.perf_counter()
            link.send(vouching.question())
            answer = link.answer()
            statements.append(time.perf_counter() - began)
            vouching.take(answer)
        for receipt in vouching.receipts():
            began = time.perf_counter()
            link.send(receipt)
            link.answer()
            receipts.append(time.perf_counter() - began)
        link.sock.close()
    return {"statement": sorted(statements)[len(statements) // 2],
            "receipt": sorted(receipts)[len(receipts) // 2]}  # fmt: skip


def handshakes(target: Target, count: int = 150) -> dict[str, float]:
    """New connections a second, one after the other, each with one look at nothing but health."""
    context = context_of(target.authority, target.lanes[0][0].pair)
    began = time.perf_counter()
    for _ in range(count):
        link = Link(target.port, context)
        link.send(_HEALTH)
        link.answer()
        link.sock.close()
    return {"rate": count / (time.perf_counter() - began)}


JOBS: Final = {"load": load, "alone": alone, "handshakes": handshakes}


def in_a_process(what: str, target: Target) -> dict[str, float]:
    """Do one of JOBS in a process of its own."""
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.runs", what],
        input=json.dumps(asdict(target)).encode(), stdout=subprocess.PIPE, cwd=ROOT, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(child.stdout)
    return found


def _given() -> Target:
    job: dict[str, Any] = json.load(sys.stdin)
    lanes = tuple(
        tuple(Partner(**one | {"pages": tuple(one["pages"])}) for one in lane)
        for lane in job.pop("lanes")
    )
    return Target(**job, lanes=lanes)


if __name__ == "__main__":
    json.dump(JOBS[sys.argv[1]](_given()), sys.stdout)
