"""docs/sync.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from cert_exchange.remote.connection import Options
from cert_exchange.services.syncing.reporting import COUNTED

TEXT = (Path(__file__).parents[3] / "docs" / "sync.md").read_text()


def test_every_option_is_described():
    """The table names each option there is, and no other."""
    table = TEXT.split("| option |")[1].split("\n\n")[0]
    first_cells = " ".join(line.split("|")[1] for line in table.splitlines()[2:])
    named = set(re.findall(r"`([a-z_]+)`", first_cells))
    assert named == set(Options.__slots__)


def test_every_count_is_described():
    """A report's numbers are explained, but for pages and bytes, which explain themselves."""
    said = set(re.findall(r"`([a-z_]+)`", TEXT.split("## Reading a report")[1])) | {
        "recalled",
        "not_recalled",
    }
    assert set(COUNTED["pull"]) | set(COUNTED["push"]) <= said | {"pages", "bytes"}
