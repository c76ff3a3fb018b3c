"""The way into a cert-exchange node, or any TAXII 2.1 server, for programs: poll, push, look up, fetch a feed.

    from cert_exchange.client import Client

    with Client("https://cert-a.example/api/", credential=Path("credential.txt"), ca=Path("authority.pem")) as cert_a:
        for page in cert_a.poll("indicators", since=bookmark.read()):
            keep(page.objects)
            bookmark.write(page.cursor)

Everything that the sync worker keeps to outwards holds here too (`cert_exchange.remote`): TLS is verified, every wait and
every body has a limit, no redirect takes a credential along, nothing is taken from the environment. What goes wrong is
an error of `cert_exchange.errors` under RemoteError, whose text says what to do. docs/client.md
"""

from cert_exchange.client.channel import Client
from cert_exchange.client.feeds import fetch_feed
from cert_exchange.client.values import Collection, Feed, Page, Pushed, Record, Refused

__all__ = [
    "Client",
    "Collection",
    "Feed",
    "Page",
    "Pushed",
    "Record",
    "Refused",
    "fetch_feed",
]
