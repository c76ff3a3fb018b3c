"""The command line, run in this process as a person runs it: arguments in; exit code, output and errors out.

A home that tests begin with is made by its commands once in this run, and copied for the others (`Homes`).
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cert_exchange.cli import main

B_IDENTITY = "identity--b0000000-0000-4000-8000-00000000000b"

POLICY = """\
name: cert-b
partners: [cert-b]
collections: [indicators]
ceiling:
  tlp: amber
  unmarked: amber
unresolved: wait
rules:
  - name: No actors
    match: {type: threat-actor}
    deny: true
    reason: For the ministries
  - name: Weak evidence
    match:
      type: indicator
      confidence: {at_most: 29}
    hold: approval
    reason: The duty officer looks first
  - name: Ours
    match: {origin: own}
    allow: true
"""

COLLECTION = """\
id: 1fb3569d-497f-48ac-a1b9-50c29e9c31ee
title: Indicators
alias: indicators
read: [cert-b]
write: [cert-b]
"""


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The document that `--json` printed."""
        return json.loads(self.out)

    def rows(self) -> list[dict[str, str]]:
        """The table that was printed, a dict a row."""
        columns, *rows = [line.split("\t") for line in self.out.splitlines()]
        return [dict(zip(columns, row, strict=True)) for row in rows]


Cli = Callable[..., Ran]


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Cli:
    """`cli("publish", file)` runs the program with the home `tmp_path/node`."""
    monkeypatch.setenv("CERT_EXCHANGE_HOME", str(tmp_path / "node"))
    monkeypatch.setenv("CERT_EXCHANGE_OPERATOR", "tester")
    monkeypatch.delenv("CERT_EXCHANGE_DEBUG", raising=False)

    def run(*arguments: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["cert-exchange", *(str(one) for one in arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        out, err = capsysbinary.readouterr()
        code = ended.value.code
        return Ran(int(code or 0), out.decode(), err.decode())

    return run


@dataclass
class Homes:
    """Homes as their commands left them, by what they are called; no test writes into these."""

    folder: Path
    answers: dict[str, Any] = field(default_factory=dict)

    def lay(self, name: str, home: Path, make: Callable[[], Any]) -> Any:
        """Make `home` by these commands, or copy what they made before; what they answered."""
        if name not in self.answers:
            answer = make()
            shutil.copytree(home, self.folder / name)
            self.answers[name] = answer
        else:
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(self.folder / name, home)
        return self.answers[name]


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    return Homes(tmp_path_factory.mktemp("homes"))


@pytest.fixture
def home(cli: Cli, tmp_path: Path, homes: Homes) -> Path:
    """A node that was just made."""

    def make() -> None:
        assert cli("init", "--title", "CERT A").code == 0

    homes.lay("new", tmp_path / "node", make)
    return tmp_path / "node"


@pytest.fixture
def node_with_b(cli: Cli, home: Path, homes: Homes) -> Path:
    """A node with the partner cert-b, one collection and a policy for it."""

    def make() -> None:
        added = cli("partner", "add", "cert-b", "--title", "CERT B", "--speaks-for", B_IDENTITY)
        assert added.code == 0
        (home / "collections" / "indicators.yaml").write_text(COLLECTION)
        policy = home / "policies" / "cert-b.yaml"
        policy.write_text(POLICY)
        assert cli("collection", "load").code == 0
        assert cli("policy", "apply", policy, "--reason", "test").code == 0

    homes.lay("with cert-b", home, make)
    return home


def indicator(number: int, **more: Any) -> dict[str, Any]:
    """A valid indicator of no creator."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": f"indicator {number}",
        "pattern": f"[ipv4-addr:value = '198.51.100.{number % 256}']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        **more,
    }


def bundle(*items: dict[str, Any]) -> bytes:
    """A STIX 2.1 bundle."""
    return json.dumps(
        {"type": "bundle", "id": "bundle--00000000-0000-4000-8000-000000000001", "objects": items}
    ).encode()
