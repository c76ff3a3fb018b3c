"""Attempts on the set-up of a channel: letters that were changed, answers that were forged, tests that want to be real."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from tests.attack import guards
from tests.attack.attempts import INSIDER, OUTSIDER, PARTNER, THIEF, attempt
from tests.attack.world import Side, World
from tests.neighbour import Collection
from tests.scenes import indicator

from cert_exchange.messages.introductions import (
    Answer,
    Letter,
    digest_of,
    read_letter,
    read_offer,
    words_of_offer,
    write_answer,
    write_letter,
    write_offer,
)
from cert_exchange.messages.keys import make_signing_key
from cert_exchange.messages.sealed_answers import close_for
from cert_exchange.messages.signatures import Verified, canonical
from cert_exchange.store.tables import objects

ROOMS = "cert_exchange.services.introducing"
URL = "https://localhost:1/api/"

guards.add(
    "channel: words",
    "no letter is believed before its words were compared on the telephone",
    {f"{ROOMS}.accepting._compare": guards.answers(None)},
)


def _unverified(_real):
    def verify(text, _keys, _now):
        payload = text.split(".")[1]
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return Verified("", raw, MappingProxyType(json.loads(raw)))

    return verify


guards.add(
    "channel: signed answers",
    "an answer counts only when the key signed it whose words were compared",
    {"cert_exchange.messages.introductions.verify": guards.Wrapped(_unverified)},
)
guards.add(
    "channel: stage test",
    "whoever was let in by a letter has the TEST collection only, until a person promotes it",
    {"cert_exchange.store.introductions.set_stage": guards.answers(None)},
)
guards.add(
    "channel: real objects",
    "nothing is pulled into a real collection from a partner in stage test",
    {"cert_exchange.store.introductions.is_confined": guards.answers(value=False)},
)
guards.add(
    "channel: one identity, one partner",
    "an identity that a partner speaks for cannot be brought by another letter",
    {"cert_exchange.services.partners.administering._check_others": guards.answers(None)},
)
guards.add(
    "channel: checked first",
    "a channel is opened after a self-check without a no",
    {f"{ROOMS}.promoting._checked": guards.answers(None)},
)
guards.add(
    "channel: renewed by the compared key",
    "a channel is renewed by who holds the signing key whose words were compared",
    {f"{ROOMS}.renewing._is_theirs": guards.answers(value=True)},
)


def _card(world: World, side: Side) -> None:
    told = world.run(
        "partner", "card", "--desk", "+1", "--backup", "+2", "--language", "en", "--hours", "always", side=side
    )  # fmt: skip
    assert told.code == 0, told.err


def _letter(world: World, side: Side, name: str) -> str:
    """A side's letter for a partner; its path."""
    _card(world, side)
    path = world.folder / f"{side.name}-{name}.json"
    told = world.run("partner", "invite", name, "--url", URL, "--to", str(path), side=side)
    assert told.code == 0, told.err
    return str(path)


def _accept(world: World, side: Side, name: str, path: str, words: str | None = None) -> int:
    given = () if words is None else ("--words", words)
    to = str(world.folder / f"back-{side.name}-{name}.json")
    return world.run(
        "partner", "accept", name, path, "--url", URL, "--to", to, *given, side=side
    ).code


def _words(path: str) -> str:
    return " ".join(words_of_offer(_offer(path)))


def _offer(path: str) -> str:
    return read_letter(Path(path).read_bytes()).offer


@attempt("letter changed on its way", guard="channel: words", by=OUTSIDER)
def changed_letter(world: World) -> bool:
    """Somebody puts a letter of its own in place of B's; the words on the telephone are those of the true one."""
    true = _words(_letter(world, world.b, "cert-a"))
    forged = _letter(world, world.b, "another")
    _card(world, world.a)
    return _accept(world, world.a, "b", forged, true) == 0


@attempt("letter without a call", guard="channel: words", by=OUTSIDER)
def letter_without_call(world: World) -> bool:
    """An administrator is talked into accepting at once, without any words."""
    letter = _letter(world, world.b, "cert-a")
    _card(world, world.a)
    return _accept(world, world.a, "b", letter) == 0


@attempt("forged answer", guard="channel: signed answers", by=OUTSIDER)
def forged_answer(world: World) -> bool:
    """The true offer goes through, and with it an answer that somebody else closed for B, with a credential of its own."""
    letter_a = _letter(world, world.a, "cert-b")
    letter_b = _letter(world, world.b, "a")
    offer_a, offer_b = _offer(letter_a), _offer(letter_b)
    read_a, read_b = read_offer(offer_a, world.wall.read()), read_offer(offer_b, world.wall.read())
    digest = digest_of(offer_b)
    from cert_exchange.services import pki

    pki.init(world.a.node, another=True)
    _, certificate = pki.issue_for_partner(world.a.node, "b", read_b.request.encode())
    text = canonical({"certificate": certificate, "credential": "aaaabbbbcccc.mine"})
    closed = close_for(text, read_b.sealing, once=b"m" * 32, context=bytes.fromhex(digest))
    answer = write_answer(
        Answer(read_a.identity, read_b.identity, digest, 5, closed),
        make_signing_key(b"m" * 32, since=0),
    )
    forged = world.folder / "forged.json"
    forged.write_bytes(write_letter(Letter(offer_a, answer)))
    return _accept(world, world.b, "a", str(forged), _words(letter_a)) == 0


@attempt("new partner reads what is real", guard="channel: stage test", by=PARTNER)
def reads_real(world: World) -> bool:
    """A file names the partner already when its letter is accepted; it asks for the real collection at once."""
    from cert_exchange.services import collections, partners

    node = world.a.node
    letter = _letter(world, world.b, "cert-a")
    partners.amend(node, "b", speaks_for=(), relays=())
    _card(world, world.a)
    if _accept(world, world.a, "fresh", letter, _words(letter)) != 0:
        return False
    file = node.settings.home / "collections" / "indicators.yaml"
    file.write_text(file.read_text().replace("read: [", "read: [fresh, "))
    collections.load_collections(node)
    # Its certificate is another guard's.
    assert world.run("pki", "require", "fresh", "--no", side=world.a).code == 0
    return world.a.client("fresh").objects().status == 200


@attempt("real objects through a channel for tests", guard="channel: real objects", by=PARTNER)
def real_objects(world: World) -> bool:
    """Our own source joins a real collection while the partner is in stage test; what it serves would be real."""
    from sqlalchemy import func, select

    node = world.a.node
    assert world.run("partner", "demote", "b", "--reason", "doubts", side=world.a).code == 0
    served = world.neighbour(
        Collection([("2026-01-01T00:00:00.000000Z", indicator("poison", by=None))])
    )
    world.a.pulls_from(served.url)
    with node.database.reading() as tx:
        return tx.execute(select(func.count()).where(objects.c.origin > 0)).scalar_one() > 0


@attempt("another's identity in a letter", guard="channel: one identity, one partner", by=PARTNER)
def anothers_identity(world: World) -> bool:
    """A letter with the right words, and with an identity that a partner speaks for already."""
    letter = _letter(world, world.b, "cert-a")
    _card(world, world.a)
    return _accept(world, world.a, "stranger", letter, _words(letter)) == 0


@attempt("promotion without a check", guard="channel: checked first", by=INSIDER)
def unchecked(world: World) -> bool:
    """An administrator in a hurry opens a channel that nobody tried."""
    from cert_exchange.services import partners

    letter = _letter(world, world.b, "cert-a")
    partners.amend(world.a.node, "b", speaks_for=(), relays=())
    _card(world, world.a)
    assert _accept(world, world.a, "fresh", letter, _words(letter)) == 0
    return world.run("partner", "promote", "fresh", "--reason", "now", side=world.a).code == 0


@attempt("renewing a stolen channel", guard="channel: renewed by the compared key", by=THIEF)
def renewing_stolen(world: World) -> bool:
    """B's credential was stolen before its end; the thief asks for a certificate of its own key, to stay."""
    letter = _letter(world, world.b, "cert-a")
    _card(world, world.a)
    assert _accept(world, world.a, "b", letter, _words(letter)) == 0
    world.wall.forward(timedelta(hours=2))
    true = read_offer(_offer(letter), world.wall.read())
    thief = make_signing_key(b"t" * 32, since=0)
    forged = write_offer(replace(true, at=world.wall.read(), key=thief.public), thief)
    client = world.a.client("b")
    return (
        client.post("/exchange/v1/renew", {"offer": forged}, media="application/json").status == 200
    )
