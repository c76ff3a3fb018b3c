"""Texts in scripts that put no blanks between words, and the marks and wide letters that are written with them.

1. Chinese, Japanese, Korean, Thai and their like stand at an address without a blank. Where such a letter, or a mark of such a
   script, meets an ASCII letter or digit, one of the two is no part of the address: a blank is put between, so that no address
   swallows a sentence and none is swallowed by one.
2. An address that is all of its line keeps its own letters: `https://x.example/\u4e2d\u6587/`, where each run of them begins behind a
   delimiter. What begins anywhere else is a sentence.
3. A name whose labels have such letters (`\u4e2d\u6587.com`) is told as none where it stands in a sentence: nobody can say where it begins.
4. Wide letters, digits and dots are those of ASCII; an ideographic full stop between two ASCII letters or digits of a name is a dot.
5. Linear, and a text in ASCII comes back as it is.
"""

from __future__ import annotations

import re
from typing import Final

_LETTERS: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\uaa7f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
    "\U00020000-\U0003ffff"
)
_MARKS: Final = (
    "\u3000-\u3004\u3008-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"  # of East Asia
    "\u060c\u061b\u061f\u066c\u06d4\u0964\u0965\u0589\u05be\u05c3\u104a\u104b\u17d4\u17d5"  # Arabic, Indic, Armenian, Hebrew, Burmese, Khmer
    "\u00ab\u00bb\u201a\u201e\u2039\u203a\u2026\u2022\u00b7\u2192\u21d2"  # quotation marks, bullets, arrows
)
_WIDE: Final = str.maketrans(
    {
        **{code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B))},
        **{code: code - 0xFEE0 for code in range(0xFF41, 0xFF5B)},
        0xFF0E: ".",
        0xFF0D: "-",
        0xFF0F: "/",
        0xFF20: "@",
        0xFF3F: "_",
        0xFF3B: "[",
        0xFF3D: "]",
    }
)
_ENDINGS: Final = (
    "\u4e2d\u56fd|\u4e2d\u570b|\u516c\u53f8|\u7f51\u7edc|\u7db2\u7d61|\u5728\u7ebf|\u4e2d\u6587\u7f51|\u7f51\u5740|\u7f51\u7ad9"
    "|\u5546\u57ce|\u9999\u6e2f|\u53f0\u6e7e|\u53f0\u7063|\u53f0\u7063|\u65b0\u52a0\u5761|\u96c6\u56e2|\u4e16\u754c|\u6211\u7231\u4f60"
    "|\u79fb\u52a8|\u516c\u76ca|\u653f\u52a1|\ud55c\uad6d|\ub2f7\ucef4|\ub2f7\ub137|\u307f\u3093\u306a|\u30b3\u30e0|\u0e44\u0e17\u0e22|\u0e04\u0e2d\u0e21"
)
"""Top-level domains in such scripts: a dot before one belongs to a name."""
_ANY: Final = re.compile(f"[{_LETTERS}{_MARKS}]")
LETTERS: Final = re.compile(f"[{_LETTERS}]")
_MARK: Final = re.compile(f"[{_MARKS}]")
_BEFORE: Final = re.compile(f"(?<=[{_LETTERS}{_MARKS}])(?=[A-Za-z0-9/%*])")
_BEHIND: Final = re.compile(
    f"(?<=[A-Za-z0-9/=?&_%~+#:-])(?=[{_LETTERS}{_MARKS}])|(?<=[.\\]])(?=[{_LETTERS}{_MARKS}])(?!(?:{_ENDINGS})(?![{_LETTERS}]))"
)
_DOTTED: Final = re.compile(
    r"(?<![A-Za-z0-9.-])[A-Za-z0-9-]{1,63}+(?:[\u3002\uff61][A-Za-z0-9-]{1,63}+)++"
)
_ADDRESS: Final = re.compile(r"[a-zA-Z0-9*+.-]{2,20}\S{0,3}//\S+|[^\s/]{1,253}/\S*", re.IGNORECASE)
_INSIDE: Final = re.compile(f"(?<![/=?&#_.\\]-])(?<![{_LETTERS}])[{_LETTERS}]")


def parted(text: str) -> str:
    """A text whose addresses stand apart from the words around them; longer than it was, where blanks were put in."""
    if text.isascii():
        return text
    text = _DOTTED.sub(_with_dots, text.translate(_WIDE))
    if _ANY.search(text) is None or _is_address(text):
        return text
    return _BEHIND.sub(" ", _BEFORE.sub(" ", text))


def _with_dots(found: re.Match[str]) -> str:
    return re.sub("[\u3002\uff61]", ".", found[0])


def _is_address(text: str) -> bool:
    """Whether a text is one address with letters of its own, and no sentence (rule 2)."""
    alone = text.strip(" \t-*\u2022`")
    return (
        _ADDRESS.fullmatch(alone) is not None
        and _MARK.search(alone) is None
        and _INSIDE.search(alone.partition("//")[2] or alone, 1) is None
    )
