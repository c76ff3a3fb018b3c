"""A reason stands in the ledger for whoever asks later: every command that asks for one wants words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
from tests.cli.conftest import Cli

from cert_exchange.cli.main import app

CHOICES = {"pki revoke"}
"""Here the reason is one of a list's words."""


def asking(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, Any]]:
    """Every command with --reason: its name, itself and the option."""
    for name, child in getattr(command, "commands", {}).items():
        yield from asking(child, (*path, name))
    for option in () if hasattr(command, "commands") else command.params:
        if "--reason" in option.opts:
            yield " ".join(path), command, option


@pytest.mark.parametrize(
    "blank", ["", "  ", "\t\r\n", "\x00\x1b\x7f", "\u200b\u2060\ufeff\u00a0", "\u3164", "-", "..."]
)
def test_no_command_takes_a_reason_without_words(blank: str) -> None:
    """Whatever draws nothing, and marks alone, say nothing; found by walking all commands."""
    found = [one for one in asking(typer.main.get_command(app)) if one[0] not in CHOICES]
    assert len(found) > 25
    for name, command, option in found:
        with pytest.raises(typer.BadParameter) as refused:
            option.process_value(typer.Context(command, info_name=name), blank)
        assert "say why in words" in str(refused.value), name


@pytest.mark.parametrize("words", ["case 17", " причина ", "理由"])
def test_words_of_any_script_are_a_reason(words: str) -> None:
    """What surrounds them is dropped."""
    for name, command, option in asking(typer.main.get_command(app)):
        if name not in CHOICES:
            kept = option.process_value(typer.Context(command, info_name=name), words)
            assert kept == words.strip()


def test_a_blank_reason_changes_nothing(cli: Cli, node_with_b: Path) -> None:
    assert node_with_b.exists()
    ran = cli("freeze", "--all", "--reason", " \t ")
    assert ran.code == 2
    assert "say why in words" in ran.err
    assert cli("frozen").rows() == []
