"""What we write as CSV for machines is read by our own intake as the same rows."""

from __future__ import annotations

import pytest

from cert_exchange.intake.findings import Finding, Kind
from cert_exchange.intake.tables.proposing import propose
from cert_exchange.intake.tables.reading import read_table
from cert_exchange.outputs import tables
from cert_exchange.outputs.entries import Entry, in_order
from cert_exchange.outputs.expressing import Value

VALUES = (
    (Kind.IPV4, "192.0.2.0/24"),
    (Kind.IPV6, "2001:db8::1"),
    (Kind.DOMAIN, "evil.example"),
    (Kind.URL, "http://evil.example/x,%22y%22;z"),
    (Kind.EMAIL, "a@evil.example"),
    (Kind.MD5, "0" * 32),
    (Kind.SHA1, "1" * 40),
    (Kind.SHA256, "2" * 64),
    (Kind.SHA512, "3" * 128),
    (Kind.SSDEEP, "3:abc:def"),
    (Kind.TLSH, "T1" + "A" * 70),
    (Kind.FILE_NAME, "=x.exe"),
    (Kind.FILE_PATH, "C:\\x\\y.exe"),
    (Kind.REGISTRY_KEY, "HKEY_LOCAL_MACHINE\\x"),
    (Kind.MUTEX, "# x"),
    (Kind.USER_AGENT, "Mozilla 'x'"),
    (Kind.MAC, "00:11:22:33:44:55"),
    (Kind.ASN, "AS64496"),
    (Kind.CERTIFICATE, "4" * 40),
    (Kind.YARA, "rule a {\n condition: true }"),
    (Kind.SIGMA, "title: x\ndetection:\n  s: x"),
    (Kind.SNORT, 'alert ip any any -> any any (msg:"a"; sid:1;)'),
)


@pytest.mark.case("I11")
def test_every_kind_comes_back_as_the_row_that_it_was() -> None:
    """Kind, value, dates, confidence, level and labels; line ends and quotes in other cells move nothing."""
    entries = in_order(
        Entry(
            Value(kind, text),
            "indicator--11111111-1111-4111-8111-111111111111",
            name=text,
            description='a\r\nb;"c", =1',
            source="cert-b",
            tlp="amber+strict",
            confidence=40,
            valid_from="2026-01-01T00:00:00Z",
            valid_until="2026-06-01T00:00:00Z",
            modified="2026-01-01T00:00:00Z",
            labels=("a b", "c"),
        )
        for kind, text in VALUES
    )
    body = tables.for_machines(entries).body
    found = list(read_table([body], propose(body)))
    assert [one for one in found if not isinstance(one, Finding)] == []
    told = [
        (one.kind, one.value, one.confidence, one.valid_from, one.valid_until, one.labels)
        for one in found
        if isinstance(one, Finding)
    ]
    assert told == [
        (
            one.value.kind,
            one.value.text,
            40,
            "2026-01-01T00:00:00Z",
            "2026-06-01T00:00:00Z",
            ("a b", "c"),
        )
        for one in entries
    ]
    markings = {one.markings for one in found if isinstance(one, Finding)}
    assert markings == {("marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",)}
