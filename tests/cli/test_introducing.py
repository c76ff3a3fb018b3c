"""The set-up of a channel from the command line: what is shown, asked for and refused."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli

CARD = ("--desk", "+372 1", "--backup", "+372 2", "--language", "et", "--hours", "always")


def test_adding_a_partner_writes_our_letter_to_it(cli: Cli, home: Path, tmp_path: Path) -> None:
    """`--letter` begins the set-up: the words are shown, the same as those of `invite`; without a card nothing is added."""
    url = ("--url", "https://localhost:8443/api/")
    letter = tmp_path / "letter.json"
    refused = cli("partner", "add", "cert-b", "--title", "CERT B", "--letter", letter, *url)
    assert (refused.code, refused.out) == (1, "")
    assert "whom shall they call" in refused.err
    assert cli("partner", "list").rows() == []
    assert cli("partner", "card", *CARD).code == 0
    added = cli("partner", "add", "cert-b", "--title", "CERT B", "--letter", letter, *url)
    assert added.code == 0
    assert len(added.out.split()) == 14  # twelve words in three groups
    again = cli("partner", "invite", "cert-b", "--to", tmp_path / "again.json")
    assert again.out == added.out
    assert letter.read_bytes() == (tmp_path / "again.json").read_bytes()
    (row,) = cli("partner", "channels").rows()
    assert (row["name"], row["accepted"]) == ("cert-b", "")
    assert "accept theirs" in row["next"]


def test_the_card_is_shown_and_changed_in_parts(cli: Cli, home: Path) -> None:
    """What is not given stays; what is no card is refused with all that is wrong."""
    assert cli("partner", "card").code == 3
    assert cli("partner", "card", "--desk", "+372 1").code == 1
    assert cli("partner", "card", *CARD).code == 0
    assert cli("partner", "card", "--hours", "9 to 5, UTC+2", "--fingerprint", "AB CD").code == 0
    shown = cli("partner", "card", "--json").json()
    assert (shown["organisation"], shown["desk"], shown["hours"]) == (
        "CERT A",
        "+372 1",
        "9 to 5, UTC+2",
    )
    assert shown["keys"] == ["AB CD"]
    wrong = cli("partner", "card", "--country", "estonia", "--language", "Estonian")
    assert wrong.code == 1
    assert "country" in wrong.err
    assert "no language" in wrong.err
    assert cli("partner", "card", "nobody").code == 3


def test_steps_out_of_order_say_what_comes_first(cli: Cli, home: Path, tmp_path: Path) -> None:
    (tmp_path / "mail.txt").write_text("Dear colleague, ...")
    cli("partner", "card", *CARD)
    refused = cli("partner", "accept", "cert-b", tmp_path / "mail.txt", "--to", tmp_path / "x")
    assert refused.code == 1
    assert "no letter" in refused.err
    assert cli("partner", "check", "cert-b").code == 3
    assert cli("partner", "promote", "cert-b", "--reason", "x").code == 3
    assert cli("partner", "pull", "cert-b", "x", "--into", "y").code == 3
    assert cli("partner", "renew", "cert-b").code == 3
    assert cli("partner", "verify", "cert-b").code == 3
    assert cli("partner", "channels").rows() == []
