"""Writes docs/cli.md from the commands themselves: `python -m cert_exchange.cli.reference > docs/cli.md`.

A test compares the file with this, so the document never says what the program does not do.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import typer.main

from cert_exchange.cli.exits import MEANINGS
from cert_exchange.cli.main import app

HEAD = """\
# The command line

Written by `python -m cert_exchange.cli.reference` from the program's own help; a test compares the two.

Every command takes `--home FOLDER`, or the environment variable `CERT_EXCHANGE_HOME`, and `--help`. Results go to standard output,
verdicts and progress to standard error. On a terminal tables are drawn; elsewhere a table is one line a row with its cells
separated by tabs, under a heading line. `--json` prints one JSON document. Secrets are never arguments: they come from a file
(`--secret-file`), an environment variable (`--secret-env`) or the keyboard, and a new credential is shown once. Who acts, for the
ledger, is the account's name or `CERT_EXCHANGE_OPERATOR`. `CERT_EXCHANGE_DEBUG=1` shows the traceback of a fault.

## Exit codes

| code | meaning |
| --- | --- |
"""
SHARED = {"--home", "--help", "-h"}


def write() -> str:
    """Give the whole document."""
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())
    commands = "".join(_sections(typer.main.get_command(app), ()))
    return f"{HEAD}{codes}\n## Commands\n{commands}"


def _sections(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    for name, child in command.commands.items():
        here = (*path, name)
        if hasattr(child, "commands"):
            yield from _sections(child, here)
        else:
            yield _section(child, here)


def _section(command: Any, path: tuple[str, ...]) -> str:
    context = typer.Context(command, info_name=" ".join(path))
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [
        one
        for one in command.params
        if one.param_type_name == "option" and not SHARED & set(one.opts)
    ]
    usage = " ".join(["cert-exchange", *path, *(_placeholder(one) for one in arguments)])
    lines = [f"\n### {' '.join(path)}\n", f"`{usage}{' [OPTIONS]' if options else ''}`\n"]
    lines.append(_flowed(command.help or ""))
    if arguments or options:
        lines.append("\n| argument or option | meaning |\n| --- | --- |")
        lines.extend(f"| `{_placeholder(one)}` | {_cell(one.help or '')} |" for one in arguments)
        for one in options:
            name, told = one.get_help_record(context)
            lines.append(f"| `{_cell(name)}` | {_cell(told)} |")
    return "\n".join(lines) + "\n"


def _placeholder(argument: Any) -> str:
    name: str = argument.metavar or argument.name.upper().rstrip("_")
    if argument.nargs == -1 and not name.endswith("..."):
        name += "..."
    return name if argument.required else f"[{name}]"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _flowed(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


if __name__ == "__main__":
    sys.stdout.write(write())
