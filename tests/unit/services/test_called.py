"""What our people call an id: lists say it beside the id."""

from __future__ import annotations

from tests.scenes import B_IDENTITY, C_IDENTITY, Scene, indicator, malware, uid

from cert_exchange.node import Node
from cert_exchange.services.called import LONGEST, called


def test_an_id_has_the_name_that_is_known_here(sqlite_node: Node) -> None:
    """A partner before what its identity says of itself, ours before a partner's copy; what is not here has none."""
    scene = Scene.set_up(sqlite_node)
    ours, long = indicator("phishing\nkit"), malware("x" * 200)
    scene.publish(ours, long)
    strange = indicator("only proposed", by=C_IDENTITY)
    scene.post("b", strange)
    absent = f"indicator--{uid('absent')}"
    assert called(sqlite_node, [ours["id"], long["id"], B_IDENTITY, absent, strange["id"], "any", ""]) == {
        ours["id"]: "phishing kit", long["id"]: "x" * (LONGEST - 1) + "…", B_IDENTITY: "b",
    }  # fmt: skip
