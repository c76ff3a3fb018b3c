"""What two administrators send each other to set up a channel: offers, and sealed answers to them.

1. An offer holds nothing secret: who we are, whom to call, where our node is, what it is recognised by, what it asks for
   to be certified. It is signed with the key that it names, which proves that the key is there and nothing else.
2. Whether an offer is the partner's is found out by people: its words are read out on the telephone. They stand for all
   of it, so a file that was changed on its way has other words.
3. An answer is signed with the key of an offer whose words were compared, names the offer that it answers, and is closed
   to the key of that offer.
4. A letter is the file that travels: an offer, and once the other side's is accepted, the answer. A newer letter may
   repeat what an older one held.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from cert_exchange.errors import ConfigurationInvalid, SignatureBroken
from cert_exchange.messages.contact_cards import Card, read_card
from cert_exchange.messages.keys import SigningKey, VerifyingKey, kid_of, public_text, read_public
from cert_exchange.messages.sealed_answers import KEY_BYTES
from cert_exchange.messages.signatures import canonical, sign, verify
from cert_exchange.messages.spoken_words import words_of

OFFER: Final = "cert-exchange offer 1"
ANSWER: Final = "cert-exchange answer 1"
LETTER: Final = "cert-exchange letter 1"
STANDING: Final = "cert-exchange standing 1"
LONGEST: Final = 256 * 1024
"""Bytes of a letter."""
_IDENTITY: Final = re.compile(r"identity--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_PEM: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Offer:
    """One side's offer. `at` in micros."""

    identity: str
    at: int
    card: Card
    url: str
    """of its API root"""
    collection: str
    """the UUID of its TEST collection"""
    authority: str
    """PEM: who signs its server's certificate today; after it, who may sign the next one"""
    request: str
    """PEM: the request for the certificate that it will show us"""
    key: bytes
    """its public signing key"""
    sealing: bytes
    """the public key that our answer is closed to"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The open part of an answer. `at` in micros."""

    of: str
    to: str
    offer: str
    """the digest of the offer that it answers"""
    at: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """The file that travels."""

    offer: str
    answer: str | None


def write_offer(offer: Offer, key: SigningKey) -> str:
    """Sign an offer with the key that it names."""
    content = {
        "kind": OFFER,
        "identity": offer.identity,
        "at": offer.at,
        "card": offer.card.document(),
        "url": offer.url,
        "collection": offer.collection,
        "authority": offer.authority,
        "request": offer.request,
        "key": public_text(offer.key),
        "sealing": _text(offer.sealing),
    }
    return sign(canonical(content), key)


def read_offer(text: str, now: int) -> Offer:
    """Read an offer; that it is signed by the key that it names says nothing about whose it is (rule 2).

    Raises SignatureBroken, ConfigurationInvalid for a card that is none.
    """
    public = _key_in(text)
    content = verify(text, [VerifyingKey(kid_of(public), public)], now).of_kind(OFFER)
    texts = {
        name: content.get(name)
        for name in ("identity", "url", "collection", "authority", "request", "sealing")
    }
    if not all(isinstance(value, str) and len(value) <= _MOST_PEM for value in texts.values()):
        raise SignatureBroken("what should be an offer is none.")
    identity, url = str(texts["identity"]), str(texts["url"])
    at, sealing = content.get("at"), _bytes(str(texts["sealing"]))
    if (
        not _IDENTITY.fullmatch(identity)
        or not _UUID.fullmatch(str(texts["collection"]))
        or not isinstance(at, int)
        or len(sealing) != KEY_BYTES
        or not url.isascii()
        or not url.isprintable()
    ):
        raise SignatureBroken("what should be an offer is none.")
    return Offer(
        identity, at, read_card(content.get("card")), url, str(texts["collection"]),
        str(texts["authority"]), str(texts["request"]), public, sealing,
    )  # fmt: skip


def _key_in(text: str) -> bytes:
    """The key that an offer names, nothing verified yet."""
    try:
        payload = text.split(".")[1]
        content = orjson.loads(_bytes(payload))
        return read_public(content["key"])
    except (IndexError, KeyError, TypeError, ValueError):
        raise SignatureBroken("what should be an offer is none.") from None


def digest_of(offer: str) -> str:
    """What names an offer: SHA-256 of its signed text, hexadecimal."""
    return sha256(offer.encode("ascii")).hexdigest()


def words_of_offer(offer: str) -> tuple[str, ...]:
    """The words that its owner reads out, and that whoever got it compares (rule 2)."""
    return words_of(sha256(b"cert-exchange words 1\x00" + offer.encode("ascii")).digest())


def words_of_standing(
    identity: str, authorities: Iterable[str], key: bytes, card: Card
) -> tuple[str, ...]:
    """The words for what a side is recognised by today, compared anew each year.

    `authorities`: fingerprints of those that may sign its server's certificate.
    """
    content = {
        "kind": STANDING,
        "identity": identity,
        "authorities": sorted(authorities),
        "key": public_text(key),
        "card": card.digest,
    }
    return words_of(sha256(b"cert-exchange words 1\x00" + canonical(content)).digest())


def write_answer(answer: Answer, key: SigningKey) -> str:
    """Sign an answer."""
    content = {
        "kind": ANSWER,
        "of": answer.of,
        "to": answer.to,
        "offer": answer.offer,
        "at": answer.at,
        "sealed": _text(answer.sealed),
    }
    return sign(canonical(content), key)


def read_answer(text: str, keys: Iterable[VerifyingKey], now: int) -> Answer:
    """Read an answer that one of these keys signed. Raises SignatureBroken."""
    content = verify(text, keys, now).of_kind(ANSWER)
    of, to, offer, sealed = (content.get(name) for name in ("of", "to", "offer", "sealed"))
    at = content.get("at")
    if not (
        isinstance(of, str)
        and isinstance(to, str)
        and isinstance(offer, str)
        and isinstance(sealed, str)
        and isinstance(at, int)
    ):
        raise SignatureBroken("what should be an answer is none.")
    return Answer(of, to, offer, at, _bytes(sealed))


def write_letter(letter: Letter) -> bytes:
    """The file, as people mail it: JSON with a line for each part."""
    content = {"kind": LETTER, "offer": letter.offer}
    if letter.answer is not None:
        content["answer"] = letter.answer
    return orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"


def read_letter(raw: bytes) -> Letter:
    """Read a file that somebody sent. Raises ConfigurationInvalid."""
    try:
        content: Any = orjson.loads(raw) if len(raw) <= LONGEST else None
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, Mapping) or content.get("kind") != LETTER:
        raise ConfigurationInvalid(
            "this is no letter of a cert-exchange; ask for the file that `partner invite` or `partner accept`"
            " wrote over there, unchanged."
        )
    offer, answer = content.get("offer"), content.get("answer")
    if not isinstance(offer, str) or not offer.isascii() or not isinstance(answer, str | None):
        raise ConfigurationInvalid("this letter holds no offer.")
    return Letter(offer, answer)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise SignatureBroken("what should be base64url is none.") from None
