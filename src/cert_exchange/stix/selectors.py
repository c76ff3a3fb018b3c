"""Selectors of granular markings (STIX 7.2.3.1): which part of an object an entry is about.

Components are joined by a full stop: a property name, a dictionary key, or `[n]` of a list, counted from zero. There is
no wildcard and no escape, so that a key with a full stop cannot be addressed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_INDEX: Final = re.compile(r"\[(0|[1-9][0-9]{0,8})\]")


class SelectorInvalid(ValueError):
    """The selector is malformed or selects nothing in this object."""


def select(content: Mapping[str, Any], selector: str) -> Any:
    """The value that the selector addresses. Raises SelectorInvalid with a sentence's end."""
    node: Any = content
    for component in selector.split("."):
        if isinstance(node, dict) and component in node:
            node = node[component]
            continue
        index = _INDEX.fullmatch(component)
        if index is not None and isinstance(node, list) and int(index[1]) < len(node):
            node = node[int(index[1])]
            continue
        raise SelectorInvalid("selects nothing in this object")
    return node
