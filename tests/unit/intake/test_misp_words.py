"""Words of a MISP event never tell of what their readers may not see; what is left out is a loss that says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cert_exchange.intake.building import Batch, build
from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.intake.misp import Event, read_misp

OWN = "identity--0a2d8a4e-6f1b-4f5e-9d1a-3f6f0a4f5b11"
REPORT = "22222222-2222-4333-8444-000000000007"


def number(count: int) -> str:
    return f"11111111-2222-4333-8444-{count:012d}"


def tags(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def attribute(count: int, misp_type: str, value: str, **more: Any) -> dict[str, Any]:
    return {"uuid": number(count), "type": misp_type, "value": value, "to_ids": True, **more}


PARTS = [
    attribute(1, "domain", "shown.evil.test"),
    attribute(2, "domain", "red.evil.test", Tag=tags("tlp:red")),
    attribute(3, "url", "https://narrow.evil.test/gate.php", distribution="0"),
    attribute(4, "sha256", f"{7919:064x}"[::-1], Tag=tags("PAP:RED")),
    attribute(5, "domain", "told.evil.test", to_ids=False),
    attribute(6, "target-user", "Anna Example", to_ids=False),
    attribute(7, "ip-dst|port", "185.220.101.7|443", Tag=tags("tlp:red")),
    attribute(8, "domain", "gone.evil.test", deleted=True),
    attribute(9, "mutex", "x7", Tag=tags("tlp:red")),
    attribute(10, "link", "https://blog.example/analysis", to_ids=False),
    attribute(11, "vulnerability", "CVE-2026-11111"),
    attribute(12, "vulnerability", "CVE-2026-22222", Tag=tags("tlp:red")),
    attribute(13, "regkey", r"HKLM\Software\Red", Tag=tags("tlp:amber+strict")),
]


def read(**more: Any) -> tuple[Event, list[Finding], list[Loss]]:
    event = {
        "info": "phishing", "uuid": number(0), "distribution": "3", "Tag": tags("tlp:amber"), "Attribute": PARTS, **more,
    }  # fmt: skip
    items = list(read_misp(json.dumps({"Event": event}).encode()))
    (head,) = (one for one in items if isinstance(one, Event))
    return (
        head,
        [one for one in items if isinstance(one, Finding)],
        [one for one in items if isinstance(one, Loss)],
    )


def told(content: str, **more: Any) -> tuple[str, list[str]]:
    """What goes out of one event report, and why it does not."""
    report = {"uuid": REPORT, "name": "Summary", "content": content, **more}
    head, _, losses = read(EventReport=[report])
    return head.description, [one.reason for one in losses if one.place == f"event report {REPORT}"]


@pytest.mark.parametrize(
    "content",
    [
        "red.evil.test", "See red[.]evil[.]test there", "RED(dot)EVIL(dot)TEST", "red . evil . test", "red dot evil dot test",
        r"red\.evil\.test", "www.red.evil.test/x", "red\u200b.evil.test", "r\uff45d\uff0eevil.test", "**red**.evil.test",
        "hxxps://narrow[.]evil[.]test/gate[.]php", "narrow.evil.test", f"{7919:064X}"[::-1], "told[.]evil[.]test",
        "It was read by Anna Example.", "185.220.101[.]7", "gone.evil.test", "the mutex `x7` is set", "CVE-2026-22222",
        r"HKLM\Software\Red", "shown.evil.test",  # which may be held yet, where it is ours
        "198.51.100.66", "8[.]8[.]8[.]8", "2001:db8::66", "anna@cert.example", "https://intranet.example/case/7",
        "a" * 32, r"C:\Users\anna\run.exe", "a.exe",
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["content", "name"])
def test_a_report_that_names_a_value_is_left_out(content: str, where: str) -> None:
    """In any spelling, whether or not it is an attribute's, in the text and in its title."""
    said, reasons = told(content) if where == "content" else told("Words.", name=content)
    assert said == ""
    assert len(reasons) == 1
    assert "names values" in reasons[0]


@pytest.mark.parametrize(
    "content",
    [f"@[attribute]({number(2)})", f"@[object]({number(99)})", "@![attribute](x)", "@[tag](tlp:red)", number(2).upper()],
)  # fmt: skip
def test_a_report_that_points_to_a_part_is_left_out(content: str) -> None:
    """By MISP's references or a UUID, whosever it is."""
    said, reasons = told(f"It begins with {content}.")
    assert said == ""
    assert len(reasons) == 1
    assert "UUID" in reasons[0]


@pytest.mark.parametrize(
    "content",
    [
        "It came by mail on a Monday.", "They use CVE-2026-11111 and T1059.001.", f"The event {number(0)} goes on.",
        "See https://blog.example/analysis for more.", "x77 and redevil are words",
    ],
)  # fmt: skip
def test_a_report_of_words_goes_out(content: str) -> None:
    """With what everybody may know: a vulnerability and the links that the event publishes."""
    assert told(content) == (f"# Summary\n\n{content}", [])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"Tag": tags("tlp:red")}, "more strictly"),
        ({"Tag": tags("TLP:AMBER+STRICT")}, "more strictly"),
        ({"Tag": {"name": "tlp:red"}}, "more strictly"),
        ({"Tag": tags("tlp:violet")}, "more strictly"),
        ({"Tag": tags("PAP:RED")}, "more strictly"),
        ({"Tag": tags("tlp:ex:chr")}, "more strictly"),
        ({"EventReportTag": [{"Tag": {"name": "tlp:red"}}]}, "more strictly"),
        ({"Tag": [{"name": "tlp:red", "local": True}]}, "more strictly"),
        ({"distribution": "0"}, "your organisation only"),
        ({"distribution": "4"}, "sharing group"),
        ({"deleted": True}, "deleted"),
        ({"Tag": tags("tlp:green", "osint")}, ""),
    ],
)
def test_a_report_for_fewer_is_left_out_and_nothing_else_is_said_of_it(
    more: dict[str, Any], why: str
) -> None:
    """Its own tags and distribution count; it is nowhere said to be kept."""
    said, reasons = told("It came by mail.", **more)
    assert bool(said) is not bool(why)
    assert [why in reason and "kept as" not in reason for reason in reasons] == [True] * bool(why)


def test_a_value_at_the_cut_of_a_long_report_is_seen_whole() -> None:
    """What goes out would end in the middle of it."""
    assert told("word " * 19_999 + "red.evil.test")[0] == ""


@pytest.mark.parametrize(
    ("comment", "kept"),
    [
        ("as on red[.]evil[.]test", False), ("loads https://narrow.evil.test/gate.php", False), (f"see {number(2)}", False),
        ("asks told.evil.test", False), ("opened by Anna Example", False), ("before gone.evil.test", False),
        ("this is other.evil.test", True), ("with shown.evil.test", True), ("by mail", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["attribute", "object", "link"])
def test_a_comment_tells_only_what_its_readers_may_see(
    comment: str, where: str, *, kept: bool
) -> None:
    """Nothing of it stands in any object of the event's level; the attribute itself stays, and a loss says so."""
    one = attribute(20, "domain", "other.evil.test")
    more: dict[str, Any] = {"Attribute": [*PARTS, {**one, "comment": comment}]}
    if where == "object":
        owner = {"name": "domain-ip", "uuid": number(30), "comment": comment, "Attribute": [one]}
        more = {"Object": [owner]}
    elif where == "link":
        link = attribute(20, "link", "https://blog.example/b", to_ids=False, comment=comment)
        more = {"Attribute": [*PARTS, link]}
    head, findings, losses = read(**more)
    if where != "link":
        assert "other.evil.test" in [one.value for one in findings]
    built = [one.content for one in build(findings, Batch("x", OWN, at=1, markings=head.markings))]
    here = comment in json.dumps([built, [one.description for one in head.references]])
    assert here is kept
    left = [one for one in losses if "kept back from its readers" in one.reason]
    assert [one.place for one in left] == ([] if kept else [f"attribute {number(20)}"])


def test_a_comment_on_a_narrow_part_may_name_what_more_people_see() -> None:
    """And its own value: whoever reads it knows both."""
    part = attribute(
        20, "domain", "deep.evil.test", comment="deep.evil.test as shown.evil.test", Tag=tags("tlp:red")
    )  # fmt: skip
    _, findings, _ = read(Attribute=[*PARTS, part])
    (found,) = (one for one in findings if one.value == "deep.evil.test")
    assert found.description == "deep.evil.test as shown.evil.test"


def test_neither_title_nor_link_names_what_is_kept_back() -> None:
    """The report gets another title, and the link stays behind."""
    link = attribute(20, "link", "https://lookup.example/?q=red.evil.test", to_ids=False)
    head, _, losses = read(info="The case red.evil.test", Attribute=[*PARTS, link])
    assert "red.evil" not in json.dumps([head.name, [one.url for one in head.references]])
    left = [one.place for one in losses if "kept back from its readers" in one.reason]
    assert left == [f"attribute {number(20)}", f"event {number(0)}"]


def test_a_source_that_must_not_be_named_is_not_named_by_a_report() -> None:
    """`tlp:ex:chr` takes the link away, and so the words with it."""
    report = {"uuid": REPORT, "content": "See https://blog.example/analysis for more."}
    head, _, _ = read(EventReport=[report], Tag=tags("tlp:amber", "tlp:ex:chr"))
    assert head.description == ""


def test_an_object_is_not_said_to_be_kept_where_nothing_of_it_is() -> None:
    """A person reads what truly happens: what is kept of it is RED."""
    owner = {"name": "x", "uuid": number(30), "distribution": "0", "Attribute": []}
    _, _, losses = read(Object=[owner])
    (reason,) = (one.reason for one in losses if "your organisation only" in one.reason and "object" in one.place)  # fmt: skip
    assert reason.endswith(": what is kept of it is TLP:RED")


def test_tags_that_say_who_was_hit_stay_here() -> None:
    """As attributes of the types `target-*` do; what says who did it, and what binds, goes along."""
    hit = (
        'misp-galaxy:target-information="Ministry"',
        'misp-galaxy:sector="Finance"',
        'x:victim="clinic"',
    )
    fit = (
        'misp-galaxy:threat-actor="APT1"',
        'targeted-threat-index:targeting-sophistication-base-value="3"',
    )
    part = attribute(20, "domain", "deep.evil.test", Tag=tags(*hit, *fit))
    head, findings, losses = read(Attribute=[part], Tag=tags(*hit, *fit))
    (found,) = findings
    for labels in (head.labels, found.labels):
        assert set(fit) <= set(labels)
        assert set(hit).isdisjoint(labels)
    assert sum("who was hit" in one.reason for one in losses) == 2 * len(hit)
