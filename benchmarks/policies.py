"""The sharing policies of the benchmark: five audiences of four partners, decided by seven rules each.

The audiences differ in ceiling and rules, so that no two logs are equal.
"""

from __future__ import annotations

from typing import Final

AUDIENCES: Final = 5
MEMBERS: Final = 4
COLLECTION_ALIAS: Final = "bench"
COLLECTION_ID: Final = "3f6b2a60-4c1e-4c57-9d0e-8d7f0a4c2b11"
FEEDER: Final = "feeder"


def members(audience: int) -> list[str]:
    """The polling partners of an audience, and the scout that only lists its log."""
    return [f"partner-{audience}-{number}" for number in range(MEMBERS)] + [f"scout-{audience}"]


def pollers() -> list[tuple[str, int]]:
    """The 20 partners whose credentials are measured, with the number of their audience."""
    return [
        (name, audience) for audience in range(AUDIENCES) for name in members(audience)[:MEMBERS]
    ]


def policy(audience: int) -> str:
    """The text of one audience's policy."""
    ceiling = ("green", "amber", "green", "amber", "green")[audience]
    floor = (42, 44, 40, 46, 43)[audience]
    return f"""
name: audience-{audience}
partners: [{", ".join(members(audience))}]
collections: [{COLLECTION_ALIAS}]
ceiling: {{tlp: {ceiling}}}
rules:
  - name: exercise traffic
    match: {{labels: [exercise, test-data], origin: any}}
    deny: true
    reason: Exercises are not for partners.
  - name: doubtful
    match: {{confidence: {{at_most: {floor - 1}}}, type: [indicator], origin: any}}
    deny: true
    reason: Below what this audience asked for.
  - name: benign sightings
    match: {{indicator_types: [benign], origin: any}}
    deny: true
    reason: Kept for our own white lists.
  - name: open investigations
    match: {{labels: [investigation-open], origin: any}}
    hold: {{for: 3 days}}
    reason: Give the investigators a head start.
  - name: named informant
    match: {{labels: ["source-{audience}"], origin: any}}
    deny: true
    reason: Would tell who reported.
  - name: indicators
    match: {{type: [indicator, malware, infrastructure], tlp: {{at_most: {ceiling}}}, origin: any}}
    allow: true
  - name: context
    match: {{type: [relationship, note, identity, sighting, report], origin: any}}
    allow: true
"""


def collection() -> str:
    """The text of the one collection's file."""
    readers = [name for audience in range(AUDIENCES) for name in members(audience)]
    return f"""
id: {COLLECTION_ID}
title: Benchmark
alias: {COLLECTION_ALIAS}
read: [{", ".join(readers)}]
write: [{FEEDER}]
"""
