"""The server answers what its schema says, whatever it is asked: requests made from the schema, right ones and wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPMethod
from typing import Any

import httpx2
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from pricewire.protocol.messages import Publication
from pricewire.store.accounts import Account
from support.app_server import TOKENS, add_account, bearer, open_app_server
from support.serving import Serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

EXAMPLES = 12
"""How many requests are made of each kind: enough for every parameter to be wrong once, and quick."""


@dataclass
class Scene:
    server: Serving
    alice: Account
    schema: Any


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    database = tmp_path_factory.mktemp("schema") / "pricewire.db"
    alice = add_account(database, "alice")
    with open_app_server(database) as server:
        yield Scene(server, alice, schemathesis.openapi.from_dict(httpx2.get(f"{server.url}/schema").json()))


def operations(scene: Scene) -> dict[str, Any]:
    return {f"{each.ok().method.upper()} {each.ok().path}": each.ok() for each in scene.schema.get_all_operations()}


def ask(scene: Scene, case: schemathesis.Case[Any], *, with_token: bool) -> None:
    """Make a request, and check the answer; of a stream its head alone, as it has no end."""
    described = case.as_transport_kwargs(base_url=scene.server.url)
    request = {name: described[name] for name in ("method", "url", "params", "json") if described.get(name) is not None}
    request["headers"] = {name: value for name, value in described["headers"].items() if name.lower() != "authorization"}
    if with_token:
        # A token for each: one of the requests is to log out.
        request["headers"] |= bearer(TOKENS.issue(scene.alice.uuid))
    if isinstance(described.get("data"), str | bytes):
        request["content"] = described["data"]
    with httpx2.Client(timeout=60) as client, client.stream(**request) as response:
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            assert "text/event-stream" in case.operation.definition.raw["responses"]["200"]["content"]
            return
        response.read()
        case.validate_response(response, checks=CHECKS)


@pytest.mark.parametrize("with_token", [False, True], ids=["nobody", "alice"])
def test_every_answer_is_one_that_the_schema_has(scene: Scene, with_token: bool) -> None:
    for operation in operations(scene).values():

        @settings(max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def run(case: schemathesis.Case[Any]) -> None:
            ask(scene, case, with_token=with_token)

        run()


def test_the_schema_says_what_needs_a_token(scene: Scene) -> None:
    found = operations(scene)
    assert len(found) > 20
    for name, operation in found.items():
        described = operation.definition.raw
        answer = httpx2.request(HTTPMethod(operation.method.upper()), scene.server.url + operation.path.replace("{stream_id}", "x"))
        assert (answer.status_code == 401) <= ("401" in described["responses"]), name
        if "security" in described:
            assert described["security"] == [{"token": []}]
            assert answer.status_code == 401 or answer.status_code == 400, name
    assert scene.schema.raw_schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_the_schema_has_the_messages_that_are_published(scene: Scene) -> None:
    body = operations(scene)["POST /v1/publish"].definition.raw["requestBody"]
    one, several = body["content"]["application/json"]["schema"]["oneOf"]
    fields = msgspec.structs.fields(Publication)
    assert [*one["properties"]] == [field.encode_name for field in fields]
    assert one["required"] == [field.encode_name for field in fields if field.required]
    assert one["properties"]["event"]["default"] == next(field.default for field in fields if field.name == "event")
    assert (body["required"], one["additionalProperties"], several["items"]) == (True, False, one)
