"""Whole rules in the lines of a report: Snort and Suricata, YARA, Sigma. What a rule says inside is nothing by itself.

1. A rule is taken with all its lines, in a block or not, and unchanged but for the blanks before its lines; the lines of a rule
   of Snort are joined (`network_rules`).
2. A rule of YARA goes from `rule NAME` to the brace that closes behind its condition. An `import` above it comes along where
   the rule uses the module.
3. A rule of Sigma goes from a `title:` that begins its line to the next one, a line `---` or one that is no line of YAML, and
   has `logsource:` and `detection:` of the same depth. Without its blanks it is none: a page that lost them has no Sigma.
4. A bound of the format (the end of a block) ends a rule that never ended. Of YARA and Sigma what is no whole rule stays
   lines of text.
5. Linear: what begins a rule ends the search for the end of the one before.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from cert_exchange.intake.reports import network_rules
from cert_exchange.intake.reports.network_rules import begins_rule
from cert_exchange.intake.reports.passages import Passage, Role

MOST_LINES: Final = 2_000
"""Lines of one rule of YARA or Sigma."""

_YARA: Final = re.compile(
    r"\s*+(?:(?:private|global)\s++){0,2}+rule\s++[A-Za-z_]\w{0,127}+\s*+(?::\s*+\w[\w\s]{0,200}+)?(\{|\Z)"
)
_OPENS: Final = re.compile(r"\s*+\{")
_CONDITION: Final = re.compile(r"(?:\A|[\s{])condition\s*+:")
_QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*+\"")
_IMPORT: Final = re.compile(r"\s*+import\s++\"(\w{1,40})\"\s*+\Z")
_SIGMA: Final = re.compile(r"title:\s++\S")
_OF_YAML: Final = re.compile(r"\s|#|-(?:\s|\Z)|[\w.-]{1,80}+\s*+:(?:\s|\Z)|\Z")
_SIGMA_PARTS: Final = ("logsource:", "detection:")
_TEXT: Final = frozenset({Role.PROSE, Role.LISTED, Role.PROGRAM})


class Line(NamedTuple):
    """A line, or a whole rule under the number of its first line."""

    number: int
    text: str
    is_rule: bool
    raw: Sequence[str]  # the lines as they stand there


def gathered(
    lines: Iterable[tuple[int, str]],
    *,
    bounds: Callable[[str], bool] = lambda _: False,
    indented: bool = True,
) -> Iterator[Line]:
    """Numbered lines, those of a rule as one.

    `bounds`: whether a line is one over which no rule goes; `indented`: whether the lines still have their blanks.
    """
    numbered = list(lines)
    imports: list[str] = []
    at = 0
    while at < len(numbered):
        number, line = numbered[at]
        end, text = _rule_at(numbered, at, imports, bounds)
        if not indented and _SIGMA.match(line):
            end = at
        if end == at and (found := _IMPORT.match(line)) is not None:
            imports = [*imports, found[1]][-20:]
        raw = [one for _, one in numbered[at : max(end, at + 1)]]
        yield Line(number, text if end > at else line, end > at, raw)
        at += len(raw)


def with_rules(passages: Iterable[Passage]) -> Iterator[Passage]:
    """Passages whose text is unchanged, those of one rule as one; what stands aside between them comes before."""
    run: list[Passage] = []
    for passage in passages:
        if passage.role in _TEXT:
            run.append(passage)
            continue
        if passage.role is not Role.FOOTER or not _may_begin(run):
            yield from _of_run(run)
            run = []
        yield passage
    yield from _of_run(run)


def _may_begin(run: Sequence[Passage]) -> bool:
    """Whether a rule may go on over what stands on every page."""
    return any(begins_rule(one.text) or _YARA.match(one.text) for one in run[-60:])


def _of_run(run: Sequence[Passage]) -> Iterator[Passage]:
    at = 0
    for line in gathered(enumerate(one.text for one in run), indented=False):
        first = run[at]
        at += len(line.raw)
        yield replace(first, text=line.text, role=Role.RULE, context="") if line.is_rule else first


def _rule_at(
    lines: Sequence[tuple[int, str]], at: int, imports: Sequence[str], bounds: Callable[[str], bool]
) -> tuple[int, str]:
    """Where the rule that begins here ends, and all of it; `at` itself where none begins."""
    line = lines[at][1]
    if begins_rule(line):
        end = _network_end(lines, at, bounds)
        return end, network_rules.joined([one for _, one in lines[at:end]])
    if (begun := _YARA.match(line)) is not None:
        end = _yara_end(lines, at, bounds, opened=begun[1] == "{")
        text = _dedented(lines[at:end])
        used = [f'import "{name}"\n' for name in dict.fromkeys(imports) if f"{name}." in text]
        return end, "".join(used) + text
    if _SIGMA.match(line):
        end = _sigma_end(lines, at, bounds)
        return end, _dedented(lines[at:end])
    return at, ""


def _network_end(lines: Sequence[tuple[int, str]], at: int, bounds: Callable[[str], bool]) -> int:
    end = at + 1
    while not network_rules.ends_rule(lines[end - 1][1]) and end < len(lines):
        line = lines[end][1]
        if (
            bounds(line)
            or not network_rules.goes_on(lines[end - 1][1], line)
            or end - at >= network_rules.MOST_LINES
        ):
            break
        end += 1
    return end


def _yara_end(
    lines: Sequence[tuple[int, str]], at: int, bounds: Callable[[str], bool], *, opened: bool
) -> int:
    """Behind the brace that closes; `at` where none does."""
    condition = False
    for end in range(at, min(len(lines), at + MOST_LINES)):
        line = lines[end][1]
        if end > at and (bounds(line) or _YARA.match(line)):
            return at
        if not opened and end > at and line.strip():
            if _OPENS.match(line) is None:
                return at
            opened = True
        plain = _QUOTED.sub('""', line) if '"' in line else line
        if not condition and (found := _CONDITION.search(plain)) is not None:
            condition, plain = True, plain[found.end() :]
        if condition and "}" in plain.partition("//")[0]:
            return end + 1
    return at


def _sigma_end(lines: Sequence[tuple[int, str]], at: int, bounds: Callable[[str], bool]) -> int:
    """Before the next document; `at` where it is no rule."""
    end = at + 1
    while end < len(lines) and end - at < MOST_LINES:
        line = lines[end][1]
        if bounds(line) or not _OF_YAML.match(line) or _SIGMA.match(line):
            break
        end += 1
    while not lines[end - 1][1].strip():
        end -= 1
    said = [line for _, line in lines[at:end]]
    whole = all(any(line.startswith(part) for line in said) for part in _SIGMA_PARTS)
    return end if whole else at


def _dedented(lines: Sequence[tuple[int, str]]) -> str:
    return textwrap.dedent("\n".join(line for _, line in lines)).strip("\n").rstrip()
