"""The table of attempts and guards, as `docs/threat-model.md` holds it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.attack import guards
from tests.attack.attempts import Attempt


def written(attempts: Sequence[Attempt]) -> str:
    """A Markdown table, a row an attempt."""
    rows = ["| who | attempt | what is tried | guard | what it holds |", "|---|---|---|---|---|"]
    for one in sorted(attempts, key=lambda each: (list(type(each.by)).index(each.by), each.name)):
        guard = guards.named(one.guard)
        shown = guard.name if guard.name in guards.GUARDS else f"`{guard.name}`"
        rows.append(
            f"| {one.by} | {one.name} | {_cell(one.says)} | {shown} | {_cell(guard.holds)} |"
        )
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGE = Path(__file__).parents[2] / "docs" / "threat-model.md"
BEGIN, END = "<!-- attempts -->\n", "<!-- /attempts -->"


def page_with(text: str, attempts: Sequence[Attempt]) -> str:
    """The page with its table as it must be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{written(attempts)}\n{END}{after}"
