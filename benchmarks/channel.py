"""`make bench-channel`: what client certificates, statements and receipts cost polls, against a server with TLS alone.

    (1) fill a store   (2) one copy serves TLS, another asks every partner for a certificate, a third gives statements too
    (3) all are polled in turns

1. Both are the same program, store, pages, credentials, cipher and key kind; only the certificates differ, and what is
   looked up of them with each request.
2. Rounds alternate, and a round of the one is compared with the next of the other: a machine that gets slower
   meanwhile makes neither look better. The figure is the median of those ratios.
3. The load is one process with keep-alive connections, each of another partner, walking its log page by page.
4. Handshakes are counted apart: a client that connects anew for each poll pays for both signatures.
5. `signed` polls as `mtls` does, and asks for a statement before every 5,000 objects and hands a receipt over after them, as a
   node's run does; only pages count. In the rounds the same statements are told again and the same receipts come
   again; what making and keeping a new one takes is shown beside it.

A variant is added by its name, what is done to its copy of the home, and what is sent; see VARIANTS.
OBJECTS in the environment makes the store of another size than 20,000 objects.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import own_node, policies, processes

OBJECTS: Final = int(os.environ.get("OBJECTS", "20000"))
SECONDS: Final = float(os.environ.get("SECONDS_A_ROUND", "6"))
ROUNDS: Final = 5
CONNECTIONS: Final = 4
HANDSHAKES: Final = 150
PAGES_KEPT: Final = 200
PAIR: Final = "secrets/pki/server.pem"
_BASE: Final = f"{own_node.API_ROOT}collections/{policies.COLLECTION_ID}/objects/?limit=100"


@dataclass(frozen=True, slots=True)
class Target:
    """A served variant: where it is, whom to believe, and what each connection shows and asks."""

    name: str
    port: int
    authority: str
    pairs: tuple[str, ...]
    """a file with certificate and key for each connection; empty: none is shown"""
    requests: tuple[tuple[str, ...], ...] = field(repr=False)
    """of each connection"""


def pollers() -> list[str]:
    """The partners that poll, of different audiences."""
    return [name for name, _ in policies.pollers()][:: policies.MEMBERS][:CONNECTIONS]


def request(path: str, secret: str) -> str:
    """One poll."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/taxii+json;version=2.1\r\n"
        f"Authorization: Bearer {secret}\r\n\r\n"
    )


def plain_tls(home: Path) -> dict[str, Path]:
    """TLS alone: the server's certificate is there, no authority is believed, nobody is asked."""
    del home
    return {}


def with_certificates(home: Path) -> dict[str, Path]:
    """Every poller must show a certificate of our authority: gives partner -> file with certificate and key."""
    from cert_exchange.node import open_node
    from cert_exchange.remote.pki import key_pem, make_request, new_key, pem
    from cert_exchange.services import pki

    node = open_node(home)
    try:
        pki.init(node)
        pki.issue_own(node, "server", hosts=["localhost"])
        found = {}
        for name in pollers():
            key = new_key("ec-p256")
            asked = pem(make_request(name, key, hosts=())).encode()
            _, certificate = pki.issue_for_partner(node, name, asked)
            found[name] = home / f"client-{name}.pem"
            found[name].write_bytes(certificate.encode() + key_pem(key))
        (home / "authority.pem").write_text("".join(text for _, text in pki.describe_own(node)))
    finally:
        node.close()
    return found


def with_signatures(home: Path) -> dict[str, Path]:
    """Certificates, and a signing key of each poller pinned; commitments are made ahead, as a worker does."""
    from cert_exchange.messages.keys import make_signing_key, public_text
    from cert_exchange.node import open_node
    from cert_exchange.services import deliveries, partners, signing

    found = with_certificates(home)
    node = open_node(home)
    try:
        for name in pollers():
            private = os.urandom(32)
            (home / f"client-{name}.key").write_bytes(private)
            key = make_signing_key(private, since=0)
            signing.pin(node, name, public_text(key.public), by="benchmark")
            partners.amend(node, name, speaks_for=[f"identity--{uuid.uuid4()}"], relays=[])
        while deliveries.make_ahead(node):
            pass
    finally:
        node.close()
    return found


VARIANTS: Final[dict[str, Callable[[Path], dict[str, Path]]]] = {
    "mtls": with_certificates,
    "tls": plain_tls,
    "signed": with_signatures,
}
"""What is done to each copy of the home before it is served. The first makes the server's certificate of all."""


def prepare() -> dict[str, tuple[Path, dict[str, Path]]]:
    """Copies of the filled home, each as its variant wants it, all with the same server certificate."""
    made: dict[str, tuple[Path, dict[str, Path]]] = {}
    first: Path | None = None
    for name, arrange in VARIANTS.items():
        home = own_node.copy(OBJECTS, "sqlite", f"channel-{name}")
        if first is not None and arrange is plain_tls:
            (home / "secrets" / "pki").mkdir(mode=0o700, exist_ok=True)
            shutil.copy(first / PAIR, home / PAIR)
            shutil.copy(first / "authority.pem", home / "authority.pem")
        made[name] = home, arrange(home)
        with (home / "node.yaml").open("a") as file:
            file.write(f"tls_certificate: {PAIR}\ntls_key: {PAIR}\n")
        first = first or home
    return made


def serve(home: Path) -> processes.Server:
    """`cert-exchange serve` over TLS, ready to answer."""
    port = processes.free_port()
    server = processes.start(
        "cert-exchange",
        [str(Path(sys.executable).with_name("cert-exchange")), "serve", "--home", str(home)],
        port=port,
        log=home / "serve.log",
        environment={"CERT_EXCHANGE_PORT": str(port)},
    )
    time.sleep(2)  # the worker's first look at everything
    return server


def walk(port: int, authority: str, pair: str, secret: str) -> tuple[str, ...]:
    """The requests of one walk through a partner's log."""
    link = Link(port, context_of(authority, pair))
    found: list[str] = []
    path: str | None = _BASE
    try:
        while path is not None and len(found) < PAGES_KEPT:
            found.append(request(path, secret))
            link.send(found[-1].encode())
            page = json.loads(link.answer())
            path = f"{_BASE}&next={page['next']}" if page.get("more") else None
    finally:
        link.sock.close()
    return tuple(found)


def ask(path: str, secret: str, body: dict[str, Any]) -> str:
    """One question to the peer face."""
    text = json.dumps(body)
    return (
        f"POST /exchange/v1/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(text)}\r\nAuthorization: Bearer {secret}\r\n\r\n{text}"
    )


def with_statements(
    port: int, authority: str, pair: str, secret: str, key: Path, pages: tuple[str, ...]
) -> tuple[tuple[str, ...], list[float]]:
    """The same walk with a statement before every 5,000 objects and a receipt after them; seconds that new ones took."""
    from cert_exchange.messages import deliveries
    from cert_exchange.messages.keys import make_signing_key
    from cert_exchange.messages.signatures import canonical, sign

    signer = make_signing_key(key.read_bytes(), since=0)
    link = Link(port, context_of(authority, pair))
    requests: list[str] = []
    took: list[float] = []
    has: dict[str, list[Any]] = {}
    before = deliveries.NOTHING_BEFORE

    def timed(question: str) -> Any:
        began = time.perf_counter()
        link.send(question.encode())
        answer = json.loads(link.answer())
        took.append(time.perf_counter() - began)
        return answer

    each = deliveries.MOST // 100
    try:
        for start in range(0, len(pages), each):
            told = timed(
                ask("statements", secret, {"collection": policies.COLLECTION_ID, "has": has})
            )
            text = told["statement"]
            said = json.loads(_payload(text))
            digest = deliveries.text_digest(text)
            has = {said["stream"]: [said["seq"], digest.hex()]}
            receipt = deliveries.Receipt(
                said["to"][0], (said["from"],), deliveries.Way.SERVED, said["stream"], said["seq"],
                digest, before, ((said["objects"], deliveries.Ended.RECEIVED),), (), said["at"],
                (0, bytes(32)),
            )  # fmt: skip
            signed = sign(canonical(deliveries.write_receipt(receipt)), signer)
            before = deliveries.text_digest(signed)
            handed = ask("receipts", secret, {"receipt": signed})
            timed(handed)
            again = {"collection": policies.COLLECTION_ID, "again": said["seq"]}
            requests += [ask("statements", secret, again), *pages[start : start + each], handed]
    finally:
        link.sock.close()
    return tuple(requests), took


def _payload(text: str) -> bytes:
    middle = text.split(".")[1]
    return base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))


def context_of(authority: str, pair: str) -> ssl.SSLContext:
    """A client's TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    if pair:
        context.load_cert_chain(pair)
    return context


class Link:
    """A keep-alive connection, lean as `benchmarks.load` is, so that the server is the limit."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(raw, server_hostname="localhost")
        self._buffer = bytearray(1 << 20)

    def send(self, raw: bytes) -> None:
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


def load(target: Target, seconds: float) -> dict[str, float]:
    """Poll on all connections, each with one request under way, for so long; what was answered a second."""
    links = [Link(target.port, context_of(target.authority, pair)) for pair in target.pairs]
    plans = [[one.encode() for one in requests] for requests in target.requests]
    at = [0] * len(links)
    done, received = 0, 0

    def send(number: int) -> None:
        links[number].send(plans[number][at[number] % len(plans[number])])
        at[number] += 1

    for number in range(len(links)):
        send(number)
    began, used = time.perf_counter(), time.process_time()
    ends = began + seconds
    while time.perf_counter() < ends:
        for number, link in enumerate(links):
            received += len(link.answer())
            done += plans[number][(at[number] - 1) % len(plans[number])].startswith(b"GET")
            send(number)
    took = time.perf_counter() - began
    for link in links:
        link.sock.close()
    return {
        "rate": done / took,
        "client": (time.process_time() - used) / took,
        "bytes": received / max(done, 1),
    }


def handshakes(target: Target) -> float:
    """New connections a second, one after the other, each with one poll of nothing but health."""
    context = context_of(target.authority, target.pairs[0])
    ask = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    began = time.perf_counter()
    for _ in range(HANDSHAKES):
        link = Link(target.port, context)
        link.send(ask)
        link.answer()
        link.sock.close()
    return HANDSHAKES / (time.perf_counter() - began)


def in_a_process(what: str, target: Target, seconds: float) -> dict[str, float]:
    """Run `load` or `handshakes` in a process of its own."""
    job = {
        "name": target.name, "port": target.port, "authority": target.authority,
        "pairs": target.pairs, "requests": target.requests,
    }  # fmt: skip
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.channel", what, str(seconds)],
        input=json.dumps(job).encode(), stdout=subprocess.PIPE, cwd=own_node.ROOT, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(child.stdout)
    return found


def measured(targets: list[Target]) -> dict[str, list[float]]:
    """The rates of all rounds, in turns."""
    rates: dict[str, list[float]] = {one.name: [] for one in targets}
    for one in targets:
        in_a_process("load", one, 2)  # both are warm before either is measured
    for number in range(ROUNDS):
        for one in targets if number % 2 else reversed(targets):
            found = in_a_process("load", one, SECONDS)
            rates[one.name].append(found["rate"])
            print(
                f"  {one.name}: {found['rate']:,.0f} pages/s of {found['bytes']:,.0f} bytes"
                f" (the load took {found['client']:.2f} of a core)", flush=True,
            )  # fmt: skip
    return rates


def main() -> None:
    """Run it all and print the line of figures last."""
    if len(sys.argv) > 1:
        given: dict[str, Any] = json.load(sys.stdin)
        requests = tuple(tuple(one) for one in given.pop("requests"))
        target = Target(**given | {"pairs": tuple(given["pairs"])}, requests=requests)
        found = (
            load(target, float(sys.argv[2]))
            if sys.argv[1] == "load"
            else {"rate": handshakes(target)}
        )
        json.dump(found, sys.stdout)
        return
    print(f"channel: a store of {OBJECTS:,} objects, {CONNECTIONS} connections", flush=True)
    child = own_node.make(OBJECTS, "sqlite", None)
    if child is not None and child.wait() != 0:
        raise SystemExit("the store could not be filled; the reason is above")
    servers: list[processes.Server] = []
    fresh: list[float] = []
    targets: list[Target] = []
    try:
        for name, (home, pairs) in prepare().items():
            server = serve(home)
            servers.append(server)
            secrets = own_node.secrets_of(home)
            authority = str(home / "authority.pem")
            shown = tuple(str(pairs.get(one, "")) for one in pollers())
            plan = tuple(
                walk(server.port, authority, pair, secrets[one])
                for one, pair in zip(pollers(), shown, strict=True)
            )
            if name == "signed":
                signed = [
                    with_statements(
                        server.port,
                        authority,
                        pair,
                        secrets[one],
                        home / f"client-{one}.key",
                        pages,
                    )
                    for one, pair, pages in zip(pollers(), shown, plan, strict=True)
                ]
                plan = tuple(requests for requests, _ in signed)
                fresh = [seconds for _, took in signed for seconds in took]
            targets.append(Target(name, server.port, authority, shown, plan))
        processes.settle(servers)
        rates = measured(targets)
        shakes = {one.name: in_a_process("handshakes", one, 0)["rate"] for one in targets}
    finally:
        for server in servers:
            server.stop()
    median = {name: statistics.median(found) for name, found in rates.items()}
    ratio, signed_ratio = (
        statistics.median(mine / base for mine, base in zip(rates[name], rates["tls"], strict=True))
        for name in ("mtls", "signed")
    )
    print(
        f"a new statement of up to 5,000 objects: {statistics.median(fresh[::2]) * 1000:.0f} ms;"
        f" its receipt: {statistics.median(fresh[1::2]) * 1000:.0f} ms"
    )
    print(f"handshakes: {shakes['tls']:,.0f}/s with TLS, {shakes['mtls']:,.0f}/s with certificates")
    print(
        f"tls_pages_per_s={median['tls']:.0f} mtls_pages_per_s={median['mtls']:.0f}"
        f" signed_pages_per_s={median['signed']:.0f}"
        f" mtls_ratio={ratio:.3f} bar=0.9 signed_ratio={signed_ratio:.3f} bar=0.8"
    )


if __name__ == "__main__":
    main()
