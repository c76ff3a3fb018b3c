"""`make bench-policy`: what deciding, previewing and changing a policy costs in a large store.

    (1) fill a store and apply a first edition, or copy the kept one   (2) decide   (3) preview all audiences' new policies in two processes
    (4) serve, poll, and apply one of them meanwhile   (5) apply back, killed by -9 on its way, and let it be resumed

1. The policies have twenty rules, five of them with `when:`; each new edition narrows and widens.
2. Deciding is measured with reading the object's facts, as every transaction does it, and alone.
3. Memory is the anonymous memory of the process that works, sampled while it works.

OBJECTS in the environment makes the store smaller than 1,000,000 objects.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from benchmarks import cases, corpus, load, own_node, policies
from benchmarks.processes import descendants, rss_anon

OBJECTS: Final = int(os.environ.get("OBJECTS", "1000000"))
SAMPLE: Final = 20_000
NOW: Final = 1_790_000_000_000_000


def policy(audience: int, *, edition: int) -> str:
    """The seven rules of the daily benchmark, and thirteen more.

    An edition keeps fifty of five hundred cases back, and its successor half of those and twenty-five others.
    """
    first = 25 * (edition - 1) + 40 * audience
    named = "".join(
        f"""
  - name: kept back {number}
    match: {{labels: [{", ".join(f"case-{case:03d}" for case in range(first + number, first + 50, 8))}], origin: any}}
    deny: true
"""
        for number in range(8)
    )
    expressions = (
        ("has(object.confidence) && object.confidence < 12", "deny: true"),
        ("'name' in object && object.name.contains('exfiltration staging archive')", "deny: true"),
        ("type == 'note' && size(labels) > 6", "deny: true"),
        ("type == 'malware' && tlp == 'amber' && confidence > 97", "hold: approval"),
        ("type == 'infrastructure' && confidence >= 20", "allow: true"),
    )
    asked = "".join(
        f"""
  - name: expression {number}
    match: {{when: {json.dumps(expression)}, origin: any}}
    {verb}
"""
        for number, (expression, verb) in enumerate(expressions)
    )
    return policies.policy(audience) + named + asked


def decide() -> dict[str, float]:
    """Decisions a second in one process: with the object's facts read once for five audiences, and alone."""
    from cert_exchange.policy.decide import Context, subject_of
    from cert_exchange.policy.decide import decide as decide_one
    from cert_exchange.policy.document import parse_policy

    parsed = [
        parse_policy(policy(number, edition=1), file=f"audience-{number}.yaml")
        for number in range(policies.AUDIENCES)
    ]
    contexts = [Context(frozenset(one.partners), policies.COLLECTION_ALIAS, NOW) for one in parsed]
    contents = list(corpus.objects(SAMPLE, creator=own_node.OWNER["id"]))
    began = time.process_time()
    subjects = [subject_of(content, origin="own", stored_at=NOW) for content in contents]
    read = time.process_time() - began
    began = time.process_time()
    for subject in subjects:
        for one, context in zip(parsed, contexts, strict=True):
            decide_one(one, subject, context)
    spent = time.process_time() - began
    decisions = SAMPLE * policies.AUDIENCES
    return {"per_second": decisions / (read + spent), "alone": decisions / spent}


def preview(home: Path) -> tuple[float, float]:
    """Seconds for a preview of all audiences' second editions by two processes, and the memory of all, in MB."""
    began = time.perf_counter()
    one = Worker("preview", home, 0, 2)
    peak = 0.0
    while not one.ended():
        peak = max(peak, one.memory())
        time.sleep(0.05)
    return time.perf_counter() - began, peak


def activate(home: Path) -> dict[str, float]:
    """Apply an edition while a separate `serve` is polled; then the one before, killed on its way and resumed."""
    server = own_node.serve(home)
    try:
        target = own_node.target_of(home, server, objects=OBJECTS, engine="sqlite")
        for request in target.to_the_end():
            cases.fetch(server.port, request)
        stop = home / "stop-polling"
        stop.unlink(missing_ok=True)
        polling = load.begin(
            load.Job(
                port=server.port, connections=1, seconds=0, warmup=50, stop_file=str(stop),
                requests=target.plan(cases.PAGE100) or [],
            )
        )  # fmt: skip
        began = time.perf_counter()
        one = Worker("apply", home, 0, 2)
        peak = 0.0
        while not one.ended():
            peak = max(peak, one.memory())
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        stop.touch()
        polls = load.finish(polling)
        if polls.errors:
            raise RuntimeError(f"polls failed during the activation: {polls.first_error}")
        resumed = _killed_and_resumed(home, seconds)
    finally:
        server.stop()
    return {"seconds": seconds, "peak": peak, "p99": polls.p99_ms, "resumed": resumed}


def governed() -> Path:
    """The kept home in which the first audience has its first edition, made where there is none.

    The others keep the policy of the daily benchmark: previews of theirs look at as much.
    """
    kept = own_node.kept_home(OBJECTS, "sqlite")
    text = policy(0, edition=1)
    home = kept.with_name(f"{kept.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}")
    if (home / "governed").exists():
        return home
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(kept, home)
    began = time.perf_counter()
    one = Worker("apply", home, 0, 1)
    while not one.ended():
        time.sleep(0.05)
    print(f"first edition applied in {time.perf_counter() - began:.1f} s", flush=True)
    (home / "governed").touch()
    return home


def _killed_and_resumed(home: Path, whole: float) -> float:
    """Kill an activation once its policy is in force; seconds until `serve`'s worker had released the rest."""
    one = Worker("apply", home, 0, 1)
    deadline = time.monotonic() + 20 * whole + 60
    while not _gaining(home):
        if one.ended(checked=False) or time.monotonic() > deadline:
            raise RuntimeError("the activation ended before it could be killed")
        time.sleep(0.01)
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    began = time.perf_counter()
    while _gaining(home):
        if time.monotonic() > deadline:
            raise RuntimeError("nobody went on with the activation that was killed")
        time.sleep(0.05)
    return time.perf_counter() - began


def _gaining(home: Path) -> bool:
    from cert_exchange.node import open_node
    from cert_exchange.store import policies as rows

    node = open_node(home)
    try:
        with node.database.reading() as conn:
            return rows.gaining(conn) is not None
    finally:
        node.close()


class Worker:
    """One preview or activation in a process of its own."""

    def __init__(self, what: str, home: Path, audience: int, edition: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sharing", what, str(home), str(audience), str(edition)],
            cwd=own_node.ROOT,
        )  # fmt: skip

    def memory(self) -> float:
        """Anonymous memory of the process and its children, in MB."""
        pids = [self.process.pid, *descendants(self.process.pid)]
        return sum(rss_anon(pid) for pid in pids) / 1_000_000

    def ended(self, *, checked: bool = True) -> bool:
        code = self.process.poll()
        if code and checked:
            raise RuntimeError("a worker of the benchmark failed; its message is above")
        return code is not None


def work(what: str, home: Path, audience: int, edition: int) -> None:
    """What a `Worker` does."""
    from cert_exchange.node import open_node
    from cert_exchange.services import policies as service
    from cert_exchange.services.policies.previewing import previews

    node = open_node(home)
    try:
        if what == "preview":
            texts = [policy(number, edition=edition) for number in range(policies.AUDIENCES)]
            checked: list[tuple[Any, dict[str, str]]] = [
                (service.check(node, text, file=f"audience-{number}.yaml").policy, {})
                for number, text in enumerate(texts)
            ]
            for told in previews(node, checked, processes=2):
                for one in told.prospects:
                    print(
                        f"  {one.audience}: {one.gained:,} gained, {one.lost:,} lost",
                        file=sys.stderr,
                    )
        else:
            text, file = policy(audience, edition=edition), f"audience-{audience}.yaml"
            done = service.apply(node, text, file=file, author="benchmark", reason="benchmark")
            print(f"  {done.name}: {done.gained:,} gained, {done.lost:,} lost", file=sys.stderr)
    finally:
        node.close()


def main() -> None:
    """Run it all and print the line of figures last."""
    if len(sys.argv) > 1:
        what, at, audience, edition = sys.argv[1:]
        work(what, Path(at), int(audience), int(edition))
        return
    print(f"policy: a store of {OBJECTS:,} objects and {policies.AUDIENCES} audiences", flush=True)
    child = own_node.make(OBJECTS, "sqlite", None)
    if child is not None and child.wait() != 0:
        raise SystemExit("the store could not be filled; the reason is above")
    decided = decide()
    print(
        f"decide: {decided['per_second']:,.0f}/s with the object's facts read for each five,"
        f" {decided['alone']:,.0f}/s alone", flush=True,
    )  # fmt: skip
    home = own_node.WORK / f"run-policy-{OBJECTS}"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(governed(), home)
    preview_seconds, preview_peak = preview(home)
    print(f"preview: {preview_seconds:.1f} s, {preview_peak:.0f} MB in all processes", flush=True)
    active = activate(home)
    print(
        f"activation: {active['seconds']:.1f} s, {active['peak']:.0f} MB; after kill -9 resumed and done"
        f" in {active['resumed']:.1f} s", flush=True,
    )  # fmt: skip
    print(
        f"decide_per_s={decided['per_second']:.0f} preview_s={preview_seconds:.1f}"
        f" activation_s={active['seconds']:.1f} peak_mb={max(preview_peak, active['peak']):.0f}"
        f" poll_p99_ms={active['p99']:.1f}"
    )


if __name__ == "__main__":
    main()
