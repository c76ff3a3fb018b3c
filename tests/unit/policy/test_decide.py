"""`decide`: its order, the ceiling, whose objects go where, holds, time and what is carried along."""

from __future__ import annotations

import dataclasses
import time

import pytest
from tests.unit.policy.making import (
    ANY_ALLOWED,
    DAY,
    LADDER,
    MINUTE,
    MITRE,
    MITRE_IDENTITY,
    NOW,
    OWN_ALLOWED,
    TLP1,
    TLP2,
    UNKNOWN_MARKING,
    context,
    decided,
    missed,
    policy,
    subject,
)

from cert_exchange.policy.decide import (
    Allow,
    Deny,
    DenyKind,
    Hold,
    decide,
)

NO_INDICATORS = "  - {name: none, match: {origin: any, type: indicator}, deny: true, reason: why}\n"
WAIT = "  - {name: wait, match: {type: indicator}, hold: {for: 3 days}, reason: embargo}\n"
APPROVAL = "  - {name: ask, match: {type: indicator}, hold: approval}\n"


def test_what_no_rule_allows_is_denied():
    """Without rules, and with rules about other objects, the answer is the default: no."""
    assert decided("", subject()) == Deny("default", "no rule allows it", DenyKind.DEFAULT)
    only = "  - {name: malware, match: {type: malware}, allow: true}\n"
    assert decided(only, subject()).kind is DenyKind.DEFAULT
    assert decided(only, subject("malware")) == Allow("malware", "by rule malware")


@pytest.mark.parametrize("swapped", [False, True])
def test_deny_wins_over_hold_over_allow_in_any_order(swapped: bool):
    """The order in the file has no meaning."""

    def said(*rules: str) -> object:
        return decided("".join(reversed(rules) if swapped else rules), subject())

    assert said(OWN_ALLOWED, WAIT, NO_INDICATORS) == Deny("none", "why", DenyKind.RULE)
    assert said(OWN_ALLOWED, WAIT) == Hold("wait", "embargo", NOW - MINUTE + 3 * DAY)
    assert said(OWN_ALLOWED) == Allow("all of ours", "by rule all of ours")


def test_the_first_denial_in_the_file_answers_whether_or_not_labels_are_asked_for():
    """Rules about labels that an object does not have are passed over; among the others the order stays."""
    rules = (
        "  - {name: one, match: {labels: [kept back, other]}, deny: true}\n"
        "  - {name: sure, match: {confidence: {at_least: 90}}, deny: true}\n"
        "  - {name: two, match: {labels: [secret]}, deny: true}\n"
    )

    def rule(**properties: object) -> str:
        return decided(rules + OWN_ALLOWED, subject(**properties)).rule

    assert rule(labels=["other", "secret"], confidence=95) == "one"
    assert rule(labels=["secret"], confidence=95) == "sure"
    assert rule(labels=["secret"], confidence=10) == "two"
    assert rule(labels=["y"], confidence=95) == "sure"
    assert rule(confidence=95) == "sure"
    assert rule(labels=["y"]) == "all of ours"


@pytest.mark.case("M01")
def test_an_empty_audience_is_nobody():
    """A policy without partners, and an audience without members, show nothing to anybody."""
    nobody = policy(partners="[]")
    answer = decide(nobody, subject(), context(members=frozenset()))
    assert isinstance(answer, Deny)
    assert answer.reason == "the audience has no members"
    assert isinstance(decide(policy(), subject(), context(members=frozenset())), Deny)


def test_a_collection_that_the_policy_does_not_name_shows_nothing():
    """Even a rule about everything is about the policy's collections only."""
    answer = decided(OWN_ALLOWED, subject(), collection="inbox")
    assert answer == Deny("default", "the policy names no such collection", DenyKind.DEFAULT)


@pytest.mark.case("M45")
def test_each_origins_copy_is_decided_by_its_own_marking():
    """One cyber-observable from two partners: a third gets the GREEN copy and never the AMBER one."""
    for origin, level, passes in (("cert-a", "green", True), ("cert-c", "amber", False)):
        copy = subject("ipv4-addr", origin=origin, object_marking_refs=[TLP2[level]])
        assert isinstance(decided(ANY_ALLOWED, copy), Allow) == passes


def test_a_revoked_version_is_decided_like_any_other():
    """Partners learn of a revocation by the ordinary rules."""
    assert isinstance(decided(OWN_ALLOWED, subject(revoked=True)), Allow)
    assert isinstance(decided(OWN_ALLOWED + NO_INDICATORS, subject(revoked=True)), Deny)


def test_deciding_costs_microseconds():
    """1,000 decisions by 20 rules without a type in 0.1 s of CPU: ten times what was measured, so that only a slip fails."""
    rules = "".join(
        f"  - {{name: r{n}, match: {{labels: [x{n}], confidence: {{at_most: {n}}}}}, deny: true}}\n"
        for n in range(20)
    )
    compiled, what, where = policy(rules + OWN_ALLOWED), subject(labels=["y"]), context()
    before = time.thread_time()
    for _ in range(1_000):
        decide(compiled, what, where)
    assert time.thread_time() - before < 0.1


class TestOrigin:
    """Whose object goes where (DESIGN invariant 5)."""

    @pytest.mark.parametrize("carried", [False, True])
    def test_nothing_goes_back_to_where_it_came_from(self, carried: bool):
        """What a member sent is denied to the audience before anything else is asked."""
        what = subject("identity", origin="cert-b", labels=["tlp:clear"])
        answer = decide(policy(ANY_ALLOWED), what, context(carried=carried))
        assert isinstance(answer, Deny)
        assert answer.kind is DenyKind.ORIGIN

    def test_what_one_member_sent_is_denied_to_all(self):
        """An audience of several partners shares one log (DECISIONS 28)."""
        shared = policy(ANY_ALLOWED, partners="[cert-b, cert-c]")
        both = frozenset({"cert-b", "cert-c"})
        for origin in sorted(both):
            what = subject(origin=origin, labels=["tlp:clear"])
            answer = decide(shared, what, context(members=both))
            assert isinstance(answer, Deny)
            assert answer.kind is DenyKind.ORIGIN

    @pytest.mark.case("M12")
    def test_a_rule_that_names_no_origin_is_about_our_own_objects_only(self):
        """Onward sharing is never a side effect: a hub's rule for Z does not pass on what A sent."""
        rules = "  - {name: indicators, match: {type: indicator}, allow: true}\n"
        assert isinstance(decided(rules, subject()), Allow)
        answer = decided(rules, subject(origin="cert-a", labels=["tlp:clear"]))
        assert isinstance(answer, Deny)
        assert answer.kind is DenyKind.DEFAULT

    @pytest.mark.case("M12")
    @pytest.mark.parametrize(
        ("word", "passes"),
        [
            ("own", {"own"}),
            ("partners", {"cert-a", "cert-c"}),
            ("any", {"own", "cert-a", "cert-c"}),
            ("cert-a", {"cert-a"}),
            ("[own, cert-a]", {"own", "cert-a"}),
        ],
    )
    def test_origin_words(self, word: str, passes: set[str]):
        """own, partners, any and names of partners mean what they say."""
        rules = f"  - {{name: r, match: {{origin: {word}}}, allow: true}}\n"
        for origin in ("own", "cert-a", "cert-c"):
            answer = decided(rules, subject(origin=origin))
            assert isinstance(answer, Allow) == (origin in passes)

    @pytest.mark.parametrize("level", LADDER)
    def test_a_partners_object_goes_to_others_as_clear_or_green_only(self, level: str):
        """Whatever ceiling and rules say."""
        what = subject(origin="cert-a", object_marking_refs=[TLP2[level]])
        answer = decided(ANY_ALLOWED, what)
        assert isinstance(answer, Allow) == (level in {"clear", "green"})
        assert isinstance(decided(ANY_ALLOWED, subject(object_marking_refs=[TLP2[level]])), Allow)

    def test_a_partners_unmarked_object_counts_as_the_policy_says(self):
        """Green or clear lets it go to others, amber does not."""
        for level, passes in (("green", True), ("amber", False), ("deny", False)):
            lax = policy(ANY_ALLOWED, ceiling=f"{{tlp: red, unmarked: {level}}}")
            assert isinstance(decide(lax, subject(origin="cert-a"), context()), Allow) == passes


class TestCeiling:
    """What stands above every rule."""

    @pytest.mark.case("M06")
    @pytest.mark.parametrize("ceiling", LADDER)
    @pytest.mark.parametrize("level", LADDER)
    def test_the_ladder_in_every_spelling(self, ceiling: str, level: str):
        """The same level decides alike as id of TLP 1, of TLP 2, and as a label in any case."""
        strict = policy(ceiling=f"{{tlp: {ceiling}, unmarked: clear}}")
        forms = [
            {"object_marking_refs": [TLP2[level]]},
            {"labels": [f"tlp:{level}"]},
            {"labels": [f"TLP:{level.upper().replace('+', '_')}"]},
        ]
        forms += [{"object_marking_refs": [TLP1[level]]}] if level in TLP1 else []
        passes = LADDER.index(level) <= LADDER.index(ceiling)
        for form in forms:
            answer = decide(strict, subject(**form), context())
            assert isinstance(answer, Allow) == passes
            if isinstance(answer, Deny):
                assert answer.kind is DenyKind.CEILING
                assert f"TLP:{level.upper()}, above TLP:{ceiling.upper()}" in answer.reason

    @pytest.mark.case("M06")
    def test_an_allow_list_of_a_level_lets_that_level_pass_in_every_form(self):
        """Rule `tlp: green` is about the marking, however the object writes it."""
        rules = "  - {name: green, match: {tlp: TLP:Green}, allow: true}\n"
        for form in (
            {"object_marking_refs": [TLP1["green"]]},
            {"object_marking_refs": [TLP2["green"]]},
            {"labels": ["TLP:GREEN"]},
            {"labels": ["tlp:green"]},
        ):
            assert decided(rules, subject(**form)) == Allow("green", "by rule green")

    @pytest.mark.case("M27")
    def test_the_strictest_marking_anywhere_decides_for_the_whole_object(self):
        """Object GREEN, description RED by a granular marking: a GREEN partner does not get it."""
        green = policy(ceiling="{tlp: green}")
        what = subject(
            description="x",
            object_marking_refs=[TLP2["green"]],
            granular_markings=[{"selectors": ["description"], "marking_ref": TLP2["red"]}],
        )
        answer = decide(green, what, context())
        assert isinstance(answer, Deny)
        assert answer.reason == "is TLP:RED, above TLP:GREEN"

    @pytest.mark.case("M27")
    def test_a_granular_marking_never_lowers(self):
        """Object AMBER, name CLEAR: still AMBER."""
        green = policy(ceiling="{tlp: green}")
        what = subject(
            name="x",
            object_marking_refs=[TLP2["amber"]],
            granular_markings=[{"selectors": ["name"], "marking_ref": TLP2["clear"]}],
        )
        assert isinstance(decide(green, what, context()), Deny)

    def test_a_marking_that_nobody_listed_denies(self):
        """Also beside one that is listed, and also under a granular marking; the reason names it."""
        for what in (
            subject(object_marking_refs=[UNKNOWN_MARKING]),
            subject(object_marking_refs=[MITRE, TLP2["clear"], UNKNOWN_MARKING]),
            subject(
                name="x",
                granular_markings=[{"selectors": ["name"], "marking_ref": UNKNOWN_MARKING}],
            ),
        ):
            answer = decided(OWN_ALLOWED, what)
            assert answer == Deny(
                "ceiling", f"marking not understood: {UNKNOWN_MARKING}", DenyKind.CEILING
            )
        assert isinstance(decided(OWN_ALLOWED, subject(object_marking_refs=[MITRE])), Allow)

    def test_unmarked_counts_as_red_unless_the_policy_says_otherwise(self):
        """A forgotten marking is kept back."""
        for ceiling, passes in (
            ("{tlp: amber}", False),
            ("{tlp: red}", True),
            ("{tlp: amber, unmarked: amber}", True),
            ("{tlp: green, unmarked: amber}", False),
            ("{tlp: red, unmarked: deny}", False),
        ):
            answer = decide(policy(ceiling=ceiling), subject(), context())
            assert isinstance(answer, Allow) == passes

    def test_a_statement_may_say_what_an_object_without_tlp_counts_as(self):
        """ATT&CK bears a statement and no TLP; other unmarked objects stay where they are."""
        ceiling = f"{{tlp: green, statements: [{{id: {MITRE}, counts_as: white}}]}}"
        known = policy(ceiling=ceiling)
        assert isinstance(decide(known, subject(object_marking_refs=[MITRE]), context()), Allow)
        assert isinstance(decide(known, subject(), context()), Deny)
        red = subject(object_marking_refs=[MITRE, TLP2["red"]])
        assert isinstance(decide(known, red, context()), Deny)
        both = f"{{tlp: green, statements: [{{id: {MITRE}, counts_as: white}}, {UNKNOWN_MARKING}]}}"
        two = subject(object_marking_refs=[MITRE, UNKNOWN_MARKING])
        assert isinstance(decide(policy(ceiling=both), two, context()), Deny)

    def test_a_marking_definition_without_markings_passes(self):
        """It is needed to read what bears it; one that is marked is an object like others."""
        closed = policy(ceiling="{tlp: clear, unmarked: deny}")
        assert isinstance(decide(closed, subject("marking-definition"), context()), Allow)
        marked = subject("marking-definition", object_marking_refs=[TLP2["red"]])
        assert isinstance(decide(closed, marked, context()), Deny)


class TestCarried:
    """Identities and marking definitions that a visible object needs (DECISIONS 4)."""

    def test_it_needs_no_rule_that_allows_it(self):
        """Ceiling and denials only; holds do not count."""
        closed = policy("", ceiling="{tlp: clear, unmarked: deny}")
        for kind in ("identity", "marking-definition"):
            assert decide(closed, subject(kind), context(carried=True)) == Allow(
                "carried", "an object that is visible refers to it"
            )
        assert isinstance(decide(closed, subject("identity"), context()), Deny)
        held = policy("  - {name: h, match: {type: identity}, hold: approval}\n")
        assert isinstance(decide(held, subject("identity"), context(carried=True)), Allow)

    def test_a_marked_identity_stays_under_the_ceiling(self):
        """Unmarked it counts as what refers to it; marked it speaks for itself."""
        green = policy("", ceiling="{tlp: green}")
        for level, passes in (("green", True), ("amber", False)):
            what = subject("identity", object_marking_refs=[TLP2[level]])
            assert isinstance(decide(green, what, context(carried=True)), Allow) == passes
        unknown = subject("identity", object_marking_refs=[UNKNOWN_MARKING])
        assert isinstance(decide(green, unknown, context(carried=True)), Deny)

    @pytest.mark.parametrize("origin", ["own", "cert-c"])
    def test_a_denial_without_origin_reaches_it_whoever_it_came_from(self, origin: str):
        """Nothing else guards it: the same words must not deny ours and let a partner's pass."""
        closed = policy("  - {name: d, match: {labels: victim}, deny: true}\n")
        what = subject("identity", origin=origin, labels=["victim"])
        assert decide(closed, what, context(carried=True)) == Deny("d", "by rule d", DenyKind.RULE)
        other = subject("identity", origin=origin)
        assert isinstance(decide(closed, other, context(carried=True)), Allow)

    def test_a_denial_of_other_types_and_origins_leaves_it_alone(self):
        """Type and origin are asked here too."""
        closed = policy(
            "  - {name: t, match: {type: malware}, deny: true}\n"
            "  - {name: o, match: {origin: partners}, deny: true}\n"
        )
        assert isinstance(decide(closed, subject("identity"), context(carried=True)), Allow)
        foreign = subject("identity", origin="cert-c")
        assert isinstance(decide(closed, foreign, context(carried=True)), Deny)


class TestHolds:
    """How long a hold lasts, and who ends it."""

    def test_a_duration_counts_from_storage(self):
        """Held until stored + duration, then allowed without anybody doing anything."""
        rules = OWN_ALLOWED + WAIT
        due = NOW + 2 * DAY
        what = subject(stored_at=NOW - DAY)
        assert decided(rules, what) == Hold("wait", "embargo", due)
        assert isinstance(decided(rules, what, now=due - 1), Hold)
        assert isinstance(decided(rules, what, now=due), Allow)

    def test_an_instant(self):
        """Held until then."""
        rules = OWN_ALLOWED + (
            "  - {name: w, match: {type: indicator}, hold: {until: 2026-11-25T12:00:01Z}}\n"
        )
        assert decided(rules, subject()) == Hold("w", "by rule w", NOW + 1_000_000)
        assert isinstance(decided(rules, subject(), now=NOW + 1_000_000), Allow)

    def test_a_person_ends_any_hold_but_only_the_one_released(self):
        """What was approved is no longer asked; another hold still counts."""
        rules = OWN_ALLOWED + WAIT + APPROVAL
        assert decided(rules, subject()) == Hold("ask", "by rule ask", None)
        answer = decided(rules, subject(), approved=frozenset({"ask"}))
        assert isinstance(answer, Hold)
        assert answer.rule == "wait"
        both = frozenset({"ask", "wait"})
        assert isinstance(decided(rules, subject(), approved=both), Allow)

    def test_of_several_holds_the_longest_counts(self):
        """A person's word is longer than any instant."""
        longer = "  - {name: long, match: {type: indicator}, hold: {for: 9 days}}\n"
        answer = decided(OWN_ALLOWED + WAIT + longer, subject())
        assert isinstance(answer, Hold)
        assert answer.rule == "long"
        assert decided(longer + WAIT + OWN_ALLOWED, subject()) == answer

    def test_a_hold_is_no_permission(self):
        """When it ends and nothing allows, the answer is no."""
        assert isinstance(decided(WAIT, subject(), now=NOW + 9 * DAY), Deny)


class TestTime:
    """Time keys stop new releases; they withdraw only if the rule says so (DECISIONS 9)."""

    RULE = "  - {{name: old, match: {{type: indicator, valid_until: passed}}, deny: true{}}}\n"

    def test_what_was_released_in_time_stays(self):
        """A live line is decided again as of its release."""
        rules = OWN_ALLOWED + self.RULE.format("")
        what = subject(valid_until="2026-11-20T00:00:00Z")
        assert isinstance(decided(rules, what), Deny)
        assert isinstance(decided(rules, what, released_at=NOW - 10 * DAY), Allow)
        assert isinstance(decided(rules, what, released_at=NOW - DAY), Deny)

    def test_withdraw_looks_at_the_present(self):
        """The rule then takes back what it let pass."""
        rules = OWN_ALLOWED + self.RULE.format(", withdraw: true")
        what = subject(valid_until="2026-11-20T00:00:00Z")
        assert isinstance(decided(rules, what, released_at=NOW - 10 * DAY), Deny)

    def test_an_allow_by_age_keeps_what_it_allowed_unless_it_withdraws(self):
        """`age: under` in an allow is about the moment of release."""
        rule = "  - {{name: fresh, match: {{age: {{under: 30 days}}}}, allow: true{}}}\n"
        what = subject(created="2026-10-01T00:00:00Z")
        released = NOW - 50 * DAY
        assert isinstance(decided(rule.format(""), what), Deny)
        assert isinstance(decided(rule.format(""), what, released_at=released), Allow)
        again = decided(rule.format(", withdraw: true"), what, released_at=released)
        assert isinstance(again, Deny)

    def test_whether_a_hold_has_passed_is_asked_of_the_present(self):
        """A hold that ended since the release holds nothing, a new one that runs does."""
        what = subject(stored_at=NOW - 4 * DAY)
        released = NOW - 3 * DAY - DAY // 2
        assert isinstance(decided(OWN_ALLOWED + WAIT, what, released_at=released), Allow)
        fresh = subject(stored_at=NOW - DAY)
        assert isinstance(decided(OWN_ALLOWED + WAIT, fresh, released_at=NOW - MINUTE), Hold)


class TestErrors:
    """Any error means deny, and never an exception (CASES H08)."""

    def test_a_broken_subject_denies(self):
        """Even a subject that no reader could have made."""
        rules = OWN_ALLOWED + (
            "  - {name: c, match: {confidence: {at_least: 5}}, deny: true}\n"
            "  - {name: v, match: {valid_until: passed}, deny: true}\n"
        )
        for change in (
            {"confidence": "high"},
            {"valid_until": "soon"},
            {"tlp": "purple"},
            {"markings": 7},
            {"origin": []},
            {"malformed": 7},
        ):
            broken = dataclasses.replace(subject(), **change)
            answer = decided(rules, broken)
            assert isinstance(answer, Deny), change

    def test_the_reason_names_the_kind_of_error_and_no_content(self):
        """Reasons go to the log: ids and kinds only."""
        rules = OWN_ALLOWED + "  - {name: c, match: {confidence: {at_least: 5}}, deny: true}\n"
        answer = decided(rules, dataclasses.replace(subject(), confidence="secret"))
        assert answer == Deny("error", "deciding failed with TypeError", DenyKind.ERROR)

    @pytest.mark.case("H08")
    @pytest.mark.parametrize(
        ("key", "content"),
        [
            ("confidence: {at_least: 5}", {"confidence": "high"}),
            ("confidence: {at_least: 5}", {"confidence": True}),
            ("confidence: {at_least: 5}", {"confidence": 101}),
            ("labels: [a]", {"labels": {"a": 1}}),
            ("labels: [a]", {"labels": ["a", 1]}),
            ("indicator_types: [a]", {"indicator_types": "a"}),
            ("pattern_type: [a]", {"pattern_type": 3}),
            (f"created_by_ref: [{MITRE_IDENTITY}]", {"created_by_ref": 3}),
            ("valid_until: passed", {"valid_until": "never"}),
            ("valid_until: passed", {"valid_until": 3}),
            ("age: {over: 1 day}", {"modified": "yesterday"}),
        ],
    )
    def test_a_value_of_the_wrong_kind_denies_where_a_rule_looks_at_it(
        self, key: str, content: dict[str, object]
    ):
        """It is not absent, so a denial that asks for it must not be passed by; it raises nothing."""
        what = subject("x-custom", **content)
        looking = f"  - {{name: look, match: {{{key}}}, deny: true}}\n"
        answer = decided(OWN_ALLOWED + looking, what)
        assert isinstance(answer, Deny)
        assert answer.kind is DenyKind.ERROR
        assert answer.reason == f"cannot be read: {next(iter(content))}"
        assert isinstance(decided(OWN_ALLOWED, what), Allow)

    def test_an_integer_written_as_a_decimal_is_an_integer(self):
        """JSON's 50.0 is 50."""
        rules = "  - {name: c, match: {confidence: {at_least: 50}}, allow: true}\n"
        assert isinstance(decided(rules, subject(confidence=50.0)), Allow)


class TestRulesOnTheirOwn:
    """What each rule says on its own, as `explain` shows it."""

    def test_every_rule_says_which_keys_missed(self):
        """In the document's order; none missed means it applies."""
        rules = (
            "  - {name: a, match: {type: malware, confidence: {at_least: 50}}, allow: true}\n"
            "  - {name: b, match: {type: indicator, origin: own}, hold: approval}\n"
            "  - {name: c, match: {origin: own, labels: [x], absent: name}, deny: true}\n"
        )
        assert missed(policy(rules), subject(name="n"), context()) == {
            "a": ("type", "confidence"),
            "b": (),
            "c": ("labels", "absent"),
        }
