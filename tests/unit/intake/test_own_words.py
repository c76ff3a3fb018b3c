"""What lists, tables and reports say of their own circle in words is never passed over."""

from __future__ import annotations

import pytest

from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.intake.own_words import own_words
from cert_exchange.intake.reports.reading import Form, read_report
from cert_exchange.intake.tables.proposing import propose
from cert_exchange.intake.tables.reading import read_table
from cert_exchange.stix.markings import TLP_BY_ID, Tlp


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("# TLP:AMBER - do not share", Tlp.AMBER),
        ("tlp: white", Tlp.CLEAR),
        ("TLP RED", Tlp.RED),
        ("TLP=GREEN; PAP:AMBER", Tlp.GREEN),
        ("Marked TLP:AMBER+STRICT.", Tlp.AMBER_STRICT),
        ("TLP: AMBER STRICT", Tlp.AMBER_STRICT),
        ("Traffic Light Protocol: amber", Tlp.AMBER),
        ("TLP v2.0: GREEN", Tlp.GREEN),
        ("TLP:GREEN, its annex TLP:AMBER", Tlp.AMBER),
        ("TLP:PURPLE", Tlp.RED),
        ("see https://first.org/tlp/ for TLP", None),
        ("the file tlp.red and tlp-red.example", None),
        ("tlp red", Tlp.RED),
        ("TLP：RED", Tlp.RED),
        ("ＴＬＰ：ＲＥＤ", Tlp.RED),
        ("TLP – RED", Tlp.RED),
        ("TLP:КРАСНЫЙ", Tlp.RED),
        ("TLP: зелёный", Tlp.GREEN),
        ("TLP:红", Tlp.RED),
        ("TLP：绿色文件，不得转发", Tlp.GREEN),
        ("TLP: 極秘", Tlp.RED),
        ("TLP:\nRED", Tlp.RED),
        ("TLP\nAMBER\n", Tlp.AMBER),
        ("| TLP | RED |", Tlp.RED),
        ("TLP: **RED**", Tlp.RED),
        ("**TLP:** RED", Tlp.RED),
        ("TLP:<b>RED</b>", Tlp.RED),
        ("<p>TLP:<b>RED</b></p><p>hm3[.]evil.com</p>", Tlp.RED),
        ('<img src="x.png" alt="TLP:RED">', Tlp.RED),
        ('tlp = "amber"', Tlp.AMBER),
        ('"tlp": "red"', Tlp.RED),
        ("tlp: 'green'", Tlp.GREEN),
        ("<tr><td>TLP</td><td class='x'>RED</td></tr>", Tlp.RED),
        ("TLP:  RED", Tlp.RED),
        ("TLP:\u200b\u00a0RED", Tlp.RED),
        ("TLPv2: RED", Tlp.RED),
        ("Traffic Light Protocol RED", Tlp.RED),
        ("Traffic-Light-Protocol: AMBER", Tlp.AMBER),
        ("TLP/RED", Tlp.RED),
        ("TLP (AMBER+STRICT)", Tlp.AMBER_STRICT),
        ("TLP: PURPLE", Tlp.RED),
        ("TLP:RED.The next", Tlp.RED),
        ("| TLP | Meaning |", None),
        ("TLP: what it means", None),
        ("TLP: https://first.org", None),
        ("TLP:tlp.example.org", None),
    ],
)
def test_the_strictest_level_that_words_name_counts(text: str, level: Tlp | None) -> None:
    """Spelled as people spell it; a word about markings is none."""
    assert own_words(text).tlp is level


def levels(pieces: list[Finding | Loss]) -> list[tuple[str, list[Tlp]]]:
    return [
        (one.value, sorted(TLP_BY_ID[marking] for marking in one.markings))
        for one in pieces
        if isinstance(one, Finding)
    ]


def test_a_comment_marks_what_stands_below_it_and_never_loosens() -> None:
    """In a list and in a table; a level in a row is that row's; each is told of with its line."""
    raw = b"192.0.2.1\n# TLP:AMBER\n192.0.2.2\n# TLP:GREEN\nevil.com # TLP:RED\n192.0.2.3\n"
    out = list(read_table([raw], propose(raw)))
    assert levels(out) == [
        ("192.0.2.1", []),
        ("192.0.2.2", [Tlp.AMBER]),
        ("evil.com", [Tlp.RED]),
        ("192.0.2.3", [Tlp.AMBER]),
    ]
    assert [(one.place, one.reason) for one in out if isinstance(one, Loss)] == [
        ("line 2", "says TLP:AMBER: what stands below is marked so, whatever is said besides"),
        ("line 4", "says TLP:AMBER: what stands below is marked so, whatever is said besides"),
    ]
    raw = b"Of the week TLP:GREEN,,\nip,tlp,internal\n192.0.2.1,amber,\n192.0.2.2,,TLP:RED\n"
    out = list(read_table([raw], propose(raw)))
    assert levels(out) == [
        ("192.0.2.1", [Tlp.GREEN, Tlp.AMBER]),
        ("192.0.2.2", [Tlp.RED]),
    ]


def test_what_may_be_done_with_it_counts_as_well() -> None:
    """PAP above a list and in a row, the stricter of both, as the label that partners read."""
    raw = b"# PAP:GREEN, TLP:GREEN\n192.0.2.1\nevil.com # pap:red\n"
    out = list(read_table([raw], propose(raw)))
    assert [one.labels for one in out if isinstance(one, Finding)] == [("PAP:GREEN",), ("PAP:RED",)]
    (told,) = [one for one in out if isinstance(one, Loss)]
    assert told.reason.startswith("says TLP:GREEN and PAP:GREEN: what stands below")


def test_a_report_marks_all_that_it_says() -> None:
    """Wherever it stands, also behind the indicators."""
    text = "We saw the server 192[.]0[.]2[.]1 of the group.\n\nThis report is TLP:AMBER+STRICT.\n"
    out = list(read_report(text, Form.TEXT))
    assert levels(out) == [("192.0.2.1", [Tlp.AMBER_STRICT])]
    (told,) = [one for one in out if isinstance(one, Loss)]
    assert (told.place, told.what) == ("the text", "TLP:AMBER+STRICT")


def test_a_legend_of_all_levels_states_none() -> None:
    """A head of a page states a level; sentences that explain all of them count only where none does."""
    seen = "We saw the server 192[.]0[.]2[.]1 of the group.\n\n" + "It was there for long.\n" * 10
    legend = (
        "Sources may use TLP:RED when information cannot be effectively acted upon without significant risk, TLP:AMBER"
        " when it requires support, TLP:GREEN when it is useful for the awareness of all, and TLP:CLEAR otherwise.\n"
    )
    assert levels(list(read_report(f"TLP:GREEN\n\n{seen}{legend}", Form.TEXT))) == [
        ("192.0.2.1", [Tlp.GREEN])
    ]
    assert levels(list(read_report(seen + legend, Form.TEXT))) == [("192.0.2.1", [Tlp.RED])]


def test_a_stricter_level_in_a_sentence_counts_though_a_short_line_is_looser() -> None:
    """It is no legend: it names one level, and it is about what stands there."""
    text = (
        "TLP:GREEN\n\nWe saw 192[.]0[.]2[.]1.\n\nThe indicators that follow were given to us by another service under TLP:RED and must"
        " never be shared with anybody outside: hush1[.]example[.]com\n"
    )
    out = list(read_report(text, Form.TEXT))
    assert {level for _, found in levels(out) for level in found} == {Tlp.RED}


def test_a_legend_over_several_lines_states_none() -> None:
    """As the protocol explains its levels, one below the other; one at the head of the text is no legend."""
    legend = (
        "TLP:RED\nNot for disclosure, restricted to participants only.\nTLP:AMBER\nLimited disclosure, restricted to participants'"
        " organizations.\nTLP:GREEN\nLimited disclosure, restricted to the community.\nTLP:CLEAR\nDisclosure is not limited.\n"
    )
    seen = "We saw the server 192[.]0[.]2[.]1.\n" + "It was there for long.\n" * 10
    out = list(read_report(f"TLP:GREEN\n\n{seen}\n{legend}", Form.TEXT))
    assert levels(out) == [("192.0.2.1", [Tlp.GREEN])]
    out = list(read_report(f"{legend}\n{seen}\nTLP:GREEN\n", Form.TEXT))
    assert levels(out) == [("192.0.2.1", [Tlp.RED])]


@pytest.mark.parametrize(
    "words", ["from service X under tlp red; do not share", "**TLP:** RED", "TLP：RED"]
)
def test_words_of_a_row_mark_it_however_they_are_written(words: str) -> None:
    """Under a looser comment above."""
    raw = f"# TLP:GREEN\nioc,comment\nevil.com,{words}\ntwo.com,x\n".encode()
    found = dict(levels(list(read_table([raw], propose(raw)))))
    assert max(found["evil.com"]) is Tlp.RED
    assert max(found["two.com"]) is Tlp.GREEN
