"""Whole rules in reports of every form: taken as they are, and nothing inside them is a value."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.recognising import Format, recognise
from cert_exchange.intake.reports.passages import Passage, Role
from cert_exchange.intake.reports.reading import Form, choose_of, read_report
from cert_exchange.intake.reports.written_rules import with_rules
from cert_exchange.intake.values import normalise

SAMPLES = Path(__file__).parents[2] / "samples"
SNORT_LINES = (
    'alert tcp $HOME_NET any -> $EXTERNAL_NET 80 (msg:"Evil beacon";',
    '    content:"Host: victim.example.org"; content:"|0d 0a|";',
    "    sid:1000001; rev:1;)",
)
SNORT = " ".join(line.strip() for line in SNORT_LINES)
YARA = """import "pe"

rule Evil : trojan
{
  meta:
    hash = "d560f44188fb56d3abb11d9508e1167329470de19b811163eb1167534722e666"
  strings:
    $a = "http://victim.example.org/}"
    $b = { 65 23 FB }
  condition:
    pe.is_dll() and any of them
}"""
SIGMA = """title: Evil
logsource:
  product: windows
detection:
  selection:
    Host: victim.example.org
  condition: selection"""


def paragraph(text: str) -> str:
    return text


def in_block(text: str) -> str:
    return f"----\n{text}\n----"


def fenced(text: str) -> str:
    return f"```\n{text}\n```"


def preformatted(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"


def in_lines_of_html(text: str) -> str:
    return "<p>" + "<br>\n".join(html.escape(line) for line in text.splitlines()) + "</p>"


@pytest.mark.parametrize("rule", [SNORT_LINES, YARA, SIGMA], ids=["snort", "yara", "sigma"])
@pytest.mark.parametrize(
    ("form", "frame"),
    [
        (Form.TEXT, paragraph),
        (Form.MARKDOWN, paragraph),
        (Form.MARKDOWN, fenced),
        (Form.ASCIIDOC, paragraph),
        (Form.ASCIIDOC, in_block),
        (Form.HTML, preformatted),
    ],
)
def test_a_rule_over_several_lines_is_taken_whole(
    rule: str | tuple[str, ...], form: Form, frame: Callable[[str], str]
) -> None:
    """And the host of the victim that it looks for is no indicator; what stands around it is read as ever."""
    text = rule if isinstance(rule, str) else "\n".join(rule)
    around = f"Seen at hxxp://evil[.]example[.]com/a.\n\n{frame(text)}\n\nhxxp://evil[.]example[.]com/b\n"
    out = list(read_report(f"<p>{around}</p>" if form is Form.HTML else around, form))
    found = [
        (one.kind, one.value.replace('"\n\nrule', '"\nrule'))
        for one in out
        if isinstance(one, Finding)
    ]
    whole = {
        SNORT_LINES: (Kind.SNORT, SNORT),
        YARA: (Kind.YARA, YARA.replace("\n\nrule", "\nrule")),
        SIGMA: (Kind.SIGMA, SIGMA),
    }
    assert found == [
        (Kind.URL, "http://evil.example.com/a"),
        whole[rule],
        (Kind.URL, "http://evil.example.com/b"),
    ]


def test_a_rule_that_a_page_breaks_is_joined() -> None:
    """In HTML by <br>, in a PDF at the width of its page and over the foot that stands on every page."""
    page = in_lines_of_html("\n".join(SNORT_LINES))
    found = [one for one in read_report(page, Form.HTML) if isinstance(one, Finding)]
    assert [(one.kind, one.value) for one in found] == [(Kind.SNORT, SNORT)]
    lines = [
        Passage(line.strip(), "page 1", Role.PROSE, row=at) for at, line in enumerate(SNORT_LINES)
    ]
    lines.insert(2, Passage("Report 7", "page 1, line 60", Role.FOOTER, row=9))
    found = [one for one in choose_of(with_rules(lines)) if isinstance(one, Finding)]
    assert [(one.kind, one.value) for one in found] == [(Kind.SNORT, SNORT)]


def test_a_rule_that_never_ends_is_a_loss_and_takes_nothing_with_it() -> None:
    """The lines below it that are none of a rule are read."""
    text = 'alert tcp any any -> any any (msg:"cut";\ncontent:"victim.example.org";\n\nhxxp://evil[.]example[.]com/a\n'
    out = list(read_report(text, Form.TEXT))
    assert [one.value for one in out if isinstance(one, Finding)] == ["http://evil.example.com/a"]
    assert [one.reason for one in out if isinstance(one, Loss)] == ["it is no whole rule"]


def test_words_that_begin_like_a_rule_are_words() -> None:
    """A sentence about a rule, a rule without a condition, a title without what Sigma asks for."""
    text = "rule of thumb: x\nrule Evil\nis a name\ntitle: Report\nhxxp://evil[.]example[.]com/a\n"
    out = list(read_report(text, Form.TEXT))
    assert [one.value for one in out if isinstance(one, Finding)] == ["http://evil.example.com/a"]


@pytest.mark.parametrize(
    "line", ["rule a {", "title: a", "alert tcp a -> b (", 'rule a { strings: $a = "' + '"a' * 50]
)
def test_beginnings_of_rules_without_an_end_cost_no_more_than_lines(line: str) -> None:
    """Four thousand of them are read in the time of a report."""
    begun = time.process_time()
    list(read_report(f"{line}\n" * 4_000, Form.TEXT))
    assert time.process_time() - begun < 2


def test_the_rules_of_a_file_for_a_program_are_taken_one_by_one() -> None:
    """CISA's file in YAML has eight rules of YARA in its blocks; the vulnerabilities that they name are told."""
    path = SAMPLES / "ioc-lists" / "cisa-aa21-062a.yaml"
    assert recognise(path.name, path.read_bytes()).format is Format.TEXT
    found = [one for one in read_report(path.read_text(), Form.TEXT) if isinstance(one, Finding)]
    rules = [one.value for one in found if one.kind is Kind.YARA]
    assert len(rules) == 8
    assert all(rule == normalise(Kind.YARA, rule) and rule.startswith("rule ") for rule in rules)
    assert "CVE-2021-27065" in {one.value for one in found}


@pytest.mark.parametrize("name", ["a.yar", "a.yara", "a.yml", "a.yaml", "a.rules"])
def test_a_file_of_rules_is_read_as_text(name: str) -> None:
    """Whatever its lines look like."""
    text = SIGMA + "\n- evil.example.com\n- two.example.com\n"
    assert recognise(name, text.encode()).format is Format.TEXT
