"""The way between two nodes: a proxy on loopback that can do to it what networks, gateways and attackers do.

1. A connection carries one request. It is relayed blindly (TLS from end to end) or read (TLS ends here, with a
   certificate that both sides believe), by the fault that hits it; without one it is read.
2. A fault hits only while there is weather; each that took effect is counted by its kind.
3. What TLS does not let pass (a flipped bit) is done to the blind ones only; what caches and gateways do to whole
   messages is done to those that are read. An answer is replayed to the very request of the very client that it answered.
4. Of everything that is read, the canaries that went to the server, and to each client, are kept.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CANARY = re.compile(rb"canary[0-9a-f]{16}")
_AUTHORIZATION = re.compile(rb"\r\nAuthorization: Bearer ([^\r]+)\r\n", re.IGNORECASE)
BLIND = ("refused", "dropped", "corrupted", "slow")
READ = (
    "delayed",
    "truncated",
    "answer lost",
    "sent twice",
    "reordered",
    "replayed",
    "garbled",
    "gateway",
    "expired",
)
KINDS = BLIND + READ
_OVERTAKEN_SECONDS = 2.5
"""So long a request is held back for another to go first; longer than a client waits for its answer."""
_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True)
class Papers:
    """Certificate files: the authority, a server's certificate with its key, and one that has expired."""

    authority: Path
    server: Path
    expired: Path

    def serving(self, file: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def asking(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        context.check_hostname = False
        return context


class Link:
    """A proxy in front of one node. `upstream` may change; `storm` is a probability for each connection."""

    def __init__(self, papers: Papers, seed: int) -> None:
        self.upstream = 0
        self.storm = 0.0
        self.kinds: tuple[str, ...] = KINDS
        self.hits: Counter[str] = Counter()
        self.answered: dict[str, set[bytes]] = {}
        """by the client's credential"""
        self.posted: set[bytes] = set()
        self._random = random.Random(seed)
        self._contexts = papers.serving(papers.server), papers.serving(papers.expired)
        self._asking = papers.asking()
        self._answers: dict[tuple[str, bytes], bytes] = {}
        self._lock = threading.Lock()
        self._passed = 0
        """requests that the server has answered"""
        self.held = 0
        """requests that wait for a later one to go first"""
        self._ended = False
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._ended = True
        # shutdown wakes accept; close alone does not
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                hit = self._random.random() < self.storm
                kind = self._random.choice(self.kinds) if hit else ""
                dice = random.Random(self._random.getrandbits(64))
            threading.Thread(target=self._carry, args=(client, kind, dice), daemon=True).start()

    def _carry(self, client: socket.socket, kind: str, dice: random.Random) -> None:
        client.settimeout(8)
        with contextlib.suppress(OSError, ValueError), client:
            if kind == "refused":
                self._count(kind)
                _reset(client)
            elif kind in BLIND:
                self._blind(client, kind, dice)
            else:
                self._read(client, kind, dice)

    def _count(self, kind: str) -> None:
        with self._lock:
            self.hits[kind] += 1

    # -- blind -----------------------------------------------------------------------------------------------------

    def _blind(self, client: socket.socket, kind: str, dice: random.Random) -> None:
        with self._server() as server:
            # Beyond the handshake in most cases: an answer of one object is some 2,000 bytes.
            at = dice.choice((dice.randrange(50, 900), dice.randrange(900, 6_000)))
            down = dice.random() < 0.7
            done = threading.Event()
            up_fault = None if down else (kind, at)
            other = threading.Thread(
                target=self._pump, args=(client, server, up_fault, done), daemon=True
            )
            other.start()
            self._pump(server, client, (kind, at) if down else None, done)
            other.join(8)

    def _pump(
        self,
        source: socket.socket,
        to: socket.socket,
        fault: tuple[str, int] | None,
        done: threading.Event,
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while not done.is_set():
                data = source.recv(16_384)
                if not data:
                    break
                if fault is not None and fault[0] == "slow":
                    if passed == 0:
                        self._count("slow")
                    for start in range(0, len(data), 700):
                        to.sendall(data[start : start + 700])
                        time.sleep(0.12)
                elif fault is not None and passed <= fault[1] < passed + len(data):
                    self._count(fault[0])
                    at = fault[1] - passed
                    if fault[0] == "dropped":
                        to.sendall(data[:at])
                        done.set()
                        _reset(to)
                        _reset(source)
                        return
                    to.sendall(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
                else:
                    to.sendall(data)
                passed += len(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    def _server(self) -> socket.socket:
        server = socket.create_connection(("127.0.0.1", self.upstream), timeout=4)
        server.settimeout(8)
        return server

    # -- read ------------------------------------------------------------------------------------------------------

    def _read(self, client: socket.socket, kind: str, dice: random.Random) -> None:
        if kind == "expired":
            self._count(kind)
        with self._contexts[kind == "expired"].wrap_socket(client, server_side=True) as secured:
            request = _request(secured)
            if not request:
                return
            self._see(request, self.posted)
            line = request.partition(b"\r\n")[0]
            who = _AUTHORIZATION.search(request)
            token = who.group(1).decode() if who else ""
            answer = self._answered(kind, (token, line), request, dice)
            if answer is None:
                _reset(secured)
                return
            self._see(answer, self.answered.setdefault(token, set()))
            if kind == "truncated" and len(answer) > 1:
                self._count(kind)
                secured.sendall(answer[: dice.randrange(1, len(answer))])
                _reset(secured)
                return
            secured.sendall(answer)
            with contextlib.suppress(OSError):
                secured.unwrap()

    def _answered(
        self, kind: str, asked: tuple[str, bytes], request: bytes, dice: random.Random
    ) -> bytes | None:
        """What comes back; None where nothing does. `asked`: by whom, and what."""
        if kind == "replayed" and asked in self._answers:
            self._count(kind)
            return self._answers[asked]
        if kind == "gateway" and dice.random() < 0.5:
            self._count(kind)
            return _gateway()
        if kind == "delayed" and dice.random() < 0.5:
            self._count(kind)
            time.sleep(dice.uniform(0.1, 1.5))
            kind = ""
        if kind == "reordered" and self._overtaken():
            self._count(kind)
        answer = self._ask(request)
        if kind == "sent twice":
            self._count(kind)
            second = self._ask(request)
            answer = dice.choice((answer, second))
        if asked[1].startswith(b"GET ") and b" 200 " in answer[:20]:
            self._answers[asked] = answer
        match kind:
            case "delayed":
                self._count(kind)
                time.sleep(dice.uniform(0.1, 1.5))
            case "answer lost":
                self._count(kind)
                return None
            case "gateway":
                self._count(kind)
                return _gateway()
            case "garbled":
                head, split, body = answer.partition(b"\r\n\r\n")
                if body:
                    self._count(kind)
                    return head + split + b"\xff" + body[1:]
        return answer

    def _ask(self, request: bytes) -> bytes:
        with self._server() as plain, self._asking.wrap_socket(plain) as server:
            server.sendall(request)
            answer = _all(lambda: server.recv(65_536))
        with self._lock:
            self._passed += 1
        return answer

    def _overtaken(self) -> bool:
        """Wait until a request that came later, perhaps the same once more, has been answered before this one is asked."""
        with self._lock:
            before = self._passed
            self.held += 1
        until = time.monotonic() + _OVERTAKEN_SECONDS
        while self._passed == before and time.monotonic() < until:
            time.sleep(0.02)
        with self._lock:
            self.held -= 1
        return self._passed > before

    def _see(self, text: bytes, side: set[bytes]) -> None:
        found = set(CANARY.findall(text))
        with self._lock:
            side |= found


def _request(client: ssl.SSLSocket) -> bytes:
    """One request, whose connection ends with its answer and which asks for no compression."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(65_536)
        if not data:
            return b""
        head += data
    head, _, body = head.partition(b"\r\n\r\n")
    lines = [
        line
        for line in head.split(b"\r\n")
        if not line.lower().startswith((b"connection:", b"accept-encoding:"))
    ]
    length = 0
    for line in lines:
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        data = client.recv(65_536)
        if not data:
            return b""
        body += data
    return b"\r\n".join([*lines, b"Connection: close", b"", body])


def _all(read: Callable[[], bytes]) -> bytes:
    found = b""
    while data := read():
        found += data
    return found


def _gateway() -> bytes:
    return (
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(_PAGE), _PAGE)
    )


def _reset(one: socket.socket) -> None:
    """End a connection as a cut line does: with RST."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
