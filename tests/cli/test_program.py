"""The program as a whole: codes, output, help, what it imports."""

from __future__ import annotations

import inspect
import json
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, bundle, indicator

from cert_exchange import errors
from cert_exchange.cli import exits, printing, reference

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).parent / "cert-exchange"


def test_the_reference_says_what_the_program_says() -> None:
    """docs/cli.md is what `python -m cert_exchange.cli.reference` writes."""
    assert (ROOT / "docs" / "cli.md").read_text() == reference.write()


def tree(root: type[errors.CertExchangeError]) -> list[type[errors.CertExchangeError]]:
    return [root, *(below for kind in root.__subclasses__() for below in tree(kind))]


@pytest.mark.parametrize("kind", tree(errors.CertExchangeError)[1:], ids=lambda k: k.__name__)
def test_every_error_has_its_exit_code(kind: type[errors.CertExchangeError]) -> None:
    """No member of the tree ends as a fault of the program."""
    given = {name for name in inspect.signature(kind.__init__).parameters if name != "self"}
    if "problems" in given:
        error = errors.PolicyInvalid(())
    elif "retry_after" in given and "remote_status" not in given:
        error = errors.TooManyRequests(1)
    elif "remote_status" in given:
        error = errors.RemoteRefused(remote_status=503)
    else:
        error = kind("x")
    assert exits.code_of(error) is not exits.ExitCode.FAULT


def test_help_and_mistakes_come_at_once() -> None:
    """Help imports neither database, policy engine nor HTTP: those take a second."""
    probe = (
        "import sys; sys.argv = ['cert-exchange', '--help']\n"
        "from cert_exchange.cli import main\n"
        "try:\n    main.run()\nexcept SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'fastapi', 'uvicorn', 'pydantic', 'cryptography', 'rich.table'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))\n"
    )
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "HEAVY []"


def test_a_command_loads_nothing_that_it_does_not_ask(home: Path) -> None:
    """The evaluator of expressions (with its own command line), the schema validator and HTTP wait for who needs them."""
    probe = (
        "import sys; from cert_exchange.cli import main\n"
        "try:\n    main.run()\nexcept SystemExit as ended: assert not ended.code\n"
        "print('HEAVY', sorted({'cel', 'prompt_toolkit', 'jsonschema_rs', 'requests', 'uvicorn'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", probe, "status", "--home", home]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["--help"], 0),
        (["publish"], 2),
        (["no-such-command"], 2),
        (["search", "--limit", "0"], 2),
    ],
    ids=["version", "help", "missing-argument", "unknown-command", "bad-option"],
)
def test_usage_has_its_own_code(cli: Cli, arguments: list[str], code: int) -> None:
    """2 means the command line itself, and says how it goes."""
    ran = cli(*arguments)
    assert ran.code == code
    assert "Traceback" not in ran.err
    if code:
        assert "Usage" in ran.err


def test_a_reader_that_goes_away_is_no_fault(cli: Cli, node_with_b: Path) -> None:
    """`cert-exchange search | head` ends quietly."""
    cli(
        "publish", "-", stdin=bundle(*(indicator(n, description="x" * 2000) for n in range(1, 200)))
    )
    piped = f'"{PROGRAM}" search --home "{node_with_b}" --limit 1000 --json | head -n 1'
    ran = subprocess.run(["/bin/sh", "-c", piped], capture_output=True, text=True, check=False)
    assert ran.stdout == "[\n"
    assert "fault" not in ran.stderr


def test_a_locale_without_unicode_turns_no_name_into_a_crash(cli: Cli, node_with_b: Path) -> None:
    """In an ASCII locale names in other scripts are escaped."""
    cli("publish", "-", stdin=bundle(indicator(1, name="Снегопад 雪")))
    for locale in ("C", "POSIX", "C.UTF-8"):
        ran = subprocess.run(
            [PROGRAM, "search", "--home", node_with_b, "--type", "indicator"],
            env={
                "LC_ALL": locale,
                "PYTHONUTF8": "0",
                "PYTHONCOERCECLOCALE": "0",
                "PATH": "/usr/bin:/bin",
            },
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert indicator(1)["id"].encode() in ran.stdout


def test_a_fault_of_ours_owns_up_without_a_traceback(
    cli: Cli, node_with_b: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 70 and a sentence; the traceback only when asked for."""
    (node_with_b / "collections").rename(node_with_b / "moved")
    (node_with_b / "exchange.db").write_bytes(
        b"no database at all, but long enough to be read as one" * 100
    )
    ran = cli("status")
    assert ran.code in (exits.ExitCode.TEMPORARY, exits.ExitCode.FAULT)
    assert "Traceback" not in ran.err
    assert "next:" in ran.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202eevil", "\\u202eevil"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\x9b1m", "\\x9b1m"),
        ("lone \ud800", "lone \\ud800"),
        ("Снегопад 雪 🦠", "Снегопад 雪 🦠"),
    ],
    ids=["escape", "line-ends", "override", "zero-width", "c1", "surrogate", "harmless"],
)
def test_dangerous_signs_are_shown_not_obeyed(text: str, shown: str) -> None:
    """One line of a partner's text stays one line, in its own direction, without control."""
    assert printing.plain(text) == shown


def test_json_survives_dangerous_signs(capsys: pytest.CaptureFixture[str]) -> None:
    """The document says the same, in escapes."""
    value = {"a": "\x1b\u202e\x9b\u2028 雪"}
    printing.document(value)
    out = capsys.readouterr().out
    assert not set(out) & {"\x1b", "\u202e", "\x9b", "\u2028"}
    assert json.loads(out) == value


def test_a_table_in_a_pipe_is_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Cells hold no tab and no line end, so that `cut` finds its columns."""
    printing.table(["a", "b"], [("x\ty\nz", None), (1234567, True)])
    assert capsys.readouterr().out == "a\tb\nx\\ty\\nz\t\n1234567\tTrue\n"


def served(home: Path, **changed: object) -> subprocess.CompletedProcess[str]:
    """Start `serve` with settings that cannot work; it ends by itself."""
    lines = [
        line
        for line in (home / "node.yaml").read_text().splitlines()
        if line.partition(":")[0] not in changed
    ]
    (home / "node.yaml").write_text("\n".join([*lines, *(f"{k}: {v}" for k, v in changed.items())]))
    return subprocess.run(
        [PROGRAM, "serve", "--no-worker", "--home", home],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_serve_says_why_it_cannot_listen(home: Path) -> None:
    """A port that is taken, TLS files that are not there, an open address without TLS: one sentence each, code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = served(home, port=taken.getsockname()[1])
    assert (ran.returncode, "cannot listen on 127.0.0.1" in ran.stderr) == (1, True)
    ran = served(home, port=0, tls_certificate="none.pem", tls_key="none.key")
    assert (ran.returncode, "none.pem" in ran.stderr, "Traceback" in ran.stderr) == (1, True, False)
    (home / "node.yaml").write_text(
        "\n".join(
            line for line in (home / "node.yaml").read_text().splitlines() if "tls" not in line
        )
    )
    ran = served(home, host="0.0.0.0")
    assert (ran.returncode, "tls_certificate" in ran.stderr) == (1, True)


def test_on_a_terminal_a_table_is_drawn_and_ids_stay_whole(cli: Cli, node_with_b: Path) -> None:
    """A person gets columns; a partner's escape sequence is not among those that draw them."""
    cli("publish", "-", stdin=bundle(indicator(1, name="evil \x1b[2J text")))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [PROGRAM, "search", "--home", node_with_b, "--type", "indicator"],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={"TERM": "xterm", "COLUMNS": "120", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    ) as running:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert running.returncode == 0
    assert indicator(1)["id"].encode() in shown
    assert "─".encode() in shown
    assert b"evil \\x1b[2J text" in shown
    assert b"\x1b[2J" not in shown
