"""One line of our ledger, with what shows to anybody that it stands under a signed head: without any other line.

1. A head is signed first, so that every sealed line can be shown. The proof says nothing of the lines beside it: their
   leaves are salted, and of the line before it the chain's hash alone is told.
2. It shows that we wrote the line, when it was sealed at the latest, and that no later history of ours is without it: who
   holds a newer head of ours compares it.
"""

from __future__ import annotations

from typing import Any, Final

from cert_exchange.errors import NotFound
from cert_exchange.messages.evidence import GENESIS
from cert_exchange.node import Node
from cert_exchange.services.ledger import checkpointing
from cert_exchange.store import ledger as rows

FORMAT: Final = "cert-exchange ledger proof 1"


def prove(node: Node, seq: int) -> dict[str, Any]:
    """The proof for line `seq` as a document (docs/ledger-format.md). Raises NotFound, EvidenceBroken, CursorMoved."""
    head = checkpointing.issue(node)
    found = checkpointing.inclusion(node, seq, head.size)
    with node.database.reading() as tx:
        line = rows.sealed_line(tx, seq)
        before = rows.sealed_line(tx, seq - 1)
    if found is None or line is None:
        raise NotFound(f"The ledger has no line {seq:,}: it has {head.size:,}, from 1 on.")
    link = GENESIS if before is None or before.hash is None else before.hash
    return {
        "format": FORMAT,
        "origin": checkpointing.origin(node),
        "seq": seq,
        "previous": link.hex(),
        "line": line.body,
        "salt": found.salt.hex(),
        "path": [one.hex() for one in found.path],
        "checkpoint": head.note,
    }
