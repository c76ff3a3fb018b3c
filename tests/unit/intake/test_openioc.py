"""OpenIOC: what stands alone is found, what is joined or excluded is told of, hostile XML is refused."""

from __future__ import annotations

import pytest

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.openioc import read_openioc


def item(search: str, text: str, condition: str = "is", more: str = "") -> str:
    return (
        f'<IndicatorItem id="{text[:9]}" condition="{condition}" {more}><Context document="x" search="{search}" type="mir"/>'
        f'<Content type="string">{text}</Content></IndicatorItem>'
    )


def document(*parts: str) -> bytes:
    return (
        "<?xml version='1.0' encoding='UTF-8'?><ioc xmlns='http://schemas.mandiant.com/2010/ioc' id='a'>"
        "<short_description>APT \n of somebody</short_description><definition><Indicator id='1' operator='OR'>"
        + "".join(parts)
        + "</Indicator></definition></ioc>"
    ).encode()


@pytest.mark.case("I20")
def test_terms_joined_by_and_are_not_split_into_loose_indicators() -> None:
    """OR all the way up is found, also in nested ORs; below an AND nothing is, and each says why."""
    md5 = "d41d8cd98f00b204e9800998ecf8427e"
    out = list(
        read_openioc(
            document(
                item("FileItem/Md5sum", md5.upper()),
                item("DnsEntryItem/Host", "evil.example", "contains"),
                "<Indicator operator='OR'>"
                + item("PortItem/remoteIP", "192.0.2.1")
                + "</Indicator>",
                "<Indicator operator='AND'>"
                + item("FileItem/FileName", "svchost.exe")
                + "<Indicator operator='OR'>"
                + item("FileItem/SizeInBytes", "5")
                + item("PortItem/remoteIP", "192.0.2.2")
                + "</Indicator></Indicator>",
                item("FileItem/FileName", "part", "contains"),
                item("DnsEntryItem/Host", "good.example", "is", "negate='true'"),
                item("FileItem/Sha1sum", "abc"),
            )
        )
    )
    found = [one for one in out if isinstance(one, Finding)]
    assert [(one.kind, one.value, one.context) for one in found] == [
        (Kind.MD5, md5, "APT of somebody"),
        (Kind.DOMAIN, "evil.example", "APT of somebody"),
        (Kind.IPV4, "192.0.2.1", "APT of somebody"),
    ]
    assert [(one.what, one.reason) for one in out if isinstance(one, Loss)] == [
        ("svchost.exe", "is joined with others by AND: alone it would find more than was meant"),
        ("5", "asks for FileItem/SizeInBytes, which we do not take"),
        ("192.0.2.2", "is joined with others by AND: alone it would find more than was meant"),
        ("part", "asks for a value by 'contains', not for a whole one"),
        ("good.example", "excludes: it is no indicator"),
        ("abc", "is no sha1"),
    ]


def test_a_level_in_its_words_marks_all_terms() -> None:
    """TLP:AMBER in the description counts, as in any other input."""
    raw = document(item("PortItem/remoteIP", "192.0.2.1")).replace(b"APT", b"TLP:AMBER APT")
    found, told = read_openioc(raw)
    assert isinstance(found, Finding)
    assert found.markings == ("marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",)
    assert isinstance(told, Loss)
    assert told.what == "TLP:AMBER"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><ioc>&b;</ioc>", "document type"),
        (b"<ioc>" + b"<a>" * 100 + b"</a>" * 100 + b"</ioc>", "nested deeper"),
        (b"<ioc><definition>", "no whole OpenIOC"),
    ],
)
def test_hostile_xml_is_refused_in_a_sentence(data: bytes, why: str) -> None:
    """Entities, depth, a file that was cut off."""
    with pytest.raises(InputRefused, match=why):
        list(read_openioc(data))
