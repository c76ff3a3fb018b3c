"""Policy files: what they mean, and that every mistake is shown at once with its place and the next step."""

from __future__ import annotations

import pytest
from tests.unit.policy.making import (
    ANY_ALLOWED,
    DAY,
    MITRE,
    MITRE_IDENTITY,
    NOW,
    OWN_ALLOWED,
    TLP2,
    policy,
)

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.document import (
    Ceiling,
    HoldTerms,
    Match,
    Rule,
    Verb,
    parse_policy,
    problems_of_names,
)
from cert_exchange.policy.reading import read_document
from cert_exchange.policy.spellings import tlp_named
from cert_exchange.stix.markings import Tlp

FILE = "policies/cert-b.yaml"


def mistakes(text: str) -> list[str]:
    """The problems of a text that must be refused, each as `line:column: message`."""
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(text, file=FILE)
    said = [str(problem) for problem in caught.value.problems]
    assert all(line.startswith(f"{FILE}:") for line in said)
    assert caught.value.public == "\n".join(said)
    return [line.removeprefix(f"{FILE}:") for line in said]


def rule_mistakes(rule: str) -> list[str]:
    """The messages about one rule, without places."""
    text = f"partners: []\ncollections: [indicators]\nceiling: {{tlp: red}}\nrules:\n  - {rule}\n"
    return [line.split(": ", 1)[1] for line in mistakes(text)]


def test_a_whole_document():
    """Every key of the format arrives as a plain value."""
    found = parse_policy(
        f"""
name: bilateral
description: |
  Two
  lines
partners: [cert-b, cert-c]
collections: [indicators, 1fb3569d-497f-48ac-a1b9-50c29e9c31ee]
ceiling:
  tlp: TLP:AMBER+STRICT
  unmarked: White
  statements: [{MITRE}]
unresolved: allow
rules:
  - name: Everything at once
    match:
      type: [indicator, malware]
      labels: Ransomware
      indicator_types: [benign]
      tlp: [green, TLP:CLEAR]
      confidence: {{at_least: 10, at_most: 90}}
      created_by_ref: {MITRE_IDENTITY}
      pattern_type: stix
      age: {{over: 1 hour, under: 2w}}
      valid_until: {{within: 7 days}}
      marking: {MITRE}
      origin: [own, cert-d]
      collection: indicators
      absent: [name]
    hold: {{until: 2026-11-25T12:00:00Z}}
    reason: Because
    withdraw: true
""",
        file=FILE,
    )
    assert found.name == "bilateral"
    assert found.partners == ("cert-b", "cert-c")
    assert found.collections == ("indicators", "1fb3569d-497f-48ac-a1b9-50c29e9c31ee")
    assert found.ceiling == Ceiling(Tlp.AMBER_STRICT, Tlp.CLEAR, {MITRE: None})
    assert found.unresolved == "allow"
    match = Match(
        types=frozenset({"indicator", "malware"}),
        labels=frozenset({"ransomware"}),
        indicator_types=frozenset({"benign"}),
        tlp=frozenset({Tlp.GREEN, Tlp.CLEAR}),
        confidence=(10, 90),
        creators=frozenset({MITRE_IDENTITY}),
        pattern_types=frozenset({"stix"}),
        age_over=3_600_000_000,
        age_under=14 * DAY,
        valid_until="ahead",
        valid_within=7 * DAY,
        markings=frozenset({MITRE}),
        origins=frozenset({"own", "cert-d"}),
        collections=frozenset({"indicators"}),
        absent=("name",),
    )
    terms = HoldTerms(until=NOW)
    assert found.rules == (
        Rule("Everything at once", match, Verb.HOLD, "Because", hold=terms, withdraw=True),
    )


def test_what_is_left_out():
    """The name is the file's, unmarked is red, unresolved waits, the reason names the rule."""
    found = policy(ceiling="{tlp: green}")
    assert found.name == "cert-b"
    assert found.ceiling == Ceiling(Tlp.GREEN, Tlp.RED, {})
    assert found.unresolved == "wait"
    assert found.rules[0].reason == "by rule all of ours"
    assert found.rules[0].withdraw is False


def test_a_folded_text_is_its_words():
    """Where lines were folded stands a space, and nothing that no one sees."""
    text = "reason: >-\n  Of one\n  line.\n\n  Of another.\n"
    assert read_document(text, file=FILE).value == {"reason": "Of one line.\nOf another."}


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("clear", Tlp.CLEAR),
        ("TLP:WHITE", Tlp.CLEAR),
        ("Green", Tlp.GREEN),
        ("tlp:amber", Tlp.AMBER),
        ("AMBER+STRICT", Tlp.AMBER_STRICT),
        ("amber_strict", Tlp.AMBER_STRICT),
        ("TLP: amber-strict ", Tlp.AMBER_STRICT),
        ("RED", Tlp.RED),
        ("purple", None),
        ("", None),
        ("tlp:", None),
    ],
)
def test_levels_in_every_spelling(text: str, level: Tlp | None):
    """TLP 1 and TLP 2, any case, with and without prefix and separators."""
    assert tlp_named(text) is level


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1 second", 1_000_000),
        ("90 minutes", 5_400_000_000),
        ("12h", 43_200_000_000),
        ("3 days", 3 * DAY),
        ("2w", 14 * DAY),
    ],
)
def test_durations(text: str, micros: int):
    """A whole number and a unit."""
    rules = f"  - {{name: h, match: {{type: indicator}}, hold: {{for: {text}}}}}\n"
    assert policy(rules).rules[0].hold == HoldTerms(duration=micros)


def test_every_mistake_at_once_with_its_place():
    """One look at the answer is enough to mend the file."""
    text = f"""nam: x
partners: [cert-b, CERT B, cert-b]
collections:
ceiling:
  tlp: purple
  unmarked: 3
  statements:
    - {TLP2["red"]}
    - {{id: x, count_as: green}}
rules:
  - name: first
    name: again
    match: {{type: [], confidence: {{at_least: 500, at_mos: 3}}}}
    allow: yes
  - name: ceiling
    match: {{}}
    hold: {{untl: 2026-12-01T00:00:00Z}}
  - match: {{age: {{}}}}
    allow: true
    deny: true
  - 3
"""
    levels = "write clear (or white), green, amber, amber+strict or red"
    assert mistakes(text) == [
        "1:1: unknown key nam; did you mean name?",
        "2:20: \"CERT B\" is no partner's name; write small letters, digits, '.', '_' or '-'",
        '2:28: partner "cert-b" stands twice, first in line 2; keep one',
        "3:1: collections is empty; give a value or leave it out",
        f'5:8: "purple" is no TLP level; {levels}',
        f"6:13: 3 is no TLP level; {levels}, or deny",
        f"8:7: {TLP2['red']} is a TLP marking; use the key tlp, which knows all its spellings",
        '9:12: "x" is no id of a marking; write marking-definition-- and a UUID',
        "9:15: unknown key count_as; did you mean counts_as?",
        "12:5: name stands twice, first in line 11: keep one of them",
        "13:19: type is an empty list and would match nothing; leave the key out",
        "13:46: at_least is 500; write a whole number from 0 to 100",
        "13:51: unknown key at_mos; did you mean at_most?",
        '14:12: allow is "yes"; write true, or leave the key out',
        '15:11: "ceiling" is what reports say where no rule decided; name the rule otherwise',
        "16:12: match has no key; write a mapping of keys; for everything of our own write {origin: own}",
        "17:11: hold is a mapping; write {for: 3 days}, {until: 2026-11-25T16:00:00Z} or approval, one of them",
        "18:5: name is missing; write a short text on one line",
        "18:5: the rule says allow and deny; give exactly one of allow, deny, hold, redact",
        "18:18: age says nothing; write {over: 90 days}, {under: 1 hour} or both",
        "21:5: an item of rules is 3; write a mapping with name, match and one of allow, deny, hold, redact",
    ]


@pytest.mark.case("H08")
@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("labels: []", "labels is an empty list and would match nothing; leave the key out"),
        ("confidence: {at_least: 80, at_most: 20}", "nothing can match; exchange them"),
        ("confidence: {}", "confidence says nothing"),
        ("confidence: {at_least: 1.5}", "at_least is 1.5; write a whole number from 0 to 100"),
        ("confidence: {at_least: true}", "at_least is true; write a whole number from 0 to 100"),
        ("confidence: 50", "confidence is 50; write {at_least: 50}, {at_most: 80} or both"),
        ("tlp: {at_least: red, at_most: green}", "nothing can match; exchange them"),
        ("tlp: {at_lest: red}", "tlp takes at_least and at_most, or one or more levels"),
        ("tlp: [green, purple]", '"purple" is no TLP level'),
        ("age: {over: 2 days, under: 1 day}", "give under a longer time than over"),
        ("age: {over: 0 days}", '"0 days" is no duration'),
        ("age: {over: 999999 weeks}", '"999999 weeks" is no duration'),
        ("age: {over: -1 days}", '"-1 days" is no duration'),
        ("valid_until: later", 'valid_until is "later"; write passed, ahead or {within: 7 days}'),
        ("{type: indicator, absent: [tlp, labels], tlp: green}", "tlp is asked for and absent"),
        ("labels: [TLP:GREEN]", '"TLP:GREEN" is a TLP marking; use the key tlp'),
        ("labels: [2024]", "2024 is no label"),
        (f"marking: {TLP2['green']}", "is a TLP marking; use the key tlp"),
        ("created_by_ref: mitre", '"mitre" is no id of an identity'),
        ("type: Indicator", '"Indicator" is no STIX type'),
        (
            "collection: indicator",
            "is not among this policy's collections; did you mean indicators?",
        ),
        ("network: 0.0.0.0/0", "unknown key network; write one of: absent, age, collection"),
        ("origin: ~", "origin is empty; give a value or leave it out"),
    ],
)
def test_a_key_that_could_never_match_is_refused_when_saved(match: str, said: str):
    """Nothing at the edge waits to be discovered by an object."""
    inner = match if match.startswith("{") else f"{{{match}}}"
    found = rule_mistakes(f"{{name: r, match: {inner}, allow: true}}")
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{name: r, match: {type: tool}}", "the rule says neither allow, deny, hold nor redact"),
        ("{name: r, match: {type: tool}, allow: false}", "allow is false; write true"),
        ("{name: r, allow: true}", "match is missing"),
        ("{name: r, match: {type: tool}, hold: {}}", "hold is a mapping"),
        ("{name: r, match: {type: tool}, hold: {for: 3}}", "3 is no duration"),
        ("{name: r, match: {type: tool}, hold: {until: tomorrow}}", '"tomorrow" is no instant'),
        ("{name: r, match: {type: tool}, hold: {for: 1 day, until: x}}", "one of them"),
        ("{name: 7, match: {type: tool}, allow: true}", "on one line, in quotes"),
        ("{name: r, match: {type: tool}, allow: true, withdraw: 1}", "withdraw is 1"),
        ("{name: r, match: {type: tool}, allow: true, when: x}", "unknown key when"),
    ],
)
def test_a_rule_that_says_nothing_or_too_much_is_refused(rule: str, said: str):
    """Exactly one verb, and terms that a person can mean."""
    found = rule_mistakes(rule)
    assert len(found) == 1
    assert said in found[0]


def test_names_of_rules_differ_by_more_than_letter_case():
    """A report that names a rule must name one."""
    text = """partners: []
collections: []
ceiling: {tlp: red}
rules:
  - {name: One, match: {type: tool}, allow: true}
  - {name: one, match: {type: tool}, deny: true}
"""
    assert mistakes(text) == ['6:12: rule "one" stands twice, first in line 5; keep one']


class TestOrigins:
    """Rules that reach partners' objects."""

    def test_a_denial_that_is_silent_about_partners_objects_is_refused(self):
        """It would be a hole that nobody sees, as soon as another rule lets partners' objects pass."""
        text = """partners: [cert-b]
collections: [indicators]
ceiling: {tlp: red}
rules:
  - {name: a, match: {origin: partners}, allow: true}
  - name: d
    match: {type: tool}
    deny: true
  - name: h
    match: {type: malware}
    hold: approval
"""
        found = mistakes(text)
        assert [line.split(": ")[0] for line in found] == ["7:12", "10:12"]
        assert all("write origin: any or origin: own" in line for line in found)
        spoken = text.replace("{type: ", "{origin: any, type: ")
        assert len(parse_policy(spoken, file=FILE).rules) == 3

    def test_among_our_own_objects_nobody_has_to_say_it(self):
        """Where no rule reaches further, silence means our own."""
        denial = "  - {name: d, match: {type: tool}, deny: true}\n"
        assert len(policy(OWN_ALLOWED + denial).rules) == 2

    def test_a_member_of_the_audience_is_no_origin(self):
        """What came from it never goes back: such a rule never decides."""
        text = """partners: [cert-b]
collections: []
ceiling: {tlp: red}
rules:
  - {name: r, match: {origin: [cert-c, cert-b]}, allow: true}
"""
        assert mistakes(text) == [
            "5:40: what came from cert-b never goes back to cert-b; drop it, it never decides"
        ]


class TestYaml:
    """Broken, hostile and odd files."""

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "1:1: the file is empty"),
            ("# only a remark\n", "1:1: the file is empty"),
            ("a: [", "1:5: not YAML: expected the node content, but found '<stream end>'"),
            ("a: *b", "1:4: not YAML: found undefined alias 'b'"),
            ("- 1", "1:1: the file holds no mapping of keys to values"),
            ("text", "1:1: the file holds no mapping of keys to values"),
            ("\x00", "1:1: not YAML: unacceptable character"),
            ("a: 1\n\tb: 2", "2:1: not YAML: found character '\\t' that cannot start any token"),
            ("a: 1\n---\nb: 2", "2:1: not YAML: but found another document"),
            ("[" * 5000, "1:13: nested deeper than 12 levels"),
            ("{a: " * 5000, "nested deeper than 12 levels"),
            ("a: &a [*a]", "aliases make this more than 50000 values or 12 levels"),
            ("x" * 300_000, "1:1: 300000 characters; a file may have 262144: split it"),
        ],
    )
    def test_what_is_no_document(self, text: str, said: str):
        """One sentence and a place, whatever it is."""
        found = mistakes(text)
        assert len(found) == 1
        assert said in found[0]

    def test_aliases_that_multiply(self):
        """A few lines that stand for a billion values are refused quickly."""
        lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
        lines += [
            f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]"
            for old, new in zip("abcdefgh", "bcdefghi", strict=True)
        ]
        assert "aliases make this more than 50000 values" in mistakes("\n".join(lines))[0]

    def test_an_alias_in_reason_is_fine(self):
        """Anchors save writing; the values are the same."""
        rules = (
            "  - {name: a, match: &m {type: tool, origin: any}, allow: true}\n"
            "  - {name: b, match: *m, deny: true}\n"
        )
        found = policy(rules)
        assert found.rules[0].match == found.rules[1].match

    @pytest.mark.parametrize(
        "line",
        [
            "? [a]\n: 3",
            "x: !!set {}",
            "x: !!python/object:os.system 1",
            "<<: {a: 1}",
            "x: !!binary aGk=",
        ],
    )
    def test_yaml_that_is_no_plain_data(self, line: str):
        """No tags, no merge keys, no keys that are not words."""
        text = f"partners: []\ncollections: []\nceiling: {{tlp: red}}\nrules: []\n{line}\n"
        assert all(found.startswith("5:") for found in mistakes(text))

    def test_yes_is_no_boolean_in_any_version_of_yaml(self):
        """A %YAML 1.1 directive changes nothing."""
        text = "%YAML 1.1\n---\npartners: []\ncollections: []\nceiling: {tlp: red}\nrules:\n"
        text += "  - {name: r, match: {type: tool}, allow: yes}\n"
        assert mistakes(text) == ['7:43: allow is "yes"; write true, or leave the key out']

    def test_an_empty_list_of_partners_is_nobody_and_an_empty_value_a_mistake(self):
        """`[]` is a decision, nothing at all is a slip (CASES M01)."""
        assert policy(partners="[]").partners == ()
        text = "partners:\ncollections: []\nceiling: {tlp: red}\nrules: []\n"
        assert mistakes(text) == ["1:1: partners is empty; give a value or leave it out"]

    def test_a_file_without_a_usable_name(self):
        """Standard input and the like must name the policy inside."""
        text = "partners: []\ncollections: []\nceiling: {tlp: red}\nrules: []\n"
        with pytest.raises(PolicyInvalid) as caught:
            parse_policy(text, file="<standard input>")
        assert "does not do; write `name:`" in caught.value.public
        assert parse_policy("name: a\n" + text, file="<standard input>").name == "a"


class TestNames:
    """Names that the node must know (DECISIONS 27)."""

    RULES = (
        ANY_ALLOWED
        + "  - {name: c, match: {origin: [cert-c, cert-x], collection: reports}, deny: true}\n"
    )

    def test_unknown_partners_and_collections_with_their_places(self):
        """In the list of partners, of collections, and in a rule's origin."""
        found = problems_of_names(
            policy(self.RULES), ["cert-bb", "cert-c"], ["indicators", "report"], FILE
        )
        assert [str(problem) for problem in found] == [
            f'{FILE}:1:12: unknown partner "cert-b"; did you mean cert-bb?',
            f'{FILE}:2:27: unknown collection "reports"; did you mean report?',
            f'{FILE}:6:40: unknown partner "cert-x"; did you mean cert-c?',
        ]

    def test_known_names(self):
        """Nothing to say; the words of origin are no names."""
        known = problems_of_names(
            policy(self.RULES), {"cert-b", "cert-c", "cert-x"}, {"indicators", "reports"}, FILE
        )
        assert known == ()

    def test_a_territory_of_nobody_known(self):
        """Its kind would say `partner` of a name that no partner bears, and everything in it would be a third's."""
        land = "name: n\nkind: partner\npartner: cert-x\nnetworks: [192.0.2.0/24]\n"
        found = policy(
            more="territories: [a.yaml, b.yaml]\n",
            companions={"a.yaml": land.replace("cert-x", "cert-b"), "b.yaml": land},
        )
        (problem,) = problems_of_names(found, {"cert-b"}, {"indicators", "reports"}, FILE)
        assert str(problem) == (
            f'{FILE}:4:23: unknown partner "cert-x", whose territory it is; did you mean cert-b?'
        )

    def test_a_node_without_partners(self):
        """Says so in place of a guess."""
        found = problems_of_names(policy(), [], ["indicators", "reports"], FILE)
        assert found[0].message == 'unknown partner "cert-b"; this node has no partner yet'
