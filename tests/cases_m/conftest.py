"""A scene on both engines, and words for policies: what the rows of CASES.md, group M, need to be shown."""

from __future__ import annotations

import pytest
from tests.scenes import Scene

from cert_exchange.node import Node

EVERYTHING = """\
partners: [{partner}]
collections: [indicators, reports]
ceiling: {{tlp: {tlp}, unmarked: {unmarked}}}
rules:
{more}  - name: everything
    match: {{origin: any}}
    allow: true
"""


def everything(partner: str, *, tlp: str = "amber", unmarked: str = "green", more: str = "") -> str:
    """A policy that lets all pass that its ceiling does; `more` are further rules, indented by two."""
    return EVERYTHING.format(partner=partner, tlp=tlp, unmarked=unmarked, more=more)


@pytest.fixture
def scene(node: Node) -> Scene:
    return Scene.set_up(node)
