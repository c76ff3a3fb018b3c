"""Values as STIX patterns and as cyber-observables, and back.

1. Text is escaped exactly once (CASES I21): `values_of(pattern_of(values))` gives the values again.
2. Several values are joined by OR in one observation: any of them is enough.
3. A network is `ISSUBSET`: with `=` only the very text of the network would match.
4. A file path is its name in its folder, joined by AND; a path that ends with a separator is a folder.
5. Not every kind has both: a user agent, and a URL without its scheme, has no observable, a rule no STIX pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cert_exchange.intake.findings import Kind
from cert_exchange.stix.observables import deterministic_id
from cert_exchange.stix.patterns import Comparison, PatternInvalid, comparisons

HASHES: Final[Mapping[Kind, str]] = {
    Kind.MD5: "MD5",
    Kind.SHA1: "SHA-1",
    Kind.SHA256: "SHA-256",
    Kind.SHA512: "SHA-512",
    Kind.SSDEEP: "SSDEEP",
    Kind.TLSH: "TLSH",
}
"""The words of STIX's hash-algorithm-ov."""

RULES: Final[Mapping[Kind, str]] = {Kind.SNORT: "snort", Kind.SIGMA: "sigma", Kind.YARA: "yara"}
"""Kinds that are whole rules, with their `pattern_type`."""

_USER_AGENT: Final = ("extensions", "http-request-ext", "request_header", "User-Agent")
_PATHS: Final[Mapping[Kind, tuple[str, tuple[str, ...]]]] = {
    Kind.IPV4: ("ipv4-addr", ("value",)),
    Kind.IPV6: ("ipv6-addr", ("value",)),
    Kind.DOMAIN: ("domain-name", ("value",)),
    Kind.URL: ("url", ("value",)),
    Kind.EMAIL: ("email-addr", ("value",)),
    **{kind: ("file", ("hashes", word)) for kind, word in HASHES.items()},
    Kind.FILE_NAME: ("file", ("name",)),
    Kind.REGISTRY_KEY: ("windows-registry-key", ("key",)),
    Kind.MUTEX: ("mutex", ("name",)),
    Kind.USER_AGENT: ("network-traffic", _USER_AGENT),
    Kind.MAC: ("mac-addr", ("value",)),
    Kind.ASN: ("autonomous-system", ("number",)),
}
_KINDS: Final = {path: kind for kind, path in _PATHS.items()}
_CERTIFICATE: Final = "x509-certificate"
_CERTIFICATE_HASHES: Final = {40: "SHA-1", 64: "SHA-256"}
_FOLDER: Final = ("parent_directory_ref", "path")
_PLAIN_NAME: Final = re.compile(r"[a-z][a-z0-9_]*+|MD5|SSDEEP|TLSH")


def escaped(text: str) -> str:
    """Text between the quotes of a pattern (STIX 2.1 section 9.2)."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def pattern_of(values: Iterable[tuple[Kind, str]]) -> str | None:
    """The pattern that any one of these normalised values matches; None where none of them has one.

    A value of kind `pattern` is a pattern already and stands for itself: alone, or joined to the others by OR.
    """
    whole: list[str] = []
    compared: list[str] = []
    for kind, value in values:
        if kind is Kind.PATTERN:
            whole.append(value)
        elif (one := _comparison(kind, value)) is not None:
            compared.append(one)
    compared = list(dict.fromkeys(compared))
    if len(compared) == 1:
        whole.append(
            f"[{compared[0].removeprefix('(').removesuffix(')')}]"
            if compared[0][0] == "("
            else f"[{compared[0]}]"
        )
    elif compared:
        whole.append(f"[{' OR '.join(compared)}]")
    whole = list(dict.fromkeys(whole))
    if len(whole) > 1:
        return " OR ".join(f"({one})" if " " in one else one for one in whole)
    return whole[0] if whole else None


def values_of(pattern: str) -> tuple[tuple[Kind, str], ...] | None:
    """The values of a pattern as `pattern_of` writes it; None for any other pattern. Never raises."""
    try:
        found = comparisons(pattern, version="2.1")
    except PatternInvalid:
        return None
    path = _path_of(found)
    if path is not None:
        values: tuple[tuple[Kind, str], ...] = ((Kind.FILE_PATH, path),)
    else:
        read = [_value(one) for one in found]
        values = tuple(one for one in read if one is not None)
        if len(values) != len(read):
            return None
    # Whatever else the text says (AND, a qualifier, a comment), it is not what we write.
    return values if pattern_of(values) == pattern else None


def observables_of(values: Iterable[tuple[Kind, str]]) -> tuple[dict[str, Any], ...]:
    """The cyber-observables that these values are, with their ids by STIX 2.9, what is referred to first.

    Hashes and the first file name together are one file, unless one algorithm stands there twice.
    """
    files: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    name: str | None = None
    for kind, value in values:
        if kind in HASHES:
            word = HASHES[kind]
            one = next((f for f in files if word not in f["hashes"]), None)
            if one is None:
                files.append(one := {"type": "file", "hashes": {}})
            one["hashes"][word] = value
        elif kind is Kind.FILE_NAME and name is None:
            name = value
        else:
            found += _observables(kind, value)
    if name is not None:
        if files:
            files[0]["name"] = name
        else:
            files.append({"type": "file", "name": name})
    return tuple(_named(one) for one in (*files, *found))


def has_observable(kind: Kind, value: str = "") -> bool:
    """Whether this is something that can be observed as such. A URL needs its scheme for that (STIX 6.15)."""
    if kind is Kind.URL:
        return not value or "://" in value
    return kind not in RULES and kind not in {
        Kind.PATTERN,
        Kind.USER_AGENT,
        Kind.VULNERABILITY,
        Kind.TECHNIQUE,
    }


def _comparison(kind: Kind, value: str) -> str | None:
    if kind is Kind.FILE_PATH:
        return _path_comparison(value)
    if kind is Kind.CERTIFICATE:
        if len(value) not in _CERTIFICATE_HASHES:
            return None  # read from a pattern of somebody else
        return f"{_CERTIFICATE}:hashes.'{_CERTIFICATE_HASHES[len(value)]}' = '{value}'"
    if kind not in _PATHS:
        return None
    stix_type, path = _PATHS[kind]
    where = ".".join(one if _PLAIN_NAME.fullmatch(one) else f"'{one}'" for one in path)
    if kind is Kind.ASN:
        return f"{stix_type}:{where} = {value.removeprefix('AS')}"
    operator = "ISSUBSET" if kind in {Kind.IPV4, Kind.IPV6} and "/" in value else "="
    return f"{stix_type}:{where} {operator} '{escaped(value)}'"


def _split(path: str) -> tuple[str, str, str]:
    """Folder, separator, name."""
    separator = "\\" if "\\" in path else "/"
    folder, _, name = path.rpartition(separator)
    return folder, separator, name


def _folder(folder: str, separator: str) -> str:
    """What a folder is called. One directly under a root keeps its separator, or nobody could tell which it was."""
    if separator in folder and not folder.endswith((separator, ":")):
        return folder
    return folder + separator


def _path_comparison(path: str) -> str:
    folder, separator, name = _split(path)
    if not name:
        return f"directory:path = '{escaped(path)}'"
    where = _folder(folder, separator)
    return (
        f"(file:name = '{escaped(name)}' AND file:parent_directory_ref.path = '{escaped(where)}')"
    )


def _path_of(found: tuple[Comparison, ...]) -> str | None:
    if len(found) == 1 and (found[0].type, found[0].path) == ("directory", ("path",)):
        return found[0].values[0]
    if len(found) != 2 or any(one.type != "file" or one.operator != "=" for one in found):
        return None
    name, folder = found
    if name.path != ("name",) or folder.path != _FOLDER:
        return None
    where = folder.values[0]
    separator = "\\" if "\\" in where else "/"
    return f"{where.removesuffix(separator)}{separator}{name.values[0]}"


def _value(one: Comparison) -> tuple[Kind, str] | None:
    if one.negated or one.operator not in {"=", "ISSUBSET"} or len(one.values) != 1:
        return None
    value = one.values[0]
    if one.type == _CERTIFICATE:
        return (Kind.CERTIFICATE, value)
    if one.type == "directory":
        return (Kind.FILE_PATH, value)
    kind = _KINDS.get((one.type, one.path))
    if kind is None:
        return None
    return (kind, f"AS{value}" if kind is Kind.ASN else value)


def _observables(kind: Kind, value: str) -> list[dict[str, Any]]:
    if kind is Kind.FILE_PATH:
        folder, separator, name = _split(value)
        if not name:
            return [{"type": "directory", "path": value}]
        parent = _named({"type": "directory", "path": _folder(folder, separator)})
        return [parent, {"type": "file", "name": name, "parent_directory_ref": parent["id"]}]
    if kind is Kind.CERTIFICATE:
        return [{"type": _CERTIFICATE, "hashes": {_CERTIFICATE_HASHES[len(value)]: value}}]
    if kind is Kind.FILE_NAME:
        return [{"type": "file", "name": value}]
    if not has_observable(kind, value) or kind not in _PATHS:
        return []
    stix_type, path = _PATHS[kind]
    return [
        {
            "type": stix_type,
            path[0]: int(value.removeprefix("AS")) if kind is Kind.ASN else value,
        }
    ]


def _named(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "spec_version": "2.1", "id": str(deterministic_id(content))}
