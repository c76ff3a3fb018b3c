"""docs/taxii-conformance.md and the tests say the same: each line of the checklist with the tests that show it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "taxii-conformance.md"
LINES = range(1, 71)
LATER: dict[int, str] = {}
"""Lines that wait for another issue."""


def marked() -> dict[int, set[str]]:
    """Line -> the tests marked with it, as `path::name` below tests/."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for decorator in node.decorator_list:
                    number = _number(decorator)
                    if number is not None:
                        name = f"{path.relative_to(ROOT / 'tests').as_posix()}::{node.name}"
                        found[number].add(name)
    return found


def _number(decorator: ast.expr) -> int | None:
    if (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr == "checklist"
    ):
        (argument,) = decorator.args
        assert isinstance(argument, ast.Constant)
        assert isinstance(argument.value, int)
        return argument.value
    return None


def documented() -> dict[int, set[str]]:
    """Line -> the tests that the document names."""
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.*?) \|$", FILE.read_text(), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(LINES)
    return {int(number): set(re.findall(r"`([^`]+)`", tests)) for number, _, tests in rows}


def test_every_line_has_a_test() -> None:
    """No line of the checklist is without a test that shows it."""
    shown = marked()
    assert [line for line in LINES if not shown.get(line)] == list(LATER)


def test_the_document_names_exactly_the_marked_tests() -> None:
    """What the document says of a line is what the marks say."""
    shown = marked()
    assert documented() == {line: shown.get(line, set()) for line in LINES}


def write() -> None:
    """Write the document's last column from the marks."""
    shown = marked()

    def row(found: re.Match[str]) -> str:
        number = int(found[1])
        tests = ", ".join(f"`{name}`" for name in sorted(shown.get(number, ())))
        return f"| {number} | {found[2]} | {tests or LATER.get(number, '')} |"

    text = FILE.read_text()
    FILE.write_text(re.sub(r"^\| (\d+) \| (.+?) \| (.*?) \|$", row, text, flags=re.MULTILINE))


if __name__ == "__main__":
    write()
