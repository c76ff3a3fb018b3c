"""The load generator: one process, one epoll loop, keep-alive connections, raw sockets.

Started as `python -m benchmarks.load`, with a job as JSON on standard input and the result as JSON on
standard output. It is deliberately lean, so that on two cores the server is the limit: requests are
bytes made before the clock starts, answers are read into one buffer and only their status, length
and connection headers are looked at. Every server is loaded by this same code.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

_BUFFER: Final = 1 << 20
_ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement. `requests` are sent in turn over `connections`, from `start` on.

    `stop_file`: go on until this file exists, instead of for `seconds`. `once`: end with the list, whatever the time.
    `expect`: the status that counts as success; others are counted as errors.
    """

    port: int
    connections: int
    seconds: float
    requests: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)  # files, one beside each request, for POST
    start: int = 0
    warmup: int = 0  # requests sent before the clock starts, from the list's end backwards
    once: bool = False
    until_end: bool = False  # stop at the end of the list also when there is time left
    stop_file: str = ""
    expect: int = 200
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """What one job measured; latencies in milliseconds, `sent` counts into the list of requests."""

    done: int
    errors: int
    sent: int
    seconds: float
    rate: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    received: int
    client_cpu: float  # share of one core that the generator used: near 1.0 means it was the limit
    last_body: str
    first_error: str


def run(job: Job) -> Result:
    """Run a job in a process of its own and wait for its result."""
    return finish(begin(job))


def begin(job: Job) -> subprocess.Popen[bytes]:
    """Start a job and return at once."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
    )
    assert child.stdin
    child.stdin.write(json.dumps(asdict(job)).encode())
    child.stdin.close()
    return child


def finish(child: subprocess.Popen[bytes]) -> Result:
    """Wait for a job that `begin` started."""
    assert child.stdout
    answer = child.stdout.read()
    if child.wait() != 0:
        raise RuntimeError("the load generator failed; its message is above")
    return Result(**json.loads(answer))


class _Link:
    """A keep-alive connection with at most one request under way."""

    def __init__(self, port: int, timeout: float) -> None:
        self.port = port
        self.timeout = timeout
        self.sock = self._connect()
        self.began = 0.0
        self.head = b""
        self.want = -1  # bytes of body still to come; -1: header not complete
        self.closing = False
        self.status = 0
        self.length = 0
        self.body = bytearray()

    def _connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def send(self, request: bytes) -> None:
        self.began = time.perf_counter()
        self.head, self.want = b"", -1
        self.sock.sendall(request)

    def receive(self, buffer: memoryview, *, keep: bool) -> bool:
        """Read what is there; True when the answer is complete."""
        got = self.sock.recv_into(buffer)
        if got == 0:
            if self.want == -2:
                self.length, self.closing = len(self.body), True
                return True
            raise ConnectionError("the server closed the connection before the answer was complete")
        if self.want >= 0:
            if keep:
                self.body += buffer[:got]
            self.want -= got
            return self.want <= 0
        if self.want == -2:  # no length: the body ends with the connection
            return False
        self.head += bytes(buffer[:got])
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.head[:end].lower()
        self.status = int(head[9:12])
        self.closing = b"connection: close" in head or head.startswith(b"http/1.0")
        self.body = bytearray(self.head[end + 4 :])
        mark = head.find(b"content-length:")
        if mark < 0:
            if b"transfer-encoding: chunked" in head:
                raise ConnectionError("chunked answers are not measured")
            self.want = -2
            return False
        stop = head.find(b"\r\n", mark)
        self.length = int(head[mark + 15 : stop if stop > 0 else None])
        self.want = self.length - len(self.body)
        return self.want <= 0

    def ready(self) -> None:
        """Open a new connection when the server closes after each answer."""
        if self.closing:
            self.sock.close()
            self.sock = self._connect()
            self.closing = False


def _play(job: Job) -> Result:
    requests = [text.encode() for text in job.requests]
    if job.bodies:
        requests = [
            head + Path(body).read_bytes() for head, body in zip(requests, job.bodies, strict=True)
        ]
    buffer = memoryview(bytearray(_BUFFER))
    links = [_Link(job.port, job.timeout) for _ in range(job.connections)]
    for number in range(job.warmup):
        link = links[number % len(links)]
        link.send(requests[-1 - number % len(requests)])
        while not link.receive(buffer, keep=False):
            pass
        link.ready()
    poller = select.epoll() if len(links) > 1 else None
    by_fd = {link.sock.fileno(): link for link in links}
    if poller:
        for fd in by_fd:
            poller.register(fd, select.EPOLLIN)
    keep = bool(job.bodies) or job.once
    total, sent = len(requests), job.start
    latencies: list[float] = []
    errors, received, first_error, last_body = 0, 0, "", b""
    stop_file = Path(job.stop_file) if job.stop_file else None
    clock = time.perf_counter
    cpu, began = time.process_time(), clock()
    end = began + job.seconds
    last_done = began
    busy = 0
    for link in links:
        if (job.once or job.until_end) and sent >= total:
            break
        link.send(requests[sent % total])
        sent += 1
        busy += 1
    while busy:
        ready = [by_fd[fd] for fd, _ in poller.poll()] if poller else links
        for link in ready:
            if not link.receive(buffer, keep=keep):
                continue
            now = last_done = clock()
            latencies.append(now - link.began)
            received += link.length
            if link.status != job.expect:
                errors += 1
                first_error = first_error or f"{link.status} {bytes(link.body[:300])!r}"
            elif keep:
                last_body = bytes(link.body)
            if link.closing:
                old = link.sock.fileno()
                if poller:
                    poller.unregister(old)
                by_fd.pop(old)
                link.ready()
                by_fd[link.sock.fileno()] = link
                if poller:
                    poller.register(link.sock.fileno(), select.EPOLLIN)
            over = stop_file.exists() if stop_file else now >= end
            if (over and not job.once) or ((job.once or job.until_end) and sent >= total):
                busy -= 1
                continue
            link.send(requests[sent % total])
            sent += 1
    seconds = last_done - began
    used = time.process_time() - cpu
    latencies.sort()
    count = len(latencies)
    return Result(
        done=count,
        errors=errors,
        sent=sent,
        seconds=seconds,
        rate=count / seconds if seconds else 0.0,
        p50_ms=latencies[count // 2] * 1000 if count else 0.0,
        p99_ms=latencies[min(count - 1, int(count * 0.99))] * 1000 if count else 0.0,
        worst_ms=latencies[-1] * 1000 if count else 0.0,
        received=received,
        client_cpu=used / seconds if seconds else 0.0,
        last_body=last_body[:2_000_000].decode(errors="replace"),
        first_error=first_error,
    )


def main() -> None:
    """Read a job, play it, print its result."""
    job: dict[str, Any] = json.load(sys.stdin)
    json.dump(asdict(_play(Job(**job))), sys.stdout)


if __name__ == "__main__":
    main()
