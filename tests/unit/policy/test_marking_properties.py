"""However a level is written and wherever: nothing above the ceiling passes, and what passes is at most as high."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.policy.making import ANY_ALLOWED, LADDER, TLP1, TLP2, context, policy, subject

from cert_exchange.policy.decide import Allow, decide

CEILINGS = [policy(ANY_ALLOWED, ceiling=f"{{tlp: {level}, unmarked: deny}}") for level in LADDER]
SPELLINGS = [
    "tlp:{}", "TLP:{}", "Tlp-{}", "tlp = {}", "TLPv2:{}", "tlp_2_0:{}", "[TLP:{}]", 'misp:tlp="{}"', 'iep2-policy:tlp="{}"',
]  # fmt: skip


@st.composite
def written(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """Properties that write one level in one way, and the level's place on the ladder."""
    level = draw(st.integers(0, len(LADDER) - 1))
    name = LADDER[level]
    ids = [TLP2[name], *([TLP1[name]] if name in TLP1 else [])]
    stix_id = draw(st.sampled_from(ids))
    case = draw(st.sampled_from([str.lower, str.upper, str.title]))
    text = draw(st.sampled_from(SPELLINGS)).format(
        case(name.replace("+", draw(st.sampled_from("+-_ "))))
    )
    deep: Any = draw(st.sampled_from([[text], [{"name": text}], text]))
    for _ in range(draw(st.integers(0, 3))):
        deep = {"x": [deep]}
    return draw(
        st.sampled_from(
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
    ), level


PARTS = st.lists(written(), min_size=1, max_size=4, unique_by=lambda part: next(iter(part[0])))


@pytest.mark.long
@settings(max_examples=3_000, deadline=None)
@given(PARTS, st.integers(0, len(LADDER) - 1))
def test_nothing_above_the_ceiling_passes(
    parts: list[tuple[dict[str, Any], int]], ceiling: int
) -> None:
    """Several levels in one object, in any mixture of forms: it passes exactly when the strictest does."""
    content: dict[str, Any] = {}
    for properties, _ in parts:
        content |= properties
    strictest = max(level for _, level in parts)
    answer = decide(CEILINGS[ceiling], subject("x-any", **content), context())
    assert isinstance(answer, Allow) == (strictest <= ceiling), (content, LADDER[strictest])
