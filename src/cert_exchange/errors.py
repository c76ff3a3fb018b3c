"""Every error of cert-exchange, in one tree.

    CertExchangeError
    ├── InputRefused                the sender can mend it
    │   ├── NotJson                 400  not UTF-8, not JSON, not I-JSON
    │   ├── EnvelopeInvalid         422  JSON, but no envelope or bundle
    │   ├── ObjectInvalid           -    one object of a batch; never ends a request
    │   ├── QueryInvalid            400  a query parameter
    │   ├── MediaTypeRefused        415
    │   ├── NotAcceptable           406
    │   ├── BodyTooLarge            413
    │   ├── HeadTooLarge            431
    │   └── BodyTooSlow             408
    ├── AccessRefused
    │   ├── NotAuthenticated        401
    │   ├── ReadRefused             403
    │   ├── WriteRefused            403
    │   ├── DeleteRefused           403
    │   ├── NotFound                404  unknown and hidden alike
    │   ├── MethodRefused           405
    │   ├── TooManyRequests         429
    │   ├── SharingFrozen           503  our people stopped what goes out
    │   └── ReceivingSuspended      503  our people stopped what comes in
    ├── ConfigurationInvalid        -    settings, collections, the node's own files
    │   ├── PolicyInvalid           -    every problem with file, line and column
    │   └── PolicyWidens            -    it would newly show more than a person confirmed
    ├── StoreError                  503
    │   ├── StoreUnavailable        503  disk full, database down
    │   ├── CursorMoved             503  somebody else moved it first
    │   └── ClockDoubtful           503  releasing stops until a person says --clock-ok
    ├── EvidenceBroken              -    ledger or release log does not verify
    │   └── SignatureBroken         -    signed by nobody we know, or not what was signed
    └── RemoteError                 -    raised by `remote/` only
        ├── RemoteUnreachable, RemoteTimeout, RemoteTlsFailed
        ├── RemoteRefused           a status of 4xx or 5xx, with retry_after
        └── RemoteAnswerInvalid     not TAXII, too large, a loop in paging

`public` may be read by a partner: fixed words, the value that was found, the values allowed. `detail` goes to the
log only. `http.py` is the one place that turns a member of this tree into an answer.
"""

from __future__ import annotations

from dataclasses import dataclass


class CertExchangeError(Exception):
    """The root. `public` is for a partner's eyes, `detail` for the log."""

    status = 500
    title = "Internal error"
    public = "The server failed; give its operator the error_id."

    def __init__(self, public: str | None = None, *, detail: str = "") -> None:
        if public is not None:
            self.public = public
        self.detail = detail
        super().__init__(f"{self.public} {detail}".strip())


class InputRefused(CertExchangeError):
    """What was sent cannot be taken; the sender can mend it."""

    status = 400
    title = "Bad request"
    public = "The request cannot be understood."


class NotJson(InputRefused):
    """The bytes are no I-JSON (RFC 7493): not UTF-8, not JSON, a key twice, a lone surrogate, too deep."""

    public = "The body is not valid JSON in UTF-8."


class EnvelopeInvalid(InputRefused):
    """JSON, but neither a TAXII envelope nor a STIX bundle with objects."""

    status = 422
    title = "Unprocessable content"
    public = (
        'The body is not a TAXII envelope: send {"objects": [...]} with at least one STIX object.'
    )


class ObjectInvalid(InputRefused):
    """One object is no valid STIX 2.1. `public` names property and reason; the rest of its batch goes on."""

    status = 422
    title = "Object refused"


class QueryInvalid(InputRefused):
    """A query parameter is malformed, repeated or unknown in an unsafe way (TAXII 2.1 section 3.4)."""


class MediaTypeRefused(InputRefused):
    """The Content-Type of a POST is none that a collection stores."""

    status = 415
    title = "Unsupported media type"
    public = "Send Content-Type: application/taxii+json;version=2.1."


class NotAcceptable(InputRefused):
    """No media type that we offer is acceptable to the client."""

    status = 406
    title = "Not acceptable"
    public = "This server answers application/taxii+json;version=2.1; send that in Accept."


class BodyTooLarge(InputRefused):
    """The body, after decompression, is larger than max_content_length."""

    status = 413
    title = "Content too large"


class HeadTooLarge(InputRefused):
    """Path, query and headers are larger than we read."""

    status = 431
    title = "Request header fields too large"
    public = "Path, query and headers together are larger than 64 KiB; ask for less at once."


class BodyTooSlow(InputRefused):
    """The body did not arrive in time."""

    status = 408
    title = "Request timeout"
    public = "The body did not arrive in time; send it again, in smaller parts if need be."


class AccessRefused(CertExchangeError):
    """The caller may not do this."""

    status = 403
    title = "Forbidden"


class NotAuthenticated(AccessRefused):
    """No credential, or one that is not valid now. The reason is in the detail only."""

    status = 401
    title = "Unauthorized"
    public = "Authenticate with Basic or Bearer and a credential that is valid now."


class CertificateRefused(NotAuthenticated):
    """A right credential without a certificate of its partner. Nobody guessed: it counts for no lock-out."""


class ElsewhereRefused(NotAuthenticated):
    """A right credential from a network that it is not for. Whoever holds it is told what a stranger is told."""


class ReadRefused(AccessRefused):
    """The caller may write to the collection but not read it."""

    public = "This collection is write-only for you: you may add objects but not read them."


class WriteRefused(AccessRefused):
    """The caller may read the collection but not write to it."""

    public = "You may read this collection but not write to it."


class DeleteRefused(AccessRefused):
    """The caller may not take this object back."""

    public = (
        "Only who submitted an object may delete it, from a collection it may both read and write."
    )


class NotFound(AccessRefused):
    """Unknown, hidden or withdrawn: the same answer for all three (DESIGN invariant 1)."""

    status = 404
    title = "Not found"
    public = "There is no such resource here for you."


class MethodRefused(AccessRefused):
    """The path exists but not for this method."""

    status = 405
    title = "Method not allowed"
    public = "This resource does not support that method; see Allow."

    def __init__(self, allow: tuple[str, ...], *, detail: str = "") -> None:
        self.allow = allow
        super().__init__(detail=detail)


class TooManyRequests(AccessRefused):
    """More requests than this partner's share. `retry_after` is in seconds."""

    status = 429
    title = "Too many requests"
    public = "Too many requests; wait as Retry-After says."

    def __init__(self, retry_after: int, public: str | None = None, *, detail: str = "") -> None:
        self.retry_after = retry_after
        super().__init__(public, detail=detail)


class SharingFrozen(AccessRefused):
    """Our people froze what goes out to the caller; nothing is lost by waiting. `retry_after` is in seconds."""

    status = 503
    title = "Service unavailable"
    public = (
        "This server gives out nothing at the moment. What you send is taken as always;"
        " ask again later, from where you are."
    )
    retry_after = 60


class ReceivingSuspended(AccessRefused):
    """Our people stopped what the caller sends; nothing is lost by waiting. `retry_after` is in seconds."""

    status = 503
    title = "Service unavailable"
    public = "This server takes nothing in from you at the moment. What you read is served as always; send this again later."
    retry_after = 60


class ConfigurationInvalid(CertExchangeError):
    """Settings, a collection file or the node's own files are wrong. `public` says what to do next."""

    title = "Configuration invalid"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file. Line and column count from 1; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class PolicyInvalid(ConfigurationInvalid):
    """A policy or collection file has mistakes: all of them at once, in `problems`."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class PolicyWidens(ConfigurationInvalid):
    """A policy would newly show more objects than a person confirmed; nothing was changed. `gained` is how many."""

    title = "Policy widens"

    def __init__(self, public: str, *, gained: int = 0) -> None:
        self.gained = gained
        super().__init__(public)


class PolicyReplaced(ConfigurationInvalid):
    """Another version of the policy came into force since a person looked at this one; nothing was changed."""

    title = "Policy replaced"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another version of policy {name} came into force meanwhile, and this one was looked at beside the one"
            " before. Look at `policy history` and `policy preview` again, then apply."
        )


class StoreError(CertExchangeError):
    """The database could not do it; nothing was half-committed."""

    status = 503
    title = "Service unavailable"
    public = "The server cannot store or read at the moment; try again later."


class StoreUnavailable(StoreError):
    """The database is down, locked for too long, or its disk is full."""


class CursorMoved(StoreError):
    """A compare-and-swap found another value: another worker was first."""


class ClockDoubtful(StoreError):
    """The wall clock jumped or is skewed by more than an hour; releasing waits for `--clock-ok`."""


class EvidenceBroken(CertExchangeError):
    """A ledger line, seal or release log does not verify. `public` names the first broken line."""

    title = "Evidence broken"


class SignatureBroken(EvidenceBroken):
    """A signed text does not verify: an unknown key, a key out of its time, other bytes, another form."""

    title = "Signature broken"


class RemoteError(CertExchangeError):
    """Something beyond our door: raised by `remote/` only, in place of any foreign exception."""

    title = "Remote failed"


class RemoteUnreachable(RemoteError):
    """No connection: name, route or port."""


class RemoteTimeout(RemoteError):
    """The remote was silent for too long, or the whole run took too long."""


class RemoteTlsFailed(RemoteError):
    """The remote's certificate does not verify, or TLS could not be agreed."""


class RemoteRefused(RemoteError):
    """The remote answered with an error status. `retry_after` is in seconds, None when it did not say."""

    def __init__(
        self,
        public: str | None = None,
        *,
        remote_status: int,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        self.remote_status = remote_status
        self.retry_after = retry_after
        super().__init__(public, detail=detail)


class RemoteAnswerInvalid(RemoteError):
    """The answer is no TAXII, is too large, or its paging does not advance."""
