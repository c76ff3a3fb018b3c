"""The stand-alone verifier: a second implementation, and a hard one to fool."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.invariants.test_6_ledger import write_history
from tests.scenes import indicator

from cert_exchange.errors import NotFound
from cert_exchange.messages import checkpoints as notes
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.keys import make_signing_key
from cert_exchange.node import Node
from cert_exchange.services import exporting, ledger
from cert_exchange.services.ledger import checkpointing, proving

PROGRAM = Path(__file__).parents[2] / "deploy" / "ledger-verifier" / "verify_ledger.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_ledger", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


verifier = load()


def exported(node: Node, **options) -> list[str]:
    lines: list[str] = []
    exporting.export(node, lines.append, **options)
    return lines


def verify(node: Node, lines: list[str], held: tuple[str, ...] = ()):
    keys = [verifier.read_key(one) for one in exporting.public_keys(node)]
    return verifier.Verifier(keys, [verifier.read_head(one, keys) for one in held]).verify(lines)


def test_it_needs_nothing_of_ours() -> None:
    """Only the standard library: no line of our code, no other package."""
    import ast

    imported = set()
    for found in ast.walk(ast.parse(PROGRAM.read_text())):
        if isinstance(found, ast.Import):
            imported |= {alias.name for alias in found.names}
        elif isinstance(found, ast.ImportFrom):
            imported.add(str(found.module).partition(".")[0])
    assert imported <= set(sys.stdlib_module_names)


def test_its_signatures_are_those_of_everybody_else() -> None:
    """Ed25519 against `cryptography`: what that signed fits; another message, key, bit or a greater S does not."""
    rng = random.Random(7)
    for _ in range(20):
        key = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
        public, message = key.public_key().public_bytes_raw(), rng.randbytes(rng.randrange(200))
        signature = key.sign(message)
        assert verifier.signature_fits(public, message, signature)
        assert not verifier.signature_fits(public, message + b"x", signature)
        for raw, place in ((public, 0), (signature, 1)):
            at = rng.randrange(len(raw) * 8)
            spoiled = bytearray(raw)
            spoiled[at // 8] ^= 1 << at % 8
            given = [public, signature]
            given[place] = bytes(spoiled)
            assert not verifier.signature_fits(given[0], message, given[1])
        greater = int.from_bytes(signature[32:], "little") + verifier.L
        assert not verifier.signature_fits(
            public, message, signature[:32] + greater.to_bytes(32, "little")
        )
    assert not verifier.signature_fits(b"", b"", bytes(64))


def test_an_export_verifies(node: Node) -> None:
    """Closed or opened: all lines, all commitments, all heads."""
    write_history(node)
    checkpointing.issue(node)
    node.database.transact(
        lambda tx: ledger.record(tx, Line("partner.suspend", node.now(), "anna"))
    )
    lines = exported(node)
    found = verify(node, lines)
    whole = ledger.verify(node)
    assert (found.lines, found.stored, found.released, found.opened) == (
        whole.sealed, whole.objects, whole.log_lines, 0,
    )  # fmt: skip
    assert found.heads == 2
    assert found.late == []
    opened = exported(node, opened=True)
    assert verify(node, opened).opened == whole.objects + whole.log_lines
    for_b = verify(node, exported(node, opened_for="b")).opened
    assert 0 < for_b < whole.log_lines


def test_a_closed_export_tells_nothing_of_objects(node: Node) -> None:
    """No value, no name, no id but those that a person's order names, and no digest that could be guessed."""
    write_history(node)
    text = "".join(exported(node))
    for word in ("192.0.2.1", "malware--", "report--", '"sha256"'):
        assert word not in text
    assert set(re.findall("indicator--[0-9a-f-]+", text)) == {indicator("one")["id"]}


def with_record(number: int, change: Callable[[dict], object]) -> Callable[[list[str]], list[str]]:
    def spoil(lines: list[str]) -> list[str]:
        record = json.loads(lines[number])
        change(record)
        return [*lines[:number], json.dumps(record) + "\n", *lines[number + 1 :]]

    return spoil


def without_tail(lines: list[str]) -> list[str]:
    kept = [one for one in lines[:-1] if "checkpoint" not in json.loads(one)][:-2]
    return [*kept, json.dumps({"end": {"lines": len(kept) - 1}}) + "\n"]


SPOILED = {
    "a line dropped": lambda lines: lines[:3] + lines[4:],
    "two lines exchanged": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "a line twice": lambda lines: [*lines[:3], lines[2], *lines[3:]],
    "the end cut off": lambda lines: lines[:-1],
    "lines and heads cut off": without_tail,
    "a number changed": with_record(3, lambda record: record.update(seq=7)),
    "back-dated": with_record(
        3, lambda record: record.update(line=record["line"].replace('"at":1', '"at":2'))
    ),
    "another salt": with_record(3, lambda record: record.update(salt=os.urandom(16).hex())),
    "no salt": with_record(3, lambda record: record.update(salt="zz")),
    "not canonical": with_record(3, lambda record: record.update(line=record["line"] + " ")),
    "a line that is no JSON": with_record(3, lambda record: record.update(line="{")),
    "an unknown record": lambda lines: [*lines[:3], '{"more": 1}\n', *lines[3:]],
    "something after the end": lambda lines: [*lines, lines[1]],
    "not JSON": lambda lines: [*lines[:3], "{\n", *lines[4:]],
    "a key twice": lambda lines: [lines[0], '{"seq":1,' + lines[1][1:], *lines[2:]],
    "nothing": lambda lines: [],
    "another format": with_record(0, lambda record: record.update(format="cert-exchange 9")),
    "another ledger": with_record(0, lambda record: record.update(origin="somebody/else")),
    "an end that lies": with_record(-1, lambda record: record.update(end={"lines": 1})),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_spoiled_export_is_refused(new_node, spoil: Callable[[list[str]], list[str]]) -> None:
    """Each kind of tampering with the file, said in words."""
    node = new_node("sqlite")
    write_history(node)
    lines = exported(node)
    verify(node, lines)
    with pytest.raises(verifier.Broken):
        verify(node, spoil(lines))


def test_every_commitment_and_head_counts(new_node) -> None:
    """Each field of what is opened, each commitment that is not, and each head: changed, the file is refused."""
    node = new_node("sqlite")
    write_history(node)
    checkpointing.issue(node)
    lines = exported(node, opened=True)
    words = {"audience", "collection", "id", "version"}
    tried = 0
    for number, text in enumerate(lines):
        for what in ("stored", "released"):
            for index, one in enumerate(json.loads(text).get(what, [])[:2]):
                for name, value in one.items():
                    if what == "released" and name in words:
                        continue  # what numbers stand for, for people: not committed to
                    spoiled = json.loads(text)
                    spoiled[what][index][name] = (
                        value + 1 if isinstance(value, int)
                        else ("0" if value[0] != "0" else "1") + value[1:] if value
                        else 5
                    )  # fmt: skip
                    with pytest.raises(verifier.Broken):
                        verify(
                            node,
                            [*lines[:number], json.dumps(spoiled) + "\n", *lines[number + 1 :]],
                        )
                    tried += 1
        if "checkpoint" in json.loads(text):
            for old, new in (
                (
                    "\n",
                    "\n1",
                ),
                ("at 2", "at 3"),
                ("=", "A="),
                ("— ", "- "),
            ):
                spoiled = json.loads(text)
                spoiled["checkpoint"] = spoiled["checkpoint"].replace(old, new, 1)
                with pytest.raises(verifier.Broken):
                    verify(
                        node, [*lines[:number], json.dumps(spoiled) + "\n", *lines[number + 1 :]]
                    )
    assert tried > 30


def test_a_head_that_was_kept_elsewhere_finds_a_cut_and_a_fork(new_node) -> None:
    """The file and its heads cut back together: only the head that a partner kept tells. So it does of a rewritten file."""
    node = new_node("sqlite")
    write_history(node)
    early = checkpointing.issue(node)
    short = exported(node)
    node.database.transact(
        lambda tx: ledger.record(tx, Line("partner.suspend", node.now(), "anna"))
    )
    late = checkpointing.issue(node)
    verify(node, short)  # by itself a whole, older ledger
    assert verify(node, exported(node), held=(early.note, late.note)).held == 2
    with pytest.raises(verifier.Broken, match="cut off"):
        verify(node, short, held=(late.note,))
    key = node.secrets.signing_keys[0]
    other = notes.Checkpoint(
        checkpointing.origin(node), early.size, os.urandom(32), early.issued_at
    )
    with pytest.raises(verifier.Broken, match="rewritten or has forked"):
        verify(node, short, held=(notes.signed(other, key),))


def test_a_strange_key_or_signature_is_refused(new_node) -> None:
    """Without our key nothing verifies; with a head of a strange key under our name neither."""
    node = new_node("sqlite")
    write_history(node)
    lines = exported(node)
    strange = make_signing_key(os.urandom(32), since=0)
    told = notes.verifier_key(checkpointing.origin(node), strange.public)
    with pytest.raises(verifier.Broken, match="none of the keys"):
        verifier.Verifier([verifier.read_key(told)]).verify(lines)
    for text in ("", "name", told[:-4], told.replace("+", "-"), told + "A"):
        with pytest.raises(verifier.Broken, match="public key"):
            verifier.read_key(text)


def test_a_person_runs_it(new_node, tmp_path: Path) -> None:
    """From the command line: a file, a key, a head that was kept; code 0, or 1 with what is wrong."""
    node = new_node("sqlite")
    write_history(node)
    held = tmp_path / "held.txt"
    held.write_text(checkpointing.issue(node).note)
    file, key = tmp_path / "ledger.jsonl", tmp_path / "key.txt"
    file.write_text("".join(exported(node)))
    key.write_text("\n".join(exporting.public_keys(node)) + "\n")
    command = [
        sys.executable,
        "-I",
        str(PROGRAM),
        str(file),
        "--key",
        str(key),
        "--held",
        str(held),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("VERIFIED\n")
    file.write_text(file.read_text().replace("analyst", "nobody", 1))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "NOT VERIFIED" in done.stderr


def test_one_line_is_proved_without_the_others(node: Node) -> None:
    """Each line by itself, under the head that is signed with it; nothing of the lines beside it is told."""
    write_history(node)
    keys = [verifier.read_key(one) for one in exporting.public_keys(node)]
    size = checkpointing.issue(node).size
    assert size > 8
    lines = [json.loads(one)["line"] for one in exported(node) if '"seq"' in one[:8]]
    for seq in range(1, size + 1):
        proof = proving.prove(node, seq)
        head, number, _ = verifier.verify_proof(json.loads(json.dumps(proof)), keys)
        assert (head.size, number, proof["line"]) == (size, seq, lines[seq - 1])
        others = [one for one in lines if one != proof["line"]]
        assert not [one for one in others if one in json.dumps(proof, ensure_ascii=False)]
    for wrong in (0, -1, size + 1):
        with pytest.raises(NotFound):
            proving.prove(node, wrong)


def test_a_changed_proof_proves_nothing(sqlite_node: Node) -> None:
    """Every field: another line, number, salt, neighbour, head or key. No SQL is the subject: one engine."""
    write_history(sqlite_node)
    keys = [verifier.read_key(one) for one in exporting.public_keys(sqlite_node)]
    proof = proving.prove(sqlite_node, 5)
    other = proving.prove(sqlite_node, 6)
    later = proof["path"]
    changes = {
        "line": [other["line"], proof["line"].replace('"v":1', '"v":2'), "", None],
        "seq": [other["seq"], 0, 10**9, True, "5"],
        "salt": [other["salt"], proof["salt"].upper() + "0", "", None],
        "previous": [other["previous"], "", None],
        "path": [other["path"], later[:-1], [*later, later[0]], [], later[::-1], "x", None],
        "checkpoint": ["", proof["checkpoint"].replace("\n", "\r\n", 1)],
        "origin": ["cert-exchange/ledger/identity--other"],
    }
    for name, values in changes.items():
        for value in values:
            with pytest.raises(verifier.Broken):
                verifier.verify_proof({**proof, name: value}, keys)
    stranger = verifier.Key(
        keys[0].name, Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    )
    with pytest.raises(verifier.Broken, match="none of the keys"):
        verifier.verify_proof(proof, [stranger])
    kept = verifier.read_head(proof["checkpoint"], keys)
    assert verifier.verify_proof(proof, keys, [kept])[2] == 1
    forked = verifier.Head(kept.origin, kept.size, bytes(32), kept.at)
    with pytest.raises(verifier.Broken, match="forked"):
        verifier.verify_proof(proof, keys, [forked])
