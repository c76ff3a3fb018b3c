"""publish of what is no STIX, as a person at the desk uses it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli

from cert_exchange.cli.exits import ExitCode

TABLE = b"value,comment\n203.0.113.7,C2\nevil.test,C2\nno value,x\n8.8.8.8,dns\n"


def write(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def test_a_table_is_shown_and_published_and_adds_nothing_twice(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """Columns, values, losses with their lines, warnings with what follows; then what became of it."""
    file = write(tmp_path, "feed.csv", TABLE)
    looked = cli("publish", file, "--tlp", "green", "--dry-run")
    assert looked.code == 0
    assert "evil.test" in looked.out
    assert "line 4, column value" in looked.out
    assert "benign" in looked.out
    assert "nothing was stored" in looked.err
    first = cli("publish", file, "--tlp", "green", "--json").json()
    [one] = first["inputs"]
    assert first["stored"] is True
    assert one["looked_for"] == {"ipv4": 2, "domain": 1}
    assert one["values"] == {"new": 3}
    assert set(one["results"]) == {"accepted"}
    assert one["held"] >= 1
    assert [loss["place"] for loss in one["losses"]] == ["line 4, column value"]
    again = cli("publish", file, "--tlp", "green")
    assert again.code == 0
    assert "duplicate" in again.err
    assert "accepted" not in again.err


def test_all_losses_go_to_a_file(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """A line each, with its place; the file must be new."""
    file = write(tmp_path, "feed.csv", TABLE)
    out = tmp_path / "losses.tsv"
    ran = cli("publish", file, "--tlp", "green", "--dry-run", "--losses", out)
    assert ran.code == 0
    assert [line.split("\t")[0] for line in out.read_text().splitlines()] == [
        "line 4, column value"
    ]
    assert cli("publish", file, "--tlp", "green", "--dry-run", "--losses", out).code != 0


def test_a_program_is_told_what_a_person_is(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """One document in the end says of what was stored all that a look at it says, and its losses go to the same file."""
    file = write(tmp_path, "feed.csv", TABLE)
    there, here = tmp_path / "looked.tsv", tmp_path / "stored.tsv"
    [looked] = cli(
        "publish", file, "--tlp", "green", "--dry-run", "--json", "--losses", there
    ).json()["inputs"]
    [stored] = cli("publish", file, "--tlp", "green", "--json", "--losses", here).json()["inputs"]
    assert {name: stored[name] for name in looked if name != "seen"} == {
        name: value for name, value in looked.items() if name != "seen"
    }
    assert here.read_text() == there.read_text() != ""


def test_nothing_is_stored_when_an_input_cannot_be_read(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """All inputs are read to their ends first, for a person and for a program."""
    good = write(tmp_path, "feed.csv", TABLE)
    bad = write(tmp_path, "report.pdf", b"%PDF-1.4 and nothing that is one")
    for words in ((), ("--json",)):
        ran = cli("publish", good, bad, "--tlp", "green", "--yes", *words)
        assert ran.code != 0
        assert "cannot be read as a PDF" in ran.err
        assert cli("status", "--json").json()["views"][0]["visible"] == 0


def test_standard_input_is_read_twice_and_stored_once(cli: Cli, node_with_b: Path) -> None:
    """A pipe cannot be read again, so it is kept until the end."""
    ran = cli(
        "publish", "-", "--format", "list", "--tlp", "green", stdin=b"evil[.]test\n203.0.113.9\n"
    )
    assert ran.code == 0
    assert "2 values (2 new)" in ran.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("feed.csv", b"<!DOCTYPE html><html><body>sign in</body></html>", "This is HTML, not CSV"),
        ("x.docx", b"PK\x03\x04abc", "a ZIP archive or an Office document"),
        ("x.txt", b"nothing to see here, move on\n", "can be published"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence(
    cli: Cli, node_with_b: Path, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    """Exit code 1 and a reason; nothing is stored."""
    ran = cli("publish", write(tmp_path, name, content))
    assert ran.code == 1
    assert words in ran.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tlp", "purple"), "is no TLP"),
        (("--format", "xls"), "is no format"),
        (("--valid-for", "long"), "is no duration"),
        (("--profile", "none-of-ours"), "no profile"),
        (("--around", "box"), "nothing to put around"),
    ],
)
def test_a_word_that_is_none_is_refused_with_those_that_are(
    cli: Cli, node_with_b: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    """Before anything is read."""
    ran = cli("publish", write(tmp_path, "feed.csv", TABLE), *options)
    assert ran.code != 0
    assert words in ran.err


def test_a_guess_on_a_terminal_stores_nothing_until_a_person_says_so(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """The program itself on a terminal: a look by default, and how to go on."""
    file = write(tmp_path, "feed", TABLE)
    shown, code = on_a_terminal("publish", str(file), "--tlp", "green")
    assert "Nothing was stored, since this was a guess" in shown
    assert code == ExitCode.REFUSED
    assert on_a_terminal("publish", str(file), "--tlp", "green", "--dry-run")[1] == ExitCode.OK
    assert "--yes" in shown
    assert cli("publish", file, "--tlp", "green", "--dry-run", "--json").json()["inputs"][0][
        "values"
    ] == {"new": 3}


def on_a_terminal(*arguments: str) -> tuple[str, int]:
    """What the program writes to a terminal, in one line of words, and its exit code."""
    ours, its = pty.openpty()
    program = Path(sys.executable).with_name("cert-exchange")
    process = subprocess.Popen([program, *arguments], stdin=its, stdout=its, stderr=its)
    os.close(its)
    shown = b""
    while True:
        try:
            block = os.read(ours, 65_536)
        except OSError:  # the other side is closed
            break
        if not block:
            break
        shown += block
    os.close(ours)
    return " ".join(shown.decode().split()), process.wait()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("event.json", '{"Event": ['),
        ("x.json", '{"a": 1}'),
        ("ioc.xml", "<ioc><a></ioc>"),
        ("r.pdf", "%PDF-1.4 nothing"),
    ],
)
def test_what_is_refused_names_its_file(
    cli: Cli, node_with_b: Path, tmp_path: Path, name: str, body: str
) -> None:
    """One of several files, whatever it was taken for; what is no STIX is not told of --tlp."""
    good = write(tmp_path, "good.csv", TABLE)
    for options in ((), ("--tlp", "green")):
        ran = cli("publish", good, write(tmp_path, name, body.encode()), *options)
        assert ran.code == ExitCode.REFUSED
        assert name in ran.err
        assert "--confidence" not in ran.err


def test_what_a_warning_refuses_is_an_exit_code(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """The others go in; a value is not refused for a text that is left out."""
    file = write(tmp_path, "intake.yaml", b"warnings: {benign: refuse, personal: refuse}\n")
    assert cli("intake", "apply", file, "--reason", "agreed").code == ExitCode.OK
    rows = b"ip,comment\n8.8.8.8,x\n45.9.8.7,mail of anna.miller@firm-t.com\n"
    ran = cli("publish", write(tmp_path, "w.csv", rows), "--tlp", "green")
    assert ran.code == ExitCode.REFUSED
    assert "refused by a warning (benign)" in ran.out
    assert "personal" not in ran.out
    again = cli("publish", write(tmp_path, "w.csv", rows), "--tlp", "green", "--json")
    assert again.json()["inputs"][0]["results"]["duplicate"] >= 1


def test_a_list_is_emptied_only_when_a_person_says_so(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """Also where the format is stated, and for a program; then what it named can be delisted by its name."""
    file = tmp_path / "daily.txt"
    asked = ("publish", file, "--tlp", "green", "--format", "list")
    file.write_text("one.badzone.top\ntwo.badzone.top\n")
    assert cli(*asked).code == 0
    file.write_text("# none today\n")
    for more in ((), ("--json",)):
        refused = cli(*asked, *more)
        assert (refused.code, "--yes empties the list" in refused.err) == (1, True)
    emptied = cli(*asked, "--yes")
    assert (emptied.code, "names 2 objects which this input does not" in emptied.err) == (0, True)
    gone = cli("delist", "daily.txt", "--reason", "not listed")
    assert "2 indicators revoked" in gone.err
    assert "still shared: 2 observables with their values" in gone.err
