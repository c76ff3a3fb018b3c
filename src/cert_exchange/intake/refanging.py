"""Undo what people do to keep an address from being clicked: hxxp://, [.], (dot), [://], [@].

Linear in the text; what is not defanged comes back unchanged.
"""

from __future__ import annotations

import re
from typing import Final

_DEFANGED: Final = re.compile(
    r"""
    (?P<scheme>\bh(?:xx|\*\*|tx|xt|__)ps?+(?=\ ?[:\[({_]))
    | (?P<ftp>\bfxps?+(?=\ ?[:\[({_]))
    | (?P<slashes>\ ?[\[({]\ ?:?//\ ?[\])}]\ ?)
    | (?P<dot>\ ?[\[({]\ ?(?:\.|dot|punkt|point)\ ?[\])}]\ ?)
    | (?P<halfdot>(?<=[a-z0-9_-])(?:\[\.|\.\])(?=[a-z0-9_-]))
    | (?P<colon>[\[({]:[\])}])
    | (?P<slash>[\[({]/[\])}])
    | (?P<at>\ ?[\[({]\ ?(?:@|at)\ ?[\])}]\ ?)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PLAIN_FOR: Final = {"dot": ".", "halfdot": ".", "colon": ":", "slash": "/", "at": "@"}
_MAYBE_DEFANGED: Final = re.compile(r"[\[({\]]|h(?:xx|\*\*|tx|xt|__)p|fxp", re.IGNORECASE)


def refang(text: str) -> str:
    """Undo what people do to keep an address from being clicked: hxxp://, [.], (dot), [://], [@]. Else unchanged."""
    if _MAYBE_DEFANGED.search(text) is None:
        return text
    return _DEFANGED.sub(_refanged, text)


def _refanged(found: re.Match[str]) -> str:
    group = found.lastgroup or ""
    if group in {"scheme", "ftp"}:
        secure = "s" if found[0][-1] in "sS" else ""
        return f"http{secure}" if group == "scheme" else f"ftp{secure}"
    if group == "slashes":
        return "://" if ":" in found[0] else "//"
    return _PLAIN_FOR[group]
