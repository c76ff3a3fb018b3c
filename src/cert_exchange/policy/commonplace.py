"""Values that nobody should be told to block: what everybody uses, what means another host in every network.

1. What stands here is common knowledge and changes by the decade: standards (RFC 1918, 5737, 6598, 6761, 6890, 3849),
   name servers that are printed on walls, hashes of nothing. Longer and livelier lists are files that the way in names.
2. Whole services are benign by their exact name only. What lies below them may be bad.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from cert_exchange.policy.lookups import Domains, Networks, address_range, domain_name


def _networks(text: str) -> Networks:
    return Networks(address_range(one) for one in text.split())


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _domains(text: str) -> Domains:
    return Domains(domain_name(one) for one in text.split())


PRIVATE: Final = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16"
    " 224.0.0.0/4 240.0.0.0/4 ::/127 64:ff9b:1::/48 100::/64 fc00::/7 fe80::/10 ff00::/8"
)
"""Hosts of one's own network, this host, groups, and what no host has."""
DOCUMENTATION: Final = _networks(
    "192.0.2.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 2001:2::/48 2001:db8::/32 3fff::/20"
)
PRIVATE_NAMES: Final = _domains(
    "localhost local internal intranet lan home.arpa localdomain corp home private"
)
DOCUMENTATION_NAMES: Final = _domains("example example.com example.net example.org test invalid")

BENIGN_ADDRESSES: Final = _networks(
    # Resolvers that anybody may ask.
    "8.8.8.8 8.8.4.4 2001:4860:4860::8888 2001:4860:4860::8844 1.1.1.1 1.0.0.1 1.1.1.2 1.0.0.2 1.1.1.3 1.0.0.3"
    " 2606:4700:4700::1111 2606:4700:4700::1001 9.9.9.9 9.9.9.10 9.9.9.11 149.112.112.112 149.112.112.10 2620:fe::fe"
    " 2620:fe::9 208.67.222.222 208.67.220.220 4.2.2.1 4.2.2.2 4.2.2.3 4.2.2.4 4.2.2.5 4.2.2.6 64.6.64.6 64.6.65.6"
    " 94.140.14.14 94.140.15.15 77.88.8.1 77.88.8.8 114.114.114.114 114.114.115.115 223.5.5.5 223.6.6.6"
    # The servers of the root zone.
    " 198.41.0.4 170.247.170.2 192.33.4.12 199.7.91.13 192.203.230.10 192.5.5.241 192.112.36.4 198.97.190.53"
    " 192.36.148.17 192.58.128.30 193.0.14.129 199.7.83.42 202.12.27.33"
)
BENIGN_NAMES: Final = _words("""
    1dot1dot1dot1.cloudflare-dns.com akamai.net akamaiedge.net amazon.com amazonaws.com api.ipify.org api.telegram.org apple.com azure.com bing.com bit.ly
    checkip.amazonaws.com cloudflare-dns.com cloudflare.com cloudfront.net digicert.com discord.com dns.adguard-dns.com dns.google
    dns.google.com dns.quad9.net dns9.quad9.net docs.google.com doh.opendns.com drive.google.com
    dropbox.com facebook.com fonts.googleapis.com github.com github.io githubusercontent.com gmail.com google.com
    googleapis.com icanhazip.com ifconfig.me instagram.com ip-api.com ipinfo.io letsencrypt.org linkedin.com live.com
    login.microsoftonline.com microsoft.com microsoftonline.com mozilla.org ocsp.digicert.com office.com one.one.one.one outlook.com
    pastebin.com raw.githubusercontent.com schemas.microsoft.com t.co t.me telegram.org time.windows.com tinyurl.com
    twitter.com update.microsoft.com virustotal.com w3.org whatsapp.com wikipedia.org windows.com windows.net
    windowsupdate.com x.com yahoo.com yandex.ru youtube.com
""")
_CONTENTS: Final = {
    b"": "an empty file",
    b"\n": "a file of one line end",
    b"\r\n": "a file of one line end",
    b"\0": "a file of one zero byte",
}
_HASHES: Final = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512")
BENIGN_HASHES: Final[Mapping[str, str]] = (
    {
        hashlib.new(name, data, usedforsecurity=False).hexdigest(): what
        for data, what in _CONTENTS.items()
        for name in _HASHES
    }
    | dict.fromkeys(
        (  # not computed: the file itself would make a scanner delete this one
            "44d88612fea8a8f36de82e1278abb02f",
            "3395856ce81f2b7382dee72602f798b642f14140",
            "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f",
        ),
        "the EICAR test file",
    )
    | dict.fromkeys(  # what programs write where they have none
        ("0" * length for length in (32, 40, 56, 64, 96, 128)),
        "no file: it is all zeros",
    )
)
COMMON_FILES: Final = _words("""
    autorun.inf bash bootmgr cmd.exe conhost.exe csrss.exe curl desktop.ini dllhost.exe explorer.exe index.html
    index.php install.exe java.exe kernel32.dll lsass.exe msiexec.exe notepad.exe ntdll.dll ntoskrnl.exe powershell.exe
    python.exe readme.md readme.txt regsvr32.exe rundll32.exe services.exe setup.exe sh spoolsv.exe svchost.exe
    taskhost.exe temp.exe test.exe update.exe user32.dll wget winlogon.exe winword.exe wscript.exe
""")
SECOND_LEVEL: Final = _words("ac co com edu gob gov go gouv mil net ne or org")
"""Below a country these are registries, no organisations."""
ROLES: Final = _words("""
    abuse account accounts admin administrator alert alerts billing bounce cert csirt contact customer customers
    delivery dns donotreply finance help helpdesk hostmaster hr info invoice invoices it mail mailer marketing news
    newsletter no noc noreply notification notifications office order orders payment payments postmaster press reply
    sales security service services soc spam staff support system team tech update verify webmaster
""")
"""Parts of mailboxes that belong to a task and no person."""

__all__ = [
    "BENIGN_ADDRESSES",
    "BENIGN_HASHES",
    "BENIGN_NAMES",
    "COMMON_FILES",
    "DOCUMENTATION",
    "DOCUMENTATION_NAMES",
    "PRIVATE",
    "PRIVATE_NAMES",
    "ROLES",
    "SECOND_LEVEL",
]
