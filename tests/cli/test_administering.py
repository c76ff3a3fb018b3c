"""init, partner, policy, collection, source, target, backup, doctor: what an administrator does."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
from pathlib import Path

import pytest
from tests.cli.conftest import B_IDENTITY, POLICY, Cli, bundle, indicator


def test_init_goes_on_and_changes_nothing_that_is_there(cli: Cli, home: Path) -> None:
    """Run again, it keeps keys, settings and identity."""
    settings = (home / "node.yaml").read_bytes()
    keys = sorted((file.name, file.read_bytes()) for file in (home / "secrets").iterdir())
    assert cli("init", "--title", "CERT A").code == 0
    assert (home / "node.yaml").read_bytes() == settings
    assert sorted((file.name, file.read_bytes()) for file in (home / "secrets").iterdir()) == keys
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in (home / "secrets").iterdir())


def test_init_says_which_options_it_ignored(cli: Cli, home: Path) -> None:
    """On a node that is there only what differs is named, with where to change it; no second database is made."""
    before = (home / "node.yaml").read_bytes()
    ran = cli(
        "init", "--title", "CERT X", "--port", 8443, "--database-url", f"sqlite:///{home}/x.db"
    )
    assert ran.code == 0
    assert "ignored: --title (it is CERT A); --database-url." in ran.err
    assert "node.yaml" in ran.err
    assert (home / "node.yaml").read_bytes() == before
    assert not (home / "x.db").exists()
    assert "ignored" not in cli("init", "--title", "CERT A").err


@pytest.mark.parametrize(
    "command",
    [
        ("init", "--title", "x", "--home", "{file}/home"),
        ("backup", "{file}/copy"),
        ("partner", "issue", "cert-b", "--to", "{file}/token"),
        ("partner", "issue", "cert-b", "--to", "{file}.d/token"),
    ],
)
def test_a_path_that_cannot_be_written_is_named_in_a_sentence(
    cli: Cli, node_with_b: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Code 1 with a next step, never a fault of ours; and no credential was issued that nobody holds."""
    file = tmp_path / "a-file"
    file.write_text("")
    ran = cli(*(word.format(file=file) for word in command))
    assert ran.code == 1
    assert "cannot be written" in ran.err
    assert "folder that exists" in ran.err
    assert cli("partner", "list", "--json").json()[0]["credentials"] == []


def test_a_credential_that_is_not_issued_leaves_no_file(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """The file is made before the credential, and goes away with it."""
    ran = cli("partner", "issue", "cert-x", "--to", tmp_path / "token")
    assert (ran.code, (tmp_path / "token").exists()) == (3, False)


def test_a_node_without_a_home_is_asked_for(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither --home nor the variable: a question, not a traceback; a wrong folder: what to do."""
    monkeypatch.delenv("CERT_EXCHANGE_HOME")
    ran = cli("status")
    assert (ran.code, "--home" in ran.err) == (1, True)
    ran = cli("status", "--home", tmp_path / "nowhere")
    assert (ran.code, "cert-exchange init" in ran.err) == (1, True)


def test_a_credential_is_shown_once_and_kept_as_a_digest_only(cli: Cli, node_with_b: Path) -> None:
    """The secret is on standard output of `issue` and nowhere else, not in any file of the node."""
    ran = cli("partner", "issue", "cert-b")
    token = ran.out.strip()
    assert re.fullmatch(r"[a-z2-7]{12}\.[\w-]{43}", token)
    assert "shown once" in ran.err
    secret = token.partition(".")[2]
    assert (
        secret not in cli("partner", "list", "--json").out + cli("doctor").out + cli("status").out
    )
    holding = [
        f for f in node_with_b.rglob("*") if f.is_file() and secret.encode() in f.read_bytes()
    ]
    assert holding == []


def test_a_credential_goes_into_a_file_of_its_owner(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """`--to` makes a new file (0600), prints no secret, and never overwrites."""
    file = tmp_path / "for-b"
    ran = cli("partner", "issue", "cert-b", "--form", "basic", "--lifetime", "12h", "--to", file)
    user, _, password = file.read_text().strip().partition(":")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert password not in ran.out + ran.err
    listed = cli("partner", "list", "--json").json()[0]["credentials"]
    assert [row["id"] for row in listed] == [user]
    again = cli("partner", "issue", "cert-b", "--to", file)
    assert again.code == 1
    assert len(cli("partner", "list", "--json").json()[0]["credentials"]) == 1
    assert cli("partner", "revoke", user).code == 0
    assert cli("partner", "list", "--json").json()[0]["credentials"] == []


def test_no_command_takes_a_secret_as_an_argument(cli: Cli) -> None:
    """Others on the machine can read arguments: no option is called secret, password, token or key."""
    from cert_exchange.cli import reference

    named = set(re.findall(r"`(--[a-z-]+) <", reference.write()))
    assert {n for n in named if re.search("secret|password|token|key|credential", n)} == {
        "--secret-file",
        "--secret-env",
        "--tls-key",  # a path
    }


def test_suspended_partners_are_shown_and_resumed(cli: Cli, node_with_b: Path) -> None:
    """The state is in the list until the partner is let in again."""
    assert cli("partner", "suspend", "cert-b").code == 0
    assert cli("partner", "list").rows()[0]["state"].startswith("suspended")
    said = cli("partner", "resume", "cert-b")
    assert (said.code, "nothing was changed" in said.err) == (0, True)
    assert cli("partner", "list").rows()[0]["state"].startswith("suspended")
    assert cli("partner", "resume", "cert-b", "--yes").code == 0
    assert cli("partner", "list").rows()[0]["state"] == "active"
    for unknown in (("suspend", "cert-x"), ("resume", "cert-x"), ("issue", "cert-x")):
        ran = cli("partner", *unknown)
        assert (ran.code, "cert-b" in ran.err) == (3, True)
    ran = cli("partner", "revoke", "aaaaaaaaaaaa.secret")
    assert (ran.code, "partner list" in ran.err, "secret" in ran.err) == (3, True, False)


def test_amend_changes_what_is_given_and_leaves_the_rest(cli: Cli, node_with_b: Path) -> None:
    """An option that is left out takes nothing away; taking all away has words of its own."""
    third = "identity--c0000000-0000-4000-8000-00000000000c"

    def amend(*options: str) -> tuple[list[str], object]:
        ran = cli("partner", "amend", "cert-b", *options)
        assert ran.code == 0, ran.err
        speaks, relays = ran.rows()
        assert (speaks["what"], relays["what"]) == ("speaks for", "relays")
        said = [speaks["before"], speaks["now"], relays["before"], relays["now"]]
        (row,) = cli("partner", "list", "--json").json()
        assert speaks["now"] == ", ".join(row["speaks_for"])
        return said, row["relays"]

    first, relayed = amend("--speaks-for", B_IDENTITY)
    assert (first[1:], relayed) == ([B_IDENTITY, "", ""], [])
    assert amend("--relays", third) == ([B_IDENTITY, B_IDENTITY, "", third], [third])
    other = B_IDENTITY[:-1] + "d"
    assert amend("--speaks-for", other) == ([B_IDENTITY, other, third, third], [third])
    assert amend("--relays-any") == ([other, other, third, "any"], "any")
    assert amend("--speaks-for", B_IDENTITY) == ([other, B_IDENTITY, "any", "any"], "any")
    assert amend("--relays", third) == ([B_IDENTITY, B_IDENTITY, "any", third], [third])
    assert amend("--no-relays") == ([B_IDENTITY, B_IDENTITY, third, ""], [])
    assert cli("partner", "amend", "cert-b", "--relays", B_IDENTITY).code == 1  # it speaks for it
    for wrong in (
        (),
        ("--no-relays", "--relays", third),
        ("--no-speaks-for", "--speaks-for", third),
    ):
        ran = cli("partner", "amend", "cert-b", *wrong)
        assert (ran.code, "--no-" in ran.err) == (2, True)
    assert amend("--no-speaks-for") == ([B_IDENTITY, "", "", ""], [])


def test_every_mistake_of_a_policy_is_named_with_its_line(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """`check` and `apply` name them all, change nothing, and end with 1."""
    file = tmp_path / "cert-b.yaml"
    file.write_text(POLICY.replace("tlp: amber", "tlp: purple").replace("[cert-b]", "[cert-x]"))
    ran = cli("policy", "check", file)
    assert ran.code == 1
    assert [int(n) for n in re.findall(r"cert-b\.yaml:(\d+):\d+: ", ran.out)] == [5]
    file.write_text(
        POLICY.replace("deny: true", "deny: yes please").replace("at_most: 29", "at_most: 290")
    )
    places = {(p["line"], p["grade"]) for p in cli("policy", "check", file, "--json").json()}
    assert len(places) == 2
    ran = cli("policy", "apply", file, "--reason", "x")
    assert ran.code == 1
    assert "was not changed" in ran.err


def test_check_shows_the_mistakes_of_all_files_at_once(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """A file that is missing or no text stands beside the others' mistakes, with what to do."""
    good, broken, binary = (tmp_path / name for name in ("good.yaml", "broken.yaml", "bin.yaml"))
    good.write_text(POLICY)
    broken.write_text(POLICY.replace("ceiling", "cieling"))
    binary.write_bytes(b"\xff\xfe\x00")
    ran = cli("policy", "check", binary, tmp_path / "none.yaml", good, broken)
    assert ran.code == 1
    assert f"{binary}:0:0: The file {binary} is not UTF-8 text; save it" in ran.out
    assert "none.yaml:0:0: There is no file" in ran.out
    assert f"{broken}:4:1:" in ran.out
    assert "good.yaml" not in ran.out
    assert cli("policy", "check", tmp_path / "none.yaml").code == 3
    applied = cli("policy", "apply", binary, tmp_path / "none.yaml", broken, "--reason", "x")
    assert applied.code == 1
    assert all(name in applied.err for name in ("bin.yaml", "none.yaml", "broken.yaml:4:1"))


def test_explain_and_withheld_say_which_rule_it_was(cli: Cli, node_with_b: Path) -> None:
    """The rule and its reason, for one object and ranked over all."""
    cli("publish", "-", stdin=bundle(indicator(1), indicator(2, confidence=3)))
    told = cli("policy", "explain", indicator(2)["id"], "cert-b")
    assert "held" in told.out
    assert "Weak evidence" in told.out
    assert (
        cli("policy", "explain", indicator(1)["id"], "cert-b", "--json").json()["versions"][0][
            "answer"
        ]
        == "visible"
    )
    rows = cli("policy", "withheld", "cert-b").rows()
    assert [(row["versions"], row["answer"], row["rule"]) for row in rows] == [
        ("1", "held", "Weak evidence")
    ]


def test_a_policy_that_widens_says_how_much_became_visible(cli: Cli, node_with_b: Path) -> None:
    """`apply` returns when everything it allows is visible."""
    cli("publish", "-", stdin=bundle(indicator(2, confidence=3)))
    file = node_with_b / "policies" / "cert-b.yaml"
    file.write_text(POLICY.replace("at_most: 29", "at_most: 1"))
    applied = cli("policy", "apply", file, "--reason", "agreed", "--json").json()[0]
    assert (applied["version"], applied["gained"], applied["lost"]) == (2, 1, 0)


def test_collections_are_loaded_from_the_home(cli: Cli, node_with_b: Path) -> None:
    """A file that is gone closes its collection, and loading again changes nothing."""
    assert cli("collection", "load").err.strip() == "nothing has changed"
    file = node_with_b / "collections" / "indicators.yaml"
    other = node_with_b / "collections" / "other.yaml"
    other.write_text(file.read_text().replace("1fb3569d", "2fb3569d").replace("ndicators", "thers"))
    file.unlink()
    ran = cli("collection", "load")
    assert sorted(ran.out.splitlines()) == ["indicators\tretired", "ithers\tadded"]
    assert [row["collection"] for row in cli("collection", "list").rows()] == ["ithers"]


def test_a_source_takes_its_secret_from_file_or_environment(
    cli: Cli, node_with_b: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret is copied where only the node reads it, never printed, never in the database."""
    monkeypatch.setenv("SECRET_OF_B", "geheim-aus-der-umgebung")
    (tmp_path / "secret").write_text("geheim-aus-der-datei\n")
    shared = [
        "--partner",
        "cert-b",
        "--url",
        "https://127.0.0.1:1/api/",
        "--remote-collection",
        "x",
    ]
    shared += ["--collection", "indicators"]
    assert cli("source", "add", "s", *shared, "--secret-env", "SECRET_OF_B").code == 0
    assert (
        cli(
            "target",
            "add",
            "t",
            *shared,
            "--secret-file",
            tmp_path / "secret",
            "--option",
            "every_seconds=60",
        ).code
        == 0
    )
    kept = {
        f.read_text().strip()
        for f in (node_with_b / "secrets").iterdir()
        if "geheim" in f.read_text()
    }
    assert kept == {"geheim-aus-der-umgebung", "geheim-aus-der-datei"}
    told = (
        cli("source", "list").out
        + cli("target", "list", "--json").out
        + cli("status", "--json").out
    )
    assert "geheim" not in told
    assert b"geheim" not in (node_with_b / "exchange.db").read_bytes()
    assert [row["name"] for row in cli("source", "list").rows()] == ["s"]
    ran = cli("source", "add", "u", *shared, "--secret-env", "NOT_SET")
    assert (ran.code, "empty" in ran.err) == (1, True)
    ran = cli(
        "source",
        "add",
        "u",
        *shared,
        "--secret-file",
        tmp_path / "secret",
        "--option",
        "evry_seconds=1",
    )
    assert (ran.code, "every_seconds" in ran.err) == (1, True)
    assert cli("source", "pause", "s").code == 0
    assert cli("source", "list").rows()[0]["state"] == "paused"


def test_a_source_is_removed_with_its_secret_and_a_target_of_its_name_stays(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """It is shown once more and the ledger says who removed it; what it leaves is the other's, and it can be added anew."""
    (tmp_path / "secret").write_text("x")
    given = (
        "both", "--partner", "cert-b", "--url", "https://127.0.0.1:1/api/", "--remote-collection", "far",
        "--collection", "indicators", "--secret-file", tmp_path / "secret",
    )  # fmt: skip
    assert cli("source", "add", *given).code == 0
    assert cli("target", "add", *given).code == 0
    ran = cli("source", "remove", "both")
    assert ran.code == 0
    shown = dict(line.split("\t") for line in ran.out.splitlines())
    assert (shown["partner"], shown["remote collection"]) == ("cert-b", "far")
    assert cli("source", "list").rows() == []
    assert [row["name"] for row in cli("target", "list").rows()] == ["both"]
    assert [file.name for file in (node_with_b / "secrets").glob("remote-*")] == [
        "remote-push-both.secret"
    ]
    assert cli("source", "remove", "both").code == 3
    assert cli("source", "add", *given).code == 0
    assert cli("target", "remove", "both").code == 0
    assert cli("ledger", "verify").code == 0
    with sqlite3.connect(node_with_b / "exchange.db") as opened:
        bodies = [row[0] for row in opened.execute("select body from ledger_lines order by id")]
    opened.close()
    told = [json.loads(body) for body in bodies if '.remove"' in body]
    assert [(line["kind"], line["by"], line["facts"]["name"]) for line in told] == [
        ("source.remove", "tester", "both"),
        ("target.remove", "tester", "both"),
    ]


def test_an_unreachable_source_ends_sync_with_4_and_says_why(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """Temporary trouble has its own exit code, and `doctor` finds it later."""
    (tmp_path / "secret").write_text("x")
    cli(
        "source", "add", "s", "--partner", "cert-b", "--url", "https://127.0.0.1:1/api/", "--remote-collection", "x",
        "--collection", "indicators", "--secret-file", tmp_path / "secret",
    )  # fmt: skip
    ran = cli("sync", "now")
    assert ran.code == 4
    assert "no connection" in ran.out
    looked = cli("doctor")
    assert looked.code == 1
    assert any(row["grade"] == "wrong" and row["about"] == "source s" for row in looked.rows())
    assert cli("sync", "now", "nothing").code == 3


def test_a_port_without_tls_is_not_called_a_matter_of_certificates(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """https to a plain-HTTP port says so; http without leave names the option that gives it."""
    from tests.neighbour import Neighbour, Reply

    (tmp_path / "secret").write_text("x")
    with Neighbour(lambda _asked: Reply(body=b"{}")) as neighbour:
        plain = neighbour.url.partition("/root")[0] + "/taxii2/"
        asked = ("--secret-file", tmp_path / "secret")
        ran = cli("source", "look", plain.replace("http:", "https:"), *asked)
        assert ran.code == 4
        assert "does not speak TLS" in ran.err
        assert "certificate" not in ran.err.partition("detail")[0]
        ran = cli("source", "look", plain, *asked)
        assert (ran.code, "--option insecure=true" in ran.err) == (1, True)


def test_a_sync_that_alarms_prints_no_log_among_its_results(
    cli: Cli, node_with_b: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table says what failed; the log's lines come only when asked for, in the log's form on standard error."""
    from tests.neighbour import COLLECTION, Neighbour, Reply

    (tmp_path / "secret").write_text("x")
    with Neighbour(lambda _asked: Reply(status=401, body=b"{}")) as neighbour:
        cli(
            "source", "add", "s", "--partner", "cert-b", "--url", neighbour.url, "--remote-collection", COLLECTION,
            "--collection", "indicators", "--secret-file", tmp_path / "secret", "--option", "insecure=true",
        )  # fmt: skip
        ran = cli("sync", "now")
        assert ran.code == 4
        assert len(ran.rows()) == 1
        assert ran.err == (
            "s: it is spoken to in the clear (option insecure): anybody on the way reads along\n1 run, 1 failed\n"
        )
        monkeypatch.setenv("CERT_EXCHANGE_DEBUG", "1")
        ran = cli("sync", "now")
    assert len(ran.rows()) == 1
    logged = [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]
    assert [(line["event"], line["level"], line["channel"]) for line in logged] == [
        ("channel failed", "error", "s")
    ]


def test_a_backup_becomes_a_node_that_holds_the_same(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """What was published is there after restoring, and the ledger verifies; nothing is ever overwritten."""
    cli("publish", "-", stdin=bundle(indicator(1)))
    assert cli("backup", tmp_path / "copy").code == 0
    ran = cli("restore", tmp_path / "copy", "--home", tmp_path / "again")
    assert ran.code == 0, ran.err
    assert cli("show", indicator(1)["id"], "--home", tmp_path / "again").code == 0
    assert cli("restore", tmp_path / "copy", "--home", tmp_path / "again").code == 1
    assert cli("backup", tmp_path / "copy").code == 1


def test_a_broken_ledger_ends_with_5(cli: Cli, node_with_b: Path) -> None:
    """Evidence that does not verify has its own exit code and says to change nothing."""
    import sqlite3

    from cert_exchange.node import open_node
    from cert_exchange.services import ledger

    cli("publish", "-", stdin=bundle(indicator(1)))
    node = open_node(node_with_b)
    ledger.seal(node)
    node.close()
    assert cli("ledger", "verify").code == 0
    with sqlite3.connect(node_with_b / "exchange.db") as raw:
        raw.execute(
            "UPDATE ledger_lines SET body = replace(body, 'tester', 'nobody') WHERE seq = (SELECT max(seq) FROM ledger_lines WHERE body LIKE '%tester%')"
        )
    raw.close()
    ran = cli("ledger", "verify")
    assert ran.code == 5
    assert "Change nothing" in ran.err


def test_doctor_finds_what_an_operator_must_know(cli: Cli, node_with_b: Path) -> None:
    """Open files, a missing credential, a policy file that is not in force: each with the next step."""
    os.chmod(node_with_b, 0o755)  # noqa: PTH101 - what a careless person does
    (node_with_b / "policies" / "cert-b.yaml").write_text(POLICY + "\n")
    ran = cli("doctor")
    told = {(row["grade"], row["about"]) for row in ran.rows()}
    assert ran.code == 1
    assert {
        ("wrong", "files"),
        ("note", "partner cert-b"),
        ("note", "policies"),
        ("ok", "database"),
    } <= told
    assert all(row["next step"] for row in ran.rows() if row["grade"] == "wrong")
    assert cli("doctor", "cert-b").code == 0
    assert cli("doctor", "cert-x").code == 3


def test_a_look_at_a_remote_shows_what_it_offers_us(
    cli: Cli, node_with_b: Path, tmp_path: Path
) -> None:
    """Before anything is added: addresses, rights and trouble, each in its column; nothing is stored."""
    from tests.neighbour import COLLECTION, Neighbour, Reply

    resources = {
        "/taxii2/": {"title": "B", "api_roots": ["/api/"]},
        "/api/": {
            "title": "B",
            "versions": ["application/taxii+json;version=2.1"],
            "max_content_length": 1000,
        },
        "/api/collections/": {
            "collections": [
                {"id": COLLECTION, "title": "of B", "can_read": True, "can_write": False}
            ]
        },
    }
    (tmp_path / "secret").write_text("x")
    with Neighbour(
        lambda asked: Reply(body=json.dumps(resources[asked.path]).encode())
    ) as neighbour:
        ran = cli(
            "source", "look", neighbour.url.partition("/root")[0] + "/taxii2/", "--secret-file", tmp_path / "secret",
            "--option", "insecure=true", "--json",
        )  # fmt: skip
    assert ran.code == 0, ran.err
    assert [(row["collection"], row["can_read"], row["can_write"]) for row in ran.json()] == [
        (COLLECTION, True, False)
    ]
    assert cli("source", "list").rows() == []
