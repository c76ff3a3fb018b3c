"""Requests between desks as a person reads them: a table, one with its time-line, and what `status` says of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cert_exchange.cli import printing

if TYPE_CHECKING:
    from cert_exchange.services.requesting import Line, Thread, Waiting

_CELL: Final = 80


def print_table(shown: Sequence[Thread]) -> None:
    """A row for each request."""
    printing.table(
        ["request", "from", "to", "for", "text", "state", "since", "due", "our ticket", "theirs"],
        [
            (
                one.short,
                "us" if one.ours else one.partner,
                one.partner if one.ours else "us",
                _kind(one),
                _short(one.request.text),
                f"{one.state}, OVERDUE" if one.late else one.state,
                printing.instant(one.state_at),
                _due(one),
                one.tickets["asker" if one.ours else "asked"],
                one.tickets["asked" if one.ours else "asker"],
            )
            for one in shown
        ],
        empty="no request",
    )


def named_in(one: Thread) -> list[str]:
    """The ids that a request and its answers name, for `called`."""
    given = [ref for line in one.lines for ref in line.refs if ref != one.stix_id]
    return [*one.request.about, *one.request.recipients, *given]


def print_thread(one: Thread, called: Mapping[str, str]) -> None:
    """One request, its time-line, and what is to do. `called`: what our people call the ids in it."""
    printing.facts(
        {
            "request": one.stix_id,
            "from": "us" if one.ours else one.partner,
            "to": one.partner if one.ours else "us",
            "for": _kind(one),
            "about": ", ".join(printing.named(ref, called) for ref in one.request.about),
            **(
                {
                    "to be shared with": ", ".join(
                        printing.named(ref, called) for ref in one.request.recipients
                    ),
                    "until": printing.instant(one.request.until),
                }
                if one.request.recipients
                else {}
            ),
            "our ticket": one.tickets["asker" if one.ours else "asked"],
            "their ticket": one.tickets["asked" if one.ours else "asker"],
            "state": f"{one.state} since {printing.instant(one.state_at)}",
            "due": f"{_due(one)}{', OVERDUE' if one.late else ''}",
        }
    )
    printing.result("")
    for line in one.lines:
        _print_line(one, line, called)
    printing.result("")
    printing.result(f"check: {one.check}")
    todo = _next_step(one)
    if todo:
        printing.verdict(f"next: {todo}")


def print_waiting(found: Waiting) -> None:
    """What `status` says of requests: how many wait for our answer, and whose answer is overdue."""
    if found.to_answer:
        waits = "waits" if found.to_answer == 1 else "wait"
        printing.verdict(
            f"{printing.count(found.to_answer, 'request')} of partners {waits} for our answer:"
            " cert-exchange request list --open --theirs"
        )
    for one in found.overdue:
        printing.verdict(f"{one.thread.partner}: {one.finding}; {one.step}")


def waiting_document(found: Waiting) -> dict[str, Any]:
    """The same for a script."""
    return {
        "requests_to_answer": found.to_answer,
        "overdue_requests": [
            {
                "request": one.thread.stix_id,
                "partner": one.thread.partner,
                "owed_by": "partner" if one.thread.ours else "us",
                "due": printing.instant(one.thread.due),
                "finding": one.finding,
            }
            for one in found.overdue
        ],
    }


def thread_document(one: Thread) -> dict[str, Any]:
    """One request as JSON; `timeline` and `check` are equal on both sides."""
    request = one.request
    return {
        "request": one.stix_id,
        "partner": one.partner,
        "ours": one.ours,
        "test": one.test,
        "kind": request.kind.value,
        "text": request.text,
        "about": list(request.about),
        "answer_expected": request.answer_expected,
        "due": printing.instant(request.due) or None,
        "overdue_from": printing.instant(one.due) or None,
        "share_to": list(request.recipients),
        "until": printing.instant(request.until) or None,
        "state": one.state,
        "state_at": printing.instant(one.state_at),
        "why": one.why,
        "tickets": dict(one.tickets),
        "overdue": one.late,
        "timeline": [
            {
                "id": line.stix_id,
                "version": line.version,
                "at": printing.instant(line.at),
                "side": line.side,
                "said": line.said,
                "text": line.text,
                "ticket": line.ticket,
                "refs": list(line.refs),
                "until": printing.instant(line.until) or None,
                "changes": [
                    {"what": each.what, "was": each.was, "is": each.is_now} for each in line.changes
                ],
            }
            for line in one.lines
        ],
        "check": one.check,
        "here": [
            {
                "id": line.stix_id,
                "stored_at": printing.instant(line.came_at),
                "counts_from": printing.instant(line.counts_at),
                "reached": line.reached or None,
                "held_at_the_way_in": line.kept_out,
            }
            for line in one.lines
        ],
    }


def _print_line(one: Thread, line: Line, called: Mapping[str, str]) -> None:
    who = "we" if (line.side == "asker") is one.ours else one.partner
    parts = [f"{printing.instant(line.at)} {who}: {line.said}"]
    if line.ticket:
        parts.append(f"ticket {line.ticket}")
    if line.until is not None:
        parts.append(f"until {printing.instant(line.until)}")
    parts += [
        f"{each.what}: {each.was or 'none'} -> {each.is_now or 'none'}" for each in line.changes
    ]
    parts.append(line.reached or f"came {printing.instant(line.came_at)}")
    if line.ahead:
        parts.append(f"dated ahead of its coming: counts from {printing.instant(line.counts_at)}")
    if line.kept_out:
        parts.append("held at the way in: cert-exchange intake list")
    printing.result("; ".join(parts))
    if line.text:
        printing.result("    " + "\n    ".join(line.text.splitlines()))
    given = [ref for ref in line.refs if ref != one.stix_id] if line is not one.lines[0] else []
    if given:
        printing.result(f"    with {', '.join(printing.named(ref, called) for ref in given)}")


def _next_step(one: Thread) -> str:
    if one.settled:
        return ""
    if not one.ours:
        return f"cert-exchange request answer {one.short} {_words_left(one)}"
    return f"call the desk of {one.partner}" if one.late else ""


def _words_left(one: Thread) -> str:
    """What our desk has still to say to a partner's request: what comes after its state."""
    order = ("received", "passed-on", "done", "not-possible")
    at = order.index(one.state) + 1 if one.state in order else 0
    number = "" if one.tickets["asked"] else " --ticket OURS"
    return f"{order[at]}{number} (or {', '.join(order[at + 1 :])})"


def _kind(one: Thread) -> str:
    kind = (
        one.request.kind.value
        if one.request.answer_expected
        else f"{one.request.kind.value}, informative"
    )
    return f"TEST {kind}" if one.test else kind


def _due(one: Thread) -> str:
    if not one.request.answer_expected:
        return "no answer expected"
    said = printing.instant(one.request.due)
    if not said:
        return "answer expected, no time set"
    if one.due is None:
        return f"{said}, before it was asked: no time counts"
    return (
        said
        if one.due == one.request.due
        else f"{said}, counts here from {printing.instant(one.due)}"
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CELL else line[: _CELL - 1] + "…"
