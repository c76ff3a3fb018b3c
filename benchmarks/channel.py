"""`make bench-channel`: what client certificates, statements and receipts cost polls, against a server with TLS alone.

    (1) fill a store   (2) one copy serves TLS, another asks every partner for a certificate, a third gives statements too
    (3) all are polled in turns, by whole runs of twenty partners (`benchmarks.runs`)

1. Both are the same program, store, pages, credentials, cipher and key kind; only the certificates differ, and what is
   looked up of them with each request.
2. Rounds alternate, and a round of the one is compared with the next of the other: a machine that gets slower
   meanwhile makes neither look better. The figure is the median of those ratios.
3. `signed` runs as `mtls` does, and is given a new statement for every 10,000 objects and takes a new receipt for each, as
   a node's run has it; only pages count. Between rounds the server's statements are taken out of its store, so that it
   has signed none of them before.
4. Handshakes are counted apart: a client that connects anew for each poll pays for both signatures.
5. The processor time of the server's processes stands beside each rate: what else runs on the machine moves it less.

A variant is added by its name, what is done to its copy of the home, and what is sent; see VARIANTS.
In the environment: OBJECTS makes the store of another size than 20,000 objects, PAGE the pages than 100, ROUNDS their
number than 7.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks import own_node, policies, processes
from benchmarks.runs import PAGE, Link, Partner, Target, context_of, get, in_a_process

OBJECTS: Final = int(os.environ.get("OBJECTS", "20000"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "7"))
PAIR: Final = "secrets/pki/server.pem"
_BASE: Final = f"{own_node.API_ROOT}collections/{policies.COLLECTION_ID}/objects/?limit={PAGE}"


@dataclass(frozen=True, slots=True)
class Shown:
    """What partners show of themselves: a file with certificate and key, and one with the signing key."""

    pairs: dict[str, Path] = field(default_factory=dict)
    keys: dict[str, Path] = field(default_factory=dict)


def lanes() -> list[list[str]]:
    """The partners that poll: in each lane one of every audience, so that all have the same to read."""
    return [[f"partner-{number}-{lane}" for number in range(policies.AUDIENCES)]
            for lane in range(policies.MEMBERS)]  # fmt: skip


def pollers() -> list[str]:
    """All of them."""
    return [name for lane in lanes() for name in lane]


def plain_tls(home: Path) -> Shown:
    """TLS alone: the server's certificate is there, no authority is believed, nobody is asked."""
    del home
    return Shown()


def with_certificates(home: Path) -> Shown:
    """Every poller must show a certificate of our authority."""
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
    return Shown(found)


def with_signatures(home: Path) -> Shown:
    """Certificates, and a signing key of each poller pinned; commitments are made ahead, as a worker does of a log at rest."""
    from cert_exchange.messages.keys import make_signing_key, public_text
    from cert_exchange.node import open_node
    from cert_exchange.services import deliveries, partners, signing

    shown = with_certificates(home)
    node = open_node(home)
    try:
        for name in pollers():
            private = os.urandom(32)
            shown.keys[name] = home / f"client-{name}.key"
            shown.keys[name].write_bytes(private)
            key = make_signing_key(private, since=0)
            signing.pin(node, name, public_text(key.public), by="benchmark")
            partners.amend(node, name, speaks_for=[f"identity--{uuid.uuid4()}"], relays=[])
        while deliveries.make_ahead(node, at_rest=0):
            pass
    finally:
        node.close()
    return shown


def forget_statements(home: Path) -> None:
    """Let a node have signed no statement yet."""
    from cert_exchange.node import open_node
    from cert_exchange.store.tables import delivery_statements

    node = open_node(home)
    try:
        node.database.transact(lambda tx: tx.execute(delivery_statements.delete()))
    finally:
        node.close()


VARIANTS: Final[dict[str, Callable[[Path], Shown]]] = {
    "mtls": with_certificates,
    "tls": plain_tls,
    "signed": with_signatures,
}
"""What is done to each copy of the home before it is served. The first makes the server's certificate of all."""


@dataclass(frozen=True, slots=True)
class Served:
    """A variant that is served."""

    home: Path
    server: processes.Server
    target: Target

    def round(self) -> dict[str, float]:
        """All runs once; with the server's milliseconds of processor a page."""
        if self.target.name == "signed":
            forget_statements(self.home)
        before = self.server.cpu_seconds()
        found = in_a_process("load", self.target)
        used = self.server.cpu_seconds() - before
        return {**found, "server_ms": used * 1000 / found["pages"]}


def prepare() -> dict[str, tuple[Path, Shown]]:
    """Copies of the filled home, each as its variant wants it, all with the same server certificate."""
    made: dict[str, tuple[Path, Shown]] = {}
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


def serve(name: str, home: Path, shown: Shown) -> Served:
    """`cert-exchange serve` over TLS, ready to answer, with each partner's walk through its log."""
    port = processes.free_port()
    server = processes.start(
        "cert-exchange",
        [str(Path(sys.executable).with_name("cert-exchange")), "serve", "--home", str(home)],
        port=port,
        log=home / "serve.log",
        environment={"CERT_EXCHANGE_PORT": str(port)},
    )
    time.sleep(2)  # the worker's first look at everything
    secrets = own_node.secrets_of(home)
    authority = str(home / "authority.pem")

    def partner(one: str) -> Partner:
        pair, key = shown.pairs.get(one, ""), shown.keys.get(one, "")
        bare = Partner(secrets[one], str(pair), str(key))
        return replace(bare, pages=walk(port, authority, bare))

    every = tuple(tuple(partner(one) for one in lane) for lane in lanes())
    return Served(home, server, Target(name, port, authority, policies.COLLECTION_ID, every))


def walk(port: int, authority: str, partner: Partner) -> tuple[str, ...]:
    """The requests of one walk through a partner's log."""
    link = Link(port, context_of(authority, partner.pair))
    found: list[str] = []
    path: str | None = _BASE
    try:
        while path is not None:
            found.append(get(path, partner.secret))
            link.send(found[-1].encode())
            page = json.loads(link.answer())
            path = f"{_BASE}&next={page['next']}" if page.get("more") else None
    finally:
        link.sock.close()
    return tuple(found)


def measured(every: list[Served]) -> dict[str, list[dict[str, float]]]:
    """All rounds, in turns."""
    found: dict[str, list[dict[str, float]]] = {one.target.name: [] for one in every}
    for one in every:
        one.round()  # all are warm before any is measured
    for number in range(ROUNDS):
        for one in every if number % 2 else reversed(every):
            now = one.round()
            found[one.target.name].append(now)
            print(
                f"  {one.target.name}: {now['rate']:,.0f} pages/s of {now['bytes']:,.0f} bytes"
                f" (server {now['server_ms']:.3f} ms of processor a page, the load {now['client']:.2f} of a core)",
                flush=True,
            )
    return found


def main() -> None:
    """Run it all and print the line of figures last."""
    print(f"channel: a store of {OBJECTS:,} objects, {len(pollers())} partners", flush=True)
    child = own_node.make(OBJECTS, "sqlite", None)
    if child is not None and child.wait() != 0:
        raise SystemExit("the store could not be filled; the reason is above")
    every: list[Served] = []
    try:
        for name, (home, shown) in prepare().items():
            every.append(serve(name, home, shown))
        processes.settle([one.server for one in every])
        by_name = {one.target.name: one for one in every}
        fresh = in_a_process("alone", by_name["signed"].target)
        rounds = measured(every)
        shakes = {
            name: in_a_process("handshakes", one.target)["rate"] for name, one in by_name.items()
        }
    finally:
        for one in every:
            one.server.stop()
    median = {
        name: statistics.median(one["rate"] for one in found) for name, found in rounds.items()
    }
    cpu = {name: statistics.median(one["server_ms"] for one in found) for name, found in rounds.items()}  # fmt: skip
    ratio, signed_ratio = (
        statistics.median(
            mine["rate"] / base["rate"]
            for mine, base in zip(rounds[name], rounds["tls"], strict=True)
        )
        for name in ("mtls", "signed")
    )
    print(
        f"a new statement of up to 10,000 objects: {fresh['statement'] * 1000:.0f} ms;"
        f" its receipt: {fresh['receipt'] * 1000:.0f} ms"
    )
    print(f"handshakes: {shakes['tls']:,.0f}/s with TLS, {shakes['mtls']:,.0f}/s with certificates")
    print(
        "processor of the server a page: "
        + ", ".join(f"{name} {ms:.3f} ms" for name, ms in cpu.items())
        + f" (tls to mtls {cpu['tls'] / cpu['mtls']:.3f}, tls to signed {cpu['tls'] / cpu['signed']:.3f})"
    )
    print(
        f"tls_pages_per_s={median['tls']:.0f} mtls_pages_per_s={median['mtls']:.0f}"
        f" signed_pages_per_s={median['signed']:.0f}"
        f" mtls_ratio={ratio:.3f} bar=0.9 signed_ratio={signed_ratio:.3f} bar=0.8"
    )


if __name__ == "__main__":
    main()
