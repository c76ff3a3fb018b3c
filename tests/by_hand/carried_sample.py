"""Make the sample of a carried file: python -m tests.by_hand.carried_sample FOLDER. Once for each format, and never again."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.conftest import OUR_IDENTITY
from tests.scenes import B_IDENTITY, Scene, address, indicator, malware, relationship, uid

from cert_exchange.messages.carried import FORMAT
from cert_exchange.messages.keys import make_signing_key, public_text
from cert_exchange.node import make_home, open_node
from cert_exchange.services import carrying, partners, signing
from cert_exchange.services.carrying import Wanted


def _entry(seed: int) -> dict[str, str | int]:
    key = make_signing_key(bytes([seed]) * 32, since=0)
    return {
        "kid": key.kid, "private": key.private.hex(), "public": public_text(key.public), "since": 0
    }  # fmt: skip


def main(folder: Path) -> None:
    sender, reader = _entry(1), _entry(2)
    with tempfile.TemporaryDirectory() as place:
        home = make_home(Path(place) / "a", identity=OUR_IDENTITY, title="CERT A")
        (home / "secrets" / "signing-keys.json").write_text(json.dumps([sender]))
        node = open_node(home)
        scene = Scene.set_up(node, partners_named=("b",), policies_for=("b",))
        partners.amend(node, "b", speaks_for=[B_IDENTITY], relays=[])
        signing.pin(node, "b", str(reader["public"]), by="tester")
        one, two = indicator("one"), malware("two")
        scene.publish(one, two, relationship(one, two), address("198.51.100.9"))
        path = folder / f"format-{FORMAT}.cxc"
        made = carrying.take_out(node, "b", path, Wanted(), by="tester")
        assert made is not None
        ids = sorted(one for one in scene.ids("b"))
        (listed,) = carrying.listing(node)
        node.close()
    told = {
        "sender": sender, "reader": reader, "collection": uid("collection indicators"),
        "digest": listed.digest, "ids": ids,
    }  # fmt: skip
    (folder / f"format-{FORMAT}.json").write_text(json.dumps(told, indent=1) + "\n")
    path.chmod(0o644)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
