"""Reports go in as a person means them: a page, a text, a PDF, down to what a partner sees."""

from __future__ import annotations

import io

import pytest
from tests.scenes import TLP, Scene
from tests.unit.intake.test_pdf import printed

from cert_exchange.node import Node
from cert_exchange.services import taking
from cert_exchange.services.taking import Order, Source

MARKDOWN = """# Campaign

Our [post](https://blog.vendor-site.org/x) says more.

| MD5 | SHA-1 |
|---|---|
| 9f289cce6f95949450e3f4c96a187f5d | 0cea48067ddbc9227363168013142f6f3a5dea9f |

It asks hxxp://evil[.]badhost[.]top/gate and uses T1059.001.

## References
1. 185.10.20.30
"""
HTML = (
    "<!DOCTYPE html><html><body><h1>Campaign</h1><p>It asks hxxp://evil[.]badhost[.]top/gate and uses T1059.001, says "
    "<a href='https://blog.vendor-site.org/x'>our post</a>.</p><table><tr><td>9f289cce6f95949450e3f4c96a187f5d</td>"
    "<td>0cea48067ddbc9227363168013142f6f3a5dea9f</td></tr></table><footer>185.10.20.30</footer></body></html>"
)
PDF = printed(
    "Campaign\nIt asks hxxp://evil[.]badhost[.]top/gate and uses T1059.001.\n"
    "MD5: 9f289cce6f95949450e3f4c96a187f5d\nSHA-1: 0cea48067ddbc9227363168013142f6f3a5dea9f\nReferences\n185.10.20.30",
    link="https://blog.vendor-site.org/x",
)


@pytest.mark.parametrize(
    ("name", "body", "title"),
    [
        ("r.md", MARKDOWN.encode(), "Campaign"),
        ("r.html", HTML.encode(), "Campaign"),
        ("r.pdf", PDF, "r.pdf"),  # its properties say none
    ],
    ids=["markdown", "html", "pdf"],
)
def test_a_report_goes_in_as_it_is_meant(
    sqlite_node: Node, name: str, body: bytes, title: str
) -> None:
    """One indicator of both hashes, one of the address, the technique, a report of its title around them; no reference, no author."""
    scene = Scene.set_up(sqlite_node)
    order = Order(markings=(TLP["green"],))
    given = Source(name, lambda: io.BytesIO(body), len(body))
    how = taking.understand(given, order)
    taken = taking.take(scene.node, given, how, order, collection="indicators", by="desk")
    assert set(taken.results) == {"accepted"}
    seen = scene.sees("b")
    patterns = sorted(one["pattern"] for one in seen if one["type"] == "indicator")
    assert len(patterns) == 2
    assert "9f289cce6f95949450e3f4c96a187f5d" in patterns[0]
    assert "0cea48067ddbc9227363168013142f6f3a5dea9f" in patterns[0]
    assert patterns[1] == "[url:value = 'http://evil.badhost.top/gate']"
    assert [
        one["external_references"][0]["external_id"]
        for one in seen
        if one["type"] == "attack-pattern"
    ] == ["T1059.001"]
    assert [one["name"] for one in seen if one["type"] == "report"] == [title]
    assert "185.10.20.30" not in str(seen)
    assert "vendor-site" not in str(seen)
    again = taking.take(scene.node, given, how, order, collection="indicators", by="desk")
    assert set(again.results) == {"duplicate"}


def test_two_documents_of_one_file_name_make_two_reports(sqlite_node: Node) -> None:
    """Each under its own title, unless a person gives them a name; a title that names what is held back goes to nobody."""
    scene = Scene.set_up(sqlite_node)

    def put(text: str, name: str = "") -> None:
        body = text.encode()
        order = Order(markings=(TLP["green"],), name=name)
        given = Source("README.md", lambda: io.BytesIO(body), len(body))
        how = taking.understand(given, order)
        taking.take(scene.node, given, how, order, collection="indicators", by="desk")

    put("# A loader of May\n\nhxxp://evil[.]badhost[.]top/may\n")
    put("# A loader of June\n\nhxxp://evil[.]badhost[.]top/june\n")
    put("# A loader of July\n\nhxxp://evil[.]badhost[.]top/july\n", name="Our own words")
    put("# How 10.20.30.41 was taken\n\n`10.20.30.41`, hxxp://evil[.]badhost[.]top/relay\n")
    names = sorted(one["name"] for one in scene.sees("b") if one["type"] == "report")
    assert names[:3] == ["A loader of June", "A loader of May", "Our own words"]
    assert "10.20.30.41" not in str(scene.sees("b"))
    assert len(names) == 4
