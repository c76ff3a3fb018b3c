"""What the demo prints, and whether every check agreed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """Lines for a person who watches; `failures` decides the exit code."""

    began: float = field(default_factory=time.monotonic)
    failures: int = 0

    def step(self, text: str) -> None:
        """Say what happens now."""
        print(f"[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

    def say(self, text: str = "") -> None:
        """Say something about it."""
        print(f"          {text}".rstrip(), flush=True)

    def check(self, what: str, *, agreed: bool) -> None:
        """Say how a check ended."""
        self.failures += 0 if agreed else 1
        print(f"          {'ok  ' if agreed else 'FAIL'}  {what}", flush=True)

    def table(self, columns: list[str], rows: list[list[Any]]) -> None:
        """Print rows under their columns, numbers to the right."""
        shown = [
            columns,
            *([f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows),
        ]
        widths = [max(len(row[i]) for row in shown) for i in range(len(columns))]
        for number, row in enumerate(shown):
            cells = (
                cell.rjust(width)
                if number and isinstance(rows[number - 1][i], int)
                else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            print("          " + "  ".join(cells).rstrip(), flush=True)
            if not number:
                print("          " + "  ".join("-" * width for width in widths), flush=True)
