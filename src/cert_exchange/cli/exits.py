"""Exit codes, and the one place that tells a person about an error.

1. Every member of the error tree has a code here; a test walks the tree.
2. What is printed is `public`, the operator's `detail` and the next step; never a traceback of ours.
3. What is no member of the tree is a fault of ours: code 70. CERT_EXCHANGE_DEBUG=1 shows its traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from enum import IntEnum
from typing import Final

from cert_exchange import errors
from cert_exchange.cli import printing


class ExitCode(IntEnum):
    """What a script may rely on; `docs/cli.md` lists the same."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    TEMPORARY = 4
    BROKEN = 5
    FAULT = 70
    INTERRUPTED = 130


MEANINGS: Final[dict[ExitCode, str]] = {
    ExitCode.OK: "done, nothing to complain of",
    ExitCode.REFUSED: "refused: the input, a policy, a setting or a right does not allow it, or an object of a batch was rejected",
    ExitCode.USAGE: "the command line itself is wrong",
    ExitCode.NOT_FOUND: "what was asked for is not there: an object, a file, a view, a partner to look at",
    ExitCode.TEMPORARY: "a remote server or the database could not do it now; trying again later may help",
    ExitCode.BROKEN: "evidence does not verify: ledger or release log were changed or cut",
    ExitCode.FAULT: "a fault in cert-exchange itself",
    ExitCode.INTERRUPTED: "interrupted from the keyboard",
}

CODES: Final[tuple[tuple[type[errors.CertExchangeError], ExitCode], ...]] = (
    # The first class that fits counts, so the special stand before the general.
    (errors.NotFound, ExitCode.NOT_FOUND),
    (errors.TooManyRequests, ExitCode.TEMPORARY),
    (errors.EvidenceBroken, ExitCode.BROKEN),
    (errors.StoreError, ExitCode.TEMPORARY),
    (errors.RemoteError, ExitCode.TEMPORARY),
    (errors.InputRefused, ExitCode.REFUSED),
    (errors.AccessRefused, ExitCode.REFUSED),
    (errors.ConfigurationInvalid, ExitCode.REFUSED),
)

NEXT_STEPS: Final[tuple[tuple[type[errors.CertExchangeError], str], ...]] = (
    (errors.NotJson, "Mend the file and publish it again; nothing of it was stored."),
    (errors.EnvelopeInvalid, "Mend the file and publish it again; nothing of it was stored."),
    (errors.PolicyInvalid, "Mend every line named above; the policy in force was not changed."),
    (
        errors.ClockDoubtful,
        "Set the machine's clock right, then start `cert-exchange serve --clock-ok` once.",
    ),
    (errors.CursorMoved, "Another worker was first; run the command again."),
    (errors.StoreUnavailable, "Look at disk space and database, then run `cert-exchange doctor`."),
    (
        errors.EvidenceBroken,
        "Change nothing: keep a copy of the home folder and compare with a backup and with what partners hold.",
    ),
    (
        errors.RemoteTlsFailed,
        "Check the CA file of that source or target with the partner, by another channel.",
    ),
    # No worker goes on with what a person asked: what its channels meet is in their reports, and comes not this way.
    (errors.RemoteUnreachable, "Check address and port, then run the command again."),
    (errors.RemoteTimeout, "Check that it is up and reached, then run the command again."),
    (
        errors.NotAuthenticated,
        "Ask the partner for a new credential and set it in its secret file.",
    ),
)


def code_of(error: errors.CertExchangeError) -> ExitCode:
    """Give the exit code for an error of ours; FAULT where the tree has grown and this table has not."""
    for kind, code in CODES:
        if isinstance(error, kind):
            return code
    return ExitCode.FAULT


def report(error: errors.CertExchangeError) -> ExitCode:
    """Print what happened and what to do next to standard error, and give the exit code."""
    printing.verdict(f"error: {error.public}")
    if error.detail and error.detail not in error.public:
        printing.verdict(f"detail: {error.detail}")
    for kind, step in NEXT_STEPS:
        if isinstance(error, kind):
            printing.verdict(f"next: {step}")
            break
    return code_of(error)


def report_fault(error: Exception) -> ExitCode:
    """Own up to a fault of ours without showing what it was working on."""
    printing.verdict(
        f"error: a fault in cert-exchange ({type(error).__name__}); nothing was half-committed."
    )
    if os.environ.get("CERT_EXCHANGE_DEBUG") == "1":
        traceback.print_exception(error, file=sys.stderr)
    else:
        printing.verdict("next: run it again with CERT_EXCHANGE_DEBUG=1 and report what it shows.")
    return ExitCode.FAULT
