"""Invariant 1 for derivatives: nothing that redaction takes away leaves a trace, and no id of an original does.

As in `test_1_no_leak`, but here the objects with the words are shown: without the words, under ids of their own.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.invariants.canaries import canary
from tests.invariants.test_1_no_leak import POLICY, Mixture, mixture
from tests.scenes import (
    C_IDENTITY,
    OWN_IDENTITY,
    TLP,
    address,
    identity,
    indicator,
    malware,
    note,
    relationship,
    report,
    uid,
)

from cert_exchange.node import Node
from cert_exchange.policy.redaction import EXTENSION
from cert_exchange.services import ledger, releasing

REDACTING = (
    POLICY
    + """\
  - name: less {word}
    match: {{origin: any, labels: [trim]}}
    redact: {{remove: [description, x_ticket], custom: true, external_references: true, above_ceiling: true, source: true, references: cut}}
    reason: because of {word}
  - name: hosts {word}
    match: {{origin: any, type: [ipv4-addr]}}
    redact: {{custom: true}}
"""
)
CLOSED = (
    POLICY
    + """\
  - name: nothing cut {word}
    match: {{origin: any, labels: [trim]}}
    deny: true
  - name: no hosts
    match: {{origin: any, type: [ipv4-addr]}}
    deny: true
"""
)


class Trimmed:
    """What is shown without something: each kind puts a word, and the original's id, into the sieve."""

    def __init__(self, mixture_: Mixture) -> None:
        self.mixture = mixture_
        self.made = 0
        self.shown = 0

    def put(self, kind: str) -> None:
        word = canary()
        self.made += 1
        getattr(self, f"_{kind}")(word, f"{kind} {self.made}")
        self.mixture.sieve.add(word, f"{kind}: word")

    def _publish(self, *objects: dict[str, Any]) -> None:
        outcomes = self.mixture.scene.publish(*objects)
        assert all(one.result == "accepted" for one in outcomes)
        for one in objects:
            self.mixture.hidden.append(one["id"])
            self.mixture.sieve.add(one["id"].partition("--")[2], f"id of an original {one['type']}")
        self.shown += 1

    def _description(self, word: str, name: str) -> None:
        # Also where it stands in other texts.
        self._publish(
            indicator(
                name + f" {word}", id=f"indicator--{uid(name)}", labels=["trim"], description=word
            )
        )

    def _custom(self, word: str, name: str) -> None:
        self._publish(
            malware(name, labels=["trim"], x_ticket=word, x_more={"deep": [word, {"er": word}]})
        )

    def _external(self, word: str, name: str) -> None:
        refs = [{"source_name": word, "external_id": word, "url": f"https://{word}.example/x"}]
        self._publish(indicator(name, labels=["trim"], external_references=refs))

    def _granular(self, word: str, name: str) -> None:
        marks = [{"marking_ref": TLP["red"], "selectors": ["labels.[1]", "malware_types"]}]
        self._publish(
            malware(name, labels=["trim", word], malware_types=[word], granular_markings=marks)
        )

    def _source(self, word: str, name: str) -> None:
        maker = identity(f"identity--{uid(word)}", word, tlp="red")
        self.mixture.scene.publish(maker)
        self.mixture.sieve.add(uid(word), "id of a source")
        self._publish(indicator(name, by=maker["id"], labels=["trim"]))

    def _host(self, word: str, name: str) -> None:
        self._publish(address(f"203.0.113.{self.made}", x_owner=word))

    def _cut(self, word: str, name: str) -> None:
        secret = {
            "type": "file", "spec_version": "2.1", "id": f"file--{uid(word)}", "name": word,
            "object_marking_refs": [TLP["red"]],
        }  # fmt: skip
        self.mixture.scene.publish(secret)
        self.mixture.sieve.add(uid(word), "id of what was cut")
        self._publish(malware(name, labels=["trim"], x_ticket=word, sample_refs=[secret["id"]]))

    def _around(self, word: str, name: str) -> None:
        """Nothing is taken from what refers to a derivative but its id."""
        one = indicator(name, labels=["trim"], description=word)
        two = malware(name, labels=["trim"], description=word)
        link = relationship(one, two, name=f"link {name}")
        text = note(f"about {self.made}", [one["id"], link["id"]])
        whole = report(f"report {self.made}", [one["id"], two["id"], link["id"], text["id"]])
        self._publish(one, two, link, text, whole)

    def _version(self, word: str, name: str) -> None:
        self._publish(indicator(name, description=word, labels=["trim"]))
        self.mixture.scene.publish(
            indicator(name, version=1, labels=["trim"], description=f"now {word}", confidence=3)
        )

    def _late(self, word: str, name: str) -> None:
        """Shown without it at first, then hidden altogether, then taken back."""
        self._publish(indicator(name, description=word, labels=["trim"]))
        self.mixture.scene.publish(
            indicator(name, version=1, tlp="red", labels=["trim"], description=word)
        )
        self._publish(malware(name, description=word, labels=["trim"]))
        releasing.withdraw(self.mixture.scene.node, malware(name)["id"], by="desk", reason=word)

    def _of_another(self, word: str, name: str) -> None:
        one = indicator(
            name, by=C_IDENTITY, labels=["community", "trim"], description=word, x_ticket=word
        )
        assert self.mixture.scene.post("c", one)[0].success
        self.mixture.hidden.append(one["id"])
        self.mixture.sieve.add(one["id"].partition("--")[2], "id of an original")

    def _impossible(self, word: str, name: str) -> None:
        """The word stands where nothing can be taken from: hidden altogether."""
        pattern = f"[domain-name:value = '{word}.example']"
        one = indicator(name, labels=["trim"], description=f"{word}.example", pattern=pattern)
        self._publish(one, note(f"of the impossible {self.made}", [one["id"]]))


KINDS = sorted(
    name[1:] for name in vars(Trimmed) if name.startswith("_") and not name.startswith(("__", "_publish"))
)  # fmt: skip


def test_nothing_that_is_taken_away_leaves_a_trace(node: Node) -> None:
    """Every kind, over a real server: bodies, manifests, errors, headers; and after each change of the policy."""
    with mixture(node) as made:
        word = canary()
        made.sieve.add(word, "a word of the policy")
        made.scene.apply("b", REDACTING.format(word=word))
        trimmed = Trimmed(made)
        made.show()
        for kind in KINDS:
            trimmed.put(kind)
        seen = made.crawl()
        made.post_and_delete()
        shown = [one for one in made.scene.sees("b") if EXTENSION in one.get("extensions", {})]
        assert len(shown) >= len(KINDS)
        assert {one["id"] for one in shown} <= seen
        assert not seen & set(made.hidden)
        assert {one.get("created_by_ref") for one in shown} <= {None, OWN_IDENTITY}
        assert C_IDENTITY not in json.dumps(shown)
        made.scene.apply("b", CLOSED.format(word=word))
        assert not made.crawl() & set(made.hidden)
        made.scene.apply("b", REDACTING.format(word=word))
        for kind in KINDS:
            trimmed.put(kind)
        assert not made.crawl() & set(made.hidden)
        ledger.verify(node)


def test_mixes_of_what_is_taken_away_leave_no_trace(sqlite_node: Node) -> None:
    """Random mixes in random order beside what is hidden altogether, with policies that change between."""
    with mixture(sqlite_node) as made:
        trimmed = Trimmed(made)

        @settings(
            max_examples=3, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        )  # fmt: skip
        @given(
            st.lists(st.sampled_from([*KINDS, "red", "refers", "policy"]), min_size=3, max_size=8)
        )
        def mix(steps: list[str]) -> None:
            made.scene.apply("b", REDACTING.format(word=canary()))
            for step in steps:
                if step == "policy":
                    word = canary()
                    made.sieve.add(word, "a word of the policy")
                    made.scene.apply("b", REDACTING.format(word=word))
                elif step in KINDS:
                    trimmed.put(step)
                else:
                    made.hide(step)
            assert not made.crawl() & set(made.hidden)

        mix()
