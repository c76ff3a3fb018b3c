"""A partner's letter is accepted: its words are compared, it is let in for tests, and its answer to our offer is used.

The steps, each of which may be repeated:
(1) whose offer is it: the words that a person heard on the telephone, or the offer that was accepted before
(2) the partner, in stage `test`, with its card and its signing key
(3) the TEST collection and a policy for it
(4) our answer: a certificate of the key that it asked for, and a credential, closed to the key of its offer
(5) its answer, if the letter holds one: our certificate and credential there, and a source that pulls its TEST collection

1. Before (1) nothing of the letter is believed, and nothing but its failing is written down.
2. Who accepts types what was heard: the words of a letter are not shown to who should compare them.
3. A partner that was live before stays live; everyone else is in stage `test` until `promote`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cert_exchange.errors import ConfigurationInvalid, InputRefused, SignatureBroken
from cert_exchange.messages.contact_cards import Card
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.introductions import (
    Letter,
    Offer,
    digest_of,
    read_letter,
    read_offer,
    words_of_offer,
    write_letter,
)
from cert_exchange.messages.keys import kid_of, public_text
from cert_exchange.messages.spoken_words import read_words
from cert_exchange.node import Node
from cert_exchange.services import partners, signing
from cert_exchange.services.introducing import proving
from cert_exchange.services.introducing.connecting import (
    believe,
    pull_tests,
    replace_credential,
    take_up,
)
from cert_exchange.services.introducing.inviting import (
    check_name,
    invite,
    our_offer,
    sealing_file,
)
from cert_exchange.services.introducing.outliving import InForce, in_force, outlived
from cert_exchange.services.introducing.sealing import answer, open_answer
from cert_exchange.services.ledger import record
from cert_exchange.store import introductions as rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import pki as certificate_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.introductions import Introduction


@dataclass(frozen=True, slots=True)
class Seen:
    """A letter before it is accepted. `known`: its offer was accepted before, so that no words are needed."""

    identity: str
    card: Card
    url: str
    at: int
    known: bool
    answers: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of it. `letter` is ours, to be sent back; `ready`: their answer is in use here."""

    letter: bytes
    words: tuple[str, ...]
    card: Card
    ready: bool
    told: tuple[str, ...]


def look(node: Node, name: str, raw: bytes) -> Seen:
    """Read a letter, believing nothing of it. Raises ConfigurationInvalid, SignatureBroken."""
    letter = read_letter(raw)
    offer = _foreign(node, letter)
    with node.database.reading() as tx:
        found = rows.find(tx, name)
    known = found is not None and found.theirs == letter.offer
    return Seen(offer.identity, offer.card, offer.url, offer.at, known, letter.answer is not None)


def accept(
    node: Node,
    name: str,
    raw: bytes,
    *,
    heard: str | None = None,
    url: str | None = None,
    by: str = "administrator",
) -> Accepted:
    """Accept a partner's letter; `heard` is what it read out, which is needed for an offer that is new.

    `url`: our API root, where the settings do not say it. Raises ConfigurationInvalid, InputRefused when the words
    differ, SignatureBroken for an answer that is not its own.
    """
    check_name(name)
    letter = read_letter(raw)
    offer = _foreign(node, letter)
    invited = invite(node, name, url=url, by=by)
    ours = our_offer(node, name)
    begun_before = ours.theirs is not None and ours.theirs != letter.offer
    before = in_force(node, name) if begun_before else InForce()
    if ours.theirs != letter.offer or heard is not None:
        _compare(node, name, letter.offer, heard, by=by)
    if ours.theirs != letter.offer:
        _note(node, name, letter.offer, by=by)
    told = [*invited.told, *_let_in(node, name, offer, by=by, begun=ours.theirs is not None)]
    ours = our_offer(node, name)
    if ours.answer is None and not _answer(node, name, letter.offer, offer, by=by):
        told.append(
            f"{name} is live and need not show its certificate yet; when it does: `cert-exchange pki require {name}`"
        )
    told += outlived(node, name, before, key=kid_of(offer.key))
    if ours.opened_at is not None:
        believe(node, name, offer)
    elif letter.answer is not None:
        told += _use(node, ours, offer, letter.answer, by=by)
    done = our_offer(node, name)
    return Accepted(
        write_letter(Letter(done.offer, done.answer)),
        words_of_offer(done.offer),
        offer.card,
        done.opened_at is not None,
        tuple(told),
    )


def _foreign(node: Node, letter: Letter) -> Offer:
    offer = read_offer(letter.offer, node.now())
    if offer.identity == node.identity:
        raise ConfigurationInvalid("this letter is our own; accept the one that the partner sent.")
    return offer


def _compare(node: Node, name: str, theirs: str, heard: str | None, *, by: str) -> None:
    """Step 1: Raises ConfigurationInvalid without words, InputRefused when they differ."""
    if heard is None:
        raise ConfigurationInvalid(
            f"call {name}, by a number that you did not take from this letter, let them read out the words of"
            " their letter, and give them by --words."
        )
    if read_words(heard) == words_of_offer(theirs):
        return
    now = node.now()
    facts = {"partner": name, "offer": digest_of(theirs)}
    node.database.transact(
        lambda tx: record(tx, Line("introduction.differs", now, by, facts=dict(facts)))
    )
    raise InputRefused(
        "The words differ: this letter is not the one that they sent, or a word was heard wrongly. Let them be read"
        " out once more, slowly. If they differ again, somebody changed the letter on its way: accept nothing, and"
        " have it sent by another way."
    )


def _note(node: Node, name: str, theirs: str, *, by: str) -> None:
    now = node.now()

    def work(tx: Transaction) -> None:
        values: dict[str, Any] = {
            "theirs": theirs, "accepted_at": now, "accepted_by": by, "answer": None,
            "checked_at": None, "wrong": None,
        }  # fmt: skip
        rows.note(tx, name, **values)
        facts = {"partner": name, "offer": digest_of(theirs)}
        record(tx, Line("introduction.accept", now, by, facts=dict(facts)))

    node.database.transact(work)


def _let_in(node: Node, name: str, offer: Offer, *, by: str, begun: bool) -> tuple[str, ...]:
    """Steps 2 and 3; `begun`: they were done before, and what was said then is not said again."""
    card = offer.card
    listed = {row.partner.name: row for row in partners.listing(node)}
    there = listed.get(name)
    if there is None:
        partners.add(
            node,
            name,
            title=card.organisation,
            speaks_for=(offer.identity,),
            contact=f"{card.desk}; {card.backup}",
            country=card.country or None,
            by=by,
        )
    elif not there.speaks_for and not there.relays:
        partners.amend(
            node,
            name,
            speaks_for=(offer.identity,),
            relays=(),
            relays_any=there.partner.relays_any,
            by=by,
        )
    elif offer.identity not in there.speaks_for:
        raise ConfigurationInvalid(
            f"{name} is a partner already and does not speak for {offer.identity}; give this channel another name, or"
            f" say so by `cert-exchange partner amend {name}`."
        )
    signing.pin(node, name, public_text(offer.key), by=by)
    now = node.now()
    # Rule 3: whoever was given nothing yet, by us or by an earlier run that was cut off.
    fresh = there is None or (not there.credentials and there.audience is None)

    def hold(tx: Transaction) -> None:
        partner = partner_rows.find_partner(tx, name)
        assert partner is not None  # it was added above
        if fresh:
            rows.set_stage(tx, partner.id, "test")
        held = rows.cards(tx).get(name)
        if held is None or held.card != card.encoded().decode():
            rows.put_card(tx, partner.id, card.encoded().decode(), at=now, by=by)

    node.database.transact(hold)
    told = proving.admit(node, name, by=by)
    return () if begun else told


def _answer(node: Node, name: str, theirs: str, offer: Offer, *, by: str) -> bool:
    """Step 4; whether the partner must show its certificate. A kill in between leaves a credential that nobody was handed."""
    with node.database.reading() as tx:
        tried = rows.stages(tx)[name] == "test"
        shows = name in certificate_rows.required_of(tx)
    # Whoever exchanges already goes on as it does, until a person says that it must show its certificate.
    made = answer(node, name, theirs, offer, required=tried, credential=True, by=by)

    def work(tx: Transaction) -> None:
        rows.note(tx, name, answer=made)
        facts = {"partner": name, "offer": digest_of(theirs)}
        record(tx, Line("introduction.answer", node.now(), by, facts=dict(facts)))

    node.database.transact(work)
    return tried or shows


def _use(node: Node, ours: Introduction, offer: Offer, text: str, *, by: str) -> tuple[str, ...]:
    """Step 5. Raises SignatureBroken."""
    name = ours.name
    opened = open_answer(node, name, offer.identity, ours.offer, text)
    if opened is None:
        waits = (
            "the answer in this letter is to an older letter of ours: send them the newest, and accept what"
            " they send back"
        )
        return (waits,)
    if opened.credential is None:
        raise SignatureBroken("the answer in this letter holds no credential.")
    take_up(node, name, opened.certificate, by=by)
    believe(node, name, offer)
    # The partner's other sources and targets as well: they held the credential of the set-up before this one.
    replace_credential(node, name, opened.credential, by=by)
    pull_tests(node, name, offer, opened.credential)
    now = node.now()

    def work(tx: Transaction) -> None:
        rows.note(tx, name, opened_at=now)
        facts = {"partner": name, "offer": digest_of(ours.offer)}
        record(tx, Line("introduction.open", now, by, facts=dict(facts)))

    node.database.transact(work)
    node.secret_files.remove(sealing_file(name))
    return ()
