"""docs/markings.md: every spelling that it calls a level is read as one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cert_exchange.stix.markings import Tlp, tlp_of_text

PAGE = (Path(__file__).parents[2] / "docs" / "markings.md").read_text()
SPELLINGS = {
    "tlp:amber+strict": Tlp.AMBER_STRICT,
    "TLP:AMBER-STRICT": Tlp.AMBER_STRICT,
    "TLPv2: Amber Strict": Tlp.AMBER_STRICT,
    "tlp:purple": Tlp.RED,
    "tlp:unclear": Tlp.RED,
    "tlp:ex:chr": None,
}


@pytest.mark.parametrize(("text", "tlp"), SPELLINGS.items())
def test_a_spelling_of_the_page(text: str, tlp: Tlp | None) -> None:
    """It stands on the page and means what the page says."""
    assert f"`{text}`" in PAGE
    assert tlp_of_text(text) is tlp


def test_no_spelling_is_left_out() -> None:
    """Whoever writes one more on the page adds it here."""
    shown = set(re.findall(r"`(tlp[^`]*)`", PAGE.replace("`tlp`", ""), re.IGNORECASE))
    assert {one for one in shown if ":" in one and "}" not in one} == SPELLINGS.keys()
