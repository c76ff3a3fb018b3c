"""Keep a file as a feed of our node has it: a firewall's block list, a resolver's zone, a sensor's rules.

    python examples/update_blocklist.py https://cert-a.example/feeds/blocklist /etc/blocklist.txt --credential feed.txt

Run it from a timer. The file is replaced in one step and only by a whole feed: who reads it meanwhile sees the old one or
the new one, and where the node cannot be reached the old one stays. `--after` is run when it changed, and in each run
again until it succeeds: only then the file counts as up to date. An empty feed is a feed: when everything was taken back
the list is to be empty, too. Ends with 1 where something failed.
"""

from __future__ import annotations

import argparse
import os
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
    try:
        return update(said.url, said.file, said.credential, said.ca, said.after)
    except CertExchangeError as error:
        print(f"{said.file} stays as it is: {error.public}", file=sys.stderr)
    except (
        OSError,
        ValueError,
    ) as error:  # a folder that is not there, a full disk, a command that is none
        print(f"{said.file}: {error}", file=sys.stderr)
    return 1


def update(url: str, file: Path, credential: Path, ca: Path | None, after: str) -> int:
    """Replace the file where its feed changed, and run the command; the exit code."""
    command = shlex.split(after)
    tag_file = file.with_name(file.name + ".tag")
    tag = tag_file.read_text().strip() if tag_file.exists() and file.exists() else ""
    feed = fetch_feed(url, credential=credential, ca=ca, tag=tag)
    if feed.body is None:
        print(f"{file} is up to date")
        return 0
    tag_file.unlink(
        missing_ok=True
    )  # it is back when all is done: killed before, all is done again
    put(file, feed.body)
    print(f"{file}: {len(feed.body):,} bytes")
    if command and (code := subprocess.run(command, check=False).returncode):
        print(f"{after} ended with {code}; the next run runs it again", file=sys.stderr)
        return 1
    put(tag_file, feed.tag.encode())
    return 0


def put(file: Path, body: bytes) -> None:
    """Write a file in one step: who reads it, and who comes after a kill, sees the old one or the whole new one."""
    fresh = file.with_name(file.name + ".new")
    with fresh.open("wb") as opened:
        opened.write(body)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)


if __name__ == "__main__":
    sys.exit(main())
