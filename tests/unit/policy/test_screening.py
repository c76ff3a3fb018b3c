"""The file of the way in: what it finds in an object, and what is wrong with a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.rules import RESERVED_RULES
from cert_exchange.policy.screening import INTAKE, UnreadableScreen, parse_screen

ROOT = Path(__file__).parents[3]
PLACES = {
    "own.yaml": "name: Us\nkind: own\nnetworks: [192.0.2.0/24]\nautonomous_systems: [64496]\ncountries: [AA]\n",
    "protected.yaml": "name: Gov\nkind: protected\nnetworks: [192.0.2.128/25]\ndomains: [gov.example]\n",
    "out.txt": "198.51.100.0/24\nbad.example\n",
    "dns.txt": "203.0.113.53\n",
}
BOTH = "territories: [own.yaml, protected.yaml]\nlists: [out.txt, dns.txt]\n"


def found(file: str, **content: object) -> tuple[str, ...]:
    """What is found in an object, and the action."""
    finding = parse_screen(file, file="intake.yaml", companions=PLACES).find(content)
    return () if finding is None else (finding.action, *finding.what)


def ip(value: str) -> dict[str, object]:
    return {"type": "ipv4-addr", "value": value}


def refused(file: str) -> list[str]:
    with pytest.raises(PolicyInvalid) as error:
        parse_screen(file, file="intake.yaml", companions=PLACES)
    return [str(one) for one in error.value.problems]


def test_without_further_words_lists_and_protected_territories_hold():
    assert found(BOTH, **ip("198.51.100.9")) == ("hold", "listed out")
    assert found(BOTH, **ip("192.0.2.200")) == ("hold", "concerns protected")
    assert found(BOTH, **ip("192.0.2.1")) == ()  # ours, and not protected
    assert found(BOTH, type="domain-name", value="a.bad.example") == ("hold", "listed out")
    assert found(BOTH, type="location", country="AA") == ()


def test_each_list_and_territory_has_its_own_answer():
    file = f"{BOTH}listed: {{out: refuse, dns: pass}}\nconcerns: {{own: hold}}\n"
    assert found(file, **ip("203.0.113.53")) == ()
    assert found(file, **ip("198.51.100.9")) == ("refuse", "listed out")
    assert found(file, **ip("192.0.2.200")) == ("hold", "concerns own")
    assert found(file, type="location", country="aa") == ("hold", "concerns own")
    assert found(file, type="autonomous-system", number=64496) == ("hold", "concerns own")
    several = "[ipv4-addr:value = '192.0.2.1' OR ipv4-addr:value = '198.51.100.1']"
    assert found(file, type="indicator", pattern=several, pattern_type="stix") == (
        "refuse", "listed out", "concerns own",
    )  # fmt: skip


def test_what_cannot_be_read_is_held_unless_the_file_says_pass():
    yara = {"type": "indicator", "pattern": "rule x {}", "pattern_type": "yara"}
    assert found(BOTH, **yara) == ("hold", "unread")
    assert found(f"{BOTH}unread: pass\n", **yara) == ()
    assert found(BOTH, **yara, revoked=True) == ()


def test_texts_are_looked_at_where_the_file_asks():
    told = {"type": "report", "description": "seen at www.gov[.]example"}
    assert found(BOTH, **told) == ()
    assert found(f"{BOTH}mentions: {{protected: hold}}\n", **told) == ("hold", "mentions protected")


def test_what_cannot_be_read_any_more_holds_everything_but_revocations():
    assert UnreadableScreen().covers(["indicators"])
    assert UnreadableScreen().find(ip("203.0.113.1")) is not None
    assert UnreadableScreen().find({"type": "malware", "revoked": True}) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=10,
    ),
    st.sampled_from(["indicator", "ipv4-addr", "observed-data", "location", "url", "x-odd"]),
    st.sampled_from(["pattern", "value", "objects", "country", "name", "pattern_type"]),
)
def test_odd_content_never_raises(value: object, kind: str, name: str):
    """A sender chooses what it sends: its batch goes on."""
    screen = parse_screen(f"{BOTH}mentions: {{own: hold}}\n", file="i", companions=PLACES)
    screen.find({"type": kind, "pattern_type": "stix"} | {name: value})


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("description: nothing\n", "nothing is ever found"),
        ("lists: [out.txt]\nlisted: {ouut: hold}\n", "did you mean out?"),
        ("lists: [out.txt]\nlisted: maybe\n", "write hold, refuse or pass"),
        ("lists: [out.txt]\nlisted: {}\n", "says nothing; write a mapping"),
        ("lists: [out.txt]\nconcerns: {protected: hold}\n", "no territory of kind protected"),
        ("territories: [own.yaml]\nconcerns: {partner: hold}\n", "own or protected"),
        ("lists: [gone.txt]\n", "is not there"),
        ("lists: [../out.txt]\n", "names no file beside this one"),
        ("lists: [out.txt]\nunread: refuse\n", "write hold or pass"),
        ("lists: [out.txt]\nrules: []\n", "unknown key rules"),
        ("lists: [out.txt]\ncollections: []\n", "empty list"),
    ],
)
def test_a_mistake_names_its_place_and_the_next_step(file: str, said: str):
    told = refused(file)
    assert any(said in one for one in told), told
    assert all(one.startswith("intake.yaml:") for one in told)


def test_no_rule_of_a_policy_is_called_so():
    assert INTAKE in RESERVED_RULES


def test_the_files_that_are_shown_can_be_applied():
    """The example of docs/intake.md, and the file that is shipped."""
    folder = ROOT / "policies"
    (example,) = re.findall(
        r"```yaml intake\n(.*?)```", (ROOT / "docs/intake.md").read_text(), re.DOTALL
    )
    for text in (example, (folder / "intake.yaml").read_text()):
        names = re.findall(r"(?:territories|lists)/[a-z-]+\.[a-z]+", text)
        companions = {name: (folder / name).read_text() for name in names}
        screen = parse_screen(text, file="intake.yaml", companions=companions)
        assert screen.find(ip("192.0.2.200")) is not None
        assert screen.find(ip("10.1.2.3")) is not None
        assert screen.find(ip("203.0.113.1")) is None
