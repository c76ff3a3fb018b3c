"""A real nginx that ends TLS in front of a real node, with the configuration that we ship (deploy/nginx)."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.authorities import Caller, Foreign, Holder, trusting
from tests.scenes import Scene
from tests.taxii.conftest import started

from cert_exchange.node import Node
from cert_exchange.services import partners, pki

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx" / "cert-exchange.conf"
WHOLE = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def nginx(folder: Path, *, pair: Path, behind: int) -> Iterator[int]:
    """Run nginx with what we ship; only addresses and files are this machine's."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.fail("this test needs nginx: apt-get install nginx-light")
    port = free_port()
    text, changed = re.subn(
        r"listen 8443 ssl;", f"listen 127.0.0.1:{port} ssl;", SHIPPED.read_text()
    )
    text, more = re.subn(r"http://127\.0\.0\.1:8444", f"http://127.0.0.1:{behind}", text)
    text, files = re.subn(r"/etc/cert-exchange/server\.(pem|key)", str(pair), text)
    assert (changed, more, files) == (1, 1, 2)
    (folder / "site.conf").write_text(text)
    (folder / "nginx.conf").write_text(WHOLE.format(folder=folder))
    process = subprocess.Popen(
        [program, "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.PIPE
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=10)


class Behind:
    """A node behind nginx, and what a client needs to reach it."""

    def __init__(self, node: Node, port: int, direct: int, folder: Path) -> None:
        self.node, self.port, self.direct, self.folder = node, port, direct, folder
        self.tokens = {name: partners.issue(node, name, lifetime=None).token for name in ("b", "c")}

    def caller(self, pair: Path | None, partner: str = "b") -> Caller:
        return Caller(self.port, trusting(self.node, pair), self.tokens[partner])


@pytest.fixture
def behind(node: Node, tmp_path: Path) -> Iterator[Behind]:
    Scene.set_up(node)
    pki.init(node)
    pki.issue_own(node, "server", hosts=["localhost"])
    home = node.settings.home
    with (home / "node.yaml").open("a") as file:
        file.write("trusted_proxies: [127.0.0.1/32]\nport: 0\n")
    folder = tmp_path / "nginx"
    folder.mkdir()
    with ExitStack() as stack:
        direct, _ = stack.enter_context(started(home))
        pair = home / "secrets" / "pki" / "server.pem"
        port = stack.enter_context(nginx(folder, pair=pair, behind=direct))
        yield Behind(node, port, direct, tmp_path)


def within(seconds: float, status: int, caller: Caller) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if caller.poll() == status:
            return True
        time.sleep(0.1)
    return False


def test_a_certificate_passes_a_real_nginx_and_is_judged_by_us(behind: Behind) -> None:
    """With its certificate B gets in; without, with C's, and with one that we do not know, it does not."""
    holder = Holder(behind.folder)
    _, pair = holder.certified_by(behind.node, "b")
    assert within(5, 200, behind.caller(pair))
    assert behind.caller(None).poll() == 401
    _, anothers = Holder(behind.folder, "c").certified_by(behind.node, "c")
    assert behind.caller(anothers).poll() == 401
    unknown = holder.pair(Foreign().sign(holder))
    assert behind.caller(unknown).poll() == 401


def test_a_revoked_certificate_is_refused_behind_nginx_too(behind: Behind) -> None:
    """By the next request on the connection that is open, and on a new one; nginx itself knows of no list."""
    described, pair = Holder(behind.folder).certified_by(behind.node, "b")
    open_one = behind.caller(pair)
    assert within(5, 200, open_one)
    pki.revoke(behind.node, described.serial, reason="key_compromise")
    assert open_one.poll() == 401
    assert behind.caller(pair).poll() == 401


def test_nginx_lets_no_header_of_a_client_through(behind: Behind) -> None:
    """A Client-Cert that a client writes itself is replaced by what the handshake showed, or by nothing."""
    import base64
    import ssl

    _, pair = Holder(behind.folder).certified_by(behind.node, "b")
    assert within(5, 200, behind.caller(pair))
    der = ssl.PEM_cert_to_DER_cert(pair.read_text().partition("-----BEGIN PRIVATE")[0])
    written = {"Client-Cert": ":" + base64.b64encode(der).decode() + ":"}
    assert behind.caller(None).poll(**written) == 401
    assert behind.caller(None, "c").poll(**written) == 200
