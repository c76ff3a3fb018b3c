#!/usr/bin/env python3
"""Verifies what `cert-exchange ledger export` or `ledger prove` wrote, with nothing but Python 3.9 or newer, the file and
the public key.

    python3 verify_ledger.py EXPORT --key KEY [--key KEY ...] [--held NOTE ...]

KEY is a public key as `cert-exchange ledger key` prints it (name+hash+base64), or a file with such lines. It has to come
from somewhere else than the export: whoever forges the one forges the other. NOTE is a file with a signed head that was
kept elsewhere, with a partner or on paper: it is what finds a file whose end was cut off together with its heads.

Exit code 0: everything verifies. 1: it does not, and the first thing that is wrong is said. 2: the command line is wrong.

This is written from docs/ledger-format.md and shares no code with cert-exchange, on purpose.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

FORMAT = "cert-exchange ledger export 1"
PROOF = "cert-exchange ledger proof 1"
MOST = 16 * 1024 * 1024  # characters of a proof
GENESIS = hashlib.sha256(b"cert-exchange ledger 1").digest()
EMPTY = hashlib.sha256(b"").digest()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Broken(Exception):
    """The evidence does not verify; the words say what is wrong."""


# --- Ed25519, RFC 8032, verification only ---------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple  # X, Y, Z, T: extended coordinates


def _add(one: Point, two: Point) -> Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c = 2 * one[3] * two[3] * D % P
    d = 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = _add(result, point)
        point = _add(point, point)
        number >>= 1
    return result


def _point(raw: bytes) -> Point | None:
    value = int.from_bytes(raw, "little")
    sign, y = value >> 255, value & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else (0, y, 1, 0)
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _generator() -> Point:
    found = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    assert found is not None
    return found


GENERATOR = _generator()


def signature_fits(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this key made this signature (64 bytes) over this message."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = _point(public), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or s >= L:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    left = _times(s, GENERATOR)
    right = _add(commitment, _times(int.from_bytes(digest, "little") % L, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % P == 0


# --- Merkle trees, RFC 9162 ------------------------------------------------------------------------------------------


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass
class Tree:
    """A growing tree, of which only the right-hand edge is kept."""

    size: int = 0
    edge: list = field(default_factory=list)

    def add(self, entry: bytes) -> None:
        value, number = hashlib.sha256(b"\x00" + entry).digest(), self.size
        while number & 1:
            value, number = _node(self.edge.pop(), value), number >> 1
        self.edge.append(value)
        self.size += 1

    def root(self) -> bytes:
        if not self.edge:
            return EMPTY
        value = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            value = _node(left, value)
        return value


def root_of(entries: Iterable) -> bytes:
    tree = Tree()
    for entry in entries:
        tree.add(entry)
    return tree.root()


# --- Signed heads, C2SP tlog-checkpoint in a signed-note -------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """A public key and the name of the ledger that it signs for."""

    name: str
    public: bytes

    @property
    def mark(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]


@dataclass(frozen=True)
class Head:
    """What a note says, signed by a key that was given."""

    origin: str
    size: int
    root: bytes
    at: int


def read_key(text: str) -> Key:
    """Read `name+hash+base64`."""
    try:
        name, mark, told = text.strip().split("+", 2)  # a name has no plus, base64 may
        raw = base64.b64decode(told, validate=True)
        key = Key(name, raw[1:])
    except ValueError:
        raise Broken(f"this is no public key of a ledger: {text.strip()[:80]!r}") from None
    if raw[:1] != b"\x01" or len(key.public) != 32 or key.mark.hex() != mark:
        raise Broken(f"this public key of a ledger was mistyped: {text.strip()[:80]!r}")
    return key


HEAD = re.compile(
    r"(?P<origin>[^\s+]+)\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"at (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z\n\n(?P<signatures>(?:\u2014 [^\s]+ [A-Za-z0-9+/=]+\n)+)"
)


def read_head(note: str, keys: Iterable[Key]) -> Head:
    """Read a signed head. One signature by one of the keys has to be there, and has to fit."""
    found = HEAD.fullmatch(note)
    if found is None:
        raise Broken("a signed head is not readable")
    text = note.partition("\n\n")[0] + "\n"
    signed = False
    for line in found["signatures"].splitlines():
        _, name, told = line.split(" ")
        try:
            raw = base64.b64decode(told, validate=True)
        except ValueError:
            raw = b""
        if base64.b64encode(raw).decode() != told:  # also bits that the last letter has too many
            raise Broken("a signature of a head is not readable")
        for key in keys:
            if key.name == name == found["origin"] and raw[:4] == key.mark:
                if not signature_fits(key.public, text.encode(), raw[4:]):
                    raise Broken(f"the signature under the head of {found['size']} lines is wrong")
                signed = True
    if not signed:
        raise Broken(f"the head of {found['size']} lines is signed by none of the keys given")
    at = datetime.fromisoformat(found["at"] + "+00:00")
    micros = (at - EPOCH) // timedelta(microseconds=1)
    return Head(found["origin"], int(found["size"]), base64.b64decode(found["root"]), micros)


# --- The export ------------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """What was verified."""

    origin: str = ""
    lines: int = 0
    stored: int = 0
    released: int = 0
    opened: int = 0
    heads: int = 0
    held: int = 0
    last: Head | None = None
    late: list = field(default_factory=list)


def unique(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Broken("a key stands twice in a JSON object")
    return found


def parse(text: str, what: str) -> dict:
    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise Broken(f"{what} is not readable") from None
    if not isinstance(value, dict):
        raise Broken(f"{what} is not readable")
    return value


def text_of(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">I", len(raw)) + raw


def commitment(opened: dict, what: str) -> bytes:
    """What an opened commitment hashes to: of a stored object version, or of a line of a release log."""
    try:
        salt, digest = bytes.fromhex(opened["salt"]), bytes.fromhex(opened["sha256"])
        if (salt.hex(), digest.hex()) != (opened["salt"], opened["sha256"]) or len(salt) != 16:
            return b""
        if what == "stored":
            body = struct.pack(">Q", opened["origin"]) + text_of(opened["id"])
            body += text_of(opened["version"]) + digest
            return hashlib.sha256(b"cert-exchange object 1\x00" + salt + body).digest()
        numbers = (opened["view"], opened["position"], opened["object"], opened["policy"] or 0)
        body = struct.pack(">QQQQ", *numbers) + text_of(opened["kind"]) + digest
        body += text_of(opened["rule"])
        return hashlib.sha256(b"cert-exchange release 1\x00" + salt + body).digest()
    except (KeyError, TypeError, ValueError, AttributeError, struct.error):
        raise Broken("an opened commitment is not readable") from None


def records(lines: Iterable) -> Iterator:
    for number, text in enumerate(lines, start=1):
        yield parse(text, f"line {number} of the file")


class Verifier:
    """Goes through an export once, keeping no more than one line of it."""

    def __init__(self, keys: Iterable[Key], held: Iterable[Head] = ()) -> None:
        self.keys = tuple(keys)
        self.held = sorted(held, key=lambda head: head.size)
        self.found = Found()
        self.link = GENESIS
        self.tree = Tree()

    def verify(self, lines: Iterable) -> Found:
        """Verify all. Raises Broken with the first thing that is wrong."""
        stream = records(lines)
        head = next(stream, None)
        if head is None or head.get("format") != FORMAT:
            raise Broken(f"this is no {FORMAT!r}")
        self.found.origin = str(head.get("origin"))
        if not any(key.name == self.found.origin for key in self.keys):
            raise Broken(f"none of the keys given is of the ledger {self.found.origin!r}")
        self._compare_held()
        ended = None
        for record in stream:
            if ended is not None:
                raise Broken("something stands behind the end of the file")
            if "line" in record:
                self._line(record)
            elif "checkpoint" in record:
                self._head(record)
            elif "end" in record:
                ended = record["end"]
            else:
                raise Broken("the file has a line of an unknown kind")
        self._end(ended)
        return self.found

    def _line(self, record: dict) -> None:
        seq, body = record.get("seq"), record["line"]
        if seq != self.found.lines + 1:
            raise Broken(f"line {self.found.lines + 1} of the ledger is missing: {seq} came")
        if not isinstance(body, str) or not isinstance(record.get("salt"), str):
            raise Broken(f"line {seq} of the ledger is not readable")
        said = parse(body, f"line {seq} of the ledger")
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if canonical != body or said.get("v") != 1 or not isinstance(said.get("at"), int):
            raise Broken(f"line {seq} of the ledger is not in canonical form")
        for what in ("stored", "released"):
            self._commitments(seq, what, said.get(what, [0, EMPTY.hex()]), record)
        raw = body.encode()
        self.link = hashlib.sha256(
            b"cert-exchange line 1\x00" + self.link + struct.pack(">Q", seq) + raw
        ).digest()
        if not re.fullmatch("[0-9a-f]{32}", record["salt"]):
            raise Broken(f"line {seq} of the ledger has no salt")
        salt = bytes.fromhex(record["salt"])
        self.tree.add(b"cert-exchange leaf 1\x00" + salt + self.link)
        self.found.lines += 1
        last = self.found.last
        if last is not None and said["at"] < last.at - 3_600_000_000:
            self.found.late.append(seq)
        self._compare_held()

    def _commitments(self, seq: int, what: str, told: list, record: dict) -> None:
        listed = record.get(what, [])
        leaves = []
        for one in listed:
            if isinstance(one, dict):
                leaves.append(commitment(one, what))
                self.found.opened += 1
            else:
                leaves.append(bytes.fromhex(one) if re.fullmatch("[0-9a-f]{64}", str(one)) else b"")
        if [len(leaves), root_of(sorted(leaves)).hex()] != told:
            raise Broken(f"what line {seq} of the ledger {what} is not what it says")
        setattr(self.found, what, getattr(self.found, what) + len(leaves))

    def _head(self, record: dict) -> None:
        head = read_head(str(record["checkpoint"]), self.keys)
        if head.origin != self.found.origin:
            raise Broken("a head is of another ledger")
        if head.size != self.tree.size:
            raise Broken(f"a head of {head.size} lines stands behind {self.tree.size} lines")
        if head.root != self.tree.root():
            raise Broken(f"the first {head.size} lines are not those that were signed")
        self.found.heads += 1
        self.found.last = head

    def _compare_held(self) -> None:
        while self.held and self.held[0].size == self.tree.size:
            head = self.held.pop(0)
            if head.root != self.tree.root() or head.origin != self.found.origin:
                raise Broken(
                    f"the first {head.size} lines are not those of the head that was kept elsewhere:"
                    " the history was rewritten or has forked"
                )
            self.found.held += 1

    def _end(self, ended: object) -> None:
        if ended is None:
            raise Broken("the file has no end: it was cut off")
        if ended != {"lines": self.found.lines}:
            raise Broken(f"the file says {ended!r}, but has {self.found.lines} lines")
        if self.held:
            raise Broken(
                f"a head of {self.held[0].size} lines was kept elsewhere, but the file has"
                f" {self.found.lines}: lines were cut off"
            )
        last = self.found.last
        if last is None or last.size != self.found.lines:
            raise Broken("no signed head covers the last lines of the file")


# --- The proof of one line -------------------------------------------------------------------------------------------


def root_by(leaf: bytes, index: int, size: int, path: list) -> bytes:
    """The root over `size` leaves that a path leads to from the leaf at `index` (RFC 9162, 2.1.3.2)."""
    at, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Broken("the path is longer than the tree is high")
        if at % 2 or at == last:
            value = _node(sibling, value)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            value = _node(value, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise Broken("the path does not reach the root")
    return value


def verify_proof(proof: dict, keys: Iterable[Key], held: Iterable[Head] = ()) -> tuple:
    """Verify that a line stands under a signed head: (head, the line's number, how many heads kept elsewhere fit)."""
    seq, body, path = proof.get("seq"), proof.get("line"), proof.get("path")
    whole = "[0-9a-f]{64}"
    if (
        type(seq) is not int
        or seq < 1
        or not isinstance(body, str)
        or not isinstance(path, list)
        or not all(re.fullmatch(whole, str(one)) for one in [*path, proof.get("previous")])
        or not re.fullmatch("[0-9a-f]{32}", str(proof.get("salt")))
    ):
        raise Broken("the proof is not readable")
    head = read_head(str(proof.get("checkpoint")), keys)
    if head.origin != proof.get("origin"):
        raise Broken("the head is of another ledger")
    if seq > head.size:
        raise Broken(f"line {seq} is not among the {head.size} lines of the head")
    link = hashlib.sha256(
        b"cert-exchange line 1\x00"
        + bytes.fromhex(proof["previous"])
        + struct.pack(">Q", seq)
        + body.encode()
    ).digest()
    entry = b"cert-exchange leaf 1\x00" + bytes.fromhex(proof["salt"]) + link
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    if root_by(leaf, seq - 1, head.size, [bytes.fromhex(one) for one in path]) != head.root:
        raise Broken(f"line {seq} is not the one that was signed")
    fitting = 0
    for one in held:
        if (one.origin, one.size) == (head.origin, head.size):
            if one.root != head.root:
                raise Broken(
                    f"the head of {head.size} lines is not the one that was kept elsewhere:"
                    " the history was rewritten or has forked"
                )
            fitting += 1
    return head, seq, fitting


def single(file: Path) -> dict | None:
    """The proof of one line that a file holds; None where it is something else, such as an export."""
    with file.open(encoding="utf-8", newline="\n") as stream:
        text = stream.read(MOST)
    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return None  # an export has a document on each line, or is longer than any proof
    return value if isinstance(value, dict) and value.get("format") == PROOF else None


def tell_proof(proof: dict, keys: Iterable[Key], held: list) -> None:
    """Verify a proof and say what it shows."""
    head, seq, fitting = verify_proof(proof, keys, held)
    signed = (EPOCH + timedelta(microseconds=head.at)).isoformat()
    print(f"ledger     {head.origin}")
    print(f"line       {seq} of {head.size}, signed {signed}")
    shown = (one if " " <= one <= "~" else ascii(one)[1:-1] for one in proof["line"])
    print(f"says       {''.join(shown)}")
    if held:
        print(f"heads      {fitting} of {len(held)} kept elsewhere are of this size, and the same")
    print("VERIFIED")


def keys_of(given: Iterable) -> list:
    """Public keys that were given on the command line, or stand in files."""
    found = []
    for one in given:
        try:
            text = Path(one).read_text(encoding="utf-8")
        except OSError:
            text = one
        found += [read_key(line) for line in text.splitlines() if line.strip()]
    return found


def main(arguments: list | None = None) -> int:
    """Verify a file and say so."""
    parser = argparse.ArgumentParser(
        description="Verify an export of a cert-exchange ledger, or the proof of one line of it."
    )
    parser.add_argument("export")
    parser.add_argument("--key", action="append", required=True, metavar="KEY")
    parser.add_argument("--held", action="append", default=[], metavar="NOTE")
    given = parser.parse_args(arguments)
    try:
        keys = keys_of(given.key)
        held = [read_head(Path(name).read_text(encoding="utf-8"), keys) for name in given.held]
        proof = single(Path(given.export))
        if proof is not None:
            tell_proof(proof, keys, held)
            return 0
        with Path(given.export).open(encoding="utf-8", newline="\n") as stream:
            found = Verifier(keys, held).verify(stream)
    except (Broken, OSError, UnicodeDecodeError) as error:
        print(f"NOT VERIFIED: {error}", file=sys.stderr)
        return 1
    assert found.last is not None
    signed = (EPOCH + timedelta(microseconds=found.last.at)).isoformat()
    print(f"ledger     {found.origin}")
    print(f"lines      {found.lines}, the last ones signed {signed}")
    print(f"objects    {found.stored} stored, {found.released} log lines, {found.opened} opened")
    print(f"heads      {found.heads} in the file, {found.held} kept elsewhere")
    for seq in found.late[:10]:
        print(
            f"remark     line {seq} bears an instant over an hour before the head that it came after"
        )
    print("VERIFIED")
    return 0


if __name__ == "__main__":
    sys.exit(main())
