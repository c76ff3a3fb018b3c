"""One step of a self-test, and how a row of them is walked: each with its result, its time and what to do.

1. A step that everything after it needs, and that went wrong, ends the walk: later ones are named all the same, as not run.
2. What goes wrong is a result; only a fault of ours raises.
3. A sentence holds no secret, and of what a stranger said what `remote` lets through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from cert_exchange import errors

Result = Literal["ok", "note", "wrong", "not run"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `ms`: how long it took, in milliseconds; None where it did not run. `cause`: see `causes`."""

    where: str
    step: str
    result: Result
    said: str
    ms: float | None = None
    todo: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a step found. `cause` names the reason why nothing arrives, where this is one."""

    said: str
    result: Result = "ok"
    todo: str = ""
    cause: str = ""


@dataclass(slots=True)
class Walk:
    """The steps at one place, such as a source. `monotonic` returns seconds."""

    where: str
    monotonic: Callable[[], float]
    done: list[Step] = field(default_factory=list)
    broken: str = ""
    """the step that ended the walk"""

    def take(
        self,
        step: str,
        ask: Callable[[], Found],
        *,
        needed: bool = True,
        mend: Callable[[errors.CertExchangeError], Found] | None = None,
    ) -> bool:
        """Take a step, unless one before it ended the walk; whether it went well. `mend` reads a failure."""
        if self.broken:
            self.leave([step], f"not asked, since {self.broken} failed")
            return False
        begun = self.monotonic()
        try:
            found = ask()
        except (
            errors.RemoteError,
            errors.ConfigurationInvalid,
            errors.EvidenceBroken,
            errors.InputRefused,
            errors.AccessRefused,
        ) as error:
            found = (mend or failed)(error)
        took = round((self.monotonic() - begun) * 1000, 1)
        self.done.append(
            Step(self.where, step, found.result, found.said, took, found.todo, found.cause)
        )
        if found.result == "wrong" and needed:
            self.broken = step
        return found.result in ("ok", "note")

    def leave(self, steps: Iterable[str], because: str, *, todo: str = "") -> None:
        """Name steps that cannot run."""
        self.done += [Step(self.where, one, "not run", because, None, todo) for one in steps]


def failed(error: errors.CertExchangeError) -> Found:
    """What a failure says, with the next step of a person by its kind."""
    match error:
        case errors.RemoteTlsFailed():
            return Found(error.public, "wrong", TLS_STEP, "unreached")
        case errors.RemoteUnreachable() | errors.RemoteTimeout():
            return Found(error.public, "wrong", REACH_STEP, "unreached")
        case errors.RemoteRefused():
            return _refused(error)
        case errors.RemoteAnswerInvalid():
            return Found(error.public, "wrong", ADDRESS_STEP, "blocked")
        case _:
            return Found(error.public, "wrong", "cert-exchange doctor")


def _refused(error: errors.RemoteRefused) -> Found:
    status = error.remote_status
    foreign = "did not come from a TAXII server" in error.public
    if status == 401:
        return Found(error.public, "wrong", CREDENTIAL_STEP, "not let in")
    if status in (403, 407) and foreign:
        return Found(error.public, "wrong", BLOCKED_STEP, "blocked")
    if status in (403, 404):
        return Found(error.public, "wrong", RIGHTS_STEP, "no right")
    if status in (429, 503):
        return Found(error.public, "wrong", BUSY_STEP, "unreached")
    return Found(error.public, "wrong", FAULT_STEP, "blocked" if foreign else "unreached")


CREDENTIAL_STEP: Final = (
    "ask its people for a new credential, then cert-exchange source secret NAME (or target secret)"
)
BLOCKED_STEP: Final = (
    "something before its server refuses us: ask its people whether our address is let in"
)
RIGHTS_STEP: Final = (
    "ask its people for our rights; compare the collection's id with cert-exchange source look"
)
BUSY_STEP: Final = "it is busy or stopped: try again later, and ask its people if it stays so"
FAULT_STEP: Final = "its server fails: give its people the time and the words of this answer"
ADDRESS_STEP: Final = (
    "what answers there is no TAXII 2.1 server: compare the address with its people"
)
TLS_STEP: Final = "read what TLS says, and compare the CA file and the name with its people"
REACH_STEP: Final = "look at name, port, route and firewalls, from this machine and from theirs"
