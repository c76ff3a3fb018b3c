"""X.509 as values and files: keys, requests, certificates, revocation lists, and who is believed.

Nothing here reads a clock or a database; foreign exceptions of `cryptography` stop here.
"""

from cert_exchange.remote.pki.issuing import (
    Purpose,
    Reason,
    issue,
    make_authority,
    make_list,
    make_request,
    read_request,
)
from cert_exchange.remote.pki.keys import (
    ALGORITHMS,
    Algorithm,
    PrivateKey,
    key_pem,
    new_key,
    read_key,
    same_key,
)
from cert_exchange.remote.pki.reading import (
    Described,
    describe,
    fingerprint,
    instant_of,
    list_number,
    pem,
    read_bundle,
    read_certificate,
    read_list,
    serial_of,
    spoken,
)
from cert_exchange.remote.pki.trust import Anchor, NotBelieved, Peer, Trust

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Anchor",
    "Described",
    "NotBelieved",
    "Peer",
    "PrivateKey",
    "Purpose",
    "Reason",
    "Trust",
    "describe",
    "fingerprint",
    "instant_of",
    "issue",
    "key_pem",
    "list_number",
    "make_authority",
    "make_list",
    "make_request",
    "new_key",
    "pem",
    "read_bundle",
    "read_certificate",
    "read_key",
    "read_list",
    "read_request",
    "same_key",
    "serial_of",
    "spoken",
]
