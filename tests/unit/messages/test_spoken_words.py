"""Digests as words: the list is fit for a telephone, and what was heard is compared whole."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.errors import InputRefused
from cert_exchange.messages.spoken_words import TWELVE, WORDS, read_words, shown, words_of


def test_the_list_is_what_it_says() -> None:
    """512 words in order, of four letters at least, told apart by their first four."""
    assert len(WORDS) == 512
    assert list(WORDS) == sorted(WORDS)
    assert len({word[:4] for word in WORDS}) == 512
    assert all(word.isalpha() and word.islower() and len(word) >= 4 for word in WORDS)


def test_the_list_never_changes() -> None:
    """Its bytes are part of the format: another list would give other words for the same letter."""
    digest = hashlib.sha256(" ".join(WORDS).encode()).hexdigest()
    assert digest == "f7c302fa823138821ebbb52bbcceaa67acd38838b9f63ab03220756a3be8d806"
    assert shown(words_of(bytes(range(32)))) == (
        "abbey agent april bicycle - double nickel kennel kingdom - arctic beach circle giraffe"
    )


@given(st.binary(min_size=32, max_size=32))
def test_words_are_read_as_they_are_shown(digest: bytes) -> None:
    """Also in capitals, by four letters each, with whatever stands in between."""
    words = words_of(digest)
    assert len(words) == TWELVE
    assert read_words(shown(words)) == words
    assert read_words(" ".join(word[:4].upper() for word in words)) == words


@given(st.binary(min_size=32, max_size=32), st.integers(0, 107))
def test_each_of_the_first_108_bits_changes_a_word(digest: bytes, bit: int) -> None:
    """No bit that is to be compared is left out."""
    number = int.from_bytes(digest, "big") ^ (1 << (255 - bit))
    assert words_of(number.to_bytes(32, "big")) != words_of(digest)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("abbey", "there are 12 words"),
        ("abbey " * 13, "there are 12 words"),
        ("abbeys " + "abbey " * 11, "did you hear abbey"),
        ("abb " + "abbey " * 11, "no word of the list"),
        ("", "there are 12 words"),
    ],
)
def test_what_is_no_word_is_said(typed: str, said: str) -> None:
    with pytest.raises(InputRefused, match=said):
        read_words(typed)
