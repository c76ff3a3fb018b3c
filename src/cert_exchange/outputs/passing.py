"""Sigma and YARA rules, handed on as they came, together in one file.

1. A rule's text is not changed. What would break the rules beside it, or do more than detect, is left out with its reason.
2. Sigma: a rule is YAML that can be read; documents are parted by `---`.
3. YARA: a file is compiled as a whole, so that one rule can end all others. What does not surely compile, is `global`,
   includes a file or has a name twice is left out (`outputs.yara`).
4. A comment before each says which indicator it is; an id has no character that ends a comment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.values import normalise
from cert_exchange.outputs.entries import Entry, Written, each_value
from cert_exchange.outputs.expressing import Unsaid
from cert_exchange.outputs.yara.rules import names_of
from cert_exchange.outputs.yara.tokens import NotUnderstood

LONGEST: Final = 64 * 1024
"""Characters of a rule."""


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
    try:
        names = names_of(text)
    except NotUnderstood as error:
        return f"a YARA rule that {error}"
    if not taken.isdisjoint(names):
        return "a YARA rule that has a name that another has"
    taken.update(names)
    return ""
