"""Contact cards: ours, which partners fetch, and theirs, which a person confirmed by calling.

1. Ours is what the desk wrote last; a node without one invites nobody.
2. A partner's card is taken with its offer, whose words were compared. A newer one is fetched over the channel, signed by
   a pinned key, and counts once a person called (`confirm`): the number to call is the one that was held before.
3. What a side is recognised by is compared in words each year, as at the beginning (`words`, `compare`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound, SignatureBroken
from cert_exchange.messages.contact_cards import Card, decode_card, read_card
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.introductions import read_offer, words_of_standing
from cert_exchange.messages.signatures import canonical, sign, verify
from cert_exchange.messages.spoken_words import read_words
from cert_exchange.node import Node
from cert_exchange.remote import peering, pki
from cert_exchange.remote.connection import Connection
from cert_exchange.services.introducing.addressing import server_authority
from cert_exchange.services.ledger import record
from cert_exchange.store import introductions as rows
from cert_exchange.store import partner_keys, partners
from cert_exchange.store.database import Transaction
from cert_exchange.store.introductions import HeldCard

KIND: Final = "cert-exchange card 1"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A partner's card after a person called. `changed`: what it says otherwise than before."""

    card: Card
    changed: tuple[str, ...]
    compared: bool


def our_card(node: Node) -> Card | None:
    """Our card, None where the desk wrote none yet."""
    with node.database.reading() as tx:
        text = rows.own_card(tx)
    return None if text is None else decode_card(text)


def set_our_card(node: Node, card: Mapping[str, Any], *, by: str) -> Card:
    """Write our card; partners find it at their next look. Raises ConfigurationInvalid with all that is wrong."""
    read = read_card(card)
    now = node.now()

    def work(tx: Transaction) -> None:
        rows.put_own_card(tx, read.encoded().decode())
        record(tx, Line("card.write", now, by, facts={"digest": read.digest}))

    node.database.transact(work)
    return read


def card_of(node: Node, name: str) -> tuple[Card, HeldCard]:
    """A partner's card, and when it was confirmed. Raises NotFound."""
    with node.database.reading() as tx:
        held = rows.cards(tx).get(name)
    if held is None:
        raise NotFound(f"There is no contact card of {name}; it comes with `partner accept`.")
    return decode_card(held.card), held


def show_our_card(node: Node) -> Mapping[str, Any]:
    """Our card as partners' nodes fetch it, signed. Raises NotFound."""
    card = our_card(node)
    if card is None:
        raise NotFound(detail="this node has no contact card")
    content = {"kind": KIND, "of": node.identity, "at": node.now(), "card": card.document()}
    return {"signed": sign(canonical(content), node.secrets.signing_keys[0])}


def fetch_card(node: Node, connection: Connection, partner: int) -> Card | None:
    """A partner's card as its node shows it now; None where it shows none. Raises errors.Remote*, SignatureBroken."""
    document = peering.ask(connection, "card")
    if document is None:
        return None
    signed = document.get("signed")
    with node.database.reading() as tx:
        keys = partner_keys.keys_of(tx, partner)
        identities = partners.authority(tx, partner).speaks_for
    if not isinstance(signed, str):
        raise SignatureBroken("what should be a contact card is none.")
    content = verify(signed, keys, node.now()).of_kind(KIND)
    if content.get("of") not in identities:
        raise SignatureBroken("the contact card is of another organisation.")
    return read_card(content.get("card"))


def words(node: Node) -> tuple[str, ...]:
    """The words for what we are recognised by today; read them out when a partner calls."""
    card = our_card(node)
    if card is None:
        raise ConfigurationInvalid(
            "this node has no contact card; `cert-exchange partner card` writes it."
        )
    authority = pki.describe(server_authority(node)).fingerprint
    return words_of_standing(node.identity, [authority], node.secrets.signing_keys[0].public, card)


def words_expected(node: Node, name: str, card: Card) -> tuple[str, ...]:
    """The words that a partner should read out, by what we recognise it by. Raises NotFound."""
    now = node.now()
    with node.database.reading() as tx:
        found = rows.find(tx, name)
        partner = partners.find_partner(tx, name)
        if found is None or found.theirs is None or partner is None:
            raise NotFound(f"There is no channel to {name} that was set up by `partner accept`.")
        keys = [key for key in partner_keys.keys_of(tx, partner.id) if key.holds_at(now)]
    offer = read_offer(found.theirs, now)
    if not keys:
        raise ConfigurationInvalid(f"no signing key of {name} counts any more.")
    authority = pki.read_bundle(offer.authority.encode("ascii"), what="its authority")[0]
    return words_of_standing(offer.identity, [pki.fingerprint(authority)], keys[0].public, card)


def confirm(node: Node, name: str, *, fresh: Card | None, heard: str | None, by: str) -> Confirmed:
    """Note that a person called a partner and went through its card; with `heard`, that its words are right.

    `fresh`: the card as its node shows it now, where it could be fetched. Raises NotFound, InputRefused when the words
    differ (and then nothing is noted but that).
    """
    before, held = card_of(node, name)
    card = fresh or before
    now = node.now()
    right = None
    if heard is not None:
        right = read_words(heard) == words_expected(node, name, card)

    def work(tx: Transaction) -> None:
        partner = partners.find_partner(tx, name)
        assert partner is not None  # it has a card
        if right is False:
            record(tx, Line("card.differs", now, by, facts={"partner": name}))
            return
        values: dict[str, Any] = {"confirmed_at": now, "confirmed_by": by}
        if card != before:
            values |= {"card": card.encoded().decode(), "received_at": now}
        if right:
            values |= {"compared_at": now, "compared_by": by}
        rows.update_card(tx, partner.id, **values)
        facts = {"partner": name, "digest": card.digest, "words": "compared" if right else "no"}
        record(tx, Line("card.confirm", now, by, facts=dict(facts)))

    node.database.transact(work)
    if right is False:
        raise InputRefused(
            f"These are not the words of {name} as we know it. Its authority, key or card changed there, or somebody"
            f" else answers: ask what changed, over a number that you knew before. Held since"
            f" {held.compared_by}'s comparison; nothing was changed."
        )
    return Confirmed(card, card.differs_from(before), bool(right))
