"""What an input says of itself in words: `# TLP:AMBER` above a list, `PAP:RED` in a row, `TLP:RED` on a front page.

1. Of several levels the strictest counts, wherever it stands; nobody can tell a marking from a word about markings.
2. A word behind `TLP:` that we do not know is RED, in any script: somebody meant a restriction (`TLP:PURPLE`). A word in small letters
   behind a blank is a sentence. Without a colon only a word that we know says something (`tlp red`, `TLP (AMBER)`).
3. A legend says nothing, unless nothing else does, or it begins the text: a line that names three levels, or sentences of the protocol's
   own about three levels near each other.
4. It is never said silently: whoever finds one hands on a loss that names it.
5. Written wide, with marks of Markdown or tags between, over two lines or with blanks that nobody sees: it is the same word.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

from cert_exchange.intake.findings import Finding, Loss
from cert_exchange.stix.handling import Pap
from cert_exchange.stix.markings import TLP_BY_ID, TLP_DEFINITIONS, Tlp

Level = TypeVar("Level", Tlp, Pap)
_WORDS: Final = {
    Tlp.RED: "red rot rouge rojo rosso vermelho rood czerwony красный красная червоний 红 紅 红色 紅色 赤 赤色 レッド 빨강 빨간색 레드 أحمر قرمز אדום kırmızı červená röd rød",  # noqa: RUF001 - words of Turkish
    Tlp.AMBER: "amber gelb orange ambre ámbar âmbar ambra oranje żółty bursztynowy жёлтый желтый янтарный оранжевый жовтий бурштиновий 黄 黃 黄色 黃色"
    " 琥珀 琥珀色 橙 橙色 アンバー 앰버 노랑 노란색 أصفر كهرماني زرد כתום ענבר sarı oranžová gul",  # noqa: RUF001 - words of Turkish
    Tlp.GREEN: "green grün gruen vert verde groen zielony зелёный зеленый зелений 绿 綠 绿色 綠色 緑 グリーン 초록 녹색 그린 أخضر سبز ירוק yeşil zelená grön grøn",
    Tlp.CLEAR: "clear white weiß weiss blanc blanco bianco branco wit biały белый прозрачный білий 白 白色 无色 透明 クリア ホワイト 흰색 클리어 أبيض شفاف سفید לבן beyaz bílá vit hvid",
}
_LEVELS: Final = {word: level for level, words in _WORDS.items() for word in words.split()}
_LONGEST_FIRST: Final = sorted(
    (word for word in _LEVELS if not word.isascii()), key=len, reverse=True
)
_KNOWN: Final = "|".join(sorted(map(re.escape, _LEVELS), key=len, reverse=True))
_STRICT: Final = r"amber[ ]{0,2}[+_-]?[ ]{0,2}strict"
_STATED: Final = re.compile(
    rf"""
    (?<![A-Za-z0-9])(?:
        (?:tlp|traffic[ -]{{1,2}}light[ -]{{1,2}}protocol)(?:[ ]?v?[12](?:\.0)?)?
        (?:
            [\s"']{{0,3}}[:=|](?P<gap>[\s|:"']{{0,4}})(?P<word>{_STRICT}|[^\W\d_]{{1,20}})(?![A-Za-z0-9]|[.:/]\S)
            | [\s"']{{0,3}}[:=|][\s|:"']{{0,4}}(?P<level>{_STRICT}|{_KNOWN})(?![A-Za-z])
            | [\s/(\[\u2013\u2014_-]{{1,4}}(?P<weak>{_STRICT}|{_KNOWN})(?![A-Za-z0-9]|[.@_/]\w)
        )
        | pap(?:[\s"']{{0,2}}[:=|][\s|"']{{0,4}})(?P<pap>white|clear|green|amber|red)(?![A-Za-z])
        | (?-i:PAP)[\s/(\[\u2013\u2014_-]{{1,4}}(?P<weakpap>white|clear|green|amber|red)(?![A-Za-z0-9])
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LETTERS: Final = frozenset(string.ascii_letters)
_MARKUP: Final = re.compile(
    r"</?(?:a|abbr|b|big|code|em|font|i|mark|small|span|strong|sub|sup|u)\b[^<>\n]{0,200}>|[*`~]{1,4}|(<[^<>\n]{1,200}>)",
    re.IGNORECASE,
)
_MAY: Final = re.compile(r"tlp|pap|light", re.IGNORECASE)
_LEGEND: Final = re.compile(
    r"disclosure|sources may use|recipients|restricted to|participants|need.to.know|foreseeable risk|without restriction|no limit on",
    re.IGNORECASE,
)
_HEAD: Final = 200
"""What stands so near the beginning is a head, whatever words follow it."""
_NEAR: Final = 600
"""Mentions of a legend stand so many characters from each other, or nearer."""
_IDS: Final = {
    TLP_BY_ID[item["id"]]: str(item["id"]) for item in TLP_DEFINITIONS if "extensions" in item
}
_NAMES: Final = {
    TLP_BY_ID[item["id"]]: str(item["name"]) for item in TLP_DEFINITIONS if "extensions" in item
}


_PAPS: Final = {
    "white": Pap.CLEAR,
    "clear": Pap.CLEAR,
    "green": Pap.GREEN,
    "amber": Pap.AMBER,
    "red": Pap.RED,
}


class OwnWords(NamedTuple):
    """How far words say that something may go, and what may be done with it. Empty: they say nothing."""

    tlp: Tlp | None = None
    pap: Pap | None = None

    @property
    def markings(self) -> tuple[str, ...]:
        """The marking definition (TLP 2.0) that is meant."""
        return () if self.tlp is None else (_IDS[self.tlp],)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label that is meant, as MISP's taxonomy writes it."""
        return () if self.pap is None else (f"PAP:{self.pap.name}",)

    def joined(self, other: OwnWords) -> OwnWords:
        """Both: the stricter of each."""
        return OwnWords(_stricter(self.tlp, other.tlp), _stricter(self.pap, other.pap))

    def told(self, place: str, text: str, what: str) -> Loss:
        """What a person is told of it. `what` is marked by it."""
        names = [_NAMES[self.tlp]] if self.tlp is not None else []
        shown = "".join(c if c.isprintable() else " " for c in text.strip()[:120])
        said = " and ".join((*names, *self.labels))
        return Loss(place, shown, f"says {said}: {what} is marked so, whatever is said besides")


def plain(text: str) -> str:
    """A text as the words of its circle are looked for in it: without marks, tags and what nobody sees."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return _MARKUP.sub(_without, text)


def _without(found: re.Match[str]) -> str:
    """What stands in place of a mark or a tag: a block ends a line, and what it says of a picture may be a level."""
    tag = found[1]
    if not tag:
        return ""
    return f"\n{tag[1:-1]}\n" if _MAY.search(tag) else "\n"


def own_words(text: str) -> OwnWords:
    """The strictest levels that a text names. Linear in the text."""
    text = plain(text)
    if _MAY.search(text) is None:
        return OwnWords()
    said = OwnWords()
    for one in _STATED.finditer(text):
        said = said.joined(_said(one))
    return said


def _said(found: re.Match[str]) -> OwnWords:
    """What one mention says; nothing where it is a sentence about the protocol."""
    limit = found["pap"] or found["weakpap"]
    if limit is not None:
        return OwnWords(pap=_PAPS[limit.casefold()])
    word = (found["word"] or found["level"] or found["weak"]).casefold()
    if word.startswith("amber") and word.endswith("strict"):
        return OwnWords(Tlp.AMBER_STRICT)
    level = _LEVELS.get(word)
    if (
        level is None and not word.isascii()
    ):  # with the words behind it, where no blank stands between
        level = next((_LEVELS[one] for one in _LONGEST_FIRST if word.startswith(one)), None)
    if level is not None:
        return OwnWords(level)
    written = found["word"]
    sentence = "\n" in found["gap"] or (
        found["gap"] and written.isascii() and not written.isupper()
    )
    return OwnWords() if sentence or written in _LETTERS else OwnWords(Tlp.RED)


def marked_by_own_words(pieces: Iterable[Finding | Loss], words: str) -> Iterator[Finding | Loss]:
    """The pieces of an input that is read whole, each finding under what its words say, and at the end that it is so."""
    words = plain(words)
    mentions = _outside_legends(words) if _MAY.search(words) else []
    said = OwnWords()
    for _, one in mentions:
        said = said.joined(one)
    for piece in pieces:
        if isinstance(piece, Finding):
            yield replace(
                piece,
                markings=(*piece.markings, *said.markings),
                labels=(*piece.labels, *said.labels),
            )
        else:
            yield piece
    if said != OwnWords():
        first = next(text for text, one in mentions if one.tlp is said.tlp or said.tlp is None)
        yield said.told("the text", first, "all that it says")


def _outside_legends(words: str) -> list[tuple[str, OwnWords]]:
    """Every mention of a level that is none of a legend; all of them where there are no others."""
    found = [(one, said) for one in _STATED.finditer(words) if (said := _said(one)) != OwnWords()]
    legends = _of_one_line(words, found) | _of_the_protocol(words, found)
    kept = [
        (one[0], said)
        for at, (one, said) in enumerate(found)
        if at not in legends or one.start() < _HEAD
    ]
    return kept or [(one[0], said) for one, said in found]


def _of_one_line(words: str, found: list[tuple[re.Match[str], OwnWords]]) -> set[int]:
    """The mentions that stand with two other levels on one line."""
    lines: dict[int, list[int]] = {}
    line = before = 0
    for at, (one, _) in enumerate(found):
        line += words.count("\n", before, one.start())
        before = one.start()
        lines.setdefault(line, []).append(at)
    return {
        at
        for some in lines.values()
        if len({found[at][1].tlp for at in some} - {None}) > 2
        for at in some
    }


def _of_the_protocol(words: str, found: list[tuple[re.Match[str], OwnWords]]) -> set[int]:
    """The mentions with words of the protocol behind them, of three levels near each other."""
    legends: set[int] = set()
    near: list[int] = []
    for at, (one, _) in enumerate(found):
        if near and one.start() - found[near[-1]][0].end() > _NEAR:
            legends |= _if_legend(words, found, near)
            near = []
        near.append(at)
    return legends | _if_legend(words, found, near)


def _if_legend(
    words: str, found: list[tuple[re.Match[str], OwnWords]], near: list[int]
) -> set[int]:
    explained = {
        at for at in near if _LEGEND.search(words, found[at][0].end(), found[at][0].end() + 200)
    }
    return explained if len({found[at][1].tlp for at in explained} - {None}) > 2 else set()


def _stricter(one: Level | None, other: Level | None) -> Level | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
