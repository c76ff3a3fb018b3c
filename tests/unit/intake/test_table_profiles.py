"""Profiles of tables: written by people, kept from what was shown, and never overruled."""

from __future__ import annotations

import pytest

from cert_exchange.errors import InputRefused, PolicyInvalid
from cert_exchange.intake.findings import Finding, Kind
from cert_exchange.intake.tables.profiles import layout_as_profile, read_profile, write_profile
from cert_exchange.intake.tables.proposing import propose
from cert_exchange.intake.tables.reading import read_table
from cert_exchange.intake.tables.words import Role

WRITTEN = """\
name: vendor-daily
delimiter: semicolon
header: true
encoding: cp1252
dates: month-first
columns:
  Indicator: any
  Kind: type
  SHA-1: sha1
  '4': ignore
types:
  c2 node: host
  noise: ignore
"""


def test_a_profile_is_read_as_written_and_written_as_read() -> None:
    """All its keys; columns by name and by number; words of kinds compared without blanks and case."""
    profile = read_profile(WRITTEN, file="p.yaml")
    assert profile.columns == {
        "Indicator": Role.ANY,
        "Kind": Role.TYPE,
        "SHA-1": Kind.SHA1,
        "4": Role.IGNORE,
    }
    assert profile.types == {"c2node": Role.HOST, "noise": Role.IGNORE}
    assert read_profile(write_profile(profile), file="p.yaml") == profile
    raw = (
        f"kind;indicator;sha 1;mail;new\nC2-Node;evil.example;{'a' * 40};a@evil.example;evil.com\n"
        "noise;evil.com;;;\n"
    ).encode()
    out = list(read_table([raw], propose(raw, profile=profile)))
    assert [(one.kind, one.value) for one in out if isinstance(one, Finding)] == [
        (Kind.DOMAIN, "evil.example"),
        (Kind.SHA1, "a" * 40),
    ]
    assert [one.reason for one in out if not isinstance(one, Finding)] == [
        'is of the kind "noise", which the profile leaves out'
    ]


def test_a_source_whose_words_cannot_be_relied_on_is_read_by_look() -> None:
    """What the input states is not overruled, but a person may say that its words mean nothing."""
    raw = b"ioc,type\nx@evil.com,Domain\nevil.com,Domain\n"
    assert sum(isinstance(one, Finding) for one in read_table([raw], propose(raw))) == 1
    profile = read_profile("name: x\ntypes: {domain: any}\n", file="p.yaml")
    found = list(read_table([raw], propose(raw, profile=profile)))
    assert [one.value for one in found if isinstance(one, Finding)] == [
        "x@evil.com",
        "evil.com",
    ]
    strict = read_profile("name: x\ntypes: {domain: domain}\n", file="p.yaml")
    raw = b"ioc,type\nhxxp://evil.com/x,Domain\nevil.com,Domain\n"
    found = list(read_table([raw], propose(raw, profile=strict)))
    assert [one.value for one in found if isinstance(one, Finding)] == ["evil.com"]


def test_every_mistake_is_named_with_its_line() -> None:
    """An unknown word, a column where a kind belongs, an encoding that is none."""
    with pytest.raises(PolicyInvalid) as refused:
        read_profile(
            "name: x\nencoding: utf-7\ncolumns:\n  a: domian\ntypes:\n  b: type\n", file="p.yaml"
        )
    assert [(one.line, one.message) for one in refused.value.problems] == [
        (2, '"utf-7" is no encoding that we read'),
        (4, '"domian" is nothing a column holds; did you mean domain?'),
        (6, "type is a column, not a kind of value"),
    ]
    with pytest.raises(PolicyInvalid):
        read_profile("name: ../x\n", file="p.yaml")
    with pytest.raises(PolicyInvalid):
        read_profile("name: x\ncolour: red\n", file="p.yaml")


def test_a_profile_for_another_table_is_refused_by_the_column_that_is_missing() -> None:
    """Nothing is taken when what the profile names is not there; the columns of the file are named."""
    profile = read_profile("name: x\ncolumns: {Host: domain}\n", file="p.yaml")
    with pytest.raises(InputRefused, match=r'names a column "Host".*it has "ip", "note"'):
        propose(b"ip,note\n192.0.2.1,evil.com\n", profile=profile)


@pytest.mark.parametrize(
    "text",
    [
        "ip,note,IoC,Type,x\n192.0.2.1,first,evil.com,domain,1\n",
        f"{'a' * 40};192.0.2[.]1\n{'b' * 40};192.0.2[.]2\n",
        "evil.com\n192.0.2.1\n",
        "ip,ip,description\n192.0.2.1,192.0.2.2,x\n",
        "Of the week,,\n\nip,x,description\n192.0.2.1,192.0.2.2,x\n",
        '# a feed\n# "first_seen","dst_ip"\n"2026-01-01","192.0.2.1"\n"2026-01-01","192.0.2.2"\n',
        "sep=;\nIoC;Type\n192.0.2.1;ip\n",
        "md5,5d41402abc4b2a76b9719d911017c592\ncpu,32-bit\nsha1," + "a" * 40 + "\n",
    ],
)
def test_what_was_shown_is_kept_and_reads_the_same(text: str) -> None:
    """A layout kept as a profile reads the file as before, and nothing of it is a guess any more."""
    raw = text.encode()
    layout = propose(raw)
    kept = read_profile(write_profile(layout_as_profile(layout, "kept")), file="p.yaml")
    again = propose(raw, profile=kept)
    assert list(read_table([raw], again)) == list(read_table([raw], layout))
    assert again.guessed == ()
    assert again.profile == "kept"


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        # Headers as known feeds and products write them.
        ("Indicator type,Indicator,Description", "type any description"),
        ("IndicatorType,IndicatorValue,ExpirationTime,Severity", "type any valid-until ignore"),
        (
            "uuid,event_id,category,type,value,comment,to_ids,date",
            "ignore ignore description type any description detect ignore",
        ),
        (
            "first_seen_utc,ioc_id,ioc_value,ioc_type,confidence_level,reference,tags",
            "ignore ignore any type confidence ignore labels",
        ),
        (
            "id,dateadded,url,url_status,tags,urlhaus_link,reporter",
            "ignore ignore url ignore labels ignore ignore",
        ),
        ("first_seen_utc,dst_ip,dst_port,c2_status,malware", "ignore ip ignore ignore description"),
        (
            "sha256_hash,md5_hash,file_name,mime_type,imphash,ssdeep,tlsh",
            "sha256 md5 file-name ignore ignore ssdeep tlsh",
        ),
        ("File Hash (SHA256),Malicious IP Address,C2 domain,Domain/IP", "sha256 ip host any"),
        (
            "Indicator of Compromise,Name server,Affected host,Victim URL",
            "any ignore ignore ignore",
        ),
        ("Индикатор,Тип,Описание,Жертва", "any type description ignore"),
        ("Indicador,Tipo,Descripción,Víctima", "any type description ignore"),
    ],
)
def test_the_headers_that_feeds_and_products_write_are_known(header: str, holds: str) -> None:
    """Each column by its header alone; what may name victims is left out."""
    raw = f"{header}\n{',' * header.count(',')}\n".encode()
    assert [str(column.holds) for column in propose(raw).columns] == holds.split()


@pytest.mark.parametrize(
    ("word", "value", "kind"),
    [
        ("ip:port", "192.0.2.1:443", Kind.IPV4),
        ("sha256_hash", "a" * 64, Kind.SHA256),
        ("FileHash-MD5", "a" * 32, Kind.MD5),
        ("FileSha256", "a" * 64, Kind.SHA256),
        ("IPv4-Addr", "192.0.2.1", Kind.IPV4),
        ("Domain-Name", "evil.example", Kind.DOMAIN),
        ("StixFile", "a" * 40, Kind.SHA1),
        ("x509-fingerprint-sha1", "a" * 40, Kind.CERTIFICATE),
        ("email-src", "a@evil.example", Kind.EMAIL),
        ("regkey", "HKLM\\Software\\x", Kind.REGISTRY_KEY),
        ("AS", "64496", Kind.ASN),
        ("Домен", "evil.example", Kind.DOMAIN),
        ("IP-адрес", "192.0.2.1", Kind.IPV4),
    ],
)
def test_the_words_for_kinds_that_feeds_and_products_write_are_known(
    word: str, value: str, kind: Kind
) -> None:
    """Each kind as others spell it; stated, so no guess."""
    raw = f"ioc,type\n{value},{word}\n".encode()
    (one,) = read_table([raw], propose(raw))
    assert isinstance(one, Finding)
    assert (one.kind, one.guessed) == (kind, False)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("Date,Client IP,Requested URL,User", {"Requested URL"}),
        ("src_ip,dst_ip,action", set()),
        ("Source IP,Count", set()),
        ("user,hostname,sha256", {"sha256"}),
        ("computer name,ip,c2 domain", {"c2 domain"}),
        ("ip,malware", {"ip"}),
        ("dst_ip,dst_port", {"dst_ip"}),
        ("host,user_agent", {"host", "user_agent"}),
    ],
)
def test_our_own_side_of_a_log_is_left_out(header: str, taken: set[str]) -> None:
    """Who asked, from which machine, and with that the other side too, since a log may be of what came in."""
    names = header.split(",")
    values = {
        "url": "http://evil.com/x",
        "sha256": "a" * 64,
        "domain": "evil.com",
        "agent": "curl/7.1",
    }
    row = [
        next((value for word, value in values.items() if word in name.lower()), "198.51.100.7")
        for name in names
    ]
    raw = f"{header}\n{','.join(row)}\n{','.join(row)}\n".encode()
    if not taken:
        with pytest.raises(InputRefused):
            propose(raw)
        return
    columns = propose(raw).columns
    assert {column.name for column in columns if column.has_values} == taken
    assert all(
        "left out" in one.aside
        for one in columns
        if one.name.lower().endswith("ip") and not one.has_values
    )
