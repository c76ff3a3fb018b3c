"""The way of two administrators: an authority, a request, a certificate, a pinned authority, a revocation."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.authorities import Foreign, Holder
from tests.cli.conftest import Cli

pytestmark = pytest.mark.usefixtures("node_with_b")


def test_from_an_authority_to_a_revoked_certificate(cli: Cli, tmp_path: Path) -> None:
    """Each step says what comes next; what is handed out is whole, and what is revoked is shown so."""
    request, certificate = tmp_path / "b.csr", tmp_path / "b.pem"
    request.write_bytes(Holder(tmp_path).request())
    assert "no certificate authority" in cli("pki", "issue", "cert-b", request).err
    made = cli("pki", "init")
    assert (made.code, "pki own server" in made.err) == (0, True)
    own = cli("pki", "own", "server", "--host", "taxii.cert-a.example")
    assert "secrets/pki/server.pem" in own.err
    assert cli("pki", "issue", "cert-b", request, "--to", certificate).code == 0
    assert certificate.read_text().startswith("-----BEGIN CERTIFICATE-----")
    shown = cli("pki", "show", "--json").json()
    [issued] = [one for one in shown["certificates"] if one["partner"] == "cert-b"]
    assert list(shown["required"]) == ["cert-b"]
    assert cli("pki", "revoke", issued["serial"], "--reason", "key_compromise").code == 0
    assert "revoked already" in cli("pki", "revoke", issued["serial"]).err
    [after] = [
        one for one in cli("pki", "show", "--json").json()["certificates"] if one["revoked_at"]
    ]
    assert after["reason"] == "key_compromise"
    assert "BEGIN X509 CRL" in cli("pki", "crl").out
    assert "1 list signed, 1 certificate renewed" in cli("pki", "renew", "--all").err


def test_a_partners_authority_is_pinned_and_let_go(cli: Cli, tmp_path: Path) -> None:
    """Pinned without a list it says that nothing is accepted yet; `require --no` is said in words."""
    foreign, authority, crl = Foreign(), tmp_path / "ca.pem", tmp_path / "b.crl"
    authority.write_bytes(foreign.pem)
    crl.write_bytes(foreign.crl())
    assert cli("pki", "pin", "cert-b").code != 0
    assert "nothing of it is accepted" in cli("pki", "pin", "cert-b", "--ca", authority).err
    told = cli("status").err
    assert "cert-b: its authority" in told
    assert "has no revocation list here: nothing of it is accepted; get its newest list" in told
    (row,) = cli("status", "--json").json()["revocation_lists"]
    assert row["partner"] == "cert-b"
    assert "names 0 certificates" in cli("pki", "pin", "cert-b", "--crl", crl).err
    assert cli("status", "--json").json()["revocation_lists"] == []
    assert "need not" in cli("pki", "require", "cert-b", "--no").err
    assert cli("pki", "unpin", "cert-b").code == 0
    assert cli("pki", "unpin", "cert-b").code != 0
    assert cli("pki", "pin", "nobody", "--ca", authority).code != 0
