"""Profiles: what a person says about the tables of one source, as YAML, and the layout by which a file is read.

    name: vendor-daily
    delimiter: semicolon        # comma, tab, semicolon, pipe, none (one value a line)
    header: true
    dates: month-first          # of 3/4/2021; else day-first
    columns:                    # by its header, or by its number from 1
      Indicator: any            # its kind stands in column Kind
      Kind: type
      SHA-1: sha1
      Seen at: ignore
    types:                      # words of the column of kinds that are their own
      c2 node: host             # `any`: by its look, where the source's words cannot be relied on

1. What a profile says is never overruled: a value that is not what its column holds is a loss with its place.
2. A column that a profile does not name is left out. Without `columns` they are told from header and values.
3. A profile read and written again is the same; `layout_as_profile` keeps what was shown, for the next file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from cert_exchange.intake.tables.decoding import Encoding, known_encoding
from cert_exchange.intake.tables.sayings import DateOrder
from cert_exchange.intake.tables.words import KINDS, PROFILE_WORDS, Meaning, Role, squeeze
from cert_exchange.policy.reading import fill_form, nearest, read_document, shown

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
DELIMITERS: Final[Mapping[str, str]] = {
    "comma": ",",
    "tab": "\t",
    "semicolon": ";",
    "pipe": "|",
    "none": "",
}
_LOOKS: Final[Mapping[Meaning, str]] = {
    Role.ANY: "it holds values of several kinds, each told by its look"
}
_DELIMITER_NAMES: Final = {sign: name for name, sign in DELIMITERS.items()}
_ADVICE: Final[Mapping[str, str]] = {
    "name": "small letters, digits, dots and dashes",
    "delimiter": "comma, tab, semicolon, pipe or none",
    "header": "true or false",
    "encoding": "utf-8, utf-16, cp1252, cp1251 or the like",
    "dates": "month-first or day-first",
    "columns": "a column's name or number, and what it holds: url, sha256, any, type, ignore, ...",
    "types": "a word of the column of kinds, and what it means: domain, ip, sha1, ...",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person says; None and empty: told from the file."""

    name: str
    delimiter: str | None = None  # the sign itself; "" for one value a line
    header: bool | None = None
    encoding: str | None = None  # Python's name
    dates: DateOrder | None = None
    columns: Mapping[str, Meaning] = field(default_factory=dict)  # as written
    types: Mapping[str, Meaning] = field(default_factory=dict)  # squeezed


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it will be read. `stated`: a person or a header says so; else its values look so."""

    place: int  # from 0
    name: str  # its header, or "column 3"
    holds: Meaning
    stated: bool
    samples: tuple[str, ...] = ()  # the first values, as they stand in the file
    aside: str = ""  # what a person should know of a column that is left out

    @property
    def has_values(self) -> bool:
        """Whether indicators come from it."""
        return self.holds in KINDS or self.holds is Role.ANY


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is read, all settled. `profile` names the profile that it follows, if any."""

    delimiter: str  # "" for one value a line
    encoding: Encoding
    columns: tuple[Column, ...]
    header_line: int = 0  # 0: none
    dates: DateOrder | None = None
    types: Mapping[str, Meaning] = field(default_factory=dict)
    profile: str = ""

    @property
    def guessed(self) -> tuple[str, ...]:
        """What was told from the look of the file, as sentences for a person; empty where all was stated."""
        found = [
            f"{column.name}: {_LOOKS.get(column.holds, f'its values look like {column.holds}')}"
            for column in self.columns
            if column.has_values and not column.stated
        ]
        if self.encoding.guessed:
            found.append(f"the encoding: {self.encoding.name}")
        return tuple(found)


class _ProfileForm(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]
    delimiter: Literal["comma", "tab", "semicolon", "pipe", "none"] | None = None
    header: bool | None = None
    encoding: str | None = None
    dates: Literal["month-first", "day-first"] | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    types: dict[str, str] = Field(default_factory=dict)


def read_profile(text: str, *, file: str) -> Profile:
    """Read a profile. Raises PolicyInvalid with every mistake, its line and its column."""
    document = read_document(text, file=file)
    form = fill_form(document, _ProfileForm, advice=_ADVICE)
    for part, words in (("columns", form.columns), ("types", form.types)):
        for key, word in words.items():
            if word not in PROFILE_WORDS:
                document.complain(
                    (part, key),
                    f"{shown(word)} is nothing a column holds; {nearest(word, PROFILE_WORDS)}",
                )
    for key, word in form.types.items():
        if word in PROFILE_WORDS and PROFILE_WORDS[word] not in {*KINDS, Role.ANY, Role.IGNORE}:
            document.complain(("types", key), f"{word} is a column, not a kind of value")
    encoding = None if form.encoding is None else known_encoding(form.encoding)
    if form.encoding is not None and encoding is None:
        document.complain(("encoding",), f"{shown(form.encoding)} is no encoding that we read")
    if document.problems:
        raise document.refuse()
    return Profile(
        name=form.name,
        delimiter=None if form.delimiter is None else DELIMITERS[form.delimiter],
        header=form.header,
        encoding=encoding,
        dates=None if form.dates is None else DateOrder(form.dates),
        columns={key: PROFILE_WORDS[word] for key, word in form.columns.items()},
        types={squeeze(key): PROFILE_WORDS[word] for key, word in form.types.items()},
    )


def write_profile(profile: Profile) -> str:
    """A profile as the YAML that `read_profile` reads."""
    said: dict[str, object] = {"name": profile.name}
    if profile.delimiter is not None:
        said["delimiter"] = _DELIMITER_NAMES[profile.delimiter]
    if profile.header is not None:
        said["header"] = profile.header
    if profile.encoding is not None:
        said["encoding"] = profile.encoding
    if profile.dates is not None:
        said["dates"] = profile.dates.value
    if profile.columns:
        said["columns"] = {key: holds.value for key, holds in profile.columns.items()}
    if profile.types:
        said["types"] = {key: holds.value for key, holds in profile.types.items()}
    yaml = YAML()
    yaml.width = 4_096
    written = StringIO()
    yaml.dump(said, written)
    return written.getvalue()


def layout_as_profile(layout: Layout, name: str) -> Profile:
    """What a layout says, kept under a name: the next file is read the same way, without a guess."""
    return Profile(
        name=name,
        delimiter=layout.delimiter,
        header=layout.header_line > 0,
        encoding=layout.encoding.name,
        dates=layout.dates,
        columns={_key(column, layout): column.holds for column in layout.columns},
        types=layout.types,
    )


def _key(column: Column, layout: Layout) -> str:
    """What names a column in a profile: its header, or its number where that would not find it again."""
    number = str(column.place + 1)
    named = layout.header_line > 0 and layout.delimiter and column.name != f"column {number}"
    same = [one for one in layout.columns if squeeze(one.name) == squeeze(column.name)]
    found = len(same) == 1 and squeeze(column.name) and not column.name.isdigit()
    return column.name if named and found else number
