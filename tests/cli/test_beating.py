"""The commands of the self-test and of heartbeats, as a person types them."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli


def test_a_partner_that_only_connects_to_us(cli: Cli) -> None:
    """Nothing can be tried from here; what is to be done instead is said, and nothing counts as wrong."""
    cli("init", "--title", "CERT A")
    cli("partner", "add", "cert-b", "--title", "CERT B")
    done = cli("doctor", "partner", "cert-b")
    assert done.code == 0, done.err
    row, beats = done.rows()
    assert "ours was sent last never" in beats["said"]
    assert (row["step"], row["result"], row["ms"]) == ("channels", "not run", "")
    assert "/exchange/v1/selftest" in row["what to do"]
    assert done.err.startswith("Nothing could be tried from here.")
    assert "keeps objects from arriving" not in done.err
    found = cli("doctor", "partner", "cert-b", "--json").json()
    assert (found["partner"], found["left_behind"]) == ("cert-b", [])
    assert cli("doctor", "partner", "nobody").code == 3
    assert cli("doctor", "cert-b", "cert-b").code == 2


def test_heartbeats_are_listed_set_and_sent(cli: Cli) -> None:
    """What a person sets is shown; an alarm ends the command with 1 and stands in `status` and `doctor`."""
    cli("init", "--title", "CERT A")
    cli("partner", "add", "cert-b", "--title", "CERT B")
    (row,) = cli("heartbeat", "list").rows()
    assert (row["partner"], row["sent"], row["state"]) == (
        "cert-b",
        "never",
        "none was sent so far",
    )
    sent = cli("heartbeat", "now", "cert-b")
    assert sent.code == 0, sent.err
    assert "no way: neither a view of our TEST collection" in sent.err
    assert cli("heartbeat", "set", "cert-b").code != 0
    for collection, why in (("", "neither a view"), ("tests", "no source or target of it")):
        done = cli("heartbeat", "set", "cert-b", "--test-collection", collection)
        assert (done.code, done.err.startswith("set; none can be sent now: no way: ")) == (0, True)
        assert why in done.err
    done = cli(
        "heartbeat", "set", "cert-b", "--off", "--silent-hours", "6", "--test-collection", "tests"
    )
    assert done.err == "set; none can be sent now: it is off\n"
    (found,) = cli("heartbeat", "list", "--json").json()
    assert (found["off"], found["silent_hours"], found["test_collection"]) == (True, 6.0, "tests")
    assert found["alarms"] == []


def test_a_heartbeat_is_promised_where_a_server_is_known(cli: Cli, node_with_b: Path) -> None:
    """A collection for tests and a source at its server: one can be sent."""
    added = cli(
        "source", "add", "from-b", "--partner", "cert-b", "--url", "https://b.example/root/",
        "--remote-collection", "x", "--collection", "indicators", "--auth", "none",
    )  # fmt: skip
    assert added.code == 0, added.err
    done = cli("heartbeat", "set", "cert-b", "--test-collection", "tests")
    assert "heartbeat now cert-b` sends one at once" in done.err
