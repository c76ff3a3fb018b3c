"""Objects with a secret in odd places, in odd forms; and eyes that find it, which share nothing with the engine's.

A `Secret` is a value that occurs nowhere else. `hidden_objects` draws an object in which it stands where a recipe takes it
away, and again elsewhere, written in some other way; `shows` tells whether an answer still gives it away.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import quote, unquote

from hypothesis import strategies as st
from tests.unit.policy.making import ID, TLP2

from cert_exchange.policy.rules import Recipe
from cert_exchange.stix.observables import NAMESPACE

T = "2024-05-06T07:08:09.123Z"
GREEN, RED = TLP2["green"], TLP2["red"]
CREATOR = "identity--3a0c7e6a-1f0e-4d7d-9b9e-52a7a6b0c111"
OTHER = "identity--7b1d2c3e-5a6f-4b8c-8d9e-0f1a2b3c4d5e"
EXTENSION = "extension-definition--d3f1b2a4-9c1e-4f6a-8b2d-7e5c4a3b2f10"


@dataclass(frozen=True)
class Secret:
    """A value, what type of observable it is the value of, and the marks by which eyes know it again."""

    value: str
    observable: str
    marks: tuple[str, ...]  # letters and digits, small, of which none stands anywhere else
    looks: tuple[str, ...] = ()  # further texts that would give it away

    def id(self) -> str:
        """The id that STIX derives from it: a guessable hash."""
        name = json.dumps({"value": self.value}, ensure_ascii=False, separators=(",", ":"))
        return f"{self.observable}--{uuid.uuid5(NAMESPACE, name)}"


_KINDS = (
    "word",
    "host",
    "url",
    "mail",
    "four",
    "six",
    "number",
    "path",
    "umlaut",
    "phrase",
    "hash",
)
_WORD = st.integers(2**60, 2**64 - 1).map(lambda n: f"qz{n:016x}")


@st.composite
def secrets(draw: st.DrawFn) -> Secret:
    """A word, a host, a URL, an address, a number, a path, a name in another script."""
    word = draw(_WORD)
    kind = draw(st.sampled_from(_KINDS))
    match kind:
        case "word":
            return Secret(word.upper(), "mutex", (word,))
        case "host":
            return Secret(f"{word}.example", "domain-name", (word,))
        case "url":
            return Secret(f"https://www.example/{word}?a=1&b=2", "url", (word,))
        case "mail":
            return Secret(f"{word}@mail.example", "email-addr", (word,))
        case "four":
            a, b, c = (draw(st.integers(100, 254)) for _ in range(3))
            value = f"251.{a}.{b}.{c}"
            number = (251 << 24) + (a << 16) + (b << 8) + c
            return Secret(
                value, "ipv4-addr", (), (value, f"{c}.{b}.{a}.251", str(number), f"{number:08x}")
            )
        case "six":
            a, b = draw(st.integers(0x1111, 0xFFFF)), draw(st.integers(0x1111, 0xFFFF))
            number = int(ip_address(f"2001:db8::{a:x}:{b:x}"))
            looks = (f"{a:x}:{b:x}", str(number), f"{number:x}", ".".join(reversed(f"{a:x}{b:x}")))
            return Secret(f"2001:db8::{a:x}:{b:x}", "ipv6-addr", (), looks)
        case "number":
            number = draw(st.integers(10**9, 10**11))
            return Secret(str(number), "mutex", (), (str(number), f"{number:,}"))
        case "path":
            return Secret(f"C:\\Users\\{word}\\n.exe", "directory", (word,))
        case "umlaut":
            return Secret(f"b\u00fc{word}.example", "domain-name", (word,), (f"xn--b{word}",))
        case "phrase":
            return Secret(f"Operation {word[:9]} {word[9:]}", "mutex", (word,))
        case _:
            digest = hashlib.sha256(word.encode()).hexdigest()
            return Secret(digest, "mutex", (digest,))


def shows(secret: Secret, answer: bytes) -> str | None:
    """How an answer gives the secret away; None where it does not. Own eyes: nothing of the engine is used."""
    text = answer.decode()
    layers = {text, *(_texts(json.loads(text)) if text.startswith("{") else ())}
    new = layers - {text}
    for _ in range(4):
        new = {one for layer in new for one in _decoded(layer)} - layers
        layers |= new
    for layer in layers:
        small = layer.lower()
        bare = re.sub(r"[^0-9a-z]", "", small)
        if any(mark in bare for mark in secret.marks) or any(
            look in small for look in secret.looks
        ):
            return f"as text in {layer[:400]}"
    small = text.lower()
    for form in _digests(secret):
        if form in small:
            return f"as {form}"
    return None


def _texts(node: Any) -> set[str]:
    """Every key and every value."""
    if isinstance(node, dict):
        return {*node} | {one for child in node.values() for one in _texts(child)}
    if isinstance(node, list):
        return {one for child in node for one in _texts(child)}
    return {str(node)}


def _decoded(text: str) -> set[str]:
    found = {
        unquote(text), html.unescape(text), re.sub(r"\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?", ".", text, flags=re.IGNORECASE),
        text.replace("\\", ""), re.sub(r"[\[\](){}]", "", text), "".join(c for c in text if c.isascii()), "".join(c for c in text if c >= " "), re.sub(r" (?:dot|\.) ", ".", text), unicodedata.normalize("NFKC", text), re.sub(r"\b0+(?=\d)", "", text),
        re.sub(r"<[^>]*>", "", text), text.replace("\0", ""), re.sub(r"\\+u([0-9a-fA-F]{4})", lambda one: chr(int(one[1], 16)), text),
    }  # fmt: skip
    for run in re.findall(r"[0-9A-Za-z+/_-]{12,}={0,2}", text):
        for start in range(4):
            piece = run[start:].rstrip("=")
            piece += "=" * (-len(piece) % 4)
            try:
                found.add(
                    base64.b64decode(
                        piece, altchars=b"-_" if "-" in piece or "_" in piece else None
                    ).decode("latin-1")
                )
            except ValueError:
                continue
        for start in range(2):
            piece = run[start:]
            if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", piece):
                found.add(bytes.fromhex(piece).decode("latin-1"))
    return found


def _digests(secret: Secret) -> set[str]:
    raw = secret.value.encode()
    found = {hashlib.new(name, raw).hexdigest() for name in ("md5", "sha1", "sha256")}
    spaces = (NAMESPACE, uuid.NAMESPACE_URL, uuid.NAMESPACE_DNS)
    found |= {str(uuid.uuid5(space, secret.value)) for space in spaces}
    found.add(secret.id()[-36:])
    return found


def _notation(value: str, write: Callable[[IPv4Address | IPv6Address], str]) -> str:
    """An address in another notation; what is none stays."""
    try:
        return write(ip_address(value))
    except ValueError:
        return value


# In how many ways the same value can be written. Each is given the value, and nothing else.
WRITINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": lambda v: v,
    "in capitals": str.upper,
    "in small letters": str.lower,
    "in a sentence": lambda v: f"seen with {v}, again",
    "glued": lambda v: f"x{v}x",
    "defanged": lambda v: v.replace(".", "[.]").replace("http", "hxxp").replace(":", "[:]").replace("@", "[at]"),
    "defanged otherwise": lambda v: v.replace(".", " (dot) ").replace("https://", "hXXps[://]"),
    "percent-encoded": lambda v: quote(v, safe=""),
    "wholly percent-encoded": lambda v: "".join(f"%{byte:02X}" for byte in v.encode()),
    "percent-encoded twice": lambda v: quote(quote(v, safe=""), safe=""),
    "with entities": lambda v: "".join(f"&#{ord(c)};" for c in v),
    "with hexadecimal entities": lambda v: "".join(f"&#x{ord(c):x};" for c in v),
    "with escapes": lambda v: "".join(f"\\u{ord(c):04x}" for c in v),
    "as JSON inside JSON": lambda v: json.dumps({"ticket": v}),
    "as JSON twice": lambda v: json.dumps(json.dumps([v])),
    "with invisible characters": "\u200b".join,
    "with soft hyphens": lambda v: v[:4] + "\u00ad" + v[4:],
    "with control characters": lambda v: v[:3] + "\x01" + v[3:5] + "\x1f" + v[5:],
    "in words": lambda v: v.replace(".", " dot ").replace("@", " at "),
    "in full width": lambda v: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in v),
    "with escaped backslashes": lambda v: v.replace("\\", "\\\\").replace("'", "\\'"),
    "as a regular expression": re.escape,
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64 inside more": lambda v: base64.b64encode(f"user={v};end of it".encode()).decode(),
    "hexadecimal": lambda v: v.encode().hex(),
    "base64 of UTF-16": lambda v: base64.b64encode(f"iex {v} ;".encode("utf-16-le")).decode(),
    "with markup": lambda v: v[:3] + "<b>" + v[3:] + "</b>",
    "md5": lambda v: hashlib.md5(v.encode()).hexdigest(),
    "sha256": lambda v: hashlib.sha256(v.encode()).hexdigest(),
    "uuid5 of a URL": lambda v: str(uuid.uuid5(uuid.NAMESPACE_URL, v)),
    "expanded": lambda v: _notation(v, lambda a: a.exploded if a.version == 6 else ".".join(f"{int(p):03}" for p in v.split("."))),
    "as one number": lambda v: _notation(v, lambda a: str(int(a))),
    "as hexadecimal digits": lambda v: _notation(v, lambda a: f"{int(a):08x}"),
    "reversed": lambda v: _notation(v, lambda a: a.reverse_pointer),
    "inside IPv6": lambda v: _notation(v, lambda a: f"::ffff:{a}" if a.version == 4 else str(a).upper()),
    "with separators": lambda v: v if v[:4] in ("2001", "251.") or v.isdigit() else f"{v[:5]}-{v[5:9]}_{v[9:]}",
    "with thousands": lambda v: f"{int(v):,}" if v.isdigit() else v,
    "punycode": lambda v: ".".join(p if p.isascii() else "xn--" + p.encode("punycode").decode() for p in v.split(".")),
}  # fmt: skip


def _indicator() -> dict[str, Any]:
    return {
        "type": "indicator", "name": "Beacon", "description": "A host.", "labels": ["first", "second"],
        "pattern": "[domain-name:value = 'c2.example']", "pattern_type": "stix", "valid_from": "2024-05-01T00:00:00Z",
        "kill_chain_phases": [{"kill_chain_name": "k", "phase_name": "p"}],
    }  # fmt: skip


def _malware() -> dict[str, Any]:
    return {
        "type": "malware", "name": "Loader", "description": "It loads.", "is_family": True, "labels": ["first"],
        "aliases": ["one", "two", "three"], "sample_refs": [f"file--{ID}"], "malware_types": ["ransomware"],
    }  # fmt: skip


def _note() -> dict[str, Any]:
    return {
        "type": "note", "abstract": "In short", "content": "At length.", "authors": ["Someone"], "labels": ["first"],
        "object_refs": [f"indicator--{ID}", OTHER],
    }  # fmt: skip


def _translation() -> dict[str, Any]:
    return {
        "type": "language-content", "object_ref": f"indicator--{ID}", "labels": ["first"],
        "contents": {"de": {"name": "Leuchtfeuer", "labels": ["eins", "zwei"]}, "fr": {"description": "Un texte."}},
    }  # fmt: skip


def _observed() -> dict[str, Any]:
    return {
        "type": "observed-data", "first_observed": T, "last_observed": T, "number_observed": 1, "labels": ["first"],
        "objects": {"0": {"type": "process", "command_line": "run", "environment_variables": {"A": "b"}, "cwd": "x"}},
    }  # fmt: skip


def _file() -> dict[str, Any]:
    return {
        "type": "file", "name": "a.exe", "hashes": {"MD5": "0" * 32, "SHA-256": "0" * 64}, "size": 5,
        "contains_refs": [f"file--{ID}"], "extensions": {
            "pdf-ext": {"version": "1.7", "document_info_dict": {"Title": "t", "Author": "a"}},
        },
    }  # fmt: skip


def _process() -> dict[str, Any]:
    return {
        "type": "process", "command_line": "run", "cwd": "here", "environment_variables": {"HOME": "h"},
        "extensions": {"windows-service-ext": {"service_name": "s", "descriptions": ["d", "e"]}},
    }  # fmt: skip


def _mail() -> dict[str, Any]:
    return {
        "type": "email-message", "is_multipart": True, "subject": "Hello", "received_lines": ["from a", "from b"],
        "additional_header_fields": {"X-Mailer": "m"}, "body_multipart": [{"body": "one"}, {"body": "two"}],
        "to_refs": [f"email-addr--{ID}"],
    }  # fmt: skip


TEMPLATES = (_indicator, _malware, _note, _translation, _observed, _file, _process, _mail)
_OBSERVABLES = ("file", "process", "email-message")


def _deep(draw: st.DrawFn, leaf: Any) -> Any:
    for _ in range(draw(st.integers(0, 3))):
        leaf = draw(st.sampled_from([{"k": leaf, "n": 1}, [leaf], ["x", leaf], {"a": [leaf, "b"]}]))
    return leaf


def _holder(content: Any, path: tuple[str | int, ...]) -> Any:
    """What holds the place, where the template has one."""
    node = content
    for step in path[:-1]:
        fits = (
            step in node
            if isinstance(node, dict)
            else isinstance(step, int) and isinstance(node, list) and step < len(node)
        )
        if not fits:
            return None
        node = node[step]
    last = path[-1]
    fits = (
        last in node
        if isinstance(node, dict)
        else isinstance(last, int) and isinstance(node, list) and last < len(node)
    )
    return node if fits else None


def _places(content: dict[str, Any]) -> list[tuple[str | int, ...]]:
    return [path for path in ORDINARY if _holder(content, path) is not None]


ORDINARY: tuple[tuple[str | int, ...], ...] = (
    ("name",), ("description",), ("content",), ("abstract",), ("labels", 0), ("labels", 1), ("aliases", 1), ("aliases", 2),
    ("kill_chain_phases", 0, "phase_name"), ("authors", 0), ("contents", "de", "name"), ("contents", "de", "labels", 1),
    ("contents", "fr", "description"), ("objects", "0", "command_line"), ("objects", "0", "environment_variables", "A"),
    ("extensions", "pdf-ext", "document_info_dict", "Title"), ("command_line",), ("environment_variables", "HOME"),
    ("extensions", "windows-service-ext", "descriptions", 1), ("subject",), ("received_lines", 1),
    ("additional_header_fields", "X-Mailer"), ("body_multipart", 1, "body"), ("cwd",),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One object, the recipe that must take its secret away, and how the secret was written elsewhere."""

    content: dict[str, Any]
    recipe: Recipe
    secret: Secret
    told: str


@st.composite
def hidden_objects(draw: st.DrawFn) -> Case:
    """An object with its secret in a place that the recipe takes, and in up to three others."""
    secret = draw(secrets())
    content = draw(st.sampled_from(TEMPLATES))()
    observable = content["type"] in _OBSERVABLES
    content |= {"spec_version": "2.1", "id": f"{content['type']}--{ID}"}
    if not observable:
        content |= {"created": T, "modified": T, "created_by_ref": CREATOR}
    told: list[str] = []
    granular: list[dict[str, Any]] = []
    flags = {
        name: draw(st.booleans())
        for name in ("above_ceiling", "custom", "external_references", "source", "cut")
    }
    remove: set[str] = set()
    for _ in range(draw(st.integers(0, 3))):
        _write_elsewhere(draw, content, secret, told)
    _take_away(
        draw, content, secret, flags, remove, granular, told
    )  # last, so that nothing replaces it
    granular += (
        [{"marking_ref": GREEN, "selectors": content.pop("x_selected")}]
        if "x_selected" in content
        else []
    )
    if draw(st.booleans()) and "labels" in content:
        granular.append(
            {"marking_ref": GREEN, "selectors": [f"labels.[{len(content['labels']) - 1}]", "id"]}
        )
    if granular:
        content["granular_markings"] = granular
    return Case(content, Recipe(remove=frozenset(remove), **flags), secret, "; ".join(told))


def _take_away(
    draw: st.DrawFn, content: dict[str, Any], secret: Secret, flags: dict[str, bool], remove: set[str],
    granular: list[dict[str, Any]], told: list[str],
) -> None:  # fmt: skip
    how = draw(
        st.sampled_from(
            [
                "custom",
                "extension",
                "property",
                "external",
                "marked",
                "source",
                "nested custom",
                "key",
            ]
        )
    )
    told.append(f"taken as {how}")
    value = secret.value
    match how:
        case "custom":
            content["x_acme_ticket"] = _deep(draw, value)
            if draw(st.booleans()):
                flags["custom"] = True
            else:
                remove.add("x_acme_ticket")
        case "extension":
            content.setdefault("extensions", {})[EXTENSION] = {
                "extension_type": "property-extension",
                "who": _deep(draw, value),
            }
            flags["custom"] = True
        case "property":
            places = _places(content)
            path = draw(st.sampled_from(places))
            _holder(content, path)[path[-1]] = value
            remove.add(str(path[0]) if path[0] not in ("contents", "objects") else str(path[2]))
        case "external":
            name = draw(st.sampled_from(["url", "description", "external_id", "source_name"]))
            content["external_references"] = [
                *content.get("external_references", []),
                {"source_name": "s", "description": "d", name: value},
            ]
            flags["external_references"] = True
        case "marked":
            places = _places(content)
            path = draw(st.sampled_from(places))
            _holder(content, path)[path[-1]] = value
            steps = [f"[{step}]" if isinstance(step, int) else step for step in path]
            granular.append(
                {
                    "marking_ref": RED,
                    "selectors": [".".join(steps[: draw(st.integers(1, len(steps)))])],
                }
            )
            flags["above_ceiling"] = True
        case "source":
            content["x_reported_by" if "authors" not in content else "authors"] = [value]
            content["x_reporter"] = value
            flags["source"] = True
            remove.add("x_reported_by")
        case "nested custom":
            content["kill_chain_phases"] = [
                {"kill_chain_name": "k", "phase_name": "p", "x_who": value}
            ]
            content["external_references"] = [
                {"source_name": "s", "url": "https://e.example/", "x_who": value}
            ]
            flags["custom"] = True
        case _:
            content["x_by_host"] = {value: _deep(draw, "seen")}
            flags["custom"] = True


def _write_elsewhere(
    draw: st.DrawFn, content: dict[str, Any], secret: Secret, told: list[str]
) -> None:
    writing = draw(st.sampled_from(sorted(WRITINGS)))
    written = WRITINGS[writing](secret.value)
    where = draw(
        st.sampled_from(
            [
                "ordinary",
                "ordinary",
                "ordinary",
                "custom",
                "key",
                "reference",
                "pattern",
                "external",
                "number",
                "selector",
            ]
        )
    )
    told.append(f"{writing} as {where}")
    match where:
        case "ordinary":
            places = _places(content)
            if places:
                path = draw(st.sampled_from(places))
                _holder(content, path)[path[-1]] = written
        case "custom":
            content["x_more"] = _deep(draw, written)
        case "key":
            content["x_by"] = {written: {"n": 1}, "other": 2}
        case "reference":
            name = "contains_refs" if content["type"] == "file" else "x_seen_refs"
            content[name] = [*content.get(name, []), secret.id()]
            if draw(st.booleans()):
                content["x_text"] = f"see {secret.id().upper()} there"
        case "pattern":
            if "pattern" in content:
                quoted = written.replace("\\", "\\\\").replace("'", "\\'")
                content["pattern"] = f"[file:name = '{quoted}' OR url:value LIKE '%{quoted}%']"
        case "external":
            content["external_references"] = [
                *content.get("external_references", []),
                {"source_name": "s", "description": written},
            ]
        case "number":
            if secret.value.isdigit():
                content["x_number"] = draw(
                    st.sampled_from([int(secret.value), float(secret.value)])
                )
        case _:
            content["x_marked"] = {"k": {"z": 1}, "other": [written, "kept"]}
            if "." not in secret.value:
                key = secret.value.lower()
                content["x_marked"][key] = 1
                content["x_selected"] = [f"x_marked.{key}"]  # becomes a granular marking below
