"""Invariant 1: a partner never receives a byte that its policy does not allow.

Hidden things of every kind carry random words and are mixed with visible ones. Then every resource, page and filter that
partner B can ask for is asked, and head and body of each answer are searched for the words, for the ids of what is
hidden, and for all forms in which they could be hidden.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.invariants.canaries import Sieve, canary
from tests.scenes import (
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    TLP,
    Scene,
    address,
    envelope,
    identity,
    indicator,
    malware,
    note,
    relationship,
    report,
    uid,
)
from tests.taxii.conftest import serving

from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION
from cert_exchange.services import (
    collections,
    consenting,
    partners,
    publishing,
    releasing,
    terms,
)

POLICY = """\
name: b
partners: [b]
collections: [indicators, reports]
ceiling: {{tlp: amber, unmarked: deny}}
rules:
  - name: denied {word}
    match: {{origin: any, labels: [internal]}}
    deny: true
    reason: because of {word}
  - name: held {word}
    match: {{origin: any, labels: [embargo]}}
    hold: {{for: 3 days}}
    reason: until {word}
  - name: asked {word}
    match: {{origin: any, labels: [ask]}}
    hold: approval
    reason: "{word} decides"
  - name: ours
    match: {{type: [indicator, malware, relationship, report, note, ipv4-addr, domain-name, identity]}}
    allow: true
  - name: of others
    match: {{origin: partners, labels: [community]}}
    allow: true
"""
TAXII = "application/taxii+json;version=2.1"


@dataclass
class Mixture:
    """A served node whose visible objects are mixed with hidden ones."""

    scene: Scene
    client: httpx.Client
    sieve: Sieve = field(default_factory=Sieve)
    visible: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    made: int = 0
    asked: int = 0

    # -- what is hidden, each kind ----------------------------------------------------------------------------------

    def hide(self, kind: str) -> None:
        """Put one hidden object in; its words and its id go into the sieve."""
        word = canary()
        self.made += 1
        getattr(self, f"_{kind}")(word, f"{kind} {self.made}")
        self.sieve.add(word, f"{kind}: word")

    def show(self) -> None:
        self.made += 1
        one = indicator(f"visible {self.made}")
        assert self.scene.publish(one)[0].result == "accepted"
        self.visible.append(one["id"])

    def _keep_secret(self, *objects: dict[str, Any]) -> None:
        for one in objects:
            self.hidden.append(one["id"])
            self.sieve.add(one["id"].partition("--")[2], f"id of a hidden {one['type']}")
            self.sieve.add(json.dumps(one, sort_keys=True, separators=(",", ":")), "hidden bytes")

    def _publish(self, *objects: dict[str, Any], to: str = "indicators") -> None:
        assert all(one.result == "accepted" for one in self.scene.publish(*objects, to=to))
        self._keep_secret(*objects)

    def _red(self, word: str, name: str) -> None:
        self._publish(indicator(name, tlp="red", description=word, x_more={"deep": [word]}))

    def _unmarked(self, word: str, name: str) -> None:
        self._publish(malware(name, tlp=None, aliases=[word]))

    def _granular(self, word: str, name: str) -> None:
        marks = [{"marking_ref": TLP["red"], "selectors": ["description"]}]
        self._publish(indicator(name, tlp="green", description=word, granular_markings=marks))

    def _unknown_marking(self, word: str, name: str) -> None:
        one = indicator(name, description=word)
        one["object_marking_refs"].append(f"marking-definition--{uid(word)}")
        self._publish(one)

    def _denied(self, word: str, name: str) -> None:
        self._publish(indicator(name, labels=["internal", word], description=word))

    def _held(self, word: str, name: str) -> None:
        self._publish(indicator(name, labels=["embargo"], description=word))

    def _asked(self, word: str, name: str) -> None:
        self._publish(note(name + word, [self._anchor()], labels=["ask"]))

    def _of_no_rule(self, word: str, name: str) -> None:
        made = {
            "type": "vulnerability", "spec_version": "2.1", "id": f"vulnerability--{uid(name)}",
            "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
            "name": word, "created_by_ref": OWN_IDENTITY, "object_marking_refs": [TLP["clear"]],
        }  # fmt: skip
        self._publish(made)

    def _observable(self, word: str, name: str) -> None:
        from cert_exchange.stix.observables import observable_id

        made: dict[str, Any] = {
            "type": "domain-name",
            "spec_version": "2.1",
            "value": f"{word}.example",
        }
        made |= {"id": observable_id(made), "object_marking_refs": [TLP["red"]]}
        self.sieve.add(made["value"], "value of a hidden observable")
        self._publish(made)
        link = note(
            f"{name} {word}", [made["id"], self._anchor()]
        )  # allowed, but what it names is hidden
        self._publish(link)

    def _refers(self, word: str, name: str) -> None:
        """Allowed by policy, and kept back because what they refer to is hidden."""
        secret = malware(name, tlp="red", description=word)
        anchor = self._anchor()
        link = relationship({"id": anchor}, secret, name=f"link {name}", description=word)
        whole = report(name, [anchor, secret["id"], link["id"]], description=word)
        custom = indicator(f"custom {name}", x_related={"deep": [secret["id"]]}, description=word)
        self._publish(secret, link, whole, custom)

    def _late_version(self, word: str, name: str) -> None:
        """The newest is denied: older ones go too, also what was harmless in them."""
        self._publish(indicator(name, version=0, description=word))
        self.scene.publish(indicator(name, version=1, tlp="red", description=word))

    def _old_version(self, word: str, name: str) -> None:
        """A lower marking in v2 does not free v1."""
        assert self.scene.publish(indicator(name, version=0, tlp="red", description=word))[
            0
        ].success
        assert self.scene.publish(indicator(name, version=1))[0].success
        self.visible.append(indicator(name)["id"])

    def _taken_back(self, word: str, name: str) -> None:
        self._publish(indicator(name, description=word))
        releasing.withdraw(self.scene.node, indicator(name)["id"], by="desk", reason=word)

    def _blocked(self, word: str, name: str) -> None:
        from cert_exchange.stix.observables import observable_id

        made: dict[str, Any] = {
            "type": "domain-name",
            "spec_version": "2.1",
            "value": f"{word}.example",
        }
        made |= {"id": observable_id(made), "object_marking_refs": [TLP["green"]]}
        self._publish(made)
        releasing.withdraw(self.scene.node, made["id"], by="desk", reason=word)

    def _elsewhere(self, word: str, name: str) -> None:
        self._publish(indicator(name, description=word), to="between-a-and-c")

    def _of_another(self, word: str, name: str) -> None:
        one = indicator(name, by=C_IDENTITY, description=word)
        assert self.scene.post("c", one)[0].success
        self._keep_secret(one)

    def _of_another_amber(self, word: str, name: str) -> None:
        one = indicator(name, by=C_IDENTITY, tlp="amber", labels=["community"], description=word)
        assert self.scene.post("c", one)[0].success
        self._keep_secret(one)

    def _proposal(self, word: str, name: str) -> None:
        one = indicator(name, by=OWN_IDENTITY, labels=["community"], description=word)
        assert self.scene.post("c", one)[0].result == "proposal"
        self._keep_secret(one)

    def _rejected(self, word: str, name: str) -> None:
        one = indicator(
            name, by=C_IDENTITY, labels=["community"], description=word, confidence=word
        )
        assert self.scene.post("c", one)[0].result == "rejected"
        self._keep_secret(one)

    def _proposed_content(self, word: str, name: str) -> None:
        """Another partner's words about an id that B sees."""
        self.show()
        one = indicator(f"visible {self.made}", version=7, description=word)
        assert self.scene.post("c", one)[0].result == "proposal"

    def _copy(self, word: str, name: str) -> None:
        """A copy of an observable that B sees, from another partner and narrower."""
        value = f"198.51.{self.made // 250}.{self.made % 250}"
        self.scene.publish(address(value))
        self.visible.append(address(value)["id"])
        assert self.scene.post("c", address(value, tlp="amber", x_word=word))[0].success

    def _keep_with_terms(self, one: dict[str, Any], **given: Any) -> None:
        node = self.scene.node
        said = terms.read_terms(node, **given)
        publishing.publish(node, envelope(one), collection="indicators", by="desk", terms=said)
        self._keep_secret(one)

    def _barred(self, word: str, name: str) -> None:
        one = indicator(name, description=word)
        self._keep_with_terms(one, not_to=["b"], purpose=word)

    def _for_a_country(self, word: str, name: str) -> None:
        self._keep_with_terms(malware(name, description=word), only_to=["country:EE"], purpose=word)

    def _embargoed(self, word: str, name: str) -> None:
        self._keep_with_terms(indicator(name, description=word), embargo="2 days", purpose=word)

    def _exercise(self, word: str, name: str) -> None:
        self._keep_with_terms(indicator(name, description=word), test=True)

    def _marked_here(self, word: str, name: str) -> None:
        one = indicator(name, description=word)
        self._publish(one)
        terms.mark(self.scene.node, one["id"], "red", by=word, reason=word)

    def _kept_by_its_originator(self, word: str, name: str) -> None:
        said = {"extension_type": "property-extension", "onward": "ask", "purpose": word}
        one = indicator(name, by=C_IDENTITY, labels=["community"], extensions={EXTENSION: said})
        assert self.scene.post("c", one)[0].success
        consenting.give(
            self.scene.node, "c", to="country:EE", until="9 days", said_by=word, note=word,
            stix_id=one["id"], by=word,
        )  # fmt: skip
        self._keep_secret(one)

    def _anchor(self) -> str:
        if not self.visible:
            self.show()
        return self.visible[-1]

    # -- everything that B can ask ----------------------------------------------------------------------------------

    def ask(self, path: str, *, method: str = "GET", **more: Any) -> httpx.Response:
        answer = self.client.request(method, path, **more)
        head = b"\n".join(b"%s: %s" % pair for pair in answer.headers.raw)
        found = self.sieve.found_in(head + b"\n\n" + answer.content)
        assert not found, (method, path, found)
        assert answer.status_code < 429, (method, path, answer.text)
        self.asked += 1
        return answer

    def pages(self, path: str, query: dict[str, str]) -> Iterator[Any]:
        given = dict(query)
        while True:
            answer = self.ask(f"{path}?{urlencode(given)}")
            if answer.status_code != 200:
                return
            page = answer.json()
            yield page
            if not page["more"]:
                return
            given["next"] = page["next"]

    def crawl(self) -> set[str]:
        """Ask for everything; the ids that were seen."""
        seen: set[str] = set()
        for path in (
            "/taxii2/",
            "/api/",
            "/api/collections/",
            "/nothing/",
            "/api/status/" + uid("none") + "/",
        ):
            self.ask(path)
        for name in (
            "indicators",
            "reports",
            "between-a-and-c",
            uid("collection between-a-and-c"),
            uid("none"),
        ):
            root = f"/api/collections/{name}/"
            self.ask(root)
            for what in ("objects", "manifest"):
                queries: list[dict[str, str]] = [
                    {"limit": "3"}, {"limit": "3", "match[version]": "all"}, {"match[version]": "first"},
                    {"match[spec_version]": "2.1"}, {"added_after": "2026-01-01T00:00:00Z", "limit": "7"},
                    {"match[type]": "indicator,malware,note,report,relationship"},
                    {"match[type]": "vulnerability,domain-name,ipv4-addr"},
                    {"match[id]": ",".join([*self.visible[-3:], *self.hidden[-20:]])},
                    {"match[version]": "2026-01-01T00:00:00.000Z"},
                    {"limit": "0"}, {"match[nothing]": "x"}, {"next": "x"},
                ]  # fmt: skip
                for query in queries:
                    for page in self.pages(root + what + "/", query):
                        seen |= {one["id"] for one in page.get("objects", [])}
        for stix_id in self.hidden:
            for tail in ("", "versions/"):
                # The path is the client's own text; the answer may not repeat it.
                query = "" if tail else "?match[version]=all"
                answer = self.ask(f"/api/collections/indicators/objects/{stix_id}/{tail}{query}")
                assert answer.status_code == 404
        for stix_id in self.visible[:20]:
            for tail in ("", "versions/"):
                for _ in self.pages(
                    f"/api/collections/indicators/objects/{stix_id}/{tail}",
                    {"limit": "1", "match[version]": "all"},
                ):
                    pass
        return seen

    def post_and_delete(self) -> None:
        """What B sends does not make us tell either; it takes hidden ids into its mouth."""
        self.made += 1
        mine = indicator(f"of b {self.made}", by=B_IDENTITY)
        about = [
            note(f"about {n} {self.made}", [one], by=B_IDENTITY)
            for n, one in enumerate(self.hidden[-3:])
        ]
        answer = self.client.post(
            "/api/collections/indicators/objects/",
            content=json.dumps({"objects": [mine, *about]}).encode(), headers={"Content-Type": TAXII},
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
        assert not self.sieve.found_in(answer.content)
        self.ask(f"/api/status/{answer.json()['id']}/")
        for stix_id in self.hidden[-5:]:
            assert (
                self.ask(
                    f"/api/collections/indicators/objects/{stix_id}/", method="DELETE"
                ).status_code
                == 404
            )


KINDS = sorted(
    name[1:] for name in vars(Mixture)
    if name.startswith("_") and not name.startswith(("__", "_keep", "_publish", "_anchor"))
)  # fmt: skip


@contextmanager
def mixture(node: Node) -> Iterator[Mixture]:
    words = [canary() for _ in range(4)]
    publishing.seed(node)
    for name, speaks in (("b", B_IDENTITY), ("c", C_IDENTITY)):
        partners.add(
            node,
            name,
            title=f"CERT {words[0] if name == 'c' else 'B'}",
            speaks_for=[speaks],
            requests_per_minute=1_000_000,
        )
    folder = node.settings.home / "collections"
    folder.mkdir(exist_ok=True)
    for alias, readers in (("indicators", "b, c"), ("reports", "b, c"), ("between-a-and-c", "c")):
        title = words[1] if readers == "c" else alias
        (folder / f"{alias}.yaml").write_text(
            f"id: {uid('collection ' + alias)}\ntitle: {title}\nalias: {alias}\n"
            f"description: {title}\nread: [{readers}]\nwrite: [{readers}]\n"
        )
    collections.load_collections(node, folder)
    scene = Scene(node)
    scene.apply("b", POLICY.format(word=words[2]))
    scene.apply("c", POLICY.format(word=words[3]).replace("name: b", "name: c").replace("[b]", "[c]").replace(
        "[indicators, reports]", "[indicators, reports, between-a-and-c]"))  # fmt: skip
    secret = partners.issue(node, "b", lifetime=None)
    with (
        serving(node) as port,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=30,
            headers={"Authorization": f"Bearer {secret.token}", "Accept": TAXII},
        ) as client,
    ):  # fmt: skip
        made = Mixture(scene, client)
        for word in words:
            made.sieve.add(word, "a word of the node's own files")
        made.sieve.add(uid("collection between-a-and-c"), "id of a hidden collection")
        scene.post("c", identity(C_IDENTITY, "third party"))
        yield made


def test_no_kind_of_hidden_thing_leaves_a_trace(node: Node) -> None:
    """Every kind at once, between visible objects, on both engines; twice, as ids and logs grow."""
    with mixture(node) as made:
        for _ in range(2):
            for kind in KINDS:
                made.hide(kind)
                made.show()
            seen = made.crawl()
            made.post_and_delete()
            assert set(made.visible) <= seen
            assert not seen & set(made.hidden)
        assert made.asked > 300


def test_mixes_of_hidden_things_leave_no_trace(sqlite_node: Node) -> None:
    """Random mixes in random order, in one node that keeps all that the earlier ones hid."""
    with mixture(sqlite_node) as made:

        @settings(
            max_examples=4, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        )  # fmt: skip
        @given(st.lists(st.sampled_from([*KINDS, "show", "policy"]), min_size=3, max_size=8))
        def mix(steps: list[str]) -> None:
            for step in steps:
                if step == "show":
                    made.show()
                elif step == "policy":
                    word = canary()
                    made.sieve.add(word, "a word of the policy")
                    made.scene.apply("b", POLICY.format(word=word))
                else:
                    made.hide(step)
            assert not made.crawl() & set(made.hidden)

        mix()


def test_the_sieve_finds_what_it_must() -> None:
    """Each form in which a word could slip out is found, and nothing else is."""
    import base64
    import hashlib
    from urllib.parse import quote

    sieve, word = Sieve(), canary()
    sieve.add(word, "it")
    raw = word.encode()
    shown = [
        raw, raw.upper(), quote("é" + word).encode(), base64.b64encode(b"ab" + raw + b"cd"),
        base64.urlsafe_b64encode(b"\xff" + raw), "".join(f"\\u{ord(c):04X}" for c in word).encode(),
        hashlib.sha256(raw).hexdigest().encode(), hashlib.md5(raw).hexdigest().encode(), raw.hex().encode(),
    ]  # fmt: skip
    for one in shown:
        assert sieve.found_in(b"before " + one + b" after") == {"it"}, one
    assert not sieve.found_in(b"before " + canary().encode() + b" after")
