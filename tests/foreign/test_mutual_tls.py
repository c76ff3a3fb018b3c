"""Two nodes over TLS with certificates on both sides: requests instead of travelling keys, each side its own authority."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.scenes import Scene
from tests.taxii.conftest import started
from tests.taxii.test_certificates import soon

from cert_exchange.errors import RemoteError, RemoteRefused
from cert_exchange.node import Node
from cert_exchange.services import partners, pki, syncing


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


@pytest.fixture
def a(node: Node) -> Iterator[tuple[Node, int]]:
    """CERT A, which demands a certificate of B, on both engines."""
    Scene.set_up(node)
    pki.init(node)
    pki.issue_own(node, "server", hosts=["localhost"])
    with (node.settings.home / "node.yaml").open("a") as file:
        file.write("tls_certificate: secrets/pki/server.pem\ntls_key: secrets/pki/server.pem\n")
        file.write("port: 0\n")
    pki.require(node, "b", required=True)
    with started(node.settings.home) as (port, _):
        yield node, port


@pytest.mark.parametrize("locked", [False, True], ids=["plain", "locked"])
def test_a_node_connects_with_a_certificate_that_the_other_side_made(
    a: tuple[Node, int], new_node: Callable[..., Node], tmp_path: Path, *, locked: bool
) -> None:
    """`request`, `issue`, `accept`; then the channel works, also where B's secrets are encrypted on its disk."""
    (server, port), client = a, new_node("sqlite", name="b")
    secret, authority = tmp_path / "from-a.txt", tmp_path / "a-ca.pem"
    secret.write_text(partners.issue(server, "b", lifetime=None).token)
    authority.write_text("".join(text for _, text in pki.describe_own(server)))
    if locked:
        client.secret_files.lock("correct horse battery staple", cost=1 << 10)
    _, certificate = pki.issue_for_partner(server, "b", pki.request(client, "to-a").encode())
    pki.accept(client, "to-a", certificate.encode())
    key = (client.settings.home / "secrets" / "pki" / "to-a.pem").read_bytes()
    assert (b"PRIVATE KEY" in key) is not locked

    def look(**more: str) -> list[syncing.Offer]:
        options = {"auth": "bearer", "ca_file": str(authority), **more}
        url = f"https://localhost:{port}/taxii2/"
        return list(syncing.look_around(client, url, secret=secret, options=options))

    with pytest.raises(RemoteRefused, match="401"):
        look()
    found = look(client_certificate="secrets/pki/to-a.pem")
    assert {one.alias for one in found} >= {"indicators"}
    [(described, _)] = pki.describe_own(server)
    pki.revoke(server, pki.listing(server).certificates[-1][0].serial)
    assert described.authority
    with pytest.raises(RemoteError):
        look(client_certificate="secrets/pki/to-a.pem")

    def said() -> str:
        with pytest.raises(RemoteError) as error:
            look(client_certificate="secrets/pki/to-a.pem")
        return error.value.public

    # Once the handshake knows of it: the alert comes after ours (RFC 8446, 4.4.2.4) and is read, or the closed line is found.
    assert soon(lambda: "refused our" in said()), said()
