"""Suricata rules, one for each value that traffic shows.

1. A number (sid) is of what is looked for, given by the caller, and never of the place in the file: alerts of last year and
   of today agree.
2. Nothing of a value is read as a part of the rule: whatever is no letter, digit or one of few signs is written as hex, and
   no text of an indicator stands in a rule besides its value and its id.
3. What is matched is what the pattern says: the whole name, the whole host and path (`bsize`, `startswith` and `endswith`).
4. A rule that came as a rule goes on only where it alerts and does nothing else (`rule_options`): `pass` and `bypass` blind a
   sensor, and what writes or changes is not for a stranger to say. It keeps its own number, the first of several with one
   number is taken.
5. With `block` our own rules drop; else they alert.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from cert_exchange.intake.findings import Kind
from cert_exchange.outputs.entries import Entry, Written, each_value
from cert_exchange.outputs.expressing import Unsaid, Value
from cert_exchange.outputs.rule_options import only_looks, options_of
from cert_exchange.stix.instants import shown

FIRST_NUMBER: Final = 1_500_000_000
"""Our rules count from here: above every range that public rule sets use, below 2^31."""

_SAFE: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_/=&?+,@~"
)
_ALERTS: Final = re.compile(r"alert\s+[a-z0-9_-]++\s+[^\s\x00-\x1f]")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_PORT: Final = 80

Number = Callable[[Value], int]
"""The number that a value keeps for ever, counted from 1."""


def write(entries: Iterable[Entry], *, number: Number, block: bool) -> Written:
    """A file of rules, one a line; those that came as rules last."""
    action = "drop" if block else "alert"
    lines: list[str] = []
    unsaid: list[Unsaid] = []
    taken: set[int] = set()
    for value, named_by in each_value(entries):
        if value.kind is Kind.SNORT:
            rule: str | None = None
            reason = _against(value.text, taken)
            if not reason:
                rule = value.text.strip()
        else:
            said = _looked_for(value)
            rule, reason = None, "" if said else _why_not(value)
            if said:
                known = FIRST_NUMBER + number(value)
                ids = " ".join(sorted({one.stix_id for one in named_by})[:3])
                rule = _rule(action, said, f'msg:"cert-exchange {value.kind} {ids}"', known)
        if rule is None:
            unsaid += [Unsaid(one.stix_id, reason) for one in named_by]
        else:
            lines.append(f"{rule}\n")
    return Written("".join(lines).encode("utf-8"), len(lines), tuple(unsaid))


def _rule(action: str, said: tuple[str, str], message: str, sid: int) -> str:
    head, match = said
    options = [message, *([match] if match else []), "classtype:bad-unknown", f"sid:{sid}", "rev:1"]
    return f"{action} {head} ({'; '.join(options)};)"


def _looked_for(value: Value) -> tuple[str, str] | None:
    """Head and match of a rule, or None where traffic does not show such a value."""
    match value.kind:
        case Kind.IPV4 | Kind.IPV6:
            return f"ip $HOME_NET any <> {value.text} any", ""
        case Kind.DOMAIN:
            return "dns $HOME_NET any -> any any", _whole("dns.query", value.text, nocase=True)
        case Kind.USER_AGENT:
            return "http $HOME_NET any -> any any", _whole("http.user_agent", value.text)
        case Kind.URL:
            return _url(value.text)
        case _:
            return None


def _why_not(value: Value) -> str:
    if value.kind is Kind.URL:
        return "a URL whose path no sensor sees: only http:// is plain"
    return f"traffic does not show what is {value.kind}"


def _url(text: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme != "http" or not host or parts.username is not None:
        return None
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    host = f"[{host}]" if ":" in host else host
    where = f"any -> any {port}" if port not in (None, _PORT) else "any -> any any"
    return (
        f"http $HOME_NET {where}",
        f"{_whole('http.host', host)}; {_whole('http.uri.raw', path)}",
    )


def _whole(buffer: str, text: str, *, nocase: bool = False) -> str:
    raw = text.encode("utf-8")
    sized = f"bsize:{len(raw)}"
    found = f'{buffer}; content:"{_content(raw)}"'
    return f"{found}; nocase; {sized}" if nocase else f"{found}; {sized}"


def _content(raw: bytes) -> str:
    """Bytes as Suricata reads them back: what is not surely plain is hex between bars."""
    parts: list[str] = []
    hexed: list[str] = []
    for byte in raw:
        if byte in _SAFE:
            if hexed:
                parts.append(f"|{' '.join(hexed)}|")
                hexed = []
            parts.append(chr(byte))
        else:
            hexed.append(f"{byte:02X}")
    if hexed:
        parts.append(f"|{' '.join(hexed)}|")
    return "".join(parts)


def why_not_handed_on(rule: str) -> str:
    """Why a rule that came as a rule does not go on, wherever it stands; empty where it does."""
    return _against(rule, set())


def _against(rule: str, taken: set[int]) -> str:
    """Why a rule that came as a rule is not handed on; else its number is taken."""
    text = rule.strip()
    if len(text.splitlines()) != 1 or _ALERTS.match(text) is None or not text.endswith(")"):
        return "a rule that is not one line that alerts"
    options = options_of(text)
    if options is None:
        return "a rule whose options cannot be told apart"
    acts = next((name for name, value in options if not only_looks(name, value)), None)
    if acts is not None:
        return f"a rule with {shown(acts, limit=40)}, which is not known to only look"
    numbers = [value.strip() for name, value in options if name == "sid"]
    if len(numbers) != 1 or _NUMBER.fullmatch(numbers[0]) is None:
        return "a rule without one number (sid) of its own"
    number = int(numbers[0])
    if number >= FIRST_NUMBER or number in taken:
        return "a rule whose number (sid) another rule has"
    taken.add(number)
    return ""
