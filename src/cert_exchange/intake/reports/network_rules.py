"""Rules of Snort and Suricata in the lines of a report.

1. What begins like a rule is a rule or a loss, never a line of text: the names in its `content:` are what it looks for in
   traffic, often those of victims or of well-known sites, and no indicators by themselves.
2. A rule is one line, or goes on where a line ends in a backslash, or until its bracket closes: its lines are joined by one blank,
   as the programs do, and nothing else of it is changed. A line that has nothing of a rule ends one that never closed.
3. A rule that is switched off by a `#` is told, not taken.
"""

from __future__ import annotations

import re
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
_OF_A_RULE: Final = re.compile(r"[;\"|\\]|\)\s*+\Z")


def begins_rule(line: str) -> bool:
    """Whether a line begins like a rule, switched on or off. Of a direction, or of an option, each has one."""
    found = _BEGINS.match(line)
    if found is None:
        return False
    return "->" in found[1] or "<>" in found[1] or _SAYS.search(line) is not None


def switched_off(line: str) -> bool:
    """Whether a rule is behind a `#`."""
    return line.lstrip().startswith("#")


def ends_rule(line: str) -> bool:
    """Whether the bracket of a rule closes at the end of a line."""
    return _ENDS.search(line) is not None


def goes_on(before: str, line: str) -> bool:
    """Whether a line may be the next one of a rule that has not ended."""
    if not line.strip() or begins_rule(line):
        return False
    return before.rstrip().endswith("\\") or _OF_A_RULE.search(line) is not None


def joined(lines: list[str]) -> str:
    """The lines of one rule as one."""
    return " ".join(line.strip().removesuffix("\\").rstrip() for line in lines)
