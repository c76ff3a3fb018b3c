"""A carried file as it is written: sealed while it is made, complete or not there.

1. What is written to the disk was sealed before: nothing of it lies anywhere in the clear, also not for a moment.
2. It is its owner's alone (0600), is written under a name that begins with a dot and ends in `.part`, and gets its name
   when its row was committed. Another file of that name is never overwritten.
3. Where the file system says no, nothing is left but what was there before.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from cert_exchange.errors import ConfigurationInvalid, InputRefused
from cert_exchange.messages.carried import closing_key, public_half, write_head
from cert_exchange.messages.keys import VerifyingKey
from cert_exchange.vault.sealing import SealingWriter

ONCE_BYTES: Final = 32


@dataclass(slots=True)
class Records:
    """The records of one file, one after the other."""

    stream: SealingWriter
    digest: Any = field(default_factory=sha256)
    objects: int = 0
    size: int = 0
    """bytes of the records, before sealing"""

    def put(self, name: str, body: bytes | None = None, **said: Any) -> None:
        """Write a record; `body`: a line of its own after it, which a reader that does not know the record passes over."""
        record: dict[str, Any] = {"record": name, **said}
        if body is not None:
            record["lines"] = 1
        self._line(orjson.dumps(record))
        if body is not None:
            self._line(body)

    def end(self, text: str) -> None:
        """Write the signature, which is over all that was put before."""
        self.stream.write(orjson.dumps({"record": "end", "signed": text}) + b"\n")

    def _line(self, line: bytes) -> None:
        if b"\n" in line:
            raise ValueError("a record is one line")
        self.digest.update(line + b"\n")
        self.stream.write(line + b"\n")
        self.size += len(line) + 1


@dataclass(slots=True)
class Draft:
    """A file that is being written. `keep` gives it its name; without that nothing stays."""

    records: Records
    path: Path
    size: int = 0
    """bytes of the file, once it is `closed`"""
    counts: bool = False
    """whether its number is given: from then on the file stays, under whatever name"""
    _part: Path = field(default=Path())
    _target: BinaryIO | None = None

    def close(self) -> None:
        """Seal the last piece, and have it on the disk."""
        assert self._target is not None
        self.records.stream.close()
        self._target.flush()
        os.fsync(self._target.fileno())
        self.size = self._target.tell()
        self._target.close()

    def keep(self) -> None:
        """Give it its name. Raises ConfigurationInvalid where somebody took that meanwhile."""
        try:
            os.link(self._part, self.path)  # fails where the name is taken, unlike a rename
        except FileExistsError:
            raise ConfigurationInvalid(
                f"{self.path} is there meanwhile: take {self._part.name}, which is the file, away from there."
            ) from None
        except OSError:
            self._part.replace(self.path)  # a stick's file system that knows no links
        else:
            self._part.unlink()
        with contextlib.suppress(OSError):  # not every file system lets a folder be synced
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@contextmanager
def drafting(path: Path, reader: VerifyingKey, *, form: int) -> Iterator[Draft]:
    """Begin a file that only this reader opens. Raises ConfigurationInvalid, InputRefused where it cannot be written."""
    if path.exists():
        raise ConfigurationInvalid(
            f"{path} is there already: nothing was written. Name another one."
        )
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    once = secrets.token_bytes(ONCE_BYTES)
    head = write_head(reader, public_half(once), form=form)
    key = closing_key(reader, head, once)
    try:
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    draft: Draft | None = None
    try:
        with os.fdopen(number, "wb") as target:
            target.write(head)
            draft = Draft(Records(SealingWriter(target, key)), path, _part=part, _target=target)
            yield draft
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if draft is None or not draft.counts:
            part.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> InputRefused:
    return InputRefused(
        f"{path} cannot be written: {error.strerror or error}. Name a place in a folder that exists, that you may write to,"
        " and that has room."
    )


def as_document(said: Mapping[str, Any]) -> bytes:
    """A record's body as JSON, in one line."""
    return orjson.dumps(dict(said))
