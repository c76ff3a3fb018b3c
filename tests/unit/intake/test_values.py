"""Single values: their one spelling, what a text is by its look, and what is refused rather than mended."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.values import LONGEST, Reading, kind_of, normalise, read, refang


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.IPV4, " 192.0.2.1 ", "192.0.2.1"),
        (Kind.IPV4, "192[.]0[.]2[.]1", "192.0.2.1"),
        (Kind.IPV4, "192.0.2.1/32", "192.0.2.1"),
        (Kind.IPV4, "192.0.2.0/24", "192.0.2.0/24"),
        (Kind.IPV4, "192.0.2.1/24", None),
        (Kind.IPV4, "192.0.2.010", None),
        (Kind.IPV4, "192.0.2", None),
        (Kind.IPV6, "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        (Kind.IPV6, "[2001:db8::1]", "2001:db8::1"),
        (Kind.IPV6, "::FFFF:192.0.2.1", "::ffff:192.0.2.1"),
        (Kind.IPV6, "fe80::1%eth0", "fe80::1"),
        (Kind.IPV6, "2001:db8::/32", "2001:db8::/32"),
        (Kind.IPV6, "2001:db8::1/32", None),
        (Kind.DOMAIN, "EVIL.Example.", "evil.example"),
        (Kind.DOMAIN, "www.b\u00fccher.example", "www.xn--bcher-kva.example"),
        (Kind.DOMAIN, "_dmarc.evil.example", "_dmarc.evil.example"),
        (Kind.DOMAIN, "*.evil.example", None),
        (Kind.DOMAIN, "192.0.2.1", None),
        (Kind.DOMAIN, "localhost", None),
        (Kind.DOMAIN, "a..example", None),
        (Kind.DOMAIN, f"{'a' * 64}.example", None),
        (Kind.URL, "hxxps[:]//EVIL[.]example/Path?Q=1", "https://evil.example/Path?Q=1"),
        (Kind.URL, "HTTP://b\u00fccher.example:8080", "http://xn--bcher-kva.example:8080"),
        (Kind.URL, "http://[2001:DB8::1]/a", "http://[2001:db8::1]/a"),
        (Kind.URL, "evil.example/a", "evil.example/a"),
        (Kind.URL, "evil.example", None),
        (Kind.URL, "http://evil.example:99999/", None),
        (Kind.URL, "http://evil.example/a b", None),
        (Kind.EMAIL, "Anna.Miller[at]EVIL[.]example", "Anna.Miller@evil.example"),
        (Kind.EMAIL, "a@b@evil.example", None),
        (Kind.SHA256, "A" * 64, "a" * 64),
        (Kind.SHA256, "a" * 63, None),
        (Kind.MD5, "g" * 32, None),
        (Kind.MAC, "AA-BB-CC-DD-EE-0F", "aa:bb:cc:dd:ee:0f"),
        (Kind.MAC, "aabb.ccdd.ee0f", "aa:bb:cc:dd:ee:0f"),
        (Kind.ASN, "as64500", "AS64500"),
        (Kind.ASN, "4294967296", None),
        (Kind.CERTIFICATE, "AA:" * 19 + "AA", "aa" * 20),
        (Kind.VULNERABILITY, "cve-2021-44228", "CVE-2021-44228"),
        (Kind.TECHNIQUE, "t1059.001", "T1059.001"),
        (Kind.REGISTRY_KEY, "HKLM\\Software\\X\\", "HKEY_LOCAL_MACHINE\\Software\\X"),
        (Kind.FILE_NAME, "a/b", None),
        (Kind.FILE_NAME, "a\x00b", None),
        (Kind.FILE_PATH, "C:\\a", "C:\\a"),
        (Kind.SSDEEP, '3:abc/+:def,"name"', "3:abc/+:def"),
        (Kind.TLSH, "t1" + "a" * 70, "T1" + "A" * 70),
        (Kind.PATTERN, "[file:size = 5]", "[file:size = 5]"),
        (Kind.PATTERN, "[file:size = ]", None),
        (Kind.MUTEX, "x" * (LONGEST + 1), None),
    ],
)  # fmt: skip
def test_one_value_has_one_spelling(kind: Kind, text: str, value: str | None) -> None:
    """Ids are made of it, so it is the same on every machine; what would widen or guess is none."""
    assert normalise(kind, text) == value


@pytest.mark.case("I15")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("evil.example", Reading(Kind.DOMAIN, "evil.example")),
        ("setup.exe", Reading(Kind.FILE_NAME, "setup.exe", guessed=True)),
        ("a.zip", Reading(Kind.DOMAIN, "a.zip", guessed=True)),
        ("b.sh", Reading(Kind.DOMAIN, "b.sh", guessed=True)),
        ("c.mov", Reading(Kind.DOMAIN, "c.mov", guessed=True)),
        ("version 1.2", None),
        ("a.nosuchtld", None),
        ("foo.bar/baz", Reading(Kind.URL, "foo.bar/baz", guessed=True)),
        ("192.0.2.1:443", None),
        ("HKCU\\Run", Reading(Kind.REGISTRY_KEY, "HKEY_CURRENT_USER\\Run")),
        ("%APPDATA%\\x.exe", Reading(Kind.FILE_PATH, "%APPDATA%\\x.exe")),
        ("[url:value = 'x']", Reading(Kind.PATTERN, "[url:value = 'x']")),
        ("", None),
    ],
)
def test_a_look_says_when_it_is_a_guess(text: str, found: Reading | None) -> None:
    """A name that may be a file's as well says so; a name without a top-level domain of IANA's is no domain."""
    assert read(text) == found
    assert kind_of(text) == (None if found is None else found.kind)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("hxxp://a[.]example", "http://a.example"),
        ("hXXps[://]a(.)example{.}com", "https://a.example.com"),
        ("a [dot] example", "a.example"),
        ("evil[.com", "evil.com"),
        ("who[@]evil[.]example", "who@evil.example"),
        ("fxp://a.example", "ftp://a.example"),
        ("http://[2001:db8::1]/", "http://[2001:db8::1]/"),
        ("an array[0] and f(x) stay", "an array[0] and f(x) stay"),
    ],
)
def test_defanged_texts_are_read(text: str, plain: str) -> None:
    """What people write to keep an address from being clicked; else nothing is touched."""
    assert refang(text) == plain


@settings(max_examples=50)
@given(st.sampled_from(list(Kind)), st.text(max_size=60))
def test_a_spelling_is_its_own_spelling(kind: Kind, text: str) -> None:
    """Normalised twice is normalised once."""
    value = normalise(kind, text)
    if value is not None:
        assert normalise(kind, value) == value


@settings(max_examples=50)
@given(st.text(st.sampled_from("ab1.:/@[]()-_%\\x0 \u00fc*hxtp"), max_size=40))
def test_what_is_read_is_a_value_of_its_kind(text: str) -> None:
    """`read` and `normalise` never disagree."""
    found = read(text)
    if found is not None:
        assert normalise(found.kind, found.value) == found.value


@pytest.mark.parametrize(
    "evil",
    ["a.", "(", "[.", "@", "a:", "\\", "/a", "[ .", " ", "-", "HKLM\\a", "[a:b='", "1:a", "hxxp", "%", "alert ("],
)  # fmt: skip
def test_hostile_values_cost_no_time(evil: str) -> None:
    """Linear, whatever a text repeats: the suite's own time limit would stop a slower one."""
    text = evil * (LONGEST // len(evil))
    refang(text * 16)
    read(text)
    for kind in Kind:
        normalise(kind, text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.URL, "hxxps://pay[.]evil.ru/вход?ид=1", "https://pay.evil.ru/%D0%B2%D1%85%D0%BE%D0%B4?%D0%B8%D0%B4=1"),
        (Kind.URL, "http://x.com/{id}|y%20z", "http://x.com/%7Bid%7D%7Cy%20z"),
        (Kind.URL, "http://%65vil.com./a", "http://evil.com/a"),
        (Kind.URL, "http://\uff11\uff10.0.0.1/", "http://10.0.0.1/"),
        (Kind.URL, "http://ex%2fample.com/", None),
        (Kind.URL, "http://0x0a000001/", None),
        (Kind.URL, "http://012.0.0.1/", None),
        (Kind.IPV4, "45.9.8.7.", "45.9.8.7"),
        (Kind.IPV4, "45\u30029.8\uff0e7", "45.9.8.7"),
        (Kind.IPV4, "167772161", None),
        (Kind.TECHNIQUE, "T1566/001", "T1566.001"),
    ],
)  # fmt: skip
def test_odd_spellings_have_one_value_or_none(kind: Kind, text: str, value: str | None) -> None:
    """Recognised where they mean one thing, refused where programs disagree; again it is as it was."""
    assert normalise(kind, text) == value
    if value is not None:
        assert normalise(kind, value) == value
