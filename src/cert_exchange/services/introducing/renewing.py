"""A channel renews itself before its certificate ends: a new offer over the channel, a new answer back.

1. Asked through the channel as it stands (their server by its authority, our certificate, our credential), signed with a
   signing key that they have pinned: a thief of the one without the other renews nothing. No words are needed: the key was
   compared.
2. Their node answers once in HOUR to an offer that is newer than the last one and of this hour; the same offer gets the
   same answer. A new certificate and, near the end of the credential, a new credential; the old ones end by themselves.
3. With the offer a new authority of our server is learned there, before the server changes over to it (`unaware_of`); a
   new card is not: a person confirms that.
4. Killed in between, nothing is lost: what is in use stays until the answer is opened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Final

import structlog

from cert_exchange.errors import CertExchangeError, InputRefused, NotFound, SignatureBroken
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.introductions import Offer, digest_of, read_offer
from cert_exchange.messages.keys import kid_of
from cert_exchange.node import Node
from cert_exchange.remote import peering, pki
from cert_exchange.services import pki as certificates
from cert_exchange.services.introducing.connecting import (
    believe,
    replace_credential,
    source_of,
    take_up,
)
from cert_exchange.services.introducing.inviting import (
    new_offer,
    our_offer,
    request_name,
    sealing_file,
)
from cert_exchange.services.introducing.sealing import answer, open_answer
from cert_exchange.services.ledger import record
from cert_exchange.services.partners import Caller
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import credential_lives, partner_keys, partners
from cert_exchange.store import introductions as rows
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction

log = structlog.get_logger(__name__)

HOUR: Final = 3_600_000_000
RENEW_WITHIN: Final = timedelta(days=30)
CREDENTIAL_WITHIN: Final = timedelta(days=90)
_MICRO: Final = timedelta(microseconds=1)


def renew_due(node: Node, channel: Channel) -> bool:
    """Renew the channel that this source belongs to, if its certificate ends soon; whether that was done.

    What goes wrong is logged, and tried again after the next run.
    """
    source = source_of(node, channel.partner_name)
    if source is None or source.key != channel.key:
        return False
    own = certificates.listing(node).own.get(request_name(channel.partner_name))
    if own is None or own.ends_at - node.now() > RENEW_WITHIN // _MICRO:
        return False
    try:
        renew(node, channel.partner_name)
    except CertExchangeError as error:
        log.warning("channel not renewed", partner=channel.partner_name, error=type(error).__name__)
        return False
    return True


def renew(node: Node, name: str, *, by: str = "node") -> None:
    """Get a new certificate for our side of a channel, and a new credential where that is due there.

    Raises NotFound without a channel, errors.Remote*, SignatureBroken.
    """
    found, source = our_offer(node, name), source_of(node, name)
    if found.opened_at is None or found.theirs is None or source is None:
        raise NotFound(
            f"The channel to {name} is not set up; see `cert-exchange partner channels`."
        )
    now = node.now()
    before = read_offer(found.offer, now)
    text = new_offer(node, name, before.card, before.url, before.collection)
    said = peering.tell(connect(node, source), "renew", {"offer": text})
    made = None if said is None else said.get("answer")
    if not isinstance(made, str):
        raise SignatureBroken("their node does not renew channels.")
    opened = open_answer(node, name, read_offer(found.theirs, now).identity, text, made)
    if opened is None:
        raise SignatureBroken("their answer is to another offer.")
    take_up(node, name, opened.certificate, by=by)
    if opened.credential is not None:
        replace_credential(node, name, opened.credential, by=by)

    def work(tx: Transaction) -> None:
        rows.note(tx, name, offer=text, offered_at=now, opened_at=now)
        facts = {"partner": name, "offer": digest_of(text)}
        record(tx, Line("introduction.renew", now, by, facts=dict(facts)))

    node.database.transact(work)
    node.secret_files.remove(sealing_file(name))
    log.info("channel renewed", partner=name)


def answer_renewal(node: Node, caller: Caller, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer a partner's new offer that came over its channel. Raises InputRefused, NotFound without such a channel."""
    text = asked.get("offer")
    now = node.now()
    with node.database.reading() as tx:
        found = rows.find(tx, caller.name)
        keys = [key.kid for key in partner_keys.keys_of(tx, caller.partner) if key.holds_at(now)]
        identities = partners.authority(tx, caller.partner).speaks_for
        lives = credential_lives.lives(tx, now, partner=caller.partner).get(caller.partner, [])
    if found is None or found.theirs is None or found.answer is None:
        raise NotFound(detail=f"no channel to partner {caller.partner} was set up")
    if not isinstance(text, str) or not text.isascii():
        raise InputRefused("`offer` is a signed offer.")
    if text == found.theirs:
        return {"answer": found.answer}
    try:
        offer = read_offer(text, now)
    except (SignatureBroken, ValueError):
        raise InputRefused("`offer` is a signed offer.") from None
    before = read_offer(found.theirs, now)
    if not _is_theirs(offer, keys, identities):
        raise InputRefused("The offer is not signed with a key that is pinned here.")
    if abs(now - offer.at) > HOUR or offer.at - before.at < HOUR:
        raise InputRefused(
            "An offer is of this hour, and an hour newer than the one before; renew again after"
            f" {format_micros(before.at + HOUR)}."
        )
    ends = max(
        (one.expires_at or now + CREDENTIAL_WITHIN // _MICRO * 2 for one in lives), default=now
    )
    made = answer(
        node, caller.name, text, offer,
        required=False, credential=ends - now < CREDENTIAL_WITHIN // _MICRO, by=caller.name,
    )  # fmt: skip
    believe(node, caller.name, offer)

    def work(tx: Transaction) -> None:
        rows.note(tx, caller.name, theirs=text, answer=made)
        facts = {"partner": caller.name, "offer": digest_of(text)}
        record(tx, Line("introduction.renewed", now, caller.name, facts=dict(facts)))

    node.database.transact(work)
    return {"answer": made}


def unaware_of(node: Node, authority: str) -> tuple[str, ...]:
    """Partners whose channel was set up and that were never told of this authority of ours, by its fingerprint."""
    now = node.now()
    with node.database.reading() as tx:
        found = [one for one in rows.every(tx) if one.theirs is not None]
    return tuple(
        one.name
        for one in found
        if authority
        not in {
            pki.fingerprint(known)
            for known in pki.read_bundle(
                read_offer(one.offer, now).authority.encode("ascii"), what="our authority"
            )
        }
    )


def _is_theirs(offer: Offer, keys: Collection[str], identities: Collection[str]) -> bool:
    """Whether the key that signed an offer was compared, or vouched for by one that was (rule 1)."""
    return kid_of(offer.key) in keys and offer.identity in identities
