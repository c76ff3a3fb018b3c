"""A node of the demo: its folder, its processes, and the command line that sets it up as a person would."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).parent / "cert-exchange"
READY_SECONDS = 40
STOP_SECONDS = 15


class StepFailedError(Exception):
    """A command of the demo failed; the message holds what it said."""


@dataclass
class DemoNode:
    """One CERT's node on this machine."""

    name: str
    title: str
    identity: str
    home: Path
    port: int
    ca_file: Path
    process: subprocess.Popen[bytes] | None = None
    _log: Any = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def api_root(self) -> str:
        """The TAXII API root."""
        return f"{self.url}/api/"

    @property
    def log_file(self) -> Path:
        """What the node's processes write."""
        return self.home / "node.log"

    def cli(
        self, *arguments: str, stdin: bytes | None = None, accept: tuple[int, ...] = (0,)
    ) -> str:
        """Run one command of `cert-exchange` for this node and give its standard output.

        Raises StepFailedError for an exit code that is not accepted.
        """
        environment = os.environ | {
            "CERT_EXCHANGE_HOME": str(self.home),
            "CERT_EXCHANGE_OPERATOR": f"demo at {self.name}",
            "NO_COLOR": "1",
        }
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            env=environment,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            check=False,
        )
        if done.returncode not in accept:
            raise StepFailedError(
                f"{self.name}: cert-exchange {' '.join(arguments)} ended with {done.returncode}\n"
                f"{done.stdout.decode(errors='replace')[-1500:]}{done.stderr.decode(errors='replace')[-1500:]}"
            )
        return done.stdout.decode()

    def ask(self, *arguments: str) -> Any:
        """Run a reading command with `--json` and give its document."""
        return json.loads(self.cli(*arguments, "--json"))

    def start(self) -> None:
        """Start `serve` and wait until it is ready. Raises StepFailedError with the end of its log."""
        self._log = self.log_file.open("ab")
        self.process = subprocess.Popen(
            [str(PROGRAM), "serve", "--home", str(self.home)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        (self.home / "serve.pid").write_text(f"{self.process.pid}\n")
        trusted = ssl.create_default_context(cafile=str(self.ca_file))
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/health/ready", context=trusted, timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        tail = self.log_file.read_text(errors="replace")[-2000:]
        raise StepFailedError(f"{self.name} did not become ready; its log ends:\n{tail}")

    def stop(self) -> None:
        """Ask the node to end, and end it after a while when it does not."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._log.close()
        self.process = None


def free_port(wanted: int) -> int:
    """Give the wanted port of loopback if it is free, else any other."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StepFailedError("No port of 127.0.0.1 is free.")
