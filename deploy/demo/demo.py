"""`make demo`: two CERTs, each with a node of its own, exchange real indicators under policy, and the result is checked.

Everything a person would do is done by the `cert-exchange` command; what a foreign product would do, by taxii2-client.
Ends with 0 only when every check agreed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from certificates import Authority
from comparing import Comparison, compare, figures
from nodes import DemoNode, StepFailedError, free_port
from partner_client import StockClient, keys
from report import Report

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SAMPLES = ROOT / "tests" / "samples"
MITRE = "identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"
IDENTITIES = {
    "cert-a": "identity--a1f0c6de-52b7-4b0c-8b5e-0d6f3a1c9a01",
    "cert-b": "identity--b2e1d7ef-63c8-4c1d-9c6f-1e704b2dab02",
}
RELAYED = {
    # Creators in the published files: MITRE (ATT&CK), and those of the APT1 report.
    "cert-a": [
        MITRE,
        "identity--8358a1c8-6005-4cdc-9436-4fbdc9957f30",
        "identity--20bb21c5-68e9-47ec-8f1a-eeb201d8dbc2",
        "identity--49195068-7740-4cc7-bd9e-fab419182f00",
        "identity--aeb57d1a-d038-4aab-9207-5004a6631c33",
    ],
    # The creator in B's report on PoisonIvy.
    "cert-b": ["identity--81cade27-7df8-4730-836b-62d880e6d9d3"],
}
PUBLISHED = {
    "cert-a": {
        "reports": ["stix/blackberry-wocao-lowlevel.json"],
        "indicators": ["stix/elevator-Mandiant_APT1_Report.json"],
        "attack": [
            "attack/ics-attack-18.1.json.gz",
            "attack/enterprise-attack-18.1-subset.json.gz",
        ],
    },
    "cert-b": {"indicators": ["stix/darksword.stix2"], "reports": ["stix/poisonivy.json"]},
}
PULLED = {"cert-a": ["indicators"], "cert-b": ["indicators", "attack"]}
PUSHED = {"cert-a": ["reports"], "cert-b": ["reports"]}
MOVED = (
    "accepted",
    "duplicate",
    "proposal",
    "conflict",
    "rejected",
    "confirmed",
    "refused",
    "recalled",
)
PORTS = {"cert-a": 18443, "cert-b": 18444}


def main() -> int:
    """Run the demo; 0 when every check agreed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--keep", action="store_true", help="leave the nodes running and say how to reach them"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "demo-run", help="where the nodes live"
    )
    asked = parser.parse_args()
    report = Report()
    nodes: list[DemoNode] = []
    try:
        nodes.extend(set_up(asked.folder.absolute(), report))
        tell_the_story(nodes[0], nodes[1], report)
    except (StepFailedError, LookupError) as error:
        report.check(str(error), agreed=False)
    except KeyboardInterrupt:
        report.check("interrupted", agreed=False)
    finally:
        if not (asked.keep and nodes and not report.failures):
            together([node.stop for node in nodes])
    if report.failures:
        report.step(f"{report.failures} checks failed; the nodes' folders are in {asked.folder}")
        return 1
    report.step("every check agreed")
    if asked.keep:
        tell_how_to_log_in(nodes, asked.folder.absolute(), report)
    return 0


def set_up(folder: Path, report: Report) -> list[DemoNode]:
    """Make both nodes: certificates, homes, partners with credentials, collections, policies."""
    report.step("making two nodes, cert-a and cert-b, with certificates of a throw-away CA")
    clear(folder)
    authority = Authority(folder, "cert-exchange demo, not for real use")
    nodes = [
        DemoNode(
            name,
            name.upper().replace("-", " "),
            IDENTITIES[name],
            folder / name,
            free_port(PORTS[name]),
            authority.file,
        )
        for name in ("cert-a", "cert-b")
    ]
    a, b = nodes
    together(
        [lambda: make_node(a, b, authority, folder), lambda: make_node(b, a, authority, folder)]
    )
    for node, other in ((a, b), (b, a)):
        report.say(
            f"{node.name}: {node.url}, speaks for {node.identity}; {other.name} may relay"
            f" {len(RELAYED[other.name])} other creators{', MITRE among them' if MITRE in RELAYED[other.name] else ''}"
        )
    return nodes


def make_node(node: DemoNode, other: DemoNode, authority: Authority, folder: Path) -> None:
    """Set one node up as its administrator would."""
    certificate, key = authority.issue(folder / f"{node.name}-tls", node.name)
    node.cli(
        "init", "--title", node.title, "--identity", node.identity, "--port", str(node.port),
        "--tls-certificate", str(certificate), "--tls-key", str(key),
    )  # fmt: skip
    for kind in ("collections", "policies"):
        for file in sorted((HERE / f"node-{node.name[-1]}" / kind).glob("*.yaml")):
            shutil.copy(file, node.home / kind / file.name)
    relays = [word for creator in RELAYED[other.name] for word in ("--relays", creator)]
    node.cli(
        "partner",
        "add",
        other.name,
        "--title",
        other.title,
        "--speaks-for",
        other.identity,
        *relays,
    )
    (folder / "handed-over").mkdir(exist_ok=True)
    node.cli(
        "partner",
        "issue",
        other.name,
        "--lifetime",
        "30d",
        "--to",
        str(handed_over(folder, node, other)),
    )
    node.cli("collection", "load")
    node.cli(
        "policy", "apply", *(str(file) for file in sorted((node.home / "policies").glob("*.yaml"))),
        "--reason", "agreement of the two CERTs",
    )  # fmt: skip


def handed_over(folder: Path, at: DemoNode, to: DemoNode) -> Path:
    """Name the file with the credential that one node issued to the other."""
    return folder / "handed-over" / f"{to.name}-at-{at.name}.txt"


def tell_the_story(a: DemoNode, b: DemoNode, report: Report) -> None:
    """Publish, exchange, compare, change a policy, compare again."""
    folder = a.home.parent
    report.step("both nodes start to serve TAXII 2.1 over TLS, each with its sync worker;")
    report.step("both desks publish real data into their collections meanwhile")
    together([a.start, b.start, *publishing(a, report), *publishing(b, report)])

    report.step("each pulls the other's indicators (B also A's ATT&CK) and pushes its reports")
    together([*connecting(a, b, folder), *connecting(b, a, folder)])
    exchange(a, b, report)

    report.step("what is where, in object versions")
    show_figures(a, b, report)

    report.step("a foreign product polls as CERT B: the stock taxii2-client, verifying our CA")
    client = stock_client(a, b, folder)
    before = agree(a, b, client, ["indicators", "reports", "attack"], report)["indicators"]
    cursor = client.last_date_added("indicators")

    report.step("the ministries agree: CERT A drops the rule on attribution")
    later = str(HERE / "node-a" / "later" / "cert-b.yaml")
    foreseen = json.loads(a.cli("policy", "preview", later, "--json"))[0]
    report.say(f"the preview says: {foreseen['gained']:,} gained, {foreseen['lost']} lost")
    applied = json.loads(
        a.cli(
            "policy", "apply", later, "--reason", "agreed", "--confirm", str(foreseen["gained"]),
            "--json",
        )
    )[0]  # fmt: skip
    report.check(
        f"policy {applied['name']}, version {applied['version']}: {applied['gained']} released, {applied['lost']} taken back",
        agreed=applied["gained"] > 0 and applied["lost"] == 0,
    )
    late = client.objects("indicators", added_after=cursor)
    gained = keys(client.objects("indicators")) - before.polled
    report.check(
        f"a poll with added_after={cursor} brings exactly the {len(late)} objects that became visible",
        agreed=bool(late) and keys(late) == gained,
    )
    told = sum(one["gained"] for one in foreseen["prospects"] if one["collection"] == "indicators")
    report.check(
        "the preview had said so: as many objects, and none lost",
        agreed=told == len({key[0] for key in gained}) and foreseen["lost"] == 0,
    )
    oldest = min(
        (item for item in late if "created" in item), key=lambda item: item["created"], default={}
    )
    report.say(
        f"the oldest of them: {oldest.get('id')}, {oldest.get('name', '')!r}, of {oldest.get('created')}"
    )

    report.step("the nodes exchange again, and agree again")
    exchange(a, b, report)
    agree(a, b, client, ["indicators", "reports"], report)

    report.step("both sides prove it")
    proofs = together([lambda: a.ask("ledger", "verify"), lambda: b.ask("ledger", "verify")])
    for node, proof in zip((a, b), proofs, strict=True):
        told = ", ".join(
            f"{value:,} {name.replace('_', ' ')}"
            for name, value in proof.items()
            if isinstance(value, int)
        )
        report.check(f"{node.name}: the ledger verifies ({told})", agreed=True)


def publishing(node: DemoNode, report: Report) -> list[Callable[[], None]]:
    """Say what one desk publishes: a command for each collection, for they can be at work at once."""
    return [
        lambda collection=collection, names=names: publish(node, collection, names, report)
        for collection, names in PUBLISHED[node.name].items()
    ]


def publish(node: DemoNode, collection: str, names: list[str], report: Report) -> None:
    """Publish files into a collection."""
    files = [str(SAMPLES / name) for name in names]
    told = json.loads(
        node.cli("publish", *files, "--collection", collection, "--json", accept=(0, 1))
    )
    counts = Counter(outcome["result"] for outcome in told["outcomes"])
    summary = ", ".join(f"{number:,} {result}" for result, number in sorted(counts.items()))
    report.check(
        f"{node.name}/{collection}: {', '.join(names)}: {summary}",
        agreed=counts["accepted"] > 0.9 * len(told["outcomes"]),
    )
    # Published data are not perfect: what the standard forbids is refused alone, with its reason.
    for outcome in told["outcomes"]:
        if outcome["result"] == "rejected":
            report.say(f"      {outcome['id']}: {outcome['message']}")


def connecting(node: DemoNode, other: DemoNode, folder: Path) -> list[Callable[[], str]]:
    """Say what a node pulls from the other and what it pushes to it: a command for each."""

    def add(verb: str, words: str, collection: str) -> str:
        return node.cli(
            verb, "add", f"{collection}-{words}-{other.name}", "--partner", other.name, "--url", other.api_root,
            "--remote-collection", collection, "--collection", collection, "--auth", "bearer",
            "--secret-file", str(handed_over(folder, other, node)), "--ca-file", str(node.ca_file),
            "--option", "server=cert-exchange",
        )  # fmt: skip

    return [
        lambda verb=verb, words=words, collection=collection: add(verb, words, collection)
        for verb, words, collections in (
            ("source", "from", PULLED[node.name]),
            ("target", "to", PUSHED[node.name]),
        )
        for collection in collections
    ]


def exchange(a: DemoNode, b: DemoNode, report: Report) -> None:
    """Have both nodes pull and push until nothing is left; the workers may have been first."""
    runs_of = together([lambda: sync(a), lambda: sync(b)])
    states = together([lambda: a.ask("status"), lambda: b.ask("status")])
    for node, runs, state in zip((a, b), runs_of, states, strict=True):
        totals = {c["name"]: c["counters"].get("total", {}) for c in state["channels"]}
        for run in runs:
            told = ", ".join(
                f"{number:,} {what}"
                for what, number in totals.get(run["name"], {}).items()
                if number and what in MOVED
            )
            report.check(
                f"{node.name}: {run['name']}: {told or 'nothing'} so far"
                + ("" if run["ok"] else f"; {run['outcome']}"),
                agreed=run["ok"],
            )
            for refused in run["refusals"]:
                report.say(f"      {refused['stix_id']}: {refused['reason']}")


def sync(node: DemoNode) -> list[dict[str, Any]]:
    """Pull and push now; where the node's own worker is at it this very moment, again when it is done."""
    deadline = time.monotonic() + 30
    while True:
        found: list[dict[str, Any]] = json.loads(
            node.cli("sync", "now", "--json", accept=(0, 1, 4))
        )
        busy = [run for run in found if run["outcome"].startswith("Another worker")]
        if not busy or time.monotonic() > deadline:
            return found
        time.sleep(1)


def show_figures(a: DemoNode, b: DemoNode, report: Report) -> None:
    """Print the table, and what is withheld by which rule."""
    of_a, of_b = together([lambda: figures(a, b), lambda: figures(b, a)])
    report.table(
        ["node", "collection", "published", "released", "held", "fetched", "pushed", "pulled", "received"],
        [*of_a.rows, *of_b.rows],
    )  # fmt: skip
    report.say(
        "released: what the partner may see now; fetched: how much of that it came for;"
        " received: pulled, or pushed to us"
    )
    report.say()
    report.table(
        ["node", "collection", "withholds from", "versions", "answer", "rule", "reason"],
        [*of_a.withheld, *of_b.withheld],
    )


def agree(
    a: DemoNode, b: DemoNode, client: StockClient, aliases: list[str], report: Report
) -> dict[str, Comparison]:
    """Compare three answers about B's view at A: a foreign client's poll, A's export, B's node."""
    polled = {alias: client.objects(alias) for alias in aliases}
    found = together([lambda alias=alias: compare(a, b, alias, polled[alias]) for alias in aliases])
    for alias, one in zip(aliases, found, strict=True):
        report.check(
            f"{alias}: {len(polled[alias]):,} objects polled, byte for byte what {a.name} says that"
            f" {b.name} may see",
            agreed=one.as_exported,
        )
        report.check(
            f"{alias}: {b.name}'s node holds the same {one.held:,}{one.difference}",
            agreed=not one.difference,
        )
    return dict(zip(aliases, found, strict=True))


def stock_client(at: DemoNode, partner: DemoNode, folder: Path) -> StockClient:
    """Log in at one node as the other, with the same credential in its Basic form."""
    user, _, password = handed_over(folder, at, partner).read_text().strip().partition(".")
    return StockClient(at.url, user=user, password=password, ca_file=at.ca_file)


def tell_how_to_log_in(nodes: list[DemoNode], folder: Path, report: Report) -> None:
    """Print addresses, credentials' places and commands for nodes that go on running."""
    report.say()
    for node, other in (nodes, nodes[::-1]):
        process = node.process
        report.say(
            f"{node.name}: {node.url}/taxii2/  process {process.pid if process else '-'}, log {node.log_file}"
        )
        report.say(
            f"  as {other.name}: the token in {handed_over(folder, node, other)}; CA file {node.ca_file}"
        )
        report.say(
            f"  curl --cacert {node.ca_file} -H 'Accept: application/taxii+json;version=2.1'"
            f' -H "Authorization: Bearer $(cat {handed_over(folder, node, other)})" {node.api_root}collections/'
        )
        report.say(
            f"  its own people: CERT_EXCHANGE_HOME={node.home} .venv/bin/cert-exchange status"
        )
    report.say(f"stop them: kill {' '.join(str(n.process.pid) for n in nodes if n.process)}")


def clear(folder: Path) -> None:
    """Stop nodes that an earlier `--keep` left, and remove what it wrote; nothing but the demo's own files."""
    for name in IDENTITIES:
        pid_file = folder / name / "serve.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and str(folder / name).encode() in command.read_bytes():
                os.kill(pid, signal.SIGTERM)
                wait_gone(command)
        for part in (name, f"{name}-tls"):
            shutil.rmtree(folder / part, ignore_errors=True)
    shutil.rmtree(folder / "handed-over", ignore_errors=True)


def wait_gone(command: Path) -> None:
    """Wait until a process has ended, at most ten seconds."""
    end = time.monotonic() + 10
    while command.exists() and time.monotonic() < end:
        time.sleep(0.1)


def together(works: list[Callable[[], Any]]) -> list[Any]:
    """Do things at the same time; the first error passes on when all have ended."""
    with ThreadPoolExecutor(max(1, len(works))) as pool:
        return [done.result() for done in [pool.submit(work) for work in works]]


if __name__ == "__main__":
    sys.exit(main())
