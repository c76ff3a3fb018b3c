"""What a partner only proposes is shown as that, after what counts."""

from __future__ import annotations

import pytest
from tests.scenes import B_IDENTITY, Scene, indicator

from cert_exchange.cli.reading import _state
from cert_exchange.cli.showing import _print_story
from cert_exchange.node import Node
from cert_exchange.services import holdings, revoking


def test_a_proposed_revocation_revokes_nothing_in_words(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thief revokes an object of ours: `show` opens with ours, and no list calls it revoked."""
    scene = Scene.set_up(node)
    ours = indicator("ours")
    scene.publish(ours)
    scene.post("b", indicator("ours", by=B_IDENTITY, version=3, revoked=True))

    (hit,) = holdings.received(node, "b")[0]
    assert _state(hit) == "proposal (revoked)"
    first, second = holdings.show(node, ours["id"])
    assert [first.hit.origin, second.hit.origin] == ["own", "b"]
    assert _state(first.hit) == "accepted"
    _print_story(first, first=True)
    _print_story(second, first=False)
    said = capsys.readouterr().out
    assert said.startswith(f"{ours['id']}  version {ours['modified']}\n  from own, accepted\n")
    assert f"\nonly proposed by b, not in force: {ours['id']}  version" in said
    assert "from own, accepted\n" in said
    assert "from b, proposal of a revocation, which does not count" in said

    revoking.revoke(node, ours["id"], by="anna", reason="wrong")
    newest = holdings.show(node, ours["id"])[0]
    assert (newest.hit.origin, _state(newest.hit)) == ("own", "revoked")
