"""The files beside a policy, read once: when it is checked, looked at or applied. What is in force never reads them.

1. Only files that the policy names are read, and only below the folder that it lies in.
2. Reading stops at the limit: what is too long is refused before it is in memory.
"""

from __future__ import annotations

from pathlib import Path

from cert_exchange.errors import InputRefused
from cert_exchange.policy.companions import SIZE_LIMIT, gather


def read_companions(text: str, folder: Path | None) -> dict[str, str]:
    """Read the files that a policy's text names, by the name as written; without a folder none.

    A file that is not there is left out: the policy's own check says where it is named. Raises InputRefused for one
    that is no text, cannot be read, or would make all of them too long.
    """
    if folder is None:
        return {}
    left = SIZE_LIMIT

    def read(name: str) -> str | None:
        nonlocal left
        path = folder / name
        try:
            with path.open("rb") as opened:
                raw = opened.read(left + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InputRefused(
                f"The file {path} cannot be read: {error.strerror}. Name a file that you may read."
            ) from error
        left -= len(raw)
        if left < 0:
            raise InputRefused(
                f"The files that the policy names hold more than {SIZE_LIMIT:,} bytes, {path} the last of them;"
                " take out what no rule needs."
            )
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputRefused(f"The file {path} is not UTF-8 text; save it in UTF-8.") from error

    return gather(text, read)
