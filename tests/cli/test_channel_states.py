"""`source` and `target` as a person uses them: found by a domain, shown, paused, reset, sent again, explained."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any, NoReturn

import pytest
import trustme
from tests.cli.conftest import B_IDENTITY, Cli, bundle, indicator
from tests.neighbour import MEDIA, Asked, Collection, Neighbour, Reply
from tests.zones import serving_zone

from cert_exchange.errors import RemoteTimeout
from cert_exchange.services import discovering


class Found(Collection):
    """A whole server: discovery, one API root, one collection."""

    def __call__(self, asked: Asked) -> Reply:
        assert asked.headers["authorization"] == "Bearer s3cret-of-b"
        documents: dict[str, Any] = {
            "/taxii2/": {"title": "B", "default": "/root/", "api_roots": ["/root/"]},
            "/root/collections/": {
                "collections": [
                    {"id": "91a7b528-80eb-42ed-a74d-c6fbd5a26116", "title": "Indicators", "alias": "i",
                     "can_read": True, "can_write": False, "media_types": [MEDIA]},
                ]
            },
        }  # fmt: skip
        if asked.path in documents:
            return Reply(body=json.dumps(documents[asked.path]).encode())
        return super().__call__(asked)


@pytest.mark.checklist(63)
def test_a_source_is_found_by_its_domain_and_used_once_confirmed(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """DNS is shown and nothing is asked of the server; with --use it is, by TLS, and the source pulls from it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ca_file, secret = tmp_path / "ca.pem", tmp_path / "secret"
    authority.cert_pem.write_to_path(str(ca_file))
    secret.write_text("s3cret-of-b")
    sent = indicator(1, created_by_ref=B_IDENTITY)
    with (
        Neighbour(Found([("2026-06-01T00:00:00.000000Z", sent)]), context=context) as peer,
        serving_zone(
            {
                ("_taxii2._tcp.cert-b.example.", "SRV"): [f"0 0 {peer.port} localhost."],
                ("localhost.", "A"): ["127.0.0.1"],
            }
        ) as (host, port),
    ):
        given = (
            "source", "add", "found", "--partner", "cert-b", "--discover", "cert-b.example",
            "--collection", "indicators", "--dns-server", f"{host}:{port}",
            "--secret-file", secret, "--ca-file", ca_file,
        )  # fmt: skip
        shown = cli(*given)
        assert shown.code == 1
        assert f"localhost\t{peer.port}\t0\t0\t127.0.0.1" in shown.out
        assert "does not lie in cert-b.example" in shown.out
        assert "inside a private network or this machine" in shown.out
        assert f"--use localhost:{peer.port}" in shown.err
        assert peer.requests == []
        strange = cli(*given, "--use", "elsewhere.example")
        assert strange.code != 0
        assert peer.requests == []
        open_which = cli(*given, "--use", "localhost")
        assert open_which.code == 1
        assert "Give --remote-collection" in open_which.err
        assert "Indicators" in open_which.out
        added = cli(*given, "--use", "localhost", "--remote-collection", "Indicators")
        assert added.code == 0, added.err
        assert cli("sync", "now", "found").code == 0
        stand = cli("source", "show", "found", "--json").json()
        assert stand["url"] == f"https://localhost:{peer.port}/root/"
        assert stand["remote_collection"] == "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
        assert stand["exchanged"]["status"] == 200
        assert stand["behind"]["objects"] == 0
        assert "s3cret" not in json.dumps(stand)
        told = cli("sync", "explain", sent["id"], "--from", "cert-b", "--offline")
        assert "taken in" in told.err
    both = cli(*given, "--url", "https://localhost/root/")
    assert (both.code, "Both --url and --discover were given" in both.err) == (1, True)


def test_a_discovery_that_fails_promises_nothing(
    cli: Cli, node_with_b: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was added, so no worker goes on: the next step is the person's."""

    def silent(*_given: object, **_more: object) -> NoReturn:
        raise RemoteTimeout("DNS did not answer within 10 s when asked for _taxii2._tcp.b.example.")

    monkeypatch.setattr(discovering, "named_by", silent)
    ran = cli(
        "source", "add", "d", "--partner", "cert-b", "--discover", "b.example",
        "--collection", "indicators", "--auth", "none",
    )  # fmt: skip
    assert (ran.code, "worker" in ran.err) == (4, False)
    assert "then run the command again" in ran.err
    assert cli("source", "list").rows() == []


def test_what_a_person_sees_of_a_target(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """What waits, what the server answered, the preview of sending again and its doing, pausing one way."""
    file = tmp_path / "bundle.json"
    file.write_bytes(bundle(indicator(1), indicator(2)))
    assert cli("publish", file, "--collection", "indicators").code == 0
    with Neighbour(Collection()) as peer:
        given = (
            "--partner", "cert-b", "--url", peer.url, "--remote-collection", "x",
            "--collection", "indicators", "--auth", "none", "--option", "insecure=true",
        )  # fmt: skip
        assert cli("target", "add", "b", *given).code == 0
        assert cli("source", "add", "b", *given).code == 0
        before = cli("target", "show", "b").out
        assert "waits here\t2 objects" in before
        assert "has not run yet" in before
        assert cli("target", "list").rows()[0]["waits"].startswith("2 objects")
        assert cli("sync", "now", "b").code == 0
        shown = cli("target", "show", "b")
        assert "waits here\tnothing" in shown.out
        assert f"asked\tPOST {peer.url}collections/x/objects/" in shown.out
        since = cli("target", "resend", "b", "--since", "2020-01-01T00:00:00Z", "--dry-run")
        assert "would send again" in since.err
        assert "2 objects" in since.err
        assert cli("target", "resend", "b", "--since", "2020-01-01T00:00:00Z").code == 0
        assert "2 objects" in cli("target", "show", "b").out
        reset = cli("source", "reset", "b", "--dry-run")
        assert "would start again at its very beginning" in reset.err
        assert cli("source", "reset", "b").code == 0
        assert cli("source", "pause", "b").code == 0
        assert cli("source", "list").rows()[0]["state"] == "paused"
        assert cli("target", "list").rows()[0]["state"] == "active"
        assert "source resume b" in cli("source", "show", "b").err
        assert cli("status", "--json").json()["channels"][1]["behind"]["objects"] == 2


def test_overrides_at_the_command_line(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """Set with a reason, listed, removed; which one is asked for."""
    file = tmp_path / "bundle.json"
    file.write_bytes(bundle(indicator(1)))
    assert cli("publish", file, "--collection", "indicators").code == 0
    stix_id = indicator(1)["id"]
    assert cli("override", "set", stix_id, "--reason", "why").code == 1
    done = cli("override", "set", stix_id, "--no-share", "--no-detect", "--reason", "noisy")
    assert done.code == 0
    assert "no-share set" in done.err
    assert [(row["override"], row["reason"]) for row in cli("override", "list").rows()] == [
        ("no-share", "noisy"),
        ("no-detect", "noisy"),
    ]
    assert cli("override", "remove", stix_id, "--no-share", "--reason", "quiet").code == 0
    assert [one["override"] for one in cli("override", "list", "--json").json()] == ["no-detect"]
    assert cli("override", "remove", stix_id, "--no-share", "--reason", "quiet").code == 1
