"""The commands of carrying by hand, as a person runs them: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.attack.world import World, Worlds
from tests.scenes import indicator
from tests.unit.syncing.peers import public_key

from cert_exchange.services import signing, syncing


def test_out_show_in_and_back(tmp_path: Path) -> None:
    with Worlds() as worlds, worlds.world() as world:
        a, b = world.a.node, world.b.node
        signing.pin(a, "b", public_key(b), by="x")
        signing.pin(b, "a", public_key(a), by="x")
        _both_ways(world, tmp_path)


def _both_ways(world: World, folder: Path) -> None:
    world.a.scene.publish(*(indicator(f"n{n}") for n in range(3)))
    file, back = folder / "1.cxc", folder / "2.cxc"
    made = world.run("carry", "out", "--to", "b", "--file", str(file))
    assert (made.code, f"{file} is file 1 for b: 5 objects, 0 receipts" in made.err) == (0, True)
    assert "the beginning to 20" in made.out
    nothing = world.run("carry", "out", "--to", "b", "--file", str(back))
    assert (nothing.code, nothing.err[:16], back.exists()) == (0, "nothing to carry", False)
    there = world.run("carry", "out", "--to", "b", "--file", str(file), "--whole")
    assert (there.code, "is there already" in there.err) == (1, True)

    # B takes nothing from A yet: it is told how to.
    left = world.run("carry", "in", str(file), side=world.b)
    assert left.code == 0
    assert "left out: 5 objects of indicators; to take them, `source add`" in left.err
    syncing.add_source(
        world.b.node, "from-a", partner="a", url="http://127.0.0.1:9/api/", remote_collection="indicators",
        collection="indicators", options={"insecure": True},
    )  # fmt: skip
    looked = _json(world.run("carry", "show", str(file), "--json", side=world.b).out)
    assert (looked["from"], looked["number"], looked["objects"]) == ("a", 1, 5)
    assert looked["state"].startswith("taken in before at 20")
    assert looked["collections"][0]["source"] == "from-a"
    dry = world.run("carry", "in", str(file), "--dry-run", side=world.b)
    assert (dry.code, "from-a" in dry.out) == (0, True)
    taken = world.run("carry", "in", str(file), side=world.b)
    assert taken.code == 0
    assert "4 new, 1 unchanged" in taken.out
    assert "file 1 of a (taken in before): 4 of 5 objects new here, 0 receipts" in taken.err
    assert "our receipts go back with the link, or now with `carry out --to a`" in taken.err
    twice = world.run("carry", "in", str(file), side=world.b)
    assert "5 unchanged" in twice.out
    assert "Nothing new. 5 objects of the file were here already." in " ".join(twice.out.split())

    assert world.run("carry", "out", "--to", "a", "--file", str(back), side=world.b).code == 0
    answered = world.run("carry", "in", str(back))
    assert (answered.code, "b has our file 1" in answered.err) == (0, True)
    listed = _json(world.run("carry", "list", "--json").out)
    assert [(one["way"], one["number"], bool(one["arrived"])) for one in listed] == [
        ("in", 1, False), ("out", 1, True)
    ]  # fmt: skip
    assert (
        _json(world.run("carry", "list", "--json", side=world.b).out)[1]["digest"]
        == (listed[1]["digest"])
    )

    file.write_bytes(file.read_bytes()[:-1])
    cut = world.run("carry", "in", str(file), side=world.b)
    assert (cut.code, "cut off or altered" in cut.err) == (1, True)
    assert world.run("carry", "in", str(folder / "none"), side=world.b).code == 3
    nobody = world.run("carry", "out", "--to", "nobody")
    assert (nobody.code, "There is no partner nobody" in nobody.err) == (3, True)
    assert world.run("carry", "out", "--to", "b", "--from", "1", "--whole").code == 2


def _json(text: str) -> Any:
    return json.loads(text)
