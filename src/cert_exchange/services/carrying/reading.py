"""A carried file as it is read: opened, checked to its last byte, and only then believed.

1. It is read twice. First to its end: sealed pieces, limits, signature. Nothing of it is taken in before that, and what
   is taken in then is read again, and was not changed meanwhile (the signature's digest is compared once more).
2. Nothing of its content is written anywhere while it is looked at; pages are held one at a time.
3. It is a stranger's file: size, number of records, length of a line are bounded before memory is given for them.
4. Names and records that are not known are passed over, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound, SignatureBroken
from cert_exchange.messages.carried import LONGEST_HEAD, opening_key, read_head, span_of
from cert_exchange.messages.deliveries import MOST_TAKEN, number_of
from cert_exchange.messages.keys import SigningKey
from cert_exchange.vault.sealing import PIECE, UnsealingReader

MOST_BYTES: Final = 1024 * 1024 * 1024
"""of a file"""
LINE_BYTES: Final = 64 * 1024 * 1024
KEPT_BYTES: Final = 128 * 1024 * 1024
"""of all but the pages, which are held at once; a statement has some 250 for each object"""
MOST_LINES: Final = 200_000
MOST_OBJECTS: Final = 200_000
MOST_COLLECTIONS: Final = 200
MOST_RECEIPTS: Final = 10_000

DAMAGED: Final = (
    "The file was cut off or altered on its way. Nothing of it was taken in: copy it once more, and compare its size with"
    " that of the original; if it stays so, ask for it again (`carry out --from`)."
)


@dataclass(slots=True)
class Collection:
    """What a file holds of one collection of the sender's."""

    uuid: str
    alias: str
    title: str
    after: int
    upto: int
    objects: int = 0
    statements: list[Mapping[str, Any]] = field(default_factory=list)
    """as the sender's node tells them: {"statement", "entries"}"""
    seqs: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """One page as the sender's server would have given it. Positions are micros."""

    collection: str
    first: int
    last: int
    count: int
    body: bytes
    """the objects, joined by commas"""


@dataclass(slots=True)
class Contents:
    """All of a file but its pages, as it came: believed when its signature was verified by the caller."""

    path: Path
    key: str
    """the name of our key that opened it"""
    signed: str = ""
    digest: bytes = b""
    """SHA-256 of all before the signature"""
    head: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    stand: Mapping[str, Any] = field(default_factory=dict)
    """how far the sender has our statements; the first versions said it in `answer`"""
    answer: Mapping[str, Any] = field(default_factory=dict)
    receipts: list[str] = field(default_factory=list)
    collections: dict[str, Collection] = field(default_factory=dict)
    unknown: int = 0
    size: int = 0
    kept: int = 0
    """bytes of records that are held"""

    @property
    def objects(self) -> int:
        """How many there are."""
        return sum(one.objects for one in self.collections.values())


def read_contents(path: Path, keys: tuple[SigningKey, ...]) -> Contents:
    """Read a file to its end. Raises NotFound, InputRefused (not ours, damaged, too large, of another format)."""
    try:
        with path.open("rb") as source:
            size = source.seek(0, 2)
            source.seek(0)
            if size > MOST_BYTES:
                raise InputRefused(
                    f"The file has {size:,} bytes; at most {MOST_BYTES:,} are read. Ask for several smaller ones"
                    " (`carry out --most`)."
                )
            stream, key = _open(source, keys)
            contents = Contents(path, key, size=size)
            _gather(contents, stream)
            return contents
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}; look at the name.") from None
    except OSError as error:
        raise InputRefused(f"{path} cannot be read: {error.strerror or error}.") from error
    except ConfigurationInvalid:
        raise InputRefused(DAMAGED) from None


def pages_of(contents: Contents, keys: tuple[SigningKey, ...], collection: str) -> Iterator[Page]:
    """The pages of one collection, in order. Raises InputRefused where the file was changed since it was checked."""
    digest = sha256()
    with contents.path.open("rb") as source:
        try:
            stream, _ = _open(source, keys)
            for record, body, _ in _records(stream, digest):
                if record["record"] == "page" and record.get("collection") == collection:
                    yield _page(record, body or b"")
        except (ConfigurationInvalid, KeyError, TypeError, ValueError):
            raise InputRefused(DAMAGED) from None
    if digest.digest() != contents.digest:
        raise InputRefused("The file was changed while it was read. Bring it in once more.")


def _open(source: BinaryIO, keys: tuple[SigningKey, ...]) -> tuple[UnsealingReader, str]:
    head = source.readline(LONGEST_HEAD) + source.readline(LONGEST_HEAD)
    kid, shown = read_head(head)
    ours = next((key for key in keys if key.kid == kid), None)
    if ours is None:
        names = ", ".join(key.kid for key in keys)
        raise InputRefused(
            f"The file is for somebody else: it is closed to the key {kid}, and ours are {names}. If it should be for us,"
            " its sender has not pinned our key (`keys show` here, `keys pin` there)."
        )
    try:
        key = opening_key(ours, head, shown)
    except SignatureBroken:
        raise InputRefused(DAMAGED) from None
    return UnsealingReader(source, key), kid


def _lines(stream: UnsealingReader) -> Iterator[bytes]:
    waiting = bytearray()
    seen = 0
    while chunk := stream.read(PIECE):
        begin = len(waiting)
        waiting += chunk
        while (end := waiting.find(b"\n", begin)) >= 0:
            _check(end, LINE_BYTES, "bytes in a line")
            yield bytes(waiting[:end])
            del waiting[: end + 1]
            begin = 0
            seen += 1
            _check(seen, MOST_LINES, "lines")
        _check(len(waiting), LINE_BYTES, "bytes in a line")
    if waiting:
        raise ConfigurationInvalid("the last line has no end")


def _records(
    stream: UnsealingReader, digest: Any
) -> Iterator[tuple[Mapping[str, Any], bytes | None, int]]:
    """Each record with the line that follows it, if one does, and the bytes of both. Raises ValueError, ConfigurationInvalid, InputRefused."""
    lines = _lines(stream)
    for line in lines:
        record = orjson.loads(line)
        if not isinstance(record, dict) or not isinstance(record.get("record"), str):
            raise TypeError(line)
        if record["record"] == "end":
            yield record, None, len(line)
            if next(lines, None) is not None:
                raise ValueError("something follows the end")
            return
        digest.update(line + b"\n")
        body: bytes | None = None
        for place in range(number_of(record.get("lines", 0))):
            following = next(lines, None)
            if following is None:
                raise ValueError("a record's line is missing")
            digest.update(following + b"\n")
            body = following if place == 0 else body
        yield record, body, len(line) + len(body or b"")
    raise ConfigurationInvalid("the end is missing")


def _gather(contents: Contents, stream: UnsealingReader) -> None:
    digest = sha256()
    try:
        for record, body, size in _records(stream, digest):
            if record["record"] != "page":
                contents.kept += size
                _check(contents.kept, KEPT_BYTES, "bytes of statements and receipts")
            _take(contents, record, body)
    except (KeyError, TypeError, ValueError) as error:
        raise InputRefused(
            "The file opens, and its content is not what `carry out` writes. Nothing was taken in: show it to who made it.",
            detail=type(error).__name__,
        ) from None
    contents.digest = digest.digest()


def _take(contents: Contents, record: Mapping[str, Any], body: bytes | None) -> None:
    match record["record"]:
        case "end":
            contents.signed = _text(record["signed"])
        case "head":
            contents.head = record
        case "keys":
            contents.keys = {"signed": record["signed"]}
        case "stand":
            contents.stand = record
        case "answer":
            contents.answer = record
        case "receipt":
            contents.receipts.append(_text(record["receipt"]))
            _check(len(contents.receipts), MOST_RECEIPTS, "receipts")
        case "collection":
            after, upto = span_of(record)
            uuid = _text(record["collection"])
            contents.collections[uuid] = Collection(
                uuid,
                _text(record.get("alias") or ""),
                _text(record.get("title") or ""),
                after,
                upto,
            )
            _check(len(contents.collections), MOST_COLLECTIONS, "collections")
        case "statement":
            told = orjson.loads(body or b"")
            one = contents.collections[record["collection"]]
            one.statements.append({**told, "statement": _text(told["statement"])})
            one.seqs.append(number_of(record["seq"], least=1))
            gap = one.seqs[-2:-1] not in ([], [one.seqs[-1] - 1])
            if gap or not isinstance(told["entries"], list) or len(told["entries"]) > MOST_TAKEN:
                raise ValueError(record)
        case "page":
            page = _page(record, body or b"")
            contents.collections[page.collection].objects += page.count
            _check(contents.objects, MOST_OBJECTS, "objects")
        case _:
            contents.unknown += 1


def _page(record: Mapping[str, Any], body: bytes) -> Page:
    return Page(
        _text(record["collection"]),
        number_of(record["first"]),
        number_of(record["last"]),
        number_of(record["count"], least=1),
        body,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _check(count: int, most: int, what: str) -> None:
    if count > most:
        raise InputRefused(
            f"The file has more than {most:,} {what}. Nothing was taken in: ask for several smaller ones"
            " (`carry out --most`)."
        )
