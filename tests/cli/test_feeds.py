"""feeds: added, looked at, opened and removed as an administrator types it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli, bundle, indicator


def test_a_feed_from_its_first_look_to_its_end(cli: Cli, node_with_b: Path, tmp_path: Path) -> None:
    """What it would hold is said before; what is left out is named; a secret is shown once and written where asked."""
    both = {**indicator(2), "pattern": "[file:name = 'a.exe' AND file:size = 5]"}
    cli("publish", "-", "--collection", "indicators", stdin=bundle(indicator(1), both))
    ran = cli("feeds", "add", "values", "--format", "list", "--dry-run")
    assert "1 entry now; 1 object left out" in ran.err
    assert "nothing was written down" in ran.err
    assert cli("feeds", "list").rows() == []
    ran = cli("feeds", "add", "values", "--format", "list")
    assert (ran.code, "/feeds/values" in ran.err) == (0, True)
    shown = cli("feeds", "show", "values", "--json").json()
    assert (shown["entries"], shown["left_out"][0]["ids"]) == (1, [both["id"]])
    file = tmp_path / "token"
    assert cli("feeds", "issue", "values", "--label", "resolver", "--to", file).code == 0
    first = file.read_text()
    again = ("feeds", "issue", "values", "--label", "resolver", "--to", file)
    refused = cli(*again)
    assert (refused.code, "or --replace it" in refused.err, file.read_text()) == (1, True, first)
    replaced = cli(*again, "--replace")
    before = first.partition(".")[0]
    assert f"{before}, which stood there, is still valid" in replaced.err
    assert file.read_text() != first
    assert (file.stat().st_mode & 0o777, list(file.parent.glob("*.new"))) == (0o600, [])
    assert cli("feeds", "revoke", before).code == 0
    words = file.with_name("words.txt")
    words.write_text("a table, and no credential")
    assert cli("feeds", "issue", "values", "--to", words, "--replace").code == 1
    assert words.read_text() == "a table, and no credential"
    credential = file.read_text().partition(".")[0]
    (row,) = cli("feeds", "list").rows()
    assert (row["name"], row["id"], row["label"], row["last used"]) == (
        "values", credential, "resolver", "never",
    )  # fmt: skip
    values = cli("feeds", "print", "values").out.splitlines()
    assert len(values) == 1
    ran = cli("feeds", "change", "values", "--format", "csv", "--use", "logs")
    assert ran.code == 0
    assert values[0] in cli("feeds", "print", "values").out.splitlines()[1]
    assert cli("feeds", "revoke", credential).code == 0
    assert "1 credential" not in cli("feeds", "remove", "values").err
    assert cli("feeds", "list").rows() == []


def test_what_cannot_be_meant_is_refused_in_a_sentence(cli: Cli, node_with_b: Path) -> None:
    """No such format, kind, partner, feed or credential: a code and what there is, and nothing was made."""
    for arguments, code, said in (
        (("add", "x", "--format", "rzp"), 1, "did you mean rpz?"),
        (("add", "X y", "--format", "csv"), 1, "is no name of a feed"),
        (("add", "x", "--format", "rpz", "--kind", "url"), 1, "rpz holds no url"),
        (("add", "x", "--format", "csv", "--from", "cert-z"), 3, "no partner cert-z"),
        (("add", "x", "--format", "csv", "--tlp", "pink"), 1, "no TLP level"),
        (("show", "x"), 3, "no feed x"),
        (("issue", "x"), 3, "no feed x"),
        (("revoke", "aaaaaaaaaaaa"), 3, "feeds list"),
    ):
        ran = cli("feeds", *arguments)
        assert (ran.code, said in ran.err) == (code, True), (arguments, ran.err)
    assert cli("feeds", "list").rows() == []


def test_a_view_is_exported_in_a_format_of_tools(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """The values that the audience sees, what is left out named; options of lists are refused for a bundle."""
    both = {**indicator(2), "pattern": "[file:name = 'a.exe' AND file:size = 5]"}
    watched = {
        **indicator(3),
        "labels": ["PAP:AMBER"],
        "pattern": "[domain-name:value = 'evil.example']",
    }
    cli("publish", "-", "--collection", "indicators", stdin=bundle(indicator(1), both, watched))
    file = tmp_path / "out.csv"
    ran = cli("export", "cert-b/indicators", file, "--format", "csv")
    assert (ran.code, len(file.read_text().splitlines())) == (0, 2)
    assert "1 entry written to" in ran.err
    assert both["id"] in ran.out
    watching = cli("export", "cert-b/indicators", "-", "--format", "list", "--use", "monitor")
    assert "evil.example" in watching.out.splitlines()
    for arguments, said in (
        (("-", "--kind", "domain"), "name one with --format"),
        (("-", "--format", "csv", "--tests"), "cannot say"),
        ((file, "--format", "csv"), "--force"),
    ):
        ran = cli("export", "cert-b/indicators", *arguments)
        assert (ran.code, said in ran.err) == (1, True), (arguments, ran.err)
