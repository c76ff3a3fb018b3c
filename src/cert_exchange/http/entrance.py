"""The socket at which connections arrive, and how many may be there at once.

1. Counted is from the moment of arrival, before TLS: a handshake that never ends costs a place as well.
2. One network has at most its share. When every place is taken, the network with the most connections gives one up for
   the newcomer, its oldest: a flood hurts itself, and a partner with a connection or two always finds a place.
3. Our own proxies (`trusted_proxies`) have no share: what stands behind them is not one network.
"""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Collection, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final

from cert_exchange.services.partners import network_of

MOST_CONNECTIONS: Final = 8_192
RESERVED_FILES: Final = 256
"""Files that the database, the logs and our children need beside the connections."""
SHARE: Final = 256
"""Connections of one network (an IPv4 /24, an IPv6 /48)."""
BACKLOG: Final = 512


class Crowd:
    """Who is connected. Used by one event loop."""

    def __init__(self, most: int, *, share: int, proxies: Collection[str] = ()) -> None:
        self._most = max(most, 1)
        self._share = share
        self._proxies = tuple(ip_network(one) for one in proxies)
        self._count = 0
        self._networks: dict[str, dict[Arrived, None]] = {}

    def admit(self, arrived: Arrived, address: str) -> bool:
        """Tell whether there is a place for it; if so, it has one until it calls `leave`."""
        network = network_of(address)
        present = self._networks.setdefault(network, {})
        if len(present) >= self._share and not self._is_proxy(address):
            return False
        if self._count >= self._most:
            self._make_room()
        present[arrived] = None
        self._count += 1
        arrived.place = (self, network)
        return True

    def leave(self, arrived: Arrived, network: str) -> None:
        """Give a place back."""
        present = self._networks[network]
        del present[arrived]
        self._count -= 1
        if not present:
            del self._networks[network]

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)

    def _make_room(self) -> None:
        fullest = max(self._networks.values(), key=len)
        if fullest:
            next(iter(fullest)).hang_up()


class Arrived(socket.socket):
    """A connection that has a place among all."""

    place: tuple[Crowd, str] | None = None

    def hang_up(self) -> None:
        """End it from our side; whoever reads from it sees its end and closes it."""
        self._give_place_back()
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it, and give its place back."""
        self._give_place_back()
        super().close()

    def _give_place_back(self) -> None:
        if self.place is not None:
            (crowd, network), self.place = self.place, None
            crowd.leave(self, network)


class Entrance(socket.socket):
    """A listening socket that lets in as many as there are places."""

    crowd: Crowd

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept one connection. Raises ConnectionAbortedError for one that finds no place: asyncio passes over it."""
        accepted, address = super().accept()
        arrived = Arrived(self.family, self.type, self.proto, fileno=accepted.detach())
        if not self.crowd.admit(arrived, str(address[0])):
            arrived.close()
            raise ConnectionAbortedError
        return arrived, address


def entrances(host: str, port: int, *, proxies: Collection[str] = ()) -> Sequence[Entrance]:
    """Bind every address of `host`; they share their places. Raises OSError."""
    crowd = Crowd(_places(), share=SHARE, proxies=proxies)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[Entrance] = []
    try:
        for family, kind, proto, _, address in dict.fromkeys(found):
            entrance = Entrance(family, kind, proto)
            made.append(entrance)
            entrance.crowd = crowd
            entrance.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                entrance.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            entrance.bind(address)
    except OSError:
        for entrance in made:
            entrance.close()
        raise
    return made


def _places() -> int:
    """As many as this process may have open files, less what else it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, soft - RESERVED_FILES)
