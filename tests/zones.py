"""A DNS server on loopback that answers from a zone: real packets, no name of anybody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = dict[tuple[str, str], list[str] | None]
"""(name with its final dot, type) -> records as a zone file has them; None: it stays silent."""


@contextmanager
def serving_zone(zone: Zone) -> Iterator[tuple[str, int]]:
    """Serve a zone over UDP; address and port."""
    ended = threading.Event()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(0.05)

    def loop() -> None:
        while not ended.is_set():
            try:
                wire, sender = sock.recvfrom(4096)
            except TimeoutError:
                continue
            reply = _reply(dns.message.from_wire(wire), zone)
            if reply is not None:
                sock.sendto(reply, sender)

    thread = threading.Thread(target=loop)
    thread.start()
    host, port = sock.getsockname()
    try:
        yield str(host), int(port)
    finally:
        ended.set()
        thread.join()
        sock.close()


def _reply(asked: dns.message.Message, zone: Zone) -> bytes | None:
    question = asked.question[0]
    name = question.name.to_text().lower()
    kind = dns.rdatatype.to_text(question.rdtype)
    made = dns.message.make_response(asked)
    made.flags |= dns.flags.RA
    if (name, kind) in zone:
        found = zone[name, kind]
        if found is None:
            return None
        made.answer.append(dns.rrset.from_text_list(name, 60, "IN", kind, found))
    elif not any(known == name for known, _ in zone):
        made.set_rcode(dns.rcode.NXDOMAIN)
    return made.to_wire()
