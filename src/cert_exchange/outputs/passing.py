"""Sigma and YARA rules, handed on as they came, together in one file.

1. A rule's text is not changed. What would break the rules beside it, or do more than detect, is left out with its reason.
2. Sigma: a rule is YAML that can be read; documents are parted by `---`.
3. YARA: a file is compiled as a whole, so names of rules are unique in it, braces close, and nothing is included: an
   `include` would read a file of the machine that compiles.
4. A comment before each says which indicator it is; an id has no character that ends a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.values import normalise
from cert_exchange.outputs.entries import Entry, Written, each_value
from cert_exchange.outputs.expressing import Unsaid

LONGEST: Final = 64 * 1024
"""Characters of a rule."""

# What is opened and not closed is matched as well, so that nothing is looked at twice: `_bare` says what becomes of it.
_ASIDE: Final = re.compile(
    r"""
    (?P<text>"(?:[^"\\\n]++|\\.)*+(?P<ends>")?+)
    | (?P<said>//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?P<closes>\*/)?+)
    | (?P<regex>/(?!\s)(?:[^/\\\n]++|\\.)++(?P<shuts>/)?+)
    | (?P<hex>\{(?:\s++|[0-9A-Fa-f?~]|\[[0-9\s-]*+\]|[()|])++(?P<braced>\})?+)
    """,
    re.VERBOSE,
)
_NAMED: Final = re.compile(r"\brule\s++([A-Za-z_][A-Za-z0-9_]{0,127})")
_INCLUDES: Final = re.compile(r"\binclude\b")


def sigma(entries: Iterable[Entry]) -> Written:
    """The Sigma rules among the entries as one YAML stream."""
    return _write(entries, Kind.SIGMA, "---\n# {}\n", _against_sigma)


def yara(entries: Iterable[Entry]) -> Written:
    """The YARA rules among the entries as one file."""
    taken: set[str] = set()
    return _write(entries, Kind.YARA, "// {}\n", lambda text: _against_yara(text, taken))


def _write(
    entries: Iterable[Entry], kind: Kind, heading: str, against: Callable[[str], str]
) -> Written:
    parts: list[str] = []
    unsaid: list[Unsaid] = []
    for value, named_by in each_value(entries):
        if value.kind is not kind:
            reason = f"what is {value.kind} is no {kind} rule"
        elif len(value.text) > LONGEST or normalise(kind, value.text) is None:
            reason = f"what stands there as a {kind} rule is none"
        else:
            reason = against(value.text)
        if reason:
            unsaid += [Unsaid(one.stix_id, reason) for one in named_by]
        else:
            parts.append(heading.format(named_by[0].stix_id) + value.text.strip("\r\n") + "\n")
    return Written("\n".join(parts).encode("utf-8"), len(parts), tuple(unsaid))


def _against_sigma(text: str) -> str:
    try:
        found = list(YAML(typ="safe", pure=True).load_all(text))
    except (YAMLError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return "a Sigma rule that is no YAML"
    if not found or not all(isinstance(one, dict) for one in found):
        return "a Sigma rule that is no mapping"
    return ""


def _against_yara(text: str, taken: set[str]) -> str:
    bare = _ASIDE.sub(_bare, text)
    if _INCLUDES.search(bare):
        return "a YARA rule that includes a file"
    if bare.count("{") != bare.count("}") or "\x00" in bare:
        return "a YARA rule that does not close what it opens"
    names = _NAMED.findall(bare)
    if not names or len(set(names)) < len(names) or not taken.isdisjoint(names):
        return "a YARA rule whose name another rule has"
    taken.update(names)
    return ""


def _bare(found: re.Match[str]) -> str:
    """What is left of a string, a comment, a regular expression or a string of bytes: nothing, or what shows it open."""
    if found["text"] is not None:
        return " " if found["ends"] else "\x00"
    if found["said"] is not None:
        return " " if found["closes"] or found["said"].startswith("//") else "\x00"
    if found["regex"] is not None:
        return " " if found["shuts"] else found[0]  # a division
    return " " if found["braced"] else found[0]  # the body of a rule
