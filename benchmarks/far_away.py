"""`python -m benchmarks.far_away`: a first full sync between two network namespaces, 100 ms apart, with one packet in fifty lost.

    (1) two namespaces, each with a TUN device  (2) a relay carries their packets, late, and drops some
    (3) A serves TLS in the one  (4) B pulls all of it in the other

1. The kernel's own TCP meets delay and loss: what is lost is sent again by it, as on a real line. (`tc netem` would do the
   same, where the kernel has it.)
2. Nothing of it can be reached from outside: the namespaces have no other device, and are gone at the end.

Needs root, `ip` and /dev/net/tun. In the environment: OBJECTS (20,000), DELAY_MS (there and back, 100), LOSS (0.02).
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from benchmarks import exchanging, own_node, policies, processes

OBJECTS: Final = int(os.environ.get("OBJECTS", "20000"))
DELAY: Final = float(os.environ.get("DELAY_MS", "100")) / 1000
LOSS: Final = float(os.environ.get("LOSS", "0.02"))
NAMES: Final = ("cert-exchange-a", "cert-exchange-b")
ADDRESSES: Final = ("10.77.0.1", "10.77.0.2")
PORT: Final = 8443
_TUNSETIFF: Final = 0x400454CA
_TUN: Final = 0x0001 | 0x1000  # IFF_TUN, IFF_NO_PI
_NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET
_LONGEST: Final = 65_536


def ip(*words: str) -> None:
    """Run `ip`. Raises SystemExit with what it said."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"ip {' '.join(words)}: {done.stderr.strip()}")


def tun_in(name: str) -> int:
    """Open a TUN device in a namespace; its descriptor works from everywhere."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(there, _NEW_NETWORK):
            raise SystemExit(f"setns: {os.strerror(ctypes.get_errno())}; root is needed")
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"cx0", _TUN))
    finally:
        libc.setns(home, _NEW_NETWORK)
        os.close(home)
        os.close(there)
    return device


class Line(threading.Thread):
    """What carries packets between two devices: each one half of DELAY late, some not at all."""

    def __init__(self, devices: tuple[int, int]) -> None:
        super().__init__(daemon=True)
        self._devices = devices
        self._over = threading.Event()
        self.carried = self.lost = 0

    def run(self) -> None:
        """Carry until `end`."""
        rng = random.Random(11)
        first, second = self._devices
        other = {first: second, second: first}
        waiting: list[tuple[float, int, int, bytes]] = []
        while not self._over.is_set():
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, to, packet = heapq.heappop(waiting)
                os.write(to, packet)
            pause = min(waiting[0][0] - now, 0.2) if waiting else 0.2
            ready, _, _ = select.select(self._devices, [], [], max(pause, 0))
            for device in ready:
                packet = os.read(device, _LONGEST)
                self.carried += 1
                if rng.random() < LOSS:
                    self.lost += 1
                    continue
                due = time.monotonic() + DELAY / 2
                heapq.heappush(waiting, (due, self.carried, other[device], packet))

    def end(self) -> None:
        """Carry no more."""
        self._over.set()
        self.join()


def arrange_a(home: Path) -> None:
    """A certificate for A's address, and its address among its settings."""
    from cert_exchange.node import open_node
    from cert_exchange.services import pki

    node = open_node(home)
    try:
        pki.init(node)
        pki.issue_own(node, "server", hosts=[ADDRESSES[0]])
        (home / "authority.pem").write_text("".join(text for _, text in pki.describe_own(node)))
    finally:
        node.close()
    with (home / "node.yaml").open("a") as file:
        file.write(
            f"host: {ADDRESSES[0]}\nport: {PORT}\n"
            "tls_certificate: secrets/pki/server.pem\ntls_key: secrets/pki/server.pem\n"
        )


def arrange_b(a: Path, b: Path, token: str) -> None:
    """A source that pulls from A over TLS, and checks its certificate."""
    from cert_exchange.node import open_node
    from cert_exchange.services import syncing

    node = open_node(b)
    try:
        syncing.add_source(
            node, "from-a", partner="a", url=f"https://{ADDRESSES[0]}:{PORT}{own_node.API_ROOT}",
            remote_collection=policies.COLLECTION_ID, collection=policies.COLLECTION_ALIAS,
            secret=token.encode(),
            options={"server": "cert-exchange", "auth": "bearer", "ca_file": str(a / "authority.pem")},
        )  # fmt: skip
    finally:
        node.close()


def within(name: str, home: Path, *words: str) -> list[str]:
    """A command of ours in a namespace."""
    program = str(Path(sys.executable).with_name("cert-exchange"))
    return ["ip", "netns", "exec", name, program, *words, "--home", str(home)]


def pull(b: Path) -> tuple[int, float]:
    """B's first full sync: objects and seconds; tried again, as its worker would, until a run ends well."""
    began = time.perf_counter()
    received = 0
    while True:
        done = subprocess.run(
            within(NAMES[1], b, "sync", "now", "from-a", "--json"), capture_output=True, check=False
        )
        [report] = json.loads(done.stdout or b"[]") or [
            {"ok": False, "outcome": done.stderr, "counts": {}}
        ]
        received += int(report["counts"].get("received", 0))
        if report["ok"]:
            return received, time.perf_counter() - began
        print(f"  {report['outcome']}", flush=True)
        if time.perf_counter() - began > 1_800:
            raise SystemExit("half an hour was not enough")


def main() -> None:
    """Run it and print the line of figures last."""
    child = own_node.make(OBJECTS, "sqlite", None)
    if child is not None and child.wait() != 0:
        raise SystemExit("the store could not be filled; the reason is above")
    a = own_node.copy(OBJECTS, "sqlite", "far-a")
    b = exchanging.make_receiver("far-b")
    arrange_a(a)
    exchanging.pin_each_other(a, b)
    arrange_b(a, b, own_node.secrets_of(a)[exchanging.PARTNER])
    made: list[str] = []
    server: subprocess.Popen[bytes] | None = None
    line: Line | None = None
    try:
        for name in NAMES:
            ip("netns", "add", name)
            made.append(name)
        devices = tun_in(NAMES[0]), tun_in(NAMES[1])
        for name, address in zip(NAMES, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "cx0")
            ip("-n", name, "link", "set", "cx0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        line = Line(devices)
        line.start()
        with (a / "serve.log").open("ab") as log:
            server = subprocess.Popen(within(NAMES[0], a, "serve"), stdout=log, stderr=log)
        time.sleep(4)
        received, seconds = pull(b)
    finally:
        if server is not None:
            for pid in [*processes.descendants(server.pid), server.pid]:
                os.kill(pid, 15)
            server.wait(30)
        if line is not None:
            line.end()
        for name in made:
            ip("netns", "del", name)
    print(
        f"far_objects={received} seconds={seconds:.1f} objects_per_s={received / seconds:.0f}"
        f" delay_ms={DELAY * 1000:.0f} loss={LOSS} packets={line.carried} packets_lost={line.lost}"
    )


if __name__ == "__main__":
    main()
