"""What a remote answered is kept, so that a run over it can be repeated without asking twice.

1. A question is known by its method, address, parameters and body; asked again in one pass, its next answer counts.
2. In a pass inside a transaction nothing is asked: an unheard question ends the pass (`Unheard`), is asked outside, and
   the pass begins again.
3. Only what reads is sent: GET, and the question for statements. Anything else is a fault of ours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from cert_exchange.errors import RemoteError
from cert_exchange.remote.connection import Answer, Connection

_READS: Final = "/exchange/v1/statements"
_Question = tuple[str, str, tuple[tuple[str, str], ...], bytes | None]


class Unheard(Exception):
    """A question that the remote has not answered yet."""

    def __init__(self, question: _Question) -> None:
        super().__init__()
        self.question = question


class Heard(Connection):
    """A connection that remembers each answer. `asked`: how many requests went to the remote."""

    def __init__(self, real: Connection) -> None:
        # Not the parent's: it goes on with the session of the connection that it stands for.
        self.__dict__.update(real.__dict__)
        self._answers: dict[_Question, list[Answer | RemoteError]] = defaultdict(list)
        self._passed: Counter[_Question] = Counter()
        self.asked = 0
        self.asks = True

    def rewind(self, *, asks: bool) -> None:
        """Begin a pass; one that may not ask raises Unheard."""
        self._passed.clear()
        self.asks = asks

    def fetch(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """As `Connection.fetch`, from memory where the remote has answered. Raises Unheard, errors.Remote*."""
        question = (method, url, tuple(sorted((params or {}).items())), body)
        place = self._passed[question]
        self._passed[question] += 1
        if place >= len(self._answers[question]):
            if not self.asks:
                raise Unheard(question)
            self.ask(question)
        found = self._answers[question][place]
        if isinstance(found, RemoteError):
            raise found
        return found

    def ask(self, question: _Question) -> None:
        """Ask the remote, and keep what it answers, be it an error."""
        method, url, params, body = question
        if method != "GET" and not url.endswith(_READS):
            raise RuntimeError(f"a preview would send {method} {url}")
        self.asked += 1
        answer: Answer | RemoteError
        try:
            answer = super().fetch(method, url, params=dict(params), body=body)
        except RemoteError as error:
            answer = error
        self._answers[question].append(answer)
