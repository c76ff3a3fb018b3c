"""Files that a person names: what is published comes out of them, exports and copies go into them.

1. Whatever the file system says about such a path ends in a sentence with a next step, never as a fault of ours.
2. Unpacking never makes more than the limit, however small the file.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from cert_exchange.errors import (
    BodyTooLarge,
    ConfigurationInvalid,
    InputRefused,
    NotFound,
    NotJson,
)

_GZIP: Final = b"\x1f\x8b"
_MANIFEST: Final = "manifest.json"
_MOST_OF_A_MANIFEST: Final = 64 * 1024 * 1024


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn what the file system says about a path that a person named into a sentence. Raises InputRefused."""
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else str(path)
        # A name of ours beside the file tells a person nothing.
        also = "" if Path(where).absolute().parent == path.absolute().parent else f" ({where})"
        raise InputRefused(
            f"{path} cannot be written: {error.strerror or error}{also}."
            " Name a place in a folder that exists and that you may write to."
        ) from error


@contextmanager
def new_text(file: Path) -> Iterator[IO[str]]:
    """A new file of text that only its owner reads; taken away again where it was not written to its end.

    Raises ConfigurationInvalid where it cannot be made, also because it is there already.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationInvalid(f"{file} cannot be made: {error.strerror}.") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            yield stream
    except BaseException:
        file.unlink()  # half a ledger would be taken for one that was cut off
        raise


def read_text(file: Path) -> str:
    """Read a file of text that a person wrote. Raises NotFound, InputRefused."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}; look at the name.") from error
    except UnicodeDecodeError as error:
        raise InputRefused(
            f"The file {file} is not UTF-8 text; save it as YAML in UTF-8."
        ) from error
    except OSError as error:
        raise InputRefused(
            f"The file {file} cannot be read: {error.strerror}. Name a file that you may read."
        ) from error


def read_packed(file: Path, *, limit: int) -> bytes:
    """Read a file or standard input, unpacked when it is gzip, up to `limit` bytes.

    Raises NotFound, InputRefused, NotJson for a broken gzip file, BodyTooLarge.
    """
    try:
        if str(file) == "-":
            raw = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as opened_file:
                raw = opened_file.read(limit + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}.") from error
    except OSError as error:
        raise InputRefused(f"The file {file} cannot be read: {error.strerror}.") from error
    if raw.startswith(_GZIP):
        raw = _unpack(raw, file, limit=limit)
    if len(raw) > limit:
        raise BodyTooLarge(
            f"{file} holds more than {limit:,} bytes, unpacked; publish it in parts."
        )
    return raw


def with_feeds(files: Sequence[Path]) -> list[Path]:
    """The files; in place of a MISP feed (its folder, or the `manifest.json` in it) those of its events, in its order.

    Raises InputRefused where a folder has no manifest, or one names an event whose file is not there.
    """
    found: list[Path] = []
    for file in files:
        manifest = file / _MANIFEST if file.is_dir() else file
        named = _named(manifest, certainly=file.is_dir())
        if not named:
            found.append(file)
            continue
        events = [manifest.parent / f"{uuid}.json" for uuid in named]
        lacking = [one.name for one in events if not one.is_file()]
        if lacking:
            raise InputRefused(
                f"{manifest} names {len(lacking)} events whose files are not beside it, {lacking[0]} first;"
                " fetch the feed again, or publish the files that are there."
            )
        found += events
    return found


def _named(manifest: Path, *, certainly: bool) -> tuple[str, ...]:
    """The events of a manifest; none where a file of that name is something else. Raises NotFound, InputRefused."""
    if not certainly and (manifest.name != _MANIFEST or not manifest.is_file()):
        return ()
    from cert_exchange.services.taking import events_of_feed

    try:
        return events_of_feed(read_packed(manifest, limit=_MOST_OF_A_MANIFEST))
    except NotFound as error:
        raise NotFound(
            f"{manifest.parent} is a folder without {_MANIFEST}, so no feed of MISP; name its files."
        ) from error
    except InputRefused:
        if certainly:
            raise
        return ()


def _unpack(packed: bytes, file: Path, *, limit: int) -> bytes:
    """Unpack gzip, also of several members one after the other, never making more than `limit` + 1 bytes."""
    unpacked = b""
    while packed and len(unpacked) <= limit:
        member = zlib.decompressobj(wbits=31)
        try:
            unpacked += member.decompress(packed, limit + 1 - len(unpacked))
        except zlib.error as error:
            raise NotJson(f"{file} begins like gzip but cannot be unpacked.") from error
        if not member.eof and len(unpacked) <= limit:
            raise NotJson(f"{file} is a gzip file that was cut off.")
        packed = member.unused_data
    return unpacked


@contextmanager
def whole(file: Path) -> Iterator[IO[bytes]]:
    """Write beside the file and move it there when it is whole: a reader never finds half a bundle."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as out:
        try:
            yield out.file
            out.flush()
            os.fsync(out.fileno())
            Path(out.name).replace(file)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise
