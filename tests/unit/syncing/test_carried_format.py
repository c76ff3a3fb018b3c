"""A carried file of the first version that made them: every later one takes it in.

`tests/by_hand/carried_sample.py` made the sample. Its keys stand beside it: they are nobody's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import OUR_IDENTITY, Wall
from tests.scenes import ALLOW_ALL, Scene
from tests.unit.syncing.peers import as_b

from cert_exchange.errors import ConfigurationInvalid, SignatureBroken
from cert_exchange.messages.carried import (
    FORMAT,
    OLDEST,
    closing_key,
    opening_key,
    point_of,
    public_half,
    write_head,
)
from cert_exchange.messages.keys import VerifyingKey, kid_of, make_signing_key
from cert_exchange.node import Node
from cert_exchange.services import carrying, holdings, partners, signing, syncing
from cert_exchange.services.carrying import Wanted

SAMPLES = Path(__file__).parents[2] / "samples" / "carried"


@pytest.fixture
def reader(sqlite_node: Node, wall: Wall) -> Any:
    """CERT B with the sample's key; it knows A, whose key of the sample it pinned."""
    told = json.loads((SAMPLES / "format-1.json").read_text())
    node = as_b(sqlite_node, wall)
    (node.settings.home / "secrets" / "signing-keys.json").write_text(json.dumps([told["reader"]]))
    yield_to = Scene.set_up(node, partners_named=("a",), policies_for=())
    partners.amend(node, "a", speaks_for=[OUR_IDENTITY], relays=[])
    yield_to.apply("a", ALLOW_ALL.format(partner="a"))
    signing.pin(node, "a", told["sender"]["public"], by="tester")
    syncing.add_source(
        node, "from-a", partner="a", url="http://127.0.0.1:9/api/", remote_collection=told["collection"],
        collection="indicators", options={"insecure": True},
    )  # fmt: skip
    yield yield_to
    node.close()


@pytest.mark.parametrize("form", range(OLDEST, FORMAT + 1))
def test_a_file_of_each_format_that_there_was_is_taken_in(reader: Scene, form: int) -> None:
    told = json.loads((SAMPLES / f"format-{form}.json").read_text())
    file = SAMPLES / f"format-{form}.cxc"
    looked = carrying.look(reader.node, file)
    assert (looked.carried.number, looked.carried.base) == (1, 0)
    assert looked.digest.hex() == told["digest"]
    brought = carrying.bring_in(reader.node, file, by="desk", progress=lambda _done, _all: None)
    assert brought.ok
    (run,) = brought.runs
    assert run.counts["signed"] == run.counts["received"] == looked.carried.objects
    hits, _ = holdings.received(reader.node, "a", limit=100)
    # TLP's definitions are everybody's: they came as duplicates.
    came = [one for one in told["ids"] if not one.startswith("marking-definition--")]
    assert sorted(hit.stix_id for hit in hits) == came
    assert brought.receipts == 0


def test_a_format_that_there_is_not_is_not_written(reader: Scene, tmp_path: Path) -> None:
    for form in (OLDEST - 1, FORMAT + 1):
        with pytest.raises(ConfigurationInvalid, match="writes the formats 1 to 1"):
            carrying.take_out(reader.node, "a", tmp_path / "f", Wanted(form=form), by="desk")


def test_what_is_closed_to_a_key_opens_with_it_alone() -> None:
    """The point of a public key is that of its private one (RFC 7748, 4.1; RFC 8032, 5.1.5)."""
    for seed in range(8):
        key = make_signing_key(bytes([seed]) * 32, since=0)
        reader = VerifyingKey(key.kid, key.public)
        once = bytes([seed + 100]) * 32
        head = write_head(reader, public_half(once))
        opened = opening_key(key, head, public_half(once))
        assert closing_key(reader, head, once) == opened
        other = make_signing_key(bytes([seed + 1]) * 32, since=0)
        assert opening_key(other, head, public_half(once)) != opened
        assert (
            opening_key(key, head.replace(b"carried 1", b"carried 2"), public_half(once)) != opened
        )


def test_a_key_that_nothing_can_be_closed_to_is_refused() -> None:
    """The neutral point, what is no number of the field, and a point of low order."""
    one = (1).to_bytes(32, "little")
    for public in (one, b"\xff" * 32):
        with pytest.raises(SignatureBroken):
            point_of(public)
    low = (2**255 - 20).to_bytes(32, "little")  # y = -1, so u = 0
    with pytest.raises(SignatureBroken):
        closing_key(VerifyingKey(kid_of(low), low), b"head", b"\x01" * 32)
