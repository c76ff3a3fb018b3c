"""`make run`: one node on loopback with TLS and the shipped collections and policies, made on the first start.

The shipped policies name the partners that a first start adds; each gets a credential, shown once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import uuid
from pathlib import Path

from certificates import Authority
from nodes import PROGRAM, DemoNode, StepFailedError

ROOT = Path(__file__).resolve().parents[2]
PORT = 8443


def main() -> int:
    """Make the node if it is not there, then become `cert-exchange serve`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=PORT)
    asked = parser.parse_args()
    home = asked.home.absolute()
    if not (home / "node.yaml").exists():
        try:
            make(home, asked.port)
        except StepFailedError as error:
            print(f"run: {error}", file=sys.stderr)
            return 1
    print(
        f"run: https://127.0.0.1:{asked.port}/taxii2/  (CA file {home}/tls/ca.pem)  Ctrl-C ends it",
        flush=True,
    )
    print(f"run: its own people: CERT_EXCHANGE_HOME={home} {PROGRAM} status", flush=True)
    os.execv(PROGRAM, [str(PROGRAM), "serve", "--home", str(home)])
    return 0  # never reached: the process is `serve` now


def make(home: Path, port: int) -> None:
    """Set up the node: certificate, home, partners of the shipped policies, collections, policies."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)  # keys go in before `init` runs
    authority = Authority(home / "tls", "cert-exchange run, not for real use")
    certificate, key = authority.issue(home / "tls", "cert-exchange")
    node = DemoNode("run", "Example CERT", "", home, port, authority.file)
    node.cli(
        "init",
        "--title",
        node.title,
        "--port",
        str(port),
        "--tls-certificate",
        str(certificate),
        "--tls-key",
        str(key),
    )
    for folder in ("collections", "policies"):
        shutil.copytree(ROOT / folder, home / folder, dirs_exist_ok=True)  # with what policies name
    for name, title in partners_of(home):
        identity = f"identity--{uuid.uuid4()}"
        node.cli("partner", "add", name, "--title", title, "--speaks-for", identity)
        print(f"run: {name} speaks for {identity}", flush=True)
        print(f"run: {name} logs in with  {node.cli('partner', 'issue', name).strip()}", flush=True)
    node.cli("collection", "load")
    for file in sorted((home / "policies").glob("*.yaml")):
        if file.name.endswith(".expect.yaml"):
            continue  # what is expected of the policy beside it
        kind = "intake" if file.name == "intake.yaml" else "policy"
        node.cli(kind, "apply", str(file), "--reason", "first start by make run")


def partners_of(home: Path) -> list[tuple[str, str]]:
    """Name the partners that the shipped collections let in."""
    from ruamel.yaml import YAML

    reader = YAML(typ="safe")
    named: dict[str, str] = {}
    for file in sorted((home / "collections").glob("*.yaml")):
        document = reader.load(file.read_text(encoding="utf-8"))
        for name in [*document["read"], *document["write"]]:
            named.setdefault(name, name.upper().replace("-", " "))
    return sorted(named.items())


if __name__ == "__main__":
    sys.exit(main())
