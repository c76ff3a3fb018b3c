"""What the commands print where no terminal reads it."""

from __future__ import annotations

import pytest

from cert_exchange.cli import printing


def test_telephone_numbers_are_no_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    """A table that goes into a pipe marks what a spreadsheet would run, and leaves numbers as they are."""
    left = ["+371 600 0001", "+3716000001", "-3", "+3 -5"]
    marked = ["+1+A1", "=1+1", "@x", "+1 2;=x", "-1 A1"]
    printing.table(["x"], [[one] for one in (*left, *marked)])
    assert capsys.readouterr().out.splitlines()[1:] == [*left, *(f"'{one}" for one in marked)]
