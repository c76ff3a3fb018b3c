"""Tables and lists as people send them, read to findings and losses."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.tables.profiles import Layout, read_profile
from cert_exchange.intake.tables.proposing import propose
from cert_exchange.intake.tables.reading import read_table
from cert_exchange.intake.values import normalise

MD5 = "0" * 31 + "1"
SHA1 = "a" * 40
SHA256 = "b" * 64


def taken(data: str | bytes, profile: str = "") -> tuple[list[Finding], list[Loss], Layout]:
    raw = data.encode() if isinstance(data, str) else data
    said = read_profile(profile, file="p.yaml") if profile else None
    layout = propose(raw, profile=said)
    # In small pieces: a chunk may end anywhere.
    chunks = [raw[at : at + 7] for at in range(0, len(raw), 7)]
    out = list(read_table(chunks, layout))
    return (
        [one for one in out if isinstance(one, Finding)],
        [one for one in out if isinstance(one, Loss)],
        layout,
    )


def values(found: list[Finding]) -> list[tuple[Kind, str]]:
    return [(one.kind, one.value) for one in found]


@pytest.mark.case("I17")
def test_a_file_of_another_system_goes_in_line_by_line() -> None:
    """Byte order mark, CR LF, comments, tabs, blanks and a stray byte of Latin-1: each bad line by its number, the rest in."""
    data = (
        b"\xef\xbb\xbf# our list\r\n"
        b"value\ttype\tdescription\r\n"
        b" 192.0.2.1 \tip\tTeam server\r\n"
        b"# a remark between\r\n"
        b"evil.example\tdomain\tcaf\xe9\r\n"
        b"b\xfccher.example\tdomain\tspoilt\r\n"
        b"not an address\tip\t\r\n"
        b"\r\n"
        b"192.0.2.2\tip\tlast"
    )
    found, losses, layout = taken(data)
    assert layout.delimiter == "\t"
    assert values(found) == [
        (Kind.IPV4, "192.0.2.1"),
        (Kind.DOMAIN, "evil.example"),
        (Kind.IPV4, "192.0.2.2"),
    ]
    assert [one.description for one in found] == ["Team server", "café", "last"]
    assert [(one.place, one.reason) for one in losses] == [
        ("line 5", "is not UTF-8; its words were read as Windows-1252"),
        ("line 6", "is not UTF-8; its words were read as Windows-1252"),
        ("line 6, column value", "is not UTF-8; its words were read as Windows-1252"),
        ("line 7, column value", "is no ip"),
    ]


@pytest.mark.case("I15")
def test_what_a_person_states_is_never_overruled_by_a_look() -> None:
    """Names that are domains and file names: by look they are guesses, by a stated column they are what it says."""
    names = "setup.exe\na.zip\nb.sh\nc.mov\nplain.com\n"
    found, _, _ = taken(names)
    assert [(one.value, one.guessed) for one in found if one.value == "plain.com"] == [
        ("plain.com", False)
    ]
    assert all(one.guessed for one in found if one.value != "plain.com")
    table = "name,seen\n" + names.replace("\n", ",1\n") + "evil.example,2\n"
    for word, kind in (("file-name", Kind.FILE_NAME), ("domain", Kind.DOMAIN)):
        found, losses, _ = taken(table, f"name: p\ncolumns: {{name: {word}}}\n")
        assert losses == []
        assert {one.kind for one in found} == {kind}
        assert not any(one.guessed for one in found)
        assert len(found) == 6


def test_a_stated_kind_that_a_cell_contradicts_is_a_loss() -> None:
    """A mailbox where a domain is stated, a SHA-1 where an MD5 is: not taken, and the reason says what it looks like."""
    found, losses, _ = taken(f"ioc,type\nx@evil.example,domain\n{SHA1},md5\nevil.example,domain\n")
    assert values(found) == [(Kind.DOMAIN, "evil.example")]
    assert [(one.place, one.reason) for one in losses] == [
        ("line 2, column ioc", "is no domain; it looks like one of kind email"),
        ("line 3, column ioc", "is no md5; it looks like one of kind sha1"),
    ]


def test_a_url_with_a_blank_is_no_url_and_none_of_its_pieces_is_a_value() -> None:
    """Neither its beginning nor the name of a file behind the blank; several URLs in one cell are several."""
    found, losses, _ = taken(
        "ioc\ttype\nftp://a.example/x y.exe\turl\nhttp://b.example/x, http://c.example/y\turl\ny.exe\turl\n"
    )
    assert values(found) == [(Kind.URL, "http://b.example/x"), (Kind.URL, "http://c.example/y")]
    assert [one.place for one in losses] == ["line 2, column ioc", "line 4, column ioc"]


def test_a_url_with_its_scheme_that_its_row_calls_a_host_is_taken_as_a_guess() -> None:
    """Row and scheme are both the input's own words; a header or a person that says domain is not overruled."""
    rows = (
        "hxxp[:]//evil.example/x[.]asp,Domain\nhttps://two.example/,Domain\nhttps://three.example:8443,Domain\n"
        "http://192.0.2.1,IP\nhttps://x.example/<victim>,Domain\n"
    )
    found, losses, _ = taken(f"ioc,type\n{rows}")
    assert values(found) == [
        (Kind.URL, "http://evil.example/x.asp"),
        (Kind.DOMAIN, "two.example"),
        (Kind.DOMAIN, "three.example"),
        (Kind.IPV4, "192.0.2.1"),
    ]
    assert all(one.guessed for one in found)
    assert found[2].description == "port 8443"
    assert [one.place for one in losses] == ["line 6, column ioc"]
    found, losses, _ = taken("domain\nhttp://evil.example/x\nevil.example\n")
    assert values(found) == [(Kind.DOMAIN, "evil.example")]
    assert len(losses) == 1


@pytest.mark.case("I12")
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'\n<!DOCTYPE html>\n<html><body>"a,b</body></html>', "HTML"),
        (b'\xef\xbb\xbf{"a": [1, 2]}', "JSON"),
        (b"%PDF-1.7\n1,2,3", "PDF"),
        (b"<?xml version='1.0'?><a/>", "XML"),
        (b"PK\x03\x04aaaa,bbbb", "ZIP"),
    ],
)
def test_what_is_no_table_is_refused_by_what_it_is(data: bytes, name: str) -> None:
    """A page that a server sent in place of a table is named, before a quote in it makes an error at line 2."""
    with pytest.raises(InputRefused, match=f"This is .*{name}"):
        propose(data)


@pytest.mark.case("I14")
def test_a_table_made_safe_for_a_spreadsheet_is_read_as_it_was() -> None:
    """The apostrophe before = + - @ is taken away again: values and words come back as they were."""
    data = (
        "value,type,description\nevil.example,domain,'=HYPERLINK(1)\n'@evil.example,domain,'plain\n"
    )
    found, losses, _ = taken(data)
    assert [one.description for one in found] == ["=HYPERLINK(1)"]
    assert [(one.what, one.reason) for one in losses] == [("@evil.example", "is no domain")]


def test_values_with_their_ports_talk_and_neighbours() -> None:
    """What people write besides a value becomes a note, several values become several, a template is none."""
    data = (
        "ioc;type\n"
        "192.0.2.1:443;url\n"
        "evil[.]example (compromised);domain\n"
        "[2001:db8::1]:80;ip\n"
        "evil.example:8080;host\n"
        "192.0.2.0/24;ip\n"
        "192.0.2.1/24;ip\n"
        '"http://a.example/x;hxxp://b.example/y,z";url\n'
        "http://c.example/<victim>;url\n"
        "*.evil.example;domain\n"
        "www.evil.example;url\n"
        "192.0.2.7, 192.0.2.8;ip\n"
        "192.0.2.9, 192.0.2.10 and more;ip\n"
    )
    found, losses, _ = taken(data)
    assert [(one.kind, one.value, one.description, one.guessed) for one in found] == [
        (Kind.IPV4, "192.0.2.1", "port 443", True),
        (Kind.DOMAIN, "evil.example", "compromised", False),
        (Kind.IPV6, "2001:db8::1", "port 80", False),
        (Kind.DOMAIN, "evil.example", "port 8080", False),
        (Kind.IPV4, "192.0.2.0/24", "", False),
        (Kind.URL, "http://a.example/x", "", False),
        (Kind.URL, "http://b.example/y,z", "", False),
        (Kind.PATTERN, "[domain-name:value LIKE '%.evil.example']", "", False),
        (Kind.DOMAIN, "www.evil.example", "", True),
        (Kind.IPV4, "192.0.2.7", "", False),
        (Kind.IPV4, "192.0.2.8", "", False),
    ]
    assert [(one.place, one.what, one.reason) for one in losses] == [
        ("line 7, column ioc", "192.0.2.1/24", "is no ip"),
        (
            "line 9, column ioc",
            "http://c.example/<victim>",
            "is a template with a hole in it, not a value",
        ),
        (
            "line 13, column ioc",
            "192.0.2.9 192.0.2.10 and more",
            'has a part that is no ip, "and": none of it is taken',
        ),
    ]


def test_one_file_in_one_row_is_one_group_and_its_name_is_not_looked_for() -> None:
    """Hashes of one row are of one file; two of one kind are of two; a name beside a hash is told of only."""
    found, _, _ = taken(
        f"MD5,SHA-256,File Name,C2\n{MD5},{SHA256},readme.pdf,192.0.2.1\n{MD5},,,\n"
        f'"{"1" * 32} {"2" * 32}",,,\n'
    )
    assert [(one.kind, one.group, one.detect) for one in found] == [
        (Kind.MD5, "line 2", True),
        (Kind.SHA256, "line 2", True),
        (Kind.FILE_NAME, "line 2", False),
        (Kind.IPV4, "", True),
        (Kind.MD5, "", True),
        (Kind.MD5, "", True),
        (Kind.MD5, "", True),
    ]


def test_what_a_row_says_goes_to_each_of_its_values() -> None:
    """Validity, confidence, circle, permitted use, labels and whether to look for it; what cannot be read is said."""
    data = (
        "ioc,tlp,pap,confidence,valid from,valid until,tags,to_ids\n"
        '192.0.2.1,AMBER+STRICT,green,high,2026-01-02,2026-03-04 05:06:07,"a, b",1\n'
        "192.0.2.2,purple,purple,90,13/02/2026,3/4/2026,,0\n"
        "192.0.2.3,White,,sure,,soon,,maybe\n"
        "192.0.2.4,,,,2026-05-01,2026-04-01,,\n"
    )
    found, losses, layout = taken(data)
    assert layout.dates == "day-first"
    first, second, third, fourth = found
    assert first.markings == ("marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",)
    assert (first.labels, first.confidence, first.detect) == (("PAP:GREEN", "a", "b"), 85, True)
    assert first.valid_from == "2026-01-02T00:00:00.000000Z"
    assert first.valid_until == "2026-03-04T05:06:07.000000Z"
    # Nobody knows purple: somebody meant a restriction.
    assert second.markings == ("marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",)
    assert (second.labels, second.confidence, second.detect) == (("PAP:RED",), 90, False)
    assert (second.valid_from, second.valid_until) == (
        "2026-02-13T00:00:00.000000Z",
        "2026-04-03T00:00:00.000000Z",
    )
    assert (third.confidence, third.valid_until, third.detect) == (None, None, True)
    assert (fourth.valid_from, fourth.valid_until) == (None, None)
    assert [(one.place, one.what) for one in losses] == [
        ("line 4, column confidence", "sure"),
        ("line 4, column valid until", "soon"),
        ("line 4, column to_ids", "maybe"),
        ("line 5", "2026-05-01T00:00:00.000000Z to 2026-04-01T00:00:00.000000Z"),
    ]


def test_a_date_that_nobody_settled_is_not_guessed() -> None:
    """3/4/2026 without another date or a profile that says which number is the month."""
    data = "ioc,valid until\n192.0.2.1,3/4/2026\n"
    found, losses, _ = taken(data)
    assert (found[0].valid_until, losses[0].what) == (None, "3/4/2026")
    found, losses, _ = taken(
        data, "name: p\ndates: month-first\ncolumns: {ioc: ip, valid until: valid-until}\n"
    )
    assert (found[0].valid_until, losses) == ("2026-03-04T00:00:00.000000Z", [])


def test_the_kinds_of_misp_come_apart() -> None:
    """Composite kinds of an export of MISP: a name beside its hash, an address with its port."""
    found, losses, _ = taken(
        f"uuid,type,value,to_ids\nx,filename|sha256,a.exe|{SHA256},1\nx,ip-dst|port,192.0.2.1|443,1\n"
        f"x,domain|ip,evil.example|192.0.2.2,1\nx,imphash,{MD5},1\nx,filename|md5,a.exe,1\n"
    )
    assert [(one.kind, one.value, one.detect, one.description) for one in found] == [
        (Kind.FILE_NAME, "a.exe", False, ""),
        (Kind.SHA256, SHA256, True, ""),
        (Kind.IPV4, "192.0.2.1", True, "port 443"),
        (Kind.DOMAIN, "evil.example", True, ""),
        (Kind.IPV4, "192.0.2.2", True, ""),
    ]
    assert [one.reason for one in losses] == [
        'is of the kind "imphash", which is none that we take',
        'is not what its kind "filename|md5" says',
    ]


def test_columns_that_may_name_victims_are_left_out() -> None:
    """A header of victims is never read; an unknown column beside a stated one is left out, and says how to take it."""
    found, _, layout = taken(
        "IP,Victim IP,Target,Seen on\n192.0.2.1,198.51.100.1,bank.com,mail.com\n192.0.2.2,198.51.100.2,bank.com,web.com\n"
    )
    assert values(found) == [(Kind.IPV4, "192.0.2.1"), (Kind.IPV4, "192.0.2.2")]
    assert not any(word in str(found) for word in ("198.51.100", "bank.com", "mail.com"))
    assert [(column.name, column.aside) for column in layout.columns if column.aside] == [
        ("Victim IP", "left out: looks like ipv4, its name says otherwise"),
        ("Target", "left out: looks like domain, its name says otherwise"),
        ("Seen on", "left out: looks like domain; name it in a profile to take it"),
    ]


def test_a_table_without_header_is_told_by_its_values_and_says_so() -> None:
    """Semicolons, no header: each column by its look, as a guess that is shown."""
    found, _, layout = taken(
        f"{SHA1};a[at]evil.com;192.0.2[.]1\n{'c' * 40};b[at]evil.com;192.0.2[.]2\n"
    )
    assert [column.holds for column in layout.columns] == [Kind.SHA1, Kind.EMAIL, Kind.IPV4]
    assert layout.guessed == (
        "column 1: its values look like sha1",
        "column 2: its values look like email",
        "column 3: its values look like ipv4",
    )
    assert len(found) == 6


def test_a_list_of_many_kinds_of_lines() -> None:
    """Defanged, networks, comments behind a value, several on a line, a hosts file, sums of files, headings."""
    found, losses, _ = taken(
        f"# First heading\n192.0.2[.]0/24\nevil[.]com # C2\n0.0.0.0 bad.com\n{SHA256}\n192.0.2.1, 192.0.2.2\n"
        "Domains found later:\nhxxps://worse[.]com/x\n192.0.2.3;65\n//\n"
    )
    assert [(one.value, one.context, one.description) for one in found] == [
        ("192.0.2.0/24", "First heading", ""),
        ("evil.com", "First heading", "C2"),
        ("bad.com", "First heading", ""),
        (SHA256, "First heading", ""),
        ("192.0.2.1", "First heading", ""),
        ("192.0.2.2", "First heading", ""),
        ("https://worse.com/x", "First heading", ""),
        ("192.0.2.3", "First heading", "65"),
    ]
    assert [(one.place, one.reason) for one in losses] == [
        ("line 7", "is no value that we know by its look"),
        ("line 10", "is no value that we know by its look"),
    ]


def test_a_header_in_a_comment_names_the_columns() -> None:
    """Feeds that write their header behind #."""
    found, _, layout = taken(
        '# a feed, updated daily\n# "first_seen_utc","dst_ip","malware"\n"2026-01-01","192.0.2.1","X"\n"2026-01-01","192.0.2.2","Y"\n'
    )
    assert layout.header_line == 2
    assert [(one.value, one.guessed, one.description) for one in found] == [
        ("192.0.2.1", False, "X"),
        ("192.0.2.2", False, "Y"),
    ]


def test_a_table_out_of_a_spreadsheet_with_its_separator_and_titles() -> None:
    """`sep=;` and titles above the header are no rows of values."""
    found, losses, layout = taken(
        "sep=;\nIndicators of the week;;\n;;\nIoC;Type;Comment\n192.0.2.1;ip;a, b\nevil.com;domain;\n"
    )
    assert (layout.delimiter, layout.header_line) == (";", 4)
    assert [(one.value, one.description) for one in found] == [
        ("192.0.2.1", "a, b"),
        ("evil.com", ""),
    ]
    assert [(one.place, one.reason) for one in losses] == [("line 2", "stands above the header")]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "utf-16"])
def test_a_table_of_the_other_side_of_the_channel(encoding: str) -> None:
    """Headers, kinds and words in Russian; a name in Cyrillic becomes its A-label, as a guess where the charset is one."""
    text = "Индикатор;Тип;Комментарий;Жертва\n" + "".join(
        f"203.0.113.{number};IP-адрес;Сервер управления номер {number};банк.рф\n"
        for number in range(9)
    )
    found, losses, _ = taken((text + "пример.рф;Домен;Второй домен;\n").encode(encoding))
    assert losses == []
    assert (len(found), found[0].description) == (10, "Сервер управления номер 0")
    assert (found[-1].value, found[-1].guessed) == ("xn--e1afmkfd.xn--p1ai", encoding == "cp1251")


def test_a_name_that_only_looks_like_a_file_is_told_of() -> None:
    """`setup.exe` in a list: not looked for; stated as a file name it is."""
    found, _, _ = taken("setup.exe\n192.0.2.1\n")
    assert [(one.value, one.detect, one.guessed) for one in found] == [
        ("setup.exe", False, True),
        ("192.0.2.1", True, False),
    ]
    found, _, _ = taken("ioc,type\nsetup.exe,filename\n")
    assert (found[0].detect, found[0].guessed) == (True, False)


def test_rows_that_do_not_fit_and_empty_ones() -> None:
    """More fields than columns is a loss, unless only words run over; a row without a value says so."""
    found, losses, _ = taken("ip,domain\n192.0.2.1,evil.com\n192.0.2.2,a,b\n,\n192.0.2.3\n")
    assert [one.value for one in found] == ["192.0.2.1", "evil.com", "192.0.2.3"]
    assert [(one.place, one.reason) for one in losses] == [
        ("line 3", "has 3 fields where the table has 2 columns"),
        ("line 4", "holds no value"),
    ]
    found, losses, _ = taken(
        "ip,description\n192.0.2.1,one, two\n192.0.2.2,three\n192.0.2.3,x\n192.0.2.4,y\n192.0.2.5,z\n"
    )
    assert (len(found), losses) == (5, [])
    assert found[0].description == "one, two"


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("email", "=cmd|'/c calc'!A1@evil.com"),
        ("email", "a@evil-nl.com, see b@evil-nl.com"),
        ("domain", "=HYPERLINK(x) evil-nl.com"),
        ("url", "http://evil-nl.com/a http://<victim>/"),
    ],
)
def test_a_cell_with_a_bad_part_gives_no_other(header: str, cell: str) -> None:
    """What stands between the parts of a formula or a sentence is no value of anybody's: one loss, with all of the cell."""
    found, losses, _ = taken(f'{header},comment\n"{cell}",x\nlast@b.com,y\n')
    assert [one.value for one in found if one.place.startswith("line 2")] == []
    (loss,) = [one for one in losses if one.place.startswith("line 2")]
    assert "none of it is taken" in loss.reason


@pytest.mark.parametrize(
    "word", ["cidr", "network", "subnet", "netblock", "ip range", "ip-cidr", "CIDR"]
)
def test_networks_by_any_of_their_names(word: str) -> None:
    """As words of kinds; a word that nobody knows says what to do."""
    found, losses, _ = taken(
        f"value,type\n45.9.1.0/24,{word}\n2a00:1450::/32,{word}\nx7,colour\n192.0.2.1,ip\n"
    )
    assert values(found)[:2] == [(Kind.IPV4, "45.9.1.0/24"), (Kind.IPV6, "2a00:1450::/32")]
    (loss,) = losses
    assert "say so in a profile (types:)" in loss.reason


def test_networks_under_a_header_of_theirs() -> None:
    """As headers too, but for a network without more: that may be the name of a provider."""
    found, _, layout = taken("IP range,Network\n45.9.1.0/24,Bank Net\n45.9.2.0/24,Shop Net\n")
    assert values(found) == [(Kind.IPV4, "45.9.1.0/24"), (Kind.IPV4, "45.9.2.0/24")]
    assert layout.columns[0].stated


def test_a_field_too_many_is_never_lost_in_silence() -> None:
    """Beside columns that are left out, and in a table of one column; words that run over are kept whole."""
    rows = "evil-nl1.com,x\nevil-nl2.com,x,y,z\nevil-nl3.com,x\nevil-nl4.com,x\nevil-nl5.com,x\n"
    for header, width in (("domain,victim", 2), ("domain,reference", 2), ("domain", 1)):
        stated = "" if width > 1 else "name: p\ndelimiter: comma\ncolumns: {domain: domain}\n"
        found, losses, _ = taken(f"{header}\n{rows}", stated)
        assert "evil-nl2.com" not in {one.value for one in found}
        assert ("evil-nl2.com,x,y,z", f"has 4 fields where the table has {width} columns") in {
            (one.what, one.reason) for one in losses
        }
    found, losses, _ = taken(f"domain,comment\n{rows}")
    assert (found[1].value, found[1].description, losses) == ("evil-nl2.com", "x, y, z", [])
    found, losses, _ = taken("domain,victim,comment\na.com,Bank, Ltd,one\nb.com,Shop,two\n")
    assert [one.description for one in found] == ["two"]
    assert len(losses) == 1


def test_a_table_that_says_nothing_to_us_says_what_to_do() -> None:
    """No column of values: the columns are named, and the next step."""
    with pytest.raises(InputRefused, match=r'its columns are "colour", "size".*--profile'):
        propose(b"colour,size\nred,1\nblue,2\n")
    with pytest.raises(InputRefused, match="empty"):
        propose(b"\n \n")


PIECES = [
    *(
        b"ioc,type\n",
        b"value;tlp;valid until\n",
        b"192.0.2.1",
        b"evil[.]com",
        b"hxxp://a.com/x",
        b"d" * 32,
        b"c" * 64,
    ),
    *(
        b",",
        b";",
        b"\t",
        b"|",
        b"\n",
        b"\r\n",
        b"\r",
        b'"',
        b"#",
        b"'=",
        b":443",
        b"/24",
        b" (talk)",
        b"<x>",
        b"*.",
    ),
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xe9",
        b"\xc3",
        b"\xd0\x90",
        b"domain",
        b"md5",
        b"AMBER",
        b"3/4/2026",
    ),
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60), st.sampled_from([None, "", "\t"]))
def test_whatever_comes_ends_in_values_as_we_write_them_or_in_reasons(
    pieces: list[bytes], delimiter: str | None
) -> None:
    """Any bytes: refused in a sentence, or values that are normalised already and losses that may be shown."""
    raw = b"".join(pieces)
    try:
        layout = propose(raw, delimiter=delimiter)
    except InputRefused:
        return
    for one in read_table([raw[:9], raw[9:]], layout):
        if isinstance(one, Finding):
            assert normalise(one.kind, one.value) == one.value
        else:
            assert one.reason
            assert one.what.isprintable()


def test_a_hostile_table_costs_no_more_than_its_length() -> None:
    """Open quotes on every line, one cell of many values, one endless line, blanks without end."""
    hostile = [
        "ip,x\n192.0.2.1,a\n" + '"192.0.2.1,\n' * 2_000,
        "ip,x\n192.0.2.1,a\n" + '""" """ ""' * 5_000 + "\n",
        'ip,x\n192.0.2.1,a\n"' + "192.0.2.1 " * 5_000 + '",b\n',
        "ip,x\n192.0.2.1,a\n" + "a" * 300_000 + "\n192.0.2.2,b\n",
        "ip,x\n192.0.2.1,a\n" + "x" + " " * 60_000 + "y,b\n",
        "192.0.2.1\n" + ("evil.com " + "- " * 30_000) + "\n",
        "192.0.2.1\n" + "((" * 30_000 + "\n",
    ]
    started = time.process_time()
    for text in hostile:
        raw = text.encode()
        layout = propose(raw)
        out = list(read_table([raw], layout))
        assert any(isinstance(one, Finding) for one in out)
        assert all(len(one.what) <= 120 for one in out if isinstance(one, Loss))
    assert time.process_time() - started < 5


def test_an_odd_spelling_of_an_address_is_told() -> None:
    """Programs disagree about it: it is no value, and a person is told what it may be."""
    cells = ("0x2d500001", "010.1.2.3", "167772161", "45.1.2", "http://0x0a000001/x")
    found, losses, _ = taken(
        "value,type\n" + "".join(f"{one},ip\n" for one in cells) + "45.9.8.7,ip\n"
    )
    assert values(found) == [(Kind.IPV4, "45.9.8.7")]
    odd = "is no ip, but an odd spelling of {} to some programs: write which one is meant"
    assert [one.reason for one in losses] == [
        odd.format("45.80.0.1"), odd.format("10.1.2.3 or 8.1.2.3"), odd.format("10.0.0.1"), "is no ip",
        odd.format("10.0.0.1"),
    ]  # fmt: skip
