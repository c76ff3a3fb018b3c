"""Our pattern reader against the generated parser of OASIS, and its cost."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stix2patterns.validator import run_validator
from tests.counting import calls_made
from tests.unit.stix.samples import SAMPLES, read

from cert_exchange.stix.patterns import PatternInvalid, check_pattern

SPEC_21 = (SAMPLES / "hard" / "patterns-v21-spec_examples.txt").read_text().splitlines()
SPEC_20 = (SAMPLES / "hard" / "patterns-v20-spec_examples.txt").read_text().splitlines()


def takes(text: str, version: str) -> bool:
    try:
        check_pattern(text, version=version)
    except PatternInvalid:
        return False
    return True


def oracle(text: str, version: str) -> bool:
    """The answer of stix2-patterns, less its rule on the length of hashes, which is not of the grammar."""
    if not text.strip(" ("):
        return False  # its look at the brackets breaks when nothing but parentheses is there
    try:
        errors = run_validator(text, version)
    except AttributeError:
        return False  # a negative index passes its grammar and breaks its inspector
    return not [error for error in errors if not ("is not a valid" in error and "hash" in error)]


def of_samples() -> list[str]:
    found: set[str] = set()
    for path in sorted((SAMPLES / "stix").rglob("*")):
        if path.suffix in {".json", ".stix2"}:
            value = json.loads(read(path))
            objects = value.get("objects", [value]) if isinstance(value, dict) else value
            found.update(
                item["pattern"]
                for item in objects
                if isinstance(item, dict)
                and item.get("type") == "indicator"
                and item.get("pattern_type") == "stix"
            )
    return sorted(found)


def test_patterns_of_public_data() -> None:
    """Every pattern of the samples gets the same answer from both."""
    patterns = of_samples()
    assert len(patterns) > 100
    by_form = {pattern.partition("=")[0]: pattern for pattern in patterns}
    for pattern in by_form.values():
        assert takes(pattern, "2.1") is oracle(pattern, "2.1"), pattern


@pytest.mark.case("H02")
@pytest.mark.parametrize("version", ["2.0", "2.1"])
@pytest.mark.parametrize("text", [line for line in SPEC_21 + SPEC_20 if line.strip()])
def test_examples_of_the_standards(text: str, version: str) -> None:
    """The examples of both standards under both grammars."""
    assert takes(text, version) is oracle(text, version)


@pytest.mark.case("H02")
@pytest.mark.parametrize(
    ("text", "in_20", "in_21"),
    [
        ("[a:b = 1] START '2016-05-12T08:17:27Z' STOP '2016-05-13T08:17:27Z'", True, False),
        ("[a:b = 1] START t'2016-05-12T08:17:27Z' STOP t'2016-05-13T08:17:27Z'", False, True),
        ("[EXISTS a:b]", False, True),
        ("[a:b = 1 AND EXISTS a:c.d[*]]", False, True),
    ],
)
def test_versions_differ(text: str, in_20: bool, in_21: bool) -> None:
    """pattern_version chooses the grammar; of an unknown version either grammar will do."""
    assert takes(text, "2.0") is in_20
    assert takes(text, "2.1") is in_21
    assert takes(text, "7")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[]",
        "[a:b]",
        "[a:b =]",
        "[a:b = c]",
        "[a:b = 'x]",
        "[a:b = 'x'",
        "[a:b = 'x'] AND",
        "[a:b = 'x'] [a:b = 'y']",
        "[a:b = 'x' 'y']",
        "[a:b-c = 'x']",
        "[a:b.c-d = 'x']",
        "[a:'b-c' = 'x']",
        "[a-:b = 'x']",
        "[a:b = 'x\\']",
        "[a:b = 'x\\\\']",
        "[a:b = 'x\\n']",
        "[a:b = 'x''y']",
        "[a:b > true]",
        "[a:b = true]",
        "[a:b = TRUE]",
        "[a:true = 'x']",
        "[true:b = 'x']",
        "[false:b = 'x']",
        "[a:b.true = 'x']",
        "[a:b.truest = 'x']",
        "[AND:b = 'x']",
        "[a:AND = 'x']",
        "[a:b and = 'x']",
        "[a:b = 'x' and a:c = 'y']",
        "[a:b NOT = 'x']",
        "[a:b NOT LIKE 'x']",
        "[a:b LIKE 5]",
        "[a:b MATCHES '']",
        "[a:b IN ()]",
        "[a:b IN (1)]",
        "[a:b IN (1,)]",
        "[a:b IN (1, 'a', true, h'00', b'AA==', t'2016-05-12T08:17:27Z')]",
        "[a:b IN 1]",
        "[a:b = h'0']",
        "[a:b = h'']",
        "[a:b = b'A']",
        "[a:b = b'']",
        "[a:b = t'2016-13-12T08:17:27Z']",
        "[a:b = t'2016-05-12T08:17:27.Z']",
        "[a:b = 01]",
        "[a:b = +1]",
        "[a:b = -1.5]",
        "[a:b = .5]",
        "[a:b = 5.]",
        "[a:b[0] = 1]",
        "[a:b[-1] = 1]",
        "[a:b[*].c[1].d = 1]",
        "[a:b[x] = 1]",
        "[a:b[] = 1]",
        "[a:[0] = 1]",
        "[a: b = 1]",
        "[ a : b = 1 ]",
        "[a:b = 1] WITHIN 5 SECONDS",
        "[a:b = 1] WITHIN 5.5 SECONDS",
        "[a:b = 1] WITHIN -5 SECONDS",
        "[a:b = 1] REPEATS 5 TIMES",
        "[a:b = 1] REPEATS 5.5 TIMES",
        "[a:b = 1] REPEATS 5 TIMES REPEATS 6 TIMES",
        "([a:b = 1]) REPEATS 5 TIMES REPEATS 6 TIMES",
        "([a:b = 1] AND [a:b = 2]) WITHIN 5 SECONDS",
        "[(a:b = 1 OR a:c = 2) AND a:d = 3]",
        "[()]",
        "()",
        "[a:b = 1] /* c */ AND // d\n [a:b = 2]",
        "[a:b = 1] /* c",
        "[a:b = 1] // d",
        "[a:b == 1]",
        "[a:b <> 1]",
        "[a:b >= 'x']",
        "[a:b ! = 1]",
        "[a:b ISSUBSET '198.51.100.0/24' OR a:b ISSUPERSET '198.51.100.0/24']",
        "[a:b = 1\u00a0]",
        "[a:b = 1]\u3000",
        "[a:b = 'ü\n']",
        "[a:b = 'x'] FOLLOWEDBY [a:b = 'y'] OR [a:b = 'z']",
        "[LAST:b = 1]",
        "[a:b = 1];",
        "[_a:_b = 1]",
        "[a:b = 1 REPEATS 2 TIMES]",
        "[a:b = 1] START t'2016-05-12T08:17:27Z'",
    ],
)
@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_corners_of_the_grammar(text: str, version: str) -> None:
    """Both parsers agree at each corner."""
    assert takes(text, version) is oracle(text, version)


PIECES = st.sampled_from(
    [
        "[",
        "]",
        "(",
        ")",
        "a:b",
        "file:hashes.MD5",
        ".c",
        "[*]",
        "=",
        "!=",
        ">",
        "IN",
        "LIKE",
        "NOT",
        "AND",
        "OR",
        "FOLLOWEDBY",
        "'x'",
        "''",
        "5",
        "-1",
        "2.5",
        "true",
        "h'00'",
        "t'2016-05-12T08:17:27Z'",
        "WITHIN",
        "SECONDS",
        "REPEATS",
        "TIMES",
        "START",
        "STOP",
        "EXISTS",
        ",",
        ":",
        ".",
        "/**/",
    ]
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from("'[]():.=, \\a5-*h")), min_size=1, max_size=3
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=12), st.sampled_from(["2.0", "2.1"]))
def test_heaps_of_tokens(pieces: list[str], version: str) -> None:
    """Any heap of tokens gets the same answer from both."""
    text = " ".join(pieces)
    assert takes(text, version) is oracle(text, version)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([line for line in SPEC_21 if line.strip()]), CHANGES)
def test_damaged_examples(text: str, changes: list[tuple[int, str]]) -> None:
    """Examples of the standard with characters put in get the same answer from both."""
    for place, character in changes:
        cut = place * len(text) // 31
        text = text[:cut] + character + text[cut:]
    assert takes(text, "2.1") is oracle(text, "2.1")


@pytest.mark.case("H01")
@pytest.mark.parametrize(
    "make",
    [
        lambda n: "[" + " OR ".join(["a:b = 'x'"] * n) + "]",
        lambda n: "[a:b = '" + "x" * n + "'",
        lambda n: "[a:b = '" + "\\'" * n,
        lambda n: "[a:b IN (" + "1," * n,
        lambda n: "[a:b" + ".c" * n + " = 1]",
        lambda n: "[a:b" + ".'" * n,
        lambda n: "[" + "(" * n,
        lambda n: "/*" * n,
        lambda n: "/* " + "*" * n,
        lambda n: "a" * n,
        lambda n: "5" * n,
        lambda n: "[a:" + "a-" * n + "b = 1]",
        lambda n: "b'" + "A" * n,
    ],
)
def test_cost_is_linear(make) -> None:
    """Ten times the length costs about ten times as much, also for what is refused."""

    def cost(size: int) -> int:
        text = make(size)
        return calls_made(lambda: takes(text, "2.1"))

    assert cost(100_000) <= 11 * cost(10_000) + 100
