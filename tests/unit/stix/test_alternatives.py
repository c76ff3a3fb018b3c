"""What a pattern says, where it says no more than one of several values."""

from __future__ import annotations

import pytest

from cert_exchange.stix.alternatives import alternatives
from cert_exchange.stix.patterns import PatternInvalid


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("[ipv4-addr:value = '192.0.2.1']", ["192.0.2.1"]),
        ("[ipv4-addr:value='192.0.2.1' OR ipv4-addr:value='192.0.2.2']", ["192.0.2.1", "192.0.2.2"]),
        ("[url:value = 'http://a.example/AND/'] OR [domain-name:value = 'b.example']",
         ["http://a.example/AND/", "b.example"]),
        ("([mutex:name = 'a b'])", ["a b"]),
        ("[domain-name:value IN ('a.example', 'b.example')]", ["a.example", "b.example"]),
        ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", ["198.51.100.0/24"]),
        ("[file:name = 'it\\'s C:\\\\x'] /* AND */", ["it's C:\\x"]),
        ("[autonomous-system:number = 64496]", ["64496"]),
        ("[file:hashes.MD5 = 'aa' OR file:hashes.'SHA-256' = 'bb' OR file:hashes.MD5 = 'aa']", ["aa", "bb"]),
    ],
)  # fmt: skip
def test_one_of_several_is_taken_apart(pattern: str, values: list[str]) -> None:
    """Each value once, in the pattern's order."""
    found = alternatives(pattern, version="2.1")
    assert found is not None
    assert [one.value for one in found] == values


@pytest.mark.case("I20")
@pytest.mark.parametrize(
    "pattern",
    [
        "[file:name = 'a.exe' AND file:size = 5]",
        "[file:name = 'a'] FOLLOWEDBY [file:name = 'b']",
        "[file:name = 'a'] AND [file:name = 'b']",
        "[file:name = 'a' OR (file:name = 'b' AND file:size = 1)]",
        "[ipv4-addr:value = '192.0.2.1'] WITHIN 5 SECONDS",
        "([ipv4-addr:value = '192.0.2.1'] REPEATS 5 TIMES)",
        "[ipv4-addr:value = '192.0.2.1'] START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'",
        "[ipv4-addr:value != '192.0.2.1']",
        "[ipv4-addr:value NOT = '192.0.2.1']",
        "[ipv4-addr:value NOT IN ('192.0.2.1')]",
        "[url:value LIKE '%evil%']",
        "[url:value MATCHES '^http']",
        "[file:size > 5]",
        "[EXISTS file:name]",
        "[domain-name:value ISSUBSET '192.0.2.0/24']",
        "[ipv4-addr:value ISSUPERSET '192.0.2.0/24']",
        "[file:name = 'a' OR file:name LIKE 'b%']",
        "[file:name IN ()]",
    ],
)
def test_what_says_more_is_not_taken_apart(pattern: str) -> None:
    """No loose single values from a pattern that needs several, or an order, or a count."""
    assert alternatives(pattern, version="2.1") is None


def test_what_is_no_pattern_raises() -> None:
    """It is for the caller to say that it cannot be read."""
    with pytest.raises(PatternInvalid):
        alternatives("[file:name = ", version="2.1")
