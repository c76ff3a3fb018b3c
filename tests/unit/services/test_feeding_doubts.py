"""Nobody makes us block ourselves: what our own warnings would hold from our desk is blocked on no partner's word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.scenes import B_IDENTITY, Scene, indicator

from cert_exchange.errors import InputRefused
from cert_exchange.node import Node
from cert_exchange.services import feeding, screening
from cert_exchange.services.feeding import Format, Shelf, Use, choose, choosing

BY: dict[str, Any] = {"by": "anna", "reason": "r"}
MINE = "[domain-name:value = 'www.cert-a.example.net']"
OF_LIST = "[ipv4-addr:value = '185.130.4.4']"
SENT = {
    "mine": MINE,
    "my network": "[ipv4-addr:value = '45.80.1.9']",
    "protected": "[domain-name:value = 'dam.power-xa.org']",
    "name server": "[ipv4-addr:value = '8.8.8.8']",
    "everybody's": "[domain-name:value = 'google.com']",
    "suffix": "[domain-name:value = 'co.uk']",
    "wide": "[ipv4-addr:value ISSUBSET '186.0.0.0/8']",
    "nested": "[url:value = 'http://kit.evil-p.com/?u=www.cert-a.example.net']",
}
MANY = " OR ".join(f"ipv4-addr:value = '203.0.113.{number}'" for number in range(1, 30))


def set_up(node: Node, folder: Path) -> Scene:
    (folder / "own.yaml").write_text(
        "name: ours\nkind: own\nnetworks: [45.80.0.0/16]\ndomains: [cert-a.example.net]\n"
    )
    (folder / "protected.yaml").write_text("name: p\nkind: protected\ndomains: [power-xa.org]\n")
    (folder / "keep-out.txt").write_text("185.130.4.4\n")
    scene = Scene.set_up(node)
    for number, (name, pattern) in enumerate(SENT.items()):
        scene.post("b", indicator(name, pattern=pattern, by=B_IDENTITY, version=number))
    scene.post("b", indicator("many", pattern=f"[{MANY} OR ipv4-addr:value = '9.9.9.9']", by=B_IDENTITY))  # fmt: skip
    for name, choice in {
        "block": choose(Format.LIST),
        "zone": choose(Format.RPZ),
        "watch": choose(Format.LIST, use=Use.MONITOR),
        "anyway": choose(Format.LIST, doubtful=True),
    }.items():
        feeding.add(node, name, choice, by="anna")
    return scene


def values(shelf: Shelf, name: str) -> set[str]:
    return set((shelf.serve(name).body or b"").decode().split())


def hold(node: Node, folder: Path) -> None:
    text = (
        "territories: [own.yaml, protected.yaml]\nlists: [keep-out.txt]\nlisted: {keep-out: hold}\n"
        "concerns: {protected: hold}\nunread: pass\n"
    )
    found = screening.check(node, text, file="intake.yaml", folder=folder)
    screening.apply(node, found, **BY)


def test_nobody_makes_us_block_ourselves(sqlite_node: Node, tmp_path: Path) -> None:
    """Own hosts, protected ones, name servers, suffixes, half the net; each with its reason, and the rest is blocked."""
    node = sqlite_node
    scene = set_up(node, tmp_path)
    shelf = Shelf(node)
    many = {f"203.0.113.{number}" for number in range(1, 30)}
    mine = {"www.cert-a.example.net", "45.80.1.9", "dam.power-xa.org", "http://kit.evil-p.com/?u=www.cert-a.example.net"}  # fmt: skip
    assert values(shelf, "block") == many | mine  # nothing says yet what is ours
    hold(node, tmp_path)
    assert values(shelf, "block") == many
    assert b"google" not in (shelf.serve("zone").body or b"")
    everything = {"8.8.8.8", "9.9.9.9", "google.com", "co.uk", "186.0.0.0/8"} | many | mine
    assert values(shelf, "watch") == values(shelf, "anyway") == everything
    left = feeding.look(node, "block")[1].left_out
    said = "from a partner, and our own warnings would hold it"
    assert {reason: len(ids) for reason, ids in left.items()} == {
        f"{said} (own)": 3, f"{said} (concerns protected)": 1, f"{said} (benign)": 2, f"{said} (broad)": 2,
        f"in part: {said} (benign)": 1,
    }  # fmt: skip
    scene.publish(ours := indicator("ours", pattern=MINE))
    screening.let_in(node, [ours["id"]], **BY)
    assert values(shelf, "block") == {"www.cert-a.example.net"} | many  # a person of ours said so


def test_what_a_person_let_in_is_not_asked_anew(sqlite_node: Node, tmp_path: Path) -> None:
    """Of what it was held for; listed later, it leaves a blocking feed at once."""
    node = sqlite_node
    scene = set_up(node, tmp_path)
    scene.post("b", early := indicator("early", pattern=OF_LIST, by=B_IDENTITY))
    shelf = Shelf(node)
    assert "185.130.4.4" in values(shelf, "block")
    hold(node, tmp_path)
    assert "185.130.4.4" not in values(shelf, "block")
    scene.post("b", late := indicator("late", pattern=OF_LIST, by=B_IDENTITY))
    screening.let_in(node, [late["id"]], **BY)
    assert "185.130.4.4" in values(shelf, "block")
    left = feeding.look(node, "block")[1].left_out
    assert left["from a partner, and our own warnings would hold it (listed keep-out)"] == [early["id"]]  # fmt: skip


def test_the_choice_is_written_down_and_older_ones_are_without_it() -> None:
    """A feed of before does not ask for it; where nothing blocks it cannot be asked for."""
    choice = choose(Format.RPZ, doubtful=True)
    assert choosing.from_text(choosing.to_text(choice)) == choice
    before = choosing.to_text(choose(Format.RPZ)).replace('"doubtful":false,', "")
    assert choosing.from_text(before) == choose(Format.RPZ)
    with pytest.raises(InputRefused, match="lists of values that block"):
        choose(Format.SURICATA, doubtful=True)


def test_misp_flags_no_doubt_of_a_partner(sqlite_node: Node, tmp_path: Path) -> None:
    """MISP makes block lists and rules of what is flagged: it stays in the event, to be read; to watch only, it is flagged."""
    node = sqlite_node
    scene = set_up(node, tmp_path)
    hold(node, tmp_path)
    scene.post(
        "b",
        indicator("y", pattern="global rule y { condition: false }", pattern_type="yara", by=B_IDENTITY),
        indicator("s", pattern="alert ip any any -> any any (bypass; sid:5;)", pattern_type="snort", by=B_IDENTITY),
        indicator("good", pattern="[domain-name:value = 'bad.evil-p.com']", by=B_IDENTITY),
    )  # fmt: skip
    scene.publish(indicator("ours", pattern="[ipv4-addr:value = '198.51.100.44']"))
    feeding.add(node, "misp", choose(Format.MISP), by="anna")
    feeding.add(node, "eyes", choose(Format.MISP, use=Use.MONITOR), by="anna")
    shelf = Shelf(node)

    def flagged(name: str) -> set[str]:
        (event,) = json.loads(shelf.serve(name).body or b"")["response"]
        return {one["value"][:20] for one in event["Event"]["Attribute"] if one["to_ids"]}

    assert flagged("misp") == {"bad.evil-p.com", "198.51.100.44"}
    assert {"google.com", "8.8.8.8", "45.80.1.9"} < flagged("eyes")
    assert not [one for one in flagged("eyes") if one.startswith(("global", "alert"))]
    left = feeding.look(node, "misp")[1].left_out
    assert sum(len(ids) for reason, ids in left.items() if "not flagged to_ids" in reason) == 11
