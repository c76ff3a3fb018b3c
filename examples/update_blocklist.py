"""Keep a file as a feed of our node has it: a firewall's block list, a resolver's zone, a sensor's rules.

    python examples/update_blocklist.py https://cert-a.example/feeds/blocklist /etc/blocklist.txt --credential feed.txt

Run it from a timer. The file is replaced in one step and only by a whole feed: who reads it meanwhile sees the old one or
the new one, and where the node cannot be reached the old one stays. `--after` is run when it changed. An empty feed
is a feed: when everything was taken back the list is to be empty, too.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from cert_exchange.client import fetch_feed
from cert_exchange.errors import CertExchangeError


def main() -> int:
    """Bring the file up to date."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("url", help="the feed's address, as `cert-exchange feeds add` prints it")
    arguments.add_argument("file", type=Path, help="the file to keep")
    arguments.add_argument("--credential", type=Path, required=True, help="a file that holds it")
    arguments.add_argument(
        "--ca", type=Path, help="the authority that signed the server's certificate"
    )
    arguments.add_argument("--after", default="", help="a command to run when the file changed")
    said = arguments.parse_args()
    tag_file = said.file.with_name(said.file.name + ".tag")
    tag = tag_file.read_text().strip() if tag_file.exists() and said.file.exists() else ""
    try:
        feed = fetch_feed(said.url, credential=said.credential, ca=said.ca, tag=tag)
    except CertExchangeError as error:
        print(f"{said.file} stays as it is: {error.public}", file=sys.stderr)
        return 1
    if feed.body is None:
        print(f"{said.file} is up to date")
        return 0
    fresh = said.file.with_name(said.file.name + ".new")
    fresh.write_bytes(feed.body)
    fresh.replace(said.file)
    tag_file.write_text(feed.tag)
    print(f"{said.file}: {len(feed.body):,} bytes")
    return subprocess.run(shlex.split(said.after), check=False).returncode if said.after else 0


if __name__ == "__main__":
    sys.exit(main())
