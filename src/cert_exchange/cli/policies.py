"""Commands that change a policy, and what to look at before: check, test, preview and apply."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import printing, versions
from cert_exchange.cli.exits import ExitCode, report
from cert_exchange.cli.files import read_text
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator
from cert_exchange.cli.versions import Confirm
from cert_exchange.errors import CertExchangeError, InputRefused, NotFound, PolicyInvalid, Problem

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.policies import Applied, Checked, Preview, Read

_NO_POLICIES = (".expect.yaml", "intake.yaml")

app = typer.Typer(help="Who may see what, and why.", no_args_is_help=True)


def _policies(files: list[Path] | None) -> list[Path] | None:
    """Leave out what a pattern such as `policies/*.yaml` takes along: expectations and the file of the way in."""
    chosen = files and [one for one in files if not one.name.endswith(_NO_POLICIES)]
    if files and not chosen:
        if files[0].name == "intake.yaml":
            raise typer.BadParameter("this is the file of the way in; see `intake check`")
        raise typer.BadParameter(
            "these are expectations; name the policies that they lie beside, such as"
            f" {files[0].name.removesuffix('.expect.yaml')}.yaml"
        )
    return chosen


Files = Annotated[list[Path], typer.Argument(help="Policy files (YAML).", callback=_policies)]


@app.command()
def check(files: Files, *, as_json: AsJson = False, home: Home = None) -> None:
    """Look for mistakes in policy files, and change nothing.

    Every mistake is named with line and column, and so is what may not be meant. Exit code 1 when a file has a
    mistake; warnings alone do not count.
    """
    mistakes: list[Problem] = []
    warnings: list[Problem] = []
    missing = 0
    with opened(home) as node:
        for file, found in _checked(node, files).items():
            match found:
                case PolicyInvalid():
                    mistakes.extend(found.problems)
                case CertExchangeError():
                    mistakes.append(Problem(str(file), 0, 0, found.public))
                    missing += isinstance(found, NotFound)
                case _:
                    warnings.extend(found.warnings)
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
def schema() -> None:
    """Print the JSON Schema of policy files, for an editor that marks mistakes while you write.

    It needs no node. The same is in docs/policy.schema.json.
    """
    from cert_exchange.services import policies

    printing.document(policies.policy_schema())


@app.command("test")
def try_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Policy files; all of the node's folder if not given.", callback=_policies
        ),
    ] = None,
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Ask policies what their expectations ask, and change nothing.

    Expectations lie beside a policy: NAME.expect.yaml beside NAME.yaml. Exit code 1 when one is broken.
    """
    from cert_exchange.services import policies

    with opened(home) as node:
        folder = node.settings.path(node.settings.policies_directory)
        chosen = files or policies.policy_files(folder)
        if not chosen:  # a test of nothing that says "all are met" would be believed
            raise NotFound(f"There is no policy file in {folder}; name the files to test.")
        tried = []
        for file in chosen:
            policy = policies.check(
                node, read_text(file), file=str(file), folder=file.parent
            ).policy
            tried.append(policies.try_policy(policy, file, now=node.now()))
    broken = [problem for one in tried for problem in one.broken]
    if as_json:
        printing.document([asdict(one) for one in tried])
    else:
        for problem in broken:
            printing.result(str(problem))
    total = sum(one.expectations for one in tried)
    asked = f"{printing.count(total, 'expectation')} of {printing.count(len(tried), 'file')}"
    if broken:
        printing.verdict(f"{asked}: {len(broken)} broken")
        raise typer.Exit(ExitCode.REFUSED)
    printing.verdict(f"{asked}: all are met")


@app.command()
def preview(
    files: Files,
    *,
    samples: Annotated[
        int, typer.Option("--samples", min=0, max=1_000, help="Name so many objects of each rule.")
    ] = 5,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show what policies would change, before anything happens: what is gained, lost and changed, and by which rule.

    For each audience and collection, with the ids of some objects. It reads only, and it is what `policy apply` does. In a
    rule's place: `carried` is what something visible needs, `reference` what refers to something hidden. `redacted` are
    seen as derivatives by a rule, `rewritten` only because they refer to one. What is expected of the policies is asked as
    well: exit code 1 where that is broken, for `apply` refuses it.
    """
    from cert_exchange.services import policies

    with opened(home) as node:
        checked = _all_right(_checked(node, files))
        tried = [
            policies.try_policy(one.policy, file, now=node.now()) for file, one in checked.items()
        ]
        with printing.progress("looking at all objects") as progress:
            found = policies.previews(
                node,
                [(one.policy, one.companions) for one in checked.values()],
                samples=samples,
                processes=_processes(),
                progress=progress,
            )
    if as_json:
        printing.document(
            [
                asdict(one)
                | {"expectations": asked.expectations, "broken": asdict(asked)["broken"]}
                for one, asked in zip(found, tried, strict=True)
            ]
        )
    broken = [problem for asked in tried for problem in asked.broken]
    for one, asked in zip(found, tried, strict=True):
        if not as_json:
            _show(one)
            for problem in asked.broken:
                printing.result(str(problem))
        now = f"version {one.in_force} in force" if one.in_force is not None else "not in force"
        more = f" ({one.uncovered:,} of them shown more of)" if one.uncovered else ""
        refused = (
            f"; {len(asked.broken)} of {printing.count(asked.expectations, 'expectation')} broken"
            if asked.broken
            else ""
        )
        printing.verdict(
            f"{one.name} ({now}): {one.gained:,} gained, {one.lost:,} lost, {one.changed:,} changed{more}{refused}"
        )
        for partner, policy in sorted({move for p in one.prospects for move in p.moved}):
            printing.verdict(
                f"{partner} changes from {policy} to {one.name}: compared with what it sees by {policy} now"
            )
    if broken:
        printing.verdict("`policy apply` refuses what breaks an expectation")
        raise typer.Exit(ExitCode.REFUSED)
    named = " ".join(str(file) for file in files)
    printing.verdict(
        f"next: cert-exchange policy apply {named} --reason ... --confirm {sum(one.widens for one in found)}"
    )


def _show(one: Preview) -> None:
    printing.table(
        [
            "audience", "collection", "gained", "lost", "changed", "kept", "waiting", "held",
            "redacted", "rewritten",
        ],
        [
            (
                p.audience, p.collection, p.gained, p.lost, p.changed, p.kept, p.waiting, p.held,
                p.redacted, p.rewritten,
            )
            for p in one.prospects
        ],
        title=one.name,
        empty="the policy names no collection",
    )  # fmt: skip
    rows = [
        (
            p.audience, p.collection,
            c.kind if c.shown in ("whole", "nothing") else f"{c.kind}, {c.shown}",
            c.rule, c.objects, " ".join(c.samples),
        )
        for p in one.prospects
        for c in p.changes
    ]  # fmt: skip
    if rows:
        printing.table(["audience", "collection", "change", "rule", "objects", "example"], rows)


@app.command()
def apply(
    files: Files,
    *,
    reason: Reason,
    confirm: Confirm = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Bring policies into force, several in one switch. All are checked, tested and looked at before.

    Policies that would show their partners many objects more (setting `policy_widening`, 100, for all files together) are
    refused until --confirm says how many, as `policy preview` of the same files showed. A partner changes from one policy
    to another by giving both files. When it ends, no request gets an object any more that the new versions withhold, and
    what they allow is visible.
    """
    from cert_exchange.services import policies

    with opened(home) as node:
        checked = _tested(node, files)
        with printing.progress("looking at all objects") as progress:
            over = policies.weigh_together(
                node,
                list(checked.values()),
                most=node.settings.policy_widening,
                confirmed=confirm,
                processes=_processes(),
                progress=progress,
            )
        with printing.progress("applying") as progress:
            done = policies.apply_together(
                node,
                list(checked.values()),
                author=operator(),
                reason=reason,
                over=over,
                progress=progress,
            )
    if as_json:
        printing.document([asdict(applied) for applied in done])
    for applied in done:
        change = "in force" if applied.changed else "was in force already"
        printing.verdict(
            f"{applied.name}: version {applied.version} {change};"
            f" {printing.count(applied.lost, 'object')} taken back, {applied.otherwise:,} shown otherwise,"
            f" {applied.gained:,} released{_replaced(applied)}"
        )


def _replaced(applied: Applied) -> str:
    """That somebody else's version came into force before this one had released all that it gains."""
    if applied.replaced_by is None:
        return ""
    return f"; replaced meanwhile by version {applied.replaced_by}: see `policy history {applied.name}`"


def _checked(node: Node, files: list[Path]) -> dict[Path, Checked | CertExchangeError]:
    """All files, checked as what comes into force together; of each what it is, or what is wrong with it."""
    from cert_exchange.services import policies

    read: dict[Path, Read] = {}
    wrong: dict[Path, CertExchangeError] = {}
    for file in files:
        try:
            read[file] = policies.read_policy(read_text(file), file=str(file), folder=file.parent)
        except (PolicyInvalid, InputRefused, NotFound) as error:
            wrong[file] = error
    found = dict(zip(read, policies.check_together(node, list(read.values())), strict=True))
    return {file: wrong.get(file) or found[file] for file in files}


def _all_right(found: dict[Path, Checked | CertExchangeError]) -> dict[Path, Checked]:
    """The files, where all are right; ends the command where one is wrong."""
    wrong = [one for one in found.values() if isinstance(one, CertExchangeError)]
    if wrong:
        codes = {report(error) for error in wrong}
        raise typer.Exit(codes.pop() if len(codes) == 1 else ExitCode.REFUSED)
    return {file: one for file, one in found.items() if not isinstance(one, CertExchangeError)}


def _tested(node: Node, files: list[Path]) -> dict[Path, Checked]:
    """All files checked and asked what is expected of them; ends the command where one is wrong."""
    from cert_exchange.services import policies

    found = _checked(node, files)
    for file, one in found.items():
        if not isinstance(one, CertExchangeError):
            try:
                tried = policies.try_policy(one.policy, file, now=node.now())
            except InputRefused as error:
                found[file] = error
            else:
                found[file] = PolicyInvalid(tried.broken) if tried.broken else one
    return _all_right(found)


def _processes() -> int:
    """How many processes may look through a large store: one a core, and few, since each reads all the time."""
    return min(os.cpu_count() or 1, 4)


versions.register(app)
