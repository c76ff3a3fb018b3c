"""Server processes: started on a free port, waited for, measured through /proc, stopped by their pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Server:
    """A running server; `ready_after` is the time in seconds from its start to its first open port."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    ready_after: float
    log: Path

    def stop(self) -> None:
        """End it and everything it started: SIGTERM, after ten seconds SIGKILL."""
        family = [self.process.pid, *descendants(self.process.pid)]
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for pid in family:
                _kill(pid)
            self.process.wait()

    def anonymous_memory(self) -> int:
        """RssAnon in bytes, summed over the process and all its descendants."""
        pids = [self.process.pid, *descendants(self.process.pid)]
        return sum(rss_anon(pid) for pid in pids)

    def memory_by_process(self) -> dict[str, int]:
        """RssAnon in bytes of each process, named `pid command`."""
        pids = [self.process.pid, *descendants(self.process.pid)]
        return {f"{pid} {_command(pid)}": rss_anon(pid) for pid in pids}

    def cpu_seconds(self) -> float:
        """Processor time used so far by the process and all its descendants."""
        pids = [self.process.pid, *descendants(self.process.pid)]
        return sum(_cpu(pid) for pid in pids)


def settle(servers: Sequence[Server], *, patience: float = 15.0) -> None:
    """Wait until none of the servers works on its own start any more: under 5 % of a core for half a second."""
    end = time.perf_counter() + patience
    before = sum(server.cpu_seconds() for server in servers)
    while time.perf_counter() < end:
        time.sleep(0.5)
        now = sum(server.cpu_seconds() for server in servers)
        if now - before < 0.025 * len(servers):
            return
        before = now


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def start(
    name: str,
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    probe: bytes | None = None,
    only_success: bool = False,
    patience: float = 120.0,
) -> Server:
    """Start a server and wait until it answers: to `probe` with any HTTP status below 500
    (with 200, if `only_success`), else to a connection."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
            cwd=cwd,
        )
    while time.perf_counter() - began < patience:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}: {log.read_text()[-2000:]}")
        if _answers(port, probe, only_success=only_success):
            return Server(name, port, process, time.perf_counter() - began, log)
        time.sleep(0.005)
    process.kill()
    raise RuntimeError(f"{name} did not answer within {patience:.0f} s: {log.read_text()[-2000:]}")


def _answers(port: int, probe: bytes | None, *, only_success: bool) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            if probe is None:
                return True
            sock.sendall(probe)
            answer = sock.recv(4096)
    except OSError:
        return False
    return answer[9:10] in ({b"2"} if only_success else {b"2", b"3", b"4"})


def descendants(pid: int) -> list[int]:
    """The children of a process, and theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def rss_anon(pid: int) -> int:
    """Bytes of anonymous memory of one process; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "ended"
    return " ".join(word.decode(errors="replace").rsplit("/", 1)[-1] for word in words[:4] if word)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
