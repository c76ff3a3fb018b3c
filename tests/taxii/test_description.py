"""The OpenAPI description, compared with the routes and, by schemathesis, with what the server answers."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.conftest import Wall
from tests.scenes import indicator
from tests.taxii.conftest import Served, served

from cert_exchange.node import Node
from cert_exchange.services import partners
from cert_exchange.taxii.routes import ROUTES

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
schema = schemathesis.openapi.from_path(FILE)


def test_the_description_names_every_route_and_no_other() -> None:
    """Paths, methods and names of `taxii.routes.ROUTES` are those of docs/openapi.json."""
    described = {
        (method.upper(), path)
        for path, item in json.loads(FILE.read_text())["paths"].items()
        for method in item
        if method != "parameters" and not path.startswith("/health/")
    }
    names = {"status": ["{status}"], "object": ["{collection}", "{object}"]}
    routed = set()
    for route in ROUTES:
        given = iter(names.get(route.name, ["{collection}", "{object}"]))
        path = "/" + "/".join(next(given) if part == "*" else part for part in route.path) + "/"
        routed |= {(method, path) for method in route.methods}
    assert described == routed


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """One server for all generated requests, with a share that they cannot use up."""
    from tests.conftest import OUR_IDENTITY, TITLE

    from cert_exchange.node import make_home, open_node

    wall = Wall()
    home = make_home(
        tmp_path_factory.mktemp("described") / "home", identity=OUR_IDENTITY, title=TITLE
    )
    node: Node = open_node(home, clock=wall.clock(), requests_per_minute=1_000_000)
    with served(node, wall) as server:
        server.scene.publish(*[indicator(f"i{n}") for n in range(5)])
        yield server
    node.close()


@schema.include(path_regex="^/").parametrize()
@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_what_the_server_answers_is_what_is_described(case: Any, running: Served) -> None:
    """Generated requests: no 5xx, only described statuses, types, headers and bodies."""
    issued: partners.IssuedSecret = running.credential("b")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of requests' connections, closed late
        response = case.call(
            base_url=running.url.rstrip("/"), headers={"Authorization": f"Bearer {issued.token}"}
        )
    case.validate_response(
        response,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
        ],
    )
