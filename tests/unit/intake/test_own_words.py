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
        ("tlp red", None),
        ("TLP: https://first.org", None),
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
    seen = "We saw the server 192[.]0[.]2[.]1 of the group.\n\n"
    legend = (
        "Sources may use TLP:RED when information cannot be effectively acted upon without significant risk, TLP:AMBER"
        " when it requires support, TLP:GREEN when it is useful for the awareness of all, and TLP:CLEAR otherwise.\n"
    )
    assert levels(list(read_report(f"TLP:GREEN\n\n{seen}{legend}", Form.TEXT))) == [
        ("192.0.2.1", [Tlp.GREEN])
    ]
    assert levels(list(read_report(seen + legend, Form.TEXT))) == [("192.0.2.1", [Tlp.RED])]
