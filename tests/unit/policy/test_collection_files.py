"""Files of collections: what they mean, and what is wrong with them alone and together."""

from __future__ import annotations

import hashlib

import pytest

from cert_exchange.errors import PolicyInvalid
from cert_exchange.policy.collections import (
    CollectionFile,
    parse_collection,
    problems_of_collections,
)

UUID = "1fb3569d-497f-48ac-a1b9-50c29e9c31ee"
OTHER = "a80bf269-f1bd-492d-b9a0-50549d289fd6"


def text(**given: str) -> str:
    values = {"id": UUID, "title": "Indicators", "read": "[cert-b]", "write": "[]", **given}
    return "".join(f"{key}: {value}\n" for key, value in values.items())


def mistakes(source: str) -> list[str]:
    with pytest.raises(PolicyInvalid) as caught:
        parse_collection(source, file="c.yaml")
    return [str(problem).removeprefix("c.yaml:") for problem in caught.value.problems]


def made(file: str, **given: str) -> CollectionFile:
    return parse_collection(text(**given), file=file)


def test_a_file():
    """Every key arrives as a plain value, with the digest of the text."""
    source = text(alias="indicators", description="For detection", write="[cert-b, cert-c]")
    found = parse_collection(source, file="c.yaml")
    assert (found.uuid, found.title, found.alias) == (UUID, "Indicators", "indicators")
    assert found.description == "For detection"
    assert (found.read, found.write) == (("cert-b",), ("cert-b", "cert-c"))
    assert found.digest == hashlib.sha256(source.encode()).digest()
    assert made("c.yaml").alias is None
    assert made("c.yaml").description is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"id": UUID.upper()},
            "is no id of a collection; write a UUID of version 4 in small letters",
        ),
        ({"id": "12592121-be4c-5a93-a813-5a5af16e50db"}, "is no id of a collection"),
        ({"id": "indicators"}, '1:5: "indicators" is no id of a collection'),
        ({"id": "7"}, "1:5: 7 is no id of a collection"),
        ({"title": '""'}, '"" is no name; write 1 to 250 printable characters'),
        ({"alias": OTHER}, f'5:8: the alias "{OTHER}" looks like a UUID'),
        ({"alias": OTHER.upper()}, "looks like a UUID"),
        ({"alias": OTHER.replace("-", "")}, "looks like a UUID"),
        ({"alias": "a b"}, '"a b" is no alias'),
        ({"alias": "../etc"}, '"../etc" is no alias'),
        ({"read": "cert-b"}, 'read is "cert-b"; write a list of partners\' names; [] means nobody'),
        ({"read": ""}, "3:1: read is empty; give a value or leave it out"),
        ({"read": "[CERT B]"}, '3:8: "CERT B" is no partner\'s name'),
        ({"write": "[cert-b, cert-b]"}, '4:17: partner "cert-b" stands twice; keep one'),
        ({"raed": "[]"}, "5:1: unknown key raed; did you mean read?"),
    ],
)
def test_a_mistake(given: dict[str, str], said: str):
    """With its place, what was found and what may stand there."""
    found = mistakes(text(**given))
    assert len(found) == 1
    assert said in found[0]


def test_rights_are_never_left_out_by_accident():
    """Both lists must be given; [] is how nobody is spelled."""
    assert mistakes(f"id: {UUID}\ntitle: T\n") == [
        "1:1: read is missing; write a list of partners' names; [] means nobody",
        "1:1: write is missing; write a list of partners' names; [] means nobody",
    ]


def test_files_together():
    """Ids, titles and aliases are unique, whatever their letter case; partners exist."""
    files = [
        made("a.yaml", alias="x", write="[cert-b]"),
        made("b.yaml", alias="y", title="INDICATORS"),
        made("c.yaml", id=OTHER, alias="x", title="Reports", read="[cert-b, cert-x]"),
    ]
    assert [str(one) for one in problems_of_collections(files, {"cert-b", "cert-c"})] == [
        f'b.yaml:1:5: the id "{UUID}" is also in a.yaml; change one',
        'b.yaml:2:8: the title "INDICATORS" is also in a.yaml; change one',
        'c.yaml:3:16: unknown partner "cert-x"; did you mean cert-c?',
        'c.yaml:5:8: the alias "x" is also in a.yaml; change one',
    ]
    lonely = problems_of_collections(files[:1], ())
    assert "add it with `cert-exchange partner add`" in lonely[0].message
    assert (
        problems_of_collections([files[0], made("d.yaml", id=OTHER, title="D")], {"cert-b"}) == ()
    )
