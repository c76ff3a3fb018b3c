"""Every place where a level may be written, with what it means; and some that look so and mean nothing."""

from __future__ import annotations

from typing import Any

from cert_exchange.stix.markings import Tlp

STRICT = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"

ANYWHERE: list[tuple[str, dict[str, Any], Tlp | None]] = [
    ("embedded object's marking", {"objects": {"0": {"type": "file", "object_marking_refs": [RED]}}}, Tlp.RED),
    ("embedded granular marking", {"objects": {"0": {"granular_markings": [{"marking_ref": STRICT, "selectors": ["x"]}]}}}, Tlp.AMBER_STRICT),
    ("custom reference", {"x_marking_refs": [RED]}, Tlp.RED),
    ("custom reference of any name", {"x_handle_as": RED}, Tlp.RED),
    ("inside an extension", {"extensions": {"x": {"object_marking_ref": RED}}}, Tlp.RED),
    ("OpenCTI's labels", {"x_opencti_labels": ["tlp:red"]}, Tlp.RED),
    ("labels in OpenCTI's extension", {"extensions": {"extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82": {"labels": ["TLP:AMBER"]}}}, Tlp.AMBER),
    ("labels that are one text", {"labels": "tlp:red"}, Tlp.RED),
    ("MISP's tags", {"x_misp_tags": [{"name": "tlp:red", "colour": "#ff0000"}]}, Tlp.RED),
    ("a tag", {"x_tag": "tlp:amber"}, Tlp.AMBER),
    ("TLP 2 extension on the object", {"extensions": {"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {"tlp_2_0": "amber+strict"}}}, Tlp.AMBER_STRICT),
    ("TLP 2 property on the object", {"tlp_2_0": "red"}, Tlp.RED),
    ("bare level", {"x_tlp": "Amber"}, Tlp.AMBER),
    ("full level", {"x_misp_tlp": "TLP:RED"}, Tlp.RED),
    ("level of no name", {"x_tlp": "restricted"}, Tlp.RED),
    ("level that is a number", {"x_tlp": 2}, Tlp.RED),
    ("levels in a mapping", {"x_tlp": {"level": "amber", "since": None}}, Tlp.AMBER),
    ("marking by word", {"x_marking": "amber"}, Tlp.AMBER),
    ("markings by word", {"x_markings": [{"definition": "TLP:RED"}]}, Tlp.RED),
    ("traffic light", {"traffic_light_protocol": "red"}, Tlp.RED),
    ("title", {"name": "[TLP:AMBER+STRICT] Operation Nightfall"}, Tlp.AMBER_STRICT),
    ("description", {"description": "TLP: RED. Do not pass on."}, Tlp.RED),
    # What marks nothing.
    ("prose", {"description": "Earlier versions were TLP:RED."}, None),
    ("title about TLP", {"name": "TLP for beginners"}, None),
    ("reference to a definition", {"object_refs": [RED]}, None),
    ("selector of a tag", {"objects": {"0": {"granular_markings": [{"lang": "de", "selectors": ["x_tlp.[0]"]}]}}}, None),
    ("a domain", {"value": "tlp.example"}, None),
    ("null", {"x_tlp": None}, None),
]  # fmt: skip
"""(what, properties, level or None)"""
