"""What we do here with what a partner sent and then took back, partner by partner (CASES S26).

1. Whatever is chosen, it is shared on with nobody: that ends with the recall itself. The choice is about our own use.
2. `mark` unless a file says otherwise: it stays stored, people find it marked, and no feed has it (DECISIONS 20).
3. `hide`: searches leave it out as well; who asks for its id still finds it. `keep`: our own tools go on with it.
4. What its creator revoked is none of this: that is a version of its own, which says that the object is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from cert_exchange.policy.reading import shown
from cert_exchange.policy.spellings import refuse

OTHERS: Final = "others"
"""In place of a name: every partner that is not named."""


class Recall(StrEnum):
    """What is done with what was taken back."""

    HIDE = "hide"
    MARK = "mark"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Recalls:
    """The choice for each partner. `named`: by the names that our people gave them."""

    others: Recall = Recall.MARK
    named: Mapping[str, Recall] = field(default_factory=dict)

    def of(self, partner: str) -> Recall:
        """What is done with what this partner took back."""
        return self.named.get(partner, self.others)


MARKED: Final = Recalls()
"""Where no file says anything, or none can be read: nothing is used on that its owner took back."""


def read_recalls(value: Any) -> Recalls:
    """One word for all, or a mapping of partners to words. Refuses, in words, what is neither."""
    if not isinstance(value, dict):
        return Recalls(_word(value))
    if not value:
        refuse(f"{shown(value)} says nothing; write a mapping such as {{cert-b: keep}}")
    found = {str(name): _word(word) for name, word in value.items()}
    return Recalls(found.pop(OTHERS, Recall.MARK), found)


def partners_named(recalls: Recalls) -> Iterator[str]:
    """The partners that a choice names, in order: one that is not there is a mistake."""
    yield from sorted(recalls.named)


def _word(value: Any) -> Recall:
    words = [one.value for one in Recall]
    if value not in words:
        refuse(f"{shown(value)} is no answer; write {', '.join(words[:-1])} or {words[-1]}")
    return Recall(value)
