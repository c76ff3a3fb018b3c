"""Patterns of `matches`: compiled once, and matched in time that grows with the text alone.

1. The engine has no backtracking (look-around and back references are refused), so that no text of a partner's can make
   a pattern slow. It is the one inside the schema validator that checks all objects: nothing else here has one.
2. A pattern is looked for anywhere in the text, as CEL says; ^ and $ bind it to the ends.
3. How large a compiled pattern may be is bounded by its size, never by time: what is read here is read everywhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

MATCHES: Final = "cert_exchange_matches"
"""The name of `fits` for the evaluator; no expression can write it, `words` does not know it."""
_SIZE: Final = 1_000_000
"""Bytes of a compiled pattern."""


@lru_cache(maxsize=1024)
def pattern_of(pattern: str) -> Any:
    """The compiled pattern. Raises ValueError (of the engine) for what is no pattern, or too large."""
    # Not at every start of the program: it is one large library.
    from jsonschema_rs import Draft202012Validator, RegexOptions  # noqa: PLC0415 - as said above

    options = RegexOptions(size_limit=_SIZE, dfa_size_limit=_SIZE)
    return Draft202012Validator({"pattern": pattern}, pattern_options=options)


def fits(text: Any, pattern: str) -> bool:
    """Whether the pattern stands anywhere in the text. Raises TypeError for what is no text."""
    if not isinstance(text, str):
        raise TypeError("no text")
    found: bool = pattern_of(pattern).is_valid(text)
    return found
