"""The TEST collection: where a new channel is tried before anything real goes through it.

1. There is one, for all partners. Its file is ours to write; a person may change title and words in it, and who reads it.
2. In stage `test` a partner is confined to it by the store, whatever other files and policies say.
3. What is seen there is only what is of our own and marked TEST, unless a person writes a policy that says otherwise.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final
from uuid import UUID

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.node import Node
from cert_exchange.policy.collections import parse_collection
from cert_exchange.services import collections, partners, policies
from cert_exchange.store import introductions as rows

ALIAS: Final = "test"
_FILE: Final = """\
# The TEST collection: new channels are tried here. `cert-exchange partner accept` adds names to it. The id is for ever.
id: {uuid}
title: TEST
alias: test
description: >-
  For trying channels. Everything here is a test; nothing here is ever real.
read: []
write: []
"""
_POLICY: Final = """\
# Written by `cert-exchange partner accept`. Until {name} is promoted it sees what is marked TEST in the collection test, and
# nothing else. Write here what your agreement says, preview it, and apply it, before `cert-exchange partner promote {name}`.
name: {name}
partners: [{name}]
collections: [test]
ceiling:
  tlp: green
  unmarked: green
rules:
  - name: Tests of the channel
    match: {{origin: own, test: true}}
    allow: true
"""


def ground(node: Node) -> str:
    """The UUID of our TEST collection; its file is made where there is none yet."""
    with node.database.reading() as tx:
        known = rows.test_collection(tx)
    file = _file(node)
    if known is not None:
        if not file.exists():
            _put(file, _FILE.format(uuid=known))
        return known
    uuid = _declared(file) if file.exists() else _new_uuid()
    if not file.exists():
        _put(file, _FILE.format(uuid=uuid))
    node.database.transact(lambda tx: rows.set_test_collection(tx, uuid))
    return uuid


def admit(node: Node, name: str, *, by: str) -> tuple[str, ...]:
    """Let a partner read and write the TEST collection, under a policy of its own; what a person should know of it.

    Raises ConfigurationInvalid, PolicyInvalid (also for a file of another collection that has a mistake).
    """
    ground(node)
    _name_in(_file(node), name)
    collections.load_collections(node, by=by)
    (listed,) = [row for row in partners.listing(node) if row.partner.name == name]
    if listed.audience is not None:
        return (f"a policy names {name} already: see that it lets what is marked TEST through",)
    file = node.settings.path(node.settings.policies_directory) / f"{name}.yaml"
    if file.exists():
        return (
            f"{file.name} is there already: see that it lets what is marked TEST through, apply it",
        )
    text = _POLICY.format(name=name)
    _put(file, text)
    policies.apply(node, text, file=str(file), author=by, reason=f"set-up of the channel to {name}")
    return ()


def _file(node: Node) -> Path:
    return node.settings.path(node.settings.collections_directory) / f"{ALIAS}.yaml"


def _declared(file: Path) -> str:
    """The id of a file that a person put there."""
    found = parse_collection(file.read_text("utf-8"), file=str(file))
    if found.alias != ALIAS:
        raise ConfigurationInvalid(
            f"{file} declares another collection; give that file another name: the TEST collection is declared"
            " there."
        )
    return found.uuid


def _name_in(file: Path, name: str) -> None:
    yaml = YAML()
    yaml.width = 120
    try:
        content = yaml.load(file.read_text("utf-8"))
        changed = False
        for right in ("read", "write"):
            if name not in content[right]:
                content[right].append(name)
                changed = True
    except (OSError, YAMLError, KeyError, TypeError, AttributeError):
        raise ConfigurationInvalid(
            f"{file} is no collection's file any more; mend it: `cert-exchange collection load` says where."
        ) from None
    if changed:
        fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        with fresh.open("x", encoding="utf-8") as stream:
            yaml.dump(content, stream)
        fresh.replace(file)


def _put(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as stream:
        stream.write(text)


def _new_uuid() -> str:
    return str(UUID(bytes=secrets.token_bytes(16), version=4))
