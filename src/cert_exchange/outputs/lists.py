"""Plain lists: one value a line, each once, and nothing beside them.

1. UTF-8, LF, no heading and no comment: what reads such a list takes each line for a value.
2. A value that would be read as something else is left out: one that begins like a comment, or that holds a line end.
3. Rules are no values: a list of them is another output.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cert_exchange.intake.findings import Kind
from cert_exchange.outputs.entries import Entry, Written, each_value
from cert_exchange.outputs.expressing import Unsaid, Value

_COMMENTS: Final = ("#", ";", "//", "!")
_RULES: Final = frozenset({Kind.SNORT, Kind.SIGMA, Kind.YARA, Kind.PATTERN})


def write(entries: Iterable[Entry]) -> Written:
    """Each value once, by kind and then by value."""
    lines: list[str] = []
    unsaid: list[Unsaid] = []
    for value, named_by in each_value(entries):
        reason = _against(value)
        if reason:
            unsaid += [Unsaid(one.stix_id, reason) for one in named_by]
        else:
            lines.append(f"{value.text}\n")
    return Written("".join(lines).encode("utf-8"), len(lines), tuple(unsaid))


def _against(value: Value) -> str:
    if value.kind in _RULES:
        return "a rule, and a list holds values"
    if value.text.startswith(_COMMENTS):
        return "a value that a reader of lists takes for a comment"
    if len(value.text.splitlines()) != 1 or value.text != value.text.strip():
        return "a value that does not fit in one line"
    return ""
