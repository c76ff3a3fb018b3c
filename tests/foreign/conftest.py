"""Peers in processes of their own: medallion, the reference TAXII server, and our own node as `serve` runs it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from tests import starting

# A fresh machine has Python and no more; the machine that decides what lands installs nginx in `.ci/run`, which says so
# in its output where it could not.
HAS_NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
MUST = os.environ.get("CI") == "true" and not os.environ.get("CERT_EXCHANGE_NO_NGINX")
collect_ignore = [] if HAS_NGINX or MUST else ["test_proxy.py"]

COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
MEDIA = "application/taxii+json;version=2.1"
USER, PASSWORD = "exchange", "a:b c"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


@dataclass
class Peer:
    """A peer's API root, and what a direct look at it shows."""

    url: str
    process: subprocess.Popen[bytes]
    authorization: str

    def get(self, path: str) -> dict[str, Any]:
        request = Request(
            self.url + path, headers={"Accept": MEDIA, "Authorization": self.authorization}
        )
        with urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def post(self, path: str, body: bytes) -> dict[str, Any]:
        headers = {"Accept": MEDIA, "Content-Type": MEDIA, "Authorization": self.authorization}
        request = Request(self.url + path, data=body, headers=headers, method="POST")
        with urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def objects(self) -> list[dict[str, Any]]:
        found = self.get(f"collections/{COLLECTION}/objects/?limit=10000&match[version]=all")
        return list(found.get("objects", []))


def wait_for(url: str, process: subprocess.Popen[bytes] | starting.Started) -> None:
    """Wait until something answers there."""
    for _ in range(1000):
        if process.poll() is not None:
            raise AssertionError(f"the peer ended with {process.returncode}")
        try:
            urlopen(url, timeout=5).close()
        except URLError as error:
            if hasattr(error, "code"):
                return
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the peer does not answer")


@pytest.fixture
def medallion(tmp_path: Path) -> Iterator[Callable[..., Peer]]:
    """`medallion(rows, page=100)`: a medallion that holds (date_added, object) rows."""
    import base64

    running: list[subprocess.Popen[bytes]] = []

    def start(
        rows: Sequence[tuple[str, dict[str, Any]]] = (),
        *,
        page: int = 100,
        max_content_length: int = 1_000_000,
    ) -> Peer:
        port = free_port()
        manifest = [
            {
                "id": one["id"],
                "date_added": date,
                "version": one.get("modified", one.get("created", date)),
                "media_type": "application/stix+json;version=2.1",
            }
            for date, one in rows
        ]
        data = {
            "/discovery": {
                "title": "m",
                "default": f"http://127.0.0.1:{port}/root/",
                "api_roots": [],
            },
            "root": {
                "information": {
                    "title": "m",
                    "versions": [MEDIA],
                    "max_content_length": max_content_length,
                },
                "status": [],
                "collections": [
                    {
                        "id": COLLECTION,
                        "title": "c",
                        "can_read": True,
                        "can_write": True,
                        "media_types": ["application/stix+json;version=2.1"],
                        "objects": [one for _, one in rows],
                        "manifest": manifest,
                    }
                ],
            },
        }
        folder = tmp_path / f"medallion-{port}"
        folder.mkdir()
        (folder / "data.json").write_text(json.dumps(data))
        config = {
            "backend": {
                "module": "medallion.backends.memory_backend",
                "module_class": "MemoryBackend",
                "filename": str(folder / "data.json"),
            },
            "users": {USER: PASSWORD},
            "taxii": {"max_page_size": page},
        }
        (folder / "config.json").write_text(json.dumps(config))
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "medallion.scripts.run",
                "--port",
                str(port),
                str(folder / "config.json"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        running.append(process)
        wait_for(f"http://127.0.0.1:{port}/taxii2/", process)
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return Peer(f"http://127.0.0.1:{port}/root/", process, f"Basic {basic}")

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def served() -> Iterator[Callable[..., str]]:
    """`served(home)`: our own node in a process of its own; returns its API root."""
    running: list[starting.Started] = []

    def start(home: Path, *, with_worker: bool = False) -> str:
        port = free_port()
        process = starting.start(
            starting.SERVE_WITH_WORKER if with_worker else starting.SERVE,
            home,
            env={**os.environ, "CERT_EXCHANGE_PORT": str(port), "CERT_EXCHANGE_HOST": "127.0.0.1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        running.append(process)
        wait_for(f"http://127.0.0.1:{port}/health/ready", process)
        return f"http://127.0.0.1:{port}/api/"

    yield start
    for process in running:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
