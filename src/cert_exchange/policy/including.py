"""What a policy includes: the rules and the accepted statements of shared files, as if they stood in the policy.

1. An included file speaks for nobody: no partners, no collections, no level. It adds rules and says which statements
   are understood; how much is shared stands in the policy alone.
2. Each file counts once, however often it is named. No file includes itself, and what is included by an included file
   includes no more.
3. What is wrong with a file is said where it stands, among the policy's mistakes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.companions import (
    INCLUDE,
    INCLUDE_DEPTH,
    Companion,
    Companions,
    named_at,
    take_companions,
)
from cert_exchange.policy.forms import RULE_LIMIT, BaseForm, PolicyForm
from cert_exchange.policy.reading import Document, fill_form, read_document, shown
from cert_exchange.policy.spellings import ADVICE


def read_bases(
    document: Document, included: Sequence[Companion], companions: Companions
) -> tuple[Document, ...]:
    """The documents of all that a policy includes, in the order they are named; its mistakes go to `document`."""
    found: list[Document] = []
    seen: set[str] = set()
    asked: deque[tuple[Companion, tuple[str, ...]]] = deque(
        (companion, (companion.name,)) for companion in included
    )
    while asked:
        companion, chain = asked.popleft()
        if companion.name in seen:
            continue
        seen.add(companion.name)
        try:
            base = read_document(companion.text, file=companion.file)
        except PolicyInvalid as error:
            document.problems.extend(error.problems)
            continue
        found.append(base)
        if _goes_on(base, chain):
            inner = take_companions(base, companions, keys=(INCLUDE,), root=document.file)
            asked.extend((one, (*chain, one.name)) for one in inner[INCLUDE])
    return tuple(found)


def fill_forms(
    document: Document, bases: Sequence[Document]
) -> tuple[PolicyForm, tuple[BaseForm, ...]]:
    """The forms of a policy and of what it includes. Raises PolicyInvalid with the mistakes of all of them."""
    filled: list[BaseForm] = []
    for base in bases:
        try:
            filled.append(fill_form(base, BaseForm, advice=ADVICE))
        except PolicyInvalid:
            document.problems.extend(base.problems)
    form = fill_form(document, PolicyForm, advice=ADVICE)
    rules = len(form.rules) + sum(len(base.rules) for base in filled)
    if rules > RULE_LIMIT:
        document.complain(
            (INCLUDE,), f"{rules} rules with those of the included files; {RULE_LIMIT} may be"
        )
        raise document.refuse()
    return form, tuple(filled)


def _goes_on(base: Document, chain: tuple[str, ...]) -> bool:
    """Whether what this file includes is to be read: not what includes itself, nor what lies too deep."""
    goes_on = True
    for path, name in named_at(base, INCLUDE):
        if name in chain:
            base.complain(
                path, f"{shown(name)} includes itself, by way of {' and '.join(chain)}; take it out"
            )
            goes_on = False
        elif len(chain) >= INCLUDE_DEPTH:
            base.complain(
                path, f"{shown(chain[-1])} is included by an included file and may include no more"
            )
            goes_on = False
    return goes_on
