"""Profiles of tables at the command line: what columns are taken for is shown, kept, corrected by a person, used."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli

SAMPLES = Path(__file__).parents[1] / "samples" / "ioc-lists"


def test_what_is_told_of_a_table_is_shown_kept_and_corrected(cli: Cli, home: Path) -> None:
    """Guesses are said; a file that a person changed is used, and is not written over."""
    table = SAMPLES / "sekoia-calisto-certs-emails-ips.csv"
    shown = cli("profile", "columns", table)
    assert [row["holds"] for row in shown.rows()] == ["sha1", "email", "ipv4"]
    assert "a guess: column 1: its values look like sha1" in shown.err
    kept = cli("profile", "make", "calisto", table)
    assert "publish FILE --profile calisto" in kept.err
    file = home / "profiles" / "calisto.yaml"
    file.write_text(file.read_text().replace("sha1", "certificate"))
    again = cli("profile", "make", "calisto", table)
    assert again.code != 0
    assert "it says something else" in again.err
    corrected = cli("profile", "columns", table, "--profile", "calisto", "--json").json()
    assert (corrected[0]["holds"], corrected[0]["stated"]) == ("certificate", True)
    assert cli("profile", "show", "calisto").out == file.read_text()
    (home / "profiles" / "other.yaml").write_text("name: x\ncolumns: {1: domian}\n")
    listed = cli("profile", "list").rows()
    assert [(row["name"], bool(row["wrong"])) for row in listed] == [
        ("calisto", False),
        ("other", True),
    ]
    missing = cli("profile", "show", "none")
    assert "there is: calisto, other" in missing.err
    assert "did you mean domain?" in cli("profile", "show", "other").err
    assert cli("profile", "make", "calisto", table, "--replace").code == 0
    assert "sha1" in file.read_text()


def test_a_page_in_place_of_a_table_is_named(cli: Cli, home: Path, tmp_path: Path) -> None:
    """HTML under a name that ends in .csv: said, with the next step, and nothing kept."""
    page = tmp_path / "feed.csv"
    page.write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    told = cli("profile", "make", "feed", page)
    assert told.code != 0
    assert "This is HTML, not a table or a list" in told.err
    assert not (home / "profiles").exists()
