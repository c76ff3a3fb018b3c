"""What headings, columns and labels are called in the languages of our partners: victims, sources, who wrote it.

1. English has its own finer rules (`judging`, `passages`); here a word says it wherever it stands in a heading or label of at most
   `LONGEST` characters. Where a heading speaks of attackers too ("C2 servers of the victims"), English decides.
2. Rather one too many than one too few among victims: what stands below such a word is told of only, and a person who looks at the
   preview sees it.
3. Sources and authors are headings that begin with the word.
4. Words in scripts without blanks are found inside others; in all other scripts at the beginning of a word, as stems.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 80

_VICTIM_STEMS: Final = """
    opfer betroffen geschädigt angriffsziel zielorganisation zielunternehmen
    victime cible ciblé entités-touché organisations-touché touchée visée
    víctima victima objetivo afectad blanco-de
    vítima vitima alvo afetad atingid vítimas
    vittim bersagl obiettiv colpit
    slachtoffer doelwit getroffen gedupeerd
    ofiar poszkodowan zaatakowan cele-atak
    oběť oběti obětí obete obeť postižen napaden zasažen
    kurban mağdur hedef etkilenen
    drabbad måltavla ramte rammede uhri kohteet
    victimă victime victimele țint áldozat célpont θύμα θύματα στόχο ohvr upur auk
    жертв пострадавш потерпевш атакован атакуем поражён поражен мишен цел цель цели заражён заражен
    постраждал потерпіл ціл уражен атакован
    žrtv meta-napada
    ضحايا الضحايا ضحية الضحية مستهدف المستهدف أهداف الأهداف متضرر المتضرر مصاب
    قربانی قربانیان اهداف هدف آسیب
    קורבן קורבנ קרבנ נפגע יעד היעד מטרות נתקפ הקורבנ הנפגע
    पीड़ित शिकार लक्ष्य
    nạn mục-tiêu korban sasaran
"""
_VICTIMS_INSIDE: Final = """
    受害 被害 目标 目標 受影响 受影響 遭攻击 遭攻擊 被攻击 被攻擊 受感染 被感染 中招 標的 标的 ターゲット 攻撃対象 影響を受け 犠牲
    피해 표적 공격대상 타깃 타겟 감염된 เหยื่อ เป้าหมาย ผู้เสียหาย
"""
_SOURCES: Final = """
    quelle quellen quellenverzeichnis quellenangaben verweise literatur literaturverzeichnis referenzen weiterführende links
    références référence sources bibliographie liens voir-aussi pour-aller-plus-loin
    referencias referencia fuentes fuente bibliografía enlaces
    referências referência fontes fonte bibliografia ligações
    riferimenti fonti collegamenti
    źródła źródło odnośniki odnośnik bibliografia przypisy
    zdroje zdroj odkazy reference literatura
    kaynaklar kaynak kaynakça referanslar bağlantılar
    bronnen bron referenties verwijzingen literatuurlijst
    källor källa referenser kilder kilde referanser lähteet viitteet
    surse referințe források hivatkozások πηγές αναφορές
    источники источник ссылки ссылка литература использованные-источники
    джерела джерело посилання література
    المراجع مراجع المصادر مصادر روابط منابع مرجع پیوندها מקורות מקור הפניות קישורים ביבליוגרפיה
    संदर्भ स्रोत nguồn tài-liệu-tham-khảo referensi sumber rujukan
"""  # noqa: RUF001 - letters of these languages
_SOURCES_INSIDE: Final = (
    "参考 參考 引用 出典 来源 來源 相关链接 相關連結 関連リンク 참고 출처 관련링크 อ้างอิง แหล่งที่มา"
)
_AUTHORS: Final = """
    über-uns über-die-autoren impressum kontakt kontakte autoren autor danksagung haftungsausschluss inhaltsverzeichnis
    à-propos qui-sommes-nous contact contacts auteurs auteur mentions-légales remerciements sommaire table-des-matières
    acerca-de sobre-nosotros contacto contactos autores aviso-legal agradecimientos índice
    sobre-nós sobre-a contato contatos agradecimentos sumário
    chi-siamo contatti autori note-legali ringraziamenti indice sommario
    o-nas autorzy podziękowania spis-treści
    hakkımızda iletişim yazarlar içindekiler teşekkür
    over-ons auteurs colofon dankwoord inhoudsopgave
    о-нас об-авторах об-авторе контакты контакт авторы автор благодарности содержание оглавление
    про-нас про-авторів контакти автори подяки зміст
    اتصل-بنا من-نحن المؤلفون المؤلف المحتويات تماس-با-ما درباره-ما نویسندگان فهرست אודות צור-קשר מחברים תוכן-העניינים
"""  # noqa: RUF001 - letters of these languages
_AUTHORS_INSIDE: Final = (
    "关于我们 關於我們 关于作者 關於作者 联系我们 聯繫我們 联系方式 聯絡方式 免责声明 免責聲明 致谢 致謝 目录 目錄 会社概要 お問い合わせ "
    "連絡先 著者 謝辞 免責事項 目次 회사소개 문의 연락처 저자 목차 면책 เกี่ยวกับเรา ติดต่อ"
)


def _stems(words: str) -> str:
    return "|".join(
        re.escape(word).replace("\\-", "[ -]")
        for word in sorted({*words.split()}, key=len, reverse=True)
    )


_VICTIMS: Final = re.compile(
    rf"(?<![^\W_])(?:{_stems(_VICTIM_STEMS)})|{_stems(_VICTIMS_INSIDE)}", re.IGNORECASE
)
_IS_SOURCES: Final = re.compile(
    rf"\A[\W\d_]*(?:(?:{_stems(_SOURCES)})(?![^\W_])|[^\n]{{0,6}}(?:{_stems(_SOURCES_INSIDE)}))",
    re.IGNORECASE,
)
_IS_AUTHORS: Final = re.compile(
    rf"\A[\W\d_]*(?:(?:{_stems(_AUTHORS)})(?![^\W_])|(?:{_stems(_AUTHORS_INSIDE)}))", re.IGNORECASE
)
_SPACES: Final = re.compile(r"(?<=[\u3040-\u9fff\uac00-\ud7af]) (?=[\u3040-\u9fff\uac00-\ud7af])")


def _plain(title: str) -> str:
    return _SPACES.sub("", title)


def speaks_of_victims(words: str) -> bool:
    """Whether a heading, column or label in another language than English names victims."""
    return len(words) <= LONGEST and _VICTIMS.search(_plain(words)) is not None


def speaks_of_sources(title: str) -> bool:
    """Whether a heading in another language than English is that of references."""
    return len(title) <= LONGEST and _IS_SOURCES.match(_plain(title)) is not None


def speaks_of_authors(title: str) -> bool:
    """Whether a heading in another language than English is of who wrote the report, or of what is in it."""
    return len(title) <= LONGEST and _IS_AUTHORS.match(_plain(title)) is not None
