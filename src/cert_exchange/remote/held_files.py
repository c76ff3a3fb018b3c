"""Bytes that a C library reads as a file, and that are on no disk: keys that the vault opened, for OpenSSL.

1. In memory where the system can (Linux); else a temporary file that only we may read, gone with the value.
"""

from __future__ import annotations

import os
import tempfile
import weakref


class HeldFile:
    """A file of these bytes under `name`, for as long as this value lives in this process."""

    def __init__(self, raw: bytes) -> None:
        if hasattr(os, "memfd_create"):
            number = os.memfd_create("held")
            name = f"/proc/self/fd/{number}"
        else:
            number, path = tempfile.mkstemp()  # mode 0600
            name = path
            weakref.finalize(self, os.unlink, path)
        self.name = name
        weakref.finalize(self, os.close, number)
        rest = memoryview(raw)
        while rest:
            rest = rest[os.write(number, rest) :]

    def __repr__(self) -> str:
        return f"HeldFile({self.name!r})"
