"""deploy/monitoring: dashboard and alarms name metrics and commands that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from cert_exchange.services.metering import METRICS, RESULTS
from cert_exchange.services.syncing.reporting import COUNTED

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "monitoring"
NAMES = {one.name for one in METRICS}


def rules() -> list[dict[str, Any]]:
    read = YAML(typ="safe").load((FOLDER / "alarms.yaml").read_text())
    return [rule for group in read["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """What alarms and panels ask of the figures."""
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return [rule["expr"] for rule in rules()] + [
        target["expr"] for panel in panels for target in panel["targets"]
    ]


def named_in(text: str) -> set[str]:
    return set(re.findall(r"\bcert_exchange_[a-z_]+", text))


def test_every_metric_that_they_name_exists() -> None:
    """In expressions of alarms and of panels; and every metric but one is looked at by one of both."""
    looked_at = {name for text in expressions() for name in named_in(text)}
    assert looked_at == NAMES
    assert not named_in("cert_exchange_nonsense") <= NAMES


def test_every_result_that_they_name_is_counted() -> None:
    """A misspelt result would be an alarm that never rings."""
    counted = {name for names in RESULTS.values() for name in names}
    for way, names in RESULTS.items():
        assert set(names) <= set(COUNTED[way])
    text = (FOLDER / "dashboard.json").read_text().replace('\\"', '"') + (
        FOLDER / "alarms.yaml"
    ).read_text()
    results = re.findall(r'result=~?"([a-z|_]+)"', text)
    assert len(results) >= 4
    assert {name for one in results for name in one.split("|")} <= counted


def test_every_alarm_says_what_to_do_with_a_command_that_there_is() -> None:
    """A summary, a severity and a step; what stands after `cert-exchange` is in docs/cli.md."""
    text = (ROOT / "docs" / "cli.md").read_text()
    commands = set(re.findall(r"^### ([a-z -]+)$", text, re.MULTILINE))
    assert "quarantine list" in commands
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert rule["annotations"]["summary"]
        for said in re.findall(r"cert-exchange ([a-z][a-z -]*)", rule["annotations"]["step"]):
            words = said.split(" ")
            assert {" ".join(words[:2]).strip(), words[0]} & commands, said
