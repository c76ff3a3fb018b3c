"""Our offer to a partner: who we are, whom to call, what we are recognised by, what we ask to be certified.

1. An offer stays the same, with the same words, while all of it holds; once the other side's is accepted, until a person
   asks for a new one.
2. Its private halves (the key of the request, the key that the answer is closed to) are in the vault before it is known,
   and never leave it.
3. Nothing in it is secret. What it proves it proves only once its words were compared.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.contact_cards import Card
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.introductions import (
    Letter,
    Offer,
    digest_of,
    read_offer,
    words_of_offer,
    write_letter,
    write_offer,
)
from cert_exchange.messages.sealed_answers import KEY_BYTES, public_half
from cert_exchange.node import Node
from cert_exchange.services import pki as certificates
from cert_exchange.services.introducing import proving
from cert_exchange.services.introducing.addressing import (
    make_recognisable,
    offered_authorities,
    our_url,
)
from cert_exchange.services.introducing.cards import our_card
from cert_exchange.services.ledger import record
from cert_exchange.store import introductions as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.introductions import Introduction

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,36}")


@dataclass(frozen=True, slots=True)
class Invited:
    """A letter to send. `told`: what was made for it, and what a person has to do."""

    letter: bytes
    words: tuple[str, ...]
    told: tuple[str, ...]


def invite(
    node: Node, name: str, *, url: str | None = None, anew: bool = False, by: str = "administrator"
) -> Invited:
    """Make our offer to a partner, which need not be known yet, or the same one again.

    `url`: our API root, where the settings do not say it. `anew`: with new keys, and the set-up begins again. Raises
    ConfigurationInvalid.
    """
    check_name(name)
    card = our_card(node)
    if card is None:
        raise ConfigurationInvalid(
            "whom shall they call? `cert-exchange partner card` writes this node's contact card first."
        )
    place = our_url(node, url or _said_before(node, name))
    told = make_recognisable(node, place, by=by)
    collection = proving.ground(node)
    with node.database.reading() as tx:
        found = rows.find(tx, name)
    text = None
    if found is not None and not anew:
        begun = found.theirs is not None or found.opened_at is not None
        text = found.offer if begun else _still_right(node, found, card, place, collection)
    if text is None:
        text = _offer(node, name, card, place, collection, by=by)
        found = None
    letter = Letter(text, None if found is None else found.answer)
    return Invited(write_letter(letter), words_of_offer(text), told)


def check_name(name: str) -> None:
    """A channel's files are called by its partner's name. Raises ConfigurationInvalid."""
    if not _NAME.fullmatch(name):
        raise ConfigurationInvalid(
            f"{name!r} cannot name a channel; give at most 37 of a-z, 0-9 and '-', beginning with a letter or digit."
        )


def our_offer(node: Node, name: str) -> Introduction:
    """How far the set-up of a channel has come. Raises NotFound."""
    with node.database.reading() as tx:
        found = rows.find(tx, name)
    if found is None:
        raise NotFound(f"{name} was not invited; `cert-exchange partner invite {name}` does that.")
    return found


def request_name(name: str) -> str:
    """What our certificate towards a partner is called in the vault."""
    return f"to-{name}"


def sealing_file(name: str) -> str:
    """The vault's file with the private key that a partner's answer is closed to."""
    return f"introductions/{name}.key"


def _said_before(node: Node, name: str) -> str | None:
    with node.database.reading() as tx:
        found = rows.find(tx, name)
    return None if found is None else read_offer(found.offer, node.now()).url


def _still_right(
    node: Node, found: Introduction, card: Card, url: str, collection: str
) -> str | None:
    """The offer as it was made, where all of it still holds and its private halves are there."""
    offer = read_offer(found.offer, node.now())
    same = (
        offer.identity == node.identity
        and offer.card == card
        and offer.url == url
        and offer.collection == collection
        and offer.authority == offered_authorities(node)
        and offer.key == node.secrets.signing_keys[0].public
    )
    waits = node.secret_files.exists(sealing_file(found.name))
    return found.offer if same and waits else None


def new_offer(node: Node, name: str, card: Card, url: str, collection: str) -> str:
    """Make a signed offer with new private halves; nothing is said of it anywhere yet."""
    key = node.secrets.signing_keys[0]
    private = secrets.token_bytes(KEY_BYTES)
    node.secret_files.write(sealing_file(name), private.hex().encode("ascii"))
    offer = Offer(
        identity=node.identity,
        at=node.now(),
        card=card,
        url=url,
        collection=collection,
        authority=offered_authorities(node),
        request=certificates.request(node, request_name(name)),
        key=key.public,
        sealing=public_half(private),
    )
    return write_offer(offer, key)


def _offer(node: Node, name: str, card: Card, url: str, collection: str, *, by: str) -> str:
    now = node.now()
    text = new_offer(node, name, card, url, collection)

    def work(tx: Transaction) -> None:
        rows.begin(tx, name, text, at=now)
        facts = {"partner": name, "offer": digest_of(text)}
        record(tx, Line("introduction.offer", now, by, facts=dict(facts)))

    node.database.transact(work)
    return text
