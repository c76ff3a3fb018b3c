"""The answer to an offer: what we certify and hand over, closed for who made the offer; and theirs, opened.

1. It is signed with our newest key, names the offer that it answers, and opens with that offer's private half alone.
2. Theirs is read only by a signing key that is pinned to them and counts now.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import orjson

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.introductions import (
    Answer,
    Offer,
    digest_of,
    read_answer,
    write_answer,
)
from cert_exchange.messages.sealed_answers import KEY_BYTES, close_for, open_with
from cert_exchange.messages.signatures import canonical
from cert_exchange.node import Node
from cert_exchange.services import partners
from cert_exchange.services import pki as certificates
from cert_exchange.services.introducing.inviting import sealing_file
from cert_exchange.store import partner_keys
from cert_exchange.store import partners as partner_rows

CREDENTIAL_LIFETIME: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Opened:
    """What an answer held: our certificate there in PEM, and our credential there where it is a new one."""

    certificate: str
    credential: str | None = field(repr=False)


def answer(
    node: Node,
    name: str,
    theirs: str,
    offer: Offer,
    *,
    required: bool,
    credential: bool,
    by: str,
) -> str:
    """Certify the key of a partner's offer, with `credential` issue one as well, and close both for it; signed.

    `required`: it gets nothing without a certificate from now on.
    """
    _, certificate = certificates.issue_for_partner(
        node, name, offer.request.encode("ascii"), required=required, by=by
    )
    content = {"certificate": certificate}
    if credential:
        issued = partners.issue(node, name, lifetime=CREDENTIAL_LIFETIME, by=by)
        content["credential"] = issued.token
    digest = digest_of(theirs)
    closed = close_for(
        canonical(content),
        offer.sealing,
        once=secrets.token_bytes(KEY_BYTES),
        context=bytes.fromhex(digest),
    )
    made = Answer(node.identity, offer.identity, digest, node.now(), closed)
    return write_answer(made, node.secrets.signing_keys[0])


def open_answer(node: Node, name: str, identity: str, ours: str, text: str) -> Opened | None:
    """Open a partner's answer to this offer of ours; None where it answers another one. Raises SignatureBroken."""
    with node.database.reading() as tx:
        partner = partner_rows.find_partner(tx, name)
        assert partner is not None  # the caller has it
        keys = partner_keys.keys_of(tx, partner.id)
    read = read_answer(text, keys, node.now())
    digest = digest_of(ours)
    if (read.of, read.to) != (identity, node.identity):
        raise SignatureBroken("the answer in this letter is not from them to us.")
    if read.offer != digest:
        return None
    private = bytes.fromhex(node.secret_files.read(sealing_file(name)).decode("ascii"))
    content = orjson.loads(open_with(read.sealed, private, context=bytes.fromhex(digest)))
    certificate, credential = content.get("certificate"), content.get("credential")
    if not isinstance(certificate, str) or not isinstance(credential, str | None):
        raise SignatureBroken("the answer holds no certificate.")
    return Opened(certificate, credential)
