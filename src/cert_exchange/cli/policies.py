"""Commands about sharing policies: check and apply."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode, report
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator
from cert_exchange.errors import CertExchangeError, InputRefused, NotFound, PolicyInvalid, Problem

app = typer.Typer(help="Who may see what, and why.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="Policy files (YAML).")]


@app.command()
def check(files: Files, *, as_json: AsJson = False, home: Home = None) -> None:
    """Look for mistakes in policy files, and change nothing.

    Every mistake is named with line and column, and so is what may not be meant. Exit code 1 when a file has a
    mistake; warnings alone do not count.
    """
    from cert_exchange.services import policies

    mistakes: list[Problem] = []
    warnings: list[Problem] = []
    missing = 0
    with opened(home) as node:
        for file in files:
            try:
                warnings.extend(
                    policies.check(
                        node, _read(file), file=str(file), folder=file.parent
                    ).warnings
                )
            except PolicyInvalid as error:
                mistakes.extend(error.problems)
            except (InputRefused, NotFound) as error:
                mistakes.append(Problem(str(file), 0, 0, error.public))
                missing += isinstance(error, NotFound)
    if as_json:
        printing.document(
            [asdict(one) | {"grade": "mistake"} for one in mistakes]
            + [asdict(one) | {"grade": "warning"} for one in warnings]
        )
    else:
        for one in mistakes:
            printing.result(str(one))
        for one in warnings:
            printing.result(f"{one} (warning)")
    if mistakes:
        printing.verdict(f"{printing.count(len(mistakes), 'mistake')}; nothing can be applied")
        raise typer.Exit(ExitCode.NOT_FOUND if missing == len(mistakes) else ExitCode.REFUSED)
    printing.verdict(f"{printing.count(len(files), 'file')} can be applied")


@app.command()
def apply(files: Files, *, reason: Reason, as_json: AsJson = False, home: Home = None) -> None:
    """Bring policies into force. All are checked before the first is applied.

    When it ends, no request gets an object any more that the new version withholds, and what it allows is visible.
    """
    from cert_exchange.services import policies

    with opened(home) as node:
        texts: dict[Path, str] = {}
        wrong: list[CertExchangeError] = []
        for file in files:
            try:
                texts[file] = _read(file)
                policies.check(node, texts[file], file=str(file), folder=file.parent)
            except (PolicyInvalid, InputRefused, NotFound) as error:
                wrong.append(error)
        if wrong:
            codes = {report(error) for error in wrong}
            raise typer.Exit(codes.pop() if len(codes) == 1 else ExitCode.REFUSED)
        done = []
        for file, text in texts.items():
            with printing.progress(f"applying {file.name}") as progress:
                done.append(
                    policies.apply(
                        node,
                        text,
                        file=str(file),
                        folder=file.parent,
                        author=operator(),
                        reason=reason,
                        progress=progress,
                    )
                )
    if as_json:
        printing.document([asdict(applied) for applied in done])
    for applied in done:
        change = "in force" if applied.changed else "was in force already"
        printing.verdict(
            f"{applied.name}: version {applied.version} {change};"
            f" {printing.count(applied.lost, 'object')} taken back, {applied.gained:,} released"
        )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}; look at the name.") from error
    except UnicodeDecodeError as error:
        raise InputRefused(
            f"The file {file} is not UTF-8 text; save it as YAML in UTF-8."
        ) from error
    except OSError as error:
        raise InputRefused(
            f"The file {file} cannot be read: {error.strerror}. Name a file that you may read."
        ) from error
