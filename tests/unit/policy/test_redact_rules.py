"""Rules that redact: what may stand in them, what they decide, and what they never let pass."""

from __future__ import annotations

from typing import Any

import pytest
from stix2 import registry
from tests.unit.policy.making import (
    MITRE_IDENTITY,
    NOW,
    OWN_ALLOWED,
    TLP2,
    UNKNOWN_MARKING,
    context,
    decided,
    policy,
    subject,
)

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.decide import (
    Allow,
    Deny,
    DenyKind,
    Hold,
    Redact,
    ceiling_for,
    decide,
    stands,
    subject_of,
)
from cert_exchange.policy.document import parse_policy
from cert_exchange.policy.doubts import warnings_of_policy
from cert_exchange.policy.recipes import KEPT, NEEDED
from cert_exchange.policy.rules import Recipe
from cert_exchange.policy.tracing import trace
from cert_exchange.stix.handling import IEP_EXTENSION, Definition
from cert_exchange.stix.markings import Tlp

TEXT = "  - {name: text, match: {type: indicator}, redact: {remove: [description]}, reason: why}\n"
OURS = "  - {name: ours, match: {origin: own}, redact: {custom: true}}\n"
DENIED = "  - {name: none, match: {type: indicator}, deny: true}\n"
HELD = "  - {name: wait, match: {type: indicator}, hold: approval}\n"
SECRET = {"selectors": ["description"], "marking_ref": TLP2["red"]}
GREEN = {"object_marking_refs": [TLP2["green"]]}
IEP = "marking-definition--0b2c1d5e-9f2a-4d6b-8a59-9b0d6b6c4a11"


def mistakes(redact: str) -> list[str]:
    """What is wrong with a rule that redacts so, without places."""
    with pytest.raises(PolicyInvalid) as caught:
        policy(f"  - {{name: r, match: {{type: indicator}}, redact: {redact}}}\n")
    return [one.message for one in caught.value.problems]


class TestWhatMayStandThere:
    """`redact:` is read, and what it cannot mean is refused at its place."""

    def test_every_key(self):
        """All arrive in the recipe."""
        rules = (
            "  - name: all\n    match: {type: indicator}\n    redact:\n"
            "      remove: [description, hashes.SHA-256, extensions.archive-ext]\n"
            "      custom: true\n      external_references: true\n      above_ceiling: true\n"
            "      source: true\n      references: cut\n"
        )
        assert policy(rules).rules[0].recipe == Recipe(
            remove=frozenset({"description", "hashes.SHA-256", "extensions.archive-ext"}),
            custom=True,
            external_references=True,
            above_ceiling=True,
            source=True,
            cut=True,
        )

    @pytest.mark.parametrize("name", sorted(KEPT | NEEDED | {"created_by_ref"}))
    def test_what_an_object_cannot_be_without_is_refused(self, name: str):
        """With the place of the item, and what to do instead."""
        text = (
            "partners: [cert-b]\ncollections: [indicators]\nceiling: {tlp: red}\nrules:\n"
            "  - name: r\n    match: {type: indicator}\n    redact:\n"
            f"      remove: [description, {name}]\n"
        )
        with pytest.raises(PolicyInvalid) as caught:
            parse_policy(text, file="policies/cert-b.yaml")
        (problem,) = caught.value.problems
        assert (problem.line, problem.column) == (8, 29)
        assert problem.message.startswith(f"{name} ")

    @pytest.mark.parametrize(
        ("redact", "said"),
        [
            ("true", "redact is true; write what is taken away"),
            ("{}", "redact is an empty mapping; write what is taken away"),
            ("{remove: []}", "remove is an empty list and takes nothing away"),
            ("{remove: [5]}", "5 is no property; write its name in STIX"),
            ("{remove: ['labels[0]']}", "is no property; write its name in STIX"),
            ("{remove: [granular_markings.selectors]}", "its property is kept whole"),
            ("{custom: false}", "redact: custom is false and takes nothing away"),
            ("{custom: 1}", "custom is 1; write true"),
            ("{references: wait}", 'references is "wait"; write cut'),
            ("{custm: true}", "unknown key custm; did you mean custom?"),
        ],
    )
    def test_what_says_nothing_is_refused(self, redact: str, said: str):
        """A rule that looks like redacting and shows all would be a hole."""
        assert any(said in one for one in mistakes(redact)), mistakes(redact)

    def test_one_verb_a_rule(self):
        """Redacting is a verb like the others."""
        with pytest.raises(PolicyInvalid, match="the rule says allow and redact; give exactly one"):
            policy("  - {name: r, match: {type: tool}, allow: true, redact: {custom: true}}\n")

    def test_where_partners_objects_pass_it_says_whose_it_means(self):
        """A redaction that is silent about partners' objects would be a hole; and one that lets them pass counts."""
        silent = "  - {name: r, match: {type: tool}, redact: {custom: true}}\n"
        any_ = "  - {name: a, match: {origin: any}, VERB}\n"
        for verb in ("allow: true", "redact: {source: true}"):
            with pytest.raises(PolicyInvalid, match="without origin this rule is about our own"):
                policy(silent + any_.replace("VERB", verb))

    def test_it_permits_so_nothing_warns(self):
        """A policy that only redacts shows something."""
        found = policy(TEXT, ceiling="{tlp: amber}")
        assert warnings_of_policy(found, "x.yaml", now=NOW) == ()


def test_what_every_type_requires_is_what_the_standard_says():
    """The list of what may not be removed is that of the STIX library, which gives `valid_from` a value by itself."""
    kinds = registry.STIX2_OBJ_MAPS["2.1"]
    having: dict[str, list[bool]] = {}
    for kind in (*kinds["objects"].values(), *kinds["observables"].values()):
        for name, what in kind._properties.items():
            having.setdefault(name, []).append(what.required)
    always = {name for name, required in having.items() if all(required)}
    assert always - KEPT == NEEDED - {"valid_from"}
    assert having.keys() >= NEEDED | KEPT


class TestDeciding:
    """Deny wins over hold over redact over allow, and the ceiling stands above."""

    @pytest.mark.parametrize("swapped", [False, True])
    def test_the_order(self, swapped: bool):
        """Wherever the rules stand."""

        def said(*rules: str) -> Any:
            return decided("".join(reversed(rules) if swapped else rules), subject())

        assert isinstance(said(OWN_ALLOWED, TEXT, HELD, DENIED), Deny)
        assert isinstance(said(OWN_ALLOWED, TEXT, HELD), Hold)
        assert said(OWN_ALLOWED, TEXT) == Redact(
            "text", "why", Recipe(remove=frozenset({"description"}))
        )

    def test_it_permits_by_itself(self):
        """No other rule has to allow; what it does not match stays denied."""
        assert isinstance(decided(TEXT, subject()), Redact)
        assert decided(TEXT, subject("malware")).rule == "default"

    def test_several_add_up(self):
        """All that any of them takes away; rule and reason are the first one's in the document."""
        both = Recipe(remove=frozenset({"description"}), custom=True)
        assert decided(TEXT + OURS, subject()) == Redact("text", "why", both)
        assert decided(OURS + TEXT, subject()) == Redact("ours", "by rule ours", both)

    def test_without_origin_it_is_about_ours(self):
        """As every rule."""
        assert isinstance(decided(TEXT, subject(origin="cert-c")), Deny)
        partners = TEXT.replace("type: indicator", "type: indicator, origin: partners")
        assert isinstance(decided(partners, subject(origin="cert-c")), Redact)
        assert decided(partners, subject(origin="cert-b")).rule == "origin"

    def test_an_expression_without_an_answer_denies(self):
        """Whether it would have redacted is not known, so nothing is shown."""
        rules = OWN_ALLOWED + (
            "  - {name: r, match: {when: 'object.name == \"x\"'}, redact: {custom: true}}\n"
        )
        answer = decided(rules, subject())
        assert isinstance(answer, Deny)
        assert answer.kind is DenyKind.ERROR
        allowing = TEXT + "  - {name: r, match: {when: 'object.name == \"x\"'}, allow: true}\n"
        assert decided(allowing, subject()).rule == "error"

    def test_time_keys_look_at_the_release(self):
        """A line that went out whole is not taken back by age alone, unless the rule says so."""
        old = {"modified": "2026-10-01T00:00:00Z"}
        rule = "  - {name: old, match: {age: {over: 30 days}}, redact: {custom: true}MORE}\n"
        then = context().now - 50 * 86_400_000_000
        stays = OWN_ALLOWED + rule.replace("MORE", "")
        taken = OWN_ALLOWED + rule.replace("MORE", ", withdraw: true")
        assert isinstance(decided(stays, subject(**old), released_at=then), Allow)
        assert isinstance(decided(taken, subject(**old), released_at=then), Redact)

    def test_an_identity_that_is_carried_is_redacted_as_well(self):
        """Its contact details must not leave with what refers to it, whoever it came from."""
        rules = OWN_ALLOWED + (
            "  - {name: who, match: {type: identity}, redact: {remove: [contact_information]}}\n"
        )
        for origin in ("own", "cert-c"):
            answer = decided(rules, subject("identity", origin=origin), carried=True)
            assert isinstance(answer, Redact)
            assert answer.rule == "who"
        assert isinstance(decided(rules, subject("marking-definition"), carried=True), Allow)


class TestDoubt:
    """What cannot be read is redacted, and not permitted by that."""

    TERRITORY = "name: Ours\nkind: own\nnetworks: [192.0.2.0/24]\n"

    def answer(self, key: str, what: Any, more: str = "") -> Any:
        rules = f"  - {{name: r, match: {{{key}}}, redact: {{remove: [description]}}}}\n" + more
        return decide(
            policy(
                rules,
                more="territories: [territories/own.yaml]\n",
                companions={"territories/own.yaml": self.TERRITORY},
            ),
            what,
            context(),
        )

    def test_concerns_redacts_in_doubt_and_permits_what_is_sure(self):
        """An allowing rule never takes in what cannot be read; neither does the permission of one that redacts."""
        sure = subject("ipv4-addr", value="192.0.2.7")
        unread = subject("indicator", pattern_type="yara", pattern="rule x { condition: true }")
        assert isinstance(self.answer("concerns: own", sure), Redact)
        assert self.answer("concerns: own", unread).rule == "default"
        assert isinstance(self.answer("concerns: own", unread, OWN_ALLOWED), Redact)
        other = subject("ipv4-addr", value="198.51.100.7")
        assert isinstance(self.answer("concerns: own", other, OWN_ALLOWED), Allow)

    def test_mentions_redacts_and_never_permits(self):
        """Nobody can read text wholly."""
        note = subject("note", content="at 192.0.2.7")
        assert self.answer("mentions: own", note).rule == "default"
        assert isinstance(self.answer("mentions: own", note, OWN_ALLOWED), Redact)


class TestAboveTheCeiling:
    """Granular markings count for the whole object, unless a matching rule takes away what they mark."""

    RULE = "  - {name: above, match: {type: indicator}, redact: {above_ceiling: true}}\n"

    def answer(
        self, what: Any, rules: str = "", ceiling: str = "{tlp: amber}", **given: Any
    ) -> Any:
        return decide(policy(rules or self.RULE, ceiling=ceiling), what, context(**given))

    def test_only_a_rule_that_says_so_lets_it_pass(self):
        """Strictest anywhere governs; with the rule the object's own markings do."""
        what = subject(**GREEN, description="x", granular_markings=[SECRET])
        assert isinstance(self.answer(what), Redact)
        assert self.answer(what, TEXT).rule == "ceiling"
        assert self.answer(what, OWN_ALLOWED).rule == "ceiling"

    def test_a_rule_that_does_not_match_helps_nothing(self):
        """The ceiling stands for what no such rule is about."""
        what = subject("malware", **GREEN, description="x", granular_markings=[SECRET])
        assert self.answer(what, self.RULE + OWN_ALLOWED).rule == "ceiling"

    @pytest.mark.parametrize("level", ["red", "amber+strict"])
    def test_a_marking_of_the_whole_object_still_denies(self, level: str):
        """A granular marking lowers nothing."""
        low = {"selectors": ["description"], "marking_ref": TLP2["clear"]}
        what = subject(object_marking_refs=[TLP2[level]], granular_markings=[low], description="x")
        assert self.answer(what).rule == "ceiling"

    def test_a_label_still_denies(self):
        """Tags and embedded markings are about the whole."""
        what = subject(**GREEN, labels=["tlp:red"], granular_markings=[SECRET], description="x")
        assert self.answer(what).rule == "ceiling"

    def test_what_is_unmarked_without_its_granular_markings_counts_as_unmarked(self):
        """Red by default: nothing says how much of the rest may go out."""
        what = subject(granular_markings=[SECRET], description="x")
        assert self.answer(what).rule == "ceiling"
        assert isinstance(self.answer(what, ceiling="{tlp: amber, unmarked: green}"), Redact)

    def test_a_marking_that_nobody_understands_goes_with_what_it_marks(self):
        """The same for statements and foreign schemes."""
        odd = {"selectors": ["description"], "marking_ref": UNKNOWN_MARKING}
        assert isinstance(
            self.answer(subject(**GREEN, granular_markings=[odd], description="x")), Redact
        )

    def test_of_others_objects_nothing_above_green(self):
        """The content that a partner marked amber is above what goes on to third parties."""
        amber = {"selectors": ["description"], "marking_ref": TLP2["amber"]}
        rules = self.RULE.replace("type: indicator", "origin: any")
        theirs = subject(**GREEN, granular_markings=[amber], description="x", origin="cert-c")
        assert isinstance(self.answer(theirs, rules), Redact)
        found = policy(rules, ceiling="{tlp: amber}")
        assert ceiling_for(found, theirs).tlp is Tlp.GREEN
        assert ceiling_for(found, subject()).tlp is Tlp.AMBER


def iep(attribution: str) -> dict[str, Any]:
    return {
        "type": "marking-definition",
        "id": IEP,
        "extensions": {
            IEP_EXTENSION: {
                "extension_type": "property-extension",
                "iep_version": "2.0",
                "tlp": "green",
                "provider_attribution": attribution,
            }
        },
    }


def marked(attribution: str, **content: Any) -> Any:
    """An indicator of somebody under an IEP that says this of its source."""
    return subject_of(
        {
            "type": "indicator",
            "id": "indicator--6b616fc1-1505-48e3-8b2c-0d19337bff38",
            "created_by_ref": MITRE_IDENTITY,
            "object_marking_refs": [IEP],
            **content,
        },
        origin="own",
        stored_at=context().now,
        definitions=lambda stix_id: (
            [Definition(iep(attribution), trusted=True)] if stix_id == IEP else []
        ),
    )


class TestSource:
    """Whose source must not be named, and whose must."""

    RULE = "  - {name: source, match: {origin: own}, redact: {source: true}}\n"

    def test_what_hides_its_source_passes_where_the_source_is_taken_away(self):
        """Only there."""
        for what in (
            marked("must-not"),
            subject(**GREEN, labels=["tlp:ex:chr"], created_by_ref=MITRE_IDENTITY),
        ):
            assert decided(OWN_ALLOWED, what).rule == "ceiling"
            assert decided(OURS, what).rule == "ceiling"
            assert isinstance(decided(self.RULE, what), Redact)

    def test_what_owes_its_source_is_never_parted_from_it(self):
        """The terms demand attribution: whole or not at all."""
        assert isinstance(decided(OWN_ALLOWED, marked("must")), Allow)
        answer = decided(self.RULE, marked("must"))
        assert isinstance(answer, Deny)
        assert "its source must be named" in answer.reason

    def test_a_derivative_is_never_its_originators(self):
        """Also where something else is taken away: its creator is this node or nobody."""
        what = marked("must", description="x")
        rest = what.reread({k: v for k, v in what.content.items() if k != "description"})
        said = stands(policy(), rest, context(), whole=what)
        assert said is not None
        assert "its source must be named" in said.reason
        assert stands(policy(), marked("may"), context()) is None
        assert stands(policy(), what, context()) is None

    def test_what_was_let_pass_for_nothing_is_barred(self):
        """Its source stands in a reference, and a rule took the creator away that it does not have."""
        what = subject(**GREEN, labels=["tlp:ex:chr"], external_references=[{"source_name": "x"}])
        assert isinstance(decided(self.RULE, what), Redact)
        assert stands(policy(), what, context()) is not None


class TestWhatIsLeft:
    """`stands`: what redaction left is asked once more."""

    def left(self, whole: Any, *gone: str) -> Any:
        return whole.reread({k: v for k, v in whole.content.items() if k not in gone})

    def test_what_is_still_above_the_ceiling_is_denied(self):
        """Whatever trimming forgot: markings anywhere count."""
        found = policy("  - {name: a, match: {origin: own}, redact: {above_ceiling: true}}\n")
        whole = subject(**GREEN, description="x", granular_markings=[SECRET], name="n")
        low = policy(ceiling="{tlp: amber}")
        assert isinstance(decide(found, whole, context()), Redact)
        assert stands(low, self.left(whole, "name"), context(), whole=whole) is not None
        assert stands(low, self.left(whole, "granular_markings"), context(), whole=whole) is None

    @pytest.mark.parametrize(
        ("content", "gone"),
        [
            ({"labels": ["tlp:amber"]}, "labels"),
            ({"x_tlp": "amber"}, "x_tlp"),
            ({"labels": ["tlp:amber"], **GREEN}, "labels"),
            ({"labels": ["PAP:RED"], **GREEN}, "labels"),
            ({"labels": ["tlp:ex:chr"], **GREEN}, "labels"),
            ({"x_markings": [UNKNOWN_MARKING], **GREEN}, "x_markings"),
        ],
    )
    def test_no_marking_goes_with_what_bore_it(self, content: dict[str, Any], gone: str):
        """Its receiver would share on what its originator meant for few."""
        whole = subject(**content)
        found = policy(ceiling=f"{{tlp: red, unmarked: clear, statements: [{UNKNOWN_MARKING}]}}")
        assert stands(found, self.left(whole), context(), whole=whole) is None
        said = stands(found, self.left(whole, gone), context(), whole=whole)
        assert said is not None
        assert said.reason.startswith("what is removed bears its marking: ")

    def test_a_granular_marking_goes_with_what_it_marked(self):
        """It was about that alone."""
        whole = subject(**GREEN, description="x", granular_markings=[SECRET])
        rest = self.left(whole, "description", "granular_markings")
        assert stands(policy(), rest, context(), whole=whole) is None

    def test_the_agreement_is_asked_again(self):
        """What both sides require must be left."""
        agreement = (
            "partner: cert-b\ntitle: t\nparties:\n  - {name: A, contacts: [a@a.example]}\n"
            "  - {name: B, contacts: [b@b.example]}\nreview: 2027-06-30\n"
            "profile: {required: {indicator: [description]}}\n"
        )
        found = policy(
            TEXT,
            more="agreement: agreements/cert-b.yaml\n",
            companions={"agreements/cert-b.yaml": agreement},
        )
        whole = subject(**GREEN, description="x")
        assert isinstance(decide(found, whole, context()), Redact)
        said = stands(found, self.left(whole, "description"), context(), whole=whole)
        assert said is not None
        assert said.kind is DenyKind.AGREEMENT

    AGREED = (
        "partner: cert-b\ntitle: t\nparties:\n  - {name: A, contacts: [a@a.example]}\n"
        "  - {name: B, contacts: [b@b.example]}\nreview: 2027-06-30\n"
    )

    @pytest.mark.parametrize(
        ("clause", "answers"),
        [
            ("profile: {types: [indicator]}\nmarkings: {tlp: green}\n", True),
            ("profile: {forbidden: [payloads]}\n", True),
            ("profile: {types: [malware]}\n", False),
            ("profile: {types: [indicator]}\nmarkings: {tlp: clear}\n", False),
        ],
    )
    def test_an_agreement_is_asked_of_what_is_left(self, clause: str, *, answers: bool):
        """Not of what a granular marking puts above the ceiling; what no redaction mends is denied at once."""
        rules = "  - {name: a, match: {origin: own}, redact: {above_ceiling: true}}\n"
        more = "agreement: agreements/cert-b.yaml\n"
        companions = {"agreements/cert-b.yaml": self.AGREED + clause}
        found = policy(rules, ceiling="{tlp: green}", more=more, companions=companions)
        pattern = "[artifact:payload_bin = 'QUJD']"
        hiding = {"selectors": ["name", "x_pattern"], "marking_ref": TLP2["red"]}
        whole = subject(
            **GREEN, name="n", granular_markings=[hiding], x_pattern={"payload_bin": pattern}
        )
        asked = decide(found, whole, context())
        assert isinstance(asked, Redact if answers else Deny), asked
        traced = [one for one in trace(found, whole, context()) if "agreement" in one.asked]
        assert [one.answer for one in traced] == ["passed" if answers else "denied"]
        if answers:
            rest = self.left(whole, "name", "x_pattern", "granular_markings")
            assert stands(found, rest, context(), whole=whole) is None
            rest = self.left(whole, "name")
            said = stands(found, rest, context(), whole=whole)
            assert said is not None
        without = policy(OWN_ALLOWED, ceiling="{tlp: red}", more=more, companions=companions)
        said = decide(without, whole, context())
        assert isinstance(said, Deny)
        assert said.kind is DenyKind.AGREEMENT

    def test_whatever_fails_denies(self):
        """It never raises."""
        broken = subject(granular_markings=5)
        assert stands(policy(), broken, context()) is not None


def test_recipes_add_up():
    """What either takes away; an empty one changes nothing."""
    one = Recipe(remove=frozenset({"a"}), source=True)
    other = Recipe(remove=frozenset({"b"}), cut=True, above_ceiling=True)
    both = Recipe(remove=frozenset({"a", "b"}), source=True, cut=True, above_ceiling=True)
    assert one | other == other | one == both
    assert one | Recipe() == one
