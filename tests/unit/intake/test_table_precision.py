"""Public tables and lists against what a person read in them (`tests/samples/truth/`, written before the readers)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.tables.profiles import read_profile
from cert_exchange.intake.tables.proposing import propose
from cert_exchange.intake.tables.reading import read_table

SAMPLES = Path(__file__).parents[2] / "samples"
PROFILES = {
    # No header, and only the file's name says that its first column is of certificates: a person states it.
    "sekoia-calisto-certs-emails-ips.csv": "name: calisto\ncolumns: {1: certificate, 2: email, 3: ip}\n",
}
HELD_TO = (
    Kind.MD5,
    Kind.SHA1,
    Kind.SHA256,
    Kind.SHA512,
    Kind.IPV4,
    Kind.IPV6,
    Kind.URL,
    Kind.DOMAIN,
)
BAR = 0.98
FILES = sorted(path.name for path in (SAMPLES / "ioc-lists").iterdir())
Values = set[tuple[str, str]]


def taken(name: str) -> tuple[Values, list[Loss]]:
    raw = (SAMPLES / "ioc-lists" / name).read_bytes()
    profile = read_profile(PROFILES[name], file=name) if name in PROFILES else None
    out = list(read_table([raw], propose(raw, profile=profile)))
    found = {(one.kind.value, one.value) for one in out if isinstance(one, Finding)}
    return found, [one for one in out if isinstance(one, Loss)]


def truth(name: str) -> Values:
    lines = (SAMPLES / "truth" / f"{name}.txt").read_text().splitlines()
    pairs = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {(kind, value) for kind, value in pairs}


def disagreements(name: str, found: Values, true: Values, losses: list[Loss]) -> list[str]:
    """Each with its cause, as far as a loss names it."""
    said = [f"{name}: {kind} {value} is not there" for kind, value in sorted(found - true)]
    for kind, value in sorted(true - found):
        cause = next(
            (f"{one.place} {one.reason}" for one in losses if value in one.what), "no loss names it"
        )
        said.append(f"{name}: {kind} {value} was not found: {cause}")
    return said


@pytest.mark.parametrize("name", FILES)
def test_a_public_list_is_read_as_a_person_reads_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Precision and recall of each kind in each file; every disagreement is printed."""
    found, losses = taken(name)
    true = truth(name)
    said = disagreements(name, found, true, losses)
    for kind in HELD_TO:
        mine = {value for of, value in found if of == kind}
        his = {value for of, value in true if of == kind}
        good = len(mine & his)
        assert not mine or good / len(mine) >= BAR, said
        assert not his or good / len(his) >= BAR, said
    with capsys.disabled():
        for line in said:
            print(line)


def test_the_files_together_hold_enough_of_each_kind() -> None:
    """A bar that one file of three hashes passes would say little."""
    counted = Counter(kind for name in FILES for kind, _ in truth(name))
    assert len(FILES) >= 6
    assert all(
        counted[kind] >= 20
        for kind in (Kind.MD5, Kind.SHA1, Kind.SHA256, Kind.IPV4, Kind.URL, Kind.DOMAIN)
    )


def test_a_disagreement_is_found_with_its_cause() -> None:
    """One value too many, one too few of which a loss speaks: the comparison can fail."""
    losses = [Loss("line 3", "evil.example/x", "is no domain")]
    assert disagreements("x", {("md5", "1")}, {("domain", "evil.example/x")}, losses) == [
        "x: md5 1 is not there",
        "x: domain evil.example/x was not found: line 3 is no domain",
    ]
