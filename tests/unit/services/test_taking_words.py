"""No text of what B gets names what is held back from it, in whatever place of the input the words stand, and however spelled.

Each secret stands in every place that holds words, in one event, one table and one report; the same places full of harmless
words all come out, so that none of them is empty for another reason.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from tests.scenes import TLP, Scene

from cert_exchange.intake.needles import Needles, needles_of
from cert_exchange.node import Node
from cert_exchange.services import screening, taking
from cert_exchange.services.taking import Found, Order, Source

OWN = "name: Own\nkind: own\nnetworks: [45.9.8.0/24]\ndomains: [relay.a.org]\n"
AMBER = Order(markings=(TLP["amber"],))
RED: Final = [{"name": "tlp:red"}]
SECRETS: Final[dict[str, dict[str, Any]]] = {
    "8.8.8.8": {"type": "ip-dst"},
    "45.9.8.17": {"type": "ip-dst"},
    "mx.relay.a.org": {"type": "hostname"},
    "10.20.30.41": {"type": "ip-src"},
    "45.100.1.2": {"type": "ip-dst", "Tag": RED},
    "http://45.100.1.3/plan-of-b": {"type": "url", "Tag": RED},
    "operation-plan.docx": {"type": "filename", "Tag": RED},
    "Global\\SilentHeron": {"type": "mutex", "to_ids": False},
    "heron@silent.org": {"type": "email-src", "to_ids": False},
    "ServerOfTheMinistry": {"type": "target-machine"},
    "5a" * 32: {"type": "sha256", "deleted": True},
}
"""Values that an event may hold and B must not see: held, of our own, marked RED, told of, of a victim, deleted."""
SPELLINGS: Final[tuple[Callable[[str], str], ...]] = (
    lambda text: text,
    lambda text: text.replace(".", "[.]"),
    lambda text: text.replace(".", "\uff0e"),
    lambda text: text.replace(".", "(dot)").upper(),
    lambda text: text.replace("http", "hxxp").replace(".", " dot "),
)
PLACES: Final = (
    "title", "tag", "galaxy", "attribute tag", "comment", "category", "object comment", "link", "remark of a link",
    "report", "name of a report", "technique", "rule",
)  # fmt: skip


def number(count: int) -> str:
    return f"22222222-2222-4333-8444-{count:012d}"


def event(at: int, says: Callable[[str], str], parts: list[dict[str, Any]]) -> bytes:
    """An AMBER event with words in every place. `says` gives the words of a place."""
    base = f"185.220.{at}."
    attributes: list[dict[str, Any]] = [
        {"type": "ip-dst", "value": f"{base}1", "comment": says("comment")},
        {"type": "ip-dst", "value": f"{base}2", "Tag": [{"name": f"say:so={says('attribute tag')}"}]},
        {"type": "ip-dst", "value": f"{base}3", "category": says("category")},
        {"type": "link", "value": f"https://blog.vendor.com/{says('link').replace(' ', '/')}", "to_ids": False},
        {
            "type": "link", "value": "https://other.vendor.com/x", "comment": says("remark of a link"), "to_ids": False,
        },
        {
            "type": "snort", "category": "Network activity",
            "value": f'alert tcp any any -> any any (msg:"{says("rule").replace(chr(34), "")}"; sid:{at + 1};)',
        },
        *parts,
    ]  # fmt: skip
    owned = {"type": "ip-dst", "value": f"{base}4", "to_ids": True, "uuid": number(at * 100 + 90)}
    raw = {
        "info": says("title"), "uuid": number(at * 100), "date": "2026-11-02",
        "Tag": [{"name": "tlp:amber"}, {"name": f"say:that={says('tag')}"}],
        "Attribute": [
            {"uuid": number(at * 100 + count), "to_ids": True, **one} for count, one in enumerate(attributes, 1)
        ],
        "Object": [
            {"name": "network", "uuid": number(at * 100 + 80), "comment": says("object comment"), "Attribute": [owned]}
        ],
        "Galaxy": [
            {"GalaxyCluster": [{"tag_name": f"misp-galaxy:tool={says('galaxy')}"}]},
            {
                "GalaxyCluster": [
                    {"type": "mitre-attack-pattern", "value": says("technique"), "meta": {"external_id": [f"T{1500 + at}"]}}
                ]
            },
        ],
        "EventReport": [
            {"uuid": number(at * 100 + 70), "name": says("name of a report"), "content": "Nothing more."},
            {"uuid": number(at * 100 + 71), "name": "More", "content": says("report")},
        ],
    }  # fmt: skip
    return json.dumps({"Event": raw}).encode()


def publish(scene: Scene, name: str, body: bytes, order: Order) -> Found:
    given = Source(name, lambda: io.BytesIO(body), len(body))
    how = taking.understand(given, order)
    return taking.take(scene.node, given, how, order, collection="indicators", by="desk").found


@pytest.fixture
def scene(sqlite_node: Node, tmp_path: Path) -> Scene:
    """A, whose way in knows its own hosts, and B, which gets all that is AMBER."""
    made = Scene.set_up(sqlite_node)
    (tmp_path / "own.yaml").write_text(OWN)
    file = "territories: [own.yaml]\nunread: pass\n"  # else each rule is held for that
    found = screening.check(sqlite_node, file, file="intake.yaml", folder=tmp_path)
    screening.apply(sqlite_node, found, by="anna", reason="agreed")
    return made


def named_to_b(scene: Scene, secrets: Any) -> set[str]:
    """Which of these B can read in anything that it gets."""
    needles = Needles[str]()
    for secret in secrets:
        for needle in needles_of(secret):
            needles.add(needle, secret)
    found = set()
    for one in scene.sees("b"):
        text = json.dumps(one, ensure_ascii=False)
        found |= {owner for _, owners in needles.within(text) for owner in owners}
    return found


def test_no_place_of_an_event_names_what_is_held_back(scene: Scene) -> None:
    """Eleven kinds of secrets in thirteen places and five spellings: B reads none, and our desk is told of each event."""
    for at, (secret, part) in enumerate(SECRETS.items()):

        def says(place: str, at: int = at, secret: str = secret) -> str:
            spell = SPELLINGS[(PLACES.index(place) + at) % len(SPELLINGS)]
            return f"as seen with {spell(secret)} on Monday"

        parts = [{"value": secret, **part}]
        found = publish(scene, "event.json", event(at, says, parts), Order())
        told = "; ".join(f"{one.what} {one.reason}" for one in found.losses)
        assert "left out" in told, secret
        assert named_to_b(scene, [secret]) == set(), secret
        assert f"185.220.{at}.1'" in str(scene.sees("b")), secret


def test_every_place_of_an_event_goes_out_where_it_names_nothing(scene: Scene) -> None:
    """Without it the test above would show nothing."""
    publish(scene, "event.json", event(99, lambda place: f"the words of {place}", []), Order())
    seen = str(scene.sees("b")).replace("/", " ")
    assert [place for place in PLACES if f"the words of {place}" not in seen] == []


@pytest.mark.parametrize("place", ["name", "column", "tag", "title", "line"])
def test_no_place_of_a_table_or_a_report_names_what_is_held_back(scene: Scene, place: str) -> None:
    """The name of a file or a person's own, a remark, a tag, the title of a report: left out or replaced."""
    secrets = (
        "8.8.8.8",
        "45.9.8.17",
        "mx.relay.a.org",
        "10.20.30.41",
        "45.100.1.2",
        "C:\\plans\\of-b.docx",
    )
    for at, secret in enumerate(secrets):
        spell = SPELLINGS[at % 3]
        words = f"seen with {spell(secret)} on Monday"
        tail = f"45.9.8.17,,,amber\n8.8.8.8,,,amber\n10.20.30.41,,,amber\n{secret},,,red\n"
        if place in ("title", "line"):
            line = f"Beacons to 185.221.{at}[.]1, {words}.\n" if place == "line" else ""
            text = f"# {words if place == 'title' else 'Loader'}\n\n{line}\n## Indicators\n\n- 185.221.{at}[.]1\n"
            publish(
                scene,
                "r.md",
                text.encode(),
                Order(markings=(TLP["amber"],), name=words if place == "title" else ""),
            )
        else:
            remark = words if place == "column" else ""
            label = words if place == "tag" else ""
            name = words if place == "name" else "rows"
            text = f"value,comment,tags,tlp\n185.222.{at}.1,{remark},{label},amber\n{tail}"
            publish(scene, "rows.csv", text.encode(), Order(markings=(TLP["amber"],), name=name))
    hidden = [
        one
        for one in secrets
        if place not in ("title", "line") or one.startswith(("10.", "45.9", "mx"))
    ]
    assert named_to_b(scene, hidden) == set()
    assert len(scene.sees("b")) > 2 * len(secrets)


def test_a_value_with_another_one_inside_is_held(scene: Scene) -> None:
    """A page whose address bears our host, a victim's mailbox or what is RED; a page on a public service goes out."""
    url = "http://kit.phish-p.com/"
    rows = (
        f"{url}?m=anna.miller@relay.a.org", f"{url}?u=http%3A%2F%2F45.9.8.17%2Fowa", f"{url}relay.a.org/login",
        f"{url}?u=red.phish-q.com", f"{url}?to=45.100.1.2", "ivan@red.phish-q.com", "45.9.8.18.exe", f"{url}plain",
        "https://github.com/phish/kit",
    )  # fmt: skip
    parts: list[dict[str, Any]] = [
        {
            "type": "email-src" if "ivan" in row else "filename" if row.endswith(".exe") else "url",
            "value": row,
        }
        for row in rows
    ]
    parts += [
        {"type": "domain", "value": "red.phish-q.com", "Tag": RED},
        {"type": "ip-dst", "value": "45.100.1.2", "Tag": RED},
        {"type": "domain", "value": "github.com"},
    ]
    publish(scene, "e.json", event(60, lambda _: "words", parts), Order())
    seen = str(scene.sees("b"))
    assert [row for row in rows if f"'{row}\\'" in seen or f"'{row}'" in seen] == list(rows[-2:])
    assert named_to_b(scene, ["45.100.1.2", "red.phish-q.com", "relay.a.org", "45.9.8.17"]) == set()
    tail = "45.100.1.2,red\nred.phish-q.com,red\n"
    table = "value,tlp\n" + "".join(f"{row.replace('kit', 'kat')},amber\n" for row in rows) + tail
    publish(scene, "rows.csv", table.encode(), AMBER)
    assert named_to_b(scene, ["45.100.1.2", "red.phish-q.com", "relay.a.org", "45.9.8.17"]) == set()
    assert "kat.phish-p.com/plain" in str(scene.sees("b"))


def test_what_binds_is_held_and_never_left_out(scene: Scene) -> None:
    """A tag that limits its readers stays, even if it names our host: its object waits for a person."""
    rows = (
        "value,tags,tlp\n185.223.1.1,iep:reference=https://mx.relay.a.org/iep,amber\n185.223.1.2,,amber\n"
        "185.223.1.3,iep:reference=https://45.100.1.2/iep,amber\n45.100.1.2,,red\n"
    )
    found = publish(scene, "rows.csv", rows.encode(), AMBER)
    held = {one.of: one.said for one in found.warnings if one.act == "hold"}
    assert held.keys() == {"own", "names"}
    assert held["names"] == "it names 45.100.1.2, kept back here"
    assert "185.223.1.2'" in str(scene.sees("b"))
    for secret in ("185.223.1.1'", "185.223.1.3'"):
        assert secret not in str(scene.sees("b"))


def test_a_link_to_a_public_service_stays(scene: Scene, tmp_path: Path) -> None:
    """A service that everybody uses is no secret; a link to it is left out only where the event holds it back itself."""
    found = screening.check(
        scene.node, "territories: [own.yaml]\n", file="intake.yaml", folder=tmp_path
    )
    screening.apply(scene.node, found, by="anna", reason="what cannot be read is held")
    link: dict[str, Any] = {
        "type": "link",
        "value": "https://github.com/vendor/notes",
        "to_ids": False,
    }
    page = {**link, "value": f"https://www.virustotal.com/file/{'5b' * 32}/analysis"}
    publish(scene, "e.json", event(50, lambda _: "words", [link, page]), Order())
    assert "https://github.com/vendor/notes" in str(scene.sees("b"))
    assert page["value"] in str(scene.sees("b"))
    parts = [
        {**link, "value": "https://github.com/vendor/more"},
        {"type": "domain", "value": "github.com"},
    ]
    publish(scene, "e.json", event(51, lambda _: "words", parts), Order())
    assert "https://github.com/vendor/more" not in str(scene.sees("b"))
