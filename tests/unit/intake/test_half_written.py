"""What is nearly a value: taken where it says one for certain, else told, and never cut into something else."""

from __future__ import annotations

import pytest

from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.reports.reading import Form, read_report

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SPACED = " ".join(SHA256[at : at + 8].upper() for at in range(0, 64, 8))


def read(text: str) -> tuple[list[tuple[Kind, str]], list[str]]:
    out = list(read_report(text, Form.TEXT))
    found = [(one.kind, one.value) for one in out if isinstance(one, Finding)]
    return found, [one.what for one in out if isinstance(one, Loss)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("185 . 130 . 1 . 1", Kind.IPV4, "185.130.1.1"),
        ("185.77.3.0 255.255.255.0", Kind.IPV4, "185.77.3.0/24"),
        ("185.77.3.0/255.255.255.0", Kind.IPV4, "185.77.3.0/24"),
        ("185.77.3.7 mask 255.255.255.255", Kind.IPV4, "185.77.3.7"),
        (f"SHA256: {SPACED}", Kind.SHA256, SHA256),
        (r"mutex: Global\evil", Kind.MUTEX, r"Global\evil"),
        (
            r"dropped in C:\Users\Anna Müller\AppData\Roaming\evil.exe today",
            Kind.FILE_PATH,
            r"C:\Users\Anna Müller\AppData\Roaming\evil.exe",
        ),
        (r"C:\a\b.exe writes Software\Run", Kind.FILE_PATH, r"C:\a\b.exe"),
    ],
)
def test_what_says_one_value_for_certain_is_that_value(text: str, kind: Kind, value: str) -> None:
    """However people write it, and nothing else."""
    assert read(text)[0] == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "185.130.2.0 - 185.130.2.255",
        "185[.]130[.]2[.]0-20",
        "185.130.3.*",
        "185.77.3.5 255.255.255.0",
        "1[.]2[.]3",
        "evil-txt2 DOT net",
        "meow://evil-txt8[.]com/y",
        "CVE-1900-1",
        "TA0001",
        "AS3320",
    ],
)
def test_what_says_none_or_several_is_told_and_no_part_of_it_is_taken(text: str) -> None:
    """A range is not its ends, a template not its beginning."""
    assert read(f"Seen: {text} there.") == ([], [text])


def test_a_path_in_a_sentence_is_told_and_hides_none_behind_it() -> None:
    """Two on one line are both looked at."""
    found, lost = read(r"The file %APPDATA%\evil.dll was copied, and /tmp/.x/evil too.")
    assert found == [(Kind.FILE_PATH, r"%APPDATA%\evil.dll")]
    assert lost == ["/tmp/.x/evil"]


def test_the_folder_of_a_person_is_told_of_only() -> None:
    """A name of somebody is no sign of an attack."""
    out = list(read_report(r"It went to C:\Users\Anna today", Form.TEXT))
    assert [one.detect for one in out if isinstance(one, Finding)] == [False]


def test_a_bar_in_an_address_is_its_own_where_its_author_set_it_apart() -> None:
    """In a cell of Markdown it is escaped; between bars that divide values it is none of them."""
    text = "| a | b |\n|---|---|\n| `hxxp://e[.]example[.]com/q?x=1\\|2` | c |\n\n`http://f.example.net/x|192.0.2.1`\n"
    found = {one.value for one in read_report(text, Form.MARKDOWN) if isinstance(one, Finding)}
    assert found == {"http://e.example.com/q?x=1%7C2", "http://f.example.net/x", "192.0.2.1"}
