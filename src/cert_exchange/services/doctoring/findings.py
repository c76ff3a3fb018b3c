"""What an examination of the node finds: a grade, what it is about, what was found, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "note", "wrong"]
"""`wrong` asks for a person now, `note` soon or perhaps, `ok` shows what was looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence for an operator, with the next step. Never holds content or secrets."""

    grade: Grade
    about: str
    finding: str
    step: str = ""
