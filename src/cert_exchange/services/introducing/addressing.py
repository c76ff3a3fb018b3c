"""Where our node is reached, and by whose signature its server is recognised there.

1. A partner believes the authorities of our offer for our server, and no others: so our server must show a certificate
   that one of them signed. An offer names the one that signed what is shown today, and then our others, so that partners
   know the next one before the server changes over to it.
2. What is missing for that is made, and said: an authority, a certificate for the host of our address.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.node import Node
from cert_exchange.remote import pki
from cert_exchange.remote.connection import check_url
from cert_exchange.services import pki as certificates

SERVER: Final = "server"


def our_url(node: Node, given: str | None) -> str:
    """The address of our API root: as given, else by the settings. Raises ConfigurationInvalid."""
    url = given
    if url is None and node.settings.public_url is not None:
        url = f"{node.settings.public_url}/{node.settings.api_root}/"
    if url is None:
        own = certificates.listing(node).own.get(SERVER)
        if own is None or not own.hosts:
            raise ConfigurationInvalid(
                "where do partners reach this node? Give --url https://HOST:PORT/"
                f"{node.settings.api_root}/, or set public_url."
            )
        url = f"https://{_bracketed(own.hosts[0])}:{node.settings.port}/{node.settings.api_root}/"
    parts = check_url(url, insecure=False)
    if parts.query or parts.fragment:
        raise ConfigurationInvalid("the address of an API root has no query.")
    return url if url.endswith("/") else f"{url}/"


def make_recognisable(node: Node, url: str, *, by: str) -> tuple[str, ...]:
    """Make what is missing for partners to recognise our server (rule 2); what was made, and what a person has to do.

    Raises ConfigurationInvalid where the server shows what none of our authorities signed.
    """
    told = []
    if not certificates.describe_own(node):
        made = certificates.init(node, by=by)
        told.append(f"made our certificate authority, {made.subject}")
    if SERVER not in certificates.listing(node).own and node.settings.tls_certificate is None:
        host = urlsplit(url).hostname or ""
        certificates.issue_own(node, "server", hosts=[host], by=by)
        told.append(f"made a certificate for our server, {host}")
    if node.settings.tls_certificate is None:
        file = node.settings.secrets_directory / certificates.pair_file(SERVER)
        told.append(
            f"set tls_certificate and tls_key in node.yaml to {file}, host to the address to listen on, and start"
            " `cert-exchange serve` again"
        )
    server_authority(node)
    return tuple(told)


def server_authority(node: Node) -> x509.Certificate:
    """The authority of ours that signed our server's certificate. Raises ConfigurationInvalid."""
    certificate = _server_certificate(node)
    for described, text in reversed(certificates.describe_own(node)):
        authority = pki.read_certificate(text.encode("ascii"), what=described.subject)
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return authority
    raise ConfigurationInvalid(
        "our server shows a certificate that none of our own authorities signed; partners recognise it by ours:"
        " `cert-exchange pki own server --host NAME`, then set tls_certificate and tls_key to that file."
    )


def offered_authorities(node: Node) -> str:
    """The authorities that an offer of today names, in PEM (rule 1). Raises ConfigurationInvalid."""
    first = pki.pem(server_authority(node))
    now = node.now()
    others = [
        text
        for described, text in certificates.describe_own(node)
        if text != first and described.ends_at > now
    ]
    return "".join([first, *reversed(others)])


def _server_certificate(node: Node) -> x509.Certificate:
    if node.settings.tls_certificate is not None:
        raw = certificates.load_material(node.settings).certificate
    else:
        name = certificates.pair_file(SERVER)
        if not node.secret_files.exists(name):
            raise ConfigurationInvalid(
                "this node has no certificate for its server; `cert-exchange pki own server --host NAME` makes one."
            )
        raw = node.secret_files.read(name)
    head, end, _ = raw.partition(b"-----END CERTIFICATE-----")
    return pki.read_certificate(head + end, what="our server's certificate")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
