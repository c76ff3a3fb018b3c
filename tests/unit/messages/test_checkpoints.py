"""Signed heads: golden bytes, what other programs of the form would read, and every way to be refused."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.errors import EvidenceBroken
from cert_exchange.messages import checkpoints
from cert_exchange.messages.checkpoints import Checkpoint
from cert_exchange.messages.keys import make_signing_key

KEY = make_signing_key(bytes(range(32)), since=0)
PUBLIC = KEY.public
ORIGIN = checkpoints.origin_of("identity--0c2bf9a7-7a1f-4e79-a0f0-3d2f4bdfb1d0")
HEAD = Checkpoint(ORIGIN, 123_456, sha256(b"root").digest(), 1_764_086_400_000_001)
GOLDEN = (
    "cert-exchange/ledger/identity--0c2bf9a7-7a1f-4e79-a0f0-3d2f4bdfb1d0\n"
    "123456\n"
    "SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"
    "at 2025-11-25T16:00:00.000001Z\n"
    "\n"
    "— cert-exchange/ledger/identity--0c2bf9a7-7a1f-4e79-a0f0-3d2f4bdfb1d0 "
)


def test_golden_note() -> None:
    """Origin, size, root, instant, an empty line, the signature: exactly these bytes, which Ed25519 makes the same each time."""
    note = checkpoints.signed(HEAD, KEY)
    assert note.startswith(GOLDEN)
    raw = b64decode(note.rsplit(" ", 1)[1])
    assert raw[:4] == sha256(ORIGIN.encode() + b"\n\x01" + PUBLIC).digest()[:4]
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(
        raw[4:], GOLDEN.split("\n\n", maxsplit=1)[0].encode() + b"\n"
    )
    assert sha256(note.encode()).hexdigest() == (
        "0d0c9a69fe833aeb43f7d30f1d957a4c136aace7a63d7fa3c91ecf9cf2a039d5"
    )


def test_a_key_is_told_as_other_programs_tell_it() -> None:
    """The hash in the name of a public key is that of signed notes: the example of the Go module `note`."""
    told = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    public = b64decode(told.rsplit("+", 1)[1])[1:]
    assert checkpoints.verifier_key("PeterNeumann", public) == told


def test_what_was_signed_is_read_back() -> None:
    """Whoever has the key reads what was signed, also when another key or another signer stands beside it."""
    note = checkpoints.signed(HEAD, KEY)
    other = make_signing_key(bytes(32), since=0)
    assert checkpoints.checked(note, [PUBLIC], origin=ORIGIN) == HEAD
    assert checkpoints.checked(note, [other.public, PUBLIC]) == HEAD
    both = checkpoints.signed(HEAD, other, KEY)
    for key in (other, KEY):
        assert checkpoints.checked(both, [key.public]) == HEAD
    witness = b64encode(b"\x01\x02\x03\x04" + bytes(72)).decode()
    assert checkpoints.checked(f"{note}— witness.example {witness}\n", [PUBLIC]) == HEAD
    assert checkpoints.read(note) == HEAD


def test_a_note_of_another_key_ledger_or_hand_is_refused() -> None:
    """No key that we know, a signature over something else, another origin."""
    note = checkpoints.signed(HEAD, KEY)
    other = make_signing_key(bytes(32), since=0)
    with pytest.raises(EvidenceBroken, match="no key that we know"):
        checkpoints.checked(note, [other.public])
    with pytest.raises(EvidenceBroken, match="no key that we know"):
        checkpoints.checked(note, [])
    with pytest.raises(EvidenceBroken, match="another ledger"):
        checkpoints.checked(note, [PUBLIC], origin=ORIGIN + "x")
    with pytest.raises(EvidenceBroken, match="signature"):
        checkpoints.checked(note.replace("\n123456\n", "\n123457\n"), [PUBLIC])
    # Signed by another key that claims to be this one.
    forged = checkpoints.signed(HEAD, other)
    mark = b64decode(note.rsplit(" ", 1)[1])[:4]
    raw = mark + b64decode(forged.rsplit(" ", 1)[1])[4:]
    head, _ = forged.rsplit(" ", 1)
    with pytest.raises(EvidenceBroken, match="signature"):
        checkpoints.checked(f"{head} {b64encode(raw).decode()}\n", [PUBLIC])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: "",
        lambda note: note[:-1],
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("\n123456\n", "\n0123456\n"),
        lambda note: note.replace("\n123456\n", "\n-1\n"),
        lambda note: note.replace("\n123456\n", "\n1234567890123456789\n"),
        lambda note: note.replace("=\n", "\n", 1),
        lambda note: note.replace("2025-11-25", "2025-13-25"),
        lambda note: note.replace("at 2025", "on 2025"),
        lambda note: note.replace("\n\n", "\nmore\n\n"),
        lambda note: note.replace("cert-exchange/", "cert exchange/"),
        lambda note: note.replace("—", "-"),
        lambda note: note.replace("— ", "—  "),
        lambda note: note + "\n",
        lambda note: note + "x" * 5_000,
        lambda note: note + note.split("\n\n")[1] * 20,
        lambda note: note.rsplit(" ", 1)[0] + " AAAA\n",
        lambda note: note.rsplit(" ", 1)[0] + " ####\n",
        lambda note: note[:-3] + chr(ord(note[-3]) + 1) + "=\n",
    ],
)
def test_a_note_that_is_none_is_refused(spoil) -> None:
    """Each way to be malformed is refused in our words, never by a fault."""
    with pytest.raises(EvidenceBroken):
        checkpoints.checked(spoil(checkpoints.signed(HEAD, KEY)), [PUBLIC])


@given(st.text(max_size=300))
def test_no_text_is_a_fault(text: str) -> None:
    """Whatever a partner sends: read or refused."""
    with pytest.raises(EvidenceBroken):
        checkpoints.checked(text, [PUBLIC])


@given(st.data())
def test_no_changed_character_passes(data: st.DataObject) -> None:
    """One character of the note changed to another: refused."""
    note = checkpoints.signed(HEAD, KEY)
    at = data.draw(st.integers(0, len(note) - 1))
    char = data.draw(st.characters(blacklist_characters=note[at], codec="utf-8"))
    try:
        found = checkpoints.checked(note[:at] + char + note[at + 1 :], [PUBLIC])
    except EvidenceBroken:
        return
    raise AssertionError(found)
