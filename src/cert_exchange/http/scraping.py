"""Figures in Prometheus' text form at `/metrics`, for a monitor of our own.

1. Off unless `metrics_from` names networks. Everybody else gets what an unknown path gets: hidden and absent alike.
2. The monitor asks directly. A request that came through a proxy is not answered: behind one, everybody may seem to come
   from this machine.
3. Partners' requests are counted by their names, so that who asks too much is seen, and who does not as well (CASES D14).
4. What was read is answered for FRESH_SECONDS: who asks again and again costs nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Final

from cert_exchange.errors import MethodRefused
from cert_exchange.node import Node
from cert_exchange.services.metering import METRICS, Sample, measure, names
from cert_exchange.taxii.wire import Answer, Noted, Request

PATH: Final = ("metrics",)
FRESH_SECONDS: Final = 5.0
_MEDIA: Final = b"text/plain; version=0.0.4; charset=utf-8"
_THROUGH_A_PROXY: Final = frozenset(
    {b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"forwarded", b"via", b"client-cert"}
)


class Scraping:
    """The figures of one node, and of the requests that this process answered. Used by one event loop."""

    def __init__(self, node: Node, threads: Executor, networks: Sequence[str]) -> None:
        self._node = node
        self._threads = threads
        self._networks = tuple(ip_network(one) for one in networks)
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._partners: Counter[tuple[int, int]] = Counter()
        self._kept: tuple[float, list[Sample], Mapping[int, str]] | None = None
        self._lock = asyncio.Lock()

    def owns(self, request: Request) -> bool:
        """Whether this asks for figures and comes from where they may be asked for (rules 1 and 2)."""
        if request.segments != PATH or _THROUGH_A_PROXY & request.headers.keys():
            return False
        try:
            address = ip_address(request.host.partition("%")[0])
        except ValueError:
            return False
        real = getattr(address, "ipv4_mapped", None) or address
        return any(real in network for network in self._networks)

    def count(self, noted: Noted, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests[noted.route, status] += 1
        if noted.partner is not None:
            self._partners[noted.partner, status] += 1
        self._seconds[noted.route] += seconds  # type: ignore[assignment]  # typeshed: a Counter counts whole numbers

    async def answer(self, request: Request, noted: Noted) -> Answer:
        """Answer with the figures. Raises MethodRefused, StoreUnavailable."""
        noted.route = "metrics"
        if not request.reads:
            raise MethodRefused(("GET", "HEAD"))
        async with self._lock:
            now = self._node.clock.monotonic()
            if self._kept is None or now - self._kept[0] > FRESH_SECONDS:
                run = partial(asyncio.get_running_loop().run_in_executor, self._threads)
                self._kept = now, await run(measure, self._node), await run(names, self._node)
            _, found, known = self._kept
            samples = [*found, *self._served(known)]
        return Answer(HTTPStatus.OK, written(samples), media=_MEDIA)

    def _served(self, known: Mapping[int, str]) -> list[Sample]:
        return [
            *(
                Sample(
                    "cert_exchange_http_requests_total",
                    number,
                    (("route", route), ("status", str(status))),
                )
                for (route, status), number in sorted(self._requests.items())
            ),
            *(
                Sample("cert_exchange_http_request_seconds_total", total, (("route", route),))
                for route, total in sorted(self._seconds.items())
            ),
            *(
                Sample(
                    "cert_exchange_http_partner_requests_total",
                    number,
                    (("partner", known[partner]), ("status", str(status))),
                )
                for (partner, status), number in sorted(self._partners.items())
                if partner in known
            ),
        ]


def written(samples: Iterable[Sample]) -> bytes:
    """Samples in the text exposition format 0.0.4: by metric, in the order of METRICS."""
    by_name: dict[str, list[Sample]] = {}
    for one in samples:
        by_name.setdefault(one.name, []).append(one)
    lines = []
    for metric in METRICS:
        found = by_name.pop(metric.name, [])
        if found:
            lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [_line(one) for one in found]
    assert not by_name, f"no metric is called {sorted(by_name)}"
    return ("\n".join(lines) + "\n").encode("utf-8")


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
    value = float(sample.value)
    number = str(int(value)) if value.is_integer() else repr(value)
    return f"{sample.name}{{{labels}}} {number}" if labels else f"{sample.name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
