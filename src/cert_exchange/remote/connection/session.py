"""One remote server, spoken to over HTTP.

1. Only the hosts that the administrator configured are asked; a redirect to another origin stops and says where to.
2. Never down to plain HTTP; TLS is always verified; nothing is taken from the environment.
3. Every wait ends: to connect, to read, for one whole answer. A body is counted while it is read and unpacked.
4. The status comes first: an error needs no body, a body needs no Content-Type to be an error.
5. Foreign exceptions stop here (`failures`).
6. The last request and its answer are told to `tell`, without secrets and content (`exchanged`).
7. Each request has an id (`X-Request-Id`): that of the run, and its number. It says nothing else, and both sides log it.
"""

from __future__ import annotations

import http.cookiejar
import importlib.metadata
import secrets
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import orjson
import requests
from taxii2client.common import _HTTPConnection

from cert_exchange import errors
from cert_exchange.remote import identity
from cert_exchange.remote.connection.answers import (
    TAXII_2_0,
    Answer,
    cleaned,
    media_of,
    no_taxii,
    retry_after,
    said,
    speaks_2_0,
)  # fmt: skip
from cert_exchange.remote.connection.exchanged import Exchanged, Exchanging, masked
from cert_exchange.remote.connection.failures import BROKEN, AnswerTooLarge, Moved, translated
from cert_exchange.remote.connection.options import Options, check_url
from cert_exchange.remote.connection.watch import Sockets, Watch, WatchedAdapter

MEDIA: Final = "application/taxii+json;version=2.1"
UNVERSIONED: Final = "application/taxii+json"
JSON: Final = "application/json"
PEER: Final = "/exchange/v1/"
"""In the path of what a cert-exchange answers beside TAXII (`remote.peering`), which is plain JSON."""
USER_AGENT: Final = f"cert-exchange/{importlib.metadata.version('cert-exchange')}"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD: Final = frozenset({307, 308})
_REDIRECT_STEPS: Final = 5
_CHUNK: Final = 65536
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})


class Connection(_HTTPConnection):  # type: ignore[misc]  # taxii2-client ships no types
    """The connection of taxii2-client with limits: its Server, ApiRoot and Status classes work over it.

    `monotonic` returns seconds; the clock stays with the caller.
    """

    def __init__(
        self,
        url: str,
        options: Options,
        *,
        credential: identity.Credential,
        trust: identity.Trust,
        monotonic: Callable[[], float],
        tell: Callable[[Exchanged], None] | None = None,
    ) -> None:
        super().__init__(user_agent=USER_AGENT, version="2.1", verify=trust.verify())
        self.root = url if url.endswith("/") else url + "/"
        self.options = options
        self.run = secrets.token_hex(8)
        self._requests = 0
        self._credential = credential
        self._tell = tell
        self._exchanging: Exchanging | None = None
        self.tolerated: set[str] = set()  # wrong media types that were forgiven, for the report
        self._origin = _origin(check_url(self.root, insecure=options.insecure))
        self._monotonic = monotonic
        self._accept = MEDIA
        session: requests.Session = self.session
        self._sockets = Sockets()
        for scheme in ("https://", "http://"):
            session.mount(scheme, WatchedAdapter(self._sockets))
        session.trust_env = False
        session.auth = identity.CredentialAuth(credential)
        session.cert = trust.certificate_pair()
        self._trust = trust  # what the pair names may live no longer than this
        session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        if options.proxy:
            session.proxies = {"http": options.proxy, "https": options.proxy}

    # What taxii2-client's own classes call.

    def get(self, url: str, headers: Any = None, params: Any = None) -> dict[str, Any]:
        """GET a JSON object, for taxii2-client's classes."""
        del headers  # Accept is ours to choose
        return self.fetch("GET", url, params=params).document()

    def post(
        self, url: str, headers: Any = None, params: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """POST and return the JSON object, for taxii2-client's classes."""
        del headers
        body = kwargs["data"] if "data" in kwargs else orjson.dumps(kwargs["json"])
        return self.fetch("POST", url, params=params, body=body).document()

    def delete(self, url: str, headers: Any = None, params: Any = None, **kwargs: Any) -> None:
        """DELETE, for taxii2-client's classes."""
        del headers, kwargs
        self.fetch("DELETE", url, params=params)

    # What we call.

    def fetch(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request and return its whole answer.

        Raises RemoteRefused for 4xx and 5xx, AnswerTooLarge, Moved, RemoteTimeout (also when the whole answer took
        longer than `answer_seconds`) and the other errors.Remote*.
        """
        self._exchanging = None
        trouble = "it was not ended"
        try:
            answer = self._answered(method, url, params=params, body=body)
            trouble = ""
        except errors.RemoteRefused:
            trouble = ""  # its status says it
            raise
        except errors.RemoteError as error:
            trouble = error.public
            raise
        finally:
            if self._tell is not None and self._exchanging is not None:
                self._tell(self._exchanging.end(self._monotonic(), trouble))
        return answer

    def _answered(
        self, method: str, url: str, *, params: Mapping[str, str] | None, body: bytes | None
    ) -> Answer:
        try:
            return self._watched(method, url, params=params, body=body)
        except errors.RemoteRefused as refusal:
            # taxii21 68: some servers take only the unversioned type.
            if refusal.remote_status != 406 or self._accept != MEDIA:
                raise
            self._accept = UNVERSIONED
            return self._watched(method, url, params=params, body=body)

    def _watched(
        self, method: str, url: str, *, params: Mapping[str, str] | None, body: bytes | None
    ) -> Answer:
        limit = self.options.connect_seconds + self.options.answer_seconds
        late = errors.RemoteTimeout(
            f"{method} {urlsplit(url).path}: the answer took longer than {limit:g} s."
        )
        with Watch(self._sockets, limit) as watch:
            try:
                answer = self._follow(method, url, params=params, body=body)
            except errors.RemoteError as error:
                if watch.fired:
                    raise late from error
                raise
        if watch.fired:
            raise late
        return answer

    def _follow(
        self, method: str, url: str, *, params: Mapping[str, str] | None, body: bytes | None
    ) -> Answer:
        ends = self._monotonic() + self.options.answer_seconds
        what = f"{method} {urlsplit(url).path}"
        seen: set[str] = set()
        for _ in range(_REDIRECT_STEPS + 1):
            self._refuse_foreign(url)
            headers = self._headers(body)
            exchanging = Exchanging(
                self._credential, method, url, params, body, headers["X-Request-Id"], self._monotonic()
            )  # fmt: skip
            self._exchanging = exchanging
            with translated(what, read_seconds=self.options.read_seconds):
                response = self.session.request(
                    method,
                    url,
                    params=params,
                    data=body,
                    headers=headers,
                    timeout=(self.options.connect_seconds, self.options.read_seconds),
                    allow_redirects=False,
                    stream=True,
                )
                exchanging.answered(response.status_code, response.headers)
                try:
                    if response.status_code in _REDIRECTS and "Location" in response.headers:
                        seen.add(response.url)
                        url, params = self._redirected(method, response, seen), None
                        continue
                    return self._answer(what, response, ends)
                finally:
                    response.close()
        raise errors.RemoteAnswerInvalid(f"{what}: more than {_REDIRECT_STEPS} redirects.")

    def _headers(self, body: bytes | None) -> dict[str, str]:
        self._requests += 1
        headers = {
            "User-Agent": USER_AGENT,
            "X-Request-Id": f"{self.run}-{self._requests}",
            "Accept": self._accept,
            "Accept-Encoding": "gzip",
        }
        if body is not None:
            headers["Content-Type"] = MEDIA
        return headers

    def _refuse_foreign(self, url: str) -> None:
        if _origin(urlsplit(url)) != self._origin:
            raise Moved(f"{_shown(url)} is no host that was configured for this remote.")

    def _redirected(self, method: str, response: requests.Response, seen: set[str]) -> str:
        target = urljoin(response.url, response.headers["Location"])
        parts = urlsplit(target)
        if not parts.query:  # T16: the address moved, the question did not
            parts = parts._replace(query=urlsplit(response.url).query)
            target = urlunsplit(parts)
        if _origin(parts) != self._origin:
            raise Moved(
                f"The remote moved to {_shown(target)}; we do not send our credentials there. "
                "If that is right, change the address of this channel."
            )
        if method != "GET" and response.status_code not in _KEEP_METHOD:
            raise Moved(
                f"The remote answers {method} with {response.status_code} to {_shown(target)}; "
                "change the address of this channel."
            )
        if target in seen:
            raise errors.RemoteAnswerInvalid(
                f"The remote redirects in a circle at {_shown(target)}."
            )
        return target

    def _answer(self, what: str, response: requests.Response, ends: float) -> Answer:
        status = response.status_code
        if status >= 400:
            raise self._refusal(what, response, ends)
        if status not in (200, 201, 202, 204, 206):  # W04: 206 is read like 200
            raise errors.RemoteAnswerInvalid(f"{what}: unexpected status {status}.")
        body, wire = self._read(what, response, ends, self.options.max_answer_bytes)
        if (
            not wire
            and status != 204
            and not _FRAMING & {name.lower() for name in response.headers}
        ):
            # A line that broke among the headers looks like an empty answer; it says nothing of the kind.
            raise errors.RemoteAnswerInvalid(f"{what}: {BROKEN}.")
        if body and status != 204 and not self._is_expected(response):
            media = response.headers.get("Content-Type", "missing")
            text = masked(body[: 2 * _CHUNK].decode("utf-8", "replace"), self._credential)
            raise errors.RemoteAnswerInvalid(f"{what}: {status}, but {no_taxii(media, text)}.")
        return Answer(status, response.headers, body, wire)

    def _is_expected(self, response: requests.Response) -> bool:
        text = response.headers.get("Content-Type", "")
        if PEER in urlsplit(response.url).path:
            return text.partition(";")[0].strip().lower() == JSON
        return self._is_taxii(text)

    def _is_taxii(self, text: str) -> bool:
        kind, versions = media_of(text)
        if kind in self.options.accept_types:
            self.tolerated.add(kind)
            return True
        return kind == UNVERSIONED and versions <= {"2.1"}

    def _refusal(self, what: str, response: requests.Response, ends: float) -> errors.RemoteRefused:
        status = response.status_code
        try:
            with translated(what, read_seconds=self.options.read_seconds):
                body, _ = self._read(what, response, ends, _CHUNK)
        except errors.RemoteError:
            body = b""  # W19: the status is enough
        # Before anything is cut off, which might leave the half of a secret.
        body = masked(body.decode("utf-8", "replace"), self._credential).encode()
        if self._exchanging is not None:
            self._exchanging.failed(body)
        words = f"{what}: {status}"
        media = response.headers.get("Content-Type", "")
        told = said(body) if speaks_2_0(media) or self._is_taxii(media) else None
        if told:
            words += f", {told!r}"
        if speaks_2_0(media):
            words += f"; {TAXII_2_0}"
        elif not told and body.strip():
            words += f"; the answer did not come from a TAXII server: {cleaned(body, 200)!r}"
        return errors.RemoteRefused(
            words + ".", remote_status=status, retry_after=retry_after(response.headers)
        )

    def _read(
        self, what: str, response: requests.Response, ends: float, cap: int
    ) -> tuple[bytes, int]:
        """Read and unpack at most `cap` bytes before `ends`; a slow drip ends like silence (W01)."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip"):
            raise errors.RemoteAnswerInvalid(
                f"{what}: Content-Encoding {cleaned(encoding, 40)!r}; we asked for gzip."
            )
        unpack = zlib.decompressobj(31) if "gzip" in encoding else None
        out = bytearray()
        wire = 0
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            wire += len(chunk)
            try:
                out += unpack.decompress(chunk, cap + 1 - len(out)) if unpack else chunk
            except zlib.error as error:
                raise errors.RemoteAnswerInvalid(f"{what}: the gzip body is broken.") from error
            if len(out) > cap:
                raise AnswerTooLarge(
                    f"{what}: the answer is larger than {cap} bytes; smaller pages may help."
                )
            if self._monotonic() > ends:
                raise errors.RemoteTimeout(
                    f"{what}: the answer took longer than {self.options.answer_seconds:g} s "
                    f"({len(out)} bytes so far)."
                )
        if unpack and wire and not unpack.eof:
            raise errors.RemoteAnswerInvalid(f"{what}: the gzip body broke off.")
        return bytes(out), wire


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        port = -1  # equals no configured origin
    return parts.scheme, (parts.hostname or "").lower(), port


def _shown(url: str) -> str:
    """Return an address without its query and without a user, as a report may show it."""
    parts = urlsplit(url)
    return cleaned(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", 300)
