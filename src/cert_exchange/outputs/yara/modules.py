"""What expressions of YARA are, and what of its modules every build surely has: a field too many ends a whole file."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Of(Enum):
    """What an expression is."""

    TRUTH = 0
    NUMBER = 1
    FRACTION = 2
    TEXT = 3


Known = Of | tuple[tuple[Of, ...], Of]
"""A value, or a function: what it takes and what it gives."""

MODULES: Final[Mapping[str, Mapping[str, Known]]] = {
    "pe": {
        **dict.fromkeys(
            ("machine", "number_of_sections", "timestamp", "entry_point", "characteristics", "subsystem", "checksum", "image_base",
             "number_of_resources", "number_of_signatures", "size_of_image", "MACHINE_I386", "MACHINE_AMD64", "DLL",
             "EXECUTABLE_IMAGE", "SUBSYSTEM_WINDOWS_GUI", "SUBSYSTEM_WINDOWS_CUI", "SUBSYSTEM_NATIVE"),
            Of.NUMBER,
        ),
        "imphash": ((), Of.TEXT),
        "is_dll": ((), Of.NUMBER), "is_32bit": ((), Of.NUMBER), "is_64bit": ((), Of.NUMBER),
        "exports": ((Of.TEXT,), Of.NUMBER), "imports": ((Of.TEXT, Of.TEXT), Of.NUMBER),
    },
    "elf": dict.fromkeys(("type", "machine", "entry_point", "number_of_sections", "number_of_segments", "ET_EXEC", "ET_DYN"), Of.NUMBER),
    "hash": dict.fromkeys(("md5", "sha1", "sha256"), ((Of.NUMBER, Of.NUMBER), Of.TEXT)),
    "math": {"entropy": ((Of.NUMBER, Of.NUMBER), Of.FRACTION)},
}  # fmt: skip
"""By the name that `import` says, and then by the field's."""
