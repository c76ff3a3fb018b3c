"""Rules of Snort and Suricata in the lines of a report.

1. What begins like a rule is a rule or a loss, never a line of text: the names in its `content:` are what it looks for in
   traffic, often those of victims or of well-known sites, and no indicators by themselves.
2. A rule is one line, or goes on where a line ends in a backslash, or until its bracket closes: its lines are joined by one blank,
   as the programs do, and nothing else of it is changed.
3. A rule that is switched off by a `#` is told, not taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

MOST_LINES: Final = 100
"""Lines of one rule."""

_BEGINS: Final = re.compile(
    r"\s*+(?:#\s*+)?(?:alert|drop|pass|reject|block|log|rejectsrc|rejectdst|rejectboth|sdrop)\s++"
    r"(?:tcp|udp|icmp|ip|http2?|dns|tls|ssl|ssh|smb|smtp|ftp|quic|krb5|tftp|dhcp|snmp|sip|rdp|dcerpc|modbus|pkthdr|file)"
    r"(?:-\w{1,10}+)?\b([^()\\\n]*+)(?:\(|\\\Z)"
)
_SAYS: Final = re.compile(r"\b(?:msg|sid|content):")
_ENDS: Final = re.compile(r"\)\s*+\Z")


def begins_rule(line: str) -> bool:
    """Whether a line begins like a rule, switched on or off. Of a direction, or of an option, each has one."""
    found = _BEGINS.match(line)
    if found is None:
        return False
    return "->" in found[1] or "<>" in found[1] or _SAYS.search(line) is not None


def switched_off(line: str) -> bool:
    """Whether a rule is behind a `#`."""
    return line.lstrip().startswith("#")


def whole_rules(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, bool]]:
    """The numbered lines of a block, the lines of one rule joined; with each whether it begins like a rule."""
    begun: list[str] = []
    first = 0
    for number, line in lines:
        if begun and (begins_rule(line) or not line.strip() or len(begun) >= MOST_LINES):
            yield first, " ".join(begun), True  # it never ended
            begun = []
        if not begun and not begins_rule(line):
            yield number, line, False
            continue
        first = first if begun else number
        begun.append(line.strip().removesuffix("\\").rstrip())
        if _ENDS.search(line):
            yield first, " ".join(begun), True
            begun = []
    if begun:
        yield first, " ".join(begun), True
