"""However a level is written and wherever: nothing above the ceiling passes, and what passes is at most as high."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.making import ANY_ALLOWED, LADDER, TLP1, TLP2, context, policy, subject

from cert_exchange.policy.decide import Allow, decide

CEILINGS = [policy(ANY_ALLOWED, ceiling=f"{{tlp: {level}, unmarked: deny}}") for level in LADDER]
SPELLINGS = [
    "tlp:{}", "TLP:{}", "Tlp-{}", "tlp = {}", "TLPv2:{}", "tlp_2_0:{}", "[TLP:{}]", 'misp:tlp="{}"', 'iep2-policy:tlp="{}"',
]  # fmt: skip


def written(dice: Random) -> tuple[dict[str, Any], int]:
    """Properties that write one level in one way, and the level's place on the ladder."""
    level = dice.randrange(len(LADDER))
    name = LADDER[level]
    stix_id = dice.choice([TLP2[name], *([TLP1[name]] if name in TLP1 else [])])
    case = dice.choice([str.lower, str.upper, str.title])
    text = dice.choice(SPELLINGS).format(case(name.replace("+", dice.choice("+-_ "))))
    deep: Any = dice.choice([[text], [{"name": text}], text])
    for _ in range(dice.randint(0, 3)):
        deep = {"x": [deep]}
    properties = dice.choice(
        [
            {"object_marking_refs": [stix_id]},
            {"granular_markings": [{"selectors": ["type"], "marking_ref": stix_id}]},
            {"objects": {"0": {"type": "file", "object_marking_refs": [stix_id]}}},
            {"x_any": {"marking_ref": stix_id}},
            {"labels": ["first", text]},
            {"x_opencti_labels": [text]},
            {"x_tags": deep},
            {"extensions": {"x": {"labels": deep}}},
            {"x_tlp": name},
            {"extensions": {"x": {"tlp_2_0": name}}},
        ]
    )
    return properties, level


@settings(max_examples=3_000, deadline=None)
@given(st.integers(0, 2**63), st.integers(1, 4), st.integers(0, len(LADDER) - 1))
def test_nothing_above_the_ceiling_passes(seed: int, parts: int, ceiling: int) -> None:
    """Several levels in one object, in any mixture of forms: it passes exactly when the strictest does.

    The mixture follows from one number: to draw each of its parts takes ten times as long as to decide.
    """
    dice = Random(seed)
    content: dict[str, Any] = {}
    levels: dict[str, int] = {}
    for properties, level in (written(dice) for _ in range(parts)):
        content |= properties
        levels |= dict.fromkeys(properties, level)  # of two in one property the later stands
    strictest = max(levels.values())
    answer = decide(CEILINGS[ceiling], subject("x-any", **content), context())
    assert isinstance(answer, Allow) == (strictest <= ceiling), (content, LADDER[strictest])
