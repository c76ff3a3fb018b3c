"""What is said of an indicator names nothing that its readers do not get: not what is held, marked otherwise or not used."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from tests.scenes import TLP, Scene

from cert_exchange.intake.naming import named_in
from cert_exchange.node import Node
from cert_exchange.services import screening, taking
from cert_exchange.services.taking import Found, Order, Source

AMBER = Order(markings=(TLP["amber"],))
REPORT = """# Campaign

The implant on 192.0.2.17 (our mail relay, mx.a[.]example) beacons to 91.220.1[.]18 through 10.20.30.41 and 8.8.4.4.
"""
CLINIC = """# Phishing

Staff of hospital.org such as max.mustermann@hospital.org got a mail that led to hxxp://login[.]badhost[.]top/gate.

## Indicators
- hxxp://login[.]badhost[.]top/gate
- 91.220.1[.]18
"""


@pytest.fixture
def scene(sqlite_node: Node) -> Scene:
    return Scene.set_up(sqlite_node)


def through(scene: Scene, name: str, text: str, order: Order = AMBER) -> tuple[Found, str]:
    """What the desk is shown before, and all that B then sees, as one text."""
    body = text.encode()
    given = Source(name, lambda: io.BytesIO(body), len(body))
    how = taking.understand(given, order)
    found = taking.look(
        scene.node, given, how, order, collection="indicators", by="desk", preview=True
    )
    taking.take(scene.node, given, how, order, collection="indicators", by="desk")
    return found, str(scene.sees("b"))


def left_out(found: Found) -> set[str]:
    return {one.what for one in found.losses if "left out" in one.reason}


def test_a_line_of_a_report_does_not_tell_what_is_held(scene: Scene) -> None:
    """B gets the address of the implant's server, and nothing of ours that stood beside it; the desk is told."""
    found, seen = through(scene, "r.md", REPORT)
    assert "91.220.1.18" in seen
    for secret in ("10.20.30.41", "8.8.4.4", "mail relay"):
        assert secret not in seen, secret
    assert {"10.20.30.41", "8.8.4.4"} <= left_out(found)
    assert found.names[0] == "Campaign"


def test_our_own_hosts_stand_in_no_text_either(scene: Scene, tmp_path: Path) -> None:
    """Hosts of our territory are held. What would be held for its text alone goes out without it: nothing names them then."""
    (tmp_path / "own.yaml").write_text(
        "name: Own\nkind: own\nnetworks: [45.9.8.0/24]\ndomains: [a.example]\n"
    )
    text = "territories: [own.yaml]\nmentions: {own: hold}\n"
    found = screening.check(scene.node, text, file="intake.yaml", folder=tmp_path)
    screening.apply(scene.node, found, by="anna", reason="agreed")
    rows = (
        'ip,comment\n91.220.1.18,"our relay, mx.a[.]example"\n91.220.1.19,"of 45.9.8.17 and 91.220.1.18"\n'
        "45.9.8.17,ours\n91.220.1.20,a loader\n"
    )
    looked, seen = through(scene, "rows.csv", rows)
    assert (
        {"mx.a.example", "45.9.8.17"}
        <= left_out(looked)
        <= {"mx.a.example", "45.9.8.17", "91.220.1.18"}
    )
    for shared in ("91.220.1.18", "91.220.1.19", "91.220.1.20", "a loader"):
        assert shared in seen
    for secret in ("mx.a", "45.9.8.17", "relay"):
        assert secret not in seen, secret
    waiting = screening.list_kept(scene.node, state=screening.State.HELD)
    assert len([one for one in waiting if one.stix_id.startswith("indicator")]) == 1


def test_a_comment_does_not_tell_what_another_row_marks_red(scene: Scene) -> None:
    """The remark of an amber row that names a red address stays here; a remark that names nothing goes out, and is shown."""
    rows = (
        "ip,comment,tlp\n45.100.1.2,staging,red\n"
        '91.220.1.18,"beacons to our DMZ 10.0.2.55 and to 45.100.1.2",amber\n91.220.1.19,a loader,amber\n'
    )
    found, seen = through(scene, "rows.csv", rows)
    assert "91.220.1.18" in seen
    assert "45.100.1.2" not in seen
    assert "DMZ" not in seen
    assert left_out(found) == {"10.0.2.55", "45.100.1.2"}
    assert "a loader" in seen
    assert "a loader" in found.texts


def test_victims_that_are_not_used_stand_in_no_text(scene: Scene) -> None:
    """Names that the report's reader took for no indicators do not go out as the line around one."""
    _, seen = through(scene, "clinic.md", CLINIC)
    assert "login.badhost.top" in seen
    assert "hospital.org" not in seen
    assert "mustermann" not in seen


def test_a_text_may_name_what_the_same_readers_get(scene: Scene) -> None:
    """Both addresses go out under one marking, so that the remark does too, and again adds nothing."""
    rows = 'ip,comment\n91.220.1.18,"tells 91.220.1[.]19 of it"\n91.220.1.19,a loader\n'
    found, seen = through(scene, "rows.csv", rows)
    assert "tells 91.220.1[.]19 of it" in seen
    assert not left_out(found)
    again, _ = through(scene, "rows.csv", rows)
    assert set(again.states) == {"unchanged"}


def test_a_stream_takes_what_comes_later_for_not_shared(scene: Scene) -> None:
    """The same name in a remark: left out before the chunk that publishes it, kept after."""
    rows = ["91.220.1.18,early: 45.9.9.9"]
    rows += [f"45.{at // 200 + 20}.{at % 200}.9,x" for at in range(1_100)]
    rows += ["45.9.9.9,y", "91.220.1.19,late: 45.9.9.9", "91.220.1.20,late: 45.20.3.9"]
    found, seen = through(scene, "rows.csv", "ip,comment\n" + "\n".join(rows) + "\n")
    assert left_out(found) == {"45.9.9.9"}
    assert "early" not in seen
    assert seen.count("late: 45") >= 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("at 192[.]0.2(.)17, or 10 dot 0 dot 0 dot 1:443", {"192.0.2.17", "10.0.0.1"}),
        ("root@srv01 and max (at) h.org.", {"root@srv01", "max@h.org"}),
        ("DC01.hospital.local, wiki.klinik", {"dc01.hospital.local", "wiki.klinik"}),
        (r"https://intranet/x \\srv01\c$", {"https://intranet/x", "intranet", "srv01"}),
        ("ip:2001:DB8::5 in 192.0.2.0/24", {"2001:db8::5", "192.0.2.0/24"}),
        ("19\u200b2.0.2.17 \uff11\uff10.0.0.1", {"192.0.2.17", "10.0.0.1"}),
        ("A" * 64 + " of b\u00fccher.de", {"a" * 64, "xn--bcher-kva.de"}),
        ("访问evil.com。下载，at 192.0.2.17。", {"evil.com", "192.0.2.17"}),
        ("http://e.com/?m=a@h.org", {"http://e.com/?m=a@h.org", "e.com", "a@h.org"}),
        ("Trojan.Win32.Agent, invoice.exe, build 10.0.19041.1 at 12:30:45, std::string", set()),
    ],
)
def test_names_are_seen_however_they_are_written(text: str, names: set[str]) -> None:
    """Rather one too many than one too few; files, builds, times and names of malware are none."""
    assert named_in(text) >= names
    assert named_in(text) == names or "@h.org" in text


SAMPLES = """= Loader

=== Samples

[options="header"]
|====
| SHA-1 | Filename | Description
| `C830B895FB934291507E490280164CC4234929F0` | `%ALLUSERSPROFILE%\\Adobe\\colorui.dll` | A dropper side-loaded by colorcpl.exe.
| `8CB37FA97E936F45FA8ECD7EB5CFB68545810A22` | N/A | A backdoor dropped by colorui.dll.
|====
"""


def test_a_file_that_a_report_is_told_of_may_stand_in_its_lines(scene: Scene) -> None:
    """It is no secret beside its hash, though the names by themselves are held, as no more than told of."""
    found, seen = through(scene, "loader.adoc", SAMPLES)
    assert found.warned["context", "hold"] == 2
    assert "A backdoor dropped by colorui.dll" in seen
    assert not left_out(found)
