"""Offers, answers and letters: what was changed has other words or does not open."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.scenes import B_IDENTITY, OWN_IDENTITY

from cert_exchange.errors import CertExchangeError, ConfigurationInvalid, SignatureBroken
from cert_exchange.messages.contact_cards import Card, decode_card, read_card
from cert_exchange.messages.introductions import (
    LONGEST,
    Answer,
    Letter,
    Offer,
    digest_of,
    read_answer,
    read_letter,
    read_offer,
    words_of_offer,
    words_of_standing,
    write_answer,
    write_letter,
    write_offer,
)
from cert_exchange.messages.keys import SigningKey, VerifyingKey, make_signing_key
from cert_exchange.messages.sealed_answers import close_for, open_with, public_half

CARD = Card("CERT A", "+372 1", "+372 2", ("et", "en"), "always", country="EE")
KEY, OTHER = (make_signing_key(bytes([n]) * 32, since=0) for n in (1, 2))
OFFER = Offer(
    OWN_IDENTITY, 5, CARD, "https://a.example/api/", "1fb3569d-497f-48ac-a1b9-50c29e9c31ee",
    "an authority", "a request", KEY.public, public_half(b"s" * 32),
)  # fmt: skip


def verifying(key: SigningKey) -> VerifyingKey:
    return VerifyingKey(key.kid, key.public)


def test_an_offer_is_read_as_it_was_written() -> None:
    assert read_offer(write_offer(OFFER, KEY), 10) == OFFER


@pytest.mark.parametrize(
    "change",
    [
        {"identity": B_IDENTITY},
        {"card": replace(CARD, desk="+372 3")},
        {"url": "https://b.example/api/"},
        {"authority": "another authority"},
        {"request": "another request"},
        {"sealing": public_half(b"t" * 32)},
        {"collection": "1fb3569d-497f-48ac-a1b9-50c29e9c31ef"},
        {"at": 6},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_is_changed_has_other_words(change) -> None:
    """Who changes a letter on its way may sign it anew with the same key: the words still differ."""
    changed = write_offer(replace(OFFER, **change), KEY)
    assert words_of_offer(changed) != words_of_offer(write_offer(OFFER, KEY))


def test_an_offer_is_signed_by_the_key_that_it_names() -> None:
    """A key of somebody else cannot be offered by who does not have it."""
    with pytest.raises(SignatureBroken):
        read_offer(write_offer(OFFER, OTHER), 10)


@pytest.mark.parametrize("text", ["", "a.b.c", "a", "..", "e30.e30.e30", "\udcff.a.b"])
def test_what_is_no_offer_is_refused(text: str) -> None:
    with pytest.raises(CertExchangeError):
        read_offer(text, 10)


def test_an_answer_opens_for_its_offer_alone() -> None:
    """Not with another offer's key, not in the place of another offer, not when a byte was changed."""
    text = write_offer(OFFER, KEY)
    context = bytes.fromhex(digest_of(text))
    closed = close_for(b"secret", OFFER.sealing, once=b"o" * 32, context=context)
    assert b"secret" not in closed
    assert open_with(closed, b"s" * 32, context=context) == b"secret"
    other = bytes.fromhex(digest_of(write_offer(replace(OFFER, at=6), KEY)))
    wrong = (
        (closed, b"t" * 32, context),
        (closed, b"s" * 32, other),
        (closed[:-1], b"s" * 32, context),
        (closed[:40] + bytes([closed[40] ^ 1]) + closed[41:], b"s" * 32, context),
        (bytes([closed[0] ^ 1]) + closed[1:], b"s" * 32, context),
        (closed[:10], b"s" * 32, context),
    )
    for given, private, context_ in wrong:
        with pytest.raises(SignatureBroken):
            open_with(given, private, context=context_)


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_a_key_that_gives_every_secret_away_is_refused(point: bytes) -> None:
    """Points of small order make the shared secret known to all."""
    with pytest.raises(SignatureBroken):
        close_for(b"secret", point, once=b"o" * 32, context=b"")


def test_an_answer_is_signed_by_a_key_that_was_compared() -> None:
    answer = Answer(OWN_IDENTITY, B_IDENTITY, "00", 5, b"sealed")
    text = write_answer(answer, KEY)
    assert read_answer(text, [verifying(KEY)], 10) == answer
    with pytest.raises(SignatureBroken):
        read_answer(text, [verifying(OTHER)], 10)
    with pytest.raises(SignatureBroken):
        read_answer(write_offer(OFFER, KEY), [verifying(KEY)], 10)


def test_letters_are_read_as_they_were_written() -> None:
    for letter in (Letter("an offer", None), Letter("an offer", "an answer")):
        assert read_letter(write_letter(letter)) == letter


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b"\xff", b'{"kind": "cert-exchange letter 1"}', b" " * (LONGEST + 1),
     json.dumps({"kind": "cert-exchange letter 1", "offer": "a", "answer": 1}).encode()],
)  # fmt: skip
def test_what_is_no_letter_is_refused(raw: bytes) -> None:
    with pytest.raises(ConfigurationInvalid):
        read_letter(raw)


def test_cards_travel_whole() -> None:
    assert decode_card(CARD.encoded()) == CARD
    later = replace(CARD, desk="+372 9", keys=("AB CD",))
    assert later.differs_from(CARD) == ("desk: +372 1 -> +372 9", "keys: nothing -> AB CD")


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("desk", "", "desk is not said"),
        ("desk", "a\x1b[2J", "desk is no line"),
        ("hours", "x" * 201, "hours is no line"),
        ("languages", [], "languages are not said"),
        ("languages", ["English"], "no language"),
        ("country", "ee", "two capital letters"),
        ("keys", ["k"] * 11, "at most 10"),
        ("shoe size", "41", "no part of a contact card"),
    ],
)
def test_what_is_no_card_is_said(part: str, value: object, said: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=said):
        read_card(CARD.document() | {part: value})


def test_the_words_of_each_year_say_all_that_a_side_is_recognised_by() -> None:
    first = words_of_standing(OWN_IDENTITY, ["aa"], KEY.public, CARD)
    assert first == words_of_standing(OWN_IDENTITY, ["aa"], KEY.public, CARD)
    others = (
        words_of_standing(B_IDENTITY, ["aa"], KEY.public, CARD),
        words_of_standing(OWN_IDENTITY, ["ab"], KEY.public, CARD),
        words_of_standing(OWN_IDENTITY, ["aa"], OTHER.public, CARD),
        words_of_standing(OWN_IDENTITY, ["aa"], KEY.public, replace(CARD, desk="+1")),
    )
    assert len({first, *others}) == 5
