"""The register of known failures of other systems (`cases.toml`) and the tests marked with their ids are one.

1. A row that is answered has a test that is marked with it.
2. A test is marked with rows that exist.
3. No row is missing: the groups' numbers are written here as CASES.md counted them.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROWS = {"P": 21, "T": 24, "O": 13, "H": 14, "W": 17, "S": 23, "D": 11, "M": 30, "I": 22, "U": 9}
"""How many rows each group of CASES.md has."""
ID = re.compile(r"[A-Z]\d\d")


def register() -> dict[str, dict[str, Any]]:
    return tomllib.loads((HERE / "cases.toml").read_text())


def marks_of(source: str) -> Iterator[str]:
    """The ids in `pytest.mark.case(...)`, wherever they stand; a test that cannot be read is an error."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "case"
            and isinstance(node.func.value, ast.Attribute)
            and node.func.value.attr == "mark"
        ):
            for argument in node.args:
                # A name in place of a word would hide from the register what it marks.
                assert isinstance(argument, ast.Constant), ast.unparse(node)
                assert isinstance(argument.value, str), ast.unparse(node)
                yield argument.value


def marked() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(HERE.rglob("test_*.py")):
        source = path.read_text()
        for one in marks_of(source) if "case" in source else ():
            found.setdefault(one, []).append(str(path.relative_to(HERE)))
    return found


def faults(rows: dict[str, dict[str, Any]], marks: dict[str, list[str]]) -> list[str]:
    """Everything that is wrong between register and marks, in words."""
    said = [
        f"{one} is marked in {marks[one][0]} and no row of cases.toml"
        for one in sorted(marks.keys() - rows.keys())
    ]
    for one, row in sorted(rows.items()):
        if not ID.fullmatch(one):
            said.append(f"{one} is no id")
        elif row.get("answered") is True:
            if one not in marks:
                said.append(f"{one} is answered and no test is marked with it")
        elif not re.fullmatch(r"issue \d+: .+", str(row.get("later", ""))):
            said.append(f"{one} is neither answered nor left to a later issue with a reason")
    return said


def test_every_row_has_its_test_or_its_reason() -> None:
    """No row is forgotten, and none is claimed without a test."""
    assert faults(register(), marked()) == []


def test_no_row_is_missing() -> None:
    """The register has as many rows of each group as CASES.md."""
    counts: dict[str, int] = {}
    for one in register():
        counts[one[0]] = counts.get(one[0], 0) + 1
    assert counts == ROWS


def test_the_first_exchange_answers_its_groups() -> None:
    """P, T, O, H and D are answered in whole; what a row leaves to later issues is said."""
    rows = register()
    open_ = [one for one, row in rows.items() if one[0] in "PTOHD" and not row.get("answered")]
    assert open_ == []
    assert all(re.search(r"issue \d+", row["less"]) for row in rows.values() if "less" in row)


@pytest.mark.parametrize(
    ("rows", "marks", "word"),
    [
        ({"P01": {"answered": True}}, {}, "no test"),
        ({}, {"P01": ["test_x.py"]}, "no row"),
        ({"P01": {}}, {}, "neither"),
        ({"P01": {"later": "some day"}}, {}, "neither"),
        ({"paging": {"answered": True}}, {}, "no id"),
    ],
)
def test_the_register_can_fail(
    rows: dict[str, Any], marks: dict[str, list[str]], word: str
) -> None:
    """Each kind of fault is seen."""
    assert word in faults(rows, marks)[0]


def test_marks_are_found_where_they_stand() -> None:
    """On functions and classes, in lists and parameters; nothing else counts."""
    source = (
        "import pytest\n"
        "pytestmark = [pytest.mark.case('A01')]\n"
        "@pytest.mark.case('A02')\n"
        "class Test:\n"
        "    @pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.case('A03'))])\n"
        "    def test(self, x): case('A04'); 'pytest.mark.case(\"A05\")'\n"
    )
    assert sorted(marks_of(source)) == ["A01", "A02", "A03"]
