"""Reports in the languages of our partners: where an address ends, who was hit, what is only a source."""

from __future__ import annotations

import time

import pytest

from cert_exchange.intake.findings import Finding, Kind
from cert_exchange.intake.reports.reading import Form, read_report
from cert_exchange.intake.tables.columns import holds_of_header
from cert_exchange.intake.tables.words import Role

VICTIMS = """
受害者|被害组织|标的|目标单位|被害企業|標的となった組織|피해 기관|공격 대상|Пострадавшие организации|Жертвы атаки|Постраждалі організації
Betroffene Organisationen|Opfer der Kampagne|Victimes connues|Organisations touchées|Víctimas|Organizaciones afectadas
Vítimas|Organizações afetadas|Vittime|Organizzazioni colpite|Slachtoffers|Getroffen organisaties|Ofiary|Poszkodowane podmioty
Kurbanlar|Hedef alınan kurumlar|الضحايا|الجهات المستهدفة|قربانیان|اهداف حمله|קורבנות|Oběti|Napadené organizace|Nạn nhân|เหยื่อ|पीड़ित संगठन
""".strip().replace("\n", "|").split("|")  # fmt: skip
ASIDE = """
Источники|Ссылки|Quellen|Références|Referencias|参考链接|參考資料|参考文献|出典|참고 자료|Джерела|Riferimenti|Fonti|Źródła|Kaynaklar|Bronnen
المراجع|منابع|מקורות|Referências|关于我们|联系方式|О нас|Контакты|Über uns|Impressum|À propos|Acerca de|Chi siamo|O nas|Hakkımızda
Over ons|من نحن|درباره ما|אודות|お問い合わせ|문의
""".strip().replace("\n", "|").split("|")  # fmt: skip
INDICATORS = (
    "Индикаторы компрометации",
    "Indikatoren",
    "C2-Server der Opfer",
    "恶意域名",
    "侵害指標",
    "침해 지표",
    "مؤشرات",
)
UNDER = (
    (Form.MARKDOWN, "## {}\n\n- x[.]evil-y[.]com\n"),
    (Form.HTML, "<h2>{}</h2><ul><li>x[.]evil-y[.]com</li></ul>"),
    (Form.ASCIIDOC, "== {}\n\nx[.]evil-y[.]com\n"),
    (Form.TEXT, "{}:\nx[.]evil-y[.]com\n"),
)
BESIDE = (
    (Form.TEXT, "{}：x[.]evil-y[.]com\n"),
    (Form.TEXT, "{}: x[.]evil-y[.]com\n"),
    (Form.TEXT, "Seen 192.0.2[.]7, {}: x[.]evil-y[.]com\n"),
    (Form.MARKDOWN, "| {} | n |\n|--|--|\n| x[.]evil-y[.]com | 1 |\n"),
)


def found(text: str, form: Form) -> dict[str, bool]:
    """Whether each value is looked for."""
    return {one.value: one.detect for one in read_report(text, form) if isinstance(one, Finding)}


@pytest.mark.parametrize("words", VICTIMS)
def test_victims_are_told_of_in_every_language(words: str) -> None:
    """Below a heading of theirs, behind such a label, in such a column, defanged too; what stands before the label is not theirs."""
    for form, text in (*UNDER, *BESIDE):
        seen = found(text.format(words), form)
        assert seen.pop("x.evil-y.com") is False, text
        assert set(seen.values()) <= {True}
    assert holds_of_header(words) is Role.IGNORE


@pytest.mark.parametrize("words", ASIDE)
def test_sources_and_authors_give_nothing_in_every_language(words: str) -> None:
    """Defanged or not."""
    for form, text in UNDER:
        assert found(text.format(words), form) == {}, text


@pytest.mark.parametrize("words", INDICATORS)
def test_indicators_are_looked_for_in_every_language(words: str) -> None:
    """Also where attackers and victims stand in one heading."""
    for form, text in UNDER:
        assert found(text.format(words), form) == {"x.evil-y.com": True}, text


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            "样本从hxxp://dl[.]bad-zh[.]com/update.exe下载，回连到121[.]40.9[.]9:8080。",
            ["http://dl.bad-zh.com/update.exe", "121.40.9.9"],
        ),
        ("恶意域名evil[.]com的解析地址185.130.1.7，受访者", ["185.130.1.7", "evil.com"]),
        ("evil[.]com에서 내려받은 http://evil[.]kr/a.exe를", ["http://evil.kr/a.exe", "evil.com"]),
        ("ดาวน์โหลดจากhxxp://evil[.]com/a.exeแล้ว", ["http://evil.com/a.exe"]),
        (
            "«hxxp://evil[.]com/a», و hxxp://evil[.]com/c؟",
            ["http://evil.com/a", "http://evil.com/c"],
        ),
        ("邮箱abc[@]evil[.]com。", ["abc@evil.com"]),
        ("文件C:\\Users\\x\\a.exe是", ["C:\\Users\\x\\a.exe"]),
        ("漏洞CVE-2024-12345和T1059.001技术", ["CVE-2024-12345", "T1059.001"]),
        ("ｂａｄ２．ｚｈ－ｅｖｉｌ．ｃｏｍ", ["bad2.zh-evil.com"]),
        ("evil。bad-zh。com", ["evil.bad-zh.com"]),
        ("１８５．１２０．１．１", ["185.120.1.1"]),
        ("中文[.]com", ["xn--fiq228c.com"]),
        ("访问中文[.]com下载", []),
    ],
)
@pytest.mark.parametrize("frame", ["{}", "<p>{}</p>"])
def test_an_address_ends_where_words_without_blanks_begin(
    text: str, values: list[str], frame: str
) -> None:
    """And begins where they end; a name in such letters that nobody can cut out of its sentence is told, not taken."""
    form = Form.HTML if frame.startswith("<") else Form.TEXT
    assert list(found(frame.format(text), form)) == values


def test_an_address_of_its_own_line_keeps_its_letters() -> None:
    """A path in Chinese, each run of whose letters begins behind a delimiter; one with a sentence behind it is cut."""
    for text, cut in (
        ("https://c3.bad-zh.com/中文/路径?x=1", False),
        ("https://c3.bad-zh.com/a.exe下载", True),
    ):
        out = [one for one in read_report(text, Form.TEXT) if isinstance(one, Finding)]
        assert [one.kind for one in out] == [Kind.URL]
        assert (out[0].value == "https://c3.bad-zh.com/a.exe") is cut


def test_a_signature_in_markdown_gives_nothing() -> None:
    """A farewell near the end, and a line `-- ` with its blank."""
    text = "# Report\n\nSeen: evil[.]example[.]com\n\n{}sig-host[.]cert-sig[.]com\n"
    for begins in (
        "Best regards,\nJörg Müller\nCERT A\n-- \n",
        "Jörg\n\n-- \n",
        "С уважением,\n",
        "此致\n",
    ):
        assert found(text.format(begins), Form.MARKDOWN) == {"evil.example.com": True}


def test_a_long_text_without_blanks_costs_its_length() -> None:
    """Letters, marks and beginnings of addresses in turn."""
    begun = time.process_time()
    for piece in ("从a", "中。a", "http://从", "受害者：", "．a。b", "标" * 50 + ":"):
        list(read_report(piece * 4_000, Form.TEXT))
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "said",
    [
        "The actor used vc1[.]badzone[.]top at night. Victims: vv1[.]badzone[.]org",
        "It was busy. Victim organisations: vv1[.]badzone[.]org",
        "The actor used vc1[.]badzone[.]top. The victim was vv1[.]badzone[.]org",
        "It came from vc1[.]badzone[.]top; affected hosts: vv1[.]badzone[.]org",
    ],
)
def test_a_label_of_victims_counts_from_its_sentence_on(said: str) -> None:
    """Whatever the sentences before it speak of."""
    found = [one for one in read_report(said, Form.TEXT) if isinstance(one, Finding)]
    looked_for = {one.value for one in found if one.detect}
    assert "vv1.badzone.org" not in looked_for
    assert ("vc1.badzone.top" in looked_for) == ("vc1" in said)
