"""A look at the whole node for what is wrong or soon will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cert_exchange.services.doctoring import (
    answers,
    asked,
    beating,
    evidence,
    exchange,
    feeds,
    forgotten,
    keeping,
    machine,
    reviews,
    signed,
)
from cert_exchange.services.doctoring.findings import Finding, Grade

if TYPE_CHECKING:
    from cert_exchange.node import Node

__all__ = ["Finding", "Grade", "examine"]


def examine(node: Node, *, partner: str | None = None) -> list[Finding]:
    """Look at machine, partners, policies, sources and targets; with `partner`, only at what concerns it.

    Raises NotFound for a partner that does not exist.
    """
    if partner is not None:
        found = exchange.examine_partner(node, partner)
        more = [
            *signed.examine(node, partner=partner),
            *evidence.examine(node, partner=partner),
            *beating.examine(node, partner=partner),
            *asked.examine(node, partner=partner),
            *answers.examine(node, partner=partner),
            *reviews.examine(node, partner=partner),
        ]
        return [*more, *(one for one in found if not more or one.grade != "ok")]
    return [
        *machine.examine(node),
        *keeping.examine(node),
        *forgotten.examine(node),
        *signed.examine(node),
        *evidence.examine(node),
        *beating.examine(node),
        *asked.examine(node),
        *answers.examine(node),
        *reviews.examine(node),
        *feeds.examine(node),
        *exchange.examine(node),
    ]
