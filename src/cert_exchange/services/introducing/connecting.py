"""What our node keeps to connect to a partner: whom it believes there, what it shows, and the source of tests.

1. The authorities of a partner's server stand in a file of their own, for this partner's channels alone. It is written anew
   from their offer where it is missing.
2. The credential stands in the secret file of each source; a new one goes into all of them that held the one before.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from cert_exchange.messages.introductions import Offer, read_offer
from cert_exchange.node import Node
from cert_exchange.remote import pki
from cert_exchange.services import pki as certificates
from cert_exchange.services import syncing
from cert_exchange.services.introducing import proving
from cert_exchange.services.introducing.inviting import request_name
from cert_exchange.store import channels, introductions
from cert_exchange.store.channels import Channel

EVERY_SECONDS: Final = 60
TRUST_FOLDER: Final = "trust"


def source_name(name: str) -> str:
    """The source that pulls a partner's TEST collection."""
    return f"test-from-{name}"


def trust_file(name: str) -> str:
    """Where the authority of a partner's server stands, from the home."""
    return f"{TRUST_FOLDER}/{name}.pem"


def channel_options(node: Node, name: str) -> dict[str, Any]:
    """How a partner's node is spoken to."""
    pair = node.settings.secrets_directory / certificates.pair_file(request_name(name))
    return {
        "auth": "bearer",
        "server": "cert-exchange",
        "ca_file": trust_file(name),
        "client_certificate": str(pair),
        "every_seconds": EVERY_SECONDS,
    }


def believe(node: Node, name: str, offer: Offer) -> None:
    """Write the authorities of its server to a file (rule 1)."""
    found = pki.read_bundle(offer.authority.encode("ascii"), what="its authority")
    file = node.settings.home / trust_file(name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    fresh.write_text("".join(pki.pem(one) for one in found), encoding="ascii")
    fresh.replace(file)


def believe_again(node: Node) -> int:
    """Write the files of rule 1 that are missing, as after a restore; how many."""
    with node.database.reading() as tx:
        found = [one for one in introductions.every(tx) if one.opened_at is not None]
    written = 0
    for one in found:
        if one.theirs is not None and not (node.settings.home / trust_file(one.name)).is_file():
            believe(node, one.name, read_offer(one.theirs, node.now()))
            written += 1
    return written


def take_up(node: Node, name: str, certificate: str, *, by: str) -> None:
    """Use the certificate that a partner made of our request; nothing where that was done before."""
    if node.secret_files.exists(f"pki/{request_name(name)}.next.key"):
        certificates.accept(node, request_name(name), certificate.encode("ascii"), by=by)


def pull_tests(node: Node, name: str, offer: Offer, credential: str) -> None:
    """Pull a partner's TEST collection from now on, in place of what was pulled so before."""
    with node.database.reading() as tx:
        there = channels.channels(tx, only=source_name(name))
    if there:
        syncing.remove(node, "pull", source_name(name), by="node")
    syncing.add_source(
        node,
        source_name(name),
        partner=name,
        url=offer.url,
        remote_collection=offer.collection,
        collection=proving.ground(node),
        secret=credential.encode(),
        options=channel_options(node, name),
    )


def source_of(node: Node, name: str) -> Channel | None:
    """The source that pulls a partner's TEST collection, None where it was removed."""
    with node.database.reading() as tx:
        found = channels.channels(tx, only=source_name(name))
    return next((one for one in found if one.direction == "pull"), None)


def replace_credential(node: Node, name: str, credential: str, *, by: str) -> None:
    """Write a new credential wherever the one of the channel stood (rule 2)."""
    source = source_of(node, name)
    if source is not None:
        syncing.change_secret(node, source.name, credential, by=by)
