"""Reports as people write them: what is meant, what is only referred to, and what nobody should look for."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.reports.reading import MOST_CHARACTERS, Form, read_report

MD5 = "9f289cce6f95949450e3f4c96a187f5d"
SHA1 = "0cea48067ddbc9227363168013142f6f3a5dea9f"
SHA256 = "d560f44188fb56d3abb11d9508e1167329470de19b811163eb1167534722e666"


def read(text: str, form: Form = Form.MARKDOWN) -> tuple[dict[str, Finding], dict[str, str]]:
    """Findings by value, and reasons of losses by what was lost."""
    out = list(read_report(text, form))
    return (
        {one.value: one for one in out if isinstance(one, Finding)},
        {one.what: one.reason for one in out if isinstance(one, Loss)},
    )


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("hxxps://evil[.]example[.]com/a?b=1", Kind.URL, "https://evil.example.com/a?b=1"),
        ("hXXp[:]//evil[.]example[.]com/", Kind.URL, "http://evil.example.com/"),
        ("http://evil[.]example[.]com/x", Kind.URL, "http://evil.example.com/x"),
        ("http[://]evil.example.com/x", Kind.URL, "http://evil.example.com/x"),
        ("hxxp://192.0.2[.]7:8080/x.bin", Kind.URL, "http://192.0.2.7:8080/x.bin"),
        ("evil[.]example[.]com/gate.php", Kind.URL, "evil.example.com/gate.php"),
        ("evil[.]example.com", Kind.DOMAIN, "evil.example.com"),
        ("Evil(dot)Example(.)COM", Kind.DOMAIN, "evil.example.com"),
        ("bücher[.]example[.]com", Kind.DOMAIN, "xn--bcher-kva.example.com"),
        ("abcdefghijklmnop[.]onion", Kind.DOMAIN, "abcdefghijklmnop.onion"),
        ("192[.]0[.]2[.]7", Kind.IPV4, "192.0.2.7"),
        ("192.0.2.0/24", Kind.IPV4, "192.0.2.0/24"),
        ("2001:db8::7", Kind.IPV6, "2001:db8::7"),
        ("someone[@]evil[.]example[.]com", Kind.EMAIL, "someone@evil.example.com"),
        ("CVE\u20112024\u201112345", Kind.VULNERABILITY, "CVE-2024-12345"),
        ("T1059.001", Kind.TECHNIQUE, "T1059.001"),
        (SHA256.upper(), Kind.SHA256, SHA256),
        (r"HKCU\Software\Foo\Run", Kind.REGISTRY_KEY, r"HKEY_CURRENT_USER\Software\Foo\Run"),
        (r"%TEMP%\a b.exe", Kind.FILE_PATH, r"%TEMP%\a b.exe"),
    ],
)
@pytest.mark.parametrize("frame", ["- {}", "{}", "| x | `{}` |", "```\n{}\n```", "Seen: ({})."])
def test_a_value_is_found_however_it_is_set(
    written: str, kind: Kind, value: str, frame: str
) -> None:
    """In a list, alone, in a table, in a block and in a sentence, defanged in the usual ways."""
    if frame.startswith("Seen") and " " in written:
        frame = "{}"  # a path with a blank ends at the blank in a sentence
    found, _ = read(f"# Report\n\n{frame.format(written)}\n")
    assert {one.kind for one in found.values() if one.value == value} == {kind}
    assert len(found) == 1


def test_what_a_report_refers_to_is_none_of_its_indicators() -> None:
    """Links, its own site, a list of references, the authors' address: each is a loss that says why."""
    found, losses = read(
        "# A campaign\n"
        "Our [post](https://blog.vendor-site.org/x) at Vendor-Site.org tells more; see https://other-vendor.net/y too.\n"
        "The implant asks `evil.example.com`. It was seen by cert.example.net.\n"
        "Write to analyst@vendor-site.org.\n\n"
        f"## References\n1. [Sample {MD5}](https://third-vendor.net/{SHA1}) hxxp://ref[.]example[.]com/\n\n"
        "## Contact us\n192.0.2.9, press@vendor-site.org\n\n"
        "## Indicators\n- 192.0.2.1\n"
    )
    assert set(found) == {"evil.example.com", "cert.example.net", "192.0.2.1"} - {
        "cert.example.net"
    }
    assert losses == {
        "https://blog.vendor-site.org/x": "a link of the report",
        "https://other-vendor.net/y": "a link of the report",
        "Vendor-Site.org": "the report links to this site: a reference",
        "cert.example.net": "a name in a sentence, as the author defangs what is meant",
        "analyst@vendor-site.org": "a mail address in a sentence: somebody's address, no indicator",
        MD5: "it stands in the references of the report",
        "https://third-vendor.net/" + SHA1: "it stands in the references of the report",
        "hxxp://ref[.]example[.]com/": "it stands in the references of the report",
        "192.0.2.9": "it stands in a part about the report or its authors",
        "press@vendor-site.org": "it stands in a part about the report or its authors",
    }


def test_a_live_name_in_a_sentence_is_a_guess_where_nothing_is_defanged() -> None:
    """Pasted text without defanging: names go in as guesses, but not those that are written like organisations."""
    text = "It asked evil.example.com and http://evil.example.com/gate, says Booking.com about ASP.NET."
    found, losses = read(text, Form.TEXT)
    assert {value: one.guessed for value, one in found.items()} == {
        "evil.example.com": True,
        "http://evil.example.com/gate": True,
    }
    assert "Booking.com" in losses
    found, losses = read(f"{text}\n192.0.2[.]1\n", Form.TEXT)
    assert set(found) == {"192.0.2.1"}
    assert losses["evil.example.com"] == "a name in a sentence, as the author defangs what is meant"


@pytest.mark.case("I15")
def test_names_of_files_are_no_domains() -> None:
    """Endings that files and domains share: a domain only where it is defanged or the report says that it lists domains."""
    found, losses = read(
        "# IoCs\n- `setup.exe`\n- `a.zip`\n- `b.sh`\n- `c.mov`\n- evil.example.com\n- d[.]zip\n"
    )
    assert {value: one.kind for value, one in found.items() if one.kind is Kind.DOMAIN} == {
        "evil.example.com": Kind.DOMAIN,
        "d.zip": Kind.DOMAIN,
    }
    assert losses["c.mov"] == "it may be the name of a file; written defanged it would be taken"
    assert not found["setup.exe"].detect
    assert (found["a.zip"].kind, found["a.zip"].detect) == (Kind.FILE_NAME, False)
    found, _ = read("## Domains\n- a.zip\n- b.sh\n")
    assert {value: one.guessed for value, one in found.items()} == {"a.zip": True, "b.sh": True}
    found, _ = read("## File names\n- setup.exe\n")
    assert found["setup.exe"].kind is Kind.FILE_NAME
    assert found["setup.exe"].detect


def test_program_code_gives_only_what_is_defanged() -> None:
    """Names of a program look like domains; rules of YARA are taken whole."""
    found, losses = read(
        "```js\nrequest.open('GET', 'hxxps://evil[.]example[.]com/x'); document.link; fetch('https://live.example.org/')\n```\n"
        f'```yara\nrule a {{ meta: hash = "{SHA256}" condition: true }}\n```\n'
        "```python\nhashlib.md5\n```\n"
    )
    rule = f'rule a {{ meta: hash = "{SHA256}" condition: true }}'
    assert {value: one.kind for value, one in found.items()} == {
        "https://evil.example.com/x": Kind.URL,
        rule: Kind.YARA,
    }
    assert losses == {"https://live.example.org/": "it stands live in quoted program code"}


def test_what_the_author_calls_legitimate_is_told_of_only() -> None:
    """At any place of the report; a remark about something else in the row changes nothing."""
    found, _ = read(
        f"| file | hash |\n|---|---|\n| Winword.exe (legitimate) | {SHA256} |\n"
        f"| a.dll, loaded by the legitimate Word | {SHA1} |\n\nAgain: {SHA256}\n"
    )
    assert not found[SHA256].detect
    assert found[SHA1].detect


def test_hashes_of_one_row_are_of_one_file() -> None:
    """Different kinds in one row or line make a group; two of one kind do not."""
    found, _ = read(
        f"| MD5 | SHA-1 |\n|---|---|\n| {MD5} | {SHA1} |\n\n- {SHA256} and {SHA256[::-1]}\n"
    )
    assert found[MD5].group == found[SHA1].group == "line 3"
    assert found[SHA256].group == ""


@pytest.mark.parametrize("form", Form)
def test_hashes_below_each_other_that_name_their_kinds_are_of_one_file(form: Form) -> None:
    """`MD5: ...`, `SHA-1: ...` of one file, then of the next; a list of MD5 followed by one of SHA-1 is none."""
    mark = "<br>" if form is Form.HTML else ""
    other = MD5[::-1]
    found, _ = read(
        f"MD5: {MD5}{mark}\nSHA-1: {SHA1}{mark}\nMD5: {other}{mark}\nSHA256: {SHA256}{mark}\n", form
    )
    assert found[MD5].group == found[SHA1].group != ""
    assert found[other].group == found[SHA256].group != found[MD5].group
    found, _ = read(f"{MD5}{mark}\n{SHA1}{mark}\n{SHA256}{mark}\n", form)
    assert {one.group for one in found.values()} == {""}


def test_a_finding_says_where_it_stands_and_what_is_around_it() -> None:
    """Line, the line itself, and the headings where the value stands alone. Twice in a report is once in the findings."""
    found, _ = read(
        f"Early on 192.0.2.1 was seen.\n# Malware\n## Dropper\n```\n{SHA256}\n```\nThe address 192.0.2.1 served it.\n"
    )
    assert (found[SHA256].place, found[SHA256].context) == (
        "line 5",
        f"Malware / Dropper: {SHA256}",
    )
    assert (found["192.0.2.1"].place, found["192.0.2.1"].context) == (
        "line 1",
        "Early on 192.0.2.1 was seen.",
    )


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        (f"- {SHA256[:-1]}", "63 hexadecimal digits: no kind of hash has that length"),
        ("- `http://192.0.2.1/{a,b}.bin`", "it has a hole in it: a template, no single address"),
        (
            "- hxxp://evil[.]example[.]com/<target>",
            "it has a hole in it: a template, no single address",
        ),
        ("- " + "0" * 64, "it is no hash: too few different digits"),
        ("- evil[.]nosuchending", "it ends in no top-level domain"),
        ("- server-{1,30}[.]example.com", "it has a hole in it: a template, no single name"),
        ("- 192.0.2.7/24", "it is no address, and no network whose host bits are zero"),
    ],
)
def test_what_looks_like_a_value_and_is_none_is_a_loss(text: str, lost: str) -> None:
    """The reader of the losses sees what to mend."""
    found, losses = read(text)
    assert found == {}
    assert list(losses.values()) == [lost]


@pytest.mark.parametrize(
    "text",
    [
        "Chrome/55.0.28.87 and version 10.0.19.44",
        "at 12:34:56 and 1:2:3 and std::vector::begin",
        "5a0a9aa9-23a4-4607-b6df-41a9950d210f",
        f"0x{SHA1} and 30819f{'0' * 200}",
        "See OSX.OceanLotus, System.IO.File, S0050 and G0016, T1, T10590.",
        "and/or, 24/7, text/html.",
        "base64,Y29uc3QgZ2V0X3NjcmlwdD0oKT0+e2NvbnN0IHJlcXVlc3Q9bmV3",
    ],
)
def test_what_only_looks_a_little_like_a_value_is_passed_over(text: str) -> None:
    """Versions, times, UUIDs, addresses of wallets, detection names."""
    assert read(text) == ({}, {})


def test_what_stands_before_a_colon_is_a_label_and_a_query_may_be_empty() -> None:
    """`crates.io: a` lists for crates.io; `http://.../x?` on its own line ends in its question mark."""
    found, _ = read(
        "- crates.io: `logtrace`\n- hxxp://evil[.]example[.]com/x?\nIs it hxxp://evil[.]example[.]com/y?\n"
    )
    assert set(found) == {"http://evil.example.com/x?", "http://evil.example.com/y"}


@pytest.mark.parametrize(
    "written",
    ["- *.evil.example.com", "| `*[.]evil[.]example.com` |", "Below *[.]evil[.]example[.]com: a"],
)
def test_a_wildcard_is_the_names_below_and_not_the_domain(written: str) -> None:
    """As in tables: what widens a value is a pattern that says so."""
    found, _ = read(f"{written}\n")
    assert [(one.kind, one.value) for one in found.values()] == [
        (Kind.PATTERN, "[domain-name:value LIKE '%.evil.example.com']")
    ]


def test_links_tell_of_techniques_and_samples() -> None:
    """A page of ATT&CK is a technique, a page of a sample its hash; neither address is an indicator."""
    found, _ = read(
        "[padding](https://attack.mitre.org/techniques/T1027/001/), "
        f"[this beacon](https://www.virustotal.com/gui/file/{SHA256}/detection), "
        "[a group](https://attack.mitre.org/groups/G0050/)\n"
    )
    assert {value: one.kind for value, one in found.items()} == {
        "T1027.001": Kind.TECHNIQUE,
        SHA256: Kind.SHA256,
    }


@pytest.mark.parametrize("form", Form)
def test_half_defanged_addresses_are_no_links(form: Form) -> None:
    """`http` left as it is, and only the dots in brackets: in a sentence and in a cell, in every form."""
    found, _ = read(
        "Asks http://a[.]example[.]com/x, then [http://b[.]example[.]com/y].\n\n"
        "|IoC|Type|\n|---|---|\n|http://192.0.2[.]1:8888/z|URL|\n",
        form,
    )
    assert set(found) == {
        "http://a.example.com/x",
        "http://b.example.com/y",
        "http://192.0.2.1:8888/z",
    }


def test_asciidoc_tables_and_escaped_links() -> None:
    """Rows over several lines, passed-through addresses, titles of blocks, live links left out."""
    found, losses = read(
        "= Report\n\nRead https://www.vendor-site.org/post[our post].\n\n.`netprov.dll`\n"
        f"- `{SHA256}`\n\n|====\n| MD5 | URL\n| `{MD5}`\n| `+http://evil[.]example[.]com/a.php+`\n|====\n\n"
        "- `\\http://live.example.org/`\n\n[source,python]\n----\nos.link\n----\n",
        Form.ASCIIDOC,
    )
    assert {value for value, one in found.items() if one.detect} == {
        SHA256,
        MD5,
        "http://evil.example.com/a.php",
        "http://live.example.org/",
    }
    assert found[SHA256].context == f"Report / netprov.dll: {SHA256}"
    assert losses == {"https://www.vendor-site.org/post": "a link of the report"}


def test_a_page_of_html_is_read_as_a_person_sees_it() -> None:
    """Scripts, styles, menus, footers and live links are left out; cells, code and text are read."""
    found, losses = read(
        "<!DOCTYPE html><html><head><style>a{b:url(http://style.example.org/)}</style></head><body>"
        "<nav><a href='https://www.vendor-site.org/'>vendor-site.org</a></nav><!-- 192.0.2.66 -->"
        "<script>var c2 = 'script.example.org'</script><h1>Report</h1>"
        "<p>It asks <code>evil.example.com</code>&nbsp;and hxxp://bad[.]example[.]net/?a=1&amp;b=2, see "
        "<a href='https://blog.other-site.org/'>https://blog.other-site.org/</a>.</p>"
        f"<table><tr><th>SHA-256</th><th>MD5</th></tr><tr><td>{SHA256[:30]}<wbr>{SHA256[30:]}</td><td>{MD5}</td></tr></table>"
        "<pre>192.0.2.1\n192.0.2.2</pre><h2>References</h2><ul><li>192.0.2.77</li></ul>"
        "<footer>vendor-site.org 192.0.2.88</footer>",
        Form.HTML,
    )
    assert set(found) == {
        "evil.example.com",
        "http://bad.example.net/?a=1&b=2",
        SHA256,
        MD5,
        "192.0.2.1",
        "192.0.2.2",
    }
    assert found[SHA256].group == found[MD5].group != ""
    assert {"192.0.2.77", "192.0.2.88", "https://blog.other-site.org/"} <= set(losses)
    assert not {"192.0.2.66", "script.example.org"} & set(losses)


@pytest.mark.parametrize("form", [Form.TEXT, Form.MARKDOWN, Form.ASCIIDOC])
def test_a_line_that_says_what_it_lists_is_a_list(form: Form) -> None:
    """`C2 servers: a, b` is no sentence; `Source: ...` and `More information: ...` say that they refer."""
    found, _ = read(
        "* Final URL: http://evil.example.com/a.exe\n* **C2 servers**: a.example.net, b.example.net and c.example.net\n"
        "A campaign was seen. C2 servers: e.example.net, hxxp://y[.]example[.]com/\n"
        "* Source URL: https://blog.example.org/\n* Seen at d.example.net in spring; hxxp://x[.]example[.]com/\n",
        form,
    )
    assert set(found) == {
        "http://evil.example.com/a.exe",
        "a.example.net",
        "b.example.net",
        "c.example.net",
        "http://x.example.com/",
        "e.example.net",
        "http://y.example.com/",
    }


def test_what_a_page_hides_becomes_no_indicator() -> None:
    """A page cannot slip in what its reader does not see; where the hiding ends, reading goes on."""
    found, losses = read(
        "<html><div style='display: none'>192.0.2.1 <div>hxxp://evil[.]example[.]com/</div> 192.0.2.2</div><p>192.0.2.3</p>"
        "<span hidden>192.0.2.4</span><p>192.0.2.5<br hidden>192.0.2.6</p><td style='font-size:0'>192.0.2.7</td>",
        Form.HTML,
    )
    assert set(found) == {"192.0.2.3", "192.0.2.5", "192.0.2.6"}
    assert {one for one, reason in losses.items() if "hidden" in reason} == {
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.4",
        "192.0.2.7",
        "hxxp://evil[.]example[.]com/",
    }


def test_a_signature_below_plain_text_is_left_out() -> None:
    """The line of two hyphens and a blank (RFC 3676), or a farewell near the end."""
    found, losses = read(
        "Seen: a.example.com, says http://b.example.com/\n-- \nA. Nalyst, 192.0.2.2\n", Form.TEXT
    )
    assert set(found) == {"a.example.com", "http://b.example.com/"}
    assert set(losses) == {"192.0.2.2"}
    found, losses = read(
        "Seen: 192.0.2.1\n\nKind regards,\nA. Nalyst\nwww.example.org\n", Form.TEXT
    )
    assert set(found) == {"192.0.2.1"}
    assert set(losses) == {"www.example.org"}


def test_kinds_that_only_a_heading_or_a_label_tells() -> None:
    """Mutexes and user agents have no look of their own."""
    found, _ = read(
        "## Mutexes\n```\nGlobal\\AppCompat-1387282152\n```\n## Config\nUser-Agent: Mozilla/5.0 (Windows NT 6.1) like Gecko\n"
    )
    assert {value: one.kind for value, one in found.items()} == {
        "Global\\AppCompat-1387282152": Kind.MUTEX,
        "Mozilla/5.0 (Windows NT 6.1) like Gecko": Kind.USER_AGENT,
    }


def test_a_report_that_is_too_long_is_refused_before_it_is_read() -> None:
    """With the way to go on."""
    with pytest.raises(InputRefused, match="--format csv or list"):
        next(read_report("a" * (MOST_CHARACTERS + 1), Form.TEXT))


@settings(max_examples=30)
@given(
    st.lists(st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True), min_size=1, max_size=4),
    st.sampled_from(["com", "ru", "info", "co.uk"]),
    st.sampled_from(["[.]", "(.)", "[dot]", " [.] "]),
    st.sampled_from(list(Form)),
)
def test_every_defanged_name_in_a_list_is_found(
    labels: list[str], ending: str, dot: str, form: Form
) -> None:
    """Whatever the form of the report and the way of defanging."""
    name = ".".join([*labels, ending])
    found, _ = read(f"* {name.replace('.', dot)}\n", form)
    assert [(one.kind, one.value) for one in found.values()] == [(Kind.DOMAIN, name)]


@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        "<!--",
        "`a ",
        "[a](",
        "http://",
        "a[.]",
        "| a ",
        " ",
        "**a ",
        "HKLM\\a",
        "a@",
        "# a\n",
        "1.",
        "(legit ",
        "hxxp://a[.]com/'",
        "alert tcp a -> b \\\n",
        "```\nalert tcp a -> b (",
        "## the victims ",
    ],
)
def test_no_text_makes_a_reader_slow(piece: str) -> None:
    """Time grows with the length only, for every form: 10,000 characters of a repeated piece in less than a second."""
    text = piece * (10_000 // len(piece))
    for form in Form:
        started = time.process_time()
        for _ in read_report(text, form):
            pass
        assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "above",
    [
        "## Victims\n- {}",
        "## 3.2 Known victims (May)\n{}",
        "## Indicators of compromise\n### Targets\n- {}",
        "**Targets:**\n- {}",
        "## Targeted organisations\n| name |\n| --- |\n| {} |",
        "## What we saw\n| c2 | victim |\n| --- | --- |\n| 192.0.2[.]9 | {} |",
        "## What we saw\n- Victims: {}",
        "It hit {} first.\n\n## Victims\n- {}",
    ],
)
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("shop[.]example[.]com", "shop.example.com"),
        ("hxxps://shop[.]example[.]com/a", "https://shop.example.com/a"),
        ("192.0.2[.]7", "192.0.2.7"),
        ("desk[@]example[.]com", "desk@example.com"),
    ],
)
def test_victims_are_told_of_however_they_are_written(above: str, written: str, value: str) -> None:
    """Defanged or not, nobody should block who was attacked; and nothing of it is lost."""
    found, _ = read(f"# Report\n\n{above.replace('{}', written)}\n")
    assert not found[value].detect
    assert all(one.detect for other, one in found.items() if other != value)


@pytest.mark.parametrize(
    "above",
    [
        "# APT 1 targets banks\n## Network\n- {}",
        "## Victims\n- {}\n\n## Indicators\n- {}",
        "## Targets\n### C2 servers\n- {}",
        "## Mails sent to victims\n- {}",
        "## Targeted attacks\n- {}",
    ],
)
def test_a_heading_that_only_speaks_of_victims_lists_none(above: str) -> None:
    """What the author defanged for us stays an indicator where the heading names no victims."""
    found, _ = read(f"{above.replace('{}', 'evil[.]example[.]com')}\n")
    assert found["evil.example.com"].detect


@pytest.mark.parametrize("mark", ["'", '"', "\u2019"])
@pytest.mark.parametrize(
    "frame", ["`{}`", "- Gate: `{}`", "| url |\n| --- |\n| `{}` |", "```\n{}\n```"]
)
@pytest.mark.parametrize("scheme", ["hxxps://", ""])
def test_an_address_in_code_is_whole_with_its_quotation_marks(
    mark: str, frame: str, scheme: str
) -> None:
    """What the author set apart ends where the code ends."""
    found, losses = read(frame.format(f"{scheme}tick[.]top/q?a=b{mark}c") + "\n")
    assert (len(found), losses) == (1, {})
    (value,) = found
    assert value.startswith("https://tick.top/q?a=b" if scheme else "tick.top/q?a=b")
    assert value.endswith("c")


def test_an_address_that_a_quotation_mark_cuts_says_so() -> None:
    """In a sentence a mark may be one around it: the part before is taken, and the rest is told. Marks around cut nothing."""
    found, losses = read("It asked hxxps://tick[.]top/q?a=b'c at noon.\n")
    assert set(found) == {"https://tick.top/q?a=b"}
    assert "quotation mark" in losses["hxxps://tick[.]top/q?a=b'c"]
    for text in (
        "It asked 'hxxps://tick[.]top/q?a=b' at noon.",
        'It asked "hxxps://tick[.]top/q?a=b", then.',
        "All of hxxps://tick[.]top/q?a=b's pages.",
        '`"hxxps://tick[.]top/q?a=b","hxxps://tick[.]top/r"`',
        "```\nhxxps://tick[.]top/q?a=b','hxxps://tick[.]top/r\n```",
    ):
        found, losses = read(text + "\n")
        assert "https://tick.top/q?a=b" in found
        if text[0] != "`":
            assert losses == {}


RULE = (
    'alert http $HOME_NET any -> $EXTERNAL_NET any (msg:"T1059 to gate"; http.host; content:"shop.evil-nl.com"; '
    'pcre:"/\\/a*_b_*\\|c/"; content:"|0d 0a|hxxp"; sid:1000001; rev:1;)'
)


@pytest.mark.parametrize("form", [Form.MARKDOWN, Form.TEXT])
@pytest.mark.parametrize("frame", ["```\n{}\n```", "```suricata\n# ours\n{}\n```", "{}"])
def test_rules_of_snort_are_taken_unchanged(form: Form, frame: str) -> None:
    """In a block, with a language or not, or alone: two rules, and nothing of what they name."""
    second = RULE.replace("1000001", "1000002")
    found, losses = read(f"# Rules\n\n{frame.format(f'{RULE}{chr(10)}{second}')}\n", form)
    assert {one.value: one.kind for one in found.values()} == {
        RULE: Kind.SNORT,
        second: Kind.SNORT,
    }
    assert losses == {}


def test_a_rule_over_lines_is_one_and_what_is_no_rule_is_told() -> None:
    """Lines are joined; a rule that is switched off or broken is a loss, and the values behind it are taken."""
    found, losses = read(
        "```\n"
        'alert tcp any any -> any 80 ( \\\n  msg:"a"; content:"shop.evil-nl.com"; \\\n  sid:7;)\n'
        "# " + RULE + "\n"
        'alert dns any any -> any any (msg:"shop.evil-nl.com")\n'
        "192.0.2.7\n"
        "```\n"
        "block ip 192.0.2.8 (a server)\n"
    )
    assert set(found) == {
        'alert tcp any any -> any 80 ( msg:"a"; content:"shop.evil-nl.com"; sid:7;)',
        "192.0.2.7",
        "192.0.2.8",
    }
    assert sorted(losses.values()) == [
        "it is a rule that is switched off; without its # it is taken",
        "it is no whole rule",
    ]


@pytest.mark.parametrize(
    ("form", "frame"),
    [(Form.ASCIIDOC, "----\n{}\n----"), (Form.HTML, "<pre>{}</pre>")],
)
def test_rules_of_snort_in_other_forms(form: Form, frame: str) -> None:
    """Blocks of AsciiDoc and pages."""
    found, _ = read(frame.format(RULE) + "\n", form)
    assert list(found) == [RULE]


@pytest.mark.parametrize(
    "line",
    [
        r"%windir%\sysnative\rundll32.exe",
        r"C:\Windows\System32\cmd.exe",
        r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
        r"D:\work\x\release\loader.pdb",
        r"C:\Users\me\.cargo\registry\src\mirror",
        "/etc/passwd",
        r"C:\Users\Anna Müller\AppData\Roaming\evil.exe",
        "/home/anna/.config/evil",
        r"HKLM\Software\Microsoft\Windows\CurrentVersion\Run",
    ],
)
def test_what_every_machine_has_is_told_of_and_not_looked_for(line: str) -> None:
    """An indicator of such a path or key would find each machine, or only the one where the program was made."""
    found, _ = read(f"# Indicators\n\n```\n{line}\n```\n")
    assert [one.detect for one in found.values()] == [False]


@pytest.mark.parametrize(
    "line",
    [
        r"C:\ProgramData\rundll32.exe",
        r"C:\Windows\System32\wksprtcli.dll",
        r"C:\Windows\svch0st.exe",
        "/etc/cron.d/evil",
        r"C:\Users\Public\evil.exe",
        r"C:\Users\%USERNAME%\evil.exe",
        r"C:\Users\user\evil.exe",
        r"HKLM\Software\Microsoft\Windows\CurrentVersion\Run\Updater",
    ],
)
def test_the_name_of_a_system_program_elsewhere_is_looked_for(line: str) -> None:
    """A known name in another folder, or an unknown one in a known folder, is a sign."""
    found, _ = read(f"# Indicators\n\n```\n{line}\n```\n")
    assert [one.detect for one in found.values()] == [True]


def test_a_path_is_as_long_as_it_is_written() -> None:
    """In quotation marks with its blanks, without options; doubled backslashes are of the quoting; of many files their folder."""
    found, _ = read(
        'Run "C:\\Program Files\\Evil Corp\\a b.exe" or "C:\\Users\\x\\b.exe -o pool" daily.\n\n'
        "`C:\\Users\\Public\\%COMPUTERNAME%[1]_`\n"
    )
    found |= read('files: "D:\\\\data\\\\logs\\\\W3SVC*\\\\*.log"\n', Form.TEXT)[0]
    assert {value: one.detect for value, one in found.items()} == {
        r"C:\Program Files\Evil Corp\a b.exe": True,
        r"C:\Users\x\b.exe": True,
        r"C:\Users\Public\%COMPUTERNAME%[1]_": True,
        "D:\\data\\logs\\": False,
    }


def test_a_question_mark_at_the_end_of_an_address_of_its_own_line_is_its_own() -> None:
    """`/index.php?` alone on a line asks with an empty query; in a sentence the mark is the sentence's."""
    found, _ = read(
        "```\nevil[.]example[.]com/index.php?\n```\n\nIs it evil[.]example[.]com/b.php?\n"
    )
    assert set(found) == {"evil.example.com/index.php?", "evil.example.com/b.php"}


def test_a_line_below_a_heading_of_user_agents_is_one_whole_agent() -> None:
    """Also where it ends in a word without a version; a remark behind it is cut off."""
    agents = (
        "Mozilla/5.0 (Windows NT 8.0; WOW64; rv:40.0) Gecko",
        "Mozilla/5.0 (compatible; MSIE 9.0) Trident special",
    )
    found, _ = read(f"#### User Agents\n```\n{agents[0]}\n{agents[1]} - the loader\n```\n")
    assert set(found) == set(agents)


def test_names_without_an_ending_are_files_in_a_block_of_file_names() -> None:
    """In a cell or a sentence below the same heading they are words."""
    found, _ = read(
        "## File names\n```\nMafia 1\nsetup.exe\n```\n\n| what | why |\n|--|--|\n| Mafia 2 | x |\n"
    )
    assert set(found) == {"Mafia 1", "setup.exe"}
