"""Finding of the chaos harness (seeds 126, 139): a fetched version is taken back while a newer, unfetched one stands (no
notice: the id is in force still); then the newer one goes too (no notice: nobody fetched it). The partner is never told."""

from tests.scenes import Scene, indicator

from cert_exchange.services import noticing, receipts, releasing


def test_who_fetched_the_older_version_is_told_when_the_id_goes(node):
    scene = Scene.set_up(node)
    scene.publish(indicator("o", version=1))
    head = scene.log("b")[-1][0]
    node.marks.advance(scene.partner("b"), scene.view("b"), head)  # b fetched version 1
    scene.publish(indicator("o", version=2))  # not fetched
    stix_id = indicator("o")["id"]
    releasing.withdraw(
        node, stix_id, version=indicator("o", version=1)["modified"], by="desk", reason="x"
    )
    noticing.tell(node)
    releasing.withdraw(node, stix_id, by="desk", reason="y")
    noticing.tell(node)
    assert [one.partner for one in receipts.receipts(node)] == ["b"]
