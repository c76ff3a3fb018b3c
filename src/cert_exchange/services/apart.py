"""The text of a PDF, read in a process of its own.

1. A PDF is a program for a renderer, and the library that reads it can be made to run long and to fill memory. Beside a node that
   serves partners it does so apart: bounded processor time and memory, no files, and nothing but its text comes back.
2. What went wrong there is a refusal in one sentence here; nothing of the file goes to a log.
3. The child starts with this module alone, which is why it stands outside `taking`, and inherits no secret: its environment is
   empty but for the path.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.intake.reports.passages import Passage, Role
from cert_exchange.intake.reports.pdf import read_pdf
from cert_exchange.intake.reports.reading import choose_of

MOST_SECONDS: Final = 120
"""Of processor time; on the clock five times as many, as the machine may have other work."""
MOST_MEMORY: Final = 1_500 * 1024 * 1024
_REFUSED: Final = 3


def read_pdf_apart(content: bytes) -> Iterator[Finding | Loss]:
    """As `read_pdf_report`. InputRefused also where the file needs more time or memory than a report may."""
    yield from choose_of(_pieces(content))


def _pieces(content: bytes) -> Iterator[Passage | Loss]:
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and this module
            [sys.executable, "-m", __name__],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=MOST_SECONDS * 5,
            check=False,
            env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    except subprocess.TimeoutExpired as e:
        raise _too_much("time ran out") from e
    if child.returncode == _REFUSED:
        raise InputRefused(child.stdout.decode())
    if child.returncode != 0:
        raise _too_much(f"the reader ended with {child.returncode}")
    for line in child.stdout.decode().splitlines():
        piece = json.loads(line)
        if len(piece) == 3:
            yield Loss(*piece)
        else:
            text, place, role, heading, row = piece
            yield Passage(text, place, Role(role), heading, row=row)


def _too_much(detail: str) -> InputRefused:
    return InputRefused(
        f"The PDF needs more than {MOST_SECONDS} seconds or {MOST_MEMORY // 1024**2} MiB to be read. Save it again with another"
        " program, give the pages with the indicators only, or give its text.",
        detail=detail,
    )


def _child() -> int:
    """Read a PDF from standard input and write its pieces, one JSON array a line."""
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        for piece in read_pdf(sys.stdin.buffer.read()):
            if isinstance(piece, Loss):
                said: list[str | int] = [piece.place, piece.what, piece.reason]
            else:
                said = [piece.text, piece.place, piece.role.value, piece.heading, piece.row]
            sys.stdout.write(json.dumps(said) + "\n")
    except InputRefused as e:
        sys.stdout.write(e.public)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_child())
