"""Values as patterns and observables, and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.patterns import observables_of, pattern_of, values_of
from cert_exchange.intake.values import normalise
from cert_exchange.stix.patterns import check_pattern

_TEXTS = st.text(
    st.sampled_from("ab \\'\"/:.;%[](){}=-_äж😀") | st.characters(exclude_categories=("Cs", "Cc")),
    min_size=1,
    max_size=40,
)
_FREE = (
    Kind.FILE_NAME, Kind.FILE_PATH, Kind.MUTEX, Kind.USER_AGENT, Kind.REGISTRY_KEY, Kind.URL, Kind.DOMAIN, Kind.EMAIL,
)  # fmt: skip


@pytest.mark.case("I21")
@settings(max_examples=50)
@given(st.sampled_from(_FREE), _TEXTS)
def test_what_is_built_is_read_again(kind: Kind, text: str) -> None:
    """Backslashes, quotes and brackets are escaped once: the pattern is valid and says exactly the value."""
    prefix = {Kind.REGISTRY_KEY: "HKLM\\", Kind.URL: "http://a.example/", Kind.FILE_PATH: "x\\"}
    value = normalise(kind, prefix.get(kind, "") + text)
    if value is None:
        return
    pattern = pattern_of([(kind, value)])
    assert pattern is not None
    check_pattern(pattern, version="2.1")
    assert values_of(pattern) == ((kind, value),)


@pytest.mark.case("I21")
@settings(max_examples=50)
@given(st.lists(_TEXTS, min_size=1, max_size=4, unique=True))
def test_alternatives_are_read_again(texts: list[str]) -> None:
    """OR of several values is those values, in their order."""
    values = tuple((Kind.MUTEX, text) for text in texts)
    pattern = pattern_of(values)
    assert pattern is not None
    assert values_of(pattern) == values


@pytest.mark.parametrize(
    ("kind", "value", "pattern"),
    [
        (Kind.IPV4, "192.0.2.1", "[ipv4-addr:value = '192.0.2.1']"),
        (Kind.IPV4, "192.0.2.0/24", "[ipv4-addr:value ISSUBSET '192.0.2.0/24']"),
        (Kind.IPV6, "2001:db8::/32", "[ipv6-addr:value ISSUBSET '2001:db8::/32']"),
        (Kind.SHA1, "a" * 40, f"[file:hashes.'SHA-1' = '{'a' * 40}']"),
        (Kind.MD5, "b" * 32, f"[file:hashes.MD5 = '{'b' * 32}']"),
        (Kind.ASN, "AS64500", "[autonomous-system:number = 64500]"),
        (Kind.CERTIFICATE, "c" * 64, f"[x509-certificate:hashes.'SHA-256' = '{'c' * 64}']"),
        (Kind.REGISTRY_KEY, "HKEY_USERS\\a'b", "[windows-registry-key:key = 'HKEY_USERS\\\\a\\'b']"),
        (Kind.USER_AGENT, "x", "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'x']"),
        (Kind.FILE_PATH, "C:\\a.exe", "[file:name = 'a.exe' AND file:parent_directory_ref.path = 'C:\\\\']"),
        (Kind.FILE_PATH, "/tmp/", "[directory:path = '/tmp/']"),
    ],
)  # fmt: skip
def test_each_kind_has_its_pattern(kind: Kind, value: str, pattern: str) -> None:
    """The text that partners read, letter by letter."""
    assert pattern_of([(kind, value)]) == pattern
    assert values_of(pattern) == ((kind, value),)


@pytest.mark.parametrize(
    "pattern",
    [
        "[file:name = 'a' AND file:size = 5]",
        "[file:name = 'a'] FOLLOWEDBY [file:name = 'b']",
        "[file:name LIKE 'a%']",
        "[file:name NOT = 'a']",
        "[mutex:name = 'a'] START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'",
        "no pattern",
    ],
)
def test_other_patterns_are_not_taken_apart(pattern: str) -> None:
    """What says more than "one of these" is not read as if it said less."""
    assert values_of(pattern) is None


def test_hashes_and_a_name_are_one_file() -> None:
    """One file with all its hashes; a second value of one algorithm is a second file."""
    [file] = observables_of(
        [(Kind.FILE_NAME, "a.exe"), (Kind.MD5, "a" * 32), (Kind.SHA256, "b" * 64)]
    )
    assert file["hashes"] == {"MD5": "a" * 32, "SHA-256": "b" * 64}
    assert file["name"] == "a.exe"
    assert len(observables_of([(Kind.MD5, "a" * 32), (Kind.MD5, "b" * 32)])) == 2


def test_a_path_is_a_file_in_its_folder() -> None:
    """The folder comes first, since the file refers to it."""
    folder, file = observables_of([(Kind.FILE_PATH, "C:\\x\\a.exe")])
    assert (folder["path"], file["name"]) == ("C:\\x", "a.exe")
    assert file["parent_directory_ref"] == folder["id"]
