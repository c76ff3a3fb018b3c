"""The house rules as programs (STYLE 14-15): each rule has a test beside it that shows the rule can fail."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "cert_exchange"

SHORTEST, LONGEST = 80, 350
SMALL = {
    "intake/reports/reading.py": "the door of one room",
    "intake/reports/publishers.py": "one list and its question",
    "intake/batches.py": "the values that building and taking share",
    "services/taking/generations.py": "one question about ids",
    "services/taking/together.py": "the two walks of one command",
    "services/releasing/made_for.py": "one question about observables",
    "services/taking/chunks.py": "the values that walking, showing and storing share",
    "intake/refanging.py": "one question about a text",
    "intake/findings.py": "the values that every reader hands on, and nothing that works on them",
    # A module may be shorter than 80 lines where this table says why.
    "cli/delisting.py": "one command",
    "outputs/passing.py": "two formats that hand on what they got",
    "outputs/rule_options.py": "one list and its question",
    "outputs/yara/modules.py": "one table",
    "policy/cautions.py": "the words of warnings, which several rooms share",
    "policy/lives.py": "one table and how a file changes it",
    "policy/recalls.py": "one choice of three words, by partner",
    "services/recalled.py": "one question about what was taken back",
    "services/called.py": "one question: what our people call an id",
    "policy/stating.py": "one question about an object",
    "services/publishing/doubting.py": "one thing that a batch may bring",
    "services/publishing/recording.py": "one ledger line",
    "services/answering/unshown.py": "one question about an answer",
    "services/releasing/fetched.py": "one question about the logs, which whoever takes back asks",
    "store/tables/doubts.py": "one table",
    "store/tables/stated.py": "one table",
    "messages/due_times.py": "one question: when an answer to another desk is overdue",
    "services/requesting/counting.py": "one question: which word is the last",
    "messages/notes.py": "one form of a note, which notices and requests share",
    "client/feeds.py": "one request that is no TAXII",
    "services/syncing/leasing.py": "one way to hold a channel",
    "services/syncing/statuses.py": "one value, kept in a row",
    "client/showing.py": "what a program shows of itself, for both doors",
    "cli/arriving.py": "one command",
    "cli/collections.py": "two commands",
    "cli/exchanging.py": "one command",
    "cli/files.py": "what a person names on disk, read and written in one way",
    "cli/keeping.py": "two commands",
    "cli/taken.py": "one document",
    "logs.py": "one set-up",
    "outputs/entries.py": "the values that writers are given and give back",
    "outputs/lists.py": "one format",
    "outputs/misp/levels.py": "one question: who may see what of an event",
    "outputs/tables.py": "one format, for two kinds of readers",
    "stix/alternatives.py": "one question about a pattern",
    "policy/expressions/patterns.py": "the door to one engine",
    "policy/pointing.py": "a fact that rules look at, and its three words",
    "policy/redaction/needing.py": "one walk, which two questions share",
    "policy/redaction/vocabulary.py": "one list of words",
    "remote/held_files.py": "one value",
    "services/policies/gaining.py": "the third step of applying",
    "services/collecting.py": "one question: when Python looks for cycles",
    "services/discovering.py": "four sentences about a server that DNS names",
    "services/locating.py": "two sentences about how terms may name a partner",
    "services/doctoring/certificates.py": "two choices of one list of findings",
    "services/doctoring/logging_in.py": "one question: how a partner logs in",
    "services/partners/using.py": "one thing that is written beside requests",
    "services/doctoring/evidence.py": "three findings about one subject",
    "services/carrying/listing.py": "two questions about one table",
    "services/deliveries/doubting.py": "one sentence",
    "store/tables/carrying.py": "one table",
    "services/doctoring/signed.py": "one look, as `forgotten`",
    "services/doctoring/findings.py": "one value that two rooms make",
    "peering/clerk.py": "one thing that a process beside a server does",
    "taxii/receiver.py": "one thing that a process beside a server does",
    "peering/resources.py": "one line for each resource",
    "messages/key_lists.py": "one document, written and read",
    "remote/peering.py": "two verbs",
    "intake/reports/common_places.py": "one question: what every machine has",
    "intake/reports/network_rules.py": "one question: where a rule of Snort begins and ends",
    "services/doctoring/forgotten.py": "what an erasure left behind, as findings",
    "services/policies/companions.py": "one sentence: the files that a policy names are read",
    "services/policies/counting.py": "one sentence: the lines of an edit counted as objects",
    "services/policies/widening.py": "one question: whether a rendition says more than the one in force",
    "services/policies/leavings.py": "one array of numbers",
    "services/exercises.py": "one question: whether a version is of an exercise",
    "services/feeding/exporting.py": "one sentence: a view in the formats of feeds",
    "services/legal_holds.py": "three sentences about one table",
    "services/ledger/erased.py": "one comparison: what the ledger says was erased against the rows",
    "services/ledger/recording.py": "write and seal, which every service needs; verifying has its own room",
    "services/publishing/declining.py": "four answers",
    "services/publishing/approving.py": "one question: whether what comes in waits for a person",
    "services/publishing/refusing.py": "two sentences about what is not taken",
    "services/reaching.py": "one question",
    "services/revocation_lists.py": "one question",
    "services/ledger/proving.py": "one sentence",
    "services/syncing/receipting.py": "one sentence",
    "services/syncing/churning.py": "one question: whether a server gives the same things new ids",
    "store/rehearsal.py": "one verb",
    "services/gating/hearing.py": "one connection that remembers",
    "cli/proving.py": "one command",
    "services/releasing/dating.py": "one sentence of the worker",
    "services/releasing/drafting.py": "one value, and how it is written",
    "services/releasing/repeating.py": "one sentence: notices before what they name",
    "services/releasing/ending.py": "the end of what deriving makes",
    "services/releasing/governing.py": "what newer versions say of older ones, which judging, deriving and arranging share",
    "services/releasing/issuing.py": "one step between settling and writing",
    "services/publishing/obeying.py": "one sentence: a partner's notice is carried out",
    "services/doctoring/asked.py": "one sentence",
    "services/doctoring/reviews.py": "one sentence",
    "services/doctoring/feeds.py": "one sentence",
    "services/feeding/opening.py": "one question: who reads a feed",
    "services/feeding/watching.py": "one question: what our people should know of feeds",
    "services/doctoring/answers.py": "two findings about one subject",
    "services/answering/fetching.py": "one question: whether an answer got to whom it is for",
    "services/publishing/unfolding.py": "one question: which versions notes propose",
    "services/publishing/standing_in.py": "one question: which original a line stands for",
    "services/syncing/notifying.py": "what a target cannot delete for us, in one place",
    "services/timekeeping.py": "one sentence",
    "services/sighting.py": "one sentence",
    "store/handed_in.py": "one condition",
    "stix/objects.py": "one value",
    "stix/rules/advice.py": "the SHOULD rules, which never refuse",
    "signing_keys.py": "one file",
    "messages/sealed_answers.py": "one box: closed for one reader, and opened",
    "services/doctoring/introductions.py": "one sentence",
    "services/doctoring/beating.py": "one sentence",
    "services/introducing/answering.py": "one answer",
    "services/selftest/causes.py": "one table and its question",
    "services/beating/beats.py": "one object",
    "services/beating/arranging.py": "one sentence",
    "services/introducing/outliving.py": "one question: what of before lives on after a new set-up",
    "store/tables/introductions.py": "two tables of one subject",
    "store/tables/lives.py": "tables of one subject",
    "store/blocks.py": "one table and one column of another",
    "store/bulk.py": "one way to insert many rows",
    "store/companions.py": "two tables of one subject",
    "store/epochs.py": "one fact and its rule",
    "store/facts.py": "one table",
    "store/handling_dates.py": "one table, written and read",
    "store/migrations/env.py": "what Alembic asks for",
    "store/movers.py": "two questions about one change",
    "store/pages/shapes.py": "rows and pages as values",
    "store/planning.py": "one query",
    "store/poll_notes.py": "one table",
    "store/pseudonyms.py": "one table",
    "store/recovery.py": "one step at the start",
    "store/submissions.py": "one table",
    "store/tables/checkpoints.py": "tables of one subject",
    "store/tables/deliveries.py": "tables of one subject",
    "store/tables/derived.py": "two tables of one subject",
    "store/tables/erasure.py": "tables of one subject",
    "store/tables/feeds.py": "tables of one subject",
    "store/tables/epochs.py": "two tables",
    "store/tables/notices.py": "tables of one subject",
    "store/tables/pki.py": "two tables of one subject",
    "store/tables/record.py": "tables of one subject",
    "store/tables/schema.py": "what all tables share",
    "store/tables/screening.py": "three tables",
    "store/tables/terms.py": "two tables of one subject",
    "store/untold.py": "one table",
    "taxii/allowance.py": "one bucket",
    "taxii/buckets.py": "one file of numbers",
}
FORBIDDEN_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "base",
    "manager",
    "managers",
    "misc",
    "core",
    "lib",
}
CLI_MAY_IMPORT = {
    "cli",
    "errors",
    "http",
    "logs",
    "messages",
    "node",
    "services",
    "settings",
    "stix",
    "worker",
}


def modules() -> list[Path]:
    """Every module of the package but `__init__` and migrations."""
    return [
        path
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name != "__init__.py" and "versions" not in path.parts
    ]


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows, or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def lengths_out_of_bounds(lengths: dict[str, int], small: dict[str, str]) -> list[str]:
    return [
        f"{name}: {lines} lines"
        for name, lines in lengths.items()
        if lines > LONGEST or (lines < SHORTEST and name not in small)
    ]


def test_no_module_outgrows_its_room() -> None:
    """80 to 350 lines: a longer module becomes a folder of its name, a shorter one says why it stands alone."""
    lengths = {str(p.relative_to(SOURCE)): len(p.read_text().splitlines()) for p in modules()}
    assert lengths_out_of_bounds(lengths, SMALL) == []


def test_the_length_rule_can_fail() -> None:
    """Too long is found, and too short unless a reason stands in the table."""
    assert lengths_out_of_bounds({"a.py": 351, "b.py": 12, "c.py": 12}, {"c.py": "small"}) == [
        "a.py: 351 lines",
        "b.py: 12 lines",
    ]


def test_rooms_are_named_by_their_subject() -> None:
    """No module is called utils or the like: such a room holds everything."""
    found = [p for p in modules() if {p.stem, *p.relative_to(SOURCE).parts[:-1]} & FORBIDDEN_NAMES]
    assert found == []


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_module_opens_with_what_it_is(path: Path) -> None:
    """Each module has a docstring that says what it is and which rules it keeps."""
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring is not None
    assert len(docstring) > 20


UNFINISHED = re.compile(
    r"\b(TODO|FIXME|XXX|NotImplementedError|pytest\.skip|mark\.skip|mark\.xfail)\b"
)


def test_nothing_is_left_unfinished() -> None:
    """No note of work to do, no stub, no skipped test is committed."""
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("*.py", "Makefile", ".ci/run")
        if path != here
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert found == []


EXCUSE = re.compile(
    r"#\s*(?:noqa|type:\s*ignore)(?P<codes>:?\s*\[?[A-Za-z0-9_, -]*\]?)(?P<reason>.*)$"
)


def unexplained(line: str) -> bool:
    """Tell whether a line switches a check off without saying which one and why."""
    match = re.search(r"#\s*(noqa|type:\s*ignore)\b", line)
    if match is None:
        return False
    rest = line[match.end() :]
    coded = re.match(r"(:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*|\[[a-z-]+(,\s*[a-z-]+)*\])", rest)
    if coded is None:
        return True
    reason = re.sub(
        r"#\s*(noqa:\s*[A-Z0-9, ]+|type:\s*ignore\[[a-z, -]+\])", "", rest[coded.end() :]
    )
    return len(re.sub(r"[^A-Za-z]", "", reason)) < 8


def test_every_exception_from_a_check_has_its_reason_beside_it() -> None:
    """`noqa` and `type: ignore` name the rule and say why."""
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked("*.py")
        if path != here
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if unexplained(line)
    ]
    assert found == []


def test_the_exception_rule_can_fail() -> None:
    """A bare switch and one without words are found; one with both is not."""
    assert unexplained("x = 1  # noqa")
    assert unexplained("x = 1  # noqa: BLE001")
    assert unexplained("x = 1  # type: ignore[arg-type]")
    assert not unexplained("x = 1  # noqa: BLE001 - the door of the program")
    assert not unexplained("x = 1  # type: ignore[arg-type]  # the library's stub is wrong")


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_checks_are_as_strict_as_we_say() -> None:
    """mypy is strict over all of src and the benchmark, ruff has every rule on, warnings fail tests."""
    tool = project()["tool"]
    assert isinstance(tool, dict)
    assert tool["mypy"]["strict"] is True
    assert tool["mypy"]["files"] == ["src", "benchmarks", "examples"]
    assert tool["ruff"]["lint"]["select"] == ["ALL"]
    assert tool["ruff"]["line-length"] == 100
    assert tool["pytest"]["ini_options"]["filterwarnings"][0] == "error"


def test_the_import_rules_of_the_design_are_in_force() -> None:
    """import-linter holds the layers, the order inside services, and what the command line may not touch."""
    tool = project()["tool"]
    assert isinstance(tool, dict)
    contracts = {contract["name"]: contract for contract in tool["importlinter"]["contracts"]}
    layers = [
        {room.strip(" ()") for room in layer.split("|")}
        for layer in contracts["Imports go down only"]["layers"]
    ]
    assert layers == [
        {"cli"},
        {"http", "worker", "client"},
        {"peering"},
        {"taxii"},
        {"web"},
        {"services"},
        {"node"},
        {"store", "remote", "settings", "vault"},
        {"outputs"},
        {"intake"},
        {"policy"},
        {"messages"},
        {"stix"},
        {"errors"},
    ]
    assert "Inside services" in contracts
    cli = contracts["The command line calls services, never the store or the policy engine"]
    assert {"cert_exchange.store", "cert_exchange.policy"} <= set(cli["forbidden_modules"])


def imported_rooms(source: str) -> set[str]:
    """Name the rooms of the package that a module imports from, wherever the import stands."""
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [node.module]
                if node.module != "cert_exchange"
                else [f"cert_exchange.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms.update(name.split(".")[1] for name in names if name.startswith("cert_exchange."))
    return rooms


@pytest.mark.parametrize("path", sorted((SOURCE / "cli").glob("*.py")), ids=lambda p: p.stem)
def test_the_command_line_is_thin(path: Path) -> None:
    """A command calls services and prints: no SQL, no policy engine, no sockets of its own."""
    assert imported_rooms(path.read_text()) <= CLI_MAY_IMPORT
    assert "sqlalchemy" not in path.read_text()


def test_the_thinness_rule_can_fail() -> None:
    """An import inside a function counts as well."""
    source = "def f():\n    from cert_exchange.store import tables\n    import cert_exchange.policy.decide\n"
    assert imported_rooms(source) == {"store", "policy"}


def test_no_file_names_the_host_of_a_package_registry() -> None:
    """Where packages come from is the machine's own setting: a mirror must work without a change here."""
    hosts = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("deb", "debian", "org"),
        )
    ]
    found = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked(
            "*.py",
            "*.toml",
            "*.lock",
            "*.md",
            "*.yaml",
            "*.yml",
            "*.cfg",
            "Makefile",
            ".ci/run",
            "*.json",
        )
        if path.stat().st_size < 2_000_000 and "samples" not in path.parts
        for host in hosts
        if host in path.read_text(errors="replace")
    ]
    assert found == []


def test_the_lock_pins_every_package_by_hash() -> None:
    """`--require-hashes` installs exactly these files, and the editable build needs nothing from outside."""
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements.lock").read_text())
    assert [
        entry.split()[0] for entry in entries if "--hash=sha256:" not in entry or "==" not in entry
    ] == []
    names = {re.split(r"[=\[ ]", entry)[0] for entry in entries}
    assert {"hatchling", "editables", "pytest", "sqlalchemy"} <= names


def makefile_targets() -> dict[str, str]:
    return dict(
        re.findall(r"^([a-z-]+):.*?## (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )


def test_the_readme_names_the_commands_that_there_are() -> None:
    """Each `make` command of the README is a target with a help text, and no target is kept from the reader."""
    shown = set(re.findall(r"^\$ make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert shown == set(makefile_targets())


def test_every_dependency_is_explained() -> None:
    """docs/dependencies.md says of each package that we name what it is for, why this one, and its licence."""
    described = project()
    groups = described["dependency-groups"]
    main = described["project"]
    assert isinstance(groups, dict)
    assert isinstance(main, dict)
    extras = [line for lines in main.get("optional-dependencies", {}).values() for line in lines]
    named = {
        re.split(r"[>=<\[]", line)[0] for line in [*main["dependencies"], *extras, *groups["dev"]]
    } - {main["name"]}
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "dependencies.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| package", "| ---"))
    ]
    assert {row[0] for row in rows} == named
    assert [row for row in rows if len(row) != 4 or not all(row)] == []


LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", tracked("*.md"), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_link_in_the_documents_leads_nowhere(path: Path) -> None:
    """Every relative link in a document of ours points to a file that is there."""
    if "samples" in path.parts:
        return
    broken = [
        target for target in LINK.findall(path.read_text()) if not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_setting_is_explained_with_its_default() -> None:
    """docs/operating.md has one row for each setting, and says the default that the program has."""
    from cert_exchange.settings import Settings

    text = (ROOT / "docs" / "operating.md").read_text()
    table = text.partition("| setting |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| ([a-z_]+) \| ([^|]+) \|", table, re.MULTILINE))
    assert set(rows) == set(Settings.model_fields)
    written = {
        name: str(f.default)
        for name, f in Settings.model_fields.items()
        if rows[name].strip() == str(f.default)
    }
    without = {
        name
        for name, f in Settings.model_fields.items()
        if f.is_required() or f.default in (None, "")
    }
    assert set(written) | without == set(rows)


@pytest.mark.parametrize("name", ["README.md", "docs/operating.md"])
def test_the_documents_name_commands_and_options_that_there_are(name: str) -> None:
    """Every `cert-exchange ...` line of a console block is a command, with options that it has."""
    import typer.main

    from cert_exchange.cli.main import app

    text = (ROOT / name).read_text().replace("\\\n", " ")
    lines = re.findall(r"^\$ cert-exchange (.*)$", text, re.MULTILINE)
    assert lines
    whole = typer.main.get_command(app)
    for line in lines:
        words = line.partition("#")[0].split()
        command = whole
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {opt for one in command.params for opt in (*one.opts, *one.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, line
